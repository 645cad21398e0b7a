/* A mixture of K logistic regressions (coursework A2), p(y = 1 | x) = sum_k pi_k sigmoid(z_k), z_k = w_k x + b_k,
 * against a single regression: likelihood and accuracy on samples that were not trained on. Then what the mixture has
 * found: the shares pi_k, and for some samples the responsibilities r_k = pi_k p_k(y | x) / sum_j pi_j p_j(y | x), the
 * chance that component k answers for them. That the network's output is the formula is checked on the way. */
#include <cauchy.h>
#include <math.h>
#include <stdio.h>

#define TRY(call) do { if (call) return fprintf(stderr, "%s\n", cy_error_message()), 1; } while (0)

enum { SHOWN = 6 };

static int train(cy_dataset *data, int components, cy_trainer_options options, cy_trainer **trainer) {
  char text[64];
  cy_model *model;
  snprintf(text, sizeof text, "dense(%d) -> mixture", components); /* of one component: logistic regression */
  TRY(cy_model_parse(text, "mixture", &model));
  TRY(cy_trainer_create(model, data, options, trainer));
  TRY(cy_trainer_run(*trainer));
  cy_model_free(model);
  return 0;
}

static int score(cy_trainer *trainer, const char *what) {
  cy_metrics m;
  TRY(cy_trainer_evaluate(trainer, CY_PART_TEST, &m));
  printf("  %-32s %.4f  %6.2f %%\n", what, m.loss, 100 * m.accuracy);
  cy_metrics_clear(&m);
  return 0;
}

/* Some test samples: outputs, pre-activations, shares, responsibilities. */
static int explain(cy_dataset *data, cy_trainer *trainer, int components) {
  cy_graph *graph;
  cy_network *network;
  cy_program *program;
  cy_session *session;
  cy_tensor *inputs, *labels;
  const cy_split *split = cy_trainer_split(trainer);
  int64_t chosen[SHOWN];
  int n_parameters;
  for (int i = 0; i < SHOWN; i++) chosen[i] = split->test[(split->n_test - 1) * i / (SHOWN - 1)];
  TRY(cy_graph_create(&graph));
  TRY(cy_network_create(graph, (cy_network_options){.dtype = CY_F64}, &network));
  cy_value x = cy_input(graph, "x", CY_F32, CY_SHAPE(SHOWN, cy_dataset_sample_shape(data).dim[0]));
  cy_value y = cy_input(graph, "y", CY_F32, CY_SHAPE(SHOWN));
  cy_value z = cy_dense(network, cy_convert(x, CY_F64), (cy_dense_options){.name = "dense1", .units = components});
  cy_value output = cy_mixture(network, z, (cy_mixture_options){.name = "mixture1"});
  cy_value mixing = cy_network_parameters(network, &n_parameters)[n_parameters - 1];
  /* log pi_k + log sigmoid(z_k or -z_k), and its softmax over k. */
  cy_value sign = cy_reshape(cy_add_scalar(cy_mul_scalar(cy_convert(y, CY_F64), 2), -1), CY_SHAPE(SHOWN, 1));
  cy_value joint = cy_sub(cy_log_softmax(mixing, 0), cy_softplus(cy_neg(cy_mul(sign, z))));
  cy_value out[] = {cy_softmax(output, 1), z, cy_softmax(mixing, 0), cy_softmax(joint, 1)};
  TRY(cy_compile(out, 4, NULL, 0, (cy_program_options){0}, &program));
  TRY(cy_session_create(program, &session));
  TRY(cy_tensor_create(CY_F32, cy_value_shape(x), &inputs));
  TRY(cy_tensor_create(CY_F32, CY_SHAPE(SHOWN), &labels));
  TRY(cy_dataset_batch(data, chosen, SHOWN, inputs, labels));
  TRY(cy_session_bind(session, "x", inputs));
  TRY(cy_session_bind(session, "y", labels));
  TRY(cy_session_bind_state(session, cy_trainer_state(trainer)));
  TRY(cy_session_run(session));
  const cy_tensor *p = cy_session_output(session, 0), *pre = cy_session_output(session, 1),
                  *pi = cy_session_output(session, 2), *r = cy_session_output(session, 3);

  double sum = 0, worst = 0;
  printf("\n  shares pi    ");
  for (int k = 0; k < components; k++) printf("  %.3f", cy_tensor_at(pi, k)), sum += cy_tensor_at(pi, k);
  printf("\n  %-13s  %-*s p(%s)\n", "class", 7 * components, "responsibilities", cy_dataset_class_name(data, 1));
  for (int i = 0; i < SHOWN; i++) {
    double formula = 0;
    printf("  %-13s", cy_dataset_class_name(data, (int64_t)cy_tensor_at(labels, i)));
    for (int k = 0; k < components; k++) {
      printf("  %.3f", cy_tensor_at(r, i * components + k));
      formula += cy_tensor_at(pi, k) / (1 + exp(-cy_tensor_at(pre, i * components + k)));
    }
    printf("   %.4f\n", cy_tensor_at(p, 2 * i + 1));
    worst = fmax(worst, fabs(formula - cy_tensor_at(p, 2 * i + 1)));
  }
  printf("  sum of the shares - 1: %.1e; network - formula: at most %.1e\n\n", sum - 1, worst);
  cy_session_free(session);
  cy_program_free(program);
  cy_tensor_free(inputs);
  cy_tensor_free(labels);
  cy_network_free(network);
  cy_graph_free(graph);
  return worst > 1e-12 || fabs(sum - 1) > 1e-12;
}

static int compare(const char *name, int components, cy_trainer_options options) {
  char what[64];
  cy_dataset *data;
  cy_trainer *one, *many;
  TRY(cy_dataset_open(name, (cy_dataset_options){0}, &data));
  snprintf(what, sizeof what, "mixture of %d", components);
  printf("%s, test part: -log likelihood and accuracy\n", name);
  if (train(data, 1, options, &one) || score(one, "one logistic regression")) return 1;
  if (train(data, components, options, &many) || score(many, what)) return 1;
  if (explain(data, many, components)) return 1;
  cy_trainer_free(one);
  cy_trainer_free(many);
  cy_dataset_free(data);
  return 0;
}

int main(void) {
  cy_trainer_options adam = {.learning_rate = 0.01, .epochs = 200, .l2 = 0.001, .dtype = CY_F64};
  cy_trainer_options lbfgs = {.optimizer = {.name = "lbfgs"}, .epochs = 200, .dtype = CY_F64};
  return compare("breast-cancer", 3, adam) || compare("xor", 4, lbfgs);
}
