/* Planning a fused group: collapse the domain, find each value's level, choose the tile; then tile_emit.c sorts the
 * steps into lists of instructions and tile_places.c gives values places in scratch. Runs once per compiled group. */
#include "backend/cpu/tile_planner.h"

#include <string.h>

/* ---- the domain ---- */

static int64_t magnitude(int64_t v) { return v < 0 ? -v : v; }

static cy_tile_access *new_access(cy_tile_planner *p, cy_source source, cy_dtype dtype, int tensor) {
  cy_tile_access *a = APPEND(p, p->t->accesses, p->t->n_accesses, p->accesses_capacity);
  if (a) *a = (cy_tile_access){.source = source, .dtype = dtype, .tensor = tensor};
  return a;
}

static void collect_accesses(cy_tile_planner *p) {
  const cy_fused *g = p->g;
  for (int i = 0; i < g->n_steps; i++) {
    const cy_step *s = &g->steps[i];
    p->access[i] = -1;
    if (!p->needed[i]) continue;
    cy_source source = s->kind == CY_STEP_IOTA     ? CY_SOURCE_IOTA
                       : s->kind == CY_STEP_RANDOM ? CY_SOURCE_RANDOM
                                                   : CY_SOURCE_MEMORY;
    if (s->kind != CY_STEP_INPUT && source == CY_SOURCE_MEMORY) continue;
    cy_tile_access *a = new_access(p, source, s->dtype, source == CY_SOURCE_MEMORY ? (int)s->index : -1);
    if (!a) return;
    p->access[i] = p->t->n_accesses - 1;
    a->stream = (uint32_t)s->index;
    if (source == CY_SOURCE_MEMORY) memcpy(a->stride, g->inputs[s->index].stride, sizeof a->stride);
    if (source == CY_SOURCE_IOTA) a->stride[s->index] = 1;
    if (source == CY_SOURCE_RANDOM) {
      int64_t step = 1;
      for (int k = (s->level == CY_ROW ? g->row_axes : g->n_axes) - 1; k >= 0; k--) {
        a->stride[k] = step;
        step *= g->dim[k];
      }
    }
  }
  for (int i = 0; i < g->n_outputs; i++) {
    cy_tile_access *a = new_access(p, CY_SOURCE_MEMORY, g->outputs[i].dtype, i);
    if (!a) return;
    p->output_access[i] = p->t->n_accesses - 1;
    memcpy(a->stride, g->outputs[i].stride, sizeof a->stride);
  }
}

static void drop_axis(cy_tiles *t, int axis) {
  size_t behind = (size_t)(t->n_axes - axis - 1) * sizeof(int64_t);
  memmove(&t->dim[axis], &t->dim[axis + 1], behind);
  for (int i = 0; i < t->n_accesses; i++)
    memmove(&t->accesses[i].stride[axis], &t->accesses[i].stride[axis + 1], behind);
  if (axis < t->row_axes) t->row_axes--;
  t->n_axes--;
}

static void swap_axes(cy_tiles *t, int i, int j) {
  int64_t d = t->dim[i];
  t->dim[i] = t->dim[j], t->dim[j] = d;
  for (int k = 0; k < t->n_accesses; k++) {
    int64_t *s = t->accesses[k].stride, v = s[i];
    s[i] = s[j], s[j] = v;
  }
}

/* How far apart neighbours along an axis lie, over everything in memory. */
static int64_t spread(const cy_tiles *t, int axis) {
  int64_t sum = 0;
  for (int k = 0; k < t->n_accesses; k++)
    if (t->accesses[k].source == CY_SOURCE_MEMORY) {
      int64_t s = magnitude(t->accesses[k].stride[axis]);
      sum += s < 1 << 24 ? s : 1 << 24;
    }
  return sum;
}

/* Within rows and within columns the order of axes is free: the nearest neighbours last. */
static void sort_axes(cy_tiles *t, int from, int to) {
  for (int i = from + 1; i < to; i++)
    for (int j = i; j > from && spread(t, j - 1) < spread(t, j); j--) swap_axes(t, j - 1, j);
}

static bool can_merge(const cy_tiles *t, int axis) {
  for (int k = 0; k < t->n_accesses; k++) {
    const int64_t *s = t->accesses[k].stride;
    if (s[axis] != s[axis + 1] * t->dim[axis + 1]) return false;
  }
  return true;
}

static void collapse(cy_tile_planner *p, bool rows_matter) {
  cy_tiles *t = p->t;
  if (!rows_matter) t->row_axes = 0;
  for (int i = t->n_axes - 1; i >= 0; i--)
    if (t->dim[i] == 1) drop_axis(t, i);
  sort_axes(t, 0, t->row_axes);
  sort_axes(t, t->row_axes, t->n_axes);
  for (int i = t->n_axes - 2; i >= 0; i--) {
    if (i + 1 == t->row_axes || !can_merge(t, i)) continue;
    t->dim[i + 1] *= t->dim[i];
    drop_axis(t, i);
  }
  if (!rows_matter && t->n_axes) t->row_axes = t->n_axes - 1;
  t->rows = t->columns = 1;
  for (int i = 0; i < t->n_axes; i++) *(i < t->row_axes ? &t->rows : &t->columns) *= t->dim[i];
}

static void describe_accesses(cy_tiles *t) {
  for (int k = 0; k < t->n_accesses; k++) {
    cy_tile_access *a = &t->accesses[k];
    int64_t step = 1;
    a->runs = a->flat = true;
    for (int i = t->n_axes - 1; i >= 0; i--) {
      if (a->stride[i] != step) a->flat = false;
      if (a->stride[i] != step && i >= t->row_axes) a->runs = false;
      step *= t->dim[i];
    }
  }
}

/* ---- what depends on what ---- */

bool cy_tile_is_column_sum(const cy_tile_planner *p, const cy_fused_output *o) {
  return o->accumulate && p->g->steps[o->step].level == CY_FULL && p->t->n_axes > p->t->row_axes;
}

int cy_tile_count_args(const cy_step *s) {
  static const unsigned char scalar_args[CY_SCALAR_COUNT] = {
#define CY_UNARY(name, ...) [CY_SCALAR_##name] = 1,
#define CY_BINARY(name, ...) [CY_SCALAR_##name] = 2,
#include "ops/elementwise.def"
#undef CY_UNARY
#undef CY_BINARY
      [CY_SCALAR_select] = 3, [CY_SCALAR_convert] = 1};
  switch (s->kind) {
    case CY_STEP_SCALAR: return scalar_args[s->op];
    case CY_STEP_REDUCE: return 1;
    case CY_STEP_RANDOM: return 2;
    default: return 0;
  }
}

static void find_needed(cy_tile_planner *p) {
  for (int i = 0; i < p->g->n_outputs; i++) p->needed[p->g->outputs[i].step] = true;
  for (int i = p->g->n_steps - 1; i >= 0; i--)
    for (int k = 0; k < cy_tile_count_args(&p->g->steps[i]); k++)
      if (p->needed[i]) p->needed[p->g->steps[i].arg[k]] = true;
}

/* Levels are sets of two dependencies: COLUMN | ROW = FULL. Where there is only one row or column, what is not uniform
 * is FULL. In pieces nothing can be kept from row to row. */
static cy_tile_level normal_level(const cy_tiles *t, int level) {
  if (level == CY_LEVEL_COLUMN && (t->row_axes == 0 || t->in_pieces)) return CY_LEVEL_FULL;
  if (level == CY_LEVEL_ROW && t->n_axes == t->row_axes) return CY_LEVEL_FULL;
  return (cy_tile_level)level;
}

static void find_levels(cy_tile_planner *p) {
  const cy_tiles *t = p->t;
  p->n_stages = 0;
  for (int i = 0; i < p->g->n_steps; i++) {
    const cy_step *s = &p->g->steps[i];
    int level = CY_LEVEL_UNIFORM;
    p->stage[i] = 0;
    if (!p->needed[i]) continue;
    if (p->access[i] >= 0) {
      const int64_t *stride = t->accesses[p->access[i]].stride;
      for (int k = 0; k < t->n_axes; k++)
        if (stride[k]) level |= k < t->row_axes ? CY_LEVEL_ROW : CY_LEVEL_COLUMN;
    } else {
      for (int k = 0; k < cy_tile_count_args(s); k++) {
        level |= p->level[s->arg[k]];
        if (p->stage[s->arg[k]] > p->stage[i]) p->stage[i] = p->stage[s->arg[k]];
      }
    }
    if (s->kind == CY_STEP_REDUCE) {
      level = CY_LEVEL_ROW;
      p->stage[i]++;
    }
    p->level[i] = normal_level(t, level);
    if (p->stage[i] > p->n_stages) p->n_stages = p->stage[i];
  }
}

/* ---- the tile ---- */

/* Is it read with strides along the columns? */
static bool is_scattered(const cy_tile_planner *p, int step) {
  const cy_tiles *t = p->t;
  if (p->access[step] < 0 || t->n_axes == 0) return false;
  const cy_tile_access *access = &t->accesses[p->access[step]];
  return access->source == CY_SOURCE_MEMORY && magnitude(access->stride[t->n_axes - 1]) > 1;
}

/* Nanoseconds per element, roughly, by kind of step: decides about threads only. */
static double step_cost(const cy_tile_planner *p, int step) {
  const cy_step *s = &p->g->steps[step];
  double size = (double)cy_dtype_size(s->dtype) / 4;
  if (is_scattered(p, step)) return 0.25 * size;
  if (s->kind == CY_STEP_RANDOM) return 0.35 * size;
  if (s->kind == CY_STEP_SCALAR && p->t->kernels->math[s->op][1]) return 0.13 * size * size;
  return 0.02 * size;
}

static int64_t at_least_one(int64_t v) { return v < 1 ? 1 : v; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t blocks(int64_t n, int64_t of) { return (n + of - 1) / of; }

/* Measured (bench_tiles; 48 KiB of first-level cache): short programs gain from fewer calls up to 4096 floats, longer
 * ones keep more registers alive and lose again what they gain beyond 1024 to 2048. */
static int64_t tile_elements(int full_steps, size_t widest) {
  int64_t n = full_steps <= 4 ? 4096 : full_steps <= 16 ? 2048 : 1024;
  return widest == 8 ? n / 2 : n;
}

/* Nanoseconds. With threads that spin for work, OpenMP's default, two are even with one at 1000 to 2000. */
enum { WORTH_A_FORK = 4000 };
enum { WHOLE_ROW_BYTES = 256 << 10, GATHER_COLUMNS = 64, SMALL_DOMAIN = 4096 /* elements: one tile */ };

static void choose_tile(cy_tile_planner *p, int threads) {
  cy_tiles *t = p->t;
  bool reduces = false, sums_columns = false, gathers = false, hoists = false;
  int full_steps = 0;
  size_t widest = 1;
  double cost = 0;
  for (int i = 0; i < p->g->n_steps; i++) {
    const cy_step *s = &p->g->steps[i];
    if (!p->needed[i]) continue;
    if (s->kind == CY_STEP_REDUCE) reduces = true;
    if (p->level[i] == CY_LEVEL_COLUMN) hoists = true;
    if (s->level != CY_FULL && t->n_axes > t->row_axes) continue;
    if (s->kind != CY_STEP_CONSTANT) full_steps++, cost += step_cost(p, i);
    if (cy_dtype_size(s->dtype) > widest) widest = cy_dtype_size(s->dtype);
    if (p->access[i] >= 0 && t->n_axes > t->row_axes && t->row_axes) {
      int64_t column = magnitude(t->accesses[p->access[i]].stride[t->n_axes - 1]);
      int64_t row = magnitude(t->accesses[p->access[i]].stride[t->row_axes - 1]);
      if (t->accesses[p->access[i]].source != CY_SOURCE_IOTA && column > 1 && row && row < column) gathers = true;
    }
  }
  for (int i = 0; i < p->g->n_outputs; i++) sums_columns |= cy_tile_is_column_sum(p, &p->g->outputs[i]);
  int64_t rows = t->rows, columns = t->columns, target = tile_elements(full_steps, widest);
  const bool small = rows && columns <= SMALL_DOMAIN / rows; /* a step of a loop: what spills, the next cache holds */
  if (small) target = SMALL_DOMAIN;
  int registers = full_steps < 8 ? full_steps : 8;
  t->in_pieces = reduces && columns > 1 && rows > 0 && p->n_stages < CY_MOST_PASSES && columns > target &&
                 columns > (int64_t)(WHOLE_ROW_BYTES / (widest * (size_t)at_least_one(registers)));
  bool whole_rows = reduces && !t->in_pieces;
  double work = cost * (double)rows * (double)columns;
  t->workers = work > WORTH_A_FORK && threads > 1 ? threads : 1;

  t->tile_columns = whole_rows ? columns : smaller(columns, gathers && !t->in_pieces ? GATHER_COLUMNS : target);
  if (!whole_rows && t->tile_columns < columns) { /* even blocks of whole vectors */
    int64_t n = blocks(columns, t->tile_columns);
    if (n < 4 * t->workers && rows < t->workers) n = blocks(n, t->workers) * t->workers;
    t->tile_columns = smaller(columns, blocks(blocks(columns, n), 64) * 64);
  }
  t->tile_rows = t->in_pieces ? 1 : smaller(at_least_one(rows), at_least_one(target / at_least_one(t->tile_columns)));
  while (hoists && !small && t->tile_rows > 1 && t->tile_rows * t->tile_rows > rows) t->tile_rows--; /* hoisting must pay */
  if (!t->in_pieces && t->workers > 1) t->tile_rows = smaller(t->tile_rows, at_least_one(blocks(rows, t->workers)));
  t->row_blocks = blocks(rows, t->tile_rows);
  t->column_blocks = columns ? blocks(columns, t->tile_columns) : 1;
  t->split_columns = !whole_rows && t->column_blocks >= t->workers &&
                     (t->row_blocks < t->workers || (t->in_pieces ? false : t->column_blocks >= 4 * t->workers));
  if (!t->split_columns && t->row_blocks < t->workers) t->workers = (int)at_least_one(t->row_blocks);
  if (t->workers == 1) t->split_columns = false;
  t->columns_outside = sums_columns;
}

/* ---- the whole ---- */

static bool rows_matter(const cy_fused *g) {
  for (int i = 0; i < g->n_outputs; i++)
    if (g->outputs[i].accumulate || g->steps[g->outputs[i].step].level == CY_ROW) return true;
  for (int i = 0; i < g->n_steps; i++)
    if (g->steps[i].kind == CY_STEP_REDUCE) return true;
  return false;
}

static cy_status make_plan(cy_tile_planner *p, int threads) {
  cy_tiles *t = p->t;
  t->kernels = cy_tile_kernels_best();
  t->n_axes = p->g->n_axes;
  t->row_axes = p->g->row_axes;
  memcpy(t->dim, p->g->dim, (size_t)t->n_axes * sizeof *t->dim);
  find_needed(p);
  collect_accesses(p);
  if (p->no_memory) return cy_no_memory();
  collapse(p, rows_matter(p->g));
  describe_accesses(t);
  find_levels(p);
  choose_tile(p, threads);
  find_levels(p); /* in pieces, columns are FULL */
  cy_tile_find_templates(p);
  for (int i = 0; i < p->g->n_steps; i++) p->slot[i] = p->full_slot[i] = p->row_slot[i] = -1;
  for (int i = 0; i < p->g->n_outputs; i++) p->direct[i] = -1;
  CY_TRY(cy_tile_emit(p));
  if (t->hoisted.count || t->columns_outside) t->columns_outside = true;
  for (int i = 0; i < t->n_inputs_bound; i++) t->columns_outside |= t->inputs_bound[i].level == CY_LEVEL_COLUMN;
  return p->no_memory ? cy_no_memory() : cy_tile_place(t);
}

void cy_tiles_free(cy_tiles *t) {
  if (!t) return;
  cy_instruction_list *lists[] = {&t->uniform, &t->prologue, &t->hoisted};
  for (int i = 0; i < 3; i++) cy_free(lists[i]->item);
  for (int i = 0; i < CY_MOST_PASSES; i++) cy_free(t->body[i].item);
  for (int i = 0; i <= CY_MOST_PASSES; i++) cy_free(t->row[i].item);
  void *arrays[] = {t->slots, t->accesses, t->sums, t->column_sums, t->inputs_bound, t->outputs_bound, t};
  for (int i = 0; i < 7; i++) cy_free(arrays[i]);
}

cy_status cy_tiles_create(const cy_fused *group, int threads, cy_tiles **tiles) {
  size_t n = (size_t)group->n_steps + 1, m = (size_t)group->n_outputs + 1;
  *tiles = NULL;
  cy_tile_planner p = {.g = group, .t = cy_calloc(1, sizeof(cy_tiles))};
  cy_arena *arena = cy_arena_create();
  cy_status status = CY_OK;
  if (p.t && arena) {
    p.level = cy_arena_alloc(arena, n * sizeof *p.level);
    p.needed = cy_arena_alloc(arena, n * sizeof *p.needed);
    p.access = cy_arena_alloc(arena, n * sizeof *p.access);
    p.output_access = cy_arena_alloc(arena, m * sizeof *p.output_access);
    p.output_slot = cy_arena_alloc(arena, m * sizeof *p.output_slot);
    p.direct = cy_arena_alloc(arena, m * sizeof *p.direct);
    p.stage = cy_arena_alloc(arena, n * sizeof *p.stage);
    p.slot = cy_arena_alloc(arena, n * sizeof *p.slot);
    p.full_slot = cy_arena_alloc(arena, n * sizeof *p.full_slot);
    p.row_slot = cy_arena_alloc(arena, n * sizeof *p.row_slot);
    p.wanted = cy_arena_alloc(arena, n * sizeof *p.wanted);
    p.uses = cy_arena_alloc(arena, n * sizeof *p.uses);
    p.template = cy_arena_alloc(arena, n * sizeof *p.template);
    p.operands = cy_arena_alloc(arena, n * sizeof *p.operands);
    p.absorbed = cy_arena_alloc(arena, n * sizeof *p.absorbed);
  }
  if (!p.level || !p.needed || !p.access || !p.output_access || !p.output_slot || !p.direct || !p.stage || !p.slot ||
      !p.full_slot || !p.row_slot || !p.wanted || !p.uses || !p.template || !p.operands || !p.absorbed)
    status = cy_no_memory();
  else status = make_plan(&p, threads < 1 ? 1 : threads);
  cy_arena_free(arena);
  if (status != CY_OK) cy_tiles_free(p.t);
  else *tiles = p.t;
  return status;
}
