/* The benchmark's cases, built with the public interface alone, and the data they run on. The same numbers as
 * bench/peers/worker.py makes: every element is a hash of its stream and position. Called by bench_train.c. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include <cauchy.h>

enum { BENCH_BATCHES = 16, BENCH_MAX_LAYERS = 4, BENCH_CLASSES = 10 };

typedef enum bench_kind { BENCH_INFER, BENCH_GRADIENT, BENCH_HESSIAN_VECTOR, BENCH_SGD, BENCH_ADAM } bench_kind;

typedef struct bench_case {
  const char *name;
  bench_kind kind;
  int64_t batch;
  int n_sizes;
  int64_t sizes[BENCH_MAX_LAYERS + 1]; /* inputs, hidden units ..., classes */
} bench_case;

extern const bench_case bench_cases[];
extern const int bench_case_count;
const bench_case *bench_find(const char *name); /* NULL if unknown */

int64_t bench_parameters(const bench_case *about); /* numbers to train */

/* A case compiled, bound and ready to run. */
typedef struct bench_prepared bench_prepared;
CY_MUST_CHECK cy_status bench_prepare(const bench_case *about, int threads, bench_prepared **prepared);
void bench_prepared_free(bench_prepared *prepared);
const cy_program *bench_program(const bench_prepared *prepared);
/* Back to the initial parameters, optimiser slots and the first batch. */
void bench_reset(bench_prepared *prepared);
/* n steps, each on the next batch. */
CY_MUST_CHECK cy_status bench_steps(bench_prepared *prepared, int n);
/* The number that every peer must agree on: loss after 32 steps, sum |logits|, sum |gradient|, or v . Hv. */
CY_MUST_CHECK cy_status bench_check(bench_prepared *prepared, double *value);

#endif
