/* Tables as people have them, by the command: columns of names and numbers that do not matter, other tables in another
 * order, tables without a header; numbers to predict are measured in their unit. */
#include "command.h"

#include "cauchy_config.h"

#include <math.h>
#include <stdlib.h>

/* y = 2 a - b, whatever the other columns say. */
static void write_tables(void) {
  FILE *file = fopen("t.csv", "wb"), *other = fopen("other.csv", "wb"), *bare = fopen("bare.csv", "wb");
  assert_true(file && other && bare);
  fprintf(file, "id,\"name, full\",a,b,y\n");
  fprintf(other, "y,b,note,a\n");
  for (int i = 0; i < 60; i++) {
    double a = sin(i), b = cos(7 * i), y = 2 * a - b;
    fprintf(file, "%d,\"Smith, %d\",%.6f,%.6f,%.6f\n", i, i, a, b, y);
    fprintf(other, "%.6f,%.6f,q,%.6f\n", y, b, a);
    fprintf(bare, "%d,%.6f,x,%.6f,%.6f\n", i, a, b, y);
  }
  assert_true(fclose(file) == 0 && fclose(other) == 0 && fclose(bare) == 0);
}

#define TRAIN(table, keys) "train " table " 'model=dense(1)' optimizer=lbfgs epochs=20 test=0.2 " keys " --quiet"

static void columns_are_chosen(void **state) {
  (void)state;
  write_tables();
  refuse("train t.csv target=y", "\"Smith, 0\" is not a number (ignore: COLUMN leaves a column out)");
  succeed(TRAIN("t.csv", "target=y 'ignore=id, \"name, full\"'"));
  succeed(TRAIN("t.csv", "target=y columns=b,a"));
  succeed(TRAIN("t.csv", "target=y 'columns=[b, a]'")); /* as in a file */
  refuse("train t.csv target=y 'columns=[]'", "columns is empty");
  write_file("r.yaml", "data: t.csv\ntarget: y\nmodel: dense(1)\nignore: [id, \"name, full\"]\nepochs: 2\n");
  succeed("train r.yaml --quiet");
  assert_holds(succeed("analyze r.yaml"), "dense1  1                3");
  assert_holds(succeed("hessian r.yaml"), "input 2");
  refuse("train t.csv target=y ignore=idd", "no column \"idd\"");
  refuse("train digits ignore=id", "CSV");
}

/* Labels are numbers: of other classes they would be counted as wrong, or as right. */
static void other_classes_are_refused(void **state) {
  (void)state;
  char text[2][1000] = {"x,class\n", "x,class\n"};
  for (int i = 0; i < 40; i++) {
    sprintf(text[0] + strlen(text[0]), "%d,%s\n", i, i % 2 ? "cat" : "dog");
    sprintf(text[1] + strlen(text[1]), "%d,%s\n", i, i % 2 ? "cow" : "dog");
  }
  write_file("pets.csv", text[0]);
  write_file("farm.csv", text[1]);
  succeed("train pets.csv 'model=dense(2)' epochs=1 --quiet --out a");
  succeed("eval a pets.csv");
  refuse("eval a farm.csv", "class 0 of data set \"farm\" is \"cow\", but the model was trained with \"cat\"");
}

static void a_recipe_is_one_document(void **state) {
  (void)state;
  write_file("two.yaml", "data: iris\nepochs: 1\n---\ndata: digits\n");
  refuse("train two.yaml", "two.yaml:3: a second document begins; a recipe is one");
  write_file("one.yaml", "---\ndata: iris\nepochs: 1\n...\n");
  succeed("train one.yaml --quiet");
}

/* By name: a table in another order gives the same as the model's own. */
static void other_tables_are_read_by_name(void **state) {
  (void)state;
  char own[200];
  write_tables();
  succeed(TRAIN("t.csv", "target=y columns=a,b"));
  snprintf(own, sizeof own, "%s", strstr(succeed("eval runs/t-1 --part all"), "all "));
  assert_holds(succeed("eval runs/t-1 other.csv"), strtok(strstr(own, "60"), "\n"));
  assert_holds(succeed("hessian runs/t-1 --data other.csv"), "60 of 60 samples of other");
  succeed("predict runs/t-1 other.csv");
}

static void a_run_goes_on_with_its_columns(void **state) {
  (void)state;
  write_tables();
  succeed("train t.csv target=y columns=b,a 'model=dense(1)' epochs=3 --quiet");
  succeed("train --resume runs/t-1 epochs=5 --out more --quiet");
  assert_holds(succeed("eval more"), "test");
  succeed("train more/recipe.yaml --quiet");
  succeed("eval runs/t-1");
}

static void tables_without_names(void **state) {
  (void)state;
  write_tables();
  succeed(TRAIN("bare.csv", "ignore=0,2"));
  succeed("eval runs/bare-1");
  succeed("eval runs/bare-1 bare.csv");
  succeed("predict runs/bare-1 bare.csv");
  refuse("train bare.csv columns=1,9", "no column \"9\"");
}

/* ---- numbers ---- */

/* The number behind "key": in a line of JSON. */
static double number_in(const char *line, const char *key) {
  char quoted[40];
  snprintf(quoted, sizeof quoted, "\"%s\":", key);
  const char *at = strstr(line, quoted);
  if (!at) fail_msg("no %s in %s", key, line);
  return strtod(at + strlen(quoted), NULL);
}

/* MAE, RMSE and R2 of a model that has hardly learnt, in the targets' unit: those of its predictions. */
static void numbers_are_measured_in_their_unit(void **state) {
  (void)state;
  double y[60], mean = 0, absolute = 0, squared = 0, variance = 0;
  char line[200];
  int n = 0;
  write_tables();
  for (int i = 0; i < 60; i++) {
    snprintf(line, sizeof line, "%.6f", 2 * sin(i) - cos(7 * i));
    y[i] = strtod(line, NULL);
    mean += y[i] / 60;
  }
  succeed("train t.csv target=y columns=a,b epochs=3 test=0.3 --quiet");
  succeed("predict runs/t-1 t.csv --out p.csv");
  FILE *file = fopen("p.csv", "rb");
  assert_non_null(file);
  assert_non_null(fgets(line, sizeof line, file));
  for (; n < 60 && fgets(line, sizeof line, file); n++) {
    double error = strtod(strrchr(line, ',') + 1, NULL) - y[n];
    absolute += fabs(error) / 60;
    squared += error * error;
    variance += (y[n] - mean) * (y[n] - mean);
  }
  fclose(file);
  assert_int_equal(n, 60);
  const char *json = succeed("eval runs/t-1 --part all --json");
  assert_true(fabs(number_in(json, "mae") - absolute) < 1e-6);
  assert_true(fabs(number_in(json, "rmse") - sqrt(squared / 60)) < 1e-6);
  assert_true(fabs(number_in(json, "r2") - (1 - squared / variance)) < 1e-6);
  assert_true(number_in(json, "r2") < 0.9);
  assert_holds(succeed("eval runs/t-1"), "MAE       RMSE         R2");
  assert_int_equal(access("runs/t-1/predictions.png", R_OK), CY_HAVE_CAIRO ? 0 : -1);
  assert_int_equal(access("runs/t-1/predictions.svg", R_OK), CY_HAVE_CAIRO ? 0 : -1);
  succeed(TRAIN("t.csv", "target=y columns=a,b scale=none"));
  assert_true(number_in(succeed("eval runs/t-2 --json"), "r2") > 0.99999);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(columns_are_chosen, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(other_tables_are_read_by_name, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(other_classes_are_refused, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(a_recipe_is_one_document, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(a_run_goes_on_with_its_columns, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(tables_without_names, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(numbers_are_measured_in_their_unit, enter_folder, leave_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
