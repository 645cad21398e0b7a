/* The largest element of each window, where nothing asks which one it is: reading at the positions of the maxima, in
 * one pass. Found by rewriting when compiling; its body is what it was found in. */
#include "ops/window.h"

#include <string.h>

static cy_status infer(const void *attrs, const cy_type *in, int n, cy_type *out) {
  CY_TRY(cy_op_window_argmax.infer(attrs, in, n, out));
  out->dtype = in[0].dtype;
  return CY_OK;
}

static cy_value expand(const cy_rule *r) {
  cy_value in[2] = {r->in[0], cy_make(r->graph, &cy_op_window_argmax, r->in, 1, r->node->attrs)};
  return cy_make(r->graph, &cy_op_window_gather, in, 2, r->node->attrs);
}

/* NaN counts as largest; a window of padding gives 0. */
static void kernel(const cy_call *call) {
  const cy_window_attrs *w = call->attrs;
  const cy_view *x = &call->in[0], *y = call->out;
  for (cy_walk o = cy_walk_start(y->shape); o.more; cy_walk_next(&o)) {
    bool found = false;
    double top = 0;
    for (cy_walk k = cy_walk_start(cy_window_kernel(w)); k.more; cy_walk_next(&k)) {
      int64_t at = o.index[0] * x->stride[0] + o.index[1] * x->stride[1];
      bool inside = true;
      for (int i = 0; i < w->size.n; i++) {
        int64_t place = cy_window_at(w, i, o.index[i + 2], k.index[i]);
        inside = inside && place >= 0 && place < w->size.at[i];
        at += place * x->stride[i + 2];
      }
      if (!inside) continue;
      double value = cy_load(x->data, x->dtype, at);
      if (found && (top != top || value <= top)) continue;
      found = true;
      top = value;
    }
    cy_store(y->data, y->dtype, cy_walk_offset(&o, y->stride), top);
  }
}

static double cost(const void *attrs, const cy_type *in, int n, const cy_type *out) {
  return cy_op_window_argmax.cost(attrs, in, n, out);
}

static void reach(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *to) {
  cy_op_window_argmax.reach(attrs, in, n, out, operand, to);
}

static void sample(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  cy_op_window_argmax.sample(&cy_op_window_argmax, rng, s);
}

const cy_op cy_op_window_max = {
    .name = "window_max", .op_class = CY_CLASS_COMPOSITE, .arity = 1, .attr_size = sizeof(cy_window_attrs),
    .fields = cy_window_fields, .scalar = -1, .infer = infer, .expand = expand, .kernel = kernel, .cost = cost,
    .reach = reach, .images = cy_images_all, .batch = cy_batch_images, .sample = sample};

cy_value cy_find_window_max(const cy_rule *r) {
  const cy_node *index = cy_node_of(r->in[1]);
  if (!r->late || index->op != &cy_op_window_argmax || index->inputs[0] != r->in[0].id || !cy_used_once(r, r->in[1]) ||
      memcmp(index->attrs, r->node->attrs, sizeof(cy_window_attrs)) != 0)
    return cy_none;
  return cy_make(r->graph, &cy_op_window_max, r->in, 1, index->attrs);
}
