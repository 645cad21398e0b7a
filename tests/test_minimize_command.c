/* `cauchy minimize` as students meet it: coursework E2.3 (system S18) comes out of the command, steps that diverge
 * are explained by the curvature, methods are compared and drawn, and what cannot be done is refused in one line. */
#include "cauchy_config.h"
#include "command.h"

#include <jansson.h>
#include <math.h>

#define QUADRATIC "minimize 'x^2 + 0.8*x - 0.5' --from x=4"
#define ROSENBROCK "minimize '(1-x)^2 + 100*(y-x^2)^2' --from x=-1.2,y=1"

/* ---- E2.3 ---- */

static void minimum_of_the_course(void **state) {
  (void)state;
  const char *out = succeed(QUADRATIC);
  assert_holds(out, "step            x            f  |gradient|    |step|  rate\n"
                    "   0            4         18.7         8.8                \n"
                    "   1         3.12      11.7304        7.04      0.88   0.1\n"
                    "   2        2.416     7.269856        5.63     0.704   0.1\n");
  assert_holds(
      out,
      "\nconverged after 93 iterations: f = -0.66 at x = -0.4 (|gradient| 8.5e-09)\n"
      "curvature there: 2\n"
      "the rate of plain gradient descent must be below 2/lambda_max = 1; 1/lambda_max = 0.5 is Newton's step\n");
  assert_holds(out, "\n  20 "); /* thinned */
  assert_null(strstr(out, "\n  21 "));
}

static void no_iterations_show_the_start(void **state) {
  (void)state;
  const char *out = succeed(QUADRATIC " --iterations 0 --method gd,newton");
  assert_holds(out, "   0  4  18.7         8.8              \n\nthe start: f = 18.7 at x = 4 (|gradient| 8.8)\n");
  assert_holds(out, "\nnewton           0            1         0  18.7         8.8  stopped\n");
  assert_holds(succeed("minimize 'x^2' --from x=0 --iterations 0"), "converged after 0 iterations: f = 0 at x = 0");
}

static void newton_takes_one_step_on_a_quadratic(void **state) {
  (void)state;
  const char *out = succeed(QUADRATIC " --method newton");
  assert_holds(out, "   1  -0.4  -0.66 ");
  assert_holds(out, "converged after 1 iteration: f = -0.66 at x = -0.4");
}

static void every_method_finds_it(void **state) {
  (void)state;
  const char *out = succeed(QUADRATIC " --method all --rate 0.05 --iterations 5000 --tolerance 1e-7");
  static const char *const methods[] = {"gd", "momentum", "nesterov", "adam", "newton", "newton-cg", "lbfgs"};
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    char line[32];
    snprintf(line, sizeof line, "\n%-9s  ", methods[i]);
    const char *row = strstr(strstr(out, "method  "), line);
    assert_non_null(row);
    const char *end = strstr(row + 1, "converged\n");
    assert_true(end && end < strchr(row + 1, '\n'));
    assert_non_null(strstr(row, " -0.66 "));
  }
}

/* ---- divergence ---- */

static void diverge(const char *line, const char *explanation) {
  const outcome *o = run(line);
  if (o->exit_code != 1) fail_msg("cauchy %s: exit %d: %s", line, o->exit_code, o->err);
  assert_string_equal(o->err, "");
  assert_holds(o->out, explanation);
}

static void divergence_is_explained_by_the_curvature(void **state) {
  (void)state;
  diverge(QUADRATIC " --rate 1.2", "step 1 diverges: the rate 1.2 exceeds 2/lambda_max = 1 (curvature 2)\n");
  diverge("minimize '3*x^2+y^2' --from x=1,y=1 --rate 0.4",
          "step 1 diverges: the rate 0.4 exceeds 2/lambda_max = 0.333333 (curvature 6)\n");
  diverge("minimize 'x^2' --from x=1 --rate 2 --method momentum",
          "the rate 2 exceeds 2(1+m)/lambda_max = 1.9 (curvature 2)\n");
  diverge("minimize 'x^2' --from x=1 --rate 0.8 --method nesterov",
          "the rate 0.8 exceeds 2(1+m)/((1+2m) lambda_max) = 0.678571 (curvature 2)\n");
  diverge("minimize 'exp(x)+exp(-2*x) - 6*x' --from x=1 --rate 0.55",
          "step 1 diverges: the rate 0.55 is below 2/lambda_max = 0.613568 where the step begins, but the curvature "
          "grows on the way: its mean along the step is 8.56065, which allows 0.233627\n");
  diverge("minimize '-x^2' --from x=1", "f falls without bound: it was -");
  diverge("minimize 'x - log(x)' --from x=4 --rate 5",
          "step 6 leaves where the function is defined: formula:1:5: log(x) is undefined at x = -0.459143: the "
          "logarithm of -0.459143\n");
  assert_holds(succeed("minimize 'x^2' --from x=1 --rate 1 --iterations 20"),
               "the rate 1 is not below 2/lambda_max = 1 (curvature 2): the steps never settle\n");
}

/* Below the bounds of momentum and Nesterov they converge on a quadratic; above they diverge (above). */
static void the_bounds_are_sharp(void **state) {
  (void)state;
  succeed("minimize 'x^2' --from x=1 --rate 1.85 --method momentum");
  succeed("minimize 'x^2' --from x=1 --rate 0.66 --method nesterov");
  succeed("minimize 'x^2' --from x=1 --rate 0.99");
  diverge("minimize 'x^2' --from x=1 --rate 1.95 --method momentum --iterations 20000", "diverges");
  diverge("minimize 'x^2' --from x=1 --rate 0.7 --method nesterov --iterations 20000", "diverges");
}

/* ---- several variables ---- */

static void rosenbrock_by_second_order(void **state) {
  (void)state;
  const char *out = succeed(ROSENBROCK " --method newton,lbfgs");
  assert_holds(out, "newton\n\nstep ");
  assert_holds(out, " at x = 1, y = 1 (|gradient| ");
  assert_holds(out, "curvature there: lambda_min = 0.399361, lambda_max = 1001.6 (condition number 2508.01)\n");
  assert_holds(out, "\nmethod  iterations  evaluations  products ");
}

static void saddles_are_no_minima(void **state) {
  (void)state;
  assert_holds(succeed("minimize 'x^2-y^2' --from x=1,y=0"),
               "curvature there: lambda_min = -2, lambda_max = 2: no minimum, but a saddle\n");
  assert_holds(succeed("minimize 'sin(x)' --from x=1.5707963267948966"), "curvature there: -1: no minimum\n");
}

static void vectors_and_given_symbols(void **state) {
  (void)state;
  assert_holds(
      succeed("minimize '0.5*|A*w - b|^2' --dimensions 'A:(n,d), w:d, b:n' --from w=0,0 --given A=2,0,0,4,b=2,8 "
              "--method newton"),
      "f = 0 at w = (1, 2)");
  assert_holds(succeed("minimize '|w - c|^2' --from w=1,2,3 --given c=3,2,1 --method lbfgs"), "at w = (3, 2, 1)");
  assert_holds(
      succeed("minimize '-log(softmax(o))[y] + 0.5*|o|^2' --dimensions 'o:m, y:index' --from o=0,0,0 --given y=1 "
              "--method newton"),
      "converged after");
  assert_holds(succeed("minimize '(x[0]-1)^2 + (x[1]+2)^2 + x[2]^2' --from x=0,0,5 --method newton"),
               "at x = (1, -2, 0)");
  assert_holds(succeed("minimize '|w|^2' --from w=1,2,3,4,5,6,7,8 --method newton"), "w[2]  ...");
}

/* ---- pictures and JSON ---- */

static void assert_starts(const char *path, const char *bytes, size_t n) {
  char found[16];
  FILE *file = fopen(path, "rb");
  if (!file) fail_msg("%s is not there", path);
  assert_int_equal(fread(found, 1, n, file), n);
  assert_memory_equal(found, bytes, n);
  fclose(file);
}

static void paths_are_drawn(void **state) {
  (void)state;
  if (!CY_HAVE_CAIRO) skip();
  succeed(QUADRATIC " --method gd,newton --plot path.png");
  assert_starts("path.png", "\x89PNG", 4);
  succeed(ROSENBROCK " --method newton,lbfgs --out rosenbrock");
  assert_starts("rosenbrock/path.png", "\x89PNG", 4);
  assert_starts("rosenbrock/path.svg", "<?xml", 5);
  assert_starts("rosenbrock/values.png", "\x89PNG", 4);
  assert_starts("rosenbrock/values.svg", "<?xml", 5);
  succeed("minimize '|w|^2' --from w=1,2,3 --plot values.svg");
  assert_starts("values.svg", "<?xml", 5);
  diverge("minimize 'exp(x*y) - 1/x' --from x=1,y=1 --rate 3 --plot wild.svg", "diverged");
  assert_starts("wild.svg", "<?xml", 5);
  succeed("minimize '0*x + 1' --from x=1 --plot flat.svg");
  assert_starts("flat.svg", "<?xml", 5);
  succeed("minimize '0*x*y + 1' --from x=1,y=2 --plot flat.svg");
}

static double number_in(const json_t *object, const char *key) {
  json_t *value = json_object_get(object, key);
  assert_true(json_is_number(value));
  return json_number_value(value);
}

static void json_holds_every_iterate(void **state) {
  (void)state;
  json_t *root = json_loads(succeed(QUADRATIC " --method gd,newton --json"), 0, NULL);
  assert_non_null(root);
  json_t *methods = json_object_get(root, "methods"), *gd = json_array_get(methods, 0);
  assert_int_equal(json_array_size(methods), 2);
  assert_string_equal(json_string_value(json_object_get(gd, "method")), "gd");
  assert_string_equal(json_string_value(json_object_get(gd, "end")), "converged");
  json_t *iterates = json_object_get(gd, "iterates");
  assert_int_equal(json_array_size(iterates), 94);
  double x = 4;
  for (size_t k = 0; k < json_array_size(iterates); k++) { /* x' = x - 0.1 (2 x + 0.8) */
    json_t *it = json_array_get(iterates, k);
    assert_true(fabs(json_number_value(json_array_get(json_object_get(it, "x"), 0)) - x) < 1e-12);
    assert_true(fabs(number_in(it, "value") - (x * x + 0.8 * x - 0.5)) < 1e-12);
    assert_true(fabs(number_in(it, "gradient_norm") - fabs(2 * x + 0.8)) < 1e-12);
    x -= 0.1 * (2 * x + 0.8);
  }
  assert_true(fabs(number_in(gd, "value") + 0.66) < 1e-15);
  assert_true(fabs(number_in(gd, "lambda_max") - 2) < 1e-12);
  json_decref(root);
}

/* ---- mistakes ---- */

static void mistakes_are_one_line(void **state) {
  (void)state;
  refuse("minimize 'log(x-3)+x^2' --from x=2", "formula:1:1: log(x-3) is undefined at x = 2: the logarithm of -1");
  refuse("minimize '1/x' --from x=0", "1/x is undefined at x = 0: 1 is divided by 0");
  refuse("minimize 'sqrt(x)' --from x=0", "the formula has a value at the start, 0, but no derivative by x");
  refuse("minimize 'x^2'", "--from is needed");
  refuse("minimize 'x^2' --from y=1", "--from: the formula has no symbol \"y\"");
  refuse("minimize 'x^2*y' --from x=1", "y has no value: name its start in --from, or hold it with --given y=...");
  refuse("minimize 'x^2' --from x", "--from: expected name=number at \"x\"");
  refuse("minimize 'x^2' --from x=", "is no number for x");
  refuse("minimize 'x^2' --from x=1y", "\"1y\" is no number for x");
  refuse("minimize 'x^2' --from x=nan", "is no number for x");
  refuse("minimize 'x^2' --from x=1,x=2", "--from gives x twice");
  refuse("minimize 'x^2' --from x=1 --given x=2", "x is both in --from and in --given");
  refuse("minimize 'x^2' --from x=1,2", "the formula's value is 2 numbers; only one can be minimised");
  refuse("minimize 'W*x' --dimensions 'W:(2,3), x:2' --from x=1,1 --given W=1,2,3,4,5,6",
         "formula:1:2: W * x: W is (2, 3) and x is (2): the inner dimensions 3 and 2 differ");
  refuse("minimize '|x|^2' --dimensions x:3 --from x=1,2", "x is a vector of 3: it takes 3 numbers, not 2");
  refuse("minimize '|x|^2 + |y|^2' --dimensions x:d,y:d --from x=1,2,y=1,2,3",
         "y is a vector of 2: it takes 2 numbers, not 3");
  refuse("minimize 'x[y]' --dimensions x:2,y:index --from x=1,2,y=1", "y is an index: --given y=... holds it");
  refuse("minimize 'x[y]' --dimensions x:2,y:index --from x=1,2 --given y=1.5",
         "y is an index: 1.5 is no whole number from 0");
  refuse("minimize 'x^2' --from x=1 --method newtn", "there is no method \"newtn\"; did you mean \"newton\"?");
  refuse("minimize 'x^2' --from x=1 --method gd,gd", "--method names gd twice");
  refuse("minimize 'x^2' --from x=1 --rate 0", "option --rate takes a number above 0");
  refuse("minimize 'x^2' --from x=1 --rate fast", "option --rate takes a number, not \"fast\"");
  refuse("minimize 'x^2' --from x=1 --momentum 1", "option --momentum takes a number below 1");
  refuse("minimize 'x^2' --from x=1 --iterations -1", "--iterations takes a whole number");
  refuse("minimize 'x^2' --from x=1 --plot path.gif", "must end in .png or .svg");
  refuse("minimize 'x^2 +' --from x=1", "formula:1:6: expected a value, found the end");
  refuse("minimize 'weight^2 + wieght' --dimensions weight --from weight=1",
         "unknown symbol \"wieght\"; did you mean \"weight\"?");
}

static void help_has_examples(void **state) {
  (void)state;
  assert_holds(succeed("help minimize"), "cauchy minimize 'x^2 + 0.8*x - 0.5' --from x=4 ");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(minimum_of_the_course),
      cmocka_unit_test(no_iterations_show_the_start),
      cmocka_unit_test(newton_takes_one_step_on_a_quadratic),
      cmocka_unit_test(every_method_finds_it),
      cmocka_unit_test(divergence_is_explained_by_the_curvature),
      cmocka_unit_test(the_bounds_are_sharp),
      cmocka_unit_test(rosenbrock_by_second_order),
      cmocka_unit_test(saddles_are_no_minima),
      cmocka_unit_test(vectors_and_given_symbols),
      cmocka_unit_test(paths_are_drawn),
      cmocka_unit_test(json_holds_every_iterate),
      cmocka_unit_test(mistakes_are_one_line),
      cmocka_unit_test(help_has_examples),
  };
  return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
