/* Schedules of the learning rate: a pure function of the step, so that resuming needs no memory of earlier rates. */
#include <cauchy/optim.h>

#include "base/error.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {
  [CY_SCHEDULE_CONSTANT] = "constant", [CY_SCHEDULE_STEP] = "step", [CY_SCHEDULE_COSINE] = "cosine"};
enum { KINDS = (int)(sizeof names / sizeof names[0]) };

const char *cy_schedule_name(int kind) { return kind >= 0 && kind < KINDS ? names[kind] : NULL; }

cy_status cy_schedule_by_name(const char *name, cy_schedule_kind *kind) {
  for (int i = 0; i < KINDS; i++)
    if (strcmp(name, names[i]) == 0) {
      *kind = (cy_schedule_kind)i;
      return CY_OK;
    }
  const char *near = cy_nearest_name(name, names, KINDS);
  return cy_fail(CY_INVALID, "unknown schedule \"%s\"%s%s%s (there are constant, step, cosine)", name,
                 near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static double factor_of(cy_schedule schedule) { return schedule.factor == 0 ? 0.1 : schedule.factor; }

cy_status cy_schedule_check(cy_schedule s) {
  if (!cy_schedule_name((int)s.kind)) return cy_fail(CY_INVALID, "unknown kind %d of schedule", (int)s.kind);
  if (s.in_epochs) return cy_fail(CY_INVALID, "the schedule counts epochs whose length is unknown here");
  if (!(s.warmup >= 0 && isfinite(s.warmup)))
    return cy_fail(CY_INVALID, "schedule: warmup is %g; it must be >= 0", s.warmup);
  if (s.kind == CY_SCHEDULE_STEP && !(s.every > 0 && isfinite(s.every)))
    return cy_fail(CY_INVALID, "schedule step: every is %g; it must be > 0", s.every);
  if (s.kind == CY_SCHEDULE_STEP && !(factor_of(s) > 0 && isfinite(s.factor)))
    return cy_fail(CY_INVALID, "schedule step: factor is %g; it must be > 0", s.factor);
  if (s.kind == CY_SCHEDULE_COSINE && !(s.total > s.warmup && isfinite(s.total)))
    return cy_fail(CY_INVALID, "schedule cosine: total is %g steps; it must exceed warmup, %g", s.total, s.warmup);
  if (s.kind == CY_SCHEDULE_COSINE && !(s.floor >= 0 && s.floor <= 1))
    return cy_fail(CY_INVALID, "schedule cosine: floor is %g; it must be in 0..1", s.floor);
  return CY_OK;
}

cy_schedule cy_schedule_in_steps(cy_schedule schedule, int64_t steps_per_epoch, int64_t epochs) {
  double length = schedule.in_epochs ? (double)steps_per_epoch : 1;
  schedule.warmup *= length;
  schedule.every *= length;
  schedule.total *= length;
  if (schedule.kind == CY_SCHEDULE_COSINE && schedule.total == 0)
    schedule.total = (double)steps_per_epoch * (double)epochs;
  schedule.in_epochs = false;
  return schedule;
}

double cy_schedule_rate(cy_schedule schedule, double rate, int64_t step) {
  double t = (double)step - schedule.warmup;
  if (t < 0) return rate * fmin(1, ((double)step + 1) / schedule.warmup);
  switch (schedule.kind) {
  case CY_SCHEDULE_STEP:
    return rate * pow(factor_of(schedule), floor(t / schedule.every));
  case CY_SCHEDULE_COSINE: {
    double share = t / (schedule.total - schedule.warmup);
    double wave = share < 1 ? (1 + cos(acos(-1) * share)) / 2 : 0;
    return rate * (schedule.floor + (1 - schedule.floor) * wave);
  }
  default:
    return rate;
  }
}
