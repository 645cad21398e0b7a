/* Options of a training: ranges, and what a zero stands for. */
#include "train/train.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

static bool at_least_zero(double value) { return value >= 0 && isfinite(value); }

enum { LARGEST_SIDE = 1 << 15 };

static cy_status check(const cy_trainer_options *o) {
  if (o->dtype != CY_F32 && o->dtype != CY_F64)
    return cy_fail(CY_INVALID, "training in %s: only f32 and f64 can be trained", cy_dtype_name(o->dtype));
  if (!(o->learning_rate > 0 && isfinite(o->learning_rate)))
    return cy_fail(CY_INVALID, "learning_rate is %g; it must be > 0", o->learning_rate);
  if (o->batch_size < 1) return cy_fail(CY_INVALID, "batch_size is %lld; it must be >= 1", (long long)o->batch_size);
  if (o->epochs < 1) return cy_fail(CY_INVALID, "epochs is %lld; it must be >= 1", (long long)o->epochs);
  if (!(o->validation >= 0 && o->validation < 1))
    return cy_fail(CY_INVALID, "validation is %g; it must be a fraction in 0 <= validation < 1", o->validation);
  if (!(o->test < 1)) return cy_fail(CY_INVALID, "test is %g; it must be a fraction < 1", o->test);
  if (o->patience < 0) return cy_fail(CY_INVALID, "patience is %lld; it must be >= 0", (long long)o->patience);
  if (!at_least_zero(o->min_delta)) return cy_fail(CY_INVALID, "min_delta is %g; it must be >= 0", o->min_delta);
  if (!at_least_zero(o->l1)) return cy_fail(CY_INVALID, "l1 is %g; it must be >= 0", o->l1);
  if (!at_least_zero(o->l2)) return cy_fail(CY_INVALID, "l2 is %g; it must be >= 0", o->l2);
  for (int i = 0; i < CY_MAX_SIZES; i++)
    if (o->sizes[i].height < 0 || o->sizes[i].width < 0 || o->sizes[i].height > LARGEST_SIDE ||
        o->sizes[i].width > LARGEST_SIDE)
      return cy_fail(CY_INVALID, "sizes are %lldx%lld; sides are 1 to %d pixels", (long long)o->sizes[i].height,
                     (long long)o->sizes[i].width, LARGEST_SIDE);
  const cy_augmentation *a = &o->augment;
  if (a->crop < 0 || a->shift < 0 || a->crop > LARGEST_SIDE || a->shift > LARGEST_SIDE || a->fill < CY_FILL_ZERO ||
      a->fill > CY_FILL_EDGE)
    return cy_fail(CY_INVALID, "augment: crop %lld, shift %lld, fill %d", (long long)a->crop, (long long)a->shift,
                   (int)a->fill);
  if (!at_least_zero(a->jitter) || !at_least_zero(a->scaling))
    return cy_fail(CY_INVALID, "augment: jitter %g, scaling %g", a->jitter, a->scaling);
  if (o->threads < 0) return cy_fail(CY_INVALID, "threads is %d; it must be >= 0", o->threads);
  return CY_OK;
}

/* What changes a loss from one look to the next has no curvature. (Dropout: see cy_second_order_check.) */
static cy_status check_second_order(const cy_trainer_options *o) {
  const cy_augmentation *a = &o->augment;
  if (o->streams)
    return cy_fail(CY_INVALID, "optimizer \"%s\" needs the same loss each time, but streams carry the state from batch to "
                   "batch: train on shuffled windows, or with adam", o->optimizer.name);
  if (cy_augments(a))
    return cy_fail(CY_INVALID, "optimizer \"%s\" needs the same loss each time, but augmentation draws other samples in "
                   "every epoch: train without it, or with adam", o->optimizer.name);
  return CY_OK;
}

static double usual_rate(const char *optimizer) {
  for (int i = 0; i < cy_optimizer_count(); i++)
    if (strcmp(cy_optimizer_name(i), optimizer) == 0) return cy_optimizer_rate(i);
  return 0;
}

cy_status cy_trainer_options_resolve(cy_trainer_options options, int64_t classes, cy_trainer_options *resolved) {
  const cy_loss_row *loss = cy_loss_find(options.loss, classes);
  if (!loss) return CY_INVALID;
  options.loss = loss->name;
  CY_TRY(cy_optimizer_resolve(options.optimizer, &options.optimizer));
  if (options.learning_rate == 0) options.learning_rate = usual_rate(options.optimizer.name);
  bool second_order = cy_is_second_order(&options.optimizer);
  if (options.batch_size == 0) options.batch_size = second_order ? 256 : 32;
  if (options.epochs == 0) options.epochs = 10;
  if (options.validation == 0 && !signbit(options.validation)) options.validation = 0.1;
  if (options.test == 0) options.test = 0.2;
  CY_TRY(check(&options));
  if (second_order) CY_TRY(check_second_order(&options));
  if (options.watch_accuracy && classes == 0)
    return cy_fail(CY_INVALID, "watch_accuracy: there is no accuracy, for the targets are numbers, not classes");
  *resolved = options;
  return CY_OK;
}
