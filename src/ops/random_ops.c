/* Random numbers as values: seed, step, stream and position give the number, so a rerun, a resumed run and a run on
 * other threads draw the same. */
#include "ops/ops.h"

#include <string.h>

typedef struct random_attrs {
  int64_t stream, dtype;
  cy_list shape;
} random_attrs;
static const cy_field random_fields[] = {CY_INT_FIELD(random_attrs, stream), CY_END_FIELDS};

static cy_status infer_random(const void *attrs, const cy_type *in, int n, cy_type *out) {
  const random_attrs *a = attrs;
  *out = (cy_type){(cy_dtype)a->dtype, cy_shape_of(&a->shape)};
  for (int i = 0; i < n; i++)
    if (in[i].dtype != CY_I64 || in[i].shape.rank != 0)
      return cy_fail(CY_INVALID, "seed and step must be i64 scalars");
  return cy_dtype_is_float(out->dtype) ? CY_OK : cy_fail(CY_INVALID, "the numbers must be f32 or f64");
}

static void kernel_random(const cy_call *call) {
  const random_attrs *a = call->attrs;
  uint64_t seed = *(const uint64_t *)call->in[0].data, step = *(const uint64_t *)call->in[1].data, p = 0;
  for (cy_walk w = cy_walk_start(call->out->shape); w.more; cy_walk_next(&w), p++) {
    int64_t to = cy_walk_offset(&w, call->out->stride);
    if (call->out->dtype == CY_F32)
      ((float *)call->out->data)[to] = cy_random_f32(seed, step, (uint32_t)a->stream, p);
    else
      ((double *)call->out->data)[to] = cy_random_f64(seed, step, (uint32_t)a->stream, p);
  }
}

static int64_t stream_of(const void *attrs) { return ((const random_attrs *)attrs)->stream; }

static double cost_random(const void *attrs, const cy_type *in, int n, const cy_type *out) {
  (void)attrs, (void)in, (void)n;
  return 25 * (double)cy_count(out->shape); /* ten rounds for four numbers */
}

static void sample_random(const cy_op *op, cy_rng *rng, cy_sample *s) {
  (void)op;
  random_attrs attrs = {.stream = cy_rng_below(rng, 5), .dtype = CY_F64,
                        .shape = cy_list_of(cy_sample_shape(rng, 0, 3, true))};
  cy_sample_operand(s, 0, CY_I64, CY_SCALAR, 0, 1000);
  cy_sample_operand(s, 1, CY_I64, CY_SCALAR, 0, 1000);
  memcpy(s->attrs, &attrs, sizeof attrs);
}

const cy_op cy_op_random_uniform = {
    .name = "random_uniform", .op_class = CY_CLASS_INDEX, .arity = 2, .attr_size = sizeof(random_attrs),
    .fields = random_fields, .scalar = -1, .random_stream = stream_of, .infer = infer_random, .kernel = kernel_random,
    .cost = cost_random, .sample = sample_random};

cy_value cy_random_uniform(cy_value seed, cy_value step, int64_t stream, cy_dtype dtype, cy_shape shape) {
  random_attrs attrs = {.stream = stream, .dtype = dtype, .shape = cy_list_of(shape)};
  cy_value in[2] = {seed, step};
  return cy_make(seed.graph, &cy_op_random_uniform, in, 2, &attrs);
}

/* Box-Muller on two streams: sqrt(-2 log(1 - u)) cos(2 pi v), with 1 - u in (0, 1]. */
cy_value cy_random_normal(cy_value seed, cy_value step, int64_t stream, cy_dtype dtype, cy_shape shape) {
  cy_value u = cy_random_uniform(seed, step, stream, dtype, shape);
  cy_value v = cy_random_uniform(seed, step, stream ^ 0x40000000, dtype, shape);
  cy_value radius = cy_sqrt(cy_mul_scalar(cy_log(cy_rsub_scalar(1, u)), -2));
  return cy_mul(radius, cy_cos(cy_mul_scalar(v, 6.283185307179586476925)));
}
