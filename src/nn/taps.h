/* Recurrent layers being watched: for reports on how gradients travel through time. */
#ifndef CY_NN_TAPS_H
#define CY_NN_TAPS_H

#include "nn/cells.h"

/* One direction of one recurrent layer, as it was built. */
typedef struct cy_tap {
  const char *name;                    /* "lstm1", "lstm1.layer2.reverse" */
  cy_cell cell;
  bool reverse;
  cy_value x;                          /* [T, N, C], what it reads */
  cy_value push[CY_CELL_CARRIES];      /* inputs "<name>.push0", "..1" [T, N, H]: added to the state after each step, so
                                        * that derivatives by them are those by the state. To be bound to zeros */
  cy_value states[CY_CELL_CARRIES];    /* [T, N, H] after each step, at its time */
  cy_value weights[CY_CELL_WEIGHTS];
} cy_tap;

/* From now on recurrent layers add a tap each. */
void cy_network_watch(cy_network *network);
bool cy_network_watches(const cy_network *network);
/* prefix: of the variables, "layer2.reverse.". Gives the tap its name, and the inputs of the given shape. NULL after an
 * error; valid until the next. */
cy_tap *cy_network_add_tap(cy_network *network, const char *prefix, int n_carry, cy_shape shape);
int cy_network_tap_count(const cy_network *network);
const cy_tap *cy_network_tap_at(const cy_network *network, int i);

#endif
