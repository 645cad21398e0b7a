/* Reading of the convolutions, which are one trilinear form with one of its three factors left out. */
#include "derive/reading.h"
#include "ops/window.h"

/* sum x[n, c, i stride - low + t dilation] w[o, c, t] y[n, o, i]: the result is what is left out. */
typedef struct trilinear {
  const cy_window_attrs *a;
  cy_place x[CY_MAX_RANK], w[CY_MAX_RANK], y[CY_MAX_RANK];
  int space;
} trilinear;

static void set_inside(trilinear *f) {
  for (int i = 0; i < f->space; i++)
    f->x[2 + i] = cy_place_sum(cy_place_sum(cy_place_number(-f->a->low.at[i]), f->y[2 + i], f->a->stride.at[i]),
                               f->w[2 + i], f->a->dilation.at[i]);
}

static cy_poly *read_convolution(const cy_reading *r) {
  trilinear f = {.a = r->node->attrs, .space = r->node->shape.rank - 2};
  cy_sheet *s = r->sheet;
  cy_place run[2 + 2 * CY_MAX_SPACE];
  int role = (int)f.a->role, n = 0;
  if (f.a->groups != 1) return cy_read_whole(r);
  cy_shape first = cy_operand_shape(r, 0), second = cy_operand_shape(r, 1);
  for (int i = 0; i < r->node->shape.rank; i++) {
    if (role == CY_CONVOLUTION_X && i >= 2) continue;
    (role == CY_CONVOLUTION_Y ? f.y : role == CY_CONVOLUTION_W ? f.w : f.x)[i] = r->at[i];
  }
  if (role == CY_CONVOLUTION_Y) { /* x, w given: over c and the kernel */
    run[n++] = f.x[1] = f.w[1] = cy_run_over(s, first.dim[1]);
    f.x[0] = r->at[0];
    f.w[0] = r->at[1];
    for (int i = 0; i < f.space; i++) run[n++] = f.w[2 + i] = cy_run_over(s, second.dim[2 + i]);
  } else if (role == CY_CONVOLUTION_W) { /* x, y given: over n and y's places */
    run[n++] = f.x[0] = f.y[0] = cy_run_over(s, first.dim[0]);
    f.x[1] = r->at[1];
    f.y[1] = r->at[0];
    for (int i = 0; i < f.space; i++) run[n++] = f.y[2 + i] = cy_run_over(s, second.dim[2 + i]);
  } else { /* w, y given: over o, the kernel and y's places that meet here */
    run[n++] = f.w[0] = f.y[1] = cy_run_over(s, first.dim[0]);
    f.w[1] = r->at[1];
    f.y[0] = r->at[0];
    for (int i = 0; i < f.space; i++) {
      run[n++] = f.w[2 + i] = cy_run_over(s, first.dim[2 + i]);
      run[n++] = f.y[2 + i] = cy_run_over(s, second.dim[2 + i]);
    }
  }
  set_inside(&f);
  cy_poly *result = cy_operand(r, 0, role == CY_CONVOLUTION_X ? f.w : f.x);
  result = cy_poly_mul(s, result, cy_operand(r, 1, role == CY_CONVOLUTION_Y ? f.w : f.y));
  for (int i = 0; role == CY_CONVOLUTION_X && i < f.space; i++)
    result = cy_poly_mul(s, result, cy_poly_delta(s, r->at[2 + i], f.x[2 + i]));
  for (int i = 0; i < n; i++) result = cy_sum_over(s, result, &run[i]);
  return result;
}

const cy_reading_rule cy_convolution_rules[] = {
    {"convolution", read_convolution},
    {0},
};
