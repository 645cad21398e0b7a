/* A training while it runs, and afterwards: progress and checkpoints on the way, the head and the results on the
 * terminal, the run folder's files. */
#include "cli/train.h"

#include "cli/model_file.h"

#include <stdio.h>
#include <string.h>

/* ---- while it runs ---- */

enum { SAVE_SECONDS = 10 };

/* Long trainings are saved now and then. A disk that is full for the moment is no reason to lose the work. */
static void save_on_the_way(cli_training *t, const cy_progress *now) {
  if (now->phase != CY_PHASE_EPOCH || now->seconds - t->saved_at < SAVE_SECONDS) return;
  t->saved_at = now->seconds;
  cy_status status = cli_save_checkpoint(t->trainer, t->folder);
  if (status == CY_OK) status = cli_save_metrics(t->trainer, NULL, t->folder);
  if (status == CY_OK || t->warned) return;
  t->warned = true;
  cli_progress_clear(&t->progress);
  fprintf(stderr, "cauchy: warning: %s; going on\n", cy_error_message());
}

static bool on_progress(const cy_progress *now, void *user) {
  cli_training *t = user;
  bool go_on = cli_progress_show(&t->progress, now);
  save_on_the_way(t, now);
  return go_on;
}

/* Shown while it lasts, on a terminal. */
static bool on_baseline(const cy_progress *now, void *user) {
  cli_training *t = user;
  return t->progress.terminal.live && !t->progress.quiet ? cli_progress_show(&t->progress, now) : !cli_stop_wanted();
}

static void on_log(const char *line, void *user) { cli_progress_log(&((cli_training *)user)->progress, line); }

/* cross_entropy takes scores of any size: probabilities learn slowly, and to nothing sharp. A text's labels are its own
 * characters. */
static void print_doubts(const cy_trainer *trainer, const char *loss, const char *model) {
  static const char softmax[] = "softmax";
  size_t n = strlen(model), end = sizeof softmax - 1;
  bool last = n >= end && strcmp(model + n - end, softmax) == 0 && (n == end || model[n - end - 1] == ' ');
  if (last && strcmp(loss, "cross_entropy") == 0)
    printf("note: cross_entropy applies softmax itself, to scores; with the model's own softmax it is applied twice\n");
  bool ahead;
  if (cy_trainer_looks_ahead(trainer, &ahead) == CY_OK && ahead)
    printf("note: the model sees the characters that it is to predict, so its loss means little: recurrent layers that are\n"
           "bidirectional or reverse look ahead, convolutions without pad=causal and attention without causal\n");
}

static void print_head(const cli_training *t) {
  char shape[CLI_SAMPLES_SIZE], a[CLI_NUMBER_SIZE], b[CLI_NUMBER_SIZE], c[CLI_NUMBER_SIZE], d[CLI_NUMBER_SIZE];
  cy_trainer_options o = cy_trainer_options_of(t->trainer);
  const cy_split *split = cy_trainer_split(t->trainer);
  const cli_terminal *terminal = &t->progress.terminal;
  char *text = NULL;
  printf("%s%s%s: %s", cli_style_on(terminal, CLI_BOLD), cy_dataset_name(t->dataset), cli_style_off(terminal),
         cli_samples_text(t->dataset, shape));
  if (cy_dataset_classes(t->dataset) > 0)
    printf(" in %lld classes%s", (long long)cy_dataset_classes(t->dataset),
           cy_dataset_each_step(t->dataset) ? ", one for each step" : "");
  if (cy_dataset_feature_name(t->dataset, 0) || cy_dataset_sequence_column(t->dataset)) printf(", target %s", cy_dataset_target_name(t->dataset));
  printf("; %s to train, %s to validate, %s to test\n", cli_count_text(split->n_train, a),
         cli_count_text(split->n_validation, b), cli_count_text(split->n_test, c));
  printf("%s", cy_dataset_notes(t->dataset));
  if (cy_model_text(cy_trainer_model(t->trainer), &text) == CY_OK)
    printf("%s%s%s\n", cli_style_on(terminal, CLI_BOLD), text, cli_style_off(terminal));
  printf("%s parameters; %s, %s, ", cli_count_text(cy_trainer_parameter_count(t->trainer), d), o.loss,
         o.optimizer.name);
  if (cli_is_second_order(o.optimizer.name))
    printf("each step on all %s samples, %lld at once\n", cli_count_text(split->n_train, a), (long long)o.batch_size);
  else
    printf("learning rate %g, batches of %lld\n", o.learning_rate, (long long)o.batch_size);
  if (cy_state_find(cy_trainer_state(t->trainer), "target.offset"))
    printf("%s standardised for training: a loss of 1 is about as good as always answering the mean\n",
           cy_dataset_feature_name(t->dataset, 0) || cy_dataset_sequence_column(t->dataset)
               ? cy_dataset_target_name(t->dataset)
               : "targets");
  if (text) print_doubts(t->trainer, o.loss, text);
  cy_string_free(text);
  fflush(stdout);
}

/* ---- afterwards ---- */

static double total_seconds(const cy_trainer *trainer) {
  double seconds = 0;
  for (int i = 0; i < cy_trainer_history_count(trainer); i++) seconds += cy_trainer_history(trainer, i).seconds;
  return seconds;
}

static cy_status evaluate(cli_training *t) {
  cli_results *r = &t->results;
  r->seconds = total_seconds(t->trainer);
  CY_TRY(cy_trainer_evaluate(t->trainer, CY_PART_TRAIN, &r->train));
  CY_TRY(cy_trainer_evaluate(t->trainer, CY_PART_VALIDATION, &r->validation));
  CY_TRY(cy_trainer_evaluate(t->trainer, CY_PART_TEST, &r->test));
  cy_trainer_options o = cy_trainer_options_of(t->trainer);
  memcpy(t->sizes, o.sizes, sizeof t->sizes);
  t->n_sizes = cli_sizes_count(t->sizes);
  for (int i = 0; t->n_sizes > 1 && r->test.samples > 0 && i < t->n_sizes; i++)
    CY_TRY(cy_trainer_evaluate_at(t->trainer, CY_PART_TEST, t->sizes[i], &t->by_size[i]));
  return CY_OK;
}

/* Another network under the same conditions, but seen by its results alone. A resumed run trains it from the beginning, as
 * nothing of it was kept. */
static cy_status run_baseline(cli_training *t) {
  cy_trainer_options o = t->kept.baseline ? t->kept.options : t->recipe.options;
  cli_results *r = &t->results;
  cy_model *model;
  cy_trainer *trainer = NULL;
  if (!t->recipe.baseline) return CY_OK;
  CY_TRY(cy_model_parse(t->recipe.baseline, "baseline", &model));
  o.threads = t->recipe.options.threads;
  o.backend = t->recipe.options.backend;
  o.on_log = NULL;
  o.on_progress = on_baseline;
  o.user = t;
  o.schedule.in_epochs = true;
  if (t->recipe.baseline_rate > 0) o.learning_rate = t->recipe.baseline_rate;
  if (t->recipe.baseline_epochs > 0) o.epochs = t->recipe.baseline_epochs;
  cy_status status = cy_trainer_create(model, t->dataset, o, &trainer);
  if (status == CY_OK) status = cy_trainer_run(trainer);
  cli_progress_clear(&t->progress);
  cy_part part = r->test.samples ? CY_PART_TEST : r->validation.samples ? CY_PART_VALIDATION : CY_PART_TRAIN;
  if (status == CY_OK) status = cy_trainer_evaluate(trainer, part, &r->baseline);
  cy_trainer_free(trainer);
  cy_model_free(model);
  return status == CY_OK ? CY_OK : cy_fail_in(status, "baseline");
}

static void print_results(const cli_training *t) {
  const cli_terminal *terminal = &t->progress.terminal;
  const cli_results *r = &t->results;
  char a[CLI_NUMBER_SIZE], b[CLI_NUMBER_SIZE], c[CLI_NUMBER_SIZE], d[CLI_NUMBER_SIZE];
  int64_t epochs = cy_trainer_epoch(t->trainer);
  double seen = (double)epochs * (double)cy_trainer_split(t->trainer)->n_train;
  printf("\n");
  cli_print_parts_head(terminal, cy_dataset_classes(t->dataset) > 0);
  cli_print_part(terminal, "training", &r->train, false);
  cli_print_part(terminal, "validation", &r->validation, false);
  cli_print_part(terminal, "test", &r->test, true);
  cli_print_part(terminal, "baseline", &r->baseline, false);
  if (t->n_sizes > 1) {
    printf("\ntest part, all images in one size\n");
    cli_print_parts_head(terminal, cy_dataset_classes(t->dataset) > 0);
  }
  for (int i = 0; t->n_sizes > 1 && i < t->n_sizes; i++)
    cli_print_part(terminal, cli_size_text(t->sizes[i], a), &t->by_size[i], true);
  bool nats = strcmp(cy_trainer_options_of(t->trainer).loss, "cross_entropy") == 0;
  if (nats && cy_dataset_vocabulary(t->dataset))
    cli_print_text_loss(r->test.samples ? "test" : r->validation.samples ? "validation" : "training",
                        r->test.samples ? &r->test : r->validation.samples ? &r->validation : &r->train);
  printf("\n%lld epoch%s in %s (%s samples/s), %s parameters, %s of memory (state and one step)\n", (long long)epochs,
         epochs == 1 ? "" : "s", cli_seconds_text(r->seconds, a),
         cli_rate_text(r->seconds > 0 ? seen / r->seconds : 0, b),
         cli_count_text(cy_trainer_parameter_count(t->trainer), c),
         cli_bytes_text((double)(cy_trainer_state_bytes(t->trainer) + cy_trainer_arena_bytes(t->trainer)), d));
}

/* What was used, every usual value written out. The schedule stays in epochs, as it was given. */
cy_status cli_training_save_recipe(cli_training *t) {
  cli_recipe resolved = t->recipe; /* borrows the strings */
  char *text;
  resolved.options = cy_trainer_options_of(t->trainer);
  resolved.options.schedule = t->recipe.options.schedule;
  resolved.options.threads = t->recipe.options.threads;
  resolved.options.backend = t->recipe.options.backend;
  CY_TRY(cli_recipe_text(&resolved, &text));
  cy_status status = cli_save_text(t->folder, "recipe.yaml", text);
  cy_string_free(text);
  return status;
}

static cy_status finish(cli_training *t) {
  bool drawn;
  CY_TRY(cli_save_checkpoint(t->trainer, t->folder));
  CY_TRY(cli_save_model(t->trainer, t->folder));
  CY_TRY(evaluate(t));
  CY_TRY(run_baseline(t));
  CY_TRY(cli_save_metrics(t->trainer, &t->results, t->folder));
  CY_TRY(cli_save_charts(t->trainer, t->dataset, &t->results, t->folder, &drawn));
  if (t->progress.quiet) {
    printf("%s\n", t->folder);
    return CY_OK;
  }
  print_results(t);
  if (!drawn) printf("No charts: this build lacks cairo.\n");
  printf("Model, metrics%s are in %s\n", drawn ? " and charts" : "", t->folder);
  return CY_OK;
}

/* After Ctrl-C, or a loss that is no number: the state before the failing step is kept. The sentence that ends the
 * command says how to go on. */
static cy_status save_and_explain(cli_training *t, cy_status reason) {
  char sentence[512];
  snprintf(sentence, sizeof sentence, "%s", cy_error_message());
  CY_TRY(cli_save_checkpoint(t->trainer, t->folder));
  CY_TRY(cli_save_metrics(t->trainer, NULL, t->folder));
  if (reason == CY_CANCELLED)
    return cy_fail(reason, "%s; go on with: cauchy train --resume %s", sentence, t->folder);
  return cy_fail(reason, "%s; the state before that step is in %s/" CLI_CHECKPOINT_NAME, sentence, t->folder);
}

cy_status cli_training_run(cli_training *t) {
  if (!t->progress.quiet) print_head(t);
  cli_catch_signals();
  cy_status status = cy_trainer_run(t->trainer);
  cli_progress_clear(&t->progress);
  if (status == CY_CANCELLED || status == CY_NOT_FINITE) return save_and_explain(t, status);
  CY_TRY(status);
  return finish(t);
}

void cli_training_connect(cli_training *t) {
  t->recipe.options.on_progress = on_progress;
  t->recipe.options.on_log = on_log;
  t->recipe.options.user = t;
  t->recipe.options.schedule.in_epochs = true;
}
