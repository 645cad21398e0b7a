/* Files of tensors: NPY, NPZ, IDX, CSV, images, safetensors. Paths are file names of the system. Files whose content is
 * gzip-compressed are read as if they were not (except NPZ and safetensors, which have their own rules).
 * Every file is untrusted: a reader checks each size against what the file can hold before it allocates, and fails
 * with CY_INVALID and one sentence that names the file. Every writer is atomic: it writes a temporary file in the
 * same folder, flushes it to the disk and renames it, so that the path always holds the old file or the new one.
 *
 *   cy_tensor *x;
 *   if (cy_npy_load("x.npy", &x) != CY_OK) return fail(cy_error_message());
 *   ...
 *   cy_tensor_free(x); */
#ifndef CAUCHY_IO_H
#define CAUCHY_IO_H

#include <cauchy/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- NPY: one tensor (NumPy's own format, versions 1.0 and 2.0) ---- */

/* A new row-major tensor; Fortran order and either byte order are converted. dtypes f4 f8 i4 i8 u1 b1;
 * others are refused by name. Also reads x.npy.gz. */
CY_API CY_MUST_CHECK cy_status cy_npy_load(const char *path, cy_tensor **tensor);
CY_API CY_MUST_CHECK cy_status cy_npy_save(const cy_tensor *tensor, const char *path);

/* ---- NPZ: named tensors (a zip of NPY files). CY_UNSUPPORTED in a build without libzip. ---- */
typedef struct cy_npz cy_npz;
CY_API CY_MUST_CHECK cy_status cy_npz_open(const char *path, cy_npz **npz);
CY_API void cy_npz_close(cy_npz *npz);
CY_API int cy_npz_count(const cy_npz *npz);
CY_API const char *cy_npz_name(const cy_npz *npz, int i); /* without ".npy"; NULL if i is out of range */
CY_API CY_MUST_CHECK cy_status cy_npz_load(cy_npz *npz, const char *name, cy_tensor **tensor); /* new tensor */
/* names without ".npy". compress: deflate, else stored. */
CY_API CY_MUST_CHECK cy_status cy_npz_save(const char *const *names, const cy_tensor *const *tensors, int n,
                                           bool compress, const char *path);

/* ---- IDX: one tensor (the format of MNIST; u8, i32, f32, f64 and, widened to i32, i8 and i16) ---- */
CY_API CY_MUST_CHECK cy_status cy_idx_load(const char *path, cy_tensor **tensor);
CY_API CY_MUST_CHECK cy_status cy_idx_save(const cy_tensor *tensor, const char *path); /* u8, i32, f32, f64 */

/* ---- CSV ---- */
typedef enum cy_header {
  CY_HEADER_DETECT, /* a header if the first line has a cell that is not a number where the second has one */
  CY_HEADER_YES,
  CY_HEADER_NO,
} cy_header;

typedef struct cy_csv_options {
  char separator;    /* 0: whichever of , ; tab the first line holds most of */
  const char *label; /* the column of class labels: its name, or its number from 0, or "-1" for the last; NULL: none */
  cy_header header;
  const char *const *only; /* the columns to read besides the label, in this order, by name; others may hold anything.
                            * NULL: all. A file without a header is read whole, unless it has columns of these names
                            * ("column 0", ...). Of several columns of one name, a name stands for the next each time */
  int n_only;
  const char *const *without; /* or the columns to leave out: they must be there, and may hold anything */
  int n_without;
  bool numbered;           /* only and without hold numbers from 0 too, for columns that no name stands for */
  bool missing;            /* cells that are empty, NA, NaN, null, ? or - become NaN, of the label column class -1; and
                            * without a list of columns, those with text, or with no number, are left out */
} cy_csv_options;

typedef struct cy_csv {
  cy_tensor *values;   /* f64 [rows, columns], without the label column */
  char **columns;      /* their names, from the header or "column 0", "column 1", ... */
  int64_t n_columns;
  cy_tensor *labels;   /* i32 [rows], 0..n_classes-1, or -1: missing; NULL without a label column */
  char *label_name;    /* the label column's name; NULL without one */
  char **classes;      /* the distinct labels: in numeric order if all are numbers, else in byte order */
  int64_t n_classes;
} cy_csv;

/* Reads numbers (and one column of labels, numbers or text). Cells may be quoted; "" inside quotes is a quote. Empty
 * cells, NA, NaN, text in a numeric column and lines of another length are errors that name line and column. Also reads
 * .gz, and the first line "rows,columns,class,class,..." of scikit-learn's tables. Release with cy_csv_clear. */
CY_API CY_MUST_CHECK cy_status cy_csv_load(const char *path, cy_csv_options options, cy_csv *csv);
CY_API void cy_csv_clear(cy_csv *csv);

/* ---- images: one picture as a u8 tensor [channels, height, width], 1 channel for gray, 3 for red, green, blue ---- */

enum { CY_IMAGE_MAX_PIXELS = 1 << 28 }; /* larger pictures are refused */

typedef enum cy_image_mode {
  CY_IMAGE_KEEP, /* 1 or 3 channels, as the file has */
  CY_IMAGE_GRAY, /* 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601), rounded */
  CY_IMAGE_RGB,  /* gray in all three */
} cy_image_mode;

/* PNG or JPEG, told by the content. PNG: palettes are looked up, 16 bits rounded to 8, and what is transparent lies on
 * white. JPEG: gray and colour, baseline and progressive; CMYK is refused. Values are taken as they are (no gamma, no
 * colour profile, no turning by camera tags). A truncated or damaged file is CY_INVALID, also where viewers would show
 * the rest of it gray. CY_UNSUPPORTED in a build without libpng, or libjpeg-turbo. Memory: the file and the image. */
CY_API CY_MUST_CHECK cy_status cy_image_read(const char *path, cy_image_mode mode, cy_tensor **image);
/* A PNG of a u8 tensor [1 or 3, height, width], any strides. */
CY_API CY_MUST_CHECK cy_status cy_image_write(const cy_tensor *image, const char *path);
/* Images in memory, u8 [..., 1 or 3, height, width], row-major, to other channels: a new tensor. */
CY_API CY_MUST_CHECK cy_status cy_images_convert(const cy_tensor *images, cy_image_mode mode, cy_tensor **converted);
/* Whether the name ends in .png, .jpg or .jpeg (in either case). */
CY_API bool cy_image_is_name(const char *path);

/* ---- safetensors: named tensors and a map of strings (huggingface/safetensors, format 0.x) ---- */
typedef struct cy_metadata {
  const char *key, *value;
} cy_metadata;

typedef struct cy_safetensors cy_safetensors;
/* Reads and checks the header; tensors are read when asked for. Tensors lie sorted by their place in the file. */
CY_API CY_MUST_CHECK cy_status cy_safetensors_open(const char *path, cy_safetensors **file);
CY_API void cy_safetensors_close(cy_safetensors *file);
CY_API int cy_safetensors_count(const cy_safetensors *file);
CY_API const char *cy_safetensors_name(const cy_safetensors *file, int i); /* NULL if i is out of range */
CY_API int cy_safetensors_find(const cy_safetensors *file, const char *name); /* its number, or -1 */
CY_API cy_dtype cy_safetensors_dtype(const cy_safetensors *file, int i);
CY_API cy_shape cy_safetensors_shape(const cy_safetensors *file, int i);
/* Into a new tensor, or into one of the same dtype and shape. */
CY_API CY_MUST_CHECK cy_status cy_safetensors_load(const cy_safetensors *file, const char *name, cy_tensor **tensor);
CY_API CY_MUST_CHECK cy_status cy_safetensors_read(const cy_safetensors *file, const char *name, cy_tensor *tensor);
/* The string map. get: NULL if the key is absent. Owned by the file. */
CY_API int cy_safetensors_metadata_count(const cy_safetensors *file);
CY_API cy_metadata cy_safetensors_metadata_at(const cy_safetensors *file, int i);
CY_API const char *cy_safetensors_metadata(const cy_safetensors *file, const char *key);
/* Names must differ; keys must differ; strings are UTF-8. */
CY_API CY_MUST_CHECK cy_status cy_safetensors_save(const char *const *names, const cy_tensor *const *tensors, int n,
                                                   const cy_metadata *metadata, int n_metadata, const char *path);

/* ---- state: checkpoints and models ---- */

/* Which tensors: CY_ROLES(CY_PARAMETER) | CY_ROLES(CY_BUFFER) is a model, CY_ALL_ROLES a checkpoint. */
#define CY_ROLES(role) (1u << (role))
#define CY_MODEL_ROLES (CY_ROLES(CY_PARAMETER) | CY_ROLES(CY_BUFFER))
#define CY_ALL_ROLES (CY_MODEL_ROLES | CY_ROLES(CY_OPTIMIZER))

/* Saves the state's tensors of these roles, under their names, with metadata. */
CY_API CY_MUST_CHECK cy_status cy_state_save(const cy_state *state, unsigned roles, const cy_metadata *metadata,
                                             int n_metadata, const char *path);

typedef enum cy_load_flags {
  CY_LOAD_EXACT = 0,         /* the file holds exactly the state's tensors of these roles: to resume */
  CY_LOAD_ALLOW_EXTRA = 1,   /* tensors of the file that the state does not declare are passed over: to predict */
  CY_LOAD_ALLOW_MISSING = 2, /* declared tensors that the file lacks keep their values: to start from another model */
} cy_load_flags;

/* Fills the declared, allocated tensors of these roles from a file, in any storage order. dtype and shape must match.
 * Checks everything before it writes anything. flags: cy_load_flags, or-ed. */
CY_API CY_MUST_CHECK cy_status cy_state_load(const char *path, cy_state *state, unsigned roles, unsigned flags);
CY_API CY_MUST_CHECK cy_status cy_state_load_from(const cy_safetensors *file, cy_state *state, unsigned roles,
                                                  unsigned flags);

/* ---- whole small files ---- */

/* The file's bytes, zero-terminated for convenience (*length does not count that zero); gzip is undone if the content
 * is compressed. Fails if there are more than limit bytes. Free with cy_string_free. */
CY_API CY_MUST_CHECK cy_status cy_file_read(const char *path, size_t limit, char **bytes, size_t *length);
/* Atomic, like every writer here. */
CY_API CY_MUST_CHECK cy_status cy_file_write(const void *bytes, size_t length, const char *path);
/* Creates the folder and those above it; fine if it exists. */
CY_API CY_MUST_CHECK cy_status cy_make_folders(const char *path);

#ifdef __cplusplus
}
#endif
#endif
