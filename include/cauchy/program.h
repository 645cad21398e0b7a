/* Programs: compiled graphs. A program is immutable and may be shared between threads; a session holds one
 * thread's memory and bindings, and running it allocates nothing. */
#ifndef CAUCHY_PROGRAM_H
#define CAUCHY_PROGRAM_H

#include <cauchy/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cy_program cy_program;
typedef struct cy_session cy_session;

/* At the end of a run the variable's tensor holds value. */
typedef struct cy_update {
  cy_value variable;
  cy_value value;
} cy_update;

/* Cheap elementwise values that are needed again much later (a normalised and rectified image that a gradient asks for) can be
 * computed a second time instead of being kept until then. Results are the same, bit for bit. */
typedef enum cy_recompute {
  CY_RECOMPUTE_WORTHWHILE, /* where it lowers the arena and adds at most some 2 % to the time of a run */
  CY_RECOMPUTE_NEVER,
  CY_RECOMPUTE_ALWAYS,     /* wherever it lowers the arena */
} cy_recompute;

typedef struct cy_program_options {
  const char *backend; /* "cpu" (NULL means this) or "reference" (plain C loops: the oracle) */
  int threads;         /* 0: what OpenMP would use (OMP_NUM_THREADS, else all cores) */
  bool unfused;        /* one kernel per operation, every value kept: for looking inside a run */
  bool frozen;         /* variables hold still: what depends on them alone (packed weights, folded normalisations) is computed
                        * by the first run after a variable is bound. Bind again after changing one. No updates */
  cy_recompute recompute; /* memory against time; unfused and frozen programs keep every value */
} cy_program_options;

/* Compiles what outputs and updates need. All values must belong to one graph, which may be freed afterwards. */
CY_API CY_MUST_CHECK cy_status cy_compile(const cy_value *outputs, int n_outputs, const cy_update *updates,
                                          int n_updates, cy_program_options options, cy_program **program);
CY_API void cy_program_free(cy_program *program); /* after its sessions */

/* What each session will allocate for values, and for the weights that a frozen program keeps packed. */
CY_API size_t cy_program_arena_bytes(const cy_program *program);
CY_API int cy_program_kernel_count(const cy_program *program);
CY_API double cy_program_flops(const cy_program *program); /* arithmetic operations of one run */
/* Whether it has an input or variable of this name: what does not matter to the results is left out. */
CY_API bool cy_program_reads(const cy_program *program, const char *name);
/* The list of kernels with shapes and arena offsets, one line each. Free with cy_string_free. */
CY_API CY_MUST_CHECK cy_status cy_program_text(const cy_program *program, char **text);

CY_API CY_MUST_CHECK cy_status cy_session_create(const cy_program *program, cy_session **session);
/* The same, but its values lie in other's memory, if that is large enough (and neither program is frozen). Then one of
 * the two runs at a time, a run of one ends the outputs of the other, and other is never run after it was freed. */
CY_API CY_MUST_CHECK cy_status cy_session_create_sharing(const cy_program *program, const cy_session *other,
                                                         cy_session **session);
CY_API void cy_session_free(cy_session *session);
/* Binds an input or a variable to a tensor, which is borrowed until the next bind or the session's end. dtype and
 * shape must match, strides must be row-major. Unknown names are errors. */
CY_API CY_MUST_CHECK cy_status cy_session_bind(cy_session *session, const char *name, cy_tensor *tensor);
/* Binds every variable of the program to the state's tensor of that name. */
CY_API CY_MUST_CHECK cy_status cy_session_bind_state(cy_session *session, const cy_state *state);
/* Runs. Fails if something is unbound. Allocates nothing. */
CY_API CY_MUST_CHECK cy_status cy_session_run(cy_session *session);
/* Output i, valid until the next run or the session's end. */
CY_API const cy_tensor *cy_session_output(const cy_session *session, int i);
/* In an unfused session, after a run: the first value in execution order that holds NaN or infinity, as a
 * sentence ("log in loss: 3 of 64 values not finite"); *text is NULL if all are finite. */
CY_API CY_MUST_CHECK cy_status cy_session_first_bad(const cy_session *session, char **text);

#ifdef __cplusplus
}
#endif
#endif
