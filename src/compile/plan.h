/* The compiled form of a graph: a flat list of instructions over buffers. Buffers are places for data (in the arena, a
 * bound tensor, or a constant); an operand is a strided window onto one. Built by the passes of this folder, run by
 * sessions through the kernels that a backend chose. */
#ifndef CY_COMPILE_PLAN_H
#define CY_COMPILE_PLAN_H

#include "base/range.h"
#include "base/text.h"
#include "compile/fused.h"
#include "graph/graph.h"

#include <cauchy/program.h>

typedef enum cy_place { CY_PLACE_ARENA, CY_PLACE_BOUND, CY_PLACE_CONSTANT } cy_place;

typedef struct cy_buffer {
  cy_place place;
  size_t bytes;
  size_t offset;    /* arena: where it lies */
  int binding;      /* bound: index into the program's bindings */
  const void *data; /* constant */
  int first, last;  /* instructions that write it first and use it last; last = count for outputs */
  bool still;       /* frozen programs: the same in every run until a variable is bound anew */
} cy_buffer;

typedef struct cy_operand {
  int buffer;
  int64_t offset; /* bytes from the buffer's start to element 0 */
  cy_view layout; /* dtype, shape, strides; data is unused */
} cy_operand;

typedef struct cy_kernel cy_kernel;
typedef struct cy_loop cy_loop;

typedef struct cy_instruction {
  const cy_op *op;       /* NULL for a fused group */
  const void *attrs;
  const cy_fused *fused; /* NULL for a single operation */
  const cy_loop *loop;   /* what is looped over, where op is a loop */
  int n_in;
  cy_operand *in;
  int n_out;
  cy_operand *out;
  const cy_kernel *kernel;
  void *plan;            /* what the kernel prepared */
  const char *label;     /* "fc1: dot", for listings and diagnostics */
  double flops;
  uint32_t still;        /* bit i: operand i is still */
  size_t scratch, scratch_offset; /* bytes of workspace, and where in the arena */
} cy_instruction;

/* A kernel of a backend: prepared once per instruction, given a per-session instance if it wants one, then run.
 * Required: create and run. */
struct cy_kernel {
  cy_status (*create)(const cy_instruction *instruction, int threads, void **plan);
  void (*destroy)(void *plan);
  size_t (*scratch)(const void *plan);                                  /* bytes of workspace per run; NULL: none */
  cy_status (*instance)(const void *plan, void **instance);             /* NULL: none */
  void (*free_instance)(void *instance);
  size_t (*kept)(const void *plan);  /* bytes of still operands that the instance keeps in its own form; NULL: none */
  /* Frozen programs: before the first run after a bind, to take what it needs of still operands into the instance. */
  void (*prepare)(const void *plan, void *instance, void *const *in, void *scratch);
  /* What will be used after the next runs, until it is told again: a kernel that computes for long may fetch it meanwhile. */
  void (*fetch)(void *instance, cy_ranges next);
  cy_status (*run)(const void *plan, void *instance, void *const *in, void *const *out, void *scratch);
  const char *(*describe)(const void *plan);                            /* for listings; NULL: the operation's name */
  /* Loops: the programs that are run so many times, one for each thread, NULL behind the last; the first value in them that was
   * not finite, in an unfused program. */
  const cy_program *(*body)(const void *plan, int which, int64_t *times);
  void (*describe_bad)(const void *plan, const void *instance, cy_text *text);
};

/* A backend: kernels by operation. find() returns NULL where only the reference kernel serves; fused is NULL if the
 * backend runs operations one by one. */
typedef struct cy_backend {
  const char *name;
  const cy_kernel *(*find)(const cy_instruction *instruction);
  const cy_kernel *fused;
} cy_backend;

/* The kernel that runs any row's reference kernel: every backend's fallback. */
extern const cy_kernel cy_reference_kernel;

typedef struct cy_binding {
  const char *name;
  bool variable;
  cy_dtype dtype;
  cy_shape shape;
} cy_binding;

struct cy_program {
  cy_arena *memory; /* owns everything below */
  const cy_backend *backend;
  int threads;
  bool unfused, frozen;
  bool shared; /* computes the share of rows that was asked for: rows don't depend on one another */
  cy_instruction *instructions;
  int n_instructions;
  int n_prologue; /* frozen: the first ones depend on variables only and run once */
  cy_buffer *buffers;
  int n_buffers;
  cy_binding *bindings;
  int n_bindings;
  cy_operand *outputs;
  int n_outputs;
  size_t arena_bytes;
  size_t kept_bytes;     /* of all instances */
  double flops;
};

/* How the elements of an input or variable lie, if not row by row. */
typedef struct cy_leaf {
  const char *name;
  int64_t stride[CY_MAX_RANK]; /* elements */
  bool rows;                   /* a share of the program reads and writes some of its rows only (its first axis) */
} cy_leaf;

/* A range of the rows that a program computes independently: see share.h. */
typedef struct cy_share {
  int64_t rows, first, count;
} cy_share;

/* What is compiled: see cy_compile. Programs that are frozen may have updates here, of variables that nothing reads. */
typedef struct cy_compilation {
  const cy_backend *backend;
  const cy_value *outputs;
  int n_outputs;
  const cy_update *updates;
  int n_updates;
  const cy_leaf *leaves;
  int n_leaves;
  const cy_share *share; /* NULL: all of it */
  cy_program_options options;
} cy_compilation;

cy_status cy_compile_for(const cy_compilation *compilation, cy_program **program);

/* ---- passes, in order ---- */

/* A graph of its own in which composites are expanded and rewrites applied until nothing changes; values become
 * their counterparts. */
cy_status cy_simplify(cy_value *values, int n, cy_graph **simplified);

#endif
