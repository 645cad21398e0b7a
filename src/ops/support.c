/* What the operation families share. */
#include "ops/ops.h"

cy_value cy_tangent_sum(cy_value s, cy_value t) {
  return !cy_is_value(s) ? t : !cy_is_value(t) ? s : cy_add(s, t);
}

cy_value cy_tangent_difference(cy_value s, cy_value t) {
  return !cy_is_value(t) ? s : !cy_is_value(s) ? cy_neg(t) : cy_sub(s, t);
}

cy_value cy_tangent_choose(cy_value condition, cy_value s, cy_value t) {
  if (!cy_is_value(s) && !cy_is_value(t)) return cy_none;
  if (!cy_is_value(s)) s = cy_zeros_like(t);
  if (!cy_is_value(t)) t = cy_zeros_like(s);
  return cy_select(condition, s, t);
}

cy_value cy_jvp_linear(const cy_rule *rule) {
  return cy_make(rule->graph, rule->node->op, &rule->tangent[0], 1, rule->node->attrs);
}

enum { MOST_FACTORS = 4 };

cy_value cy_jvp_multilinear(const cy_rule *rule) {
  cy_value total = cy_none, factors[MOST_FACTORS];
  for (int i = 0; i < rule->node->n_inputs; i++) {
    if (!cy_op_is_linear_in(rule->node->op, i) || !cy_is_value(rule->tangent[i])) continue;
    for (int k = 0; k < rule->node->n_inputs; k++) factors[k] = k == i ? rule->tangent[k] : rule->in[k];
    total = cy_tangent_sum(total, cy_remake(rule->graph, rule->node, factors));
  }
  return total;
}

cy_shape cy_shape_in_front(int64_t extent, cy_shape shape) {
  cy_shape out = {.rank = shape.rank + 1, .dim = {extent}};
  for (int i = 0; i < shape.rank && i + 1 < CY_MAX_RANK; i++) out.dim[i + 1] = shape.dim[i];
  return out;
}

cy_value cy_batched(const cy_rule *r, const bool *batched, int i, int64_t extent) {
  return batched[i] ? r->in[i] : cy_broadcast(r->in[i], cy_shape_in_front(extent, cy_value_shape(r->in[i])));
}

/* op with other attributes on all operands, batched. */
static cy_value batch_with(const cy_rule *r, const bool *batched, int64_t extent, const void *attrs) {
  cy_value few[8] = {cy_none}, *in = r->node->n_inputs <= 8 ? few : cy_calloc((size_t)r->node->n_inputs, sizeof *in), v;
  if (!in) {
    cy_graph_fail(r->graph, CY_NO_MEMORY, "out of memory");
    return cy_none;
  }
  for (int i = 0; i < r->node->n_inputs; i++) in[i] = cy_batched(r, batched, i, extent);
  v = cy_make(r->graph, r->node->op, in, r->node->n_inputs, attrs);
  if (in != few) cy_free(in);
  return v;
}

cy_value cy_batch_same(const cy_rule *r, const bool *batched, int64_t extent) {
  return batch_with(r, batched, extent, r->node->attrs);
}

cy_value cy_batch_along(const cy_rule *r, const bool *batched, int64_t extent) {
  cy_axis_attrs attrs = {CY_ATTRS(cy_axis_attrs, r)->axis + 1};
  return batch_with(r, batched, extent, &attrs);
}

cy_value cy_batch_images(const cy_rule *r, const bool *batched, int64_t extent) {
  cy_value in[2];
  for (int i = 0; i < r->node->n_inputs && i < 2; i++) {
    cy_value v = cy_batched(r, batched, i, extent);
    cy_shape shape = cy_value_shape(r->in[i]);
    if (batched[i])
      for (int k = 0; k + 1 < shape.rank; k++) shape.dim[k] = shape.dim[k + 1];
    shape.rank -= batched[i];
    shape.dim[0] *= extent;
    in[i] = cy_reshape(v, shape);
  }
  cy_value v = cy_make(r->graph, r->node->op, in, r->node->n_inputs, r->node->attrs);
  return cy_reshape(v, cy_shape_in_front(extent, r->node->shape));
}

cy_value cy_move_axis(cy_value v, int from, int to) {
  int order[CY_MAX_RANK];
  if (!cy_is_value(v) || from == to) return v;
  for (int i = 0; i < cy_value_shape(v).rank; i++) order[i] = i < to || i > from ? i : i == to ? from : i - 1;
  return cy_permute(v, order);
}

const cy_field cy_axis_fields[] = {CY_INT_FIELD(cy_axis_attrs, axis), CY_END_FIELDS};

cy_status cy_check_axis(int64_t axis, int rank) {
  return axis >= 0 && axis < rank
             ? CY_OK
             : cy_fail(CY_INVALID, "axis %lld is outside the %d axes", (long long)axis, rank);
}

int cy_axis(cy_value a, const char *op, int axis) {
  if (!cy_is_value(a)) return -1;
  char text[CY_SHAPE_TEXT];
  cy_shape shape = cy_value_shape(a);
  if (axis >= -shape.rank && axis < shape.rank) return axis < 0 ? axis + shape.rank : axis;
  cy_graph_fail(a.graph, CY_INVALID, "%s: axis %d is outside the %d axes of shape %s", op, axis, shape.rank,
                cy_shape_text(shape, text));
  return -1;
}

bool cy_axis_set(cy_value a, const char *op, const int *axes, int n, bool set[CY_MAX_RANK]) {
  if (!cy_is_value(a)) return false;
  for (int i = 0; i < CY_MAX_RANK; i++) set[i] = !axes && n == 0 && i < cy_value_shape(a).rank;
  for (int i = 0; axes && i < n; i++) {
    int axis = cy_axis(a, op, axes[i]);
    if (axis < 0) return false;
    if (set[axis]) {
      cy_graph_fail(a.graph, CY_INVALID, "%s: axis %d is named twice", op, axes[i]);
      return false;
    }
    set[axis] = true;
  }
  return true;
}

cy_status cy_fail_shapes(const char *format, cy_shape a, cy_shape b) {
  char first[CY_SHAPE_TEXT], second[CY_SHAPE_TEXT];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
  return cy_fail(CY_INVALID, format, cy_shape_text(a, first), cy_shape_text(b, second));
#pragma GCC diagnostic pop
}

double cy_cost_zero(const void *attrs, const cy_type *in, int n, const cy_type *out) {
  (void)attrs, (void)in, (void)n, (void)out;
  return 0;
}

double cy_cost_operands(const void *attrs, const cy_type *in, int n, const cy_type *out) {
  double total = 0;
  (void)attrs, (void)out;
  for (int i = 0; i < n; i++) total += (double)cy_count(in[i].shape);
  return total;
}

void cy_reach_pointwise(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
  (void)attrs, (void)n, (void)out;
  for (int i = 0; i < in[operand].shape.rank; i++) reach[i] = cy_reach_same(i);
}

cy_shape cy_sample_shape(cy_rng *rng, int low, int high, bool empty) {
  cy_shape shape = {.rank = low + (int)cy_rng_below(rng, high - low + 1)};
  for (int i = 0; i < shape.rank; i++) shape.dim[i] = 1 + cy_rng_below(rng, 4);
  if (empty && shape.rank && cy_rng_below(rng, 8) == 0) shape.dim[cy_rng_below(rng, shape.rank)] = 0;
  return shape;
}

void cy_sample_operand(cy_sample *sample, int i, cy_dtype dtype, cy_shape shape, double low, double high) {
  if (sample->n_inputs <= i) sample->n_inputs = i + 1;
  sample->type[i] = (cy_type){dtype, shape};
  sample->low[i] = low;
  sample->high[i] = high;
}

cy_value cy_basis(cy_graph *graph, cy_type type, int64_t k) {
  int64_t count = cy_count(type.shape);
  cy_value place = cy_iota(graph, CY_I64, CY_SHAPE(count), 0), chosen = cy_full(graph, CY_I64, CY_SHAPE(count), (double)k);
  return cy_reshape(cy_convert(cy_eq(place, chosen), type.dtype), type.shape);
}
