/* Trains a classifier of handwritten digits, then asks how sharply its loss bends: the exact product of the Hessian with
 * the gradient g gives the curvature g'Hg / g'g, and with it the step size at which descent along g stops helping. */
#include <cauchy.h>
#include <stdio.h>

static cy_value inner(const cy_value *a, const cy_value *b, int n) {
  cy_value total = cy_sum(cy_mul(a[0], b[0]), NULL, 0, false);
  for (int i = 1; i < n; i++) total = cy_add(total, cy_sum(cy_mul(a[i], b[i]), NULL, 0, false));
  return total;
}

int main(void) {
  enum { BATCH = 500, MOST = 8 };
  static cy_dataset_options data; static cy_trainer_options training; static cy_network_options inference; /* all zero: */
  static cy_cross_entropy_options mean; static cy_program_options cpu;                                     /* the defaults */
  cy_dataset *digits; cy_model *model; cy_trainer *trainer; cy_metrics test; cy_graph *graph; cy_network *network;
  cy_program *program; cy_session *session; cy_tensor *x, *y; cy_value g[MOST], hg[MOST]; int n;
  training.epochs = 20; training.learning_rate = 0.003;
  if (cy_dataset_open("digits", data, &digits) || cy_model_parse("dense(64) -> relu -> dense(10)", "net", &model) ||
      cy_trainer_create(model, digits, training, &trainer) || cy_trainer_run(trainer) ||
      cy_trainer_evaluate(trainer, CY_PART_TEST, &test) || cy_graph_create(&graph) ||
      cy_network_create(graph, inference, &network)) return fprintf(stderr, "%s\n", cy_error_message()), 1;
  printf("test accuracy %.1f %%\n", 100 * test.accuracy);

  cy_value images = cy_input(graph, "x", CY_F32, CY_SHAPE(BATCH, 64)), labels = cy_input(graph, "y", CY_I32, CY_SHAPE(BATCH));
  cy_value loss = cy_cross_entropy(cy_model_apply(model, network, images), labels, mean);
  const cy_value *weights = cy_network_parameters(network, &n);
  if (cy_grad(loss, weights, n, g) || cy_hvp(loss, weights, g, n, hg)) return fprintf(stderr, "%s\n", cy_error_message()), 1;
  cy_value curvature = cy_div(inner(g, hg, n), inner(g, g, n)), out[2] = {loss, curvature};
  if (cy_compile(out, 2, NULL, 0, cpu, &program) || cy_session_create(program, &session) ||
      cy_tensor_create(CY_F32, CY_SHAPE(BATCH, 64), &x) || cy_tensor_create(CY_I32, CY_SHAPE(BATCH), &y) ||
      cy_dataset_batch(digits, cy_trainer_split(trainer)->train, BATCH, x, y) || cy_session_bind(session, "x", x) ||
      cy_session_bind(session, "y", y) || cy_session_bind_state(session, cy_trainer_state(trainer)) ||
      cy_session_run(session)) return fprintf(stderr, "%s\n", cy_error_message()), 1;
  double loss_now = cy_tensor_at(cy_session_output(session, 0), 0), bend = cy_tensor_at(cy_session_output(session, 1), 0);
  printf("loss %.4f, curvature along the gradient %.3f: steps below %.3f go down\n", loss_now, bend, 2 / bend);
  return 0;
}
