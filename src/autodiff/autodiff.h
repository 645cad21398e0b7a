/* The two halves of every derivative: pushing tangents forward by the rows' jvp rules, and pulling cotangents back
 * through the linear part by their transpose rules. No operation is known by name here. */
#ifndef CY_AUTODIFF_AUTODIFF_H
#define CY_AUTODIFF_AUTODIFF_H

#include "graph/graph.h"

#include <cauchy/autodiff.h>

/* Tangents of outputs; an empty value where a tangent is zero. inputs are cut points: what lies behind them is
 * constant, even if one input depends on another. Mistakes become the graph's error. */
void cy_push_tangents(cy_graph *graph, const cy_value *outputs, int n_outputs, const cy_value *inputs,
                      const cy_value *tangents, int n_inputs, cy_value *out_tangents);

/* outputs are linear in the placeholders: the cotangents of the placeholders, empty where zero. */
void cy_pull_cotangents(cy_graph *graph, const cy_value *outputs, const cy_value *cotangents, int n_outputs,
                        const cy_value *placeholders, int n_placeholders, cy_value *out_cotangents);

/* Both, for rules of operations that hold graphs. */
extern const cy_calculus cy_both_halves;

/* What jvp and its kin check first: one graph without error, equal types of values and their tangents. */
cy_status cy_check_tangents(cy_graph *graph, const char *what, const cy_value *values, const cy_value *tangents, int n);

#endif
