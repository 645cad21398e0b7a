#include "cli/input_images.h"

#include "cli/model_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- finding ---- */

void cli_pictures_clear(cli_pictures *p) {
  for (size_t i = 0; i < p->count; i++) cy_free(p->paths[i]);
  cy_free(p->paths);
  *p = (cli_pictures){0};
}

bool cli_is_picture(const char *path) {
  unsigned char head[4] = {0};
  FILE *file = cli_is_folder(path) ? NULL : fopen(path, "rb");
  size_t n = file ? fread(head, 1, sizeof head, file) : 0;
  if (file) fclose(file);
  return n == sizeof head && (memcmp(head, "\x89PNG", 4) == 0 || memcmp(head, "\xff\xd8\xff", 3) == 0);
}

bool cli_are_pictures(const char *path) {
  return cli_is_folder(path) || cy_image_is_name(path) || cli_is_picture(path);
}

/* Takes over path. */
static cy_status add(cli_pictures *p, char *path) {
  if (!path || !cy_grow(&p->paths, p->count, &p->capacity, sizeof *p->paths)) {
    cy_free(path);
    return cy_no_memory();
  }
  p->paths[p->count++] = path;
  return CY_OK;
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

enum { MAX_DEPTH = 8 }; /* links may lead in circles */

static cy_status add_folder(cli_pictures *p, const char *folder, int depth) {
  DIR *stream = opendir(folder);
  cy_status status = CY_OK;
  if (!stream) return cy_fail(CY_IO, "%s: cannot read the folder: %s", folder, strerror(errno));
  for (struct dirent *entry; status == CY_OK && (entry = readdir(stream)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    char *path = cli_join(folder, entry->d_name);
    if (!path) status = cy_no_memory();
    else if (cli_is_folder(path) && depth < MAX_DEPTH) status = add_folder(p, path, depth + 1);
    else if (!cli_is_folder(path) && cy_image_is_name(path)) {
      status = add(p, path);
      continue; /* it has been taken over */
    }
    cy_string_free(path);
  }
  closedir(stream);
  return status;
}

cy_status cli_find_pictures(const char *const *words, int n, cli_pictures *p) {
  *p = (cli_pictures){0};
  for (int i = 0; i < n; i++) {
    size_t before = p->count;
    if (!cli_is_folder(words[i])) {
      CY_TRY(add(p, cy_strdup(words[i])));
      continue;
    }
    CY_TRY(add_folder(p, words[i], 0));
    if (p->count == before) return cy_fail(CY_INVALID, "%s: holds no pictures (.png, .jpg, .jpeg)", words[i]);
    qsort(p->paths + before, p->count - before, sizeof *p->paths, compare);
  }
  return CY_OK;
}

/* ---- reading ---- */

cy_status cli_picture_options(const cy_trained *trained, const char *fit, cy_image_options *o) {
  static const char *const fits[] = {"stretch", "crop"};
  const char *saved = cy_trained_metadata(trained, "dataset.images");
  cy_shape sample = cy_trained_sample_shape(trained);
  char shape[CLI_SHAPE_SIZE], hint[CLI_HINT_SIZE];
  if (sample.rank != 3 || (sample.dim[0] != 1 && sample.dim[0] != 3))
    return cy_fail(CY_INVALID, "the model takes samples of %s, not pictures", cli_shape_text(sample, shape));
  CY_TRY(cy_image_options_parse("the model", saved ? saved : "", o));
  o->mode = sample.dim[0] == 1 ? CY_IMAGE_GRAY : CY_IMAGE_RGB;
  if (!fit) return CY_OK;
  for (int i = 0; i < 2; i++) {
    if (strcmp(fit, fits[i]) != 0) continue;
    o->size = (cy_image_size){sample.dim[1], sample.dim[2]};
    o->fit = (cy_fit)i;
    return CY_OK;
  }
  return cy_fail(CY_INVALID, "--fit is stretch or crop, not \"%.40s\"%s", fit, cli_hint(fit, fits, 2, hint));
}

/* The training resized while it went on, or met several sizes: then the model knows what to do with others. */
static bool takes_any_size(const cy_trained *trained) { return cy_trained_options(trained).sizes[0].height > 0; }

static cy_status check_size(const cy_trained *trained, const char *path, cy_shape picture) {
  cy_shape sample = cy_trained_sample_shape(trained);
  if (takes_any_size(trained) || (picture.dim[1] == sample.dim[1] && picture.dim[2] == sample.dim[2])) return CY_OK;
  return cy_fail(CY_INVALID, "%s: is %lldx%lld (height x width), but the model takes %lldx%lld; --fit stretch or "
                 "--fit crop brings it to that size", path, (long long)picture.dim[1], (long long)picture.dim[2],
                 (long long)sample.dim[1], (long long)sample.dim[2]);
}

cy_status cli_read_picture(const cy_trained *trained, cy_image_options o, const char *path, cy_tensor **picture) {
  cy_tensor *read;
  *picture = NULL;
  CY_TRY(cy_image_read(path, o.mode, &read));
  cy_status status = cy_images_prepare(read, o, picture);
  cy_tensor_free(read);
  if (status == CY_OK) status = check_size(trained, path, cy_tensor_shape(*picture));
  if (status == CY_OK) return CY_OK;
  cy_tensor_free(*picture);
  *picture = NULL;
  return status;
}

/* ---- predicting ---- */

enum { BATCH = 64 };

/* Pictures of one size that wait to be predicted together, and what has been predicted so far. */
typedef struct queue {
  cy_trained *trained;
  const cli_pictures *pictures;
  cy_tensor *waiting[BATCH];
  int n;
  int64_t done; /* rows of outputs that are filled */
  cy_tensor *outputs, *labels;
  bool wants_labels;
} queue;

static void forget(queue *q) {
  for (int i = 0; i < q->n; i++) cy_tensor_free(q->waiting[i]);
  q->n = 0;
}

static cy_status stack(const queue *q, cy_tensor **batch) {
  cy_shape s = cy_tensor_shape(q->waiting[0]);
  size_t one = cy_tensor_bytes(q->waiting[0]);
  CY_TRY(cy_tensor_create(CY_U8, CY_SHAPE(q->n, s.dim[0], s.dim[1], s.dim[2]), batch));
  for (int i = 0; i < q->n; i++)
    memcpy((char *)cy_tensor_data(*batch) + (size_t)i * one, cy_tensor_data(q->waiting[i]), one);
  return CY_OK;
}

/* Rows to their place in the whole, which is made when its shape is known. */
static cy_status keep(const queue *q, const cy_tensor *rows, cy_tensor **all) {
  cy_shape shape = cy_tensor_shape(rows);
  shape.dim[0] = (int64_t)q->pictures->count;
  if (!*all) CY_TRY(cy_tensor_create(cy_tensor_dtype(rows), shape, all));
  if (!cy_shape_equal(cy_tensor_shape(*all), shape))
    return cy_fail(CY_INVALID, "%s: the output depends on the picture's size; predict pictures of one size at a time",
                   q->pictures->paths[q->done]);
  size_t row = cy_tensor_bytes(rows) / (size_t)q->n;
  memcpy((char *)cy_tensor_data(*all) + (size_t)q->done * row, cy_tensor_data(rows), cy_tensor_bytes(rows));
  return CY_OK;
}

static cy_status flush(queue *q) {
  cy_tensor *batch, *outputs = NULL, *labels = NULL;
  if (q->n == 0) return CY_OK;
  CY_TRY(stack(q, &batch));
  cy_status status = cy_trained_predict(q->trained, batch, &outputs, q->wants_labels ? &labels : NULL);
  if (status == CY_INVALID) status = cy_fail_in(status, "%s", q->pictures->paths[q->done]);
  if (status == CY_OK) status = keep(q, outputs, &q->outputs);
  if (status == CY_OK && labels) status = keep(q, labels, &q->labels);
  cy_tensor_free(batch);
  cy_tensor_free(outputs);
  cy_tensor_free(labels);
  q->done += q->n;
  forget(q);
  return status;
}

static cy_status predict_all(queue *q, cy_image_options options) {
  for (size_t i = 0; i < q->pictures->count; i++) {
    cy_tensor *picture;
    cy_status status = cli_read_picture(q->trained, options, q->pictures->paths[i], &picture);
    if (status == CY_OK && q->n > 0 && !cy_shape_equal(cy_tensor_shape(picture), cy_tensor_shape(q->waiting[0])))
      status = flush(q);
    if (status != CY_OK) {
      cy_tensor_free(picture);
      return status;
    }
    q->waiting[q->n++] = picture;
    if (q->n == BATCH) CY_TRY(flush(q));
  }
  return flush(q);
}

cy_status cli_predict_pictures(cy_trained *trained, cy_image_options options, const cli_pictures *pictures,
                               cy_tensor **outputs, cy_tensor **labels) {
  queue q = {.trained = trained, .pictures = pictures, .wants_labels = labels != NULL};
  cy_status status = predict_all(&q, options);
  forget(&q);
  if (status != CY_OK) {
    cy_tensor_free(q.outputs);
    cy_tensor_free(q.labels);
    q.outputs = q.labels = NULL;
  }
  *outputs = q.outputs;
  if (labels) *labels = q.labels;
  return status;
}
