/* Emission in progress: what turning units into instructions shares between its two files. */
#ifndef CY_COMPILE_EMIT_H
#define CY_COMPILE_EMIT_H

#include "compile/lower.h"

/* Where a buffer is used: a list per buffer, so that updates need not search the program. */
typedef struct cy_mention {
  int instruction, next;
} cy_mention;

typedef struct cy_emitter {
  cy_lowering *lowering;
  cy_program *program;
  int32_t *buffer_of;        /* per node: index of its buffer, -1 while it has none */
  size_t buffer_capacity, instruction_capacity;
  cy_mention *mentions;
  size_t n_mentions, mention_capacity;
  int *mentioned;            /* per buffer: its first mention, -1 if none */
  bool failed;               /* memory ran out */
} cy_emitter;

/* Memory of the program's own arena; NULL (and failed) if it is out. */
void *cy_emit_alloc(cy_emitter *e, size_t count, size_t size);
/* The operand through which node v is read: a window onto its base's buffer, which is made if need be. */
cy_operand cy_emit_operand(cy_emitter *e, int32_t v);
/* A new instruction at the end of the program. */
cy_instruction *cy_emit_instruction(cy_emitter *e, const char *label);
/* The instruction of a fused unit. */
void cy_emit_fused(cy_emitter *e, int32_t unit);
/* The instruction of a loop and its parts. */
void cy_emit_loop(cy_emitter *e, int32_t unit);

#endif
