/* Going on with a text: a program of one step that carries its state, where that gives what the whole window gives, else the
 * window again and again. */
#include "train/train.h"

#include "base/error.h"
#include "base/memory.h"
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

enum { PROBE = 8 }; /* steps that are compared */

struct cy_generator {
  const cy_problem *problem;
  cy_runner *step;   /* [1, 1], carries; NULL: it can't */
  cy_runner *window; /* [1, length] */
  int64_t length, classes;
  int64_t seen;      /* characters in the window */
  double *scores;    /* [classes] */
};

/* Probabilities or scores at a step, as logarithms. */
static void take_scores(const cy_generator *g, const cy_runner *runner, int64_t at, double *scores) {
  const cy_tensor *answer = cy_session_output(runner->session, CY_OUT_ANSWER);
  int64_t steps = cy_tensor_shape(answer).dim[2];
  for (int64_t k = 0; k < g->classes; k++) {
    double value = cy_tensor_at(answer, k * steps + at);
    scores[k] = g->problem->loss->answer ? log(value) : value;
  }
}

static cy_status make_runner(const cy_trained *trained, bool carry, int64_t length, cy_runner **runner) {
  cy_problem problem = *cy_trained_problem(trained);
  problem.sample = problem.target = CY_SHAPE(length);
  problem.carry = carry;
  return cy_runner_create(&problem, CY_RUN_PREDICT, 1, cy_trained_values(trained), NULL, runner);
}

/* Whether single steps that carry give what a window gives; the window is at least as long as what is compared. */
static cy_status agree(const cy_generator *g, const cy_runner *window, int64_t length, bool *same) {
  double *one = cy_calloc(2 * (size_t)g->classes, sizeof *one), *all = one + g->classes;
  int64_t steps = length < PROBE ? length : PROBE;
  if (!one) return cy_no_memory();
  for (int64_t i = 0; i < length; i++) cy_tensor_f32(window->x)[i] = (float)((7 * i + 3) % g->classes);
  cy_status status = cy_session_run(window->session);
  *same = status == CY_OK;
  for (int64_t i = 0; status == CY_OK && *same && i < steps; i++) {
    cy_tensor_f32(g->step->x)[0] = cy_tensor_f32(window->x)[i];
    status = cy_session_run(g->step->session);
    if (status != CY_OK) break;
    take_scores(g, g->step, 0, one);
    take_scores(g, window, i, all);
    for (int64_t k = 0; k < g->classes; k++) *same &= fabs(one[k] - all[k]) <= 1e-3 * (1 + fabs(all[k])) || one[k] == all[k];
  }
  cy_free(one);
  return status;
}

/* Whether the scores of a window's first half depend on its second. */
static cy_status looks_ahead(const cy_problem *problem, const cy_runner *window, bool *ahead) {
  int64_t length = problem->sample.dim[0], half = length / 2, classes = problem->classes;
  const cy_generator g = {.problem = problem, .classes = classes};
  double *scores = cy_calloc((size_t)(half * classes) + (size_t)classes, sizeof *scores), *again = scores + half * classes;
  *ahead = false;
  if (!scores) return cy_no_memory();
  for (int64_t i = 0; i < length; i++) cy_tensor_f32(window->x)[i] = (float)((7 * i + 3) % classes);
  cy_status status = cy_session_run(window->session);
  for (int64_t i = 0; status == CY_OK && i < half; i++) take_scores(&g, window, i, scores + i * classes);
  for (int64_t i = half; i < length; i++) cy_tensor_f32(window->x)[i] = (float)((5 * i + 4) % classes);
  if (status == CY_OK) status = cy_session_run(window->session);
  for (int64_t i = 0; status == CY_OK && i < half; i++) {
    take_scores(&g, window, i, again);
    for (int64_t k = 0; k < classes; k++)
      *ahead |= fabs(again[k] - scores[i * classes + k]) > 1e-4 * (1 + fabs(again[k]));
  }
  cy_free(scores);
  return status;
}

cy_status cy_trainer_looks_ahead(const cy_trainer *trainer, bool *ahead) {
  cy_problem problem = trainer->problem;
  cy_runner *window;
  *ahead = false;
  if (!cy_dataset_vocabulary(trainer->dataset) || problem.classes < 2 || problem.sample.rank != 1 || problem.target.rank != 1)
    return CY_OK;
  problem.carry = false;
  CY_TRY(cy_runner_create(&problem, CY_RUN_PREDICT, 1, trainer->state, NULL, &window));
  cy_status status = looks_ahead(&problem, window, ahead);
  cy_runner_free(window);
  return status;
}

/* A model that takes no single step, or gives something else then, goes by windows. */
static cy_status choose(cy_generator *g, const cy_trained *trained) {
  bool same = false;
  CY_TRY(make_runner(trained, false, g->length, &g->window));
  cy_status status = make_runner(trained, true, 1, &g->step);
  if (status == CY_INVALID) return CY_OK;
  if (status == CY_OK && g->length > 1) status = agree(g, g->window, g->length, &same);
  CY_TRY(status);
  if (same) {
    cy_runner_restart(g->step);
    return CY_OK;
  }
  cy_runner_free(g->step);
  g->step = NULL;
  return CY_OK;
}

static cy_status create(cy_generator *g, const cy_trained *trained) {
  g->problem = cy_trained_problem(trained);
  if (g->problem->classes < 1 || g->problem->target.rank != 1 || g->problem->sample.rank != 1)
    return cy_fail(CY_INVALID, "the model was not trained on a text");
  g->length = g->problem->sample.dim[0];
  g->classes = g->problem->classes;
  g->scores = cy_calloc((size_t)g->classes, sizeof *g->scores);
  if (!g->scores) return cy_no_memory();
  CY_TRY(choose(g, trained));
  if (g->step) return CY_OK;
  bool ahead;
  CY_TRY(looks_ahead(g->problem, g->window, &ahead));
  if (ahead)
    return cy_fail(CY_INVALID, "the model cannot write on: at each step it sees the characters after it, by a recurrent layer "
                   "that is bidirectional or reverse, a convolution without pad=causal, or attention without causal");
  memset(cy_tensor_data(g->window->x), 0, cy_tensor_bytes(g->window->x));
  return CY_OK;
}

cy_status cy_generator_create(cy_trained *trained, cy_generator **generator) {
  cy_generator *g = *generator = cy_calloc(1, sizeof *g);
  if (!g) return cy_no_memory();
  cy_status status = create(g, trained);
  if (status == CY_OK) return CY_OK;
  cy_generator_free(g);
  *generator = NULL;
  return status;
}

void cy_generator_free(cy_generator *g) {
  if (!g) return;
  cy_runner_free(g->step);
  cy_runner_free(g->window);
  cy_free(g->scores);
  cy_free(g);
}

bool cy_generator_steps(const cy_generator *g) { return g->step != NULL; }
const double *cy_generator_scores(const cy_generator *g) { return g->scores; }

cy_status cy_generator_feed(cy_generator *g, int64_t character) {
  if (character < 0 || character >= g->classes)
    return cy_fail(CY_INVALID, "character number %lld; the model knows 0 to %lld", (long long)character,
                   (long long)g->classes - 1);
  float *x = cy_tensor_f32(g->step ? g->step->x : g->window->x);
  const cy_runner *runner = g->step ? g->step : g->window;
  if (g->step) {
    x[0] = (float)character;
  } else {
    if (g->seen == g->length) memmove(x, x + 1, (size_t)(g->length - 1) * sizeof *x);
    else g->seen++;
    x[g->seen - 1] = (float)character;
  }
  CY_TRY(cy_session_run(runner->session));
  take_scores(g, runner, g->step ? 0 : g->seen - 1, g->scores);
  return CY_OK;
}
