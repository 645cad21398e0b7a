/* Winograd's transforms in vectors of channels, for one instruction set: the build compiles this file with
 * CY_KERNEL_SET (the table's suffix) and CY_LANES (floats per vector). Each transform is a 1-D one applied to the
 * columns, then to the rows; the matrices are those of Lavin and Gray (2016) for the points 0, 1, -1, 2, -2 and
 * infinity. */
#include "backend/cpu/winograd_kernel.h"

#include "backend/cpu/unroll.h"

enum { PATCH = CY_WINOGRAD_PATCH };

/* Unaligned, and an alias of the array it lies in. */
typedef float vec __attribute__((vector_size(CY_LANES * 4), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(CY_LANES * 4)));

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }

/* ---- in one dimension ---- */

/* B' */
INLINE void input_line(const vec d[PATCH], vec out[PATCH]) {
  const vec even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1], even2 = d[4] - d[2], odd2 = 2 * (d[3] - d[1]);
  out[0] = 4 * d[0] - 5 * d[2] + d[4];
  out[1] = even + odd;
  out[2] = even - odd;
  out[3] = even2 + odd2;
  out[4] = even2 - odd2;
  out[5] = 4 * d[1] - 5 * d[3] + d[5];
}

/* A', A, G and G' of a tile of 4 and a kernel of 3. */
INLINE void scatter_line_4_3(const vec m[PATCH], vec out[4]) {
  const vec sum = m[1] + m[2], difference = m[1] - m[2], sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  out[0] = m[0] + sum + sum2;
  out[1] = difference + 2 * difference2;
  out[2] = sum + 4 * sum2;
  out[3] = difference + 8 * difference2 + m[5];
}

INLINE void cotangent_line_4_3(const vec y[4], vec out[PATCH]) {
  const vec even = y[0] + y[2], odd = y[1] + y[3], even2 = y[0] + 4 * y[2], odd2 = 2 * y[1] + 8 * y[3];
  out[0] = y[0];
  out[1] = even + odd;
  out[2] = even - odd;
  out[3] = even2 + odd2;
  out[4] = even2 - odd2;
  out[5] = y[3];
}

INLINE void weights_line_4_3(const vec g[3], vec out[PATCH]) {
  const vec even = (g[0] + g[2]) * (-1.0f / 6), odd = g[1] * (1.0f / 6);
  const vec even2 = g[0] * (1.0f / 24) + g[2] * (1.0f / 6), odd2 = g[1] * (1.0f / 12);
  out[0] = g[0] * 0.25f;
  out[1] = even - odd;
  out[2] = even + odd;
  out[3] = even2 + odd2;
  out[4] = even2 - odd2;
  out[5] = g[2];
}

INLINE void gradient_line_4_3(const vec u[PATCH], vec out[3]) {
  const vec sum = (u[1] + u[2]) * (1.0f / 6), sum2 = u[3] + u[4];
  out[0] = u[0] * 0.25f - sum + sum2 * (1.0f / 24);
  out[1] = (u[2] - u[1]) * (1.0f / 6) + (u[3] - u[4]) * (1.0f / 12);
  out[2] = sum2 * (1.0f / 6) - sum + u[5];
}

/* Those of a tile of 2 and a kernel of 5. */
INLINE void scatter_line_2_5(const vec m[PATCH], vec out[2]) {
  out[0] = m[0] + (m[1] + m[2]) + (m[3] + m[4]);
  out[1] = (m[1] - m[2]) + 2 * (m[3] - m[4]) + m[5];
}

INLINE void cotangent_line_2_5(const vec y[2], vec out[PATCH]) {
  out[0] = y[0];
  out[1] = y[0] + y[1];
  out[2] = y[0] - y[1];
  out[3] = y[0] + 2 * y[1];
  out[4] = y[0] - 2 * y[1];
  out[5] = y[1];
}

INLINE void weights_line_2_5(const vec g[5], vec out[PATCH]) {
  const vec even = (g[0] + g[2] + g[4]) * (-1.0f / 6), odd = (g[1] + g[3]) * (1.0f / 6);
  const vec even2 = g[0] * (1.0f / 24) + g[2] * (1.0f / 6) + g[4] * (2.0f / 3);
  const vec odd2 = g[1] * (1.0f / 12) + g[3] * (1.0f / 3);
  out[0] = g[0] * 0.25f;
  out[1] = even - odd;
  out[2] = even + odd;
  out[3] = even2 + odd2;
  out[4] = even2 - odd2;
  out[5] = g[4];
}

INLINE void gradient_line_2_5(const vec u[PATCH], vec out[5]) {
  const vec sum = (u[1] + u[2]) * (1.0f / 6), difference = (u[2] - u[1]) * (1.0f / 6);
  const vec sum2 = u[3] + u[4], difference2 = u[3] - u[4];
  out[0] = u[0] * 0.25f - sum + sum2 * (1.0f / 24);
  out[1] = difference + difference2 * (1.0f / 12);
  out[2] = sum2 * (1.0f / 6) - sum;
  out[3] = difference + difference2 * (1.0f / 3);
  out[4] = sum2 * (2.0f / 3) - sum + u[5];
}

/* ---- in two: from an array of rows, each along the other dimension ---- */

#define TRANSFORM(name, line, from, to)                                              \
  INLINE void name(vec in[from][from], vec out[to][to]) {                            \
    vec half[from][to]; /* [column][row]: the columns are done */                    \
    UNROLL for (int j = 0; j < from; j++) {                                          \
      vec column[from];                                                              \
      UNROLL for (int i = 0; i < from; i++) column[i] = in[i][j];                    \
      line(column, half[j]);                                                         \
    }                                                                                \
    UNROLL for (int i = 0; i < to; i++) {                                            \
      vec row[from];                                                                 \
      UNROLL for (int j = 0; j < from; j++) row[j] = half[j][i];                     \
      line(row, out[i]);                                                             \
    }                                                                                \
  }
TRANSFORM(input_transform, input_line, PATCH, PATCH)
#define TRANSFORMS(method, tile, kernel)                                             \
  TRANSFORM(scatter_transform_##method, scatter_line_##method, PATCH, tile)          \
  TRANSFORM(cotangent_transform_##method, cotangent_line_##method, tile, PATCH)      \
  TRANSFORM(weights_transform_##method, weights_line_##method, kernel, PATCH)        \
  TRANSFORM(gradient_transform_##method, gradient_line_##method, PATCH, kernel)
TRANSFORMS(4_3, 4, 3)
TRANSFORMS(2_5, 2, 5)

/* ---- patches ---- */

#define READ_PIXELS(p, extent, c, pixels)                                                                        \
  UNROLL for (int i = 0; i < (extent); i++) UNROLL for (int j = 0; j < (extent); j++) {                          \
    const bool exists =                                                                                          \
        whole || (i >= (p)->first_row && i < (p)->end_row && j >= (p)->first_column && j < (p)->end_column);     \
    pixels[i][j] = exists ? load((p)->image + i * (p)->row + j * (p)->column + (c)) : (vec){0};                  \
  }

INLINE void write_points(const cy_winograd_patch *p, int64_t c, vec points[PATCH][PATCH]) {
  UNROLL for (int i = 0; i < PATCH; i++)
    UNROLL for (int j = 0; j < PATCH; j++) store(p->transformed + (i * PATCH + j) * p->step + c, points[i][j]);
}

INLINE bool is_whole(const cy_winograd_patch *p, int extent) {
  return p->first_row == 0 && p->first_column == 0 && p->end_row == extent && p->end_column == extent;
}

INLINE void input_body(const cy_winograd_patch *p, const bool whole) {
  for (int64_t c = 0; c < p->channels; c += CY_LANES) {
    vec pixels[PATCH][PATCH], points[PATCH][PATCH];
    READ_PIXELS(p, PATCH, c, pixels)
    input_transform(pixels, points);
    write_points(p, c, points);
  }
}

static void input(const cy_winograd_patch *p) {
  if (is_whole(p, PATCH)) input_body(p, true);
  else input_body(p, false);
}

/* ---- what depends on the method ---- */

#define METHOD(method, tile, kernel)                                                                             \
  INLINE void cotangent_body_##method(const cy_winograd_patch *p, const bool whole) {                            \
    for (int64_t c = 0; c < p->channels; c += CY_LANES) {                                                        \
      vec pixels[tile][tile], points[PATCH][PATCH];                                                              \
      READ_PIXELS(p, tile, c, pixels)                                                                            \
      cotangent_transform_##method(pixels, points);                                                              \
      write_points(p, c, points);                                                                                \
    }                                                                                                            \
  }                                                                                                              \
  static void cotangent_##method(const cy_winograd_patch *p) {                                                   \
    if (is_whole(p, tile)) cotangent_body_##method(p, true);                                                     \
    else cotangent_body_##method(p, false);                                                                      \
  }                                                                                                              \
  INLINE void scatter_body_##method(const cy_winograd_patch *p, const bool whole) {                              \
    for (int64_t c = 0; c < p->channels; c += CY_LANES) {                                                        \
      vec points[PATCH][PATCH], pixels[tile][tile];                                                              \
      UNROLL for (int i = 0; i < PATCH; i++)                                                                     \
        UNROLL for (int j = 0; j < PATCH; j++) points[i][j] = load(p->transformed + (i * PATCH + j) * p->step + c); \
      scatter_transform_##method(points, pixels);                                                                \
      const vec bias = p->bias ? load(p->bias + c) : (vec){0};                                                   \
      UNROLL for (int i = 0; i < tile; i++) UNROLL for (int j = 0; j < tile; j++) {                              \
        const vec v = finished(pixels[i][j] + bias, p->relu);                                                    \
        if (whole || (i < p->end_row && j < p->end_column)) store(p->image + i * p->row + j * p->column + c, v); \
      }                                                                                                          \
    }                                                                                                            \
  }                                                                                                              \
  static void scatter_##method(const cy_winograd_patch *p) {                                                     \
    if (is_whole(p, tile)) scatter_body_##method(p, true);                                                       \
    else scatter_body_##method(p, false);                                                                        \
  }                                                                                                              \
  static void weights_##method(const cy_winograd_weights *w) {                                                   \
    vec plain[kernel][kernel], points[PATCH][PATCH];                                                             \
    for (int i = 0; i < kernel; i++)                                                                             \
      for (int j = 0; j < kernel; j++)                                                                           \
        for (int n = 0; n < CY_LANES; n++) plain[i][j][n] = w->plain[n * w->lane + i * w->row + j * w->column];  \
    weights_transform_##method(plain, points);                                                                   \
    for (int i = 0; i < PATCH; i++)                                                                              \
      for (int j = 0; j < PATCH; j++) store(w->transformed + (i * PATCH + j) * w->step, points[i][j]);           \
  }                                                                                                              \
  static void gradient_##method(const cy_winograd_weights *w) {                                                  \
    vec points[PATCH][PATCH], plain[kernel][kernel];                                                             \
    for (int i = 0; i < PATCH; i++)                                                                              \
      for (int j = 0; j < PATCH; j++) points[i][j] = load(w->transformed + (i * PATCH + j) * w->step);           \
    gradient_transform_##method(points, plain);                                                                  \
    for (int i = 0; i < kernel; i++)                                                                             \
      for (int j = 0; j < kernel; j++)                                                                           \
        for (int n = 0; n < CY_LANES; n++) w->plain[n * w->lane + i * w->row + j * w->column] = plain[i][j][n];  \
  }

/* relu lets NaN pass. */
INLINE vec finished(vec v, bool relu) { return relu ? (vec)((bits)v & ~(bits)(v <= (vec){0})) : v; }

METHOD(4_3, 4, 3)
METHOD(2_5, 2, 5)

#define NAME_OF(set) cy_winograd_kernels_##set
#define TABLE(set) NAME_OF(set)
#define TEXT_OF(set) #set
#define TEXT(set) TEXT_OF(set)
const cy_winograd_kernels TABLE(CY_KERNEL_SET) = {.name = "winograd " TEXT(CY_KERNEL_SET),
                                                  .lanes = CY_LANES,
                                                  .input = input,
                                                  .scatter = {scatter_4_3, scatter_2_5},
                                                  .cotangent = {cotangent_4_3, cotangent_2_5},
                                                  .weights = {weights_4_3, weights_2_5},
                                                  .gradient = {gradient_4_3, gradient_2_5}};
