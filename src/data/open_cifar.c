/* CIFAR-10 and CIFAR-100 in their binary form: records of one or two label bytes and 3 x 32 x 32 pixels, planar red,
 * green, blue (cs.toronto.edu/~kriz/cifar.html). They come as a folder of files, plain or .gz, as the published
 * archive, which is read without unpacking, or as one file of records. Each file is released when its records have been
 * taken over, so that memory holds the set about once. */
#include "base/memory.h"
#include "data/samples.h"
#include "io/tar.h"

#include <cauchy/io.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PIXELS = 3 * 32 * 32, TEST = 1000, MAX_NAMES = 256, MAX_NAMES_BYTES = 1 << 16 };
static const size_t max_file_bytes = (size_t)1 << 31;

typedef struct cifar_format {
  const char *train, *test; /* files without ".bin"; a train file that ends with _ is numbered from 1 */
  const char *folder, *archive; /* as published */
  int label_bytes;
  struct {
    const char *target; /* what the label tells */
    const char *names;  /* file of the class names */
    int byte;           /* of the record */
    int64_t classes;
  } labels[2]; /* the first is the usual one */
} cifar_format;

static const cifar_format formats[] = {
    {"data_batch_", "test_batch", "cifar-10-batches-bin", "cifar-10-binary.tar.gz", 1,
     {{"label", "batches.meta.txt", 0, 10}, {NULL, NULL, 0, 0}}},
    {"train", "test", "cifar-100-binary", "cifar-100-binary.tar.gz", 2,
     {{"fine", "fine_label_names.txt", 1, 100}, {"coarse", "coarse_label_names.txt", 0, 20}}},
};
enum { FORMATS = sizeof formats / sizeof *formats };

typedef struct cifar_file {
  int order;   /* 1, 2, ... of training files, TEST */
  char *path;  /* what messages call it */
  char *bytes; /* NULL: not read yet */
  size_t length;
} cifar_file;

typedef struct cifar_set {
  const char *name, *place;
  const cifar_format *format;
  int label;         /* which of the format's labels */
  cifar_file *files; /* by order */
  size_t count, capacity;
  char *names_text, *names_path; /* NULL: no file of class names */
  const char *names[MAX_NAMES];  /* into names_text */
  int64_t classes;
  cy_samples samples;
  int64_t test_count;
} cifar_set;

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* ---- which files there are ---- */

/* The place of a file in the set: its number, TEST, or 0 if it holds no records. */
static int order_of(const cifar_format *format, const char *path) {
  const char *base = base_name(path);
  size_t n = strlen(base), stem = strlen(format->train);
  if (n > 3 && strcmp(base + n - 3, ".gz") == 0) n -= 3;
  if (n <= 4 || strncmp(base + n - 4, ".bin", 4) != 0) return 0;
  n -= 4;
  if (n == strlen(format->test) && strncmp(base, format->test, n) == 0) return TEST;
  if (n < stem || strncmp(base, format->train, stem) != 0) return 0;
  if (n == stem) return format->train[stem - 1] == '_' ? 0 : 1;
  char *end;
  long number = base[stem] >= '1' && base[stem] <= '9' ? strtol(base + stem, &end, 10) : 0;
  return number > 0 && number < TEST && end == base + n && format->train[stem - 1] == '_' ? (int)number : 0;
}

static bool is_names(const cifar_set *set, const char *path) {
  return strcmp(base_name(path), set->format->labels[set->label].names) == 0;
}

/* Keeps files by order; of a file that is there twice, plain and compressed, the plain one. Takes over path. */
static cy_status add_file(cifar_set *set, int order, char *path, char *bytes, size_t length) {
  cifar_file file = {order, path, bytes, length};
  size_t at = set->count;
  if (!path || !cy_grow(&set->files, set->count, &set->capacity, sizeof *set->files)) {
    cy_free(path);
    cy_free(bytes);
    return cy_no_memory();
  }
  while (at > 0 && set->files[at - 1].order > order) at--;
  if (at > 0 && set->files[at - 1].order == order) {
    cifar_file *twin = &set->files[at - 1];
    bool shorter = strlen(path) < strlen(twin->path);
    cifar_file loser = shorter ? *twin : file;
    if (shorter) *twin = file;
    cy_free(loser.path);
    cy_free(loser.bytes);
    return CY_OK;
  }
  memmove(set->files + at + 1, set->files + at, (set->count - at) * sizeof *set->files);
  set->files[at] = file;
  set->count++;
  return CY_OK;
}

static cy_status collect_entry(cifar_set *set, const char *folder, const char *name) {
  int order = order_of(set->format, name);
  if (order) return add_file(set, order, cy_join_path(folder, name), NULL, 0);
  if (!is_names(set, name)) return CY_OK;
  size_t length;
  cy_free(set->names_path);
  cy_string_free(set->names_text);
  set->names_text = NULL;
  set->names_path = cy_join_path(folder, name);
  return set->names_path ? cy_file_read(set->names_path, MAX_NAMES_BYTES, &set->names_text, &length) : cy_no_memory();
}

static cy_status collect_folder(cifar_set *set, const char *folder) {
  DIR *stream = opendir(folder);
  cy_status status = CY_OK;
  if (!stream) return cy_fail(CY_IO, "%s: cannot read the folder: %s", folder, strerror(errno));
  for (struct dirent *entry; status == CY_OK && (entry = readdir(stream)) != NULL;)
    status = collect_entry(set, folder, entry->d_name);
  closedir(stream);
  return status;
}

/* ---- archives ---- */

static cy_status take_entry(cifar_set *set, cy_source *source, const cy_tar_entry *entry) {
  int order = order_of(set->format, entry->name);
  char what[CY_TAR_NAME + 32], *bytes;
  if (!order && !is_names(set, entry->name)) return CY_OK;
  if (entry->size > (order ? max_file_bytes : MAX_NAMES_BYTES))
    return cy_fail(CY_INVALID, "%s: %s is larger than such a file can be (%llu bytes)", source->name, entry->name,
                   (unsigned long long)entry->size);
  snprintf(what, sizeof what, "the contents of %s", entry->name);
  CY_TRY(cy_source_claim(source, entry->size, what));
  if (!(bytes = cy_calloc((size_t)entry->size + 1, 1))) return cy_no_memory();
  cy_status status = cy_source_read(source, bytes, (size_t)entry->size, what);
  if (status == CY_OK && order)
    return add_file(set, order, cy_join_path(source->name, entry->name), bytes, (size_t)entry->size);
  if (status == CY_OK && !set->names_text) {
    set->names_path = cy_join_path(source->name, entry->name);
    set->names_text = bytes;
    return set->names_path ? CY_OK : cy_no_memory();
  }
  cy_free(bytes);
  return status;
}

static cy_status collect_archive(cifar_set *set, const char *path) {
  cy_source source;
  cy_tar_entry entry = {0};
  uint64_t content = 0;
  CY_TRY(cy_source_open(path, &source));
  cy_status status = CY_OK;
  do {
    status = cy_tar_next(&source, &entry, &content);
    if (status == CY_OK && entry.name[0]) status = take_entry(set, &source, &entry);
  } while (status == CY_OK && entry.name[0]);
  cy_source_close(&source);
  return status;
}

/* ---- class names ---- */

/* One per line; empty lines are passed over. Without a file the format's number of classes. */
static cy_status read_names(cifar_set *set) {
  set->classes = set->format->labels[set->label].classes;
  if (!set->names_text) return CY_OK;
  set->classes = 0;
  for (char *rest = set->names_text, *line; (line = strsep(&rest, "\r\n")) != NULL;) {
    if (!line[0]) continue;
    if (set->classes == MAX_NAMES)
      return cy_fail(CY_INVALID, "%s: names more than %d classes", set->names_path, MAX_NAMES);
    set->names[set->classes++] = line;
  }
  return set->classes ? CY_OK : cy_fail(CY_INVALID, "%s: names no class", set->names_path);
}

/* ---- records ---- */

static cy_status check_length(const cifar_set *set, const cifar_file *file) {
  size_t label = (size_t)set->format->label_bytes, record = label + PIXELS, n = file->length / record;
  if (file->length && file->length % record == 0) return CY_OK;
  if (!file->length) return cy_fail(CY_INVALID, "%s: is empty", file->path);
  return cy_fail(CY_INVALID, "%s: holds %zu bytes, which are not whole records of %zu + %d: %zu records are %zu bytes, "
                 "and %zu are left", file->path, file->length, label, PIXELS, n, n * record,
                 file->length - n * record);
}

static cy_status take_records(cifar_set *set, const cifar_file *file) {
  int byte = set->format->labels[set->label].byte, labels = set->format->label_bytes;
  int64_t n = (int64_t)file->length / (labels + PIXELS);
  cy_samples *s = &set->samples;
  CY_TRY(cy_samples_reserve(s, set->place, n));
  for (int64_t i = 0; i < n; i++) {
    const uint8_t *record = (const uint8_t *)file->bytes + i * (labels + PIXELS);
    if (record[byte] >= set->classes)
      return cy_fail(CY_INVALID, "%s: record %lld has label %d, but labels run from 0 to %lld", file->path,
                     (long long)i, record[byte], (long long)set->classes - 1);
    s->labels[s->count] = record[byte];
    memcpy(s->pixels + s->count++ * PIXELS, record + labels, PIXELS);
  }
  if (file->order == TEST) set->test_count = n;
  return CY_OK;
}

static cy_status take_file(cifar_set *set, cifar_file *file) {
  if (!file->bytes) CY_TRY(cy_file_read(file->path, max_file_bytes, &file->bytes, &file->length));
  CY_TRY(check_length(set, file));
  CY_TRY(take_records(set, file));
  cy_free(file->bytes);
  file->bytes = NULL;
  return CY_OK;
}

/* Training files are numbered without a gap: a missing one would go unnoticed otherwise. */
static cy_status check_complete(const cifar_set *set) {
  int64_t training = 0;
  for (size_t i = 0; i < set->count; i++) {
    const cifar_file *f = &set->files[i];
    if (f->order == TEST) continue;
    if (f->order != ++training)
      return cy_fail(CY_INVALID, "%s: %s%lld.bin is missing, though %s is there", set->place, set->format->train,
                     (long long)training, base_name(f->path));
  }
  if (training) return CY_OK;
  return cy_fail(CY_INVALID, "%s: holds no %s%s.bin", set->place, set->format->train,
                 set->format->label_bytes == 1 ? "1" : "");
}

static cy_status build(cifar_set *set, cy_dataset **dataset) {
  cy_dataset_parts parts = {.name = set->name, .origin = set->place, .place = set->place,
                            .target_name = set->format->labels[set->label].target};
  CY_TRY(read_names(set));
  for (size_t i = 0; i < set->count; i++) CY_TRY(take_file(set, &set->files[i]));
  parts.classes = set->classes;
  parts.class_names = set->names_text ? set->names : NULL;
  parts.test_count = set->count > 1 ? set->test_count : 0; /* a test file alone is a set of its own */
  cy_status status = cy_samples_hand_over(&set->samples, CY_SHAPE(3, 32, 32), &parts);
  if (status == CY_OK) return cy_dataset_build(parts, dataset);
  cy_tensor_free(parts.inputs);
  return status;
}

/* ---- from a path ---- */

static cy_status choose_label(cifar_set *set, const char *target) {
  const cifar_format *f = set->format;
  if (!target || strcmp(target, "label") == 0) return CY_OK;
  for (int i = 0; i < 2 && f->labels[i].target; i++) {
    set->label = i;
    if (strcmp(target, f->labels[i].target) == 0) return CY_OK;
  }
  return cy_fail(CY_INVALID, "%s: has the target%s %s%s%s, not \"%.40s\"", set->place, f->labels[1].target ? "s" : "",
                 f->labels[0].target, f->labels[1].target ? " and " : "",
                 f->labels[1].target ? f->labels[1].target : "", target);
}

static void clear(cifar_set *set) {
  for (size_t i = 0; i < set->count; i++) {
    cy_free(set->files[i].path);
    cy_free(set->files[i].bytes);
  }
  cy_free(set->files);
  cy_free(set->names_text);
  cy_free(set->names_path);
  cy_samples_clear(&set->samples);
}

typedef cy_status (*collector)(cifar_set *set, const char *path);

static cy_status open_with(collector collect, const char *path, cifar_set set, const char *target,
                           cy_dataset **dataset) {
  set.samples.size = PIXELS;
  cy_status status = choose_label(&set, target);
  if (status == CY_OK) status = collect(&set, path);
  if (status == CY_OK) status = check_complete(&set);
  if (status == CY_OK) status = build(&set, dataset);
  clear(&set);
  return status;
}

/* One file of records; the class names may lie beside it. */
static cy_status collect_one(cifar_set *set, const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash ? cy_strndup(path, (size_t)(slash - path) + (slash == path)) : cy_strdup(".");
  char *names = folder ? cy_join_path(folder, set->format->labels[set->label].names) : NULL;
  struct stat info;
  cy_status status = names ? CY_OK : cy_no_memory();
  if (status == CY_OK && stat(names, &info) == 0) status = collect_entry(set, folder, base_name(names));
  if (status == CY_OK) status = add_file(set, 1, cy_strdup(path), NULL, 0);
  cy_free(folder);
  cy_free(names);
  return status;
}

static bool holds_records(const cifar_format *format, const char *folder) {
  DIR *stream = opendir(folder);
  bool found = false;
  if (!stream) return false;
  for (struct dirent *entry; !found && (entry = readdir(stream)) != NULL;) {
    int order = order_of(format, entry->d_name);
    found = order > 0 && (format->label_bytes == 1 || order != TEST); /* test.bin alone could be anything */
  }
  closedir(stream);
  return found;
}

/* Where in the folder the set is: its files, its published folder, its archive. *collect NULL: nowhere. */
static cy_status find_in(const cifar_format *format, const char *folder, collector *collect, char **path) {
  struct stat info;
  *collect = NULL;
  *path = cy_strdup(folder);
  if (*path && holds_records(format, *path)) *collect = collect_folder;
  if (!*path || *collect) return *path ? CY_OK : cy_no_memory();
  cy_free(*path);
  *path = cy_join_path(folder, format->folder);
  if (*path && holds_records(format, *path)) *collect = collect_folder;
  if (!*path || *collect) return *path ? CY_OK : cy_no_memory();
  cy_free(*path);
  *path = cy_join_path(folder, format->archive);
  if (!*path) return cy_no_memory();
  if (stat(*path, &info) == 0 && S_ISREG(info.st_mode)) *collect = collect_archive;
  return CY_OK;
}

cy_status cy_open_cifar_folder(const char *name, const char *folder, cy_dataset_options options, cy_dataset **dataset) {
  *dataset = NULL;
  for (int i = 0; i < FORMATS; i++) {
    collector collect;
    char *path;
    cy_status status = find_in(&formats[i], folder, &collect, &path);
    if (status == CY_OK && collect)
      status = open_with(collect, path, (cifar_set){.name = name, .place = folder, .format = &formats[i]},
                         options.target, dataset);
    cy_free(path);
    if (status != CY_OK || collect) return status;
  }
  return CY_OK;
}

cy_status cy_open_cifar_file(const char *name, const char *path, cy_dataset_options options, cy_dataset **dataset) {
  const char *base = base_name(path);
  bool archive = strstr(base, ".tar") != NULL;
  *dataset = NULL;
  for (int i = FORMATS - 1; i >= 0; i--) {
    bool fits = archive ? strstr(base, formats[i].label_bytes == 2 ? "100" : "") != NULL
                        : formats[i].label_bytes == 1 || order_of(&formats[i], base) != 0;
    if (fits)
      return open_with(archive ? collect_archive : collect_one, path,
                       (cifar_set){.name = name, .place = path, .format = &formats[i]}, options.target, dataset);
  }
  return CY_OK;
}
