/* The inside of a network being built, for the layers of this folder. */
#ifndef CY_NN_NETWORK_H
#define CY_NN_NETWORK_H

#include "base/error.h"

#include <cauchy/nn.h>

/* As cy_network_open, but the name takes no part in the names of the variables inside: residual and parallel. */
void cy_network_open_group(cy_network *network, const char *kind, const char *name, cy_value input);

/* False, with the graph's error set, unless x is a value of the network's dtype with at least min_rank axes. */
bool cy_network_takes(cy_network *network, cy_value x, int min_rank);
/* " (from maxpool "pool2")" if x is the output of a layer, else "". Returns buffer. */
enum { CY_ORIGIN_TEXT = 192 };
const char *cy_network_origin(const cy_network *network, cy_value x, char buffer[CY_ORIGIN_TEXT]);

/* What a layer receives, for messages: "64x3x3 (from maxpool "pool2")". Returns buffer. */
enum { CY_RECEIVED_TEXT = 192 + CY_ORIGIN_TEXT };
const char *cy_network_received(const cy_network *network, cy_value x, char buffer[CY_RECEIVED_TEXT]);
/* x, or what a flatten layer made it from: messages show 64x3x3 and the layer before. */
cy_value cy_network_unflattened(const cy_network *network, cy_value x);
/* Adds l1 sum |w| + l2/2 sum w^2; the graph's error if one is negative. */
void cy_network_penalize(cy_network *network, cy_value weight, double l1, double l2);
/* Notes that the input's extents are what the layer can't take, before it fails. */
void cy_network_too_small(cy_network *network);
bool cy_network_was_too_small(const cy_network *network);

/* What cy_network_set_lengths was given, empty if nothing; steps: those of its sequences. */
cy_value cy_network_lengths(const cy_network *network, int64_t *steps);
bool cy_network_carries(const cy_network *network); /* options.carry */
/* x with the share rate of its values set to zero and the others scaled up, in training. */
cy_value cy_dropped(cy_network *network, cy_value x, double rate);

/* A layer's or variable's name: letters, digits, '_', '-', at most CY_LAYER_NAME characters. */
enum { CY_LAYER_NAME = 63 };
bool cy_layer_name_is_valid(const char *name);

/* choice, unless it is the default kind: then fallback; fans filled in where they are zero. */
cy_initializer cy_initializer_or(cy_initializer choice, cy_initializer fallback, int64_t fan_in, int64_t fan_out);

#endif
