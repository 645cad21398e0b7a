/* Which values have their channels innermost in memory. Values that elementwise operations connect lie alike, so that nothing
 * is rearranged from layer to layer, forward and backward. Those that kernels on images [N, C, space...] touch lie as these
 * like it; of others the majority of elements decides: sequences [N, C, T] that products of matrices make and take as
 * [N, T, C] are rows of channels, and what is read as it is counted stays row-major. */
#include "compile/lower.h"

#include <string.h>

/* May this value's memory have another order than rows? Leaves have the caller's order, windows their base's, and kernels
 * that know nothing of images write rows. */
static bool is_free(const cy_node *node) {
  const cy_op *op = node->op;
  if (node->shape.rank < 3 || op->op_class == CY_CLASS_LEAF || op->view) return false;
  return op->scalar >= 0 || (op->images && op->images(node->attrs) >> 31);
}

/* ---- values that lie alike ---- */

typedef struct kin {
  int32_t parent; /* towards the leader */
  /* Of a leader: */
  bool wish;      /* a kernel on images touches one of them */
  double votes;   /* elements that would be read in order with channels innermost, less those in rows */
  bool innermost; /* decided */
} kin;

static int32_t leader(kin *all, int32_t v) {
  while (all[v].parent != v) v = all[v].parent = all[all[v].parent].parent;
  return v;
}

static void find_kin(const cy_lowering *l, kin *all) {
  for (int32_t id = 0; id < l->size; id++) all[id].parent = id;
  for (int32_t id = 0; id < l->size; id++) {
    const cy_node *node = cy_node_at(l->graph, id);
    for (int k = 0; node->op->scalar >= 0 && is_free(node) && k < node->n_inputs; k++) {
      const cy_node *operand = cy_node_at(l->graph, node->inputs[k]);
      if (is_free(operand) && cy_shape_equal(operand->shape, node->shape))
        all[leader(all, node->inputs[k])].parent = leader(all, id);
    }
  }
}

static void find_wishes(const cy_lowering *l, kin *all) {
  for (int32_t id = 0; id < l->size; id++) {
    const cy_node *node = cy_node_at(l->graph, id);
    uint32_t images = node->op->images ? node->op->images(node->attrs) : 0;
    for (int k = 0; k < node->n_inputs && k < 31; k++) /* bit 31 is the result */
      if (images >> k & 1) all[leader(all, node->inputs[k])].wish = true;
    if (images >> 31) all[leader(all, id)].wish = true;
  }
}

/* ---- votes ---- */

static bool lies_as(const cy_view *a, const cy_view *b) {
  if ((char *)a->data != CY_ORIGIN || !cy_shape_equal(a->shape, b->shape)) return false;
  for (int i = 0; i < a->shape.rank; i++)
    if (a->shape.dim[i] != 1 && a->stride[i] != b->stride[i]) return false;
  return true;
}

static cy_view in_rows(const cy_node *node) { return cy_view_row_major(CY_ORIGIN, node->dtype, node->shape); }

static cy_view with_channels_innermost(const cy_node *node) {
  cy_view layout = in_rows(node);
  cy_channels_innermost(layout.shape, layout.stride);
  return layout;
}

/* Is the window onto a value in rows the value with axis 1 moved to the end? */
static bool has_channels_last(const cy_view *window, const cy_node *base) {
  const cy_view rows = in_rows(base);
  cy_view moved = rows;
  int n = 0;
  for (int i = 0; i < rows.shape.rank; i++)
    if (i != 1) moved.shape.dim[n] = rows.shape.dim[i], moved.stride[n++] = rows.stride[i];
  moved.shape.dim[n] = rows.shape.dim[1], moved.stride[n] = rows.stride[1];
  return lies_as(window, &moved);
}

/* What a kernel that reads a value of the kin, directly or by a window, says about how it should lie. */
static double vote_of_kernel(const cy_lowering *l, const cy_node *kernel, int k) {
  const int32_t v = kernel->inputs[k];
  const cy_node *base = cy_node_at(l->graph, l->base[v]);
  const double elements = (double)cy_count(base->shape);
  if (l->base[v] != v && has_channels_last(&l->layout[v], base)) return elements;
  if (kernel->op->joins_around && l->base[v] == v)
    return kernel->op->joins_around(kernel->attrs, base->shape, k) ? elements : 0;
  return -elements;
}

/* What an elementwise value of the kin reads in full from memory that lies as it does. */
static double vote_of_memory(const cy_lowering *l, const cy_node *node, int32_t v) {
  const cy_view rows = in_rows(node), innermost = with_channels_innermost(node);
  const double elements = (double)cy_count(node->shape);
  return lies_as(&l->layout[v], &rows) ? -elements : lies_as(&l->layout[v], &innermost) ? elements : 0;
}

/* An elementwise value that reads another kin with axis 1 moved to the end: one of the two is best in rows, the other not. */
static void vote_apart(const cy_lowering *l, kin *all, int32_t id, int32_t v) {
  const cy_node *base = cy_node_at(l->graph, l->base[v]);
  kin *mine = &all[leader(all, id)], *theirs = &all[leader(all, l->base[v])];
  if (mine == theirs || base->shape.rank != 3 || !has_channels_last(&l->layout[v], base)) return;
  const double elements = (double)cy_count(base->shape);
  mine->votes += theirs->innermost ? -elements : elements;
  theirs->votes += mine->innermost ? -elements : elements;
}

/* Votes between kin follow what the others have decided. */
static void count_votes(const cy_lowering *l, kin *all, bool between_kin) {
  for (int32_t id = 0; id < l->size; id++) {
    const cy_node *node = cy_node_at(l->graph, id);
    const bool window = node->op->view && l->base[id] != id;
    if (node->op->op_class == CY_CLASS_LEAF || window || node->op->combine) continue; /* sums follow what they read */
    for (int k = 0; k < node->n_inputs; k++) {
      const int32_t v = node->inputs[k], base = l->base[v];
      const bool elementwise = node->op->scalar >= 0, theirs = is_free(cy_node_at(l->graph, base));
      if (elementwise && theirs && is_free(node) && between_kin) vote_apart(l, all, id, v);
      if (elementwise && !theirs && is_free(node) && !between_kin) all[leader(all, id)].votes += vote_of_memory(l, node, v);
      if (!elementwise && theirs && !between_kin) all[leader(all, base)].votes += vote_of_kernel(l, node, k);
    }
  }
}

static void decide(const cy_lowering *l, kin *all) {
  for (int32_t id = 0; id < l->size; id++) all[id].innermost = all[id].wish || all[id].votes > 0;
}

cy_status cy_assign_images(cy_lowering *l) {
  kin *all = cy_calloc((size_t)l->size, sizeof *all);
  if (!all) return cy_no_memory();
  find_kin(l, all);
  find_wishes(l, all);
  for (int between_kin = 0; between_kin < 2; between_kin++) {
    count_votes(l, all, between_kin);
    decide(l, all);
  }
  for (int32_t id = 0; id < l->size; id++)
    if (is_free(cy_node_at(l->graph, id)) && all[leader(all, id)].innermost)
      cy_channels_innermost(l->layout[id].shape, l->layout[id].stride);
  cy_free(all);
  return CY_OK;
}
