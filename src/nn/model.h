/* A parsed architecture: chains of layers, each with a row of the layer table and its arguments. */
#ifndef CY_NN_MODEL_H
#define CY_NN_MODEL_H

#include "base/memory.h"
#include "base/text.h"
#include "nn/network.h"

typedef struct cy_stage cy_stage;
typedef struct cy_chain cy_chain;

/* ---- the layer table ---- */

typedef enum cy_argument_type {
  CY_ARGUMENT_INTEGER,
  CY_ARGUMENT_REAL,
  CY_ARGUMENT_BOOL,        /* true, false */
  CY_ARGUMENT_CHOICE,      /* one of choices */
  CY_ARGUMENT_INITIALIZER, /* he_normal, constant(0.25), ... */
  CY_ARGUMENT_EXTENTS,     /* 7 or (4, 7, 7); as the first argument also 4, 7, 7 */
  CY_ARGUMENT_SPACE,       /* 3, or per spatial axis (3, 5) */
  CY_ARGUMENT_PADDING,     /* valid, same, half, 1, low:high as 1:2, or per spatial axis (1, 0:2) */
  CY_ARGUMENT_CHAIN,       /* dense(64) -> relu */
  CY_ARGUMENT_CHAINS,      /* a | b | c */
} cy_argument_type;

/* One argument a layer takes. The first may be written without its name, and so may the others in order. */
typedef struct cy_argument_row {
  const char *name;
  cy_argument_type type;
  const char *fallback; /* the default as it would be written; NULL: required; "": none */
  double min, max;      /* of integers, reals, extents and padding; both 0: any */
  bool above_min, below_max; /* min, max themselves are excluded */
  const char *const *choices; /* ended by NULL */
  const char *about;
} cy_argument_row;

typedef enum cy_layer_scope {
  CY_LAYER_PLAIN,  /* apply opens the layer around build */
  CY_LAYER_SELF,   /* build calls a layer function, which opens it */
  CY_LAYER_GROUP,  /* opened, but not part of the names of the variables inside */
} cy_layer_scope;

typedef struct cy_layer_row {
  const char *name;
  const char *about;
  cy_layer_scope scope;
  cy_value (*build)(cy_network *network, cy_value x, const cy_stage *stage);
  const cy_argument_row *arguments; /* ended by a row without name; NULL: none */
} cy_layer_row;

extern const cy_layer_row cy_layer_rows[];
extern const int cy_layer_row_count;
const cy_layer_row *cy_layer_find(const char *name, size_t length); /* NULL if unknown */
int cy_layer_argument_count(const cy_layer_row *row);

/* Initialisers by name: how many numbers they take. */
typedef struct cy_initializer_row {
  const char *name;
  cy_initializer_kind kind;
  int min_numbers, max_numbers;
  double a;
} cy_initializer_row;
extern const cy_initializer_row cy_initializer_rows[];
extern const int cy_initializer_row_count;

/* Padding by name. */
typedef struct cy_padding_row {
  const char *name;
  cy_padding_kind kind;
} cy_padding_row;
extern const cy_padding_row cy_padding_rows[];
extern const int cy_padding_row_count;

/* ---- what was parsed ---- */

typedef struct cy_argument {
  bool given;
  int64_t integer;
  double real;
  bool truth;
  int choice;
  cy_initializer initializer;
  const cy_initializer_row *initializer_row;
  cy_shape extents;
  cy_padding padding;
  cy_chain *chains; /* linked */
  int n_chains;
} cy_argument;

struct cy_stage {
  const cy_layer_row *row;
  const char *name;
  bool named; /* by the text, not by number */
  cy_argument *arguments; /* one per row->arguments */
  cy_stage *next;
};

struct cy_chain {
  cy_stage *first, *last;
  cy_chain *next; /* the chain behind the next '|' */
};

struct cy_model {
  cy_arena *arena; /* everything below */
  cy_chain *chain;
};

/* After a window did not fit into x: the error also says how large the model's input must be. */
void cy_model_explain_too_small(const cy_model *model, const cy_network *network, cy_value x);
cy_value cy_chain_apply(const cy_chain *chain, cy_network *network, cy_value x);
/* The argument as written; what the row's fallback looks like. */
void cy_argument_text(const cy_argument_row *row, const cy_argument *argument, cy_text *text);

#endif
