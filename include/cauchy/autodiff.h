/* Derivatives: graph in, graph out. The results are ordinary values of the same graph, so they can be derived
 * again, to any order. An empty value (cy_is_value false) among tangents or cotangents is a zero; a derivative
 * that is identically zero is returned as explicit zeros.
 *
 * Source: R. E. Wengert 1964 (forward mode), B. A. Pearlmutter 1994 (the R-operator), A. Radul et al. 2022
 * ("You only linearize once": reverse mode as transposed forward mode). */
#ifndef CAUCHY_AUTODIFF_H
#define CAUCHY_AUTODIFF_H

#include <cauchy/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* out_tangents[i] = sum_j d outputs[i] / d inputs[j] . tangents[j]. About the cost of the outputs, again. */
CY_API CY_MUST_CHECK cy_status cy_jvp(const cy_value *outputs, int n_outputs, const cy_value *inputs,
                                      const cy_value *tangents, int n_inputs, cy_value *out_tangents);
/* cotangents_in[j] = sum_i cotangents[i] . d outputs[i] / d inputs[j]. Two to three times the outputs' cost. */
CY_API CY_MUST_CHECK cy_status cy_vjp(const cy_value *outputs, const cy_value *cotangents, int n_outputs,
                                      const cy_value *inputs, int n_inputs, cy_value *cotangents_in);
/* gradients[j] = d loss / d inputs[j]; loss is a floating-point scalar. inputs may be any values of the graph. */
CY_API CY_MUST_CHECK cy_status cy_grad(cy_value loss, const cy_value *inputs, int n_inputs, cy_value *gradients);
/* products[j] = sum_k d2 loss / (d inputs[j] d inputs[k]) . vectors[k]: exact, forward over reverse. */
CY_API CY_MUST_CHECK cy_status cy_hvp(cy_value loss, const cy_value *inputs, const cy_value *vectors, int n_inputs,
                                      cy_value *products);
/* The full Jacobian, shape output.shape + input.shape. Unrolls one pass per element of the smaller side (forward
 * or reverse, whichever is fewer; at most 4096): for small things. */
CY_API CY_MUST_CHECK cy_status cy_jacobian(cy_value output, cy_value input, cy_value *jacobian);

#ifdef __cplusplus
}
#endif
#endif
