/* The arithmetic of receptive fields: unions of intervals over arithmetic progressions of units. All of it is
 * checked, as fields grow exponentially with depth. Called by the walk over the graph. */
#include "analyze/receptive.h"

#include "base/error.h"

#include <string.h>

enum { MOST_PHASES = 1024, MOST_TABLE = 1 << 20 };

static int64_t absolute(int64_t a) { return a < 0 ? -a : a; }

int64_t cy_common_divisor(int64_t a, int64_t b) {
  a = absolute(a);
  b = absolute(b);
  while (b) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); } /* b > 0 */

static cy_status too_large(void) { return cy_fail(CY_INVALID, "a receptive field does not fit in 63 bits"); }

cy_interval cy_interval_join(cy_interval a, cy_interval b) {
  return (cy_interval){a.low < b.low ? a.low : b.low, a.high > b.high ? a.high : b.high};
}

bool cy_field_at(const cy_view_field *f, int64_t i, cy_interval *seen) {
  *seen = cy_sees_none;
  if (f->sight == CY_SEES_NOTHING || (f->table && (i < 0 || i >= f->period))) return true;
  if (f->sight == CY_SEES_FIXED || f->table) {
    *seen = f->at[f->table ? i : 0];
    return true;
  }
  int64_t q = floor_div(i, f->period), moved;
  cy_interval phase = f->at[i - q * f->period];
  if (phase.low > phase.high) return true;
  *seen = phase;
  return cy_mul_i64(q, f->advance, &moved) && cy_add_i64(phase.low, moved, &seen->low) &&
         cy_add_i64(phase.high, moved, &seen->high);
}

/* Intervals that move evenly: the extremes lie within a period of either end. */
bool cy_field_over(const cy_view_field *f, int64_t first, int64_t step, int64_t n, cy_interval *seen) {
  int64_t cycle = f->table ? n : f->period;
  *seen = cy_sees_none;
  if (f->table && step > 0) { /* only the units that there are */
    int64_t skip = first < 0 ? (-first + step - 1) / step : 0;
    int64_t last = first + (n - 1) * step, drop = last >= f->period ? (last - f->period) / step + 1 : 0;
    first += skip * step;
    n -= skip + drop;
    cycle = n;
  }
  for (int64_t k = 0; k < n; k++) {
    if (k == cycle && n - cycle > k) k = n - cycle;
    cy_interval one;
    if (!cy_field_at(f, first + k * step, &one)) return false;
    *seen = cy_interval_join(*seen, one);
  }
  return true;
}

bool cy_reach_elements(const cy_reach *r, int64_t i, int64_t *first, int64_t *step, int64_t *n) {
  int64_t start, end, stride = r->step ? r->step : 1, divisor = r->divisor ? r->divisor : 1;
  *n = 0;
  *first = *step = 0;
  if (!cy_mul_i64(i, r->stride, &start) || !cy_add_i64(start, r->high, &end) || !cy_add_i64(start, r->low, &start))
    return false;
  int64_t middle = start + (end - start) / 2;
  if (r->exact && middle % divisor == 0) {
    *first = middle / divisor;
    *step = *n = 1;
    return true;
  }
  for (int64_t tries = divisor / cy_common_divisor(stride, divisor); tries > 0 && start % divisor != 0; tries--)
    if (!cy_add_i64(start, stride, &start)) return false;
  if (start % divisor != 0 || start > end) return true;
  *step = stride / cy_common_divisor(stride, divisor); /* of elements */
  *first = start / divisor;
  int64_t last = floor_div(end, divisor);
  *n = (last - *first) / *step + 1;
  return true;
}

/* ---- composing ---- */

static cy_view_field fixed(cy_arena *arena, cy_interval seen) {
  cy_view_field f = {.sight = CY_SEES_FIXED, .axis = -1, .period = 1};
  if (seen.low > seen.high) return (cy_view_field){.axis = -1};
  f.at = cy_arena_copy(arena, &seen, sizeof seen);
  return f;
}

/* Lowest terms; per > 0. */
static void set_rate(cy_view_field *f, int64_t rate, int64_t per) {
  int64_t common = cy_common_divisor(rate, per);
  f->rate = common ? rate / common : 0;
  f->per = common ? per / common : 0;
}

/* How many elements an interval holds must fit too. */
static bool fits(cy_interval seen) {
  int64_t size;
  return seen.low > seen.high || (!__builtin_sub_overflow(seen.high, seen.low, &size) && size < INT64_MAX);
}

/* How the phases of the result come about; false if they are too many, and a table has to do. *in_63_bits: whether the
 * advance is. */
static bool phases(const cy_view_field *operand, const cy_reach *reach, int64_t extent, cy_view_field *f,
                   bool *in_63_bits) {
  int64_t divisor = reach->divisor ? reach->divisor : 1, own = divisor / cy_common_divisor(reach->stride, divisor),
          moved, quotient;
  if (!cy_mul_i64(reach->stride, own, &moved)) return false;
  moved /= divisor; /* elements of the operand per own units */
  int64_t repeat = moved ? operand->period / cy_common_divisor(operand->period, moved) : 1;
  if (!cy_mul_i64(own, repeat, &f->period) || f->period > (extent > MOST_PHASES ? extent : MOST_PHASES)) return false;
  quotient = moved * repeat / operand->period;
  *in_63_bits = cy_mul_i64(operand->advance, quotient, &f->advance);
  return true;
}

static cy_status fill(const cy_view_field *operand, int64_t operand_extent, const cy_reach *reach, bool clip,
                      cy_view_field *f) {
  for (int64_t i = 0; i < f->period; i++) {
    int64_t first, step, n;
    f->at[i] = cy_sees_none;
    if (!cy_reach_elements(reach, i, &first, &step, &n)) return too_large();
    if (clip && n > 0) {
      int64_t skip = first < 0 ? (-first + step - 1) / step : 0, last = first + (n - 1) * step;
      int64_t drop = last >= operand_extent ? (last - operand_extent) / step + 1 : 0;
      first += skip * step;
      n -= skip + drop;
    }
    if (n > 0 && !cy_field_over(operand, first, step, n, &f->at[i])) return too_large();
    if (!fits(f->at[i])) return too_large();
  }
  return CY_OK;
}

cy_status cy_field_compose(cy_arena *arena, const cy_view_field *operand, int64_t operand_extent, const cy_reach *reach,
                           const cy_shape *result, bool clip, cy_view_field *f) {
  *f = (cy_view_field){.axis = -1};
  if (operand->sight != CY_SEES_WINDOW) {
    *f = *operand;
    return CY_OK;
  }
  if (reach->axis < 0) {
    cy_interval all;
    if (operand_extent < 1) return CY_OK;
    if (!cy_field_over(operand, 0, 1, operand_extent, &all)) return too_large();
    *f = fixed(arena, all);
    return f->at || f->sight == CY_SEES_NOTHING ? CY_OK : cy_no_memory();
  }
  int64_t extent = result->dim[reach->axis], divisor = reach->divisor ? reach->divisor : 1, rate, per;
  *f = (cy_view_field){.sight = CY_SEES_WINDOW, .axis = reach->axis};
  bool in_63_bits = true;
  f->table = operand->table || clip || !phases(operand, reach, extent, f, &in_63_bits);
  if (!in_63_bits) return too_large();
  if (f->table) {
    f->period = extent;
    f->advance = 0;
    if (extent > MOST_TABLE)
      return cy_fail(CY_UNSUPPORTED, "the receptive fields of %lld units differ too much to list", (long long)extent);
  }
  if (operand->per && cy_mul_i64(operand->rate, reach->stride, &rate) && cy_mul_i64(operand->per, divisor, &per))
    set_rate(f, rate, per);
  f->at = cy_arena_alloc(arena, (size_t)(f->period ? f->period : 1) * sizeof *f->at);
  return f->at ? fill(operand, operand_extent, reach, clip, f) : cy_no_memory();
}

/* ---- joining ---- */

static cy_status span_of_all(const cy_view_field *f, const cy_shape *shape, cy_interval *seen) {
  int64_t units = f->axis >= 0 ? shape->dim[f->axis] : 1;
  *seen = cy_sees_none;
  return units < 1 || cy_field_over(f, 0, 1, units, seen) ? CY_OK : too_large();
}

static bool same_field(const cy_view_field *a, const cy_view_field *b) {
  return a->axis == b->axis && a->table == b->table && a->period == b->period && a->advance == b->advance &&
         a->rate == b->rate && a->per == b->per && memcmp(a->at, b->at, (size_t)a->period * sizeof *a->at) == 0;
}

enum { MOST_STEPS = 8 };

/* Units that differ at the borders only, as where images are padded by mirroring: the middle half repeats every few. */
static bool even_middle(const cy_view_field *f, int64_t *rate, int64_t *per) {
  int64_t first = f->period / 4, last = f->period - 1 - first;
  if (!f->table) return false;
  for (*per = 1; *per <= MOST_STEPS && first + *per <= last; ++*per) {
    *rate = f->at[first + *per].low - f->at[first].low;
    bool even = true;
    for (int64_t i = first; even && i + *per <= last; i++)
      even = cy_interval_size(f->at[i]) && cy_interval_size(f->at[i]) == cy_interval_size(f->at[i + *per]) &&
             f->at[i + *per].low - f->at[i].low == *rate;
    if (even) return true;
  }
  return false;
}

static cy_status join_windows(cy_arena *arena, const cy_view_field *a, const cy_view_field *b, int64_t extent,
                              cy_view_field *f) {
  int64_t repeat = b->period / cy_common_divisor(a->period, b->period), period, x, y;
  bool even = a->rate == b->rate && a->per == b->per && a->per;
  *f = (cy_view_field){.sight = CY_SEES_WINDOW, .axis = a->axis, .rate = even ? a->rate : 0, .per = even ? a->per : 0};
  f->table = a->table || b->table || !cy_mul_i64(a->period, repeat, &period) || period > MOST_PHASES + extent ||
             !cy_mul_i64(a->advance, repeat, &x) || !cy_mul_i64(b->advance, period / b->period, &y) || x != y;
  f->period = f->table ? extent : period;
  f->advance = f->table ? 0 : x;
  if (f->period > MOST_TABLE)
    return cy_fail(CY_UNSUPPORTED, "the receptive fields of %lld units differ too much to list", (long long)extent);
  f->at = cy_arena_alloc(arena, (size_t)(f->period ? f->period : 1) * sizeof *f->at);
  if (!f->at) return cy_no_memory();
  for (int64_t i = 0; i < f->period; i++) {
    cy_interval one, other;
    if (!cy_field_at(a, i, &one) || !cy_field_at(b, i, &other)) return too_large();
    f->at[i] = cy_interval_join(one, other);
    if (!fits(f->at[i])) return too_large();
  }
  int64_t rate, per;
  if (!even && even_middle(f, &rate, &per)) set_rate(f, rate, per);
  return CY_OK;
}

cy_status cy_field_join(cy_arena *arena, const cy_view_field *a, const cy_view_field *b, const cy_shape *shape,
                        cy_view_field *f) {
  if (a->sight == CY_SEES_NOTHING || b->sight == CY_SEES_NOTHING) {
    *f = a->sight == CY_SEES_NOTHING ? *b : *a;
    return CY_OK;
  }
  if (same_field(a, b)) {
    *f = *a;
    return CY_OK;
  }
  if (a->sight == CY_SEES_WINDOW && b->sight == CY_SEES_WINDOW && a->axis == b->axis)
    return join_windows(arena, a, b, shape->dim[a->axis], f);
  cy_interval one, other;
  CY_TRY(span_of_all(a, shape, &one));
  CY_TRY(span_of_all(b, shape, &other));
  *f = fixed(arena, cy_interval_join(one, other));
  return f->at || f->sight == CY_SEES_NOTHING ? CY_OK : cy_no_memory();
}
