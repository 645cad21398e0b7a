/* The inside of a data set, and how readers make one: they fill a cy_dataset_parts, cy_dataset_build checks every
 * value and takes ownership. Invariant of a built data set: features are finite, labels lie in 0..classes-1. */
#ifndef CY_DATA_DATASET_H
#define CY_DATA_DATASET_H

#include "base/error.h"
#include "data/resample.h"
#include "data/tokens.h"
#include "tensor/tensor.h"

#include <cauchy/data.h>

struct cy_dataset {
  char *name, *origin;
  cy_tensor *inputs;  /* [N, ...] u8 or f32; of a text i32, a view of its tokens */
  cy_tensor *targets; /* i32 [N], or [N, ...] a label for each step; f32 [N, ...] when classes is 0; NULL if the inputs
                       * are the targets */
  int64_t count, test_count;
  int64_t sample_size, target_size; /* elements of one */
  int64_t classes;
  char **class_names; /* [classes] */
  char **feature_names; /* [sample_size], or NULL */
  char *target_name;
  float largest; /* possible raw value of u8 inputs */
  /* x = (raw - offset[c]) * factor[c], where element i of a sample belongs to channel c = i / inner */
  int64_t channels, inner;
  float *offset, *factor;
  cy_image_options images; /* what was done to the images when they were read */
  cy_tokens *tokens; /* of a text; NULL: it is none */
  int64_t length;    /* of sequences whose length was chosen when it was opened; 0: there are none */
  bool each_step;           /* labels are [N, steps] of sequences of different lengths */
  struct cy_ragged *ragged; /* of sequences of different lengths; NULL: it has none */
  struct cy_windows *windows; /* where samples come from that are windows of tables; NULL: they are not */
};

typedef struct cy_dataset_parts {
  const char *name, *origin;
  const char *place;  /* what messages call it: the file; NULL: name */
  cy_tensor *inputs;  /* any dtype; taken over, also on failure */
  cy_tensor *targets; /* any dtype; taken over, also on failure */
  int64_t classes;    /* 0: regression; -1: one more than the largest label */
  bool each_step;     /* targets are a label for each step, [N, steps] */
  int64_t test_count;
  float largest;             /* 0: 255 */
  const char *const *class_names; /* copied; NULL: their numbers */
  const char *const *feature_names; /* copied; NULL: none */
  const char *target_name;   /* copied; NULL: "label" or "target" */
  cy_image_options images;   /* what has been done to them */
  int64_t length;
} cy_dataset_parts;

cy_status cy_dataset_build(cy_dataset_parts parts, cy_dataset **dataset);
/* Its samples become their own targets; labels or numbers that were read as such are let go. */
cy_status cy_dataset_reconstruct(cy_dataset *dataset);

/* Readers; each returns a built data set. */
cy_status cy_open_embedded(const char *name, cy_dataset **dataset); /* *dataset NULL: no such name */
cy_status cy_open_xor(cy_dataset **dataset);
cy_status cy_open_pulses(cy_dataset **dataset);
/* "corners", "corners-7", "corners-7x9" */
bool cy_corners_is_name(const char *name);
cy_status cy_open_corners(const char *name, cy_dataset **dataset);
cy_status cy_open_idx_folder(const char *name, const char *folder, const char *const *class_names, int64_t classes,
                             cy_dataset **dataset);
cy_status cy_open_idx_pair(const char *name, const char *images_path, cy_dataset **dataset);
/* *dataset NULL: the folder holds nothing of CIFAR. */
cy_status cy_open_cifar_folder(const char *name, const char *folder, cy_dataset_options options, cy_dataset **dataset);
cy_status cy_open_cifar_file(const char *name, const char *path, cy_dataset_options options, cy_dataset **dataset);
/* *dataset NULL: there are no folders of pictures in it. */
cy_status cy_open_images(const char *name, const char *folder, cy_dataset_options options, cy_dataset **dataset);
/* Sequences of which two numbers are to be added. */
cy_status cy_open_adding(cy_dataset_options options, cy_dataset **dataset);
/* Texts: ".txt", ".txt.gz". */
bool cy_text_is_name(const char *path);
cy_status cy_open_text_file(const char *name, const char *path, cy_dataset_options options, cy_dataset **dataset);
/* A folder of texts and nothing else, one behind the other. *dataset NULL: it is none. */
cy_status cy_open_text_folder(const char *name, const char *folder, cy_dataset_options options, cy_dataset **dataset);
cy_status cy_open_sonnets(cy_dataset_options options, cy_dataset **dataset);
cy_status cy_open_csv(const char *name, const char *path, cy_dataset_options options, cy_dataset **dataset);
cy_status cy_open_npz(const char *name, const char *path, cy_dataset_options options, cy_dataset **dataset);

/* ---- batch.c ---- */

/* to = (from - offset) factor: batches hold the same bits whoever makes them. */
void cy_scale_u8(const uint8_t *restrict from, float *restrict to, int64_t n, float offset, float factor);
void cy_scale_f32(const float *restrict from, float *restrict to, int64_t n, float offset, float factor);

/* ---- ragged.c ---- */

/* Stably by bucket; counts: how many of each. scratch: room for n. */
void cy_dataset_order_by_length(const cy_dataset *dataset, int64_t *indices, int64_t n, int64_t *scratch,
                                int64_t counts[CY_MAX_BUCKETS]);

/* ---- open_text.c ---- */

/* Windows to the rows of x (f32) and y (i64, i32 or f32), either may be NULL; sizes and indices have been checked. Window i begins
 * shift characters further on, but none runs past the end of the first `windows` windows. */
void cy_text_batch(const cy_dataset *dataset, int64_t shift, int64_t windows, const int64_t *indices, int64_t n,
                   cy_tensor *x, cy_tensor *y);

/* ---- images.c ---- */

/* Bringing pictures to one size; tables and room are made anew when one of another size comes. Zeroed at first. */
typedef struct cy_preparation {
  int64_t height, width; /* of the pictures that it is made for */
  int64_t top, left;     /* where the window that is used begins */
  cy_resampler rows, columns; /* from the window to the size */
  float *pixels; /* the window; its rows resized; the result */
} cy_preparation;
/* One picture u8 [channels, shape's last two] to [channels, options.size] (of which mode has been done). */
cy_status cy_prepare(cy_preparation *p, cy_image_options options, cy_shape shape, const uint8_t *from, uint8_t *to);
void cy_preparation_clear(cy_preparation *p);
/* Of a whole data set that has been read as it is. */
cy_status cy_dataset_prepare(cy_dataset *dataset, cy_image_options options);

/* What the registry knows of a set beyond the public table. */
const char *const *cy_registry_class_names(const cy_data_set *set, int64_t *classes);
/* An error if a table's columns are both chosen and left out. */
cy_status cy_check_columns(const char *path, const cy_dataset_options *options);
/* "<folder>/<name>"; NULL if memory is out. Free with cy_free. */
char *cy_join_path(const char *folder, const char *name);

/* u8 [N, H, W] becomes [N, 1, H, W]: images have channels. Takes over and returns through the pointer. */
cy_status cy_add_channel(cy_tensor **images);
/* Rows of a, then rows of b (may be NULL); both are taken over, also on failure. Rows must agree. */
cy_status cy_stack_rows(cy_tensor *a, cy_tensor *b, cy_tensor **both);

#endif
