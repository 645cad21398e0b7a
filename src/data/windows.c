/* Cutting series into windows: gaps are filled window by window, labels taken from the rows that belong to them, parts
 * assigned by time; then the samples are copied into one tensor. Whatever is left out is counted. */
#include "data/windows.h"

#include "base/memory.h"
#include "base/text.h"
#include "data/ragged.h"
#include "data/times.h"
#include "io/csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cy_windows_free(cy_windows *w) {
  if (!w) return;
  for (size_t i = 0; w->names && i < w->series; i++) cy_free(w->names[i]);
  cy_free(w->names);
  cy_free(w->begins);
  cy_free(w->items);
  cy_free(w->memory);
  cy_free(w->notes);
  cy_free(w);
}

typedef struct cutting {
  const char *name, *target;
  cy_window_options options;
  cy_series_set set;
  bool threshold; /* two classes: above or not */
  double above;
  double validation, test; /* where the parts begin */
  double *scratch;         /* one column of a window, or of its label's rows */
  int64_t *votes;          /* [classes] */
  int64_t *gaps;           /* [sensors]: windows that were left out for a gap in it */
  cy_window *items;
  size_t count, capacity;
  int64_t left_out, unlabelled, crossing, candidates;
  int64_t parts[3];
} cutting;

/* ---- gaps ---- */

/* Interpolates runs of NaN of at most `most`; at the ends the nearest value. False if one is longer. */
static bool fill_gaps(double *x, int64_t n, int64_t most) {
  for (int64_t i = 0; i < n; i++) {
    if (!isnan(x[i])) continue;
    int64_t end = i;
    while (end < n && isnan(x[end])) end++;
    if (end - i > most || (i == 0 && end == n)) return false;
    double before = i > 0 ? x[i - 1] : x[end], after = end < n ? x[end] : x[i - 1];
    for (int64_t k = i; k < end; k++) x[k] = before + (after - before) * (double)(k - i + 1) / (double)(end - i + 1);
    i = end;
  }
  return true;
}

/* One column of a window into the scratch, filled. */
static bool take_column(cutting *c, const cy_series *s, int64_t row, size_t sensor) {
  size_t sensors = c->set.sensors.count;
  for (int64_t i = 0; i < c->options.length; i++) c->scratch[i] = s->values[(size_t)(row + i) * sensors + sensor];
  return fill_gaps(c->scratch, c->options.length, c->options.fill);
}

static bool is_whole(cutting *c, const cy_series *s, int64_t row) {
  bool whole = true;
  for (size_t k = 0; k < c->set.sensors.count; k++)
    if (!take_column(c, s, row, k)) {
      c->gaps[k]++;
      whole = false;
    }
  return whole;
}

/* ---- labels: of rows first..first+n-1 ---- */

static int64_t label_rows(const cutting *c) { return c->options.horizon ? c->options.horizon : c->options.length; }

static bool number_of(cutting *c, const cy_series *s, int64_t first, double *number) {
  int64_t n = label_rows(c);
  double *x = c->scratch, sum = 0;
  memcpy(x, s->numbers + first, (size_t)n * sizeof *x);
  if (!fill_gaps(x, n, c->options.fill)) return false;
  *number = x[n - 1];
  for (int64_t i = 0; i < n; i++) {
    sum += x[i];
    if (c->options.label == CY_LABEL_MIN && x[i] < *number) *number = x[i];
    if (c->options.label == CY_LABEL_MAX && x[i] > *number) *number = x[i];
  }
  if (c->options.label == CY_LABEL_MEAN) *number = sum / (double)n;
  return true;
}

static bool class_of(cutting *c, const cy_series *s, int64_t first, int32_t *label) {
  int64_t n = label_rows(c), run = 0, longest = 0;
  int32_t best = -1;
  *label = s->classes[first + n - 1];
  if (c->options.label == CY_LABEL_LAST) return *label >= 0;
  memset(c->votes, 0, c->set.classes.count * sizeof *c->votes);
  for (int64_t i = 0; i < n; i++) {
    int32_t k = s->classes[first + i];
    run = k < 0 ? run + 1 : 0;
    longest = run > longest ? run : longest;
    if (k >= 0) c->votes[k]++;
  }
  for (size_t k = 0; k < c->set.classes.count; k++)
    if (c->votes[k] > (best < 0 ? 0 : c->votes[best])) best = (int32_t)k;
  *label = best;
  return best >= 0 && longest <= c->options.fill;
}

/* ---- parts ---- */

static double time_at(const cutting *c, const cy_series *s, int64_t row) {
  return s->begin + (double)row * c->set.interval;
}

/* False if it lies across a boundary. */
static bool part_of(const cutting *c, const cy_series *s, int64_t row, cy_window_part *part) {
  double slack = 1e-6 * c->set.interval, begin = time_at(c, s, row) + slack;
  double end = time_at(c, s, row + c->options.length + c->options.horizon) - slack;
  *part = begin >= c->test ? CY_WINDOW_TEST : begin >= c->validation ? CY_WINDOW_VALIDATION : CY_WINDOW_TRAIN;
  if (*part == CY_WINDOW_TRAIN) return end <= c->validation && end <= c->test;
  return *part == CY_WINDOW_TEST || end <= c->test;
}

static cy_status read_boundary(const cutting *c, const char *key, const char *text, double *at) {
  bool calendar;
  if (cy_parse_time(text, at, &calendar) && calendar == (c->set.timed && c->set.calendar)) {
    if (!c->set.timed) *at -= 1; /* rows are counted from 1 */
    return CY_OK;
  }
  return cy_fail(CY_INVALID, "windows: %s is \"%.40s\", not %s", key, text,
                 !c->set.timed     ? "a row number (there is no time column)"
                 : c->set.calendar ? "a time such as 2016-03-01"
                                   : "a number, as the times are");
}

/* The last so many of the rows between begin and end; on a row. */
static double share_from(const cutting *c, double begin, double end, double share) {
  return begin + floor((1 - share) * (end - begin) / c->set.interval + 0.5) * c->set.interval;
}

static cy_status choose_boundaries(cutting *c) {
  const cy_window_options *o = &c->options;
  double begin = INFINITY, end = -INFINITY, test = o->test == 0 ? 0.2 : o->test;
  for (size_t i = 0; i < c->set.count; i++) {
    const cy_series *s = &c->set.items[i];
    begin = fmin(begin, s->begin);
    end = fmax(end, time_at(c, s, s->rows));
  }
  if (!(o->validation >= 0 && o->validation < 1) || !(test < 1))
    return cy_fail(CY_INVALID, "windows: validation %g and test %g are shares of the time, from 0 to less than 1",
                   o->validation, test);
  c->test = test < 0 ? INFINITY : share_from(c, begin, end, test);
  if (o->test_from) CY_TRY(read_boundary(c, "test_from", o->test_from, &c->test));
  c->validation = o->validation == 0 ? c->test : share_from(c, begin, fmin(c->test, end), o->validation);
  if (o->validation_from) CY_TRY(read_boundary(c, "validation_from", o->validation_from, &c->validation));
  if (c->validation > c->test)
    return cy_fail(CY_INVALID,
                   "windows: validation begins after test: the parts follow each other in time as training, "
                   "validation, test");
  return CY_OK;
}

/* ---- cutting ---- */

static cy_status add_window(cutting *c, int32_t number, int64_t row) {
  const cy_series *s = &c->set.items[number];
  cy_window w = {.series = number, .row = row};
  int64_t first = row + (c->options.horizon ? c->options.length : 0);
  c->candidates++;
  if (!part_of(c, s, row, &w.part)) {
    c->crossing++;
    return CY_OK;
  }
  if (!is_whole(c, s, row)) {
    c->left_out++;
    return CY_OK;
  }
  bool labelled = c->set.kind == CY_TARGET_NUMBERS   ? number_of(c, s, first, &w.number)
                  : c->set.kind == CY_TARGET_CLASSES ? class_of(c, s, first, &w.label)
                                                     : true;
  if (!labelled) {
    c->unlabelled++;
    return CY_OK;
  }
  if (!cy_grow(&c->items, c->count, &c->capacity, sizeof *c->items)) return cy_no_memory();
  c->items[c->count++] = w;
  c->parts[w.part]++;
  return CY_OK;
}

/* From the first row on; without a label so that the last window ends with the last row. */
static cy_status cut(cutting *c) {
  const cy_window_options *o = &c->options;
  for (size_t i = 0; i < c->set.count; i++) {
    int64_t rows = c->set.items[i].rows - o->length - o->horizon, row = 0;
    if (c->set.kind == CY_TARGET_NONE && rows > 0) row = rows % o->step;
    for (; row <= rows; row += o->step) CY_TRY(add_window(c, (int32_t)i, row));
  }
  return CY_OK;
}

static size_t worst_sensor(const cutting *c) {
  size_t worst = 0;
  for (size_t k = 1; k < c->set.sensors.count; k++)
    if (c->gaps[k] > c->gaps[worst]) worst = k;
  return worst;
}

static cy_status nothing_left(const cutting *c) {
  int64_t longest = 0;
  for (size_t i = 0; i < c->set.count; i++) longest = c->set.items[i].rows > longest ? c->set.items[i].rows : longest;
  if (c->candidates == 0)
    return cy_fail(CY_INVALID, "%s: no window fits: %lld rows and %lld of the label, but the longest table has %lld",
                   c->name, (long long)c->options.length, (long long)c->options.horizon, (long long)longest);
  return cy_fail(CY_INVALID,
                 "%s: none of %lld windows is left: %lld have gaps of more than %lld rows (most often in \"%s\"),"
                 " %lld no label, %lld lie across a boundary of the parts",
                 c->name, (long long)c->candidates, (long long)c->left_out, (long long)c->options.fill,
                 c->set.sensors.items[worst_sensor(c)], (long long)c->unlabelled, (long long)c->crossing);
}

/* ---- two classes ---- */

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static cy_status find_median(cutting *c) {
  size_t n = 0;
  double *values = cy_calloc(c->count + 1, sizeof *values);
  if (!values) return cy_no_memory();
  for (size_t i = 0; i < c->count; i++)
    if (c->items[i].part == CY_WINDOW_TRAIN) values[n++] = c->items[i].number;
  qsort(values, n, sizeof *values, by_value);
  if (n) c->above = 0.5 * (values[(n - 1) / 2] + values[n / 2]);
  cy_free(values);
  return n ? CY_OK : cy_fail(CY_INVALID, "%s: there are no training windows to take the median of", c->name);
}

static cy_status choose_threshold(cutting *c) {
  const char *above = c->options.above;
  if (!above || c->set.kind == CY_TARGET_NONE) return CY_OK;
  if (c->set.kind != CY_TARGET_NUMBERS)
    return cy_fail(CY_INVALID, "windows: above compares numbers, so that label cannot be %s",
                   cy_window_label_name((int)c->options.label));
  c->threshold = true;
  if (strcmp(above, "median") == 0) return find_median(c);
  if (cy_parse_number(above, strlen(above), &c->above)) return CY_OK;
  return cy_fail(CY_INVALID, "windows: above is a number or median, not \"%.40s\"", above);
}

/* ---- what was done, in words ---- */

static void note_missing(const cutting *c, cy_text *t) {
  int64_t values = 0, missing = 0, added = 0;
  for (size_t i = 0; i < c->set.count; i++) {
    const cy_series *s = &c->set.items[i];
    int64_t n = s->rows * (int64_t)c->set.sensors.count;
    for (int64_t k = 0; k < n; k++) missing += isnan(s->values[k]);
    values += n;
    added += s->added;
  }
  if (missing == 0 && c->unlabelled == 0) {
    cy_text_add(t, "no value is missing\n");
    return;
  }
  cy_text_add(t, "%.2g %% of the values are missing", 100 * (double)missing / (double)values);
  if (added) cy_text_add(t, " (%lld rows that the files lack)", (long long)added);
  if (c->options.fill) cy_text_add(t, "; gaps of at most %lld rows are interpolated", (long long)c->options.fill);
  if (c->left_out)
    cy_text_add(t, "; %lld windows with %s gaps are left out (most often %s)", (long long)c->left_out,
                c->options.fill ? "longer" : "any", c->set.sensors.items[worst_sensor(c)]);
  if (c->unlabelled) cy_text_add(t, "; %lld whose label is missing", (long long)c->unlabelled);
  cy_text_add(t, "\n");
}

static void add_place(const cutting *c, double at, cy_text *t) {
  char text[CY_TIME_TEXT];
  if (c->set.timed) cy_text_add(t, "%s", cy_time_text(at, c->set.calendar, text));
  else cy_text_add(t, "row %.0f", at + 1);
}

static void note_split(const cutting *c, cy_text *t) {
  cy_text_add(t, "split by time:");
  if (c->validation < c->test) {
    cy_text_add(t, " validation from ");
    add_place(c, c->validation, t);
  }
  if (isfinite(c->test)) {
    cy_text_add(t, "%s test from ", c->validation < c->test ? "," : "");
    add_place(c, c->test, t);
  }
  if (!(c->validation < c->test) && !isfinite(c->test)) cy_text_add(t, " all is training");
  if (c->crossing) cy_text_add(t, "; %lld windows across a boundary are left out", (long long)c->crossing);
  cy_text_add(t, "\n");
}

/* "mean of PM2.5 over the 24 rows behind the window" */
static void add_label(const cutting *c, cy_text *t) {
  const cy_window_options *o = &c->options;
  cy_text_add(t, "%s%s of %s", o->label == CY_LABEL_LAST ? "last value" : cy_window_label_name((int)o->label),
              o->label == CY_LABEL_MAJORITY ? " class" : "", c->target);
  if (o->horizon) cy_text_add(t, " over the %lld rows behind the window", (long long)o->horizon);
  else cy_text_add(t, " in the window");
}

static cy_status write_notes(const cutting *c, char **notes) {
  cy_text t = {0};
  char step[CY_TIME_TEXT], above[CY_TIME_TEXT];
  int64_t rows = 0, high = 0;
  for (size_t i = 0; i < c->set.count; i++) rows += c->set.items[i].rows;
  cy_text_add(&t, "%zu series, %lld rows", c->set.count, (long long)rows);
  if (c->set.timed)
    cy_text_add(&t, ", one every %s%s", cy_plain_number(c->set.interval, 6, step), c->set.calendar ? " s" : "");
  cy_text_add(&t, "; windows of %lld rows, one every %lld\n", (long long)c->options.length, (long long)c->options.step);
  note_missing(c, &t);
  note_split(c, &t);
  if (c->set.kind != CY_TARGET_NONE) {
    cy_text_add(&t, "label: ");
    add_label(c, &t);
    for (size_t i = 0; i < c->count; i++) high += c->items[i].number > c->above;
    if (c->threshold)
      cy_text_add(&t, ", above %s: %lld of %zu windows", cy_plain_number(c->above, 6, above), (long long)high,
                  c->count);
    cy_text_add(&t, "\n");
  }
  *notes = cy_text_take(&t);
  return *notes ? CY_OK : cy_no_memory();
}

/* ---- handing over ---- */

/* In quotes if a list would be read otherwise. */
static void add_name(cy_text *list, const char *name) {
  size_t n = strlen(name);
  if (n > 0 && !strpbrk(name, ",\"") && name[0] != ' ' && name[n - 1] != ' ') {
    cy_text_add(list, "%s", name);
    return;
  }
  cy_text_add(list, "\"");
  for (; *name; name++) cy_text_add(list, *name == '"' ? "\"%c" : "%c", *name);
  cy_text_add(list, "\"");
}

/* Everything that was chosen here, written out. */
static cy_status resolve(const cutting *c, cy_windows *w) {
  cy_window_options o = c->options;
  char above[CY_TIME_TEXT], test[CY_TIME_TEXT], validation[CY_TIME_TEXT], *text;
  cy_text columns = {0};
  bool calendar = c->set.timed && c->set.calendar;
  double first = c->set.timed ? 0 : 1;
  for (size_t k = 0; k < c->set.sensors.count; k++) {
    if (k) cy_text_add(&columns, ", ");
    add_name(&columns, c->set.sensors.items[k]);
  }
  char *list = cy_text_take(&columns);
  if (!list) return cy_no_memory();
  o.columns = list;
  if (c->threshold) o.above = cy_plain_number(c->above, 17, above);
  o.test_from = isfinite(c->test) ? cy_time_text(c->test + first, calendar, test) : NULL;
  o.test = o.test_from ? 0 : -1;
  o.validation_from = c->validation < c->test ? cy_time_text(c->validation + first, calendar, validation) : NULL;
  o.validation = 0;
  cy_status status = cy_window_options_text(o, &text);
  cy_free(list);
  CY_TRY(status);
  status = cy_window_options_parse(c->name, text, &w->options, &w->memory);
  cy_string_free(text);
  return status;
}

static cy_status remember(cutting *c, cy_dataset *d) {
  cy_windows *w = d->windows = cy_calloc(1, sizeof *w);
  if (!w) return cy_no_memory();
  w->series = c->set.count;
  w->names = cy_calloc(w->series, sizeof *w->names);
  w->begins = cy_calloc(w->series, sizeof *w->begins);
  if (!w->names || !w->begins) return cy_no_memory();
  for (size_t i = 0; i < w->series; i++) {
    w->begins[i] = c->set.items[i].begin;
    if (!(w->names[i] = cy_strdup(c->set.items[i].name))) return cy_no_memory();
  }
  w->timed = c->set.timed;
  w->calendar = c->set.calendar;
  w->interval = c->set.interval;
  w->left_out = c->candidates - (int64_t)c->count;
  CY_TRY(resolve(c, w));
  CY_TRY(write_notes(c, &w->notes));
  w->items = c->items;
  c->items = NULL;
  return CY_OK;
}

/* Windows that begin with every row hold each value many times. More than the machine has would be granted by many
 * systems, and then the process killed. */
static cy_status check_fits(const cutting *c) {
  double bytes = (double)c->count * (double)c->options.length * (double)c->set.sensors.count * sizeof(float);
  double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  if (memory <= 0 || bytes <= memory) return CY_OK;
  return cy_fail(CY_NO_MEMORY,
                 "%s: %zu windows of %zu x %lld numbers need %.1f GB, but this machine has %.1f GB of memory: "
                 "a larger step makes fewer",
                 c->name, c->count, c->set.sensors.count, (long long)c->options.length, bytes / 1e9, memory / 1e9);
}

static cy_status fill_inputs(cutting *c, cy_tensor **inputs) {
  int64_t length = c->options.length, sensors = (int64_t)c->set.sensors.count;
  CY_TRY(check_fits(c));
  CY_TRY(cy_tensor_create(CY_F32, CY_SHAPE((int64_t)c->count, sensors, length), inputs));
  float *to = cy_tensor_f32(*inputs);
  for (size_t i = 0; i < c->count; i++)
    for (int64_t k = 0; k < sensors; k++)
      if (take_column(c, &c->set.items[c->items[i].series], c->items[i].row, (size_t)k))
        for (int64_t t = 0; t < length; t++) *to++ = (float)c->scratch[t];
  return CY_OK;
}

static cy_status fill_targets(const cutting *c, cy_tensor **targets) {
  bool classes = c->threshold || c->set.kind == CY_TARGET_CLASSES;
  CY_TRY(cy_tensor_create(classes ? CY_I32 : CY_F32,
                          classes ? CY_SHAPE((int64_t)c->count) : CY_SHAPE((int64_t)c->count, 1), targets));
  for (size_t i = 0; i < c->count; i++) {
    const cy_window *w = &c->items[i];
    if (c->threshold) cy_tensor_i32(*targets)[i] = w->number > c->above;
    else if (classes) cy_tensor_i32(*targets)[i] = w->label;
    else cy_tensor_f32(*targets)[i] = (float)w->number;
  }
  return CY_OK;
}

static cy_status build(cutting *c, const char *spec, cy_dataset **dataset) {
  char above[CY_TIME_TEXT], low_name[96], high_name[96];
  const char *names[2] = {low_name, high_name};
  const char *what = c->options.label == CY_LABEL_LAST ? "last" : cy_window_label_name((int)c->options.label);
  cy_dataset_parts parts = {.name = c->name, .origin = spec, .place = c->name, .target_name = c->target};
  cy_plain_number(c->above, 6, above);
  snprintf(low_name, sizeof low_name, "%s %.40s <= %s", what, c->target ? c->target : "", above);
  snprintf(high_name, sizeof high_name, "%s %.40s > %s", what, c->target ? c->target : "", above);
  parts.class_names = c->threshold ? names : (const char *const *)c->set.classes.items;
  parts.classes = c->threshold ? 2 : c->set.kind == CY_TARGET_CLASSES ? (int64_t)c->set.classes.count : 0;
  CY_TRY(fill_inputs(c, &parts.inputs));
  cy_status status = fill_targets(c, &parts.targets);
  if (status != CY_OK) {
    cy_tensor_free(parts.inputs);
    return status;
  }
  CY_TRY(cy_dataset_build(parts, dataset));
  status = remember(c, *dataset);
  if (status == CY_OK && c->set.kind == CY_TARGET_NONE) status = cy_dataset_reconstruct(*dataset);
  if (status == CY_OK) return CY_OK;
  cy_dataset_free(*dataset);
  *dataset = NULL;
  return status;
}

static cy_status check_options(const cutting *c) {
  const cy_window_options *o = &c->options;
  if (o->length < 1 || o->step < 1 || o->fill < 0 || o->horizon < 0 || o->length > INT32_MAX || o->step > INT32_MAX ||
      o->horizon > INT32_MAX || o->label < CY_LABEL_LAST || o->label > CY_LABEL_MAX)
    return cy_fail(CY_INVALID, "windows: length %lld, step %lld, fill %lld, horizon %lld, label %d",
                   (long long)o->length, (long long)o->step, (long long)o->fill, (long long)o->horizon, (int)o->label);
  return CY_OK;
}

static cy_status prepare(cutting *c) {
  int64_t most = c->options.length > c->options.horizon ? c->options.length : c->options.horizon;
  c->scratch = cy_calloc((size_t)most, sizeof *c->scratch);
  c->votes = cy_calloc(c->set.classes.count + 1, sizeof *c->votes);
  c->gaps = cy_calloc(c->set.sensors.count, sizeof *c->gaps);
  if (!c->scratch || !c->votes || !c->gaps) return cy_no_memory();
  return choose_boundaries(c);
}

static cy_status read_and_cut(cutting *c, const char *spec, cy_dataset_options options, cy_dataset **dataset) {
  CY_TRY(check_options(c));
  CY_TRY(cy_series_read(spec, c->target, options.task, c->options, &c->set));
  CY_TRY(prepare(c));
  CY_TRY(cut(c));
  if (c->count == 0) return nothing_left(c);
  CY_TRY(choose_threshold(c));
  return build(c, spec, dataset);
}

cy_status cy_open_windows(const char *name, const char *spec, const char *target, cy_dataset_options options,
                          cy_dataset **dataset) {
  cutting c = {.name = name, .target = target, .options = options.windows};
  *dataset = NULL;
  if (c.options.step == 0) c.options.step = c.options.length;
  if (!target) c.options.horizon = 0;
  cy_status status = read_and_cut(&c, spec, options, dataset);
  cy_series_clear(&c.set);
  cy_free(c.scratch);
  cy_free(c.votes);
  cy_free(c.gaps);
  cy_free(c.items);
  return status;
}

/* ---- looking ---- */

cy_window_options cy_dataset_windows(const cy_dataset *d) {
  return d->windows ? d->windows->options : (cy_window_options){0};
}

const char *cy_dataset_notes(const cy_dataset *d) {
  return d->ragged ? d->ragged->notes : d->windows ? d->windows->notes : "";
}

int64_t cy_dataset_windows_left_out(const cy_dataset *d) { return d->windows ? d->windows->left_out : 0; }

cy_status cy_dataset_window_text(const cy_dataset *d, int64_t i, char **text) {
  cy_text t = {0};
  char begin[CY_TIME_TEXT], end[CY_TIME_TEXT];
  *text = NULL;
  if (!d->windows || i < 0 || i >= d->count)
    return cy_fail(CY_INVALID, "%s: sample %lld is no window of a table", d->name, (long long)i);
  const cy_windows *w = d->windows;
  const cy_window *at = &w->items[i];
  int64_t last = at->row + w->options.length - 1;
  cy_text_add(&t, "%s: ", w->names[at->series]);
  if (w->timed)
    cy_text_add(&t, "%s to %s", cy_time_text(w->begins[at->series] + (double)at->row * w->interval, w->calendar, begin),
                cy_time_text(w->begins[at->series] + (double)last * w->interval, w->calendar, end));
  else cy_text_add(&t, "rows %lld to %lld", (long long)at->row + 1, (long long)last + 1);
  *text = cy_text_take(&t);
  return *text ? CY_OK : cy_no_memory();
}
