/* The steps of recurrent layers: from what comes in at one time and the state before it to the state after it. Plain
 * operations, so that the same function makes the body of a loop, an unrolled network, and the Jacobian of a step. */
#ifndef CY_NN_CELLS_H
#define CY_NN_CELLS_H

#include "nn/network.h"

typedef enum cy_cell_kind { CY_CELL_RNN, CY_CELL_LSTM, CY_CELL_GRU } cy_cell_kind;
enum { CY_CELL_KINDS = 3, CY_CELL_CARRIES = 2, CY_CELL_WEIGHTS = 4 };

typedef struct cy_cell {
  cy_cell_kind kind;
  cy_rnn_activation activation; /* of the RNN */
  int64_t units;                /* H */
} cy_cell;

typedef struct cy_cell_row {
  const char *name;
  int gates;    /* products of one step lie side by side: [N, gates * H] */
  int n_carry;  /* hidden state first; the LSTM's memory second */
  int n_weights;
} cy_cell_row;
extern const cy_cell_row cy_cell_rows[]; /* by kind */

/* weights: input weight [C, gates H], recurrent weight [H, gates H], bias [gates H]; GRU: also the bias inside the
 * reset, [H]. x [N, C], carry and next [N, H] each. */
void cy_cell_step(const cy_cell *cell, const cy_value *weights, cy_value x, const cy_value *carry, cy_value *next);

#endif
