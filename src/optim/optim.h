/* The table of optimisers, between its formulas (optimizers.c) and the code that serves any of them (apply.c). */
#ifndef CY_OPTIM_OPTIM_H
#define CY_OPTIM_OPTIM_H

#include <cauchy/ops.h>
#include <cauchy/optim.h>

enum { CY_MAX_SLOTS = 2, CY_MAX_SETTINGS = 4 };

/* The hyper-parameters: fields of cy_optimizer_options. */
typedef enum cy_hyper {
  CY_MOMENTUM,
  CY_BETA1,
  CY_BETA2,
  CY_EPSILON,
  CY_WEIGHT_DECAY,
  CY_DAMPING,
  CY_MEMORY,
  CY_CG_ITERATIONS,
  CY_CURVATURE_SAMPLES,
  CY_PRECONDITIONER,
  CY_HYPER_COUNT
} cy_hyper;

/* Scalars of one update, of the parameters' dtype. */
typedef struct cy_update_scalars {
  const cy_optimizer_options *options; /* resolved */
  cy_value rate;                       /* the learning rate */
  cy_value time;                       /* number of this update, from 1 */
} cy_update_scalars;

/* One parameter's update: returns the new parameter and fills next[] for each slot. */
typedef cy_value (*cy_update_rule)(const cy_update_scalars *scalars, cy_value parameter, cy_value gradient,
                                   const cy_value *slot, cy_value *next);

typedef struct cy_optimizer_row {
  const char *name, *summary;
  double rate; /* usual learning rate */
  int n_slots;
  const char *slots[CY_MAX_SLOTS];
  bool last_slot_is_momentum; /* which only exists if momentum > 0 */
  bool decoupled;             /* weight decay shrinks the parameter instead of adding to the gradient */
  int n_settings;
  struct {
    cy_hyper hyper;
    double usual;
  } settings[CY_MAX_SETTINGS];
  cy_update_rule update;      /* NULL: second-order, driven by the trainer */
  bool chooses_curvature;     /* has the setting curvature */
} cy_optimizer_row;

extern const cy_optimizer_row cy_optimizer_rows[];
extern const int cy_optimizer_row_count;
const cy_optimizer_row *cy_optimizer_find(const char *name); /* NULL: adam; NULL if unknown */

#endif
