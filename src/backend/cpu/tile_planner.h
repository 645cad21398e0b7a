/* The planner's workbench, shared by its three files: tile_plan.c (domain, levels, tile), tile_emit.c (instructions)
 * and tile_places.c (lifetimes, scratch memory). It lives in an arena while cy_tiles_create runs. */
#ifndef CY_BACKEND_CPU_TILE_PLANNER_H
#define CY_BACKEND_CPU_TILE_PLANNER_H

#include "backend/cpu/tile_plan.h"
#include "base/error.h"
#include "base/memory.h"

typedef struct cy_tile_planner {
  cy_tiles *t;
  const cy_fused *g;
  bool no_memory;
  cy_tile_level *level; /* per step */
  bool *needed;
  int *access;        /* per step: of inputs, iotas, random numbers; -1 */
  int *output_access; /* per output */
  int *output_slot, *direct;
  int *stage;                         /* per step: row reductions that must be complete before it */
  int *slot;                          /* per step: where its value is, or -1 while it is not there */
  int *full_slot;                     /* the same value, one element per element of the tile */
  int *row_slot;                      /* the same value, one element per row */
  bool *wanted;                       /* per step: in the pass being emitted */
  int *uses;                          /* per step: by steps and outputs */
  const cy_tile_template **template;  /* per step: the kernel that computes it together with what it absorbs */
  int (*operands)[CY_FUSED_OPERANDS]; /* of that kernel: steps */
  bool *absorbed;
  int pass, n_stages;
  size_t slots_capacity, sums_capacity, columns_capacity, inputs_capacity, outputs_capacity, accesses_capacity;
} cy_tile_planner;

/* A new last element of a growing array, or NULL. Failure is sticky: it is looked at when the plan is complete. */
#define APPEND(p, array, count, capacity)                                                                              \
  (cy_grow(&(array), (size_t)(count), &(capacity), sizeof *(array)) ? &(array)[(count)++]                              \
                                                                    : ((p)->no_memory = true, NULL))

/* tile_plan.c */
int cy_tile_count_args(const cy_step *step);
bool cy_tile_is_column_sum(const cy_tile_planner *p, const cy_fused_output *output);

/* tile_emit.c */
void cy_tile_find_templates(cy_tile_planner *p);
CY_MUST_CHECK cy_status cy_tile_emit(cy_tile_planner *p);
bool cy_tile_is_kernel(const cy_instruction *instruction);

/* tile_places.c */
CY_MUST_CHECK cy_status cy_tile_place(cy_tiles *tiles);

#endif
