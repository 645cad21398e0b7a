/* Tables of sequences of different lengths: one table whose rows say to which sequence they belong, or folders by class in
 * which each CSV file is a sequence. Every number is there: a gap in a sequence would have to be guessed. */
#include "base/memory.h"
#include "data/ragged.h"
#include "data/series.h"
#include "io/csv.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Without targets: to predict from. */
static bool is_bare(const cy_dataset_options *o) { return o->target && strcmp(o->target, "input") == 0; }

static bool class_number(const char *text, double *number) { return cy_parse_number(text, strlen(text), number); }

/* ---- what sequences need while they are put together ---- */

/* [count, channels, steps], padded: the longest decides. More than the machine has would be granted by many systems, and
 * then the process killed. */
static cy_status create_padded(const char *place, int64_t count, int64_t channels, int64_t steps, cy_tensor **inputs) {
  double bytes = (double)count * (double)channels * (double)steps * sizeof(float);
  double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  if (memory > 0 && bytes > memory)
    return cy_fail(CY_NO_MEMORY, "%s: %lld sequences of up to %lld steps x %lld channels need %.1f GB, but this machine has "
                   "%.1f GB of memory: cut the longest ones", place, (long long)count, (long long)steps,
                   (long long)channels, bytes / 1e9, memory / 1e9);
  CY_TRY(cy_tensor_create(CY_F32, CY_SHAPE(count, channels, steps), inputs));
  memset(cy_tensor_data(*inputs), 0, cy_tensor_bytes(*inputs));
  return CY_OK;
}

/* Row `row` of a table to step t of sequence i. */
static cy_status put_row(const char *path, const cy_csv *csv, int64_t row, int64_t i, int64_t t, cy_tensor *inputs) {
  cy_shape s = cy_tensor_shape(inputs);
  const double *values = cy_tensor_f64(csv->values) + row * csv->n_columns;
  for (int64_t c = 0; c < s.dim[1]; c++) {
    if (!isfinite((float)values[c]))
      return cy_fail(CY_INVALID, "%s: row %lld: \"%s\" is %g, which is too large for f32", path, (long long)row + 1,
                     csv->columns[c], values[c]);
    cy_tensor_f32(inputs)[(i * s.dim[1] + c) * s.dim[2] + t] = (float)values[c];
  }
  return CY_OK;
}

/* Text among the numbers can be left out: that is said too. */
static cy_status hint(cy_status status) {
  static const char end[] = "is not a number";
  char sentence[CY_MESSAGE_SIZE];
  size_t n = strlen(cy_error_message());
  if (status != CY_INVALID || n < sizeof end || strcmp(cy_error_message() + n - strlen(end), end) != 0) return status;
  snprintf(sentence, sizeof sentence, "%s", cy_error_message());
  return cy_fail(status, "%s (ignore: COLUMN leaves a column out)", sentence);
}

/* ---- one table ---- */

typedef struct table {
  const char *path, *column; /* column: which says to what sequence a row belongs */
  cy_task task;
  cy_csv rows, ids;
  int64_t count;      /* sequences */
  int64_t *sequence;  /* [classes of ids]: the number of a sequence, in the order in which they begin */
  int64_t *first;     /* [sequences]: its first row */
  int64_t *lengths;   /* [sequences] */
  const char **names; /* [sequences] */
} table;

static cy_status is_the_target(const table *t) {
  return cy_fail(CY_INVALID, "%s: \"%s\" says to which sequence a row belongs and can't be the target too; target: COLUMN",
                 t->path, t->column);
}

static cy_status load_table(table *t, const cy_dataset_options *o) {
  static const char *const usual[] = {"label", "target", "class", "species", "y", "-1"};
  const char *none = NULL;
  cy_words words = {0};
  cy_csv_options csv = {.numbered = true};
  CY_TRY(cy_csv_load(t->path, (cy_csv_options){.label = t->column, .only = &none}, &t->ids));
  cy_status status = cy_words_split(o->columns ? o->columns : o->ignore, &words);
  if (status == CY_OK && o->target && strcmp(o->target, t->ids.label_name) == 0) status = is_the_target(t);
  if (status == CY_OK && o->columns && words.count == 0) status = cy_fail(CY_INVALID, "%s: columns names no column", t->path);
  if (status == CY_OK && !o->columns && cy_words_find(&words, t->column) < 0)
    status = cy_words_add(&words, t->column, strlen(t->column));
  if (words.count > INT_MAX) status = cy_no_memory();
  if (o->columns) csv.only = (const char *const *)words.items, csv.n_only = (int)words.count;
  else csv.without = (const char *const *)words.items, csv.n_without = (int)words.count;
  int candidates = is_bare(o) ? 0 : o->target ? 1 : (int)(sizeof usual / sizeof *usual);
  if (status == CY_OK)
    status = hint(cy_csv_load_labelled(t->path, csv, o->target ? &o->target : usual, candidates, &t->rows));
  if (status == CY_INVALID && !o->target && strstr(cy_error_message(), "\" is the target")) status = is_the_target(t);
  if (status == CY_OK && o->columns && t->rows.n_columns != (int64_t)words.count)
    status = cy_fail(CY_INVALID, "%s: no header names a column \"%s\"", t->path, words.items[0]);
  cy_words_clear(&words);
  CY_TRY(status);
  if (t->rows.n_columns == 0)
    return cy_fail(CY_INVALID, "%s: holds no column besides \"%s\"%s%s", t->path, t->column,
                   t->rows.label_name ? " and the target " : "", t->rows.label_name ? t->rows.label_name : "");
  return CY_OK;
}

/* Numbers the sequences in the order of their first rows. */
static cy_status group_rows(table *t) {
  int64_t n = t->ids.n_classes, rows = cy_tensor_count(t->ids.labels);
  t->sequence = cy_calloc((size_t)n, sizeof *t->sequence);
  t->first = cy_calloc((size_t)n, sizeof *t->first);
  t->lengths = cy_calloc((size_t)n, sizeof *t->lengths);
  t->names = cy_calloc((size_t)n, sizeof *t->names);
  if (!t->sequence || !t->first || !t->lengths || !t->names) return cy_no_memory();
  for (int64_t i = 0; i < n; i++) t->sequence[i] = -1;
  for (int64_t row = 0; row < rows; row++) {
    int32_t id = cy_tensor_i32(t->ids.labels)[row];
    if (t->sequence[id] < 0) {
      t->first[t->count] = row;
      t->names[t->count] = t->ids.classes[id];
      t->sequence[id] = t->count++;
    }
    t->lengths[t->sequence[id]]++;
  }
  return CY_OK;
}

static cy_status fill_table(table *t, cy_tensor **inputs) {
  int64_t rows = cy_tensor_count(t->ids.labels), longest = 0;
  for (int64_t i = 0; i < t->count; i++)
    if (t->lengths[i] > longest) longest = t->lengths[i];
  CY_TRY(create_padded(t->path, t->count, t->rows.n_columns, longest, inputs));
  int64_t *at = cy_calloc((size_t)t->count, sizeof *at);
  cy_status status = at ? CY_OK : cy_no_memory();
  for (int64_t row = 0; status == CY_OK && row < rows; row++) {
    int64_t i = t->sequence[cy_tensor_i32(t->ids.labels)[row]];
    status = put_row(t->path, &t->rows, row, i, at[i]++, *inputs);
  }
  cy_free(at);
  return status;
}

static cy_status check_labels(const table *t) {
  const int32_t *labels = t->rows.labels ? cy_tensor_i32(t->rows.labels) : NULL, *ids = cy_tensor_i32(t->ids.labels);
  for (int64_t row = 0; labels && row < cy_tensor_count(t->rows.labels); row++) {
    int64_t i = t->sequence[ids[row]];
    if (labels[row] != labels[t->first[i]])
      return cy_fail(CY_INVALID, "%s: row %lld: %s of sequence %s is %s, but %s in its first row: a sequence has one label "
                     "(each_step: true takes one for each step)",
                     t->path, (long long)row + 1, t->rows.label_name, t->names[i], t->rows.classes[labels[row]],
                     t->rows.classes[labels[t->first[i]]]);
  }
  return CY_OK;
}

enum { DETECT_CLASSES = 100 };

/* As for other tables, but of sequences. */
static bool looks_like_classes(const table *t) {
  double v;
  bool whole = true;
  for (int64_t c = 0; c < t->rows.n_classes; c++) {
    if (!class_number(t->rows.classes[c], &v)) return true;
    whole &= v == floor(v);
  }
  return t->rows.labels && whole && t->rows.n_classes <= DETECT_CLASSES && 2 * t->rows.n_classes <= t->count;
}

/* What stands for them until the data set is built. */
static cy_status no_targets(int64_t count, cy_tensor **targets) {
  CY_TRY(cy_tensor_create(CY_F32, CY_SHAPE(count, 1), targets));
  memset(cy_tensor_data(*targets), 0, cy_tensor_bytes(*targets));
  return CY_OK;
}

static cy_status fill_targets(const table *t, bool classes, cy_tensor **targets) {
  if (!t->rows.labels) return no_targets(t->count, targets);
  const int32_t *labels = cy_tensor_i32(t->rows.labels);
  CY_TRY(cy_tensor_create(classes ? CY_I32 : CY_F64, classes ? CY_SHAPE(t->count) : CY_SHAPE(t->count, 1), targets));
  for (int64_t i = 0; i < t->count; i++) {
    int32_t label = labels[t->first[i]];
    if (classes) cy_tensor_i32(*targets)[i] = label;
    else if (!class_number(t->rows.classes[label], cy_tensor_f64(*targets) + i))
      return cy_fail(CY_INVALID, "%s: column \"%s\" holds \"%.40s\": to regress, targets must be numbers", t->path,
                     t->rows.label_name, t->rows.classes[label]);
  }
  return CY_OK;
}

/* Takes over the tensors of parts. */
/* A label for each step, in the rows' order. */
static cy_status fill_step_targets(const table *t, int64_t longest, cy_tensor **targets) {
  const int32_t *labels = cy_tensor_i32(t->rows.labels), *ids = cy_tensor_i32(t->ids.labels);
  CY_TRY(cy_tensor_create(CY_I32, CY_SHAPE(t->count, longest), targets));
  memset(cy_tensor_data(*targets), 0, cy_tensor_bytes(*targets));
  int64_t *at = cy_calloc((size_t)t->count, sizeof *at);
  if (!at) return cy_no_memory();
  for (int64_t row = 0; row < cy_tensor_count(t->rows.labels); row++) {
    int64_t i = t->sequence[ids[row]];
    cy_tensor_i32(*targets)[i * longest + at[i]++] = labels[row];
  }
  cy_free(at);
  return CY_OK;
}

static cy_status build(cy_dataset_parts parts, const int64_t *lengths, const cy_dataset_options *o,
                       const char *const *names, const char *const *channels, const char *column, cy_dataset **dataset) {
  CY_TRY(cy_dataset_build(parts, dataset));
  cy_status status = cy_dataset_set_lengths(*dataset, lengths, o->buckets);
  if (status == CY_OK) status = cy_dataset_name_sequences(*dataset, names, channels, column);
  if (status == CY_OK && is_bare(o)) status = cy_dataset_reconstruct(*dataset);
  if (status == CY_OK) return CY_OK;
  cy_dataset_free(*dataset);
  *dataset = NULL;
  return status;
}

static cy_status read_table(table *t, const char *name, const cy_dataset_options *o, cy_dataset **dataset) {
  cy_dataset_parts parts = {.name = name, .origin = t->path, .place = t->path};
  CY_TRY(load_table(t, o));
  CY_TRY(group_rows(t));
  bool steps = o->each_step && !is_bare(o);
  if (steps && o->task == CY_TASK_REGRESS)
    return cy_fail(CY_INVALID, "%s: targets of each step are classes, not numbers", t->path);
  if (!steps) CY_TRY(check_labels(t));
  bool classes = o->task == CY_TASK_CLASSIFY || (o->task == CY_TASK_DETECT && looks_like_classes(t));
  classes = (classes || steps) && !is_bare(o);
  parts.each_step = steps;
  parts.target_name = t->rows.label_name;
  parts.classes = classes ? t->rows.n_classes : 0;
  parts.class_names = classes ? (const char *const *)t->rows.classes : NULL;
  cy_status status = fill_table(t, &parts.inputs);
  if (status == CY_OK)
    status = steps ? fill_step_targets(t, cy_tensor_shape(parts.inputs).dim[2], &parts.targets)
                   : fill_targets(t, classes, &parts.targets);
  if (status != CY_OK) {
    cy_tensor_free(parts.inputs);
    cy_tensor_free(parts.targets);
    return status;
  }
  return build(parts, t->lengths, o, t->names, (const char *const *)t->rows.columns, t->column, dataset);
}

cy_status cy_open_sequence_table(const char *name, const char *path, cy_dataset_options options, cy_dataset **dataset) {
  table t = {.path = path, .column = options.sequence};
  *dataset = NULL;
  if (options.columns && options.ignore)
    return cy_fail(CY_INVALID, "%s: columns and ignore exclude each other: one says what is read, the other what not",
                   path);
  cy_status status = read_table(&t, name, &options, dataset);
  cy_csv_clear(&t.rows);
  cy_csv_clear(&t.ids);
  cy_free(t.sequence);
  cy_free(t.first);
  cy_free(t.lengths);
  cy_free(t.names);
  return status;
}

/* ---- folders of files ---- */

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

static bool is_kind(const char *path, bool folders) {
  struct stat info;
  return stat(path, &info) == 0 && (folders ? S_ISDIR(info.st_mode) : S_ISREG(info.st_mode));
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The folders in a folder, or the CSV files, sorted. Hidden ones are left out. */
static cy_status list(const char *path, bool folders, cy_words *names) {
  DIR *stream = opendir(path);
  cy_status status = CY_OK;
  if (!stream) return cy_fail(CY_IO, "%s: cannot read the folder: %s", path, strerror(errno));
  for (const struct dirent *entry; status == CY_OK && (entry = readdir(stream)) != NULL;) {
    if (entry->d_name[0] == '.' || (!folders && !cy_dataset_is_csv(entry->d_name))) continue;
    char *full = cy_join_path(path, entry->d_name);
    if (!full) status = cy_no_memory();
    else if (is_kind(full, folders)) status = cy_words_add(names, entry->d_name, strlen(entry->d_name));
    cy_free(full);
  }
  closedir(stream);
  if (status == CY_OK && names->count > 1) qsort(names->items, names->count, sizeof *names->items, by_bytes);
  return status;
}

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
  cy_status status = list(f->path, false, &files);
  for (size_t i = 0; status == CY_OK && i < files.count; i++) status = add_file(f, f->path, files.items[i], 0);
  cy_words_clear(&files);
  return status;
}

static cy_status add_class(folder *f, const char *path, const char *name, bool training) {
  cy_words files = {0};
  cy_status status = list(path, false, &files);
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
  cy_status status = list(part, true, &folders);
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
  if (status == CY_OK && is_kind(train, true)) status = add_part(f, train, true);
  if (status == CY_OK && f->count == 0 && is_bare(f->options)) status = add_flat(f);
  size_t before = f->count;
  if (status == CY_OK && before > 0 && is_kind(test, true)) {
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
  if (status == CY_OK) status = hint(cy_csv_load(file->path, csv, &file->csv));
  if (status == CY_OK && file->csv.n_columns == 0) status = cy_fail(CY_INVALID, "%s: holds no column", file->path);
  for (int64_t c = 0; status == CY_OK && c < file->csv.n_columns; c++)
    status = cy_words_add(&f->columns, file->csv.columns[c], strlen(file->csv.columns[c]));
  cy_words_clear(&words);
  return status;
}

static cy_status read_next(folder *f, sequence_file *file) {
  cy_csv_options csv = {.numbered = true};
  if (!unnamed(f->columns.items[0])) csv.only = (const char *const *)f->columns.items, csv.n_only = (int)f->columns.count;
  CY_TRY(hint(cy_csv_load(file->path, csv, &file->csv)));
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
  CY_TRY(create_padded(f->path, (int64_t)f->count, (int64_t)f->columns.count, longest, inputs));
  if (is_bare(f->options)) CY_TRY(no_targets((int64_t)f->count, targets));
  else CY_TRY(cy_tensor_create(CY_I32, CY_SHAPE((int64_t)f->count), targets));
  for (size_t i = 0; i < f->count; i++) {
    if (!is_bare(f->options)) cy_tensor_i32(*targets)[i] = f->files[i].label;
    for (int64_t t = 0; t < lengths[i]; t++)
      CY_TRY(put_row(f->files[i].path, &f->files[i].csv, t, (int64_t)i, t, *inputs));
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
    parts.classes = is_bare(f->options) ? 0 : (int64_t)f->classes.count;
    parts.class_names = is_bare(f->options) ? NULL : (const char *const *)f->classes.items;
    name_files(f, names);
    status = build(parts, lengths, f->options, names, (const char *const *)f->columns.items, NULL, dataset);
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
  if (f->options->columns && f->options->ignore)
    return cy_fail(CY_INVALID, "%s: columns and ignore exclude each other: one says what is read, the other what not",
                   f->path);
  return read_folder(f, name, dataset);
}

cy_status cy_open_sequence_folder(const char *name, const char *path, cy_dataset_options options, cy_dataset **dataset) {
  folder f = {.path = path, .options = &options, .single = !is_kind(path, true)};
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
