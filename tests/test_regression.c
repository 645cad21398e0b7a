/* Errors and explained variance of predicted numbers, against their definitions: of one and of several numbers, far from
 * zero, in batches, and where targets do not vary. */
#include "expect.h"

#include "train/train.h"

#include <math.h>

static cy_tensor *rows(const double *numbers, int64_t n, int64_t outputs) {
  cy_tensor *t;
  OK(cy_tensor_create(CY_F64, CY_SHAPE(n, outputs), &t));
  for (int64_t i = 0; i < n * outputs; i++) cy_tensor_set(t, i, numbers[i]);
  return t;
}

static void add(cy_regression_sums *sums, const double *targets, const double *answers, int64_t n) {
  cy_tensor *a = rows(targets, n, sums->outputs), *b = rows(answers, n, sums->outputs);
  cy_regression_add(sums, a, b);
  cy_tensor_free(a);
  cy_tensor_free(b);
}

static void clear(cy_regression_sums *sums, cy_regression *r) {
  cy_metrics metrics = {.regression = *r};
  cy_metrics_clear(&metrics);
  cy_regression_clear(sums);
}

/* The mean is 2.5e9, the deviations are small; in two batches. */
static void one_number(void **state) {
  (void)state;
  const double y[] = {2.5e9 + 1, 2.5e9 - 1, 2.5e9 + 3, 2.5e9 - 3}, z[] = {2.5e9 + 2, 2.5e9 - 1, 2.5e9 + 3, 2.5e9 - 5};
  cy_regression_sums sums;
  cy_regression r;
  OK(cy_regression_begin(&sums, 1, 4));
  add(&sums, y, z, 3);
  add(&sums, y + 3, z + 3, 1);
  cy_regression_end(&sums, &r);
  assert_true(r.mae == 0.75 && fabs(r.rmse - sqrt(1.25)) < 1e-12 && fabs(r.r2 - (1 - 5.0 / 20)) < 1e-9);
  assert_true(r.count == 4 && r.targets[3] == y[3] && r.answers[0] == z[0]);
  clear(&sums, &r);
}

/* Each output varies about its own mean. */
static void several_numbers(void **state) {
  (void)state;
  const double y[] = {1, 100, 3, 104}, z[] = {1, 102, 3, 102};
  cy_regression_sums sums;
  cy_regression r;
  OK(cy_regression_begin(&sums, 2, 2));
  add(&sums, y, z, 2);
  cy_regression_end(&sums, &r);
  assert_true(r.mae == 1 && fabs(r.rmse - sqrt(2)) < 1e-12 && fabs(r.r2 - (1 - 8.0 / 10)) < 1e-12);
  assert_true(r.count == 0 && !r.targets && !r.answers);
  clear(&sums, &r);
}

static void targets_that_do_not_vary(void **state) {
  (void)state;
  const double y[] = {5, 5}, z[] = {5, 6};
  cy_regression_sums sums;
  cy_regression r;
  OK(cy_regression_begin(&sums, 1, 2));
  add(&sums, y, z, 2);
  cy_regression_end(&sums, &r);
  assert_true(isnan(r.r2) && r.mae == 0.5);
  clear(&sums, &r);
  OK(cy_regression_begin(&sums, 1, 0)); /* an empty part */
  cy_regression_end(&sums, &r);
  assert_true(isnan(r.r2) && isnan(r.mae) && isnan(r.rmse) && r.count == 0);
  clear(&sums, &r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_number),
      cmocka_unit_test(several_numbers),
      cmocka_unit_test(targets_that_do_not_vary),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
