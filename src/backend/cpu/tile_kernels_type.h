/* The kernels of one element type: tile_kernels.c defines T, SUFFIX, IS_FLOAT and LOWEST, and includes this once per
 * type. The elementwise ones follow from elementwise.def. No include guard: it is a template. */
#define K(name) CY_JOIN(name, SUFFIX)

#if IS_FLOAT
#define CY_DIV(a, b) ((a) / (b))
#define FOR_FLOATS(...) __VA_ARGS__
#else
/* Division by zero gives zero; by -1 it wraps, where the machine would trap. */
static inline T K(quotient)(T a, T b) { return (T)(b == 0 ? 0 : (T)-1 < 0 && b == (T)-1 ? (T)-a : (T)(a / b)); }
#define CY_DIV(a, b) K(quotient)(a, b)
#define FOR_FLOATS(...)
#endif
#define FOR_NUMBERS(...) __VA_ARGS__
#define FOR_ANY(...) __VA_ARGS__
#define TYPE_SAME T
#define TYPE_LOGICAL uint8_t

#define UNARY(name, R, expression)                                                           \
  static void K(name)(void *out, const void *pa, const void *pb, const void *pc, size_t n) { \
    R *o = out;                                                                              \
    const T *va = pa;                                                                        \
    (void)pb, (void)pc;                                                                      \
    CY_SIMD for (size_t i = 0; i < n; i++) {                                                 \
      const T a = va[i];                                                                     \
      o[i] = (R)(expression);                                                                \
    }                                                                                        \
  }
#define BINARY(name, R, at_a, at_b, expression)                                              \
  static void K(name)(void *out, const void *pa, const void *pb, const void *pc, size_t n) { \
    R *o = out;                                                                              \
    const T *va = pa, *vb = pb;                                                              \
    (void)pc;                                                                                \
    if (n == 0) return;                                                                      \
    const T a0 = *va, b0 = *vb;                                                              \
    (void)a0, (void)b0;                                                                      \
    CY_SIMD for (size_t i = 0; i < n; i++) {                                                 \
      const T a = at_a, b = at_b;                                                            \
      o[i] = (R)(expression);                                                                \
    }                                                                                        \
  }
#define BINARY_FORMS(name, R, expression)           \
  BINARY(name, R, va[i], vb[i], expression)         \
  BINARY(CY_JOIN(name, sv), R, a0, vb[i], expression) \
  BINARY(CY_JOIN(name, vs), R, va[i], b0, expression)

#define CY_UNARY(name, kinds, result, expression, ...) FOR_##kinds(UNARY(name, TYPE_##result, expression))
#define CY_BINARY(name, kinds, result, expression, ...) FOR_##kinds(BINARY_FORMS(name, TYPE_##result, expression))
#include "ops/elementwise.def"
#undef CY_UNARY
#undef CY_BINARY

/* Rows first: registers of several short rows, and sums of one long column, come here too. */
#define ACCUMULATE(name, expression)                                               \
  static void K(name)(void *sums, const void *px, size_t rows, size_t columns) {   \
    T *s = sums;                                                                   \
    const T *x = px;                                                               \
    for (size_t r = 0; r < rows; r++, x += columns)                                \
      CY_SIMD for (size_t c = 0; c < columns; c++) {                               \
        const T a = s[c], b = x[c];                                                \
        s[c] = (T)(expression);                                                    \
      }                                                                            \
  }
ACCUMULATE(accumulate_sum, a + b)
ACCUMULATE(accumulate_max, CY_MAX(a, b))

#if IS_FLOAT
#define SHORT_ROW 16 /* rows shorter than a register: one after the other, several in flight */
/* Four registers of lanes, added as a tree: rounding grows with the logarithm of a row's length, nearly. */
typedef T K(lanes) __attribute__((vector_size(CY_VECTOR_BYTES)));
typedef T K(lanes_at) __attribute__((vector_size(CY_VECTOR_BYTES), aligned(sizeof(T)), may_alias));
typedef T_INTEGER K(places) __attribute__((vector_size(CY_VECTOR_BYTES)));
enum { K(LANES) = CY_VECTOR_BYTES / sizeof(T) };

/* The n < LANES elements that are left, and fill. */
static inline K(lanes) K(rest)(const T *x, size_t n, T fill) {
  T v[K(LANES)];
  for (size_t i = 0; i < K(LANES); i++) v[i] = fill;
  for (size_t i = 0; i < n; i++) v[i] = x[i];
  return *(const K(lanes_at) *)v;
}
static inline K(lanes) K(add_lanes)(K(lanes) a, K(lanes) b) { return a + b; }
static inline K(lanes) K(max_lanes)(K(lanes) a, K(lanes) b) {
  __typeof__(a > b) keep = (a >= b) | (a != a);
  return (K(lanes))((keep & (__typeof__(keep))a) | (~keep & (__typeof__(keep))b));
}
/* The lanes of W rows become W sums, in the rows' order: of each row the first half of what is left is joined with the second,
 * until one is left; with every round the rows of two registers come to lie in one. */
#define CY_HALVE(lanes_of, v, count, first, second)                                             \
  for (int j = 0; j < (count); j++)                                                             \
    v[j] = lanes_of(CY_CHOOSE(K(places), v[2 * j], v[2 * j + 1], first), CY_CHOOSE(K(places), v[2 * j], v[2 * j + 1], second));
#if CY_VECTOR_BYTES / T_BYTES == 16
#define CY_COMBINE_HALVES(of, v)                              \
  CY_HALVE(of, v, 8, CY_FIRST_16_16, CY_SECOND_16_16)         \
  CY_HALVE(of, v, 4, CY_FIRST_16_8, CY_SECOND_16_8)           \
  CY_HALVE(of, v, 2, CY_FIRST_16_4, CY_SECOND_16_4)           \
  CY_HALVE(of, v, 1, CY_FIRST_16_2, CY_SECOND_16_2)
#elif CY_VECTOR_BYTES / T_BYTES == 8
#define CY_COMBINE_HALVES(of, v)                              \
  CY_HALVE(of, v, 4, CY_FIRST_8_8, CY_SECOND_8_8)             \
  CY_HALVE(of, v, 2, CY_FIRST_8_4, CY_SECOND_8_4)             \
  CY_HALVE(of, v, 1, CY_FIRST_8_2, CY_SECOND_8_2)
#elif CY_VECTOR_BYTES / T_BYTES == 4
#define CY_COMBINE_HALVES(of, v)                              \
  CY_HALVE(of, v, 2, CY_FIRST_4_4, CY_SECOND_4_4)             \
  CY_HALVE(of, v, 1, CY_FIRST_4_2, CY_SECOND_4_2)
#else
#define CY_COMBINE_HALVES(of, v) CY_HALVE(of, v, 1, CY_FIRST_2_2, CY_SECOND_2_2)
#endif
#define REDUCE(name, lanes_of, identity, expression)                                                  \
  static inline K(lanes) K(CY_JOIN(name, row))(const T *x, size_t n) {                                \
    enum { W = K(LANES) };                                                                            \
    K(lanes) s0 = K(rest)(x, 0, identity), s1 = s0, s2 = s0, s3 = s0;                                 \
    size_t i = 0;                                                                                     \
    for (; i + 4 * W <= n; i += 4 * W) {                                                              \
      const K(lanes_at) *v = (const K(lanes_at) *)(x + i);                                            \
      s0 = lanes_of(s0, v[0]), s1 = lanes_of(s1, v[1]), s2 = lanes_of(s2, v[2]), s3 = lanes_of(s3, v[3]); \
    }                                                                                                 \
    for (; i + W <= n; i += W) s0 = lanes_of(s0, *(const K(lanes_at) *)(x + i));                      \
    if (i < n) s1 = lanes_of(s1, K(rest)(x + i, n - i, identity));                                    \
    return lanes_of(lanes_of(s0, s1), lanes_of(s2, s3));                                              \
  }                                                                                                   \
  static void K(name)(void *out, const void *px, size_t rows, size_t columns) {                       \
    enum { W = K(LANES) };                                                                            \
    T *o = out;                                                                                       \
    const T *x = px;                                                                                  \
    if (columns < W && columns < SHORT_ROW) {                                                         \
      for (size_t r = 0; r < rows; r++, x += columns) {                                               \
        T a = identity;                                                                               \
        for (size_t c = 0; c < columns; c++) {                                                        \
          const T b = x[c];                                                                           \
          a = expression;                                                                             \
        }                                                                                             \
        o[r] = a;                                                                                     \
      }                                                                                               \
      return;                                                                                         \
    }                                                                                                 \
    size_t r = 0;                                                                                     \
    for (; rows - r > W / 4; r += rows - r < W ? rows - r : W) { /* many rows at a time */            \
      const size_t many = rows - r < W ? rows - r : W;                                                \
      K(lanes) v[W] = {{0}};                                                                          \
      T done[W];                                                                                      \
      for (size_t k = 0; k < many; k++) v[k] = K(CY_JOIN(name, row))(x + (r + k) * columns, columns); \
      CY_COMBINE_HALVES(lanes_of, v)                                                                  \
      *(K(lanes_at) *)done = v[0];                                                                    \
      memcpy(o + r, done, many * sizeof(T));                                                          \
    }                                                                                                 \
    for (; r < rows; r++) { /* the same sums */                                                       \
      T t[W];                                                                                         \
      *(K(lanes_at) *)t = K(CY_JOIN(name, row))(x + r * columns, columns);                            \
      for (int half = W / 2; half; half /= 2)                                                         \
        for (int l = 0; l < half; l++) {                                                              \
          const T a = t[l], b = t[l + half];                                                          \
          t[l] = expression;                                                                          \
        }                                                                                             \
      o[r] = t[0];                                                                                    \
    }                                                                                                 \
  }
REDUCE(reduce_sum, K(add_lanes), 0, a + b)
REDUCE(reduce_max, K(max_lanes), LOWEST, CY_MAX(a, b))
#else
#define REDUCE(name, identity, expression)                                      \
  static void K(name)(void *out, const void *px, size_t rows, size_t columns) { \
    T *o = out;                                                                 \
    const T *x = px;                                                            \
    for (size_t r = 0; r < rows; r++, x += columns) {                           \
      T a = identity;                                                           \
      for (size_t c = 0; c < columns; c++) {                                    \
        const T b = x[c];                                                       \
        a = (T)(expression);                                                    \
      }                                                                         \
      o[r] = a;                                                                 \
    }                                                                           \
  }
REDUCE(reduce_sum, 0, a + b)
REDUCE(reduce_max, LOWEST, a > b ? a : b)
#endif

#undef K
#undef CY_DIV
#undef FOR_FLOATS
#undef FOR_NUMBERS
#undef FOR_ANY
#undef TYPE_SAME
#undef TYPE_LOGICAL
#undef UNARY
#undef BINARY
#undef BINARY_FORMS
#undef ACCUMULATE
#undef REDUCE
#undef CY_HALVE
#undef CY_COMBINE_HALVES
#undef SHORT_ROW
#undef T
#undef T_BYTES
#undef T_INTEGER
#undef SUFFIX
#undef IS_FLOAT
#undef LOWEST
