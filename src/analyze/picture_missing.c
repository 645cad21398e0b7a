/* Stands in for the pictures where cairo was not found. */
#include "base/error.h"

#include <cauchy/analyze.h>

static cy_status no_cairo(void) { return cy_fail(CY_UNSUPPORTED, "pictures need cairo, which this build lacks"); }

cy_status cy_analysis_picture(const cy_analysis *analysis, cy_plot_options options, const char *png, const char *svg) {
  (void)analysis, (void)options, (void)png, (void)svg;
  return no_cairo();
}

cy_status cy_field_picture(const cy_analysis *analysis, int layer, const int64_t *unit, const cy_tensor *effective,
                           cy_plot_options options, const char *png, const char *svg) {
  (void)analysis, (void)layer, (void)unit, (void)effective, (void)options, (void)png, (void)svg;
  return no_cairo();
}
