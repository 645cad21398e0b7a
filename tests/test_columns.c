/* Which columns of a table samples are made of: by name, by number, in any order, or all but some, which may hold
 * anything; and lists that name none, twice, or the target. */
#include "expect.h"

#include <cauchy/data.h>
#include <cauchy/io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static void write_table(const char *text) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
  fclose(file);
}

static int begin(void **state) {
  (void)state;
  snprintf(path, sizeof path, "/tmp/cauchy-columns-%d.csv", (int)getpid());
  return 0;
}
static int end(void **state) {
  (void)state;
  return unlink(path);
}

static cy_dataset *open_table(cy_dataset_options options) {
  cy_dataset *d;
  OK(cy_dataset_open(path, options, &d));
  return d;
}

static void refused(cy_dataset_options options, const char *words) {
  cy_dataset *d;
  assert_int_equal(cy_dataset_open(path, options, &d), CY_INVALID);
  assert_null(d);
  if (!strstr(cy_error_message(), words)) fail_msg("no \"%s\" in: %s", words, cy_error_message());
}

/* Features and first sample as one line: "b=2 a=1". */
static void assert_sample(cy_dataset_options options, const char *expected) {
  char line[200] = "";
  cy_dataset *d = open_table(options);
  int64_t n = cy_dataset_sample_shape(d).dim[0];
  for (int64_t f = 0; f < n; f++)
    snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s=%g", f ? " " : "", cy_dataset_feature_name(d, f),
             cy_tensor_at(cy_dataset_inputs(d), f));
  assert_string_equal(line, expected);
  assert_true(cy_tensor_at(cy_dataset_targets(d), 0) == 9);
  cy_dataset_free(d);
}

#define OPTIONS(...) ((cy_dataset_options){.target = "t", .task = CY_TASK_REGRESS, __VA_ARGS__})
#define BARE(...) ((cy_dataset_options){.task = CY_TASK_REGRESS, __VA_ARGS__})

static void columns_are_chosen_in_any_order(void **state) {
  (void)state;
  write_table("id,a,\"b, \"\"cm\"\"\",t,c\nx,1,2,9,3\ny,4,5,8,6\n");
  assert_sample(OPTIONS(.columns = "a, c"), "a=1 c=3");
  assert_sample(OPTIONS(.columns = "c,a"), "c=3 a=1");
  assert_sample(OPTIONS(.columns = " \"b, \"\"cm\"\"\" , a"), "b, \"cm\"=2 a=1");
  assert_sample(OPTIONS(.columns = "4, 1"), "c=3 a=1");
  assert_sample(OPTIONS(.ignore = "id"), "a=1 b, \"cm\"=2 c=3");
  assert_sample(OPTIONS(.ignore = "id, 2"), "a=1 c=3");
  refused(OPTIONS(0), "\"x\" is not a number (ignore: COLUMN leaves a column out)");
  refused(OPTIONS(.columns = "a, d"), "has no column \"d\"");
  refused(OPTIONS(.columns = "a, a"), "\"a\" is named twice");
  refused(OPTIONS(.columns = "a, t"), "\"t\" is the target");
  refused(OPTIONS(.columns = "a", .ignore = "id"), "exclude each other");
  refused(OPTIONS(.columns = " , "), "names no column");
  refused(OPTIONS(.ignore = "id, nothing"), "has no column \"nothing\"");
  refused(OPTIONS(.ignore = "id, a, 2, c"), "no column besides");
}

static void tables_without_a_header(void **state) {
  (void)state;
  write_table("1,x,3,9\n4,y,6,8\n");
  assert_sample(BARE(.columns = "2, 0"), "column 2=3 column 0=1");
  assert_sample(BARE(.columns = "column 2"), "column 2=3");
  assert_sample(BARE(.ignore = "1"), "column 0=1 column 2=3");
  refused(BARE(.columns = "0, 7"), "has no column \"7\"");
  refused(BARE(.columns = "0, 3"), "has no column \"3\"");
  write_table("1,2,3,9\n4,5,6,8\n");
  assert_sample(BARE(.columns = "a, b, c"), "column 0=1 column 1=2 column 2=3");
  refused(BARE(.columns = "a, b"), "no header names a column \"a\"");
}

/* Names that stand for several columns stand for the next each time, so that a table's own names give the table. */
static void repeated_names(void **state) {
  (void)state;
  write_table("a,a,t\n1,2,9\n3,4,8\n");
  assert_sample(OPTIONS(0), "a=1 a=2");
  assert_sample(OPTIONS(.columns = "a, a"), "a=1 a=2");
  refused(OPTIONS(.columns = "a, a, a"), "named twice");
}

static void only_tables_have_columns(void **state) {
  (void)state;
  cy_dataset *d;
  write_table("a,t\n1,9\n");
  assert_int_equal(cy_dataset_open("digits", (cy_dataset_options){.columns = "1"}, &d), CY_INVALID);
  assert_int_equal(cy_dataset_open("iris", (cy_dataset_options){.ignore = "petal width (cm)"}, &d), CY_INVALID);
  assert_true(cy_dataset_is_csv("a/b.csv") && cy_dataset_is_csv("b.tsv.gz") && !cy_dataset_is_csv("iris"));
}

/* The reader's own list: in the order asked for. */
static void the_reader_keeps_the_order(void **state) {
  (void)state;
  static const char *const only[] = {"c", "a"}, *const without[] = {"b"};
  cy_csv csv;
  write_table("a,b,c\n1,x,3\n");
  OK(cy_csv_load(path, (cy_csv_options){.only = only, .n_only = 2}, &csv));
  assert_string_equal(csv.columns[0], "c");
  assert_true(csv.n_columns == 2 && cy_tensor_at(csv.values, 0) == 3 && cy_tensor_at(csv.values, 1) == 1);
  cy_csv_clear(&csv);
  OK(cy_csv_load(path, (cy_csv_options){.without = without, .n_without = 1}, &csv));
  assert_string_equal(csv.columns[1], "c");
  cy_csv_clear(&csv);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(columns_are_chosen_in_any_order, begin, end),
      cmocka_unit_test_setup_teardown(tables_without_a_header, begin, end),
      cmocka_unit_test_setup_teardown(repeated_names, begin, end),
      cmocka_unit_test_setup_teardown(only_tables_have_columns, begin, end),
      cmocka_unit_test_setup_teardown(the_reader_keeps_the_order, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
