/* Initialisers: fill a tensor on the host from a stream of random numbers of its own, which the hash of its name
 * selects. Called by cy_network_initialize for every variable. */
#include "nn/network.h"

#include "base/memory.h"
#include "base/random.h"
#include "tensor/tensor.h"

#include <math.h>

static uint64_t hash_name(const char *name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001b3u; /* FNV-1a */
  return hash;
}

cy_initializer cy_initializer_or(cy_initializer choice, cy_initializer fallback, int64_t fan_in, int64_t fan_out) {
  cy_initializer result = choice.kind == CY_INIT_DEFAULT ? fallback : choice;
  if (!result.fan_in) result.fan_in = fan_in;
  if (!result.fan_out) result.fan_out = fan_out;
  return result;
}

/* Without a layer's word: an axis of units first, then what each of them reads. */
static void default_fans(cy_initializer *initializer, cy_shape shape) {
  int64_t out = shape.rank ? shape.dim[0] : 1, in = 1;
  for (int i = 1; i < shape.rank; i++) in *= shape.dim[i];
  if (!initializer->fan_in) initializer->fan_in = in;
  if (!initializer->fan_out) initializer->fan_out = out;
}

static void fill_constant(cy_tensor *tensor, double value) {
  int64_t n = cy_tensor_count(tensor);
  for (int64_t i = 0; i < n; i++) cy_tensor_set(tensor, i, value);
}

static void fill_uniform(cy_rng rng, cy_tensor *tensor, double low, double high) {
  int64_t n = cy_tensor_count(tensor);
  for (int64_t i = 0; i < n; i++) cy_tensor_set(tensor, i, low + (high - low) * cy_rng_uniform(&rng));
}

static void fill_normal(cy_rng rng, cy_tensor *tensor, double mean, double deviation) {
  int64_t n = cy_tensor_count(tensor);
  for (int64_t i = 0; i < n; i++) cy_tensor_set(tensor, i, mean + deviation * cy_rng_normal(&rng));
}

/* Eight sums side by side, so that the compiler may use vectors; the order of addition is fixed. */
static double dot(const double *a, const double *b, int64_t n) {
  double lanes[8] = {0}, sum = 0;
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; k++) lanes[k] += a[i + k] * b[i + k];
  for (; i < n; i++) sum += a[i] * b[i];
  for (int k = 0; k < 8; k++) sum += lanes[k];
  return sum;
}

static void subtract(double *restrict a, double factor, const double *restrict b, int64_t n) {
  for (int64_t i = 0; i < n; i++) a[i] -= factor * b[i];
}

/* v without its parts along n orthonormal vectors. */
static void project_out(double *v, const double *vectors, int64_t n, int64_t length) {
  for (int64_t k = 0; k < n; k++) {
    const double *q = vectors + k * length;
    subtract(v, dot(v, q, length), q, length);
  }
}

/* Makes vectors start..end-1 orthonormal to each other and to those before, which pass by once for all of them. */
static void gram_schmidt(double *vectors, int64_t start, int64_t end, int64_t length) {
  for (int64_t k = 0; k < start; k++)
    for (int64_t j = start; j < end; j++) project_out(vectors + j * length, vectors + k * length, 1, length);
  for (int64_t j = start; j < end; j++) {
    double *v = vectors + j * length;
    project_out(v, vectors + start * length, j - start, length);
    double norm = fmax(sqrt(dot(v, v, length)), 1e-300);
    for (int64_t i = 0; i < length; i++) v[i] /= norm;
  }
}

/* count orthonormal vectors of the given length (count <= length): Gaussian vectors through modified Gram-Schmidt, by
 * blocks and twice, which keeps them orthogonal to rounding (Giraud et al. 2005). R's diagonal is positive, so the
 * result is uniformly distributed (Mezzadri 2007). */
static void orthonormalize(cy_rng *rng, double *vectors, int64_t count, int64_t length) {
  enum { BLOCK = 16 };
  for (int64_t start = 0; start < count; start += BLOCK) {
    int64_t end = start + BLOCK < count ? start + BLOCK : count;
    for (int64_t i = start * length; i < end * length; i++) vectors[i] = cy_rng_normal(rng);
    gram_schmidt(vectors, start, end, length);
    gram_schmidt(vectors, start, end, length);
  }
}

/* One matrix of so many columns, which begin at column first of the tensor. */
static cy_status fill_orthogonal_block(cy_rng *rng, cy_tensor *tensor, int64_t rows, int64_t columns, int64_t first,
                                       double gain) {
  int64_t row = cy_tensor_count(tensor) / rows;
  bool tall = rows > columns;
  int64_t count = tall ? columns : rows, length = tall ? rows : columns;
  double *vectors = cy_calloc((size_t)(rows * columns), sizeof *vectors);
  if (!vectors) return cy_no_memory();
  orthonormalize(rng, vectors, count, length);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++)
      cy_tensor_set(tensor, i * row + first + j, gain * (tall ? vectors[j * length + i] : vectors[i * length + j]));
  cy_free(vectors);
  return CY_OK;
}

static cy_status fill_orthogonal(cy_rng rng, const char *name, cy_tensor *tensor, double gain, int64_t blocks) {
  cy_shape shape = cy_tensor_shape(tensor);
  int64_t n = cy_tensor_count(tensor);
  if (shape.rank < 2) return cy_fail(CY_INVALID, "\"%s\": orthogonal needs a matrix, not a vector", name);
  if (n == 0) return CY_OK;
  int64_t rows = shape.dim[0], columns = n / rows / blocks;
  for (int64_t block = 0; block < blocks; block++)
    CY_TRY(fill_orthogonal_block(&rng, tensor, rows, columns, block * columns, gain));
  return CY_OK;
}

/* Adds to the second of the blocks of the last axis. */
static void raise_second(cy_tensor *tensor, int64_t blocks, double by) {
  cy_shape shape = cy_tensor_shape(tensor);
  int64_t row = shape.rank ? shape.dim[shape.rank - 1] : 1, block = row / blocks, n = cy_tensor_count(tensor);
  for (int64_t i = 0; i < n; i++)
    if (i % row / block == 1) cy_tensor_set(tensor, i, cy_tensor_at(tensor, i) + by);
}

cy_status cy_initialize_tensor(cy_initializer initializer, uint64_t seed, const char *name, cy_tensor *tensor) {
  cy_rng rng = cy_rng_make(seed, hash_name(name));
  cy_initializer in = initializer;
  default_fans(&in, cy_tensor_shape(tensor));
  if (in.kind != CY_INIT_CONSTANT && !cy_dtype_is_float(cy_tensor_dtype(tensor)))
    return cy_fail(CY_INVALID, "\"%s\": %s can't hold random real numbers", name,
                   cy_dtype_name(cy_tensor_dtype(tensor)));
  if (in.fan_in < 0 || in.fan_out < 0) return cy_fail(CY_INVALID, "\"%s\": a negative fan", name);
  int64_t blocks = in.blocks > 0 ? in.blocks : 1, rank = cy_tensor_shape(tensor).rank;
  if (blocks > 1 && (rank == 0 || cy_tensor_shape(tensor).dim[rank - 1] % blocks != 0))
    return cy_fail(CY_INVALID, "\"%s\": the last axis does not fall into %lld blocks", name, (long long)blocks);
  double he = 2.0 / (double)(in.fan_in ? in.fan_in : 1);
  double glorot = 2.0 / (double)(in.fan_in + in.fan_out > 0 ? in.fan_in + in.fan_out : 1);
  switch (in.kind) {
    case CY_INIT_DEFAULT:
    case CY_INIT_HE_NORMAL: fill_normal(rng, tensor, 0, sqrt(he)); break;
    case CY_INIT_HE_UNIFORM: fill_uniform(rng, tensor, -sqrt(3 * he), sqrt(3 * he)); break;
    case CY_INIT_GLOROT_NORMAL: fill_normal(rng, tensor, 0, sqrt(glorot)); break;
    case CY_INIT_GLOROT_UNIFORM: fill_uniform(rng, tensor, -sqrt(3 * glorot), sqrt(3 * glorot)); break;
    case CY_INIT_ORTHOGONAL: CY_TRY(fill_orthogonal(rng, name, tensor, in.a != 0 ? in.a : 1, blocks)); break;
    case CY_INIT_CONSTANT: fill_constant(tensor, in.a); break;
    case CY_INIT_UNIFORM: fill_uniform(rng, tensor, in.a, in.b); break;
    case CY_INIT_NORMAL: fill_normal(rng, tensor, in.a, in.b); break;
    default: return cy_fail(CY_INVALID, "\"%s\": %d is not an initialiser", name, (int)in.kind);
  }
  if (blocks > 1 && in.second != 0 && cy_tensor_count(tensor) > 0) raise_second(tensor, blocks, in.second);
  return CY_OK;
}
