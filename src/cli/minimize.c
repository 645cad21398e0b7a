/* `cauchy minimize`: a formula, a start, and methods that go downhill from it, with every step shown. */
#include "cli/minimize.h"
#include "cli/model_file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_METHODS = 8, MOST_ITERATIONS = 1000000 };

/* ---- options ---- */

static cy_status read_real(const cli_arguments *a, const char *name, double *value) {
  const char *text = cli_option_value(a, name);
  char *end;
  if (!text) return CY_OK;
  *value = strtod(text, &end);
  if (end == text || *end || !isfinite(*value))
    return cy_fail(CY_INVALID, "option %s takes a number, not \"%s\"", name, text);
  if (*value <= 0) return cy_fail(CY_INVALID, "option %s takes a number above 0, not %s", name, text);
  return CY_OK;
}

static cy_status read_options(const cli_arguments *a, cy_minimize_options *o) {
  int iterations = 1000;
  CY_TRY(cli_option_number(a, "--iterations", 0, MOST_ITERATIONS, &iterations));
  o->iterations = iterations;
  CY_TRY(read_real(a, "--rate", &o->rate));
  CY_TRY(read_real(a, "--momentum", &o->momentum));
  if (o->momentum >= 1) return cy_fail(CY_INVALID, "option --momentum takes a number below 1, not %g", o->momentum);
  CY_TRY(read_real(a, "--damping", &o->damping));
  return read_real(a, "--tolerance", &o->tolerance);
}

static cy_status find_method(const char *word, size_t length, const char **method) {
  const char *names[32], *name;
  char wrong[64], hint[CLI_HINT_SIZE];
  cy_text list = {0};
  size_t n = 0;
  for (int i = 0; (name = cy_minimize_method(i, NULL)) != NULL && n < 32; i++) {
    if (strlen(name) == length && memcmp(name, word, length) == 0) {
      *method = name;
      cy_text_clear(&list);
      return CY_OK;
    }
    cy_text_add(&list, "%s%s", n ? ", " : "", name);
    names[n++] = name;
  }
  snprintf(wrong, sizeof wrong, "%.*s", (int)(length < 60 ? length : 60), word);
  cli_hint(wrong, names, n, hint);
  cy_status status = list.failed
                         ? cy_no_memory()
                         : cy_fail(CY_INVALID, "there is no method \"%s\"%s (methods: %s)", wrong, hint, list.data);
  cy_text_clear(&list);
  return status;
}

/* gd,newton; all */
static cy_status read_methods(const cli_arguments *a, const char *methods[MAX_METHODS], int *n) {
  const char *text = cli_option_value(a, "--method"), *name;
  *n = 0;
  if (text && strcmp(text, "all") == 0) {
    while (*n < MAX_METHODS && (name = cy_minimize_method(*n, NULL)) != NULL) methods[(*n)++] = name;
    return CY_OK;
  }
  for (const char *at = text ? text : "gd";; at++) {
    size_t length = strcspn(at, ",");
    if (*n == MAX_METHODS) return cy_fail(CY_INVALID, "at most %d methods are compared", MAX_METHODS);
    CY_TRY(find_method(at, length, &methods[*n]));
    for (int i = 0; i < *n; i++)
      if (methods[i] == methods[*n]) return cy_fail(CY_INVALID, "--method names %s twice", methods[i]);
    (*n)++;
    at += length;
    if (!*at) return CY_OK;
  }
}

/* --plot FILE.png or FILE.svg. */
static cy_status picture_paths(const char *path, const char **png, const char **svg) {
  size_t n = strlen(path);
  *png = n > 4 && strcmp(path + n - 4, ".png") == 0 ? path : NULL;
  *svg = n > 4 && strcmp(path + n - 4, ".svg") == 0 ? path : NULL;
  return *png || *svg ? CY_OK : cy_fail(CY_INVALID, "--plot: %s must end in .png or .svg", path);
}

/* ---- pictures ---- */

static cy_status plot_both(const cli_function *f, const cli_course *courses, int n, const char *formula,
                           const char *folder, const char *name, bool path) {
  char png_name[32], svg_name[32];
  snprintf(png_name, sizeof png_name, "%s.png", name);
  snprintf(svg_name, sizeof svg_name, "%s.svg", name);
  char *png = cli_join(folder, png_name), *svg = cli_join(folder, svg_name);
  cy_status status = !png || !svg ? cy_no_memory()
                     : path       ? cli_courses_plot(f, courses, n, formula, png, svg)
                                  : cli_courses_plot_values(courses, n, formula, png, svg);
  cy_string_free(png);
  cy_string_free(svg);
  return status;
}

static cy_status write_folder(const cli_function *f, const cli_course *courses, int n, const char *formula,
                              const char *folder) {
  if (mkdir(folder, 0777) != 0 && errno != EEXIST) return cy_fail(CY_IO, "%s: %s", folder, strerror(errno));
  if (f->n <= 2) CY_TRY(plot_both(f, courses, n, formula, folder, "path", true));
  return plot_both(f, courses, n, formula, folder, "values", false);
}

static cy_status draw(const cli_arguments *a, const cli_function *f, const cli_course *courses, int n) {
  const char *picture = cli_option_value(a, "--plot"), *folder = cli_option_value(a, "--out"), *png, *svg;
  bool quiet = cli_option_value(a, "--json") != NULL;
  if (picture) {
    CY_TRY(picture_paths(picture, &png, &svg));
    CY_TRY(cli_courses_plot(f, courses, n, a->words[0], png, svg));
    if (!quiet) printf("drawn in %s\n", picture);
  }
  if (folder) {
    CY_TRY(write_folder(f, courses, n, a->words[0], folder));
    if (!quiet) printf("drawn in %s: %svalues.png, values.svg\n", folder, f->n <= 2 ? "path.png, path.svg, " : "");
  }
  return CY_OK;
}

/* ---- the verb ---- */

/* The start is where a mistake shows first: a formula that is undefined there, or has no derivative. */
static cy_status check_start(const cli_function *f) {
  double value;
  CY_TRY(cli_function_examine(f, f->start));
  double *gradient = cy_calloc((size_t)f->n, sizeof *gradient);
  if (!gradient) return cy_no_memory();
  cy_status status = cy_objective_gradient(f->objective, f->start, &value, gradient);
  for (int64_t i = 0; status == CY_OK && i < f->n; i++) {
    char name[CLI_COMPONENT_SIZE];
    if (!isfinite(gradient[i]))
      status = cy_fail(CY_INVALID, "the formula has a value at the start, %.6g, but no derivative by %s", value,
                       cli_component_name(f, i, name));
  }
  cy_free(gradient);
  return status;
}

static cy_status show(const cli_arguments *a, const cli_function *f, const cli_course *courses, int n) {
  if (cli_option_value(a, "--json")) return cli_courses_json(f, courses, n, a->words[0]);
  for (int i = 0; i < n; i++) {
    if (n > 1) printf("%s%s\n\n", i ? "\n" : "", courses[i].method);
    CY_TRY(cli_course_print(f, &courses[i]));
  }
  if (n == 1) return CY_OK;
  printf("\n");
  return cli_courses_compare(courses, n);
}

/* What the option --rate means differs: methods that search along a line know their first step better, and beside
 * others they take it. */
static bool searches(const char *method) {
  static const char *const plain[] = {"gd", "momentum", "nesterov", "adam"};
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
    if (strcmp(method, plain[i]) == 0) return false;
  return true;
}

static cy_status run_all(cli_arguments *a, const cli_function *f, const char *const *methods, int n,
                         cy_minimize_options options, cli_course *courses) {
  CY_TRY(check_start(f));
  for (int i = 0; i < n; i++) {
    cy_minimize_options own = options;
    own.method = methods[i];
    if (n > 1 && searches(methods[i])) own.rate = 0;
    CY_TRY(cli_course_run(f, own, &courses[i]));
    if (courses[i].report.end == CY_MINIMIZE_DIVERGED) a->exit_code = CLI_EXIT_CHECK_FAILED;
  }
  CY_TRY(show(a, f, courses, n));
  return draw(a, f, courses, n);
}

cy_status cli_minimize(cli_arguments *a) {
  const char *methods[MAX_METHODS], *png, *svg, *picture = cli_option_value(a, "--plot");
  cli_course courses[MAX_METHODS] = {0};
  cy_minimize_options options = {0};
  cli_function function;
  int n;
  if (picture) CY_TRY(picture_paths(picture, &png, &svg)); /* before anything is computed */
  CY_TRY(read_options(a, &options));
  CY_TRY(read_methods(a, methods, &n));
  CY_TRY(cli_function_open(a, &function));
  cy_status status = run_all(a, &function, methods, n, options, courses);
  for (int i = 0; i < n; i++) cli_course_clear(&courses[i]);
  cli_function_close(&function);
  return status;
}
