/* The inside of training: what is trained (the problem), its compiled programs with their batch tensors (runners),
 * and where a training stands (the position). trainer.c drives them, checkpoint.c writes and reads them. */
#ifndef CY_TRAIN_TRAIN_H
#define CY_TRAIN_TRAIN_H

#include "train/losses.h"

#include <cauchy/io.h>
#include <cauchy/ops.h>
#include <cauchy/train.h>

#include <stddef.h>

/* ---- runner.c ---- */

/* What is trained, whatever the batch size. Borrows model and strings. */
typedef struct cy_problem {
  const cy_model *model;
  const cy_loss_row *loss;
  cy_dtype dtype;
  cy_shape sample, target; /* without the batch axis; target: scalar for labels, or [steps] for a label at each */
  int64_t classes;         /* 0: regression */
  bool each_step;          /* with a label for each step: target is [steps], as many as the samples have */
  bool ragged;             /* samples are sequences [channels, steps] that may end before the last step */
  bool carry;              /* recurrent layers go on where the last run ended */
  bool standardised;       /* numbers to predict have been: the state holds offset and factor of each */
  double l1, l2;
  cy_optimizer_options optimizer;
  cy_program_options program;
} cy_problem;

/* It as values, of inputs "x" (f32 [n, sample]) and "y" (i64 or f32 [n, target]); if ragged also "lengths" (i64 [n]). */
typedef struct cy_problem_values {
  cy_graph *graph;
  cy_network *network;
  cy_value output, losses, loss; /* losses: of each example; loss: their mean, with penalties */
} cy_problem_values;
/* declare: a state to declare the variables in (before it is allocated), or NULL. */
CY_MUST_CHECK cy_status cy_problem_build(const cy_problem *problem, bool training, int64_t n, cy_state *declare,
                                         cy_problem_values *values);
void cy_problem_values_clear(cy_problem_values *values);

typedef enum cy_runner_kind {
  CY_RUN_TRAIN,    /* outputs: loss with penalties, number correct; updates the state: of second-order training all but
                    * the parameters */
  CY_RUN_EVALUATE, /* outputs: loss, number correct; of classes: predicted class of each [n, target], and for one
                    * label per sample the network's output; of numbers: the answer */
  CY_RUN_PREDICT,  /* outputs: the answer, predicted class of each [n, target] (i64); no targets */
} cy_runner_kind;
enum { CY_OUT_LOSS, CY_OUT_CORRECT, CY_OUT_CLASS, CY_OUT_SCORES, CY_OUT_NUMBERS = CY_OUT_CLASS };
enum { CY_OUT_ANSWER, CY_OUT_LABEL };

/* One program for one batch size, with the tensors it reads: x is f32 [n, sample], y i64 or f32 [n, target]. */
typedef struct cy_runner {
  cy_runner_kind kind;
  int64_t n;
  cy_program *program;
  cy_session *session;
  cy_tensor *lengths;      /* i64 [n]: of sequences of different lengths; else NULL */
  cy_tensor *x, *y, *rate; /* y NULL for prediction; rate only for first-order training */
  cy_state *carried; /* what recurrent layers hand on, of problems that carry; in training it is in the state */
} cy_runner;

typedef struct cy_runner_graph {
  cy_graph *graph;
  cy_network *network;
  cy_value outputs[4];
  int n_outputs;
  cy_update *updates;
  int n_updates;
} cy_runner_graph;
/* declare: as above. */
CY_MUST_CHECK cy_status cy_runner_build(const cy_problem *problem, cy_runner_kind kind, int64_t n,
                                        cy_state *declare, cy_runner_graph *built);
void cy_runner_graph_clear(cy_runner_graph *built);
/* Builds, compiles, makes the tensors and binds them and the (allocated) state. */
CY_MUST_CHECK cy_status cy_runner_create(const cy_problem *problem, cy_runner_kind kind, int64_t n,
                                         const cy_state *state, const cy_session *memory, cy_runner **runner);
void cy_runner_free(cy_runner *runner);
/* Number correct of the last run; 0 for regression. */
int64_t cy_runner_correct(const cy_runner *runner);
double cy_runner_loss(const cy_runner *runner);
/* Recurrent layers begin at zero again. */
void cy_runner_restart(const cy_runner *runner);

/* Runners of one kind, made when first asked for. */
typedef struct cy_runners {
  cy_runner **items;
  size_t count, capacity;
  const cy_session *memory; /* in which new ones compute, if it is large enough; NULL: each in its own */
} cy_runners;
/* By batch size, sample shape and whether it carries. */
CY_MUST_CHECK cy_status cy_runners_get(cy_runners *runners, const cy_problem *problem, cy_runner_kind kind,
                                       int64_t n, const cy_state *state, cy_runner **runner);
void cy_runners_clear(cy_runners *runners);

/* ---- sizes.c ---- */

int cy_sizes_count(const cy_image_size *sizes); /* up to the first that is {0, 0}; NULL: 0 */
CY_MUST_CHECK cy_status cy_sizes_check(const cy_image_size *sizes, cy_shape sample);
/* What a sample becomes in the batch of this number. */
cy_shape cy_sample_at(cy_shape sample, const cy_image_size *sizes, int64_t number);
/* What the samples of the batch of this number become: images have its size, sequences of different lengths are padded to
 * the bucket that they fit into. */
cy_shape cy_sample_of_batch(const cy_dataset *dataset, const cy_image_size *sizes, int64_t number, const int64_t *indices,
                            int64_t n);
/* Labels of the batch: for each sample one, or one for each of its steps. */
int64_t cy_labels_of_batch(const cy_dataset *dataset, const int64_t *indices, int64_t n);
void cy_lengths_of_batch(const cy_dataset *dataset, const int64_t *indices, cy_tensor *lengths); /* NULL: nothing */
/* The shortest of the sequences must be long enough for the network: CY_INVALID names it and the layer. */
CY_MUST_CHECK cy_status cy_problem_check_shortest(const cy_problem *problem, const cy_dataset *dataset);
/* The same problem for samples of another shape. */
cy_problem cy_problem_at(const cy_problem *problem, cy_shape sample);

/* ---- evaluate.c ---- */

/* Samples that are evaluated at once: fewer of large ones, to save memory, but as many as are trained at once. Streams: as
 * many as in training, but at most n. */
int64_t cy_evaluation_batch(cy_shape sample, int64_t batch_size);
int64_t cy_evaluation_streams(int64_t batch_size, int64_t n);

/* Sums over the samples seen so far. */
typedef struct cy_tally {
  double loss_sum; /* of the samples */
  int64_t correct, samples; /* correct: labels; a sample has one, or one for each step */
  int64_t labels;           /* of sequences of different lengths with one for each step */
} cy_tally;
double cy_tally_loss(cy_tally tally);                       /* NaN of nothing */
double cy_tally_accuracy(cy_tally tally, const cy_problem *problem); /* NaN of nothing or for regression */

/* Of targets and answers, as many numbers each. Released by clear, also after begin has failed; end moves what it gives. */
typedef struct cy_regression_sums {
  int64_t outputs, samples;
  double *means, *squares; /* [outputs]: of the targets */
  double absolute, squared; /* errors */
  double *targets, *answers; /* of single outputs */
} cy_regression_sums;
CY_MUST_CHECK cy_status cy_regression_begin(cy_regression_sums *sums, int64_t outputs, int64_t samples);
void cy_regression_add(cy_regression_sums *sums, const cy_tensor *targets, const cy_tensor *answers);
void cy_regression_end(cy_regression_sums *sums, cy_regression *regression);
void cy_regression_clear(cy_regression_sums *sums);

/* Runs the evaluation over the samples. confusion may be NULL. after_batch (may be NULL) false: CY_CANCELLED. */
typedef struct cy_evaluation {
  const cy_problem *problem;
  cy_runners *runners;
  const cy_state *state;
  const cy_dataset *dataset;
  cy_loader *loader; /* of dataset */
  const cy_image_size *sizes; /* as in cy_trainer_options */
  const int64_t *indices; /* if problem carries, batch_size streams of them; what is left begins at zero */
  int64_t n, batch_size;
  int64_t *confusion;
  double *scores;  /* [classes, n]: what speaks for each class, sample by sample; NULL: not wanted */
  int64_t *actual; /* [n]: their classes, if there are scores */
  struct cy_regression_sums *sums; /* of numbers; NULL: not wanted */
  bool (*after_batch)(void *owner, cy_tally tally, int64_t batch, int64_t batches);
  void *owner;
} cy_evaluation;
CY_MUST_CHECK cy_status cy_evaluation_run(const cy_evaluation *evaluation, cy_tally *tally);
/* As above, with confusion and scores, into the public struct. */
CY_MUST_CHECK cy_status cy_evaluation_metrics(cy_evaluation evaluation, cy_metrics *metrics);

/* ---- options.c ---- */

/* Checks, and replaces zeros by what is used, all but the schedule, which needs the steps per epoch. */
CY_MUST_CHECK cy_status cy_trainer_options_resolve(cy_trainer_options options, int64_t classes,
                                                   cy_trainer_options *resolved);

/* ---- fields.c: structs as text, by tables ---- */

typedef enum cy_field_kind {
  CY_FIELD_DOUBLE,
  CY_FIELD_I64,
  CY_FIELD_U64,
  CY_FIELD_INT, /* int, and enums */
  CY_FIELD_BOOL,
} cy_field_kind;
typedef struct cy_field {
  const char *name;
  cy_field_kind kind;
  size_t offset;
  bool newer; /* than the format: a file lacks it if it is 0 */
} cy_field;

/* A growing list of key and value, all copied. */
typedef struct cy_notes {
  cy_metadata *items;
  size_t count, capacity;
} cy_notes;
CY_MUST_CHECK cy_status cy_notes_add(cy_notes *notes, const char *key, const char *value);
void cy_notes_clear(cy_notes *notes);
/* "<prefix><name>" for every field. Doubles keep every bit, whatever the locale. */
CY_MUST_CHECK cy_status cy_fields_write(const cy_field *fields, int n, const void *object, const char *prefix,
                                        cy_notes *notes);
CY_MUST_CHECK cy_status cy_fields_read(const cy_field *fields, int n, void *object, const char *prefix,
                                       const cy_safetensors *file);
/* The fields of one struct in one string, separated by blanks. */
CY_MUST_CHECK cy_status cy_fields_line(const cy_field *fields, int n, const void *object, char **line);
CY_MUST_CHECK cy_status cy_fields_parse_line(const cy_field *fields, int n, void *object, const char *line);

extern const cy_field cy_option_fields[], cy_record_fields[];
extern const int cy_option_field_count, cy_record_field_count;

/* ---- trainer.c ---- */

/* Where a training stands, between two steps. With the state, the history and the options, this is all that resuming
 * needs: rates and orders are functions of it. */
typedef struct cy_position {
  int64_t epoch;         /* complete epochs */
  int64_t batch;         /* steps done in the current one */
  double loss_sum;       /* of the current epoch, over samples */
  int64_t correct, samples, labels; /* as in cy_tally */
  double seconds;        /* spent in the current epoch */
  double best_value;     /* of the watched number; infinity before the first epoch */
  int64_t best_epoch;    /* from 1; 0: none */
  int64_t waited;        /* epochs since */
  bool best_in_place;    /* the state's tensors are those of the best epoch, and held/... those of the last one */
  bool converged;        /* second-order: no step lowers the loss; this epoch is the last */
} cy_position;
extern const cy_field cy_position_fields[];
extern const int cy_position_field_count;

typedef struct cy_second_order cy_second_order;

struct cy_trainer {
  cy_model *model;
  cy_dataset *dataset; /* borrowed */
  cy_trainer_options options; /* resolved; strings are static but for backend */
  char *backend;
  cy_problem problem;
  cy_split split;
  cy_batches *batches;
  cy_loader *loader;
  uint64_t checksum;   /* of the data */
  cy_state *state;
  int n_held;          /* pairs of state tensors: one in use, one held */
  cy_tensor **in_use, **held;
  cy_tensor **carried; /* of the state: what recurrent layers hand on to the next batch; zero when an epoch begins */
  int n_carried;
  cy_runners train, evaluate;
  const cy_runner *largest; /* of train: the one that needs the most memory */
  int64_t parameters;
  cy_second_order *second_order; /* NULL: the optimiser is first-order */
  cy_position at;
  cy_epoch_record *history;
  size_t n_history, history_capacity;
  /* The clock of this run: only for progress. */
  double run_started, rate_marked, samples_per_second;
  int64_t steps_this_run, samples_since_mark;
};

/* Everything up to the first step: splits, initialises, compiles. Used by create and resume; options are resolved.
 * scale: choose the scaling of the data set (otherwise it has been set). In prepare.c. */
CY_MUST_CHECK cy_status cy_trainer_prepare(const cy_model *model, cy_dataset *dataset, cy_trainer_options options,
                                           bool scale, cy_trainer **trainer);
CY_MUST_CHECK cy_status cy_trainer_add_record(cy_trainer *trainer, cy_epoch_record record);
/* For second-order training, after each batch of each pass of an iteration: n samples. False: stop. */
bool cy_trainer_report_pass(cy_trainer *trainer, int64_t n);
void cy_trainer_log(const cy_trainer *trainer, const char *format, ...) __attribute__((format(printf, 2, 3)));
CY_MUST_CHECK cy_status cy_copy_model(const cy_model *model, cy_model **copy);
uint64_t cy_dataset_checksum(const cy_dataset *dataset);

/* ---- trained.c ---- */

const cy_problem *cy_trained_problem(const cy_trained *trained);
const cy_state *cy_trained_values(const cy_trained *trained); /* cy_trained_state says that it may be changed */

/* ---- checkpoint.c ---- */

/* What a file of cy_trainer_save says besides its tensors; all of it checked. */
typedef struct cy_checkpoint {
  cy_safetensors *file;
  cy_model *model;
  cy_trainer_options options; /* strings are static, or belong to file */
  cy_position at;
  cy_epoch_record *history; /* at.epoch of them */
  cy_shape sample, target;
  bool each_step; /* and have a label for each step */
  bool ragged; /* the samples are sequences of different lengths; sample has the steps of the longest */
  int64_t classes;
  cy_tensor *offset, *factor; /* scaling */
} cy_checkpoint;
CY_MUST_CHECK cy_status cy_checkpoint_open(const char *path, cy_checkpoint *checkpoint);
void cy_checkpoint_close(cy_checkpoint *checkpoint);
/* Sets the data set's scaling to the file's; CY_INVALID if its samples, targets or classes are of another kind. Images
 * may differ in size if any_size. */
CY_MUST_CHECK cy_status cy_checkpoint_fit(const cy_checkpoint *checkpoint, cy_dataset *dataset, bool any_size);

/* ---- model_objective.c ---- */

/* A problem on samples of a data set, at the values of a state (NULL: initial values from options.seed). problem's strings
 * and model must outlive the objective. */
CY_MUST_CHECK cy_status cy_problem_objective(const cy_problem *problem, const cy_state *state, cy_dataset *dataset,
                                             cy_model_objective_options options, cy_objective **objective);

/* Its samples become these, as many as it was created with. For objectives of cy_problem_objective only. */
void cy_problem_objective_take(cy_objective *objective, const int64_t *indices);

/* ---- second_order.c ---- */

bool cy_is_second_order(const cy_optimizer_options *optimizer);
/* Declares what lasts between iterations, for so many parameters. */
CY_MUST_CHECK cy_status cy_second_order_declare(const cy_trainer_options *options, int64_t parameters, cy_state *state);
/* The network as built for training must have a loss that does not change from time to time. */
CY_MUST_CHECK cy_status cy_second_order_check(const cy_trainer_options *options, const cy_network *network);
/* When the state is there. */
CY_MUST_CHECK cy_status cy_second_order_create(cy_trainer *trainer, cy_second_order **second);
void cy_second_order_free(cy_second_order *second);
/* One iteration on the whole training part. After an error nothing has changed. *converged: no point is better. */
CY_MUST_CHECK cy_status cy_second_order_step(cy_second_order *second, bool *converged);
double cy_second_order_loss(const cy_second_order *second); /* at the parameters; NaN before the first iteration */
size_t cy_second_order_arena_bytes(const cy_second_order *second);

/* ---- diagnose.c ---- */

/* The loss of the batch in runner came out as `loss`: runs it again with every value kept, and returns CY_NOT_FINITE
 * with a sentence that names the first bad value. */
CY_MUST_CHECK cy_status cy_trainer_diagnose(const cy_trainer *trainer, const cy_runner *runner, double loss);

/* Names of the state's tensors that hold the scaling of the inputs, f32 [channels]. */
#define CY_TARGET_OFFSET "target.offset" /* standardised = (target - offset) * factor; f32, a target's shape */
#define CY_TARGET_FACTOR "target.factor"
CY_MUST_CHECK cy_status cy_target_declare(const cy_problem *problem, cy_state *state);
/* Whether its targets are numbers that are standardised, if the scaling is the usual one. */
bool cy_target_standardises(const cy_problem *problem, const cy_dataset *dataset);
/* Mean 0 and variance 1 over the samples; a constant is only centred. */
void cy_target_store(const cy_dataset *dataset, const int64_t *indices, int64_t count, cy_state *state);
#define CY_SCALING_OFFSET "scaling.offset"
#define CY_SCALING_FACTOR "scaling.factor"
CY_MUST_CHECK cy_status cy_scaling_declare(cy_state *state, int64_t channels);
cy_scaling cy_scaling_of(const cy_state *state);

#endif
