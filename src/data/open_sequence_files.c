/* Folders of CSV files by class, in which each file is a sequence of its own length: DIR/walk/1.csv, or
 * DIR/train/walk/1.csv with DIR/test/walk/9.csv. In the order of names, whatever the file system says. To predict
 * from, also files without classes. */
#include "base/memory.h"
#include "data/folders.h"
#include "data/sequences.h"
#include "data/series.h"
#include "io/csv.h"

#include <limits.h>
#include <string.h>

typedef struct sequence_file {
  char *path;
  int32_t label;
  cy_csv csv;
} sequence_file;

typedef struct folder {
  const char *path;
  const cy_dataset_options *options;
  cy_words classes, columns; /* columns: those of the first file */
  char *bare;                /* the first training folder without files, which would be a class that is never seen */
  sequence_file *files;
  size_t count, capacity;
  int64_t test_count;
  bool single; /* path is a file, the only one */
} folder;

static cy_status add_file(folder *f, const char *path, const char *name, int32_t label) {
  if (!cy_grow(&f->files, f->count, &f->capacity, sizeof *f->files)) return cy_no_memory();
  f->files[f->count] = (sequence_file){.path = cy_join_path(path, name), .label = label};
  return f->files[f->count++].path ? CY_OK : cy_no_memory();
}

static cy_status add_path(folder *f, const char *path) {
  if (!cy_grow(&f->files, f->count, &f->capacity, sizeof *f->files)) return cy_no_memory();
  f->files[f->count] = (sequence_file){.path = cy_strdup(path)};
  return f->files[f->count++].path ? CY_OK : cy_no_memory();
}

/* Files without classes, to predict from. */
static cy_status add_flat(folder *f) {
  cy_words files = {0};
  cy_status status = cy_list_folder(f->path, cy_dataset_is_csv, &files);
  for (size_t i = 0; status == CY_OK && i < files.count; i++) status = add_file(f, f->path, files.items[i], 0);
  cy_words_clear(&files);
  return status;
}

static cy_status add_class(folder *f, const char *path, const char *name, bool training) {
  cy_words files = {0};
  cy_status status = cy_list_folder(path, cy_dataset_is_csv, &files);
  int64_t label = cy_words_find(&f->classes, name);
  if (status == CY_OK && files.count == 0 && training && !f->bare) {
    f->bare = cy_strdup(path);
    if (!f->bare) status = cy_no_memory();
  }
  if (status == CY_OK && files.count > 0 && label < 0 && !training)
    status = cy_fail(CY_INVALID, "%s: the training part has no class \"%s\"", path, name);
  if (status == CY_OK && files.count > 0 && label < 0) {
    label = (int64_t)f->classes.count;
    status = cy_words_add(&f->classes, name, strlen(name));
  }
  for (size_t i = 0; status == CY_OK && i < files.count; i++) status = add_file(f, path, files.items[i], (int32_t)label);
  cy_words_clear(&files);
  return status;
}

static cy_status add_part(folder *f, const char *part, bool training) {
  cy_words folders = {0};
  cy_status status = cy_list_folder(part, NULL, &folders);
  for (size_t i = 0; status == CY_OK && i < folders.count; i++) {
    char *path = cy_join_path(part, folders.items[i]);
    status = path ? add_class(f, path, folders.items[i], training) : cy_no_memory();
    cy_free(path);
  }
  cy_words_clear(&folders);
  return status;
}

/* DIR/train with class folders, and DIR/test; else class folders in DIR itself. */
static cy_status find_files(folder *f) {
  if (f->single) return add_path(f, f->path);
  char *train = cy_join_path(f->path, "train"), *test = cy_join_path(f->path, "test");
  cy_status status = train && test ? CY_OK : cy_no_memory();
  if (status == CY_OK && cy_is_folder(train)) status = add_part(f, train, true);
  if (status == CY_OK && f->count == 0 && cy_sequences_bare(f->options)) status = add_flat(f);
  size_t before = f->count;
  if (status == CY_OK && before > 0 && cy_is_folder(test)) {
    status = add_part(f, test, false);
    f->test_count = (int64_t)(f->count - before);
  }
  if (status == CY_OK && before == 0) {
    cy_free(f->bare);
    f->bare = NULL;
    status = add_part(f, f->path, true);
  }
  cy_free(train);
  cy_free(test);
  return status;
}

static bool unnamed(const char *name) { return strncmp(name, "column ", 7) == 0; }

/* The first file decides which columns there are; the others have them too, in whatever order if they have names. */
static cy_status read_first(folder *f, sequence_file *file) {
  const cy_dataset_options *o = f->options;
  cy_words words = {0};
  cy_csv_options csv = {.numbered = true};
  cy_status status = cy_words_split(o->columns ? o->columns : o->ignore, &words);
  if (words.count > INT_MAX) status = cy_no_memory();
  if (o->columns) csv.only = (const char *const *)words.items, csv.n_only = (int)words.count;
  else csv.without = (const char *const *)words.items, csv.n_without = (int)words.count;
  if (status == CY_OK && o->columns && words.count == 0)
    status = cy_fail(CY_INVALID, "%s: columns names no column", f->path);
  if (status == CY_OK) status = cy_hint_ignore(cy_csv_load(file->path, csv, &file->csv));
  if (status == CY_OK && file->csv.n_columns == 0) status = cy_fail(CY_INVALID, "%s: holds no column", file->path);
  for (int64_t c = 0; status == CY_OK && c < file->csv.n_columns; c++)
    status = cy_words_add(&f->columns, file->csv.columns[c], strlen(file->csv.columns[c]));
  cy_words_clear(&words);
  return status;
}

static cy_status read_next(folder *f, sequence_file *file) {
  cy_csv_options csv = {.numbered = true};
  if (!unnamed(f->columns.items[0])) csv.only = (const char *const *)f->columns.items, csv.n_only = (int)f->columns.count;
  CY_TRY(cy_hint_ignore(cy_csv_load(file->path, csv, &file->csv)));
  if (file->csv.n_columns == (int64_t)f->columns.count) return CY_OK;
  return cy_fail(CY_INVALID, "%s: has %lld columns, but %s has %zu", file->path, (long long)file->csv.n_columns,
                 f->files[0].path, f->columns.count);
}

static cy_status fill_folder(folder *f, int64_t *lengths, cy_tensor **inputs, cy_tensor **targets) {
  int64_t longest = 0;
  for (size_t i = 0; i < f->count; i++) {
    CY_TRY(i == 0 ? read_first(f, &f->files[i]) : read_next(f, &f->files[i]));
    lengths[i] = cy_tensor_shape(f->files[i].csv.values).dim[0];
    if (lengths[i] > longest) longest = lengths[i];
  }
  CY_TRY(cy_sequences_create(f->path, (int64_t)f->count, (int64_t)f->columns.count, longest, inputs));
  if (cy_sequences_bare(f->options)) CY_TRY(cy_sequences_without_targets((int64_t)f->count, targets));
  else CY_TRY(cy_tensor_create(CY_I32, CY_SHAPE((int64_t)f->count), targets));
  for (size_t i = 0; i < f->count; i++) {
    if (!cy_sequences_bare(f->options)) cy_tensor_i32(*targets)[i] = f->files[i].label;
    for (int64_t t = 0; t < lengths[i]; t++)
      CY_TRY(cy_sequences_put(f->files[i].path, &f->files[i].csv, t, (int64_t)i, t, *inputs));
  }
  return CY_OK;
}

/* class/file.csv, as it is found in the folder. */
static void name_files(const folder *f, const char **names) {
  for (size_t i = 0; i < f->count; i++) {
    names[i] = f->files[i].path + (f->single ? 0 : strlen(f->path));
    while (!f->single && *names[i] == '/') names[i]++;
  }
}

static cy_status read_folder(folder *f, const char *name, cy_dataset **dataset) {
  cy_dataset_parts parts = {.name = name, .origin = f->path, .place = f->path, .test_count = f->test_count,
                            .target_name = "class"};
  int64_t *lengths = cy_calloc(f->count, sizeof *lengths);
  const char **names = cy_calloc(f->count, sizeof *names);
  cy_status status = lengths && names ? fill_folder(f, lengths, &parts.inputs, &parts.targets) : cy_no_memory();
  if (status == CY_OK) {
    parts.classes = cy_sequences_bare(f->options) ? 0 : (int64_t)f->classes.count;
    parts.class_names = cy_sequences_bare(f->options) ? NULL : (const char *const *)f->classes.items;
    name_files(f, names);
    status = cy_sequences_build(parts, lengths, f->options, names, (const char *const *)f->columns.items, NULL, dataset);
  } else {
    cy_tensor_free(parts.inputs);
    cy_tensor_free(parts.targets);
  }
  cy_free(lengths);
  cy_free(names);
  return status;
}

/* Without any file it may be a folder of something else. */
static cy_status read_found(folder *f, const char *name, cy_dataset **dataset) {
  CY_TRY(find_files(f));
  if (f->count == 0) return CY_OK;
  if (f->bare)
    return cy_fail(CY_INVALID, "%s: holds no CSV file, so its class would never be seen; add some, or take the folder away "
                   "(folders whose names begin with a dot are left out)", f->bare);
  CY_TRY(cy_check_columns(f->path, f->options));
  return read_folder(f, name, dataset);
}

cy_status cy_open_sequence_folder(const char *name, const char *path, cy_dataset_options options, cy_dataset **dataset) {
  folder f = {.path = path, .options = &options, .single = !cy_is_folder(path)};
  *dataset = NULL;
  cy_status status = read_found(&f, name, dataset);
  for (size_t i = 0; i < f.count; i++) {
    cy_free(f.files[i].path);
    cy_csv_clear(&f.files[i].csv);
  }
  cy_free(f.files);
  cy_free(f.bare);
  cy_words_clear(&f.classes);
  cy_words_clear(&f.columns);
  return status;
}
