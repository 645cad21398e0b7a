/* Who is faster, Hessian-free optimisation or Adam? A deep autoencoder of 8x8 digits (64-32-16-8 and back), each method
 * for the same time on one thread, Adam with several rates and a cosine schedule that ends with the time. Prints the
 * loss of the training images and draws it against seconds: a smaller copy of J. Martens's benchmark (2010).
 *
 *   hessian_free [seconds [picture.svg [picture.png]]] */
#include <cauchy.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TRY(call)                                            \
  do {                                                       \
    if ((call) != CY_OK) {                                   \
      fprintf(stderr, "%s: %s\n", #call, cy_error_message()); \
      exit(1);                                               \
    }                                                        \
  } while (0)

enum { MOST = 1000 };
static const char text[] = "dense(32) -> tanh -> dense(16) -> tanh -> dense(8) -> tanh"
                           " -> dense(16) -> tanh -> dense(32) -> tanh -> dense(64)";

/* Loss against seconds of this process, so that others on the machine count less. */
typedef struct curve {
  double begun, limit, seconds[MOST], loss[MOST];
  int n;
  int64_t epochs;
} curve;

static double seconds_used(void) { return (double)clock() / CLOCKS_PER_SEC; }

/* A point for every 2 % more time. */
static bool note(const cy_progress *now, void *user) {
  curve *c = user;
  double time = seconds_used() - c->begun;
  if (now->phase != CY_PHASE_EPOCH) return time < c->limit;
  if (c->n < 2 || (time > 1.02 * c->seconds[c->n - 2] && c->n < MOST)) c->n++;
  c->seconds[c->n - 1] = time;
  c->loss[c->n - 1] = now->loss;
  c->epochs = now->epoch;
  return time < c->limit;
}

static void train(cy_dataset *digits, cy_trainer_options options, double seconds, curve *c) {
  cy_model *model;
  cy_trainer *trainer;
  *c = (curve){.begun = seconds_used(), .limit = seconds};
  options.loss = "binary_cross_entropy";
  options.validation = CY_EXACT_ZERO;
  options.seed = 1;
  options.threads = 1;
  options.on_progress = note;
  options.user = c;
  if (options.epochs == 0) options.epochs = 1000000;
  TRY(cy_model_parse(text, "model", &model));
  TRY(cy_trainer_create(model, digits, options, &trainer));
  cy_status status = cy_trainer_run(trainer);
  if (status != CY_CANCELLED) TRY(status); /* time is over */
  cy_trainer_free(trainer);
  cy_model_free(model);
}

/* A cosine falls to its end when the time does: how many epochs that is, a short run tells. */
static void train_adam(cy_dataset *digits, double rate, double seconds, curve *c) {
  cy_trainer_options options = {.optimizer = {.name = "adam"}, .learning_rate = rate};
  train(digits, options, seconds / 10, c);
  options.epochs = 10 * c->epochs;
  options.schedule = (cy_schedule){.kind = CY_SCHEDULE_COSINE, .in_epochs = true};
  train(digits, options, seconds, c);
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? strtod(argv[1], NULL) : 8;
  const cy_optimizer_options free_of_hessian = {.name = "newton-cg", .damping = 0.01, .cg_iterations = 150},
                             conditioned = {.name = "newton-cg", .damping = 0.01, .cg_iterations = 150,
                                            .preconditioner = 0.75},
                             sampled = {.name = "newton-cg", .damping = 0.01, .cg_iterations = 150,
                                        .curvature_samples = 360};
  static const char *const names[] = {"adam 0.003", "adam 0.01", "adam 0.03", "newton-cg", "newton-cg, preconditioned",
                                      "newton-cg, 360 samples", "lbfgs"};
  enum { CURVES = sizeof names / sizeof names[0] };
  static const double rates[] = {0.003, 0.01, 0.03};
  static curve curves[CURVES];
  cy_plot_series series[CURVES];
  cy_dataset *digits;
  TRY(cy_dataset_open("digits", (cy_dataset_options){.target = "input"}, &digits));
  for (int i = 0; i < CURVES; i++) {
    curve *c = &curves[i];
    if (i < 3) train_adam(digits, rates[i], seconds, c);
    else if (i == 3) train(digits, (cy_trainer_options){.optimizer = free_of_hessian}, seconds, c);
    else if (i == 4) train(digits, (cy_trainer_options){.optimizer = conditioned}, seconds, c);
    else if (i == 5) train(digits, (cy_trainer_options){.optimizer = sampled}, seconds, c);
    else train(digits, (cy_trainer_options){.optimizer = {.name = "lbfgs", .memory = 20}}, seconds, c);
    int tenth = 0;
    while (tenth < c->n - 1 && c->seconds[tenth] < seconds / 10) tenth++;
    printf("%-26s%6lld epochs  %.4f after a tenth of the time, %.4f at the end\n", names[i], (long long)c->epochs,
           c->loss[tenth], c->loss[c->n - 1]);
    series[i] = (cy_plot_series){.name = names[i], .x = c->seconds, .y = c->loss, .n = c->n, .dashed = i >= 3};
  }
  cy_plot_panel panel = {.y_label = "loss of the training images", .series = series, .n_series = CURVES, .y_low = 0.235,
                         .y_high = 0.35};
  cy_plot_options options = {.title = "Autoencoder of digits, 64-32-16-8 and back", .x_label = "seconds on one core",
                             .width = 900, .height = 560, .log_x = true};
  if (argc > 2) TRY(cy_plot_lines(&panel, 1, options, argc > 3 ? argv[3] : NULL, argv[2]));
  cy_dataset_free(digits);
  return 0;
}
