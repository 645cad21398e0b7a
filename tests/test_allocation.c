/* Memory: a training step allocates nothing; and whichever allocation fails, from parsing a model to predicting with
 * the saved one, the answer is an error value and every block is given back. Only our own code is counted (lives.h). */
#include "lives.h"

#include <cauchy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a step ---- */

typedef struct meter {
  long before, in_steps, steps;
} meter;

/* From one event to the next lies one step, or one batch of the validation. */
static bool count_step(const cy_progress *progress, void *user) {
  meter *m = user;
  if (progress->phase != CY_PHASE_EPOCH && m->before >= 0) {
    m->in_steps += calls - m->before;
    m->steps++;
  }
  m->before = progress->phase == CY_PHASE_EPOCH ? -1 : calls;
  return true;
}

static void steps_allocate_nothing(void **unused) {
  (void)unused;
  static const char *const backends[] = {"cpu", "reference"};
  cy_dataset *digits;
  cy_model *model;
  assert_int_equal(cy_dataset_open("digits", (cy_dataset_options){0}, &digits), CY_OK);
  assert_int_equal(cy_model_parse("dense(32) -> batch_norm -> relu -> dropout(0.1) -> dense(10)", "", &model), CY_OK);
  for (int k = 0; k < 4; k++) {
    meter m = {.before = -1};
    cy_trainer *trainer;
    cy_trainer_options options = {.epochs = 2, .backend = backends[k % 2], .dtype = k / 2 ? CY_F64 : CY_F32,
                                  .optimizer.clip_norm = 1, .on_progress = count_step, .user = &m};
    assert_int_equal(cy_trainer_create(model, digits, options, &trainer), CY_OK);
    assert_int_equal(cy_trainer_run(trainer), CY_OK);
    assert_true(m.steps > 60);
    assert_int_equal(m.in_steps, 0);
    cy_trainer_free(trainer);
  }
  cy_model_free(model);
  cy_dataset_free(digits);
}

/* From one batch of an iteration to the next, once the programs are there. */
static bool count_iteration(const cy_progress *progress, void *user) {
  meter *m = user;
  if (progress->epoch < 3 || progress->phase != CY_PHASE_TRAIN) {
    m->before = -1;
    return true;
  }
  if (m->before >= 0) {
    m->in_steps += calls - m->before;
    m->steps++;
  }
  m->before = calls;
  return true;
}

static void iterations_allocate_nothing(void **unused) {
  (void)unused;
  static const cy_optimizer_options methods[] = {{.name = "newton"}, {.name = "lbfgs"},
                                                 {.name = "newton-cg", .curvature_samples = 60, .cg_iterations = 5,
                                                  .preconditioner = 0.75}};
  for (int i = 0; i < 3; i++) {
    cy_dataset *iris;
    cy_model *model;
    cy_trainer *trainer;
    meter m = {.before = -1};
    assert_int_equal(cy_dataset_open("iris", (cy_dataset_options){0}, &iris), CY_OK);
    assert_int_equal(cy_model_parse("dense(4) -> tanh -> dense(3)", "test", &model), CY_OK);
    cy_trainer_options options = {.optimizer = methods[i], .epochs = 6, .batch_size = 40, .threads = 1,
                                  .on_progress = count_iteration, .user = &m};
    assert_int_equal(cy_trainer_create(model, iris, options, &trainer), CY_OK);
    assert_int_equal(cy_trainer_run(trainer), CY_OK);
    assert_true(m.steps > 10);
    assert_int_equal(m.in_steps, 0);
    cy_trainer_free(trainer);
    cy_model_free(model);
    cy_dataset_free(iris);
  }
}

/* ---- every allocation fails once ---- */

static char path[64];

static cy_status save_and_use(cy_trainer *trainer, cy_dataset *iris) {
  cy_trainer *resumed = NULL;
  cy_trained *trained = NULL;
  cy_tensor *outputs = NULL, *labels = NULL;
  cy_metrics metrics = {0};
  cy_status status = cy_trainer_evaluate(trainer, CY_PART_TEST, &metrics);
  if (status == CY_OK) status = cy_trainer_save(trainer, path);
  if (status == CY_OK) status = cy_trainer_resume(path, iris, (cy_trainer_options){.epochs = 2}, &resumed);
  if (status == CY_OK) status = cy_trainer_run(resumed);
  if (status == CY_OK) status = cy_trained_load(path, 0, NULL, &trained);
  if (status == CY_OK) status = cy_trained_predict(trained, cy_dataset_inputs(iris), &outputs, &labels);
  cy_metrics_clear(&metrics);
  cy_tensor_free(outputs);
  cy_tensor_free(labels);
  cy_trained_free(trained);
  cy_trainer_free(resumed);
  return status;
}

static cy_status life_of_training(const char *text, cy_trainer_options options) {
  cy_dataset *iris = NULL;
  cy_model *model = NULL;
  cy_trainer *trainer = NULL;
  options.epochs = 1;
  options.threads = 1;
  options.batch_size = 50;
  cy_status status = cy_dataset_open("iris", (cy_dataset_options){0}, &iris);
  if (status == CY_OK) status = cy_model_parse(text, "test", &model);
  if (status == CY_OK) status = cy_trainer_create(model, iris, options, &trainer);
  if (status == CY_OK) status = cy_trainer_run(trainer);
  if (status == CY_OK) status = save_and_use(trainer, iris);
  cy_trainer_free(trainer);
  cy_model_free(model);
  cy_dataset_free(iris);
  return status;
}

static cy_status whole_life(void) {
  return life_of_training("dense(4) -> batch_norm -> relu -> dropout(0.1) -> dense(3)",
                          (cy_trainer_options){.optimizer.clip_norm = 1});
}

/* The other methods that know curvature differ in cy_descent_create alone, which test_minimize fails in turn. */
static cy_status life_with_curvature(void) {
  cy_optimizer_options method = {.name = "newton-cg", .curvature_samples = 60, .cg_iterations = 3,
                                 .preconditioner = 0.75};
  return life_of_training("dense(3)", (cy_trainer_options){.optimizer = method});
}

/* Each sample its own target. */
static cy_status life_of_an_autoencoder(void) {
  cy_dataset *digits = NULL;
  cy_status status = cy_dataset_open("digits", (cy_dataset_options){.target = "input"}, &digits);
  cy_dataset_free(digits);
  return status;
}

/* Tables cut into windows: gaps, times, classes of a column and of a threshold; how they were cut, as text and back. */
static cy_status life_of_windows(void) {
  cy_window_options o = {.length = 3, .step = 2, .columns = "a, b", .time = "t", .fill = 1, .test = 0.3}, again;
  cy_dataset *d = NULL;
  cy_split split = {0};
  char *text = NULL, *memory = NULL;
  cy_status status = cy_dataset_open(path, (cy_dataset_options){.target = "state", .windows = o}, &d);
  if (status == CY_OK) status = cy_dataset_split(d, (cy_split_options){0}, &split);
  if (status == CY_OK) status = cy_dataset_window_text(d, 0, &text);
  cy_string_free(text);
  text = NULL;
  if (status == CY_OK) status = cy_window_options_text(cy_dataset_windows(d), &text);
  if (status == CY_OK) status = cy_window_options_parse("test", text, &again, &memory);
  cy_string_free(text);
  cy_string_free(memory);
  cy_split_clear(&split);
  cy_dataset_free(d);
  d = NULL;
  o = (cy_window_options){.length = 3, .label = CY_LABEL_MEAN, .above = "median", .fill = 1, .test = -1, .time = "t"};
  if (status == CY_OK) status = cy_dataset_open(path, (cy_dataset_options){.target = "a", .windows = o}, &d);
  cy_dataset_free(d);
  return status;
}

/* Streams through a text, with a state that is carried; the model is kept, measured and writes on. */
static cy_status life_of_a_text(void) {
  cy_dataset_options windows = {.length = 4};
  cy_trainer_options options = {.epochs = 1, .batch_size = 2, .streams = true, .threads = 1, .validation = 0.3};
  cy_dataset *d = NULL;
  cy_model *model = NULL;
  cy_trainer *trainer = NULL;
  cy_trained *trained = NULL;
  cy_generator *generator = NULL;
  cy_metrics metrics = {0};
  cy_status status = cy_dataset_open("sonnets", windows, &d);
  cy_dataset_free(d);
  d = NULL;
  if (status == CY_OK) status = cy_file_write("abcabcabdabcabcabcabdabc", 24, path);
  if (status == CY_OK) status = cy_dataset_open(path, windows, &d);
  if (status == CY_OK) status = cy_model_parse("embedding(4, 3) -> gru(2) -> conv(4, 1)", "", &model);
  if (status == CY_OK) status = cy_trainer_create(model, d, options, &trainer);
  if (status == CY_OK) status = cy_trainer_run(trainer);
  if (status == CY_OK) status = cy_trainer_save(trainer, path);
  if (status == CY_OK) status = cy_trained_load(path, 1, NULL, &trained);
  if (status == CY_OK) status = cy_trained_evaluate(trained, d, NULL, 0, &metrics);
  if (status == CY_OK) status = cy_generator_create(trained, &generator);
  if (status == CY_OK) status = cy_generator_feed(generator, 1);
  cy_generator_free(generator);
  cy_metrics_clear(&metrics);
  cy_trained_free(trained);
  cy_trainer_free(trainer);
  cy_model_free(model);
  cy_dataset_free(d);
  return status;
}

/* Every builder of operations on images, a gradient, a Hessian-vector product, a run. */
static cy_status images(void) {
  cy_graph *graph = NULL;
  cy_program *program = NULL;
  cy_session *session = NULL;
  cy_tensor *numbers = NULL;
  cy_value out[3];
  cy_status status = cy_graph_create(&graph);
  if (status != CY_OK) return status;
  cy_windows windows = {.kernel = {2, 2}, .low = {1, 1}};
  int64_t size[] = {4, 3}, one[] = {1, 1};
  cy_value x = cy_input(graph, "x", CY_F32, CY_SHAPE(1, 4, 5, 5)), w = cy_full(graph, CY_F32, CY_SHAPE(4, 2, 2, 2), 0.5);
  windows.groups = 2;
  cy_value y = cy_tanh(cy_convolution(cy_pad_space(x, one, one, CY_PAD_REFLECT), w, windows));
  y = cy_add(cy_max_pool(y, windows), cy_avg_pool(y, windows, false));
  y = cy_resize(cy_adaptive_avg_pool(y, size), one, CY_RESIZE_CUBIC, false);
  y = cy_add(y, cy_resize(cy_adaptive_max_pool(x, size), one, CY_RESIZE_LINEAR, true));
  out[0] = cy_sum(cy_square(cy_pixel_shuffle(y, 2)), NULL, 0, false);
  status = cy_grad(out[0], &x, 1, &out[1]);
  if (status == CY_OK) status = cy_hvp(out[0], &x, &x, 1, &out[2]);
  if (status == CY_OK) status = cy_compile(out, 3, NULL, 0, (cy_program_options){.threads = 1}, &program);
  if (status == CY_OK) status = cy_session_create(program, &session);
  if (status == CY_OK) status = cy_tensor_create(CY_F32, CY_SHAPE(1, 4, 5, 5), &numbers);
  if (status == CY_OK) status = cy_session_bind(session, "x", numbers);
  if (status == CY_OK) status = cy_session_run(session);
  cy_session_free(session);
  cy_program_free(program);
  cy_tensor_free(numbers);
  cy_graph_free(graph);
  return status;
}

/* A frozen program on wide images: normalisations folded into weights, weights kept packed by each method that has a form of
 * its own, on two threads; then new weights. */
static cy_status frozen_images(void) {
  cy_graph *graph = NULL;
  cy_program *program = NULL;
  cy_session *session = NULL;
  cy_tensor *tensors[6] = {NULL};
  const cy_shape shapes[6] = {CY_SHAPE(2, 3, 12, 12), CY_SHAPE(32, 3, 3, 3), CY_SHAPE(32, 32, 3, 3), CY_SHAPE(24, 32, 5, 5),
                              CY_SHAPE(32), CY_SHAPE(32, 1, 1)};
  static const char *const names[6] = {"x", "w1", "w2", "w3", "bias", "scale"};
  cy_value v[6];
  cy_status status = cy_graph_create(&graph);
  if (status != CY_OK) return status;
  cy_windows three = {.low = {1, 1}, .high = {1, 1}}, five = {.low = {2, 2}, .high = {2, 2}, .stride = {2, 2}};
  for (int i = 0; i < 6; i++)
    v[i] = i ? cy_variable(graph, names[i], CY_F32, shapes[i]) : cy_input(graph, names[i], CY_F32, shapes[i]);
  cy_value y = cy_convolution(v[0], v[1], three);
  y = cy_relu(cy_add(y, cy_broadcast_axes(v[4], cy_value_shape(y), (int[]){1})));
  y = cy_relu(cy_mul(cy_convolution(y, v[2], three), v[5]));
  y = cy_max_pool(cy_convolution(y, v[3], five), (cy_windows){.kernel = {2, 2}, .stride = {2, 2}});
  status = cy_compile(&y, 1, NULL, 0, (cy_program_options){.threads = 2, .frozen = true}, &program);
  if (status == CY_OK) status = cy_session_create(program, &session);
  for (int i = 0; i < 6 && status == CY_OK; i++) {
    status = cy_tensor_create(CY_F32, shapes[i], &tensors[i]);
    if (status == CY_OK) status = cy_session_bind(session, names[i], tensors[i]);
  }
  if (status == CY_OK) status = cy_session_run(session);
  if (status == CY_OK) status = cy_session_bind(session, "w2", tensors[2]);
  if (status == CY_OK) status = cy_session_run(session);
  cy_session_free(session);
  cy_program_free(program);
  for (int i = 0; i < 6; i++) cy_tensor_free(tensors[i]);
  cy_graph_free(graph);
  return status;
}

static void any_allocation_may_fail(void **unused) {
  (void)unused;
  int descriptor = (strcpy(path, "/tmp/cauchy-test-allocation-XXXXXX"), mkstemp(path));
  assert_true(descriptor >= 0);
  close(descriptor);
  fail_each_allocation(whole_life, 1000);
  fail_each_allocation(life_with_curvature, 1000);
  fail_each_allocation(life_of_an_autoencoder, 5);
  unlink(path);
}

static void any_allocation_of_windows_may_fail(void **unused) {
  (void)unused;
  static const char table[] = "t,a,b,state\n1,1,9,x\n2,2,9,x\n3,,8,y\n5,4,7,y\n6,5,8,x\n7,6,8,z\n8,7,9,\n9,8,9,y\n10,9,9,x\n";
  int descriptor = (strcpy(path, "/tmp/cauchy-test-allocation-XXXXXX"), mkstemp(path));
  assert_true(descriptor >= 0);
  assert_int_equal(write(descriptor, table, sizeof table - 1), sizeof table - 1);
  close(descriptor);
  fail_each_allocation(life_of_windows, 50);
  unlink(path);
}

static void any_allocation_of_texts_may_fail(void **unused) {
  (void)unused;
  int descriptor = (strcpy(path, "/tmp/cauchy-test-allocation-XXXXXX.txt"), mkstemps(path, 4));
  assert_true(descriptor >= 0);
  close(descriptor);
  fail_each_allocation(life_of_a_text, 1000);
  unlink(path);
}

static void any_allocation_of_images_may_fail(void **unused) {
  (void)unused;
  fail_each_allocation(images, 100);
}

static void any_allocation_of_frozen_images_may_fail(void **unused) {
  (void)unused;
  fail_each_allocation(frozen_images, 100);
}

/* ---- curvature ---- */

/* Everything that an objective is asked, at its point. */
static cy_status ask(cy_objective *f, double *x, double *out) {
  cy_curvature_options options = {.count = 2, .steps = 12, .probes = 2};
  cy_eigenvalues eigenvalues = {0};
  cy_density density = {0};
  cy_estimate trace;
  cy_difference differences[3];
  int best;
  double value;
  cy_status status = cy_objective_start(f, x);
  if (status == CY_OK) status = cy_objective_value(f, x, &value);
  if (status == CY_OK) status = cy_objective_gradient(f, x, &value, out);
  if (status == CY_OK) status = cy_objective_product(f, CY_GAUSS_NEWTON, x, out, out + cy_objective_size(f));
  if (status == CY_OK) status = cy_objective_product(f, CY_EMPIRICAL_FISHER, x, out, out + cy_objective_size(f));
  if (status == CY_OK) status = cy_extreme_eigenvalues(f, x, options, &eigenvalues);
  if (status == CY_OK) status = cy_spectral_density(f, x, options, &density);
  if (status == CY_OK) status = cy_trace(f, x, options, &trace, out, NULL);
  if (status == CY_OK) status = cy_difference_products(f, x, NULL, options, 1e-6, 1, 3, differences, &best);
  cy_eigenvalues_clear(&eigenvalues);
  cy_density_clear(&density);
  return status;
}

static cy_status curvature(void) {
  cy_dataset *iris;
  cy_model *model = NULL;
  cy_objective *f = NULL;
  double x[64], out[128];
  int64_t indices[] = {0, 20, 40, 60, 80, 100, 120};
  cy_status status = cy_dataset_open("iris", (cy_dataset_options){0}, &iris);
  if (status == CY_OK) status = cy_model_parse("dense(3) -> batch_norm -> dropout(0.1) -> dense(3)", "", &model);
  if (status == CY_OK) {
    cy_model_objective_options options = {.indices = indices, .n = 7, .batch_size = 4, .training = true};
    status = cy_model_objective_create(model, NULL, iris, options, &f);
  }
  if (status == CY_OK) status = cy_objective_size(f) <= 64 ? ask(f, x, out) : CY_INVALID;
  cy_objective_free(f);
  cy_model_free(model);
  cy_dataset_free(iris);
  return status;
}

static void any_allocation_of_curvature_may_fail(void **unused) {
  (void)unused;
  fail_each_allocation(curvature, 1000);
}

/* Layers on sequences, their gradients, and Jacobians of their steps. */
static cy_status gradients_through_time(void) {
  cy_model *model;
  cy_flow *flow = NULL;
  cy_status status = cy_model_parse("embedding(3, 2) -> positions -> attention(causal) -> gru(1, last) -> dense(2)", "", &model);
  if (status == CY_OK)
    status = cy_flow_measure(model, (cy_flow_options){.sample = CY_SHAPE(3), .samples = 1, .clip = 0.1}, &flow);
  cy_flow_free(flow);
  cy_model_free(model);
  return status;
}

static void any_allocation_of_sequences_may_fail(void **unused) {
  (void)unused;
  fail_each_allocation(gradients_through_time, 500);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(steps_allocate_nothing),
    cmocka_unit_test(iterations_allocate_nothing),
    cmocka_unit_test(any_allocation_may_fail),
    cmocka_unit_test(any_allocation_of_windows_may_fail),
    cmocka_unit_test(any_allocation_of_texts_may_fail),
    cmocka_unit_test(any_allocation_of_images_may_fail),
    cmocka_unit_test(any_allocation_of_frozen_images_may_fail),
    cmocka_unit_test(any_allocation_of_curvature_may_fail),
    cmocka_unit_test(any_allocation_of_sequences_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
