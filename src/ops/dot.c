/* Contraction: the product of two tensors over pairs of axes, carried along batch axes. Bilinear; any transposition of
 * the operands is expressed by the axis lists, so transposes fold away. */
#include "ops/dot.h"

#include <string.h>

const cy_field cy_dot_fields[] = {CY_LIST_FIELD(cy_dot_attrs, a_batch), CY_LIST_FIELD(cy_dot_attrs, b_batch),
                                      CY_LIST_FIELD(cy_dot_attrs, a_contract), CY_LIST_FIELD(cy_dot_attrs, b_contract),
                                      CY_END_FIELDS};

static bool has(const cy_list *list, int64_t axis) {
  for (int i = 0; i < list->n; i++)
    if (list->at[i] == axis) return true;
  return false;
}

int cy_dot_free_axes(int rank, const cy_list *batch, const cy_list *contract, int axes[CY_MAX_RANK]) {
  int n = 0;
  for (int i = 0; i < rank; i++)
    if (!has(batch, i) && !has(contract, i)) axes[n++] = i;
  return n;
}

static cy_status check_pairs(const char *what, const cy_list *x, const cy_list *y, cy_shape a, cy_shape b) {
  char p[CY_SHAPE_TEXT], q[CY_SHAPE_TEXT];
  for (int i = 0; i < x->n; i++) {
    if (x->at[i] < 0 || x->at[i] >= a.rank || y->at[i] < 0 || y->at[i] >= b.rank)
      return cy_fail(CY_INVALID, "%s axes %lld and %lld are outside shapes %s and %s", what, (long long)x->at[i],
                     (long long)y->at[i], cy_shape_text(a, p), cy_shape_text(b, q));
    if (a.dim[x->at[i]] != b.dim[y->at[i]])
      return cy_fail(CY_INVALID, "shapes %s and %s do not fit: %s axis %lld of the left is %lld, axis %lld of the right is %lld",
                     cy_shape_text(a, p), cy_shape_text(b, q), what, (long long)x->at[i], (long long)a.dim[x->at[i]],
                     (long long)y->at[i], (long long)b.dim[y->at[i]]);
  }
  return CY_OK;
}

static cy_status check_distinct(const cy_list *batch, const cy_list *contract) {
  uint32_t seen = 0;
  for (int i = 0; i < batch->n + contract->n; i++) {
    int64_t axis = i < batch->n ? batch->at[i] : contract->at[i - batch->n];
    if (seen >> axis & 1) return cy_fail(CY_INVALID, "axis %lld is used twice", (long long)axis);
    seen |= 1u << axis;
  }
  return CY_OK;
}

static cy_status infer_dot(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const cy_dot_attrs *d = attrs;
  int axes[CY_MAX_RANK];
  (void)n;
  if (in[0].dtype != in[1].dtype || in[0].dtype == CY_BOOL || in[0].dtype == CY_U8)
    return cy_fail(CY_INVALID, "operands have types %s and %s; both must be the same of f32, f64, i32, i64",
                   cy_dtype_name(in[0].dtype), cy_dtype_name(in[1].dtype));
  CY_TRY(check_pairs("batch", &d->a_batch, &d->b_batch, in[0].shape, in[1].shape));
  CY_TRY(check_pairs("contracted", &d->a_contract, &d->b_contract, in[0].shape, in[1].shape));
  CY_TRY(check_distinct(&d->a_batch, &d->a_contract));
  CY_TRY(check_distinct(&d->b_batch, &d->b_contract));
  cy_shape shape = {0};
  int a_free = in[0].shape.rank - (int)(d->a_batch.n + d->a_contract.n);
  int b_free = in[1].shape.rank - (int)(d->b_batch.n + d->b_contract.n);
  if (d->a_batch.n + a_free + b_free > CY_MAX_RANK) return cy_fail(CY_INVALID, "the result has more than 8 axes");
  for (int i = 0; i < d->a_batch.n; i++) shape.dim[shape.rank++] = in[0].shape.dim[d->a_batch.at[i]];
  cy_dot_free_axes(in[0].shape.rank, &d->a_batch, &d->a_contract, axes);
  for (int i = 0; i < a_free; i++) shape.dim[shape.rank++] = in[0].shape.dim[axes[i]];
  cy_dot_free_axes(in[1].shape.rank, &d->b_batch, &d->b_contract, axes);
  for (int i = 0; i < b_free; i++) shape.dim[shape.rank++] = in[1].shape.dim[axes[i]];
  *out = (cy_type){in[0].dtype, shape};
  return CY_OK;
}

/* ---- derivatives ---- */

/* With c = dot(a, b) and cotangent ct (axes: batch, a's free, b's free):
 *   d a = sum over b's free axes of ct * b, whose axes come out as batch, a's free, a's contracted (in b's order);
 * and alike for b. A permutation restores the operand's own order. */
static cy_value transpose_dot(const cy_rule *r, int operand, cy_value ct) {
  const cy_dot_attrs *d = CY_ATTRS(cy_dot_attrs, r);
  bool left = operand == 0;
  const cy_list *my_batch = left ? &d->a_batch : &d->b_batch, *my_contract = left ? &d->a_contract : &d->b_contract;
  const cy_list *other_batch = left ? &d->b_batch : &d->a_batch;
  const cy_list *other_contract = left ? &d->b_contract : &d->a_contract;
  cy_value other = r->in[1 - operand];
  int my_rank = cy_value_shape(r->in[operand]).rank, other_rank = cy_value_shape(other).rank;
  int my_free[CY_MAX_RANK], other_free[CY_MAX_RANK];
  int n_my = cy_dot_free_axes(my_rank, my_batch, my_contract, my_free);
  int n_other = cy_dot_free_axes(other_rank, other_batch, other_contract, other_free);
  int n_batch = (int)my_batch->n;

  cy_dot_axes axes = {.n_batch = n_batch, .n_contract = n_other};
  for (int i = 0; i < n_batch; i++) {
    axes.a_batch[i] = i;
    axes.b_batch[i] = (int)other_batch->at[i];
  }
  for (int i = 0; i < n_other; i++) {
    axes.a_contract[i] = n_batch + (left ? n_my : 0) + i;
    axes.b_contract[i] = other_free[i];
  }
  cy_value product = cy_dot(ct, other, axes);

  /* place[x]: where the operand's axis x came out. */
  int place[CY_MAX_RANK] = {0}, n = 0;
  for (int i = 0; i < n_batch; i++) place[my_batch->at[i]] = n++;
  for (int i = 0; i < n_my; i++) place[my_free[i]] = n++;
  for (int x = 0; x < other_rank; x++)
    for (int i = 0; i < other_contract->n; i++)
      if (other_contract->at[i] == x) place[my_contract->at[i]] = n++;
  return cy_permute(product, place);
}

/* ---- simplification ---- */

static cy_dot_axes axes_of(const cy_dot_attrs *d) {
  cy_dot_axes axes = {.n_batch = (int)d->a_batch.n, .n_contract = (int)d->a_contract.n};
  for (int i = 0; i < axes.n_batch; i++) {
    axes.a_batch[i] = (int)d->a_batch.at[i];
    axes.b_batch[i] = (int)d->b_batch.at[i];
  }
  for (int i = 0; i < axes.n_contract; i++) {
    axes.a_contract[i] = (int)d->a_contract.at[i];
    axes.b_contract[i] = (int)d->b_contract.at[i];
  }
  return axes;
}

/* If v permutes x and the free axes keep their order, uses x and renames the axes. */
static bool fold_permute(cy_value *v, int *batch, int n_batch, int *contract, int n_contract) {
  const cy_node *node = cy_node_of(*v);
  if (node->op != &cy_op_permute) return false;
  const cy_list *order = node->attrs; /* permute's only attribute */
  bool used[CY_MAX_RANK] = {false};
  for (int i = 0; i < n_batch; i++) used[batch[i]] = true;
  for (int i = 0; i < n_contract; i++) used[contract[i]] = true;
  int64_t last = -1;
  for (int i = 0; i < order->n; i++) {
    if (used[i]) continue;
    if (order->at[i] < last) return false;
    last = order->at[i];
  }
  for (int i = 0; i < n_batch; i++) batch[i] = (int)order->at[batch[i]];
  for (int i = 0; i < n_contract; i++) contract[i] = (int)order->at[contract[i]];
  *v = cy_value_at(v->graph, node->inputs[0]);
  return true;
}

/* Over a contracted extent of 1 the dot is an outer product: elementwise, so it can fuse with what follows. */
static cy_value outer_product(const cy_rule *r, const cy_dot_attrs *d) {
  cy_value parts[2];
  for (int side = 0; side < 2; side++) {
    const cy_list *batch = side ? &d->b_batch : &d->a_batch, *contract = side ? &d->b_contract : &d->a_contract;
    cy_shape from = cy_value_shape(r->in[side]);
    int free[CY_MAX_RANK], order[CY_MAX_RANK], axes[CY_MAX_RANK], n = cy_dot_free_axes(from.rank, batch, contract, free), k = 0;
    cy_shape packed = {0};
    for (int i = 0; i < batch->n; i++) order[k] = (int)batch->at[i], axes[k] = i, packed.dim[packed.rank++] = from.dim[order[k]], k++;
    for (int i = 0; i < n; i++) {
      order[k] = free[i];
      axes[k] = side ? r->node->shape.rank - n + i : (int)batch->n + i;
      packed.dim[packed.rank++] = from.dim[free[i]];
      k++;
    }
    for (int i = 0; i < contract->n; i++) order[k++] = (int)contract->at[i];
    parts[side] = cy_broadcast_axes(cy_reshape(cy_permute(r->in[side], order), packed), r->node->shape, axes);
  }
  return cy_mul(parts[0], parts[1]);
}

static cy_value simplify_dot(const cy_rule *r) {
  const cy_dot_attrs *d = CY_ATTRS(cy_dot_attrs, r);
  cy_shape a = cy_value_shape(r->in[0]);
  int64_t contracted = 1;
  for (int i = 0; i < d->a_contract.n; i++) contracted *= a.dim[d->a_contract.at[i]];
  if (r->late && contracted == 1 && cy_dtype_is_float(r->node->dtype)) return outer_product(r, d);
  cy_dot_axes axes = axes_of(d);
  cy_value x = r->in[0], y = r->in[1];
  bool folded = fold_permute(&x, axes.a_batch, axes.n_batch, axes.a_contract, axes.n_contract);
  folded = fold_permute(&y, axes.b_batch, axes.n_batch, axes.b_contract, axes.n_contract) || folded;
  return folded ? cy_dot(x, y, axes) : cy_none;
}

bool cy_dot_swap(const cy_dot_attrs *attrs, cy_value a, cy_value b, const cy_list *order, cy_dot_attrs *swapped) {
  int batch = (int)attrs->a_batch.n;
  int b_free = cy_value_shape(b).rank - batch - (int)attrs->b_contract.n;
  int a_free = cy_value_shape(a).rank - batch - (int)attrs->a_contract.n;
  for (int i = 0; i < order->n; i++) {
    int expected = i < batch ? i : i < batch + b_free ? i + a_free : i - b_free;
    if (order->at[i] != expected) return false;
  }
  *swapped = (cy_dot_attrs){attrs->b_batch, attrs->a_batch, attrs->b_contract, attrs->a_contract};
  return true;
}

/* ---- kernel ---- */

/* A view of some of the axes of an operand, in the given order. */
static void select_axes(const cy_view *v, const int64_t *axes, int n, cy_shape *shape, int64_t *stride) {
  for (int i = 0; i < n; i++) {
    stride[shape->rank] = v->stride[axes[i]];
    shape->dim[shape->rank++] = v->shape.dim[axes[i]];
  }
}

cy_dot_element cy_dot_element_begin(const cy_dot_attrs *d, const cy_view *a, const cy_view *b) {
  cy_dot_element e = {.a = a, .b = b};
  int free[CY_MAX_RANK], at = (int)d->a_batch.n;
  cy_shape same = {0};
  select_axes(a, d->a_contract.at, (int)d->a_contract.n, &e.inner, e.a_inner);
  select_axes(b, d->b_contract.at, (int)d->b_contract.n, &same, e.b_inner);
  for (int i = 0; i < d->a_batch.n; i++) {
    e.a_outer[i] = a->stride[d->a_batch.at[i]];
    e.b_outer[i] = b->stride[d->b_batch.at[i]];
  }
  int n = cy_dot_free_axes(a->shape.rank, &d->a_batch, &d->a_contract, free);
  for (int i = 0; i < n; i++) e.a_outer[at++] = a->stride[free[i]];
  n = cy_dot_free_axes(b->shape.rank, &d->b_batch, &d->b_contract, free);
  for (int i = 0; i < n; i++) e.b_outer[at++] = b->stride[free[i]];
  return e;
}

#define SUM_OF_PRODUCTS(T, Wide, total)                                                                     \
  do {                                                                                                      \
    const T *x = (const T *)e->a->data + cy_walk_offset(o, e->a_outer);                                     \
    const T *y = (const T *)e->b->data + cy_walk_offset(o, e->b_outer);                                     \
    for (cy_walk k = cy_walk_start(e->inner); k.more; cy_walk_next(&k))                                     \
      total += (Wide)x[cy_walk_offset(&k, e->a_inner)] * (Wide)y[cy_walk_offset(&k, e->b_inner)];           \
  } while (0)

double cy_dot_element_at(const cy_dot_element *e, const cy_walk *o) {
  double total = 0;
  if (e->a->dtype == CY_F32)
    SUM_OF_PRODUCTS(float, double, total);
  else
    SUM_OF_PRODUCTS(double, double, total);
  return total;
}

static int64_t integer_element_at(const cy_dot_element *e, const cy_walk *o) {
  int64_t total = 0;
  if (e->a->dtype == CY_I32)
    SUM_OF_PRODUCTS(int32_t, int64_t, total);
  else
    SUM_OF_PRODUCTS(int64_t, int64_t, total);
  return total;
}

static void kernel_dot(const cy_call *call) {
  cy_dot_element e = cy_dot_element_begin(call->attrs, &call->in[0], &call->in[1]);
  void *out = call->out->data;
  for (cy_walk w = cy_walk_start(call->out->shape); w.more; cy_walk_next(&w)) {
    int64_t at = cy_walk_offset(&w, call->out->stride);
    switch (call->out->dtype) {
      case CY_F32: case CY_F64: cy_store(out, call->out->dtype, at, cy_dot_element_at(&e, &w)); break;
      case CY_I32: ((int32_t *)out)[at] = (int32_t)integer_element_at(&e, &w); break;
      default: ((int64_t *)out)[at] = integer_element_at(&e, &w); break;
    }
  }
}

static double cost_dot(const void *attrs, const cy_type *in, int n, const cy_type *out) {
  const cy_dot_attrs *d = attrs;
  double k = 1;
  (void)n;
  for (int i = 0; i < d->a_contract.n; i++) k *= (double)in[0].shape.dim[d->a_contract.at[i]];
  return 2 * k * (double)cy_count(out->shape);
}

static void reach_dot(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach) {
  const cy_dot_attrs *d = attrs;
  const cy_list *batch = operand ? &d->b_batch : &d->a_batch, *contract = operand ? &d->b_contract : &d->a_contract;
  int axes[CY_MAX_RANK], rank = in[operand].shape.rank, free = cy_dot_free_axes(rank, batch, contract, axes);
  int first = operand ? out->shape.rank - free : (int)batch->n; /* the result's axis of the first free one */
  (void)n;
  for (int i = 0; i < rank; i++) reach[i] = cy_reach_all();
  for (int i = 0; i < batch->n; i++) reach[batch->at[i]] = cy_reach_same(i);
  for (int i = 0; i < free; i++) reach[axes[i]] = cy_reach_same(first + i);
}

/* Row i of a constant [rows, extent] (or its transpose) that multiplies bin i alone. */
static bool multiplies_bins(const void *content, const cy_type *matrix, int contracted) {
  int64_t in = matrix->shape.dim[contracted], out = matrix->shape.dim[1 - contracted];
  for (int64_t i = 0; i < out; i++)
    for (int64_t k = 0; k < in; k++) {
      bool inside = k >= cy_bin_start(i, in, out) && k < cy_bin_end(i, in, out);
      if ((cy_load(content, matrix->dtype, contracted ? i * in + k : k * out + i) != 0) != inside) return false;
    }
  return true;
}

/* Products with such a matrix reach bins rather than all. */
static void reach_known_dot(const void *attrs, const cy_type *in, int operand, const void *content, cy_reach *reach) {
  const cy_dot_attrs *d = attrs;
  const cy_type *matrix = &in[1 - operand];
  if (d->a_batch.n != 0 || d->a_contract.n != 1 || matrix->shape.rank != 2 || !cy_dtype_is_float(matrix->dtype)) return;
  int own = (int)(operand ? d->b_contract : d->a_contract).at[0];
  int contracted = (int)(operand ? d->a_contract : d->b_contract).at[0];
  if (multiplies_bins(content, matrix, contracted))
    reach[own] = cy_reach_bins(operand ? 0 : in[0].shape.rank - 1, matrix->shape.dim[contracted],
                               matrix->shape.dim[1 - contracted]);
}

/* ---- batching ---- */

static void shift(int *axes, int n) {
  for (int i = 0; i < n; i++) axes[i]++;
}

/* One side batched: its new axis is free, so that instances are rows of one product. Both: a batch axis. */
static cy_value batch_dot(const cy_rule *r, const bool *batched, int64_t extent) {
  cy_dot_axes axes = axes_of(CY_ATTRS(cy_dot_attrs, r));
  int at = batched[0] ? axes.n_batch : r->node->shape.rank; /* where the new axis comes out */
  (void)extent;
  if (batched[0]) shift(axes.a_batch, axes.n_batch), shift(axes.a_contract, axes.n_contract);
  if (batched[1]) shift(axes.b_batch, axes.n_batch), shift(axes.b_contract, axes.n_contract);
  if (batched[0] && batched[1]) {
    memmove(axes.a_batch + 1, axes.a_batch, (size_t)axes.n_batch * sizeof *axes.a_batch);
    memmove(axes.b_batch + 1, axes.b_batch, (size_t)axes.n_batch * sizeof *axes.b_batch);
    axes.a_batch[0] = axes.b_batch[0] = 0;
    axes.n_batch++;
    return cy_dot(r->in[0], r->in[1], axes);
  }
  if (batched[1]) at -= cy_value_shape(r->in[1]).rank - 1 - axes.n_batch - axes.n_contract; /* before b's free axes */
  return cy_move_axis(cy_dot(r->in[0], r->in[1], axes), at, 0);
}

/* ---- sampling: any axes in any order ---- */

static void sample_dot(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  int64_t a_axes[4] = {0, 1, 2, 3}, b_axes[4] = {0, 1, 2, 3};
  cy_shape a = cy_sample_shape(rng, 1, 4, true), b = cy_sample_shape(rng, 1, 4, true);
  int64_t shared = cy_rng_below(rng, (a.rank < b.rank ? a.rank : b.rank) + 1), batch = cy_rng_below(rng, shared + 1);
  cy_dot_attrs d = {0};
  cy_rng_shuffle(rng, a_axes, a.rank);
  cy_rng_shuffle(rng, b_axes, b.rank);
  for (int64_t i = 0; i < shared; i++) {
    b.dim[b_axes[i]] = a.dim[a_axes[i]];
    cy_list *x = i < batch ? &d.a_batch : &d.a_contract, *y = i < batch ? &d.b_batch : &d.b_contract;
    x->at[x->n++] = a_axes[i];
    y->at[y->n++] = b_axes[i];
  }
  cy_sample_operand(s, 0, CY_F64, a, -2, 2);
  cy_sample_operand(s, 1, CY_F64, b, -2, 2);
  memcpy(s->attrs, &d, sizeof d);
}

bool cy_dot_joins_around(const void *attrs, cy_shape shape, int operand) {
  const cy_dot_attrs *d = attrs;
  const cy_list *batch = operand ? &d->b_batch : &d->a_batch, *contract = operand ? &d->b_contract : &d->a_contract;
  int free[CY_MAX_RANK];
  const int n_free = cy_dot_free_axes(shape.rank, batch, contract, free);
  const bool one = batch->n == 0 && shape.rank > 2; /* two groups: axis 1, and all others */
  return one && ((n_free == 1 && free[0] == 1) || (contract->n == 1 && contract->at[0] == 1));
}

static bool unbatch_dot(const void *attrs, const cy_type *in, void *single) {
  cy_dot_attrs *s = single;
  *s = *(const cy_dot_attrs *)attrs;
  if (s->a_batch.n || in[0].shape.rank == 0) return false;
  for (int i = 0; i < s->a_contract.n; i++)
    if (s->a_contract.at[i]-- == 0) return false;
  return true;
}

const cy_op cy_op_dot = {
    .name = "dot", .op_class = CY_CLASS_MULTILINEAR, .arity = 2, .attr_size = sizeof(cy_dot_attrs), .fields = cy_dot_fields,
    .linear = 3, .scalar = -1, .infer = infer_dot, .jvp = cy_jvp_multilinear, .transpose = transpose_dot,
    .simplify = simplify_dot, .kernel = kernel_dot, .cost = cost_dot, .reach = reach_dot, .reach_known = reach_known_dot,
    .joins_around = cy_dot_joins_around, .big = true, .batch = batch_dot,
    .unbatch = unbatch_dot, .sample = sample_dot};

/* ---- builders ---- */

cy_value cy_dot(cy_value a, cy_value b, cy_dot_axes axes) {
  cy_value in[2] = {a, b};
  cy_graph *graph = cy_common_graph(in, 2);
  if (!graph || axes.n_batch < 0 || axes.n_contract < 0 || axes.n_batch > CY_MAX_RANK || axes.n_contract > CY_MAX_RANK) {
    if (graph) cy_graph_fail(graph, CY_INVALID, "dot: the number of axes is out of range");
    return cy_failed(graph);
  }
  cy_dot_attrs d = {.a_batch.n = axes.n_batch, .b_batch.n = axes.n_batch, .a_contract.n = axes.n_contract,
                 .b_contract.n = axes.n_contract};
  for (int i = 0; i < axes.n_batch; i++) {
    d.a_batch.at[i] = axes.a_batch[i];
    d.b_batch.at[i] = axes.b_batch[i];
  }
  for (int i = 0; i < axes.n_contract; i++) {
    d.a_contract.at[i] = axes.a_contract[i];
    d.b_contract.at[i] = axes.b_contract[i];
  }
  return cy_make(graph, &cy_op_dot, in, 2, &d);
}

/* Leading axes broadcast: the shorter operand's missing or unit axes are repeated as views. */
cy_value cy_matmul(cy_value a, cy_value b) {
  cy_value in[2] = {a, b};
  cy_graph *graph = cy_common_graph(in, 2);
  if (!graph || cy_graph_failed(graph) || !cy_is_value(a) || !cy_is_value(b)) return cy_failed(graph);
  cy_shape x = cy_value_shape(a), y = cy_value_shape(b), lead = {0};
  char p[CY_SHAPE_TEXT], q[CY_SHAPE_TEXT];
  if (x.rank < 2 || y.rank < 2 || x.dim[x.rank - 1] != y.dim[y.rank - 2]) {
    cy_graph_fail(graph, CY_INVALID, "matmul: shapes %s and %s do not fit: %s", cy_shape_text(x, p), cy_shape_text(y, q),
                  x.rank < 2 || y.rank < 2 ? "both need two axes" : "the left one's columns are not the right one's rows");
    return cy_failed(graph);
  }
  if (x.rank > 2 && y.rank == 2) { /* one matrix for all: no batch axes needed */
    cy_dot_axes axes = {.n_contract = 1, .a_contract = {x.rank - 1}, .b_contract = {0}};
    return cy_dot(a, b, axes);
  }
  lead.rank = (x.rank > y.rank ? x.rank : y.rank) - 2;
  for (int i = 0; i < lead.rank; i++) {
    int64_t m = i < x.rank - 2 ? x.dim[x.rank - 3 - i] : 1, n = i < y.rank - 2 ? y.dim[y.rank - 3 - i] : 1;
    if (m != n && m != 1 && n != 1) {
      cy_graph_fail(graph, CY_INVALID, "matmul: leading axes of shapes %s and %s do not broadcast", cy_shape_text(x, p),
                    cy_shape_text(y, q));
      return cy_failed(graph);
    }
    lead.dim[lead.rank - 1 - i] = m == 1 ? n : m;
  }
  cy_dot_axes axes = {.n_batch = lead.rank, .n_contract = 1, .a_contract = {lead.rank + 1}, .b_contract = {lead.rank}};
  for (int i = 0; i < lead.rank; i++) axes.a_batch[i] = axes.b_batch[i] = i;
  cy_shape full_x = lead, full_y = lead;
  for (int i = 0; i < 2; i++) {
    full_x.dim[full_x.rank++] = x.dim[x.rank - 2 + i];
    full_y.dim[full_y.rank++] = y.dim[y.rank - 2 + i];
  }
  a = cy_broadcast(a, full_x);
  return cy_dot(a, cy_broadcast(b, full_y), axes);
}
