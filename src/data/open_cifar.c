/* CIFAR-10 and CIFAR-100 from their binary form: records of one or two label bytes and 3 x 32 x 32 pixels, planar red,
 * green, blue. Each file is released when its records have been taken over, so that memory holds the set about once. */
#include "base/memory.h"
#include "base/text.h"
#include "data/cifar.h"
#include "data/samples.h"

#include <string.h>

enum { PIXELS = 3 * 32 * 32, MAX_NAMES = 256 };

static const cy_cifar_format formats[] = {
    {"data_batch_", "test_batch", "cifar-10-batches-bin", "cifar-10-binary.tar.gz", 1,
     {{"label", "batches.meta.txt", 0, 10}, {NULL, NULL, 0, 0}}},
    {"train", "test", "cifar-100-binary", "cifar-100-binary.tar.gz", 2,
     {{"fine", "fine_label_names.txt", 1, 100}, {"coarse", "coarse_label_names.txt", 0, 20}}},
};
enum { FORMATS = sizeof formats / sizeof *formats };

typedef struct cifar_set {
  const char *name, *place;
  int label; /* which of the format's labels */
  cy_cifar_files found;
  const char *names[MAX_NAMES]; /* into found's text */
  int64_t classes;
  cy_samples samples;
  int64_t test_count;
} cifar_set;

/* ---- class names ---- */

/* One per line; empty lines are passed over. Without a file the format's number of classes. */
static cy_status read_names(cifar_set *set) {
  set->classes = set->found.format->labels[set->label].classes;
  if (!set->found.names_text) return CY_OK;
  set->classes = 0;
  for (char *rest = set->found.names_text, *line; (line = strsep(&rest, "\r\n")) != NULL;) {
    if (!line[0]) continue;
    if (set->classes == MAX_NAMES)
      return cy_fail(CY_INVALID, "%s: names more than %d classes", set->found.names_path, MAX_NAMES);
    set->names[set->classes++] = line;
  }
  return set->classes ? CY_OK : cy_fail(CY_INVALID, "%s: names no class", set->found.names_path);
}

/* ---- records ---- */

static cy_status check_length(const cifar_set *set, const cy_cifar_file *file) {
  size_t label = (size_t)set->found.format->label_bytes, record = label + PIXELS, n = file->length / record;
  if (file->length && file->length % record == 0) return CY_OK;
  if (!file->length) return cy_fail(CY_INVALID, "%s: is empty", file->path);
  return cy_fail(CY_INVALID, "%s: holds %zu bytes, which are not whole records of %zu + %d: %zu records are %zu bytes, "
                 "and %zu are left", file->path, file->length, label, PIXELS, n, n * record,
                 file->length - n * record);
}

static cy_status take_records(cifar_set *set, const cy_cifar_file *file) {
  int byte = set->found.format->labels[set->label].byte, labels = set->found.format->label_bytes;
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
  if (file->order == CY_CIFAR_TEST) set->test_count = n;
  return CY_OK;
}

static cy_status take_file(cifar_set *set, cy_cifar_file *file) {
  CY_TRY(cy_cifar_file_load(file));
  CY_TRY(check_length(set, file));
  CY_TRY(take_records(set, file));
  cy_free(file->bytes);
  file->bytes = NULL;
  return CY_OK;
}

/* Training files are numbered without a gap: a missing one would go unnoticed otherwise. */
static cy_status check_complete(const cifar_set *set) {
  int64_t training = 0;
  for (size_t i = 0; i < set->found.count; i++) {
    const cy_cifar_file *f = &set->found.files[i];
    if (f->order == CY_CIFAR_TEST) continue;
    if (f->order != ++training)
      return cy_fail(CY_INVALID, "%s: %s%lld.bin is missing, though %s is there", set->place, set->found.format->train,
                     (long long)training, cy_base_name(f->path));
  }
  if (training) return CY_OK;
  return cy_fail(CY_INVALID, "%s: holds no %s%s.bin", set->place, set->found.format->train,
                 set->found.format->label_bytes == 1 ? "1" : "");
}

static cy_status build(cifar_set *set, cy_dataset **dataset) {
  cy_dataset_parts parts = {.name = set->name, .origin = set->place, .place = set->place,
                            .target_name = set->found.format->labels[set->label].target};
  CY_TRY(read_names(set));
  for (size_t i = 0; i < set->found.count; i++) CY_TRY(take_file(set, &set->found.files[i]));
  parts.classes = set->classes;
  parts.class_names = set->found.names_text ? set->names : NULL;
  parts.test_count = set->found.count > 1 ? set->test_count : 0; /* a test file alone is a set of its own */
  cy_status status = cy_samples_hand_over(&set->samples, CY_SHAPE(3, 32, 32), &parts);
  if (status == CY_OK) return cy_dataset_build(parts, dataset);
  cy_tensor_free(parts.inputs);
  return status;
}

/* ---- from a path ---- */

static cy_status choose_label(cifar_set *set, const char *target) {
  const cy_cifar_format *f = set->found.format;
  if (!target || strcmp(target, "label") == 0) return CY_OK;
  for (int i = 0; i < 2 && f->labels[i].target; i++) {
    set->label = i;
    if (strcmp(target, f->labels[i].target) == 0) return CY_OK;
  }
  return cy_fail(CY_INVALID, "%s: has the target%s %s%s%s, not \"%.40s\"", set->place, f->labels[1].target ? "s" : "",
                 f->labels[0].target, f->labels[1].target ? " and " : "",
                 f->labels[1].target ? f->labels[1].target : "", target);
}

static cy_status open_with(cy_cifar_collector collect, const char *path, cifar_set set, const char *target,
                           cy_dataset **dataset) {
  set.samples.size = PIXELS;
  cy_status status = choose_label(&set, target);
  set.found.names_file = set.found.format->labels[set.label].names;
  if (status == CY_OK) status = collect(&set.found, path);
  if (status == CY_OK) status = check_complete(&set);
  if (status == CY_OK) status = build(&set, dataset);
  cy_cifar_files_clear(&set.found);
  cy_samples_clear(&set.samples);
  return status;
}

cy_status cy_open_cifar_folder(const char *name, const char *folder, cy_dataset_options options, cy_dataset **dataset) {
  *dataset = NULL;
  for (int i = 0; i < FORMATS; i++) {
    cy_cifar_collector collect;
    char *path;
    cy_status status = cy_cifar_find(&formats[i], folder, &collect, &path);
    if (status == CY_OK && collect)
      status = open_with(collect, path, (cifar_set){.name = name, .place = folder, .found.format = &formats[i]},
                         options.target, dataset);
    cy_free(path);
    if (status != CY_OK || collect) return status;
  }
  return CY_OK;
}

cy_status cy_open_cifar_file(const char *name, const char *path, cy_dataset_options options, cy_dataset **dataset) {
  const char *base = cy_base_name(path);
  bool archive = strstr(base, ".tar") != NULL;
  *dataset = NULL;
  for (int i = FORMATS - 1; i >= 0; i--) {
    bool fits = archive ? strstr(base, formats[i].label_bytes == 2 ? "100" : "") != NULL
                        : formats[i].label_bytes == 1 || cy_cifar_is_named(&formats[i], base);
    if (fits)
      return open_with(archive ? cy_cifar_collect_archive : cy_cifar_collect_one, path,
                       (cifar_set){.name = name, .place = path, .found.format = &formats[i]}, options.target, dataset);
  }
  return CY_OK;
}
