/* The table of recipe keys. Ranges that the library checks anyway are stated here too, so that a message can name the
 * key, the file and the line. */
#include "cli/recipe.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const char *pick(const char *const *names, int n, int i) { return i >= 0 && i < n ? names[i] : NULL; }
#define CHOICES(function, ...)                                             \
  static const char *function(int i) {                                     \
    static const char *const names[] = {__VA_ARGS__};                      \
    return pick(names, (int)(sizeof names / sizeof *names), i);            \
  }
/* In the order of cy_task, cy_fit, cy_image_mode, cy_scale, cy_dtype, cy_fill, and of keep_last, streams = false, true. */
CHOICES(task_choice, "detect", "classify", "regress")
CHOICES(fit_choice, "stretch", "crop")
CHOICES(channels_choice, "keep", "gray", "rgb")
CHOICES(scale_choice, "default", "none", "unit", "standardise")
CHOICES(dtype_choice, "f32", "f64")
CHOICES(keep_choice, "best", "last")
CHOICES(switch_choice, "false", "true")
CHOICES(order_choice, "shuffle", "streams")
CHOICES(fill_choice, "zero", "reflect", "edge")
CHOICES(backend_choice, "cpu", "reference")

static const char *label_choice(int i) { return cy_window_label_name(i); }
static const char *curvature_choice(int i) { return cy_curvature_name((cy_curvature)i); }
static const char *optimizer_choice(int i) { return i < cy_optimizer_count() ? cy_optimizer_name(i) : NULL; }

#define AT(field) offsetof(cli_recipe, field)
#define OPTION(field) offsetof(cli_recipe, options.field)
#define LOW_OPEN CLI_KEY_LOW_OPEN
#define HIGH_OPEN CLI_KEY_HIGH_OPEN
#define EXACT CLI_KEY_EXACT_ZERO
#define IF_SET CLI_KEY_IF_SET

static const cli_key keys[] = {
    {"name", CLI_KEY_TEXT, AT(name), IF_SET, 0, 0, NULL, "the data set's",
     "name of the run folder: runs/<name>-1, ..."},
    {"data", CLI_KEY_PATH, AT(data), IF_SET, 0, 0, NULL, "required",
     "data set: digits, mnist, cifar10, ... (cauchy data list), a folder of IDX or CIFAR files or of folders of "
     "pictures or CSV files by class, a CSV or NPZ file, a text"},
    {"target", CLI_KEY_TEXT, AT(target), IF_SET, 0, 0, NULL, "label, target, class, species, y, or the last",
     "CSV: the column to predict, by name or number; cifar100: fine or coarse; input: the sample itself (autoencoder)"},
    {"task", CLI_KEY_CHOICE, AT(task), IF_SET, 0, 0, task_choice, "detect", "CSV, NPZ: predict classes or numbers"},
    {"columns", CLI_KEY_LIST, AT(columns), IF_SET, 0, 0, NULL, "all but the target",
     "CSV: the columns that a sample is made of, by name or number from 0: [age, height]"},
    {"ignore", CLI_KEY_LIST, AT(ignore), IF_SET, 0, 0, NULL, "none",
     "CSV: or the columns that are left out, which may hold anything: [id, name]"},
    {"sequence", CLI_KEY_TEXT, AT(sequence), IF_SET, 0, 0, NULL, "each row is a sample",
     "CSV: the column that says to which sequence a row belongs; a sample is then a sequence, columns x steps, with one "
     "target. A folder of CSV files by class needs none: each file is a sequence. Lengths may differ"},
    {"each_step", CLI_KEY_LAST, AT(each_step), IF_SET, 0, 0, switch_choice, "false",
     "sequences of a table: the target is a class for each step, not one for the sequence; the model ends with classes x "
     "steps"},
    {"buckets", CLI_KEY_COUNT, AT(buckets), IF_SET, 1, CY_MAX_BUCKETS, NULL, "4",
     "sequences: batches of like length are padded to at most so many lengths; one program is compiled for each"},
    {"windows.length", CLI_KEY_COUNT, AT(windows.length), IF_SET, 1, 0x1p30, NULL, "each row is a sample",
     "CSV: rows are times, one after the other, and a sample is a window of so many: columns x length. data is then a file, "
     "a folder of them or a pattern; each file is a series. Split by time; gaps and what is left out are reported"},
    {"windows.step", CLI_KEY_COUNT, AT(windows.step), IF_SET, 1, 0x1p30, NULL, "windows.length",
     "rows from a window to the next"},
    {"windows.columns", CLI_KEY_LIST, AT(windows.columns), IF_SET, 0, 0, NULL, "all of numbers but target and time",
     "the sensors: [PM2.5, PM10]"},
    {"windows.time", CLI_KEY_LIST, AT(windows.time), IF_SET, 0, 0, NULL, "rows are equally spaced",
     "the column of times, or [year, month, day, hour]; rows that it lacks are gaps"},
    {"windows.fill", CLI_KEY_COUNT, AT(windows.fill), IF_SET, 0, 0x1p30, NULL, "0",
     "gaps of at most so many rows are interpolated in each window; windows with longer ones are left out"},
    {"windows.missing", CLI_KEY_TEXT, AT(windows.missing), IF_SET, 0, 0, NULL, "",
     "a number that means a missing value, such as -999 (empty, NA and NaN always do)"},
    {"windows.label", CLI_KEY_CHOICE, AT(windows.label), IF_SET, 0, 0, label_choice, "last",
     "what is taken of the target column: its last value, the majority of classes, mean, min or max"},
    {"windows.horizon", CLI_KEY_COUNT, AT(windows.horizon), IF_SET, 0, 0x1p30, NULL, "0: the window's own rows",
     "the label looks at so many rows behind the window"},
    {"windows.above", CLI_KEY_TEXT, AT(windows.above), IF_SET, 0, 0, NULL, "",
     "two classes: is the label above this number? median: that of the training part"},
    {"windows.validation_from", CLI_KEY_TEXT, AT(windows.validation_from), IF_SET, 0, 0, NULL, "by validation",
     "the time at which the validation part begins (without a time column a row number), instead of a share"},
    {"windows.test_from", CLI_KEY_TEXT, AT(windows.test_from), IF_SET, 0, 0, NULL, "by test",
     "the time at which the test part begins"},
    {"resize", CLI_KEY_SIZE, AT(resize), IF_SET, 0, 0, NULL, "as they are",
     "images are brought to this size as they are read: 64, 48x64 (height x width); pictures of several sizes need it"},
    {"fit", CLI_KEY_CHOICE, AT(fit), IF_SET, 0, 0, fit_choice, "stretch",
     "resize: all of a picture, its sides stretched; crop: its middle, as high and wide as the proportions allow"},
    {"channels", CLI_KEY_CHOICE, AT(channels), IF_SET, 0, 0, channels_choice, "keep", "of images: 1 (gray) or 3 (rgb)"},
    {"length", CLI_KEY_COUNT, AT(length), IF_SET, 1, 0x1p20, NULL, "128, adding 100",
     "characters of a text's windows; steps of the sequences of adding"},
    {"order", CLI_KEY_LAST, OPTION(streams), IF_SET, 0, 0, order_choice, "shuffle",
     "of a text's windows: at random, each from a state of zero; streams: each row of a batch goes on where it ended in "
     "the one before, and recurrent layers with it"},
    {"scale", CLI_KEY_CHOICE, OPTION(scale), IF_SET, 0, 0, scale_choice, "default",
     "inputs: unit (pixels to 0..1), standardise (mean 0, variance 1: of each feature of a table, each channel of "
     "images); default: unit for pixels, standardise for "
     "tables; numbers to predict are standardised too, but for none and unit"},
    {"sizes", CLI_KEY_SIZES, OPTION(sizes), IF_SET, 0, 0, NULL, "as they are",
     "images are resized: 64, 48x64 (height x width); [24, 28, 32]: each batch to the next of these"},
    {"augment.flip", CLI_KEY_LAST, OPTION(augment.flip), IF_SET, 0, 0, switch_choice, "false",
     "training images (or sequences, in time): half of them are mirrored, left to right"},
    {"augment.crop", CLI_KEY_COUNT, OPTION(augment.crop), IF_SET, 0, 0x1p15, NULL, "0",
     "padded by so many pixels (steps), then a window of the image's size is cut anywhere"},
    {"augment.shift", CLI_KEY_COUNT, OPTION(augment.shift), IF_SET, 0, 0x1p15, NULL, "0",
     "moved by at most so many pixels, up or down and left or right; sequences by so many steps"},
    {"augment.fill", CLI_KEY_CHOICE, OPTION(augment.fill), IF_SET, 0, 0, fill_choice, "zero",
     "what shows at the margin: black (a value of 0), the image reflected, its edge repeated"},
    {"augment.jitter", CLI_KEY_NUMBER, OPTION(augment.jitter), IF_SET, 0, 1e6, NULL, "0",
     "normal noise of this deviation is added to every number that the network sees in training"},
    {"augment.scaling", CLI_KEY_NUMBER, OPTION(augment.scaling), IF_SET, 0, 1e6, NULL, "0",
     "each channel is multiplied by a normal number of mean 1 and this deviation"},
    {"model", CLI_KEY_TEXT, AT(model), IF_SET, 0, 0, NULL, "dense(64) -> relu -> dense(classes); of texts embedding(classes, 32) -> gru(128) -> conv(classes, 1); of sequences gru(64, last) -> dense(classes), with each_step gru(64) -> conv(classes, 1)",
     "the network in the architecture language (cauchy layers)"},
    {"model.file", CLI_KEY_PATH, AT(model_file), IF_SET, 0, 0, NULL, "", "or a file that holds it"},
    {"baseline", CLI_KEY_TEXT, AT(baseline), CLI_KEY_ALIAS, 0, 0, NULL, "none", "short for baseline.model"},
    {"baseline.model", CLI_KEY_TEXT, AT(baseline), IF_SET, 0, 0, NULL, "none",
     "another network, trained in the same way afterwards; its results on the test part are printed beside"},
    {"baseline.learning_rate", CLI_KEY_NUMBER, AT(baseline_rate), IF_SET | LOW_OPEN, 0, HUGE_VAL, NULL, "learning_rate",
     "step size in its training"},
    {"baseline.epochs", CLI_KEY_COUNT, AT(baseline_epochs), IF_SET, 1, 0x1p40, NULL, "epochs", "passes in its training"},
    {"loss", CLI_KEY_NAME, OPTION(loss), 0, 0, 0, cy_trainer_loss_name, "cross_entropy for classes, else mse",
     "what is minimised"},
    {"optimizer", CLI_KEY_NAME, OPTION(optimizer.name), CLI_KEY_ALIAS, 0, 0, optimizer_choice, "adam",
     "short for optimizer.name"},
    {"optimizer.name", CLI_KEY_NAME, OPTION(optimizer.name), 0, 0, 0, optimizer_choice, "adam",
     "the update rule; newton, newton-cg and lbfgs see the whole training part in each step, one an epoch"},
    {"optimizer.momentum", CLI_KEY_NUMBER, OPTION(optimizer.momentum), EXACT | HIGH_OPEN, 0, 1, NULL, "0.9",
     "momentum, nesterov, rmsprop (0)"},
    {"optimizer.beta1", CLI_KEY_NUMBER, OPTION(optimizer.beta1), EXACT | HIGH_OPEN, 0, 1, NULL, "0.9",
     "adam, adamw: decay of the mean"},
    {"optimizer.beta2", CLI_KEY_NUMBER, OPTION(optimizer.beta2), EXACT | HIGH_OPEN, 0, 1, NULL, "0.999",
     "adam, adamw: decay of the mean square; rmsprop (0.99)"},
    {"optimizer.epsilon", CLI_KEY_NUMBER, OPTION(optimizer.epsilon), EXACT, 0, HUGE_VAL, NULL, "1e-8",
     "rmsprop, adagrad (1e-10), adam, adamw: added to the root"},
    {"optimizer.weight_decay", CLI_KEY_NUMBER, OPTION(optimizer.weight_decay), EXACT, 0, HUGE_VAL, NULL, "0",
     "all; adamw (0.01): decoupled"},
    {"optimizer.damping", CLI_KEY_NUMBER, OPTION(optimizer.damping), EXACT, 0, HUGE_VAL, NULL, "1",
     "newton (0), newton-cg: initial lambda, added to the curvature"},
    {"optimizer.cg_iterations", CLI_KEY_NUMBER, OPTION(optimizer.cg_iterations), 0, 1, 1e6, NULL, "250",
     "newton-cg: at most so many products in a step"},
    {"optimizer.curvature_samples", CLI_KEY_NUMBER, OPTION(optimizer.curvature_samples), 0, 0, 1e15, NULL, "0: all",
     "newton-cg: products over so many samples, drawn anew for each step"},
    {"optimizer.preconditioner", CLI_KEY_NUMBER, OPTION(optimizer.preconditioner), IF_SET, 0, 1, NULL, "0: none",
     "newton-cg: exponent of the diagonal preconditioner; 0.75 in Martens 2010"},
    {"optimizer.curvature", CLI_KEY_NAME, OPTION(optimizer.curvature), 0, 0, 0, curvature_choice, "gauss-newton",
     "newton-cg: the matrix of the products"},
    {"optimizer.memory", CLI_KEY_NUMBER, OPTION(optimizer.memory), 0, 1, 10000, NULL, "10",
     "lbfgs: steps that are remembered"},
    {"clip_norm", CLI_KEY_NUMBER, OPTION(optimizer.clip_norm), IF_SET, 0, HUGE_VAL, NULL, "0: off",
     "scales the gradient so that its norm is at most this"},
    {"clip_value", CLI_KEY_NUMBER, OPTION(optimizer.clip_value), IF_SET, 0, HUGE_VAL, NULL, "0: off",
     "limits every element of the gradient to -value..value"},
    {"learning_rate", CLI_KEY_NUMBER, OPTION(learning_rate), LOW_OPEN, 0, HUGE_VAL, NULL, "the optimizer's",
     "step size (adam 0.001, sgd 0.01)"},
    {"schedule", CLI_KEY_CHOICE, OPTION(schedule.kind), CLI_KEY_ALIAS, 0, 0, cy_schedule_name, "constant",
     "short for schedule.kind"},
    {"schedule.kind", CLI_KEY_CHOICE, OPTION(schedule.kind), 0, 0, 0, cy_schedule_name, "constant",
     "how the learning rate changes; times below are in epochs"},
    {"schedule.warmup", CLI_KEY_NUMBER, OPTION(schedule.warmup), IF_SET, 0, HUGE_VAL, NULL, "0",
     "rises linearly over so many epochs"},
    {"schedule.every", CLI_KEY_NUMBER, OPTION(schedule.every), IF_SET | LOW_OPEN, 0, HUGE_VAL, NULL, "",
     "step: epochs between reductions"},
    {"schedule.factor", CLI_KEY_NUMBER, OPTION(schedule.factor), IF_SET | LOW_OPEN, 0, HUGE_VAL, NULL, "0.1",
     "step: each reduction multiplies by this"},
    {"schedule.total", CLI_KEY_NUMBER, OPTION(schedule.total), IF_SET | LOW_OPEN, 0, HUGE_VAL, NULL, "all epochs",
     "cosine: reaches its end after so many"},
    {"schedule.floor", CLI_KEY_NUMBER, OPTION(schedule.floor), IF_SET, 0, 1, NULL, "0",
     "cosine: the final share of the rate"},
    {"batch", CLI_KEY_COUNT, OPTION(batch_size), 0, 1, 0x1p40, NULL, "32",
     "samples per step; newton, newton-cg, lbfgs (256): computed at once"},
    {"epochs", CLI_KEY_COUNT, OPTION(epochs), CLI_KEY_RESUMABLE, 1, 0x1p40, NULL, "10 to 300, for about 3000 steps",
     "passes over the training part"},
    {"seed", CLI_KEY_SEED, OPTION(seed), 0, 0, 0x1p64, NULL, "0", "of initial values, split, shuffling, dropout"},
    {"validation", CLI_KEY_NUMBER, OPTION(validation), EXACT | HIGH_OPEN, 0, 1, NULL, "0.1",
     "share of the training data held back to choose the best epoch by; 0: none"},
    {"test", CLI_KEY_NUMBER, OPTION(test), CLI_KEY_ZERO_IS_NONE | HIGH_OPEN, 0, 1, NULL, "0.2",
     "share held back for the final test, if the data set has no test part of its own; 0: none"},
    {"patience", CLI_KEY_COUNT, OPTION(patience), IF_SET | CLI_KEY_RESUMABLE, 0, 0x1p40, NULL, "0: off",
     "early stopping: after so many epochs in a row without a better validation loss"},
    {"min_delta", CLI_KEY_NUMBER, OPTION(min_delta), IF_SET, 0, HUGE_VAL, NULL, "0",
     "smaller improvements do not count"},
    {"keep", CLI_KEY_LAST, OPTION(keep_last), 0, 0, 0, keep_choice, "best",
     "the final parameters: of the best epoch by validation loss, or of the last"},
    {"l1", CLI_KEY_NUMBER, OPTION(l1), IF_SET, 0, HUGE_VAL, NULL, "0", "penalty l1 * sum |w|"},
    {"l2", CLI_KEY_NUMBER, OPTION(l2), IF_SET, 0, HUGE_VAL, NULL, "0", "penalty l2 / 2 * sum w^2"},
    {"dtype", CLI_KEY_CHOICE, OPTION(dtype), 0, 0, 0, dtype_choice, "f32", "precision of the arithmetic"},
    {"threads", CLI_KEY_SMALL, OPTION(threads), IF_SET | CLI_KEY_RESUMABLE, 0, 4096, NULL, "all cores", "0: all cores"},
    {"backend", CLI_KEY_NAME, OPTION(backend), IF_SET | CLI_KEY_RESUMABLE, 0, 0, backend_choice, "cpu",
     "reference: plain loops, to compare with"},
};
enum { KEYS = sizeof keys / sizeof *keys };

const cli_key *cli_recipe_key(int i) { return i >= 0 && i < KEYS ? &keys[i] : NULL; }

bool cli_recipe_is_group(const char *path) {
  size_t length = strlen(path);
  for (int i = 0; i < KEYS; i++)
    if (strncmp(keys[i].path, path, length) == 0 && keys[i].path[length] == '.') return true;
  return false;
}

const cli_key *cli_recipe_find(const char *path) {
  const char *names[KEYS];
  char hint[CLI_HINT_SIZE];
  for (int i = 0; i < KEYS; i++) {
    if (strcmp(keys[i].path, path) == 0) return &keys[i];
    names[i] = keys[i].path;
  }
  cli_hint(path, names, KEYS, hint);
  cy_status status = cy_fail(CY_INVALID, "unknown key \"%s\"%s", path, hint[0] ? hint : "; see cauchy help recipe");
  (void)status; /* recorded for the caller */
  return NULL;
}
