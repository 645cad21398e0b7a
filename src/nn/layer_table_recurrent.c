/* The recurrent layers of the architecture language: their arguments, and functions that hand them to the layers. */
#include "nn/sequence_layers.h"

#include "graph/graph.h"

#define UNITS_ARGUMENT                                                                                                 \
  { .name = "units", .type = CY_ARGUMENT_INTEGER, .min = 1, .max = 1e9, .about = "numbers of the state" }
#define RECURRENT_ARGUMENTS                                                                                            \
  {.name = "layers",                                                                                                   \
   .type = CY_ARGUMENT_INTEGER,                                                                                        \
   .fallback = "1",                                                                                                    \
   .min = 1,                                                                                                           \
   .max = 64,                                                                                                          \
   .about = "one upon the other"},                                                                                     \
      {.name = "last",                                                                                                 \
       .type = CY_ARGUMENT_BOOL,                                                                                       \
       .fallback = "false",                                                                                            \
       .about = "only the state at the end: units numbers"},                                                           \
      {.name = "bidirectional",                                                                                        \
       .type = CY_ARGUMENT_BOOL,                                                                                       \
       .fallback = "false",                                                                                            \
       .about = "also from the end: 2 * units channels"},                                                              \
      {.name = "reverse", .type = CY_ARGUMENT_BOOL, .fallback = "false", .about = "from the end"},                     \
      {.name = "dropout",                                                                                              \
       .type = CY_ARGUMENT_REAL,                                                                                       \
       .fallback = "0",                                                                                                \
       .min = 0,                                                                                                       \
       .max = 1,                                                                                                       \
       .below_max = true,                                                                                              \
       .about = "between the layers, in training"},                                                                    \
      {.name = "recompute",                                                                                            \
       .type = CY_ARGUMENT_INTEGER,                                                                                    \
       .fallback = "0",                                                                                                \
       .min = 0,                                                                                                       \
       .max = 1e9,                                                                                                     \
       .about = "every so many steps the state is kept, gradients compute the others again: less memory"},             \
      {.name = "init", .type = CY_ARGUMENT_INITIALIZER, .fallback = "glorot_uniform", .about = "of the input weight"}, \
      {.name = "recurrent_init",                                                                                       \
       .type = CY_ARGUMENT_INITIALIZER,                                                                                \
       .fallback = "orthogonal",                                                                                       \
       .about = "of the recurrent weight"},                                                                            \
  {                                                                                                                    \
    .name = "bias_init", .type = CY_ARGUMENT_INITIALIZER, .fallback = "zeros", .about = "of the bias"                  \
  }
enum { LAYERS, LAST, BIDIRECTIONAL, REVERSE, DROPOUT, RECOMPUTE, INIT, RECURRENT_INIT, BIAS_INIT, OWN };

static const char *const rnn_activations[] = {"tanh", "sigmoid", "relu", NULL}; /* in the order of cy_rnn_activation */
const cy_argument_row cy_rnn_arguments[] = {
    UNITS_ARGUMENT,
    {.name = "activation", .type = CY_ARGUMENT_CHOICE, .fallback = "tanh", .choices = rnn_activations, .about = "f"},
    RECURRENT_ARGUMENTS,
    {.name = NULL}};
const cy_argument_row cy_lstm_arguments[] = {UNITS_ARGUMENT,
                                             RECURRENT_ARGUMENTS,
                                             {.name = "forget_bias",
                                              .type = CY_ARGUMENT_REAL,
                                              .fallback = "1",
                                              .about = "what the forget gates' bias begins with"},
                                             {.name = NULL}};
const cy_argument_row cy_gru_arguments[] = {UNITS_ARGUMENT, RECURRENT_ARGUMENTS, {.name = NULL}};

/* a: the arguments that recurrent layers have in common. */
static cy_recurrent_options recurrent_options(const cy_stage *stage, const cy_argument *a) {
  return (cy_recurrent_options){.name = stage->name,
                                .units = stage->arguments[0].integer,
                                .layers = a[LAYERS].integer,
                                .last = a[LAST].truth,
                                .bidirectional = a[BIDIRECTIONAL].truth,
                                .reverse = a[REVERSE].truth,
                                .dropout = a[DROPOUT].real,
                                .recompute = a[RECOMPUTE].integer,
                                .weight = a[INIT].initializer,
                                .recurrent = a[RECURRENT_INIT].initializer,
                                .bias = a[BIAS_INIT].initializer,
                                .lengths = cy_none};
}

cy_value cy_build_rnn(cy_network *network, cy_value x, const cy_stage *stage) {
  cy_recurrent_options o = recurrent_options(stage, stage->arguments + 2);
  o.activation = (cy_rnn_activation)stage->arguments[1].choice;
  return cy_rnn(network, x, o);
}

cy_value cy_build_lstm(cy_network *network, cy_value x, const cy_stage *stage) {
  cy_recurrent_options o = recurrent_options(stage, stage->arguments + 1);
  double bias = stage->arguments[1 + OWN].real;
  o.forget_bias = bias == 0 ? -0.0 : bias;
  return cy_lstm(network, x, o);
}

cy_value cy_build_gru(cy_network *network, cy_value x, const cy_stage *stage) {
  return cy_gru(network, x, recurrent_options(stage, stage->arguments + 1));
}
