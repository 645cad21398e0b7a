/* The inside of a session, for who runs a program within another one: addresses are found once and may then be
 * moved. */
#ifndef CY_COMPILE_SESSION_H
#define CY_COMPILE_SESSION_H

#include "compile/plan.h"

typedef struct cy_session_call {
  void **in, **out; /* addresses of the operands' first elements */
  void *instance;
} cy_session_call;

struct cy_session {
  const cy_program *program;
  char *arena;
  bool borrows_arena;     /* of another session */
  void **bound;           /* per binding: the tensor's data; meaningless while missing */
  bool *is_bound;
  cy_session_call *calls; /* per instruction */
  void **addresses;       /* what the calls' arrays point into: operands, then results of each instruction */
  cy_tensor **outputs;    /* windows onto the arena or bound tensors */
  bool stale;             /* a binding changed: addresses must be computed again */
  bool unprepared;        /* a variable was bound: the prologue of a frozen program must run again */
};

/* A session whose arena is given later, and again and again: its user sets arena and bound, and finds the addresses. */
cy_status cy_session_create_within(const cy_program *program, cy_session **session);
void cy_session_find_addresses(cy_session *session);
/* What a frozen program does once per binding. */
cy_status cy_session_run_prologue(cy_session *session);
cy_status cy_session_run_rest(cy_session *session);

/* Where a value that is not finite was found. */
typedef struct cy_bad_value {
  bool found;
  int instruction, output;
  int64_t count;
} cy_bad_value;
cy_bad_value cy_session_find_bad(const cy_session *session);
void cy_describe_bad(const cy_program *program, cy_bad_value bad, cy_text *text);

#endif
