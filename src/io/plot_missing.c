/* Stands in for the charts where cairo was not found: each says what is missing. */
#include "base/error.h"

#include <cauchy/plot.h>

static cy_status no_cairo(void) { return cy_fail(CY_UNSUPPORTED, "charts need cairo, which this build lacks"); }

cy_status cy_plot_lines(const cy_plot_panel *panels, int n_panels, cy_plot_options options, const char *png,
                        const char *svg) {
  (void)panels, (void)n_panels, (void)options, (void)png, (void)svg;
  return no_cairo();
}

cy_status cy_plot_confusion(const int64_t *counts, int classes, const char *const *names, cy_plot_options options,
                            const char *png, const char *svg) {
  (void)counts, (void)classes, (void)names, (void)options, (void)png, (void)svg;
  return no_cairo();
}

cy_status cy_plot_images(const cy_tensor *images, const char *const *captions, int columns, cy_plot_options options,
                         const char *png, const char *svg) {
  (void)images, (void)captions, (void)columns, (void)options, (void)png, (void)svg;
  return no_cairo();
}

cy_status cy_plot_paths(const cy_plot_function *function, const cy_plot_path *paths, int n_paths, cy_plot_options options,
                        const char *png, const char *svg) {
  (void)function, (void)paths, (void)n_paths, (void)options, (void)png, (void)svg;
  return no_cairo();
}

cy_status cy_plot_regions(const cy_plot_plane *plane, cy_plot_options options, const char *png, const char *svg) {
  (void)plane, (void)options, (void)png, (void)svg;
  return no_cairo();
}
