/* What a layer does with sequences that end before the batch does: one rule per layer of the language, in a table. Steps
 * behind an end may hold anything between layers; a layer that looks from one step to others cuts them first, so that the
 * result is that of each sequence alone. Layers without a rule are refused. */
#include "nn/ragged.h"

#include "graph/graph.h"
#include "nn/image_layers.h"
#include "nn/sequence.h"
#include "tensor/tensor.h"

#include <cauchy/ops.h>
#include <float.h>
#include <string.h>

typedef enum rule {
  REFUSED,
  EACH,     /* each step by itself */
  CHANNELS, /* the same, if its argument axis is that of the channels */
  OWN,      /* it minds the lengths itself */
  POSITIONS,
  WINDOWS,  /* slides along the steps, and has fewer in its result */
  MEAN,
  LARGEST,
  JOINS,    /* joins branches, which mind the ends themselves */
} rule;

typedef struct ragged_row {
  const char *layer;
  rule rule;
  const char *instead; /* where it is refused */
} ragged_row;

static const char ONE_LENGTH[] = "needs sequences of one length; take the steps together before it, by global_avg_pool, "
                                 "global_max_pool, last, or a recurrent layer with last";
static const char OF_STEPS[] = "can't keep sequences of different lengths apart; conv, max_pool and avg_pool can";

static const ragged_row rows[] = {
    {"dense", CHANNELS, "has weights for one length of sequence; dense(.., axis=1) acts at each step, and global_avg_pool, "
                        "global_max_pool, last, or a recurrent layer with last take the steps together before it"},
    {"relu", EACH, NULL},
    {"leaky_relu", EACH, NULL},
    {"prelu", EACH, NULL},
    {"swish", EACH, NULL},
    {"sigmoid", EACH, NULL},
    {"tanh", EACH, NULL},
    {"softplus", EACH, NULL},
    {"elu", EACH, NULL},
    {"gelu", EACH, NULL},
    {"softmax", CHANNELS, "along the steps would count those behind the ends; axis=1 is over the channels"},
    {"log_softmax", CHANNELS, "along the steps would count those behind the ends; axis=1 is over the channels"},
    {"dead_zone", EACH, NULL},
    {"dropout", EACH, NULL},
    {"layer_norm", CHANNELS, "over whole examples would count the steps behind the ends; axis=1 is over the channels of each "
                             "step"},
    {"batch_norm", OWN, NULL},
    {"mixture", REFUSED, ONE_LENGTH},
    {"flatten", REFUSED, ONE_LENGTH},
    {"reshape", REFUSED, ONE_LENGTH},
    {"conv", WINDOWS, NULL},
    {"depthwise", WINDOWS, NULL},
    {"conv_transpose", REFUSED, OF_STEPS},
    {"max_pool", WINDOWS, NULL},
    {"avg_pool", WINDOWS, NULL},
    {"global_max_pool", LARGEST, NULL},
    {"global_avg_pool", MEAN, NULL},
    {"adaptive_max_pool", REFUSED, OF_STEPS},
    {"adaptive_avg_pool", REFUSED, OF_STEPS},
    {"resize", REFUSED, OF_STEPS},
    {"pad", REFUSED, OF_STEPS},
    {"crop", REFUSED, OF_STEPS},
    {"pixel_shuffle", REFUSED, OF_STEPS},
    {"pixel_unshuffle", REFUSED, OF_STEPS},
    {"rnn", OWN, NULL},
    {"lstm", OWN, NULL},
    {"gru", OWN, NULL},
    {"embedding", EACH, NULL},
    {"attention", OWN, NULL},
    {"positions", POSITIONS, "learned needs length=: the most steps that its table knows, for sequences differ in theirs"},
    {"last", OWN, NULL},
    {"identity", EACH, NULL},
    {"residual", JOINS, NULL},
    {"parallel", JOINS, "can't put sequences of different lengths behind one another; axis=1 is that of the channels"},
};

static const ragged_row *find_row(const char *layer) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (strcmp(rows[i].layer, layer) == 0) return &rows[i];
  return NULL;
}

bool cy_ragged_knows(const char *layer) { return find_row(layer) != NULL; }

static const cy_ends no_ends = {.lengths = {.graph = NULL, .id = -1}, .steps = 0};

bool cy_is_ragged(const cy_network *network, cy_value x) {
  cy_ends ends = cy_network_ends(network);
  if (!cy_is_value(ends.lengths) || !cy_is_value(x)) return false;
  cy_shape shape = cy_value_shape(x);
  return shape.rank >= 2 && shape.rank <= 3 && shape.dim[shape.rank - 1] == ends.steps;
}

bool cy_ragged_agree(cy_network *network, cy_ends ends) {
  cy_ends own = cy_network_ends(network);
  if (cy_graph_failed(cy_network_graph(network))) return false;
  bool same = cy_is_value(own.lengths) == cy_is_value(ends.lengths);
  if (same && cy_is_value(ends.lengths)) same = own.steps == ends.steps && own.lengths.id == ends.lengths.id;
  if (!same)
    cy_graph_fail(cy_network_graph(network), CY_INVALID,
                  "its branches make sequences of different lengths end at different steps: they need the same kernels, "
                  "strides and padding along the steps");
  return same;
}

/* ---- arguments ---- */

static const cy_argument *argument(const cy_stage *stage, const char *name) {
  for (int i = 0; stage->row->arguments[i].name; i++)
    if (strcmp(stage->row->arguments[i].name, name) == 0) return &stage->arguments[i];
  return NULL;
}

/* Of the steps' axis, which is the only one. */
static int64_t along_steps(const cy_stage *stage, const char *name, int64_t usual) {
  int64_t out[CY_MAX_SPACE] = {0};
  const cy_argument *a = argument(stage, name);
  if (a) cy_argument_space(a, out);
  return out[0] ? out[0] : usual;
}

/* As the layer itself, so that the message names it. */
static cy_value refuse(cy_network *network, cy_value x, const cy_stage *stage, const char *why) {
  cy_network_open(network, stage->row->name, stage->name, x);
  cy_graph_fail(cy_network_graph(network), CY_INVALID, "%s", why);
  return cy_network_close(network, cy_none);
}

static cy_value plain(cy_network *network, cy_value x, const cy_stage *stage) {
  if (stage->row->scope == CY_LAYER_SELF) return stage->row->build(network, x, stage);
  cy_network_open(network, stage->row->name, stage->name, x);
  return cy_network_close(network, cy_network_takes(network, x, 0) ? stage->row->build(network, x, stage) : cy_none);
}

/* ---- windows ---- */

/* Steps behind the ends hold this. */
static cy_value filled(cy_value x, cy_value lengths, double value) {
  cy_value fill = cy_full(x.graph, cy_value_dtype(x), cy_value_shape(x), value);
  return cy_select(cy_sequence_valid(lengths, cy_value_shape(x), 0, 2), x, fill);
}

/* floor((length + more) / stride) + 1, at least 0. Halves keep quotients off whole numbers, where rounding decides. */
static cy_value shortened(cy_value lengths, cy_dtype dtype, int64_t more, int64_t stride) {
  if (more == -1 && stride == 1) return lengths;
  cy_value numbers = cy_add_scalar(cy_convert(lengths, dtype), (double)more + 0.5);
  numbers = cy_add_scalar(cy_floor(cy_mul_scalar(numbers, 1 / (double)stride)), 1);
  return cy_convert(cy_max(numbers, cy_zeros_like(numbers)), cy_value_dtype(lengths));
}

typedef struct sliding {
  int64_t span, stride, low, high;
} sliding;

/* NULL, or what is wrong. */
static const char *resolve(const cy_stage *stage, sliding *s) {
  const cy_argument *pad = argument(stage, "pad"), *mode = argument(stage, "mode"),
                    *count = argument(stage, "count_padding");
  bool pools = strstr(stage->row->name, "pool") != NULL;
  int64_t kernel = along_steps(stage, "kernel", 1);
  s->span = along_steps(stage, "dilation", 1) * (kernel - 1) + 1;
  s->stride = along_steps(stage, "stride", pools ? kernel : 1);
  s->low = s->high = 0;
  switch (pad->padding.kind) {
    case CY_PADDING_SAME:
      if (s->stride > 1)
        return "with pad=same and a stride begins where the length wants it; pad=half, causal or numbers begin all "
               "sequences alike";
      s->low = (s->span - 1) / 2;
      s->high = s->span - 1 - s->low;
      break;
    case CY_PADDING_HALF: s->low = s->high = s->span / 2; break;
    case CY_PADDING_CAUSAL: s->low = s->span - 1; break;
    default: s->low = pad->padding.low[0], s->high = pad->padding.high[0];
  }
  if (s->high > 0 && mode && mode->choice != 0)
    return "pads the end of the batch, not that of each sequence, with its edge or reflection; mode=zeros can be told apart";
  if (s->high > 0 && count && !count->truth)
    return "with count_padding=false counts the steps behind the ends; pad in front only, or not";
  return NULL;
}

static cy_value windows(cy_network *network, cy_value x, const cy_stage *stage) {
  sliding s;
  cy_ends ends = cy_network_ends(network);
  const char *wrong = resolve(stage, &s);
  if (wrong) return refuse(network, x, stage, wrong);
  bool largest = strcmp(stage->row->name, "max_pool") == 0;
  /* The loader's own zeros would do for the first layer, but what is bound need not come from it. */
  if (s.high > 0) x = filled(x, ends.lengths, largest ? -(double)FLT_MAX : 0);
  cy_value y = plain(network, x, stage);
  if (!cy_is_value(y)) return y;
  cy_shape shape = cy_value_shape(y);
  ends.lengths = shortened(ends.lengths, cy_network_dtype(network), s.low + s.high - s.span, s.stride);
  ends.steps = shape.dim[shape.rank - 1];
  cy_network_set_ends(network, ends);
  return largest && s.high > 0 ? filled(y, ends.lengths, 0) : y;
}

/* ---- over all steps ---- */

static cy_value mean(cy_value x, cy_value lengths) {
  cy_value sum = cy_sum(cy_sequence_cut(x, lengths), (int[]){2}, 1, false);
  cy_value count = cy_convert(lengths, cy_value_dtype(x));
  count = cy_max(count, cy_add_scalar(cy_zeros_like(count), 1)); /* of nothing: 0 */
  return cy_div(sum, cy_reshape(count, CY_SHAPE(cy_value_shape(x).dim[0], 1)));
}

static cy_value largest(cy_value x, cy_value lengths) {
  return cy_reduce_max(filled(x, lengths, -(double)FLT_MAX), (int[]){2}, 1, false);
}

static cy_value over_all(cy_network *network, cy_value x, const cy_stage *stage, bool max) {
  cy_ends ends = cy_network_ends(network);
  cy_network_open(network, stage->row->name, stage->name, x);
  cy_value y = cy_none;
  if (cy_sequence_takes(network, x)) y = max ? largest(x, ends.lengths) : mean(x, ends.lengths);
  cy_network_set_ends(network, no_ends);
  return cy_network_close(network, y);
}

/* ---- the rules ---- */

static cy_value own(cy_network *network, cy_value x, const cy_stage *stage) {
  cy_value y = plain(network, x, stage);
  if (cy_is_value(y) && cy_value_shape(y).rank < 3) cy_network_set_ends(network, no_ends); /* the last state, the last step */
  return y;
}

static cy_value joins(cy_network *network, cy_value x, const cy_stage *stage, const char *why) {
  const cy_argument *mode = argument(stage, "mode"), *axis = argument(stage, "axis");
  int rank = cy_value_shape(x).rank;
  if (mode && mode->choice == 0 && rank == 3 && (axis->integer == 2 || axis->integer == -1))
    return refuse(network, x, stage, why);
  cy_network_open_group(network, stage->row->name, stage->name, x);
  return cy_network_close(network, cy_network_takes(network, x, 0) ? stage->row->build(network, x, stage) : cy_none);
}

static bool is_of_channels(const cy_stage *stage, int rank) {
  int64_t axis = argument(stage, "axis")->integer;
  return rank == 3 && (axis == 1 || axis == -2);
}

cy_value cy_ragged_apply(cy_network *network, cy_value x, const cy_stage *stage) {
  const ragged_row *row = find_row(stage->row->name);
  int rank = cy_value_shape(x).rank;
  rule r = row ? row->rule : REFUSED;
  if (r == CHANNELS) r = is_of_channels(stage, rank) ? EACH : REFUSED;
  if (r == POSITIONS) r = argument(stage, "kind")->choice == 1 && argument(stage, "length")->integer == 0 ? REFUSED : EACH;
  switch (r) {
    case EACH: return plain(network, x, stage);
    case OWN: return own(network, x, stage);
    case WINDOWS: return rank == 3 ? windows(network, x, stage) : plain(network, x, stage);
    case MEAN: return over_all(network, x, stage, false);
    case LARGEST: return over_all(network, x, stage, true);
    case JOINS: return joins(network, x, stage, row->instead);
    default: return refuse(network, x, stage, row && row->instead ? row->instead : ONE_LENGTH);
  }
}
