#include "data/ragged.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { USUAL_BUCKETS = 4, MOST_CANDIDATES = 256 };

static void free_names(char **names, int64_t n) {
  for (int64_t i = 0; names && i < n; i++) cy_free(names[i]);
  cy_free(names);
}

void cy_ragged_free(cy_ragged *r) {
  if (!r) return;
  free_names(r->names, r->count);
  free_names(r->channels, r->n_channels);
  cy_free(r->lengths);
  cy_free(r->column);
  cy_free(r->notes);
  cy_free(r);
}

/* ---- the lengths that batches are padded to ---- */

static int ascending(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* Different lengths, of many only some, and how many sequences are no longer than each. */
typedef struct candidates {
  int64_t length[MOST_CANDIDATES], below[MOST_CANDIDATES];
  int count;
} candidates;

static void collect(const int64_t *sorted, int64_t count, candidates *c) {
  int64_t different = count > 0, seen = 0;
  for (int64_t i = 1; i < count; i++) different += sorted[i] != sorted[i - 1];
  c->count = 0;
  for (int64_t i = 0; i < count; i++) {
    if (i + 1 < count && sorted[i + 1] == sorted[i]) continue;
    seen++;
    bool taken = seen * MOST_CANDIDATES / different > (seen - 1) * MOST_CANDIDATES / different;
    if (different > MOST_CANDIDATES && !taken) continue;
    c->length[c->count] = sorted[i];
    c->below[c->count++] = i + 1;
  }
}

/* cost[k][j]: steps computed for all sequences up to candidate j with k + 1 lengths, the last of them j's. */
cy_status cy_choose_buckets(const int64_t *sorted, int64_t count, int n, int64_t buckets[CY_MAX_BUCKETS], int *chosen) {
  candidates *c = cy_calloc(1, sizeof *c);
  double(*cost)[MOST_CANDIDATES] = cy_calloc((size_t)n, sizeof *cost);
  int(*from)[MOST_CANDIDATES] = cy_calloc((size_t)n, sizeof *from);
  cy_status status = c && cost && from ? CY_OK : cy_no_memory();
  *chosen = 0;
  if (status == CY_OK) {
    collect(sorted, count, c);
    int k = 0, last = c->count - 1;
    for (int j = 0; j <= last; j++) cost[0][j] = (double)c->length[j] * (double)c->below[j];
    for (k = 1; k < n && k <= last; k++)
      for (int j = k; j <= last; j++) {
        cost[k][j] = -1;
        for (int i = k - 1; i < j; i++) {
          double steps = cost[k - 1][i] + (double)c->length[j] * (double)(c->below[j] - c->below[i]);
          if (cost[k][j] >= 0 && steps >= cost[k][j]) continue;
          cost[k][j] = steps;
          from[k][j] = i;
        }
      }
    *chosen = k;
    for (int j = last; k > 0; j = from[k][j]) buckets[--k] = c->length[j];
  }
  cy_free(c);
  cy_free(cost);
  cy_free(from);
  return status;
}

/* ---- notes ---- */

static cy_status write_notes(cy_ragged *r, const int64_t *sorted) {
  cy_text t = {0};
  double steps = 0, padded = 0;
  for (int64_t i = 0; i < r->count; i++) {
    int b = 0;
    while (r->buckets[b] < sorted[i]) b++;
    steps += (double)sorted[i];
    padded += (double)r->buckets[b];
  }
  cy_text_add(&t, "%lld sequences of %lld to %lld steps, half of them at most %lld; batches of like length, padded to ",
              (long long)r->count, (long long)sorted[0], (long long)sorted[r->count - 1],
              (long long)sorted[(r->count - 1) / 2]);
  for (int b = 0; b < r->n_buckets; b++)
    cy_text_add(&t, "%s%lld", b == 0 ? "" : b + 1 < r->n_buckets ? ", " : " or ", (long long)r->buckets[b]);
  cy_text_add(&t, ": %.0f %% of the steps are padding\n", 100 * (1 - steps / padded));
  r->notes = cy_text_take(&t);
  return r->notes ? CY_OK : cy_no_memory();
}

/* ---- making ---- */

static cy_status check_lengths(const cy_dataset *d, const int64_t *lengths) {
  cy_shape s = d->inputs->view.shape;
  char text[CY_SHAPE_TEXT];
  if (s.rank != 3 || d->inputs->view.dtype != CY_F32)
    return cy_fail(CY_INVALID, "%s: sequences of different lengths are numbers [samples, channels, steps], not %s", d->name,
                   cy_shape_text(s, text));
  for (int64_t i = 0; i < d->count; i++)
    if (lengths[i] < 1 || lengths[i] > s.dim[2])
      return cy_fail(CY_INVALID, "%s: sequence %lld has %lld steps; they have 1 to %lld", d->name, (long long)i,
                     (long long)lengths[i], (long long)s.dim[2]);
  return CY_OK;
}

/* Whatever was there: what is behind an end is the same in each data set of the same sequences. */
static void clear_padding(cy_dataset *d) {
  cy_shape s = d->inputs->view.shape;
  float *at = d->inputs->view.data;
  for (int64_t i = 0; i < s.dim[0]; i++)
    for (int64_t c = 0; c < s.dim[1]; c++, at += s.dim[2]) {
      int64_t length = d->ragged->lengths[i];
      memset(at + length, 0, (size_t)(s.dim[2] - length) * sizeof *at);
    }
}

cy_status cy_dataset_set_lengths(cy_dataset *d, const int64_t *lengths, int64_t buckets) {
  CY_TRY(check_lengths(d, lengths));
  if (buckets < 0 || buckets > CY_MAX_BUCKETS)
    return cy_fail(CY_INVALID, "%s: batches are padded to 1 to %d lengths, not %lld", d->name, CY_MAX_BUCKETS,
                   (long long)buckets);
  cy_ragged *r = d->ragged = cy_calloc(1, sizeof *r);
  if (!r) return cy_no_memory();
  r->count = d->count;
  r->n_channels = d->inputs->view.shape.dim[1];
  r->lengths = cy_calloc((size_t)d->count, sizeof *r->lengths);
  int64_t *sorted = cy_calloc((size_t)d->count, sizeof *sorted);
  cy_status status = r->lengths && sorted ? CY_OK : cy_no_memory();
  if (status == CY_OK) {
    memcpy(r->lengths, lengths, (size_t)d->count * sizeof *lengths);
    memcpy(sorted, lengths, (size_t)d->count * sizeof *lengths);
    qsort(sorted, (size_t)d->count, sizeof *sorted, ascending);
    clear_padding(d);
    status = cy_choose_buckets(sorted, d->count, buckets ? (int)buckets : USUAL_BUCKETS, r->buckets, &r->n_buckets);
  }
  if (status == CY_OK) status = write_notes(r, sorted);
  cy_free(sorted);
  return status;
}

static cy_status copy_names(const char *const *names, int64_t n, char ***copy) {
  if (!names) return CY_OK;
  *copy = cy_calloc((size_t)n, sizeof **copy);
  if (!*copy) return cy_no_memory();
  for (int64_t i = 0; i < n; i++)
    if (!((*copy)[i] = cy_strdup(names[i]))) return cy_no_memory();
  return CY_OK;
}

cy_status cy_dataset_name_sequences(cy_dataset *d, const char *const *names, const char *const *channels,
                                    const char *column) {
  CY_TRY(copy_names(names, d->ragged->count, &d->ragged->names));
  CY_TRY(copy_names(channels, d->ragged->n_channels, &d->ragged->channels));
  if (!column) return CY_OK;
  d->ragged->column = cy_strdup(column);
  return d->ragged->column ? CY_OK : cy_no_memory();
}

static cy_status copy_tensor(const cy_tensor *from, cy_tensor **copy) {
  CY_TRY(cy_tensor_create(cy_tensor_dtype(from), cy_tensor_shape(from), copy));
  return cy_tensor_copy(from, *copy);
}

void cy_clear_step_labels(cy_tensor *targets, const int64_t *lengths) {
  cy_shape s = cy_tensor_shape(targets);
  for (int64_t i = 0; i < s.dim[0]; i++)
    for (int64_t t = lengths[i] < 0 ? 0 : lengths[i]; t < s.dim[1]; t++) cy_tensor_set(targets, i * s.dim[1] + t, 0);
}

static cy_status copy_parts(const cy_tensor *inputs, const cy_tensor *targets, const int64_t *lengths,
                            cy_dataset_parts *parts) {
  cy_shape x = cy_tensor_shape(inputs), y = cy_tensor_shape(targets);
  parts->each_step = parts->classes > 0 && x.rank == 3 && y.rank == 2 && y.dim[1] == x.dim[2];
  CY_TRY(copy_tensor(inputs, &parts->inputs));
  CY_TRY(copy_tensor(targets, &parts->targets));
  if (parts->each_step && y.dim[0] == x.dim[0]) cy_clear_step_labels(parts->targets, lengths);
  return CY_OK;
}

cy_status cy_dataset_from_sequences(const char *name, const cy_tensor *inputs, const int64_t *lengths,
                                    const cy_tensor *targets, int64_t classes, int64_t test_count, int64_t buckets,
                                    cy_dataset **dataset) {
  cy_dataset_parts parts = {.name = name, .classes = classes, .test_count = test_count};
  *dataset = NULL;
  if (classes < 0) return cy_fail(CY_INVALID, "%s: %lld classes", name, (long long)classes);
  cy_status status = copy_parts(inputs, targets, lengths, &parts);
  if (status != CY_OK) {
    cy_tensor_free(parts.inputs);
    cy_tensor_free(parts.targets);
    return status;
  }
  CY_TRY(cy_dataset_build(parts, dataset));
  status = cy_dataset_set_lengths(*dataset, lengths, buckets);
  if (status == CY_OK) return CY_OK;
  cy_dataset_free(*dataset);
  *dataset = NULL;
  return status;
}

/* ---- looking ---- */

bool cy_dataset_each_step(const cy_dataset *d) { return d->each_step; }
bool cy_dataset_is_ragged(const cy_dataset *d) { return d->ragged != NULL; }

int64_t cy_dataset_steps(const cy_dataset *d, int64_t i) {
  if (d->ragged) return i >= 0 && i < d->count ? d->ragged->lengths[i] : -1;
  cy_shape s = d->inputs->view.shape;
  return s.dim[s.rank - 1];
}

int cy_dataset_buckets(const cy_dataset *d, int64_t buckets[CY_MAX_BUCKETS]) {
  int n = d->ragged ? d->ragged->n_buckets : 0;
  for (int i = 0; i < n; i++) buckets[i] = d->ragged->buckets[i];
  return n;
}

static int bucket_of(const cy_ragged *r, int64_t length) {
  int b = 0;
  while (b + 1 < r->n_buckets && r->buckets[b] < length) b++;
  return b;
}

int64_t cy_dataset_padded_steps(const cy_dataset *d, const int64_t *indices, int64_t n) {
  int64_t longest = 1;
  if (!d->ragged) return cy_dataset_steps(d, 0);
  for (int64_t k = 0; k < n; k++)
    if (indices[k] >= 0 && indices[k] < d->count && d->ragged->lengths[indices[k]] > longest)
      longest = d->ragged->lengths[indices[k]];
  return d->ragged->buckets[bucket_of(d->ragged, longest)];
}

void cy_dataset_order_by_length(const cy_dataset *d, int64_t *indices, int64_t n, int64_t *scratch,
                                int64_t counts[CY_MAX_BUCKETS]) {
  int64_t at[CY_MAX_BUCKETS] = {0};
  memset(counts, 0, CY_MAX_BUCKETS * sizeof *counts);
  for (int64_t i = 0; i < n; i++) counts[bucket_of(d->ragged, d->ragged->lengths[indices[i]])]++;
  for (int b = 1; b < CY_MAX_BUCKETS; b++) at[b] = at[b - 1] + counts[b - 1];
  for (int64_t i = 0; i < n; i++) scratch[at[bucket_of(d->ragged, d->ragged->lengths[indices[i]])]++] = indices[i];
  if (n > 0) memcpy(indices, scratch, (size_t)n * sizeof *indices);
}

const char *cy_dataset_sequence_name(const cy_dataset *d, int64_t i) {
  return d->ragged && d->ragged->names && i >= 0 && i < d->count ? d->ragged->names[i] : NULL;
}
const char *cy_dataset_channel_name(const cy_dataset *d, int64_t c) {
  return d->ragged && d->ragged->channels && c >= 0 && c < d->ragged->n_channels ? d->ragged->channels[c] : NULL;
}
const char *cy_dataset_sequence_column(const cy_dataset *d) { return d->ragged ? d->ragged->column : NULL; }
