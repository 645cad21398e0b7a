/* Networks: layers, initialisers, losses and the architecture language, all built from the operations of ops.h.
 *
 *   cy_network *net;
 *   CY_TRY(cy_network_create(graph, (cy_network_options){.training = true}, &net));
 *   cy_value h = cy_relu(cy_dense(net, x, (cy_dense_options){.units = 128}));
 *   cy_value logits = cy_dense(net, h, (cy_dense_options){.units = 10});
 *   cy_value loss = cy_cross_entropy(logits, labels, (cy_cross_entropy_options){0});
 *
 * or, with the architecture in words: cy_model_parse("dense(128) -> relu -> dense(10)", ...), cy_model_apply.
 * Axis 0 is the batch, axis 1 the channels, the rest is space. In every options struct zero is the usual default.
 * A mistake is the graph's sticky error and names the layer: dense "fc1": expects 784 inputs but receives ... */
#ifndef CAUCHY_NN_H
#define CAUCHY_NN_H

#include <cauchy/graph.h>
#include <cauchy/ops.h>
#include <cauchy/program.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- initialisers ------------------------------------------------------------------------------------------
 * fan_in and fan_out are the numbers of inputs and outputs of one unit; the layer knows them. */
typedef enum cy_initializer_kind {
  CY_INIT_DEFAULT = 0,    /* the layer's own choice: weights he_normal, biases zeros */
  CY_INIT_HE_NORMAL,      /* normal, variance 2 / fan_in (He et al. 2015) */
  CY_INIT_HE_UNIFORM,     /* uniform, same variance: +-sqrt(6 / fan_in) */
  CY_INIT_GLOROT_NORMAL,  /* normal, variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010) */
  CY_INIT_GLOROT_UNIFORM, /* uniform, same variance: +-sqrt(6 / (fan_in + fan_out)) */
  CY_INIT_ORTHOGONAL,     /* as a matrix of dim[0] rows: orthonormal rows or columns, whichever are fewer
                           * (Saxe et al. 2014), times a (0 means 1) */
  CY_INIT_CONSTANT,       /* a everywhere */
  CY_INIT_UNIFORM,        /* uniform in [a, b) */
  CY_INIT_NORMAL,         /* mean a, standard deviation b */
} cy_initializer_kind;

typedef struct cy_initializer {
  cy_initializer_kind kind;
  double a, b;             /* the numbers of constant, uniform, normal, orthogonal */
  int64_t fan_in, fan_out; /* 0: filled in by the layer */
  int64_t blocks;          /* of the last axis, as the gates of a recurrent layer: each by itself orthogonal; 0: one */
  double second;           /* added in the second block: what opens forget gates */
} cy_initializer;

/* Fills a floating-point tensor, on the host. The numbers depend on seed and name only, so that adding a layer
 * leaves the other layers' numbers as they are. Orthogonal costs rows * columns * min(rows, columns). */
CY_API CY_MUST_CHECK cy_status cy_initialize_tensor(cy_initializer initializer, uint64_t seed, const char *name,
                                                    cy_tensor *tensor);

/* ---- the network being built ---------------------------------------------------------------------------------
 * Belongs to one graph and one input shape. Records what the layers declare: variables, updates of running
 * statistics, penalties, layers. A layer opened again under the same name shares its variables. */
typedef struct cy_network cy_network;

typedef struct cy_network_options {
  bool training;  /* dropout drops, batch normalisation uses the batch; false: inference */
  bool carry;     /* recurrent layers begin where the last run ended (cy_network_carried), not at zero */
  cy_dtype dtype; /* CY_F32 (the zero value) or CY_F64 */
} cy_network_options;

/* The graph must outlive the network. */
CY_API CY_MUST_CHECK cy_status cy_network_create(cy_graph *graph, cy_network_options options, cy_network **network);
CY_API void cy_network_free(cy_network *network);
CY_API cy_graph *cy_network_graph(const cy_network *network);
CY_API bool cy_network_training(const cy_network *network);
CY_API cy_dtype cy_network_dtype(const cy_network *network);

/* Variables, in the order of declaration. Strings belong to the network. */
typedef struct cy_network_variable {
  const char *name; /* "dense1.weight" */
  cy_role role;
  cy_dtype dtype;
  cy_shape shape;
  cy_initializer initializer;
  bool decays;      /* penalties and weight decay apply: weights, but no biases, scales, shifts, slopes */
  bool carried;     /* what a recurrent layer takes from one run into the next */
  cy_value value;
} cy_network_variable;
CY_API int cy_network_variable_count(const cy_network *network);
CY_API const cy_network_variable *cy_network_variable_at(const cy_network *network, int i); /* until the next layer */
/* The values of the variables of role CY_PARAMETER, in order, as cy_grad wants them; valid until the next layer. */
CY_API const cy_value *cy_network_parameters(const cy_network *network, int *n);
CY_API int64_t cy_network_parameter_elements(const cy_network *network); /* numbers to train, in all */
/* What a training step must also write: running statistics, and random.step + 1 if random numbers are used. Pass to
 * cy_compile beside the optimiser's updates. Valid until the next layer. */
CY_API const cy_update *cy_network_updates(const cy_network *network, int *n);
/* The sum of the penalties that layers asked for (l1=, l2=); a scalar zero if there are none. */
CY_API cy_value cy_network_penalty(cy_network *network);

/* Declares every variable in the state; then cy_state_allocate; then: */
CY_API CY_MUST_CHECK cy_status cy_network_declare(const cy_network *network, cy_state *state);
/* Fills the variables of the state that this network declared, and sets random.seed to seed. */
CY_API CY_MUST_CHECK cy_status cy_network_initialize(const cy_network *network, cy_state *state, uint64_t seed);

/* ---- writing a layer ---------------------------------------------------------------------------------------
 * cy_network_open(net, "dense", options.name, x); declare variables, build values; return cy_network_close(net, y).
 * name NULL or "": numbered per kind: dense1, dense2, ... Opened layers nest: names are joined by a dot, so a
 * layer opened around a whole model ("network", "generator") gives "generator.dense1.weight". */
CY_API void cy_network_open(cy_network *network, const char *kind, const char *name, cy_value input);
CY_API cy_value cy_network_close(cy_network *network, cy_value output); /* returns output */
/* "<layer>.<name>", of the network's dtype. Same name: the same value. */
CY_API cy_value cy_network_parameter(cy_network *network, const char *name, cy_shape shape,
                                     cy_initializer initializer, bool decays);
CY_API cy_value cy_network_buffer(cy_network *network, const char *name, cy_shape shape, cy_initializer initializer);
/* What a recurrent layer begins with: zeros; or, if the network carries its state from run to run, a variable of role
 * CY_OPTIMIZER, zero at first, to which the layer then gives what it ends with by cy_network_carry. */
CY_API cy_value cy_network_carried(cy_network *network, const char *name, cy_shape shape);
CY_API void cy_network_carry(cy_network *network, cy_value carried, cy_value last); /* nothing unless it carries */
/* Sequences of different lengths: example n of x [N, ..., T] ends after lengths[n] (i32 or i64 [N]) steps. Recurrent layers,
 * attention, batch normalisation and cy_last_step on sequences of T steps that are applied after this mind it, unless their
 * options say otherwise. In a model of the architecture language that is applied to such an x every layer does, or is
 * refused by name: what comes out is that of each sequence alone, whatever stands behind the ends; convolutions and pooling
 * of windows make sequences shorter, global pooling counts the steps before the ends. */
CY_API void cy_network_set_lengths(cy_network *network, cy_value x, cy_value lengths);
/* Shape of a variable of the open layer if it was declared before (rank -1 if not): for messages of shared layers. */
CY_API cy_shape cy_network_declared_shape(const cy_network *network, const char *name);
/* The value a variable will have after the updates so far: what a second update in one step starts from. */
CY_API cy_value cy_network_current(const cy_network *network, cy_value variable);
CY_API void cy_network_update(cy_network *network, cy_value variable, cy_value value);
CY_API void cy_network_add_penalty(cy_network *network, cy_value scalar);
/* Random numbers of the network's dtype: each call is its own stream of (random.seed, random.step), i64 scalars of role
 * CY_OPTIMIZER. Uniform in [0, 1). */
CY_API cy_value cy_network_uniform(cy_network *network, cy_shape shape);
CY_API cy_value cy_network_normal(cy_network *network, cy_shape shape);

/* One row per opened layer, in order of opening: what summaries print. */
typedef struct cy_network_layer {
  const char *kind;  /* "dense" */
  const char *name;  /* "dense1" */
  int depth;         /* layers open around it */
  cy_value input;    /* empty if it failed */
  cy_value output;
  int64_t parameters; /* numbers to train that it (with what it encloses) declared and no earlier layer did */
} cy_network_layer;
CY_API int cy_network_layer_count(const cy_network *network);
CY_API const cy_network_layer *cy_network_layer_at(const cy_network *network, int i); /* until the next layer */

/* ---- layers ------------------------------------------------------------------------------------------------ */
typedef struct cy_dense_options {
  const char *name;
  int64_t units;  /* outputs; required */
  bool no_bias;
  int axis;       /* 0: all axes but the batch are the inputs, result [N, units]. Otherwise only this axis (1.., or
                   * negative from the end) is contracted, and has extent units in the result */
  cy_initializer weight, bias;
  double l1, l2;  /* penalties on the weight: l1 sum |w| + l2/2 sum w^2 */
} cy_dense_options;
/* y = x weight + bias; weight [inputs, units], bias [units]. */
CY_API cy_value cy_dense(cy_network *network, cy_value x, cy_dense_options options);

typedef struct cy_prelu_options {
  const char *name;
  bool shared;        /* one slope for all channels; otherwise one per channel (axis 1) */
  cy_initializer slope; /* default constant 0.25 (He et al. 2015) */
} cy_prelu_options;
/* x > 0 ? x : slope * x, slope trained. */
CY_API cy_value cy_prelu(cy_network *network, cy_value x, cy_prelu_options options);

typedef struct cy_swish_options {
  const char *name;
  bool trainable; /* beta is a trained scalar */
  double beta;    /* 0 means 1 (a beta of zero is x / 2: use cy_mul_scalar) */
} cy_swish_options;
/* x * logistic(beta * x): x/2 for beta -> 0, relu for beta -> +inf (Ramachandran et al. 2017; coursework A1.1). */
CY_API cy_value cy_swish(cy_network *network, cy_value x, cy_swish_options options);

typedef struct cy_dropout_options {
  const char *name;
  double rate; /* chance that an element is set to zero, 0 <= rate < 1; the others are divided by 1 - rate */
} cy_dropout_options;
/* Identity at inference (Srivastava et al. 2014, inverted form). */
CY_API cy_value cy_dropout(cy_network *network, cy_value x, cy_dropout_options options);

typedef struct cy_norm_options {
  const char *name;
  double epsilon;    /* 0 means 1e-5 */
  double momentum;   /* batch norm only: running = (1 - momentum) running + momentum batch; 0 means 0.1 */
  bool no_affine;    /* no trained scale and shift */
  int axis;          /* layer norm only: 1.., or negative from the end; 0: all but the batch */
} cy_norm_options;
/* Normalises each example over all its axes but the first (Ba et al. 2016); scale and shift have the example's shape.
 * With an axis: over that axis alone, at each place by itself, as transformers do over the channels of each step. */
CY_API cy_value cy_layer_norm(cy_network *network, cy_value x, cy_norm_options options);
/* Normalises each channel (axis 1) over batch and space (Ioffe and Szegedy 2015; coursework C.I). Training: mean and
 * biased variance of the batch; running_mean and running_var (unbiased) are updated. Inference: the running ones.
 * Variables scale, shift; buffers running_mean, running_var. */
CY_API cy_value cy_batch_norm(cy_network *network, cy_value x, cy_norm_options options);

typedef struct cy_mixture_options {
  const char *name;
  bool logit;            /* one output, the logit log p - log (1 - p), for cy_binary_cross_entropy; otherwise two, log (1 - p)
                          * and log p: classes 0 and 1, for cy_cross_entropy (their softmax is themselves) */
  cy_initializer mixing; /* default zeros: equal shares */
} cy_mixture_options;
/* Mixture of K logistic regressions (coursework A2): from z [N, K], one pre-activation w_k x + b_k per component, the
 * probability p = sum_k pi_k sigmoid(z_k) of class 1, by its logarithms: finite, with finite gradients, for z of +-1e4. The
 * shares pi are the softmax of the parameter mixing [K]: positive, of sum 1. Component k is responsible for the example
 * (x, y) with the share softmax_k(log pi_k + log sigmoid(y ? z_k : -z_k)). */
CY_API cy_value cy_mixture(cy_network *network, cy_value z, cy_mixture_options options);

/* ---- layers on images: x is [N, C, space...] with 1 to 3 spatial axes ----
 * Arrays per spatial axis: give one entry per axis of x, or only entry 0 (the others 0), which then holds for all axes. */
typedef enum cy_padding_kind {
  CY_PADDING_EXPLICIT = 0, /* low and high; left alone: no padding ("valid") */
  CY_PADDING_SAME,         /* out = ceil(in / stride): max((out - 1) stride + k - in, 0) in all, the odd element at the end */
  CY_PADDING_HALF,         /* floor(k / 2) on both sides; k is the dilated kernel's extent, dilation (kernel - 1) + 1 */
  CY_PADDING_CAUSAL,       /* k - 1 in front, for sequences: no step sees a later one; out = ceil(in / stride) */
} cy_padding_kind;
typedef struct cy_padding {
  cy_padding_kind kind;
  int axes;                  /* how many axes low and high speak of; 0: entry 0 holds for all */
  int64_t low[CY_MAX_SPACE], high[CY_MAX_SPACE];
  cy_pad_mode mode;          /* what lies there: zeros, the reflected image, its edge */
} cy_padding;

typedef struct cy_conv_options {
  const char *name;
  int64_t filters;                  /* required, save for depthwise */
  int64_t kernel[CY_MAX_SPACE];     /* required */
  int64_t stride[CY_MAX_SPACE], dilation[CY_MAX_SPACE];
  cy_padding padding;
  int64_t groups;
  bool depthwise;                   /* groups = channels; filters: of each channel (0: one) */
  bool flipped;                     /* true convolution: the kernel runs backwards */
  bool no_bias;
  cy_initializer weight, bias;      /* fan_in C / groups * prod(kernel), fan_out filters / groups * prod(kernel) */
  double l1, l2;
} cy_conv_options;
/* y[o, i] = bias[o] + sum over c, t of weight[o, c, t] x[c, i stride - low + t dilation]: the cross-correlation that networks
 * call convolution. weight [filters, C / groups, kernel...], bias [filters]. */
CY_API cy_value cy_conv(cy_network *network, cy_value x, cy_conv_options options);

typedef struct cy_conv_transpose_options {
  const char *name;
  int64_t filters, kernel[CY_MAX_SPACE];
  int64_t stride[CY_MAX_SPACE], dilation[CY_MAX_SPACE];
  cy_padding padding;                     /* of the convolution that it transposes; zeros only. Same: out = in * stride */
  int64_t output_padding[CY_MAX_SPACE];   /* below the stride; added at the end: which of the sizes that the convolution
                                           * would map here */
  int output_axes;                        /* how many axes output_padding speaks of, as padding.axes */
  int64_t groups;
  bool no_bias;
  cy_initializer weight, bias;
  double l1, l2;
} cy_conv_transpose_options;
/* The transpose of the convolution with the same kernel, stride and padding: extent (in - 1) stride - low - high + dilation
 * (kernel - 1) + 1 + output_padding. weight [C, filters / groups, kernel...], bias [filters]. */
CY_API cy_value cy_conv_transpose(cy_network *network, cy_value x, cy_conv_transpose_options options);

typedef struct cy_pool_options {
  const char *name;
  int64_t kernel[CY_MAX_SPACE];  /* required */
  int64_t stride[CY_MAX_SPACE];  /* 0: the kernel */
  int64_t dilation[CY_MAX_SPACE];
  cy_padding padding;            /* mode zero: ignored by the maximum, zeros for the average */
  bool skip_padding;             /* avg: divide by the elements inside x; default: by the window's size (as PyTorch) */
} cy_pool_options;
CY_API cy_value cy_max_pool_layer(cy_network *network, cy_value x, cy_pool_options options);
CY_API cy_value cy_avg_pool_layer(cy_network *network, cy_value x, cy_pool_options options);
CY_API cy_value cy_global_avg_pool(cy_value x); /* [N, C, ...] -> [N, C] */
CY_API cy_value cy_global_max_pool(cy_value x);

/* ---- layers on sequences: x is [N, C, T], channels at each of T steps ----
 * A sequence is an image with one spatial axis: convolutions and pooling apply, and convolutions of one step,
 * conv(units, 1), are dense layers at each step. lengths: whole numbers [N] (i32 or i64), steps of each sequence; left alone: what
 * cy_network_set_lengths said, else all are T. After a sequence's end states stand still and outputs are 0. */
typedef enum cy_rnn_activation { CY_RNN_TANH = 0, CY_RNN_SIGMOID, CY_RNN_RELU } cy_rnn_activation;

typedef struct cy_recurrent_options {
  const char *name;
  int64_t units;                /* H; required */
  cy_rnn_activation activation; /* of cy_rnn */
  int64_t layers;               /* one upon the other; 0: one */
  bool bidirectional;           /* a second layer runs from the end; both outputs side by side: 2 H channels */
  bool reverse;                 /* from the end, which is each sequence's own */
  bool last;                    /* only the state after the last step read, [N, H]: each sequence's own, in reverse that
                                 * after step 0 */
  double dropout;               /* of the outputs between layers, in training */
  int64_t recompute;            /* memory against time, cy_scan_options */
  cy_value lengths;
  cy_initializer weight, recurrent, bias; /* glorot_uniform; orthogonal, each gate by itself; zeros */
  double forget_bias;           /* LSTM: added to the forget gates' bias at the start; 0 means 1, -0.0 none */
} cy_recurrent_options;
/* With x_t [N, C], state h [N, H], weight W [C, G H], recurrent U [H, G H], bias b [G H]; G gates side by side in the
 * order given, which is PyTorch's (its weights are the transposes, its two biases are added). * is elementwise.
 *   cy_rnn   h' = f(x W + b + h U)
 *   cy_lstm  i f g o: c' = sigmoid(f) * c + sigmoid(i) * tanh(g), h' = sigmoid(o) * tanh(c'), each letter the columns
 *            of x W + b + h U that are its own; ONNX has the order i o f g
 *   cy_gru   r z n: n = tanh(x W_n + b_n + sigmoid(r) * (h U_n + recurrent_bias)), "linear before reset",
 *            h' = (1 - sigmoid(z)) * n + sigmoid(z) * h; recurrent_bias [H]; ONNX has the order z r n
 * Result [N, H, T]; [N, 2 H, T] if bidirectional; [N, H] or [N, 2 H] of last: the state read backwards comes second.
 * Variables of further layers begin with "layer2.", ..., of the second direction with "reverse.". In a network that
 * carries its state, variables "state" [N, H] (and "memory", c) go on from run to run; gradients stop there (truncated
 * back-propagation through time). Cost per step: G N H (C + H) multiply-adds. Hochreiter and Schmidhuber 1997; Cho et
 * al. 2014; coursework C.II. */
CY_API cy_value cy_rnn(cy_network *network, cy_value x, cy_recurrent_options options);
CY_API cy_value cy_lstm(cy_network *network, cy_value x, cy_recurrent_options options);
CY_API cy_value cy_gru(cy_network *network, cy_value x, cy_recurrent_options options);

typedef struct cy_embedding_options {
  const char *name;
  int64_t vocabulary, size; /* required */
  cy_initializer weight;    /* normal(0, 1) */
} cy_embedding_options;
/* Whole numbers (i32 or i64) [N, T] to rows of weight [vocabulary, size]: [N, size, T]; [N] to [N, size]. A number that
 * is not from 0 to vocabulary - 1 gives NaN, so that it is noticed. Numbers of the network's dtype count as their floor. */
CY_API cy_value cy_embedding(cy_network *network, cy_value x, cy_embedding_options options);

typedef struct cy_attention_options {
  const char *name;
  int64_t heads;   /* 0: one */
  int64_t size;    /* of a head; 0: C / heads */
  bool causal;     /* step t looks at steps 0 .. t */
  double dropout;  /* of the weights, in training */
  bool no_bias;
  cy_value lengths; /* steps after a sequence's end are not looked at */
  cy_initializer weight; /* glorot_uniform */
} cy_attention_options;
/* Self-attention, [N, C, T] to [N, C, T] (Vaswani et al. 2017): per head softmax(q k' / sqrt(size)) v, where q, k, v of
 * all heads are x weight + bias at each step, in this order; then all heads by output [heads size, C] and output_bias.
 * weight [C, 3 heads size]: the transpose of PyTorch's. Memory: heads T^2 numbers per sequence. */
CY_API cy_value cy_attention(cy_network *network, cy_value x, cy_attention_options options);

typedef struct cy_positions_options {
  const char *name;
  bool learned;        /* a trained table positions [C, length]; otherwise sin and cos of t / 10000^(2 i / C) */
  int64_t length;      /* the most steps that the table knows; 0: those of x */
  cy_initializer init; /* normal(0, 0.02) */
} cy_positions_options;
/* x plus what tells the steps apart, for attention, which sees no order. */
CY_API cy_value cy_positions(cy_network *network, cy_value x, cy_positions_options options);

typedef struct cy_last_options {
  const char *name;
  cy_value lengths;
} cy_last_options;
/* [N, C, T] to [N, C]: the last step of each sequence. */
CY_API cy_value cy_last_step(cy_network *network, cy_value x, cy_last_options options);

/* Layers without variables are functions of values; see also cy_relu, cy_logistic (sigmoid), cy_tanh, cy_softplus,
 * cy_softmax, cy_log_softmax in ops.h. */
CY_API cy_value cy_leaky_relu(cy_value x, double slope);       /* x > 0 ? x : slope x */
CY_API cy_value cy_elu(cy_value x, double alpha);              /* x > 0 ? x : alpha (exp(x) - 1) */
CY_API cy_value cy_gelu(cy_value x, bool approximate);         /* x Phi(x): by erf, or by tanh (Hendrycks and Gimpel 2016) */
/* relu(a (x - alpha)) + relu(b (beta - x)) (coursework A1.2): for beta <= alpha and a, b > 0 it is zero on
 * [beta, alpha], of slope a above and -b below. dead_zone(x, 1, t, 1, -t) = |S(x)|, where S(x) = sign(x) max(|x| - t, 0)
 * is soft shrinkage; S itself is the difference of the two sides, dead_zone(x, 1, t, 0, 0) - dead_zone(x, 0, 0, 1, -t),
 * and slopes a != b give its leaky form. */
CY_API cy_value cy_dead_zone(cy_value x, double a, double alpha, double b, double beta);
CY_API cy_value cy_flatten(cy_value x);                        /* [N, ...] -> [N, product of the others] */
CY_API cy_value cy_reshape_example(cy_value x, cy_shape shape); /* the axes after the first; one may be -1 */
/* shortcut + branch, shapes equal: the error names both. */
CY_API cy_value cy_residual(cy_value shortcut, cy_value branch);

/* ---- losses ------------------------------------------------------------------------------------------------
 * Scalars unless per example. Finite, with finite gradients, for logits of +-1e4 and where masked logits are -inf. */
typedef enum cy_reduction {
  CY_LOSS_MEAN = 0,     /* over the batch */
  CY_LOSS_SUM,
  CY_LOSS_PER_EXAMPLE, /* shape of the labels, without the class axis */
} cy_reduction;

typedef struct cy_cross_entropy_options {
  cy_reduction reduction;
  double label_smoothing;      /* share of the label spread evenly over the classes that are not masked by -inf */
  const double *class_weights; /* one per class, read during the call. The mean divides by the sum of the weights of the
                                * examples' labels (as PyTorch); soft labels: by the batch */
} cy_cross_entropy_options;
/* -log softmax(logits)[label] along axis 1 of logits [N, K, ...]. labels: i32 or i64 [N, ...], or of the logits' dtype
 * and shape (soft: -sum_k label_k log softmax_k). A label on a -inf logit costs +inf; a label outside 0..K-1, or an
 * example whose logits are all -inf, costs NaN, so that it is noticed. Gradient: softmax - one_hot, over N. */
CY_API cy_value cy_cross_entropy(cy_value logits, cy_value labels, cy_cross_entropy_options options);

/* -t log sigmoid(x) - (1 - t) log(1 - sigmoid(x)), mean over an example's elements; targets in [0, 1], logits' shape. */
CY_API cy_value cy_binary_cross_entropy(cy_value logits, cy_value targets, cy_reduction reduction);

typedef struct cy_regression_options {
  cy_reduction reduction;
  bool sum_elements; /* an example's loss is the sum over its elements; default their mean, so that the result is the
                      * mean over all elements, as PyTorch's mse_loss */
  double delta;      /* Huber: where the square becomes linear; 0 means 1 */
} cy_regression_options;
CY_API cy_value cy_squared_error(cy_value prediction, cy_value target, cy_regression_options options);  /* (p - t)^2 */
CY_API cy_value cy_absolute_error(cy_value prediction, cy_value target, cy_regression_options options); /* |p - t| */
/* e^2 / 2 for |e| <= delta, else delta (|e| - delta / 2). */
CY_API cy_value cy_huber_loss(cy_value prediction, cy_value target, cy_regression_options options);

typedef struct cy_margin_options {
  cy_reduction reduction;
  double margin; /* 0 means 1 */
} cy_margin_options;
/* Integer labels [N], scores [N, K]: sum over k != label of max(0, margin + s_k - s_label) (Weston and Watkins 1999).
 * Labels of the scores' dtype and shape, +-1: max(0, margin - label * score), mean over an example's elements. */
CY_API cy_value cy_hinge_loss(cy_value scores, cy_value labels, cy_margin_options options);
/* y d + (1 - y) max(0, margin - d); distance [N], same [N] in the distance's dtype: 1 for pairs that belong together
 * (Hadsell et al. 2006 in the form of coursework E3). */
CY_API cy_value cy_contrastive_loss(cy_value distance, cy_value same, cy_margin_options options);
/* sum over all axes but the first of (a - b)^2: [N]. */
CY_API cy_value cy_pair_distance(cy_value a, cy_value b);

/* Scalars to add to a loss, over the variables that decay: lambda sum |w|, lambda/2 sum w^2 (gradient lambda w). */
CY_API cy_value cy_l1_penalty(cy_network *network, double lambda);
CY_API cy_value cy_l2_penalty(cy_network *network, double lambda);

/* ---- the architecture language -----------------------------------------------------------------------------
 *   # comment
 *   block(n) = dense(n) -> relu          definition: ends where no -> follows
 *   block(128) -> 2 * (dense(64, init=orthogonal) -> relu) -> residual(dense(64) -> relu) -> dense(10)
 *   conv(32, (3, 5), stride=2, pad=same) -> relu -> max_pool(2) -> global_avg_pool -> dense(10)      for images
 *
 * A model is a description; it builds a network for any input shape, so it may take images of several sizes; where a
 * window does not fit, the error also says how large the model's input must be. Layers get their names (dense1, dense2,
 * ...) when parsed, so applying a model twice in one network shares the variables. Errors read
 *   net.txt:2:9: unknown layer "dens"; did you mean "dense"?
 * followed by the line of the source and a caret under the place. */
typedef struct cy_model cy_model;

/* source: what to call the text in messages, such as its file name. */
CY_API CY_MUST_CHECK cy_status cy_model_parse(const char *text, const char *source, cy_model **model);
CY_API CY_MUST_CHECK cy_status cy_model_load(const char *path, cy_model **model); /* reads and parses a file */
CY_API void cy_model_free(cy_model *model);
CY_API cy_value cy_model_apply(const cy_model *model, cy_network *network, cy_value x);
/* The description with blocks and repetitions written out and only arguments that differ from their defaults; parsing it
 * gives the same model. Free with cy_string_free. */
CY_API CY_MUST_CHECK cy_status cy_model_text(const cy_model *model, char **text);

/* How many different whole numbers the model takes at each step, 0 .. n - 1, if it begins with an embedding; 0: it takes
 * real numbers. */
CY_API int64_t cy_model_vocabulary(const cy_model *model);

/* What the language knows: one paragraph per layer with its arguments, types, defaults; layer NULL: all of them. */
CY_API CY_MUST_CHECK cy_status cy_layer_help(const char *layer, char **text);

#ifdef __cplusplus
}
#endif
#endif
