/* Reading values into recipes, by the table of keys; and the recipes that come with the command. */
#include "cli/recipe.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void cli_recipe_clear(cli_recipe *recipe) {
  const cy_window_options *w = &recipe->windows;
  const char *texts[] = {recipe->name, recipe->data, recipe->target, recipe->model, recipe->model_file,
                         recipe->baseline, recipe->columns, recipe->ignore, recipe->sequence, w->columns, w->time, w->missing,
                         w->above, w->validation_from, w->test_from};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) cy_free((char *)(uintptr_t)texts[i]); /* all are ours */
  *recipe = (cli_recipe){0};
}

/* ---- one value ---- */

static cy_status bad_value(const cli_key *key, const char *value, const char *wanted) {
  return cy_fail(CY_INVALID, "%s is %s, not \"%.60s\"", key->path, wanted, value);
}

static cy_status out_of_range(const cli_key *key, const char *value) {
  char low[64] = "", high[64] = "";
  bool both = isfinite(key->high) && (key->high < 0x1p40 || strtod(value, NULL) > key->high);
  snprintf(low, sizeof low, "%s %g", key->flags & CLI_KEY_LOW_OPEN ? ">" : ">=", key->low);
  if (both) snprintf(high, sizeof high, " and %s %.15g", key->flags & CLI_KEY_HIGH_OPEN ? "<" : "<=", key->high);
  return cy_fail(CY_INVALID, "%s is %.60s; it must be %s%s", key->path, value, low, high);
}

static bool in_range(const cli_key *key, double value) {
  bool low = key->flags & CLI_KEY_LOW_OPEN ? value > key->low : value >= key->low;
  bool high = key->flags & CLI_KEY_HIGH_OPEN ? value < key->high : value <= key->high;
  return low && high && isfinite(value);
}

/* True if all of text is a number. */
static bool read_number(const char *text, double *value) {
  char *end;
  if (text[0] == 0 || strspn(text, "+-.0123456789eE") != strlen(text)) return false; /* neither hexadecimal nor nan */
  *value = strtod(text, &end);
  return end != text && *end == 0;
}

static cy_status set_number(const cli_key *key, const char *text, void *field) {
  double value;
  if (!read_number(text, &value)) return bad_value(key, text, "a number");
  if (!in_range(key, value)) return out_of_range(key, text);
  if (value == 0)
    value = key->flags & CLI_KEY_EXACT_ZERO ? CY_EXACT_ZERO : key->flags & CLI_KEY_ZERO_IS_NONE ? -1.0 : 0.0;
  memcpy(field, &value, sizeof value);
  return CY_OK;
}

static cy_status set_whole(const cli_key *key, const char *text, void *field) {
  char *end;
  double rough;
  if (!read_number(text, &rough) || strpbrk(text, ".eE")) return bad_value(key, text, "a whole number");
  errno = 0;
  bool seed = key->kind == CLI_KEY_SEED;
  uint64_t magnitude = strtoull(text[0] == '-' || text[0] == '+' ? text + 1 : text, &end, 10);
  if (errno || !in_range(key, rough) || (!seed && magnitude > INT64_MAX)) return out_of_range(key, text);
  int64_t value = (int64_t)magnitude; /* ranges begin at 0 or above */
  int small = (int)magnitude;
  if (seed) memcpy(field, &magnitude, sizeof magnitude);
  else if (key->kind == CLI_KEY_COUNT) memcpy(field, &value, sizeof value);
  else memcpy(field, &small, sizeof small);
  return CY_OK;
}

enum { MAX_CHOICES = 32 };

static cy_status set_choice(const cli_key *key, const char *text, void *field) {
  const char *names[MAX_CHOICES];
  int n = 0, chosen = -1;
  cy_text list = {0};
  char hint[CLI_HINT_SIZE];
  for (const char *name; n < MAX_CHOICES && (name = key->choice(n)) != NULL; n++) {
    names[n] = name;
    if (strcmp(name, text) == 0) chosen = n;
    cy_text_add(&list, "%s%s", n ? ", " : "", name);
  }
  if (chosen < 0) {
    cli_hint(text, names, (size_t)n, hint);
    cy_status status = cy_fail(CY_INVALID, "%s is one of %s, not \"%.60s\"%s", key->path, list.data ? list.data : "",
                               text, hint);
    cy_text_clear(&list);
    return status;
  }
  cy_text_clear(&list);
  bool last = chosen == 1;
  if (key->kind == CLI_KEY_NAME) memcpy(field, &names[chosen], sizeof names[chosen]);
  else if (key->kind == CLI_KEY_CHOICE) memcpy(field, &chosen, sizeof chosen);
  else memcpy(field, &last, sizeof last);
  return CY_OK;
}

/* "24" or "24x32"; *end is behind it. */
static bool read_size(const char *text, cy_image_size *size, const char **end) {
  char *stop;
  if (text[0] < '0' || text[0] > '9') return false;
  errno = 0;
  size->height = size->width = strtoll(text, &stop, 10);
  if (*stop == 'x' && stop[1] >= '0' && stop[1] <= '9') size->width = strtoll(stop + 1, &stop, 10);
  *end = stop + strspn(stop, " ");
  return errno == 0 && size->height > 0 && size->width > 0;
}

cy_status cli_read_sizes(const char *name, const char *text, cy_image_size sizes[CY_MAX_SIZES]) {
  const char *at = text + strspn(text, " ");
  bool bracket = *at == '[';
  int n = 0;
  memset(sizes, 0, CY_MAX_SIZES * sizeof *sizes);
  for (at += bracket; n < CY_MAX_SIZES; at++) {
    if (!read_size(at + strspn(at, " "), &sizes[n], &at)) break;
    n++;
    if (*at == ',') continue;
    if (strcmp(at, bracket ? "]" : "") == 0) return CY_OK;
    break;
  }
  memset(sizes, 0, CY_MAX_SIZES * sizeof *sizes);
  if (n == CY_MAX_SIZES) return cy_fail(CY_INVALID, "%s has more than %d entries", name, CY_MAX_SIZES);
  return cy_fail(CY_INVALID, "%s is a list of sizes in pixels, such as 24,28,32 or 24x32 (height x width), not "
                 "\"%.60s\"", name, text);
}

cy_status cli_read_size(const char *name, const char *text, cy_image_size *size) {
  const char *end;
  if (read_size(text, size, &end) && *end == 0) return CY_OK;
  *size = (cy_image_size){0};
  return cy_fail(CY_INVALID, "%s is a size in pixels, such as 64 or 48x64 (height x width), not \"%.60s\"", name, text);
}

cy_status cli_recipe_data_options(const cli_recipe *r, cy_dataset_options *options) {
  static const double usual_validation = 0.1; /* the trainer's, who splits everything else */
  cy_window_options w = r->windows;
  bool asked = w.step || w.columns || w.time || w.missing || w.fill || w.label || w.horizon || w.above ||
               w.validation_from || w.test_from;
  if (asked && w.length == 0)
    return cy_fail(CY_INVALID, "windows.length is missing: how many rows a window has");
  w.validation = r->options.validation == 0 && !signbit(r->options.validation) ? usual_validation : r->options.validation;
  w.test = r->options.test;
  *options = (cy_dataset_options){.target = r->target, .task = (cy_task)r->task, .windows = w, .length = r->length,
                                  .columns = r->columns, .ignore = r->ignore, .sequence = r->sequence,
                                  .each_step = r->each_step, .buckets = r->buckets,
                                  .images = {.size = r->resize, .fit = (cy_fit)r->fit,
                                             .mode = (cy_image_mode)r->channels}};
  return CY_OK;
}

cy_status cli_usual_model(const cy_dataset *dataset, char **model) {
  cy_text text = {0};
  int64_t outputs = cy_dataset_classes(dataset);
  if (outputs == 0) CY_TRY(cy_shape_count(cy_dataset_target_shape(dataset), &outputs));
  long long n = (long long)outputs;
  if (cy_dataset_vocabulary(dataset)) cy_text_add(&text, "embedding(%lld, 32) -> gru(128) -> conv(%lld, 1)", n, n);
  else if (cy_dataset_each_step(dataset)) cy_text_add(&text, "gru(64) -> conv(%lld, 1)", n);
  else if (cy_dataset_is_ragged(dataset)) cy_text_add(&text, "gru(64, last) -> dense(%lld)", n);
  else cy_text_add(&text, "dense(64) -> relu -> dense(%lld)", n);
  *model = cy_text_take(&text);
  return *model ? CY_OK : cy_no_memory();
}

/* A name that the registry knows stays a name; other relative paths are put under folder. */
static char *path_in(const char *folder, const char *value) {
  cy_text text = {0};
  bool name = !strchr(value, '/') && (cy_data_find(value) != NULL || !strchr(value, '.'));
  if (!folder || !folder[0] || value[0] == '/' || name) return cy_strdup(value);
  cy_text_add(&text, "%s/%s", folder, value);
  return cy_text_take(&text);
}

static cy_status set_text(const cli_key *key, const char *value, const char *folder, void *field) {
  if (value[0] == 0) return cy_fail(CY_INVALID, "%s is empty", key->path);
  char *copy = key->kind == CLI_KEY_PATH ? path_in(folder, value) : cy_strdup(value), *old;
  if (!copy) return cy_no_memory();
  memcpy(&old, field, sizeof old);
  cy_free(old);
  memcpy(field, &copy, sizeof copy);
  return CY_OK;
}

cy_status cli_recipe_set(cli_recipe *recipe, const char *path, const char *value, const char *folder) {
  const cli_key *key = cli_recipe_find(path);
  if (!key) {
    if (cli_recipe_is_group(path)) return cy_fail(CY_INVALID, "%s is a group of keys, not a value", path);
    return CY_INVALID;
  }
  void *field = (char *)recipe + key->offset;
  switch (key->kind) {
    case CLI_KEY_TEXT:
    case CLI_KEY_LIST:
    case CLI_KEY_PATH: return set_text(key, value, folder, field);
    case CLI_KEY_NUMBER: return set_number(key, value, field);
    case CLI_KEY_COUNT:
    case CLI_KEY_SEED:
    case CLI_KEY_SMALL: return set_whole(key, value, field);
    case CLI_KEY_SIZE: return cli_read_size(key->path, value, field);
    case CLI_KEY_SIZES: return cli_read_sizes(key->path, value, field);
    default: return set_choice(key, value, field);
  }
}

/* A model given in one way replaces one given in the other. */
static void forget_other_model(cli_recipe *recipe, const char *path) {
  char **other = strcmp(path, "model") == 0        ? &recipe->model_file
                 : strcmp(path, "model.file") == 0 ? &recipe->model
                                                   : NULL;
  if (!other) return;
  cy_free(*other);
  *other = NULL;
}

/* Settings of the optimizer that was replaced, unless the new one has them too. */
static void forget_other_optimizer(cli_recipe *recipe, const char *path) {
  static const char prefix[] = "optimizer.";
  const char *name = recipe->options.optimizer.name;
  const cli_key *key;
  if (strcmp(path, "optimizer") != 0 && strcmp(path, "optimizer.name") != 0) return;
  for (int i = 0; (key = cli_recipe_key(i)) != NULL; i++) {
    const char *setting = key->path + strlen(prefix);
    if (strncmp(key->path, prefix, strlen(prefix)) != 0 || strcmp(setting, "name") == 0) continue;
    if (!cli_optimizer_has(name, setting)) memset((char *)recipe + key->offset, 0, 8); /* a double, or a name */
  }
}

/* "[a, b]" as in a file means "a, b". */
static cy_status set_list(cli_recipe *recipe, const char *path, const char *value) {
  size_t n = strlen(value);
  char *inner = cy_strndup(value + 1, n - 2);
  if (!inner) return cy_no_memory();
  cy_status status = cli_recipe_set(recipe, path, inner, NULL);
  cy_free(inner);
  return status;
}

static bool is_bracketed_list(const char *path, const char *value) {
  const cli_key *key = cli_recipe_find(path);
  return key && key->kind == CLI_KEY_LIST && value[0] == '[' && strchr(value, ']') == value + strlen(value) - 1;
}

cy_status cli_recipe_override(cli_recipe *recipe, const char *word) {
  const char *equals = strchr(word, '=');
  if (!equals || equals == word)
    return cy_fail(CY_INVALID, "\"%s\" is not of the form key=value; the recipe comes first", word);
  char *path = cy_strndup(word, (size_t)(equals - word));
  if (!path) return cy_no_memory();
  cy_status status = is_bracketed_list(path, equals + 1) ? set_list(recipe, path, equals + 1)
                                                         : cli_recipe_set(recipe, path, equals + 1, NULL);
  if (status == CY_OK) forget_other_model(recipe, path);
  if (status == CY_OK) forget_other_optimizer(recipe, path);
  cy_free(path);
  return status;
}

/* ---- recipes that come with the command ---- */

enum { MAX_SETTINGS = 12 };
/* The same as the files of these names in recipes/, which explain them; a test compares. */
static const struct {
  const char *name;
  const char *settings[MAX_SETTINGS];
} builtins[] = {
    {"digits", {"data=digits", "model=dense(128) -> relu -> dropout(0.3) -> dense(10)", "epochs=60"}},
    {"iris", {"data=iris", "model=dense(16) -> tanh -> dense(3)", "learning_rate=0.01", "batch=16", "epochs=100"}},
    {"mnist-mlp",
     {"data=mnist",
      "model=dense(300) -> relu -> dropout(0.3) -> dense(100) -> relu -> dropout(0.2) -> dense(10)",
      "batch=128", "epochs=15", "learning_rate=0.002", "schedule=cosine"}},
    {"fashion-mnist",
     {"data=fashion-mnist",
      "model=dense(256) -> relu -> dropout(0.3) -> dense(128) -> relu -> dropout(0.2) -> dense(10)",
      "batch=128", "epochs=30", "patience=6", "optimizer=adamw", "optimizer.weight_decay=0.02", "learning_rate=0.002",
      "schedule=cosine", "schedule.warmup=1", "schedule.floor=0.01"}},
};
enum { BUILTINS = sizeof builtins / sizeof *builtins };

const char *cli_recipe_builtin_name(int i) { return i >= 0 && i < BUILTINS ? builtins[i].name : NULL; }

static int builtin_index(const char *name) {
  for (int i = 0; i < BUILTINS; i++)
    if (strcmp(builtins[i].name, name) == 0) return i;
  return -1;
}
bool cli_recipe_is_builtin(const char *name) { return builtin_index(name) >= 0; }

cy_status cli_recipe_builtin(cli_recipe *recipe, const char *name) {
  int index = builtin_index(name);
  for (int i = 0; index >= 0 && i < MAX_SETTINGS && builtins[index].settings[i]; i++)
    CY_TRY(cli_recipe_override(recipe, builtins[index].settings[i]));
  return CY_OK;
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

static cy_status unknown_recipe(const char *word) {
  const char *names[BUILTINS + 32];
  char hint[CLI_HINT_SIZE];
  size_t n = 0;
  int sets;
  const cy_data_set *list = cy_data_list(&sets);
  for (int i = 0; i < BUILTINS; i++) names[n++] = builtins[i].name;
  for (int i = 0; i < sets && n < sizeof names / sizeof *names; i++) names[n++] = list[i].name;
  return cy_fail(CY_INVALID, "\"%s\" is neither a recipe file, a built-in recipe, nor a data set%s", word,
                 cli_hint(word, names, n, hint));
}

cy_status cli_recipe_open(cli_recipe *recipe, const char *word) {
  struct stat info;
  bool exists = stat(word, &info) == 0, yaml = ends_with(word, ".yaml") || ends_with(word, ".yml");
  if (yaml) return cli_recipe_read(recipe, word);
  if (cli_recipe_is_builtin(word)) return cli_recipe_builtin(recipe, word);
  if (exists || cy_data_find(word)) return cli_recipe_set(recipe, "data", word, NULL);
  if (strchr(word, '/') || strchr(word, '.')) return cy_fail(CY_IO, "%s: there is no such file", word);
  return unknown_recipe(word);
}
