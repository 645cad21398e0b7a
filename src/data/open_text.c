/* Texts: files, folders of them, and the built-in sonnets. A sample is a window of so many characters, its labels the
 * characters that follow each of them. The windows lie one behind the other, and parts are cut by position, never at
 * random: neighbours are too much alike. */
#include "base/memory.h"
#include "base/utf8.h"
#include "data/dataset.h"
#include "data/embedded/embedded.h"

#include <cauchy/io.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USUAL_LENGTH = 128, LONGEST = 1 << 20 };
static const size_t largest_file = (size_t)1 << 30; /* bytes */

/* What tables call a character. */
static void name_of(int32_t c, const char *bytes, char name[16]) {
  if (c == '\n') snprintf(name, 16, "newline");
  else if (c == ' ') snprintf(name, 16, "space");
  else if (c == '\t') snprintf(name, 16, "tab");
  else if (c < 32 || (c >= 127 && c < 160)) snprintf(name, 16, "U+%04X", (unsigned)c);
  else snprintf(name, 16, "%s", bytes);
}

static cy_status name_classes(cy_dataset *d) {
  const char *at = d->tokens->vocabulary;
  char name[16], bytes[CY_UTF8_SIZE];
  d->class_names = cy_calloc((size_t)d->classes, sizeof *d->class_names);
  if (!d->class_names) return cy_no_memory();
  for (int64_t k = 0; k < d->classes; k++) {
    size_t taken;
    int32_t c = cy_utf8_decode(at, strlen(at), &taken);
    cy_utf8_encode(c, bytes);
    name_of(c, bytes, name);
    if (!(d->class_names[k] = cy_strdup(name))) return cy_no_memory();
    at += taken;
  }
  return CY_OK;
}

/* d->tokens is there: the windows as views of it. */
static cy_status fill(cy_dataset *d, const char *place, const char *name, const char *origin, int64_t length) {
  cy_tokens *t = d->tokens;
  d->count = (t->count - 1) / length;
  if (t->count < 2 || d->count < 1)
    return cy_fail(CY_INVALID, "%s: the text has %lld characters, but a window of length %lld needs %lld: each and the "
                   "one after it", place, (long long)t->count, (long long)length, (long long)length + 1);
  d->classes = t->characters;
  d->sample_size = d->target_size = d->length = length;
  d->largest = 1;
  cy_shape shape = CY_SHAPE(d->count, length);
  CY_TRY(cy_tensor_wrap(CY_I32, shape, NULL, t->tokens, &d->inputs));
  CY_TRY(cy_tensor_wrap(CY_I32, shape, NULL, t->tokens + 1, &d->targets));
  CY_TRY(name_classes(d));
  d->name = cy_strdup(name);
  d->origin = cy_strdup(origin);
  d->target_name = cy_strdup("next character");
  if (!d->name || !d->origin || !d->target_name) return cy_no_memory();
  return cy_dataset_scale(d, CY_SCALE_NONE, NULL, 0);
}

static cy_status build(const char *place, const char *name, const char *origin, const char *text, size_t size,
                       cy_dataset_options options, cy_dataset **dataset) {
  int64_t length = options.length ? options.length : USUAL_LENGTH;
  if (length < 1 || length > LONGEST)
    return cy_fail(CY_INVALID, "%s: windows of %lld characters; length is 1 to %d", place, (long long)length, LONGEST);
  cy_dataset *d = *dataset = cy_calloc(1, sizeof *d);
  if (!d) return cy_no_memory();
  cy_status status = cy_tokens_read(place, text, size, options.vocabulary, &d->tokens);
  if (status == CY_OK) status = fill(d, place, name, origin, length);
  if (status == CY_OK) return CY_OK;
  cy_dataset_free(d);
  *dataset = NULL;
  return status;
}

/* ---- files and folders ---- */

bool cy_text_is_name(const char *path) {
  static const char *const endings[] = {".txt", ".txt.gz"};
  size_t n = strlen(path);
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    size_t m = strlen(endings[i]);
    if (n > m && strcmp(path + n - m, endings[i]) == 0) return true;
  }
  return false;
}

cy_status cy_open_text_file(const char *name, const char *path, cy_dataset_options options, cy_dataset **dataset) {
  char *text;
  size_t size;
  CY_TRY(cy_file_read(path, largest_file, &text, &size));
  cy_status status = build(path, name, path, text, size, options, dataset);
  cy_free(text);
  return status;
}

static int is_text(const struct dirent *entry) { return entry->d_name[0] != '.' && cy_text_is_name(entry->d_name); }

/* Texts, and nothing else that can be seen. */
static bool holds_texts(const char *folder) {
  DIR *open = opendir(folder);
  if (!open) return false;
  bool texts = true;
  for (const struct dirent *e; texts && (e = readdir(open));) texts = e->d_name[0] == '.' || is_text(e);
  closedir(open);
  return texts;
}

static int by_bytes(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static cy_status append(const char *folder, const char *name, char **all, size_t *size) {
  char *path = cy_join_path(folder, name), *text = NULL;
  size_t n = 0;
  cy_status status = path ? cy_file_read(path, largest_file, &text, &n) : cy_no_memory();
  char *grown = status == CY_OK ? cy_realloc(*all, *size + n + 1, 1) : NULL;
  if (status == CY_OK && !grown) status = cy_no_memory();
  if (status == CY_OK) {
    memcpy(grown + *size, text, n);
    *all = grown;
    *size += n;
  }
  cy_free(path);
  cy_free(text);
  return status;
}

cy_status cy_open_text_folder(const char *name, const char *folder, cy_dataset_options options, cy_dataset **dataset) {
  struct dirent **entries = NULL;
  char *text = NULL;
  size_t size = 0;
  cy_status status = CY_OK;
  *dataset = NULL;
  if (!holds_texts(folder)) return CY_OK;
  int n = scandir(folder, &entries, is_text, by_bytes);
  for (int i = 0; i < n; i++) {
    if (status == CY_OK) status = append(folder, entries[i]->d_name, &text, &size);
    free(entries[i]);
  }
  free(entries);
  if (status == CY_OK && n > 0) status = build(folder, name, folder, text, size, options, dataset);
  cy_free(text);
  return status;
}

/* ---- built in ---- */

cy_status cy_open_sonnets(cy_dataset_options options, cy_dataset **dataset) {
  size_t size = 0;
  *dataset = NULL;
  for (int i = 0; cy_sonnets[i]; i++) size += strlen(cy_sonnets[i]) + 1;
  char *text = cy_calloc(size + 1, 1), *at = text;
  if (!text) return cy_no_memory();
  for (int i = 0; cy_sonnets[i]; i++) at += sprintf(at, "%s\n", cy_sonnets[i]);
  cy_status status = build("sonnets", "sonnets", "embedded", text, size, options, dataset);
  cy_free(text);
  return status;
}

/* ---- batches ---- */

static void write_labels(const int32_t *from, int64_t n, int64_t first, cy_tensor *y) {
  void *to = y->view.data;
  for (int64_t i = 0; i < n; i++) {
    if (y->view.dtype == CY_I64) ((int64_t *)to)[first + i] = from[i];
    else if (y->view.dtype == CY_I32) ((int32_t *)to)[first + i] = from[i];
    else ((float *)to)[first + i] = (float)from[i];
  }
}

void cy_text_batch(const cy_dataset *d, int64_t shift, int64_t windows, const int64_t *indices, int64_t n,
                   cy_tensor *x, cy_tensor *y) {
  int64_t length = d->length, last = (windows - 1) * length;
  for (int64_t k = 0; k < n; k++) {
    int64_t start = indices[k] * length + shift;
    if (shift > 0 && start > last) start = last;
    const int32_t *from = d->tokens->tokens + start;
    float *to = x ? (float *)x->view.data + k * length : NULL;
    for (int64_t i = 0; to && i < length; i++) to[i] = (float)from[i];
    if (y) write_labels(from + 1, length, k * length, y);
  }
}
