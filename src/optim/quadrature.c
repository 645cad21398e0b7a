/* Spectral density by stochastic Lanczos quadrature. From a unit probe v the tridiagonal matrix T is the Gauss rule
 * of the spectrum as v sees it: nodes are T's eigenvalues, weights the squared first elements of its eigenvectors.
 * The mean over random probes is the spectrum. */
#include "optim/curvature.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

enum { USUAL_STEPS = 80, USUAL_PROBES = 10 };

static cy_status add_rule(const cy_krylov *k, double share, cy_density *density) {
  size_t steps = (size_t)k->steps;
  double *values = cy_calloc(steps, sizeof *values), *vectors = cy_calloc(steps * steps, sizeof *vectors);
  cy_status status = values && vectors ? cy_krylov_eigenvalues(k, values, vectors) : cy_no_memory();
  for (size_t i = 0; i < steps && status == CY_OK; i++) {
    double first = vectors[i * steps];
    density->nodes[density->n] = values[i];
    density->weights[density->n++] = share * first * first;
  }
  cy_free(values);
  cy_free(vectors);
  return status;
}

static cy_status probe(cy_matrix_at *a, cy_rng *rng, int64_t most, double share, double *start, cy_density *density) {
  cy_krylov k = {0};
  for (int64_t i = 0; i < a->n; i++) start[i] = cy_rng_u32(rng) & 1 ? 1 : -1;
  cy_status status = cy_krylov_open(&k, a->n, most, start);
  while (status == CY_OK && k.steps < most && !k.ended) status = cy_krylov_step(&k, a, NULL);
  if (status == CY_OK) status = add_rule(&k, share, density);
  cy_krylov_close(&k);
  return status;
}

typedef struct node {
  double at, weight;
} node;

static int ascending(const void *a, const void *b) {
  const node *x = a, *y = b;
  return (x->at > y->at) - (x->at < y->at);
}

static cy_status sort(cy_density *density) {
  node *nodes = cy_calloc((size_t)density->n, sizeof *nodes);
  if (!nodes) return cy_no_memory();
  for (int64_t i = 0; i < density->n; i++) nodes[i] = (node){density->nodes[i], density->weights[i]};
  qsort(nodes, (size_t)density->n, sizeof *nodes, ascending);
  for (int64_t i = 0; i < density->n; i++) {
    density->nodes[i] = nodes[i].at;
    density->weights[i] = nodes[i].weight;
  }
  cy_free(nodes);
  density->low = density->nodes[0];
  density->high = density->nodes[density->n - 1];
  return CY_OK;
}

static cy_status run(cy_matrix_at *a, int64_t most, int64_t probes, cy_density *density) {
  cy_rng rng = cy_rng_make(a->options->seed, 2);
  size_t cells;
  if (!cy_mul_size((size_t)most, (size_t)probes, &cells)) return cy_no_memory();
  double *start = cy_calloc((size_t)a->n, sizeof *start);
  density->nodes = cy_calloc(cells, sizeof *density->nodes);
  density->weights = cy_calloc(cells, sizeof *density->weights);
  cy_status status = start && density->nodes && density->weights ? CY_OK : cy_no_memory();
  for (int64_t i = 0; i < probes && status == CY_OK; i++)
    status = probe(a, &rng, most, 1 / (double)probes, start, density);
  cy_free(start);
  return status == CY_OK ? sort(density) : status;
}

cy_status cy_spectral_density(cy_objective *objective, const double *x, cy_curvature_options options,
                              cy_density *density) {
  int64_t n = cy_objective_size(objective), most = cy_krylov_room(&options, n, USUAL_STEPS);
  int64_t probes = options.probes > 0 ? options.probes : USUAL_PROBES;
  cy_matrix_at a = {.objective = objective, .x = x, .options = &options, .n = n, .total = most * probes};
  *density = (cy_density){.probes = probes};
  cy_status status = run(&a, most, probes, density);
  density->products = a.done;
  if (status != CY_OK) cy_density_clear(density);
  return status;
}

void cy_density_clear(cy_density *density) {
  cy_free(density->nodes);
  cy_free(density->weights);
  *density = (cy_density){0};
}

double cy_density_at(const cy_density *density, double t, double deviation) {
  double sum = 0;
  for (int64_t i = 0; i < density->n; i++) {
    double z = (t - density->nodes[i]) / deviation;
    sum += density->weights[i] * exp(-z * z / 2);
  }
  return sum / (deviation * sqrt(2 * M_PI));
}

double cy_density_share(const cy_density *density, double low, double high) {
  double sum = 0;
  for (int64_t i = 0; i < density->n; i++)
    if (density->nodes[i] >= low && density->nodes[i] <= high) sum += density->weights[i];
  return sum;
}
