/* Gradients against closed forms, where a layer has one: those of batch normalisation in training (coursework C.I), computed
 * here by loops from the layer's input and the gradient of its output, with nothing of the graph but epsilon. */
#include "analyze/check.h"

#include "ops/ops.h"
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

/* One layer: x and dy are [batch, channels, space...]. */
typedef struct closed_form {
  const double *x, *dy;
  int64_t batch, channels, space;
  double epsilon;
  const cy_tensor *scale;   /* NULL: 1 */
  const cy_tensor *dx, *dscale, *dshift; /* the library's; NULL if there are none */
} closed_form;

/* The layer's own normalisation, told by its operation. */
static bool find_epsilon(const cy_graph *graph, double *epsilon) {
  for (int32_t id = 0; id < cy_graph_size(graph); id++) {
    const cy_node *node = cy_node_at(graph, id);
    if (node->op != &cy_op_normalize) continue;
    for (const cy_field *field = node->op->fields; field->name; field++)
      if (strcmp(field->name, "epsilon") == 0) memcpy(epsilon, (const char *)node->attrs + field->offset, sizeof *epsilon);
    return true;
  }
  return false;
}

/* The largest difference, and the largest number of the closed form. */
typedef struct spread {
  double difference, size;
} spread;

static void note(spread *s, const cy_tensor *tensor, int64_t at, double expected) {
  double difference = fabs(cy_tensor_at(tensor, at) - expected);
  s->difference = difference <= s->difference ? s->difference : difference; /* NaN stays */
  s->size = fmax(s->size, fabs(expected));
}

static double relative(spread s) { return s.difference == 0 ? 0 : s.difference / s.size; }

/* With xhat = (x - mean) / sqrt(var + epsilon) over the m values of a channel:
 * dshift = sum dy, dscale = sum dy xhat, dx = scale / (m sqrt(var + epsilon)) (m dy - sum dy - xhat sum dy xhat). */
static void compare_channel(const closed_form *c, int64_t channel, spread *dx, spread *dscale, spread *dshift) {
  double m = (double)(c->batch * c->space), mean = 0, variance = 0, sum = 0, along = 0;
#define EACH(i)                                              \
  for (int64_t b = 0; b < c->batch; b++)                     \
    for (int64_t i = (b * c->channels + channel) * c->space, end_ = i + c->space; i < end_; i++)
  EACH(i) mean += c->x[i] / m;
  EACH(i) variance += (c->x[i] - mean) * (c->x[i] - mean) / m;
  double deviation = sqrt(variance + c->epsilon);
  EACH(i) sum += c->dy[i];
  EACH(i) along += c->dy[i] * (c->x[i] - mean) / deviation;
  double scale = c->scale ? cy_tensor_at(c->scale, channel) : 1;
  EACH(i) note(dx, c->dx, i, scale / (m * deviation) * (m * c->dy[i] - sum - (c->x[i] - mean) / deviation * along));
#undef EACH
  if (c->dscale) note(dscale, c->dscale, channel, along);
  if (c->dshift) note(dshift, c->dshift, channel, sum);
}

static bool ends_in(const char *name, const char *end) {
  size_t n = strlen(name), m = strlen(end);
  return n >= m && strcmp(name + n - m, end) == 0;
}

cy_status cy_check_closed_form(cy_checked *checked, const char *layer, cy_function *f, const cy_tensor *input,
                               const cy_tensor *cotangent) {
  cy_shape shape = cy_tensor_shape(input);
  closed_form c = {.x = cy_tensor_f64(input), .dy = cy_tensor_f64(cotangent), .batch = shape.dim[0],
                   .channels = shape.dim[1], .space = 1};
  spread dx = {0}, dscale = {0}, dshift = {0};
  if (!find_epsilon(f->graph, &c.epsilon)) return CY_OK;
  for (int i = 2; i < shape.rank; i++) c.space *= shape.dim[i];
  CY_TRY(cy_take_gradient(f));
  c.dx = cy_session_output(f->slopes.session, 0);
  for (int k = 1; k < f->n; k++) {
    const cy_tensor *gradient = cy_session_output(f->slopes.session, k);
    if (ends_in(f->varied[k].name, ".scale")) c.dscale = gradient, c.scale = f->varied[k].at;
    if (ends_in(f->varied[k].name, ".shift")) c.dshift = gradient;
  }
  for (int64_t channel = 0; channel < c.channels; channel++) compare_channel(&c, channel, &dx, &dscale, &dshift);
  double worst = fmax(relative(dx), fmax(relative(dscale), relative(dshift)));
  if (isnan(dx.difference) || isnan(dscale.difference) || isnan(dshift.difference)) worst = INFINITY;
  return cy_check_add(checked->report,
                      (cy_check_row){.kind = CY_CHECK_BATCH_NORM, .layer = layer, .subject = layer, .training = true,
                                     .figure = worst, .compared = 1 + !!c.dscale + !!c.dshift});
}
