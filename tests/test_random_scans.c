/* Random steps: small graphs of every kind of operation that read carries, inputs and constants in any mixture. As
 * loops, they agree with their steps written out, forward and in reverse, recomputing or not: values, tangents,
 * gradients, Hessian-vector products by both orders; and <u, J v> = <J' u, v>. CAUCHY_SEEDS=first:count runs others
 * than the usual ones. */
#include "loops.h"

enum { STEPS = 12, POOL = 3 * MOST + STEPS };

/* The same seed makes the same step each time it is called. */
typedef struct recipe {
  uint64_t seed;
  int depth; /* of loops in loops */
  kind k;
} recipe;

typedef struct making {
  cy_rng rng;
  cy_graph *graph;
  cy_value pool[POOL], places; /* floats; one value of integers, or none */
  int n, depth;
} making;

static int below(making *m, int n) { return (int)cy_rng_below(&m->rng, n); }
static cy_value pick(making *m) { return m->pool[below(m, m->n)]; }
static int rank(cy_value v) { return cy_value_shape(v).rank; }
static double size(cy_value v) { return (double)cy_count(cy_value_shape(v)); }

/* Any value brought to a shape, bounded, so that carries do not grow. */
static cy_value fitted(making *m, cy_value v, cy_shape shape) {
  if (cy_shape_equal(cy_value_shape(v), shape)) return below(m, 4) ? cy_tanh(v) : cy_mul_scalar(v, 0.5);
  cy_value one = cy_mul_scalar(cy_sum(v, NULL, 0, false), 1 / size(v));
  return cy_broadcast(one, shape);
}

static cy_value partner(making *m, cy_value a) {
  for (int i = below(m, m->n), k = 0; k < m->n; k++, i = (i + 1) % m->n)
    if (cy_shape_equal(cy_value_shape(m->pool[i]), cy_value_shape(a)) && m->pool[i].id != a.id) return m->pool[i];
  return fitted(m, pick(m), cy_value_shape(a));
}

static cy_value contraction(making *m, cy_value a) {
  cy_value b = pick(m);
  cy_shape x = cy_value_shape(a), y = cy_value_shape(b);
  cy_dot_axes axes = {0};
  bool used[CY_MAX_RANK] = {false};
  double k = 1;
  for (int i = 0; i < x.rank; i++)
    for (int j = 0; j < y.rank; j++) {
      if (used[j] || x.dim[i] != y.dim[j] || below(m, 4) == 0) continue;
      bool batch = below(m, 4) == 0;
      used[j] = true;
      (batch ? axes.a_batch : axes.a_contract)[batch ? axes.n_batch : axes.n_contract] = i;
      (batch ? axes.b_batch : axes.b_contract)[batch ? axes.n_batch++ : axes.n_contract++] = j;
      k *= batch ? 1 : (double)x.dim[i];
      break;
    }
  if (x.rank + y.rank - axes.n_batch - 2 * axes.n_contract > 3) return cy_cos(a);
  return cy_mul_scalar(cy_dot(a, b, axes), 1 / k);
}

static cy_value rearranged(making *m, cy_value a) {
  cy_shape shape = cy_value_shape(a), wide = shape;
  int axis = shape.rank ? below(m, shape.rank) : 0;
  int64_t low[CY_MAX_RANK] = {0}, high[CY_MAX_RANK] = {0};
  if (!shape.rank) return cy_sin(a);
  switch (below(m, 6)) {
    case 0: return shape.rank > 1 ? cy_transpose(a) : cy_flip(a, 0);
    case 1: return cy_flip(a, axis);
    case 2: return cy_slice_axis(a, axis, below(m, 2), shape.dim[axis]);
    case 3: low[axis] = 1, high[axis] = below(m, 2); return size(a) < 40 ? cy_pad(a, low, high, NULL) : a;
    case 4: {
      cy_value parts[2] = {a, partner(m, a)};
      return size(a) < 40 ? cy_concat(parts, 2, axis) : a;
    }
    default:
      if (shape.rank > 2) return a;
      for (int i = shape.rank++; i > 0; i--) wide.dim[i] = wide.dim[i - 1];
      wide.rank = shape.rank;
      wide.dim[0] = 2;
      return size(a) < 40 ? cy_broadcast(a, wide) : a;
  }
}

static cy_value reduced(making *m, cy_value a) {
  int axis = rank(a) ? below(m, rank(a)) : 0;
  if (!rank(a)) return cy_tanh(a);
  switch (below(m, 8)) {
    case 0: return cy_mean(a, &axis, 1, below(m, 2));
    case 1: return cy_reduce_max(a, &axis, 1, true);
    case 2: return cy_softmax(a, axis);
    case 3: return cy_mul_scalar(cy_log_softmax(a, axis), 0.2);
    case 4: return cy_normalize(a, &axis, 1, 0.1);
    case 5: return cy_mul_scalar(cy_cumsum(a, axis, below(m, 2)), 0.3);
    case 6: return cy_prod(cy_tanh(a), &axis, 1, false);
    default: return cy_mul_scalar(cy_sum(a, NULL, 0, false), 1 / size(a));
  }
}

static cy_value elementwise(making *m, cy_value a) {
  cy_value b = partner(m, a);
  switch (below(m, 14)) {
    case 0:
    case 1: return cy_add(a, b);
    case 2: return cy_sub(a, b);
    case 3: return cy_mul(cy_tanh(a), b);
    case 4: return cy_div(a, cy_add_scalar(cy_square(b), 1));
    case 5: return cy_max(a, b);
    case 6: return cy_select(cy_gt(a, b), cy_sin(a), b);
    case 7: return cy_logistic(a);
    case 8: return cy_exp(cy_neg(cy_square(a)));
    case 9: return cy_relu(a);
    case 10: return cy_stop_gradient(a);
    case 11: return cy_softplus(a);
    case 12: return cy_mul(a, a);
    default: return cy_erf(a);
  }
}

static void random_step(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs);

/* A loop along the first axis of a value. */
static cy_value inner_loop(making *m, cy_value a) {
  if (!rank(a) || m->depth == 0 || cy_value_shape(a).dim[0] > 4) return cy_sin(a);
  recipe r = {.seed = (uint64_t)below(m, 1 << 20), .depth = m->depth - 1};
  cy_value constants[2] = {pick(m), pick(m)}, carry[1] = {pick(m)}, inputs[1] = {a}, last[1], out[1];
  r.k = (kind){.n_constants = 2, .n_carry = 1, .n_inputs = 1, .n_outputs = 1};
  cy_scan(m->graph, random_step, &r, (cy_scan_values){2, 1, 1, 1, constants, carry, inputs, last, out},
          (cy_scan_options){.reverse = below(m, 2)});
  return below(m, 2) ? last[0] : out[0];
}

static cy_value taken(making *m, cy_value a) {
  if (!cy_is_value(m->places) || !rank(a)) return cy_tanh(a);
  int axis = below(m, rank(a));
  return size(a) < 40 && rank(a) < 3 ? cy_gather(a, m->places, axis, 0) : a;
}

static void random_step(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  const recipe *r = context;
  making m = {.rng = cy_rng_make(r->seed, 12), .graph = s->graph, .depth = r->depth};
  for (int i = 0; i < r->k.n_constants; i++) m.pool[m.n++] = s->constants[i];
  for (int i = 0; i < r->k.n_carry; i++) m.pool[m.n++] = s->carry[i];
  for (int i = 0; i < r->k.n_inputs; i++)
    if (cy_dtype_is_float(cy_value_dtype(s->inputs[i]))) m.pool[m.n++] = s->inputs[i];
    else m.places = s->inputs[i];
  for (int i = 0; i < STEPS; i++) {
    cy_value a = pick(&m), v = a;
    switch (below(&m, 10)) {
      case 0:
      case 1:
      case 2: v = elementwise(&m, a); break;
      case 3:
      case 4:
      case 5: v = contraction(&m, a); break;
      case 6: v = rearranged(&m, a); break;
      case 7: v = reduced(&m, a); break;
      case 8: v = taken(&m, a); break;
      default: v = inner_loop(&m, a); break;
    }
    if (cy_graph_failed(s->graph)) return;
    m.pool[m.n++] = rank(v) > 3 || size(v) > 60 || size(v) == 0 ? a : v;
  }
  for (int k = 0; k < r->k.n_carry; k++)
    next[k] = below(&m, 10) ? fitted(&m, m.pool[m.n - 1 - k], cy_value_shape(s->carry[k])) : s->carry[k];
  for (int i = 0; i < r->k.n_outputs; i++) outputs[i] = below(&m, 3) ? m.pool[m.n - 1 - below(&m, 4)] : pick(&m);
}

static cy_type random_type(cy_rng *rng) {
  cy_type type = {CY_F64, {.rank = (int)cy_rng_below(rng, 3)}};
  for (int i = 0; i < type.shape.rank; i++) type.shape.dim[i] = 2 + cy_rng_below(rng, 2);
  return type;
}

static recipe random_recipe(uint64_t seed) {
  cy_rng rng = cy_rng_make(seed, 13);
  recipe r = {.seed = seed, .depth = cy_rng_below(&rng, 3) == 0};
  kind *k = &r.k;
  *k = (kind){.name = "random", .step = random_step};
  k->n_constants = 1 + (int)cy_rng_below(&rng, 3);
  k->n_carry = 1 + (int)cy_rng_below(&rng, 2);
  k->n_inputs = 1 + (int)cy_rng_below(&rng, 2);
  k->n_outputs = (int)cy_rng_below(&rng, 3);
  for (int i = 0; i < MOST; i++) {
    k->constants[i] = random_type(&rng);
    k->carry[i] = random_type(&rng);
    k->inputs[i] = random_type(&rng);
  }
  if (k->n_inputs == 2 && cy_rng_below(&rng, 2)) k->inputs[1].dtype = CY_I64;
  return r;
}

/* ---- <u, J v> = <J' u, v> ---- */

static double inner(const cy_tensor *a, const cy_tensor *b, double *scale) {
  double total = 0;
  for (int64_t i = 0; i < cy_tensor_count(a); i++) {
    total += cy_tensor_at(a, i) * cy_tensor_at(b, i);
    *scale += fabs(cy_tensor_at(a, i) * cy_tensor_at(b, i));
  }
  return total;
}

static void adjoint(const kind *k, uint64_t seed) {
  world w = world_begin(k, 3, seed);
  cy_rng rng = cy_rng_make(seed, 14);
  cy_value last[MOST], outputs[MOST], of[2 * MOST], wrt[MOST_FEEDS], u[2 * MOST], v[MOST_FEEDS], all[MOST_VALUES];
  cy_tensor *out[MOST_VALUES];
  cy_scan(w.f.graph, k->step, k->context,
          (cy_scan_values){k->n_constants, k->n_carry, k->n_inputs, k->n_outputs, w.f.value + w.constants,
                           w.f.value + w.carry, w.f.value + w.inputs, last, outputs},
          (cy_scan_options){0});
  int n = 0, m = w.n_moving, fu[2 * MOST], fv[MOST_FEEDS];
  if (k->n_carry + k->n_outputs + 2 * m + k->n_inputs < MOST_FEEDS) {
    for (int i = 0; i < k->n_outputs; i++) of[n++] = outputs[i];
    for (int i = 0; i < k->n_carry; i++) of[n++] = last[i];
    for (int i = 0; i < n; i++) {
      u[i] = w.f.value[fu[i] = feeds_add(&w.f, CY_F64, cy_value_shape(of[i]))];
      fill_uniform(w.f.tensor[fu[i]], &rng, -1, 1);
    }
    for (int i = 0; i < m; i++) {
      wrt[i] = w.f.value[w.moving[i]];
      v[i] = w.f.value[fv[i] = feeds_add(&w.f, CY_F64, cy_value_shape(wrt[i]))];
      fill_uniform(w.f.tensor[fv[i]], &rng, -1, 1);
    }
    assert_ok(cy_jvp(of, n, wrt, v, m, all));
    assert_ok(cy_vjp(of, u, n, wrt, m, all + n));
    run_values(&w.f, all, n + m, (run_options){.backend = "cpu"}, out);
    double left = 0, right = 0, scale = 1;
    for (int i = 0; i < n; i++) left += inner(out[i], w.f.tensor[fu[i]], &scale);
    for (int i = 0; i < m; i++) right += inner(out[n + i], w.f.tensor[fv[i]], &scale);
    if (!(fabs(left - right) <= 1e-12 * scale))
      fail_msg("seed %llu: <u,Jv> = %.17g, <J'u,v> = %.17g", (unsigned long long)seed, left, right);
    for (int i = 0; i < n + m; i++) cy_tensor_free(out[i]);
  }
  feeds_end(&w.f);
}

static void random_loops_agree_with_their_steps_written_out(void **state) {
  (void)state;
  unsigned long long first = 0, count = 120;
  const char *seeds = getenv("CAUCHY_SEEDS");
  if (seeds && sscanf(seeds, "%llu:%llu", &first, &count) != 2) fail_msg("CAUCHY_SEEDS is first:count");
  for (unsigned long long seed = first; seed < first + count; seed++) {
    recipe r = random_recipe(seed);
    r.k.context = &r;
    compare(&r.k, 1 + (int64_t)(seed % 4), seed / 4 % 2, seed % 5 == 3 ? 2 : 0, 2, seed,
            seed % 3 ? "cpu" : "reference");
    adjoint(&r.k, seed);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(random_loops_agree_with_their_steps_written_out)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
