/* Fusion: which values are computed together in one pass. Units grow greedily in the order of the nodes: an elementwise
 * value joins a unit of its domain that computes one of its operands, independent units of one domain that it connects
 * are merged, and reductions end in the unit that computes what they reduce. A unit never waits for itself: the matrix of
 * dependencies between units stays acyclic. */
#include "compile/lower.h"

#include <stdlib.h>
#include <string.h>

/* ---- dependencies between units ---- */

static bool depends_on(const cy_lowering *l, int32_t unit, int32_t on) {
  return l->depends[(size_t)unit * l->words + (size_t)on / 64] >> (on % 64) & 1;
}

/* Words of a row that can hold bits: those of the units made so far. */
static size_t used_words(const cy_lowering *l) { return (l->n_units + 63) / 64; }

static void add_dependence(cy_lowering *l, int32_t unit, int32_t on) {
  uint64_t *mine = l->depends + (size_t)unit * l->words, *theirs = l->depends + (size_t)on * l->words;
  size_t words = used_words(l);
  if (unit == on || depends_on(l, unit, on)) return;
  for (size_t w = 0; w < words; w++) mine[w] |= theirs[w];
  mine[on / 64] |= (uint64_t)1 << (on % 64);
  l->units[on].awaited = true;
  for (size_t u = 0; l->units[unit].awaited && u < l->n_units; u++) /* what waits for this unit now waits for those too */
    if (depends_on(l, (int32_t)u, unit))
      for (size_t w = 0; w < words; w++) l->depends[u * l->words + w] |= mine[w];
}

/* Axes by falling stride; where strides do not tell (repeated, or of extent 1), as they are. */
static void memory_order(const cy_view *layout, int order[CY_MAX_RANK]) {
  for (int i = 0; i < layout->shape.rank; i++) {
    int k = i;
    for (; k > 0 && layout->shape.dim[i] > 1 && layout->stride[i] != 0; k--) {
      int before = order[k - 1];
      if (layout->shape.dim[before] > 1 && llabs(layout->stride[before]) >= llabs(layout->stride[i])) break;
      if (layout->shape.dim[before] > 1 && layout->stride[before] == 0) break;
      order[k] = before;
    }
    order[k] = i;
  }
}

/* A unit over the shape of a layout, walked as that lies in memory. */
static cy_status new_unit(cy_lowering *l, bool fused, const cy_view *layout, int32_t *unit) {
  *unit = -1;
  if (l->n_units == l->unit_capacity) {
    size_t old = l->unit_capacity;
    if (!cy_grow(&l->units, l->n_units, &l->unit_capacity, sizeof *l->units)) return cy_no_memory();
    uint64_t *matrix = cy_realloc(l->depends, l->unit_capacity * l->words, sizeof *matrix);
    if (!matrix) {
      l->unit_capacity = old;
      return cy_no_memory();
    }
    memset(matrix + old * l->words, 0, (l->unit_capacity - old) * l->words * sizeof *matrix);
    l->depends = matrix;
  }
  *unit = (int32_t)l->n_units++;
  l->units[*unit] = (cy_unit){.fused = fused, .domain = layout->shape};
  memory_order(layout, l->units[*unit].order);
  return CY_OK;
}

static cy_status add_node(cy_lowering *l, int32_t unit, int32_t id, cy_lane lane) {
  cy_unit *u = &l->units[unit];
  const cy_node *node = cy_node_at(l->graph, id);
  if (!cy_grow(&u->nodes, u->n_nodes, &u->capacity, sizeof *u->nodes)) return cy_no_memory();
  u->nodes[u->n_nodes++] = id;
  l->unit[id] = unit;
  l->lane[id] = lane;
  for (int k = 0; k < node->n_inputs; k++) {
    int32_t source = l->base[node->inputs[k]];
    if (l->unit[source] >= 0) add_dependence(l, unit, l->unit[source]);
  }
  return CY_OK;
}

/* ---- rows and columns ---- */

int cy_domain_order(const cy_unit *u, int order[CY_MAX_RANK]) {
  int n = 0, rows;
  for (int i = 0; i < u->domain.rank; i++)
    if (!u->split || !(u->columns >> u->order[i] & 1)) order[n++] = u->order[i];
  rows = u->split ? n : 0;
  for (int i = 0; u->split && i < u->domain.rank; i++)
    if (u->columns >> u->order[i] & 1) order[n++] = u->order[i];
  return rows;
}

/* Row axes are matched with the window's axes in order, leaving out extents of 1, which strides do not matter for. */
bool cy_row_strides(const cy_unit *u, const cy_view *layout, int64_t stride[CY_MAX_RANK]) {
  int k = 0;
  memset(stride, 0, CY_MAX_RANK * sizeof *stride);
  for (int i = 0; i < u->domain.rank; i++) {
    if (u->columns >> i & 1 || u->domain.dim[i] == 1) continue;
    while (k < layout->shape.rank && layout->shape.dim[k] == 1) k++;
    if (k == layout->shape.rank || layout->shape.dim[k] != u->domain.dim[i]) return false;
    stride[i] = layout->stride[k++];
  }
  while (k < layout->shape.rank && layout->shape.dim[k] == 1) k++;
  return k == layout->shape.rank;
}

/* Is this window onto a row value the same value, either row for row or spread over the columns? */
static bool is_row_window(const cy_unit *u, const cy_view *own, const cy_view *window) {
  int64_t expected[CY_MAX_RANK], actual[CY_MAX_RANK] = {0};
  if ((char *)window->data != CY_ORIGIN || !cy_row_strides(u, own, expected)) return false;
  if (cy_shape_equal(window->shape, u->domain)) {
    for (int i = 0; i < u->domain.rank; i++) actual[i] = u->domain.dim[i] == 1 ? 0 : window->stride[i];
    if (memcmp(actual, expected, sizeof actual) == 0) return true;
  }
  return cy_row_strides(u, window, actual) && memcmp(actual, expected, sizeof actual) == 0;
}

int32_t cy_resolve(const cy_lowering *l, int32_t unit, int32_t v) {
  int32_t source = l->base[v];
  if (l->unit[source] != unit || l->lane[source] == CY_LANE_ACCUMULATED) return -1;
  if (source == v) return v;
  const cy_unit *u = &l->units[unit];
  return l->lane[source] == CY_LANE_ROW && is_row_window(u, &l->layout[source], &l->layout[v]) ? source : -1;
}

/* ---- joining ---- */

/* May node id join the unit: every operand is either inside or outside without waiting for the unit? */
static bool operands_allow(const cy_lowering *l, int32_t unit, int32_t id, cy_lane lane) {
  const cy_node *node = cy_node_at(l->graph, id);
  for (int k = 0; k < node->n_inputs; k++) {
    int32_t v = node->inputs[k], inside = cy_resolve(l, unit, v), owner = l->unit[l->base[v]];
    int64_t stride[CY_MAX_RANK];
    if (inside >= 0) {
      if (lane == CY_LANE_ROW && l->lane[inside] == CY_LANE_FULL) return false;
      continue;
    }
    if (owner >= 0 && (owner == unit || depends_on(l, owner, unit))) return false;
    if (lane == CY_LANE_ROW && !cy_row_strides(&l->units[unit], &l->layout[v], stride)) return false;
  }
  return true;
}

/* In a frozen program what moves is not computed together with what holds still, or both would run every time. */
static bool moves_alike(const cy_lowering *l, int32_t unit, int32_t id) {
  return !l->moves || l->moves[id] == l->units[unit].moves;
}

static bool elementwise_lane(const cy_lowering *l, int32_t unit, int32_t id, cy_lane *lane) {
  const cy_unit *u = &l->units[unit];
  const cy_view *shape = &l->layout[id];
  int64_t stride[CY_MAX_RANK];
  if (!u->fused || u->dead || u->packs || !moves_alike(l, unit, id)) return false;
  if (cy_shape_equal(shape->shape, u->domain)) {
    *lane = CY_LANE_FULL;
    if (operands_allow(l, unit, id, *lane)) return true;
  }
  *lane = CY_LANE_ROW;
  return u->split && cy_row_strides(u, shape, stride) && operands_allow(l, unit, id, *lane);
}

/* Are these columns the last axes, so that rows and columns keep the order of the domain? */
static bool are_last(const cy_unit *u, uint32_t columns) {
  uint32_t all = (1u << u->domain.rank) - 1, rows = all & ~columns;
  return (rows & (rows + 1)) == 0;
}

/* Two units of one domain, neither waiting for the other, become one. */
static cy_status merge(cy_lowering *l, int32_t into, int32_t from) {
  cy_unit *a = &l->units[into], *b = &l->units[from];
  size_t i = 0, j = 0, n = 0;
  int32_t *nodes = cy_calloc(a->n_nodes + b->n_nodes, sizeof *nodes);
  if (!nodes) return cy_no_memory();
  while (i < a->n_nodes || j < b->n_nodes)
    nodes[n++] = j == b->n_nodes || (i < a->n_nodes && a->nodes[i] < b->nodes[j]) ? a->nodes[i++] : b->nodes[j++];
  for (size_t k = 0; k < b->n_nodes; k++) l->unit[b->nodes[k]] = into;
  cy_free(a->nodes);
  cy_free(b->nodes);
  a->nodes = nodes;
  a->n_nodes = a->capacity = n;
  if (b->split) {
    a->split = true;
    a->columns = b->columns;
  }
  if (b->ordered) {
    a->ordered = true;
    memcpy(a->order, b->order, sizeof a->order);
  }
  b->nodes = NULL;
  b->n_nodes = 0;
  b->dead = true;
  uint64_t *mine = l->depends + (size_t)into * l->words, *theirs = l->depends + (size_t)from * l->words;
  size_t words = used_words(l);
  for (size_t w = 0; w < words; w++) mine[w] |= theirs[w];
  a->awaited = a->awaited || b->awaited;
  for (size_t u = 0; a->awaited && u < l->n_units; u++) {
    uint64_t *row = l->depends + u * l->words;
    bool waits = depends_on(l, (int32_t)u, into) || depends_on(l, (int32_t)u, from);
    row[from / 64] &= ~((uint64_t)1 << (from % 64));
    if (!waits) continue;
    for (size_t w = 0; w < words; w++) row[w] |= mine[w];
    row[into / 64] |= (uint64_t)1 << (into % 64);
  }
  return CY_OK;
}

static bool may_merge(const cy_lowering *l, int32_t a, int32_t b) {
  const cy_unit *x = &l->units[a], *y = &l->units[b];
  if (a == b || !x->fused || !y->fused || x->dead || y->dead || x->packs || y->packs || x->moves != y->moves) return false;
  if (!cy_shape_equal(x->domain, y->domain) || (x->split && y->split && x->columns != y->columns)) return false;
  if ((x->ordered && y->split && !are_last(y, y->columns)) || (y->ordered && x->split && !are_last(x, x->columns)))
    return false;
  return !depends_on(l, a, b) && !depends_on(l, b, a);
}

static cy_status place_elementwise(cy_lowering *l, int32_t id) {
  const cy_node *node = cy_node_at(l->graph, id);
  int32_t home = -1;
  cy_lane lane = CY_LANE_FULL;
  for (int k = node->n_inputs - 1; k >= 0; k--) {
    int32_t unit = l->unit[l->base[node->inputs[k]]];
    if (unit < 0 || cy_resolve(l, unit, node->inputs[k]) < 0) continue;
    if (home >= 0 && may_merge(l, home, unit)) CY_TRY(merge(l, home, unit));
    if (home < 0 && elementwise_lane(l, unit, id, &lane)) home = unit;
  }
  if (home >= 0 && !elementwise_lane(l, home, id, &lane)) home = -1;
  if (home < 0) {
    lane = CY_LANE_FULL;
    CY_TRY(new_unit(l, true, &l->layout[id], &home));
    l->units[home].moves = l->moves && l->moves[id];
  }
  return add_node(l, home, id, lane);
}

/* Does reducing these axes of the operand fit the unit, and as which lane? Decides the unit's columns if they are open. */
static bool reduction_lane(cy_unit *u, const cy_view *operand, cy_lane from, uint32_t reduced, cy_lane *lane) {
  uint32_t all = (1u << u->domain.rank) - 1, kept = all & ~reduced;
  if (from == CY_LANE_ROW) { /* all rows to one number */
    *lane = CY_LANE_ACCUMULATED;
    for (int i = 0; i < operand->shape.rank; i++)
      if (!(reduced >> i & 1) && operand->shape.dim[i] != 1) return false;
    return true;
  }
  bool inner = u->domain.rank && reduced >> u->order[u->domain.rank - 1] & 1; /* the fastest axis is reduced */
  if (!u->split) {
    uint32_t columns = reduced == all ? 0 : inner ? reduced : kept;
    if (u->ordered && !are_last(u, columns)) return false;
    u->split = true;
    u->columns = columns;
  }
  if (reduced == all)
    *lane = CY_LANE_ACCUMULATED;
  else if (reduced == u->columns)
    *lane = CY_LANE_ROW;
  else if (kept == u->columns)
    *lane = CY_LANE_ACCUMULATED;
  else
    return false;
  return true;
}

static cy_status place_reduction(cy_lowering *l, int32_t id) {
  const cy_node *node = cy_node_at(l->graph, id);
  int32_t v = node->inputs[0], home = l->unit[l->base[v]];
  uint32_t reduced = node->op->reduced(node->attrs);
  cy_lane lane;
  bool open = home >= 0 && l->units[home].fused && !l->units[home].packs && moves_alike(l, home, id);
  int32_t inside = open ? cy_resolve(l, home, v) : -1;
  int64_t stride[CY_MAX_RANK];
  /* A row value seen through a window counts if the window shows rows, not if it spreads them over the columns. */
  if (inside >= 0 && (inside == v || cy_row_strides(&l->units[home], &l->layout[v], stride)) &&
      reduction_lane(&l->units[home], &l->layout[v], l->lane[inside], reduced, &lane))
    return add_node(l, home, id, lane);
  CY_TRY(new_unit(l, true, &l->layout[v], &home));
  l->units[home].moves = l->moves && l->moves[id];
  if (!reduction_lane(&l->units[home], &l->layout[v], CY_LANE_FULL, reduced, &lane))
    return cy_fail(CY_INVALID, "%s: no order of axes fits the reduction", node->op->name); /* unreachable: columns were open */
  return add_node(l, home, id, lane);
}

static cy_status place_alone(cy_lowering *l, int32_t id, bool fused, bool packs) {
  int32_t unit;
  const cy_node *node = cy_node_at(l->graph, id);
  cy_view rows = cy_view_row_major(NULL, node->dtype, packs ? l->layout[node->inputs[0]].shape : node->shape);
  CY_TRY(new_unit(l, fused, &rows, &unit));
  l->units[unit].packs = packs;
  l->units[unit].moves = l->moves && l->moves[id];
  l->units[unit].ordered = node->op->random_stream != NULL;
  return add_node(l, unit, id, CY_LANE_FULL);
}

cy_status cy_assign_units(cy_lowering *l) {
  for (int32_t id = 0; id < l->size; id++) {
    const cy_node *node = cy_node_at(l->graph, id);
    const cy_op *op = node->op;
    if (op->op_class == CY_CLASS_LEAF || l->base[id] != id) continue;
    if (op->part)
      CY_TRY(add_node(l, l->unit[node->inputs[0]], id, CY_LANE_FULL)); /* a result of the loop's kernel */
    else if (!l->fuses)
      CY_TRY(place_alone(l, id, false, false));
    else if (op->scalar >= 0)
      CY_TRY(place_elementwise(l, id));
    else if (op->combine)
      CY_TRY(place_reduction(l, id));
    else
      CY_TRY(place_alone(l, id, op->random_stream || op->view, op->view));
  }
  return CY_OK;
}
