/* Batches of images: samples are converted, scaled, moved, mirrored and resized in one pass straight into the training
 * step's tensor. What is drawn for a sample depends on the seed, the epoch and the sample's number alone: neither on
 * the order of the batches nor on the threads. */
#include "base/memory.h"
#include "base/random.h"
#include "data/ragged.h"
#include "data/resample.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/* Streams 1 and 2 of a seed belong to splitting and shuffling (split.c). */
static const uint64_t augment_stream = (uint64_t)3 << 56, window_stream = (uint64_t)4 << 56,
                      noise_stream = (uint64_t)5 << 56;

/* The tables for one size that images are resized to. */
typedef struct resizing {
  cy_resampler rows, columns;
} resizing;

struct cy_loader {
  const cy_dataset *data;
  cy_loader_options options;
  int64_t channels, height, width; /* of a stored image; a sequence has height 1; 1, 1, elements for other samples */
  resizing *resizings;
  size_t n_resizings, capacity;
  float *scratch; /* per thread: one channel, and its rows at a new width */
  size_t scratch_size, scratch_capacity;
};

/* ---- options ---- */

static bool moves(const cy_augmentation *a) { return a->crop > 0 || a->shift > 0; }
static bool adds_noise(const cy_augmentation *a) { return a->jitter > 0 || a->scaling > 0; }
bool cy_augments(const cy_augmentation *a) { return a->flip || moves(a) || adds_noise(a); }

static bool holds_images(const cy_dataset *d) { return d->inputs->view.shape.rank == 4; }
static bool holds_sequences(const cy_dataset *d) { return d->inputs->view.shape.rank == 3 && !d->tokens; }

static cy_status check_options(const cy_loader *l) {
  char text[CY_SHAPE_TEXT];
  const cy_augmentation *a = &l->options.augment;
  bool images = holds_images(l->data), numbers = !l->data->tokens;
  int64_t smaller = images && l->height < l->width ? l->height : l->width;
  if (a->crop < 0 || a->shift < 0 || a->fill < CY_FILL_ZERO || a->fill > CY_FILL_EDGE)
    return cy_fail(CY_INVALID, "augmentation: crop %lld, shift %lld, fill %d", (long long)a->crop,
                   (long long)a->shift, (int)a->fill);
  if (!(a->jitter >= 0 && a->jitter < 1e6) || !(a->scaling >= 0 && a->scaling < 1e6))
    return cy_fail(CY_INVALID, "augmentation: jitter %g, scaling %g", a->jitter, a->scaling);
  if (adds_noise(a) && !numbers)
    return cy_fail(CY_INVALID, "augmentation: jitter and scaling change numbers, but \"%s\" is a text", l->data->name);
  if (!a->flip && !moves(a)) return CY_OK;
  if (l->data->ragged)
    return cy_fail(CY_INVALID, "augmentation: flip, crop and shift are of sequences of one length; those of \"%s\" differ, "
                   "which jitter and scaling can take", l->data->name);
  if (!images && !holds_sequences(l->data))
    return cy_fail(CY_INVALID, "augmentation needs images, channels x height x width, or sequences, channels x steps, but "
                   "samples of \"%s\" are %s",
                   l->data->name, cy_shape_text(cy_dataset_sample_shape(l->data), text));
  if (a->crop >= smaller || a->shift >= smaller - a->crop)
    return cy_fail(CY_INVALID, "augmentation would move %s of %s by up to crop %lld + shift %lld %s",
                   images ? "images" : "sequences", cy_shape_text(cy_dataset_sample_shape(l->data), text),
                   (long long)a->crop, (long long)a->shift, images ? "pixels" : "steps");
  return CY_OK;
}

cy_status cy_loader_create(const cy_dataset *dataset, cy_loader_options options, cy_loader **loader) {
  cy_loader *l = *loader = cy_calloc(1, sizeof *l);
  if (!l) return cy_no_memory();
  *l = (cy_loader){.data = dataset, .options = options, .channels = 1, .height = 1, .width = dataset->sample_size};
  if (holds_images(dataset) || holds_sequences(dataset)) {
    const int64_t *dim = dataset->inputs->view.shape.dim;
    l->channels = dim[1];
    l->height = holds_images(dataset) ? dim[2] : 1;
    l->width = dim[holds_images(dataset) ? 3 : 2];
  }
  if (l->options.threads <= 0) l->options.threads = omp_get_max_threads();
  cy_status status = check_options(l);
  if (status == CY_OK) return CY_OK;
  cy_loader_free(l);
  *loader = NULL;
  return status;
}

void cy_loader_free(cy_loader *l) {
  if (!l) return;
  for (size_t i = 0; i < l->n_resizings; i++) {
    cy_resampler_clear(&l->resizings[i].rows);
    cy_resampler_clear(&l->resizings[i].columns);
  }
  cy_free(l->resizings);
  cy_free(l->scratch);
  cy_free(l);
}

/* ---- sizes ---- */

static cy_status find_resizing(cy_loader *l, int64_t height, int64_t width, const resizing **found) {
  for (size_t i = 0; i < l->n_resizings; i++) {
    *found = &l->resizings[i];
    if ((*found)->rows.out == height && (*found)->columns.out == width) return CY_OK;
  }
  resizing made = {0};
  if (!cy_grow(&l->resizings, l->n_resizings, &l->capacity, sizeof *l->resizings)) return cy_no_memory();
  CY_TRY(cy_resampler_make(l->height, height, &made.rows));
  cy_status status = cy_resampler_make(l->width, width, &made.columns);
  if (status != CY_OK) {
    cy_resampler_clear(&made.rows);
    return status;
  }
  l->resizings[l->n_resizings] = made;
  *found = &l->resizings[l->n_resizings++];
  return CY_OK;
}

/* Room for every thread; it grows when a new width is met. */
static cy_status reserve_scratch(cy_loader *l, int64_t width) {
  size_t size, all;
  if (!cy_mul_size((size_t)l->height, (size_t)l->width + (size_t)width, &size) ||
      !cy_mul_size(size, (size_t)l->options.threads, &all))
    return cy_no_memory();
  l->scratch_size = size;
  if (all <= l->scratch_capacity) return CY_OK;
  cy_free(l->scratch);
  l->scratch_capacity = 0;
  l->scratch = cy_calloc(all, sizeof *l->scratch);
  if (!l->scratch) return cy_no_memory();
  l->scratch_capacity = all;
  return CY_OK;
}

/* What x asks for: NULL if the images stay as large as they are. */
static cy_status plan_resizing(cy_loader *l, const cy_tensor *x, const resizing **plan) {
  char a[CY_SHAPE_TEXT], b[CY_SHAPE_TEXT];
  cy_shape s = x->view.shape;
  *plan = NULL;
  if (s.rank > 0 && s.dim[0] > 0 && x->count / s.dim[0] == l->data->sample_size &&
      !(holds_images(l->data) && s.rank == 4 && (s.dim[2] != l->height || s.dim[3] != l->width)))
    return CY_OK;
  if (!holds_images(l->data) || s.rank != 4 || s.dim[1] != l->channels)
    return cy_fail(CY_INVALID, "%s: samples of %s do not fit a batch of %s", l->data->name,
                   cy_shape_text(cy_dataset_sample_shape(l->data), a), cy_shape_text(s, b));
  CY_TRY(find_resizing(l, s.dim[2], s.dim[3], plan));
  return reserve_scratch(l, s.dim[3]);
}

/* ---- one sample ---- */

/* How an image is seen: pixel (y, x) shows the stored pixel (y + down, x + right), of the mirrored image if flip. */
typedef struct view_of {
  bool flip;
  int64_t down, right;
} view_of;

/* -most..most */
static int64_t draw_offset(cy_rng *rng, int64_t most) {
  return (int64_t)((uint64_t)cy_rng_u32(rng) * (uint64_t)(2 * most + 1) >> 32) - most;
}

static view_of draw_view(const cy_loader *l, int64_t epoch, int64_t index) {
  const cy_augmentation *a = &l->options.augment;
  cy_rng rng = cy_rng_make(l->options.seed, augment_stream + (uint64_t)epoch);
  view_of v = {0};
  rng.position = (uint64_t)index * 8; /* five numbers are drawn */
  bool mirrored = cy_rng_u32(&rng) >> 31;
  v.flip = a->flip && mirrored;
  v.down = draw_offset(&rng, a->crop);
  v.right = draw_offset(&rng, a->crop);
  v.down += draw_offset(&rng, a->shift);
  v.right += draw_offset(&rng, a->shift);
  if (!holds_images(l->data)) v.down = 0;
  return v;
}

static void mirror(float *row, int64_t n) {
  for (int64_t i = 0, j = n - 1; i < j; i++, j--) {
    float t = row[i];
    row[i] = row[j];
    row[j] = t;
  }
}

/* The place inside 0..n-1 that shows at i; -n < i < 2 n - 1. */
static int64_t inside(int64_t i, int64_t n, cy_fill fill) {
  if (fill == CY_FILL_EDGE) return i < 0 ? 0 : i >= n ? n - 1 : i;
  return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
}

/* Raw pixels of one channel. */
typedef struct plane {
  const uint8_t *u8; /* or */
  const float *f32;
  float offset, factor;
} plane;

static void scale_run(const plane *p, int64_t from, float *to, int64_t n) {
  if (p->u8) cy_scale_u8(p->u8 + from, to, n, p->offset, p->factor);
  else cy_scale_f32(p->f32 + from, to, n, p->offset, p->factor);
}

/* Places begin..end-1 of a row that show nothing of the image. */
static void write_end(const plane *p, int64_t row, int64_t n, int64_t right, cy_fill fill, float *to, int64_t begin,
                      int64_t end) {
  for (int64_t x = begin; x < end; x++) {
    if (fill == CY_FILL_ZERO) to[x] = (0 - p->offset) * p->factor;
    else scale_run(p, row + inside(x + right, n, fill), to + x, 1);
  }
}

/* The row of n stored pixels that begins at row, moved. */
static void write_row(const plane *p, int64_t row, int64_t n, int64_t right, cy_fill fill, float *to) {
  int64_t first = right < 0 ? -right : 0, end = right > 0 ? n - right : n;
  write_end(p, row, n, right, fill, to, 0, first);
  scale_run(p, row + first + right, to + first, end - first);
  write_end(p, row, n, right, fill, to, end, n);
}

/* One channel of a sample as it is seen. */
static void write_plane(const cy_loader *l, const plane *p, const view_of *v, float *to) {
  cy_fill fill = l->options.augment.fill;
  for (int64_t y = 0; y < l->height; y++, to += l->width) {
    int64_t from = y + v->down;
    bool outside = from < 0 || from >= l->height;
    if (outside && fill == CY_FILL_ZERO) {
      write_end(p, 0, l->width, 0, fill, to, 0, l->width);
      continue;
    }
    write_row(p, (outside ? inside(from, l->height, fill) : from) * l->width, l->width, v->right, fill, to);
    if (v->flip) mirror(to, l->width);
  }
}

static void write_image(const cy_loader *l, int64_t index, const view_of *v, const resizing *r, float *scratch,
                        float *to) {
  const cy_dataset *d = l->data;
  bool bytes = d->inputs->view.dtype == CY_U8;
  int64_t size = l->height * l->width, out = r ? r->rows.out * r->columns.out : size;
  for (int64_t c = 0; c < l->channels; c++, to += out) {
    int64_t at = index * d->sample_size + c * size, scaling = d->channels == l->channels ? c : 0;
    plane p = {.offset = d->offset[scaling], .factor = d->factor[scaling]};
    if (bytes) p.u8 = (const uint8_t *)d->inputs->view.data + at;
    else p.f32 = (const float *)d->inputs->view.data + at;
    write_plane(l, &p, v, r ? scratch : to);
    if (r) cy_resample(&r->rows, &r->columns, scratch, scratch + size, to);
  }
}

/* Four normal numbers out of one block of the generator (Box-Muller, of 32 bits each). */
static void draw_normals(uint64_t key, uint64_t stream, uint64_t block, float normals[4]) {
  uint32_t bits[4], counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)};
  cy_philox(key, counter, bits);
  for (int k = 0; k < 4; k += 2) {
    float radius = sqrtf(-2 * logf(((float)bits[k] + 1) * 0x1p-32F)), angle = (float)bits[k + 1] * (6.2831853F * 0x1p-32F);
    normals[k] = radius * cosf(angle);
    normals[k + 1] = radius * sinf(angle);
  }
}

/* Scaling and jitter of a sample of so many numbers as it is written: its factors are the first numbers of its own blocks.
 * A sequence is changed up to its end, alike whatever the padding of its batch. */
static void add_noise(const cy_loader *l, int64_t epoch, int64_t index, float *x, int64_t size) {
  const cy_augmentation *a = &l->options.augment;
  int64_t channels = l->data->inputs->view.shape.dim[1], stride = size / channels, inner = stride;
  if (l->data->ragged) {
    inner = l->data->ragged->lengths[index];
    size = l->data->sample_size; /* the blocks of a sample are those that the longest would need */
  }
  uint64_t stream = noise_stream + (uint64_t)epoch, first = (uint64_t)index * (uint64_t)((size + channels) / 4 + 2);
  float normals[4];
  for (int64_t c = 0; c < channels; c++) {
    if (c % 4 == 0) draw_normals(l->options.seed, stream, first++, normals);
    float factor = 1 + (float)a->scaling * normals[c % 4];
    for (int64_t i = 0; a->scaling > 0 && i < inner; i++) x[c * stride + i] *= factor;
  }
  for (int64_t i = 0; a->jitter > 0 && i < channels * inner; i++) {
    if (i % 4 == 0) draw_normals(l->options.seed, stream, first++, normals);
    x[i / inner * stride + i % inner] += (float)a->jitter * normals[i % 4];
  }
}

/* ---- batches ---- */

enum { ELEMENTS_PER_THREAD = 1 << 15 }; /* less is not worth waking another thread for */

static int threads_for(const cy_loader *l, const cy_tensor *x) {
  int64_t wanted = x->count / ELEMENTS_PER_THREAD;
  return wanted < 1 ? 1 : wanted < l->options.threads ? (int)wanted : l->options.threads;
}

static cy_status write_images(cy_loader *l, int64_t epoch, const int64_t *indices, int64_t n, cy_tensor *x) {
  const resizing *r = NULL;
  if (!l->data->ragged) CY_TRY(plan_resizing(l, x, &r));
  const cy_augmentation *a = &l->options.augment;
  bool draw = epoch >= 0 && (a->flip || moves(a)), noise = epoch >= 0 && adds_noise(a), plain = !r && !draw;
  if (plain) CY_TRY(cy_dataset_batch(l->data, indices, n, x, NULL));
  if (plain && !noise) return CY_OK;
  int threads = threads_for(l, x);
  int64_t size = x->count / n;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
  for (int64_t k = 0; k < n; k++) {
    float *scratch = r ? l->scratch + (size_t)omp_get_thread_num() * l->scratch_size : NULL;
    view_of v = draw ? draw_view(l, epoch, indices[k]) : (view_of){0};
    if (!plain) write_image(l, indices[k], &v, r, scratch, (float *)x->view.data + k * size);
    if (noise) add_noise(l, epoch, indices[k], (float *)x->view.data + k * size, size);
  }
  return CY_OK;
}

/* Where the windows of a text begin in an epoch: all are moved alike, so that none is seen twice. */
static int64_t draw_shift(const cy_loader *l, int64_t epoch) {
  cy_rng rng = cy_rng_make(l->options.seed, window_stream + (uint64_t)epoch);
  return epoch >= 0 && l->options.windows > 0 ? cy_rng_below(&rng, l->data->length) : 0;
}

cy_status cy_loader_batch(cy_loader *l, int64_t epoch, const int64_t *indices, int64_t n, cy_tensor *x, cy_tensor *y) {
  char text[CY_SHAPE_TEXT];
  if (x && (x->view.dtype != CY_F32 || x->view.shape.rank < 1 || x->view.shape.dim[0] != n ||
            !cy_tensor_is_contiguous(x)))
    return cy_fail(CY_INVALID, "%s: a batch of %lld samples goes into f32 [%lld, ...], row-major, not %s %s",
                   l->data->name, (long long)n, (long long)n, cy_dtype_name(x->view.dtype),
                   cy_shape_text(x->view.shape, text));
  if (l->data->tokens) {
    CY_TRY(cy_dataset_batch(l->data, indices, n, x, y));
    int64_t shift = draw_shift(l, epoch);
    if (shift > 0) cy_text_batch(l->data, shift, l->options.windows, indices, n, x, y);
    return CY_OK;
  }
  CY_TRY(cy_dataset_batch(l->data, indices, n, NULL, y)); /* which checks the numbers of the samples */
  return x && n > 0 ? write_images(l, epoch, indices, n, x) : CY_OK;
}

/* ---- images that are no data set's ---- */

cy_status cy_images_resize(const cy_tensor *images, int64_t height, int64_t width, cy_tensor **resized) {
  char text[CY_SHAPE_TEXT];
  cy_shape s = images->view.shape;
  cy_resampler rows = {0}, columns = {0};
  float *from = NULL;
  *resized = NULL;
  if (s.rank < 2 || images->count == 0)
    return cy_fail(CY_INVALID, "images to be resized have shape [..., height, width], not %s", cy_shape_text(s, text));
  int64_t h = s.dim[s.rank - 2], w = s.dim[s.rank - 1], planes = images->count / (h * w);
  s.dim[s.rank - 2] = height;
  s.dim[s.rank - 1] = width;
  cy_status status = cy_resampler_make(h, height, &rows);
  if (status == CY_OK) status = cy_resampler_make(w, width, &columns);
  if (status == CY_OK) status = cy_tensor_create(CY_F32, s, resized);
  if (status == CY_OK && !(from = cy_calloc((size_t)(h * w + h * width), sizeof *from))) status = cy_no_memory();
  for (int64_t p = 0; status == CY_OK && p < planes; p++) {
    for (int64_t i = 0; i < h * w; i++) from[i] = (float)cy_tensor_at(images, p * h * w + i);
    cy_resample(&rows, &columns, from, from + h * w, cy_tensor_f32(*resized) + p * height * width);
  }
  cy_resampler_clear(&rows);
  cy_resampler_clear(&columns);
  cy_free(from);
  if (status == CY_OK) return CY_OK;
  cy_tensor_free(*resized);
  *resized = NULL;
  return status;
}
