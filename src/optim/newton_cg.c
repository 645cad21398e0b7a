/* Newton-CG, with Gauss-Newton products the Hessian-free method of J. Martens ("Deep learning via Hessian-free
 * optimization", 2010; J. Martens, I. Sutskever, "Training deep and recurrent networks with Hessian-free optimization",
 * 2012): the damped quadratic model is minimised by conjugate gradients from the decayed previous solution; of the
 * points on the way the best is taken; the damping follows the reduction ratio. Slots: lambda, and that
 * solution. */
#include "optim/descent.h"

#include "base/error.h"

enum { DAMPING, SOLUTION };

static const double decay = 0.95; /* of the previous solution */
static const double least_damping = 1e-18;

static cy_status check(const cy_descent *d) {
  static const char *const names[] = {"the Hessian", "the Gauss-Newton matrix", "the empirical Fisher matrix"};
  cy_curvature matrix = d->options.curvature;
  if (cy_objective_has(d->objective, matrix)) return CY_OK;
  return cy_fail(CY_UNSUPPORTED, "newton-cg needs products with %s, which this objective does not have%s",
                 names[matrix], cy_objective_has(d->objective, CY_HESSIAN) ? "; it has those with the Hessian" : "");
}

/* How many points CG keeps: at 1, 2, 3, ... 1.3^j and the last. */
static int64_t kept_points(const cy_descent *d) {
  int64_t kept = 2;
  for (double at = 1; at <= (double)d->options.cg_iterations && kept < CY_CG_KEPT; at *= 1.3) kept++;
  return kept;
}

/* n * kept points, with a preconditioner two more, and the values of the models. */
static int64_t more(const cy_descent *d) {
  int64_t points = kept_points(d) + (d->options.preconditioner > 0 ? 2 : 0), limit = d->options.cg_iterations;
  return d->n > (INT64_MAX / 2 - limit) / points ? INT64_MAX : points * d->n + limit + 1;
}

/* The work of one step. The slots change at its end only: a step that fails leaves them as they were. */
typedef struct work {
  cy_descent *d;
  cy_cg cg;
  double lambda;
  const double *squares; /* NULL: no preconditioner */
  double *scale;         /* of the preconditioner, for this lambda */
  bool from_zero;       /* CG started at zero, not at the previous solution */
  const double *chosen; /* of the kept points */
  double value;         /* at the solution of CG */
  double model;         /* undamped, there: the predicted change of the value */
} work;

static cy_status damped_product(void *self, const double *v, double *out) {
  work *w = self;
  CY_TRY(cy_descent_product(w->d, w->d->options.curvature, v, out));
  cy_add_scaled(w->d->n, w->lambda, v, out);
  return CY_OK;
}

static void begin(cy_descent *d, work *w) {
  int64_t n = d->n, limit = d->options.cg_iterations;
  double *at = d->scratch, *slot = d->slots[DAMPING];
  *w = (work){.d = d, .lambda = slot[1] == 0 ? d->options.damping : slot[0]};
  w->cg = (cy_cg){.n = n, .limit = limit, .product = damped_product, .self = w, .gradient = d->gradient,
                  .p = at, .residual = at + n, .direction = at + 2 * n, .image = at + 3 * n, .models = at + 4 * n,
                  .kept = at + 4 * n + limit + 1, .kept_limit = kept_points(d)};
  if (d->options.preconditioner > 0) {
    w->scale = w->cg.kept + w->cg.kept_limit * n;
    w->squares = w->scale + n;
    w->cg.scale = w->scale;
  }
  cy_scale_into(n, decay, d->slots[SOLUTION], w->cg.p);
  w->from_zero = cy_length(n, w->cg.p) == 0;
}

/* What the next step knows of this one. */
static void end_step(work *w, double lambda, bool keep_solution) {
  cy_descent *d = w->d;
  d->slots[DAMPING][0] = lambda;
  d->slots[DAMPING][1] = 1; /* no longer the initial one */
  if (keep_solution) cy_copy_vector(d->n, w->cg.p, d->slots[SOLUTION]);
  else memset(d->slots[SOLUTION], 0, (size_t)d->n * sizeof(double));
}

/* Curvature -c < 0 asks for more damping: so much that it becomes its opposite. */
static void damp_more(work *w) {
  double met = w->cg.curvature - w->lambda, before = w->lambda;
  w->lambda = fmax(-2 * met, 4 * before);
  if (w->lambda == 0) w->lambda = 1e-3;
  cy_descent_note(w->d, "curvature %.3g met: lambda raised from %.3g to %.3g", met, before, w->lambda);
}

/* Martens 2010, section 4.7, but for the estimate of the squares. */
static cy_status measure_squares(work *w) {
  cy_descent *d = w->d;
  double *squares = w->scale ? w->scale + d->n : NULL;
  return squares ? cy_objective_squares(d->objective, d->x, 0, squares) : CY_OK;
}

static void precondition(work *w) {
  double a = w->d->options.preconditioner;
  for (int64_t i = 0; w->squares && i < w->d->n; i++) {
    double m = pow(w->squares[i] + w->lambda, a);
    w->scale[i] = m > 0 && isfinite(m) ? 1 / m : 1;
  }
}

/* A point of CG that is downhill. Negative curvature after some progress leaves the point reached so far (Nocedal and
 * Wright, algorithm 7.1); at once, it asks for more damping. */
static cy_status solve(work *w, bool *solved) {
  cy_descent *d = w->d;
  *solved = false;
  for (int tries = 0; tries < 40; tries++) {
    precondition(w);
    CY_TRY(cy_conjugate_gradients(&w->cg));
    *solved = w->cg.iterations > 0 && w->cg.model < 0 && isfinite(w->cg.model);
    if (*solved || (w->cg.end != CY_CG_NEGATIVE && w->from_zero)) return CY_OK;
    if (w->cg.end == CY_CG_NEGATIVE) damp_more(w);
    memset(w->cg.p, 0, (size_t)d->n * sizeof(double)); /* from zero, the model falls with the first iteration */
    w->from_zero = true;
  }
  return CY_OK;
}

/* CG-backtracking (Martens 2010, section 4.6): from the last kept point to earlier ones as long as the value falls. */
static cy_status choose(work *w) {
  cy_descent *d = w->d;
  int64_t last = w->cg.n_kept - 1, best = last;
  double lowest = INFINITY, length = cy_length(d->n, w->cg.p);
  for (int64_t i = last; i >= 0; i--) {
    cy_descent_move(d, 1, w->cg.kept + i * d->n);
    CY_TRY(cy_descent_value(d));
    double here = isfinite(d->next_value) ? d->next_value : INFINITY;
    if (i == last) w->value = here;
    if (here >= lowest && isfinite(lowest)) break;
    best = i;
    lowest = here;
  }
  w->chosen = w->cg.kept + best * d->n;
  w->model = w->cg.model - 0.5 * w->lambda * length * length;
  return CY_OK;
}

/* Levenberg-Marquardt (Martens 2010, section 4.1): the next lambda. The ratio is that of the solution, also where an
 * earlier point was better: that the solution goes too far is what lambda has to learn. */
static double adapted(const work *w) {
  double change = w->value - w->d->value, ratio = change / w->model, noise = w->d->noise * fabs(w->d->value);
  bool below_rounding = fabs(change) <= noise && fabs(w->model) <= noise;
  if (below_rounding || ratio > 0.75) return w->lambda > least_damping ? w->lambda * 2 / 3 : w->lambda;
  return ratio >= 0.25 ? w->lambda : w->lambda * 1.5;
}

static void take(work *w, double rate) {
  double lambda = adapted(w);
  if (w->cg.end == CY_CG_NEGATIVE) {
    cy_descent_note(w->d, "negative curvature %.3g after %lld iterations of CG: their point is taken",
                    w->cg.curvature - w->lambda, (long long)w->cg.iterations);
    lambda = w->lambda * 1.5;
  }
  end_step(w, lambda, true);
  cy_descent_accept(w->d, rate);
}

/* The point stays; the next model is damped more, until it promises less than rounding. */
static cy_step_end reject(work *w) {
  cy_descent *d = w->d;
  if (-w->model <= d->noise * fabs(d->value) || w->lambda == 0 || w->lambda > 1e30) return CY_STEP_STALLED;
  end_step(w, 4 * w->lambda, false);
  cy_descent_note(d, "no step lowers the value: lambda raised from %.3g to %.3g", w->lambda, 4 * w->lambda);
  return CY_STEP_TAKEN;
}

static cy_status newton_cg(cy_descent *d, cy_step_end *end) {
  work w;
  double rate;
  bool solved, found;
  begin(d, &w);
  CY_TRY(measure_squares(&w));
  CY_TRY(solve(&w, &solved));
  d->damping = w.lambda;
  if (!solved) {
    bool finite = w.cg.end != CY_CG_NOT_FINITE;
    if (!finite) cy_descent_note(d, "products with the curvature are not finite");
    *end = finite ? CY_STEP_STALLED : CY_STEP_DIVERGED;
    return CY_OK;
  }
  CY_TRY(choose(&w));
  CY_TRY(cy_search_backwards(d, w.chosen, d->options.rate, &rate, &found));
  *end = CY_STEP_TAKEN;
  if (found) take(&w, rate);
  else *end = reject(&w);
  return CY_OK;
}

const cy_descent_method cy_descent_newton_cg = {
  .name = "newton-cg",
  .summary = "products with the curvature, conjugate gradients, damping; Hessian-free (Martens 2010)",
  .rate = 1, .damping = 1,
  .n_slots = 2, .slots = {{"damping", 2, false}, {"solution", 0, false}},
  .vectors = 4, .more = more, .check = check, .step = newton_cg};
