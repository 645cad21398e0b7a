/* Tensor files: what is written is read back; every damaged file is refused with a sentence that names it; a path
 * always holds the old content or the new one. */
#include "expect.h"
#include "folder.h"

#include "base/error.h"
#include "base/memory.h"
#include "cauchy_config.h"
#include "io/atomic.h"
#include "tensor/tensor.h"

#include <cauchy/io.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static size_t read_bytes(const char *path, unsigned char *bytes, size_t size) {
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  size_t n = fread(bytes, 1, size, f);
  fclose(f);
  return n;
}

static void write_gz(const char *path, const void *bytes, size_t n) {
  gzFile f = gzopen(path, "wb");
  assert_int_equal(gzwrite(f, bytes, (unsigned)n), n);
  gzclose(f);
}

/* Values that survive every dtype. */
static cy_tensor *sample(cy_dtype dtype, cy_shape shape) {
  cy_tensor *t;
  OK(cy_tensor_create(dtype, shape, &t));
  for (int64_t i = 0; i < cy_tensor_count(t); i++)
    cy_tensor_set(t, i, dtype == CY_BOOL ? i % 3 == 0 : (double)(i % 100));
  return t;
}

static void assert_same(const cy_tensor *a, const cy_tensor *b) {
  assert_int_equal(cy_tensor_dtype(a), cy_tensor_dtype(b));
  assert_true(cy_shape_equal(cy_tensor_shape(a), cy_tensor_shape(b)));
  for (int64_t i = 0; i < cy_tensor_count(a); i++) assert_true(cy_tensor_at(a, i) == cy_tensor_at(b, i));
}

static const cy_shape shapes[] = {{0, {0}}, {1, {7}}, {2, {3, 5}}, {3, {2, 0, 4}}, {4, {2, 3, 1, 4}},
                                  {8, {1, 2, 1, 2, 1, 2, 1, 2}}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* ---- round trips ---- */

static void npy_round_trip(void **state) {
  (void)state;
  for (int d = 0; d < CY_DTYPE_COUNT; d++)
    for (int s = 0; s < SHAPES; s++) {
      cy_tensor *t = sample((cy_dtype)d, shapes[s]), *back;
      OK(cy_npy_save(t, file("a.npy")));
      OK(cy_npy_load(file("a.npy"), &back));
      assert_same(t, back);
      cy_tensor_free(t);
      cy_tensor_free(back);
    }
}

static void npy_of_a_strided_tensor_is_row_major(void **state) {
  (void)state;
  float data[12];
  cy_tensor *t, *back;
  for (int i = 0; i < 12; i++) data[i] = (float)i;
  OK(cy_tensor_wrap(CY_F32, CY_SHAPE(4, 3), (int64_t[]){1, 4}, data, &t));
  OK(cy_npy_save(t, file("t.npy")));
  OK(cy_npy_load(file("t.npy"), &back));
  assert_same(t, back);
  assert_true(cy_tensor_is_contiguous(back));
  cy_tensor_free(t);
  cy_tensor_free(back);
}

static size_t npy_bytes(unsigned char *out, int version, const char *dictionary, const void *data, size_t n) {
  size_t length = strlen(dictionary), start = version == 1 ? 10 : 12;
  memcpy(out, "\x93NUMPY", 6);
  out[6] = (unsigned char)version;
  out[7] = 0;
  for (size_t i = 8; i < start; i++) out[i] = (unsigned char)(length >> (8 * (i - 8)));
  memcpy(out + start, dictionary, length);
  if (n) memcpy(out + start + length, data, n);
  return start + length + n;
}

static void npy_reads_fortran_order_and_big_endian(void **state) {
  (void)state;
  unsigned char bytes[256];
  cy_tensor *t;
  /* [[1, 2, 3], [4, 5, 6]] by columns, big-endian 32-bit integers, version 2, keys in another order. */
  unsigned char data[24] = {0};
  const int columns[] = {1, 4, 2, 5, 3, 6};
  for (int i = 0; i < 6; i++) data[4 * i + 3] = (unsigned char)columns[i];
  size_t n = npy_bytes(bytes, 2, "{'shape': (2, 3), 'fortran_order': True, 'descr': '>i4'}  \n", data, 24);
  write_bytes(file("f.npy"), bytes, n);
  OK(cy_npy_load(file("f.npy"), &t));
  assert_true(cy_shape_equal(cy_tensor_shape(t), CY_SHAPE(2, 3)));
  for (int i = 0; i < 6; i++) assert_int_equal(cy_tensor_i32(t)[i], i + 1);
  cy_tensor_free(t);
  write_gz(file("f.npy.gz"), bytes, n);
  OK(cy_npy_load(file("f.npy.gz"), &t));
  assert_int_equal(cy_tensor_i32(t)[5], 6);
  cy_tensor_free(t);
}

static void npy_refuses_what_it_cannot_hold(void **state) {
  (void)state;
  static const struct {
    const char *dictionary, *message;
  } bad[] = {
      {"{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }", "type '<f2'"},
      {"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "type '|O'"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "not understood"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", "memory can address"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "not understood"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "not understood"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3), }", "not understood"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", "not understood"},
      {"{'descr': '<f4', 'fortran_order': False, }", "not understood"},
      {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "not understood"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }", "only 8 bytes follow"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "more bytes than its header says"},
      {"", "not understood"},
  };
  unsigned char bytes[256];
  cy_tensor *t;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    write_bytes(file("bad.npy"), bytes, npy_bytes(bytes, 1, bad[i].dictionary, "12345678", 8));
    FAILS(cy_npy_load(file("bad.npy"), &t), CY_INVALID, bad[i].message);
    assert_non_null(strstr(cy_error_message(), "bad.npy"));
    assert_null(t);
  }
  FAILS(cy_npy_load(file("absent.npy"), &t), CY_IO, "absent.npy");
  FAILS(cy_npy_load(folder, &t), CY_IO, "not a regular file");
}

/* 1 MB of zeros compresses to about a kilobyte: a header that claims more than the stream holds is refused after
 * counting, not after allocating. */
static void compressed_files_do_not_overclaim(void **state) {
  (void)state;
  static unsigned char bytes[1 << 20];
  cy_tensor *t;
  size_t n = npy_bytes(bytes, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000,), }", NULL, 0);
  write_gz(file("z.npy.gz"), bytes, n + 1000000);
  OK(cy_npy_load(file("z.npy.gz"), &t));
  assert_int_equal(cy_tensor_count(t), 1000000);
  cy_tensor_free(t);
  npy_bytes(bytes, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (90000000,), }", NULL, 0);
  write_gz(file("z.npy.gz"), bytes, sizeof bytes);
  FAILS(cy_npy_load(file("z.npy.gz"), &t), CY_INVALID, "bytes follow");
  /* What does not compress leaves the claim possible, so the stream is counted. */
  uint32_t noise = 1;
  for (size_t i = 128; i < sizeof bytes; i++)
    bytes[i] = (unsigned char)((noise = noise * 1664525u + 1013904223u) >> 24);
  write_gz(file("z.npy.gz"), bytes, sizeof bytes);
  FAILS(cy_npy_load(file("z.npy.gz"), &t), CY_INVALID, "need 90000000 bytes, but only 1048502 bytes follow");
}

static void npz_round_trip(void **state) {
  (void)state;
#if CY_HAVE_ZIP
  const char *names[] = {"x", "layer/weights", "empty"};
  const cy_tensor *tensors[3];
  cy_tensor *made[3] = {sample(CY_F32, CY_SHAPE(4, 6)), sample(CY_I64, CY_SHAPE(300)), sample(CY_BOOL, CY_SHAPE(0, 3))};
  for (int i = 0; i < 3; i++) tensors[i] = made[i];
  for (int compress = 0; compress < 2; compress++) {
    cy_npz *npz;
    OK(cy_npz_save(names, tensors, 3, compress, file("a.npz")));
    OK(cy_npz_open(file("a.npz"), &npz));
    assert_int_equal(cy_npz_count(npz), 3);
    for (int i = 0; i < 3; i++) {
      cy_tensor *back;
      assert_string_equal(cy_npz_name(npz, i), names[i]);
      OK(cy_npz_load(npz, names[i], &back));
      assert_same(tensors[i], back);
      cy_tensor_free(back);
    }
    cy_tensor *none;
    FAILS(cy_npz_load(npz, "y", &none), CY_INVALID, "holds no array \"y\"");
    assert_null(cy_npz_name(npz, 3));
    cy_npz_close(npz);
  }
  names[1] = "x";
  FAILS(cy_npz_save(names, tensors, 3, false, file("b.npz")), CY_INVALID, "two arrays are named \"x\"");
  assert_int_not_equal(access(file("b.npz"), F_OK), 0);
  for (int i = 0; i < 3; i++) cy_tensor_free(made[i]);
#else
  cy_npz *npz;
  FAILS(cy_npz_open(file("a.npz"), &npz), CY_UNSUPPORTED, "libzip");
#endif
}

static void idx_round_trip(void **state) {
  (void)state;
  static const cy_dtype dtypes[] = {CY_U8, CY_I32, CY_F32, CY_F64};
  for (int d = 0; d < 4; d++)
    for (int s = 1; s < SHAPES; s++) {
      cy_tensor *t = sample(dtypes[d], shapes[s]), *back;
      OK(cy_idx_save(t, file("a.idx")));
      OK(cy_idx_load(file("a.idx"), &back));
      assert_same(t, back);
      cy_tensor_free(t);
      cy_tensor_free(back);
    }
  cy_tensor *t = sample(CY_I64, CY_SHAPE(2));
  FAILS(cy_idx_save(t, file("b.idx")), CY_INVALID, "i64");
  cy_tensor_free(t);
  /* i8 and i16 become i32 with their sign. */
  static const unsigned char shorts[] = {0, 0, 0x0b, 1, 0, 0, 0, 3, 0xff, 0xfe, 0x01, 0x00, 0x80, 0x00};
  static const unsigned char bytes[] = {0, 0, 0x09, 1, 0, 0, 0, 2, 0xff, 0x7f};
  write_bytes(file("s.idx"), shorts, sizeof shorts);
  OK(cy_idx_load(file("s.idx"), &t));
  assert_int_equal(cy_tensor_i32(t)[0], -2);
  assert_int_equal(cy_tensor_i32(t)[1], 256);
  assert_int_equal(cy_tensor_i32(t)[2], -32768);
  cy_tensor_free(t);
  write_bytes(file("b.idx"), bytes, sizeof bytes);
  OK(cy_idx_load(file("b.idx"), &t));
  assert_int_equal(cy_tensor_i32(t)[0], -1);
  assert_int_equal(cy_tensor_i32(t)[1], 127);
  cy_tensor_free(t);
}

static void idx_refuses_hostile_headers(void **state) {
  (void)state;
  static const struct {
    unsigned char bytes[40];
    size_t n;
    const char *message;
  } bad[] = {
      {{1, 0, 8, 1, 0, 0, 0, 1, 5}, 9, "is not an IDX file"},
      {{0, 0, 7, 1, 0, 0, 0, 1, 5}, 9, "is not an IDX file"},
      {{0, 0, 8, 0}, 4, "is not an IDX file"},
      {{0, 0, 8, 200}, 4, "is not an IDX file"},
      {{0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, 16, "memory can address"},
      {{0, 0, 8, 2, 0, 0, 255, 255, 0, 0, 255, 255}, 12, "need 4294836225 bytes, but only 0 bytes follow"},
      {{0, 0, 0x0e, 1, 0, 0, 0, 2, 1, 2, 3}, 11, "need 16 bytes, but only 3 bytes follow"},
      {{0, 0, 8, 1, 0, 0, 0, 1, 5, 6}, 10, "more bytes than its header says (9)"},
      {{0}, 0, "ends after 0 bytes"},
  };
  cy_tensor *t;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    write_bytes(file("bad.idx"), bad[i].bytes, bad[i].n);
    FAILS(cy_idx_load(file("bad.idx"), &t), CY_INVALID, bad[i].message);
    assert_non_null(strstr(cy_error_message(), "bad.idx"));
  }
}

/* ---- every truncation and every flipped bit ---- */

typedef cy_status (*loader)(const char *path);

static cy_status load_npy(const char *path) {
  cy_tensor *t;
  CY_TRY(cy_npy_load(path, &t));
  cy_tensor_free(t);
  return CY_OK;
}

static cy_status load_idx(const char *path) {
  cy_tensor *t;
  CY_TRY(cy_idx_load(path, &t));
  cy_tensor_free(t);
  return CY_OK;
}

#if CY_HAVE_ZIP
static cy_status load_npz(const char *path) {
  cy_npz *npz;
  cy_tensor *t;
  CY_TRY(cy_npz_open(path, &npz));
  cy_status status = cy_npz_count(npz) == 2 ? CY_OK : cy_fail(CY_INVALID, "%s: arrays missing", path);
  for (int i = 0; i < cy_npz_count(npz) && status == CY_OK; i++) {
    status = cy_npz_load(npz, cy_npz_name(npz, i), &t);
    cy_tensor_free(t);
  }
  cy_npz_close(npz);
  return status;
}
#endif

static cy_status load_safetensors(const char *path) {
  cy_safetensors *f;
  cy_tensor *t;
  CY_TRY(cy_safetensors_open(path, &f));
  cy_status status = CY_OK;
  for (int i = 0; i < cy_safetensors_count(f) && status == CY_OK; i++) {
    status = cy_safetensors_load(f, cy_safetensors_name(f, i), &t);
    cy_tensor_free(t);
  }
  cy_safetensors_close(f);
  return status;
}

static cy_status load_csv(const char *path) {
  cy_csv csv;
  CY_TRY(cy_csv_load(path, (cy_csv_options){.label = "-1"}, &csv));
  cy_csv_clear(&csv);
  return CY_OK;
}

/* Damaged files may still be valid ones (a flipped bit of an element is another element), but nothing may crash,
 * leak or read outside, and each refusal names the file. */
static void damage(const char *path, loader load, bool truncated_is_bad) {
  unsigned char bytes[4096];
  size_t n = read_bytes(path, bytes, sizeof bytes);
  const char *bad = file("damaged");
  assert_true(n > 0 && n < sizeof bytes);
  OK(load(path));
  for (size_t length = 0; length < n; length++) {
    write_bytes(bad, bytes, length);
    cy_status status = load(bad);
    if (truncated_is_bad) assert_int_equal(status, CY_INVALID);
    if (status != CY_OK) assert_non_null(strstr(cy_error_message(), bad));
  }
  for (size_t bit = 0; bit < 8 * n; bit++) {
    bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    write_bytes(bad, bytes, n);
    if (load(bad) != CY_OK) assert_non_null(strstr(cy_error_message(), bad));
    bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
  }
}

static void damaged_files_are_refused(void **state) {
  (void)state;
  unsigned char bytes[1024];
  cy_tensor *a = sample(CY_F32, CY_SHAPE(2, 3)), *b = sample(CY_BOOL, CY_SHAPE(5));
  const char *names[] = {"first", "second"};
  const cy_tensor *tensors[] = {a, b};
  OK(cy_npy_save(a, file("d.npy")));
  damage(file("d.npy"), load_npy, true);
  write_gz(file("d.npy.gz"), bytes, read_bytes(file("d.npy"), bytes, sizeof bytes));
  damage(file("d.npy.gz"), load_npy, true);
  OK(cy_idx_save(a, file("d.idx")));
  damage(file("d.idx"), load_idx, true);
  write_gz(file("d.idx.gz"), bytes, read_bytes(file("d.idx"), bytes, sizeof bytes));
  damage(file("d.idx.gz"), load_idx, true);
#if CY_HAVE_ZIP
  OK(cy_npz_save(names, tensors, 2, true, file("d.npz")));
  damage(file("d.npz"), load_npz, true);
  OK(cy_npz_save(names, tensors, 2, false, file("d.npz")));
  damage(file("d.npz"), load_npz, true);
#endif
  OK(cy_safetensors_save(names, tensors, 2, (cy_metadata[]){{"key", "value"}}, 1, file("d.safetensors")));
  damage(file("d.safetensors"), load_safetensors, true);
  write_file(file("d.csv"), "a,b,\"c\"\n1,2.5,\"x \"\"y\"\"\"\n3,-4e1,z\n");
  damage(file("d.csv"), load_csv, false);
  cy_tensor_free(a);
  cy_tensor_free(b);
}

/* ---- CSV ---- */

static void csv_with_header_and_text_labels(void **state) {
  (void)state;
  cy_csv csv;
  write_file(file("a.csv"), "\xef\xbb\xbfwidth, height ,\"the, kind\"\r\n1,2.5, pear\r\n\r\n"
                            "-3e2, .5 ,\"a \"\"b\"\"\"\r\n4,5,pear");
  OK(cy_csv_load(file("a.csv"), (cy_csv_options){.label = "the, kind"}, &csv));
  assert_true(cy_shape_equal(cy_tensor_shape(csv.values), CY_SHAPE(3, 2)));
  const double expected[] = {1, 2.5, -300, .5, 4, 5};
  for (int i = 0; i < 6; i++) assert_true(cy_tensor_f64(csv.values)[i] == expected[i]);
  assert_int_equal(csv.n_columns, 2);
  assert_string_equal(csv.columns[0], "width");
  assert_string_equal(csv.columns[1], "height");
  assert_string_equal(csv.label_name, "the, kind");
  assert_int_equal(csv.n_classes, 2);
  assert_string_equal(csv.classes[0], "a \"b\"");
  assert_string_equal(csv.classes[1], "pear");
  const int32_t labels[] = {1, 0, 1};
  assert_memory_equal(cy_tensor_i32(csv.labels), labels, sizeof labels);
  cy_csv_clear(&csv);
}

static void csv_reads_only_the_columns_asked_for(void **state) {
  (void)state;
  const char *const wanted[] = {"c", "a"}, *const absent[] = {"a", "z"};
  cy_csv csv;
  write_file(file("o.csv"), "a,note,c,kind\n1,\"x,y\",2,pear\n3,,4,fig\n");
  OK(cy_csv_load(file("o.csv"), (cy_csv_options){.only = wanted, .n_only = 2}, &csv));
  assert_int_equal(csv.n_columns, 2);
  assert_string_equal(csv.columns[0], "c");
  assert_string_equal(csv.columns[1], "a");
  assert_float_equal(cy_tensor_at(csv.values, 2), 4, 0);
  cy_csv_clear(&csv);
  OK(cy_csv_load(file("o.csv"), (cy_csv_options){.only = wanted, .n_only = 1, .label = "kind"}, &csv));
  assert_int_equal(csv.n_columns, 1);
  assert_string_equal(csv.classes[0], "fig");
  cy_csv_clear(&csv);
  FAILS(cy_csv_load(file("o.csv"), (cy_csv_options){.only = absent, .n_only = 2}, &csv), CY_INVALID,
        "o.csv: has no column \"z\"");
}

static void csv_without_header_and_numeric_labels_in_numeric_order(void **state) {
  (void)state;
  cy_csv csv;
  write_file(file("b.csv"), "10;0.5\n9;1.5\n10;2\n100;3\n");
  OK(cy_csv_load(file("b.csv"), (cy_csv_options){.label = "0"}, &csv));
  assert_string_equal(csv.columns[0], "column 1");
  assert_int_equal(csv.n_classes, 3);
  assert_string_equal(csv.classes[0], "9");
  assert_string_equal(csv.classes[1], "10");
  assert_string_equal(csv.classes[2], "100");
  const int32_t labels[] = {1, 0, 1, 2};
  assert_memory_equal(cy_tensor_i32(csv.labels), labels, sizeof labels);
  cy_csv_clear(&csv);
  OK(cy_csv_load(file("b.csv"), (cy_csv_options){0}, &csv));
  assert_null(csv.labels);
  assert_int_equal(csv.n_columns, 2);
  cy_csv_clear(&csv);
  OK(cy_csv_load(file("b.csv"), (cy_csv_options){.header = CY_HEADER_YES}, &csv));
  assert_string_equal(csv.columns[0], "10");
  assert_int_equal(cy_tensor_shape(csv.values).dim[0], 3);
  cy_csv_clear(&csv);
}

static void csv_reads_the_summary_line_of_scikit_learn(void **state) {
  (void)state;
  cy_csv csv;
  write_file(file("c.csv"), "3,2,setosa,virginica\n1,2,0\n3,4,1\n5,6,0\n");
  OK(cy_csv_load(file("c.csv"), (cy_csv_options){.label = "-1"}, &csv));
  assert_int_equal(cy_tensor_shape(csv.values).dim[0], 3);
  assert_string_equal(csv.classes[0], "setosa");
  assert_string_equal(csv.classes[1], "virginica");
  cy_csv_clear(&csv);
}

static void csv_complaints_name_line_and_column(void **state) {
  (void)state;
  static const struct {
    const char *text, *label, *message;
  } bad[] = {
      {"a,b\n1,2\n3,NA\n", NULL, "line 3, column 2 (b): the value is missing (\"NA\")"},
      {"a,b\n1,2\n,4\n", NULL, "line 3, column 1 (a): the value is missing (\"\")"},
      {"a,b\n1,2\n3,nan\n", NULL, "line 3, column 2 (b): the value is missing (\"nan\")"},
      {"a,b\n1,2\n3,inf\n", NULL, "line 3, column 2 (b): \"inf\" is not a number"},
      {"a,b\n1,2\n3,1e999\n", NULL, "\"1e999\" is not a number"},
      {"a,b\n1,2\n3,0x10\n", NULL, "\"0x10\" is not a number"},
      {"a,b\n1,2\n3,4,5\n", NULL, "line 3 has 3 cells but the lines above have 2"},
      {"a,b,c\n1,2\n", NULL, "the first line has 3 cells but the next has 2"},
      {"a,b\n1,\"2\n", NULL, "line 2: a quoted cell does not end"},
      {"a,b\n1,\"2\"3\n", NULL, "line 2: text follows the closing quote"},
      {"a,kind\n1,x\n2,\n", "kind", "line 3, column 2 (kind): the value is missing"},
      {"a,b\n1,2\n", "c", "has no column \"c\""},
      {"a,b\n1,2\n", "7", "has no column \"7\""},
      {"", NULL, "holds no rows"},
      {"a,b\n", NULL, "holds a header but no rows"},
  };
  cy_csv csv;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    write_file(file("bad.csv"), bad[i].text);
    FAILS(cy_csv_load(file("bad.csv"), (cy_csv_options){.label = bad[i].label}, &csv), CY_INVALID, bad[i].message);
    assert_non_null(strstr(cy_error_message(), "bad.csv"));
  }
  write_bytes(file("bad.csv"), "1,2\n3\0,4\n", 9);
  FAILS(cy_csv_load(file("bad.csv"), (cy_csv_options){0}, &csv), CY_INVALID, "line 2 holds a zero byte");
}

/* ---- safetensors and state ---- */

static void safetensors_round_trip(void **state) {
  (void)state;
  const char *names[CY_DTYPE_COUNT * SHAPES];
  const cy_tensor *tensors[CY_DTYPE_COUNT * SHAPES];
  char text[CY_DTYPE_COUNT * SHAPES][32];
  int n = 0;
  for (int d = 0; d < CY_DTYPE_COUNT; d++)
    for (int s = 0; s < SHAPES; s++, n++) {
      snprintf(text[n], sizeof text[n], "%s.\xc3\xa9t\xc3\xa9 %d", cy_dtype_name((cy_dtype)d), s);
      names[n] = text[n];
      tensors[n] = sample((cy_dtype)d, shapes[s]);
    }
  const cy_metadata metadata[] = {{"recipe", "{\"a\": [1, 2]}\nline"}, {"empty", ""}};
  cy_safetensors *f;
  OK(cy_safetensors_save(names, tensors, n, metadata, 2, file("a.safetensors")));
  OK(cy_safetensors_open(file("a.safetensors"), &f));
  assert_int_equal(cy_safetensors_count(f), n);
  assert_int_equal(cy_safetensors_metadata_count(f), 2);
  assert_string_equal(cy_safetensors_metadata(f, "recipe"), metadata[0].value);
  assert_string_equal(cy_safetensors_metadata(f, "empty"), "");
  assert_null(cy_safetensors_metadata(f, "absent"));
  for (int i = 0; i < n; i++) {
    cy_tensor *back;
    int k = cy_safetensors_find(f, names[i]);
    assert_true(k >= 0 && cy_safetensors_dtype(f, k) == cy_tensor_dtype(tensors[i]));
    OK(cy_safetensors_load(f, names[i], &back));
    assert_same(tensors[i], back);
    cy_tensor_free(back);
  }
  cy_safetensors_close(f);
  names[1] = names[0];
  FAILS(cy_safetensors_save(names, tensors, n, NULL, 0, file("b.safetensors")), CY_INVALID, "is given twice");
  names[1] = "\xff\xfe";
  FAILS(cy_safetensors_save(names, tensors, n, NULL, 0, file("b.safetensors")), CY_INVALID, "UTF-8");
  for (int i = 0; i < n; i++) cy_tensor_free((cy_tensor *)tensors[i]);
}

static void safetensors_refuses_hostile_headers(void **state) {
  (void)state;
  static const struct {
    const char *header, *message;
  } bad[] = {
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", "needs 8 bytes but has 4"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", "follows a gap"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "fill 4 bytes but 8 follow"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F64\",\"shape\":[1],"
       "\"data_offsets\":[0,8]}}", "overlaps another"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9]}}", "not two places"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", "not two places"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", "not two places"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,8]}}", "memory can address"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", "whole number"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,8]}}", "whole number"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", "at most 8 extents"},
      {"{\"a\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[0,8]}}", "has dtype BF16"},
      {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", "has no dtype"},
      {"{\"a\":7}", "has no dtype"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a\":{}}", "duplicate"},
      {"{\"__metadata__\":{\"k\":1}}", "is not a string"},
      {"{\"__metadata__\":[]}", "is not an object"},
      {"[]", "not a JSON object"},
      {"{", "not a JSON object"},
  };
  unsigned char bytes[512];
  cy_safetensors *f;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    size_t n = strlen(bad[i].header);
    memset(bytes, 0, sizeof bytes);
    bytes[0] = (unsigned char)n;
    memcpy(bytes + 8, bad[i].header, n);
    write_bytes(file("bad.safetensors"), bytes, 8 + n + 8);
    FAILS(cy_safetensors_open(file("bad.safetensors"), &f), CY_INVALID, bad[i].message);
    assert_non_null(strstr(cy_error_message(), "bad.safetensors"));
  }
  memset(bytes, 0xff, 16);
  write_bytes(file("bad.safetensors"), bytes, 16);
  FAILS(cy_safetensors_open(file("bad.safetensors"), &f), CY_INVALID, "header of 18446744073709551615 bytes");
}

static cy_state *make_state(cy_shape weights, bool slots) {
  cy_state *state;
  OK(cy_state_create(&state));
  OK(cy_state_declare(state, "fc1.weight", CY_PARAMETER, CY_F32, weights));
  OK(cy_state_declare(state, "fc1.bias", CY_PARAMETER, CY_F32, CY_SHAPE(3)));
  OK(cy_state_declare(state, "norm.mean", CY_BUFFER, CY_F64, CY_SHAPE(3)));
  if (slots) OK(cy_state_declare(state, "adam.step", CY_OPTIMIZER, CY_I64, CY_SCALAR));
  OK(cy_state_allocate(state));
  return state;
}

static void fill(cy_state *state, double first) {
  for (int i = 0; i < cy_state_count(state); i++)
    for (int64_t k = 0; k < cy_tensor_count(cy_state_tensor(state, i)); k++)
      cy_tensor_set(cy_state_tensor(state, i), k, first + 10 * i + (double)k);
}

static void state_round_trip_and_strictness(void **unused) {
  (void)unused;
  cy_state *a = make_state(CY_SHAPE(2, 3), true), *b = make_state(CY_SHAPE(2, 3), true);
  cy_state *predict = make_state(CY_SHAPE(2, 3), false), *wide = make_state(CY_SHAPE(4, 3), true);
  const char *checkpoint = file("checkpoint.safetensors"), *model = file("model.safetensors");
  fill(a, 1);
  OK(cy_state_save(a, CY_ALL_ROLES, (cy_metadata[]){{"step", "17"}}, 1, checkpoint));
  OK(cy_state_save(a, CY_MODEL_ROLES, NULL, 0, model));
  OK(cy_state_load(checkpoint, b, CY_ALL_ROLES, CY_LOAD_EXACT));
  for (int i = 0; i < cy_state_count(a); i++) assert_same(cy_state_tensor(a, i), cy_state_tensor(b, i));
  /* To predict: optimiser slots in the file are passed over. */
  FAILS(cy_state_load(checkpoint, predict, CY_ALL_ROLES, CY_LOAD_EXACT), CY_INVALID,
        "tensor \"adam.step\" in the file, not declared by the model");
  OK(cy_state_load(checkpoint, predict, CY_ALL_ROLES, CY_LOAD_ALLOW_EXTRA));
  assert_same(cy_state_find(a, "fc1.weight"), cy_state_find(predict, "fc1.weight"));
  /* To start from a model: what it lacks keeps its value. */
  fill(b, 100);
  FAILS(cy_state_load(model, b, CY_ALL_ROLES, CY_LOAD_EXACT), CY_INVALID,
        "\"adam.step\" declared by the model, not in");
  assert_true(cy_tensor_at(cy_state_find(b, "fc1.bias"), 0) == 110); /* nothing changed */
  OK(cy_state_load(model, b, CY_MODEL_ROLES, CY_LOAD_EXACT));
  OK(cy_state_load(model, b, CY_ALL_ROLES, CY_LOAD_ALLOW_MISSING));
  assert_true(cy_tensor_at(cy_state_find(b, "adam.step"), 0) == 130);
  assert_true(cy_tensor_at(cy_state_find(b, "fc1.bias"), 0) == 11);
  fill(wide, 5);
  FAILS(cy_state_load(checkpoint, wide, CY_ALL_ROLES, CY_LOAD_EXACT), CY_INVALID,
        "tensor \"fc1.weight\" is f32 2x3 in the file but f32 4x3 in the model");
  assert_non_null(strstr(cy_error_message(), "checkpoint.safetensors: "));
  assert_true(cy_tensor_at(cy_state_find(wide, "fc1.bias"), 0) == 15);
  cy_state_free(a);
  cy_state_free(b);
  cy_state_free(predict);
  cy_state_free(wide);
}

/* ---- atomic writing ---- */

static int files_in_folder(void) {
  char command[160];
  snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
  FILE *f = popen(command, "r");
  int n = -1;
  assert_int_equal(fscanf(f, "%d", &n), 1);
  pclose(f);
  return n;
}

static void a_path_holds_the_old_content_or_the_new(void **state) {
  (void)state;
  char *text;
  size_t length;
  cy_writer writer;
  OK(cy_file_write("old", 3, file("kept")));
  int before = files_in_folder();
  OK(cy_writer_open(&writer, file("kept")));
  OK(cy_writer_write(&writer, "new content", 11));
  assert_int_equal(files_in_folder(), before + 1);
  OK(cy_file_read(file("kept"), 100, &text, &length)); /* not yet */
  assert_string_equal(text, "old");
  cy_string_free(text);
  cy_writer_close(&writer); /* given up: nothing remains */
  assert_int_equal(files_in_folder(), before);
  OK(cy_file_read(file("kept"), 100, &text, &length));
  assert_string_equal(text, "old");
  cy_string_free(text);
  OK(cy_file_write("new", 3, file("kept")));
  OK(cy_file_read(file("kept"), 100, &text, &length));
  assert_string_equal(text, "new");
  cy_string_free(text);
  assert_int_equal(files_in_folder(), before);
}

static void links_are_followed_and_devices_refused(void **state) {
  (void)state;
  struct stat info;
  OK(cy_file_write("a", 1, file("target")));
  assert_int_equal(symlink("target", file("link")), 0);
  OK(cy_file_write("bb", 2, file("link")));
  assert_int_equal(lstat(file("link"), &info), 0);
  assert_true(S_ISLNK(info.st_mode));
  assert_int_equal(stat(file("target"), &info), 0);
  assert_int_equal(info.st_size, 2);
  FAILS(cy_file_write("a", 1, "/dev/null"), CY_IO, "device");
  FAILS(cy_file_write("a", 1, folder), CY_IO, "is a folder");
  FAILS(cy_file_write("a", 1, file("no/such/folder/x")), CY_IO, "cannot create");
}

static void whole_files_and_folders(void **state) {
  (void)state;
  char *text;
  size_t length;
  OK(cy_make_folders(file("one/two/three")));
  OK(cy_make_folders(file("one/two/three")));
  OK(cy_file_write("", 0, file("one/two/three/empty")));
  OK(cy_file_read(file("one/two/three/empty"), 10, &text, &length));
  assert_int_equal(length, 0);
  cy_string_free(text);
  write_gz(file("t.gz"), "hello", 5);
  OK(cy_file_read(file("t.gz"), 5, &text, &length));
  assert_string_equal(text, "hello");
  cy_string_free(text);
  FAILS(cy_file_read(file("t.gz"), 4, &text, &length), CY_INVALID, "larger than 4 bytes");
  FAILS(cy_make_folders(file("t.gz/x")), CY_IO, "cannot create the folder");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(npy_round_trip),
      cmocka_unit_test(npy_of_a_strided_tensor_is_row_major),
      cmocka_unit_test(npy_reads_fortran_order_and_big_endian),
      cmocka_unit_test(npy_refuses_what_it_cannot_hold),
      cmocka_unit_test(compressed_files_do_not_overclaim),
      cmocka_unit_test(npz_round_trip),
      cmocka_unit_test(idx_round_trip),
      cmocka_unit_test(idx_refuses_hostile_headers),
      cmocka_unit_test(damaged_files_are_refused),
      cmocka_unit_test(csv_with_header_and_text_labels),
      cmocka_unit_test(csv_reads_only_the_columns_asked_for),
      cmocka_unit_test(csv_without_header_and_numeric_labels_in_numeric_order),
      cmocka_unit_test(csv_reads_the_summary_line_of_scikit_learn),
      cmocka_unit_test(csv_complaints_name_line_and_column),
      cmocka_unit_test(safetensors_round_trip),
      cmocka_unit_test(safetensors_refuses_hostile_headers),
      cmocka_unit_test(state_round_trip_and_strictness),
      cmocka_unit_test(a_path_holds_the_old_content_or_the_new),
      cmocka_unit_test(links_are_followed_and_devices_refused),
      cmocka_unit_test(whole_files_and_folders),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
