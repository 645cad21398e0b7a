/* The operation table's row. An operation is stated once, here: its shape rule, its tangent rule, its transpose if it
 * is linear, its reference kernel, how it prints, what it costs, and how to sample it for tests. Everything else in
 * the library walks rows and knows no operation by name; only kernels of fast backends attach by name. */
#ifndef CY_GRAPH_OP_H
#define CY_GRAPH_OP_H

#include "base/random.h"
#include "tensor/tensor.h"

#include <cauchy/graph.h>

typedef struct cy_op cy_op;
typedef struct cy_node cy_node;

typedef enum cy_op_class {
  CY_CLASS_LEAF,        /* no operands: inputs, variables, constants, iota */
  CY_CLASS_ELEMENTWISE, /* all operands and the result have one shape */
  CY_CLASS_LINEAR,
  CY_CLASS_MULTILINEAR,
  CY_CLASS_INDEX,       /* integer results or random bits: tangent zero */
  CY_CLASS_GENERAL,
  CY_CLASS_COMPOSITE,   /* a body of primitives; kernels may attach */
} cy_op_class;

/* dtype and shape of a value. */
typedef struct cy_type {
  cy_dtype dtype;
  cy_shape shape;
} cy_type;

/* Attributes are plain structs of int64_t, double and cy_list, without padding, so that rows can be compared, hashed
 * and printed by their field table. */
typedef struct cy_list {
  int64_t n;
  int64_t at[CY_MAX_RANK];
} cy_list;

typedef enum cy_field_kind {
  CY_FIELD_INT,
  CY_FIELD_REAL,
  CY_FIELD_LIST,
  CY_FIELD_BODY, /* an int64_t that holds the pointer to a cy_body, see graph/body.h */
} cy_field_kind;
typedef struct cy_field {
  const char *name; /* NULL ends the table */
  cy_field_kind kind;
  size_t offset;
} cy_field;

/* How to differentiate graphs, for rules of operations that hold one: see autodiff/autodiff.h, whose functions these are. */
typedef struct cy_calculus {
  void (*push)(cy_graph *graph, const cy_value *outputs, int n_outputs, const cy_value *inputs, const cy_value *tangents,
               int n_inputs, cy_value *out_tangents);
  void (*pull)(cy_graph *graph, const cy_value *outputs, const cy_value *cotangents, int n_outputs,
               const cy_value *placeholders, int n_placeholders, cy_value *out_cotangents);
} cy_calculus;

/* What a derivative or rewrite rule sees: the node, its operands, its value, and the operands' tangents. */
typedef struct cy_rule {
  cy_graph *graph;
  const cy_node *node;     /* for its attributes, dtype and shape */
  const cy_value *in;      /* operands, node->n_inputs of them */
  cy_value out;            /* the node itself */
  const cy_value *tangent; /* jvp: per operand, empty where zero */
  const bool *needed;      /* jvp: of the nodes from needed_first to needed_end, those that are being differentiated */
  int32_t needed_first, needed_end;
  const cy_calculus *calculus; /* jvp, pull */
  const int32_t *uses;     /* simplify: how often the values made so far are used; see cy_used_once */
  int32_t n_uses;
  bool late;               /* simplify: patterns that want whole operations have been found; these may be broken up now */
} cy_rule;

/* What a reference kernel sees: operands and result with any strides. */
typedef struct cy_call {
  const cy_op *op;
  const void *attrs;
  int n_inputs;
  const cy_view *in;
  const cy_view *out;
} cy_call;

/* Which elements of an operand's axis an element of the result depends on. Where i is the result's coordinate along axis:
 * those of (i stride + low) / divisor, (i stride + low + step) / divisor, ... that are whole, up to (i stride + high) /
 * divisor; axis -1: all of them. If exact: where the middle of the bounds is whole, that one alone, as interpolation passes
 * through the elements. The bounds do not stop at the ends of the axis, so that receptive fields can be larger than the
 * input. */
typedef struct cy_reach {
  int axis;
  int64_t stride, low, high, divisor;
  int64_t step; /* of dilated windows; 0 means 1 */
  bool exact;
} cy_reach;
/* The same place along axis; everything. */
static inline cy_reach cy_reach_same(int axis) { return (cy_reach){axis, 1, 0, 0, 1, 1, false}; }
static inline cy_reach cy_reach_all(void) { return (cy_reach){-1, 0, 0, 0, 1, 1, false}; }

/* An instance of the operation for tests: operand types, the range of their values, attributes. */
enum { CY_SAMPLE_OPERANDS = 4, CY_SAMPLE_ATTRS = 512 };
typedef struct cy_sample {
  int n_inputs;
  cy_type type[CY_SAMPLE_OPERANDS];
  double low[CY_SAMPLE_OPERANDS], high[CY_SAMPLE_OPERANDS]; /* integers: low <= x < high */
  bool distinct;     /* float operands have well separated values, so that maxima are isolated */
  union {
    unsigned char attrs[CY_SAMPLE_ATTRS];
    double align;
  };
} cy_sample;

/* What is read of a loop: a value of its body at each step, a carry at each step and before the first, the last carry. */
typedef enum cy_result_kind { CY_RESULT_SEQUENCE = 1, CY_RESULT_CARRIES, CY_RESULT_LAST } cy_result_kind;

#define CY_IMAGE_RESULT (UINT32_C(1) << 31)

struct cy_op {
  const char *name;
  cy_op_class op_class;
  int arity;            /* operands; -1: one or more */
  size_t attr_size;     /* bytes of the attribute struct */
  const cy_field *fields;
  uint32_t linear;      /* bit i: linear in operand i; bit 31 stands for all later operands too */
  bool overwrites;      /* the result may take the place of operand 0, which is then read where it is written */
  bool blocks;          /* its tangent is zero by definition, whatever its values do */
  bool big;             /* worth computing for all steps of a loop at once, in front of it */
  int scalar;           /* elementwise: its cy_scalar_op */
  int combine;          /* reductions that fused groups can hold: 1 + cy_combine; 0 otherwise */
  bool loop;            /* runs the body that its attributes begin with (graph/body.h) many times; has no elements itself,
                           what it computes is read through parts */
  int part;             /* a result of the loop that is operand 0: its cy_result_kind; 0 otherwise */

  /* Type of the result from the operands' types: a full sentence through cy_fail if they do not fit. */
  cy_status (*infer)(const void *attrs, const cy_type *in, int n, cy_type *out);
  /* Tangent of the result: graph operations on primals and tangents, linear in the tangents. NULL: zero. */
  cy_value (*jvp)(const cy_rule *rule);
  /* Cotangent of a linear operand from the result's cotangent. */
  cy_value (*transpose)(const cy_rule *rule, int operand, cy_value cotangent);
  /* Cotangents of all wanted operands at once, empty where zero; in place of transpose. */
  void (*pull)(const cy_rule *rule, cy_value cotangent, const bool *wanted, cy_value *cotangents);
  /* The operation for many instances at once: the operands that are batched, at least one, have an axis of this extent in
   * front, and so has the result. NULL, or the empty value: it cannot. */
  cy_value (*batch)(const cy_rule *rule, const bool *batched, int64_t extent);
  /* The other way: where an index of the result's first axis needs that index of operand 0's first axis, and all of the other
   * operands, the attributes of the operation for one index, whose operand 0 is without that axis. False: it is not so. */
  bool (*unbatch)(const void *attrs, const cy_type *in, void *single);
  /* Composites: the body. */
  cy_value (*expand)(const cy_rule *rule);
  /* A cheaper equal value, or the empty value. */
  cy_value (*simplify)(const cy_rule *rule);
  /* If the result can be a window onto operand 0's memory: its strides and its data (NULL data: offsets from zero, in
   * bytes). False where the layout does not allow it. */
  bool (*view)(const void *attrs, const cy_view *in, cy_view *out);
  /* Axes that a reduction sums over, as a bit mask. */
  uint32_t (*reduced)(const void *attrs);
  /* Operations whose result is their operands one behind the other: along which axis. */
  int (*joined_axis)(const void *attrs);
  /* Generators that fused groups can hold: the axis whose coordinate is the value; the stream of random numbers. */
  int (*iota_axis)(const void *attrs);
  int64_t (*random_stream)(const void *attrs);
  void (*kernel)(const cy_call *call);
  /* Arithmetic operations; NULL: one per element of the result. */
  double (*cost)(const void *attrs, const cy_type *in, int n, const cy_type *out);
  /* Fills reach, per axis of the operand. NULL: elementwise operations see the same place (extents of 1 apart), all
   * others everything. */
  void (*reach)(const void *attrs, const cy_type *in, int n, const cy_type *out, int operand, cy_reach *reach);
  /* Narrows what reach has filled, by the other operand of two where that is a constant with this content. NULL: nothing
   * more is known. */
  void (*reach_known)(const void *attrs, const cy_type *in, int operand, const void *content, cy_reach *reach);
  /* Bit i: operand i is an image [N, C, space...] whose kernels like channels innermost in memory; bit 31: the result is.
   * NULL: none. */
  uint32_t (*images)(const void *attrs);
  /* Products of matrices: are all axes of this operand but axis 1 walked as one, so that in rows they would not lie one inside
   * the other? NULL: the operand is read as it is counted. */
  bool (*joins_around)(const void *attrs, cy_shape shape, int operand);
  /* Fills a random instance; NULL: the operation is tested by name elsewhere (leaves). */
  void (*sample)(const cy_op *op, cy_rng *rng, cy_sample *sample);
  double low[3], high[3]; /* elementwise: where operands are sampled */
  unsigned kinds;         /* elementwise: bit per dtype it takes */
};

static inline bool cy_op_is_linear_in(const cy_op *op, int operand) {
  return op->linear >> (operand < 31 ? operand : 31) & 1;
}

#endif
