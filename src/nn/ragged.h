/* Sequences of different lengths in one batch, of models in the architecture language: how each layer minds the
 * ends. */
#ifndef CY_NN_RAGGED_H
#define CY_NN_RAGGED_H

#include "nn/model.h"

/* The lengths that belong to the value that layers are applied to; empty: it has none, or its steps are all whole. */
typedef struct cy_ends {
  cy_value lengths;
  int64_t steps;
} cy_ends;
cy_ends cy_network_ends(const cy_network *network);
void cy_network_set_ends(cy_network *network, cy_ends ends);

/* Whether x [.., T] has ends. */
bool cy_is_ragged(const cy_network *network, cy_value x);
/* As the row's build function, for an x with ends: the result is that of each sequence alone, and the network's ends
 * are those of the result. A layer that can't is the graph's error, which says what to use instead. */
cy_value cy_ragged_apply(cy_network *network, cy_value x, const cy_stage *stage);
/* Results that are joined must end alike: false, with the graph's error set, if the network's ends are others. */
bool cy_ragged_agree(cy_network *network, cy_ends ends);
/* Whether the layer of this name has a rule; for tests. */
bool cy_ragged_knows(const char *layer);

#endif
