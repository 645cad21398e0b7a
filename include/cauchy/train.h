/* Training: a loop around one compiled program that does forward, backward, clipping, update, running statistics and
 * counters. Nothing is printed and no signal is caught here: progress, log lines and the wish to stop pass through
 * callbacks.
 *
 *   cy_trainer *trainer;
 *   CHECK(cy_trainer_create(model, dataset, (cy_trainer_options){.epochs = 20, .patience = 5}, &trainer));
 *   CHECK(cy_trainer_run(trainer));
 *   CHECK(cy_trainer_evaluate(trainer, CY_PART_TEST, &metrics));
 *   CHECK(cy_trainer_save(trainer, "digits.safetensors"));
 *
 * Second-order optimisers (newton, newton-cg, lbfgs) move the parameters once an epoch, by the loss of the whole
 * training part, added up batch by batch; the epoch's steps then measure them. The loss must be the same each time: dropout and
 * augmentation are refused. The training ends where no step lowers the loss. A cancelled iteration changes nothing.
 *
 * Same data, options, seed, threads and machine: same bits, whether or not the run was interrupted and resumed. */
#ifndef CAUCHY_TRAIN_H
#define CAUCHY_TRAIN_H

#include <cauchy/data.h>
#include <cauchy/nn.h>
#include <cauchy/objective.h>
#include <cauchy/optim.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- options ---- */

typedef enum cy_phase {
  CY_PHASE_TRAIN,    /* within an epoch: one event per step; second-order: before them one per batch of each pass of the
                      * iteration, with step 0 */
  CY_PHASE_VALIDATE, /* one event per batch of the validation part */
  CY_PHASE_EPOCH,    /* one event when an epoch (with its validation) is complete */
} cy_phase;

typedef struct cy_progress {
  cy_phase phase;
  int64_t epoch, epochs;          /* epoch counts from 1 */
  int64_t step, steps_per_epoch;  /* batches done in this phase, and of how many */
  int64_t total_steps;            /* training steps since the very beginning */
  double loss, accuracy;          /* TRAIN: of the epoch so far; VALIDATE: so far; EPOCH: of the training part. accuracy
                                     is NaN unless the targets are classes */
  double batch_loss;              /* TRAIN: of the last batch */
  double validation_loss, validation_accuracy; /* EPOCH: NaN without a validation part. Else those of the last epoch */
  double learning_rate;           /* of the last step */
  double samples_per_second;      /* training samples, over the last seconds */
  double seconds, seconds_left;   /* since this run began; until the last epoch is over, as far as known (else NaN) */
  bool best;                      /* EPOCH: the best value of the watched number so far */
} cy_progress;

enum { CY_MAX_SIZES = 8 }; /* in a list, which {0, 0} ends if it is shorter */

/* A field of 0 takes the value in brackets. */
typedef struct cy_trainer_options {
  const char *loss;        /* "cross_entropy" [when targets are classes] and "hinge" need classes; "mse" [otherwise],
                              "mae", "huber", "binary_cross_entropy" take classes as one-hot vectors */
  cy_optimizer_options optimizer; /* [adam], with clipping of gradients */
  double learning_rate;    /* [the optimiser's usual one] */
  cy_schedule schedule;    /* [constant] */
  int64_t batch_size;      /* [32; second-order 256]; the last batch of an epoch may be smaller */
  int64_t epochs;          /* [10] */
  uint64_t seed;           /* of initial values, split, shuffling, dropout */
  double validation;       /* fraction of what is not test; [0.1]; CY_EXACT_ZERO: none */
  double test;             /* fraction, for data without a fixed test part; [0.2]; negative: none */
  cy_scale scale;          /* of the inputs. With DEFAULT and STANDARDISE, numbers to predict (mse, mae, huber;
                              of at most one axis each) are standardised too: losses count in their deviations, so
                              that an mse of 1 is as good as answering the mean; predictions are in their unit */
  cy_augmentation augment; /* of the training part's images [none] */
  cy_image_size sizes[CY_MAX_SIZES]; /* images are resized (cy_loader_batch): all to the first, or, if there are
                              several, each batch to the next one in turn, when evaluating too [as they are] */
  bool streams;            /* of texts: the batch's rows are streams of windows that continue one another, and recurrent
                              layers begin each window where they ended the one before; zero when an epoch begins. Measured
                              alike [windows in random order, each from zero, moved anew in every epoch] */
  int64_t patience;        /* > 0: stop after so many epochs in a row without improvement [never] */
  double min_delta;        /* smaller improvements of the watched number do not count [any counts] */
  bool watch_accuracy;     /* the watched number, which tells the best epoch, is 1 - accuracy; otherwise the loss. Of the
                              validation part if there is one, else of the training part */
  bool keep_last;          /* end with the last parameters; otherwise, with a validation part, with the best epoch's */
  double l1, l2;           /* added to the loss: l1 sum |w| + l2 / 2 sum w^2 over weights, not biases or scales [0] */
  cy_dtype dtype;          /* CY_F32 [yes] or CY_F64 */
  int threads;             /* [OMP_NUM_THREADS, else all cores] */
  const char *backend;     /* ["cpu"] */

  /* Called after each step, each validation batch, each epoch, on the calling thread. false: stop here; run then
   * returns CY_CANCELLED and the trainer can be saved, or run again to go on. */
  bool (*on_progress)(const cy_progress *progress, void *user);
  void (*on_log)(const char *line, void *user); /* one sentence without newline, now and then */
  void *user;
} cy_trainer_options;

/* Names of losses, NULL beyond the last. */
CY_API const char *cy_trainer_loss_name(int i);

/* ---- a training ---- */
typedef struct cy_trainer cy_trainer;

/* Splits the data set, sets its scaling, initialises parameters, compiles. model is copied; dataset is borrowed and
 * must neither go nor be scaled otherwise before the trainer. Errors: CY_INVALID for options out of range, a loss that
 * does not fit the targets, a model that does not fit the samples (its output against the number of classes). */
CY_API CY_MUST_CHECK cy_status cy_trainer_create(const cy_model *model, cy_dataset *dataset, cy_trainer_options options,
                                                 cy_trainer **trainer);
/* Continues from a checkpoint. Everything that shapes the numbers comes from the file; of options only on_progress,
 * on_log, user, and, if not 0, epochs (to train longer), patience, threads and backend are used. dataset must be the
 * one of the file (number of samples, shape, classes and a checksum are compared). */
CY_API CY_MUST_CHECK cy_status cy_trainer_resume(const char *path, cy_dataset *dataset, cy_trainer_options options,
                                                 cy_trainer **trainer);
CY_API void cy_trainer_free(cy_trainer *trainer);

/* Trains until the last epoch or an early stop; at the end the best parameters are in place (unless keep_last).
 * CY_CANCELLED: a callback asked to stop; the step was completed. CY_NOT_FINITE: a batch's loss was NaN or infinite;
 * the message names epoch, step and the first value that went bad, and the state is that from before the step.
 * Running again after a cancellation continues; otherwise it tries the step again. A step allocates nothing; of
 * second-order training from the second iteration on, as programs are compiled when first needed. */
CY_API CY_MUST_CHECK cy_status cy_trainer_run(cy_trainer *trainer);

/* Writes a checkpoint, atomically: it serves both to resume and, through cy_trained_load, to predict. */
CY_API CY_MUST_CHECK cy_status cy_trainer_save(const cy_trainer *trainer, const char *path);

/* ---- metrics ---- */
typedef enum cy_part { CY_PART_TRAIN, CY_PART_VALIDATION, CY_PART_TEST } cy_part;

/* The receiver operating characteristic of scores that ought to be higher for positive samples (T. Fawcett 2006). */
typedef struct cy_roc {
  double auc;    /* area under the curve: how often a positive scores above a negative, equal scores counting half (the
                    statistic of Mann and Whitney). NaN if one kind is missing or a score is NaN */
  int64_t count; /* points of the curve, from (0, 0) to (1, 1): one for each different score */
  double *false_positive, *true_positive; /* [count]: shares of the negatives and positives that score as high or higher */
} cy_roc;
/* n log n. Release with cy_roc_clear. */
CY_API CY_MUST_CHECK cy_status cy_roc_of(const double *scores, const bool *positive, int64_t n, cy_roc *roc);
CY_API void cy_roc_clear(cy_roc *roc);

/* How well numbers are predicted, in their own units; of samples with several numbers, over all of them. */
typedef struct cy_regression {
  double mae, rmse; /* mean absolute error, root of the mean squared one; NaN of classes */
  double r2;        /* 1 - sum (y - answer)^2 / sum (y - mean of y)^2: 1 is exact, 0 as good as always answering the mean,
                       below 0 worse. NaN of classes and where all y are equal */
  double *targets, *answers; /* [count]: y and answer of each sample, where each is one number; else NULL */
  int64_t count;
} cy_regression;

typedef struct cy_metrics {
  int64_t samples;
  double loss;       /* mean over the samples, without penalties */
  double accuracy;   /* share of samples whose largest output is the right class; NaN for regression */
  int64_t classes;   /* 0 for regression */
  int64_t *confusion; /* [classes * classes]: confusion[actual * classes + predicted]; NULL for regression */
  double balanced_accuracy; /* mean over the classes that occur of the share that is recognised; NaN for regression */
  double auc;          /* two classes: area under the ROC curve of the second one. More, up to 100: mean over the classes of
                          that of each against the rest, by its probability (of outputs that are none: by its output).
                          NaN for regression, for a label at each step, and where a kind is missing */
  cy_roc roc;          /* two classes: the curve; else without points */
  cy_regression regression;
} cy_metrics;

/* Without dropout, batch normalisation by running statistics. Release with cy_metrics_clear. An empty part gives
 * samples = 0 and NaN. */
CY_API CY_MUST_CHECK cy_status cy_trainer_evaluate(cy_trainer *trainer, cy_part part, cy_metrics *metrics);
/* The same with all images in one size. */
CY_API CY_MUST_CHECK cy_status cy_trainer_evaluate_at(cy_trainer *trainer, cy_part part, cy_image_size size,
                                                      cy_metrics *metrics);
CY_API void cy_metrics_clear(cy_metrics *metrics);

typedef struct cy_epoch_record {
  int64_t epoch; /* from 1 */
  int64_t steps; /* training steps done at its end, since the beginning */
  double loss, accuracy;                       /* over the batches of the epoch: with dropout, penalties */
  double validation_loss, validation_accuracy; /* NaN without a validation part */
  double learning_rate;                        /* of its last step */
  double seconds;                              /* time spent; the one field that two equal runs differ in */
  bool best;
} cy_epoch_record;

/* ---- looking ---- */
CY_API int cy_trainer_history_count(const cy_trainer *trainer); /* complete epochs */
CY_API cy_epoch_record cy_trainer_history(const cy_trainer *trainer, int i);
CY_API bool cy_trainer_finished(const cy_trainer *trainer);    /* run has nothing left to do */
CY_API bool cy_trainer_stopped_early(const cy_trainer *trainer);
CY_API int64_t cy_trainer_best_epoch(const cy_trainer *trainer); /* from 1; 0: none yet */
CY_API int64_t cy_trainer_epoch(const cy_trainer *trainer);    /* complete epochs */
CY_API int64_t cy_trainer_steps(const cy_trainer *trainer);    /* training steps since the beginning */
CY_API int64_t cy_trainer_steps_per_epoch(const cy_trainer *trainer);
CY_API int64_t cy_trainer_parameter_count(const cy_trainer *trainer); /* trained numbers */
/* Bytes of one step: state, and the values of its program (known before running). */
CY_API size_t cy_trainer_state_bytes(const cy_trainer *trainer);
CY_API size_t cy_trainer_arena_bytes(const cy_trainer *trainer);
CY_API double cy_trainer_flops(const cy_trainer *trainer);     /* arithmetic operations of one step on a full batch */
CY_API cy_state *cy_trainer_state(cy_trainer *trainer);        /* parameters, buffers, slots, counters; borrowed */
CY_API const cy_model *cy_trainer_model(const cy_trainer *trainer);
CY_API const cy_split *cy_trainer_split(const cy_trainer *trainer);
CY_API cy_trainer_options cy_trainer_options_of(const cy_trainer *trainer); /* every 0 replaced by what is used */

/* ---- a trained model ---- */
typedef struct cy_trained cy_trained;

/* From a file of cy_trainer_save: model, parameters, scaling, class names. threads, backend as in the options above. */
CY_API CY_MUST_CHECK cy_status cy_trained_load(const char *path, int threads, const char *backend,
                                               cy_trained **trained);
CY_API void cy_trained_free(cy_trained *trained);
CY_API const cy_model *cy_trained_model(const cy_trained *trained);
CY_API cy_state *cy_trained_state(cy_trained *trained);
CY_API cy_shape cy_trained_sample_shape(const cy_trained *trained);
CY_API cy_shape cy_trained_output_shape(const cy_trained *trained); /* of one sample */
CY_API int64_t cy_trained_classes(const cy_trained *trained);       /* 0: regression */
CY_API const char *cy_trained_class_name(const cy_trained *trained, int64_t c); /* NULL out of range */
CY_API cy_scaling cy_trained_scaling(const cy_trained *trained);
CY_API const char *cy_trained_dataset_name(const cy_trained *trained);
CY_API const char *cy_trained_dataset_origin(const cy_trained *trained);
CY_API const char *cy_trained_text(const cy_trained *trained);      /* the architecture */
CY_API const char *cy_trained_metadata(const cy_trained *trained, const char *key); /* NULL if absent */
CY_API int cy_trained_history_count(const cy_trained *trained);
CY_API cy_epoch_record cy_trained_history(const cy_trained *trained, int i);
CY_API cy_split_options cy_trained_split_options(const cy_trained *trained); /* to find its test part again */
CY_API cy_trainer_options cy_trained_options(const cy_trained *trained); /* as used; strings borrowed from trained */

/* Raw inputs [n, sample shape] of any dtype (or [sample shape]: one) are scaled as in training; images of another
 * height and width are taken too: a model trained with a single entry of sizes has them resized to it, another takes
 * them as they are, if its layers do; so are sequences of another length, all of one, if those of the training differed.
 * outputs: a new tensor [n, ...]: probabilities if classes, else the model's output. labels (may be NULL): a new i64 [n], the most probable class of each; fails for regression. */
CY_API CY_MUST_CHECK cy_status cy_trained_predict(cy_trained *trained, const cy_tensor *inputs, cy_tensor **outputs,
                                                  cy_tensor **labels);
/* The same of all sequences of a data set, of a model that was trained on sequences of different lengths. The data set is
 * set to the model's scaling; its targets are not looked at. With a label for each step outputs are [n, classes, steps] and
 * labels [n, steps], steps being those of the longest, zeros behind the ends. */
CY_API CY_MUST_CHECK cy_status cy_trained_predict_sequences(cy_trained *trained, cy_dataset *dataset,
                                                            cy_tensor **outputs, cy_tensor **labels);
/* Metrics over the given samples of a data set, which is set to the model's scaling. indices NULL: all (n ignored).
 * Images have the sizes of the training, in turn if there are several; without any, those of the data set. Fails if
 * shapes or classes disagree with the model. */
CY_API CY_MUST_CHECK cy_status cy_trained_evaluate(cy_trained *trained, cy_dataset *dataset, const int64_t *indices,
                                                   int64_t n, cy_metrics *metrics);
/* The same with all images in one size. */
CY_API CY_MUST_CHECK cy_status cy_trained_evaluate_at(cy_trained *trained, cy_dataset *dataset, const int64_t *indices,
                                                      int64_t n, cy_image_size size, cy_metrics *metrics);

/* ---- text ---- */

/* Whether the model, as it is now, sees at a step of a text the characters after it: then it predicts what it has seen. False
 * for everything but texts. Costs two runs of one window. */
CY_API CY_MUST_CHECK cy_status cy_trainer_looks_ahead(const cy_trainer *trainer, bool *ahead);

/* A model of a text goes on with it, one character at a time. */
typedef struct cy_generator cy_generator;
/* For models of texts (classes are characters, a label for each step). trained must outlive it. Whether it can compute a
 * single step from the state behind the last one, at the same cost for each, is found out by comparing: recurrent and
 * elementwise layers can; where convolutions or attention look back, the last window is computed again for each character. */
CY_API CY_MUST_CHECK cy_status cy_generator_create(cy_trained *trained, cy_generator **generator);
CY_API void cy_generator_free(cy_generator *generator);
CY_API bool cy_generator_steps(const cy_generator *generator); /* at the same cost for each character */
/* The next character of the text, by its number. */
CY_API CY_MUST_CHECK cy_status cy_generator_feed(cy_generator *generator, int64_t character);
/* log p of each character to come next, up to a constant; valid until the next feed. All 0 before the first. */
CY_API const double *cy_generator_scores(const cy_generator *generator);

/* ---- the loss as a function of the parameters ---- */

/* A field of 0 takes the value in brackets. */
typedef struct cy_model_objective_options {
  const char *loss;        /* [cross_entropy of classes, else mse] */
  double l1, l2;           /* penalties, as in training */
  cy_dtype dtype;          /* of the computation, CY_F32 or CY_F64; x and sums over batches are doubles */
  bool training;           /* as a training step computes: batch normalisation by each batch's own statistics (so that
                              batches are part of the function), dropout with random numbers that stay the same [as at
                              inference: running statistics, no dropout] */
  bool standardise;        /* without a state: numbers to predict are standardised over the samples, where training would
                              by its scale (cy_trainer_options) [no] */
  int64_t batch_size;      /* [at most 256, and so that a product needs at most `memory`] */
  size_t memory;           /* bytes [1 GiB] */
  const int64_t *indices;  /* copied; the samples [all of the data set] */
  int64_t n;               /* how many indices */
  cy_image_size sizes[CY_MAX_SIZES]; /* as in cy_trainer_options */
  uint64_t seed;           /* of dropout, and of initial values if there is no state */
  int threads;
  const char *backend;     /* copied ["cpu"] */
  /* After each batch of each evaluation; false: it ends with CY_CANCELLED. */
  bool (*on_batch)(int64_t done, int64_t batches, void *user);
  void *user;
} cy_model_objective_options;

/* Mean loss over the samples (plus penalties), as a function of the model's parameters: x holds those of role CY_PARAMETER,
 * in the order of the state's, each row-major. Batches are added up in double. Gauss-Newton and Fisher products too.
 * state: parameters and running statistics by name, any floating dtype, copied, where cy_objective_start stands; NULL:
 * initial values. dataset is borrowed, and must not be scaled otherwise before the end. */
CY_API CY_MUST_CHECK cy_status cy_model_objective_create(const cy_model *model, const cy_state *state,
                                                         cy_dataset *dataset, cy_model_objective_options options,
                                                         cy_objective **objective);
/* The same of a trained model, with the loss, penalties (CY_EXACT_ZERO: none) and image sizes of its training where options
 * leave them at 0; the data set is set to the model's scaling. trained must outlive the objective. */
CY_API CY_MUST_CHECK cy_status cy_trained_objective(cy_trained *trained, cy_dataset *dataset,
                                                    cy_model_objective_options options, cy_objective **objective);

#ifdef __cplusplus
}
#endif
#endif
