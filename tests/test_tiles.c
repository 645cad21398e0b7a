/* The tile interpreter against an evaluator that knows nothing of tiles: every scalar operation in every dtype on special
 * and random values, and random fused programs. In these every number is a small integer, so that sums are exact in any
 * order and results must agree to the bit. */
#include "backend/cpu/tiles.h"
#include "base/memory.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <tgmath.h>

#pragma GCC diagnostic ignored "-Wtype-limits"

/* ---- the evaluator: every step over the whole domain, one element at a time ---- */

typedef struct number {
  _Alignas(8) char bytes[8];
} number;

static float div_f32(float a, float b) { return a / b; }
static double div_f64(double a, double b) { return a / b; }
static int32_t div_i32(int32_t a, int32_t b) { return b == 0 ? 0 : b == -1 ? -a : a / b; }
static int64_t div_i64(int64_t a, int64_t b) { return b == 0 ? 0 : b == -1 ? -a : a / b; }
static uint8_t div_u8(uint8_t a, uint8_t b) { return (uint8_t)(b == 0 ? 0 : a / b); }
#define CY_DIV(a, b) \
  _Generic((a), float: div_f32, double: div_f64, int32_t: div_i32, int64_t: div_i64, uint8_t: div_u8)(a, b)

#define READ(T, v) (*(const T *)(const void *)(v).bytes)
#define SAME(T) T
#define LOGICAL(T) uint8_t
#define UNARY_AS(T, result, expression)                      \
  {                                                          \
    const T a = READ(T, x);                                  \
    result(T) y = (result(T))(expression);                   \
    memcpy(r.bytes, &y, sizeof y);                           \
    return r;                                                \
  }
#define BINARY_AS(T, result, expression)                     \
  {                                                          \
    const T a = READ(T, x), b = READ(T, y);                  \
    result(T) z = (result(T))(expression);                   \
    memcpy(r.bytes, &z, sizeof z);                           \
    return r;                                                \
  }
#define BY_DTYPE(AS, result, expression)                     \
  switch (dtype) {                                           \
    case CY_F32: AS(float, result, expression)               \
    case CY_F64: AS(double, result, expression)              \
    case CY_I32: AS(int32_t, result, expression)             \
    case CY_I64: AS(int64_t, result, expression)             \
    case CY_U8: case CY_BOOL: AS(uint8_t, result, expression)  \
  }
#define CY_UNARY(name, kinds, result, expression, ...)       \
  static number scalar_##name(cy_dtype dtype, number x, number y) { \
    number r = {{0}};                                        \
    (void)y;                                                 \
    BY_DTYPE(UNARY_AS, result, expression)                   \
    return r;                                                \
  }
#define CY_BINARY(name, kinds, result, expression, ...)      \
  static number scalar_##name(cy_dtype dtype, number x, number y) { \
    number r = {{0}};                                        \
    BY_DTYPE(BINARY_AS, result, expression)                  \
    return r;                                                \
  }
#include "ops/elementwise.def"
#undef CY_UNARY
#undef CY_BINARY

enum { KIND_FLOATS = 3, KIND_NUMBERS = 31, KIND_ANY = 63 }; /* bits: dtypes */
typedef struct operation {
  const char *name;
  number (*function)(cy_dtype, number, number);
  int operands, kinds;
  bool logical;
} operation;
#define IS_SAME false
#define IS_LOGICAL true
static const operation operations[] = {
#define CY_UNARY(name, kinds, result, ...) [CY_SCALAR_##name] = {#name, scalar_##name, 1, KIND_##kinds, IS_##result},
#define CY_BINARY(name, kinds, result, ...) [CY_SCALAR_##name] = {#name, scalar_##name, 2, KIND_##kinds, IS_##result},
#include "ops/elementwise.def"
#undef CY_UNARY
#undef CY_BINARY
};

static number convert(cy_dtype from, cy_dtype to, number x) {
  number r = {{0}};
  if (from == to) return x;
  if (from == CY_I64 && to == CY_I32) memcpy(r.bytes, x.bytes, 4);
  else cy_store(r.bytes, to, 0, cy_load(x.bytes, from, 0));
  return r;
}

static number identity_of(cy_combine combine, cy_dtype dtype) {
  number r = {{0}};
  if (combine == CY_COMBINE_MAX && dtype != CY_U8 && dtype != CY_BOOL) cy_store(r.bytes, dtype, 0, -INFINITY);
  return r;
}

static number combine(cy_combine how, cy_dtype dtype, number a, number b) {
  return how == CY_COMBINE_SUM ? scalar_add(dtype, a, b) : scalar_max(dtype, a, b);
}

static int64_t offset_of(const cy_fused *g, const int64_t *stride, int64_t point) {
  int64_t offset = 0;
  for (int i = g->n_axes - 1; i >= 0; i--) {
    int64_t d = g->dim[i] ? g->dim[i] : 1; /* an empty axis has coordinate 0: rows may have no columns */
    offset += point % d * stride[i];
    point /= d;
  }
  return offset;
}

static void evaluate(const cy_fused *g, void *const *inputs, void *const *outputs) {
  int64_t rows = 1, columns = 1, points, row_step = 1;
  for (int i = 0; i < g->n_axes; i++) *(i < g->row_axes ? &rows : &columns) *= g->dim[i];
  for (int i = g->row_axes; i < g->n_axes; i++) row_step *= g->dim[i] ? g->dim[i] : 1;
  points = rows * columns;
  number **value = cy_calloc((size_t)g->n_steps, sizeof *value);
  for (int s = 0; s < g->n_steps; s++) {
    const cy_step *step = &g->steps[s];
    bool full = step->level == CY_FULL;
    value[s] = cy_calloc((size_t)(full ? points : rows) + 1, sizeof(number));
    for (int64_t e = 0; e < (full ? points : rows); e++) {
      number *v = &value[s][e], arg[3];
      int64_t point = full ? e : e * row_step;
      int args = step->kind == CY_STEP_RANDOM ? 2 : step->kind != CY_STEP_SCALAR ? 0
                 : step->op == CY_SCALAR_select ? 3 : step->op == CY_SCALAR_convert ? 1 : operations[step->op].operands;
      for (int k = 0; k < args; k++)
        arg[k] = value[step->arg[k]][g->steps[step->arg[k]].level == CY_FULL ? e : full ? e / columns : e];
      switch (step->kind) {
        case CY_STEP_INPUT:
          memcpy(v->bytes, (char *)inputs[step->index] +
                   offset_of(g, g->inputs[step->index].stride, point) * (int64_t)cy_dtype_size(step->dtype),
                 cy_dtype_size(step->dtype));
          break;
        case CY_STEP_CONSTANT: cy_store(v->bytes, step->dtype, 0, step->number); break;
        case CY_STEP_IOTA: {
          int64_t unit[CY_MAX_RANK] = {0};
          unit[step->index] = 1;
          cy_store(v->bytes, step->dtype, 0, (double)offset_of(g, unit, point));
          break;
        }
        case CY_STEP_RANDOM: {
          uint64_t seed = (uint64_t)READ(int64_t, arg[0]), at = (uint64_t)READ(int64_t, arg[1]);
          if (step->dtype == CY_F32) *(float *)(void *)v->bytes = cy_random_f32(seed, at, (uint32_t)step->index, (uint64_t)e);
          else *(double *)(void *)v->bytes = cy_random_f64(seed, at, (uint32_t)step->index, (uint64_t)e);
          break;
        }
        case CY_STEP_SCALAR:
          if (step->op == CY_SCALAR_select) *v = READ(uint8_t, arg[0]) ? arg[1] : arg[2];
          else if (step->op == CY_SCALAR_convert) *v = convert(g->steps[step->arg[0]].dtype, step->dtype, arg[0]);
          else *v = operations[step->op].function(g->steps[step->arg[0]].dtype, arg[0], arg[1]);
          break;
        case CY_STEP_REDUCE:
          *v = identity_of(step->combine, step->dtype);
          for (int64_t c = 0; c < columns; c++)
            *v = combine(step->combine, step->dtype, *v, value[step->arg[0]][e * columns + c]);
          break;
      }
    }
  }
  for (int o = 0; o < g->n_outputs; o++) {
    const cy_fused_output *out = &g->outputs[o];
    bool full = g->steps[out->step].level == CY_FULL;
    size_t size = cy_dtype_size(out->dtype);
    char *to = outputs[o];
    int64_t n = full ? points : rows;
    if (out->accumulate)
      for (int64_t c = 0; c < (full ? columns : 1); c++)
        memcpy(to + offset_of(g, out->stride, c) * (int64_t)size,
               identity_of(out->combine, out->dtype).bytes, size);
    for (int64_t e = 0; e < n; e++) {
      int64_t offset = offset_of(g, out->stride, full ? e : e * row_step);
      number v = value[out->step][e];
      if (out->accumulate) {
        number sum;
        memcpy(sum.bytes, to + offset * (int64_t)size, size);
        v = combine(out->combine, out->dtype, sum, v);
      }
      memcpy(to + offset * (int64_t)size, v.bytes, size);
    }
  }
  for (int s = 0; s < g->n_steps; s++) cy_free(value[s]);
  cy_free(value);
}

static void run_tiles(const cy_fused *g, int threads, void *const *inputs, void *const *outputs) {
  cy_tiles *tiles;
  if (cy_tiles_create(g, threads, &tiles) != CY_OK) fail_msg("%s", cy_error_message());
  void *scratch = cy_alloc_aligned(cy_tiles_scratch(tiles));
  memset(scratch, 0xA5, cy_tiles_scratch(tiles));
  cy_tiles_run(tiles, inputs, outputs, scratch);
  cy_free(scratch);
  cy_tiles_free(tiles);
}

/* ---- every operation, every dtype ---- */

static const double special[] = {0.0, -0.0, 1, -1, 0.5, -0.5, 2, 3, -3, 10, 127, 128, 200, 255, 256, 300, 1e-3, -1e-5, 1e-8, 88, 88.8, 89,
  -87, -88, -103, -104, -105, 104, 700, 710, -745, -750, 9, 10.5, -20, 1e6, 1e9, -1e9, 2147483647, -2147483648.0, 3e9, 1e15, 1e19,
  -1e19, 1e30, 3e38, -3e38, 1e40, 1e300, -1e300, 1e-38, 1e-40, 1e-45, -1e-42, 1e-310, 5e-324, INFINITY, -INFINITY, NAN, 0.625, 0.9999999,
  1.0000001, 3.14159265, 1.5707963, 100, -100.25, 1e5, 0.3333333};
enum { SPECIAL = sizeof special / sizeof *special, POINTS = 3001 };

static double sample(cy_rng *rng) {
  double r = cy_rng_uniform(rng), s = cy_rng_uniform(rng) < 0.5 ? -1 : 1;
  switch (cy_rng_below(rng, 4)) {
    case 0: return s * r;
    case 1: return s * r * 20;
    case 2: return s * pow(10, 76 * r - 38);
    default: return floor(s * r * 300);
  }
}

/* In units of the last place of the expected value. */
static double distance(cy_dtype dtype, number got, number want, long double exact) {
  if (dtype == CY_F32 || dtype == CY_F64) {
    double a = cy_load(got.bytes, dtype, 0), b = cy_load(want.bytes, dtype, 0);
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b) ? 0 : INFINITY;
    if (a == b) return signbit(a) == signbit(b) ? 0 : INFINITY;
    if (isinf(a) || isinf(b)) return INFINITY;
    int e, digits = dtype == CY_F32 ? 24 : 53, least = dtype == CY_F32 ? -125 : -1021;
    frexp(b, &e);
    if (e < least) e = least;
    return (double)(fabsl((long double)a - exact) / ldexpl(1, e - digits));
  }
  return memcmp(got.bytes, want.bytes, cy_dtype_size(dtype)) ? INFINITY : 0;
}

static bool is_mathematics(int op) {
  static const int list[] = {CY_SCALAR_exp, CY_SCALAR_log, CY_SCALAR_expm1, CY_SCALAR_log1p, CY_SCALAR_sin, CY_SCALAR_cos,
                             CY_SCALAR_tanh, CY_SCALAR_logistic, CY_SCALAR_erf, CY_SCALAR_pow};
  for (size_t i = 0; i < sizeof list / sizeof *list; i++)
    if (list[i] == op) return true;
  return false;
}

static void check_operation(int op, cy_dtype dtype) {
  const operation *o = &operations[op];
  cy_dtype result = o->logical ? CY_BOOL : dtype;
  size_t size = cy_dtype_size(dtype), result_size = cy_dtype_size(result);
  cy_rng rng = cy_rng_make(7, (uint64_t)(op * 8) + (uint64_t)dtype);
  cy_fused_input in[2] = {{.dtype = dtype, .stride = {1}}, {.dtype = dtype, .stride = {1}}};
  cy_step steps[3] = {{.kind = CY_STEP_INPUT, .dtype = dtype, .index = 0}, {.kind = CY_STEP_INPUT, .dtype = dtype, .index = 1},
                      {.kind = CY_STEP_SCALAR, .dtype = result, .op = (cy_scalar_op)op, .arg = {0, 1, 0}}};
  cy_fused_output out = {.step = 2, .dtype = result, .stride = {1}};
  cy_fused g = {.n_axes = 1, .dim = {POINTS}, .n_steps = 3, .n_inputs = 2, .n_outputs = 1, .steps = steps, .inputs = in, .outputs = &out};
  char *a = cy_calloc(POINTS, 8), *b = cy_calloc(POINTS, 8), *got = cy_calloc(POINTS, 8), *want = cy_calloc(POINTS, 8);
  for (int i = 0; i < POINTS; i++) {
    bool pairs = i < SPECIAL * SPECIAL / 2 && i < POINTS / 2;
    cy_store(a, dtype, i, pairs ? special[i % SPECIAL] : sample(&rng));
    cy_store(b, dtype, i, pairs ? special[(i / SPECIAL * 7 + i) % SPECIAL] : sample(&rng));
  }
  for (int form = 0; form < (o->operands == 2 ? 3 : 1); form++) { /* vectors, first or second repeated */
    in[0].stride[0] = form != 1, in[1].stride[0] = form != 2;
    for (int turn = 0; turn < (form ? SPECIAL : 1); turn += 3) {
      void *inputs[] = {a + (form == 1 ? (size_t)turn * size : 0), b + (form == 2 ? (size_t)turn * size : 0)};
      evaluate(&g, inputs, (void *[]){want});
      run_tiles(&g, 1, inputs, (void *[]){got});
      for (int i = 0; i < POINTS; i++) {
        number x, y;
        memcpy(x.bytes, got + (size_t)i * result_size, result_size);
        memcpy(y.bytes, want + (size_t)i * result_size, result_size);
        long double exact = cy_load(y.bytes, result, 0);
        double most = 0;
        if (is_mathematics(op)) { /* f32 against f64, f64 against the C library */
          double va = cy_load(inputs[0], dtype, form == 1 ? 0 : i), vb = cy_load(inputs[1], dtype, form == 2 ? 0 : i);
          number da, db;
          memcpy(da.bytes, &va, 8);
          memcpy(db.bytes, &vb, 8);
          exact = READ(double, o->function(CY_F64, da, db));
          if (dtype == CY_F32) cy_store(y.bytes, CY_F32, 0, (double)exact);
          most = 2;
        }
        double d = distance(result, x, y, exact);
        if (!(d <= most))
          fail_msg("%s of %s: (%.9g, %.9g) gives %.9g, not %.9g (%.3g ulp), form %d", o->name, cy_dtype_name(dtype),
                   cy_load(inputs[0], dtype, form == 1 ? 0 : i), cy_load(inputs[1], dtype, form == 2 ? 0 : i),
                   cy_load(x.bytes, result, 0), cy_load(y.bytes, result, 0), d, form);
      }
    }
  }
  cy_free(a), cy_free(b), cy_free(got), cy_free(want);
}

static void every_operation_in_every_dtype(void **state) {
  (void)state;
  for (int op = 0; op < CY_SCALAR_select; op++)
    for (int dtype = 0; dtype < CY_DTYPE_COUNT; dtype++)
      if (operations[op].kinds >> dtype & 1) check_operation(op, (cy_dtype)dtype);
}

static void conversions_saturate(void **state) {
  (void)state;
  for (int from = 0; from < CY_DTYPE_COUNT; from++)
    for (int to = 0; to < CY_DTYPE_COUNT; to++) {
      cy_fused_input in = {.dtype = (cy_dtype)from, .stride = {1}};
      cy_step steps[2] = {{.kind = CY_STEP_INPUT, .dtype = (cy_dtype)from},
                          {.kind = CY_STEP_SCALAR, .dtype = (cy_dtype)to, .op = CY_SCALAR_convert}};
      cy_fused_output out = {.step = 1, .dtype = (cy_dtype)to, .stride = {1}};
      cy_fused g = {.n_axes = 1, .dim = {SPECIAL}, .n_steps = 2, .n_inputs = 1, .n_outputs = 1, .steps = steps, .inputs = &in, .outputs = &out};
      _Alignas(8) char a[SPECIAL * 8], got[SPECIAL * 8];
      for (int i = 0; i < SPECIAL; i++) cy_store(a, (cy_dtype)from, i, special[i]);
      run_tiles(&g, 1, (void *[]){a}, (void *[]){got});
      for (int i = 0; i < SPECIAL; i++) {
        number x, y, z;
        memcpy(x.bytes, a + (size_t)i * cy_dtype_size((cy_dtype)from), cy_dtype_size((cy_dtype)from));
        memcpy(z.bytes, got + (size_t)i * cy_dtype_size((cy_dtype)to), cy_dtype_size((cy_dtype)to));
        y = convert((cy_dtype)from, (cy_dtype)to, x);
        if (distance((cy_dtype)to, z, y, 0) != 0)
          fail_msg("%s to %s: %.17g gives %.17g, not %.17g", cy_dtype_name((cy_dtype)from), cy_dtype_name((cy_dtype)to),
                   cy_load(x.bytes, (cy_dtype)from, 0), cy_load(z.bytes, (cy_dtype)to, 0), cy_load(y.bytes, (cy_dtype)to, 0));
      }
    }
}

/* ---- random programs ---- */

enum { MOST_STEPS = 40, MOST_TENSORS = 12 };

typedef struct program {
  cy_fused g;
  cy_step step[MOST_STEPS];
  cy_fused_input in[MOST_TENSORS];
  cy_fused_output out[MOST_TENSORS];
  char *in_memory[MOST_TENSORS], *out_memory[MOST_TENSORS];
  size_t in_bytes[MOST_TENSORS], out_bytes[MOST_TENSORS];
  int64_t in_first[MOST_TENSORS], out_first[MOST_TENSORS]; /* elements before the first: strides may be negative */
  int in_place[MOST_TENSORS];                              /* output lies on this input, or -1 */
} program;

static int add_step(program *p, cy_step s) {
  p->step[p->g.n_steps] = s;
  return p->g.n_steps++;
}

/* A layout for the axes that vary: any order, sometimes with gaps, sometimes backwards. */
static size_t random_layout(program *p, cy_rng *rng, const bool *varies, bool repeat, int64_t stride[], int64_t *first) {
  int order[CY_MAX_RANK];
  int64_t step = 1 + (cy_rng_below(rng, 8) == 0);
  bool shuffled = cy_rng_below(rng, 4) == 0;
  *first = cy_rng_below(rng, 3);
  for (int i = 0; i < p->g.n_axes; i++) order[i] = i;
  for (int i = p->g.n_axes - 1; i > 0 && shuffled; i--) {
    int j = (int)cy_rng_below(rng, i + 1), o = order[i];
    order[i] = order[j], order[j] = o;
  }
  for (int k = p->g.n_axes - 1; k >= 0; k--) {
    int i = order[k];
    stride[i] = 0;
    if (!varies[i] || (repeat && cy_rng_below(rng, 4) == 0)) continue;
    stride[i] = step;
    step *= p->g.dim[i] ? p->g.dim[i] : 1;
    if (cy_rng_below(rng, 10) == 0) step++;
    if (cy_rng_below(rng, 10) == 0) {
      *first += stride[i] * (p->g.dim[i] ? p->g.dim[i] - 1 : 0);
      stride[i] = -stride[i];
    }
  }
  return (size_t)(step + *first + 4);
}

static int pick_step(const program *p, cy_rng *rng, cy_level level, int dtype) {
  for (int tries = 0; tries < 60; tries++) {
    int s = (int)cy_rng_below(rng, p->g.n_steps);
    if (cy_rng_below(rng, 2)) s = p->g.n_steps - 1 - (int)cy_rng_below(rng, p->g.n_steps < 4 ? p->g.n_steps : 4);
    if ((level == CY_FULL || p->step[s].level == CY_ROW) && (dtype < 0 ? p->step[s].dtype != CY_BOOL : (int)p->step[s].dtype == dtype))
      return s;
  }
  return -1;
}

/* Keeps numbers small: min(max(x, -8), 8), for u8 max with 0. */
static int bounded(program *p, int s) {
  cy_step like = p->step[s];
  int low = add_step(p, (cy_step){.kind = CY_STEP_CONSTANT, .level = CY_ROW, .dtype = like.dtype, .number = like.dtype == CY_U8 ? 0 : -8});
  int high = add_step(p, (cy_step){.kind = CY_STEP_CONSTANT, .level = CY_ROW, .dtype = like.dtype, .number = 8});
  s = add_step(p, (cy_step){.kind = CY_STEP_SCALAR, .level = like.level, .dtype = like.dtype, .op = CY_SCALAR_max, .arg = {s, low}});
  return add_step(p, (cy_step){.kind = CY_STEP_SCALAR, .level = like.level, .dtype = like.dtype, .op = CY_SCALAR_min, .arg = {s, high}});
}

static void add_random_step(program *p, cy_rng *rng) {
  static const cy_scalar_op binary[] = {CY_SCALAR_add, CY_SCALAR_sub, CY_SCALAR_mul, CY_SCALAR_max, CY_SCALAR_min};
  static const cy_scalar_op compare[] = {CY_SCALAR_eq, CY_SCALAR_ne, CY_SCALAR_lt, CY_SCALAR_le, CY_SCALAR_gt, CY_SCALAR_ge};
  static const cy_scalar_op unary[] = {CY_SCALAR_neg, CY_SCALAR_abs, CY_SCALAR_sign, CY_SCALAR_stop_gradient};
  cy_level level = cy_rng_below(rng, 4) ? CY_FULL : CY_ROW;
  int a = pick_step(p, rng, level, -1);
  if (a < 0) return;
  cy_dtype dtype = p->step[a].dtype;
  int b = pick_step(p, rng, level, (int)dtype), c = pick_step(p, rng, level, CY_BOOL);
  if (b < 0) return;
  cy_step s = {.kind = CY_STEP_SCALAR, .level = level, .dtype = dtype, .arg = {a, b, 0}};
  switch (cy_rng_below(rng, 8)) {
    case 0: s.op = unary[cy_rng_below(rng, dtype == CY_U8 ? 0 + 1 : 4)]; if (dtype == CY_U8) s.op = CY_SCALAR_stop_gradient; add_step(p, s); break;
    case 1: s.op = compare[cy_rng_below(rng, 6)]; s.dtype = CY_BOOL; add_step(p, s); break;
    case 2:
      if (c < 0) return;
      s.op = CY_SCALAR_select, s.arg[0] = c, s.arg[1] = a, s.arg[2] = b;
      add_step(p, s);
      break;
    case 3: s.op = CY_SCALAR_convert, s.dtype = (cy_dtype)cy_rng_below(rng, CY_DTYPE_COUNT); add_step(p, s); break;
    case 4:
      if (p->step[a].level != CY_FULL) return;
      s.kind = CY_STEP_REDUCE, s.level = CY_ROW, s.combine = (cy_combine)cy_rng_below(rng, 2);
      if (dtype == CY_U8) s.combine = CY_COMBINE_MAX;
      bounded(p, add_step(p, s));
      break;
    default: s.op = binary[cy_rng_below(rng, 5)]; bounded(p, add_step(p, s)); break;
  }
}

static void add_input(program *p, cy_rng *rng) {
  bool varies[CY_MAX_RANK];
  cy_level level = cy_rng_below(rng, 4) ? CY_FULL : CY_ROW;
  int i = p->g.n_inputs++;
  cy_fused_input *in = &p->in[i];
  in->dtype = (cy_dtype)cy_rng_below(rng, CY_DTYPE_COUNT);
  if (cy_rng_below(rng, 2)) in->dtype = CY_F32;
  for (int k = 0; k < p->g.n_axes; k++) varies[k] = level == CY_FULL || k < p->g.row_axes;
  size_t n = random_layout(p, rng, varies, cy_rng_below(rng, 2), in->stride, &p->in_first[i]);
  p->in_bytes[i] = n * cy_dtype_size(in->dtype);
  p->in_memory[i] = cy_calloc(p->in_bytes[i], 1);
  for (size_t e = 0; e < n; e++)
    cy_store(p->in_memory[i], in->dtype, (int64_t)e, (double)cy_rng_below(rng, 17) - (in->dtype == CY_U8 ? 0 : 8));
  add_step(p, (cy_step){.kind = CY_STEP_INPUT, .level = level, .dtype = in->dtype, .index = i});
}

static void add_output(program *p, cy_rng *rng, int step) {
  bool varies[CY_MAX_RANK];
  int o = p->g.n_outputs++;
  cy_fused_output *out = &p->out[o];
  *out = (cy_fused_output){.step = step, .dtype = p->step[step].dtype, .combine = (cy_combine)cy_rng_below(rng, 2)};
  out->accumulate = cy_rng_below(rng, 3) == 0;
  if (out->dtype == CY_U8 || out->dtype == CY_BOOL) out->combine = CY_COMBINE_MAX;
  bool full = p->step[step].level == CY_FULL;
  for (int k = 0; k < p->g.n_axes; k++) varies[k] = k < p->g.row_axes ? !out->accumulate : full;
  size_t n = random_layout(p, rng, varies, false, out->stride, &p->out_first[o]);
  p->in_place[o] = -1;
  for (int i = 0; i < p->g.n_inputs && full && !out->accumulate; i++) { /* an input that covers the domain once */
    bool same = cy_dtype_size(p->in[i].dtype) == cy_dtype_size(out->dtype);
    for (int k = 0; k < p->g.n_axes; k++) same = same && p->in[i].stride[k] != 0;
    for (int k = 0; k < o; k++) same = same && p->in_place[k] != i;
    if (!same || cy_rng_below(rng, 2)) continue;
    memcpy(out->stride, p->in[i].stride, sizeof out->stride);
    p->in_place[o] = i;
    p->out_first[o] = p->in_first[i];
    n = p->in_bytes[i] / cy_dtype_size(out->dtype);
    break;
  }
  p->out_bytes[o] = n * cy_dtype_size(out->dtype);
}

static void make_program(program *p, cy_rng *rng) {
  static const int64_t sizes[] = {0, 1, 1, 2, 3, 5, 7, 10, 16, 17, 31, 64, 100, 257, 1000, 5000};
  memset(p, 0, sizeof *p);
  p->g.steps = p->step, p->g.inputs = p->in, p->g.outputs = p->out;
  p->g.n_axes = (int)cy_rng_below(rng, cy_rng_below(rng, 4) ? 4 : 9);
  p->g.row_axes = (int)cy_rng_below(rng, p->g.n_axes + 1);
  int64_t points = 1, most = cy_rng_below(rng, 10) ? 4000 : 60000;
  for (int i = 0; i < p->g.n_axes; i++) {
    int64_t d = sizes[cy_rng_below(rng, 16)];
    if (d == 0 && cy_rng_below(rng, 4)) d = 2;
    if (points * d > most) d = 1 + cy_rng_below(rng, 3);
    if (points * d > most) d = 1;
    p->g.dim[i] = d;
    points *= d ? d : 1;
  }
  for (int i = 1 + (int)cy_rng_below(rng, 4); i > 0; i--) add_input(p, rng);
  if (p->g.n_axes && cy_rng_below(rng, 3) == 0) {
    int axis = (int)cy_rng_below(rng, p->g.n_axes);
    cy_dtype dtype = cy_rng_below(rng, 2) ? CY_I32 : CY_F32;
    bounded(p, add_step(p, (cy_step){.kind = CY_STEP_IOTA, .level = axis < p->g.row_axes ? CY_ROW : CY_FULL, .dtype = dtype, .index = axis}));
  }
  if (cy_rng_below(rng, 3) == 0) {
    int seed = add_step(p, (cy_step){.kind = CY_STEP_CONSTANT, .level = CY_ROW, .dtype = CY_I64, .number = 42});
    cy_dtype dtype = cy_rng_below(rng, 2) ? CY_F64 : CY_F32;
    int r = add_step(p, (cy_step){.kind = CY_STEP_RANDOM, .level = cy_rng_below(rng, 3) ? CY_FULL : CY_ROW, .dtype = dtype, .index = 5, .arg = {seed, seed}});
    int half = add_step(p, (cy_step){.kind = CY_STEP_CONSTANT, .level = CY_ROW, .dtype = dtype, .number = 0.5});
    int one = add_step(p, (cy_step){.kind = CY_STEP_CONSTANT, .level = CY_ROW, .dtype = dtype, .number = 1});
    int below = add_step(p, (cy_step){.kind = CY_STEP_SCALAR, .level = p->step[r].level, .dtype = CY_BOOL, .op = CY_SCALAR_lt, .arg = {r, half}});
    /* not the number itself: sums of it are not exact */
    p->step[r].kind = CY_STEP_RANDOM;
    add_step(p, (cy_step){.kind = CY_STEP_SCALAR, .level = p->step[r].level, .dtype = dtype, .op = CY_SCALAR_select, .arg = {below, one, half}});
  }
  int steps = 12 + (int)cy_rng_below(rng, MOST_STEPS - 18);
  for (int tries = 0; tries < 300 && p->g.n_steps < steps; tries++) add_random_step(p, rng);
  for (int tries = 0; tries < 40 && p->g.n_outputs < 4; tries++) {
    int s = p->g.n_steps - 1 - (int)cy_rng_below(rng, tries < 20 && p->g.n_steps > 8 ? 8 : p->g.n_steps);
    if (p->step[s].kind != CY_STEP_RANDOM) add_output(p, rng, s);
  }
}

/* Random numbers themselves would make sums inexact: no step but the comparison may use them. */
static bool uses_random(const program *p) {
  for (int i = 0; i < p->g.n_steps; i++)
    for (int k = 0; k < 3; k++)
      if ((p->step[i].kind == CY_STEP_SCALAR || p->step[i].kind == CY_STEP_REDUCE) && p->step[p->step[i].arg[k]].kind == CY_STEP_RANDOM &&
          p->step[i].op != CY_SCALAR_lt)
        return true;
  return false;
}

typedef struct memory {
  char *in[MOST_TENSORS], *out[MOST_TENSORS];
} memory;

static memory execute(const program *p, int threads) {
  memory m = {0};
  void *inputs[MOST_TENSORS], *outputs[MOST_TENSORS];
  for (int i = 0; i < p->g.n_inputs; i++) {
    m.in[i] = cy_calloc(p->in_bytes[i], 1);
    memcpy(m.in[i], p->in_memory[i], p->in_bytes[i]);
    inputs[i] = m.in[i] + p->in_first[i] * (int64_t)cy_dtype_size(p->in[i].dtype);
  }
  for (int o = 0; o < p->g.n_outputs; o++) {
    m.out[o] = cy_calloc(p->out_bytes[o], 1);
    bool shared = threads && p->in_place[o] >= 0;
    outputs[o] = (shared ? m.in[p->in_place[o]] : m.out[o]) + p->out_first[o] * (int64_t)cy_dtype_size(p->out[o].dtype);
    if (!threads && p->in_place[o] >= 0) memcpy(m.out[o], p->in_memory[p->in_place[o]], p->out_bytes[o]);
  }
  if (threads) run_tiles(&p->g, threads, inputs, outputs);
  else evaluate(&p->g, inputs, outputs);
  for (int o = 0; o < p->g.n_outputs; o++)
    if (threads && p->in_place[o] >= 0) memcpy(m.out[o], m.in[p->in_place[o]], p->out_bytes[o]);
  return m;
}

static void forget(const program *p, memory *m) {
  for (int i = 0; i < p->g.n_inputs; i++) cy_free(m->in[i]);
  for (int o = 0; o < p->g.n_outputs; o++) cy_free(m->out[o]);
}

/* What failed, for whoever looks for the reason. */
static void print_program(const program *p) {
  static const char *const kinds[] = {"input", "constant", "iota", "random", "scalar", "reduce"};
  for (int i = 0; i < p->g.n_axes; i++) print_error("%s%d", i == p->g.row_axes ? " | " : i ? "x" : "", (int)p->g.dim[i]);
  for (int i = 0; i < p->g.n_steps; i++) {
    const cy_step *s = &p->step[i];
    print_error("\n%2d %s %s %s", i, kinds[s->kind], s->level == CY_ROW ? "row" : "full", cy_dtype_name(s->dtype));
    if (s->kind == CY_STEP_INPUT)
      for (int k = 0; k < p->g.n_axes; k++) print_error(" %d", (int)p->in[s->index].stride[k]);
    else if (s->kind == CY_STEP_CONSTANT) print_error(" %g", s->number);
    else if (s->kind == CY_STEP_REDUCE) print_error(" %s %d", s->combine == CY_COMBINE_SUM ? "sum" : "max", s->arg[0]);
    else print_error(" %s %d %d %d", s->kind != CY_STEP_SCALAR ? "" : s->op == CY_SCALAR_select ? "select" : s->op == CY_SCALAR_convert
                     ? "convert" : operations[s->op].name, s->arg[0], s->arg[1], s->arg[2]);
  }
  for (int o = 0; o < p->g.n_outputs; o++) {
    print_error("\noutput %d: step %d%s", o, p->out[o].step, !p->out[o].accumulate ? "" : p->out[o].combine == CY_COMBINE_SUM ? " sum" : " max");
    for (int k = 0; k < p->g.n_axes; k++) print_error(" %d", (int)p->out[o].stride[k]);
    if (p->in_place[o] >= 0) print_error(" on input %d", p->in_place[o]);
  }
  print_error("\n");
}

static bool same_number(cy_dtype dtype, const void *a, const void *b, int64_t i) {
  if (dtype == CY_I64) return ((const int64_t *)a)[i] == ((const int64_t *)b)[i];
  double x = cy_load(a, dtype, i), y = cy_load(b, dtype, i); /* sums and maxima leave the sign of zero open */
  return x == y || (isnan(x) && isnan(y));
}

static void random_programs_agree(void **state) {
  (void)state;
  int checked = 0;
  for (uint64_t seed = 0; seed < 4000; seed++) {
    cy_rng rng = cy_rng_make(seed, 3);
    program p;
    make_program(&p, &rng);
    if (!uses_random(&p) && p.g.n_outputs) {
      memory want = execute(&p, 0);
      for (int threads = 1; threads <= 3; threads++) {
        memory got = execute(&p, threads), again = execute(&p, threads);
        for (int o = 0; o < p.g.n_outputs; o++) {
          assert_memory_equal(got.out[o], again.out[o], p.out_bytes[o]);
          for (size_t i = 0; i < p.out_bytes[o] / cy_dtype_size(p.out[o].dtype); i++)
            if (!same_number(p.out[o].dtype, got.out[o], want.out[o], (int64_t)i)) {
              print_program(&p);
              fail_msg("program %d, %d threads, output %d, element %zu: %.9g, not %.9g", (int)seed, threads, o, i,
                       cy_load(got.out[o], p.out[o].dtype, (int64_t)i), cy_load(want.out[o], p.out[o].dtype, (int64_t)i));
            }
        }
        forget(&p, &got), forget(&p, &again);
      }
      forget(&p, &want);
      checked++;
    }
    for (int i = 0; i < p.g.n_inputs; i++) cy_free(p.in_memory[i]);
  }
  assert_true(checked > 2000);
}

/* ---- expressions: several operations may share a kernel, and must not be seen to ---- */

static void make_expression(program *p, cy_rng *rng) {
  static const cy_scalar_op ops[] = {CY_SCALAR_add, CY_SCALAR_mul, CY_SCALAR_sub, CY_SCALAR_div, CY_SCALAR_sqrt, CY_SCALAR_max,
                                     CY_SCALAR_gt, CY_SCALAR_select, CY_SCALAR_add, CY_SCALAR_mul};
  memset(p, 0, sizeof *p);
  p->g.steps = p->step, p->g.inputs = p->in, p->g.outputs = p->out;
  p->g.n_axes = 2, p->g.row_axes = 1, p->g.n_inputs = 4;
  p->g.dim[0] = 1 + cy_rng_below(rng, 5), p->g.dim[1] = 1 + cy_rng_below(rng, 150);
  for (int i = 0; i < 4; i++) { /* all, rows, columns, one number */
    p->in[i] = (cy_fused_input){.dtype = CY_F32, .stride = {i < 2 ? (i ? 1 : p->g.dim[1]) : 0, i == 0 || i == 2}};
    p->in_bytes[i] = (size_t)(p->g.dim[0] * p->g.dim[1]) * 4;
    p->in_memory[i] = cy_calloc(p->in_bytes[i], 1);
    for (size_t e = 0; e < p->in_bytes[i] / 4; e++) ((float *)(void *)p->in_memory[i])[e] = (float)(4 * cy_rng_uniform(rng) - 1);
    add_step(p, (cy_step){.kind = CY_STEP_INPUT, .level = i == 1 || i == 3 ? CY_ROW : CY_FULL, .dtype = CY_F32, .index = i});
  }
  while (p->g.n_steps < 18) {
    cy_step s = {.kind = CY_STEP_SCALAR, .dtype = CY_F32, .op = ops[cy_rng_below(rng, 10)]};
    int a = pick_step(p, rng, CY_FULL, CY_F32), b = pick_step(p, rng, CY_FULL, CY_F32), c = pick_step(p, rng, CY_FULL, CY_BOOL);
    s.arg[0] = a, s.arg[1] = b;
    if (s.op == CY_SCALAR_gt) s.dtype = CY_BOOL;
    if (s.op == CY_SCALAR_select) {
      if (c < 0) continue;
      s.arg[0] = c, s.arg[1] = a, s.arg[2] = b;
    }
    add_step(p, s);
  }
  for (int o = 0; o < 2; o++) {
    int s = p->g.n_steps - 1 - o;
    p->out[p->g.n_outputs] = (cy_fused_output){.step = s, .dtype = p->step[s].dtype, .stride = {p->g.dim[1], 1}};
    p->in_place[p->g.n_outputs] = o == 0 && p->step[s].dtype == CY_F32 && cy_rng_below(rng, 2) ? 0 : -1;
    p->out_bytes[p->g.n_outputs++] = (size_t)(p->g.dim[0] * p->g.dim[1]) * cy_dtype_size(p->step[s].dtype);
  }
}

/* What optimisers and activations come to, by number: see the templates in tile_kernels.c. */
static void make_known_expression(program *p, cy_rng *rng, int which) {
  enum { X, R, C, N };
  static const struct { cy_scalar_op op; int a, b, c; } known[4][5] = {
    {{CY_SCALAR_sqrt, X, 0, 0}, {CY_SCALAR_add, N, 4, 0}, {CY_SCALAR_div, C, 5, 0}, {CY_SCALAR_mul, 6, R, 0}, {CY_SCALAR_sub, X, 7, 0}},
    {{CY_SCALAR_mul, X, X, 0}, {CY_SCALAR_mul, 4, N, 0}, {CY_SCALAR_mul, R, C, 0}, {CY_SCALAR_add, 5, 6, 0}, {CY_SCALAR_stop_gradient, 7, 0, 0}},
    {{CY_SCALAR_add, X, C, 0}, {CY_SCALAR_gt, 4, N, 0}, {CY_SCALAR_select, 5, 4, N}, {CY_SCALAR_neg, 6, 0, 0}, {CY_SCALAR_add, 7, R, 0}},
    {{CY_SCALAR_mul, X, C, 0}, {CY_SCALAR_mul, R, X, 0}, {CY_SCALAR_sub, 4, 5, 0}, {CY_SCALAR_le, 6, N, 0}, {CY_SCALAR_select, 7, X, 6}}};
  make_expression(p, rng);
  p->g.n_steps = 4;
  for (int i = 0; i < 5; i++)
    add_step(p, (cy_step){.kind = CY_STEP_SCALAR, .dtype = known[which][i].op == CY_SCALAR_gt || known[which][i].op == CY_SCALAR_le ? CY_BOOL : CY_F32,
                          .op = known[which][i].op, .arg = {known[which][i].a, known[which][i].b, known[which][i].c}});
  p->g.n_outputs = 1;
  p->out[0].step = 8, p->out[0].dtype = CY_F32;
  p->out_bytes[0] = (size_t)(p->g.dim[0] * p->g.dim[1]) * 4;
}

static void expressions_agree_to_the_bit(void **state) {
  (void)state;
  for (uint64_t seed = 0; seed < 6000; seed++) {
    cy_rng rng = cy_rng_make(seed, 4);
    program p;
    if (seed < 400) make_known_expression(&p, &rng, (int)(seed % 4));
    else make_expression(&p, &rng);
    memory want = execute(&p, 0), got = execute(&p, 1);
    for (int o = 0; o < p.g.n_outputs; o++)
      for (size_t i = 0; i < p.out_bytes[o] / cy_dtype_size(p.out[o].dtype); i++) {
        double x = cy_load(got.out[o], p.out[o].dtype, (int64_t)i), y = cy_load(want.out[o], p.out[o].dtype, (int64_t)i);
        if ((x == y && signbit(x) == signbit(y)) || (isnan(x) && isnan(y))) continue;
        print_program(&p);
        fail_msg("expression %d, output %d, element %zu: %.9g, not %.9g", (int)seed, o, i, x, y);
      }
    forget(&p, &got), forget(&p, &want);
    for (int i = 0; i < p.g.n_inputs || i < 4; i++) cy_free(p.in_memory[i]);
  }
}

/* ---- long rows, in pieces ---- */

/* softmax: five steps and two reductions; columns as given. */
static double softmax_error(int64_t rows, int64_t columns, int threads) {
  cy_fused_input in = {.dtype = CY_F32, .stride = {columns, 1}};
  cy_step steps[] = {{.kind = CY_STEP_INPUT, .dtype = CY_F32},
                     {.kind = CY_STEP_REDUCE, .level = CY_ROW, .dtype = CY_F32, .combine = CY_COMBINE_MAX, .arg = {0}},
                     {.kind = CY_STEP_SCALAR, .dtype = CY_F32, .op = CY_SCALAR_sub, .arg = {0, 1}},
                     {.kind = CY_STEP_SCALAR, .dtype = CY_F32, .op = CY_SCALAR_exp, .arg = {2}},
                     {.kind = CY_STEP_REDUCE, .level = CY_ROW, .dtype = CY_F32, .combine = CY_COMBINE_SUM, .arg = {3}},
                     {.kind = CY_STEP_SCALAR, .dtype = CY_F32, .op = CY_SCALAR_div, .arg = {3, 4}},
                     {.kind = CY_STEP_SCALAR, .level = CY_ROW, .dtype = CY_F32, .op = CY_SCALAR_log, .arg = {4}}};
  cy_fused_output out[] = {{.step = 5, .dtype = CY_F32, .stride = {columns, 1}},
                           {.step = 6, .dtype = CY_F32, .stride = {1, 0}},
                           {.step = 6, .dtype = CY_F32, .accumulate = true},
                           {.step = 5, .dtype = CY_F32, .accumulate = true, .stride = {0, 1}}};
  cy_fused g = {.n_axes = 2, .row_axes = 1, .dim = {rows, columns}, .n_steps = 7, .n_inputs = 1, .n_outputs = 4, .steps = steps, .inputs = &in, .outputs = out};
  float *x = cy_calloc((size_t)(rows * columns), 4), *y = cy_calloc((size_t)(rows * columns), 4);
  float *l = cy_calloc((size_t)rows, 4), total, *sums = cy_calloc((size_t)columns, 4);
  cy_rng rng = cy_rng_make(1, 1);
  for (int64_t i = 0; i < rows * columns; i++) x[i] = (float)(20 * cy_rng_uniform(&rng));
  memcpy(y, x, (size_t)(rows * columns) * 4); /* in place */
  run_tiles(&g, threads, (void *[]){y}, (void *[]){y, l, &total, sums});
  double worst = 0, logs = 0;
  for (int64_t r = 0; r < rows; r++) {
    double m = -INFINITY, s = 0;
    for (int64_t c = 0; c < columns; c++) m = fmax(m, x[r * columns + c]);
    for (int64_t c = 0; c < columns; c++) s += exp((double)x[r * columns + c] - m);
    for (int64_t c = 0; c < columns; c++) {
      double p = exp((double)x[r * columns + c] - m) / s;
      worst = fmax(worst, fabs(y[r * columns + c] - p) / p);
    }
    worst = fmax(worst, fabs(l[r] - log(s)) / (1 + log(s)));
    logs += log(s);
  }
  worst = fmax(worst, fabs(total - logs) / logs);
  double everything = 0;
  for (int64_t c = 0; c < columns; c++) everything += sums[c];
  worst = fmax(worst, fabs(everything - (double)rows) / (double)rows);
  cy_free(x), cy_free(y), cy_free(l), cy_free(sums);
  return worst;
}

static void long_rows_agree(void **state) {
  (void)state;
  const int64_t rows[] = {1, 3, 40}, columns[] = {10, 1000, 20001, 100003};
  for (int r = 0; r < 3; r++)
    for (int c = 0; c < 4; c++)
      for (int threads = 1; threads <= 2; threads++) assert_true(softmax_error(rows[r], columns[c], threads) < 2e-6);
}

static void sums_are_accurate(void **state) {
  (void)state;
  enum { N = 1000003 };
  float *x = cy_calloc(N, 4), got[2];
  double exact = 0;
  cy_rng rng = cy_rng_make(5, 5);
  for (int i = 0; i < N; i++) exact += x[i] = (float)cy_rng_uniform(&rng);
  for (int as_rows = 0; as_rows < 2; as_rows++) {
    cy_fused_input in = {.dtype = CY_F32, .stride = {1}};
    cy_step steps[] = {{.kind = CY_STEP_INPUT, .dtype = CY_F32},
                       {.kind = CY_STEP_REDUCE, .level = CY_ROW, .dtype = CY_F32, .arg = {0}}};
    cy_fused_output out = {.step = as_rows ? 0 : 1, .dtype = CY_F32, .accumulate = as_rows};
    cy_fused g = {.n_axes = 1, .row_axes = as_rows, .dim = {N}, .n_steps = 2, .n_inputs = 1, .n_outputs = 1, .steps = steps, .inputs = &in, .outputs = &out};
    run_tiles(&g, 2, (void *[]){x}, (void *[]){&got[as_rows]});
    assert_true(fabs(got[as_rows] / exact - 1) < 2e-7);
  }
  cy_free(x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_operation_in_every_dtype), cmocka_unit_test(conversions_saturate),
    cmocka_unit_test(random_programs_agree), cmocka_unit_test(expressions_agree_to_the_bit),
    cmocka_unit_test(long_rows_agree), cmocka_unit_test(sums_are_accurate),
  };
  return cmocka_run_group_tests_name("tiles", tests, NULL, NULL);
}
