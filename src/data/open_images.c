/* Folders of pictures by class: DIR/cat/1.png, or DIR/train/cat/1.png with DIR/test/cat/9.png. The order of folders and
 * files is that of their names' bytes, whatever the file system says, so that a split by a seed is the same on every
 * machine. Pictures are brought to their size as they come: memory holds the set once. */
#include "base/memory.h"
#include "data/folders.h"
#include "data/samples.h"

#include <string.h>

/* ---- the pictures of a set ---- */

typedef struct picture {
  char *path;
  int32_t label;
} picture;

typedef struct picture_set {
  const char *folder;
  cy_dataset_options options;
  cy_words classes;
  char *bare; /* the first training folder without pictures, which would be a class that is never seen */
  picture *pictures;
  size_t count, capacity;
  int64_t test_count;
  cy_samples samples;
  cy_shape shape; /* of a sample */
  cy_shape first; /* of the first picture, as it was */
  cy_preparation preparation;
} picture_set;

static cy_status add_pictures(picture_set *set, const char *folder, const cy_words *files, int32_t label) {
  for (size_t i = 0; i < files->count; i++) {
    if (!cy_grow(&set->pictures, set->count, &set->capacity, sizeof *set->pictures)) return cy_no_memory();
    set->pictures[set->count] = (picture){cy_join_path(folder, files->items[i]), label};
    if (!set->pictures[set->count++].path) return cy_no_memory();
  }
  return CY_OK;
}

/* The class of this name; a new one if `grow`, else -1. */
static cy_status class_of(picture_set *set, const char *name, bool grow, int32_t *label) {
  *label = (int32_t)cy_words_find(&set->classes, name);
  if (*label >= 0 || !grow) return CY_OK;
  *label = (int32_t)set->classes.count;
  return cy_words_add(&set->classes, name, strlen(name));
}

static cy_status add_class(picture_set *set, const char *part, const char *name, bool training) {
  cy_words files = {0};
  int32_t label = -1;
  char *folder = cy_join_path(part, name);
  cy_status status = folder ? cy_list_folder(folder, cy_image_is_name, &files) : cy_no_memory();
  if (status == CY_OK && files.count > 0) {
    status = class_of(set, name, training, &label);
    if (status == CY_OK && label < 0)
      status = cy_fail(CY_INVALID, "%s: the training part has no class \"%s\"", folder, name);
    if (status == CY_OK) status = add_pictures(set, folder, &files, label);
  } else if (status == CY_OK && training && !set->bare) {
    set->bare = folder;
    folder = NULL;
  }
  cy_words_clear(&files);
  cy_free(folder);
  return status;
}

/* A folder of class folders. */
static cy_status add_part(picture_set *set, const char *part, bool training) {
  cy_words folders = {0};
  cy_status status = cy_list_folder(part, NULL, &folders);
  for (size_t i = 0; status == CY_OK && i < folders.count; i++)
    status = add_class(set, part, folders.items[i], training);
  cy_words_clear(&folders);
  return status;
}

static cy_status add_test_part(picture_set *set) {
  char *test = cy_join_path(set->folder, "test");
  size_t before = set->count;
  if (!test) return cy_no_memory();
  cy_status status = cy_is_folder(test) ? add_part(set, test, false) : CY_OK;
  cy_free(test);
  set->test_count = (int64_t)(set->count - before);
  return status;
}

/* DIR/train with class folders, and DIR/test; else class folders in DIR itself. */
static cy_status find_pictures(picture_set *set) {
  char *train = cy_join_path(set->folder, "train");
  if (!train) return cy_no_memory();
  cy_status status = cy_is_folder(train) ? add_part(set, train, true) : CY_OK;
  cy_free(train);
  CY_TRY(status);
  return set->count ? add_test_part(set) : add_part(set, set->folder, true);
}

/* Without any picture it may be a folder of something else. */
static cy_status check_folders(const picture_set *set) {
  if (set->count == 0 || !set->bare) return CY_OK;
  return cy_fail(CY_INVALID, "%s: holds no pictures (PNG, JPEG), so its class would never be seen; add some, or take the "
                 "folder away (folders whose names begin with a dot are left out)", set->bare);
}

/* ---- reading ---- */

static bool resizes(const picture_set *set) { return set->options.images.size.height > 0; }

/* The first picture decides; room is made for all. */
static cy_status begin(picture_set *set, const cy_tensor *image) {
  set->first = set->shape = image->view.shape;
  if (resizes(set)) {
    set->shape.dim[1] = set->options.images.size.height;
    set->shape.dim[2] = set->options.images.size.width;
  }
  CY_TRY(cy_shape_count(set->shape, &set->samples.size));
  return cy_samples_reserve(&set->samples, set->folder, (int64_t)set->count);
}

static cy_status check_size(const picture_set *set, const char *path, cy_shape shape) {
  if (resizes(set) || (shape.dim[1] == set->first.dim[1] && shape.dim[2] == set->first.dim[2])) return CY_OK;
  return cy_fail(CY_INVALID, "%s: is %lldx%lld (height x width), but %s is %lldx%lld; resize: HxW brings all to "
                 "one size", path, (long long)shape.dim[1], (long long)shape.dim[2], set->pictures[0].path,
                 (long long)set->first.dim[1], (long long)set->first.dim[2]);
}

/* A picture has colours and those before were gray: they get three channels too. */
static cy_status give_colours(picture_set *set) {
  cy_samples *s = &set->samples, wider = {.count = 0, .size = 3 * s->size};
  cy_status status = cy_samples_reserve(&wider, set->folder, (int64_t)set->count);
  if (status == CY_OK) {
    for (int64_t i = 0; i < s->count; i++)
      for (int c = 0; c < 3; c++)
        memcpy(wider.pixels + (3 * i + c) * s->size, s->pixels + i * s->size, (size_t)s->size);
    if (s->count) memcpy(wider.labels, s->labels, (size_t)s->count * sizeof *s->labels);
    wider.count = s->count;
    cy_samples_clear(s);
    *s = wider;
    set->shape.dim[0] = 3;
    return CY_OK;
  }
  cy_samples_clear(&wider);
  return status;
}

static cy_status agree_on_channels(picture_set *set, cy_tensor **image) {
  cy_tensor *gray = *image;
  int64_t channels = gray->view.shape.dim[0];
  if (channels == set->shape.dim[0]) return CY_OK;
  if (channels > set->shape.dim[0]) return give_colours(set);
  cy_status status = cy_images_convert(gray, CY_IMAGE_RGB, image);
  cy_tensor_free(gray);
  return status;
}

static cy_status take(picture_set *set, const picture *p, cy_tensor **image) {
  cy_samples *s = &set->samples;
  if (s->size == 0) CY_TRY(begin(set, *image));
  CY_TRY(check_size(set, p->path, (*image)->view.shape));
  CY_TRY(agree_on_channels(set, image));
  s->labels[s->count] = p->label;
  uint8_t *to = s->pixels + s->count++ * s->size;
  if (resizes(set))
    return cy_prepare(&set->preparation, set->options.images, (*image)->view.shape, (*image)->view.data, to);
  memcpy(to, (*image)->view.data, (size_t)s->size);
  return CY_OK;
}

static cy_status report(const picture_set *set) {
  cy_load_progress now = {set->samples.count, (int64_t)set->count};
  if (!set->options.progress || set->options.progress(&now, set->options.user)) return CY_OK;
  return cy_fail(CY_CANCELLED, "%s: reading was cancelled after %lld of %lld pictures", set->folder,
                 (long long)now.done, (long long)now.total);
}

static cy_status read_pictures(picture_set *set) {
  for (size_t i = 0; i < set->count; i++) {
    cy_tensor *image;
    CY_TRY(cy_image_read(set->pictures[i].path, set->options.images.mode, &image));
    cy_status status = take(set, &set->pictures[i], &image);
    cy_tensor_free(image);
    CY_TRY(status);
    CY_TRY(report(set));
  }
  return CY_OK;
}

static cy_status build(picture_set *set, const char *name, cy_dataset **dataset) {
  cy_dataset_parts parts = {.name = name, .origin = set->folder, .place = set->folder,
                            .classes = (int64_t)set->classes.count,
                            .class_names = (const char *const *)set->classes.items, .test_count = set->test_count,
                            .images = set->options.images};
  CY_TRY(read_pictures(set));
  cy_status status = cy_samples_hand_over(&set->samples, set->shape, &parts);
  if (status == CY_OK) return cy_dataset_build(parts, dataset);
  cy_tensor_free(parts.inputs);
  return status;
}

cy_status cy_open_images(const char *name, const char *folder, cy_dataset_options options, cy_dataset **dataset) {
  picture_set set = {.folder = folder, .options = options};
  *dataset = NULL;
  cy_status status = find_pictures(&set);
  if (status == CY_OK) status = check_folders(&set);
  if (status == CY_OK && set.count > 0) status = build(&set, name, dataset);
  for (size_t i = 0; i < set.count; i++) cy_free(set.pictures[i].path);
  cy_free(set.pictures);
  cy_free(set.bare);
  cy_words_clear(&set.classes);
  cy_samples_clear(&set.samples);
  cy_preparation_clear(&set.preparation);
  return status;
}
