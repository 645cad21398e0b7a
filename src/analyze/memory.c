/* Memory of a network, as the compiler allocates it: the program is compiled, but no session is made, so that networks
 * larger than this machine can be looked at. */
#include "train/train.h"

#include "base/error.h"
#include "base/memory.h"
#include "tensor/tensor.h"

#include <cauchy/analyze.h>
#include <string.h>

static cy_shape with_batch(int64_t batch, cy_shape one) {
  cy_shape shape = {.rank = one.rank + 1, .dim = {batch}};
  for (int i = 0; i < one.rank; i++) shape.dim[i + 1] = one.dim[i];
  return shape;
}

static cy_status add_up(cy_memory_facts *m) {
  const size_t parts[] = {m->parameters, m->buffers, m->optimizer, m->best, m->values, m->inputs};
  m->total = 0;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (__builtin_add_overflow(m->total, parts[i], &m->total) || m->total > INT64_MAX)
      return cy_fail(CY_INVALID, "the memory of a batch of %lld does not fit in 63 bits", (long long)m->batch);
  return CY_OK;
}

static cy_status bytes_of(cy_dtype dtype, cy_shape shape, size_t *bytes) {
  int64_t count;
  CY_TRY(cy_shape_count(shape, &count)); /* which leaves room for 8 bytes each */
  *bytes = (size_t)count * cy_dtype_size(dtype);
  return CY_OK;
}

static cy_status check_batch(int64_t batch, cy_shape sample) {
  if (batch < 1) return cy_fail(CY_INVALID, "a batch has at least one sample, not %lld", (long long)batch);
  return sample.rank >= 0 && sample.rank < CY_MAX_RANK
             ? CY_OK
             : cy_fail(CY_INVALID, "an input has from 0 to %d axes, not %d", CY_MAX_RANK - 1, sample.rank);
}

static void read_program(const cy_program *program, cy_memory_facts *m) {
  m->values = cy_program_arena_bytes(program);
  m->kernels = cy_program_kernel_count(program);
}

static cy_status read_state(const cy_network *network, cy_memory_facts *m) {
  cy_state *state;
  CY_TRY(cy_state_create(&state));
  cy_status status = cy_network_declare(network, state);
  m->parameters = cy_state_bytes(state, CY_PARAMETER);
  m->buffers = cy_state_bytes(state, CY_BUFFER);
  cy_state_free(state);
  return status;
}

/* ---- inference ---- */

typedef struct inference {
  cy_graph *graph;
  cy_network *network;
  cy_value output;
} inference;

static void clear(inference *i) {
  cy_network_free(i->network);
  cy_graph_free(i->graph);
}

static cy_status build(const cy_model *model, cy_shape batch, inference *i) {
  *i = (inference){0};
  CY_TRY(cy_graph_create(&i->graph));
  CY_TRY(cy_network_create(i->graph, (cy_network_options){0}, &i->network));
  i->output = cy_model_apply(model, i->network, cy_input(i->graph, "x", CY_F32, batch));
  return cy_graph_status(i->graph);
}

cy_status cy_analyze_inference(const cy_model *model, cy_shape sample, int64_t batch, cy_memory_facts *memory) {
  inference built = {0};
  cy_program *program = NULL;
  cy_status status;
  *memory = (cy_memory_facts){.batch = batch};
  CY_TRY(check_batch(batch, sample));
  CY_TRY(bytes_of(CY_F32, with_batch(batch, sample), &memory->inputs));
  CY_TRY_GOTO(status, build(model, with_batch(batch, sample), &built), done);
  CY_TRY_GOTO(status, cy_compile(&built.output, 1, NULL, 0, (cy_program_options){.frozen = true}, &program), done);
  read_program(program, memory);
  CY_TRY_GOTO(status, read_state(built.network, memory), done);
  status = add_up(memory);
done:
  cy_program_free(program);
  clear(&built);
  return status;
}

/* ---- training ---- */

static cy_status example_output(const cy_model *model, cy_shape sample, cy_shape *output) {
  inference built = {0};
  cy_status status = build(model, with_batch(1, sample), &built);
  cy_shape shape = cy_value_shape(built.output);
  clear(&built);
  *output = (cy_shape){.rank = shape.rank > 0 ? shape.rank - 1 : 0};
  for (int i = 0; i < output->rank; i++) output->dim[i] = shape.dim[i + 1];
  return status;
}

/* What a training would be told by its data: outputs of one axis are classes, unless the loss wants numbers. */
static cy_status make_problem(const cy_model *model, cy_shape sample, int64_t classes, cy_trainer_options *options,
                              cy_problem *o) {
  cy_shape output;
  CY_TRY(example_output(model, sample, &output));
  const cy_loss_row *of_numbers = options->loss ? cy_loss_find(options->loss, 0) : NULL;
  if (classes == 0 && !of_numbers && output.rank == 1 && output.dim[0] > 1) classes = output.dim[0];
  cy_shape labels = {.rank = output.rank > 1 ? output.rank - 1 : 0}; /* of [classes, steps] one for each step */
  for (int i = 0; i < labels.rank; i++) labels.dim[i] = output.dim[i + 1];
  CY_TRY(cy_trainer_options_resolve(*options, classes, options));
  *o = (cy_problem){.model = model, .loss = cy_loss_find(options->loss, classes), .dtype = options->dtype,
                    .sample = sample, .target = classes > 0 ? labels : output, .classes = classes,
                      .l1 = options->l1, .l2 = options->l2, .optimizer = options->optimizer,
                      .program = {.backend = options->backend, .threads = options->threads}};
  return o->loss ? CY_OK : CY_INVALID; /* the sentence is there */
}

static cy_status measure(const cy_problem *o, const cy_trainer_options *options, cy_state *state,
                         cy_memory_facts *m) {
  cy_runner_graph built;
  cy_program *program = NULL;
  size_t samples, targets;
  CY_TRY(cy_runner_build(o, CY_RUN_TRAIN, m->batch, state, &built));
  cy_status status;
  CY_TRY_GOTO(status, cy_compile(built.outputs, built.n_outputs, built.updates, built.n_updates, o->program, &program),
              done);
  read_program(program, m);
  m->parameters = cy_state_bytes(state, CY_PARAMETER);
  m->buffers = cy_state_bytes(state, CY_BUFFER);
  m->optimizer = cy_state_bytes(state, CY_OPTIMIZER);
  if (options->validation > 0 && !options->keep_last) m->best = m->parameters + m->buffers;
  CY_TRY_GOTO(status, bytes_of(CY_F32, with_batch(m->batch, o->sample), &samples), done);
  CY_TRY_GOTO(status, bytes_of(o->classes > 0 ? CY_I64 : CY_F32, with_batch(m->batch, o->target), &targets), done);
  m->inputs = samples + targets;
  status = add_up(m);
done:
  cy_program_free(program);
  cy_runner_graph_clear(&built);
  return status;
}

cy_status cy_analyze_training(const cy_model *model, cy_shape sample, int64_t classes, cy_trainer_options options,
                              cy_memory_facts *memory) {
  cy_problem problem;
  cy_state *state;
  *memory = (cy_memory_facts){0};
  CY_TRY(check_batch(options.batch_size ? options.batch_size : 1, sample));
  CY_TRY(make_problem(model, sample, classes, &options, &problem));
  memory->batch = options.batch_size;
  CY_TRY(cy_state_create(&state));
  cy_status status = measure(&problem, &options, state, memory);
  cy_state_free(state);
  return status;
}
