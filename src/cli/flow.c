/* `cauchy flow`: how gradients travel through time in recurrent networks, one or several side by side. */
#include "cli/flow.h"

#include "cli/model_file.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The three cases of coursework C.III: below, at and above 1. */
static const char *const DEMO_MODEL = "rnn(32)", *const DEMO_RADII = "0.9,1,1.1";
enum { DEMO_STEPS = 100 };

static cy_status read_real(const cli_arguments *a, const char *name, double least, double *number) {
  const char *text = cli_option_value(a, name);
  char *end;
  if (!text) return CY_OK;
  *number = strtod(text, &end);
  if (end == text || *end || !isfinite(*number) || *number < least)
    return cy_fail(CY_INVALID, "%s takes a number from %g, not \"%.40s\"", name, least, text);
  return CY_OK;
}

static cy_status read_radii(cli_flow *f, const char *text) {
  for (const char *at = text; at;) {
    char *end;
    double radius = strtod(at, &end);
    if (end == at || (*end && *end != ',') || !isfinite(radius) || radius <= 0)
      return cy_fail(CY_INVALID, "--radius takes numbers above 0, such as 0.9,1,1.1, not \"%.60s\"", text);
    if (f->n_radii == CLI_FLOW_RADII) return cy_fail(CY_INVALID, "--radius takes at most %d numbers", CLI_FLOW_RADII);
    f->radii[f->n_radii++] = radius;
    at = *end ? end + 1 : NULL;
  }
  return CY_OK;
}

static cy_status read_options(cli_flow *f) {
  const cli_arguments *a = f->arguments;
  const char *radii = cli_option_value(a, "--radius");
  bool demo = cli_option_value(a, "--demo") != NULL;
  CY_TRY(cli_option_number(a, "--steps", 1, 1000000, &f->steps));
  CY_TRY(cli_option_number(a, "--samples", 1, INT_MAX, &f->samples));
  CY_TRY(cli_option_number(a, "--seed", 0, INT_MAX, &f->seed));
  CY_TRY(cli_option_number(a, "--threads", 1, 4096, &f->threads));
  CY_TRY(read_real(a, "--clip", 0, &f->clip));
  CY_TRY(read_real(a, "--amplitude", 0, &f->amplitude));
  if (cli_option_value(a, "--amplitude") && f->amplitude == 0) f->amplitude = -1;
  if (demo && !radii) radii = DEMO_RADII;
  if (demo && f->steps == 0) f->steps = DEMO_STEPS;
  if (radii) CY_TRY(read_radii(f, radii));
  f->folder = cli_option_value(a, "--out");
  if (demo && a->n_words > 0) return cy_fail(CY_INVALID, "--demo is about %s: it takes no other network", DEMO_MODEL);
  if (!demo && a->n_words == 0) return cy_fail(CY_INVALID, "flow needs a network, such as 'rnn(32)', or --demo");
  if (f->folder && !cli_is_folder(f->folder) && mkdir(f->folder, 0777) != 0)
    return cy_fail(CY_IO, "%s: %s", f->folder, strerror(errno));
  return CY_OK;
}

static cy_status measure_all(cli_flow *f) {
  const cli_arguments *a = f->arguments;
  if (a->n_words == 0) return cli_flow_measure(f, DEMO_MODEL);
  for (int i = 0; i < a->n_words; i++) CY_TRY(cli_flow_measure(f, a->words[i]));
  return CY_OK;
}

cy_status cli_flow_verb(cli_arguments *arguments) {
  cli_flow f = {.arguments = arguments};
  cy_status status = read_options(&f);
  if (status == CY_OK) status = measure_all(&f);
  if (status == CY_OK) status = cli_option_value(arguments, "--json") ? cli_flow_print_json(&f) : cli_flow_print(&f);
  if (status == CY_OK && f.folder) status = cli_flow_draw(&f);
  for (int i = 0; i < f.n; i++) cy_flow_free(f.cases[i].flow);
  return status;
}
