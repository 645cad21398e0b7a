/* How gradients travel through time in a recurrent network (coursework C.II-III): the norm of the derivative of the loss
 * at the last step by the state k steps before, the Jacobians of single steps, which are multiplied on the way, and what
 * clipping does to the gradient of the parameters. */
#ifndef CAUCHY_FLOW_H
#define CAUCHY_FLOW_H

#include <cauchy/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A field of 0 takes the value in brackets. */
typedef struct cy_flow_options {
  cy_shape sample;         /* of one input: channels x steps; [steps] of models that take whole numbers */
  const cy_state *weights; /* [initial values by seed] */
  const cy_tensor *inputs; /* [n, sample] as the network takes them, any dtype [made up] */
  const cy_tensor *labels; /* classes, whole numbers [n] or [n, T]: the loss is the cross-entropy of the last step [the
                            * output of the last step along a random direction of length 1] */
  int64_t samples;         /* how many sequences are made up [8] */
  double amplitude;        /* deviation of made-up inputs [1]; negative: all are 0, so that the state stays at rest */
  double radius;           /* recurrent matrices are scaled to this spectral radius; only layers rnn [as they are] */
  double clip;             /* the norm that gradients of parameters are cut to [not] */
  uint64_t seed;
  int threads;             /* [1] */
} cy_flow_options;

/* J = d state after a step / d state before it, of the first sequence. */
typedef struct cy_flow_jacobian {
  int64_t step;             /* from 0 */
  double largest, smallest; /* singular values */
  double radius;            /* spectral radius */
} cy_flow_jacobian;

enum { CY_FLOW_GATES = 4 };

/* One direction of one recurrent layer. */
typedef struct cy_flow_layer {
  const char *name, *kind;  /* "lstm1.layer2", "lstm" */
  bool reverse;
  int64_t units, steps;
  double *gradient;         /* [steps]: |dL/dh_k| by lag, the steps read since k: [0] is the last one; root mean square
                             * over the sequences */
  double *memory;           /* of an LSTM: |dL/dc_k|; else NULL */
  double factor;            /* by which it changes from one lag to the next, on average of logarithms; 0 if it is 0 */
  int gates;                /* recurrent matrices side by side */
  double radius[CY_FLOW_GATES], norm[CY_FLOW_GATES]; /* of each: spectral radius, largest singular value */
  double slope;             /* of rnn: mean of the activation's derivative, the diagonal in J = Diag(f') U'; else NaN */
  cy_flow_jacobian *jacobians; /* at steps spread evenly */
  int n_jacobians;
} cy_flow_layer;

typedef struct cy_flow {
  int n_layers;
  cy_flow_layer *layers;
  int64_t sequences;
  double loss;              /* mean */
  double *norms;            /* [sequences]: of the gradient of each sequence's loss by all parameters */
  double clip;              /* 0: none */
  double clipped;           /* share of the sequences whose gradient is cut */
  double least_kept;        /* the smallest factor that one is cut by; 1 if none is */
} cy_flow;

/* Errors: CY_INVALID for a model without recurrent layers, inputs that do not fit, a radius for a layer that is not rnn. In
 * f64. Cost: a gradient per sequence; a few products and a singular value decomposition of H x H per Jacobian. */
CY_API CY_MUST_CHECK cy_status cy_flow_measure(const cy_model *model, cy_flow_options options, cy_flow **flow);
CY_API void cy_flow_free(cy_flow *flow);

/* Of n x n numbers, row-major, rows so far apart: the largest magnitude of its eigenvalues, as the limit of
 * |A^m|^(1/m) (Gelfand 1941) by repeated squaring. CY_NOT_FINITE if there are NaNs or infinities. Cost: some 40 n^3. */
CY_API CY_MUST_CHECK cy_status cy_spectral_radius(const double *a, int64_t row, int64_t n, double *radius);
/* All singular values, largest first, by rotations of columns (Hestenes 1958). Cost: some 20 n^3. */
CY_API CY_MUST_CHECK cy_status cy_singular_values(const double *a, int64_t row, int64_t n, double *values);

#ifdef __cplusplus
}
#endif
#endif
