/* What a network is like before it runs: sizes, parameters, arithmetic, memory, and how far each unit sees.
 * Everything is read off the graph that the description builds for one input shape.
 *
 *   cy_analysis *a;
 *   CY_TRY(cy_analyze(model, CY_SHAPE(3, 64, 64), &a));
 *   for (int i = 0; i < cy_analysis_layer_count(a); i++) { const cy_layer_facts *l = cy_analysis_layer(a, i); ... }
 *
 * Sizes beyond 2^63 - 1 are errors, never wrong numbers. */
#ifndef CAUCHY_ANALYZE_H
#define CAUCHY_ANALYZE_H

#include <cauchy/nn.h>
#include <cauchy/plot.h>
#include <cauchy/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- receptive fields on any graph ---------------------------------------------------------------------------
 * Which elements of the input a unit of a value depends on, by the rules of the operations alone (stop_gradient and
 * integer results included): an interval per axis of the input. Intervals are hulls: dilated windows have holes. They
 * do not stop at the border, so that a field can be larger than the input (coursework B.III). */
typedef enum cy_sight {
  CY_SEES_NOTHING, /* the value does not depend on the input */
  CY_SEES_WINDOW,  /* an interval that moves with the unit */
  CY_SEES_FIXED,   /* every unit sees the same interval: dense layers, global pooling */
} cy_sight;

/* Along one axis of the input. */
typedef struct cy_receptive_axis {
  cy_sight sight;
  int axis;            /* of the value: the one that the window moves with; -1: none */
  int64_t size;        /* of the largest interval over all units */
  int64_t stride, per; /* it moves by stride / per elements from unit to unit, in lowest terms: 2 / 1; 1 / 2 after a
                        * transposed convolution of stride 2; negative after a flip */
  bool regular;        /* false: units move unevenly, also away from the borders; stride and center mean nothing */
  bool everything;     /* fixed, and covers the whole axis */
  int64_t first, last; /* what unit 0 sees, in elements of the input; may lie outside. Fixed: what all see */
  double center;       /* the middle of unit 0's interval (as the units away from the borders have it) */
} cy_receptive_axis;

/* fields[i][axis of the input] for n values of the input's graph. Cost: nodes * axes, times the phases of transposed
 * convolutions and resizes. Fails with CY_INVALID if a field does not fit in 63 bits. */
CY_API CY_MUST_CHECK cy_status cy_receptive_fields(cy_value input, const cy_value *values, int n,
                                                   cy_receptive_axis (*fields)[CY_MAX_RANK]);
/* Exactly what one unit sees, inside the input: seen[axis of the input][coordinate]. unit: a coordinate per axis of the
 * value, -1 for all of them. Free with cy_seen_free. */
CY_API CY_MUST_CHECK cy_status cy_seen_from(cy_value input, cy_value value, const int64_t *unit,
                                            bool *seen[CY_MAX_RANK]);
CY_API void cy_seen_free(bool *seen[CY_MAX_RANK]);

/* ---- a network at an input shape --------------------------------------------------------------------------- */
typedef struct cy_analysis cy_analysis;

typedef struct cy_layer_facts {
  const char *kind, *name; /* "conv", "conv1" */
  const char *path;        /* with the layers around it: "residual1/conv1" */
  int depth, parent;       /* layers around it; the nearest of them, -1: none */
  bool group;              /* other layers are inside */
  cy_shape input, output;  /* of one example */
  int64_t parameters;      /* trained numbers that it (with what it encloses) adds and no earlier layer has */
  int64_t buffers;         /* other numbers it keeps: running statistics */
  int64_t multiply_adds;   /* per example: of matrix products and convolutions; biases, activations, pooling add none */
  int64_t activation_bytes; /* of the output of one example, in f32 */
  cy_receptive_axis field[CY_MAX_RANK]; /* per axis of the input: [0] is the batch, [1] the channels, then space */
} cy_layer_facts;

typedef struct cy_analysis_totals {
  int64_t parameters, buffers, multiply_adds;
  int64_t activation_bytes; /* of the input and every layer's output, each value once */
} cy_analysis_totals;

/* Builds the network for inference on one sample of this shape (without the batch axis) and reads it. Fails as building
 * does, naming the layer. Linear in the number of layers: a thousand take a few hundredths of a second. */
CY_API CY_MUST_CHECK cy_status cy_analyze(const cy_model *model, cy_shape sample, cy_analysis **analysis);
CY_API void cy_analysis_free(cy_analysis *analysis);
CY_API cy_shape cy_analysis_input(const cy_analysis *analysis); /* of one example */
CY_API int cy_analysis_layer_count(const cy_analysis *analysis);
CY_API const cy_layer_facts *cy_analysis_layer(const cy_analysis *analysis, int i); /* NULL beyond the last */
/* By name or path; *layer -1 and an error with the nearest name if there is none, or if several layers have the name. */
CY_API CY_MUST_CHECK cy_status cy_analysis_find(const cy_analysis *analysis, const char *name, int *layer);
CY_API cy_analysis_totals cy_analysis_total(const cy_analysis *analysis);
/* The values in the analysis' graph, with a batch axis of one. layer -1: the input. */
CY_API cy_value cy_analysis_value(const cy_analysis *analysis, int layer);

/* One layer's arithmetic step by step, as on paper: sizes, parameters, multiply-adds and receptive field with their
 * formulas and numbers. Lines of text; free with cy_string_free. */
CY_API CY_MUST_CHECK cy_status cy_analysis_layer_text(const cy_analysis *analysis, int layer, char **text);

/* ---- other sizes of input -------------------------------------------------------------------------------------
 * Sizes as functions of the input's spatial extents, found by building the network at many sizes and stating the rule
 * that all of them follow; and which sizes work at all. */
typedef struct cy_variation cy_variation;

/* times * floor((slope n - minus) / over) + plus, with n the input's extent along axis; axis -1: always plus. */
typedef struct cy_size_rule {
  bool known;
  int axis; /* of the example: 1 is the first spatial one */
  int64_t times, slope, minus, over, plus;
} cy_size_rule;

typedef struct cy_vary_axis {
  int64_t smallest;         /* with the other axes as given */
  int64_t largest;          /* that was tried: all from 1 up to here */
  int64_t step, remainder;  /* from smallest to largest, exactly the sizes step q + remainder work; step 0: others */
  const char *reason;       /* why smallest - 1 does not work, naming the layer; "" if smallest is 1 */
} cy_vary_axis;

/* sample: an input that works, with 1 to 3 spatial axes. Cost: some dozens of builds per axis, a few hundred at most. */
CY_API CY_MUST_CHECK cy_status cy_vary(const cy_model *model, cy_shape sample, cy_variation **variation);
CY_API void cy_variation_free(cy_variation *variation);
CY_API int cy_variation_axes(const cy_variation *variation); /* spatial axes of the input */
CY_API const cy_vary_axis *cy_variation_axis(const cy_variation *variation, int i);
/* The smallest sizes of all axes work together (this was tried). */
CY_API bool cy_variation_smallest_works(const cy_variation *variation);
/* The name of the first layer whose parameters depend on the size; NULL: the same weights fit all sizes. */
CY_API const char *cy_variation_size_bound_layer(const cy_variation *variation);
/* The extent of a layer's output along an axis of one example. known is false where no rule of this form holds, such
 * as for flattened images. */
CY_API cy_size_rule cy_variation_rule(const cy_variation *variation, int layer, int axis);
/* "floor((h - 1)/2) + 1": with n, or h and w, or d, h and w for the input's extents; where there is no such rule,
 * with i for the extent of the layer's own input along the axis, a product of rules, or "?". Free with
 * cy_string_free. */
CY_API bool cy_variation_is_local(const cy_variation *variation, int layer, int axis); /* the text speaks of i */
CY_API CY_MUST_CHECK cy_status cy_variation_text(const cy_variation *variation, int layer, int axis, char **text);

/* ---- fields, measured: the derivative of a unit with respect to the input, in f64 ---- */

/* Which elements of the input (of one example) change the unit, by derivative. Weights and inputs are positive and
 * random, so that nothing cancels and no relu is off; for the sake of maxima the inputs rise and fall steeply along
 * every axis in turn, then are numbers of very different sizes, and at last of either sign. What is seen is the union
 * over all of them. It agrees with cy_seen_from where derivatives tell: not for layers that normalise by what they see
 * or are flat on positive numbers, and of a maximum over a large window perhaps not every element is hit. unit: a
 * coordinate per axis of the layer's output of one example, -1 for all of them. seen[axis of the example]; free with
 * cy_seen_free. Cost: some fifty gradients. */
CY_API CY_MUST_CHECK cy_status cy_measured_field(const cy_model *model, cy_shape sample, int layer, const int64_t *unit,
                                                 uint64_t seed, bool *seen[CY_MAX_RANK]);

typedef struct cy_effective_options {
  int samples;            /* random inputs; 0: 32 */
  uint64_t seed;
  const cy_state *state;  /* the weights; NULL: initial ones, new for each sample */
} cy_effective_options;
/* The effective receptive field (Luo et al. 2016): the mean squared derivative of a unit over normal inputs, summed
 * over the input's channels. *map: a new f64 tensor of the input's spatial extents (of all extents if it has one
 * axis). */
CY_API CY_MUST_CHECK cy_status cy_effective_field(const cy_model *model, cy_shape sample, int layer,
                                                  const int64_t *unit, cy_effective_options options, cy_tensor **map);

/* ---- pictures: PNG and SVG, either path may be NULL; CY_UNSUPPORTED in a build without cairo ---- */

/* The network: a box per layer with sizes and parameters, branches side by side. */
CY_API CY_MUST_CHECK cy_status cy_analysis_picture(const cy_analysis *analysis, cy_plot_options options,
                                                   const char *png, const char *svg);
/* A unit's receptive field over the input, for inputs of one or two spatial axes. unit: as for cy_measured_field.
 * effective: from cy_effective_field, drawn as shades; NULL: the elements that are seen. */
CY_API CY_MUST_CHECK cy_status cy_field_picture(const cy_analysis *analysis, int layer, const int64_t *unit,
                                                const cy_tensor *effective, cy_plot_options options, const char *png,
                                                const char *svg);

/* ---- memory, as the compiler allocates it ---- */
typedef struct cy_memory_facts {
  int64_t batch;
  size_t parameters, buffers, optimizer;       /* state, in bytes */
  size_t best;                                 /* the copy of the best epoch, if there is a validation part */
  size_t values;                               /* the arena of one session */
  size_t inputs;                               /* a batch of samples, and of targets */
  size_t total;
  int kernels;
} cy_memory_facts;
/* Compiles the network for inference on batch samples. */
CY_API CY_MUST_CHECK cy_status cy_analyze_inference(const cy_model *model, cy_shape sample, int64_t batch,
                                                    cy_memory_facts *memory);
/* Compiles the training step: forward, backward, update. options as for cy_trainer_create: loss, optimizer,
 * batch_size, validation, l1, l2. classes 0: the output's features are classes if the loss is cross-entropy (the
 * default for outputs of one axis with more than one element), numbers otherwise. */
CY_API CY_MUST_CHECK cy_status cy_analyze_training(const cy_model *model, cy_shape sample, int64_t classes,
                                                   cy_trainer_options options, cy_memory_facts *memory);

#ifdef __cplusplus
}
#endif
#endif
