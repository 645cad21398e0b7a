/* Pictures of operators in a build without cairo. */
#include "base/error.h"

#include <cauchy/operator.h>

cy_status cy_operator_plot(const cy_operator *op, const cy_operator_terms *terms, const cy_tensor *matrix, const char *title,
                           const char *png, const char *svg) {
  (void)op, (void)terms, (void)matrix, (void)title, (void)png, (void)svg;
  return cy_fail(CY_UNSUPPORTED, "pictures need cairo, which this build was made without");
}

cy_status cy_steps_plot(const cy_steps *steps, cy_steps_options options, const char *title, const char *png,
                        const char *svg) {
  (void)steps, (void)options, (void)title, (void)png, (void)svg;
  return cy_fail(CY_UNSUPPORTED, "pictures need cairo, which this build was made without");
}
