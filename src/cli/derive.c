/* `cauchy derive`: the derivation of all gradients of a formula or a network, as text, LaTeX, NumPy or MathML. */
#include "cli/derive.h"

#include <stdio.h>
#include <string.h>

typedef struct work {
  const cli_arguments *a;
  cy_formula *formula;
  cy_graph *graph; /* of networks */
  cy_derivation *derivation;
  char *names;     /* of networks: what W1 is */
} work;

static bool wants(const cli_arguments *a, const char *option) { return cli_option_value(a, option) != NULL; }

/* ---- what is asked for ---- */

/* "n:x,y" into the dimension and the symbols. */
static cy_status read_batch(const cli_arguments *a, char dimension[64], cy_derive_options *o) {
  const char *text = cli_option_value(a, "--batch");
  if (!text) return CY_OK;
  size_t n = strcspn(text, ":");
  if (n == 0 || n >= 60 || !text[n])
    return cy_fail(CY_INVALID,
                   "--batch of a formula is the examples' dimension and the symbols that differ between them, as in "
                   "n:x,y, not \"%.40s\"",
                   text);
  memcpy(dimension, text, n);
  dimension[n] = 0;
  o->batch = dimension;
  o->batched = text + n + 1;
  return CY_OK;
}

static cy_status check_combinations(const cli_arguments *a, bool network) {
  static const char *const printed[] = {"--latex", "--numpy"};
  if (wants(a, printed[0]) && wants(a, printed[1])) return cy_fail(CY_INVALID, "--latex or --numpy, not both");
  if (wants(a, "--jvp") && wants(a, "--hvp")) return cy_fail(CY_INVALID, "--jvp or --hvp, not both: --hvp shows both");
  if (network && wants(a, "--where"))
    return cy_fail(CY_INVALID, "--where declares the symbols of a formula; a network's input is --input");
  return CY_OK;
}

static void set_directions(const cli_arguments *a, cy_derive_options *o) {
  o->tangents = cli_option_value(a, wants(a, "--hvp") ? "--hvp" : "--jvp");
  o->hessian = wants(a, "--hvp");
}

/* Networks are told by their input or loss, or by arrows. */
static bool is_network(const cli_arguments *a) {
  return wants(a, "--input") || wants(a, "--loss") || strstr(a->words[0], "->");
}

static cy_status open_derivation(work *w, bool network) {
  const cli_arguments *a = w->a;
  char dimension[64];
  cy_derive_options o = {.only_names = wants(a, "--names"), .sums_to_one = cli_option_value(a, "--sum-to-one")};
  set_directions(a, &o);
  if (network) return cli_derive_network(a, o, &w->graph, &w->derivation, &w->names);
  CY_TRY(read_batch(a, dimension, &o));
  CY_TRY(cy_formula_parse(a->words[0], "formula", cli_option_value(a, "--where"), &w->formula));
  return cy_derive(w->formula, o, &w->derivation);
}

/* ---- output ---- */

typedef cy_status writer(const char *text, const char *path);
static cy_status write_text(const char *text, const char *path) { return cli_derive_save(text, strlen(text), path); }
static cy_status write_pdf(const char *text, const char *path) { return cli_derive_typeset(text, path, false); }
static cy_status write_png(const char *text, const char *path) { return cli_derive_typeset(text, path, true); }

/* The options that name files. */
static const struct {
  const char *option;
  cy_derive_format format;
  writer *write;
} files[] = {
    {"--html", CY_DERIVE_HTML, write_text},
    {"--pdf", CY_DERIVE_LATEX_DOCUMENT, write_pdf},
    {"--png", CY_DERIVE_LATEX_DOCUMENT, write_png},
};
enum { FILES = sizeof files / sizeof *files };

static cy_status write_files(const work *w, bool elements, bool *any) {
  for (int i = 0; i < FILES; i++) {
    const char *path = cli_option_value(w->a, files[i].option);
    char *text;
    if (!path) continue;
    *any = true;
    CY_TRY(cy_derivation_write(w->derivation, files[i].format, elements, &text));
    cy_status status = files[i].write(text, path);
    cy_string_free(text);
    CY_TRY(status);
    printf("written to %s\n", path);
  }
  return CY_OK;
}

static cy_status print_derivation(const work *w, bool elements) {
  char *text;
  bool plain = !wants(w->a, "--latex") && !wants(w->a, "--numpy");
  cy_derive_format format = wants(w->a, "--numpy") ? CY_DERIVE_NUMPY : plain ? CY_DERIVE_TEXT : CY_DERIVE_LATEX;
  CY_TRY(cy_derivation_write(w->derivation, format, elements, &text));
  printf("%s", text);
  if (plain && w->names && w->names[0]) printf("%s.\n", w->names);
  cy_string_free(text);
  return CY_OK;
}

static cy_status show(work *w) {
  bool elements = wants(w->a, "--elementwise"), any = false, network = is_network(w->a);
  CY_TRY(check_combinations(w->a, network));
  CY_TRY(open_derivation(w, network));
  CY_TRY(write_files(w, elements, &any));
  if (any && !wants(w->a, "--latex") && !wants(w->a, "--numpy")) return CY_OK;
  return print_derivation(w, elements);
}

cy_status cli_derive(cli_arguments *a) {
  work w = {.a = a};
  cy_status status = show(&w);
  cy_derivation_free(w.derivation);
  cy_graph_free(w.graph);
  cy_formula_free(w.formula);
  cy_string_free(w.names);
  return status;
}
