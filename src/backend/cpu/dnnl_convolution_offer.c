/* Which implementation of a convolution oneDNN offers first, with some passed over. Its two versions differ here: 2.x
 * makes a descriptor of the operation and walks its implementations, 3.x has only the latter. */
#include "backend/cpu/dnnl_convolution.h"

#include <string.h>

typedef struct windows {
  dnnl_dims_t stride, dilation, low, high;
} windows;

static windows windows_of(const cy_convolution_problem *p) {
  windows w;
  memset(&w, 0, sizeof w);
  for (int i = 0; i < p->space; i++) {
    w.stride[i] = p->stride[i];
    w.dilation[i] = p->dilation[i] - 1;
    w.low[i] = p->low[i];
    w.high[i] = p->high[i];
  }
  return w;
}

static bool is_wanted(const_dnnl_primitive_desc_t desc, const char *avoid) {
  const char *name = cy_dnnl_implementation(desc);
  return !avoid || (strncmp(name, avoid, strlen(avoid)) != 0 && strncmp(name, "ref", 3) != 0);
}

#if DNNL_VERSION_MAJOR >= 3
static dnnl_status_t offer_first(const windows *at, dnnl_engine_t engine, const_dnnl_primitive_attr_t attributes,
                                 const cy_dnnl_convolution_request *r, dnnl_primitive_desc_t *desc) {
  const dnnl_alg_kind_t direct = dnnl_convolution_direct;
  switch (r->role) {
    case CY_CONVOLUTION_Y:
      return dnnl_convolution_forward_primitive_desc_create(desc, engine, dnnl_forward_training, direct, r->x, r->w,
                                                            r->bias, r->y, at->stride, at->dilation, at->low, at->high,
                                                            attributes);
    case CY_CONVOLUTION_X:
      return dnnl_convolution_backward_data_primitive_desc_create(
          desc, engine, direct, r->x, r->w, r->y, at->stride, at->dilation, at->low, at->high, r->forward, attributes);
    case CY_CONVOLUTION_W: break;
  }
  return dnnl_convolution_backward_weights_primitive_desc_create(desc, engine, direct, r->x, r->w, r->bias, r->y,
                                                                 at->stride, at->dilation, at->low, at->high,
                                                                 r->forward, attributes);
}

dnnl_status_t cy_dnnl_convolution_offer(const cy_convolution_problem *problem, dnnl_engine_t engine,
                                        const_dnnl_primitive_attr_t attributes, const cy_dnnl_convolution_request *r,
                                        dnnl_primitive_desc_t *desc) {
  const windows at = windows_of(problem);
  dnnl_primitive_desc_t other = NULL;
  const dnnl_status_t status = offer_first(&at, engine, attributes, r, desc);
  if (status != dnnl_success || is_wanted(*desc, r->avoid) || dnnl_primitive_desc_clone(&other, *desc) != dnnl_success)
    return status;
  while (dnnl_primitive_desc_next_impl(other) == dnnl_success)
    if (is_wanted(other, r->avoid)) {
      dnnl_primitive_desc_destroy(*desc);
      *desc = other;
      return status;
    }
  dnnl_primitive_desc_destroy(other);
  return status;
}
#else
static dnnl_status_t describe(const windows *at, const cy_dnnl_convolution_request *r,
                              dnnl_convolution_desc_t *operation) {
  const dnnl_alg_kind_t direct = dnnl_convolution_direct;
  switch (r->role) {
    case CY_CONVOLUTION_Y:
      return dnnl_dilated_convolution_forward_desc_init(operation, dnnl_forward_training, direct, r->x, r->w, r->bias,
                                                        r->y, at->stride, at->dilation, at->low, at->high);
    case CY_CONVOLUTION_X:
      return dnnl_dilated_convolution_backward_data_desc_init(operation, direct, r->x, r->w, r->y, at->stride,
                                                              at->dilation, at->low, at->high);
    case CY_CONVOLUTION_W: break;
  }
  return dnnl_dilated_convolution_backward_weights_desc_init(operation, direct, r->x, r->w, r->bias, r->y, at->stride,
                                                             at->dilation, at->low, at->high);
}

/* Puts the first implementation that is wanted in the place of *desc, if there is one. */
static void replace(dnnl_primitive_desc_iterator_t implementations, const char *avoid, dnnl_primitive_desc_t *desc) {
  do {
    dnnl_primitive_desc_t other = dnnl_primitive_desc_iterator_fetch(implementations);
    const bool wanted = other && is_wanted(other, avoid);
    dnnl_primitive_desc_t drop = wanted ? *desc : other;
    if (wanted) *desc = other;
    if (drop) dnnl_primitive_desc_destroy(drop);
    if (wanted) return;
  } while (dnnl_primitive_desc_iterator_next(implementations) == dnnl_success);
}

dnnl_status_t cy_dnnl_convolution_offer(const cy_convolution_problem *problem, dnnl_engine_t engine,
                                        const_dnnl_primitive_attr_t attributes, const cy_dnnl_convolution_request *r,
                                        dnnl_primitive_desc_t *desc) {
  const windows at = windows_of(problem);
  dnnl_convolution_desc_t operation;
  dnnl_primitive_desc_iterator_t implementations = NULL;
  dnnl_status_t status = describe(&at, r, &operation);
  if (status == dnnl_success) status = dnnl_primitive_desc_create(desc, &operation, attributes, engine, r->forward);
  if (status != dnnl_success || is_wanted(*desc, r->avoid) ||
      dnnl_primitive_desc_iterator_create(&implementations, &operation, attributes, engine, r->forward) != dnnl_success)
    return status;
  replace(implementations, r->avoid, desc);
  dnnl_primitive_desc_iterator_destroy(implementations);
  return status;
}
#endif
