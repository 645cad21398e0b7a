/* The losses that training knows by name, also for those who check them. */
#ifndef CY_TRAIN_LOSSES_H
#define CY_TRAIN_LOSSES_H

#include <cauchy/nn.h>

/* labels: i64 [N] or [N, steps] (the empty value for regression); targets: the output's shape and dtype. */
typedef cy_value (*cy_loss_rule)(cy_value output, cy_value labels, cy_value targets, cy_reduction reduction);
typedef struct cy_loss_row {
  const char *name;
  bool classes_only;
  cy_loss_rule loss;
  cy_value (*answer)(cy_value output); /* what prediction shows: probabilities; NULL: the output itself */
  bool single;                     /* for two classes one output will do: the log-odds of the second */
  bool measures;                   /* of numbers in any unit, which are then standardised */
} cy_loss_row;
/* NULL with a message if the name is unknown or does not fit. name NULL: the usual one. */
const cy_loss_row *cy_loss_find(const char *name, int64_t classes);

#endif
