/* Running small graphs in tests: named inputs with their tensors, outputs copied out, any backend. */
#ifndef CY_TESTS_HARNESS_H
#define CY_TESTS_HARNESS_H

#include "expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>

#include "base/random.h"
#include "graph/graph.h"
#include "ops/ops.h"

#include <cauchy.h>

#define assert_ok(call) OK(call)

enum { MOST_FEEDS = 16 };

/* Inputs "x0", "x1", ... of one graph and the tensors fed to them. */
typedef struct feeds {
  cy_graph *graph;
  int n;
  cy_value value[MOST_FEEDS];
  cy_tensor *tensor[MOST_FEEDS];
} feeds;

static inline feeds feeds_begin(void) {
  feeds f = {0};
  assert_ok(cy_graph_create(&f.graph));
  return f;
}

static inline void feeds_end(feeds *f) {
  for (int i = 0; i < f->n; i++) cy_tensor_free(f->tensor[i]);
  cy_graph_free(f->graph);
}

/* A new input with a zero tensor. */
static inline int feeds_add(feeds *f, cy_dtype dtype, cy_shape shape) {
  char name[16];
  assert_true(f->n < MOST_FEEDS);
  snprintf(name, sizeof name, "x%d", f->n);
  f->value[f->n] = cy_input(f->graph, name, dtype, shape);
  assert_ok(cy_graph_status(f->graph));
  assert_ok(cy_tensor_create(dtype, shape, &f->tensor[f->n]));
  return f->n++;
}

static inline void fill_uniform(cy_tensor *t, cy_rng *rng, double low, double high) {
  for (int64_t i = 0; i < cy_tensor_count(t); i++) {
    double x = low + (high - low) * cy_rng_uniform(rng);
    cy_tensor_set(t, i, cy_dtype_is_float(cy_tensor_dtype(t)) ? x : floor(x));
  }
}

typedef struct run_options {
  const char *backend;
  int threads;
  bool unfused, twice; /* twice: the second run must give the same bits */
} run_options;

/* Compiles values, runs them on the feeds, and returns copies of the outputs, to be freed by the caller. */
static inline void run_values(feeds *f, const cy_value *values, int n, run_options o, cy_tensor **out) {
  cy_program *program;
  cy_session *session;
  assert_ok(cy_graph_status(f->graph));
  assert_ok(cy_compile(values, n, NULL, 0,
                       (cy_program_options){.backend = o.backend, .threads = o.threads, .unfused = o.unfused}, &program));
  assert_ok(cy_session_create(program, &session));
  for (int i = 0; i < f->n; i++) {
    char name[16];
    snprintf(name, sizeof name, "x%d", i);
    /* An input that nothing needs is not in the program. */
    cy_status bound = cy_session_bind(session, name, f->tensor[i]);
    assert_true(bound == CY_OK || bound == CY_INVALID);
  }
  assert_ok(cy_session_run(session));
  for (int i = 0; i < n; i++) {
    const cy_tensor *result = cy_session_output(session, i);
    assert_ok(cy_tensor_create(cy_tensor_dtype(result), cy_tensor_shape(result), &out[i]));
    assert_ok(cy_tensor_copy(result, out[i]));
  }
  if (o.twice) {
    assert_ok(cy_session_run(session));
    for (int i = 0; i < n; i++)
      assert_memory_equal(cy_tensor_data(cy_session_output(session, i)), cy_tensor_data(out[i]), cy_tensor_bytes(out[i]));
  }
  cy_session_free(session);
  cy_program_free(program);
}

static inline double run_scalar(feeds *f, cy_value v, run_options o) {
  cy_tensor *t;
  run_values(f, &v, 1, o, &t);
  double x = cy_tensor_at(t, 0);
  cy_tensor_free(t);
  return x;
}

/* Largest |a - b| relative to the largest |b| (at least 1); infinite if NaN or infinity are in different places. */
static inline double distance(const cy_tensor *a, const cy_tensor *b) {
  double worst = 0, scale = 1;
  if (!cy_shape_equal(cy_tensor_shape(a), cy_tensor_shape(b))) return INFINITY;
  for (int64_t i = 0; i < cy_tensor_count(a); i++) {
    double x = cy_tensor_at(a, i), y = cy_tensor_at(b, i);
    if (isnan(x) && isnan(y)) continue;
    if (!isfinite(x) || !isfinite(y)) {
      if (x == y) continue;
      return INFINITY;
    }
    if (fabs(x - y) > worst) worst = fabs(x - y);
    if (fabs(y) > scale) scale = fabs(y);
  }
  return worst / scale;
}

#endif
