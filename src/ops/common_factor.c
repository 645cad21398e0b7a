/* What two products that are added have in common goes in front: dy a b + dy c becomes dy (a b + c). The gradient of a product
 * of functions of x, as x Phi(x), is such a sum; then one value that the forward pass can compute is kept for the backward pass
 * instead of its parts. */
#include "ops/ops.h"

enum { MOST = 8 };

typedef struct product {
  cy_value factor[MOST];
  int n;
} product;

/* Takes v apart where only this sum needs it; false if it has too many factors. */
static bool collect(const cy_rule *r, cy_value v, product *p) {
  const cy_node *node = cy_node_of(v);
  if (node->op == &cy_op_elementwise[CY_SCALAR_mul] && cy_used_once(r, v))
    return collect(r, cy_value_at(v.graph, node->inputs[0]), p) && collect(r, cy_value_at(v.graph, node->inputs[1]), p);
  if (p->n == MOST) return false;
  p->factor[p->n++] = v;
  return true;
}

static void drop(product *p, int i) {
  for (p->n--; i < p->n; i++) p->factor[i] = p->factor[i + 1];
}

/* Moves what both have to the third. Numbers stay: they are no work. */
static void divide(product *a, product *b, product *common) {
  double number;
  for (int i = 0; i < a->n; i++)
    for (int j = 0; j < b->n; j++) {
      if (a->factor[i].id != b->factor[j].id || cy_is_full(a->factor[i], &number)) continue;
      common->factor[common->n++] = a->factor[i];
      drop(a, i--);
      drop(b, j);
      break;
    }
}

static cy_value multiplied(const product *p) {
  cy_value v = p->factor[0];
  for (int i = 1; i < p->n; i++) v = cy_mul(v, p->factor[i]);
  return v;
}

cy_value cy_find_common_factor(const cy_rule *r, bool subtract) {
  product a = {.n = 0}, b = {.n = 0}, common = {.n = 0};
  if (!r->late || !cy_dtype_is_float(cy_value_dtype(r->in[0]))) return cy_none;
  if (!collect(r, r->in[0], &a) || !collect(r, r->in[1], &b) || a.n < 2 || b.n < 2) return cy_none;
  divide(&a, &b, &common);
  if (common.n == 0 || a.n == 0 || b.n == 0) return cy_none;
  cy_value left = multiplied(&a), right = multiplied(&b);
  cy_value sum = subtract ? cy_sub(left, right) : cy_add(left, right), factor = multiplied(&common);
  return cy_mul(factor, sum);
}
