/* What layers on sequences share: x is [N, C, T] between layers and [T, N, C] inside loops. */
#ifndef CY_NN_SEQUENCE_H
#define CY_NN_SEQUENCE_H

#include "nn/network.h"

/* False, with the graph's error set, unless x is [N, C, T] with at least one step. */
bool cy_sequence_takes(cy_network *network, cy_value x);
/* False, with the graph's error set, if the layer was declared for another number of channels than x has. weight is the
 * variable that has them on axis 0. */
bool cy_sequence_channels(cy_network *network, const char *weight, cy_value x);

cy_value cy_sequence_to_steps(cy_value x);   /* [N, C, T] -> [T, N, C] */
cy_value cy_sequence_from_steps(cy_value x); /* [T, N, C] -> [N, C, T] */

/* given, or else what the network was told; empty if all steps count. False, with the graph's error set, unless it is
 * integers [N] that go with x. */
bool cy_sequence_lengths(cy_network *network, cy_value x, cy_value given, cy_value *lengths);
/* Whether step t of sequence n is before its end: bool of the given shape, whose axes batch and time are those of n
 * and t. */
cy_value cy_sequence_valid(cy_value lengths, cy_shape shape, int batch, int time);
/* x [N, C, T] with zeros after the ends; x itself if lengths is empty. */
cy_value cy_sequence_cut(cy_value x, cy_value lengths);

/* 0, or NaN where an index is not below count: added to what is looked up, it tells. [indices], of dtype. */
cy_value cy_index_check(cy_value indices, int64_t count, cy_dtype dtype);

#endif
