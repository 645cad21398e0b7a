/* libFuzzer target: any bytes as a formula; what follows a byte 0 or ` are its dimensions. What parses must build. From
 * a build folder of meson with clang and -Db_sanitize=address,undefined; the sources of the language are named again, so
 * that the fuzzer sees their branches:
 *   clang -g -D_GNU_SOURCE -fwrapv -fopenmp -fsanitize=fuzzer,address,undefined -Iinclude -Isrc \
 *     fuzz/fuzz_formula.c src/formula/[a-z]*.c src/nn/source.c <build>/libcauchy.a <libraries> -o fuzz_formula
 *   ./fuzz_formula -max_len=1024 -dict=fuzz/formula.dict */
#include <cauchy/formula.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  cy_formula *formula;
  cy_graph *graph;
  if (!text) return 0;
  memcpy(text, data, size);
  text[size] = 0;
  char *dimensions = strchr(text, '`');
  if (dimensions) *dimensions++ = 0;
  else if (strlen(text) < size) dimensions = text + strlen(text) + 1;
  if (cy_formula_parse(text, "fuzz", dimensions, &formula) == CY_OK) {
    if (cy_graph_create(&graph) != CY_OK) abort();
    cy_status status = cy_formula_build(formula, graph, NULL, NULL);
    /* What parses builds, unless extents are astronomic. */
    if (status != CY_OK && status != CY_NO_MEMORY && !strchr(dimensions ? dimensions : "", '0')) abort();
    cy_graph_free(graph);
    cy_formula_free(formula);
  }
  free(text);
  return 0;
}
