/* Tables as people have them, by the command: columns of names and numbers that do not matter, other tables in another
 * order, tables without a header. */
#include "command.h"

#include <math.h>

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
  write_file("r.yaml", "data: t.csv\ntarget: y\nmodel: dense(1)\nignore: [id, \"name, full\"]\nepochs: 2\n");
  succeed("train r.yaml --quiet");
  assert_holds(succeed("analyze r.yaml"), "dense1  1                3");
  assert_holds(succeed("hessian r.yaml"), "input 2");
  refuse("train t.csv target=y ignore=idd", "no column \"idd\"");
  refuse("train digits ignore=id", "CSV");
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(columns_are_chosen, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(other_tables_are_read_by_name, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(a_run_goes_on_with_its_columns, enter_folder, leave_folder),
      cmocka_unit_test_setup_teardown(tables_without_names, enter_folder, leave_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
