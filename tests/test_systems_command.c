/* The command on systems of the coursework: a mixture of logistic regressions learns what one can't, on the built-in tables;
 * models of two features come with a picture of their decision regions. */
#include "command.h"

#include "cauchy_config.h"

#include <ctype.h>
#include <math.h>

/* The accuracy in percent of the row that begins with this word. */
static double accuracy_of(const char *table, const char *row) {
  char start[32];
  double loss, accuracy = -1;
  snprintf(start, sizeof start, "\n%s", row);
  const char *at = strstr(table, start);
  assert_non_null(at);
  at += strlen(start);
  at += strspn(at, " ");
  while (isdigit((unsigned char)*at)) at++; /* samples; thousands are not reached here */
  assert_int_equal(sscanf(at, "%lf %lf", &loss, &accuracy), 2);
  return accuracy;
}

static void a_mixture_learns_exclusive_or(void **state) {
  (void)state;
  double many = 0;
  for (int seed = 0; seed < 5 && many <= 92; seed++) { /* some starts end in a local minimum */
    char line[PATH_MAX];
    snprintf(line, sizeof line, "train " CAUCHY_SOURCE "/recipes/mixture-xor.yaml seed=%d", seed);
    many = fmax(many, accuracy_of(succeed(line), "test"));
  }
  double one = accuracy_of(succeed("train " CAUCHY_SOURCE "/recipes/mixture-xor.yaml 'model=dense(1) -> mixture'"), "test");
  double usual = accuracy_of(succeed("train xor 'model=dense(2)' epochs=5"), "test");
  assert_true(many > 92);
  assert_true(one < 60);
  assert_true(usual < 60);
  assert_holds(succeed("check runs/xor-1"), "0 failed");
}

static void tables_are_built_in(void **state) {
  (void)state;
  assert_true(accuracy_of(succeed("train " CAUCHY_SOURCE "/recipes/mixture-breast-cancer.yaml epochs=60"), "test") > 90);
  assert_true(accuracy_of(succeed("train wine epochs=60"), "test") > 90);
  assert_holds(succeed("data info breast-cancer"), "malignant (212), benign (357)");
  assert_holds(succeed("data info wine"), "cultivar 3 (48)");
  assert_holds(succeed("data info xor"), "of which the last 512 are the test part");
  assert_holds(succeed("help layers"), "mixture");
}

/* A logit against numbers 0 and 1 is the same model in another dress. */
static void a_logit_trains_with_binary_cross_entropy(void **state) {
  (void)state;
  FILE *file = fopen("or.csv", "w");
  assert_non_null(file);
  fprintf(file, "a,b,y\n");
  for (int i = 0; i < 60; i++) fprintf(file, "%d,%d,%d\n", i & 1, i >> 1 & 1, (i & 3) > 0);
  fclose(file);
  succeed("train or.csv task=regress loss=binary_cross_entropy 'model=dense(2) -> mixture(logit)' learning_rate=0.1 "
          "epochs=100 --quiet");
  double p[4] = {-1, -1, -1, -1};
  write_file("corners.csv", "a,b\n0,0\n1,0\n0,1\n1,1\n");
  const char *out = succeed("predict runs/or-1 corners.csv");
  assert_int_equal(sscanf(out, "%*s %*s 1 %lf 2 %lf 3 %lf 4 %lf", &p[0], &p[1], &p[2], &p[3]), 4);
  assert_true(p[0] < 0.2 && p[1] > 0.8 && p[2] > 0.8 && p[3] > 0.8);
}

#if CY_HAVE_CAIRO

static void assert_starts(const char *path, const char *start) {
  char bytes[16] = "";
  FILE *file = fopen(path, "rb");
  if (!file) fail_msg("%s is not there", path);
  assert_true(fread(bytes, 1, sizeof bytes, file) == sizeof bytes);
  fclose(file);
  assert_memory_equal(bytes, start, strlen(start));
}

static void two_features_have_regions(void **state) {
  (void)state;
  succeed("train xor epochs=2 --quiet");
  assert_starts("runs/xor-1/regions.png", "\x89PNG");
  assert_starts("runs/xor-1/regions.svg", "<?xml");
  assert_holds(succeed("eval runs/xor-1 --part all --regions plane.svg"), "accuracy");
  assert_starts("plane.svg", "<?xml");
  refuse("eval runs/xor-1 --regions plane.gif", "must end in .png or .svg");
  succeed("train iris epochs=1 --quiet");
  assert_int_not_equal(access("runs/iris-1/regions.png", F_OK), 0);
  refuse("eval runs/iris-1 --regions plane.png", "two features");
}

#endif

#define in_a_folder(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
      in_a_folder(a_mixture_learns_exclusive_or),
      in_a_folder(tables_are_built_in),
      in_a_folder(a_logit_trains_with_binary_cross_entropy),
#if CY_HAVE_CAIRO
      in_a_folder(two_features_have_regions),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
