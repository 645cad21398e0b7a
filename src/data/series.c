#include "data/series.h"

#include "base/memory.h"
#include "base/text.h"
#include "data/dataset.h"
#include "data/times.h"
#include "io/csv.h"

#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- lists of words ---- */

cy_status cy_words_add(cy_words *w, const char *text, size_t length) {
  if (!cy_grow(&w->items, w->count, &w->capacity, sizeof *w->items)) return cy_no_memory();
  w->items[w->count] = cy_strndup(text, length);
  return w->items[w->count++] ? CY_OK : cy_no_memory();
}

/* From behind the quote to the one that closes; "" is a quote. */
static cy_status add_quoted(cy_words *w, const char **at) {
  size_t length = 0;
  char *copy = cy_strdup(*at);
  if (!copy) return cy_no_memory();
  for (; **at && (**at != '"' || (*at)[1] == '"'); *at += **at == '"' ? 2 : 1) copy[length++] = **at;
  *at += **at == '"';
  cy_status status = cy_words_add(w, copy, length);
  cy_free(copy);
  return status;
}

cy_status cy_words_split(const char *list, cy_words *w) {
  for (const char *at = list; at && *at;) {
    at += strspn(at, " ,");
    if (*at == '"') {
      at++;
      CY_TRY(add_quoted(w, &at));
      at += strcspn(at, ",");
      continue;
    }
    size_t length = strcspn(at, ","), used = length;
    while (used > 0 && at[used - 1] == ' ') used--;
    if (used) CY_TRY(cy_words_add(w, at, used));
    at += length;
  }
  return CY_OK;
}

int64_t cy_words_find(const cy_words *w, const char *word) {
  for (size_t i = 0; i < w->count; i++)
    if (strcmp(w->items[i], word) == 0) return (int64_t)i;
  return -1;
}

void cy_words_clear(cy_words *w) {
  for (size_t i = 0; i < w->count; i++) cy_free(w->items[i]);
  cy_free(w->items);
  *w = (cy_words){0};
}

/* ---- one file ---- */

typedef struct reading {
  cy_series_set *set;
  const char *path, *target;
  cy_task task;
  cy_window_options options;
  double missing; /* NaN: no number stands for it */
} reading;

/* These columns, in this order. A file without a header is read whole if the first is no name of its columns. */
static cy_status load_columns(const reading *r, const char **names, int n, cy_csv *csv) {
  CY_TRY(cy_csv_load(r->path, (cy_csv_options){.only = names, .n_only = n, .missing = true, .numbered = true}, csv));
  if (csv->n_columns == n) return CY_OK;
  cy_csv_clear(csv);
  return cy_fail(CY_INVALID, "%s: has no column \"%s\"", r->path, names[0]);
}

/* Without a list: all columns of numbers in the first file but the times and the target. */
static cy_status choose_sensors(const reading *r) {
  cy_series_set *set = r->set;
  cy_csv csv;
  if (r->options.columns) {
    CY_TRY(cy_words_split(r->options.columns, &set->sensors));
    return set->sensors.count ? CY_OK : cy_fail(CY_INVALID, "windows: columns names no column");
  }
  cy_csv_options rest = {.label = r->target,
                         .without = (const char *const *)set->times.items,
                         .n_without = (int)set->times.count,
                         .numbered = true,
                         .missing = true};
  CY_TRY(cy_csv_load(r->path, rest, &csv));
  cy_status status = CY_OK;
  for (int64_t c = 0; status == CY_OK && c < csv.n_columns; c++)
    status = cy_words_add(&set->sensors, csv.columns[c], strlen(csv.columns[c]));
  cy_csv_clear(&csv);
  if (status == CY_OK && set->sensors.count == 0)
    status = cy_fail(CY_INVALID, "%s: holds no column of numbers besides target and time", r->path);
  return status;
}

static cy_status copy_values(const reading *r, const cy_csv *csv, cy_series *s) {
  size_t sensors = r->set->sensors.count, size;
  s->rows = csv->values->view.shape.dim[0];
  if (!cy_mul_size((size_t)s->rows, sensors, &size)) return cy_no_memory();
  s->values = cy_calloc(size, sizeof *s->values);
  if (!s->values) return cy_no_memory();
  for (size_t k = 0; k < sensors; k++) {
    for (int64_t i = 0; i < s->rows; i++) {
      double v = cy_tensor_f64(csv->values)[i * csv->n_columns + (int64_t)k];
      if (fabs(v) > (double)3e38F)
        return cy_fail(CY_INVALID, "%s: row %lld: \"%s\" is %g, which is too large for f32", r->path, (long long)i + 1,
                       r->set->sensors.items[k], v);
      s->values[(size_t)i * sensors + k] = v == r->missing ? (double)NAN : v;
    }
  }
  return CY_OK;
}

/* c: the target's column. */
static cy_status copy_numbers(const reading *r, const cy_csv *csv, int64_t c, cy_series *s) {
  s->numbers = cy_calloc((size_t)s->rows, sizeof *s->numbers);
  if (!s->numbers) return cy_no_memory();
  for (int64_t i = 0; i < s->rows; i++) {
    double v = cy_tensor_f64(csv->values)[i * csv->n_columns + c];
    s->numbers[i] = v == r->missing ? (double)NAN : v;
  }
  return CY_OK;
}

/* Sensors, and a target of numbers. */
static cy_status read_numbers(const reading *r, cy_series *s) {
  const cy_series_set *set = r->set;
  bool numbers = set->kind == CY_TARGET_NUMBERS;
  int64_t place = numbers ? cy_words_find(&set->sensors, r->target) : 0; /* the target may be a sensor too */
  bool target = place < 0;
  const char **names = cy_calloc(set->sensors.count + 1, sizeof *names);
  cy_csv csv;
  if (!names) return cy_no_memory();
  for (size_t i = 0; i < set->sensors.count; i++) names[i] = set->sensors.items[i];
  if (target) names[set->sensors.count] = r->target;
  cy_status status = load_columns(r, names, (int)set->sensors.count + target, &csv);
  cy_free(names);
  CY_TRY(status);
  status = copy_values(r, &csv, s);
  if (status == CY_OK && numbers) status = copy_numbers(r, &csv, target ? csv.n_columns - 1 : place, s);
  cy_csv_clear(&csv);
  return status;
}

/* ---- classes: those of all files together ---- */

static cy_status load_classes(const reading *r, cy_csv *csv) {
  const char *none = NULL;
  return cy_csv_load(r->path, (cy_csv_options){.label = r->target, .only = &none, .missing = true}, csv);
}

enum { DETECT_CLASSES = 100, MOST_CLASSES = 1000 };

static bool looks_like_numbers(const cy_csv *csv) {
  double v;
  bool whole = true;
  for (int64_t c = 0; c < csv->n_classes; c++) {
    if (!cy_parse_number(csv->classes[c], strlen(csv->classes[c]), &v)) return false;
    whole &= v == floor(v);
  }
  return !whole || csv->n_classes > DETECT_CLASSES;
}

/* From what the label takes of the target column, and for the last value from the task and the first file. */
static cy_status choose_kind(const reading *r) {
  cy_window_label label = r->options.label;
  cy_csv csv;
  r->set->kind = CY_TARGET_NUMBERS;
  if (!r->target) r->set->kind = CY_TARGET_NONE;
  else if (label == CY_LABEL_MAJORITY || (label == CY_LABEL_LAST && !r->options.above && r->task == CY_TASK_CLASSIFY))
    r->set->kind = CY_TARGET_CLASSES;
  if (r->set->kind == CY_TARGET_NUMBERS && r->task == CY_TASK_CLASSIFY && !r->options.above)
    return cy_fail(CY_INVALID,
                   "windows: the %s of \"%s\" is a number; for classes say above which value (above), or take "
                   "the majority or the last",
                   cy_window_label_name((int)label), r->target);
  if (!r->target || label != CY_LABEL_LAST || r->options.above || r->task != CY_TASK_DETECT) return CY_OK;
  CY_TRY(load_classes(r, &csv));
  if (!looks_like_numbers(&csv)) r->set->kind = CY_TARGET_CLASSES;
  cy_csv_clear(&csv);
  return CY_OK;
}

static cy_status read_classes(const reading *r, cy_series *s) {
  cy_csv csv;
  CY_TRY(load_classes(r, &csv));
  cy_words *all = &r->set->classes;
  int32_t *number = cy_calloc((size_t)csv.n_classes + 1, sizeof *number);
  s->classes = cy_calloc((size_t)s->rows, sizeof *s->classes);
  cy_status status = number && s->classes ? CY_OK : cy_no_memory();
  if (status == CY_OK && csv.n_classes > MOST_CLASSES)
    status = cy_fail(CY_INVALID, "%s: column \"%s\" holds %lld different classes; at most %d are taken", r->path,
                     r->target, (long long)csv.n_classes, MOST_CLASSES);
  for (int64_t c = 0; status == CY_OK && c < csv.n_classes; c++) {
    if (cy_words_find(all, csv.classes[c]) < 0) status = cy_words_add(all, csv.classes[c], strlen(csv.classes[c]));
    if (status == CY_OK) number[c] = (int32_t)cy_words_find(all, csv.classes[c]);
  }
  for (int64_t i = 0; status == CY_OK && i < s->rows; i++) {
    int32_t c = cy_tensor_i32(csv.labels)[i];
    s->classes[i] = c < 0 ? -1 : number[c];
  }
  cy_free(number);
  cy_csv_clear(&csv);
  return status;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
static int by_number(const void *a, const void *b) {
  double x = 0, y = 0;
  bool both = cy_parse_number(*(char *const *)a, strlen(*(char *const *)a), &x) &&
              cy_parse_number(*(char *const *)b, strlen(*(char *const *)b), &y);
  return !both || x == y ? by_bytes(a, b) : (x > y) - (x < y);
}

/* In the order they came in until all files are read; then numbers in numeric order, else in that of bytes. */
static cy_status sort_classes(cy_series_set *set) {
  size_t n = set->classes.count;
  bool numbers = true;
  double v;
  for (size_t i = 0; i < n; i++) numbers &= cy_parse_number(set->classes.items[i], strlen(set->classes.items[i]), &v);
  char **old = cy_calloc(n + 1, sizeof *old);
  int32_t *place = cy_calloc(n + 1, sizeof *place);
  cy_status status = old && place ? CY_OK : cy_no_memory();
  if (status == CY_OK && n) {
    memcpy(old, set->classes.items, n * sizeof *old);
    qsort(set->classes.items, n, sizeof *old, numbers ? by_number : by_bytes);
    for (size_t i = 0; i < n; i++) place[i] = (int32_t)cy_words_find(&set->classes, old[i]);
    for (size_t k = 0; k < set->count; k++)
      for (int64_t i = 0; i < set->items[k].rows; i++)
        if (set->items[k].classes[i] >= 0) set->items[k].classes[i] = place[set->items[k].classes[i]];
  }
  cy_free(old);
  cy_free(place);
  return status;
}

/* ---- times ---- */

static cy_status bad_row(const reading *r, int64_t row, const char *what) {
  return cy_fail(CY_INVALID, "%s: row %lld: %s", r->path, (long long)row + 1, what);
}

/* One column: text or numbers. */
static cy_status times_of_text(const reading *r, int64_t rows, double *times) {
  const char *none = NULL;
  cy_csv csv;
  cy_status status = CY_OK;
  bool calendar = false, first = true;
  CY_TRY(cy_csv_load(r->path, (cy_csv_options){.label = r->set->times.items[0], .only = &none, .missing = true}, &csv));
  double *seconds = cy_calloc((size_t)csv.n_classes + 1, sizeof *seconds);
  if (!seconds) status = cy_no_memory();
  for (int64_t c = 0; status == CY_OK && c < csv.n_classes; c++, first = false) {
    bool before = calendar;
    if (!cy_parse_time(csv.classes[c], &seconds[c], &calendar) || (!first && before != calendar))
      status = cy_fail(CY_INVALID,
                       "%s: column \"%s\" holds \"%.40s\", which is no time such as 2016-03-01 05:00, nor a "
                       "number",
                       r->path, r->set->times.items[0], csv.classes[c]);
  }
  for (int64_t i = 0; status == CY_OK && i < rows; i++) {
    int32_t c = cy_tensor_i32(csv.labels)[i];
    if (c < 0) status = bad_row(r, i, "the time is missing");
    else times[i] = seconds[c];
  }
  r->set->calendar = calendar;
  cy_free(seconds);
  cy_csv_clear(&csv);
  return status;
}

enum { MOST_TIME_FIELDS = 6 };

/* Columns of year, month, day, hour, minute, second. */
static cy_status times_of_fields(const reading *r, int64_t rows, double *times) {
  const cy_words *names = &r->set->times;
  const char *wanted[MOST_TIME_FIELDS];
  cy_csv csv;
  if (names->count < 3 || names->count > MOST_TIME_FIELDS)
    return cy_fail(CY_INVALID, "windows: time is one column, or year, month, day and if need be hour, minute, second");
  for (size_t k = 0; k < names->count; k++) wanted[k] = names->items[k];
  CY_TRY(load_columns(r, wanted, (int)names->count, &csv));
  cy_status status = CY_OK;
  for (int64_t i = 0; status == CY_OK && i < rows; i++) {
    double fields[MOST_TIME_FIELDS];
    for (size_t k = 0; k < names->count; k++) fields[k] = cy_tensor_f64(csv.values)[i * csv.n_columns + (int64_t)k];
    if (!cy_time_of_fields(fields, (int)names->count, &times[i])) status = bad_row(r, i, "its columns give no time");
  }
  r->set->calendar = true;
  cy_csv_clear(&csv);
  return status;
}

/* The smallest step from a row to the next; all others are whole multiples of it. */
static cy_status find_interval(const reading *r, const double *times, int64_t rows) {
  char now[CY_TIME_TEXT], before[CY_TIME_TEXT], step[CY_TIME_TEXT];
  double interval = INFINITY;
  for (int64_t i = 1; i < rows; i++) {
    if (!(times[i] > times[i - 1]))
      return cy_fail(CY_INVALID, "%s: row %lld: its time %s is not after that of the row above, %s", r->path,
                     (long long)i + 1, cy_time_text(times[i], r->set->calendar, now),
                     cy_time_text(times[i - 1], r->set->calendar, before));
    if (times[i] - times[i - 1] < interval) interval = times[i] - times[i - 1];
  }
  if (rows < 2) interval = r->set->interval ? r->set->interval : 1;
  if (r->set->interval && fabs(interval / r->set->interval - 1) > 1e-6)
    return cy_fail(CY_INVALID, "%s: rows are %g apart, but those of the files before %g", r->path, interval,
                   r->set->interval);
  if (!r->set->interval) r->set->interval = interval;
  for (int64_t i = 1; i < rows; i++) {
    double steps = (times[i] - times[i - 1]) / r->set->interval;
    if (fabs(steps - round(steps)) > 1e-3)
      return cy_fail(CY_INVALID, "%s: row %lld: its time %s is not on the grid of the others, a row every %s%s",
                     r->path, (long long)i + 1, cy_time_text(times[i], r->set->calendar, now),
                     cy_plain_number(r->set->interval, 6, step), r->set->calendar ? " s" : "");
  }
  return CY_OK;
}

static const int64_t MOST_ADDED = 50; /* rows that the file lacks, per row that it has */

/* Every row to its place on the grid; what no row comes to is a gap. */
static cy_status spread(const reading *r, cy_series *s, const double *times) {
  int64_t sensors = (int64_t)r->set->sensors.count, rows = s->rows;
  double length = round((times[rows - 1] - times[0]) / r->set->interval) + 1;
  if (length == (double)rows) return CY_OK;
  if (length > (double)MOST_ADDED * (double)rows + 1000)
    return cy_fail(CY_INVALID, "%s: its %lld rows would be spread over %.0f: is \"%s\" the time?", r->path,
                   (long long)rows, length, r->set->times.items[0]);
  cy_series wide = {.rows = (int64_t)length};
  size_t size;
  if (!cy_mul_size((size_t)wide.rows, (size_t)sensors, &size)) return cy_no_memory();
  wide.values = cy_calloc(size, sizeof *wide.values);
  if (s->numbers) wide.numbers = cy_calloc((size_t)wide.rows, sizeof *wide.numbers);
  if (s->classes) wide.classes = cy_calloc((size_t)wide.rows, sizeof *wide.classes);
  bool failed = !wide.values || (s->numbers && !wide.numbers) || (s->classes && !wide.classes);
  for (size_t i = 0; !failed && i < size; i++) wide.values[i] = (double)NAN;
  for (int64_t i = 0; !failed && i < wide.rows; i++) {
    if (wide.numbers) wide.numbers[i] = (double)NAN;
    if (wide.classes) wide.classes[i] = -1;
  }
  for (int64_t i = 0; !failed && i < rows; i++) {
    int64_t to = (int64_t)round((times[i] - times[0]) / r->set->interval);
    memcpy(wide.values + to * sensors, s->values + i * sensors, (size_t)sensors * sizeof *s->values);
    if (wide.numbers) wide.numbers[to] = s->numbers[i];
    if (wide.classes) wide.classes[to] = s->classes[i];
  }
  cy_series old = failed ? wide : *s;
  if (!failed) {
    s->values = wide.values;
    s->numbers = wide.numbers;
    s->classes = wide.classes;
    s->added = wide.rows - rows;
    s->rows = wide.rows;
  }
  cy_free(old.values);
  cy_free(old.numbers);
  cy_free(old.classes);
  return failed ? cy_no_memory() : CY_OK;
}

static cy_status place_in_time(const reading *r, cy_series *s) {
  cy_series_set *set = r->set;
  bool calendar = set->calendar, first = set->count == 1;
  if (set->times.count == 0) {
    set->interval = 1;
    return CY_OK;
  }
  double *times = cy_calloc((size_t)s->rows, sizeof *times);
  if (!times) return cy_no_memory();
  cy_status status = set->times.count == 1 ? times_of_text(r, s->rows, times) : times_of_fields(r, s->rows, times);
  if (status == CY_OK && !first && calendar != set->calendar)
    status = cy_fail(CY_INVALID, "%s: its times are %s, unlike those of the files before", r->path,
                     set->calendar ? "dates" : "plain numbers");
  if (status == CY_OK) status = find_interval(r, times, s->rows);
  if (status == CY_OK) status = spread(r, s, times);
  s->begin = times[0];
  set->timed = true;
  cy_free(times);
  return status;
}

/* ---- all files ---- */

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

static bool is_table(const char *path) {
  static const char *const endings[] = {".csv", ".tsv", ".data", ".csv.gz", ".tsv.gz", ".data.gz"};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (ends_with(path, endings[i])) return true;
  return false;
}

static char *short_name(const char *path) {
  static const char *const endings[] = {".gz", ".csv", ".tsv", ".data"};
  char *name = cy_strdup(cy_base_name(path));
  for (size_t i = 0; name && i < sizeof endings / sizeof *endings; i++)
    if (ends_with(name, endings[i])) name[strlen(name) - strlen(endings[i])] = 0;
  return name;
}

static cy_status read_file(reading *r, const char *path) {
  cy_series_set *set = r->set;
  r->path = path;
  if (set->count == 0) {
    CY_TRY(choose_sensors(r));
    CY_TRY(choose_kind(r));
  }
  if (!cy_grow(&set->items, set->count, &set->capacity, sizeof *set->items)) return cy_no_memory();
  cy_series *s = &set->items[set->count++];
  *s = (cy_series){.name = short_name(path)};
  if (!s->name) return cy_no_memory();
  CY_TRY(read_numbers(r, s));
  if (set->kind == CY_TARGET_CLASSES) CY_TRY(read_classes(r, s));
  return place_in_time(r, s);
}

/* Paths in the order of their bytes: glob's own order depends on the locale. */
static cy_status list_files(const char *spec, glob_t *found) {
  struct stat info;
  bool exists = stat(spec, &info) == 0, folder = exists && S_ISDIR(info.st_mode);
  cy_text pattern = {0};
  for (const char *c = spec; *c; c++) /* what is there is meant as it is written */
    cy_text_add(&pattern, exists && strchr("\\*?[]{}~", *c) ? "\\%c" : "%c", *c);
  if (folder) cy_text_add(&pattern, "/*");
  char *text = cy_text_take(&pattern);
  if (!text) return cy_no_memory();
  int result = glob(text, GLOB_BRACE | GLOB_NOSORT, NULL, found);
  cy_free(text);
  if (result == GLOB_NOSPACE) return cy_no_memory();
  if (result != 0) return cy_fail(CY_IO, "%s: there is no such file or folder", spec);
  qsort(found->gl_pathv, found->gl_pathc, sizeof *found->gl_pathv, by_bytes);
  return CY_OK;
}

static cy_status read_files(reading *r, const char *spec, const glob_t *found) {
  for (size_t i = 0; i < found->gl_pathc; i++) {
    if (is_table(found->gl_pathv[i]) || strcmp(found->gl_pathv[i], spec) == 0) CY_TRY(read_file(r, found->gl_pathv[i]));
  }
  if (r->set->count == 0)
    return cy_fail(CY_INVALID, "%s: holds no tables (.csv, .tsv or .data[.gz]) to cut windows from", spec);
  return r->set->kind == CY_TARGET_CLASSES ? sort_classes(r->set) : CY_OK;
}

cy_status cy_series_read(const char *spec, const char *target, cy_task task, cy_window_options options,
                         cy_series_set *set) {
  reading r = {.set = set, .target = target, .task = task, .options = options, .missing = (double)NAN};
  glob_t found = {0};
  if (options.missing && !cy_parse_number(options.missing, strlen(options.missing), &r.missing))
    return cy_fail(CY_INVALID, "windows: missing is a number that stands for a missing value, not \"%.40s\"",
                   options.missing);
  CY_TRY(cy_words_split(options.time, &set->times));
  cy_status status = list_files(spec, &found);
  if (status == CY_OK) status = read_files(&r, spec, &found);
  globfree(&found);
  return status;
}

void cy_series_clear(cy_series_set *set) {
  for (size_t i = 0; i < set->count; i++) {
    cy_free(set->items[i].name);
    cy_free(set->items[i].values);
    cy_free(set->items[i].numbers);
    cy_free(set->items[i].classes);
  }
  cy_free(set->items);
  cy_words_clear(&set->sensors);
  cy_words_clear(&set->times);
  cy_words_clear(&set->classes);
  *set = (cy_series_set){0};
}
