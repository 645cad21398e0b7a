/* The benchmark's cases, built with the public interface alone, and the data they run on. The same numbers as
 * bench/peers/worker.py makes: every element is a hash of its stream and position. Called by bench_train.c. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include <cauchy.h>

enum { BENCH_MAX_BATCHES = 16, BENCH_MAX_PRODUCTS = 32 };

typedef enum bench_kind {
  BENCH_INFER, BENCH_GRADIENT, BENCH_HESSIAN_VECTOR, BENCH_SGD, BENCH_MOMENTUM, BENCH_ADAM
} bench_kind;

typedef struct bench_recurrent bench_recurrent;

typedef struct bench_network {
  const char *text;  /* in the architecture language; NULL: recurrent */
  cy_shape example;  /* an input without its batch axis */
  int batches;       /* so many different ones, visited in turn */
  int check_steps;   /* training steps to the loss that all programs must agree on */
  int classes;
  const bench_recurrent *recurrent; /* inputs are [T, N, C] */
  int vocabulary;    /* not 0: inputs are whole numbers [N, T], and the labels are these numbers, one per step */
} bench_network;

typedef struct bench_case {
  const char *name;
  bench_kind kind;
  int64_t batch;
  const bench_network *network;
} bench_case;

/* What a layer with a weight contracts: numbers of its input, weight and output, and multiplications of the pass forward
 * (of a convolution: done directly, a term for every element of the kernel, those that lie in the padding included). */
typedef struct bench_product {
  double in, weight, out, multiplications;
} bench_product;

extern const bench_case bench_cases[];
extern const int bench_case_count;
const bench_case *bench_find(const char *name); /* NULL if unknown */

/* A case compiled, bound and ready to run. */
typedef struct bench_prepared bench_prepared;
CY_MUST_CHECK cy_status bench_prepare(const bench_case *about, int threads, bench_prepared **prepared);
void bench_prepared_free(bench_prepared *prepared);
const cy_program *bench_program(const bench_prepared *prepared);
const bench_case *bench_about(const bench_prepared *prepared);
int64_t bench_parameters(const bench_prepared *prepared); /* numbers to train */
/* In the order of the layers: the first one has the input of the network. */
const bench_product *bench_products(const bench_prepared *prepared, int *n);
/* Back to the initial parameters, optimiser slots and the first batch. */
void bench_reset(bench_prepared *prepared);
/* n steps, each on the next batch. */
CY_MUST_CHECK cy_status bench_steps(bench_prepared *prepared, int n);
/* The number that every peer must agree on: ln(classes) less the loss after some training steps, sum |logits|, sum |gradient|, or
 * v . Hv. */
CY_MUST_CHECK cy_status bench_check(bench_prepared *prepared, double *value);

#endif
