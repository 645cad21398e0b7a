/* oneDNN's convolutions, shared by the files that make them: dnnl_convolution_offer.c asks the library for an
 * implementation, _choice.c decides between the formats asked for, _plan.c adds the conversions, dnnl_convolution.c
 * runs it all. Only in builds with the library. */
#ifndef CY_BACKEND_CPU_DNNL_CONVOLUTION_H
#define CY_BACKEND_CPU_DNNL_CONVOLUTION_H

#include "backend/cpu/convolution.h"
#include "backend/cpu/dnnl_common.h"

enum { CY_DNNL_MAX_AXES = 3 + CY_MAX_SPACE }; /* weights with groups: group, filter, channel, space */

typedef struct cy_dnnl_dimensions {
  int rank;
  dnnl_dims_t dims, strides;
} cy_dnnl_dimensions;

/* An operand on its way: as the caller stores it, and as the implementation wants it. */
typedef struct cy_dnnl_side {
  cy_dnnl_dimensions user;
  cy_dnnl_desc stored;
  cy_dnnl_md wanted;          /* of the convolution's descriptor */
  dnnl_primitive_desc_t desc; /* the conversion; NULL: none is needed */
  dnnl_primitive_t reorder;
  size_t bytes, offset; /* of the converted operand in the workspace */
} cy_dnnl_side;

typedef struct cy_dnnl_convolution {
  cy_convolution_problem problem;
  int threads;
  dnnl_engine_t engine;
  dnnl_primitive_desc_t desc;
  dnnl_primitive_t primitive;
  cy_dnnl_side side[CY_CONVOLUTION_OPERANDS];
  size_t scratch_offset, scratch; /* the library's part; all */
  char name[104];
} cy_dnnl_convolution;

/* What the library is asked for: a role, with operands in these formats; bias NULL: none. */
typedef struct cy_dnnl_convolution_request {
  cy_convolution_role role;
  cy_dnnl_md x, w, bias, y;
  const_dnnl_primitive_desc_t forward; /* backward roles: the forward convolution's */
  const char
      *avoid; /* implementations whose names begin so are passed over for another one that is not slow; or NULL */
} cy_dnnl_convolution_request;

/* *desc is the library's first implementation that is not to be avoided; left as it is if the status is no success. */
dnnl_status_t cy_dnnl_convolution_offer(const cy_convolution_problem *problem, dnnl_engine_t engine,
                                        const_dnnl_primitive_attr_t attributes,
                                        const cy_dnnl_convolution_request *request, dnnl_primitive_desc_t *desc);
/* The implementation to use for c's problem and sides; NULL: none but slow ones. */
dnnl_primitive_desc_t cy_dnnl_convolution_choose(const cy_dnnl_convolution *c);
/* How the library calls the memory of an operand, its bias aside. */
dnnl_query_t cy_dnnl_convolution_query(cy_convolution_role role, int operand);

/* *convolution is NULL, and the status CY_OK, if the library has no fast kernel for the problem: f32, nothing empty,
 * operands whose strides are positive and whose elements do not overlap. */
CY_MUST_CHECK cy_status cy_dnnl_convolution_create(const cy_convolution_problem *problem, int threads,
                                                   void **convolution);
void cy_dnnl_convolution_free(void *convolution);

#endif
