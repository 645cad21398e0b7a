/* A training loop of one's own, with a layer of one's own: what the trainer does for others, written out. The step is
 * one program: forward, backward, clipping and update; the state is what it reads and writes. */
#include <cauchy.h>
#include <stdio.h>

#define TRY(call) do { if (call) return fprintf(stderr, "%s\n", cy_error_message()), 1; } while (0)

/* A layer of one's own: y = x + tanh(x) * gate, with one trained gate per feature. */
static cy_value gated(cy_network *net, cy_value x) {
  cy_network_open(net, "gated", NULL, x);
  cy_initializer half = {.kind = CY_INIT_CONSTANT, .a = 0.5};
  cy_value gate = cy_network_parameter(net, "gate", CY_SHAPE(cy_value_shape(x).dim[1]), half, false);
  return cy_network_close(net, cy_add(x, cy_mul(cy_tanh(x), gate)));
}

int main(void) {
  enum { BATCH = 32, EPOCHS = 15, MOST = 64 };
  cy_dataset *data;
  cy_split split;
  cy_graph *graph;
  cy_network *net;
  cy_state *state;

  /* Data: digits, with the trainer's usual split and scaling. */
  TRY(cy_dataset_open("digits", (cy_dataset_options){0}, &data));
  TRY(cy_dataset_split(data, (cy_split_options){.seed = 1}, &split));
  TRY(cy_dataset_scale(data, CY_SCALE_DEFAULT, split.train, split.n_train));

  /* The graph of one step: network, loss, gradients, update. */
  TRY(cy_graph_create(&graph));
  TRY(cy_network_create(graph, (cy_network_options){.training = true}, &net));
  cy_value x = cy_input(graph, "x", CY_F32, CY_SHAPE(BATCH, 64)), y = cy_input(graph, "y", CY_I32, CY_SHAPE(BATCH));
  cy_value hidden = gated(net, cy_relu(cy_dense(net, x, (cy_dense_options){.units = 64})));
  cy_value logits = cy_dense(net, hidden, (cy_dense_options){.units = 10});
  cy_value loss = cy_cross_entropy(logits, y, (cy_cross_entropy_options){0});
  int n, n_updates;
  const cy_value *parameters = cy_network_parameters(net, &n);
  cy_value gradients[MOST];
  cy_update updates[MOST];
  TRY(cy_grad(loss, parameters, n, gradients)); /* n <= MOST: this network has five parameters */

  /* State: declared by the network and the optimiser, then allocated and initialised. */
  cy_value good = cy_le(cy_abs(loss), cy_scalar(graph, CY_F32, 1e30)); /* a bad batch changes nothing */
  TRY(cy_state_create(&state));
  TRY(cy_network_declare(net, state));
  TRY(cy_optimizer_apply(graph, (cy_optimizer_options){.name = "adam", .clip_norm = 5},
                         (cy_optimizer_inputs){parameters, gradients, NULL, n, good}, state, updates, &n_updates));
  TRY(cy_state_allocate(state));
  TRY(cy_network_initialize(net, state, 1));

  /* One program, one session; the graph is no longer needed. */
  cy_program *program;
  cy_session *step;
  cy_tensor *images, *labels, *rate;
  TRY(cy_compile(&loss, 1, updates, n_updates, (cy_program_options){0}, &program));
  TRY(cy_session_create(program, &step));
  TRY(cy_tensor_create(CY_F32, CY_SHAPE(BATCH, 64), &images));
  TRY(cy_tensor_create(CY_I32, CY_SHAPE(BATCH), &labels));
  TRY(cy_tensor_create(CY_F32, CY_SCALAR, &rate));
  TRY(cy_session_bind(step, "x", images));
  TRY(cy_session_bind(step, "y", labels));
  TRY(cy_session_bind(step, "learning_rate", rate));
  TRY(cy_session_bind_state(step, state));
  cy_tensor_set(rate, 0, 0.002);

  /* The loop. */
  cy_batches *batches;
  TRY(cy_batches_create(split.train, split.n_train, BATCH, true, 1, &batches));
  for (int epoch = 0; epoch < EPOCHS; epoch++) {
    const int64_t *indices;
    double sum = 0;
    int64_t rows, steps = 0;
    cy_batches_start(batches, epoch, 0);
    while ((rows = cy_batches_next(batches, &indices)) == BATCH) { /* the smaller last batch is left out */
      TRY(cy_dataset_batch(data, indices, rows, images, labels));
      TRY(cy_session_run(step));
      sum += cy_tensor_at(cy_session_output(step, 0), 0);
      steps++;
    }
    if (epoch % 5 == 4) printf("epoch %2d  loss %.4f\n", epoch + 1, sum / (double)steps);
  }

  /* A checkpoint holds everything; a model only what predicting needs. */
  TRY(cy_state_save(state, CY_ALL_ROLES, NULL, 0, "checkpoint.safetensors"));
  TRY(cy_state_load("checkpoint.safetensors", state, CY_ALL_ROLES, CY_LOAD_EXACT));
  cy_batches_free(batches);
  cy_session_free(step);
  cy_program_free(program);
  cy_tensor_free(images);
  cy_tensor_free(labels);
  cy_tensor_free(rate);
  cy_state_free(state);
  cy_network_free(net);
  cy_graph_free(graph);
  cy_split_clear(&split);
  cy_dataset_free(data);
}
