/* The plan of a fused group: what tile_plan.c makes once and tiles.c runs. Values live in slots: a slot is a place in a
 * table of pointers, so that a value may lie in scratch memory or, untouched, in an input or output tensor.
 *
 * A tile is a block of rows x columns. Every value has a level by what it depends on: nothing (one number per run),
 * columns only (computed once per block of columns), rows only, or both. Instructions are sorted by that into lists. */
#ifndef CY_BACKEND_CPU_TILE_PLAN_H
#define CY_BACKEND_CPU_TILE_PLAN_H

#include "backend/cpu/tile_kernels.h"
#include "backend/cpu/tiles.h"

typedef enum cy_tile_level { CY_LEVEL_UNIFORM, CY_LEVEL_COLUMN, CY_LEVEL_ROW, CY_LEVEL_FULL } cy_tile_level;

typedef enum cy_source { CY_SOURCE_MEMORY, CY_SOURCE_IOTA, CY_SOURCE_RANDOM } cy_source;

/* How the elements of a tensor lie over the collapsed domain. The "offset" of an iota is the coordinate itself, that
 * of a random number its position: they collapse like memory. */
typedef struct cy_tile_access {
  cy_source source;
  cy_dtype dtype;
  int tensor;                  /* number of the input or output */
  uint32_t stream;             /* of a random source */
  int64_t stride[CY_MAX_RANK]; /* per collapsed axis, elements */
  bool flat;                   /* offset = row * columns + column */
  bool runs;                   /* within a row, consecutive columns are consecutive elements */
} cy_tile_access;

typedef enum cy_instruction_kind {
  CY_DO_KERNEL,
  CY_DO_FUSED,              /* several operations on the operands */
  CY_DO_CONSTANT,           /* number -> dst */
  CY_DO_LOAD,               /* access -> dst */
  CY_DO_SPLAT,              /* the number at a -> all of dst */
  CY_DO_EXPAND,             /* row values a -> dst, each repeated along its row */
  CY_DO_ALIAS,              /* dst = a ? b : c, by moving the pointer */
  CY_DO_SAME,               /* dst = a, by moving the pointer */
  CY_DO_REDUCE,             /* rows of a -> dst */
  CY_DO_REDUCE_PART,        /* the same where rows come in pieces: into sum */
  CY_DO_TAKE_SUM,           /* sum -> dst, once all pieces are in */
  CY_DO_ACCUMULATE_NUMBER,  /* all of a into sum */
  CY_DO_ACCUMULATE_COLUMNS, /* rows of a into the column sums */
  CY_DO_STORE,              /* a -> access */
} cy_instruction_kind;

typedef struct cy_instruction {
  cy_instruction_kind kind;
  cy_tile_level level; /* of the elements worked on */
  cy_dtype dtype;      /* of a for reductions and accumulations, else of dst */
  cy_combine combine;
  int dst, a, b, c; /* slots */
  int access, sum;
  int direct; /* STORE: skip if this direct output was written to memory; -1: always store */
  cy_tile_kernel kernel;
  cy_tile_fused fused;
  int operand[CY_FUSED_OPERANDS]; /* slots of CY_DO_FUSED, */
  size_t step[CY_FUSED_OPERANDS]; /* and 0 for one number, else 1 */
  bool apart; /* kernels: rows of some operand lie apart */
  double number;
} cy_instruction;

typedef struct cy_instruction_list {
  cy_instruction *item;
  size_t count, capacity;
} cy_instruction_list;

typedef struct cy_tile_slot {
  cy_tile_level level;
  cy_dtype dtype;
  bool shared;     /* one for all workers */
  bool owned;      /* has a place in scratch */
  bool apart;      /* its rows lie in a tensor, */
  int64_t pitch;   /* so many bytes from one another: kernels go row by row */
  bool reusable;   /* the place may serve others outside first..last */
  int first, last; /* instruction numbers in the bodies, one behind the other */
  size_t offset;   /* bytes into the worker's (or the shared) scratch */
} cy_tile_slot;

/* A slot that points into a tensor: an input read in place, or an output written in place. Inputs that are copied
 * (their slots own a place) are listed too: what counts is when memory is read. */
typedef struct cy_tile_binding {
  int slot, access;
  cy_tile_level level;
  int last_read; /* inputs: last instruction that reads it */
  int written;   /* outputs: instruction that writes it */
} cy_tile_binding;

/* A running sum or maximum: of row reductions done in pieces, and of accumulated outputs that are one number. */
typedef struct cy_tile_sum {
  cy_combine combine;
  cy_dtype dtype;
  int output; /* or -1 */
} cy_tile_sum;

typedef struct cy_tile_columns {
  cy_combine combine;
  cy_dtype dtype;
  int output;
  int access;    /* how the result lies in the output */
  size_t offset; /* of the worker's partial results in its scratch */
} cy_tile_columns;

enum { CY_MOST_PASSES = 16 };

struct cy_tiles {
  const cy_tile_kernels *kernels;
  int n_axes, row_axes; /* collapsed */
  int64_t dim[CY_MAX_RANK];
  int64_t rows, columns; /* elements */
  int64_t tile_rows, tile_columns;
  int64_t row_blocks, column_blocks;
  bool in_pieces;       /* rows do not fit in a tile and there are row reductions */
  bool columns_outside; /* loop over blocks of columns outside that over rows */
  bool split_columns;   /* workers share out the columns, not the rows */
  int workers;
  int passes; /* bodies; more than one only if in_pieces */

  int n_slots, n_accesses, n_sums, n_column_sums, n_inputs_bound, n_outputs_bound;
  cy_tile_slot *slots;
  cy_tile_access *accesses;
  cy_tile_sum *sums;
  cy_tile_columns *column_sums;
  cy_tile_binding *inputs_bound, *outputs_bound;
  cy_instruction_list uniform;                 /* once per run */
  cy_instruction_list prologue;                /* once per worker */
  cy_instruction_list hoisted;                 /* once per block of columns */
  cy_instruction_list row[CY_MOST_PASSES + 1]; /* in pieces: before pass p, and after the last */
  cy_instruction_list body[CY_MOST_PASSES];

  size_t shared_bytes, worker_bytes; /* of scratch; table of pointers and sums included */
  size_t pitch_offset, sums_offset, direct_offset; /* in the worker's scratch; the pointer table is at its start */
};

typedef union cy_tile_number {
  double real;
  int64_t integer;
} cy_tile_number;

#endif
