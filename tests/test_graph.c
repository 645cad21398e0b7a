/* Graphs: the sticky error and its sentences, names, hash-consing, verification, tensors and state. */
#include "harness.h"

static void equal_expressions_are_one_node(void **state) {
  (void)state;
  feeds f = feeds_begin();
  int x = feeds_add(&f, CY_F32, CY_SHAPE(2, 3));
  cy_value a = cy_exp(cy_add_scalar(f.value[x], 1)), b = cy_exp(cy_add_scalar(f.value[x], 1));
  assert_int_equal(a.id, b.id);
  assert_int_not_equal(a.id, cy_exp(cy_add_scalar(f.value[x], 2)).id);
  assert_ok(cy_graph_verify(f.graph));
  feeds_end(&f);
}

typedef cy_value mistake(cy_graph *g, cy_value x, cy_value y);
static cy_value shapes(cy_graph *g, cy_value x, cy_value y) { return (void)g, cy_add(x, y); }
static cy_value product(cy_graph *g, cy_value x, cy_value y) { return (void)g, (void)y, cy_matmul(x, x); }
static cy_value types(cy_graph *g, cy_value x, cy_value y) { return (void)g, (void)y, cy_add(x, cy_convert(x, CY_F64)); }
static cy_value axis(cy_graph *g, cy_value x, cy_value y) { return (void)g, (void)y, cy_softmax(x, 2); }
static cy_value twice(cy_graph *g, cy_value x, cy_value y) { return (void)g, (void)y, cy_sum(x, (int[]){0, -2}, 2, false); }
static cy_value count(cy_graph *g, cy_value x, cy_value y) { return (void)g, (void)y, cy_reshape(x, CY_SHAPE(4, 2)); }
static cy_value named(cy_graph *g, cy_value x, cy_value y) { return (void)x, (void)y, cy_input(g, "x0", CY_F64, CY_SHAPE(2)); }
static cy_value huge(cy_graph *g, cy_value x, cy_value y) {
  return (void)x, (void)y, cy_input(g, "h", CY_F32, CY_SHAPE(INT64_MAX / 2, 3));
}
static cy_value negative(cy_graph *g, cy_value x, cy_value y) { return (void)x, (void)y, cy_input(g, "n", CY_F32, CY_SHAPE(-1)); }
static cy_value integer(cy_graph *g, cy_value x, cy_value y) { return (void)g, (void)y, cy_exp(cy_convert(x, CY_I64)); }
static cy_value range(cy_graph *g, cy_value x, cy_value y) { return (void)g, (void)y, cy_slice_axis(x, 1, 2, 5); }
static cy_value index_type(cy_graph *g, cy_value x, cy_value y) { return (void)g, (void)y, cy_gather(x, x, 0, 0); }

/* One sentence: the operation, the shapes, the arithmetic. */
static void mistakes_are_sentences(void **state) {
  (void)state;
  static const struct {
    mistake *make;
    const char *text;
  } cases[] = {
      {shapes, "fc1: add: shapes 2x3 and 4 do not broadcast: 3 against 4"},
      {product, "fc1: matmul: shapes 2x3 and 2x3 do not fit"},
      {types, "fc1: add: operands have types f32 and f64"},
      {axis, "fc1: softmax: axis 2 is outside the 2 axes of shape 2x3"},
      {twice, "fc1: sum: axis -2 is named twice"},
      {count, "fc1: reshape: shape 2x3 has 6 elements, shape 4x2 has 8"},
      {named, "\"x0\" is an input of type f32 2x3 and is asked for again as an input of type f64 2"},
      {huge, "has more elements than memory can address"},
      {negative, "extent -1 is negative"},
      {integer, "fc1: exp: operands of type i64 are not supported; it takes f32 and f64"},
      {range, "fc1: slice: 2:5:1 is no range of axis 1 of shape 2x3"},
      {index_type, "fc1: gather: the index is f32; it must be i32 or i64"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    feeds f = feeds_begin();
    int x = feeds_add(&f, CY_F32, CY_SHAPE(2, 3)), y = feeds_add(&f, CY_F32, CY_SHAPE(4));
    cy_scope_push(f.graph, "fc1");
    cy_value bad = cases[i].make(f.graph, f.value[x], f.value[y]);
    assert_false(cy_is_value(bad));
    if (!strstr(cy_graph_error(f.graph), cases[i].text))
      fail_msg("expected \"%s\" in \"%s\"", cases[i].text, cy_graph_error(f.graph));
    /* Sticky: later calls do nothing, and the first sentence stays. */
    assert_false(cy_is_value(cy_exp(f.value[x])));
    assert_false(cy_is_value(cy_add(bad, bad)));
    assert_int_equal(cy_graph_status(f.graph), CY_INVALID);
    assert_non_null(strstr(cy_error_message(), cases[i].text));
    cy_program *program;
    assert_int_equal(cy_compile(&f.value[x], 1, NULL, 0, (cy_program_options){0}, &program), CY_INVALID);
    assert_null(program);
    feeds_end(&f);
  }
}

static void graphs_print_and_scopes_show(void **state) {
  (void)state;
  feeds f = feeds_begin();
  int x = feeds_add(&f, CY_F32, CY_SHAPE(2, 3));
  cy_scope_push(f.graph, "block");
  cy_scope_push(f.graph, "fc1");
  cy_value y = cy_relu(cy_sum(f.value[x], (int[]){1}, 1, false));
  cy_scope_pop(f.graph);
  cy_scope_pop(f.graph);
  char *text;
  assert_ok(cy_graph_text(&y, 1, &text));
  assert_string_equal(text, "%0 = input \"x0\" : f32 2x3\n%1 = sum %0 axes=(1) : f32 2  # block/fc1\n"
                            "%2 = relu %1 : f32 2  # block/fc1\nreturn %2\n");
  cy_string_free(text);
  feeds_end(&f);
}

/* The operations of a graph in the order of their nodes. */
static void has_nodes(const cy_value *values, int n, const char *expected) {
  char *text, order[1024] = "";
  assert_ok(cy_graph_text(values, n, &text));
  for (const char *at = text; (at = strstr(at, " = ")) != NULL;) {
    at += 3;
    size_t used = strlen(order);
    snprintf(order + used, sizeof order - used, "%s%.*s", used ? " " : "", (int)strcspn(at, " \n"), at);
  }
  assert_string_equal(order, expected);
  cy_string_free(text);
}

static cy_value power(cy_value x, cy_value y) { return cy_sum(cy_pow(x, y), NULL, 0, false); }
static cy_value leaky(cy_value x, cy_value y) { return cy_sum(cy_mul(cy_leaky_relu(x, 0.1), y), NULL, 0, false); }
static cy_value quotient(cy_value x, cy_value y) { return cy_sum(cy_div(x, y), NULL, 0, false); }
static cy_value binary(cy_value x, cy_value y) { return cy_binary_cross_entropy(x, y, CY_LOSS_MEAN); }
static cy_value huber(cy_value x, cy_value y) { return cy_huber_loss(x, y, (cy_regression_options){0}); }

/* Nodes are made in the order of reading, whatever order a compiler likes for the arguments of a call. */
static void nodes_come_in_the_order_of_reading(void **state) {
  (void)state;
  static const struct {
    cy_value (*loss)(cy_value x, cy_value y);
    const char *nodes;
  } cases[] = {
      {power, "input input pow full full eq full select full add pow mul eq select log mul broadcast mul mul"},
      {leaky, "input input full gt full mul select full broadcast mul mul select select mul add"},
      {quotient, "input input div full div broadcast neg mul div"},
      {binary, "input input neg min full gt full sub select exp full gt select eq select full full full le add "
       "mul broadcast mul broadcast neg mul mul select select select add div mul add select select neg "
       "add select select neg add"},
      {huber, "input input sub full min full max full mul sub full full full le full ge mul broadcast mul "
       "broadcast mul mul neg mul add select select add neg"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    feeds f = feeds_begin();
    int x = feeds_add(&f, CY_F64, CY_SHAPE(2, 3)), y = feeds_add(&f, CY_F64, CY_SHAPE(2, 3));
    cy_value inputs[2] = {f.value[x], f.value[y]}, gradients[2];
    assert_ok(cy_grad(cases[i].loss(inputs[0], inputs[1]), inputs, 2, gradients));
    has_nodes(gradients, 2, cases[i].nodes);
    feeds_end(&f);
  }
}

static void tensors_borrow_and_own(void **state) {
  (void)state;
  float data[6] = {0, 1, 2, 3, 4, 5};
  cy_tensor *columns, *copy, *bad;
  assert_ok(cy_tensor_wrap(CY_F32, CY_SHAPE(3, 2), (int64_t[]){1, 3}, data, &columns));
  assert_false(cy_tensor_owns_data(columns));
  assert_false(cy_tensor_is_contiguous(columns));
  assert_true(cy_tensor_at(columns, 1) == 3);
  assert_ok(cy_tensor_create(CY_I64, CY_SHAPE(3, 2), &copy));
  assert_ok(cy_tensor_copy(columns, copy));
  assert_int_equal(cy_tensor_i64(copy)[3], 4);
  assert_null(cy_tensor_f32(copy));
  cy_tensor_set(copy, 0, 1e300); /* saturates */
  assert_true(cy_tensor_i64(copy)[0] == INT64_MAX);
  assert_int_equal(cy_tensor_create(CY_F32, CY_SHAPE(INT64_MAX, 2), &bad), CY_INVALID);
  assert_null(bad);
  assert_int_equal(cy_tensor_create(CY_F64, CY_SHAPE(INT64_MAX / 64), &bad), CY_NO_MEMORY);
  cy_tensor_free(columns);
  cy_tensor_free(copy);
}

static void state_is_flat(void **state_) {
  (void)state_;
  cy_state *state;
  assert_ok(cy_state_create(&state));
  assert_ok(cy_state_declare(state, "w", CY_PARAMETER, CY_F32, CY_SHAPE(2, 3)));
  assert_ok(cy_state_declare(state, "step", CY_OPTIMIZER, CY_I64, CY_SCALAR));
  assert_ok(cy_state_declare(state, "b", CY_PARAMETER, CY_F32, CY_SHAPE(3)));
  assert_ok(cy_state_declare(state, "w", CY_PARAMETER, CY_F32, CY_SHAPE(2, 3)));
  assert_int_equal(cy_state_declare(state, "w", CY_PARAMETER, CY_F32, CY_SHAPE(3, 2)), CY_INVALID);
  assert_non_null(strstr(cy_error_message(), "declared twice: as f32 2x3 and as f32 3x2"));
  assert_ok(cy_state_allocate(state));
  assert_int_equal(cy_state_count(state), 3);
  assert_ptr_equal(cy_tensor_f32(cy_state_find(state, "w")) + 6, cy_tensor_f32(cy_state_find(state, "b")));
  assert_int_equal(cy_state_declare(state, "late", CY_BUFFER, CY_F32, CY_SCALAR), CY_INVALID);
  assert_null(cy_state_find(state, "late"));
  cy_state_free(state);
}

/* The published test vectors of Philox4x32-10 (Random123). */
static void philox_gives_the_published_numbers(void **state) {
  (void)state;
  static const struct {
    uint64_t key;
    uint32_t counter[4], out[4];
  } known[] = {
      {0, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {UINT64_MAX, {~0u, ~0u, ~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {0x299f31d0a4093822, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    uint32_t out[4];
    cy_philox(known[i].key, known[i].counter, out);
    assert_memory_equal(out, known[i].out, sizeof out);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_expressions_are_one_node), cmocka_unit_test(mistakes_are_sentences),
      cmocka_unit_test(graphs_print_and_scopes_show),   cmocka_unit_test(tensors_borrow_and_own),
      cmocka_unit_test(state_is_flat),                  cmocka_unit_test(philox_gives_the_published_numbers),
      cmocka_unit_test(nodes_come_in_the_order_of_reading),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
