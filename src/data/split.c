/* Splitting into training, validation and test parts, and walking a part in shuffled batches. Both draw from Philox
 * streams keyed by seed, so they depend on nothing else. */
#include "base/memory.h"
#include "base/random.h"
#include "data/dataset.h"
#include "data/windows.h"

#include <math.h>
#include <string.h>

/* Streams of one seed: splitting, and the shuffle of epoch e. */
static const uint64_t split_stream = (uint64_t)1 << 56, shuffle_stream = (uint64_t)2 << 56;

/* ---- splitting ---- */

enum { TRAIN, VALIDATION, TEST };

/* Marks fraction of the samples that are marked TRAIN as another part: for each class in turn the first ones of a
 * random order. Rounding the running total keeps the whole exact and each class within one sample. */
static void draw_part(const cy_dataset *d, double fraction, int part, cy_rng *rng, int64_t *order, uint8_t *parts) {
  double total = 0;
  bool grouped = d->classes > 0 && !d->each_step;
  int64_t drawn = 0, classes = grouped ? d->classes : 1;
  for (int64_t c = 0; c < classes; c++) {
    int64_t n = 0;
    for (int64_t i = 0; i < d->count; i++)
      if (parts[i] == TRAIN && (!grouped || cy_dataset_label(d, i) == c)) order[n++] = i;
    cy_rng_shuffle(rng, order, n);
    total += fraction * (double)n;
    int64_t wanted = (int64_t)floor(total + 0.5) - drawn;
    for (int64_t k = 0; k < wanted && k < n; k++) parts[order[k]] = (uint8_t)part;
    drawn += wanted;
  }
}

/* The same by position: the last of those that are marked TRAIN. */
static void cut_part(const cy_dataset *d, double fraction, int part, uint8_t *parts) {
  int64_t n = 0;
  for (int64_t i = 0; i < d->count; i++) n += parts[i] == TRAIN;
  int64_t first = n - (int64_t)floor(fraction * (double)n + 0.5);
  for (int64_t i = first; i < n; i++) parts[i] = (uint8_t)part; /* as TRAIN comes first */
}

static cy_status collect(const uint8_t *parts, int64_t count, int part, int64_t **indices, int64_t *n) {
  *n = 0;
  for (int64_t i = 0; i < count; i++) *n += parts[i] == part;
  *indices = cy_calloc((size_t)*n, sizeof **indices);
  if (!*indices) return cy_no_memory();
  for (int64_t i = 0, k = 0; i < count; i++)
    if (parts[i] == part) (*indices)[k++] = i;
  return CY_OK;
}

/* Windows of tables have been split when they were cut. */
static void split_windows(const cy_dataset *d, cy_split_options o, uint8_t *parts) {
  bool none = o.test < 0 && !d->windows->timed;
  for (int64_t i = 0; i < d->count && !none; i++)
    parts[i] = d->windows->items[i].part == CY_WINDOW_TRAIN        ? TRAIN
               : d->windows->items[i].part == CY_WINDOW_VALIDATION ? VALIDATION
                                                                   : TEST;
}

static cy_status split_parts(const cy_dataset *d, cy_split_options o, int64_t *order, uint8_t *parts, cy_split *split) {
  cy_rng rng = cy_rng_make(o.seed, split_stream);
  double test = o.test == 0 ? 0.2 : o.test < 0 ? 0 : o.test;
  if (!(o.validation >= 0 && o.validation < 1) || !(test < 1))
    return cy_fail(CY_INVALID, "%s: validation fraction %g and test fraction %g must lie in 0..1, without 1", d->name,
                   o.validation, o.test);
  for (int64_t i = d->count - d->test_count; i < d->count; i++) parts[i] = TEST;
  if (d->windows) {
    split_windows(d, o, parts);
  } else if (d->tokens) {
    cut_part(d, test, TEST, parts);
    cut_part(d, o.validation, VALIDATION, parts);
  } else {
    if (!d->test_count) draw_part(d, test, TEST, &rng, order, parts);
    draw_part(d, o.validation, VALIDATION, &rng, order, parts);
  }
  CY_TRY(collect(parts, d->count, TRAIN, &split->train, &split->n_train));
  CY_TRY(collect(parts, d->count, VALIDATION, &split->validation, &split->n_validation));
  CY_TRY(collect(parts, d->count, TEST, &split->test, &split->n_test));
  if (split->n_train == 0 && !d->windows) /* other tables than those of the training may all be later */
    return cy_fail(CY_INVALID, "%s: of %lld samples none is left to train on (%lld validation, %lld test)", d->name,
                   (long long)d->count, (long long)split->n_validation, (long long)split->n_test);
  return CY_OK;
}

cy_status cy_dataset_split(const cy_dataset *d, cy_split_options options, cy_split *split) {
  int64_t *order = cy_calloc((size_t)d->count, sizeof *order);
  uint8_t *parts = cy_calloc((size_t)d->count, 1); /* TRAIN */
  *split = (cy_split){0};
  cy_status status = order && parts ? split_parts(d, options, order, parts, split) : cy_no_memory();
  cy_free(order);
  cy_free(parts);
  if (status != CY_OK) cy_split_clear(split);
  return status;
}

void cy_split_clear(cy_split *split) {
  cy_free(split->train);
  cy_free(split->validation);
  cy_free(split->test);
  *split = (cy_split){0};
}

/* ---- batches ---- */

struct cy_batches {
  int64_t *list;  /* as given */
  int64_t *order; /* of this epoch */
  int64_t n, size, next;
  bool shuffle;
  uint64_t seed;
  int64_t *blocks, *scratch;      /* by length: numbers of the batches; room for all samples */
  int64_t counts[CY_MAX_BUCKETS]; /* by length: how many samples each bucket has, one behind the other */
};

cy_status cy_batches_create(const int64_t *indices, int64_t n, int64_t batch_size, bool shuffle, uint64_t seed,
                            cy_batches **batches) {
  *batches = NULL;
  if (n < 0 || batch_size < 1)
    return cy_fail(CY_INVALID, "batches of %lld of %lld samples", (long long)batch_size, (long long)n);
  cy_batches *b = cy_calloc(1, sizeof *b);
  if (!b) return cy_no_memory();
  *b = (cy_batches){.n = n, .size = batch_size, .shuffle = shuffle, .seed = seed};
  b->list = cy_calloc((size_t)n, sizeof *b->list);
  b->order = cy_calloc((size_t)n, sizeof *b->order);
  if (!b->list || !b->order) {
    cy_batches_free(b);
    return cy_no_memory();
  }
  if (n) memcpy(b->list, indices, (size_t)n * sizeof *indices);
  cy_batches_start(b, 0, 0);
  *batches = b;
  return CY_OK;
}

cy_status cy_batches_create_streams(const int64_t *indices, int64_t n, int64_t rows, cy_batches **batches) {
  *batches = NULL;
  if (rows < 1 || n < rows)
    return cy_fail(CY_INVALID, "%lld streams side by side need as many windows, but there are %lld: a smaller batch or a "
                   "smaller length", (long long)rows, (long long)n);
  int64_t steps = n / rows;
  CY_TRY(cy_batches_create(indices, steps * rows, rows, false, 0, batches));
  for (int64_t s = 0; s < steps; s++)
    for (int64_t r = 0; r < rows; r++) (*batches)->list[s * rows + r] = indices[r * steps + s];
  cy_batches_start(*batches, 0, 0);
  return CY_OK;
}

cy_status cy_batches_create_by_length(const cy_dataset *dataset, const int64_t *indices, int64_t n, int64_t batch_size,
                                      bool shuffle, uint64_t seed, cy_batches **batches) {
  CY_TRY(cy_batches_create(indices, n, batch_size, shuffle, seed, batches));
  cy_batches *b = *batches;
  b->blocks = cy_calloc((size_t)(n / batch_size) + 1, sizeof *b->blocks);
  b->scratch = cy_calloc((size_t)n, sizeof *b->scratch);
  if (!b->blocks || !b->scratch) {
    cy_batches_free(b);
    *batches = NULL;
    return cy_no_memory();
  }
  if (cy_dataset_is_ragged(dataset)) cy_dataset_order_by_length(dataset, b->list, n, b->scratch, b->counts);
  else b->counts[0] = n;
  cy_batches_start(b, 0, 0);
  return CY_OK;
}

/* Samples within their buckets, then whole batches: those that a boundary goes through are padded to the longer bucket. */
static void shuffle_by_length(cy_batches *b, cy_rng *rng) {
  int64_t begin = 0, full = b->n / b->size;
  for (int k = 0; k < CY_MAX_BUCKETS; begin += b->counts[k++]) cy_rng_shuffle(rng, b->order + begin, b->counts[k]);
  for (int64_t i = 0; i < full; i++) b->blocks[i] = i;
  cy_rng_shuffle(rng, b->blocks, full);
  if (b->n) memcpy(b->scratch, b->order, (size_t)b->n * sizeof *b->order);
  for (int64_t i = 0; i < full; i++)
    memcpy(b->order + i * b->size, b->scratch + b->blocks[i] * b->size, (size_t)b->size * sizeof *b->order);
}

void cy_batches_free(cy_batches *b) {
  if (!b) return;
  cy_free(b->blocks);
  cy_free(b->scratch);
  cy_free(b->list);
  cy_free(b->order);
  cy_free(b);
}

int64_t cy_batches_count(const cy_batches *b) { return b->n / b->size + (b->n % b->size != 0); }

void cy_batches_start(cy_batches *b, int64_t epoch, int64_t batch) {
  if (b->n) memcpy(b->order, b->list, (size_t)b->n * sizeof *b->list);
  if (b->shuffle) {
    cy_rng rng = cy_rng_make(b->seed, shuffle_stream + (uint64_t)epoch);
    if (b->blocks) shuffle_by_length(b, &rng);
    else cy_rng_shuffle(&rng, b->order, b->n);
  }
  int64_t count = cy_batches_count(b);
  b->next = batch < 0 ? 0 : batch < count ? batch * b->size : b->n;
}

int64_t cy_batches_next(cy_batches *b, const int64_t **indices) {
  int64_t n = b->n - b->next < b->size ? b->n - b->next : b->size;
  *indices = b->order + b->next;
  b->next += n;
  return n;
}
