/* The curvature of a small network's loss on the iris data: how large a step may be, and where the curve is steepest.
 * Build: cc spectrum.c $(pkg-config --cflags --libs cauchy) */
#include <cauchy.h>
#include <stdio.h>
#include <stdlib.h>

#define TRY(call)                                          \
  do {                                                     \
    if (call) {                                            \
      fprintf(stderr, "%s\n", cy_error_message());         \
      return 1;                                            \
    }                                                      \
  } while (0)

int main(void) {
  cy_dataset *iris;
  cy_split split;
  cy_model *model;
  TRY(cy_dataset_open("iris", (cy_dataset_options){0}, &iris));
  TRY(cy_dataset_split(iris, (cy_split_options){0}, &split));
  TRY(cy_dataset_scale(iris, CY_SCALE_DEFAULT, split.train, split.n_train));
  TRY(cy_model_parse("dense(16) -> tanh -> dense(3)", "spectrum", &model));

  cy_objective *f;
  cy_eigenvalues found;
  cy_model_objective_options options = {.indices = split.train, .n = split.n_train, .seed = 1};
  TRY(cy_model_objective_create(model, NULL, iris, options, &f)); /* the mean loss, of 131 weights */
  double *at = calloc(3 * (size_t)cy_objective_size(f), sizeof *at);
  if (!at) return 1;
  double *v = at + cy_objective_size(f), *hv = v + cy_objective_size(f);
  TRY(cy_objective_start(f, at)); /* the initial weights */
  v[0] = 1;
  TRY(cy_objective_product(f, CY_HESSIAN, at, v, hv)); /* exact */
  TRY(cy_extreme_eigenvalues(f, at, (cy_curvature_options){0}, &found));
  printf("%g +- %.1e\n", found.largest[0].value, found.largest[0].residual);
  printf("steps below %g\n", cy_step_bounds_of(found.largest[0].value).most);

  cy_eigenvalues_clear(&found);
  cy_objective_free(f);
  cy_model_free(model);
  cy_split_clear(&split);
  cy_dataset_free(iris);
  free(at);
}
