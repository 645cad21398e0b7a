/* Cauchy's side of the benchmark. With a thread count alone it obeys bench/run: one command a line on standard input,
 * one JSON object a line on standard output (tune, check, run, limits, memory, as bench/peers/worker.py). With a command as
 * arguments it does just that, for looking and profiling: bench_train 1 run adam-64 5; bench_train 1 text adam-64. */
#include "cases.h"
#include "limits.h"
#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SECONDS 0.002 /* a sample is the mean over a block of steps at least this long */

enum { MAX_CASES = 32 };

typedef struct bench {
  int threads;
  bench_prepared *prepared[MAX_CASES];
  double matrix_rate, bandwidth[MAX_CASES]; /* the best seen so far */
} bench;

static int fail(const char *what) {
  fprintf(stderr, "bench_train: %s: %s\n", what, cy_error_message());
  return 1;
}

/* Compiles the case when it is first asked for. */
static bench_prepared *prepared(bench *b, int i) {
  if (!b->prepared[i] && bench_prepare(&bench_cases[i], b->threads, &b->prepared[i]) != CY_OK) fail(bench_cases[i].name);
  return b->prepared[i];
}

/* Seconds for so many steps; negative after an error. */
static double timed(bench_prepared *p, int steps) {
  double start = timing_now();
  if (bench_steps(p, steps) != CY_OK) return -1;
  return timing_now() - start;
}

static int run(bench *b, int i, double seconds) {
  bench_prepared *p = prepared(b, i);
  if (!p) return 1;
  bench_reset(p);
  int steps = 1;
  double took = timed(p, 1);
  if (took < 1) took = timed(p, 2);
  for (; took >= 0 && took < BLOCK_SECONDS; steps *= 2) took = timed(p, 2 * steps);
  bench_reset(p);
  printf("{\"case\": \"%s\", \"samples\": [", bench_cases[i].name);
  bool first = true;
  for (double end = timing_now() + seconds; first || timing_now() < end; first = false) {
    took = timed(p, steps);
    if (took < 0) return fail(bench_cases[i].name);
    printf("%s%.4f", first ? "" : ", ", 1e6 * took / steps);
  }
  puts("]}");
  return 0;
}

static int tune(bench *b, int i) {
  bench_prepared *p = prepared(b, i);
  if (!p) return 1;
  const cy_program *program = bench_program(p);
  printf("{\"case\": \"%s\", \"variant\": \"program\", \"variants\": {}, \"failed\": {}, \"kernels\": %d, "
         "\"arena_bytes\": %zu, \"program_flops\": %.0f}\n", bench_cases[i].name, cy_program_kernel_count(program),
         cy_program_arena_bytes(program), cy_program_flops(program));
  return 0;
}

static int check(bench *b, int i) {
  bench_prepared *p = prepared(b, i);
  double value;
  if (!p) return 1;
  if (bench_check(p, &value) != CY_OK) return fail(bench_cases[i].name);
  printf("{\"case\": \"%s\", \"check\": %.9g}\n", bench_cases[i].name, value);
  return 0;
}

/* Measures the machine again and answers with the best so far. The matrix rate is measured with the first case only (or
 * the first that is asked for). */
static int limits(bench *b, int i, double seconds) {
  bench_prepared *p = prepared(b, i);
  if (!p) return 1;
  if (i == 0 || b->matrix_rate == 0) {
    double rate = limits_matrix_rate(b->threads, seconds);
    if (rate > b->matrix_rate) b->matrix_rate = rate;
  }
  double bandwidth = limits_bandwidth(b->threads, limits_working_set(p), seconds);
  if (bandwidth > b->bandwidth[i]) b->bandwidth[i] = bandwidth;
  printf("{\"case\": \"%s\", \"flops\": %.0f, \"bytes\": %.0f, \"working_set\": %zu, \"matrix_rate\": %.4g, "
         "\"bandwidth\": %.4g}\n", bench_cases[i].name, limits_flops(p), limits_bytes(p), limits_working_set(p), b->matrix_rate, b->bandwidth[i]);
  return 0;
}

/* Bytes of resident memory at most, since this program started. */
static double peak_bytes(void) {
  double kilobytes = 0;
  char line[256];
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "VmHWM: %lf", &kilobytes) == 1) break;
  if (file) fclose(file);
  return 1024 * kilobytes;
}

/* Of this case, if nothing else ran before. */
static int memory(bench *b, int i) {
  double start = peak_bytes();
  bench_prepared *p = prepared(b, i);
  if (!p) return 1;
  if (bench_steps(p, 3) != CY_OK) return fail(bench_cases[i].name);
  printf("{\"case\": \"%s\", \"start_bytes\": %.0f, \"peak_bytes\": %.0f, \"arena_bytes\": %zu}\n", bench_cases[i].name,
         start, peak_bytes(), cy_program_arena_bytes(bench_program(p)));
  return 0;
}

static int text(bench *b, int i) {
  bench_prepared *p = prepared(b, i);
  char *listing;
  if (!p) return 1;
  if (cy_program_text(bench_program(p), &listing) != CY_OK) return fail(bench_cases[i].name);
  fputs(listing, stdout);
  cy_string_free(listing);
  return 0;
}

static int obey(bench *b, const char *command, const char *name, double seconds) {
  const bench_case *about = bench_find(name);
  int i = (int)(about - bench_cases), failed = 1;
  if (!about) fprintf(stderr, "bench_train: no case is called \"%s\"\n", name);
  else if (strcmp(command, "tune") == 0) failed = tune(b, i);
  else if (strcmp(command, "check") == 0) failed = check(b, i);
  else if (strcmp(command, "run") == 0) failed = run(b, i, seconds);
  else if (strcmp(command, "limits") == 0) failed = limits(b, i, seconds);
  else if (strcmp(command, "memory") == 0) failed = memory(b, i);
  else if (strcmp(command, "text") == 0) failed = text(b, i);
  else fprintf(stderr, "bench_train: no command is called \"%s\"\n", command);
  fflush(stdout);
  return failed;
}

static void introduce(void) {
  printf("{\"name\": \"Cauchy\", \"version\": \"\", \"cases\": [");
  for (int i = 0; i < bench_case_count; i++) printf("%s\"%s\"", i > 0 ? ", " : "", bench_cases[i].name);
  puts("]}");
  fflush(stdout);
}

int main(int argc, char **argv) {
  bench b = {.threads = argc > 1 ? atoi(argv[1]) : 0};
  if (b.threads < 1 || bench_case_count > MAX_CASES) {
    fputs("usage: bench_train THREADS [tune|check|run|limits|memory|text CASE [SECONDS]]\n", stderr);
    return 2;
  }
  timing_set_threads(b.threads);
  int failed = 0;
  if (argc > 3) {
    failed = obey(&b, argv[2], argv[3], argc > 4 ? atof(argv[4]) : 1);
  } else {
    introduce();
    char line[256], command[32], name[32];
    while (fgets(line, sizeof line, stdin)) {
      double seconds = 1;
      if (sscanf(line, "%31s %31s %lf", command, name, &seconds) < 2) break; /* quit */
      if (obey(&b, command, name, seconds) != 0) puts("{}"), fflush(stdout);
    }
  }
  for (int i = 0; i < bench_case_count; i++) bench_prepared_free(b.prepared[i]);
  return failed;
}
