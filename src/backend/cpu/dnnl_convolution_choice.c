/* Which of oneDNN's implementations computes a convolution. Activations lie in memory channels innermost, weights row
 * by row: the library is asked for what it likes best with activations as they are and weights in any format, and where
 * it has nothing but a slow one, with activations in any format too. Depends on shape, strides and processor alone:
 * nothing is timed. */
#include "backend/cpu/dnnl_convolution.h"

#include <string.h>

typedef enum format { CHANNELS_LAST, BLOCKED } format;

static dnnl_format_tag_t channels_last(int space) {
  static const dnnl_format_tag_t tags[CY_MAX_SPACE] = {dnnl_nwc, dnnl_nhwc, dnnl_ndhwc};
  return tags[space - 1];
}

/* The descriptor of the library's first implementation for activations of this format that is not to be avoided; NULL
 * if it has none. Backward ones ask for that of the forward convolution. */
static dnnl_primitive_desc_t offer(const cy_dnnl_convolution *c, format f, const char *avoid) {
  const cy_convolution_problem *p = &c->problem;
  const dnnl_format_tag_t tag = f == CHANNELS_LAST ? channels_last(p->space) : dnnl_format_tag_any;
  const dnnl_dims_t filters = {p->filters};
  cy_dnnl_desc d[CY_CONVOLUTION_OPERANDS], bias;
  dnnl_primitive_desc_t forward = NULL, desc = NULL;
  memset(d, 0, sizeof d);
  memset(&bias, 0, sizeof bias);
  dnnl_primitive_attr_t attributes = cy_dnnl_attributes();
  bool ok = attributes && cy_dnnl_describe_tag(&bias, 1, filters, dnnl_x);
  for (int i = 0; i < CY_CONVOLUTION_OPERANDS; i++)
    ok = ok &&
         cy_dnnl_describe_tag(&d[i], c->side[i].user.rank, c->side[i].user.dims, i == CY_W ? dnnl_format_tag_any : tag);
  cy_dnnl_convolution_request request = {
      .role = CY_CONVOLUTION_Y, .x = cy_dnnl_look(&d[CY_X]), .w = cy_dnnl_look(&d[CY_W]), .y = cy_dnnl_look(&d[CY_Y])};
  if (p->role != CY_CONVOLUTION_Y)
    ok = ok && cy_dnnl_convolution_offer(p, c->engine, attributes, &request, &forward) == dnnl_success;
  request.role = p->role;
  request.bias = p->bias ? cy_dnnl_look(&bias) : NULL;
  request.forward = forward;
  request.avoid = avoid;
  if (ok && cy_dnnl_convolution_offer(p, c->engine, attributes, &request, &desc) != dnnl_success) desc = NULL;
  if (forward) dnnl_primitive_desc_destroy(forward);
  for (int i = 0; i < CY_CONVOLUTION_OPERANDS; i++) cy_dnnl_forget(&d[i]);
  cy_dnnl_forget(&bias);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return desc;
}

/* 0: none or the library's slow reference; 1: through a matrix of columns; 2: written for the format. */
static int rank_of(const_dnnl_primitive_desc_t desc) {
  if (!desc) return 0;
  const char *name = cy_dnnl_implementation(desc);
  return strncmp(name, "ref", 3) == 0 ? 0 : strstr(name, "gemm") ? 1 : 2;
}

/* What is better avoided of oneDNN 2.6.3's own choice for activations with channels innermost. Measured on an AMD EPYC
 * (Zen 5, AVX-512), one thread, batch 64; milliseconds of its first choice, of what remains, and of blocked formats
 * with the conversions of activations that they need:
 *
 *   y   1 ->  32, 3x3 stride 2, 28x28    brgconv 0.096      jit 0.038      0.065
 *   y   3 ->  32, 3x3 stride 2, 64x64    brgconv 0.65       jit 0.56       0.95
 *   y   3 ->  64, 3x3, 32x32             brgconv 1.53       jit 1.17       1.95
 *   y   8 ->  32, 3x3, 32x32             brgconv 1.57       jit 1.33
 *   y  16 ->  32, 3x3, 32x32             brgconv 3.03       jit 3.09       so only few channels
 *   y  64 -> 128, 1x1 stride 2, 32x32    brgconv_1x1 2.4    jit_1x1 2.1    2.0
 *   y 128 -> 256, 1x1 stride 2, 16x16    brgconv_1x1 2.1    jit_1x1 1.4
 *   y  64 ->  64, 1x1, 32x32             brgconv_1x1 2.7    jit_1x1 2.9    3.9    so only strided ones
 *   x   3 ->  64, 3x3, 32x32             jit 8.1            gemm 3.1       5.3
 *   x   3 ->  64, 7x7 stride 2, 112x112  jit 12.5           gemm 5.3       4.9    (batch 8)
 *   x   1 ->  32, 3x3 stride 2, 28x28    jit 0.54           gemm 0.43      0.29
 *
 * For all other shapes measured (those of bench/bench_convolution.c) its first choice for channels innermost is not
 * slower than blocked formats once activations are converted, or by too little to matter. */
static const char *avoided(const cy_convolution_problem *p) {
  if (p->groups > 1) return NULL;
  if (p->role == CY_CONVOLUTION_Y)
    return p->channels < 16 || (cy_convolution_is_pointwise(p) && cy_convolution_is_strided(p)) ? "brg" : NULL;
  return p->role == CY_CONVOLUTION_X && p->channels <= 4 ? "jit" : NULL;
}

/* Strided ones that have little to convert for what they compute. The same measurement, GFLOP/s with channels
 * innermost, and in blocked formats with the conversions: 256 -> 512, 3x3 stride 2, 8x8: y 187, 215; w 137, 146; x 172,
 * 140. */
static bool is_better_blocked(const cy_convolution_problem *p) {
  return p->groups == 1 && cy_convolution_is_strided(p) && !cy_convolution_is_pointwise(p) && p->channels >= 128 &&
         p->filters >= 128 && p->role != CY_CONVOLUTION_X;
}

/* Blocked formats where there is nothing written for channels innermost. */
dnnl_primitive_desc_t cy_dnnl_convolution_choose(const cy_dnnl_convolution *c) {
  const char *avoid = avoided(&c->problem);
  if (is_better_blocked(&c->problem)) {
    dnnl_primitive_desc_t blocked = offer(c, BLOCKED, NULL);
    if (rank_of(blocked) == 2) return blocked;
    if (blocked) dnnl_primitive_desc_destroy(blocked);
  }
  dnnl_primitive_desc_t desc = offer(c, CHANNELS_LAST, avoid);
  if (rank_of(desc) < (avoid ? 1 : 2)) {
    dnnl_primitive_desc_t blocked = offer(c, BLOCKED, NULL);
    const bool better = rank_of(blocked) > rank_of(desc);
    dnnl_primitive_desc_t drop = better ? desc : blocked;
    if (better) desc = blocked;
    if (drop) dnnl_primitive_desc_destroy(drop);
  }
  if (rank_of(desc) > 0) return desc;
  if (desc) dnnl_primitive_desc_destroy(desc);
  return NULL;
}
