/* One table of sequences of different lengths, whose rows say to which sequence they belong. Every number is there:
 * a gap in a sequence would have to be guessed. */
#include "base/memory.h"
#include "data/sequences.h"
#include "data/series.h"
#include "io/csv.h"

#include <limits.h>
#include <math.h>
#include <string.h>

static bool class_number(const char *text, double *number) { return cy_parse_number(text, strlen(text), number); }

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
  int candidates = cy_sequences_bare(o) ? 0 : o->target ? 1 : (int)(sizeof usual / sizeof *usual);
  if (status == CY_OK)
    status = cy_hint_ignore(cy_csv_load_labelled(t->path, csv, o->target ? &o->target : usual, candidates, &t->rows));
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
  CY_TRY(cy_sequences_create(t->path, t->count, t->rows.n_columns, longest, inputs));
  int64_t *at = cy_calloc((size_t)t->count, sizeof *at);
  cy_status status = at ? CY_OK : cy_no_memory();
  for (int64_t row = 0; status == CY_OK && row < rows; row++) {
    int64_t i = t->sequence[cy_tensor_i32(t->ids.labels)[row]];
    status = cy_sequences_put(t->path, &t->rows, row, i, at[i]++, *inputs);
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

static cy_status fill_targets(const table *t, bool classes, cy_tensor **targets) {
  if (!t->rows.labels) return cy_sequences_without_targets(t->count, targets);
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

static cy_status read_table(table *t, const char *name, const cy_dataset_options *o, cy_dataset **dataset) {
  cy_dataset_parts parts = {.name = name, .origin = t->path, .place = t->path};
  CY_TRY(load_table(t, o));
  CY_TRY(group_rows(t));
  bool steps = o->each_step && !cy_sequences_bare(o);
  if (steps && o->task == CY_TASK_REGRESS)
    return cy_fail(CY_INVALID, "%s: targets of each step are classes, not numbers", t->path);
  if (!steps) CY_TRY(check_labels(t));
  bool classes = o->task == CY_TASK_CLASSIFY || (o->task == CY_TASK_DETECT && looks_like_classes(t));
  classes = (classes || steps) && !cy_sequences_bare(o);
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
  return cy_sequences_build(parts, t->lengths, o, t->names, (const char *const *)t->rows.columns, t->column, dataset);
}

cy_status cy_open_sequence_table(const char *name, const char *path, cy_dataset_options options, cy_dataset **dataset) {
  table t = {.path = path, .column = options.sequence};
  *dataset = NULL;
  CY_TRY(cy_check_columns(path, &options));
  cy_status status = read_table(&t, name, &options, dataset);
  cy_csv_clear(&t.rows);
  cy_csv_clear(&t.ids);
  cy_free(t.sequence);
  cy_free(t.first);
  cy_free(t.lengths);
  cy_free(t.names);
  return status;
}
