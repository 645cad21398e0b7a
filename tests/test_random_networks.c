/* Random networks on images: convolutions with bias, normalisation and relu wide enough for every method that the CPU backend
 * has, pooling, residual branches, concatenation, gates, dropout and views of images; with outputs, gradients, products with
 * the Hessian, and updates of weights and of variables that are images themselves. Programs that are fused, unfused or frozen,
 * on one and two threads, against a plainer program: narrow networks against the reference kernels, wide ones against
 * unfused ones in f64. CAUCHY_SEEDS=first:count runs others than the usual ones. */
#include "harness.h"

enum { STEPS = 9, OUTPUTS = 12, WEIGHTS = 40, VARIABLES = 3, RUNS = 2 };

typedef struct leaf {
  cy_value value;
  cy_tensor *tensor;
} leaf;

typedef struct world {
  cy_rng rng;
  cy_graph *graph;
  cy_dtype real;
  bool wide;
  cy_value pool[4 + STEPS];
  int n;
  leaf leaf[WEIGHTS];
  int n_leaves, n_images; /* leaves: images first */
} world;

static int below(world *w, int n) { return (int)cy_rng_below(&w->rng, n); }
static int64_t dim(cy_value v, int axis) { return cy_value_shape(v).dim[axis]; }
static int64_t size(cy_value v) { return cy_count(cy_value_shape(v)); }
static cy_value scaled(cy_value a, double s) { return cy_mul_scalar(a, s); }

/* ---- leaves ---- */

static cy_value new_leaf(world *w, bool variable, cy_dtype dtype, cy_shape shape, double low, double high) {
  char name[16];
  leaf *l = &w->leaf[w->n_leaves];
  assert_true(w->n_leaves < WEIGHTS);
  snprintf(name, sizeof name, "%s%d", variable ? "v" : "x", w->n_leaves++);
  l->value = variable ? cy_variable(w->graph, name, dtype, shape) : cy_input(w->graph, name, dtype, shape);
  assert_ok(cy_tensor_create(dtype, shape, &l->tensor));
  fill_uniform(l->tensor, &w->rng, low, high);
  return l->value;
}

/* A parameter, or now and then an input: frozen programs hold only variables still. Zeros when there are many. */
static cy_value weight(world *w, cy_shape shape, double low, double high) {
  if (w->n_leaves >= WEIGHTS - 1) return cy_full(w->graph, w->real, shape, 0.5);
  return new_leaf(w, below(w, 6) != 0, w->real, shape, low, high);
}

static cy_value pick(world *w) { return w->pool[below(w, w->n)]; }

/* Another image of a's shape, or one made of it. */
static cy_value partner(world *w, cy_value a) {
  for (int i = below(w, w->n), k = 0; k < w->n; k++, i = (i + 1) % w->n)
    if (w->pool[i].id != a.id && cy_shape_equal(cy_value_shape(w->pool[i]), cy_value_shape(a))) return w->pool[i];
  return below(w, 2) ? cy_flip(a, below(w, 4)) : cy_tanh(a);
}

static cy_value activated(world *w, cy_value a) {
  switch (below(w, 7)) {
    case 0: case 1: case 2: return cy_relu(a);
    case 3: return cy_max(a, cy_zeros_like(a));
    case 4: return cy_mul(a, cy_logistic(a));
    case 5: return cy_max(scaled(a, 0.1), a);
    default: return a;
  }
}

/* ---- layers ---- */

static cy_windows windows_for(world *w, cy_value x, bool simple) {
  static const int kernels[] = {1, 3, 3, 3, 5, 2};
  cy_windows windows = {0};
  int kernel = kernels[below(w, simple ? 5 : 6)], stride = below(w, 4) ? 1 : 2;
  for (int i = 0; i < 2; i++) {
    windows.kernel[i] = kernel;
    windows.stride[i] = stride;
    windows.dilation[i] = simple || below(w, 5) ? 1 : 2;
    windows.low[i] = windows.high[i] = below(w, 3) ? kernel / 2 : below(w, 3);
    while ((windows.kernel[i] - 1) * windows.dilation[i] >= dim(x, 2 + i) + windows.low[i] + windows.high[i]) windows.kernel[i]--;
  }
  return windows;
}

static int64_t new_channels(world *w) {
  static const int wide[] = {32, 32, 48, 64, 16, 33};
  return w->wide ? wide[below(w, 6)] : 1 + below(w, 5);
}

static cy_value biased(world *w, cy_value y) {
  int64_t channels = dim(y, 1);
  switch (below(w, 6)) {
    case 0: return y;
    case 1: return cy_add(y, weight(w, CY_SHAPE(channels, 1, 1), -0.5, 0.5));
    case 2: return cy_sub(y, cy_broadcast_axes(weight(w, CY_SHAPE(channels), -0.5, 0.5), cy_value_shape(y), (int[]){1}));
    case 3: return cy_add_scalar(y, 0.25);
    case 4: return cy_add(cy_broadcast_axes(cy_flip(weight(w, CY_SHAPE(channels), -0.5, 0.5), 0), cy_value_shape(y), (int[]){1}), y);
    default: return cy_add(y, cy_broadcast_axes(weight(w, CY_SHAPE(channels), -0.5, 0.5), cy_value_shape(y), (int[]){1}));
  }
}

static cy_value convolved(world *w, cy_value x) {
  cy_windows windows = windows_for(w, x, w->wide);
  int64_t channels = dim(x, 1), filters = new_channels(w);
  if (below(w, 5) == 0 && channels % 2 == 0) windows.groups = 2, filters = (filters + 1) / 2 * 2;
  if (below(w, 9) == 0) windows.groups = channels, filters = channels;
  if (!windows.groups) windows.groups = 1;
  double limit = 1.5 / sqrt((double)(channels / windows.groups * windows.kernel[0] * windows.kernel[1]));
  if (below(w, 6) == 0) { /* transposed */
    int64_t to[2];
    for (int i = 0; i < 2; i++) {
      to[i] = (dim(x, 2 + i) - 1) * windows.stride[i] + (windows.kernel[i] - 1) * windows.dilation[i] + 1 - windows.low[i] - windows.high[i];
      if (to[i] < 1 || to[i] > 16) return x;
    }
    return cy_convolution_input(weight(w, CY_SHAPE(channels, filters / windows.groups, windows.kernel[0], windows.kernel[1]), -limit, limit),
                                x, windows, to);
  }
  cy_value weights = weight(w, CY_SHAPE(filters, channels / windows.groups, windows.kernel[0], windows.kernel[1]), -limit, limit);
  return cy_convolution(x, weights, windows);
}

static cy_value normalised(world *w, cy_value y) {
  int64_t channels = dim(y, 1);
  static const int batch[] = {0, 2, 3}, layer[] = {1, 2, 3}, pixel[] = {1}, instance[] = {2, 3};
  cy_shape numbers = CY_SHAPE(channels, 1, 1);
  switch (below(w, 7)) {
    case 0: case 1: y = cy_normalize(y, batch, 3, 0.1); break;
    case 2: y = cy_normalize(y, layer, 3, 0.1); break;
    case 3: y = cy_normalize(y, pixel, 1, 0.1); break;
    case 4: y = cy_normalize(y, instance, 2, 0.1); break;
    default: /* by known statistics */
      y = cy_mul(cy_sub(y, weight(w, numbers, -0.2, 0.2)), cy_rsqrt(cy_add_scalar(weight(w, numbers, 0.5, 2), 0.1)));
  }
  if (below(w, 3) == 0) return y;
  y = cy_mul(y, weight(w, numbers, 0.5, 1.5));
  return below(w, 4) ? cy_add(y, weight(w, numbers, -0.5, 0.5)) : y;
}

static cy_value block(world *w, cy_value x) {
  cy_value y = biased(w, convolved(w, x));
  if (below(w, 3) == 0) y = normalised(w, y);
  y = activated(w, y);
  if (below(w, 4) == 0) {
    for (int i = 0; i < w->n; i++)
      if (cy_shape_equal(cy_value_shape(w->pool[i]), cy_value_shape(y))) return scaled(cy_add(y, w->pool[i]), 0.7);
    if (cy_shape_equal(cy_value_shape(x), cy_value_shape(y))) return cy_relu(cy_add(x, y));
  }
  return y;
}

static cy_value pooled(world *w, cy_value x) {
  cy_windows windows = windows_for(w, x, true);
  int64_t to[2] = {1 + below(w, 4), 1 + below(w, 4)}, pad[2] = {dim(x, 2) > 1, dim(x, 3) > 1};
  for (int i = 0; i < 2; i++)
    if (windows.low[i] >= windows.kernel[i]) windows.low[i] = windows.high[i] = 0, windows.kernel[i] = windows.kernel[i] > dim(x, 2 + i) ? dim(x, 2 + i) : windows.kernel[i];
  switch (below(w, 7)) {
    case 0: case 1: return cy_max_pool(x, windows);
    case 2: return cy_avg_pool(x, windows, below(w, 2));
    case 3: return cy_adaptive_avg_pool(x, to);
    case 4: return cy_resize(x, to, (cy_resize_mode)below(w, 3), below(w, 2));
    case 5: return cy_pad_space(x, pad, pad, below(w, 2) ? CY_PAD_REFLECT : CY_PAD_EDGE);
    default: return dim(x, 1) % 4 ? cy_tanh(x) : cy_pixel_shuffle(x, 2);
  }
}

/* One number per channel, pixel, image or both, back onto the image. */
static cy_value gated(world *w, cy_value x) {
  static const int sets[][3] = {{2, 3, -1}, {1, -1, -1}, {0, 2, 3}, {0, 1, -1}, {1, 2, 3}, {0, -1, -1}, {3, -1, -1}, {2, -1, -1}, {1, 2, -1}, {1, 3, -1}};
  const int *axes = sets[below(w, 10)];
  int n = 0;
  while (n < 3 && axes[n] >= 0) n++;
  cy_value numbers = below(w, 4) ? cy_mean(x, axes, n, true) : cy_reduce_max(x, axes, n, true);
  if (below(w, 3) == 0) numbers = cy_logistic(numbers);
  if (below(w, 5) == 0 && dim(numbers, 1) == dim(numbers, 2)) numbers = cy_permute(numbers, (int[]){0, 2, 1, 3});
  if (below(w, 5) == 0 && dim(numbers, 3) == dim(numbers, 2)) numbers = cy_permute(numbers, (int[]){0, 1, 3, 2});
  return below(w, 2) ? cy_mul(x, cy_tanh(numbers)) : cy_sub(x, numbers);
}

static cy_value viewed(world *w, cy_value x) {
  cy_shape s = cy_value_shape(x);
  int axis = below(w, 4);
  int64_t c = s.dim[1], low[4] = {0}, high[4], step[4] = {1, 1, 1, 1};
  memcpy(high, s.dim, sizeof high);
  switch (below(w, 12)) {
    case 0: return cy_flip(x, axis);
    case 1: return cy_permute(x, (int[]){0, 1, 3, 2});
    case 2: return s.dim[2] * s.dim[3] <= 64 ? cy_permute(x, (int[]){0, 2, 1, 3}) : cy_tanh(x);
    case 3: return cy_permute(x, (int[]){1, 0, 2, 3});
    case 4: /* shuffled channels */
      if (c % 2) return cy_tanh(x);
      return cy_reshape(cy_permute(cy_reshape(x, CY_SHAPE(s.dim[0], 2, c / 2, s.dim[2], s.dim[3])), (int[]){0, 2, 1, 3, 4}), s);
    case 5: case 6: /* some of them */
      low[axis] = below(w, (int)s.dim[axis]);
      step[axis] = 1 + below(w, 2);
      return cy_slice(x, low, high, step);
    case 7: { /* joined */
      cy_value parts[3] = {x, partner(w, x), cy_relu(x)};
      return cy_concat(parts, 2 + below(w, 2), w->wide && axis == 0 ? 1 : axis);
    }
    case 8: return cy_reshape(cy_tanh(cy_reshape(x, CY_SHAPE(s.dim[0], c * s.dim[2] * s.dim[3]))), s);
    case 9: { /* lines of pixels */
      cy_value pixels = cy_reshape(x, CY_SHAPE(s.dim[0], c, s.dim[2] * s.dim[3]));
      return cy_reshape(cy_softmax(below(w, 2) ? cy_transpose(cy_transpose(pixels)) : pixels, 1 + below(w, 2)), s);
    }
    case 10: /* halves multiplied */
      if (c % 2) return cy_tanh(x);
      high[1] = c / 2;
      low[1] = c / 2;
      return cy_mul(cy_slice(x, (int64_t[4]){0}, high, NULL), cy_logistic(cy_slice(x, low, s.dim, NULL)));
    default: return cy_cumsum(scaled(x, 0.3), axis, below(w, 2));
  }
}

static cy_value chosen(world *w, cy_value x) {
  cy_shape s = cy_value_shape(x);
  cy_value seed = w->leaf[0].value, step = w->leaf[1].value;
  switch (below(w, 5)) {
    case 0: case 1: { /* dropout */
      cy_dtype bits = w->wide ? CY_F32 : w->real; /* each type has its own random numbers */
      cy_value keep = cy_lt(cy_random_uniform(seed, step, below(w, 3), bits, s), cy_full(w->graph, bits, s, 0.75));
      return cy_select(keep, scaled(x, 1 / 0.75), cy_zeros_like(x));
    }
    case 2: { /* a checkerboard of whole numbers */
      cy_value place = cy_add(cy_iota(w->graph, CY_I32, s, 1 + below(w, 3)), cy_iota(w->graph, CY_I32, s, below(w, 4)));
      return cy_select(cy_gt(place, cy_full(w->graph, CY_I32, s, 2)), x, partner(w, x));
    }
    case 3: return cy_softmax(x, below(w, 4));
    default: { /* 1x1 as a product */
      cy_dot_axes axes = {.n_contract = 1, .a_contract = {1}, .b_contract = {1}};
      int64_t filters = new_channels(w);
      double limit = 1.5 / sqrt((double)s.dim[1]);
      cy_value y = cy_dot(weight(w, CY_SHAPE(filters, s.dim[1]), -limit, limit), x, axes); /* [O, N, H, W] */
      return cy_permute(y, (int[]){1, 0, 2, 3});
    }
  }
}

static void take_step(world *w) {
  cy_value a = below(w, 3) ? w->pool[w->n - 1] : pick(w), v;
  switch (below(w, 12)) {
    case 0: case 1: case 2: case 3: v = block(w, a); break;
    case 4: v = normalised(w, a); break;
    case 5: case 6: v = pooled(w, a); break;
    case 7: v = gated(w, a); break;
    case 8: case 9: v = viewed(w, a); break;
    case 10: v = chosen(w, a); break;
    default: v = below(w, 2) ? activated(w, cy_add(a, partner(w, a))) : cy_mul(cy_tanh(a), partner(w, a)); break;
  }
  if (cy_graph_failed(w->graph)) fail_msg("building: %s", cy_graph_error(w->graph));
  if (size(v) > (w->wide ? 40000 : 1500) || dim(v, 1) > 100) v = a;
  w->pool[w->n++] = v;
}

/* ---- a graph with everything that is asked of it ---- */

typedef struct wishes {
  cy_value output[OUTPUTS];
  cy_update update[WEIGHTS];
  int n_outputs, n_updates;
} wishes;

static void add_images(world *w) {
  cy_shape s = w->wide ? CY_SHAPE(1 + below(w, 4), below(w, 2) ? 32 : 3 + below(w, 40), 4 + below(w, 7), 4 + below(w, 7))
                       : CY_SHAPE(1 + below(w, 3), 1 + below(w, 4), 1 + below(w, 6), 1 + below(w, 6));
  new_leaf(w, false, CY_I64, CY_SCALAR, 1, 100);
  new_leaf(w, false, CY_I64, CY_SCALAR, 1, 100);
  for (int i = 0; i < 2; i++) w->pool[w->n++] = new_leaf(w, i && below(w, 2), w->real, s, -1, 1);
  if (below(w, 3) == 0) w->pool[w->n - 1] = cy_relu(w->pool[w->n - 1]);
  w->n_images = w->n_leaves;
}

static wishes wish(world *w) {
  wishes all = {0};
  for (int i = 0; i < 3; i++) all.output[all.n_outputs++] = w->pool[below(w, 3) ? w->n - 1 - below(w, STEPS) : below(w, w->n)];
  if (below(w, 3) == 0) all.output[2] = cy_reshape(all.output[2], CY_SHAPE(size(all.output[2])));
  cy_value loss = cy_mean(cy_sin(w->pool[w->n - 1]), NULL, 0, false), wrt[3], gradient[3];
  if (below(w, 2)) loss = cy_add(loss, cy_mean(cy_tanh(pick(w)), NULL, 0, false));
  int n = 0;
  wrt[n++] = w->leaf[2].value;
  for (int i = 0; i < 2 && w->n_leaves > w->n_images; i++) {
    cy_value v = w->leaf[w->n_images + below(w, w->n_leaves - w->n_images)].value;
    if (n == 1 || v.id != wrt[1].id) wrt[n++] = v;
  }
  assert_ok(cy_grad(loss, wrt, n, gradient));
  for (int i = 0; i < n; i++) all.output[all.n_outputs++] = scaled(gradient[i], 4);
  if (below(w, w->wide ? 5 : 2) == 0) {
    assert_ok(cy_hvp(loss, wrt, wrt, 1, all.output + all.n_outputs));
    all.n_outputs++;
  }
  for (int i = 2; i < w->n_leaves; i++) { /* a step downhill; running averages of images */
    cy_value v = w->leaf[i].value, to = scaled(v, 0.9);
    if (cy_node_of(v)->op != &cy_op_variable || below(w, 3) == 0) continue;
    for (int k = 0; k < n; k++)
      if (wrt[k].id == v.id) to = cy_sub(v, scaled(gradient[k], 0.1));
    for (int k = 0; i < w->n_images && k < w->n; k++)
      if (cy_shape_equal(cy_value_shape(w->pool[k]), cy_value_shape(v)) && below(w, 2)) {
        cy_value y = cy_tanh(w->pool[k]);
        to = below(w, 2) ? y : cy_add(scaled(v, 0.5), scaled(y, 0.5));
      }
    all.update[all.n_updates++] = (cy_update){v, to};
  }
  return all;
}

static wishes build(world *w, uint64_t seed, bool wide, cy_dtype real) {
  *w = (world){.rng = cy_rng_make(seed, 7), .wide = wide, .real = real};
  assert_ok(cy_graph_create(&w->graph));
  add_images(w);
  while (w->n < 2 + STEPS) take_step(w);
  wishes all = wish(w);
  if (cy_graph_failed(w->graph)) fail_msg("building: %s", cy_graph_error(w->graph));
  assert_ok(cy_graph_verify(w->graph));
  return all;
}

static void end(world *w) {
  for (int i = 0; i < w->n_leaves; i++) cy_tensor_free(w->leaf[i].tensor);
  cy_graph_free(w->graph);
}

/* ---- running ---- */

typedef struct machine {
  cy_program *program;
  cy_session *session;
  cy_tensor *tensor[WEIGHTS];
  char *memory[WEIGHTS]; /* of the tensors, which begin where an element may */
  int n;
} machine;

static void bind(machine *m, const world *w, int i) {
  cy_status bound = cy_session_bind(m->session, cy_value_name(w->leaf[i].value), m->tensor[i]);
  assert_true(bound == CY_OK || bound == CY_INVALID); /* what nothing needs is not in the program */
}

static machine machine_begin(const world *w, const wishes *all, bool updates, cy_program_options options, bool backwards) {
  machine m = {.n = w->n_leaves};
  cy_value outputs[OUTPUTS + WEIGHTS];
  int n = all->n_outputs;
  memcpy(outputs, all->output, sizeof all->output);
  for (int i = 0; !updates && i < all->n_updates; i++) outputs[n++] = all->update[i].value;
  assert_ok(cy_compile(outputs, n, all->update, updates ? all->n_updates : 0, options, &m.program));
  assert_ok(cy_session_create(m.program, &m.session));
  for (int k = 0; k < m.n; k++) {
    int i = backwards ? m.n - 1 - k : k;
    cy_tensor *t = w->leaf[i].tensor;
    size_t aside = cy_dtype_size(cy_tensor_dtype(t));
    m.memory[i] = malloc(cy_tensor_bytes(t) + aside);
    assert_non_null(m.memory[i]);
    assert_ok(cy_tensor_wrap(cy_tensor_dtype(t), cy_tensor_shape(t), NULL, m.memory[i] + aside, &m.tensor[i]));
    assert_ok(cy_tensor_copy(t, m.tensor[i]));
    bind(&m, w, i);
  }
  return m;
}

static void machine_end(machine *m) {
  for (int i = 0; i < m->n; i++) {
    cy_tensor_free(m->tensor[i]);
    free(m->memory[i]);
  }
  cy_session_free(m->session);
  cy_program_free(m->program);
}

/* Differences as vectors, for wide networks: where f32 and f64 disagree about the sign of what relu sees, single elements of
 * a gradient do. */
static double difference(bool wide, const cy_tensor *a, const cy_tensor *b) {
  double error = 0, all = 0;
  if (!wide || !cy_dtype_is_float(cy_tensor_dtype(a))) return distance(a, b);
  for (int64_t i = 0; i < cy_tensor_count(a); i++) {
    double x = cy_tensor_at(a, i), y = cy_tensor_at(b, i);
    if (isnan(x) && isnan(y)) continue;
    if (x == y) continue;
    error += (x - y) * (x - y);
    all += y * y;
  }
  error = sqrt(error) / (sqrt(all) + 1e-3);
  return isnan(error) ? INFINITY : error;
}

typedef struct trial {
  uint64_t seed;
  size_t way;
  int run;
  bool wide;
  double limit;
} trial;

static void compare(const trial *t, const char *what, int number, cy_value value, const cy_tensor *actual, const cy_tensor *expected) {
  double error = difference(t->wide, actual, expected);
  if (error <= t->limit) return;
  char text[CY_SHAPE_TEXT], *graph;
  assert_ok(cy_graph_text(&value, 1, &graph));
  print_message("%s", graph);
  cy_string_free(graph);
  fail_msg("seed %llu, way %zu, run %d, %s %d (%s %s): differs by %g", (unsigned long long)t->seed, t->way, t->run, what, number,
           cy_dtype_name(cy_tensor_dtype(expected)), cy_shape_text(cy_tensor_shape(expected), text), error);
}

static const cy_program_options ways[] = {{.threads = 1}, {.threads = 2}, {.unfused = true, .threads = 1},
                                          {.threads = 1, .frozen = true}, {.threads = 2, .frozen = true},
                                          {.threads = 1, .recompute = CY_RECOMPUTE_ALWAYS},
                                          {.threads = 2, .recompute = CY_RECOMPUTE_ALWAYS}};
enum { KEEPING = 0, RECOMPUTING = 5, THREADS = 2 }; /* from there on, programs for one and two threads */
enum { WAYS = sizeof ways / sizeof *ways };

/* The updated variables as the oracle has them become both's, so that differences do not grow. */
static void carry_over(const world *w, const wishes *all, machine *m, machine *oracle, bool bind_again) {
  for (int u = 0; u < all->n_updates; u++)
    for (int i = 0; i < w->n_leaves; i++) {
      if (w->leaf[i].value.id != all->update[u].variable.id) continue;
      const cy_tensor *to = cy_session_output(oracle->session, all->n_outputs + u);
      assert_ok(cy_tensor_copy(to, m->tensor[i]));
      if (bind_again) bind(m, w, i);
    }
}

static void run_way(const trial *t, const world *w, const wishes *all, machine *oracle, machine *m) {
  bool frozen = ways[t->way].frozen;
  assert_ok(cy_session_run(m->session));
  if (frozen && t->run == 0) assert_ok(cy_session_run(m->session)); /* once more, without the prologue */
  for (int i = 0; i < all->n_outputs; i++)
    compare(t, "output", i, all->output[i], cy_session_output(m->session, i), cy_session_output(oracle->session, i));
  for (int u = 0; u < all->n_updates; u++) {
    const cy_tensor *expected = cy_session_output(oracle->session, all->n_outputs + u), *actual = NULL;
    if (frozen) actual = cy_session_output(m->session, all->n_outputs + u);
    for (int i = 0; !frozen && i < w->n_leaves; i++)
      if (w->leaf[i].value.id == all->update[u].variable.id) actual = m->tensor[i];
    compare(t, "update", u, all->update[u].value, actual, expected);
  }
  carry_over(w, all, m, oracle, frozen);
}

/* Values that are computed again are the same, bit for bit. */
static void compare_bits(const trial *t, const wishes *all, const machine *keeping, const machine *again) {
  for (int i = 0; i < all->n_outputs; i++) {
    const cy_tensor *a = cy_session_output(keeping->session, i), *b = cy_session_output(again->session, i);
    if (memcmp(cy_tensor_data(a), cy_tensor_data(b), (size_t)cy_tensor_count(a) * cy_dtype_size(cy_tensor_dtype(a))) != 0)
      fail_msg("seed %llu, way %zu, run %d: output %d has other bits if values are computed again",
               (unsigned long long)t->seed, t->way, t->run, i);
  }
}

static void one_network(uint64_t seed) {
  world w, plain;
  bool wide = seed % 3 == 0;
  cy_dtype real = wide || seed % 2 ? CY_F32 : CY_F64;
  wishes all = build(&w, seed, wide, real), same = build(&plain, seed, wide, wide ? CY_F64 : real);
  trial t = {.seed = seed, .wide = wide, .limit = wide ? 0.01 : real == CY_F64 ? 1e-9 : 2e-3};
  machine oracle = machine_begin(&plain, &same, false, (cy_program_options){.backend = wide ? "cpu" : "reference", .threads = 1, .unfused = true}, false);
  machine m[WAYS];
  for (size_t i = 0; i < WAYS; i++) m[i] = machine_begin(&w, &all, !ways[i].frozen, ways[i], seed % 2);
  for (t.run = 0; t.run < RUNS; t.run++) {
    assert_ok(cy_session_run(oracle.session));
    for (t.way = 0; t.way < WAYS; t.way++) run_way(&t, &w, &all, &oracle, &m[t.way]);
    for (t.way = 0; t.way < THREADS; t.way++) compare_bits(&t, &all, &m[KEEPING + t.way], &m[RECOMPUTING + t.way]);
    carry_over(&plain, &same, &oracle, &oracle, false);
  }
  for (size_t i = 0; i < WAYS; i++) machine_end(&m[i]);
  machine_end(&oracle);
  end(&w);
  end(&plain);
}

static void random_networks_agree(void **state) {
  (void)state;
  unsigned long long first = 0, count = 45;
  const char *seeds = getenv("CAUCHY_SEEDS");
  if (seeds && sscanf(seeds, "%llu:%llu", &first, &count) != 2) fail_msg("CAUCHY_SEEDS is first:count");
  for (unsigned long long seed = first; seed < first + count; seed++) one_network(seed);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(random_networks_agree)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
