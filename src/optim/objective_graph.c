/* Objectives of graphs: a copy of the values, tensors for x and for a direction, and a program for each pass,
 * compiled when it is first needed. All passes compute in one piece of memory, that of the largest, since only one
 * runs at a time. Where inputs hold still, products are frozen programs with memory of their own: all leaves of the
 * copy but the directions are variables, so that what depends on no direction is computed once for each x. */
#include "optim/objective.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "compile/plan.h"
#include "graph/graph.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

enum { PASSES = CY_PASS_SQUARES + 1 };
static const double MOST_MEMORY = 2.5; /* of a product, in gradients' */

typedef struct pass {
  cy_program *program;
  cy_session *session; /* NULL while its memory is not there */
  bool reverse_over_forward;
  bool frozen;
  uint64_t seen; /* frozen: the point that it computed at */
} pass;

typedef struct fixed { /* an input that is not varied, and what it is bound to */
  const char *name;    /* of the graph */
  cy_tensor *tensor;
} fixed;

typedef struct graph_function {
  cy_function_values values;
  cy_program_options options;
  cy_tensor **x, **v; /* per variable */
  cy_tensor *signs;   /* per example, if their losses are there */
  pass passes[PASSES];
  int owner; /* the pass whose session owns the memory; -1: none yet */
  fixed *fixed;
  size_t n_fixed, fixed_capacity;
  bool still;
  int64_t n_numbers;
  double *last;   /* still: what x holds */
  uint64_t point; /* still: counts changes of x and of bindings */
} graph_function;

/* ---- the copy ---- */

/* Inputs become variables. */
static cy_value copy_node(cy_graph *graph, const cy_node *node, const cy_value *in) {
  if (node->op == &cy_op_input) return cy_variable(graph, node->name, node->dtype, node->shape);
  return cy_remake(graph, node, in);
}

static cy_status copy_nodes(const cy_graph *from, const bool *needed, int32_t *copies, cy_graph *graph) {
  for (int32_t id = 0; id < cy_graph_size(from); id++) {
    const cy_node *node = cy_node_at(from, id);
    if (!needed[id]) continue;
    cy_value *in = cy_calloc((size_t)node->n_inputs + 1, sizeof *in);
    if (!in) return cy_no_memory();
    for (int k = 0; k < node->n_inputs; k++) in[k] = cy_value_at(graph, copies[node->inputs[k]]);
    const char *outer = cy_scope_set(graph, node->scope);
    copies[id] = copy_node(graph, node, in).id;
    cy_scope_set(graph, outer);
    cy_free(in);
    CY_TRY(cy_graph_status(graph));
  }
  return CY_OK;
}

static cy_value copied(const cy_function_values *f, const int32_t *copies, cy_value v) {
  return cy_is_value(v) ? cy_value_at(f->graph, copies[v.id]) : cy_none;
}

static cy_status copy_values(const cy_objective_graph *g, const cy_value *ends, int n_ends, cy_function_values *f) {
  cy_graph *from = g->loss.graph;
  size_t size = (size_t)cy_graph_size(from);
  bool *needed = cy_calloc(size, sizeof *needed);
  int32_t *copies = cy_calloc(size, sizeof *copies);
  cy_status status = needed && copies ? CY_OK : cy_no_memory();
  if (status == CY_OK) cy_mark_needed(from, 0, ends, n_ends, needed);
  if (status == CY_OK) status = copy_nodes(from, needed, copies, f->graph);
  if (status == CY_OK) {
    f->loss = copied(f, copies, g->loss);
    f->output = copied(f, copies, g->output);
    f->losses = copied(f, copies, g->losses);
    for (int i = 0; i < f->n; i++) f->variables[i] = copied(f, copies, g->variables[i]);
  }
  cy_free(needed);
  cy_free(copies);
  return status;
}

/* ---- what is asked of the values ---- */

static cy_status check_variable(const cy_objective_graph *g, int i) {
  cy_value v = g->variables[i];
  const cy_node *node = cy_is_value(v) ? cy_node_of(v) : NULL;
  if (!node || (node->op != &cy_op_input && node->op != &cy_op_variable))
    return cy_fail(CY_INVALID, "objective: what it varies (number %d) is neither a variable nor an input", i + 1);
  if (!cy_dtype_is_float(node->dtype))
    return cy_fail(CY_INVALID, "objective: variable \"%s\" is %s; derivatives need f32 or f64", node->name,
                   cy_dtype_name(node->dtype));
  for (int k = 0; k < i; k++)
    if (g->variables[k].id == v.id)
      return cy_fail(CY_INVALID, "objective: variable \"%s\" is named twice", node->name);
  if (cy_is_value(g->output) && g->output.id == v.id)
    return cy_fail(CY_INVALID, "objective: the output is the variable \"%s\"", node->name);
  return CY_OK;
}

static cy_status check_float(const char *what, cy_value v, int most_rank) {
  char text[CY_SHAPE_TEXT];
  cy_shape shape = cy_value_shape(v);
  if (!cy_is_value(v)) return cy_fail(CY_INVALID, "objective: there is no %s", what);
  if (!cy_dtype_is_float(cy_value_dtype(v)) || shape.rank > most_rank)
    return cy_fail(CY_INVALID, "objective: the %s must be an f32 or f64%s, not %s %s", what,
                   most_rank == 0 ? " scalar" : "", cy_dtype_name(cy_value_dtype(v)), cy_shape_text(shape, text));
  return CY_OK;
}

static cy_status check_values(const cy_objective_graph *g, const cy_value *ends, int n_ends) {
  if (!g->loss.graph) return cy_fail(CY_INVALID, "objective: there is no loss");
  CY_TRY(cy_graph_status(g->loss.graph));
  for (int i = 0; i < n_ends; i++)
    if (ends[i].graph != g->loss.graph)
      return cy_fail(CY_INVALID, "objective: its values belong to different graphs");
  CY_TRY(check_float("loss", g->loss, 0));
  if (cy_is_value(g->output)) CY_TRY(check_float("output", g->output, CY_MAX_RANK));
  if (cy_is_value(g->losses)) CY_TRY(check_float("examples' losses", g->losses, CY_MAX_RANK));
  if (g->n < 1) return cy_fail(CY_INVALID, "objective: there is nothing to vary");
  for (int i = 0; i < g->n; i++) CY_TRY(check_variable(g, i));
  return CY_OK;
}

/* ---- numbers: flat doubles in and out of tensors ---- */

static void spread(const double *from, cy_tensor *const *tensors, int n) {
  for (int i = 0; i < n; i++) {
    int64_t count = cy_tensor_count(tensors[i]);
    float *narrow = cy_tensor_f32(tensors[i]);
    if (count == 0) continue;
    if (narrow) for (int64_t k = 0; k < count; k++) narrow[k] = (float)from[k];
    else memcpy(cy_tensor_data(tensors[i]), from, (size_t)count * sizeof *from);
    from += count;
  }
}

/* Outputs number first and on, one after the other. */
static void collect(const cy_session *session, int first, int n, double *to) {
  for (int i = 0; i < n; i++) {
    const cy_tensor *t = cy_session_output(session, first + i);
    int64_t count = cy_tensor_count(t);
    const float *narrow = cy_tensor_is_contiguous(t) ? cy_tensor_f32(t) : NULL;
    const double *wide = cy_tensor_is_contiguous(t) ? cy_tensor_f64(t) : NULL;
    for (int64_t k = 0; k < count; k++) to[k] = wide ? wide[k] : narrow ? (double)narrow[k] : cy_tensor_at(t, k);
    to += count;
  }
}

/* ---- programs ---- */

static cy_status compile_pass(const graph_function *f, cy_objective_pass which, bool reverse_over_forward, bool frozen,
                              cy_program **program) {
  int n = 0;
  cy_program_options options = f->options;
  options.frozen = frozen;
  cy_value *outputs = cy_calloc((size_t)f->values.n + 1, sizeof *outputs);
  if (!outputs) return cy_no_memory();
  cy_status status = cy_pass_values(&f->values, which, reverse_over_forward, outputs, &n);
  if (status == CY_OK) status = cy_compile(outputs, n, NULL, 0, options, program);
  cy_free(outputs);
  return status;
}

/* Operations times bytes: a pass that saves a tenth of one may cost a tenth more of the other. */
static double effort(const cy_program *program) {
  return (1 + cy_program_flops(program)) * (1 + (double)cy_program_arena_bytes(program));
}

/* The better of the two orders of differentiation. */
static cy_status compile_best(const graph_function *f, cy_objective_pass which, bool frozen, pass *p) {
  cy_program *other;
  p->frozen = frozen;
  CY_TRY(compile_pass(f, which, false, frozen, &p->program));
  if (which != CY_PASS_HESSIAN) return CY_OK;
  CY_TRY(compile_pass(f, which, true, frozen, &other));
  p->reverse_over_forward = effort(other) < effort(p->program);
  cy_program_free(p->reverse_over_forward ? p->program : other);
  if (p->reverse_over_forward) p->program = other;
  return CY_OK;
}

static cy_status get_program(graph_function *f, cy_objective_pass which) {
  pass *p = &f->passes[which];
  if (p->program) return CY_OK;
  bool frozen = f->still && which >= CY_PASS_HESSIAN && which != CY_PASS_SQUARES;
  if (frozen) CY_TRY(get_program(f, CY_PASS_GRADIENT));
  CY_TRY(compile_best(f, which, frozen, p));
  if (!frozen || (double)cy_program_arena_bytes(p->program) <=
                     MOST_MEMORY * (double)cy_program_arena_bytes(f->passes[CY_PASS_GRADIENT].program))
    return CY_OK;
  cy_program_free(p->program); /* what it would keep is too much */
  *p = (pass){0};
  return compile_best(f, which, false, p);
}

static bool reads(const cy_program *program, const char *name) {
  for (int i = 0; i < program->n_bindings; i++)
    if (strcmp(program->bindings[i].name, name) == 0) return true;
  return false;
}

static cy_status bind_if_read(const pass *p, const char *name, cy_tensor *tensor) {
  return reads(p->program, name) ? cy_session_bind(p->session, name, tensor) : CY_OK;
}

static cy_status bind_all(const graph_function *f, const pass *p) {
  for (int i = 0; i < f->values.n; i++) {
    CY_TRY(bind_if_read(p, cy_value_name(f->values.variables[i]), f->x[i]));
    CY_TRY(bind_if_read(p, cy_value_name(f->values.directions[i]), f->v[i]));
  }
  if (f->signs) CY_TRY(bind_if_read(p, CY_SIGNS, f->signs));
  for (size_t i = 0; i < f->n_fixed; i++)
    if (f->fixed[i].tensor) CY_TRY(bind_if_read(p, f->fixed[i].name, f->fixed[i].tensor));
  return CY_OK;
}

static void close_session(pass *p) {
  cy_session_free(p->session);
  p->session = NULL;
}

/* Those that share memory. */
static void close_sessions(graph_function *f) {
  for (int i = 0; i < PASSES; i++)
    if (!f->passes[i].frozen) close_session(&f->passes[i]);
  f->owner = -1;
}

/* If the pass needs more memory than there is, it brings it, and the others move in when they are needed again. */
static cy_status get_session(graph_function *f, cy_objective_pass which) {
  pass *p = &f->passes[which];
  CY_TRY(get_program(f, which));
  if (p->session) return CY_OK;
  if (p->frozen) {
    CY_TRY(cy_session_create(p->program, &p->session));
    p->seen = f->point; /* binding makes it compute everything */
    cy_status bound = bind_all(f, p);
    if (bound != CY_OK) close_session(p);
    return bound;
  }
  if (f->owner >= 0 &&
      cy_program_arena_bytes(p->program) > cy_program_arena_bytes(f->passes[f->owner].program))
    close_sessions(f);
  const cy_session *memory = f->owner >= 0 ? f->passes[f->owner].session : NULL;
  CY_TRY(cy_session_create_sharing(p->program, memory, &p->session));
  if (f->owner < 0) f->owner = (int)which;
  cy_status status = bind_all(f, p);
  if (status == CY_OK) return CY_OK;
  close_sessions(f);
  return status;
}

static void move_to(graph_function *f, const double *x) {
  size_t bytes = (size_t)f->n_numbers * sizeof *x;
  if (f->last) {
    if (f->point > 0 && memcmp(f->last, x, bytes) == 0) return;
    memcpy(f->last, x, bytes);
  }
  f->point++;
  spread(x, f->x, f->values.n);
}

/* A frozen program looks at its variables again after a bind. */
static cy_status look_again(const graph_function *f, pass *p) {
  p->seen = f->point;
  for (int i = 0; i < f->values.n; i++) CY_TRY(bind_if_read(p, cy_value_name(f->values.variables[i]), f->x[i]));
  return CY_OK;
}

static cy_status run(graph_function *f, cy_objective_pass which, const double *x, const double *v) {
  pass *p = &f->passes[which];
  CY_TRY(get_session(f, which));
  move_to(f, x);
  if (v) spread(v, f->v, f->values.n);
  if (p->frozen && p->seen != f->point) CY_TRY(look_again(f, p));
  return cy_session_run(p->session);
}

/* ---- the methods ---- */

static cy_status value(void *self, const double *x, double *out) {
  graph_function *f = self;
  CY_TRY(run(f, CY_PASS_VALUE, x, NULL));
  *out = cy_tensor_at(cy_session_output(f->passes[CY_PASS_VALUE].session, 0), 0);
  return CY_OK;
}

static cy_status gradient(void *self, const double *x, double *out, double *gradients) {
  graph_function *f = self;
  CY_TRY(run(f, CY_PASS_GRADIENT, x, NULL));
  const cy_session *session = f->passes[CY_PASS_GRADIENT].session;
  *out = cy_tensor_at(cy_session_output(session, 0), 0);
  collect(session, 1, f->values.n, gradients);
  return CY_OK;
}

static cy_status product(void *self, cy_curvature matrix, const double *x, const double *v, double *out) {
  graph_function *f = self;
  cy_objective_pass which = CY_PASS_HESSIAN + (unsigned)matrix;
  CY_TRY(run(f, which, x, v));
  collect(f->passes[which].session, 0, f->values.n, out);
  return CY_OK;
}

static cy_status squares(void *self, const double *x, uint64_t seed, double *out) {
  graph_function *f = self;
  cy_rng rng = cy_rng_make(seed, 5);
  int64_t examples = cy_tensor_count(f->signs);
  for (int64_t i = 0; i < examples; i++) cy_tensor_set(f->signs, i, cy_rng_u32(&rng) & 1 ? 1 : -1);
  CY_TRY(run(f, CY_PASS_SQUARES, x, NULL));
  collect(f->passes[CY_PASS_SQUARES].session, 0, f->values.n, out);
  for (int64_t i = 0; i < f->n_numbers; i++) out[i] *= out[i] / (double)examples;
  return CY_OK;
}

static bool has(const void *self, cy_curvature matrix) {
  const graph_function *f = self;
  return matrix == CY_HESSIAN || cy_is_value(matrix == CY_GAUSS_NEWTON ? f->values.output : f->values.losses);
}

static cy_status cost(void *self, cy_objective_pass which, cy_objective_cost *out) {
  graph_function *f = self;
  if ((int)which < 0 || (int)which >= PASSES) return cy_fail(CY_INVALID, "there is no pass number %d", (int)which);
  if (which > CY_PASS_HESSIAN && !has(f, CY_HESSIAN + (which - CY_PASS_HESSIAN)))
    return cy_fail(CY_UNSUPPORTED, "this objective has no such products");
  CY_TRY(get_program(f, which));
  const pass *p = &f->passes[which];
  *out = (cy_objective_cost){cy_program_flops(p->program), cy_program_arena_bytes(p->program), p->reverse_over_forward};
  return CY_OK;
}

static void free_function(void *self) {
  graph_function *f = self;
  close_sessions(f);
  for (int i = 0; i < PASSES; i++) {
    close_session(&f->passes[i]);
    cy_program_free(f->passes[i].program);
  }
  for (int i = 0; i < f->values.n; i++) {
    if (f->x) cy_tensor_free(f->x[i]);
    if (f->v) cy_tensor_free(f->v[i]);
  }
  cy_tensor_free(f->signs);
  cy_free(f->x);
  cy_free(f->v);
  cy_free(f->values.variables);
  cy_free(f->fixed);
  cy_free(f->last);
  cy_graph_free(f->values.graph);
  cy_free(f);
}

/* ---- creation ---- */

static cy_status make_directions(cy_function_values *f) {
  for (int i = 0; i < f->n; i++) {
    const char *of = cy_value_name(f->variables[i]);
    size_t size = strlen(of) + sizeof CY_DIRECTION;
    char *name = cy_calloc(size, 1);
    if (!name) return cy_no_memory();
    snprintf(name, size, "%s%s", CY_DIRECTION, of);
    f->directions[i] = cy_input(f->graph, name, cy_value_dtype(f->variables[i]), cy_value_shape(f->variables[i]));
    cy_free(name);
  }
  return cy_graph_status(f->graph);
}

static cy_status make_signs(graph_function *f) {
  cy_value losses = f->values.losses;
  if (!cy_is_value(losses)) return CY_OK;
  f->values.signs = cy_input(f->values.graph, CY_SIGNS, cy_value_dtype(losses), cy_value_shape(losses));
  CY_TRY(cy_graph_status(f->values.graph));
  return cy_tensor_create(cy_value_dtype(losses), cy_value_shape(losses), &f->signs);
}

/* The leaves that are not varied: what can be bound. */
static cy_status find_fixed(graph_function *f) {
  for (int32_t id = 0; id < cy_graph_size(f->values.graph); id++) {
    const cy_node *node = cy_node_at(f->values.graph, id);
    bool varied = node->op != &cy_op_input && node->op != &cy_op_variable;
    for (int i = 0; i < f->values.n; i++) varied = varied || f->values.variables[i].id == id;
    if (varied) continue;
    if (!cy_grow(&f->fixed, f->n_fixed, &f->fixed_capacity, sizeof *f->fixed)) return cy_no_memory();
    f->fixed[f->n_fixed++] = (fixed){node->name, NULL};
  }
  return CY_OK;
}

static cy_status make_tensors(graph_function *f, int64_t *n) {
  for (int i = 0; i < f->values.n; i++) {
    cy_value v = f->values.variables[i];
    CY_TRY(cy_tensor_create(cy_value_dtype(v), cy_value_shape(v), &f->x[i]));
    CY_TRY(cy_tensor_create(cy_value_dtype(v), cy_value_shape(v), &f->v[i]));
    *n += cy_tensor_count(f->x[i]); /* each of them is in memory, so that their sum is no overflow */
  }
  return CY_OK;
}

static cy_status fill(const cy_objective_graph *g, const cy_value *ends, int n_ends, graph_function *f, int64_t *n) {
  size_t count = (size_t)g->n;
  f->owner = -1;
  f->values.n = g->n;
  f->options = g->options;
  f->still = g->still;
  f->values.variables = cy_calloc(2 * count, sizeof *f->values.variables);
  f->x = cy_calloc(count, sizeof *f->x);
  f->v = cy_calloc(count, sizeof *f->v);
  if (!f->values.variables || !f->x || !f->v) return cy_no_memory();
  f->values.directions = f->values.variables + count;
  CY_TRY(cy_graph_create(&f->values.graph));
  CY_TRY(copy_values(g, ends, n_ends, &f->values));
  CY_TRY(find_fixed(f));
  CY_TRY(make_directions(&f->values));
  CY_TRY(make_signs(f));
  CY_TRY(make_tensors(f, n));
  f->n_numbers = *n;
  if (f->still && !(f->last = cy_calloc((size_t)*n, sizeof *f->last))) return cy_no_memory();
  return CY_OK;
}

cy_status cy_objective_create(cy_objective_graph g, cy_objective **objective) {
  static const cy_objective_methods methods = {.value = value, .gradient = gradient, .product = product,
                                               .free = free_function, .has = has, .cost = cost,
                                               .squares = squares};
  *objective = NULL;
  if (g.n < 1 || !g.variables) return cy_fail(CY_INVALID, "objective: there is nothing to vary");
  cy_value *ends = cy_calloc((size_t)g.n + 3, sizeof *ends);
  graph_function *f = cy_calloc(1, sizeof *f);
  int64_t n = 0;
  int n_ends = g.n;
  cy_status status = ends && f ? CY_OK : cy_no_memory();
  if (status == CY_OK) {
    const cy_value more[] = {g.loss, g.output, g.losses};
    memcpy(ends, g.variables, (size_t)g.n * sizeof *ends);
    for (int i = 0; i < 3; i++)
      if (cy_is_value(more[i])) ends[n_ends++] = more[i];
    status = check_values(&g, ends, n_ends);
  }
  if (status == CY_OK) status = fill(&g, ends, n_ends, f, &n);
  if (status == CY_OK) status = cy_objective_of(methods, f, n, objective);
  cy_free(ends);
  if (status != CY_OK) {
    if (f) free_function(f);
    return status;
  }
  (*objective)->of_graph = true;
  return CY_OK;
}

/* ---- binding ---- */

static cy_status check_fit(const cy_graph *graph, const char *name, const cy_tensor *tensor) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  for (int32_t id = 0; id < cy_graph_size(graph); id++) {
    const cy_node *node = cy_node_at(graph, id);
    if ((node->op != &cy_op_input && node->op != &cy_op_variable) || strcmp(node->name, name) != 0) continue;
    if (node->dtype == cy_tensor_dtype(tensor) && cy_shape_equal(node->shape, cy_tensor_shape(tensor))) break;
    return cy_fail(CY_INVALID, "\"%s\" is %s %s, but the tensor is %s %s", name, cy_dtype_name(node->dtype),
                   cy_shape_text(node->shape, a), cy_dtype_name(cy_tensor_dtype(tensor)),
                   cy_shape_text(cy_tensor_shape(tensor), b));
  }
  return CY_OK;
}

static fixed *find_fixed_leaf(const graph_function *f, const char *name) {
  for (size_t i = 0; i < f->n_fixed; i++)
    if (strcmp(f->fixed[i].name, name) == 0) return &f->fixed[i];
  return NULL;
}

bool cy_objective_reads(const cy_objective *objective, const char *name) {
  return objective->of_graph && find_fixed_leaf(objective->self, name);
}

cy_status cy_objective_bind(cy_objective *objective, const char *name, cy_tensor *tensor) {
  if (!objective->of_graph) return cy_fail(CY_INVALID, "\"%s\": only objectives of graphs have inputs", name);
  graph_function *f = objective->self;
  fixed *leaf = find_fixed_leaf(f, name);
  if (!leaf)
    return cy_fail(CY_INVALID, "the objective reads no input or variable \"%s\" beside those that it varies", name);
  CY_TRY(check_fit(f->values.graph, name, tensor));
  for (int i = 0; i < PASSES; i++)
    if (f->passes[i].session) CY_TRY(bind_if_read(&f->passes[i], name, tensor)); /* frozen ones look again */
  leaf->tensor = tensor;
  return CY_OK;
}
