/* Single-precision exp, log, tanh and their like on one vector register, for AVX-512 and for AVX2 with FMA; empty
 * elsewhere. Each is at most 2 units in the last place off (tests walk them), quiet about NaN, and right at 0, at the
 * ends of the range and among denormals. Inlined into loops they take a third to a tenth of SLEEF's time.
 * Polynomials: weighted minimax fits (Chebyshev nodes, Lawson's reweighting) on the reduced ranges stated. */
#ifndef CY_BACKEND_CPU_VECTOR_F32_H
#define CY_BACKEND_CPU_VECTOR_F32_H

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#include <immintrin.h>
#define CY_HAVE_VECTOR_F32 1
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vmask;
static inline vf vf_of(float a) { return _mm512_set1_ps(a); }
static inline vi vi_of(int a) { return _mm512_set1_epi32(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); } /* b if either is NaN */
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vf_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vi vf_to_int(vf a) { return _mm512_cvtps_epi32(a); }
static inline vf vi_to_float(vi a) { return _mm512_cvtepi32_ps(a); }
static inline vf vi_as_float(vi a) { return _mm512_castsi512_ps(a); }
static inline vi vf_as_int(vf a) { return _mm512_castps_si512(a); }
static inline vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
static inline vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
#define vi_left(a, n) _mm512_slli_epi32(a, n)
#define vi_right(a, n) _mm512_srai_epi32(a, n)
static inline vmask vf_less(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline vmask vf_at_least(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
static inline vmask vf_equal(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
static inline vf vf_choose(vmask m, vf yes, vf no) { return _mm512_mask_blend_ps(m, no, yes); }
static inline vf vf_abs(vf a) { return _mm512_andnot_ps(vf_of(-0.0f), a); }
static inline vf vf_with_sign(vf a, vf sign) { return _mm512_or_ps(a, _mm512_and_ps(vf_of(-0.0f), sign)); }
static inline vf vf_scale(vf a, vf n) { return _mm512_scalef_ps(a, n); } /* a 2^n */
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define CY_HAVE_VECTOR_F32 1
typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vmask;
static inline vf vf_of(float a) { return _mm256_set1_ps(a); }
static inline vi vi_of(int a) { return _mm256_set1_epi32(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf vf_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vi vf_to_int(vf a) { return _mm256_cvtps_epi32(a); }
static inline vf vi_to_float(vi a) { return _mm256_cvtepi32_ps(a); }
static inline vf vi_as_float(vi a) { return _mm256_castsi256_ps(a); }
static inline vi vf_as_int(vf a) { return _mm256_castps_si256(a); }
static inline vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
static inline vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
#define vi_left(a, n) _mm256_slli_epi32(a, n)
#define vi_right(a, n) _mm256_srai_epi32(a, n)
static inline vmask vf_less(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
static inline vmask vf_at_least(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_GE_OQ); }
static inline vmask vf_equal(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
static inline vf vf_choose(vmask m, vf yes, vf no) { return _mm256_blendv_ps(no, yes, m); }
static inline vf vf_abs(vf a) { return _mm256_andnot_ps(vf_of(-0.0f), a); }
static inline vf vf_with_sign(vf a, vf sign) { return _mm256_or_ps(a, _mm256_and_ps(vf_of(-0.0f), sign)); }
static inline vf vf_power_of_two(vi n) { return vi_as_float(vi_left(vi_add(n, vi_of(127)), 23)); }
static inline vf vf_scale(vf a, vf n) { /* in two steps: 2^n itself may not be a number */
  vi whole = vf_to_int(n), half = vi_right(whole, 1);
  return a * vf_power_of_two(half) * vf_power_of_two(vi_sub(whole, half));
}
#endif

#if CY_HAVE_VECTOR_F32
#define CY_LOG2_E 1.44269504f
#define CY_LN2_HIGH 0.693359375f /* few bits: n times it is exact */
#define CY_LN2_LOW (-2.12194440e-4f)

/* a = n ln 2 + r, |r| <= ln 2 / 2; returns e^r - 1 = r + r^2 P(r). */
static inline vf vf_reduced_expm1(vf a, vf *n) {
  *n = vf_round(a * vf_of(CY_LOG2_E));
  vf r = vf_fma(*n, vf_of(-CY_LN2_HIGH), a);
  r = vf_fma(*n, vf_of(-CY_LN2_LOW), r);
  vf p = vf_fma(vf_of(0.00139505907f), r, vf_of(0.00836895465f));
  p = vf_fma(p, r, vf_of(0.0416662043f));
  p = vf_fma(p, r, vf_of(0.166665183f));
  p = vf_fma(p, r, vf_of(0.50000001f));
  return vf_fma(r * r, p, r);
}

/* Beyond the clamps the result is 0 or infinite anyway. */
static inline vf vf_exp(vf a) {
  vf n, s = vf_reduced_expm1(vf_max(vf_of(-104), vf_min(vf_of(89), a)), &n);
  return vf_scale(vf_of(1) + s, n);
}

/* 2^n s + (2^n - 1), halved on the way so that n = 128 does not overflow too early. */
static inline vf vf_expm1(vf a) {
  vf n, s = vf_reduced_expm1(vf_max(vf_of(-30), vf_min(vf_of(89), a)), &n);
  vf half_power = vi_as_float(vi_left(vi_add(vf_to_int(n), vi_of(126)), 23));
  vf y = vf_fma(half_power, s, half_power - vf_of(0.5f));
  return vf_choose(vf_less(vf_abs(a), vf_of(1e-8f)), a, y + y);
}

/* log u + correction, u = 2^e (1 + f), sqrt(1/2) <= 1 + f < sqrt 2: e ln 2 + f - f^2/2 + f^3 P(f). */
static inline vf vf_log_plus(vf u, vf correction) {
  vmask tiny = vf_less(u, vf_of(0x1p-126f));
  vi bits = vf_as_int(vf_choose(tiny, u * vf_of(0x1p23f), u));
  vi exponent = vi_right(vi_sub(bits, vi_of(0x3f3504f3)), 23);
  vf f = vi_as_float(vi_sub(bits, vi_left(exponent, 23))) - vf_of(1);
  vf e = vi_to_float(exponent) + vf_choose(tiny, vf_of(-23), vf_of(0));
  vf p = vf_fma(vf_of(0.0691507604f), f, vf_of(-0.117896597f));
  p = vf_fma(p, f, vf_of(0.118730291f));
  p = vf_fma(p, f, vf_of(-0.123843773f));
  p = vf_fma(p, f, vf_of(0.142186546f));
  p = vf_fma(p, f, vf_of(-0.16669249f));
  p = vf_fma(p, f, vf_of(0.200022267f));
  p = vf_fma(p, f, vf_of(-0.249999866f));
  p = vf_fma(p, f, vf_of(0.333333104f));
  vf small = vf_fma(f * f, vf_fma(f, p, vf_of(-0.5f)), vf_fma(e, vf_of(CY_LN2_LOW), correction));
  vf y = vf_fma(e, vf_of(CY_LN2_HIGH), f + small);
  y = vf_choose(vf_equal(u, vf_of(__builtin_inff())), u, y);
  y = vf_choose(vf_equal(u, vf_of(0)), vf_of(-__builtin_inff()), y);
  return vf_choose(vf_at_least(u, vf_of(0)), y, vf_of(__builtin_nanf("")));
}

static inline vf vf_log(vf a) { return vf_log_plus(a, vf_of(0)); }

/* 1 + a loses a's last digits; they come back as a first-order correction. */
static inline vf vf_log1p(vf a) {
  vf u = vf_of(1) + a;
  vf lost = (a - (u - vf_of(1))) / u;
  lost = vf_choose(vf_less(vf_abs(lost), vf_of(1)), lost, vf_of(0)); /* u = 0 or infinite */
  return vf_choose(vf_less(vf_abs(a), vf_of(1e-8f)), a, vf_log_plus(u, lost));
}

/* t = e^-2a - 1 keeps its digits near 0 and h = -t / 2 too; tanh a = 2h / (2 + t) = h + 2h q with q = h / (2 + t), where
 * what is rounded in q is small beside h. */
static inline vf vf_tanh(vf x) {
  vf n, s = vf_reduced_expm1(vf_max(vf_of(-20), vf_of(-2) * vf_abs(x)), &n);
  vf power = vf_scale(vf_of(1), n);
  vf h = vf_fma(vf_of(-0.5f) * power, s, vf_fma(vf_of(-0.5f), power, vf_of(0.5f)));
  vf q = h / vf_fma(power, s, power + vf_of(1));
  return vf_with_sign(vf_fma(q, h + h, h), x);
}

/* CY_LOGISTIC, of -|x|: e - e q with q = e / (1 + e), where e = 2^n (1 + s) and 1 + e are rounded once each; what q has
 * lost is small beside e. The logistic of |x| is 1 - q. */
static inline vf vf_logistic(vf x) {
  vf n, s = vf_reduced_expm1(vf_max(vf_of(-104), vf_of(0) - vf_abs(x)), &n);
  vf power = vf_scale(vf_of(1), n), e = vf_fma(power, s, power);
  vf q = e / vf_fma(power, s, power + vf_of(1));
  return vf_choose(vf_less(x, vf_of(0)), vf_fma(vf_of(0) - e, q, e), vf_of(1) - q);
}

/* a + a Q(a^2) below 0.9, 1 - exp(P(a)) above, where P fits log(1 - erf). */
static inline vf vf_erf(vf x) {
  vf a = vf_min(vf_of(4), vf_abs(x)), z = a * a;
  vf q = vf_fma(vf_of(8.53882724e-05f), z, vf_of(-0.000818192439f));
  q = vf_fma(q, z, vf_of(0.00520443576f));
  q = vf_fma(q, z, vf_of(-0.0268607527f));
  q = vf_fma(q, z, vf_of(0.112837197f));
  q = vf_fma(q, z, vf_of(-0.376126353f));
  q = vf_fma(q, z, vf_of(0.128379167f));
  vf p = vf_fma(vf_of(-6.35405842e-07f), a, vf_of(-1.27407088e-05f));
  p = vf_fma(p, a, vf_of(0.000387370363f));
  p = vf_fma(p, a, vf_of(-0.00402233895f));
  p = vf_fma(p, a, vf_of(0.0248314345f));
  p = vf_fma(p, a, vf_of(-0.107929725f));
  p = vf_fma(p, a, vf_of(-0.633608588f));
  p = vf_fma(p, a, vf_of(-1.12940516f));
  p = vf_fma(p, a, vf_of(0.000154869317f));
  vf above = vf_of(1) - vf_exp(p);
  return vf_with_sign(vf_choose(vf_less(a, vf_of(0.9f)), vf_fma(a, q, a), above), x);
}
#endif
#endif
