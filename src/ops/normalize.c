/* Normalisation: the composite that batch and layer normalisation share. Its tangent is stated in terms of its own
 * result, so that the backward pass needs no third sweep over the operand (coursework C.I: transposed, it is the
 * closed form). */
#include "ops/ops.h"

#include <string.h>

typedef struct normalize_attrs {
  cy_list axes; /* increasing */
  double epsilon;
} normalize_attrs;

static const cy_field normalize_fields[] = {CY_LIST_FIELD(normalize_attrs, axes),
                                            {"epsilon", CY_FIELD_REAL, offsetof(normalize_attrs, epsilon)},
                                            CY_END_FIELDS};

static cy_status infer_normalize(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const normalize_attrs *a = attrs;
  (void)n;
  for (int i = 0; i < a->axes.n; i++)
    if (a->axes.at[i] < 0 || a->axes.at[i] >= in[0].shape.rank || (i && a->axes.at[i] <= a->axes.at[i - 1]))
      return cy_fail(CY_INVALID, "axes must be increasing axes of the operand");
  *out = in[0];
  if (!(a->epsilon >= 0)) return cy_fail(CY_INVALID, "epsilon must not be negative, not %g", a->epsilon);
  return cy_dtype_is_float(in[0].dtype)
             ? CY_OK
             : cy_fail(CY_INVALID, "the operand is %s; it takes f32 and f64", cy_dtype_name(in[0].dtype));
}

/* The mean over the rule's axes, kept as extents of 1. */
static cy_value mean_of(const cy_rule *r, cy_value v) {
  const normalize_attrs *a = CY_ATTRS(normalize_attrs, r);
  int axes[CY_MAX_RANK];
  for (int i = 0; i < a->axes.n; i++) axes[i] = (int)a->axes.at[i];
  return cy_mean(v, axes, (int)a->axes.n, true);
}

/* 1 / sqrt(variance + epsilon): a node of the body, so it has derivatives too. */
static cy_value reciprocal_deviation(const cy_rule *r, cy_value centred) {
  return cy_rsqrt(cy_add_scalar(mean_of(r, cy_square(centred)), CY_ATTRS(normalize_attrs, r)->epsilon));
}

static cy_value expand_normalize(const cy_rule *r) {
  cy_value centred = cy_sub(r->in[0], mean_of(r, r->in[0]));
  return cy_mul(centred, reciprocal_deviation(r, centred));
}

/* y' = rstd (t - mean(t) - y mean(t y)): the mean of the squares of y is not needed, whatever epsilon is, because
 * d rstd = -rstd^2 mean(y t) and y = rstd (x - mean). */
static cy_value jvp_normalize(const cy_rule *r) {
  cy_value t = r->tangent[0];
  if (!cy_is_value(t)) return cy_none;
  cy_value rstd = reciprocal_deviation(r, cy_sub(r->in[0], mean_of(r, r->in[0])));
  cy_value along = cy_mul(r->out, mean_of(r, cy_mul(t, r->out)));
  return cy_mul(rstd, cy_sub(cy_sub(t, mean_of(r, t)), along));
}

static void reach_normalize(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand,
                            cy_reach *reach) {
  const normalize_attrs *a = attrs;
  cy_reach_pointwise(attrs, in, n, out, operand, reach);
  for (int i = 0; i < a->axes.n; i++) reach[a->axes.at[i]] = cy_reach_all();
}

/* About eight operations per element. */
static double cost_normalize(const void *attrs, const cy_type *in, int n, const cy_type *out) {
  return 8 * cy_cost_operands(attrs, in, n, out);
}

static cy_value batch_normalize(const cy_rule *r, const bool *batched, int64_t extent) {
  normalize_attrs attrs = *CY_ATTRS(normalize_attrs, r);
  (void)batched, (void)extent;
  for (int i = 0; i < attrs.axes.n; i++) attrs.axes.at[i]++;
  return cy_make(r->graph, r->node->op, r->in, 1, &attrs);
}

static void sample_normalize(const cy_op *op, cy_rng *rng, cy_sample *s) {
  cy_shape shape = cy_sample_shape(rng, 1, 4, false);
  normalize_attrs attrs = {.epsilon = cy_rng_below(rng, 2) ? 1e-1 : 1};
  (void)op;
  for (int i = 0; i < shape.rank; i++)
    if (cy_rng_below(rng, 2)) attrs.axes.at[attrs.axes.n++] = i;
  if (attrs.axes.n == 0) attrs.axes.n = 1; /* axis 0 */
  cy_sample_operand(s, 0, CY_F64, shape, -2, 2);
  memcpy(s->attrs, &attrs, sizeof attrs);
}

const cy_op cy_op_normalize = {
    .name = "normalize", .op_class = CY_CLASS_COMPOSITE, .arity = 1, .attr_size = sizeof(normalize_attrs),
    .fields = normalize_fields, .scalar = -1, .infer = infer_normalize, .jvp = jvp_normalize, 
    .expand = expand_normalize, .cost = cost_normalize, .reach = reach_normalize, .batch = batch_normalize,
    .sample = sample_normalize};

cy_value cy_normalize(cy_value a, const int *axes, int n, double epsilon) {
  bool set[CY_MAX_RANK];
  normalize_attrs attrs = {.epsilon = epsilon};
  if (!cy_is_value(a) || !cy_axis_set(a, "normalize", axes, n, set)) return cy_failed(a.graph);
  for (int i = 0; i < CY_MAX_RANK; i++)
    if (set[i]) attrs.axes.at[attrs.axes.n++] = i;
  return cy_make(a.graph, &cy_op_normalize, &a, 1, &attrs);
}
