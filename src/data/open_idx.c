/* Image sets in IDX: a folder laid out as MNIST is, or one pair of files. */
#include "base/memory.h"
#include "base/text.h"
#include "data/dataset.h"

#include <cauchy/io.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* MNIST's names: part, content, rank; as published, or with the dot that some copies have. */
static cy_status find_file(const char *folder, const char *part, const char *content, int rank, char **path) {
  for (int i = 0; i < 4; i++) {
    char name[64];
    const char *sep = i < 2 ? "-" : ".", *gz = i % 2 == 0 ? ".gz" : "";
    snprintf(name, sizeof name, "%s-%s%sidx%d-ubyte%s", part, content, sep, rank, gz);
    *path = cy_join_path(folder, name);
    if (!*path) return cy_no_memory();
    if (access(*path, F_OK) == 0) return CY_OK;
    cy_free(*path);
    *path = NULL;
  }
  return CY_OK;
}

static cy_status check_pair(const char *name, const char *images_path, const char *labels_path, const cy_tensor *images,
                            const cy_tensor *labels) {
  char text[CY_SHAPE_TEXT];
  cy_shape x = images->view.shape, y = labels->view.shape;
  if (x.rank < 2) return cy_fail(CY_INVALID, "%s: %s has shape %s, not [images, ...]", name,
                                 cy_base_name(images_path), cy_shape_text(x, text));
  if (y.rank != 1) return cy_fail(CY_INVALID, "%s: %s has shape %s, not [labels]", name,
                                  cy_base_name(labels_path), cy_shape_text(y, text));
  if (x.dim[0] != y.dim[0])
    return cy_fail(CY_INVALID, "%s: %s has %lld images but %s has %lld labels", name, cy_base_name(images_path),
                   (long long)x.dim[0], cy_base_name(labels_path), (long long)y.dim[0]);
  return CY_OK;
}

static cy_status load_pair(const char *name, const char *images_path, const char *labels_path, cy_tensor **images,
                           cy_tensor **labels) {
  *images = *labels = NULL;
  cy_status status = cy_idx_load(images_path, images);
  if (status == CY_OK) status = cy_idx_load(labels_path, labels);
  if (status == CY_OK) status = check_pair(name, images_path, labels_path, *images, *labels);
  if (status == CY_OK) status = cy_add_channel(images);
  if (status == CY_OK) return CY_OK;
  cy_tensor_free(*images);
  cy_tensor_free(*labels);
  *images = *labels = NULL;
  return status;
}

/* One part of a folder; both NULL if its images are not there and need not be. */
static cy_status load_part(const char *name, const char *folder, const char *part, bool needed, cy_tensor **images,
                           cy_tensor **labels) {
  char *x = NULL, *y = NULL;
  *images = *labels = NULL;
  cy_status status = find_file(folder, part, "images", 3, &x);
  if (status == CY_OK) status = find_file(folder, part, "labels", 1, &y);
  if (status == CY_OK && x && y) status = load_pair(name, x, y, images, labels);
  else if (status == CY_OK && (needed || x || y))
    status = cy_fail(CY_INVALID, "%s: the folder %s holds no %s-%s-idx%d-ubyte[.gz]%s", name, folder, part,
                     x ? "labels" : "images", x ? 1 : 3,
                     x || y ? "" : ", no data_batch_1.bin[.gz] and no folders of pictures by class (cat/1.png)");
  cy_free(x);
  cy_free(y);
  return status;
}

static cy_status stack(const char *name, const char *what, cy_tensor **first, cy_tensor **second) {
  cy_tensor *both;
  cy_status status = cy_stack_rows(*first, *second, &both);
  *first = both;
  *second = NULL;
  return status == CY_INVALID ? cy_fail_in(status, "%s: %s", name, what) : status;
}

cy_status cy_open_idx_folder(const char *name, const char *folder, const char *const *class_names, int64_t classes,
                             cy_dataset **dataset) {
  cy_dataset_parts parts = {.name = name, .origin = folder, .classes = classes, .class_names = class_names};
  cy_tensor *x = NULL, *y = NULL;
  *dataset = NULL;
  cy_status status = load_part(name, folder, "train", true, &parts.inputs, &parts.targets);
  if (status == CY_OK) status = load_part(name, folder, "t10k", false, &x, &y);
  if (status == CY_OK && !x) status = load_part(name, folder, "test", false, &x, &y);
  if (status == CY_OK && x) {
    parts.test_count = x->view.shape.dim[0];
    status = stack(name, "images", &parts.inputs, &x);
    if (status == CY_OK) status = stack(name, "labels", &parts.targets, &y);
  }
  if (status == CY_OK) return cy_dataset_build(parts, dataset);
  cy_tensor_free(parts.inputs);
  cy_tensor_free(parts.targets);
  cy_tensor_free(x);
  cy_tensor_free(y);
  return status;
}

/* "dir/a-images-idx3-ubyte.gz" -> "dir/a-labels-idx1-ubyte.gz". */
static char *labels_beside(const char *images_path) {
  char *path = cy_strdup(images_path);
  char *base = path && strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
  char *word = base ? strstr(base, "images") : NULL;
  if (!word) return path;
  memcpy(word, "labels", 6);
  char *rank = strstr(word, "idx3");
  if (rank) rank[3] = '1';
  return path;
}

cy_status cy_open_idx_pair(const char *name, const char *images_path, cy_dataset **dataset) {
  cy_dataset_parts parts = {.name = name, .origin = images_path, .place = images_path, .classes = -1};
  char *labels_path = labels_beside(images_path);
  *dataset = NULL;
  if (!labels_path) return cy_no_memory();
  cy_status status = load_pair(name, images_path, labels_path, &parts.inputs, &parts.targets);
  cy_free(labels_path);
  return status == CY_OK ? cy_dataset_build(parts, dataset) : status;
}
