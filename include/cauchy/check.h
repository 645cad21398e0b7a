/* Checks of a network: are its derivatives those of its values, does shifting commute with its convolutions, does it stay
 * finite? Everything is computed in f64 on the network's own weights, and each check has a figure and a tolerance.
 *
 *   cy_check_report *report;
 *   CY_TRY(cy_check_model(model, (cy_check_options){.sample = CY_SHAPE(3, 32, 32)}, &report));
 *   if (cy_check_failures(report) > 0) printf("failed: %s\n", cy_check_failing_layer(report));
 *
 * Coursework A1.3, A1.4, B.V, C.I, D. */
#ifndef CAUCHY_CHECK_H
#define CAUCHY_CHECK_H

#include <cauchy/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cy_check_kind {
  /* of every layer alone, F(input, parameters), near the activations that the network gives it; u random */
  CY_CHECK_LAYER_DERIVATIVE,   /* gradient of <u, F> against central differences, by input and by each parameter tensor */
  CY_CHECK_LAYER_TRANSPOSE,    /* <u, J v> = <J' u, v>: forward and reverse mode are each other's transpose */
  CY_CHECK_LAYER_SYMMETRY,     /* <a, H b> = <H a, b> for the Hessian of <u, F> */
  CY_CHECK_LAYER_HESSIAN,      /* H b against differences of gradients */
  /* of the loss of the whole network */
  CY_CHECK_GRADIENT,           /* by each parameter tensor, and by the input, against central differences */
  CY_CHECK_TRANSPOSE,          /* of the network's output, by input and parameters */
  CY_CHECK_SYMMETRY,
  CY_CHECK_HESSIAN,
  CY_CHECK_BATCH_NORM,         /* of batch_norm in training: gradients by input, scale and shift against their closed forms */
  CY_CHECK_EQUIVARIANCE,       /* of the convolutional part: shifting the input by the stride shifts the interior by a unit */
  CY_CHECK_SOFTMAX_SHIFT,      /* log_softmax(x + c) = log_softmax(x), softmax too */
  CY_CHECK_EXTREME_OUTPUTS,    /* loss and gradient at outputs of +-1e4 and -inf: finite, and the known value */
} cy_check_kind;
enum { CY_CHECK_KINDS = CY_CHECK_EXTREME_OUTPUTS + 1 };
CY_API const char *cy_check_name(cy_check_kind kind); /* "layer derivative"; NULL beyond the last */
CY_API double cy_check_tolerance(cy_check_kind kind); /* the relative error that passes */

typedef enum cy_check_result {
  CY_CHECK_PASSED,
  CY_CHECK_FAILED,
  CY_CHECK_SKIPPED, /* could not be done: the note says why */
} cy_check_result;

typedef struct cy_check_row {
  cy_check_kind kind;
  const char *layer;   /* "conv1"; "" for the whole network */
  const char *subject; /* "conv1.weight", "input", "axis 2"; "" if there is only one */
  bool training;       /* computed as in training; else as at inference */
  double figure;       /* the largest relative error; NaN if skipped */
  double tolerance;
  int compared, passed_over; /* single comparisons; those left out because of a kink (relu, maxima) at the very place */
  int held;            /* of the compared: with kinks held, as the steps cross some that are not at the very place */
  int64_t crossed;     /* the most that one of these crosses */
  cy_check_result result;
  const char *note;    /* "" or a sentence: the width of the border, why it was skipped */
} cy_check_row;

typedef struct cy_check_report cy_check_report;

/* A field of 0 takes the value in brackets. */
typedef struct cy_check_options {
  cy_shape sample;        /* of one input, without the batch axis; required unless inputs are given */
  int64_t batch;          /* [4; in large networks 2] samples */
  const char *loss;       /* as for training [cross_entropy if there are classes, else mse] */
  int64_t classes;        /* [as many as the output has features, if that is more than one along a single axis] */
  const cy_state *weights; /* of any floating dtype, taken by name [the layers' initial values from seed] */
  uint64_t seed;
  const cy_tensor *inputs; /* [batch, sample] of any dtype, as the network sees them [normal numbers]. A little noise is
                              added so that no maxima tie */
  const cy_tensor *labels; /* i64 [batch, ...] [random]; for losses of classes */
  int directions;         /* [2] random directions per tensor; in large networks [1] */
  int coordinates;        /* [3] single coordinates per tensor; in large networks none */
  int threads;            /* [1] */
  /* What computes the gradient to check [cy_grad]; inputs are the parameters (their names: cy_value_name) and "x". */
  cy_status (*gradient)(cy_value loss, const cy_value *inputs, int n, cy_value *gradients, void *context);
  /* Builds the network instead of a model (which may then be NULL): for layers written in C. */
  cy_value (*build)(cy_network *network, cy_value x, void *context);
  /* Told of each row as it is done, for checks of minutes. false: stop (CY_CANCELLED). */
  bool (*on_row)(const cy_check_row *row, void *context);
  void *context;
} cy_check_options;

/* All checks, in inference mode, and again in training mode where that computes something else (batch normalisation, dropout
 * with its random numbers held fixed). A failed check is no error: the report tells. Fails as building and compiling do.
 * Differences are taken with shrinking steps; where those from the left and from the right do not approach each other there
 * is a kink, and the comparison is passed over and counted. Where steps only cross kinks (among millions of relus there
 * always is one that changes sides), the differences are taken of the function with its choices held as they are at the
 * place, which there is the same function: nothing is excused, and the tolerance stays. Cost: two evaluations of the loss per tensor, direction and
 * coordinate, and some more. Large networks (2e11 operations and more) are checked with fewer samples and comparisons,
 * unless directions or coordinates are given; what would then still need 1e13 operations, or more memory than the machine
 * has, is refused (CY_UNSUPPORTED, CY_NO_MEMORY) before anything is computed. */
CY_API CY_MUST_CHECK cy_status cy_check_model(const cy_model *model, cy_check_options options, cy_check_report **report);
/* How much was done. */
typedef struct cy_check_effort {
  int64_t batch;
  int directions, coordinates; /* per tensor */
  bool reduced;                /* less than usual, as the network is large */
  double operations, memory;   /* about: of all checks together; bytes */
} cy_check_effort;
CY_API cy_check_effort cy_check_report_effort(const cy_check_report *report);
CY_API void cy_check_report_free(cy_check_report *report);
CY_API int cy_check_count(const cy_check_report *report);
CY_API const cy_check_row *cy_check_at(const cy_check_report *report, int i); /* NULL beyond the last */
CY_API int cy_check_failures(const cy_check_report *report);
/* The innermost layer of the first failed check of a layer, else of a parameter; "" if none failed, or none of a layer. */
CY_API const char *cy_check_failing_layer(const cy_check_report *report);

#ifdef __cplusplus
}
#endif
#endif
