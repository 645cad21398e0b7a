/* Gradient flow as a picture: the norm by lag on a logarithmic scale, where a constant factor is a straight line; below
 * it the singular values of steps. */
#include "cli/flow.h"

#include "cli/model_file.h"

#include <math.h>
#include <stdio.h>

enum { CURVES = 24, NAME = CLI_FLOW_LABEL + 120 };

typedef struct curves {
  cy_plot_series norms[CURVES], values[2 * CURVES];
  char names[CURVES][NAME];
  double *x[CURVES], *steps[CURVES], *largest[CURVES], *smallest[CURVES];
  int n, n_values;
} curves;

static void clear(curves *c) {
  for (int i = 0; i < c->n; i++) {
    cy_free(c->x[i]);
    cy_free(c->steps[i]);
    cy_free(c->largest[i]);
    cy_free(c->smallest[i]);
  }
}

/* The gradient by the memory where there is one: what it is for. */
static cy_status add(curves *c, const cli_flow_case *of, const cy_flow_layer *layer) {
  int k = c->n;
  if (k == CURVES) return CY_OK;
  c->x[k] = cy_calloc((size_t)layer->steps, sizeof **c->x);
  c->steps[k] = cy_calloc((size_t)layer->n_jacobians, sizeof **c->steps);
  c->largest[k] = cy_calloc((size_t)layer->n_jacobians, sizeof **c->largest);
  c->smallest[k] = cy_calloc((size_t)layer->n_jacobians, sizeof **c->smallest);
  c->n++;
  if (!c->x[k] || !c->steps[k] || !c->largest[k] || !c->smallest[k]) return cy_no_memory();
  for (int64_t t = 0; t < layer->steps; t++) c->x[k][t] = (double)t;
  snprintf(c->names[k], NAME, "%s%s%s%s", of->label, of->flow->n_layers > 1 ? " " : "",
           of->flow->n_layers > 1 ? layer->name : "", layer->memory ? " (memory)" : "");
  int color = k % 8 + 1;
  c->norms[k] = (cy_plot_series){.name = c->names[k],
                                 .x = c->x[k],
                                 .n = layer->steps,
                                 .color = color,
                                 .y = layer->memory ? layer->memory : layer->gradient};
  for (int i = 0; i < layer->n_jacobians; i++) {
    c->steps[k][i] = (double)layer->jacobians[i].step;
    c->largest[k][i] = layer->jacobians[i].largest;
    c->smallest[k][i] = layer->jacobians[i].smallest;
  }
  cy_plot_series of_steps = {.x = c->steps[k], .y = c->largest[k], .n = layer->n_jacobians, .color = color};
  c->values[c->n_values++] = of_steps;
  of_steps.y = c->smallest[k];
  of_steps.dashed = true;
  c->values[c->n_values++] = of_steps;
  return CY_OK;
}

/* The scale ends where nothing is left in f64, and has some room for what keeps its size. */
static void set_range(const curves *c, cy_plot_panel *panel) {
  double low = INFINITY, high = 0;
  for (int k = 0; k < c->n; k++)
    for (int64_t i = 0; i < c->norms[k].n; i++) {
      double y = c->norms[k].y[i];
      if (!(y > 0) || !isfinite(y)) continue;
      low = fmin(low, y);
      high = fmax(high, y);
    }
  if (!(high > 0)) return;
  panel->y_high = 3 * high;
  panel->y_low = fmax(low / 3, high * 1e-40);
}

static cy_status draw(const cli_flow *f, curves *c) {
  cy_status status = CY_OK;
  for (int i = 0; status == CY_OK && i < f->n; i++)
    for (int k = 0; status == CY_OK && k < f->cases[i].flow->n_layers; k++)
      status = add(c, &f->cases[i], &f->cases[i].flow->layers[k]);
  CY_TRY(status);
  cy_plot_panel panels[2] = {{.y_label = "|dL/dh_k|", .series = c->norms, .n_series = c->n, .log_y = true},
                             {.y_label = "singular values of steps", .series = c->values, .n_series = c->n_values}};
  set_range(c, &panels[0]);
  const cli_flow_case *first = &f->cases[0];
  char subtitle[200];
  snprintf(subtitle, sizeof subtitle,
           "L: %s; below: the largest (dashed: smallest) singular value of a step's Jacobian", first->loss);
  cy_plot_options options = {.title = "Gradients through time",
                             .subtitle = subtitle,
                             .no_ends = true,
                             .x_label = "above: lag, steps between the state and the loss; below: step"};
  char *png = cli_join(f->folder, "flow.png"), *svg = cli_join(f->folder, "flow.svg");
  status = png && svg ? cy_plot_lines(panels, 2, options, png, svg) : cy_no_memory();
  cy_string_free(png);
  cy_string_free(svg);
  return status;
}

cy_status cli_flow_draw(const cli_flow *f) {
  curves *c = cy_calloc(1, sizeof *c);
  if (!c) return cy_no_memory();
  cy_status status = draw(f, c);
  clear(c);
  cy_free(c);
  return status;
}
