/* Layers on images: the sizes and parameters of the coursework's networks, padding against its formulas, derivatives
 * against differences, transposed convolution as the adjoint, batch normalisation against PyTorch, one model for
 * images of several sizes, and the exact messages for mistakes. */
#include "network_lab.h"

#include "base/text.h"

/* ---- sizes and parameters ---- */

/* "conv1 32x14x14 320, ..." for the layers that are no activation, then the parameters of all. */
static char *table_of(const char *text, const char *path, cy_shape example) {
  cy_model *model;
  cy_graph *graph;
  cy_network *net;
  cy_text table = {0};
  cy_shape shape = {.rank = example.rank + 1, .dim = {2}};
  for (int i = 0; i < example.rank; i++) shape.dim[i + 1] = example.dim[i];
  assert_ok(path ? cy_model_load(path, &model) : cy_model_parse(text, "net", &model));
  assert_ok(cy_graph_create(&graph));
  assert_ok(cy_network_create(graph, (cy_network_options){.training = true}, &net));
  cy_model_apply(model, net, cy_input(graph, "x", CY_F32, shape));
  assert_ok(cy_graph_status(graph));
  assert_ok(cy_graph_verify(graph));
  for (int i = 0; i < cy_network_layer_count(net); i++) {
    const cy_network_layer *layer = cy_network_layer_at(net, i);
    cy_shape out = cy_value_shape(layer->output);
    if (strcmp(layer->kind, "relu") == 0 || strcmp(layer->kind, "dropout") == 0) continue;
    cy_text_add(&table, "%s ", layer->name);
    for (int k = 1; k < out.rank; k++) cy_text_add(&table, k > 1 ? "x%lld" : "%lld", (long long)out.dim[k]);
    cy_text_add(&table, layer->parameters ? " %lld, " : ", ", (long long)layer->parameters);
  }
  cy_text_add(&table, "%lld", (long long)cy_network_parameter_elements(net));
  cy_network_free(net);
  cy_graph_free(graph);
  cy_model_free(model);
  return cy_text_take(&table);
}

static void check_table(const char *text, cy_shape example, const char *want) {
  char *got = table_of(text, NULL, example);
  assert_string_equal(got, want);
  cy_string_free(got);
}

static void check_file(const char *name, cy_shape example, const char *want) {
  char path[512];
  snprintf(path, sizeof path, "%s/recipes/models/%s.net", CAUCHY_SOURCE, name);
  char *got = table_of(NULL, path, example);
  assert_string_equal(got, want);
  cy_string_free(got);
}

/* Coursework B.III: 1 013 258 and 4 618 314 parameters. */
static void custom_model_has_its_sizes(void **state) {
  (void)state;
  check_file("custom-model", CY_SHAPE(1, 28, 28),
             "conv1 32x14x14 320, conv2 64x14x14 51264, max_pool1 64x7x7, conv3 128x7x7 73856, max_pool2 128x3x3, "
             "conv4 256x3x3 295168, flatten1 2304, dense1 256 590080, dense2 10 2570, 1013258");
  check_file("custom-model", CY_SHAPE(3, 64, 64),
             "conv1 32x32x32 896, conv2 64x32x32 51264, max_pool1 64x16x16, conv3 128x16x16 73856, max_pool2 128x8x8, "
             "conv4 256x8x8 295168, flatten1 16384, dense1 256 4194560, dense2 10 2570, 4618314");
}

/* A4.1, A5.1, B.VI, E3, and the files of the other systems. */
static void networks_have_their_sizes(void **state) {
  (void)state;
  check_table("conv(4, 3) -> relu -> conv(4, 3) -> max_pool(2) -> conv(4, 3) -> relu", CY_SHAPE(3, 32, 32),
              "conv1 4x30x30 112, conv2 4x28x28 148, max_pool1 4x14x14, conv3 4x12x12 148, 408");
  check_table("3 * (conv(16, 3, pad=1) -> relu) -> conv(1, 3, pad=1)", CY_SHAPE(3, 32, 32),
              "conv1 16x32x32 448, conv2 16x32x32 2320, conv3 16x32x32 2320, conv4 1x32x32 145, 5233");
  check_table("conv(32, 3, pad=same) -> relu -> max_pool(2) -> conv(64, 3, pad=same) -> relu -> max_pool(2) -> "
              "conv(64, 3, pad=same) -> relu -> conv(156, 3, pad=same) -> relu -> max_pool(2) -> "
              "conv(228, 3, pad=same) -> relu",
              CY_SHAPE(3, 32, 32),
              "conv1 32x32x32 896, max_pool1 32x16x16, conv2 64x16x16 18496, max_pool2 64x8x8, conv3 64x8x8 36928, "
              "conv4 156x8x8 90012, max_pool3 156x4x4, conv5 228x4x4 320340, 466672");
  check_file("sensors", CY_SHAPE(10, 168),
             "conv1 32x82 1632, conv2 32x39 5152, flatten1 1248, dense1 64 79936, dense2 2 130, 86850");
  check_file("variable-size", CY_SHAPE(3, 9, 9),
             "conv1 32x5x5 2432, conv2 64x1x1 51264, global_avg_pool1 64, dense1 128 8320, dense2 10 1290, 63306");
  static const struct {
    const char *name;
    int64_t parameters;
  } totals[] = {{"corners-4", 5090},  {"corners-4-residual", 5090},   {"corners-6", 9730}, {"corners-dilated", 5090},
                {"resnet18", 11173962}, {"custom-model-norm", 1473066}};
  for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
    char path[512], want[32];
    bool corners = strncmp(totals[i].name, "corners", 7) == 0;
    snprintf(path, sizeof path, "%s/recipes/models/%s.net", CAUCHY_SOURCE, totals[i].name);
    snprintf(want, sizeof want, ", %lld", (long long)totals[i].parameters);
    char *table = table_of(NULL, path, corners ? CY_SHAPE(1, 7, 7) : CY_SHAPE(3, 32, 32));
    if (strcmp(strrchr(table, ','), want) != 0) fail_msg("%s: %s instead of%s", totals[i].name, table, want);
    cy_string_free(table);
  }
}

static void layers_have_their_sizes(void **state) {
  (void)state;
  check_table("depthwise(3, multiplier=2) -> conv_transpose(4, (2, 3), stride=2, output_pad=(0, 1), groups=2)",
              CY_SHAPE(3, 6, 7), "depthwise1 6x4x5 60, conv_transpose1 4x8x12 76, 136");
  check_table("conv_transpose(2, 3, stride=3, pad=same) -> conv_transpose(2, 5, stride=3, pad=same)", CY_SHAPE(1, 4),
              "conv_transpose1 2x12 8, conv_transpose2 2x36 22, 30");
  check_table("max_pool(3, 2, 1) -> avg_pool(2, stride=1) -> pad((1:0, 2, 0)) -> crop((1, 3, 1), at=(1, 0, 2))",
              CY_SHAPE(1, 4, 6, 8), "max_pool1 1x2x3x4, avg_pool1 1x1x2x3, pad1 1x2x6x3, crop1 1x1x3x1, 0");
}

/* ---- padding ---- */

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Same and half are the explicit padding of their formulas: the very same node of the graph. */
static void padding_follows_its_formulas(void **state) {
  (void)state;
  cy_rng rng = cy_rng_make(3, 0);
  for (int round = 0; round < 300; round++) {
    int axes = 1 + (int)cy_rng_below(&rng, 3);
    cy_conv_options named = {.name = "c", .filters = 2}, plain;
    cy_shape shape = {.rank = axes + 2, .dim = {1, 2}};
    int64_t want[CY_MAX_SPACE] = {0};
    bool fits = true;
    named.padding.kind = cy_rng_below(&rng, 2) ? CY_PADDING_SAME : CY_PADDING_HALF;
    for (int i = 0; i < axes; i++) {
      named.kernel[i] = 1 + cy_rng_below(&rng, 5);
      named.stride[i] = 1 + cy_rng_below(&rng, 4);
      named.dilation[i] = 1 + cy_rng_below(&rng, 3);
      shape.dim[i + 2] = 1 + cy_rng_below(&rng, 12);
    }
    plain = named;
    plain.padding = (cy_padding){.axes = axes};
    for (int i = 0; i < axes; i++) {
      int64_t in = shape.dim[i + 2], span = named.dilation[i] * (named.kernel[i] - 1) + 1;
      if (named.padding.kind == CY_PADDING_SAME) {
        want[i] = ceil_div(in, named.stride[i]);
        int64_t total = (want[i] - 1) * named.stride[i] + span - in;
        if (total < 0) total = 0;
        plain.padding.low[i] = total / 2;
        plain.padding.high[i] = total - total / 2;
      } else {
        want[i] = (in + 2 * (span / 2) - span) / named.stride[i] + 1;
        plain.padding.low[i] = plain.padding.high[i] = span / 2;
        fits = fits && in + 2 * (span / 2) >= span;
      }
    }
    lab l = lab_open(false, CY_F64, shape);
    cy_value y = cy_conv(l.net, l.x, named), z = cy_conv(l.net, l.x, plain);
    assert_true(fits);
    assert_ok(cy_graph_status(l.graph));
    assert_int_equal(y.id, z.id);
    for (int i = 0; i < axes; i++) assert_int_equal(cy_value_shape(y).dim[i + 2], want[i]);
    lab_close(&l);
  }
}

/* Reflected and repeated edges: a filter of one element shows what lies around. */
static void padding_modes_show_their_values(void **state) {
  (void)state;
  static const struct {
    const char *text;
    double want[8];
  } rows[] = {{"conv(1, 1, pad=2:3, init=ones)", {0, 0, 1, 2, 3, 4, 0, 0}},
              {"conv(1, 1, pad=2:2, mode=reflect, init=ones)", {3, 2, 1, 2, 3, 4, 3, 2}},
              {"conv(1, 1, pad=2:2, mode=edge, init=ones)", {1, 1, 1, 2, 3, 4, 4, 4}},
              {"pad(2, mode=reflect)", {3, 2, 1, 2, 3, 4, 3, 2}}};
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    lab l = lab_open(false, CY_F64, CY_SHAPE(1, 1, 4));
    cy_value y = apply_text(l.net, l.x, rows[r].text);
    for (int i = 0; i < 4; i++) cy_tensor_set(l.input, i, i + 1);
    lab_compile(&l, &y, 1, false);
    const cy_tensor *out = lab_run(&l, 0);
    for (int i = 0; i < 8; i++) assert_near(rows[r].text, cy_tensor_at(out, i), rows[r].want[i], 0);
    lab_close(&l);
  }
}

/* ---- values ---- */

static void run_once(lab *l, cy_value y, double *out, int64_t n) {
  lab_compile(l, &y, 1, false);
  const cy_tensor *result = lab_run(l, 0);
  assert_int_equal(cy_tensor_count(result), n);
  for (int64_t i = 0; i < n; i++) out[i] = cy_tensor_at(result, i);
}

/* Coursework B.II: M by K with half padding, as networks compute it and with the kernel turned round. */
static void convolution_has_the_coursework_values(void **state) {
  (void)state;
  static const double M[] = {1, 4, 2, 3, 2, 1, 2, 4, 1, 6, 2, 2, 4, 0, 1, 2, 5, 1, 3, 4, 3, 5, 4, 1, 0};
  static const double K[] = {2, 0, 2, 3, 5, 1, 0, 1, 4};
  static const double want[2][25] = {
      {18, 43, 33, 48, 25, 25, 41, 45, 35, 40, 38, 39, 45, 52, 11, 42, 65, 35, 33, 29, 30, 44, 52, 27, 9},
      {21, 37, 29, 43, 15, 16, 43, 47, 48, 45, 27, 36, 50, 34, 21, 37, 54, 43, 52, 26, 32, 53, 49, 16, 17}};
  for (int flipped = 0; flipped < 2; flipped++) {
    lab l = lab_open(false, CY_F32, CY_SHAPE(1, 1, 5, 5));
    cy_value y = apply_text(l.net, l.x, flipped ? "conv(1, 3, pad=half, bias=false, flipped=true, name=c)"
                                                : "conv(1, 3, pad=half, bias=false, name=c)");
    double out[25];
    for (int i = 0; i < 25; i++) cy_tensor_set(l.input, i, M[i]);
    assert_ok(cy_state_create(&l.state));
    assert_ok(cy_network_declare(l.net, l.state));
    assert_ok(cy_state_allocate(l.state));
    for (int i = 0; i < 9; i++) cy_tensor_set(cy_state_find(l.state, "c.weight"), i, K[i]);
    run_once(&l, y, out, 25);
    for (int i = 0; i < 25; i++) assert_near("B.II", out[i], want[flipped][i], 0);
    lab_close(&l);
  }
}

/* Coursework E2.5: two convolutions in turn on its 8x8 image, against the sums written out. */
static void correlate(const double *x, int n, const double *k, int size, double *y) {
  int m = n - size + 1;
  for (int i = 0; i < m * m; i++) y[i] = 0;
  for (int i = 0; i < m; i++)
    for (int j = 0; j < m; j++)
      for (int u = 0; u < size; u++)
        for (int v = 0; v < size; v++) y[i * m + j] += x[(i + u) * n + j + v] * k[u * size + v];
}

static void two_convolutions_follow_each_other(void **state) {
  (void)state;
  static const double image[64] = {
      0, 1, 1, 0, 0, 1, 2, 0, 2, 0, 1, 1, 0, 1, 1, 1, 1, 0, 2, 1, 0, 1, 1, 0, 2, 4, 0, 0, 1, 2, 0, 0,
      0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 3, 2, 3, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 2, 3, 1, 4};
  static const double first[9] = {1, 0, -1, 2, 0, -2, 1, 0, -1}, second[9] = {0, 1, 0, 1, -4, 1, 0, 1, 0};
  double middle[36], want[16], out[16];
  correlate(image, 8, first, 3, middle);
  correlate(middle, 6, second, 3, want);
  lab l = lab_open(false, CY_F64, CY_SHAPE(1, 1, 8, 8));
  cy_value y = apply_text(l.net, l.x, "2 * conv(1, 3, bias=false)");
  for (int i = 0; i < 64; i++) cy_tensor_set(l.input, i, image[i]);
  assert_ok(cy_state_create(&l.state));
  assert_ok(cy_network_declare(l.net, l.state));
  assert_ok(cy_state_allocate(l.state));
  for (int i = 0; i < 9; i++) {
    cy_tensor_set(cy_state_find(l.state, "conv1.weight"), i, first[i]);
    cy_tensor_set(cy_state_find(l.state, "conv2.weight"), i, second[i]);
  }
  run_once(&l, y, out, 16);
  for (int i = 0; i < 16; i++) assert_near("E2.5", out[i], want[i], 1e-14);
  lab_close(&l);
}

static void averages_count_padding_or_not(void **state) {
  (void)state;
  static const struct {
    const char *text;
    double want[3];
  } rows[] = {{"avg_pool(2, pad=1)", {0.5, 2.5, 2}}, /* as PyTorch's count_include_pad */
              {"avg_pool(2, pad=1, count_padding=false)", {1, 2.5, 4}},
              {"max_pool(2, pad=1)", {1, 3, 4}},
              {"max_pool(2, 1, dilation=1)", {2, 3, 4}},
              {"adaptive_avg_pool(3)", {1.5, 2.5, 3.5}}};
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    lab l = lab_open(false, CY_F64, CY_SHAPE(1, 1, 4));
    double out[3];
    for (int i = 0; i < 4; i++) cy_tensor_set(l.input, i, i + 1);
    run_once(&l, apply_text(l.net, l.x, rows[r].text), out, 3);
    for (int i = 0; i < 3; i++) assert_near(rows[r].text, out[i], rows[r].want[i], 1e-15);
    lab_close(&l);
  }
}

static void weights_have_the_fans_of_a_unit(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F32, CY_SHAPE(1, 6, 8, 8));
  apply_text(l.net, l.x, "conv(4, (3, 5), groups=2) -> conv_transpose(6, 2, groups=2)");
  assert_ok(cy_graph_status(l.graph));
  cy_initializer w = cy_network_variable_at(l.net, 0)->initializer, t = cy_network_variable_at(l.net, 2)->initializer;
  assert_int_equal(w.fan_in, 3 * 15); /* C / groups * kernel */
  assert_int_equal(w.fan_out, 2 * 15);
  assert_int_equal(t.fan_in, 2 * 4);
  assert_int_equal(t.fan_out, 3 * 4);
  assert_true(cy_network_variable_at(l.net, 0)->decays);
  assert_false(cy_network_variable_at(l.net, 1)->decays);
  lab_close(&l);
}

/* ---- derivatives ---- */

static void image_layers_match_differences(void **state) {
  (void)state;
  static const char *const texts[] = {
      "conv(2, 3)", "conv(3, (2, 3), stride=2, pad=(1:0, 2), bias=false, l1=0.1, l2=0.2)", "conv(2, 2, pad=same, dilation=2)",
      "conv(2, 3, pad=half, flipped=true)", "conv(2, 3, pad=2, mode=reflect)", "conv(2, 3, pad=1, mode=edge)",
      "conv(4, 2, groups=2)", "depthwise(2, multiplier=2, pad=half)", "conv_transpose(2, 3, stride=2, pad=1, output_pad=1)",
      "conv_transpose(2, (2, 1), pad=same, groups=2, stride=(1, 2))", "max_pool(2)", "max_pool(3, 1, 1)", "avg_pool(2)",
      "avg_pool(3, 2, 1, count_padding=false)", "global_avg_pool", "global_max_pool", "adaptive_avg_pool((2, 3))",
      "adaptive_max_pool(2)", "resize(scale=2, mode=linear)", "resize((3, 5), mode=cubic, align_corners=true)", "pad((1, 0:2))",
      "crop((2, 3), at=(1, 0))", "pixel_shuffle(2)", "batch_norm", "layer_norm",
      "conv(3, 2) -> batch_norm -> relu -> residual(conv(3, 3, pad=1, bias=false)) -> global_avg_pool -> dense(2)"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    check_layer(texts[i], true, CY_SHAPE(2, 4, 3, 4));
    check_layer(texts[i], false, CY_SHAPE(1, 4, 4, 3));
  }
  check_layer("conv(2, 3, stride=2, pad=half) -> max_pool(2) -> conv_transpose(2, 2, stride=2)", true, CY_SHAPE(2, 3, 8));
  check_layer("conv(2, 2, pad=same) -> avg_pool(2) -> conv_transpose(1, (1, 2, 1))", true, CY_SHAPE(1, 2, 2, 3, 4));
}

/* <conv(x), y> = <x, conv_transpose(y)> with one weight, whatever the windows. */
static void transposed_convolution_is_the_adjoint(void **state) {
  (void)state;
  cy_rng rng = cy_rng_make(17, 0);
  for (int round = 0; round < 60; round++) {
    int axes = 1 + (int)cy_rng_below(&rng, 2);
    int64_t groups = 1 + cy_rng_below(&rng, 2), channels = groups * (1 + cy_rng_below(&rng, 2));
    cy_conv_options c = {.name = "c", .filters = 2 * groups, .groups = groups, .no_bias = true, .padding = {.axes = axes}};
    cy_shape shape = {.rank = axes + 2, .dim = {2, channels}};
    for (int i = 0; i < axes; i++) {
      c.kernel[i] = 1 + cy_rng_below(&rng, 3);
      c.stride[i] = 1 + cy_rng_below(&rng, 3);
      c.dilation[i] = 1 + cy_rng_below(&rng, 2);
      c.padding.low[i] = cy_rng_below(&rng, 2);
      c.padding.high[i] = cy_rng_below(&rng, 3);
      shape.dim[i + 2] = c.dilation[i] * (c.kernel[i] - 1) + 1 + cy_rng_below(&rng, 6);
    }
    cy_conv_transpose_options t = {.name = "t", .filters = channels, .groups = groups, .no_bias = true,
                                   .padding = c.padding, .output_axes = axes};
    lab l = lab_open(false, CY_F64, shape);
    cy_value forward = cy_conv(l.net, l.x, c);
    cy_shape out = cy_value_shape(forward);
    for (int i = 0; i < axes; i++) {
      t.kernel[i] = c.kernel[i];
      t.stride[i] = c.stride[i];
      t.dilation[i] = c.dilation[i];
      t.output_padding[i] = (shape.dim[i + 2] + c.padding.low[i] + c.padding.high[i] - c.dilation[i] * (c.kernel[i] - 1) - 1) %
                            c.stride[i];
    }
    cy_value y = cy_cos(cy_add_scalar(forward, 1)), back = cy_conv_transpose(l.net, y, t);
    assert_ok(cy_graph_status(l.graph));
    assert_true(cy_shape_equal(cy_value_shape(back), shape));
    assert_int_equal(out.dim[1], cy_value_shape(y).dim[1]);
    cy_value outputs[] = {cy_sum(cy_mul(forward, y), NULL, 0, false), cy_sum(cy_mul(l.x, back), NULL, 0, false)};
    fill_random(l.input, (uint64_t)round, 1);
    assert_ok(cy_state_create(&l.state));
    assert_ok(cy_network_declare(l.net, l.state));
    assert_ok(cy_state_allocate(l.state));
    cy_tensor *w = cy_state_find(l.state, "c.weight");
    fill_random(w, 1000 + (uint64_t)round, 1);
    assert_ok(cy_tensor_copy(w, cy_state_find(l.state, "t.weight")));
    lab_compile(&l, outputs, 2, false);
    lab_run(&l, 0);
    assert_near("<conv(x), y>", cy_tensor_at(cy_session_output(l.session, 0), 0),
                cy_tensor_at(cy_session_output(l.session, 1), 0), 1e-12);
    lab_close(&l);
  }
}

/* ---- batch normalisation of images ---- */

/* Everything as torch.nn.BatchNorm2d 1.13 computes it in f64: the result, the gradients of sum y cos(1 + i), the
 * running statistics after one step, and the result at inference. */
static void batch_norm_agrees_with_pytorch(void **state) {
  (void)state;
  enum { COUNT = 24 };
  static const double y[COUNT] = {
      2.0021373896340595, 2.1427760926288268, 0.54995369724556387, -1.3118962318771852, -1.73099745626483,
      -0.32203024299969091, 0.55185765989578228, 0.3217344069730016, 0.72139632892983452, 1.3833960978545539,
      1.6990941791661238, 1.3782392128229821, 1.1285600789574637, 2.3113729200101156, 1.6057175171144851,
      -0.33962980660380682, -1.7361256931469917, -1.2998382646980096, 0.90296360690697608, 0.37464026489429347,
      0.42746069597625308, 1.0128620394099996, 1.5926289997591598, 1.6337265074110408};
  static const double dx[COUNT] = {
      0.61499567017624401, -0.37611443402248057, -0.9766303825053928, -0.63444058165848916, 0.33584724370870628,
      1.0421549416651594, -0.27269798442869636, 0.040840800135212782, 0.30210264427840544, 0.27088461336635533,
      -0.024111578949724405, -0.31166779389907245, 0.99257446739605149, 0.19768098312267693, -0.73416320576500094,
      -0.94622484942330365, -0.24353545064516316, 0.72785559795099153, -0.35730946522376078, -0.1513015493320356,
      0.17908421612931735, 0.33009268204715103, 0.16288736126782985, -0.16880394539098223};
  static const double inferred[COUNT] = {
      1.5930967331398629, 1.7349535606400917, 0.12833513364285692, -1.7496409753710707, -2.1723721925048403,
      -0.7512013862505541, 0.37569568154524052, 0.17901994979684072, 0.52059256340494042, 1.086373236661067,
      1.3561858278047949, 1.0819658848430955, 0.71195304203675225, 1.9050106683183607, 1.1932433195616379,
      -0.7689533862697896, -2.1775448469682432, -1.7374785696199069, 0.67576974260856537, 0.22423614671866382,
      0.26937933326051344, 0.76969486471600879, 1.265194948788255, 1.3003190932969433};
  static const struct {
    const char *name;
    double before[2], after[2];
  } variables[] = {{"bn.scale", {1.5, -0.5}, {-0.060811780450710125, 0.16421995293217831}}, /* after: the gradient */
                   {"bn.shift", {0.25, 1}, {-0.56365819936116068, -0.5530773333211404}},
                   {"bn.running_mean", {0.5, -1}, {0.39858401096285945, -0.79610976271340483}},
                   {"bn.running_var", {2, 3}, {2.056501189788102, 2.8549223246361248}}};
  lab l = lab_open(true, CY_F64, CY_SHAPE(2, 2, 2, 3));
  cy_norm_options options = {.name = "bn", .epsilon = 1e-3, .momentum = 0.2};
  cy_value result = cy_batch_norm(l.net, l.x, options), outputs[4] = {result};
  int n;
  const cy_value *p = cy_network_parameters(l.net, &n);
  assert_ok(cy_grad(mix(result), (cy_value[]){l.x, p[0], p[1]}, 3, outputs + 1));
  for (int i = 0; i < COUNT; i++) cy_tensor_set(l.input, i, 2 * sin(1 + i));
  assert_ok(cy_state_create(&l.state));
  assert_ok(cy_network_declare(l.net, l.state));
  assert_ok(cy_state_allocate(l.state));
  for (int v = 0; v < 4; v++)
    for (int c = 0; c < 2; c++) cy_tensor_set(cy_state_find(l.state, variables[v].name), c, variables[v].before[c]);
  lab_compile(&l, outputs, 4, true);
  lab_run(&l, 0);
  for (int i = 0; i < COUNT; i++) {
    assert_near("y", cy_tensor_at(cy_session_output(l.session, 0), i), y[i], 1e-13);
    assert_near("dx", cy_tensor_at(cy_session_output(l.session, 1), i), dx[i], 1e-13);
  }
  for (int v = 0; v < 4; v++)
    for (int c = 0; c < 2; c++) {
      const cy_tensor *got = v < 2 ? cy_session_output(l.session, v + 2) : cy_state_find(l.state, variables[v].name);
      assert_near(variables[v].name, cy_tensor_at(got, c), variables[v].after[c], 1e-13);
    }

  lab still = lab_open(false, CY_F64, CY_SHAPE(2, 2, 2, 3));
  still.state = l.state;
  l.state = NULL;
  for (int i = 0; i < COUNT; i++) cy_tensor_set(still.input, i, 2 * sin(1 + i));
  double out[COUNT];
  run_once(&still, cy_batch_norm(still.net, still.x, options), out, COUNT);
  for (int i = 0; i < COUNT; i++) assert_near("inference", out[i], inferred[i], 1e-13);
  lab_close(&still);
  lab_close(&l);
}

static int count_of(const char *text, const char *word) {
  int n = 0;
  for (const char *c = text; (c = strstr(c, word)); c += strlen(word)) n++;
  return n;
}

/* Normalisation and running statistics share mean and variance, and the gradients of input, scale and shift share
 * the two sums of the closed form (C.I): sum dy and sum dy xhat. */
static void statistics_are_computed_once(void **state) {
  (void)state;
  lab l = lab_open(true, CY_F32, CY_SHAPE(8, 4, 6, 6));
  cy_value y = cy_batch_norm(l.net, l.x, (cy_norm_options){0}), dy = cy_input(l.graph, "dy", CY_F32, CY_SHAPE(8, 4, 6, 6));
  int n, n_updates;
  const cy_value *p = cy_network_parameters(l.net, &n);
  cy_value wrt[] = {l.x, p[0], p[1]}, outputs[4] = {y};
  const cy_update *updates = cy_network_updates(l.net, &n_updates);
  cy_program *program;
  char *text;
  assert_int_equal(n_updates, 2);
  assert_ok(cy_vjp(&y, &dy, 1, wrt, 3, outputs + 1));
  assert_ok(cy_compile(outputs, 4, updates, n_updates, (cy_program_options){.unfused = true, .backend = "reference"},
                       &program));
  assert_ok(cy_program_text(program, &text));
  assert_int_equal(count_of(text, " sum"), 4);
  assert_int_equal(count_of(text, " rsqrt"), 1);
  cy_string_free(text);
  cy_program_free(program);
  lab_close(&l);
}

/* ---- images of several sizes ---- */

static const char any_size[] = "conv(4, 3) -> relu -> batch_norm -> max_pool(2) -> global_avg_pool -> dense(3)";

static void one_network_takes_several_sizes(void **state) {
  (void)state;
  lab l = lab_open(false, CY_F64, CY_SHAPE(2, 3, 8, 8));
  cy_model *model;
  assert_ok(cy_model_parse(any_size, "net", &model));
  cy_value small = cy_model_apply(model, l.net, l.x);
  int variables = cy_network_variable_count(l.net);
  cy_value large = cy_model_apply(model, l.net, cy_input(l.graph, "large", CY_F64, CY_SHAPE(1, 3, 11, 20)));
  assert_ok(cy_graph_status(l.graph));
  assert_int_equal(cy_network_variable_count(l.net), variables);
  assert_true(cy_shape_equal(cy_value_shape(small), CY_SHAPE(2, 3)));
  assert_true(cy_shape_equal(cy_value_shape(large), CY_SHAPE(1, 3)));
  cy_model_free(model);
  lab_close(&l);
}

/* The same state under programs for images of different sizes: a constant image gives the same answer in each. */
static void one_state_serves_several_sizes(void **state) {
  (void)state;
  double first[3] = {0};
  cy_state *shared = NULL;
  for (int64_t side = 4; side <= 12; side += 4) {
    lab l = lab_open(false, CY_F64, CY_SHAPE(1, 3, side, side + 1));
    double out[3];
    for (int64_t i = 0; i < cy_tensor_count(l.input); i++) cy_tensor_set(l.input, i, (double)(1 + i / (side * (side + 1))));
    l.state = shared;
    run_once(&l, apply_text(l.net, l.x, any_size), out, 3);
    for (int k = 0; k < 3; k++) {
      if (!shared) first[k] = out[k];
      assert_near("several sizes", out[k], first[k], 1e-14);
      assert_true(out[k] != 0);
    }
    shared = l.state;
    l.state = NULL;
    lab_close(&l);
  }
  cy_state_free(shared);
}

/* ---- mistakes ---- */

static void check_mistake(const char *text, cy_shape example, const char *want) {
  cy_model *model;
  cy_graph *graph;
  cy_network *net;
  cy_shape shape = {.rank = example.rank + 1, .dim = {2}};
  for (int i = 0; i < example.rank; i++) shape.dim[i + 1] = example.dim[i];
  assert_ok(cy_model_parse(text, "net", &model));
  assert_ok(cy_graph_create(&graph));
  assert_ok(cy_network_create(graph, (cy_network_options){.training = true}, &net));
  assert_false(cy_is_value(cy_model_apply(model, net, cy_input(graph, "x", CY_F32, shape))));
  assert_int_equal(cy_graph_status(graph), CY_INVALID);
  assert_string_equal(cy_graph_error(graph), want);
  cy_network_free(net);
  cy_graph_free(graph);
  cy_model_free(model);
}

static void mistakes_show_their_arithmetic(void **state) {
  (void)state;
  check_mistake("conv(2, 1, name=conv1) -> conv(4, 5, name=conv3)", CY_SHAPE(3, 3, 3),
                "conv \"conv3\": kernel 5 spans 5, but the padded input is 3 + 0 + 0 = 3 along axis 2 (height): the input must "
                "be at least 5 there; the network needs an input of at least 5x5");
  check_mistake("conv(32, 5) -> relu -> conv(64, 5) -> relu -> global_avg_pool -> dense(10)", CY_SHAPE(1, 12, 8),
                "conv \"conv2\": kernel 5 spans 5, but the padded input is 4 + 0 + 0 = 4 along axis 3 (width): the input must "
                "be at least 5 there; the network needs an input of at least 9x9");
  check_mistake("max_pool((1, 2), dilation=3, pad=(0, 1:0))", CY_SHAPE(1, 3, 2),
                "max_pool \"max_pool1\": kernel 2 with dilation 3 spans 4, but the padded input is 2 + 1 + 0 = 3 along axis 3 "
                "(width): the input must be at least 3 there; the network needs an input of at least 1x3");
  check_mistake("conv(4, 3) -> crop(2, at=1)", CY_SHAPE(1, 4),
                "crop \"crop1\": 1 + 2 is beyond the input's 2 along axis 2 (length); the network needs an input of at least 5");
  check_mistake("conv(32, 3, groups=16)", CY_SHAPE(3, 8, 8), "conv \"conv1\": 16 groups do not divide 3 channels");
  check_mistake("conv(5, 3, groups=2)", CY_SHAPE(4, 8, 8), "conv \"conv1\": 2 groups do not divide 5 filters");
  check_mistake("conv(4, (3, 3))", CY_SHAPE(3, 8), "conv \"conv1\": kernel 3x3 is for 2 spatial axes, but the input has 1");
  check_mistake("conv(4, 3, pad=(1, 1))", CY_SHAPE(3, 8),
                "conv \"conv1\": the padding is for 2 spatial axes, but the input has 1");
  check_mistake("dense(4) -> max_pool(2)", CY_SHAPE(3, 8),
                "max_pool \"max_pool1\": expects examples of channels and 1 to 3 spatial axes, such as 3x32x32, but receives 4 "
                "(from dense \"dense1\")");
  check_mistake("conv_transpose(2, 2, stride=2, output_pad=2)", CY_SHAPE(1, 3),
                "conv_transpose \"conv_transpose1\": output_pad 2 must be below the stride 2 along axis 2 (length)");
  check_mistake("conv_transpose(2, 2, stride=2, pad=4)", CY_SHAPE(1, 3),
                "conv_transpose \"conv_transpose1\": nothing is left along axis 2 (length): (3 - 1) * 2 + 2 - 4 - 4 + 0 = -2");
  check_mistake("residual(conv(4, 3, pad=1))", CY_SHAPE(3, 8, 8),
                "residual \"residual1\": the branch gives 2x4x8x8 but the shortcut 2x3x8x8: they can't be added");
  check_mistake("parallel(conv(4, 3) | identity)", CY_SHAPE(3, 8, 8),
                "parallel \"parallel1\": branch 1 gives 2x4x6x6 but branch 2 2x3x8x8: they differ in more than axis 1");
  /* Along the batch, examples would depend on one another. */
  check_mistake("softmax(axis=0)", CY_SHAPE(4), "softmax \"softmax1\": axis 0 is the batch; the axes of an example begin with 1");
  check_mistake("log_softmax(axis=-2)", CY_SHAPE(4),
                "log_softmax \"log_softmax1\": axis -2 is the batch; the axes of an example begin with 1");
  check_mistake("parallel(relu | tanh, axis=0)", CY_SHAPE(3, 8, 8),
                "parallel \"parallel1\": axis 0 is the batch; the axes of an example begin with 1");
  check_mistake("resize", CY_SHAPE(3, 8, 8), "resize \"resize1\": resize needs either size or scale");
  check_mistake("pad(same)", CY_SHAPE(3, 8, 8), "pad \"pad1\": pad needs numbers: same and half belong to a window");
  check_mistake("conv(2, 1000000000, dilation=1000000000, pad=1000000000)", CY_SHAPE(1, 3),
                "conv \"conv1\": kernel 1000000000 with dilation 1000000000 spans 999999999000000001, but the padded input is 3 "
                "+ 1000000000 + 1000000000 = 2000000003 along axis 2 (length): the input must be at least 999999997000000001 "
                "there");
  check_mistake("conv(1000000000, 1000000000, pad=500000000) -> conv(1000000000, 1)", CY_SHAPE(1000000000, 3),
                "conv \"conv1\": a weight of 1000000000x1000000000x1000000000 is too large");
}

/* A layer that is applied again keeps its weights: what no longer fits names both layers. */
static void sharing_mistakes_name_both_layers(void **state) {
  (void)state;
  static const struct {
    const char *text;
    cy_shape first, second;
    const char *want;
  } rows[] = {
      {"conv(64, 3, pad=half) -> max_pool(2, name=pool2) -> flatten -> dense(10, name=fc1)", {4, {2, 1, 12, 12}},
       {4, {2, 1, 6, 6}}, "dense \"fc1\": expects 2304 inputs but receives 64x3x3 = 576 (from max_pool \"pool2\")"},
      {"relu -> conv(4, 3)", {4, {2, 3, 8, 8}}, {4, {2, 1, 8, 8}},
       "conv \"conv1\": expects 3 channels but receives 1x8x8 (from relu \"relu1\")"},
      {"conv_transpose(4, 3)", {4, {2, 3, 8, 8}}, {4, {2, 2, 8, 8}},
       "conv_transpose \"conv_transpose1\": expects 3 channels but receives 2x8x8"},
      {"conv(4, 3)", {4, {2, 3, 8, 8}}, {3, {2, 3, 8}}, "conv \"conv1\": its weight is 4x3x3x3 already and can't be 4x3x3"},
  };
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    lab l = lab_open(false, CY_F32, rows[r].first);
    cy_model *model;
    assert_ok(cy_model_parse(rows[r].text, "net", &model));
    cy_model_apply(model, l.net, l.x);
    assert_ok(cy_graph_status(l.graph));
    cy_model_apply(model, l.net, cy_input(l.graph, "second", CY_F32, rows[r].second));
    assert_int_equal(cy_graph_status(l.graph), CY_INVALID);
    assert_string_equal(cy_graph_error(l.graph), rows[r].want);
    cy_model_free(model);
    lab_close(&l);
  }
}

/* From C, where no parser has looked at the numbers. */
static void options_are_checked(void **state) {
  (void)state;
  static const struct {
    cy_conv_options options;
    const char *want;
  } rows[] = {
      {{.filters = 2}, "kernel must be at least 1, not 0"},
      {{.kernel = {3}}, "filters must be at least 1, not 0"},
      {{.filters = 2, .kernel = {3, 3, 3}}, "kernel 3x3x3 is for 3 spatial axes, but the input has 2"},
      {{.filters = 2, .kernel = {3}, .stride = {1, -1}}, "stride must be at least 1, not -1"},
      {{.filters = 2, .kernel = {3}, .dilation = {-2}}, "dilation must be at least 1, not -2"},
      {{.filters = 2, .kernel = {3}, .groups = -1}, "groups must be at least 1, not -1"},
      {{.filters = 2, .kernel = {3}, .padding = {.low = {-1}}}, "padding must not be negative: -1 and 0"},
      {{.filters = 2, .kernel = {3}, .padding = {.low = {INT64_MAX}, .high = {1}}},
       "padding 9223372036854775807 and 1 is too large"},
      {{.filters = 2, .kernel = {INT64_MAX}, .dilation = {3}},
       "kernel 9223372036854775807 with dilation 3 is too large"},
      {{.filters = 2, .kernel = {3}, .l2 = -1}, "l1 and l2 must not be negative: 0 and -1"},
      {{.depthwise = true, .filters = INT64_MAX, .kernel = {3}}, "filters must be at least 1, not -1"},
  };
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    lab l = lab_open(false, CY_F32, CY_SHAPE(1, 2, 8, 8));
    char want[200];
    snprintf(want, sizeof want, "%s \"%s1\": %s", rows[r].options.depthwise ? "depthwise" : "conv",
             rows[r].options.depthwise ? "depthwise" : "conv", rows[r].want);
    assert_false(cy_is_value(cy_conv(l.net, l.x, rows[r].options)));
    assert_string_equal(cy_graph_error(l.graph), want);
    lab_close(&l);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(custom_model_has_its_sizes),
    cmocka_unit_test(networks_have_their_sizes),
    cmocka_unit_test(layers_have_their_sizes),
    cmocka_unit_test(padding_follows_its_formulas),
    cmocka_unit_test(padding_modes_show_their_values),
    cmocka_unit_test(convolution_has_the_coursework_values),
    cmocka_unit_test(two_convolutions_follow_each_other),
    cmocka_unit_test(averages_count_padding_or_not),
    cmocka_unit_test(weights_have_the_fans_of_a_unit),
    cmocka_unit_test(image_layers_match_differences),
    cmocka_unit_test(transposed_convolution_is_the_adjoint),
    cmocka_unit_test(batch_norm_agrees_with_pytorch),
    cmocka_unit_test(statistics_are_computed_once),
    cmocka_unit_test(one_network_takes_several_sizes),
    cmocka_unit_test(one_state_serves_several_sizes),
    cmocka_unit_test(mistakes_show_their_arithmetic),
    cmocka_unit_test(sharing_mistakes_name_both_layers),
    cmocka_unit_test(options_are_checked),
};

int main(void) {
  static const char *const backends[] = {"reference", "cpu"};
  int failed = 0;
  for (int i = 0; i < 2; i++) {
    backend = backends[i];
    failed += cmocka_run_group_tests_name(backend, tests, NULL, NULL);
  }
  return failed;
}
