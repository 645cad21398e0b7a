/* Sequences from tables: windows hold what the rows hold, gaps are filled by the stated rule or counted, labels and
 * parts come from the rows that belong to them, and no window knows what lies behind a boundary. Augmentation in time;
 * balanced accuracy and areas under ROC curves against counts of pairs. */
#include "expect.h"
#include "folder.h"

#include "base/error.h"
#include "data/times.h"
#include "tensor/tensor.h"

#include <cauchy/data.h>
#include <cauchy/train.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "a,b,state" with a = row number, b = 1000 + row; rows in gaps have no a; states change every eight rows. */
static void write_rows(const char *path, int rows, const char *gaps) {
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fprintf(f, "a,note,b,state\n");
  for (int i = 0; i < rows; i++) {
    if (gaps && gaps[i % (int)strlen(gaps)] == 'x') fprintf(f, "NA,text,%d,%s\n", 1000 + i, i / 8 % 2 ? "run" : "idle");
    else fprintf(f, "%d,text,%d,%s\n", i, 1000 + i, i / 8 % 2 ? "run" : "idle");
  }
  fclose(f);
}

static cy_dataset *open_windows(const char *spec, const char *target, cy_window_options windows) {
  cy_dataset *d = NULL;
  OK(cy_dataset_open(spec, (cy_dataset_options){.target = target, .windows = windows}, &d));
  return d;
}

static void refuse(const char *spec, const char *target, cy_window_options windows, const char *words) {
  cy_dataset *d;
  FAILS(cy_dataset_open(spec, (cy_dataset_options){.target = target, .windows = windows}, &d), CY_INVALID, words);
  assert_null(d);
  assert_null(strchr(cy_error_message(), '\n'));
}

static double value(const cy_dataset *d, int64_t i, int64_t sensor, int64_t step) {
  cy_shape s = cy_dataset_sample_shape(d);
  return cy_tensor_at(cy_dataset_inputs(d), (i * s.dim[0] + sensor) * s.dim[1] + step);
}

static double target(const cy_dataset *d, int64_t i) { return cy_tensor_at(cy_dataset_targets(d), i); }

/* ---- windows ---- */

static void windows_hold_the_rows(void **unused) {
  (void)unused;
  write_rows("t.csv", 20, NULL);
  cy_dataset *d =
      open_windows("t.csv", "b", (cy_window_options){.length = 6, .step = 4, .columns = "b, a", .test = -1});
  cy_shape shape = cy_dataset_sample_shape(d);
  assert_true(cy_shape_equal(shape, CY_SHAPE(2, 6)));
  assert_int_equal(cy_dataset_count(d), 4); /* begin at 0, 4, 8, 12 */
  for (int64_t i = 0; i < 4; i++)
    for (int64_t t = 0; t < 6; t++) {
      assert_true(value(d, i, 0, t) == 1000 + 4 * (double)i + (double)t);
      assert_true(value(d, i, 1, t) == 4 * (double)i + (double)t);
    }
  char *text;
  OK(cy_dataset_window_text(d, 2, &text));
  assert_string_equal(text, "t: rows 9 to 14");
  cy_string_free(text);
  assert_int_equal(cy_dataset_windows_left_out(d), 0);
  assert_non_null(strstr(cy_dataset_notes(d), "no value is missing"));
  cy_dataset_free(d);
  /* Without a list: numbers, but neither the target nor text. */
  d = open_windows("t.csv", "b", (cy_window_options){.length = 6, .test = -1});
  assert_int_equal(cy_dataset_sample_shape(d).dim[0], 1);
  assert_string_equal(cy_dataset_windows(d).columns, "a");
  assert_int_equal(cy_dataset_windows(d).step, 6);
  assert_int_equal(cy_dataset_count(d), 3);
  cy_dataset_free(d);
}

/* Gaps: one row inside, two at the beginning, three (too many) later. */
static void gaps_are_filled_by_the_rule(void **unused) {
  (void)unused;
  write_file("g.csv",
             "a,b\n"
             ",0\nNA,1\n5,2\n6,3\n\"\",4\n8,5\n" /* rows 0..5: 5 5 5 6 7 8 */
             "1,6\n2,7\nnan,8\n?,9\n-,10\n6,11\n"
             "1,12\n4,13\nnull,14\nNULL,15\n-999,16\n20,17\n"
             "3,18\n3,19\n3,20\n3,21\n2,22\nNaN,23\n");
  cy_window_options o = {.length = 6, .columns = "a", .fill = 2, .test = -1};
  cy_dataset *d = open_windows("g.csv", "b", o);
  static const double first[6] = {5, 5, 5, 6, 7, 8}, third[6] = {1, 4, 4 - 1003.0 / 3, 4 - 2006.0 / 3, -999, 20};
  assert_int_equal(cy_dataset_count(d), 3);
  assert_int_equal(cy_dataset_windows_left_out(d), 1);
  assert_non_null(strstr(cy_dataset_notes(d), "1 windows with longer gaps are left out (most often a)"));
  for (int t = 0; t < 6; t++) assert_float_equal(value(d, 0, 0, t), first[t], 1e-4);
  for (int t = 0; t < 6; t++) assert_float_equal(value(d, 1, 0, t), third[t], 1e-3);
  assert_true(value(d, 2, 0, 5) == 2); /* at the end the value before: what comes later is not known */
  cy_dataset_free(d);
  o.missing = "-999"; /* then this gap is three rows long */
  d = open_windows("g.csv", "b", o);
  assert_int_equal(cy_dataset_count(d), 2);
  cy_dataset_free(d);
  o.fill = 3;
  d = open_windows("g.csv", "b", o);
  static const double filled[6] = {1, 4, 8, 12, 16, 20}, second[6] = {1, 2, 3, 4, 5, 6};
  assert_int_equal(cy_dataset_count(d), 4);
  for (int t = 0; t < 6; t++) assert_float_equal(value(d, 2, 0, t), filled[t], 1e-5);
  for (int t = 0; t < 6; t++) assert_float_equal(value(d, 1, 0, t), second[t], 1e-5);
  cy_dataset_free(d);
  o.fill = 0;
  refuse("g.csv", "b", o, "none of 4 windows is left: 4 have gaps of more than 0 rows (most often in \"a\")");
}

/* a = 0 .. 19; windows of 4 rows, one every 4. */
static void labels_look_where_they_should(void **unused) {
  (void)unused;
  write_rows("t.csv", 20, NULL);
  static const struct {
    cy_window_label label;
    int64_t horizon, count;
    double of_first, of_second;
  } cases[] = {{CY_LABEL_LAST, 0, 5, 3, 7},     {CY_LABEL_LAST, 2, 4, 5, 9}, {CY_LABEL_MEAN, 0, 5, 1.5, 5.5},
               {CY_LABEL_MEAN, 3, 4, 5, 9},     {CY_LABEL_MIN, 3, 4, 4, 8},  {CY_LABEL_MAX, 3, 4, 6, 10},
               {CY_LABEL_MEAN, 8, 3, 7.5, 11.5}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cy_dataset *d = NULL;
    cy_window_options o = {
        .length = 4, .label = cases[i].label, .horizon = cases[i].horizon, .columns = "b", .test = -1};
    OK(cy_dataset_open("t.csv", (cy_dataset_options){.target = "a", .task = CY_TASK_REGRESS, .windows = o}, &d));
    assert_int_equal(cy_dataset_count(d), cases[i].count);
    assert_int_equal(cy_dataset_classes(d), 0);
    assert_float_equal(target(d, 0), cases[i].of_first, 1e-6);
    assert_float_equal(target(d, 1), cases[i].of_second, 1e-6);
    cy_dataset_free(d);
  }
}

static void classes_come_from_a_column(void **unused) {
  (void)unused;
  write_rows("t.csv", 40, NULL); /* idle 0..7, run 8..15, idle 16..23, run 24..31, idle 32..39 */
  cy_dataset *d = open_windows("t.csv", "state", (cy_window_options){.length = 5, .test = -1});
  assert_int_equal(cy_dataset_classes(d), 2);
  assert_string_equal(cy_dataset_class_name(d, 1), "run");
  assert_int_equal(cy_dataset_sample_shape(d).dim[0], 2); /* a and b */
  static const int last[8] = {0, 1, 1, 0, 1, 1, 0, 0}, most[8] = {0, 0, 1, 0, 0, 1, 0, 0};
  for (int i = 0; i < 8; i++) assert_int_equal(cy_dataset_label(d, i), last[i]);
  cy_dataset_free(d);
  d = open_windows("t.csv", "state", (cy_window_options){.length = 5, .label = CY_LABEL_MAJORITY, .test = -1});
  for (int i = 0; i < 8; i++) assert_int_equal(cy_dataset_label(d, i), most[i]);
  cy_dataset_free(d);
  /* Numbers in numeric order, over several files; few whole numbers are classes. */
  write_file("n1.csv", "x,k\n1,10\n2,10\n3,9\n4,9\n");
  write_file("n2.csv", "x,k\n1,2\n2,2\n3,10\n4,\n");
  d = open_windows("n*.csv", "k", (cy_window_options){.length = 2, .test = -1});
  assert_int_equal(cy_dataset_classes(d), 3);
  assert_string_equal(cy_dataset_class_name(d, 0), "2");
  assert_string_equal(cy_dataset_class_name(d, 2), "10");
  assert_int_equal(cy_dataset_count(d), 3); /* the last label is missing */
  assert_int_equal(cy_dataset_label(d, 0), 2);
  assert_int_equal(cy_dataset_label(d, 1), 1);
  assert_int_equal(cy_dataset_label(d, 2), 0);
  assert_non_null(strstr(cy_dataset_notes(d), "1 whose label is missing"));
  cy_dataset_free(d);
}

static void a_threshold_makes_two_classes(void **unused) {
  (void)unused;
  write_rows("t.csv", 100, NULL);
  cy_window_options o = {.length = 10, .label = CY_LABEL_MEAN, .above = "44.5", .columns = "b", .test = -1};
  cy_dataset *d = open_windows("t.csv", "a", o);
  assert_int_equal(cy_dataset_classes(d), 2);
  assert_string_equal(cy_dataset_class_name(d, 0), "mean a <= 44.5");
  for (int i = 0; i < 10; i++) assert_int_equal(cy_dataset_label(d, i), i > 4); /* the mean of 40..49 is not above */
  cy_dataset_free(d);
  /* The median of the training part alone: windows 0..4 of ten, of means 4.5, 14.5, ... 44.5. */
  o.above = "median";
  o.test = 0.25;
  o.validation = 1.0 / 3;
  d = open_windows("t.csv", "a", o);
  cy_split split;
  OK(cy_dataset_split(d, (cy_split_options){0}, &split));
  assert_int_equal(split.n_train, 5);
  assert_int_equal(split.n_validation, 2);
  assert_int_equal(split.n_test, 2);
  assert_string_equal(cy_dataset_windows(d).above, "24.5");
  assert_string_equal(cy_dataset_windows(d).test_from, "76");
  cy_split_clear(&split);
  cy_dataset_free(d);
}

/* ---- the split ---- */

static bool listed(const int64_t *list, int64_t n, int64_t i) {
  for (int64_t k = 0; k < n; k++)
    if (list[k] == i) return true;
  return false;
}

/* Rows are numbered by a: where a window and its label lie can be read off their values. */
static void no_window_crosses_a_boundary(void **unused) {
  (void)unused;
  write_rows("one.csv", 97, NULL);
  write_rows("two.csv", 61, NULL);
  for (int64_t horizon = 0; horizon < 4; horizon++)
    for (int64_t step = 1; step < 6; step += 2) {
      cy_window_options o = {.length = 7,
                             .step = step,
                             .horizon = horizon,
                             .columns = "a",
                             .label = CY_LABEL_MAX,
                             .validation_from = "40",
                             .test_from = "60"};
      cy_dataset *d = open_windows("{one,two}.csv", "a", o);
      cy_split split;
      OK(cy_dataset_split(d, (cy_split_options){.seed = (uint64_t)step}, &split));
      assert_int_equal(split.n_train + split.n_validation + split.n_test, cy_dataset_count(d));
      assert_true(split.n_train > 0 && split.n_validation > 0 && split.n_test > 0);
      for (int64_t i = 0; i < cy_dataset_count(d); i++) {
        double first = value(d, i, 0, 0), last = target(d, i); /* of the rows of window and label; counted from 0 */
        if (last < 39) assert_true(listed(split.train, split.n_train, i));
        else if (first >= 59) assert_true(listed(split.test, split.n_test, i));
        else assert_true(first >= 39 && last < 59 && listed(split.validation, split.n_validation, i));
      }
      assert_true(cy_dataset_windows_left_out(d) > 0);
      cy_split_clear(&split);
      cy_dataset_free(d);
    }
}

static void scaling_is_that_of_the_training_windows(void **unused) {
  (void)unused;
  write_rows("t.csv", 50, NULL);
  cy_window_options o = {.length = 5, .columns = "a, b", .test_from = "41", .validation_from = "31"};
  cy_dataset *d = open_windows("t.csv", "a", o);
  cy_split split;
  OK(cy_dataset_split(d, (cy_split_options){0}, &split));
  assert_int_equal(split.n_train, 6);
  OK(cy_dataset_scale(d, CY_SCALE_DEFAULT, split.train, split.n_train));
  cy_scaling s = cy_dataset_scaling(d);
  double deviation = sqrt((30.0 * 30 - 1) / 12); /* of 0 .. 29 */
  assert_int_equal(s.channels, 2);
  assert_float_equal(s.offset[0], 14.5, 1e-5);
  assert_float_equal(s.offset[1], 1014.5, 1e-3);
  assert_float_equal(1 / (double)s.factor[0], deviation, 1e-5);
  assert_float_equal(1 / (double)s.factor[1], deviation, 1e-5);
  cy_split_clear(&split);
  cy_dataset_free(d);
}

/* ---- times ---- */

static void times_are_read(void **unused) {
  (void)unused;
  static const struct {
    const char *text;
    double seconds;
  } good[] = {{"1970-01-01", 0},
              {"2000-02-29 00:00", 951782400},
              {"2016-03-01T05:30:15", 1456810215},
              {"2016-03-01T05:30:15Z", 1456810215},
              {"2016-03-01 05:30:15.5+01:00", 1456806615.5},
              {"2016/03/01 05:30", 1456810200},
              {"1969-12-31 23:59", -60},
              {"17.5", 17.5}};
  static const char *const bad[] = {"",          "2016-02-30", "2016-13-01",     "2016-03-01 25:00",   "2016-03",
                                    "yesterday", "2016-03/01", "2016-03-01 05:", "2016-03-01 05:30 x", "05:30"};
  double seconds;
  bool calendar;
  char text[CY_TIME_TEXT];
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_true(cy_parse_time(good[i].text, &seconds, &calendar));
    assert_true(seconds == good[i].seconds);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (cy_parse_time(bad[i], &seconds, &calendar)) fail_msg("%s was taken as %g", bad[i], seconds);
  assert_string_equal(cy_time_text(1456810200, true, text), "2016-03-01 05:30");
  assert_string_equal(cy_time_text(1456810215, true, text), "2016-03-01 05:30:15");
  for (double day = -800000; day < 800000; day += 997) { /* there and back, over four thousand years */
    assert_true(cy_parse_time(cy_time_text(day * 86400, true, text), &seconds, &calendar) || day < -719162);
    assert_true(day < -719162 || seconds == day * 86400);
  }
}

static void rows_that_are_lacking_are_gaps(void **unused) {
  (void)unused;
  write_file("t.csv",
             "when,x\n2016-02-28 00:00,0\n2016-02-28 12:00,1\n2016-02-29 00:00,2\n2016-03-01 00:00,4\n"
             "2016-03-03 00:00,8\n2016-03-03 12:00,9\n2016-03-04 00:00,10\n2016-03-04 12:00,11\n");
  cy_window_options o = {.length = 4, .columns = "x", .time = "when", .fill = 1, .test_from = "2016-03-03"};
  cy_dataset *d = NULL;
  cy_split split;
  char *text;
  OK(cy_dataset_open("t.csv", (cy_dataset_options){.target = "x", .task = CY_TASK_REGRESS, .windows = o}, &d));
  assert_int_equal(cy_dataset_count(d), 2); /* rows 4..7 lack three */
  for (int t = 0; t < 4; t++)
    assert_float_equal(value(d, 0, 0, t), t < 3 ? t : 2, 1e-6); /* what comes later is not known */
  OK(cy_dataset_window_text(d, 0, &text));
  assert_string_equal(text, "t: 2016-02-28 00:00 to 2016-02-29 12:00");
  cy_string_free(text);
  assert_non_null(strstr(cy_dataset_notes(d), "(4 rows that the files lack)"));
  assert_non_null(strstr(cy_dataset_notes(d), "one every 43200 s"));
  OK(cy_dataset_split(d, (cy_split_options){0}, &split));
  assert_int_equal(split.n_train, 1);
  assert_int_equal(split.n_test, 1);
  cy_split_clear(&split);
  cy_dataset_free(d);
  refuse("t.csv", "x", (cy_window_options){.length = 4, .columns = "x", .time = "when", .test_from = "60"},
         "not a time such as");
  refuse("t.csv", "x", (cy_window_options){.length = 4, .columns = "x", .test_from = "2016-03-03"}, "not a row number");
  write_file("back.csv", "t,x\n1,0\n2,0\n2,0\n");
  refuse("back.csv", "x", (cy_window_options){.length = 2, .columns = "x", .time = "t"},
         "row 3: its time 2 is not after");
  write_file("off.csv", "t,x\n0,0\n2,0\n5,0\n");
  refuse("off.csv", "x", (cy_window_options){.length = 2, .columns = "x", .time = "t"},
         "row 3: its time 5 is not on the grid");
  write_file("far.csv", "t,x\n0,0\n1,0\n1e9,0\n");
  refuse("far.csv", "x", (cy_window_options){.length = 2, .columns = "x", .time = "t"}, "is \"t\" the time?");
  write_file("fields.csv", "year,month,day,x\n2016,2,30,1\n2016,3,1,1\n");
  refuse("fields.csv", "x", (cy_window_options){.length = 1, .columns = "x", .time = "year, month, day"},
         "row 1: its columns give no time");
}

/* ---- mistakes ---- */

static void mistakes_are_named(void **unused) {
  (void)unused;
  write_rows("t.csv", 20, NULL);
  write_file("ragged.csv", "a,b\n1,2\n3\n4,5\n");
  write_file("dead.csv", "a,b,c\n1,,2\n3,NaN,3\n4,NA,4\n5,,5\n");
  write_file("text.csv", "a,b\n1,2\n2,three\n3,4\n");
  cy_window_options four = {.length = 4, .columns = "a"};
  refuse("ragged.csv", "a", four, "ragged.csv: line 3 has 1 cells but the lines above have 2");
  refuse("dead.csv", "a", (cy_window_options){.length = 2, .columns = "a, b", .fill = 1, .test = -1},
         "most often in \"b\"");
  refuse("text.csv", "a", (cy_window_options){.length = 2, .columns = "b"},
         "line 3, column 2 (b): \"three\" is not a number");
  refuse("t.csv", "a", (cy_window_options){.length = 30},
         "no window fits: 30 rows and 0 of the label, but the longest table "
         "has 20");
  refuse("t.csv", "zz", four, "has no column \"zz\"");
  refuse("t.csv", NULL, four, "windows need a target");
  refuse("t.csv", "a", (cy_window_options){.length = 4, .columns = "q"}, "has no column \"q\"");
  refuse("t.csv", "a", (cy_window_options){.length = 4, .label = CY_LABEL_MEAN, .above = "much"},
         "above is a number or median");
  refuse("t.csv", "state", (cy_window_options){.length = 4, .label = CY_LABEL_MAJORITY, .above = "1"},
         "above compares numbers");
  refuse("t.csv", "state", (cy_window_options){.length = 4, .label = CY_LABEL_MEAN}, "\"idle\" is not a number");
  refuse("t.csv", "a", (cy_window_options){.length = 4, .missing = "gap"}, "missing is a number");
  refuse("t.csv", "a", (cy_window_options){.length = 4, .validation_from = "15", .test_from = "5"},
         "validation begins after");
  refuse("t.csv", "a", (cy_window_options){.length = -4}, "length -4");
  refuse(".", "q", (cy_window_options){.length = 4, .columns = "a"}, "");
  cy_dataset *d;
  FAILS(cy_dataset_open("nothing*.csv", (cy_dataset_options){.target = "a", .windows = four}, &d), CY_IO,
        "no such file");
  cy_dataset_options classes = {
      .target = "a", .task = CY_TASK_CLASSIFY, .windows = {.length = 4, .label = CY_LABEL_MEAN}};
  FAILS(cy_dataset_open("t.csv", classes, &d), CY_INVALID, "say above which value");
}

static void options_survive_as_text(void **unused) {
  (void)unused;
  cy_window_options o = {.length = 168,
                         .step = 24,
                         .columns = "PM2.5, a=b",
                         .time = "when",
                         .missing = "-999",
                         .fill = 6,
                         .label = CY_LABEL_MAX,
                         .horizon = 12,
                         .above = "7.5",
                         .validation = 0.1,
                         .test = -1,
                         .test_from = "2016-03-01"},
                    back;
  char *text, *memory;
  OK(cy_window_options_text(o, &text));
  OK(cy_window_options_parse("m", text, &back, &memory));
  assert_int_equal(back.length, 168);
  assert_int_equal(back.step, 24);
  assert_int_equal(back.fill, 6);
  assert_int_equal(back.horizon, 12);
  assert_int_equal(back.label, CY_LABEL_MAX);
  assert_string_equal(back.columns, "PM2.5, a=b");
  assert_string_equal(back.time, "when");
  assert_string_equal(back.missing, "-999");
  assert_string_equal(back.above, "7.5");
  assert_string_equal(back.test_from, "2016-03-01");
  assert_null(back.validation_from);
  assert_true(back.validation == 0.1 && back.test == -1);
  cy_string_free(text);
  cy_string_free(memory);
  static const char *const bad[] = {"length", "width=3", "length=x", "length=-1", "label=first", "test=much", "=3"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    FAILS(cy_window_options_parse("m", bad[i], &back, &memory), CY_INVALID, "unreadable line");
}

/* Without a target: samples are their own targets, and the last window ends with the last row. */
static void windows_without_labels(void **unused) {
  (void)unused;
  write_rows("t.csv", 23, NULL);
  cy_dataset *d =
      open_windows("t.csv", "input", (cy_window_options){.length = 5, .step = 5, .columns = "a", .test = -1});
  assert_int_equal(cy_dataset_count(d), 4);
  assert_true(cy_dataset_reconstructs(d));
  assert_true(value(d, 0, 0, 0) == 3);
  assert_true(value(d, 3, 0, 4) == 22);
  cy_dataset_free(d);
}

/* Columns by number, where the file has no header; names that a list could not hold as they are. */
static void columns_have_numbers_or_odd_names(void **unused) {
  (void)unused;
  write_file("bare.csv", "1,10,100\n2,20,200\n3,30,300\n4,40,400\n");
  cy_dataset *d = NULL;
  cy_dataset_options o = {.target = "1", .task = CY_TASK_REGRESS, .windows = {.length = 2, .test = -1}};
  OK(cy_dataset_open("bare.csv", o, &d)); /* the target is none of the inputs */
  assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(2, 2)));
  assert_true(value(d, 1, 0, 0) == 3 && value(d, 1, 1, 1) == 400 && target(d, 1) == 40);
  assert_string_equal(cy_dataset_windows(d).columns, "column 0, column 2");
  cy_dataset_free(d);
  o.windows.columns = "2, 0";
  OK(cy_dataset_open("bare.csv", o, &d));
  assert_true(value(d, 0, 0, 0) == 100 && value(d, 0, 1, 1) == 2 && target(d, 0) == 20);
  cy_dataset_free(d);
  o.windows.columns = "0";
  o.windows.time = "0";
  OK(cy_dataset_open("bare.csv", o, &d));
  cy_dataset_free(d);
  write_file("odd.csv", "\"a, in m\",\"the \"\"b\"\"\",y\n1,2,3\n4,5,6\n");
  d = open_windows("odd.csv", "y", (cy_window_options){.length = 2, .label = CY_LABEL_MEAN, .test = -1});
  assert_string_equal(cy_dataset_windows(d).columns, "\"a, in m\", \"the \"\"b\"\"\"");
  cy_window_options again = {.length = 2, .label = CY_LABEL_MEAN, .test = -1, .columns = cy_dataset_windows(d).columns};
  cy_dataset *same = open_windows("odd.csv", "y", again);
  assert_true(value(same, 0, 0, 1) == 4 && value(same, 0, 1, 0) == 2);
  cy_dataset_free(same);
  cy_dataset_free(d);
  refuse("digits", "x", (cy_window_options){.length = 2}, "not from a known data set");
  cy_window_options many = {.length = 2, .columns = "a, a"};
  write_rows("t.csv", 20, NULL);
  refuse("t.csv", "b", many, "named twice");
}

static void generated_pulses_are_balanced(void **unused) {
  (void)unused;
  cy_dataset *d = NULL;
  OK(cy_dataset_open("pulses", (cy_dataset_options){0}, &d));
  assert_true(cy_shape_equal(cy_dataset_sample_shape(d), CY_SHAPE(3, 64)));
  int64_t first = 0;
  double means[2][3] = {{0}};
  for (int64_t i = 0; i < cy_dataset_count(d); i++) {
    int64_t label = cy_dataset_label(d, i), at[2] = {0};
    first += label;
    for (int64_t k = 0; k < 3; k++)
      for (int64_t t = 0; t < 64; t++) means[label][k] += value(d, i, k, t) / 64 / (double)cy_dataset_count(d) * 2;
    for (int64_t k = 0; k < 2; k++)
      for (int64_t t = 0; t < 64; t++)
        if (value(d, i, k, t) > value(d, i, k, at[k])) at[k] = t;
    assert_true((at[0] < at[1]) == (label == 1));
  }
  assert_int_equal(first * 2, cy_dataset_count(d));
  for (int k = 0; k < 3; k++) assert_float_equal(means[0][k], means[1][k], 0.005);
  cy_dataset_free(d);
}

/* ---- augmentation ---- */

enum { SAMPLES = 40, SENSORS = 3, STEPS = 50 };

static cy_dataset *ramps(void) {
  cy_tensor *x, *y;
  cy_dataset *d = NULL;
  OK(cy_tensor_create(CY_F32, CY_SHAPE(SAMPLES, SENSORS, STEPS), &x));
  OK(cy_tensor_create(CY_I32, CY_SHAPE(SAMPLES), &y));
  for (int64_t i = 0; i < SAMPLES; i++) {
    cy_tensor_i32(y)[i] = (int32_t)(i % 2);
    for (int64_t k = 0; k < SENSORS; k++)
      for (int64_t t = 0; t < STEPS; t++)
        cy_tensor_f32(x)[(i * SENSORS + k) * STEPS + t] = (float)(1000 * i + 100 * k + t);
  }
  OK(cy_dataset_from_tensors("ramps", x, y, 2, 0, &d));
  cy_tensor_free(x);
  cy_tensor_free(y);
  return d;
}

static cy_tensor *load(const cy_dataset *d, cy_augmentation augment, int64_t epoch, const int64_t *indices, int64_t n) {
  cy_loader *loader;
  cy_tensor *x;
  OK(cy_loader_create(d, (cy_loader_options){.augment = augment, .seed = 5, .threads = 2}, &loader));
  OK(cy_tensor_create(CY_F32, CY_SHAPE(n, SENSORS, STEPS), &x));
  OK(cy_loader_batch(loader, epoch, indices, n, x, NULL));
  cy_loader_free(loader);
  return x;
}

static void sequences_move_in_time(void **unused) {
  (void)unused;
  cy_dataset *d = ramps();
  int64_t indices[SAMPLES], places[7] = {0};
  for (int64_t i = 0; i < SAMPLES; i++) indices[i] = i;
  cy_tensor *x = load(d, (cy_augmentation){.shift = 3, .fill = CY_FILL_EDGE}, 2, indices, SAMPLES);
  for (int64_t i = 0; i < SAMPLES; i++) {
    const float *row = cy_tensor_f32(x) + i * SENSORS * STEPS;
    int64_t moved = (int64_t)row[STEPS / 2] - 1000 * i - STEPS / 2;
    assert_true(moved >= -3 && moved <= 3);
    places[moved + 3]++;
    for (int64_t k = 0; k < SENSORS; k++)
      for (int64_t t = 0; t < STEPS; t++) { /* all sensors alike, the ends repeated */
        int64_t from = t + moved < 0 ? 0 : t + moved >= STEPS ? STEPS - 1 : t + moved;
        assert_true(row[k * STEPS + t] == (float)(1000 * i + 100 * k + from));
      }
  }
  for (int k = 0; k < 7; k++) assert_true(places[k] > 0);
  cy_tensor *plain = load(d, (cy_augmentation){.shift = 3, .jitter = 1, .scaling = 1}, -1, indices, SAMPLES);
  assert_memory_equal(cy_tensor_data(plain), cy_tensor_data(cy_dataset_inputs(d)), cy_tensor_bytes(plain));
  cy_tensor_free(plain);
  cy_tensor_free(x);
  cy_loader *loader;
  FAILS(cy_loader_create(d, (cy_loader_options){.augment = {.shift = STEPS}}, &loader), CY_INVALID,
        "would move sequences of 3x50 by up to crop 0 + shift 50 steps");
  cy_dataset_free(d);
}

static void noise_has_its_deviation(void **unused) {
  (void)unused;
  cy_dataset *d = ramps();
  int64_t indices[SAMPLES];
  double sum = 0, squares = 0, factors = 0, n = SAMPLES * SENSORS * STEPS;
  for (int64_t i = 0; i < SAMPLES; i++) indices[i] = SAMPLES - 1 - i;
  cy_tensor *x = load(d, (cy_augmentation){.jitter = 2}, 1, indices, SAMPLES);
  for (int64_t i = 0; i < SAMPLES; i++)
    for (int64_t k = 0; k < SENSORS * STEPS; k++) {
      double off = cy_tensor_at(x, i * SENSORS * STEPS + k) - value(d, indices[i], k / STEPS, k % STEPS);
      sum += off;
      squares += off * off;
    }
  assert_float_equal(sum / n, 0, 5 * 2 / sqrt(n)); /* five standard errors */
  assert_float_equal(squares / n, 4, 5 * 4 * sqrt(2 / n));
  /* What is drawn depends on the sample and the epoch, not on the batch. */
  cy_tensor *one = load(d, (cy_augmentation){.jitter = 2}, 1, &indices[7], 1);
  assert_memory_equal(cy_tensor_data(one), cy_tensor_f32(x) + 7 * SENSORS * STEPS, cy_tensor_bytes(one));
  cy_tensor_free(one);
  one = load(d, (cy_augmentation){.jitter = 2}, 2, &indices[7], 1);
  assert_memory_not_equal(cy_tensor_data(one), cy_tensor_f32(x) + 7 * SENSORS * STEPS, cy_tensor_bytes(one));
  cy_tensor_free(one);
  cy_tensor_free(x);
  x = load(d, (cy_augmentation){.scaling = 0.5}, 1, indices, SAMPLES);
  for (int64_t c = 0; c < SAMPLES * SENSORS; c++) { /* one factor for each channel */
    int64_t i = indices[c / SENSORS], k = c % SENSORS;
    double factor = cy_tensor_at(x, c * STEPS + 1) / value(d, i, k, 1);
    for (int64_t t = 1; t < STEPS; t++)
      assert_float_equal(cy_tensor_at(x, c * STEPS + t), factor * value(d, i, k, t), 1e-3 + 1e-5 * value(d, i, k, t));
    factors += (factor - 1) * (factor - 1);
  }
  assert_float_equal(factors / (SAMPLES * SENSORS), 0.25, 5 * 0.25 * sqrt(2.0 / (SAMPLES * SENSORS)));
  cy_tensor_free(x);
  cy_dataset_free(d);
}

/* ---- areas under ROC curves ---- */

/* The definition: pairs of a positive and a negative; equal scores count half. */
static double pairs(const double *scores, const bool *positive, int n) {
  double won = 0, all = 0;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < n; k++)
      if (positive[i] && !positive[k]) {
        won += scores[i] > scores[k] ? 1 : scores[i] == scores[k] ? 0.5 : 0;
        all++;
      }
  return won / all;
}

static void areas_count_pairs(void **unused) {
  (void)unused;
  cy_roc roc;
  /* By hand: of 2 x 2 pairs, .9 wins twice, .8 once and ties once. */
  OK(cy_roc_of((double[]){0.9, 0.8, 0.8, 0.3}, (bool[]){true, false, true, false}, 4, &roc));
  assert_true(roc.auc == 3.5 / 4);
  assert_int_equal(roc.count, 4); /* (0,0) (0,1/2) (1/2,1) (1,1) */
  assert_true(roc.false_positive[1] == 0 && roc.true_positive[1] == 0.5);
  assert_true(roc.false_positive[2] == 0.5 && roc.true_positive[2] == 1);
  assert_true(roc.false_positive[3] == 1 && roc.true_positive[3] == 1);
  cy_roc_clear(&roc);
  OK(cy_roc_of((double[]){1, 1, 1}, (bool[]){true, false, true}, 3, &roc));
  assert_true(roc.auc == 0.5 && roc.count == 2);
  cy_roc_clear(&roc);
  OK(cy_roc_of((double[]){1, 2}, (bool[]){true, true}, 2, &roc));
  assert_true(isnan(roc.auc) && roc.count == 0);
  OK(cy_roc_of((double[]){1, NAN}, (bool[]){true, false}, 2, &roc));
  assert_true(isnan(roc.auc) && roc.count == 0);
  OK(cy_roc_of(NULL, NULL, 0, &roc));
  assert_true(isnan(roc.auc));
  srand(3);
  for (int trial = 0; trial < 200; trial++) {
    double scores[30], area = 0;
    bool positive[30] = {true, false};
    int n = 2 + rand() % 28;
    for (int i = 0; i < n; i++) {
      scores[i] = rand() % (1 + trial % 12) - 3; /* few different values: many ties */
      if (i > 1) positive[i] = rand() % 3 == 0;
    }
    OK(cy_roc_of(scores, positive, n, &roc));
    assert_float_equal(roc.auc, pairs(scores, positive, n), 1e-14);
    for (int64_t i = 1; i < roc.count; i++) /* and it is the area under the curve */
      area +=
          (roc.false_positive[i] - roc.false_positive[i - 1]) * (roc.true_positive[i] + roc.true_positive[i - 1]) / 2;
    assert_float_equal(roc.auc, area, 1e-14);
    cy_roc_clear(&roc);
  }
}

/* A model that hands its inputs on: what it is measured by can be counted by hand. */
static void measure_identity(const float *x, const int32_t *labels, int n, int classes, int outputs, const char *loss,
                             cy_metrics *m) {
  cy_tensor *inputs, *targets;
  cy_dataset *d = NULL;
  cy_model *model;
  cy_trainer *trainer;
  char text[32];
  OK(cy_tensor_create(CY_F32, CY_SHAPE(n, outputs), &inputs));
  OK(cy_tensor_create(CY_I32, CY_SHAPE(n), &targets));
  memcpy(cy_tensor_data(inputs), x, (size_t)(n * outputs) * sizeof *x);
  memcpy(cy_tensor_data(targets), labels, (size_t)n * sizeof *labels);
  OK(cy_dataset_from_tensors("hand", inputs, targets, classes, 0, &d));
  snprintf(text, sizeof text, "dense(%d)", outputs);
  OK(cy_model_parse(text, "model", &model));
  cy_trainer_options options = {.loss = loss, .test = -1, .validation = CY_EXACT_ZERO, .scale = CY_SCALE_NONE};
  OK(cy_trainer_create(model, d, options, &trainer));
  cy_tensor *weight = cy_state_find(cy_trainer_state(trainer), "dense1.weight");
  for (int64_t i = 0; i < cy_tensor_count(weight); i++) cy_tensor_set(weight, i, i % (outputs + 1) == 0);
  OK(cy_trainer_evaluate(trainer, CY_PART_TRAIN, m));
  assert_int_equal(m->samples, n);
  cy_trainer_free(trainer);
  cy_model_free(model);
  cy_dataset_free(d);
  cy_tensor_free(inputs);
  cy_tensor_free(targets);
}

static void models_are_measured_by_hand(void **unused) {
  (void)unused;
  cy_metrics m;
  /* Two classes by their difference: 2 -1 0 0 | 3 0 -2; recall 2/4 (ties go to the first class: 3/4) and 1/3. */
  static const float two[] = {0, -2, 1, 0, 5, 5, -1, -1, /**/ 0, 3, 2, 2, 2, 0};
  static const int32_t of_two[] = {0, 0, 0, 0, 1, 1, 1};
  /* differences -2 -1 0 0 | 3 0 -2: of 12 pairs 3 wins 4, 0 wins 2 and ties 2, -2 ties 1 */
  measure_identity(two, of_two, 7, 2, 2, NULL, &m);
  assert_float_equal(m.auc, (4 + 2 + 1 + 0.5) / 12, 1e-12);
  assert_float_equal(m.balanced_accuracy, (4.0 / 4 + 1.0 / 3) / 2, 1e-12);
  assert_float_equal(m.accuracy, 5.0 / 7, 1e-6);
  assert_true(m.roc.count > 2 && m.roc.true_positive[m.roc.count - 1] == 1);
  cy_metrics_clear(&m);
  /* One output: the log-odds of the second class; 0 is not above. */
  static const float one[] = {-2, -1, 0, 0, 3, 0, -2};
  measure_identity(one, of_two, 7, 2, 1, "binary_cross_entropy", &m);
  assert_float_equal(m.auc, 7.5 / 12, 1e-12);
  assert_float_equal(m.balanced_accuracy, (4.0 / 4 + 1.0 / 3) / 2, 1e-12);
  assert_int_equal(m.confusion[2], 2);
  assert_int_equal(m.confusion[3], 1);
  double loss = 0;
  for (int i = 0; i < 7; i++) loss += log1p(exp(of_two[i] ? -(double)one[i] : (double)one[i])) / 7;
  assert_float_equal(m.loss, loss, 1e-6);
  cy_metrics_clear(&m);
  /* Logits so large that every probability is 0 or 1 in f32 are still ranked. */
  static const float large[] = {-100, -90, 80, 95, 120, 90};
  static const int32_t of_large[] = {0, 0, 0, 1, 1, 1};
  measure_identity(large, of_large, 6, 2, 1, "binary_cross_entropy", &m);
  assert_true(m.auc == 1);
  cy_metrics_clear(&m);
  /* Three classes, each against the rest by its probability. */
  enum { N = 30, K = 3 };
  float x[N * K];
  int32_t labels[N];
  double expected = 0;
  srand(11);
  for (int i = 0; i < N; i++) {
    labels[i] = i % K;
    for (int k = 0; k < K; k++) x[i * K + k] = (float)(rand() % 5 + (k == labels[i]));
  }
  for (int k = 0; k < K; k++) {
    double p[N];
    bool positive[N];
    for (int i = 0; i < N; i++) {
      double sum = 0;
      for (int c = 0; c < K; c++) sum += exp((double)x[i * K + c] - (double)x[i * K + k]);
      p[i] = round(1e12 / sum) / 1e12; /* what is equal in exact arithmetic must not differ by rounding */
      positive[i] = labels[i] == k;
    }
    expected += pairs(p, positive, N) / K;
  }
  measure_identity(x, labels, N, K, K, NULL, &m);
  assert_float_equal(m.auc, expected, 0.01);
  assert_int_equal(m.roc.count, 0);
  cy_metrics_clear(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(windows_hold_the_rows),
      cmocka_unit_test(gaps_are_filled_by_the_rule),
      cmocka_unit_test(labels_look_where_they_should),
      cmocka_unit_test(classes_come_from_a_column),
      cmocka_unit_test(a_threshold_makes_two_classes),
      cmocka_unit_test(no_window_crosses_a_boundary),
      cmocka_unit_test(scaling_is_that_of_the_training_windows),
      cmocka_unit_test(times_are_read),
      cmocka_unit_test(rows_that_are_lacking_are_gaps),
      cmocka_unit_test(mistakes_are_named),
      cmocka_unit_test(options_survive_as_text),
      cmocka_unit_test(windows_without_labels),
      cmocka_unit_test(columns_have_numbers_or_odd_names),
      cmocka_unit_test(generated_pulses_are_balanced),
      cmocka_unit_test(sequences_move_in_time),
      cmocka_unit_test(noise_has_its_deviation),
      cmocka_unit_test(areas_count_pairs),
      cmocka_unit_test(models_are_measured_by_hand),
  };
  return cmocka_run_group_tests_name("sequences_data", tests, enter_folder, leave_folder);
}
