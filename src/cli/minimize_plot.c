/* Courses as pictures: the paths over the function where it has one or two variables, else its values by iteration. */
#include "cli/minimize.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PATHS = 8, NAME_SIZE = 96 };

static double value_at(void *user, const double *x) {
  double value;
  return cy_objective_value(((const cli_function *)user)->objective, x, &value) == CY_OK ? value : NAN;
}

static void name_course(const cli_course *c, char name[NAME_SIZE]) {
  snprintf(name, NAME_SIZE, "%s: %" PRId64 " step%s, %s", c->method, c->report.iterations,
           c->report.iterations == 1 ? "" : "s", cli_end_name(c->report.end));
}

/* The iterates that were kept, one after the other; the caller frees them. */
static cy_status copy_points(const cli_function *f, const cli_course *c, cy_plot_path *path) {
  double *points = cy_calloc(c->n * (size_t)f->n + 1, sizeof *points);
  if (!points) return cy_no_memory();
  for (size_t k = 0; k < c->n && c->iterates[k].x; k++, path->n++)
    memcpy(points + k * (size_t)f->n, c->iterates[k].x, (size_t)f->n * sizeof *points);
  path->points = points;
  return CY_OK;
}

static cy_status plot_paths(const cli_function *f, const cli_course *courses, int n, const char *title, const char *png,
                            const char *svg) {
  char names[MAX_PATHS][NAME_SIZE], labels[2][CLI_COMPONENT_SIZE];
  cy_plot_path paths[MAX_PATHS] = {0};
  cli_function copy = *f; /* values are asked for through a pointer that is not const */
  cy_plot_function function = {.variables = (int)f->n, .value = value_at, .user = &copy};
  cy_status status = CY_OK;
  for (int i = 0; i < f->n; i++) function.labels[i] = cli_component_name(f, i, labels[i]);
  for (int i = 0; i < n && status == CY_OK; i++) {
    name_course(&courses[i], names[i]);
    paths[i].name = names[i];
    paths[i].open = courses[i].report.end == CY_MINIMIZE_DIVERGED;
    status = copy_points(f, &courses[i], &paths[i]);
  }
  if (status == CY_OK)
    status = cy_plot_paths(&function, paths, n, (cy_plot_options){.title = title}, png, svg);
  for (int i = 0; i < n; i++) cy_free((void *)(uintptr_t)paths[i].points);
  return status;
}

/* ---- by iteration ---- */

static double lowest_value(const cli_course *courses, int n) {
  double lowest = INFINITY;
  for (int i = 0; i < n; i++)
    for (size_t k = 0; k < courses[i].n; k++) lowest = fmin(lowest, courses[i].iterates[k].value);
  return lowest;
}

/* The value above the lowest of all, and the gradient's norm. */
static cy_status copy_values(const cli_course *c, double lowest, cy_plot_series *value, cy_plot_series *gradient) {
  double *numbers = cy_calloc(3 * c->n + 1, sizeof *numbers);
  if (!numbers) return cy_no_memory();
  double *x = numbers, *above = numbers + c->n, *norm = above + c->n;
  for (size_t k = 0; k < c->n; k++) {
    x[k] = (double)k;
    above[k] = c->iterates[k].value - lowest;
    norm[k] = c->iterates[k].gradient_norm;
  }
  value->x = gradient->x = x;
  value->y = above;
  gradient->y = norm;
  value->n = gradient->n = (int64_t)c->n;
  return CY_OK;
}

cy_status cli_courses_plot_values(const cli_course *courses, int n, const char *title, const char *png,
                                  const char *svg) {
  char names[MAX_PATHS][NAME_SIZE];
  cy_plot_series values[MAX_PATHS] = {0}, gradients[MAX_PATHS] = {0};
  cy_plot_panel panels[] = {{.y_label = "f above the lowest", .series = values, .n_series = n, .log_y = true},
                            {.y_label = "|gradient|", .series = gradients, .n_series = n, .log_y = true}};
  double lowest = lowest_value(courses, n);
  cy_status status = CY_OK;
  for (int i = 0; i < n && status == CY_OK; i++) {
    name_course(&courses[i], names[i]);
    values[i].name = gradients[i].name = names[i];
    status = copy_values(&courses[i], lowest, &values[i], &gradients[i]);
  }
  if (status == CY_OK)
    status = cy_plot_lines(panels, 2, (cy_plot_options){.title = title, .x_label = "step"}, png, svg);
  for (int i = 0; i < n; i++) cy_free((void *)(uintptr_t)values[i].x);
  return status;
}

cy_status cli_courses_plot(const cli_function *f, const cli_course *courses, int n, const char *title, const char *png,
                           const char *svg) {
  return f->n <= 2 ? plot_paths(f, courses, n, title, png, svg) : cli_courses_plot_values(courses, n, title, png, svg);
}
