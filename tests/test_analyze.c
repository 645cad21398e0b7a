/* The analyzer: what the rows of the operations say they reach is what changes; receptive fields computed and measured agree
 * on random architectures; counts and memory are those of the network and of the compiler. */
#include "allocations.h"
#include "harness.h"

#include "analyze/receptive.h"
#include "base/text.h"
#include "cauchy_config.h"
#include "tensor/tensor.h"

#include <time.h>
#include <unistd.h>

/* ---- the rows: an element outside the reach never changes the result ---- */

static bool in_reach(const cy_reach *r, int64_t i, int64_t coordinate) {
  int64_t first, step, n;
  assert_true(cy_reach_elements(r, i, &first, &step, &n));
  return n > 0 && coordinate >= first && coordinate <= first + (n - 1) * step && (coordinate - first) % step == 0;
}

static void expect_in_reach(const cy_op *op, const cy_reach *reach, const cy_walk *from, const cy_walk *to) {
  for (int axis = 0; axis < from->shape.rank; axis++) {
    if (reach[axis].axis < 0 || in_reach(&reach[axis], to->index[reach[axis].axis], from->index[axis])) continue;
    fail_msg("%s: element %lld of axis %d changes unit %lld of axis %d, which does not reach it", op->name,
             (long long)from->index[axis], axis, (long long)to->index[reach[axis].axis], reach[axis].axis);
  }
}

static void fill_sample(const cy_sample *s, int i, cy_rng *rng, cy_tensor *t) {
  fill_uniform(t, rng, s->low[i], s->high[i]);
}

/* Changes each element of each operand in turn and looks where the result changes. */
static void check_row(const cy_op *op, cy_rng *rng) {
  cy_sample s = {0};
  op->sample(op, rng, &s);
  feeds f = feeds_begin();
  for (int i = 0; i < s.n_inputs; i++) {
    feeds_add(&f, s.type[i].dtype, s.type[i].shape);
    fill_sample(&s, i, rng, f.tensor[i]);
  }
  cy_value out = cy_make(f.graph, op, f.value, s.n_inputs, s.attrs);
  cy_tensor *base, *changed;
  run_values(&f, &out, 1, (run_options){.backend = "reference", .unfused = true}, &base);
  for (int k = 0; k < s.n_inputs; k++) {
    cy_reach reach[CY_MAX_RANK];
    assert_ok(cy_reach_of(f.graph, cy_node_of(out), k, reach));
    int64_t e = 0;
    for (cy_walk from = cy_walk_start(s.type[k].shape); from.more; cy_walk_next(&from), e++) {
      double old = cy_tensor_at(f.tensor[k], e);
      double other = s.low[k] + (s.high[k] - s.low[k]) * cy_rng_uniform(rng);
      cy_tensor_set(f.tensor[k], e, cy_dtype_is_float(s.type[k].dtype) ? other : floor(other));
      run_values(&f, &out, 1, (run_options){.backend = "reference", .unfused = true}, &changed);
      cy_tensor_set(f.tensor[k], e, old);
      int64_t o = 0;
      for (cy_walk to = cy_walk_start(cy_value_shape(out)); to.more; cy_walk_next(&to), o++) {
        double x = cy_tensor_at(base, o), y = cy_tensor_at(changed, o);
        if (x != y && !(isnan(x) && isnan(y))) expect_in_reach(op, reach, &from, &to);
      }
      cy_tensor_free(changed);
    }
  }
  cy_tensor_free(base);
  feeds_end(&f);
}

static void rows_reach_what_changes(void **state) {
  (void)state;
  cy_rng rng = cy_rng_make(11, 0);
  int checked = 0;
  for (int i = 0; cy_op_table[i]; i++) {
    const cy_op *op = cy_op_table[i];
    if (!op->sample || !op->reach) continue;
    for (int k = 0; k < 6; k++) check_row(op, &rng);
    checked++;
  }
  assert_true(checked > 20);
}

/* Rows that are no elementwise operation or leaf say what they see; of a loop every step may see everything. */
static void rows_have_a_reach(void **state) {
  (void)state;
  for (int i = 0; cy_op_table[i]; i++) {
    const cy_op *op = cy_op_table[i];
    if (op->arity == 0 || op->op_class == CY_CLASS_ELEMENTWISE || op->reach || strncmp(op->name, "random", 6) == 0 ||
        strncmp(op->name, "scan", 4) == 0)
      continue;
    fail_msg("%s has no reach", op->name);
  }
}

/* ---- helpers ---- */

static cy_model *parse(const char *text) {
  cy_model *model;
  if (cy_model_parse(text, "net", &model) != CY_OK) fail_msg("%s: %s", text, cy_error_message());
  return model;
}

/* ---- computed and measured fields agree ---- */

/* Every draw is a statement of its own: compilers evaluate arguments in any order, and all shall draw the same networks. */
typedef struct generator {
  cy_rng rng;
  cy_text text;
  bool even;     /* only what moves in whole steps: every unit sees the same size, without holes */
  bool maxima;   /* max_pool was used: its derivative sees one element of a window at a time */
} generator;

static int below(generator *g, int n) { return (int)cy_rng_below(&g->rng, n); }

static int from_to(generator *g, int low, int high) { return low + below(g, high - low + 1); }

static void add_padding(generator *g) {
  static const char *const kinds[] = {"", ", pad=same", ", pad=half", ", pad=1"};
  int kind = below(g, 6);
  if (kind < 4) {
    cy_text_add(&g->text, "%s", kinds[kind]);
    return;
  }
  int low = below(g, 3), high = below(g, 4);
  cy_text_add(&g->text, ", pad=%d:%d", low, high);
}

/* A stride beyond the kernel leaves holes. */
static int stride_of(generator *g, int kernel) { return from_to(g, 1, g->even && kernel < 3 ? kernel : 3); }

static void add_conv(generator *g) {
  int channels = from_to(g, 1, 2), kernel = from_to(g, 1, 4);
  cy_text_add(&g->text, "conv(%d, %d", channels, kernel);
  if (below(g, 2)) cy_text_add(&g->text, ", stride=%d", stride_of(g, kernel));
  bool dilated = !g->even && below(g, 3) == 0;
  if (dilated) cy_text_add(&g->text, ", dilation=%d", from_to(g, 1, 3));
  add_padding(g);
  cy_text_add(&g->text, ")");
}

static void add_transposed(generator *g) {
  int kernel = from_to(g, 1, 4), stride = from_to(g, 1, 3);
  cy_text_add(&g->text, "conv_transpose(1, %d, stride=%d)", kernel, stride);
}

static void add_pool(generator *g) {
  bool max = below(g, 2);
  int kernel = from_to(g, 1, 3), stride = stride_of(g, kernel);
  g->maxima = g->maxima || max;
  cy_text_add(&g->text, "%s(%d, stride=%d)", max ? "max_pool" : "avg_pool", kernel, stride);
}

static void add_resize(generator *g) {
  static const char *const scales[] = {"2", "1.5", "3", "0.6"}, *const modes[] = {"nearest", "linear", "cubic"};
  int scale = below(g, 4), mode = below(g, 3), align = below(g, 2);
  cy_text_add(&g->text, "resize(scale=%s, mode=%s%s)", scales[scale], modes[mode], align ? ", align_corners=true" : "");
}

static void add_crop(generator *g) {
  int size = from_to(g, 3, 6), at = below(g, 4);
  cy_text_add(&g->text, "crop(%d, at=%d)", size, at);
}

static void add_border(generator *g) {
  int low = below(g, 3), high = below(g, 3), reflect = below(g, 2);
  cy_text_add(&g->text, "pad(%d:%d, mode=%s)", low, high, reflect ? "reflect" : "edge");
}

/* Both branches keep the size. */
static void add_branches(generator *g, int depth) {
  bool residual = below(g, 2);
  cy_text_add(&g->text, residual ? "residual(" : "parallel(");
  cy_text_add(&g->text, "conv(2, %d, pad=same)", from_to(g, 1, 5));
  bool nested = depth < 1 && below(g, 2);
  if (nested) {
    cy_text_add(&g->text, " -> ");
    add_branches(g, depth + 1);
    cy_text_add(&g->text, " -> conv(2, 1)");
  }
  if (residual) {
    cy_text_add(&g->text, ", shortcut=conv(2, 1))");
    return;
  }
  int kernel = from_to(g, 1, 3), dilation = from_to(g, 1, g->even ? 1 : 3);
  cy_text_add(&g->text, " | conv(1, %d, pad=same, dilation=%d))", kernel, dilation);
}

static void add_layer(generator *g) {
  switch (below(g, g->even ? 7 : 11)) {
    case 0: case 1: case 2: add_conv(g); break;
    case 3: cy_text_add(&g->text, "tanh"); break;
    case 4: add_pool(g); break;
    case 5: add_branches(g, 0); break;
    case 6: cy_text_add(&g->text, "batch_norm"); break;
    case 7: add_transposed(g); break;
    case 8: add_resize(g); break;
    case 9: add_crop(g); break;
    case 10: add_border(g); break;
  }
}

static char *random_network(generator *g) {
  int layers = from_to(g, 1, 4);
  for (int i = 0; i < layers; i++) {
    if (i) cy_text_add(&g->text, " -> ");
    add_layer(g);
  }
  char *text = cy_text_take(&g->text);
  assert_non_null(text);
  return text;
}

static void hull_of(const bool *seen, int64_t n, int64_t *first, int64_t *last) {
  *first = INT64_MAX;
  *last = INT64_MIN;
  for (int64_t i = 0; i < n; i++)
    if (seen[i]) {
      if (*first == INT64_MAX) *first = i;
      *last = i;
    }
}

static void print_sets(const char *text, const bool *computed, const bool *measured, int64_t n) {
  printf("%s\n  computed ", text);
  for (int64_t i = 0; i < n; i++) putchar(computed[i] ? 'x' : '.');
  printf("\n  measured ");
  for (int64_t i = 0; i < n; i++) putchar(measured[i] ? 'x' : '.');
  putchar('\n');
}

/* The field of the table, against what unit i really sees, if no border cuts it off. Padding behind a remainder that the
 * stride leaves out hides that too: of fewer elements than the stride of the whole network. */
static void expect_table(const char *text, const cy_receptive_axis *f, int64_t i, int64_t first, int64_t last,
                         int64_t extent, bool even) {
  if (first == INT64_MAX || f->sight != CY_SEES_WINDOW) return;
  if (last - first + 1 > f->size) fail_msg("%s: unit %lld sees %lld..%lld, more than %lld", text, (long long)i,
                                           (long long)first, (long long)last, (long long)f->size);
  if (!even) return;
  assert_int_equal(f->per, 1);
  int64_t low = f->first + i * f->stride, high = f->last + i * f->stride;
  assert_int_equal(high - low + 1, f->size);
  assert_int_equal(first, low < 0 ? 0 : low);
  if (high < extent) assert_int_equal(last, high);
  else assert_in_range(last, extent - f->stride < 0 ? 0 : extent - f->stride, extent - 1);
}

/* True if the network could be built and looked at. */
static bool compare_fields(generator *g, const char *text, cy_shape sample) {
  cy_analysis *a;
  cy_model *model = parse(text);
  if (cy_analyze(model, sample, &a) != CY_OK) { /* too small for its windows, or branches that do not fit */
    cy_model_free(model);
    return false;
  }
  int layer = cy_analysis_layer_count(a) - 1;
  while (layer > 0 && cy_analysis_layer(a, layer)->depth > 0) layer--;
  const cy_layer_facts *facts = cy_analysis_layer(a, layer);
  bool *computed[CY_MAX_RANK], *measured[CY_MAX_RANK];
  int64_t unit[CY_MAX_RANK] = {-1, -1, -1, -1}, whole[CY_MAX_RANK];
  for (int i = 1; i < facts->output.rank; i++) unit[i] = cy_rng_below(&g->rng, facts->output.dim[i]);
  whole[0] = 0;
  memcpy(whole + 1, unit, (CY_MAX_RANK - 1) * sizeof *unit);
  assert_ok(cy_seen_from(cy_analysis_value(a, -1), cy_analysis_value(a, layer), whole, computed));
  if (cy_measured_field(model, sample, layer, unit, (uint64_t)below(g, 1000), measured) != CY_OK)
    fail_msg("%s: %s", text, cy_error_message());
  for (int axis = 1; axis < sample.rank; axis++) {
    int64_t n = sample.dim[axis], first, last, low, high;
    const bool *x = computed[axis + 1], *y = measured[axis];
    hull_of(x, n, &first, &last);
    hull_of(y, n, &low, &high);
    bool equal = first == low && last == high;
    for (int64_t i = 0; i < n; i++) equal = equal && (g->maxima ? !y[i] || x[i] : x[i] == y[i]);
    if (!equal) {
      print_sets(text, x, y, n);
      fail_msg("%s: unit %lld of axis %d: computed %lld..%lld, measured %lld..%lld", text, (long long)unit[axis], axis,
               (long long)first, (long long)last, (long long)low, (long long)high);
    }
    expect_table(text, &facts->field[axis + 1], unit[axis], first, last, n, g->even);
  }
  cy_seen_free(computed);
  cy_seen_free(measured);
  cy_analysis_free(a);
  cy_model_free(model);
  return true;
}

/* True if the network could be built. */
static bool one_network(uint64_t seed, int spatial, bool even) {
  generator g = {.rng = cy_rng_make(seed, even ? 0 : (uint64_t)spatial), .even = even};
  cy_shape sample = {.rank = spatial + 1, .dim = {from_to(&g, 1, 2)}};
  for (int i = 0; i < spatial; i++) sample.dim[i + 1] = spatial == 1 ? from_to(&g, 12, 41) : from_to(&g, 7, 14);
  char *text = random_network(&g);
  bool compared = compare_fields(&g, text, sample);
  cy_string_free(text);
  return compared;
}

/* CAUCHY_SEEDS=first:count asks for others. */
static void fields_agree(unsigned long long count, int spatial, bool even) {
  unsigned long long first = 0, compared = 0;
  const char *seeds = getenv("CAUCHY_SEEDS");
  if (seeds && sscanf(seeds, "%llu:%llu", &first, &count) != 2) fail_msg("CAUCHY_SEEDS is first:count");
  for (unsigned long long seed = first; seed < first + count; seed++) compared += one_network(seed, spatial, even);
  if (count >= 40) assert_true(compared > count / 2);
}

/* What interpolation leaves out at whole positions; holes and padding that one branch hits along one axis, another along
 * the other. */
static void holes_of_branches_and_interpolation(void **state) {
  static const struct { const char *net; cy_shape sample; } rows[] = {
      {"conv_transpose(1, 4, stride=2) -> crop(5, at=1) -> resize(scale=1.5, mode=linear)", {2, {1, 8}}},
      {"resize(scale=1.5, mode=linear, align_corners=true)", {2, {1, 9}}},
      {"resize(scale=3, mode=cubic) -> pad(2:1, mode=reflect)", {2, {1, 5}}},
      {"resize(scale=0.6, mode=cubic, align_corners=true) -> conv(2, 2, pad=1)", {2, {1, 11}}},
      {"conv(1, 2, pad=2:1) -> conv_transpose(1, 1, stride=3) -> parallel(conv(2, 3, pad=same) | "
       "conv(1, 2, pad=same, dilation=3))", {3, {1, 6, 6}}},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (uint64_t seed = 0; seed < 30; seed++) {
      generator g = {.rng = cy_rng_make(seed, 3)};
      assert_true(compare_fields(&g, rows[i].net, rows[i].sample));
    }
}

/* Bins that do not divide the image are no windows, but have bounds. */
static void bins_of_adaptive_pools(void **state) {
  static const struct { const char *net; cy_shape sample; } rows[] = {
      {"adaptive_avg_pool(4)", {2, {2, 11}}},
      {"adaptive_max_pool(4)", {2, {2, 11}}},
      {"adaptive_avg_pool(7)", {2, {1, 5}}},
      {"adaptive_max_pool(7)", {2, {1, 5}}},
      {"conv(1, 3, stride=2, pad=1) -> adaptive_avg_pool((3, 4))", {3, {1, 13, 14}}},
      {"adaptive_max_pool((5, 3)) -> conv(2, 2)", {3, {1, 12, 14}}},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (uint64_t seed = 0; seed < 20; seed++) {
      generator g = {.rng = cy_rng_make(seed, 4), .maxima = true};
      assert_true(compare_fields(&g, rows[i].net, rows[i].sample));
    }
}

static void sequences_that_move_evenly(void **state) {
  (void)state;
  fields_agree(80, 1, true);
}
static void sequences(void **state) {
  (void)state;
  fields_agree(160, 1, false);
}
static void images(void **state) {
  (void)state;
  fields_agree(50, 2, false);
}

/* ---- a network's facts ---- */

static cy_analysis *analyze(const char *text, cy_shape sample) {
  cy_analysis *analysis;
  cy_model *model = parse(text);
  if (cy_analyze(model, sample, &analysis) != CY_OK) fail_msg("%s: %s", text, cy_error_message());
  cy_model_free(model);
  return analysis;
}

static const cy_layer_facts *layer_of(const cy_analysis *a, const char *name) {
  int i;
  assert_ok(cy_analysis_find(a, name, &i));
  return cy_analysis_layer(a, i);
}

static const cy_receptive_axis *field_of(const cy_analysis *a, const char *name, int axis) {
  return &layer_of(a, name)->field[axis + 1];
}

/* Coursework B.III, and what else the same network has. */
static void custom_model(void **state) {
  static const char text[] =
      "conv(32, 3, stride=2, pad=half) -> relu -> conv(64, 5, pad=half) -> relu -> max_pool(2) -> conv(128, 3, "
      "pad=half) "
      "-> relu -> max_pool(2) -> conv(256, 3, pad=half) -> relu -> flatten -> dense(256) -> relu -> dropout(0.5) -> "
      "dense(10)";
  static const struct { const char *name; int64_t field, stride; double center; } rows[] = {
      {"conv1", 3, 2, 0}, {"conv2", 11, 2, 0}, {"max_pool1", 13, 4, 1}, {"conv3", 21, 4, 1}, {"max_pool2", 25, 8, 3},
      {"conv4", 41, 8, 3}};
  (void)state;
  cy_analysis *a = analyze(text, CY_SHAPE(1, 28, 28));
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (int axis = 1; axis <= 2; axis++) {
      const cy_receptive_axis *f = field_of(a, rows[i].name, axis);
      assert_int_equal(f->sight, CY_SEES_WINDOW);
      assert_int_equal(f->size, rows[i].field);
      assert_int_equal(f->stride, rows[i].stride);
      assert_int_equal(f->per, 1);
      assert_float_equal(f->center, rows[i].center, 0);
    }
  assert_true(field_of(a, "dense1", 1)->everything);
  assert_int_equal(cy_analysis_total(a).parameters, 1013258);
  assert_int_equal(layer_of(a, "dense1")->parameters, 590080);
  assert_int_equal(layer_of(a, "conv2")->multiply_adds, 64 * 14 * 14 * 32 * 25);
  assert_int_equal(layer_of(a, "conv4")->activation_bytes, 4 * 256 * 3 * 3);
  cy_analysis_free(a);
  a = analyze(text, CY_SHAPE(3, 64, 64));
  assert_int_equal(cy_analysis_total(a).parameters, 4618314);
  assert_int_equal(layer_of(a, "dense1")->parameters, 4194560);
  cy_analysis_free(a);
}

/* Every branch has its own field, and the join their union. */
static void branches_and_fractions(void **state) {
  (void)state;
  cy_analysis *a = analyze("conv(4, 3, stride=2, pad=1) -> residual(conv(4, 3, pad=1) -> conv(4, 3, pad=1)) -> "
                           "parallel(conv(2, 1) | conv(2, 5, pad=2, dilation=1) | conv(2, 3, dilation=4, pad=4)) -> "
                           "conv_transpose(1, 2, stride=2) -> batch_norm -> softmax", CY_SHAPE(1, 32, 24));
  assert_int_equal(field_of(a, "conv1", 1)->size, 3);
  assert_int_equal(field_of(a, "residual1", 1)->size, 11);
  assert_int_equal(field_of(a, "conv4", 1)->size, 11);
  assert_int_equal(field_of(a, "conv5", 1)->size, 19);
  assert_int_equal(field_of(a, "conv6", 1)->size, 27);
  assert_int_equal(field_of(a, "parallel1", 1)->size, 27);
  const cy_receptive_axis *f = field_of(a, "batch_norm1", 2);
  assert_int_equal(f->size, 27);
  assert_int_equal(f->stride, 1); /* two units see the same: 2 elements every 2 units */
  assert_int_equal(f->per, 1);
  assert_int_equal(field_of(a, "softmax1", 2)->size, 27);
  assert_int_equal(layer_of(a, "residual1")->parameters, 2 * (4 * 4 * 9 + 4));
  assert_true(layer_of(a, "residual1")->group);
  assert_int_equal(layer_of(a, "batch_norm1")->buffers, 2);
  cy_analysis_free(a);
  a = analyze("conv_transpose(1, 4, stride=2, pad=1) -> conv_transpose(1, 3, stride=2)", CY_SHAPE(1, 10));
  f = field_of(a, "conv_transpose1", 1);
  assert_int_equal(f->size, 2);
  assert_int_equal(f->stride, 1);
  assert_int_equal(f->per, 2);
  assert_int_equal(field_of(a, "conv_transpose2", 1)->per, 4);
  cy_analysis_free(a);
  a = analyze("global_avg_pool -> dense(2)", CY_SHAPE(3, 9, 9));
  assert_true(field_of(a, "global_avg_pool1", 1)->everything);
  cy_analysis_free(a);
}

/* Bins of 11 in 4: 0..2, 2..5, 5..8, 8..10. */
static void bins_have_a_field(void **state) {
  (void)state;
  static const char *const nets[] = {"adaptive_avg_pool(4)", "adaptive_max_pool(4)"}, *const names[] = {
      "adaptive_avg_pool1", "adaptive_max_pool1"};
  for (int i = 0; i < 2; i++) {
    cy_analysis *a = analyze(nets[i], CY_SHAPE(2, 11));
    const cy_receptive_axis *f = field_of(a, names[i], 1);
    assert_int_equal(f->sight, CY_SEES_WINDOW);
    assert_int_equal(f->size, 4);
    assert_int_equal(f->stride, 11);
    assert_int_equal(f->per, 4);
    assert_int_equal(f->first, 0);
    assert_int_equal(f->last, 2);
    cy_analysis_free(a);
  }
}

/* As train allocates it: the trainer's own numbers. */
static void memory_is_the_compilers(void **state) {
  (void)state;
  cy_model *model = parse("conv(8, 3, pad=1) -> batch_norm -> relu -> max_pool(2) -> flatten -> dense(10)");
  cy_dataset *dataset;
  cy_trainer *trainer;
  cy_memory_facts training, inference;
  assert_ok(cy_dataset_open("digits", (cy_dataset_options){0}, &dataset));
  cy_trainer_options options = {.batch_size = 16, .threads = 1, .epochs = 1};
  assert_ok(cy_trainer_create(model, dataset, options, &trainer));
  assert_ok(cy_analyze_training(model, cy_dataset_sample_shape(dataset), 10, options, &training));
  assert_int_equal(training.values, cy_trainer_arena_bytes(trainer));
  size_t state_bytes = training.parameters + training.buffers + training.optimizer + training.best;
  size_t scaling = cy_trainer_state_bytes(trainer) - state_bytes; /* of the inputs: the data's, not the network's */
  assert_true(scaling <= 64);
  assert_int_equal(training.parameters, 4 * cy_trainer_parameter_count(trainer));
  assert_ok(cy_analyze_inference(model, cy_dataset_sample_shape(dataset), 1, &inference));
  assert_int_equal(inference.total, inference.parameters + inference.buffers + inference.values + inference.inputs);
  assert_true(inference.total < training.total);
  cy_trainer_free(trainer);
  cy_dataset_free(dataset);
  cy_model_free(model);
}

static void sizes_beyond_63_bits_are_errors(void **state) {
  static const struct { const char *net; cy_shape sample; bool fits; } rows[] = {
      {"dense(1000000000) -> dense(1000000000) -> dense(1000000000)", {1, {1000000000}}, true}, /* 3e18 parameters */
      {"conv(1000000, 1000000, pad=1000000)", {3, {1000, 1000000, 1000000}}, false},
      {"identity", {3, {INT64_MAX, INT64_MAX, 2}}, false},
      {"resize(scale=1000000) -> resize(scale=1000000)", {3, {1, 1000, 1000}}, false},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cy_model *model = parse(rows[i].net);
    cy_analysis *a = NULL;
    cy_status status = cy_analyze(model, rows[i].sample, &a);
    assert_int_equal(status == CY_OK, rows[i].fits);
    if (a) assert_int_equal(cy_analysis_total(a).parameters, 3 * (INT64_C(1000000000) * 1000000000 + 1000000000));
    if (!a) assert_true(strlen(cy_error_message()) > 10);
    cy_analysis_free(a);
    cy_model_free(model);
  }
  cy_text text = {0};
  for (int i = 0; i < 12; i++) cy_text_add(&text, "%sdense(1000000000)", i ? " -> " : "");
  cy_model *model = parse(text.data);
  cy_analysis *a;
  assert_int_equal(cy_analyze(model, CY_SHAPE(1000000000), &a), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "63 bits"));
  cy_model_free(model);
  cy_text_clear(&text);
}

static void thousand_layers_take_no_time(void **state) {
  cy_text text = {0};
  (void)state;
  for (int i = 0; i < 500; i++) cy_text_add(&text, "%sconv(16, 3, pad=1) -> relu", i ? " -> " : "");
  cy_model *model = parse(text.data);
  cy_analysis *a;
  struct timespec before, after;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  assert_ok(cy_analyze(model, CY_SHAPE(3, 32, 32), &a));
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  double seconds = (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
  assert_int_equal(cy_analysis_layer_count(a), 1000);
  assert_int_equal(field_of(a, "conv500", 1)->size, 1001);
  print_message("1000 layers: %.1f ms\n", 1e3 * seconds);
  assert_true(seconds < 2); /* 0.03 measured; valgrind and sanitizers are slow */
  cy_analysis_free(a);
  cy_model_free(model);
  cy_text_clear(&text);
}

/* Luo et al. 2016: the middle counts most. */
static void effective_fields_peak_in_the_middle(void **state) {
  (void)state;
  cy_model *model = parse("4 * (conv(4, 3, pad=1) -> relu)");
  cy_tensor *map;
  int64_t unit[CY_MAX_RANK] = {-1, 8, 8};
  assert_ok(
      cy_effective_field(model, CY_SHAPE(2, 17, 17), 7, unit, (cy_effective_options){.samples = 40, .seed = 1}, &map));
  assert_true(cy_shape_equal(cy_tensor_shape(map), CY_SHAPE(17, 17)));
  double middle = 0, border = 0;
  for (int64_t y = 0; y < 17; y++)
    for (int64_t x = 0; x < 17; x++) {
      double value = cy_tensor_at(map, y * 17 + x);
      int64_t far = llabs(y - 8) > llabs(x - 8) ? llabs(y - 8) : llabs(x - 8);
      assert_true(value >= 0);
      if (far > 4) assert_float_equal(value, 0, 0);
      if (far <= 1) middle += value / 9;
      if (far == 4) border += value / 32;
    }
  assert_true(middle > 5 * border);
  cy_tensor_free(map);
  unit[1] = 17;
  assert_int_equal(cy_effective_field(model, CY_SHAPE(2, 17, 17), 7, unit, (cy_effective_options){0}, &map),
                   CY_INVALID);
  cy_model_free(model);
}

/* ---- every allocation fails once ---- */

static char picture_path[64];

static cy_status look_at(const cy_model *model, cy_shape sample) {
  cy_analysis *a = NULL;
  char *text = NULL;
  bool *seen[CY_MAX_RANK] = {NULL};
  int64_t unit[CY_MAX_RANK] = {0, -1, 1, 1}, place[CY_MAX_RANK] = {-1, 1, 1};
  int layer;
  cy_status status = cy_analyze(model, sample, &a);
  if (status == CY_OK) status = cy_analysis_find(a, "conv2", &layer);
  if (status == CY_OK) status = cy_analysis_layer_text(a, layer, &text);
  if (status == CY_OK) status = cy_seen_from(cy_analysis_value(a, -1), cy_analysis_value(a, layer), unit, seen);
  if (status == CY_OK && CY_HAVE_CAIRO)
    status = cy_analysis_picture(a, (cy_plot_options){0}, NULL, picture_path);
  if (status == CY_OK && CY_HAVE_CAIRO)
    status = cy_field_picture(a, layer, place, NULL, (cy_plot_options){0}, NULL, picture_path);
  cy_string_free(text);
  cy_seen_free(seen);
  cy_analysis_free(a);
  return status;
}

static cy_status measure(const cy_model *model, cy_shape sample) {
  int64_t place[CY_MAX_RANK] = {-1, 1, 1};
  bool *seen[CY_MAX_RANK] = {NULL};
  cy_tensor *map = NULL;
  cy_memory_facts memory;
  cy_status status = cy_measured_field(model, sample, 2, place, 1, seen);
  if (status == CY_OK) status = cy_effective_field(model, sample, 2, place, (cy_effective_options){.samples = 2}, &map);
  if (status == CY_OK) status = cy_analyze_inference(model, sample, 2, &memory);
  if (status == CY_OK) status = cy_analyze_training(model, sample, 0, (cy_trainer_options){.threads = 1}, &memory);
  cy_seen_free(seen);
  cy_tensor_free(map);
  return status;
}

static cy_status whole_look(void) {
  cy_model *model = NULL;
  cy_variation *variation = NULL;
  char *text = NULL;
  cy_shape sample = CY_SHAPE(1, 6, 5);
  cy_status status = cy_model_parse("conv(2, 3, pad=1, mode=reflect) -> residual(conv(2, 3, pad=1) -> batch_norm) -> "
                                    "max_pool(2) -> flatten -> dense(3)", "net", &model);
  if (status == CY_OK) status = look_at(model, sample);
  if (status == CY_OK) status = measure(model, sample);
  if (status == CY_OK) status = cy_vary(model, sample, &variation);
  if (status == CY_OK) status = cy_variation_text(variation, 4, 0, &text);
  cy_string_free(text);
  cy_variation_free(variation);
  cy_model_free(model);
  return status;
}

static void failed_allocations_are_errors(void **state) {
  (void)state;
  snprintf(picture_path, sizeof picture_path, "/tmp/cauchy-analyze-%ld.svg", (long)getpid());
  failing = 0;
  assert_ok(whole_look()); /* what is kept for later is made now */
  calls = 0;
  assert_ok(whole_look());
  long n = calls;
  /* All of the first ones, then ever fewer: a look makes many thousand. */
  for (long k = 1; k <= n; k += 1 + k / 300) {
    long before = live;
    calls = 0;
    failing = k;
    cy_status status = whole_look();
    failing = 0;
    if (status == CY_OK) fail_msg("allocation %ld failed, and nobody noticed", k);
    assert_int_equal(status, CY_NO_MEMORY);
    if (live != before) fail_msg("allocation %ld failed: %ld blocks leak", k, live - before);
  }
  unlink(picture_path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_have_a_reach),
      cmocka_unit_test(rows_reach_what_changes),
      cmocka_unit_test(holes_of_branches_and_interpolation),
      cmocka_unit_test(bins_of_adaptive_pools),
      cmocka_unit_test(bins_have_a_field),
      cmocka_unit_test(sequences_that_move_evenly),
      cmocka_unit_test(sequences),
      cmocka_unit_test(images),
      cmocka_unit_test(custom_model),
      cmocka_unit_test(branches_and_fractions),
      cmocka_unit_test(memory_is_the_compilers),
      cmocka_unit_test(sizes_beyond_63_bits_are_errors),
      cmocka_unit_test(thousand_layers_take_no_time),
      cmocka_unit_test(effective_fields_peak_in_the_middle),
      cmocka_unit_test(failed_allocations_are_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
