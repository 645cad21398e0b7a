/* What one unit sees, exactly: a walk backwards from it that keeps, for every value, which coordinates of each axis
 * matter. Padding is left out, and holes of dilated windows stay holes. A set over several axes is a product of sets of
 * one; branches that see different places make several products, whose union a single one would exceed. */
#include "analyze/receptive.h"

#include "base/error.h"
#include "ops/scan.h"
#include "tensor/tensor.h"

#include <string.h>

typedef struct product {
  struct product *next;
  bool *axis[CY_MAX_RANK]; /* [extent], behind this struct */
} product;

/* More than these per value are united to the one product around them. */
enum { MOST_PRODUCTS = 32 };

static cy_status make_product(cy_shape shape, product **made) {
  int64_t places = 0;
  *made = NULL;
  for (int i = 0; i < shape.rank; i++)
    if (!cy_add_i64(places, shape.dim[i], &places) || places > INT64_MAX / 2) return cy_no_memory();
  product *p = cy_calloc(1, sizeof *p + (size_t)places);
  if (!p) return cy_no_memory();
  bool *at = (bool *)(p + 1);
  for (int i = 0; i < shape.rank; at += shape.dim[i++]) p->axis[i] = at;
  *made = p;
  return CY_OK;
}

static void drop(product **list) {
  while (*list) {
    product *p = *list;
    *list = p->next;
    cy_free(p);
  }
}

static bool within(const bool *a, const bool *b, int64_t extent) {
  for (int64_t i = 0; i < extent; i++)
    if (a[i] && !b[i]) return false;
  return true;
}

/* Is the union of both a product: one lies in the other, or they differ along one axis only? */
static bool united_is_product(const product *a, const product *b, cy_shape shape) {
  int differ = 0;
  bool a_within = true, b_within = true;
  for (int i = 0; i < shape.rank; i++) {
    bool less = within(a->axis[i], b->axis[i], shape.dim[i]), more = within(b->axis[i], a->axis[i], shape.dim[i]);
    differ += !less || !more;
    a_within = a_within && less;
    b_within = b_within && more;
  }
  return differ < 2 || a_within || b_within;
}

static void join(bool *to, const bool *from, int64_t extent) {
  for (int64_t i = 0; i < extent; i++) to[i] = to[i] || from[i];
}

/* Puts p into the list, which owns it then. */
static void add(product **list, product *p, cy_shape shape) {
  int count = 0;
  for (const product *q = *list; q; q = q->next) count++;
  for (product **at = list; *at;) {
    product *other = *at;
    if (count < MOST_PRODUCTS && !united_is_product(other, p, shape)) {
      at = &other->next;
      continue;
    }
    for (int i = 0; i < shape.rank; i++) join(p->axis[i], other->axis[i], shape.dim[i]);
    *at = other->next;
    cy_free(other);
    at = list; /* what has grown may take in others */
  }
  p->next = *list;
  *list = p;
}

/* Coordinates of an operand's axis that the result's seen coordinates reach; returns whether there are any. */
static bool reach_back(const cy_reach *r, const bool *seen, int64_t units, int64_t extent, bool *mark) {
  bool any = false;
  if (r->axis < 0) {
    memset(mark, 1, (size_t)extent);
    return extent > 0;
  }
  for (int64_t i = 0; i < units; i++) {
    int64_t first, step, n;
    if (!seen[i] || !cy_reach_elements(r, i, &first, &step, &n)) continue;
    for (int64_t k = 0; k < n && first + k * step < extent; k++)
      if (first + k * step >= 0) any = mark[first + k * step] = true;
  }
  return any;
}

static cy_status pass_back(const cy_graph *graph, const cy_node *node, const product *seen, int operand,
                           product **to) {
  cy_shape from = cy_node_at(graph, node->inputs[operand])->shape;
  cy_reach reach[CY_MAX_RANK];
  product *found;
  CY_TRY(cy_reach_of(graph, node, operand, reach));
  CY_TRY(make_product(from, &found));
  bool any = true;
  for (int i = 0; any && i < from.rank; i++) {
    int along = reach[i].axis;
    any = along < 0 ? reach_back(&reach[i], NULL, 0, from.dim[i], found->axis[i])
                    : reach_back(&reach[i], seen->axis[along], node->shape.dim[along], from.dim[i], found->axis[i]);
  }
  if (any) add(to, found, from);
  else cy_free(found);
  return CY_OK;
}

/* What is read of a loop at some times: of its inputs what was read until then, of its constants and first states
 * everything. node: a part of a loop. */
static cy_status pass_to_loop(const cy_graph *graph, int32_t first, const cy_node *node, const product *seen,
                              product **all) {
  const cy_node *loop = cy_node_at(graph, node->inputs[0]);
  const cy_scan_attrs *attrs = loop->attrs;
  const cy_body *body = cy_body_of(loop);
  int64_t low = attrs->length, high = -1, shift = node->op->part == CY_RESULT_CARRIES && !attrs->reverse;
  for (int64_t t = 0; node->op->part != CY_RESULT_LAST && t < node->shape.dim[0]; t++) {
    if (!seen->axis[0][t]) continue;
    low = t < low ? t : low;
    high = t - shift;
  }
  if (node->op->part == CY_RESULT_LAST) low = 0, high = attrs->length - 1;
  for (int k = 0; k < loop->n_inputs; k++) {
    bool sequence = k >= body->n_constants + body->n_carry;
    cy_shape from = cy_node_at(graph, loop->inputs[k])->shape;
    product *found;
    if (loop->inputs[k] < first) continue;
    CY_TRY(make_product(from, &found));
    bool any = false;
    for (int i = 0; i < from.rank; i++)
      for (int64_t at = 0; at < from.dim[i]; at++)
        found->axis[i][at] = !sequence || i > 0 || (attrs->reverse ? at >= low : at <= high);
    for (int64_t at = 0; sequence && at < from.dim[0]; at++) any = any || found->axis[0][at];
    if (any || !sequence) add(&all[loop->inputs[k] - first], found, from);
    else cy_free(found);
  }
  return CY_OK;
}

static cy_status mark_unit(cy_value value, const int64_t *unit, product **list) {
  cy_shape shape = cy_value_shape(value);
  char text[CY_SHAPE_TEXT];
  for (int i = 0; i < shape.rank; i++)
    if (unit[i] >= shape.dim[i] || unit[i] < -1)
      return cy_fail(CY_INVALID, "there is no unit %lld along axis %d of %s", (long long)unit[i], i,
                     cy_shape_text(shape, text));
  CY_TRY(make_product(shape, list));
  for (int i = 0; i < shape.rank; i++)
    for (int64_t k = 0; k < shape.dim[i]; k++) (*list)->axis[i][k] = unit[i] < 0 || unit[i] == k;
  return CY_OK;
}

static cy_status walk_back(cy_value input, cy_value value, const int64_t *unit, product **all) {
  CY_TRY(mark_unit(value, unit, &all[value.id - input.id]));
  for (int32_t id = value.id; id > input.id; id--) {
    const cy_node *node = cy_node_at(input.graph, id);
    product **seen = &all[id - input.id];
    for (const product *p = *seen; p; p = p->next) {
      if (node->op->part) {
        CY_TRY(pass_to_loop(input.graph, input.id, node, p, all));
        continue;
      }
      for (int k = 0; k < node->n_inputs; k++)
        if (node->inputs[k] >= input.id)
          CY_TRY(pass_back(input.graph, node, p, k, &all[node->inputs[k] - input.id]));
    }
    drop(seen);
  }
  return CY_OK;
}

/* Per axis, what all products have. */
static cy_status project(const product *list, cy_shape shape, bool *seen[CY_MAX_RANK]) {
  for (int i = 0; i < shape.rank; i++) {
    seen[i] = cy_calloc(shape.dim[i] ? (size_t)shape.dim[i] : 1, sizeof(bool));
    if (!seen[i]) return cy_no_memory();
    for (const product *p = list; p; p = p->next) join(seen[i], p->axis[i], shape.dim[i]);
  }
  return CY_OK;
}

cy_status cy_seen_from(cy_value input, cy_value value, const int64_t *unit, bool *seen[CY_MAX_RANK]) {
  CY_TRY(cy_graph_status(input.graph));
  for (int i = 0; i < CY_MAX_RANK; i++) seen[i] = NULL;
  if (value.graph != input.graph || !cy_is_value(value))
    return cy_fail(CY_INVALID, "receptive field: the value is not of the input's graph");
  size_t nodes = value.id >= input.id ? (size_t)(value.id - input.id) + 1 : 1;
  product **all = cy_calloc(nodes, sizeof *all);
  if (!all) return cy_no_memory();
  cy_status status = value.id >= input.id ? walk_back(input, value, unit, all) : CY_OK;
  if (status == CY_OK) status = project(all[0], cy_value_shape(input), seen);
  if (status != CY_OK) cy_seen_free(seen);
  for (size_t i = 0; i < nodes; i++) drop(&all[i]);
  cy_free(all);
  return status;
}

void cy_seen_free(bool *seen[CY_MAX_RANK]) {
  for (int i = 0; i < CY_MAX_RANK; i++) {
    cy_free(seen[i]);
    seen[i] = NULL;
  }
}
