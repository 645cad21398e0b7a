/* Conjugate gradients (M. R. Hestenes, E. Stiefel 1952) on the quadratic model g'p + p'Ap/2, stopped as J. Martens does
 * ("Deep learning via Hessian-free optimization", 2010): by the progress of the model relative to what it has reached,
 * for it is the model that shall fall, not the residual. Called by Newton-CG. */
#include "optim/descent.h"

#include "base/error.h"

#include <float.h>

/* Martens 2010, section 4.4: stop after iteration i when i > k, the model is negative and it improved by less than
 * k * 0.0005 of itself during the last k = max(10, i / 10) iterations. */
static bool slow(const double *models, int64_t i) {
  int64_t k = i / 10 > 10 ? i / 10 : 10;
  return i > k && models[i] < 0 && (models[i] - models[i - k]) / models[i] < (double)k * 5e-4;
}

static void keep(cy_cg *cg, double model) {
  if (!cg->kept || cg->kept_limit < 1) return;
  if (cg->n_kept == cg->kept_limit) cg->n_kept--; /* the last place is that of the newest */
  cy_copy_vector(cg->n, cg->p, cg->kept + cg->n_kept * cg->n);
  cg->kept_model[cg->n_kept++] = model;
}

/* residual = -(gradient + A p) */
static cy_status begin(cy_cg *cg) {
  int64_t n = cg->n;
  if (cy_length(n, cg->p) == 0) {
    cy_scale_into(n, -1, cg->gradient, cg->residual);
    return CY_OK;
  }
  CY_TRY(cg->product(cg->self, cg->p, cg->residual));
  for (int64_t i = 0; i < n; i++) cg->residual[i] = -(cg->gradient[i] + cg->residual[i]);
  return CY_OK;
}

/* The model at p, by A p = -(gradient + residual). */
static double model_at(const cy_cg *cg) {
  return 0.5 * (cy_dot_product(cg->n, cg->gradient, cg->p) - cy_dot_product(cg->n, cg->residual, cg->p));
}

/* residual' M^-1 residual */
static double measure(const cy_cg *cg) {
  double sum = 0;
  if (!cg->scale) return cy_dot_product(cg->n, cg->residual, cg->residual);
  for (int64_t i = 0; i < cg->n; i++) sum += cg->residual[i] * cg->residual[i] * cg->scale[i];
  return sum;
}

/* direction = M^-1 residual + ratio * direction */
static void turn(cy_cg *cg, double ratio) {
  for (int64_t i = 0; i < cg->n; i++) {
    double own = cg->scale ? cg->scale[i] * cg->residual[i] : cg->residual[i];
    cg->direction[i] = own + ratio * cg->direction[i];
  }
}

/* One iteration; square is the measure of the residual. False: it ends here. */
static cy_status iterate(cy_cg *cg, double *square, bool *more) {
  int64_t n = cg->n;
  CY_TRY(cg->product(cg->self, cg->direction, cg->image));
  double curvature = cy_dot_product(n, cg->direction, cg->image), length = cy_length(n, cg->direction);
  *more = false;
  if (!isfinite(curvature)) {
    cg->end = CY_CG_NOT_FINITE;
    return CY_OK;
  }
  /* Zero but for the rounding of its terms is not positive either. */
  if (curvature <= 4 * DBL_EPSILON * length * cy_length(n, cg->image)) {
    cg->curvature = curvature / (length * length);
    cg->end = CY_CG_NEGATIVE;
    return CY_OK;
  }
  double step = *square / curvature, before = *square;
  cy_add_scaled(n, step, cg->direction, cg->p);
  cy_add_scaled(n, -step, cg->image, cg->residual);
  *square = measure(cg);
  turn(cg, *square / before);
  *more = true;
  return CY_OK;
}

cy_status cy_conjugate_gradients(cy_cg *cg) {
  double goal = 1e-14 * cy_length(cg->n, cg->gradient), next_kept = 1;
  cg->iterations = cg->n_kept = 0;
  cg->end = CY_CG_LIMIT;
  CY_TRY(begin(cg));
  memset(cg->direction, 0, (size_t)cg->n * sizeof *cg->direction);
  turn(cg, 0);
  double square = measure(cg);
  cg->models[0] = model_at(cg);
  for (int64_t i = 1; i <= cg->limit; i++) {
    bool more;
    if (!isfinite(square)) {
      cg->end = CY_CG_NOT_FINITE;
      break;
    }
    if ((cg->scale ? cy_length(cg->n, cg->residual) : sqrt(square)) <= goal) {
      cg->end = CY_CG_PROGRESS;
      break;
    }
    CY_TRY(iterate(cg, &square, &more));
    if (!more) break;
    cg->iterations = i;
    cg->models[i] = model_at(cg);
    if ((double)i >= next_kept) { /* section 4.6: at 1.3^j, rounded up */
      keep(cg, cg->models[i]);
      while (ceil(next_kept) <= (double)i) next_kept *= 1.3;
    }
    if (slow(cg->models, i)) {
      cg->end = CY_CG_PROGRESS;
      break;
    }
  }
  cg->model = cg->models[cg->iterations];
  /* Every kept point is another one; the result is the last. */
  if (cg->n_kept == 0 || cg->kept_model[cg->n_kept - 1] != cg->model) keep(cg, cg->model);
  return CY_OK;
}
