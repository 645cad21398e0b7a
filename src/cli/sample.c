/* `cauchy sample`: a model of a text writes on, one character after the other, as it draws them. */
#include "base/random.h"
#include "base/utf8.h"
#include "cli/model_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USUAL_LENGTH = 500, LONGEST = 1 << 30 };

typedef struct sampling {
  cy_trained *trained;
  cy_generator *generator;
  int64_t classes;
  const char **characters; /* [classes]: where each begins in the vocabulary, and the end */
  const char *prompt;
  double temperature;
  int length, top, seed;
  double *weights; /* [classes] */
  char last;       /* byte that was written */
} sampling;

/* ---- the vocabulary ---- */

static cy_status read_vocabulary(sampling *s, const char *path) {
  const char *at = cy_trained_metadata(s->trained, "dataset.vocabulary");
  size_t taken;
  if (!at) return cy_fail(CY_INVALID, "%s: was not trained on a text: there is nothing to write", path);
  s->classes = cy_trained_classes(s->trained);
  s->characters = cy_calloc((size_t)s->classes + 1, sizeof *s->characters);
  s->weights = cy_calloc((size_t)s->classes, sizeof *s->weights);
  if (!s->characters || !s->weights) return cy_no_memory();
  for (int64_t k = 0; k < s->classes; k++, at += taken) {
    s->characters[k] = at;
    if (!*at || cy_utf8_decode(at, strlen(at), &taken) < 0)
      return cy_fail(CY_INVALID, "%s: its %lld classes are not the characters it lists", path, (long long)s->classes);
  }
  s->characters[s->classes] = at;
  return CY_OK;
}

/* The number of the character of so many bytes; -1 if the model does not know it. */
static int64_t number_of(const sampling *s, const char *character, size_t bytes) {
  for (int64_t k = 0; k < s->classes; k++)
    if ((size_t)(s->characters[k + 1] - s->characters[k]) == bytes && memcmp(s->characters[k], character, bytes) == 0)
      return k;
  return -1;
}

static cy_status check_prompt(const sampling *s) {
  size_t taken, length = strlen(s->prompt);
  for (size_t at = 0; at < length; at += taken) {
    int32_t c = cy_utf8_decode(s->prompt + at, length - at, &taken);
    if (c < 0) return cy_fail(CY_INVALID, "--prompt is not UTF-8");
    if (number_of(s, s->prompt + at, taken) >= 0) continue;
    if (c < 32) return cy_fail(CY_INVALID, "--prompt holds U+%04X, which the model's text did not have", (unsigned)c);
    return cy_fail(CY_INVALID, "--prompt holds \"%.*s\", which is not among the %lld characters of the model's text",
                   (int)taken, s->prompt + at, (long long)s->classes);
  }
  return CY_OK;
}

/* ---- drawing ---- */

static int descending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x < y) - (x > y);
}

/* The least score that is among the first so many. */
static double least_of_top(const sampling *s, const double *scores) {
  if (s->top <= 0 || s->top >= s->classes) return -INFINITY;
  memcpy(s->weights, scores, (size_t)s->classes * sizeof *scores);
  qsort(s->weights, (size_t)s->classes, sizeof *s->weights, descending);
  return s->weights[s->top - 1];
}

static int64_t most_probable(const sampling *s, const double *scores) {
  int64_t best = 0;
  for (int64_t k = 1; k < s->classes; k++)
    if (scores[k] > scores[best]) best = k;
  return best;
}

/* p^(1 / temperature), of the most probable ones only. */
static int64_t draw(const sampling *s, cy_rng *rng) {
  const double *scores = cy_generator_scores(s->generator);
  int64_t best = most_probable(s, scores);
  double least = least_of_top(s, scores), total = 0;
  if (s->temperature == 0) return best;
  for (int64_t k = 0; k < s->classes; k++) {
    s->weights[k] = scores[k] >= least ? exp((scores[k] - scores[best]) / s->temperature) : 0;
    total += s->weights[k];
  }
  double left = cy_rng_uniform(rng) * total;
  for (int64_t k = 0; k < s->classes; k++) {
    left -= s->weights[k];
    if (left < 0 && s->weights[k] > 0) return k;
  }
  return best; /* rounding left nothing */
}

static void write_character(sampling *s, int64_t k) {
  fwrite(s->characters[k], 1, (size_t)(s->characters[k + 1] - s->characters[k]), stdout);
  fflush(stdout);
  s->last = s->characters[k + 1][-1];
}

/* Without a prompt: what follows the end of a line, where the text has lines. */
static cy_status begin(sampling *s) {
  size_t taken, length = strlen(s->prompt);
  int64_t newline = number_of(s, "\n", 1);
  if (length == 0 && newline >= 0) return cy_generator_feed(s->generator, newline);
  for (size_t at = 0; at < length; at += taken) {
    cy_utf8_decode(s->prompt + at, length - at, &taken);
    int64_t k = number_of(s, s->prompt + at, taken);
    CY_TRY(cy_generator_feed(s->generator, k));
    write_character(s, k);
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
  s->prompt = prompt ? prompt : "";
  s->length = USUAL_LENGTH;
  CY_TRY(read_temperature(a, &s->temperature));
  CY_TRY(cli_option_number(a, "--length", 0, LONGEST, &s->length));
  CY_TRY(cli_option_number(a, "--top-k", 1, LONGEST, &s->top));
  CY_TRY(cli_option_number(a, "--seed", 0, LONGEST, &s->seed));
  CY_TRY(cli_option_number(a, "--threads", 1, 4096, &threads));
  CY_TRY(cy_trained_load(path, threads, NULL, &s->trained));
  CY_TRY(read_vocabulary(s, path));
  CY_TRY(check_prompt(s));
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
  cy_free(s.characters);
  cy_free(s.weights);
  cy_string_free(path);
  return status;
}
