/* `cauchy hessian`: the curvature of a model's loss at its weights. Eigenvalues, trace, density and step bounds come
 * from products with the matrix, which is only formed if it is asked for. */
#include "cli/hessian.h"

#include "cli/model_file.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { USUAL_EIGENVALUES = 3, MOST_EIGENVALUES = 200, MOST_FULL = 10000 };
static const double R_FROM = 1e-14, R_TO = 1;

/* ---- options ---- */

static cy_status read_matrix(const cli_arguments *a, cy_curvature *matrix) {
  const char *text = cli_option_value(a, "--matrix"), *all[CY_CURVATURES];
  char hint[CLI_HINT_SIZE];
  *matrix = CY_HESSIAN;
  for (int i = 0; i < CY_CURVATURES; i++) {
    all[i] = cy_curvature_name((cy_curvature)i);
    if (text && strcmp(text, all[i]) == 0) *matrix = (cy_curvature)i;
  }
  if (!text || strcmp(text, cy_curvature_name(*matrix)) == 0) return CY_OK;
  return cy_fail(CY_INVALID, "--matrix is one of hessian, gauss-newton, fisher, not \"%.40s\"%s", text,
                 cli_hint(text, all, CY_CURVATURES, hint));
}

static cy_status read_dtype(const cli_arguments *a, cy_dtype *dtype) {
  const char *text = cli_option_value(a, "--dtype");
  *dtype = text && strcmp(text, "f64") == 0 ? CY_F64 : CY_F32;
  if (!text || strcmp(text, cy_dtype_name(*dtype)) == 0) return CY_OK;
  return cy_fail(CY_INVALID, "--dtype is f32 or f64, not \"%.40s\"", text);
}

static cy_status read_options(cli_hessian *h) {
  const cli_arguments *a = h->arguments;
  int batch = 0, threads = 0, seed = 0, count = USUAL_EIGENVALUES, probes = 0;
  CY_TRY(cli_option_number(a, "--batch", 1, INT_MAX, &batch));
  CY_TRY(cli_option_number(a, "--threads", 1, 4096, &threads));
  CY_TRY(cli_option_number(a, "--seed", 0, INT_MAX, &seed));
  CY_TRY(cli_option_number(a, "--eigenvalues", 1, MOST_EIGENVALUES, &count));
  CY_TRY(cli_option_number(a, "--probes", 1, INT_MAX, &probes));
  h->options = (cy_model_objective_options){.loss = cli_option_value(a, "--loss"), .batch_size = batch,
                                            .threads = threads, .seed = (uint64_t)seed,
                                            .training = cli_option_value(a, "--training") != NULL};
  CY_TRY(read_dtype(a, &h->options.dtype));
  h->curvature = (cy_curvature_options){.seed = (uint64_t)seed, .count = count, .probes = probes, .user = h};
  CY_TRY(read_matrix(a, &h->curvature.matrix));
  h->wants_density = cli_option_value(a, "--density") != NULL;
  h->wants_trace = cli_option_value(a, "--trace") != NULL;
  h->wants_differences = cli_option_value(a, "--differences") != NULL || cli_option_value(a, "--direction");
  h->full = cli_option_value(a, "--full");
  h->folder = cli_option_value(a, "--out");
  if (h->folder && !h->wants_differences) h->wants_density = true; /* something is to be drawn */
  if (h->wants_differences && h->curvature.matrix != CY_HESSIAN)
    return cy_fail(CY_INVALID, "--differences are products with the Hessian, not with --matrix %s",
                   cy_curvature_name(h->curvature.matrix));
  return CY_OK;
}

/* ---- time ---- */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One line, redrawn: what is being done, and how many products are left at most. */
static bool on_product(int64_t done, int64_t total, void *user) {
  cli_hessian *h = user;
  cli_progress *p = &h->progress;
  char bar[CLI_BAR_SIZE], text[CLI_NUMBER_SIZE];
  if (!p->quiet && p->terminal.live && (!p->drawn || now() - p->drawn_at >= 0.1)) {
    printf("\r%s %s  %s products of at most", h->doing, cli_bar(&p->terminal, (double)done / (double)total, 20, bar),
           cli_count_text(done, text));
    printf(" %s\033[K", cli_count_text(total, text));
    fflush(stdout);
    p->drawn = true;
    p->drawn_at = now();
  }
  return !cli_stop_wanted();
}

static void begin(cli_hessian *h, const char *doing) { h->doing = doing; }

/* The shortest of a few runs; of one that takes long, two. */
enum { MOST_RUNS = 20 };
static const double ENOUGH_SECONDS = 0.5;

static cy_status time_pass(cli_hessian *h, bool product, double *v, double *out, double *seconds) {
  double begun = now(), value;
  *seconds = INFINITY;
  for (int i = 0; i < MOST_RUNS && (i < 2 || now() - begun < ENOUGH_SECONDS); i++) {
    double start = now();
    if (product) CY_TRY(cy_objective_product(h->objective, h->curvature.matrix, h->x, v, out));
    else CY_TRY(cy_objective_gradient(h->objective, h->x, &value, out));
    *seconds = fmin(*seconds, now() - start);
  }
  return CY_OK;
}

static cy_status measure_costs(cli_hessian *h) {
  double *v = cy_calloc(2 * (size_t)h->n, sizeof *v);
  if (!v) return cy_no_memory();
  for (int64_t i = 0; i < h->n; i++) v[i] = i % 2 ? 1 : -1;
  cy_status status = time_pass(h, false, v, v + h->n, &h->gradient_seconds);
  if (status == CY_OK) status = time_pass(h, true, v, v + h->n, &h->seconds);
  cy_free(v);
  CY_TRY(status);
  CY_TRY(cy_objective_cost_of(h->objective, CY_PASS_GRADIENT, &h->gradient_cost));
  return cy_objective_cost_of(h->objective, CY_PASS_HESSIAN + (unsigned)h->curvature.matrix, &h->cost);
}

/* ---- differences ---- */

/* --direction FILE: as many numbers as there are parameters. */
static cy_status read_direction(const cli_hessian *h, cy_tensor **direction) {
  const char *path = cli_option_value(h->arguments, "--direction");
  *direction = NULL;
  if (!path) return CY_OK;
  cy_tensor *file;
  CY_TRY(cy_npy_load(path, &file));
  cy_status status = CY_OK;
  bool zero = true, finite = true;
  if (cy_tensor_count(file) != h->n)
    status = cy_fail(CY_INVALID, "--direction %s holds %lld numbers, but the model has %lld parameters", path,
                     (long long)cy_tensor_count(file), (long long)h->n);
  else status = cy_tensor_create(CY_F64, CY_SHAPE(h->n), direction);
  for (int64_t i = 0; status == CY_OK && i < h->n; i++) {
    double at = cy_tensor_at(file, i);
    cy_tensor_set(*direction, i, at);
    zero = zero && at == 0;
    finite = finite && isfinite(at);
  }
  if (status == CY_OK && (zero || !finite))
    status = cy_fail(CY_INVALID, "--direction %s %s", path, zero ? "is zero" : "holds numbers that are not finite");
  cy_tensor_free(file);
  return status;
}

static cy_status take_differences(cli_hessian *h) {
  cy_tensor *direction = NULL;
  cy_objective *wide = NULL;
  cy_status status = read_direction(h, &direction);
  begin(h, "differences");
  if (status == CY_OK) status = cli_hessian_wide(h, &wide);
  if (status == CY_OK)
    status = cy_difference_products(wide, h->x, direction ? cy_tensor_f64(direction) : NULL, h->curvature, R_FROM, R_TO,
                                    CLI_DIFFERENCES, h->differences, &h->best_difference);
  cy_objective_free(wide);
  cy_tensor_free(direction);
  return status;
}

/* ---- the whole matrix ---- */

const char *cli_weight_text(double bytes, char buffer[CLI_NUMBER_SIZE]) {
  static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
  int unit = 0;
  while (bytes >= 999.5 && unit < 6) bytes /= 1000, unit++;
  snprintf(buffer, CLI_NUMBER_SIZE, unit == 0 || bytes >= 99.95 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
  return buffer;
}

static cy_status save_full(cli_hessian *h) {
  char weight[CLI_NUMBER_SIZE];
  cy_tensor *matrix;
  if (h->n > MOST_FULL)
    return cy_fail(CY_INVALID, "--full: %lld x %lld numbers would weigh %s in f64; at most %d parameters are taken",
                   (long long)h->n, (long long)h->n,
                   cli_weight_text(8.0 * (double)h->n * (double)h->n, weight), MOST_FULL);
  CY_TRY(cy_tensor_create(CY_F64, CY_SHAPE(h->n, h->n), &matrix));
  begin(h, "full matrix");
  cy_status status = cy_full_curvature(h->objective, h->x, h->curvature, cy_tensor_f64(matrix), &h->asymmetry);
  if (status == CY_OK) status = cy_npy_save(matrix, h->full);
  cy_tensor_free(matrix);
  return status;
}

/* ---- all of it ---- */

static cy_status check_writable(const char *folder) {
  if (cli_exists(folder) && !cli_is_folder(folder)) return cy_fail(CY_INVALID, "%s is no folder", folder);
  return access(folder, W_OK | X_OK) == 0 ? CY_OK : cy_fail(CY_IO, "%s: %s", folder, strerror(errno));
}

/* What would make the results unwritable shows before the work. */
static cy_status make_places(const cli_hessian *h) {
  const char *slash = h->full ? strrchr(h->full, '/') : NULL;
  if (h->folder && !cli_is_folder(h->folder) && mkdir(h->folder, 0777) != 0)
    return cy_fail(CY_IO, "%s: %s", h->folder, strerror(errno));
  if (h->folder) CY_TRY(check_writable(h->folder));
  if (!h->full) return CY_OK;
  if (cli_is_folder(h->full)) return cy_fail(CY_INVALID, "--full %s is a folder; it takes a file's name", h->full);
  if (!slash) return check_writable(".");
  cy_text text = {0};
  cy_text_add(&text, "%.*s", slash == h->full ? 1 : (int)(slash - h->full), h->full);
  char *place = cy_text_take(&text);
  if (!place) return cy_no_memory();
  cy_status status = check_writable(place);
  cy_string_free(place);
  return status;
}

static cy_status analyse(cli_hessian *h) {
  CY_TRY(measure_costs(h));
  begin(h, "eigenvalues");
  CY_TRY(cy_extreme_eigenvalues(h->objective, h->x, h->curvature, &h->eigenvalues));
  h->bounds = cy_step_bounds_of(h->eigenvalues.largest[0].value);
  begin(h, "trace");
  if (h->wants_trace && !(h->diagonal = cy_calloc((size_t)h->n, sizeof *h->diagonal))) return cy_no_memory();
  CY_TRY(cy_trace(h->objective, h->x, h->curvature, &h->trace, h->diagonal, NULL));
  begin(h, "density");
  if (h->wants_density) CY_TRY(cy_spectral_density(h->objective, h->x, h->curvature, &h->density));
  if (h->wants_differences) CY_TRY(take_differences(h));
  return h->full ? save_full(h) : CY_OK;
}

static cy_status run(cli_hessian *h) {
  CY_TRY(read_options(h));
  CY_TRY(cli_hessian_open(h));
  if (h->full && h->n > MOST_FULL) return save_full(h); /* which refuses, before the work */
  if (h->wants_differences) { /* a wrong direction too */
    cy_tensor *direction;
    cy_status status = read_direction(h, &direction);
    cy_tensor_free(direction);
    CY_TRY(status);
  }
  CY_TRY(make_places(h));
  cli_catch_signals();
  cli_progress_begin(&h->progress, cli_option_value(h->arguments, "--json") != NULL);
  h->curvature.on_product = on_product;
  cy_status status = analyse(h);
  cli_progress_clear(&h->progress);
  CY_TRY(status);
  bool json = cli_option_value(h->arguments, "--json") != NULL;
  CY_TRY(json ? cli_hessian_print_json(h) : cli_hessian_print(h));
  if (!h->folder) return CY_OK;
  CY_TRY(cli_hessian_draw(h)); /* after the numbers, which a build without cairo has too */
  if (!json) printf("\npictures in %s\n", h->folder);
  return CY_OK;
}

cy_status cli_hessian_verb(cli_arguments *arguments) {
  cli_hessian h = {.arguments = arguments};
  cy_status status = run(&h);
  cli_hessian_close(&h);
  /* Numbers that are not finite come from the model or its data: bad input, not a check that failed. */
  return status == CY_NOT_FINITE ? CY_INVALID : status;
}
