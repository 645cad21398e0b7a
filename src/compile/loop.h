/* A loop over time as an instruction: its operands are constants, carries before the first step and inputs of all
 * steps, its results the parts that somebody reads. The body is a program of its own, compiled for the same backend,
 * whose bound addresses move from step to step: inputs are read and results written where they lie, without copies. */
#ifndef CY_COMPILE_LOOP_H
#define CY_COMPILE_LOOP_H

#include "compile/plan.h"
#include "ops/scan.h"

typedef struct cy_loop_part {
  cy_result_kind kind;
  int32_t index; /* id of a value of the body, or number of a carry */
} cy_loop_part;

/* An operand whose elements are one known number, so that the body can be simplified. */
typedef struct cy_loop_number {
  bool known;
  double number;
} cy_loop_number;

/* An input of the body that is a product: of the operand at each time, with another operand. */
typedef struct cy_loop_product {
  const cy_op *op; /* NULL: the operand is the input itself */
  const void *attrs;
  int factor;      /* number of the other operand, behind all that the loop has */
} cy_loop_product;

struct cy_loop {
  const cy_body *body; /* alive while compiling: a kernel must not keep it */
  int n_constants, n_carry;
  int64_t length;
  bool reverse;
  const cy_loop_part *parts;     /* per result */
  const cy_loop_number *numbers; /* per operand */
  const cy_loop_product *products; /* per operand */
  const cy_backend *backend;
  bool unfused;
};

/* Numbers of operands. */
static inline int cy_loop_carry(const cy_loop *loop, int k) { return loop->n_constants + k; }
static inline int cy_loop_input(const cy_loop *loop, int i) { return loop->n_constants + loop->n_carry + i; }

/* What a step reads or writes at an address of its own. */
typedef enum cy_stream_kind {
  CY_STREAM_CONSTANT, /* operand `index` */
  CY_STREAM_INPUT,    /* operand `index` at time t */
  CY_STREAM_CARRY,    /* carry `index` before the step */
  CY_STREAM_NEXT,     /* and after it */
  CY_STREAM_RESULT,   /* result `index` at time t */
} cy_stream_kind;

typedef struct cy_stream {
  cy_stream_kind kind;
  int index;
} cy_stream;

/* The body as a program, or as several: where the rows of what moves (its first axis: the batch) don't depend on one
 * another, each thread has a program for its own rows, and runs all steps without waiting for the others.
 * Bindings[i] of each is streams[i]. */
enum { CY_LOOP_THREADS = 16 };
typedef struct cy_loop_program {
  int n_parts; /* 0: there is nothing to compute */
  cy_program *part[CY_LOOP_THREADS];
  cy_stream *streams;
  bool *carried; /* per carry: somebody needs it */
} cy_loop_program;

cy_status cy_loop_program_make(const cy_instruction *instruction, int threads, cy_loop_program *made);
void cy_loop_program_free(cy_loop_program *made);

/* Elements of one time of a sequence [T, ...], if they lie next to each other; else 0. */
int64_t cy_loop_dense_step(const cy_view *sequence);

/* The kernel of every backend's loops. */
extern const cy_kernel cy_loop_kernel;

#endif
