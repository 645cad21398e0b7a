/* The layers of the architecture language on sequences that do not run along them: their arguments, and functions
 * that hand them to the layers. */
#include "nn/sequence_layers.h"

#include "graph/graph.h"

/* ---- embedding ---- */

enum { EMBEDDING_VOCABULARY, EMBEDDING_SIZE, EMBEDDING_INIT };
const cy_argument_row cy_embedding_arguments[] = {
    {.name = "vocabulary",
     .type = CY_ARGUMENT_INTEGER,
     .min = 1,
     .max = 1e9,
     .about = "how many numbers there are, from 0"},
    {.name = "size", .type = CY_ARGUMENT_INTEGER, .min = 1, .max = 1e9, .about = "channels of the result"},
    {.name = "init", .type = CY_ARGUMENT_INITIALIZER, .fallback = "normal(0, 1)", .about = "of the vectors"},
    {.name = NULL}};

cy_value cy_build_embedding(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  return cy_embedding(network, x,
                      (cy_embedding_options){.name = stage->name,
                                             .vocabulary = a[EMBEDDING_VOCABULARY].integer,
                                             .size = a[EMBEDDING_SIZE].integer,
                                             .weight = a[EMBEDDING_INIT].initializer});
}

int64_t cy_model_vocabulary(const cy_model *model) {
  const cy_stage *first = model->chain->first;
  return first && first->row->build == cy_build_embedding ? first->arguments[EMBEDDING_VOCABULARY].integer : 0;
}

/* ---- attention ---- */

enum { ATTENTION_HEADS, ATTENTION_CAUSAL, ATTENTION_SIZE, ATTENTION_DROPOUT, ATTENTION_BIAS, ATTENTION_INIT };
const cy_argument_row cy_attention_arguments[] = {
    {.name = "heads", .type = CY_ARGUMENT_INTEGER, .fallback = "1", .min = 1, .max = 1e6, .about = "looks at a time"},
    {.name = "causal", .type = CY_ARGUMENT_BOOL, .fallback = "false", .about = "no step looks at later ones"},
    {.name = "size",
     .type = CY_ARGUMENT_INTEGER,
     .fallback = "0",
     .min = 0,
     .max = 1e9,
     .about = "of a head's queries, keys, values; 0: channels / heads"},
    {.name = "dropout",
     .type = CY_ARGUMENT_REAL,
     .fallback = "0",
     .min = 0,
     .max = 1,
     .below_max = true,
     .about = "of the weights, in training"},
    {.name = "bias", .type = CY_ARGUMENT_BOOL, .fallback = "true", .about = "trained biases of the projections"},
    {.name = "init", .type = CY_ARGUMENT_INITIALIZER, .fallback = "glorot_uniform", .about = "of the weights"},
    {.name = NULL}};

cy_value cy_build_attention(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  return cy_attention(network, x,
                      (cy_attention_options){.name = stage->name,
                                             .heads = a[ATTENTION_HEADS].integer,
                                             .causal = a[ATTENTION_CAUSAL].truth,
                                             .size = a[ATTENTION_SIZE].integer,
                                             .dropout = a[ATTENTION_DROPOUT].real,
                                             .no_bias = !a[ATTENTION_BIAS].truth,
                                             .weight = a[ATTENTION_INIT].initializer,
                                             .lengths = cy_none});
}

/* ---- positions, last ---- */

static const char *const position_kinds[] = {"sinusoidal", "learned", NULL};
const cy_argument_row cy_positions_arguments[] = {
    {.name = "kind",
     .type = CY_ARGUMENT_CHOICE,
     .fallback = "sinusoidal",
     .choices = position_kinds,
     .about = "sines and cosines of the step, or a trained table"},
    {.name = "length",
     .type = CY_ARGUMENT_INTEGER,
     .fallback = "0",
     .min = 0,
     .max = 1e9,
     .about = "steps of the table; 0: those of the input"},
    {.name = "init", .type = CY_ARGUMENT_INITIALIZER, .fallback = "normal(0, 0.02)", .about = "of the table"},
    {.name = NULL}};

cy_value cy_build_positions(cy_network *network, cy_value x, const cy_stage *stage) {
  const cy_argument *a = stage->arguments;
  return cy_positions(
      network, x,
      (cy_positions_options){
          .name = stage->name, .learned = a[0].choice == 1, .length = a[1].integer, .init = a[2].initializer});
}

const cy_argument_row cy_last_arguments[] = {{.name = NULL}};

cy_value cy_build_last(cy_network *network, cy_value x, const cy_stage *stage) {
  return cy_last_step(network, x, (cy_last_options){.name = stage->name, .lengths = cy_none});
}
