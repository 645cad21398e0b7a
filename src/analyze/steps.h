/* The inside of steps: each operation on windows between two values, with its operands and result as numbers. */
#ifndef CY_ANALYZE_STEPS_H
#define CY_ANALYZE_STEPS_H

#include "analyze/operator.h"
#include "ops/window.h"

typedef enum cy_step_kind {
  CY_STEP_CONVOLUTION,
  CY_STEP_TRANSPOSED, /* x is the smaller image, whose elements are spread */
  CY_STEP_SUM,        /* of average pooling */
  CY_STEP_MAX,
} cy_step_kind;

typedef struct cy_step {
  cy_step_kind kind;
  int32_t node;
  const char *scope;       /* the layer: conv "conv1"; "" if unnamed */
  cy_window_attrs windows; /* from the larger image to the smaller */
  cy_tensor *from, *kernel, *to; /* f64: what goes in, weight (NULL for pooling), what comes out, before biases */
  bool flipped;            /* the kernel runs backwards: as it is applied here, not as it is stored */
} cy_step;

struct cy_steps {
  cy_graph *graph;
  cy_step *steps;
  size_t n, capacity;
  cy_tensor *output;
};

/* What a window reads: element at of channel c of the step's input. False outside of it: padding. */
bool cy_step_read(const cy_step *step, int64_t channel, const int64_t *place, double *value);
/* Channels of the larger image in one group, and the first that output channel o of a convolution reads. */
int64_t cy_step_group_channels(const cy_step *step);
int64_t cy_step_first_channel(const cy_step *step, int64_t o);
/* "conv1" out of: conv "conv1". Falls back to the operation's kind. Returns buffer. */
enum { CY_STEP_NAME = 96 };
const char *cy_step_name(const cy_step *step, char buffer[CY_STEP_NAME]);
/* The position of one window from the options, or the middle one; fails if it has the wrong number of axes or is outside. */
cy_status cy_step_unit(const cy_step *step, cy_steps_options options, int64_t *unit);
/* Number of windows along each axis: the smaller image's extents. */
cy_shape cy_step_windows(const cy_step *step);
const char *cy_number_text(double value, char buffer[32]);

#endif
