/* The command on sequences of sensors (coursework B.VI, system S6): windows of tables are trained on, evaluated and
 * predicted; a network of shapes beats a regression on means; one output or two; bad tables are refused. */
#include "command.h"

#include "cauchy_config.h"

#include <math.h>

#define NETWORK "conv(32, 5, stride=2) -> relu -> conv(32, 5, stride=2) -> relu -> flatten -> dense(64) -> relu -> "

/* The number behind "key": in the last line of the object that begins at word. */
static double number(const char *text, const char *word, const char *key) {
  char name[64];
  const char *at = strstr(text, word);
  snprintf(name, sizeof name, "\"%s\":", key);
  at = at ? strstr(at, name) : NULL;
  if (!at) fail_msg("no %s of %s in:\n%s", key, word, text);
  return strtod(at + strlen(name), NULL);
}

static const char *read_text(const char *path) {
  static char text[COMMAND_OUTPUT];
  read_back(path, text);
  return text;
}

static void sizes_of_the_coursework(void **state) {
  (void)state;
  const char *out = succeed("analyze '" NETWORK "dense(2)' --input 10x168");
  static const char *const parts[] = {"32x82", "32x39", "1 632", "5 152", "1248", "79 936", "130", "86 850"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) assert_holds(out, parts[i]);
  out = succeed("analyze '" NETWORK "dense(2)' --input 10x168 --layer conv2");
  assert_holds(out, "together 5152");
}

static void order_beats_averages(void **state) {
  (void)state;
  const char *out = succeed(
      "train pulses 'model=conv(8, 9) -> relu -> max_pool(2) -> flatten -> dense(16) -> relu -> dense(2)' "
      "'baseline=global_avg_pool -> dense(2)' baseline.learning_rate=0.01 baseline.epochs=20 epochs=12 --out p");
  assert_holds(out, "balanced");
  assert_holds(out, "ROC AUC");
  assert_holds(out, "\nbaseline ");
  const char *lines = read_text("p/metrics.jsonl");
  assert_true(number(lines, "\"test\":", "balanced_accuracy") > 0.9);
  assert_true(number(lines, "\"test\":", "roc_auc") > 0.97);
  assert_true(number(lines, "\"baseline\":", "balanced_accuracy") < 0.6);
  assert_true(number(lines, "\"baseline\":", "roc_auc") < 0.6);
  double auc = number(lines, "\"test\":", "roc_auc");
  out = succeed("eval p --json");
  assert_float_equal(number(out, "{", "roc_auc"), auc, 1e-9);
  assert_float_equal(number(out, "{", "balanced_accuracy"),
                     number(read_text("p/metrics.jsonl"), "\"test\":", "balanced_accuracy"), 1e-9);
#if CY_HAVE_CAIRO
  assert_true(exists("p/roc.png"));
  assert_holds(read_text("p/roc.svg"), "chance");
  assert_holds(read_text("p/roc.svg"), "baseline");
#endif
  refuse("train pulses 'baseline=global_avg_pool -> dense(3)' 'model=flatten -> dense(2)' epochs=1", "baseline: ");
}

/* One sigmoid output and binary cross-entropy: the same classes, the same measures. */
static void one_output_is_enough(void **state) {
  (void)state;
  succeed(
      "train pulses 'model=conv(8, 9) -> relu -> max_pool(2) -> flatten -> dense(16) -> relu -> dense(1)' "
      "loss=binary_cross_entropy epochs=12 --out one --quiet");
  const char *out = succeed("eval one");
  assert_holds(out, "precision");
  assert_holds(out, "first");
  assert_true(number(succeed("eval one --json"), "{", "balanced_accuracy") > 0.9);
  assert_true(number(succeed("eval one --json"), "{", "roc_auc") > 0.97);
  assert_holds(succeed("check one"), " 0 failed");
  refuse("train pulses 'model=flatten -> dense(1)'", "needs");
  refuse("train iris 'model=dense(1)' loss=binary_cross_entropy", "needs");
}

/* Two stations, three sensors by the hour: is the next day's mean of a above its own middle? The last hours tell.
 * Station two lacks rows and values. */
static void write_station(const char *path, int station, int hours) {
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fprintf(f, "time,a,b,c,name\n");
  for (int h = 0; h < hours; h++) {
    double a = sin(h / 30.0 + station) + 0.1 * sin(h * 12.9898 + station), b = cos(h / 30.0 + station);
    if (station == 2 && h % 500 > 480) continue;
    fprintf(f, "2020-01-%02d %02d:00,", 1 + h / 24, h % 24);
    if (station == 2 && h % 100 < 2) fprintf(f, "NA,,%d,x\n", h % 24);
    else fprintf(f, "%.4f,%.4f,%d,x\n", a, b, h % 24);
  }
  fclose(f);
}

static void write_stations(void) {
  assert_int_equal(mkdir("stations", 0700), 0);
  write_station("stations/one.csv", 1, 24 * 28);
  write_station("stations/two.csv", 2, 24 * 28);
  write_file("r.yaml",
             "data: stations/\ntarget: a\nwindows:\n  length: 48\n  step: 6\n  columns: [a, b]\n  time: time\n"
             "  fill: 3\n  label: mean\n  horizon: 24\n  above: median\n  test_from: 2020-01-21\n"
             "model: conv(8, 5, stride=2) -> relu -> flatten -> dense(2)\nvalidation: 0.2\nepochs: 8\n"
             "augment:\n  shift: 2\n  fill: edge\n  jitter: 0.1\n  scaling: 0.1\n");
}

static void tables_become_windows(void **state) {
  (void)state;
  write_stations();
  const char *out = succeed("train r.yaml --out m");
  assert_holds(out, "stations: samples of 2x48 in 2 classes");
  assert_holds(out, "2 series, 1344 rows, one every 3600 s; windows of 48 rows, one every 6");
  assert_holds(out, "(19 rows that the files lack); gaps of at most 3 rows are interpolated");
  assert_holds(out, "test from 2020-01-21 00:00");
  assert_holds(out, "across a boundary are left out");
  assert_holds(out, "label: mean of a over the 24 rows behind the window, above ");
  assert_true(number(read_text("m/metrics.jsonl"), "\"test\":", "roc_auc") > 0.9);
  /* The recipe of the run does it again, and a run goes on where it stopped, to the same bits. */
  succeed("train m/recipe.yaml --out again --quiet");
  assert_true(number(succeed("eval again --json"), "{", "loss") == number(succeed("eval m --json"), "{", "loss"));
  succeed("train r.yaml epochs=4 --out half --quiet");
  succeed("train --resume half epochs=8 --out whole --quiet");
  assert_true(number(succeed("eval whole --json"), "{", "loss") == number(succeed("eval m --json"), "{", "loss"));
  assert_holds(read_text("whole/recipe.yaml"), "test_from: \"2020-01-21 00:00\"");
  succeed("train whole/recipe.yaml epochs=1 --quiet --out third");
  out = succeed("info m");
  assert_holds(out, "jitter 0.1; scaling 0.1");
}

static void tables_are_predicted(void **state) {
  (void)state;
  write_stations();
  succeed("train r.yaml --out m --quiet");
  const char *out = succeed("predict m stations/one.csv"); /* 672 rows: 105 windows of 48, one every 6 */
  assert_holds(out, "window ");
  assert_holds(out, "\none: 2020-01-01 00:00 to 2020-01-02 23:00  mean a ");
  assert_holds(out, "one: 2020-01-27 00:00 to 2020-01-28 23:00");
  int lines = 0;
  for (const char *at = out; (at = strchr(at, '\n')) != NULL; at++) lines++;
  assert_int_equal(lines, 106);
  assert_holds(succeed("predict m stations/one.csv --json"),
               "{\"window\":\"one: 2020-01-01 00:00 to 2020-01-02 23:00\",");
  succeed("predict m stations/one.csv --out p.csv");
  assert_int_equal(strncmp(read_text("p.csv"), "window,class,probability,mean a <= ", 35), 0);
  /* A new table: other columns, in another order, no label to come. */
  FILE *f = fopen("new.csv", "w");
  assert_non_null(f);
  fprintf(f, "b,remark,a,time\n");
  for (int h = 0; h < 50; h++) fprintf(f, "%.3f,dry,%.3f,2021-03-01 %02d:00\n", cos(h / 30.0), sin(h / 30.0), h);
  fclose(f);
  refuse("predict m new.csv", "\"2021-03-01 25:");
  f = fopen("new.csv", "w");
  fprintf(f, "b,remark,a,time\n");
  for (int h = 0; h < 50; h++)
    fprintf(f, "%.3f,dry,%.3f,2021-03-%02dT%02d:00:00Z\n", cos(h / 30.0), sin(h / 30.0), 1 + h / 24, h % 24);
  fclose(f);
  assert_holds(succeed("predict m new.csv"), "new: 2021-03-01 02:00 to 2021-03-03 01:00"); /* up to its last row */
  const outcome *o = run("predict m stations");
  assert_int_equal(o->exit_code, 0);
  assert_holds(o->err, "cauchy: note: no prediction for ");
  assert_holds(o->out, "two: ");
  assert_holds(succeed("eval m stations/one.csv"), "one, test");
  assert_holds(succeed("eval m stations"), " of its windows are left out");
  assert_true(number(succeed("eval m stations --json"), "{", "windows_left_out") > 0);
  write_file("short.csv", "a,b,time\n1,2,2021-03-01\n1,2,2021-03-02\n");
  refuse("predict m short.csv", "no window fits: 48 rows");
  write_file("less.csv", "a,time\n1,2021-03-01\n");
  refuse("predict m less.csv", "less.csv: has no column \"b\"");
}

static void bad_tables_are_refused(void **state) {
  (void)state;
  write_file("ragged.csv", "a,b\n1,2\n3,4\n5\n6,7\n");
  write_file("dead.csv", "a,b\n1,NaN\n2,NaN\n3,NaN\n4,NaN\n");
  write_file("few.csv", "a,b\n1,2\n3,4\n5,6\n6,7\n7,9\n8,1\n7,2\n1,1\n");
  refuse("train ragged.csv windows.length=2 target=a", "ragged.csv: line 4 has 1 cells but the lines above have 2");
  refuse("train dead.csv windows.length=2 target=a windows.columns=a,b windows.fill=1", "most often in \"b\"");
  refuse(
      "train few.csv windows.length=2 target=a windows.columns=b task=regress 'model=conv(4, 5) -> flatten -> "
      "dense(1)'",
      "kernel 5");
  refuse("train few.csv windows.step=2 target=a", "windows.length is missing");
  refuse("train few.csv windows.length=0", "windows.length is 0; it must be >= 1");
  refuse("train few.csv windows.length=3", "windows need a target");
  refuse("train few.csv windows.label=sum", "windows.label is one of last, majority, mean, min, max");
  refuse("train few.csv windows.size=3", "unknown key \"windows.size\"");
  refuse("train few.csv windows.length=2 target=a windows.above=10 windows.columns=b",
         "the label of no window is above 10");
  refuse("train iris augment.shift=1", "needs images");
  refuse("train pulses 'model=flatten -> dense(2)' augment.shift=64", "would move sequences of 3x64");
  refuse("train pulses 'model=conv(4, 65) -> flatten -> dense(2)'", "kernel 65");
  write_file("list.yaml", "data: few.csv\ntarget: [a, b]\n");
  refuse("train list.yaml", "target takes one value, not a list");
}

/* ---- the real data ---- */

static void air_quality(void **state) {
  (void)state;
  const char *path = shared("air");
  char line[3 * PATH_MAX];
  snprintf(line, sizeof line, "train " CAUCHY_SOURCE "/recipes/air.yaml data=%s epochs=2 --out air", path);
  const char *out = succeed(line);
  assert_holds(out, "air: samples of 10x168 in 2 classes");
  assert_holds(out, "86 850 parameters");
  assert_holds(out, "4 series, 140256 rows, one every 3600 s");
  assert_holds(out, "validation from 2015-09-01 00:00, test from 2016-03-01 00:00");
  char lines[COMMAND_OUTPUT];
  read_back("air/metrics.jsonl", lines);
  static const char *const measures[] = {"balanced_accuracy", "roc_auc"};
  for (int i = 0; i < 2; i++)
    assert_true(number(lines, "\"test\":", measures[i]) > number(lines, "\"baseline\":", measures[i]) + 0.05);
  snprintf(line, sizeof line, "predict air %s/PRSA_Data_Wanliu_20130301-20170228.csv.gz", path);
  const outcome *o = run(line);
  assert_int_equal(o->exit_code, 0);
  assert_holds(o->out, "PRSA_Data_Wanliu_20130301-20170228: 2017-02-22 00:00 to 2017-02-28 23:00  mean PM2.5 ");
  assert_holds(o->err, "cauchy: note: no prediction for ");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(sizes_of_the_coursework, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(order_beats_averages, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(one_output_is_enough, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(tables_become_windows, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(tables_are_predicted, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(bad_tables_are_refused, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(air_quality, enter_folder, leave_folder),
  };
  return cmocka_run_group_tests_name("air_command", tests, NULL, NULL);
}
