/* Planning a fused group: collapse the domain, find each value's level, choose the tile, sort the steps into lists of
 * instructions, and give values places in scratch. Runs once per compiled group; tiles.c executes the result. */
#include "backend/cpu/tile_plan.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

typedef struct plan {
  cy_tiles *t;
  const cy_fused *g;
  bool no_memory;
  cy_tile_level *level; /* per step */
  bool *needed;
  int *access;          /* per step: of inputs, iotas, random numbers; -1 */
  int *output_access;   /* per output */
  int *output_slot, *direct;
  int *stage;           /* per step: row reductions that must be complete before it */
  int *slot;            /* per step: where its value is, or -1 while it is not there */
  int *full_slot;       /* the same value, one element per element of the tile */
  int *row_slot;        /* the same value, one element per row */
  bool *wanted;         /* per step: in the pass being emitted */
  int *uses;            /* per step: by steps and outputs */
  const cy_tile_template **template; /* per step: the kernel that computes it together with what it absorbs */
  int (*operands)[CY_FUSED_OPERANDS]; /* of that kernel: steps */
  bool *absorbed;
  int pass, n_stages;
  size_t slots_capacity, sums_capacity, columns_capacity, inputs_capacity, outputs_capacity, accesses_capacity;
} plan;

/* ---- growing arrays; failure is sticky ---- */

#define APPEND(p, array, count, capacity)                                                \
  (cy_grow(&(array), (size_t)(count), &(capacity), sizeof *(array)) ? &(array)[(count)++] \
                                                                    : ((p)->no_memory = true, NULL))

static int new_slot(plan *p, cy_tile_level level, cy_dtype dtype, bool owned) {
  cy_tile_slot *s = APPEND(p, p->t->slots, p->t->n_slots, p->slots_capacity);
  if (!s) return 0;
  *s = (cy_tile_slot){.level = level, .dtype = dtype, .owned = owned, .shared = level == CY_LEVEL_UNIFORM, .first = -1,
                      .last = -1};
  return p->t->n_slots - 1;
}

static void emit(plan *p, cy_instruction_list *list, cy_instruction in) {
  cy_instruction *place = APPEND(p, list->item, list->count, list->capacity);
  if (place) *place = in;
}

/* ---- the domain ---- */

static int64_t magnitude(int64_t v) { return v < 0 ? -v : v; }

static cy_tile_access *new_access(plan *p, cy_source source, cy_dtype dtype, int tensor) {
  cy_tile_access *a = APPEND(p, p->t->accesses, p->t->n_accesses, p->accesses_capacity);
  if (a) *a = (cy_tile_access){.source = source, .dtype = dtype, .tensor = tensor};
  return a;
}

static void collect_accesses(plan *p) {
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

static void collapse(plan *p, bool rows_matter) {
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

static bool is_column_sum(const plan *p, const cy_fused_output *o) {
  return o->accumulate && p->g->steps[o->step].level == CY_FULL && p->t->n_axes > p->t->row_axes;
}

static int count_args(const cy_step *s) {
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

static void find_needed(plan *p) {
  for (int i = 0; i < p->g->n_outputs; i++) p->needed[p->g->outputs[i].step] = true;
  for (int i = p->g->n_steps - 1; i >= 0; i--)
    for (int k = 0; k < count_args(&p->g->steps[i]); k++)
      if (p->needed[i]) p->needed[p->g->steps[i].arg[k]] = true;
}

/* Levels are sets of two dependencies: COLUMN | ROW = FULL. Where there is only one row or column, what is not uniform
 * is FULL. In pieces nothing can be kept from row to row. */
static cy_tile_level normal_level(const cy_tiles *t, int level) {
  if (level == CY_LEVEL_COLUMN && (t->row_axes == 0 || t->in_pieces)) return CY_LEVEL_FULL;
  if (level == CY_LEVEL_ROW && t->n_axes == t->row_axes) return CY_LEVEL_FULL;
  return (cy_tile_level)level;
}

static void find_levels(plan *p) {
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
      for (int k = 0; k < count_args(s); k++) {
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

/* Nanoseconds per element, roughly, by kind of step: decides about threads only. */
static double step_cost(const plan *p, int step) {
  const cy_step *s = &p->g->steps[step];
  double size = (double)cy_dtype_size(s->dtype) / 4;
  if (s->kind == CY_STEP_RANDOM) return 0.3 * size;
  if (s->kind == CY_STEP_SCALAR && p->t->kernels->math[s->op][1]) return 0.13 * size * size;
  return 0.02 * size;
}

static int64_t at_least_one(int64_t v) { return v < 1 ? 1 : v; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t blocks(int64_t n, int64_t of) { return (n + of - 1) / of; }

/* Measured (bench_tiles; 48 KiB of first-level cache): short programs gain from fewer calls up to 4096 floats, longer ones
 * keep more registers alive and lose again what they gain beyond 1024 to 2048. */
static int64_t tile_elements(int full_steps, size_t widest) {
  int64_t n = full_steps <= 4 ? 4096 : full_steps <= 16 ? 2048 : 1024;
  return widest == 8 ? n / 2 : n;
}

/* Nanoseconds. With threads that spin for work, OpenMP's default, two are even with one at 1000 to 2000. */
enum { WORTH_A_FORK = 4000 };
enum { WHOLE_ROW_BYTES = 256 << 10, GATHER_COLUMNS = 64 };

static void choose_tile(plan *p, int threads) {
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
      if (t->accesses[p->access[i]].source == CY_SOURCE_MEMORY && column > 1 && row && row < column) gathers = true;
    }
  }
  for (int i = 0; i < p->g->n_outputs; i++) sums_columns |= is_column_sum(p, &p->g->outputs[i]);
  int64_t rows = t->rows, columns = t->columns, target = tile_elements(full_steps, widest);
  int registers = full_steps < 8 ? full_steps : 8;
  t->in_pieces = reduces && columns > 1 && rows > 0 && p->n_stages < CY_MOST_PASSES &&
                 columns > target && columns > (int64_t)(WHOLE_ROW_BYTES / (widest * (size_t)at_least_one(registers)));
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
  while (hoists && t->tile_rows > 1 && t->tile_rows * t->tile_rows > rows) t->tile_rows--; /* hoisting must pay */
  if (!t->in_pieces && t->workers > 1)
    t->tile_rows = smaller(t->tile_rows, at_least_one(blocks(rows, t->workers)));
  t->row_blocks = blocks(rows, t->tile_rows);
  t->column_blocks = columns ? blocks(columns, t->tile_columns) : 1;
  t->split_columns = !whole_rows && t->column_blocks >= t->workers &&
                     (t->row_blocks < t->workers || (t->in_pieces ? false : t->column_blocks >= 4 * t->workers));
  if (!t->split_columns && t->row_blocks < t->workers) t->workers = (int)at_least_one(t->row_blocks);
  if (t->workers == 1) t->split_columns = false;
  t->columns_outside = sums_columns;
}

/* ---- instructions ---- */

static cy_instruction_list *list_for(plan *p, cy_tile_level level) {
  cy_tiles *t = p->t;
  switch (level) {
    case CY_LEVEL_UNIFORM: return &t->uniform;
    case CY_LEVEL_COLUMN: return &t->hoisted;
    case CY_LEVEL_ROW: return t->in_pieces ? &t->row[p->pass] : &t->body[0];
    case CY_LEVEL_FULL: break;
  }
  return &t->body[p->pass];
}

/* The value with one element per element of the tile, or per row. */
static int as_full(plan *p, int step) {
  cy_tile_level level = p->level[step];
  cy_dtype dtype = p->g->steps[step].dtype;
  if (level == CY_LEVEL_FULL || level == CY_LEVEL_COLUMN) return p->slot[step];
  if (p->full_slot[step] >= 0) return p->full_slot[step];
  int slot = new_slot(p, CY_LEVEL_FULL, dtype, true);
  cy_instruction in = {.level = CY_LEVEL_FULL, .dtype = dtype, .dst = slot, .a = p->slot[step], .b = slot, .c = slot};
  in.kind = level == CY_LEVEL_ROW && p->t->tile_rows > 1 ? CY_DO_EXPAND : CY_DO_SPLAT;
  emit(p, level == CY_LEVEL_UNIFORM ? &p->t->prologue : &p->t->body[p->pass], in);
  return p->full_slot[step] = slot;
}

static int as_row(plan *p, int step) {
  cy_dtype dtype = p->g->steps[step].dtype;
  if (p->level[step] != CY_LEVEL_UNIFORM) return p->slot[step];
  if (p->t->n_axes == p->t->row_axes) return as_full(p, step);
  if (p->row_slot[step] >= 0) return p->row_slot[step];
  int slot = new_slot(p, CY_LEVEL_ROW, dtype, true);
  emit(p, &p->t->prologue, (cy_instruction){.kind = CY_DO_SPLAT, .level = CY_LEVEL_ROW, .dtype = dtype, .dst = slot,
                                            .a = p->slot[step], .b = slot, .c = slot});
  return p->row_slot[step] = slot;
}

static int as_level(plan *p, int step, cy_tile_level level) {
  if (level == CY_LEVEL_UNIFORM) return p->slot[step];
  return level == CY_LEVEL_ROW ? as_row(p, step) : as_full(p, step);
}

/* One number for every element that a step of this level works on. */
static bool is_one_number(const plan *p, int step, cy_tile_level level) {
  return level != CY_LEVEL_UNIFORM && (p->level[step] == CY_LEVEL_UNIFORM ||
                                       (p->level[step] == CY_LEVEL_ROW && level == CY_LEVEL_FULL && p->t->tile_rows == 1));
}

static bool in_place(const plan *p, const cy_tile_access *a, cy_tile_level level) {
  if (a->source != CY_SOURCE_MEMORY) return false;
  switch (level) {
    case CY_LEVEL_UNIFORM: return false;
    case CY_LEVEL_COLUMN: return a->runs && p->t->tile_rows == 1;
    case CY_LEVEL_ROW: break; /* the row axes alone must be dense */
    case CY_LEVEL_FULL: return a->flat ? p->t->tile_columns == p->t->columns || p->t->tile_rows == 1
                                       : a->runs && p->t->tile_rows == 1;
  }
  int64_t step = 1;
  for (int i = p->t->row_axes - 1; i >= 0; step *= p->t->dim[i--])
    if (a->stride[i] != step) return false;
  return true;
}

static void emit_source(plan *p, int step) {
  const cy_step *s = &p->g->steps[step];
  cy_tile_level level = p->level[step];
  const cy_tile_access *access = &p->t->accesses[p->access[step]];
  bool bound = in_place(p, access, level);
  int slot = p->slot[step] >= 0 ? p->slot[step] : new_slot(p, level, s->dtype, !bound);
  bool again = p->slot[step] >= 0;
  p->slot[step] = slot;
  if (bound && again) return;
  if (access->source == CY_SOURCE_MEMORY && level != CY_LEVEL_UNIFORM && !again) {
    cy_tile_binding *b = APPEND(p, p->t->inputs_bound, p->t->n_inputs_bound, p->inputs_capacity);
    if (!b) return;
    *b = (cy_tile_binding){.slot = slot, .access = p->access[step], .level = level};
  }
  if (bound) return;
  cy_instruction in = {.kind = CY_DO_LOAD, .level = level, .dtype = s->dtype, .dst = slot, .a = slot, .b = slot,
                       .c = slot, .access = p->access[step]};
  if (s->kind == CY_STEP_RANDOM) in.a = p->slot[s->arg[0]], in.b = p->slot[s->arg[1]];
  emit(p, list_for(p, level), in);
}

static int result_slot(plan *p, int step, bool owned) {
  if (p->slot[step] < 0) p->slot[step] = new_slot(p, p->level[step], p->g->steps[step].dtype, owned);
  return p->slot[step];
}

/* select with one condition for the whole tile costs nothing: the pointer of the chosen operand. */
static bool emit_choice(plan *p, int step) {
  const cy_step *s = &p->g->steps[step];
  if (s->op != CY_SCALAR_select || p->level[step] != CY_LEVEL_FULL) return false;
  if (!is_one_number(p, s->arg[0], CY_LEVEL_FULL)) return false;
  int yes = as_full(p, s->arg[1]), no = as_full(p, s->arg[2]);
  emit(p, list_for(p, CY_LEVEL_FULL),
       (cy_instruction){.kind = CY_DO_ALIAS, .level = CY_LEVEL_FULL, .dtype = s->dtype, .dst = result_slot(p, step, false),
                        .a = p->slot[s->arg[0]], .b = yes, .c = no});
  return true;
}

/* ---- expressions that have a kernel of their own ---- */

typedef struct match {
  int operand[CY_FUSED_OPERANDS];   /* steps; -1 while open */
  int inner[CY_TEMPLATE_LENGTH];    /* steps that are absorbed; repeated if used several times */
  int n_inner;
} match;

/* Matches the expression at *code, and moves *code behind it. */
static bool match_at(const plan *p, const int **code, int step, int root, match *m) {
  const cy_step *s = &p->g->steps[step];
  int op = *(*code)++, n = count_args(s);
  if (op < 0) {
    int *operand = &m->operand[CY_OPERAND(0) - op];
    bool fits = s->dtype == CY_F32 && (*operand < 0 || *operand == step);
    *operand = step;
    return fits;
  }
  if (s->kind != CY_STEP_SCALAR || (int)s->op != op || p->level[step] != CY_LEVEL_FULL || p->absorbed[step]) return false;
  if (p->g->steps[s->arg[0]].dtype != CY_F32 && op != CY_SCALAR_select) return false;
  if (step != root) m->inner[m->n_inner++] = step;
  const int *start = *code;
  match before = *m;
  bool fits = true;
  for (int k = 0; k < n && fits; k++) fits = match_at(p, code, s->arg[k], root, m);
  if (fits || (op != CY_SCALAR_add && op != CY_SCALAR_mul)) return fits;
  *m = before;
  *code = start;
  return match_at(p, code, s->arg[1], root, m) && match_at(p, code, s->arg[0], root, m);
}

/* What is absorbed must be used here alone, and not as an operand: nobody misses it. */
static bool nobody_else_uses(const plan *p, const match *m) {
  for (int i = 0; i < m->n_inner; i++) {
    int seen = 0;
    for (int k = 0; k < m->n_inner; k++) seen += m->inner[k] == m->inner[i];
    if (seen != p->uses[m->inner[i]]) return false;
    for (int k = 0; k < CY_FUSED_OPERANDS; k++)
      if (m->operand[k] == m->inner[i]) return false;
  }
  return true;
}

static const cy_tile_template *find_template(const plan *p, int step, match *m) {
  const cy_tile_kernels *k = p->t->kernels;
  for (int i = 0; i < k->n_templates; i++) {
    const int *code = k->templates[i].code;
    *m = (match){.operand = {-1, -1, -1, -1, -1}};
    if (match_at(p, &code, step, step, m) && nobody_else_uses(p, m)) return &k->templates[i];
  }
  return NULL;
}

/* From the results backwards, so that the longest expressions win. */
static void find_templates(plan *p) {
  const cy_fused *g = p->g;
  for (int i = 0; i < g->n_outputs; i++) p->uses[g->outputs[i].step] += CY_TEMPLATE_LENGTH;
  for (int i = 0; i < g->n_steps; i++)
    for (int k = 0; k < count_args(&g->steps[i]); k++)
      if (p->needed[i]) p->uses[g->steps[i].arg[k]]++;
  for (int i = g->n_steps - 1; i >= 0; i--) {
    const cy_step *s = &g->steps[i];
    match m;
    if (!p->needed[i] || p->absorbed[i] || s->kind != CY_STEP_SCALAR || s->dtype != CY_F32 || p->level[i] != CY_LEVEL_FULL)
      continue;
    p->template[i] = find_template(p, i, &m);
    if (!p->template[i]) continue;
    memcpy(p->operands[i], m.operand, sizeof m.operand);
    for (int k = 0; k < m.n_inner; k++) p->absorbed[m.inner[k]] = true;
  }
}

static void emit_fused(plan *p, int step) {
  const cy_tile_template *template = p->template[step];
  cy_instruction in = {.kind = CY_DO_FUSED, .level = CY_LEVEL_FULL, .dtype = CY_F32, .fused = template->kernel};
  for (int k = 0; k < CY_FUSED_OPERANDS; k++) {
    int from = p->operands[step][k < template->n_operands ? k : 0];
    in.step[k] = !is_one_number(p, from, CY_LEVEL_FULL);
    in.operand[k] = in.step[k] ? as_full(p, from) : p->slot[from];
  }
  in.dst = result_slot(p, step, true);
  in.a = in.b = in.c = in.operand[0];
  emit(p, list_for(p, CY_LEVEL_FULL), in);
}

/* ---- steps ---- */

static cy_status emit_scalar(plan *p, int step) {
  const cy_step *s = &p->g->steps[step];
  const cy_tile_kernels *k = p->t->kernels;
  cy_dtype from = p->g->steps[s->arg[0]].dtype;
  cy_tile_level level = p->level[step];
  int n = count_args(s), arg[3] = {0}, form = 0;
  if (p->template[step]) {
    emit_fused(p, step);
    return CY_OK;
  }
  if (emit_choice(p, step)) return CY_OK;
  cy_tile_kernel math = cy_dtype_is_float(from) && s->op != CY_SCALAR_select && s->op != CY_SCALAR_convert
                            ? k->math[s->op][from == CY_F64]
                            : NULL;
  for (int i = 0; i < n; i++) {
    bool uniform = n > 1 && !math && !(s->op == CY_SCALAR_select && i == 0) && is_one_number(p, s->arg[i], level);
    arg[i] = uniform ? p->slot[s->arg[i]] : as_level(p, s->arg[i], level);
    form |= uniform << i;
  }
  cy_tile_kernel kernel = math ? math
                          : s->op == CY_SCALAR_convert ? k->convert[from][s->dtype]
                          : s->op == CY_SCALAR_select
                              ? k->select[cy_element_size_index(s->dtype)][form]
                              : k->scalar[s->op][from][form];
  if (!kernel) return cy_fail(CY_UNSUPPORTED, "fused step %d: no kernel for operands of type %s", step, cy_dtype_name(from));
  cy_instruction in = {.kind = CY_DO_KERNEL, .level = level, .dtype = s->dtype, .kernel = kernel,
                       .dst = result_slot(p, step, true)};
  in.a = arg[0], in.b = n > 1 ? arg[1] : arg[0], in.c = n > 2 ? arg[2] : arg[0];
  emit(p, list_for(p, level), in);
  return CY_OK;
}

static void emit_constant(plan *p, int step) {
  const cy_step *s = &p->g->steps[step];
  int slot = result_slot(p, step, true);
  emit(p, &p->t->uniform, (cy_instruction){.kind = CY_DO_CONSTANT, .dtype = s->dtype, .dst = slot, .a = slot, .b = slot,
                                           .c = slot, .number = s->number});
}

static int new_sum(plan *p, cy_combine combine, cy_dtype dtype, int output) {
  cy_tile_sum *s = APPEND(p, p->t->sums, p->t->n_sums, p->sums_capacity);
  if (!s) return 0;
  *s = (cy_tile_sum){combine, dtype, output};
  return p->t->n_sums - 1;
}

/* A column of one row each is its own sum. In pieces: parts in this pass's body, the result before the next. */
static void emit_reduce(plan *p, int step) {
  const cy_step *s = &p->g->steps[step];
  cy_instruction in = {.level = CY_LEVEL_FULL, .dtype = s->dtype, .combine = s->combine, .a = as_full(p, s->arg[0])};
  if (p->t->n_axes == p->t->row_axes) {
    in.kind = CY_DO_SAME;
    in.dst = in.b = in.c = result_slot(p, step, false);
  } else if (!p->t->in_pieces) {
    in.kind = CY_DO_REDUCE;
    in.dst = in.b = in.c = result_slot(p, step, true);
  } else {
    in.kind = CY_DO_REDUCE_PART;
    in.dst = in.b = in.c = in.a;
    in.sum = new_sum(p, s->combine, s->dtype, -1);
    emit(p, &p->t->row[p->pass + 1],
         (cy_instruction){.kind = CY_DO_TAKE_SUM, .level = CY_LEVEL_ROW, .dtype = s->dtype, .sum = in.sum,
                          .dst = result_slot(p, step, true), .a = result_slot(p, step, true),
                          .b = result_slot(p, step, true), .c = result_slot(p, step, true)});
  }
  emit(p, &p->t->body[p->pass], in);
}

static cy_status emit_step(plan *p, int step) {
  if (p->absorbed[step]) return CY_OK;
  switch (p->g->steps[step].kind) {
    case CY_STEP_INPUT: case CY_STEP_IOTA: case CY_STEP_RANDOM: emit_source(p, step); break;
    case CY_STEP_CONSTANT: emit_constant(p, step); break;
    case CY_STEP_SCALAR: return emit_scalar(p, step);
    case CY_STEP_REDUCE: emit_reduce(p, step); break;
  }
  return CY_OK;
}

/* ---- outputs ---- */

static void emit_accumulated(plan *p, int output) {
  const cy_fused_output *o = &p->g->outputs[output];
  if (is_column_sum(p, o)) {
    cy_tile_columns *c = APPEND(p, p->t->column_sums, p->t->n_column_sums, p->columns_capacity);
    if (!c) return;
    *c = (cy_tile_columns){.combine = o->combine, .dtype = o->dtype, .output = output, .access = p->output_access[output]};
    int number = p->t->n_column_sums - 1, slot = as_full(p, o->step);
    emit(p, &p->t->body[p->pass], (cy_instruction){.kind = CY_DO_ACCUMULATE_COLUMNS, .level = CY_LEVEL_FULL,
                                                   .dtype = o->dtype, .dst = slot, .a = slot, .b = slot, .c = slot,
                                                   .sum = number});
    return;
  }
  int number = new_sum(p, o->combine, o->dtype, output), slot = as_row(p, o->step);
  bool full = p->t->n_axes == p->t->row_axes;
  emit(p, full ? &p->t->body[p->pass] : list_for(p, CY_LEVEL_ROW),
       (cy_instruction){.kind = CY_DO_ACCUMULATE_NUMBER, .level = full ? CY_LEVEL_FULL : CY_LEVEL_ROW, .dtype = o->dtype,
                        .dst = slot, .a = slot, .b = slot, .c = slot, .sum = number});
}

static bool is_kernel(const cy_instruction *in) { return in->kind == CY_DO_KERNEL || in->kind == CY_DO_FUSED; }

static bool writes_its_own(const plan *p, int slot) {
  for (int i = 0; i < p->t->n_outputs_bound; i++)
    if (p->t->outputs_bound[i].slot == slot) return false;
  const cy_instruction_list *body = &p->t->body[p->pass];
  for (size_t i = 0; i < body->count; i++)
    if (is_kernel(&body->item[i]) && body->item[i].dst == slot) return true;
  return false;
}

static bool is_row_output(const plan *p, const cy_fused_output *o) {
  return p->g->steps[o->step].level == CY_ROW && p->t->n_axes > p->t->row_axes;
}

/* What a store reads must not lie in an input, which an earlier store may overwrite. */
static int own_copy(plan *p, int slot, cy_tile_level level, cy_dtype dtype) {
  if (p->no_memory || p->t->slots[slot].owned) return slot;
  int copy = new_slot(p, level, dtype, true);
  emit(p, list_for(p, level), (cy_instruction){.kind = CY_DO_KERNEL, .level = level, .dtype = dtype, .dst = copy, .a = slot,
                                               .b = slot, .c = slot, .kernel = p->t->kernels->convert[dtype][dtype]});
  return copy;
}

static int prepare_output(plan *p, int output) {
  const cy_fused_output *o = &p->g->outputs[output];
  cy_tile_level level = is_row_output(p, o) ? CY_LEVEL_ROW : CY_LEVEL_FULL;
  int slot = own_copy(p, as_level(p, o->step, level), level, o->dtype);
  if (level == CY_LEVEL_FULL && in_place(p, &p->t->accesses[p->output_access[output]], level) && writes_its_own(p, slot)) {
    cy_tile_binding *b = APPEND(p, p->t->outputs_bound, p->t->n_outputs_bound, p->outputs_capacity);
    if (!b) return slot;
    *b = (cy_tile_binding){.slot = slot, .access = p->output_access[output], .level = level};
    p->direct[output] = p->t->n_outputs_bound - 1;
  }
  return slot;
}

static void emit_store(plan *p, int output, int slot) {
  cy_tile_level level = is_row_output(p, &p->g->outputs[output]) ? CY_LEVEL_ROW : CY_LEVEL_FULL;
  emit(p, list_for(p, level),
       (cy_instruction){.kind = CY_DO_STORE, .level = level, .dtype = p->g->outputs[output].dtype, .dst = slot, .a = slot,
                        .b = slot, .c = slot, .access = p->output_access[output], .direct = p->direct[output]});
}

/* Stores last: everything has been read. In pieces rows and elements leave at different times. */
static void emit_outputs(plan *p, bool rows, bool elements) {
  const cy_fused_output *o = p->g->outputs;
#define MINE(i) (is_row_output(p, &o[i]) ? rows : elements)
  for (int i = 0; i < p->g->n_outputs; i++)
    if (o[i].accumulate && MINE(i)) emit_accumulated(p, i);
  for (int i = 0; i < p->g->n_outputs; i++)
    if (!o[i].accumulate && MINE(i)) p->output_slot[i] = prepare_output(p, i);
  for (int i = 0; i < p->g->n_outputs; i++)
    if (!o[i].accumulate && MINE(i)) emit_store(p, i, p->output_slot[i]);
#undef MINE
}

static cy_status emit_whole(plan *p) {
  for (int i = 0; i < p->g->n_steps; i++)
    if (p->needed[i]) CY_TRY(emit_step(p, i));
  emit_outputs(p, true, true);
  p->t->passes = 1;
  return CY_OK;
}

/* ---- rows in pieces ---- */

/* What this pass's results need, among FULL steps: recomputed, since a row's worth of it was not kept. */
static void find_wanted(plan *p, bool final) {
  const cy_fused *g = p->g;
  memset(p->wanted, 0, (size_t)g->n_steps * sizeof *p->wanted);
  for (int i = 0; i < g->n_outputs; i++)
    if (final && !is_row_output(p, &g->outputs[i])) p->wanted[g->outputs[i].step] = true;
  for (int i = g->n_steps - 1; i >= 0; i--) {
    const cy_step *s = &g->steps[i];
    if (!p->needed[i]) continue;
    if (s->kind == CY_STEP_REDUCE) {
      if (p->stage[s->arg[0]] == p->pass) p->wanted[i] = p->wanted[s->arg[0]] = true;
      else p->wanted[i] = false;
    } else if (p->wanted[i]) {
      for (int k = 0; k < count_args(s); k++) p->wanted[s->arg[k]] = true;
    }
  }
}

static void forget_full_slots(plan *p) {
  for (int i = 0; i < p->g->n_steps; i++)
    if (p->level[i] == CY_LEVEL_ROW) p->full_slot[i] = -1;
}

static bool has_full_outputs(const plan *p) {
  for (int i = 0; i < p->g->n_outputs; i++)
    if (!is_row_output(p, &p->g->outputs[i])) return true;
  return false;
}

static cy_status emit_pieces(plan *p) {
  const cy_fused *g = p->g;
  bool final_body = has_full_outputs(p);
  p->t->passes = p->n_stages + final_body;
  for (int i = 0; i < g->n_steps; i++)
    if (p->needed[i] && p->level[i] == CY_LEVEL_UNIFORM) CY_TRY(emit_step(p, i));
  for (p->pass = 0; p->pass <= p->n_stages; p->pass++) {
    for (int i = 0; i < g->n_steps; i++)
      if (p->needed[i] && p->level[i] == CY_LEVEL_ROW && p->stage[i] == p->pass && g->steps[i].kind != CY_STEP_REDUCE)
        CY_TRY(emit_step(p, i));
    if (p->pass == p->n_stages && !final_body) break;
    forget_full_slots(p);
    find_wanted(p, p->pass == p->n_stages);
    for (int i = 0; i < g->n_steps; i++)
      if (p->wanted[i] && (p->level[i] == CY_LEVEL_FULL || g->steps[i].kind == CY_STEP_REDUCE)) CY_TRY(emit_step(p, i));
    if (p->pass == p->n_stages) emit_outputs(p, false, true);
  }
  p->pass = p->t->passes;
  emit_outputs(p, true, false);
  return CY_OK;
}

/* ---- places in scratch ---- */

static void note_use(cy_tiles *t, int slot, int position) {
  if (t->slots[slot].last < position) t->slots[slot].last = position;
}

static bool makes_a_value(const cy_instruction *in) {
  return in->kind != CY_DO_STORE && in->kind != CY_DO_REDUCE_PART && in->kind != CY_DO_ACCUMULATE_NUMBER &&
         in->kind != CY_DO_ACCUMULATE_COLUMNS;
}

/* First and last instruction, over all bodies one behind the other; whoever is used by another name lives as long. */
static void find_lifetimes(cy_tiles *t) {
  int position = 0;
  for (int b = 0; b < t->passes; b++)
    for (size_t i = 0; i < t->body[b].count; i++, position++) {
      const cy_instruction *in = &t->body[b].item[i];
      if (t->slots[in->dst].first < 0 && makes_a_value(in)) t->slots[in->dst].first = position;
      note_use(t, in->dst, position), note_use(t, in->a, position), note_use(t, in->b, position);
      note_use(t, in->c, position);
      for (int k = 0; k < CY_FUSED_OPERANDS && in->kind == CY_DO_FUSED; k++) note_use(t, in->operand[k], position);
    }
  for (int b = t->passes - 1; b >= 0; b--)
    for (size_t i = t->body[b].count; i-- > 0;) {
      const cy_instruction *in = &t->body[b].item[i];
      if (in->kind != CY_DO_ALIAS && in->kind != CY_DO_SAME) continue;
      int last = t->slots[in->dst].last;
      note_use(t, in->a, last), note_use(t, in->b, last), note_use(t, in->c, last);
    }
}

/* When inputs are read for the last time and outputs written: by load instructions, or by whoever uses the slot. */
static void find_hazards(cy_tiles *t) {
  for (int i = 0; i < t->n_inputs_bound; i++) {
    const cy_tile_slot *s = &t->slots[t->inputs_bound[i].slot];
    t->inputs_bound[i].last_read = s->owned ? s->first : s->last;
  }
  for (int i = 0; i < t->n_outputs_bound; i++) t->outputs_bound[i].written = t->slots[t->outputs_bound[i].slot].first;
  int position = 0;
  for (int b = 0; b < t->passes; b++) /* recomputed: what counts is the last pass */
    for (size_t i = 0; i < t->body[b].count; i++, position++)
      for (int k = 0; k < t->n_outputs_bound; k++)
        if (is_kernel(&t->body[b].item[i]) && t->body[b].item[i].dst == t->outputs_bound[k].slot)
          t->outputs_bound[k].written = position;
  position = 0;
  for (int b = 0; b < t->passes; b++)
    for (size_t i = 0; i < t->body[b].count; i++, position++)
      for (int k = 0; k < t->n_inputs_bound; k++)
        if (t->body[b].item[i].kind == CY_DO_LOAD && t->body[b].item[i].dst == t->inputs_bound[k].slot)
          t->inputs_bound[k].last_read = position;
}

static const cy_instruction *instruction_at(const cy_tiles *t, int position) {
  for (int b = 0; b < t->passes; b++) {
    if (position < (int)t->body[b].count) return &t->body[b].item[position];
    position -= (int)t->body[b].count;
  }
  return NULL;
}

typedef struct place {
  size_t offset, bytes;
  int free_after; /* last instruction of the value in it */
} place;

/* Registers a multiple of 4096 bytes apart would look alike to the store buffer, and loads wait for the wrong stores. */
enum { STAGGER = 5 * 64 };

static bool take_bytes(size_t *total, size_t bytes, size_t *offset) {
  if (bytes > SIZE_MAX / 4 - *total) return false;
  *offset = *total;
  *total += (bytes + 63) / 64 * 64 + (bytes >= 2048 ? STAGGER : 0);
  return true;
}

static bool slot_bytes(const cy_tiles *t, const cy_tile_slot *s, size_t *bytes) {
  size_t n = 1;
  if (s->level != CY_LEVEL_UNIFORM) n = (size_t)t->tile_rows;
  if (s->level == CY_LEVEL_FULL || s->level == CY_LEVEL_COLUMN)
    if (!cy_mul_size(n, (size_t)at_least_one(t->tile_columns), &n)) return false;
  return cy_mul_size(n, cy_dtype_size(s->dtype), bytes);
}

/* A value may take the place of an operand that dies in the instruction that makes it. */
static bool reuse_place(const cy_tiles *t, cy_tile_slot *s, size_t bytes, place *places, int n_places) {
  const cy_instruction *maker = instruction_at(t, s->first);
  for (int i = 0; i < n_places; i++) {
    if (places[i].bytes != bytes) continue;
    if (places[i].free_after < s->first || (places[i].free_after == s->first && is_kernel(maker))) {
      places[i].free_after = s->last;
      s->offset = places[i].offset;
      return true;
    }
  }
  return false;
}

static bool place_slots(cy_tiles *t, place *places) {
  int n_places = 0, total = 0;
  for (int b = 0; b < t->passes; b++) total += (int)t->body[b].count;
  for (int i = 0; i < t->n_slots; i++) { /* those that stay */
    cy_tile_slot *s = &t->slots[i];
    size_t bytes;
    s->reusable = s->owned && s->level == CY_LEVEL_FULL && s->first >= 0;
    if (!s->owned || s->reusable) continue;
    if (!slot_bytes(t, s, &bytes) || !take_bytes(s->shared ? &t->shared_bytes : &t->worker_bytes, bytes, &s->offset))
      return false;
  }
  for (int position = 0; position < total; position++) {
    cy_tile_slot *s = &t->slots[instruction_at(t, position)->dst];
    size_t bytes;
    if (!s->reusable || s->first != position) continue;
    if (!slot_bytes(t, s, &bytes)) return false;
    if (reuse_place(t, s, bytes, places, n_places)) continue;
    if (!take_bytes(&t->worker_bytes, bytes, &s->offset)) return false;
    places[n_places++] = (place){s->offset, bytes, s->last};
  }
  return true;
}

static cy_status lay_out(cy_tiles *t) {
  size_t offset, bytes;
  place *places = cy_calloc((size_t)t->n_slots + 1, sizeof *places);
  if (!places) return cy_no_memory();
  bool fits = take_bytes(&t->worker_bytes, (size_t)t->n_slots * sizeof(void *), &offset) &&
              take_bytes(&t->worker_bytes, (size_t)t->n_sums * sizeof(cy_tile_number), &t->sums_offset) &&
              take_bytes(&t->worker_bytes, (size_t)t->n_outputs_bound * sizeof(bool), &t->direct_offset);
  for (int i = 0; i < t->n_column_sums && fits; i++)
    fits = cy_mul_size((size_t)t->columns, cy_dtype_size(t->column_sums[i].dtype), &bytes) &&
           take_bytes(&t->worker_bytes, bytes, &t->column_sums[i].offset);
  fits = fits && place_slots(t, places) && cy_mul_size(t->worker_bytes, (size_t)t->workers, &bytes) &&
         bytes < SIZE_MAX / 2;
  cy_free(places);
  return fits ? CY_OK : cy_fail(CY_NO_MEMORY, "a fused group's workspace exceeds the address space");
}

/* ---- the whole ---- */

static bool rows_matter(const cy_fused *g) {
  for (int i = 0; i < g->n_outputs; i++)
    if (g->outputs[i].accumulate || g->steps[g->outputs[i].step].level == CY_ROW) return true;
  for (int i = 0; i < g->n_steps; i++)
    if (g->steps[i].kind == CY_STEP_REDUCE) return true;
  return false;
}

static cy_status make_plan(plan *p, int threads) {
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
  find_templates(p);
  for (int i = 0; i < p->g->n_steps; i++) p->slot[i] = p->full_slot[i] = p->row_slot[i] = -1;
  for (int i = 0; i < p->g->n_outputs; i++) p->direct[i] = -1;
  CY_TRY(t->in_pieces ? emit_pieces(p) : emit_whole(p));
  if (t->hoisted.count || t->columns_outside) t->columns_outside = true;
  for (int i = 0; i < t->n_inputs_bound; i++) t->columns_outside |= t->inputs_bound[i].level == CY_LEVEL_COLUMN;
  if (p->no_memory) return cy_no_memory();
  find_lifetimes(t);
  find_hazards(t);
  return lay_out(t);
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
  plan p = {.g = group, .t = cy_calloc(1, sizeof(cy_tiles))};
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
  if (!p.level || !p.needed || !p.access || !p.output_access || !p.output_slot || !p.direct || !p.stage || !p.slot || !p.full_slot || !p.row_slot ||
      !p.wanted || !p.uses || !p.template || !p.operands || !p.absorbed)
    status = cy_no_memory();
  else
    status = make_plan(&p, threads < 1 ? 1 : threads);
  cy_arena_free(arena);
  if (status != CY_OK) cy_tiles_free(p.t);
  else *tiles = p.t;
  return status;
}
