/* Loops as rows: the loop itself and the parts that are read of it. A loop's value has no elements; its tangent is the
 * bundle of its parts' tangents, its cotangent the bundle of their cotangents. */
#include "ops/scan.h"

/* ---- the loop ---- */

static const cy_field scan_fields[] = {{"body", CY_FIELD_BODY, offsetof(cy_scan_attrs, body)},
                                       CY_INT_FIELD(cy_scan_attrs, length), CY_INT_FIELD(cy_scan_attrs, reverse),
                                       CY_INT_FIELD(cy_scan_attrs, recompute), CY_END_FIELDS};

static const cy_body *body_of(const cy_scan_attrs *a) { return (const cy_body *)(uintptr_t)a->body; }

static cy_status check_operands(const char *what, const cy_body *body, const int32_t *leaves, int n, const cy_type *in,
                                int64_t length) {
  char p[CY_SHAPE_TEXT], q[CY_SHAPE_TEXT];
  for (int k = 0; k < n; k++) {
    if (leaves[k] < 0) continue;
    cy_type type = cy_body_type(body, leaves[k]);
    if (length >= 0) type.shape = cy_shape_in_front(length, type.shape);
    if (type.dtype != in[k].dtype || !cy_shape_equal(type.shape, in[k].shape))
      return cy_fail(CY_INVALID, "%s %d is %s %s, the body takes %s %s", what, k, cy_dtype_name(in[k].dtype),
                     cy_shape_text(in[k].shape, p), cy_dtype_name(type.dtype), cy_shape_text(type.shape, q));
  }
  return CY_OK;
}

static cy_status infer_scan(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const cy_scan_attrs *a = attrs;
  const cy_body *body = body_of(a);
  const cy_type *carry = in + body->n_constants, *inputs = carry + body->n_carry;
  if (n != body->n_constants + body->n_carry + body->n_inputs)
    return cy_fail(CY_INVALID, "the body takes %d constants, %d carries and %d inputs; there are %d operands",
                   body->n_constants, body->n_carry, body->n_inputs, n);
  if (a->length < 1) return cy_fail(CY_INVALID, "a loop of %lld steps", (long long)a->length);
  CY_TRY(check_operands("constant", body, body->constants, body->n_constants, in, -1));
  CY_TRY(check_operands("carry", body, body->carry, body->n_carry, carry, -1));
  CY_TRY(check_operands("carry", body, body->next, body->n_carry, carry, -1));
  CY_TRY(check_operands("input", body, body->inputs, body->n_inputs, inputs, a->length));
  *out = (cy_type){body->n_carry ? carry[0].dtype : CY_F32, CY_SHAPE(0)};
  return CY_OK;
}

static double cost_scan(const void *attrs, const cy_type *in, int n, const cy_type *out) {
  const cy_scan_attrs *a = attrs;
  (void)in, (void)n, (void)out;
  return (double)a->length * cy_body_cost(body_of(a));
}

const cy_op cy_op_scan = {
    .name = "scan", .op_class = CY_CLASS_GENERAL, .arity = -1, .attr_size = sizeof(cy_scan_attrs),
    .fields = scan_fields, .scalar = -1, .loop = true, .infer = infer_scan, .jvp = cy_scan_jvp,
    .pull = cy_scan_pull, .cost = cost_scan};

/* ---- its parts ---- */

static const cy_field part_fields[] = {CY_INT_FIELD(cy_scan_part_attrs, index), CY_END_FIELDS};

static cy_status infer_part(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const cy_scan_part_attrs *a = attrs;
  (void)n;
  *out = (cy_type){(cy_dtype)a->dtype, cy_shape_of(&a->shape)};
  if (in[0].shape.rank != 1 || in[0].shape.dim[0] != 0) return cy_fail(CY_INVALID, "the operand is no loop");
  return cy_dtype_is_float(out->dtype) ? CY_OK : cy_fail(CY_INVALID, "only f32 and f64 can be read of a loop");
}

/* Its own among the tangents of the loop's parts. */
static cy_value find_in_bundle(cy_value bundle, int part, int64_t index) {
  while (cy_is_value(bundle)) {
    const cy_node *node = cy_node_of(bundle);
    bool sum = node->op != &cy_op_scan_bundle;
    const cy_node *leaf = sum ? cy_node_at(bundle.graph, node->inputs[1]) : node;
    const cy_scan_bundle_attrs *a = leaf->attrs;
    if (a->part == part && a->index == index) return cy_value_at(bundle.graph, leaf->inputs[0]);
    bundle = sum ? cy_value_at(bundle.graph, node->inputs[0]) : cy_none;
  }
  return cy_none;
}

static cy_value jvp_part(const cy_rule *r) {
  return find_in_bundle(r->tangent[0], r->node->op->part, CY_ATTRS(cy_scan_part_attrs, r)->index);
}

static cy_value transpose_part(const cy_rule *r, int i, cy_value ct) {
  cy_scan_bundle_attrs a = {r->node->op->part, CY_ATTRS(cy_scan_part_attrs, r)->index, cy_value_dtype(r->in[i])};
  return cy_make(r->graph, &cy_op_scan_bundle, &ct, 1, &a);
}

#define PART(op_name, kind)                                                                                            \
  {                                                                                                                    \
    .name = op_name, .op_class = CY_CLASS_LINEAR, .arity = 1, .attr_size = sizeof(cy_scan_part_attrs),                 \
    .fields = part_fields, .linear = 1, .scalar = -1, .part = kind, .infer = infer_part, .jvp = jvp_part,              \
    .transpose = transpose_part, .cost = cy_cost_zero                                                                  \
  }

const cy_op cy_op_scan_sequence = PART("scan_sequence", CY_RESULT_SEQUENCE);
const cy_op cy_op_scan_carries = PART("scan_carries", CY_RESULT_CARRIES);
const cy_op cy_op_scan_last = PART("scan_last", CY_RESULT_LAST);

/* ---- bundles ---- */

static const cy_field bundle_fields[] = {CY_INT_FIELD(cy_scan_bundle_attrs, part),
                                         CY_INT_FIELD(cy_scan_bundle_attrs, index), CY_END_FIELDS};

static cy_status infer_bundle(const void *attrs, const cy_type *in, int n, cy_type *out) {
  (void)in, (void)n;
  *out = (cy_type){(cy_dtype)((const cy_scan_bundle_attrs *)attrs)->dtype, CY_SHAPE(0)};
  return CY_OK;
}

const cy_op cy_op_scan_bundle = {
    .name = "scan_bundle", .op_class = CY_CLASS_GENERAL, .arity = 1, .attr_size = sizeof(cy_scan_bundle_attrs),
    .fields = bundle_fields, .scalar = -1, .infer = infer_bundle, .jvp = cy_jvp_linear, .cost = cy_cost_zero};

/* ---- reading ---- */

static cy_value read_part(cy_value scan, const cy_op *op, int64_t index, cy_dtype dtype, cy_shape shape) {
  cy_scan_part_attrs a = {index, dtype, cy_list_of(shape)};
  return cy_make(scan.graph, op, &scan, 1, &a);
}

static const cy_scan_attrs *attrs_of(cy_value scan) { return cy_node_of(scan)->attrs; }

cy_value cy_scan_sequence(cy_value scan, int32_t id) {
  if (!cy_is_value(scan) || cy_graph_failed(scan.graph)) return cy_failed(scan.graph);
  cy_type type = cy_body_type(body_of(attrs_of(scan)), id);
  return read_part(scan, &cy_op_scan_sequence, id, type.dtype, cy_shape_in_front(attrs_of(scan)->length, type.shape));
}

static cy_value read_carry(cy_value scan, const cy_op *op, int k, bool all) {
  if (!cy_is_value(scan) || cy_graph_failed(scan.graph)) return cy_failed(scan.graph);
  const cy_body *body = body_of(attrs_of(scan));
  cy_type type = cy_body_type(body, body->next[k]);
  return read_part(scan, op, k, type.dtype,
                   all ? cy_shape_in_front(attrs_of(scan)->length + 1, type.shape) : type.shape);
}

cy_value cy_scan_carries(cy_value scan, int k) { return read_carry(scan, &cy_op_scan_carries, k, true); }
cy_value cy_scan_last(cy_value scan, int k) { return read_carry(scan, &cy_op_scan_last, k, false); }

static cy_value carries_from(cy_value scan, int k, bool later) {
  cy_value all = cy_scan_carries(scan, k);
  return cy_is_value(all) ? cy_slice_axis(all, 0, later, later + attrs_of(scan)->length) : all;
}

cy_value cy_scan_before(cy_value scan, int k) {
  return cy_is_value(scan) ? carries_from(scan, k, attrs_of(scan)->reverse) : cy_failed(scan.graph);
}
cy_value cy_scan_after(cy_value scan, int k) {
  return cy_is_value(scan) ? carries_from(scan, k, !attrs_of(scan)->reverse) : cy_failed(scan.graph);
}

static int find(const int32_t *ids, int n, int32_t id) {
  for (int k = 0; k < n; k++)
    if (ids[k] == id) return k;
  return -1;
}

cy_value cy_scan_read(cy_value scan, int32_t id) {
  if (!cy_is_value(scan) || cy_graph_failed(scan.graph)) return cy_failed(scan.graph);
  const cy_node *node = cy_node_of(scan);
  const cy_body *body = body_of(node->attrs);
  int k = find(body->carry, body->n_carry, id);
  if (k >= 0) return cy_scan_before(scan, k);
  k = find(body->inputs, body->n_inputs, id);
  if (k >= 0) return cy_value_at(scan.graph, node->inputs[body->n_constants + body->n_carry + k]);
  k = find(body->next, body->n_carry, id);
  return k >= 0 ? cy_scan_after(scan, k) : cy_scan_sequence(scan, id);
}
