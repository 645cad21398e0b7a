/* Instructions of a planned group: steps and outputs in order, each into the list of its level; expressions that have a
 * kernel of their own as one instruction. Rows that do not fit in a tile take one pass more than there are nested
 * reductions: what a later pass needs again is computed again. */
#include "backend/cpu/tile_planner.h"

#include <string.h>

static int new_slot(cy_tile_planner *p, cy_tile_level level, cy_dtype dtype, bool owned) {
  cy_tile_slot *s = APPEND(p, p->t->slots, p->t->n_slots, p->slots_capacity);
  if (!s) return 0;
  *s = (cy_tile_slot){
      .level = level, .dtype = dtype, .owned = owned, .shared = level == CY_LEVEL_UNIFORM, .first = -1, .last = -1};
  return p->t->n_slots - 1;
}

static void emit(cy_tile_planner *p, cy_instruction_list *list, cy_instruction in) {
  cy_instruction *place = APPEND(p, list->item, list->count, list->capacity);
  if (place) *place = in;
}

/* ---- instructions ---- */

/* One that reads and writes the same slot; operands that it has no use for are that slot too. */
static cy_instruction on_slot(cy_instruction_kind kind, cy_tile_level level, cy_dtype dtype, int slot) {
  return (cy_instruction){.kind = kind, .level = level, .dtype = dtype, .dst = slot, .a = slot, .b = slot, .c = slot};
}

static cy_instruction_list *list_for(cy_tile_planner *p, cy_tile_level level) {
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
static int as_full(cy_tile_planner *p, int step) {
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

static int as_row(cy_tile_planner *p, int step) {
  cy_dtype dtype = p->g->steps[step].dtype;
  if (p->level[step] != CY_LEVEL_UNIFORM) return p->slot[step];
  if (p->t->n_axes == p->t->row_axes) return as_full(p, step);
  if (p->row_slot[step] >= 0) return p->row_slot[step];
  int slot = new_slot(p, CY_LEVEL_ROW, dtype, true);
  emit(p, &p->t->prologue,
       (cy_instruction){.kind = CY_DO_SPLAT,
                        .level = CY_LEVEL_ROW,
                        .dtype = dtype,
                        .dst = slot,
                        .a = p->slot[step],
                        .b = slot,
                        .c = slot});
  return p->row_slot[step] = slot;
}

static int as_level(cy_tile_planner *p, int step, cy_tile_level level) {
  if (level == CY_LEVEL_UNIFORM) return p->slot[step];
  return level == CY_LEVEL_ROW ? as_row(p, step) : as_full(p, step);
}

/* One number for every element that a step of this level works on. */
static bool is_one_number(const cy_tile_planner *p, int step, cy_tile_level level) {
  return level != CY_LEVEL_UNIFORM &&
         (p->level[step] == CY_LEVEL_UNIFORM ||
          (p->level[step] == CY_LEVEL_ROW && level == CY_LEVEL_FULL && p->t->tile_rows == 1));
}

static bool in_place(const cy_tile_planner *p, const cy_tile_access *a, cy_tile_level level) {
  if (a->source != CY_SOURCE_MEMORY) return false;
  switch (level) {
    case CY_LEVEL_UNIFORM: return false;
    case CY_LEVEL_COLUMN: return a->runs && p->t->tile_rows == 1;
    case CY_LEVEL_ROW: break; /* the row axes alone must be dense */
    case CY_LEVEL_FULL:
      return a->flat ? p->t->tile_columns == p->t->columns || p->t->tile_rows == 1 : a->runs && p->t->tile_rows == 1;
  }
  int64_t step = 1;
  for (int i = p->t->row_axes - 1; i >= 0; step *= p->t->dim[i--])
    if (a->stride[i] != step) return false;
  return true;
}

/* ---- rows that lie apart ---- */

/* Rows shorter than this are better copied together: a kernel's call takes as long as so many elements. */
enum { SHORT_ROW = 64 };

/* More readers than this are served better by one copy. */
enum { FEW_READERS = 2 };

/* Do all who read the step's value, besides so many outputs, take rows as they lie? Kernels do. */
static bool only_kernels_read(const cy_tile_planner *p, int step, int outputs) {
  int readers = FEW_READERS;
  for (int i = 0; i < p->g->n_outputs; i++) outputs -= p->g->outputs[i].step == step;
  for (int i = 0; i < p->g->n_steps && outputs == 0 && readers >= 0; i++) {
    const cy_step *s = &p->g->steps[i];
    if (!p->needed[i]) continue;
    for (int k = 0; k < cy_tile_count_args(s); k++) {
      if (s->arg[k] != step) continue;
      readers--;
      if (s->kind != CY_STEP_SCALAR || (s->op == CY_SCALAR_select && is_one_number(p, s->arg[0], CY_LEVEL_FULL)))
        return false;
    }
  }
  return outputs == 0 && readers >= 0;
}

/* May kernels read or write the rows of a tile where they lie, a fixed distance from one another? */
static bool lies_apart(const cy_tile_planner *p, const cy_tile_access *a, cy_tile_level level) {
  const cy_tiles *t = p->t;
  return a->source == CY_SOURCE_MEMORY && (level == CY_LEVEL_FULL || level == CY_LEVEL_COLUMN) && a->runs &&
         !t->in_pieces && t->row_axes == 1 && t->n_axes > 1 && t->tile_rows > 1 && t->tile_columns == t->columns &&
         t->columns >= SHORT_ROW;
}

static void set_apart(cy_tile_planner *p, int slot, const cy_tile_access *a) {
  p->t->slots[slot].apart = true;
  p->t->slots[slot].pitch = a->stride[0] * (int64_t)cy_dtype_size(a->dtype);
}

static void emit_source(cy_tile_planner *p, int step) {
  const cy_step *s = &p->g->steps[step];
  cy_tile_level level = p->level[step];
  const cy_tile_access *access = &p->t->accesses[p->access[step]];
  const bool apart = !in_place(p, access, level) && lies_apart(p, access, level) && only_kernels_read(p, step, 0);
  const bool bound = apart || in_place(p, access, level);
  int slot = p->slot[step] >= 0 ? p->slot[step] : new_slot(p, level, s->dtype, !bound);
  bool again = p->slot[step] >= 0;
  p->slot[step] = slot;
  if (apart && !p->no_memory) set_apart(p, slot, access);
  if (bound && again) return;
  if (access->source == CY_SOURCE_MEMORY && level != CY_LEVEL_UNIFORM && !again) {
    cy_tile_binding *b = APPEND(p, p->t->inputs_bound, p->t->n_inputs_bound, p->inputs_capacity);
    if (!b) return;
    *b = (cy_tile_binding){.slot = slot, .access = p->access[step], .level = level};
  }
  if (bound) return;
  cy_instruction in = on_slot(CY_DO_LOAD, level, s->dtype, slot);
  in.access = p->access[step];
  if (s->kind == CY_STEP_RANDOM) in.a = p->slot[s->arg[0]], in.b = p->slot[s->arg[1]];
  emit(p, list_for(p, level), in);
}

static int result_slot(cy_tile_planner *p, int step, bool owned) {
  if (p->slot[step] < 0) p->slot[step] = new_slot(p, p->level[step], p->g->steps[step].dtype, owned);
  return p->slot[step];
}

/* select with one condition for the whole tile costs nothing: the pointer of the chosen operand. */
static bool emit_choice(cy_tile_planner *p, int step) {
  const cy_step *s = &p->g->steps[step];
  if (s->op != CY_SCALAR_select || p->level[step] != CY_LEVEL_FULL) return false;
  if (!is_one_number(p, s->arg[0], CY_LEVEL_FULL)) return false;
  int yes = as_full(p, s->arg[1]), no = as_full(p, s->arg[2]);
  emit(p, list_for(p, CY_LEVEL_FULL),
       (cy_instruction){.kind = CY_DO_ALIAS,
                        .level = CY_LEVEL_FULL,
                        .dtype = s->dtype,
                        .dst = result_slot(p, step, false),
                        .a = p->slot[s->arg[0]],
                        .b = yes,
                        .c = no});
  return true;
}

/* ---- expressions that have a kernel of their own ---- */

typedef struct match {
  int operand[CY_FUSED_OPERANDS]; /* steps; -1 while open */
  int inner[CY_TEMPLATE_LENGTH];  /* steps that are absorbed; repeated if used several times */
  int n_inner;
} match;

/* Matches the expression at *code, and moves *code behind it. */
static bool match_at(const cy_tile_planner *p, const int **code, int step, int root, match *m) {
  const cy_step *s = &p->g->steps[step];
  int op = *(*code)++, n = cy_tile_count_args(s);
  if (op < 0) {
    int *operand = &m->operand[CY_OPERAND(0) - op];
    bool fits = s->dtype == CY_F32 && (*operand < 0 || *operand == step);
    *operand = step;
    return fits;
  }
  if (s->kind != CY_STEP_SCALAR || (int)s->op != op || p->level[step] != CY_LEVEL_FULL || p->absorbed[step])
    return false;
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
static bool nobody_else_uses(const cy_tile_planner *p, const match *m) {
  for (int i = 0; i < m->n_inner; i++) {
    int seen = 0;
    for (int k = 0; k < m->n_inner; k++) seen += m->inner[k] == m->inner[i];
    if (seen != p->uses[m->inner[i]]) return false;
    for (int k = 0; k < CY_FUSED_OPERANDS; k++)
      if (m->operand[k] == m->inner[i]) return false;
  }
  return true;
}

static const cy_tile_template *find_template(const cy_tile_planner *p, int step, match *m) {
  const cy_tile_kernels *k = p->t->kernels;
  for (int i = 0; i < k->n_templates; i++) {
    const int *code = k->templates[i].code;
    *m = (match){.operand = {-1, -1, -1, -1, -1}};
    if (match_at(p, &code, step, step, m) && nobody_else_uses(p, m)) return &k->templates[i];
  }
  return NULL;
}

/* From the results backwards, so that the longest expressions win. */
void cy_tile_find_templates(cy_tile_planner *p) {
  const cy_fused *g = p->g;
  for (int i = 0; i < g->n_outputs; i++) p->uses[g->outputs[i].step] += CY_TEMPLATE_LENGTH;
  for (int i = 0; i < g->n_steps; i++)
    for (int k = 0; k < cy_tile_count_args(&g->steps[i]); k++)
      if (p->needed[i]) p->uses[g->steps[i].arg[k]]++;
  for (int i = g->n_steps - 1; i >= 0; i--) {
    const cy_step *s = &g->steps[i];
    match m;
    if (!p->needed[i] || p->absorbed[i] || s->kind != CY_STEP_SCALAR || s->dtype != CY_F32 ||
        p->level[i] != CY_LEVEL_FULL)
      continue;
    p->template[i] = find_template(p, i, &m);
    if (!p->template[i]) continue;
    memcpy(p->operands[i], m.operand, sizeof m.operand);
    for (int k = 0; k < m.n_inner; k++) p->absorbed[m.inner[k]] = true;
  }
}

static void emit_fused(cy_tile_planner *p, int step) {
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

static cy_status emit_scalar(cy_tile_planner *p, int step) {
  const cy_step *s = &p->g->steps[step];
  const cy_tile_kernels *k = p->t->kernels;
  cy_dtype from = p->g->steps[s->arg[0]].dtype;
  cy_tile_level level = p->level[step];
  int n = cy_tile_count_args(s), arg[3] = {0}, form = 0;
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
  cy_tile_kernel kernel = math                         ? math
                          : s->op == CY_SCALAR_convert ? k->convert[from][s->dtype]
                          : s->op == CY_SCALAR_select  ? k->select[cy_element_size_index(s->dtype)][form]
                                                       : k->scalar[s->op][from][form];
  if (!kernel)
    return cy_fail(CY_UNSUPPORTED, "fused step %d: no kernel for operands of type %s", step, cy_dtype_name(from));
  cy_instruction in = {
      .kind = CY_DO_KERNEL, .level = level, .dtype = s->dtype, .kernel = kernel, .dst = result_slot(p, step, true)};
  in.a = arg[0], in.b = n > 1 ? arg[1] : arg[0], in.c = n > 2 ? arg[2] : arg[0];
  emit(p, list_for(p, level), in);
  return CY_OK;
}

static void emit_constant(cy_tile_planner *p, int step) {
  const cy_step *s = &p->g->steps[step];
  int slot = result_slot(p, step, true);
  cy_instruction in = on_slot(CY_DO_CONSTANT, CY_LEVEL_UNIFORM, s->dtype, slot);
  in.number = s->number;
  emit(p, &p->t->uniform, in);
}

static int new_sum(cy_tile_planner *p, cy_combine combine, cy_dtype dtype, int output) {
  cy_tile_sum *s = APPEND(p, p->t->sums, p->t->n_sums, p->sums_capacity);
  if (!s) return 0;
  *s = (cy_tile_sum){combine, dtype, output};
  return p->t->n_sums - 1;
}

/* A column of one row each is its own sum. In pieces: parts in this pass's body, the result before the next. */
static void emit_reduce(cy_tile_planner *p, int step) {
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
         (cy_instruction){.kind = CY_DO_TAKE_SUM,
                          .level = CY_LEVEL_ROW,
                          .dtype = s->dtype,
                          .sum = in.sum,
                          .dst = result_slot(p, step, true),
                          .a = result_slot(p, step, true),
                          .b = result_slot(p, step, true),
                          .c = result_slot(p, step, true)});
  }
  emit(p, &p->t->body[p->pass], in);
}

static cy_status emit_step(cy_tile_planner *p, int step) {
  if (p->absorbed[step]) return CY_OK;
  switch (p->g->steps[step].kind) {
    case CY_STEP_INPUT:
    case CY_STEP_IOTA:
    case CY_STEP_RANDOM: emit_source(p, step); break;
    case CY_STEP_CONSTANT: emit_constant(p, step); break;
    case CY_STEP_SCALAR: return emit_scalar(p, step);
    case CY_STEP_REDUCE: emit_reduce(p, step); break;
  }
  return CY_OK;
}

/* ---- outputs ---- */

static void emit_accumulated(cy_tile_planner *p, int output) {
  const cy_fused_output *o = &p->g->outputs[output];
  if (cy_tile_is_column_sum(p, o)) {
    cy_tile_columns *c = APPEND(p, p->t->column_sums, p->t->n_column_sums, p->columns_capacity);
    if (!c) return;
    *c = (cy_tile_columns){
        .combine = o->combine, .dtype = o->dtype, .output = output, .access = p->output_access[output]};
    int number = p->t->n_column_sums - 1, slot = as_full(p, o->step);
    cy_instruction in = on_slot(CY_DO_ACCUMULATE_COLUMNS, CY_LEVEL_FULL, o->dtype, slot);
    in.sum = number;
    emit(p, &p->t->body[p->pass], in);
    return;
  }
  int number = new_sum(p, o->combine, o->dtype, output), slot = as_row(p, o->step);
  bool full = p->t->n_axes == p->t->row_axes;
  cy_instruction in = on_slot(CY_DO_ACCUMULATE_NUMBER, full ? CY_LEVEL_FULL : CY_LEVEL_ROW, o->dtype, slot);
  in.sum = number;
  emit(p, full ? &p->t->body[p->pass] : list_for(p, CY_LEVEL_ROW), in);
}

bool cy_tile_is_kernel(const cy_instruction *in) { return in->kind == CY_DO_KERNEL || in->kind == CY_DO_FUSED; }

static bool writes_its_own(const cy_tile_planner *p, int slot) {
  for (int i = 0; i < p->t->n_outputs_bound; i++)
    if (p->t->outputs_bound[i].slot == slot) return false;
  const cy_instruction_list *body = &p->t->body[p->pass];
  for (size_t i = 0; i < body->count; i++)
    if (cy_tile_is_kernel(&body->item[i]) && body->item[i].dst == slot) return true;
  return false;
}

static bool is_row_output(const cy_tile_planner *p, const cy_fused_output *o) {
  return p->g->steps[o->step].level == CY_ROW && p->t->n_axes > p->t->row_axes;
}

/* What a store reads must not lie in an input, which an earlier store may overwrite. */
static int own_copy(cy_tile_planner *p, int slot, cy_tile_level level, cy_dtype dtype) {
  if (p->no_memory || p->t->slots[slot].owned) return slot;
  int copy = new_slot(p, level, dtype, true);
  cy_instruction in = on_slot(CY_DO_KERNEL, level, dtype, slot);
  in.dst = copy;
  in.kernel = p->t->kernels->convert[dtype][dtype];
  emit(p, list_for(p, level), in);
  return copy;
}

static int prepare_output(cy_tile_planner *p, int output) {
  const cy_fused_output *o = &p->g->outputs[output];
  cy_tile_level level = is_row_output(p, o) ? CY_LEVEL_ROW : CY_LEVEL_FULL;
  int slot = own_copy(p, as_level(p, o->step, level), level, o->dtype);
  const cy_tile_access *access = &p->t->accesses[p->output_access[output]];
  const bool apart = level == CY_LEVEL_FULL && !in_place(p, access, level) && lies_apart(p, access, level) &&
                     only_kernels_read(p, o->step, 1);
  if (level == CY_LEVEL_FULL && (apart || in_place(p, access, level)) && writes_its_own(p, slot)) {
    if (apart && !p->no_memory) set_apart(p, slot, access);
    cy_tile_binding *b = APPEND(p, p->t->outputs_bound, p->t->n_outputs_bound, p->outputs_capacity);
    if (!b) return slot;
    *b = (cy_tile_binding){.slot = slot, .access = p->output_access[output], .level = level};
    p->direct[output] = p->t->n_outputs_bound - 1;
  }
  return slot;
}

static void emit_store(cy_tile_planner *p, int output, int slot) {
  cy_tile_level level = is_row_output(p, &p->g->outputs[output]) ? CY_LEVEL_ROW : CY_LEVEL_FULL;
  cy_instruction in = on_slot(CY_DO_STORE, level, p->g->outputs[output].dtype, slot);
  in.access = p->output_access[output];
  in.direct = p->direct[output];
  emit(p, list_for(p, level), in);
}

/* Stores last: everything has been read. In pieces rows and elements leave at different times. */
static void emit_outputs(cy_tile_planner *p, bool rows, bool elements) {
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

static cy_status emit_whole(cy_tile_planner *p) {
  for (int i = 0; i < p->g->n_steps; i++)
    if (p->needed[i]) CY_TRY(emit_step(p, i));
  emit_outputs(p, true, true);
  p->t->passes = 1;
  return CY_OK;
}

/* ---- rows in pieces ---- */

/* What this pass's results need, among FULL steps: recomputed, since a row's worth of it was not kept. */
static void find_wanted(cy_tile_planner *p, bool final) {
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
      for (int k = 0; k < cy_tile_count_args(s); k++) p->wanted[s->arg[k]] = true;
    }
  }
}

static void forget_full_slots(cy_tile_planner *p) {
  for (int i = 0; i < p->g->n_steps; i++)
    if (p->level[i] == CY_LEVEL_ROW) p->full_slot[i] = -1;
}

static bool has_full_outputs(const cy_tile_planner *p) {
  for (int i = 0; i < p->g->n_outputs; i++)
    if (!is_row_output(p, &p->g->outputs[i])) return true;
  return false;
}

static cy_status emit_pieces(cy_tile_planner *p) {
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

static void mark_apart(const cy_tile_planner *p, cy_instruction_list *list) {
  const cy_tile_slot *slots = p->t->slots;
  for (size_t i = 0; i < list->count && !p->no_memory; i++) {
    cy_instruction *in = &list->item[i];
    if (!cy_tile_is_kernel(in)) continue;
    in->apart = slots[in->dst].apart || slots[in->a].apart || slots[in->b].apart || slots[in->c].apart;
    for (int k = 0; k < CY_FUSED_OPERANDS && in->kind == CY_DO_FUSED; k++) in->apart |= slots[in->operand[k]].apart;
  }
}

cy_status cy_tile_emit(cy_tile_planner *p) {
  CY_TRY(p->t->in_pieces ? emit_pieces(p) : emit_whole(p));
  mark_apart(p, &p->t->hoisted);
  mark_apart(p, &p->t->body[0]);
  return CY_OK;
}
