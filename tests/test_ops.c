/* Statements about every operation, found by walking the table. Each row's own sampler gives the instances, so an
 * operation is tested by being in the table. */
#include "harness.h"

enum { SAMPLES = 40, MOST_OPERANDS = CY_SAMPLE_OPERANDS };

/* One sampled instance: operands x0.. with values, and the result. */
typedef struct instance {
  const cy_op *op;
  cy_sample sample;
  feeds f;
  cy_value y;
  char name[64]; /* for messages */
} instance;

/* Separated values: a shuffled ladder over the range. */
static void fill_distinct(cy_tensor *t, cy_rng *rng, double low, double high) {
  int64_t n = cy_tensor_count(t), *rank = malloc((size_t)(n ? n : 1) * sizeof *rank);
  for (int64_t i = 0; i < n; i++) rank[i] = i;
  cy_rng_shuffle(rng, rank, n);
  for (int64_t i = 0; i < n; i++) cy_tensor_set(t, i, low + (high - low) * ((double)rank[i] + 0.5) / (double)n);
  free(rank);
}

static void fill_operand(const instance *x, int i, cy_tensor *t, cy_rng *rng) {
  bool is_float = cy_dtype_is_float(cy_tensor_dtype(t));
  if (x->sample.distinct && is_float) {
    fill_distinct(t, rng, x->sample.low[i], x->sample.high[i]);
    if (i == 1) /* never equal to operand 0: between its steps */
      for (int64_t k = 0; k < cy_tensor_count(t); k++)
        cy_tensor_set(t, k, cy_tensor_at(t, k) + 0.23 * (x->sample.high[i] - x->sample.low[i]) / (double)cy_tensor_count(t));
  } else {
    fill_uniform(t, rng, x->sample.low[i], x->sample.high[i]);
  }
}

static instance make_instance(const cy_op *op, uint64_t seed, cy_dtype dtype) {
  cy_rng rng = cy_rng_make(seed, 7);
  instance x = {.op = op, .f = feeds_begin()};
  snprintf(x.name, sizeof x.name, "%s, sample %d", op->name, (int)seed);
  op->sample(op, &rng, &x.sample);
  for (int i = 0; i < x.sample.n_inputs; i++) {
    cy_type t = x.sample.type[i];
    feeds_add(&x.f, t.dtype == CY_F64 ? dtype : t.dtype, t.shape);
    fill_operand(&x, i, x.f.tensor[i], &rng);
  }
  /* Leaves and conversions carry their dtype as an attribute: only f64 is sampled there. */
  x.y = cy_make(x.f.graph, op, x.f.value, x.sample.n_inputs, x.sample.attrs);
  if (cy_graph_status(x.f.graph) != CY_OK) fail_msg("%s: %s", x.name, cy_error_message());
  return x;
}

static bool is_float_value(cy_value v) { return cy_dtype_is_float(cy_value_dtype(v)); }

/* ---- the shape rule is what the reference kernel fills, no more and no less ---- */

static void run_kernel(instance *x, void *data, cy_view *out) {
  cy_view in[MOST_OPERANDS];
  for (int i = 0; i < x->sample.n_inputs; i++) in[i] = x->f.tensor[i]->view;
  *out = cy_view_row_major(data, cy_value_dtype(x->y), cy_value_shape(x->y));
  x->op->kernel(&(cy_call){x->op, x->sample.attrs, x->sample.n_inputs, in, out});
}

static void shape_rule_is_what_the_kernel_fills(void **state) {
  (void)state;
  for (const cy_op *const *op = cy_op_table; *op; op++) {
    if (!(*op)->sample || !(*op)->kernel) continue;
    for (int s = 0; s < SAMPLES; s++) {
      instance x = make_instance(*op, (uint64_t)s, CY_F64);
      size_t bytes = (size_t)cy_count(cy_value_shape(x.y)) * cy_dtype_size(cy_value_dtype(x.y)), guard = 64;
      unsigned char *one = malloc(bytes + 2 * guard), *two = malloc(bytes + 2 * guard);
      cy_view view;
      memset(one, 0x5a, bytes + 2 * guard);
      memset(two, 0xa5, bytes + 2 * guard);
      run_kernel(&x, one + guard, &view);
      run_kernel(&x, two + guard, &view);
      if (memcmp(one + guard, two + guard, bytes) != 0) fail_msg("%s: the kernel leaves elements unwritten", x.name);
      for (size_t i = 0; i < guard; i++)
        if (one[i] != 0x5a || one[guard + bytes + i] != 0x5a) fail_msg("%s: the kernel writes outside its result", x.name);
      assert_ok(cy_graph_verify(x.f.graph));
      free(one);
      free(two);
      feeds_end(&x.f);
    }
  }
}

/* ---- derivatives ---- */

/* Extends the graph by one float input per float operand, of its type: tangents. Returns how many. */
static int add_directions(instance *x, cy_value *wrt, cy_value *direction, int *feed, uint64_t seed) {
  cy_rng rng = cy_rng_make(seed, 99);
  int n = 0;
  for (int i = 0; i < x->sample.n_inputs; i++) {
    if (!is_float_value(x->f.value[i])) continue;
    wrt[n] = x->f.value[i];
    feed[n] = feeds_add(&x->f, cy_value_dtype(wrt[n]), cy_value_shape(wrt[n]));
    direction[n] = x->f.value[feed[n]];
    fill_uniform(x->f.tensor[feed[n]], &rng, -1, 1);
    n++;
  }
  return n;
}

static const run_options reference = {.backend = "reference"};

/* y at x + h * direction. */
static cy_tensor *displaced(instance *x, int n, const int *feed, double h) {
  cy_tensor *out, *saved[MOST_OPERANDS];
  int k = 0;
  for (int i = 0; i < x->sample.n_inputs && k < n; i++) {
    if (!is_float_value(x->f.value[i])) continue;
    cy_tensor *t = x->f.tensor[i], *d = x->f.tensor[feed[k]];
    assert_ok(cy_tensor_create(cy_tensor_dtype(t), cy_tensor_shape(t), &saved[k]));
    assert_ok(cy_tensor_copy(t, saved[k]));
    for (int64_t e = 0; e < cy_tensor_count(t); e++) cy_tensor_set(t, e, cy_tensor_at(t, e) + h * cy_tensor_at(d, e));
    k++;
  }
  run_values(&x->f, &x->y, 1, reference, &out);
  k = 0;
  for (int i = 0; i < x->sample.n_inputs && k < n; i++) {
    if (!is_float_value(x->f.value[i])) continue;
    assert_ok(cy_tensor_copy(saved[k], x->f.tensor[i]));
    cy_tensor_free(saved[k++]);
  }
  return out;
}

static void jvp_agrees_with_differences(void **state) {
  (void)state;
  for (const cy_op *const *op = cy_op_table; *op; op++) {
    if (!(*op)->sample || (*op)->blocks) continue;
    for (int s = 0; s < SAMPLES; s++) {
      instance x = make_instance(*op, (uint64_t)s, CY_F64);
      cy_value wrt[MOST_OPERANDS], direction[MOST_OPERANDS], tangent;
      int feed[MOST_OPERANDS], n = add_directions(&x, wrt, direction, feed, (uint64_t)s);
      if (n && is_float_value(x.y)) {
        const double h = 1e-3; /* error h^4/30 of the fifth derivative; rounding 1e-16/h */
        cy_tensor *t, *p1 = displaced(&x, n, feed, h), *m1 = displaced(&x, n, feed, -h);
        cy_tensor *p2 = displaced(&x, n, feed, 2 * h), *m2 = displaced(&x, n, feed, -2 * h);
        assert_ok(cy_jvp(&x.y, 1, wrt, direction, n, &tangent));
        run_values(&x.f, &tangent, 1, reference, &t);
        for (int64_t i = 0; i < cy_tensor_count(t); i++)
          cy_tensor_set(p1, i, (8 * (cy_tensor_at(p1, i) - cy_tensor_at(m1, i)) -
                                (cy_tensor_at(p2, i) - cy_tensor_at(m2, i))) / (12 * h));
        double error = distance(t, p1);
        if (!(error <= 1e-7)) fail_msg("%s: jvp differs from differences by %g", x.name, error);
        cy_tensor_free(t);
        cy_tensor_free(p1);
        cy_tensor_free(m1);
        cy_tensor_free(p2);
        cy_tensor_free(m2);
      }
      feeds_end(&x.f);
    }
  }
}

static double inner(const cy_tensor *a, const cy_tensor *b) {
  double total = 0;
  for (int64_t i = 0; i < cy_tensor_count(a); i++) total += cy_tensor_at(a, i) * cy_tensor_at(b, i);
  return total;
}

static double norm1(const cy_tensor *a, const cy_tensor *b) {
  double total = 0;
  for (int64_t i = 0; i < cy_tensor_count(a); i++) total += fabs(cy_tensor_at(a, i) * cy_tensor_at(b, i));
  return total;
}

/* <u, J v> = <J' u, v> */
static void transpose_is_the_adjoint(void **state) {
  (void)state;
  for (const cy_op *const *op = cy_op_table; *op; op++) {
    if (!(*op)->sample) continue;
    for (int s = 0; s < SAMPLES; s++) {
      instance x = make_instance(*op, (uint64_t)s, CY_F64);
      cy_value wrt[MOST_OPERANDS], v[MOST_OPERANDS], all[MOST_OPERANDS + 1];
      int feed[MOST_OPERANDS], n = add_directions(&x, wrt, v, feed, (uint64_t)s);
      if (n && is_float_value(x.y)) {
        cy_rng rng = cy_rng_make((uint64_t)s, 5);
        int u = feeds_add(&x.f, cy_value_dtype(x.y), cy_value_shape(x.y));
        cy_tensor *out[MOST_OPERANDS + 1];
        fill_uniform(x.f.tensor[u], &rng, -1, 1);
        assert_ok(cy_jvp(&x.y, 1, wrt, v, n, &all[0]));
        assert_ok(cy_vjp(&x.y, &x.f.value[u], 1, wrt, n, all + 1));
        run_values(&x.f, all, n + 1, reference, out);
        double left = inner(out[0], x.f.tensor[u]), right = 0, scale = 1 + norm1(out[0], x.f.tensor[u]);
        for (int i = 0; i < n; i++) {
          assert_true(cy_shape_equal(cy_value_shape(all[1 + i]), cy_value_shape(wrt[i])));
          right += inner(out[1 + i], x.f.tensor[feed[i]]);
        }
        if (!(fabs(left - right) <= 1e-12 * scale)) fail_msg("%s: <u,Jv> = %.17g, <J'u,v> = %.17g", x.name, left, right);
        for (int i = 0; i <= n; i++) cy_tensor_free(out[i]);
      }
      feeds_end(&x.f);
    }
  }
}

/* A scalar that bends every element of y: sum of w sin(y). */
static cy_value bent(instance *x, uint64_t seed) {
  cy_rng rng = cy_rng_make(seed, 3);
  int w = feeds_add(&x->f, cy_value_dtype(x->y), cy_value_shape(x->y));
  fill_uniform(x->f.tensor[w], &rng, 0.5, 1.5);
  return cy_sum(cy_mul(x->f.value[w], cy_sin(x->y)), NULL, 0, false);
}

/* <u, H v> = <v, H u>, and H v by forward over reverse is the derivative of the gradient by reverse over reverse. */
static void second_derivatives_are_symmetric(void **state) {
  (void)state;
  for (const cy_op *const *op = cy_op_table; *op; op++) {
    if (!(*op)->sample) continue;
    for (int s = 0; s < SAMPLES; s++) {
      instance x = make_instance(*op, (uint64_t)s, CY_F64);
      cy_value wrt[MOST_OPERANDS], u[MOST_OPERANDS], v[MOST_OPERANDS], all[3 * MOST_OPERANDS], g[MOST_OPERANDS];
      int fu[MOST_OPERANDS], fv[MOST_OPERANDS], n = add_directions(&x, wrt, u, fu, 11), m;
      m = x.f.n + n <= MOST_FEEDS - 1 ? add_directions(&x, wrt, v, fv, 22) : 0;
      if (n && m == n && is_float_value(x.y)) {
        cy_tensor *out[3 * MOST_OPERANDS];
        cy_value loss = bent(&x, (uint64_t)s), slope = cy_none;
        assert_ok(cy_hvp(loss, wrt, u, n, all));
        assert_ok(cy_hvp(loss, wrt, v, n, all + n));
        assert_ok(cy_grad(loss, wrt, n, g));
        for (int i = 0; i < n; i++) slope = cy_tangent_sum(slope, cy_sum(cy_mul(g[i], v[i]), NULL, 0, false));
        assert_ok(cy_grad(slope, wrt, n, all + 2 * n));
        run_values(&x.f, all, 3 * n, reference, out);
        double vhu = 0, uhv = 0, scale = 1;
        for (int i = 0; i < n; i++) {
          vhu += inner(out[i], x.f.tensor[fv[i]]);
          uhv += inner(out[n + i], x.f.tensor[fu[i]]);
          scale += norm1(out[i], x.f.tensor[fv[i]]);
          double apart = distance(out[n + i], out[2 * n + i]);
          if (!(apart <= 1e-12)) fail_msg("%s: forward over reverse and reverse over reverse differ by %g", x.name, apart);
        }
        if (!(fabs(vhu - uhv) <= 1e-12 * scale)) fail_msg("%s: <v,Hu> = %.17g, <u,Hv> = %.17g", x.name, vhu, uhv);
        for (int i = 0; i < 3 * n; i++) cy_tensor_free(out[i]);
      }
      feeds_end(&x.f);
    }
  }
}

/* ---- many instances at once ---- */

enum { INSTANCES = 3 };

/* Rows that are made by the compiler alone, and random numbers, whose stream is one. */
static bool is_never_batched(const cy_op *op) {
  static const char *const names[] = {"dot_add", "convolution_bias", "random_uniform"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(op->name, names[i]) == 0) return true;
  return op->arity == 0;
}

static cy_shape in_front(int64_t extent, cy_shape shape) {
  cy_shape out = {.rank = shape.rank + 1, .dim = {extent}};
  memcpy(out.dim + 1, shape.dim, (size_t)shape.rank * sizeof *shape.dim);
  return out;
}

/* The operation on instance t of the operands that are batched. */
static cy_value instance_of(const instance *x, const cy_value *in, const bool *batched, int64_t t) {
  cy_value one[MOST_OPERANDS];
  for (int i = 0; i < x->sample.n_inputs; i++)
    one[i] = batched[i] ? cy_reshape(cy_slice_axis(in[i], 0, t, t + 1), x->sample.type[i].shape) : in[i];
  return cy_make(x->f.graph, x->op, one, x->sample.n_inputs, x->sample.attrs);
}

static void batching_is_many_instances_at_once(void **state) {
  (void)state;
  for (const cy_op *const *op = cy_op_table; *op; op++) {
    if (!(*op)->sample || is_never_batched(*op)) continue;
    if (!(*op)->batch) fail_msg("%s has no batching rule", (*op)->name);
    for (int s = 0; s < SAMPLES; s++) {
      cy_rng rng = cy_rng_make((uint64_t)s, 8);
      instance x = {.op = *op, .f = feeds_begin()};
      bool batched[MOST_OPERANDS], any = false;
      (*op)->sample(*op, &rng, &x.sample);
      for (int i = 0; i < x.sample.n_inputs; i++) {
        batched[i] = cy_rng_below(&rng, 2) || (i + 1 == x.sample.n_inputs && !any);
        any = any || batched[i];
        cy_type type = x.sample.type[i];
        feeds_add(&x.f, type.dtype, batched[i] ? in_front(INSTANCES, type.shape) : type.shape);
        fill_operand(&x, i, x.f.tensor[i], &rng);
      }
      cy_value parts[INSTANCES], values[2], one = instance_of(&x, x.f.value, batched, 0);
      assert_ok(cy_graph_status(x.f.graph));
      if (cy_value_shape(one).rank == CY_MAX_RANK) { /* no room for the axis */
        feeds_end(&x.f);
        continue;
      }
      cy_rule rule = {.graph = x.f.graph, .node = cy_node_of(one), .in = x.f.value, .out = one};
      values[0] = (*op)->batch(&rule, batched, INSTANCES);
      for (int t = 0; t < INSTANCES; t++) {
        cy_value y = instance_of(&x, x.f.value, batched, t);
        parts[t] = cy_reshape(y, in_front(1, cy_value_shape(y)));
      }
      values[1] = cy_concat(parts, INSTANCES, 0);
      if (cy_graph_status(x.f.graph) != CY_OK) fail_msg("%s, sample %d: %s", (*op)->name, s, cy_error_message());
      if (cy_is_value(values[0])) {
        cy_tensor *out[2];
        run_values(&x.f, values, 2, reference, out);
        double error = distance(out[0], out[1]);
        if (!(error <= 1e-12)) fail_msg("%s, sample %d: batched, it differs by %g", (*op)->name, s, error);
        cy_tensor_free(out[0]);
        cy_tensor_free(out[1]);
      } else if ((*op)->op_class == CY_CLASS_ELEMENTWISE || x.sample.n_inputs == 1) {
        fail_msg("%s, sample %d: cannot be batched", (*op)->name, s);
      }
      feeds_end(&x.f);
    }
  }
}

/* ---- backends ---- */

static bool takes_f32(const cy_op *op) {
  cy_sample s = {0};
  cy_rng rng = cy_rng_make(0, 7);
  op->sample(op, &rng, &s);
  return op->arity != 0 && op->arity == s.n_inputs ? op->attr_size == 0 || op->op_class != CY_CLASS_LEAF : op->arity < 0;
}

/* The value seen through windows that leave it as it is: other strides, offsets and directions in memory. */
static cy_value through_windows(cy_value x, cy_rng *rng) {
  cy_shape shape = cy_value_shape(x);
  if (!shape.rank || cy_value_dtype(x) == CY_BOOL) return x;
  if (cy_rng_below(rng, 2)) x = cy_flip(cy_flip(x, 0), 0);
  if (cy_rng_below(rng, 2)) { /* a column of something wider */
    int64_t low[CY_MAX_RANK] = {0}, high[CY_MAX_RANK] = {0}, limit[CY_MAX_RANK];
    int axis = (int)cy_rng_below(rng, shape.rank);
    low[axis] = 2;
    high[axis] = 1;
    for (int i = 0; i < shape.rank; i++) limit[i] = low[i] + shape.dim[i];
    x = cy_slice(cy_pad(x, low, high, NULL), low, limit, NULL);
  }
  if (shape.rank >= 2 && cy_rng_below(rng, 2)) /* kept apart by an operation, so that the transposes stay */
    x = cy_transpose(cy_add(cy_transpose(x), cy_zeros_like(cy_transpose(x))));
  return x;
}

static void every_backend_agrees_with_the_reference(void **state) {
  (void)state;
  static const run_options ways[] = {{.backend = "cpu", .threads = 1, .twice = true},
                                     {.backend = "cpu", .threads = 2, .twice = true},
                                     {.backend = "cpu", .unfused = true}};
  for (const cy_op *const *op = cy_op_table; *op; op++) {
    if (!(*op)->sample) continue;
    for (int s = 0; s < 2 * SAMPLES; s++) {
      cy_dtype dtype = s % 2 && takes_f32(*op) ? CY_F32 : CY_F64;
      cy_rng rng = cy_rng_make((uint64_t)s, 17);
      instance x = make_instance(*op, (uint64_t)s, dtype);
      cy_value in[MOST_OPERANDS], wrt[MOST_OPERANDS], values[2 + MOST_OPERANDS];
      int n = 0, count = 1;
      for (int i = 0; i < x.sample.n_inputs; i++) {
        in[i] = through_windows(x.f.value[i], &rng);
        if (is_float_value(x.f.value[i])) wrt[n++] = x.f.value[i];
      }
      if (x.sample.n_inputs) x.y = cy_make(x.f.graph, *op, in, x.sample.n_inputs, x.sample.attrs);
      values[0] = x.y;
      if (n && is_float_value(x.y)) {
        values[1] = bent(&x, (uint64_t)s);
        assert_ok(cy_grad(values[1], wrt, n, values + 2));
        count = 2 + n;
      }
      cy_tensor *expected[2 + MOST_OPERANDS], *actual[2 + MOST_OPERANDS];
      run_values(&x.f, values, count, reference, expected);
      for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        run_values(&x.f, values, count, ways[w], actual);
        for (int i = 0; i < count; i++) {
          double error = distance(actual[i], expected[i]), limit = cy_value_dtype(values[i]) == CY_F32 ? 1e-5 : 1e-12;
          if (!(error <= limit))
            fail_msg("%s, %s, %d threads%s: value %d differs from the reference by %g", x.name, cy_dtype_name(dtype),
                     ways[w].threads, ways[w].unfused ? ", unfused" : "", i, error);
          cy_tensor_free(actual[i]);
        }
      }
      for (int i = 0; i < count; i++) cy_tensor_free(expected[i]);
      feeds_end(&x.f);
    }
  }
}

/* Elementwise rows on everything that is special in floating point, in every dtype they take. */
static void special_values_agree_with_the_reference(void **state) {
  static const double special[] = {0,    -0.0,      1,         -1,   0.5,      -0.5,     2,    3e38, -3e38, 1e-40, 1e4,
                                   -1e4, INFINITY,  -INFINITY, NAN,  88.7,     -103.9,   710,  -745, 1e300, 7,     1e-300};
  enum { COUNT = sizeof special / sizeof *special };
  (void)state;
  for (int row = 0; row < CY_SCALAR_COUNT; row++) {
    const cy_op *op = &cy_op_elementwise[row];
    for (int dtype = 0; dtype < CY_DTYPE_COUNT; dtype++) {
      if (!(op->kinds >> dtype & 1) || row == CY_SCALAR_convert) continue;
      feeds f = feeds_begin();
      int first = row == CY_SCALAR_select;
      if (first) feeds_add(&f, CY_BOOL, CY_SHAPE(COUNT, COUNT));
      for (int i = first; i < op->arity; i++) feeds_add(&f, (cy_dtype)dtype, CY_SHAPE(COUNT, COUNT));
      for (int64_t i = 0; i < COUNT * COUNT; i++)
        for (int k = 0; k < op->arity; k++) {
          double v = special[k == first ? i / COUNT : i % COUNT];
          if (dtype != CY_F32 && dtype != CY_F64 && !(fabs(v) < 1e6)) v = 5;
          cy_tensor_set(f.tensor[k], i, k < first ? (double)(i % 3 == 0) : v);
        }
      cy_value y = cy_make(f.graph, op, f.value, op->arity, NULL);
      cy_tensor *expected, *actual;
      run_values(&f, &y, 1, reference, &expected);
      run_values(&f, &y, 1, (run_options){.backend = "cpu"}, &actual);
      for (int64_t i = 0; i < COUNT * COUNT; i++) {
        double a = cy_tensor_at(actual, i), b = cy_tensor_at(expected, i);
        double close = dtype == CY_F32 ? 4e-7 : 1e-15, tiny = dtype == CY_F32 ? 1.2e-38 : 2.3e-308;
        bool same = (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= close * fabs(b) || (fabs(a) <= tiny && fabs(b) <= tiny);
        if (!same)
          fail_msg("%s of %s (%g, %g): %.9g, the reference gives %.9g", op->name, cy_dtype_name((cy_dtype)dtype),
                   cy_tensor_at(f.tensor[first], i), cy_tensor_at(f.tensor[op->arity - 1], i), a, b);
      }
      cy_tensor_free(expected);
      cy_tensor_free(actual);
      feeds_end(&f);
    }
  }
}

/* ---- the table is closed, and prints ---- */

static void rules_emit_only_operations_with_rules(void **state) {
  (void)state;
  for (const cy_op *const *op = cy_op_table; *op; op++) {
    if (!(*op)->sample) continue;
    instance x = make_instance(*op, 1, CY_F64);
    cy_value wrt[MOST_OPERANDS], v[MOST_OPERANDS], h[MOST_OPERANDS];
    int feed[MOST_OPERANDS], n = add_directions(&x, wrt, v, feed, 1);
    if (n && is_float_value(x.y)) assert_ok(cy_hvp(bent(&x, 1), wrt, v, n, h));
    for (int32_t id = 0; id < cy_graph_size(x.f.graph); id++) {
      const cy_op *emitted = cy_node_at(x.f.graph, id)->op;
      if (emitted->op_class == CY_CLASS_LEAF) continue;
      if (cy_op_find(emitted->name) != emitted) fail_msg("%s emits %s, which is not in the table", (*op)->name, emitted->name);
      bool has_rule = emitted->jvp || emitted->expand || emitted->op_class == CY_CLASS_INDEX;
      if (!has_rule) fail_msg("%s emits %s, which has no derivative", (*op)->name, emitted->name);
      if (emitted->linear && !emitted->transpose) fail_msg("%s is linear but has no transpose", emitted->name);
    }
    char *text;
    assert_ok(cy_graph_text(&x.y, 1, &text));
    assert_non_null(strstr(text, (*op)->name));
    cy_string_free(text);
    assert_ok(cy_graph_dot(&x.y, 1, &text));
    assert_non_null(strstr(text, "digraph"));
    cy_string_free(text);
    feeds_end(&x.f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shape_rule_is_what_the_kernel_fills),
      cmocka_unit_test(jvp_agrees_with_differences),
      cmocka_unit_test(transpose_is_the_adjoint),
      cmocka_unit_test(second_derivatives_are_symmetric),
      cmocka_unit_test(batching_is_many_instances_at_once),
      cmocka_unit_test(every_backend_agrees_with_the_reference),
      cmocka_unit_test(special_values_agree_with_the_reference),
      cmocka_unit_test(rules_emit_only_operations_with_rules),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
