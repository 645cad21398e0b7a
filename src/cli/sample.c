/* `cauchy sample`: a model of a text writes on, one character after the other, as it draws them. */
#include "base/random.h"
#include "cli/characters.h"
#include "cli/model_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USUAL_LENGTH = 500, LONGEST = 1 << 30 };

typedef struct sampling {
  cy_trained *trained;
  cy_generator *generator;
  cli_characters known;
  int64_t *prompt; /* [n_prompt] */
  size_t n_prompt;
  double temperature;
  int length, top, seed;
  double *weights; /* of each character */
  char last;       /* byte that was written */
} sampling;

/* ---- drawing ---- */

static int descending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x < y) - (x > y);
}

/* The least score that is among the first so many. */
static double least_of_top(const sampling *s, const double *scores) {
  if (s->top <= 0 || s->top >= s->known.count) return -INFINITY;
  memcpy(s->weights, scores, (size_t)s->known.count * sizeof *scores);
  qsort(s->weights, (size_t)s->known.count, sizeof *s->weights, descending);
  return s->weights[s->top - 1];
}

static int64_t most_probable(const sampling *s, const double *scores) {
  int64_t best = 0;
  for (int64_t k = 1; k < s->known.count; k++)
    if (scores[k] > scores[best]) best = k;
  return best;
}

/* p^(1 / temperature), of the most probable ones only. */
static int64_t draw(const sampling *s, cy_rng *rng) {
  const double *scores = cy_generator_scores(s->generator);
  int64_t best = most_probable(s, scores);
  double least = least_of_top(s, scores), total = 0;
  if (s->temperature == 0) return best;
  for (int64_t k = 0; k < s->known.count; k++) {
    s->weights[k] = scores[k] >= least ? exp((scores[k] - scores[best]) / s->temperature) : 0;
    total += s->weights[k];
  }
  double left = cy_rng_uniform(rng) * total;
  for (int64_t k = 0; k < s->known.count; k++) {
    left -= s->weights[k];
    if (left < 0 && s->weights[k] > 0) return k;
  }
  return best; /* rounding left nothing */
}

static void write_character(sampling *s, int64_t k) {
  fwrite(s->known.starts[k], 1, (size_t)(s->known.starts[k + 1] - s->known.starts[k]), stdout);
  fflush(stdout);
  s->last = s->known.starts[k + 1][-1];
}

/* Without a prompt: what follows the end of a line, where the text has lines. */
static cy_status begin(sampling *s) {
  int64_t newline = cli_character_number(&s->known, "\n", 1);
  if (s->n_prompt == 0 && newline >= 0) return cy_generator_feed(s->generator, newline);
  for (size_t i = 0; i < s->n_prompt; i++) {
    CY_TRY(cy_generator_feed(s->generator, s->prompt[i]));
    write_character(s, s->prompt[i]);
  }
  return CY_OK;
}

static cy_status write_on(sampling *s) {
  cy_rng rng = cy_rng_make((uint64_t)s->seed, 0);
  CY_TRY(begin(s));
  for (int i = 0; i < s->length; i++) {
    int64_t k = draw(s, &rng);
    write_character(s, k);
    if (i + 1 < s->length) CY_TRY(cy_generator_feed(s->generator, k));
  }
  if (s->last != '\n') printf("\n");
  return CY_OK;
}

/* ---- the verb ---- */

static cy_status read_temperature(const cli_arguments *a, double *temperature) {
  const char *text = cli_option_value(a, "--temperature");
  char *end;
  *temperature = 1;
  if (!text) return CY_OK;
  *temperature = strtod(text, &end);
  if (end != text && *end == 0 && *temperature >= 0 && *temperature <= 100) return CY_OK;
  return cy_fail(CY_INVALID, "--temperature is a number from 0 (always the most probable character) to 100, not \"%.40s\"",
                 text);
}

static cy_status run(const cli_arguments *a, sampling *s, const char *path) {
  int threads = 1; /* a step is too small to be shared */
  const char *prompt = cli_option_value(a, "--prompt");
  if (!prompt) prompt = "";
  s->length = USUAL_LENGTH;
  CY_TRY(read_temperature(a, &s->temperature));
  CY_TRY(cli_option_number(a, "--length", 0, LONGEST, &s->length));
  CY_TRY(cli_option_number(a, "--top-k", 1, LONGEST, &s->top));
  CY_TRY(cli_option_number(a, "--seed", 0, LONGEST, &s->seed));
  CY_TRY(cli_option_number(a, "--threads", 1, 4096, &threads));
  CY_TRY(cy_trained_load(path, threads, NULL, &s->trained));
  CY_TRY(cli_characters_of(s->trained, path, &s->known));
  CY_TRY(cli_characters_read(&s->known, "--prompt", prompt, strlen(prompt), &s->prompt, &s->n_prompt));
  s->weights = cy_calloc((size_t)s->known.count, sizeof *s->weights);
  if (!s->weights) return cy_no_memory();
  CY_TRY(cy_generator_create(s->trained, &s->generator));
  return write_on(s);
}

cy_status cli_sample(cli_arguments *a) {
  sampling s = {0};
  char *path;
  CY_TRY(cli_model_path(a->words[0], CLI_MODEL_NAME, CLI_CHECKPOINT_NAME, &path));
  cy_status status = run(a, &s, path);
  cy_generator_free(s.generator);
  cy_trained_free(s.trained);
  cli_characters_clear(&s.known);
  cy_free(s.prompt);
  cy_free(s.weights);
  cy_string_free(path);
  return status;
}
