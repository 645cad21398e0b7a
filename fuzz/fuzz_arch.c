/* libFuzzer target: any bytes as a text of the architecture language. What parses must print, read back the same, and
 * build, or fail to build, into a network. From a build folder of meson with clang and -Db_sanitize=address,undefined:
 *   clang -g -fsanitize=fuzzer,address,undefined -Iinclude fuzz/fuzz_arch.c <build>/libcauchy.a <libraries> -o fuzz_arch
 *   ./fuzz_arch -max_len=4096 -dict=fuzz/arch.dict */
#include <cauchy/nn.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void build(const cy_model *model, cy_shape shape) {
  cy_graph *graph;
  cy_network *network;
  if (cy_graph_create(&graph) != CY_OK) abort();
  if (cy_network_create(graph, (cy_network_options){.training = true}, &network) != CY_OK) abort();
  cy_value x = cy_input(graph, "x", CY_F32, shape);
  cy_value y = cy_model_apply(model, network, x);
  if (cy_is_value(y) != (cy_graph_status(graph) == CY_OK)) abort();
  cy_network_free(network);
  cy_graph_free(graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1), *once, *twice;
  cy_model *model, *again;
  if (!text) return 0;
  memcpy(text, data, size);
  text[size] = 0;
  if (cy_model_parse(text, "fuzz", &model) == CY_OK) {
    if (cy_model_text(model, &once) != CY_OK) abort();
    if (cy_model_parse(once, "again", &again) != CY_OK || cy_model_text(again, &twice) != CY_OK) abort();
    if (strcmp(once, twice) != 0) abort();
    cy_string_free(twice);
    cy_model_free(again);
    if (strlen(once) < 2000) {
      build(model, CY_SHAPE(2, 6));
      build(model, CY_SHAPE(2, 4, 8, 9));
    }
    cy_string_free(once);
    cy_model_free(model);
  }
  free(text);
  return 0;
}
