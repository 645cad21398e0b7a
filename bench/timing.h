/* The clock and the thread count, for the benchmark's files. */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include <omp.h>
#include <time.h>

static inline double timing_now(void) { /* seconds, monotonic */
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline void timing_set_threads(int threads) { omp_set_num_threads(threads); }

#endif
