/* `cauchy data`: the known data sets, what is in one, and fetching one. */
#include "cli/model_file.h"
#include "cli/progress.h"
#include "cli/recipe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Where a set is; NULL folder: not on this machine. */
static cy_status locate(const cy_data_set *set, char **folder) { return cy_data_locate(set, NULL, folder); }

static cy_status list(cli_arguments *a) {
  int count;
  char *directory;
  (void)a;
  const cy_data_set *sets = cy_data_list(&count);
  CY_TRY(cy_data_directory(&directory));
  for (int i = 0; i < count; i++) {
    char *folder;
    cy_status status = locate(&sets[i], &folder);
    if (status != CY_OK) {
      cy_string_free(directory);
      return status;
    }
    printf("%-15s %-11s %s\n", sets[i].name, !folder ? "to fetch" : folder[0] ? "here" : "built in", sets[i].title);
    cy_string_free(folder);
  }
  printf("\nFetch one by: cauchy data get NAME. Data directory: %s\n", directory);
  cy_string_free(directory);
  return CY_OK;
}

/* ---- info ---- */

static cy_status describe_set(const cy_data_set *set) {
  char *folder;
  double bytes = 0;
  char size[CLI_NUMBER_SIZE];
  CY_TRY(locate(set, &folder));
  for (const cy_data_file *f = set->files; f && f->name; f++) bytes += (double)f->bytes;
  printf("%s: %s\n%s\n", set->name, set->title, set->description);
  printf("source   %s\nlicence  %s\n", set->source, set->licence);
  if (set->files) printf("download %s\n", cli_bytes_text(bytes, size));
  printf("place    %s\n", !folder ? "not on this machine" : folder[0] ? folder : "built in");
  if (!folder) printf("fetch    cauchy data get %s%s%s\n", set->name, set->system_package ? ", or apt install " : "",
                      set->system_package ? set->system_package : "");
  cy_string_free(folder);
  return CY_OK;
}

static void describe_characters(const cy_dataset *d) {
  int64_t n = cy_dataset_classes(d);
  printf("classes  %lld characters:", (long long)n);
  for (int64_t c = 0; c < n; c++) printf(" %s", cy_dataset_class_name(d, c));
  printf("\n");
}

/* How often the class is a label of the sample. */
static int64_t labels_of(const cy_dataset *d, int64_t i, int64_t c) {
  int64_t members = 0, steps = cy_dataset_sample_shape(d).dim[1];
  if (!cy_dataset_each_step(d)) return cy_dataset_label(d, i) == c;
  for (int64_t t = 0; t < cy_dataset_steps(d, i); t++)
    members += cy_tensor_at(cy_dataset_targets(d), i * steps + t) == (double)c;
  return members;
}

static void describe_classes(const cy_dataset *d) {
  char count[CLI_NUMBER_SIZE];
  int64_t n = cy_dataset_classes(d);
  enum { MOST_SHOWN = 50 };
  printf("classes  %lld:", (long long)n);
  for (int64_t c = 0; c < n && c < MOST_SHOWN; c++) {
    int64_t members = 0;
    for (int64_t i = 0; i < cy_dataset_count(d); i++) members += labels_of(d, i, c);
    printf("%s %s (%s)", c ? "," : "", cy_dataset_class_name(d, c), cli_count_text(members, count));
  }
  printf("%s\n", n > MOST_SHOWN ? ", ..." : "");
}

static void describe_features(const cy_dataset *d) {
  enum { MOST_SHOWN = 30 };
  int64_t features;
  if (cy_dataset_channel_name(d, 0)) {
    printf("channels ");
    const char *name;
    for (int64_t c = 0; c < MOST_SHOWN && (name = cy_dataset_channel_name(d, c)) != NULL; c++)
      printf("%s%s", c ? ", " : "", name);
    printf("%s\n", cy_dataset_channel_name(d, MOST_SHOWN) ? ", ..." : "");
  }
  if (!cy_dataset_feature_name(d, 0) || cy_shape_count(cy_dataset_sample_shape(d), &features) != CY_OK) return;
  printf("features ");
  for (int64_t f = 0; f < features && f < MOST_SHOWN; f++) printf("%s%s", f ? ", " : "", cy_dataset_feature_name(d, f));
  printf("%s\n", features > MOST_SHOWN ? ", ..." : "");
}

static void describe_content(const cy_dataset *d) {
  char shape[CLI_SAMPLES_SIZE], a[CLI_NUMBER_SIZE], b[CLI_NUMBER_SIZE];
  printf("samples  %s %s", cli_count_text(cy_dataset_count(d), a),
         cli_samples_text(d, shape) + (cy_dataset_is_ragged(d) ? 0 : strlen("samples ")));
  if (cy_dataset_test_count(d))
    printf(", of which the last %s are the test part", cli_count_text(cy_dataset_test_count(d), b));
  printf("\n");
  cy_shape target = cy_dataset_target_shape(d);
  if (cy_dataset_vocabulary(d))
    describe_characters(d);
  else if (cy_dataset_classes(d) > 0)
    describe_classes(d);
  else if (target.rank == 0 || (target.rank == 1 && target.dim[0] == 1))
    printf("target   %s: a number\n", cy_dataset_target_name(d));
  else
    printf("target   %s: %s numbers\n", cy_dataset_target_name(d), cli_shape_text(target, shape));
  describe_features(d);
  const cy_tensor *inputs = cy_dataset_inputs(d);
  double low = INFINITY, high = -INFINITY;
  int64_t steps = cy_dataset_steps(d, 0), size = cy_tensor_count(inputs) / cy_dataset_count(d);
  if (cy_dataset_is_ragged(d)) steps = cy_dataset_sample_shape(d).dim[1];
  for (int64_t i = 0; i < cy_tensor_count(inputs); i++) {
    if (i % steps >= cy_dataset_steps(d, i / size)) continue; /* behind the end of a sequence */
    double v = cy_tensor_at(inputs, i);
    if (v < low) low = v;
    if (v > high) high = v;
  }
  printf("inputs   %s from %g to %g\n", cy_dtype_name(cy_tensor_dtype(inputs)), low, high);
}

/* ---- a picture of samples ---- */

enum { SHOWN_CLASSES = 20, SHOWN_OF_EACH = 10 };

/* The first samples of the first classes, a row for each class; places that no sample fills stay black. */
static cy_status collect_samples(const cy_dataset *d, int classes, cy_tensor **grid, const char **captions) {
  cy_shape s = cy_dataset_sample_shape(d);
  const uint8_t *from = cy_tensor_data(cy_dataset_inputs(d));
  int64_t size = s.dim[0] * s.dim[1] * s.dim[2];
  int found[SHOWN_CLASSES] = {0};
  float unit = cy_dataset_scaling(d).factor[0]; /* 1 / the largest possible value */
  CY_TRY(cy_tensor_create(CY_U8, CY_SHAPE(classes * SHOWN_OF_EACH, s.dim[0], s.dim[1], s.dim[2]), grid));
  for (int64_t i = 0; i < cy_dataset_count(d); i++) {
    int64_t label = cy_dataset_label(d, i);
    if (label >= classes || found[label] == SHOWN_OF_EACH) continue;
    uint8_t *to = cy_tensor_u8(*grid) + (label * SHOWN_OF_EACH + found[label]++) * size;
    for (int64_t k = 0; k < size; k++) to[k] = (uint8_t)((float)from[i * size + k] * unit * 255 + 0.5F);
  }
  for (int c = 0; c < classes; c++) captions[c * SHOWN_OF_EACH] = cy_dataset_class_name(d, c);
  return CY_OK;
}

static cy_status save_picture(const cy_dataset *d, const char *path) {
  const char *captions[SHOWN_CLASSES * SHOWN_OF_EACH] = {NULL}, *dot = strrchr(path, '.');
  bool png = dot && strcmp(dot, ".png") == 0, svg = dot && strcmp(dot, ".svg") == 0;
  cy_shape s = cy_dataset_sample_shape(d);
  int64_t classes = cy_dataset_classes(d);
  cy_tensor *grid;
  if (!png && !svg) return cy_fail(CY_INVALID, "--picture %s: the file's name must end in .png or .svg", path);
  if (classes == 0 || s.rank != 3 || (s.dim[0] != 1 && s.dim[0] != 3) ||
      cy_tensor_dtype(cy_dataset_inputs(d)) != CY_U8)
    return cy_fail(CY_INVALID, "--picture: %s holds no images of classes", cy_dataset_name(d));
  if (classes > SHOWN_CLASSES) classes = SHOWN_CLASSES;
  CY_TRY(collect_samples(d, (int)classes, &grid, captions));
  cy_status status = cy_plot_images(grid, captions, SHOWN_OF_EACH, (cy_plot_options){.title = cy_dataset_name(d)},
                                    png ? path : NULL, svg ? path : NULL);
  cy_tensor_free(grid);
  if (status == CY_OK) printf("picture  %s\n", path);
  return status;
}

static cy_status info(cli_arguments *a) {
  const char *spec = a->words[1];
  const cy_data_set *set = strchr(spec, '/') ? NULL : cy_data_find(spec);
  cy_dataset *dataset;
  cli_progress progress;
  cy_dataset_options options = {.progress = cli_progress_pictures, .user = &progress,
                                .sequence = cli_option_value(a, "--sequence"), .target = cli_option_value(a, "--target"),
                                .ignore = cli_option_value(a, "--ignore"),
                                .each_step = cli_option_value(a, "--each-step") != NULL};
  const char *size = cli_option_value(a, "--resize"), *picture = cli_option_value(a, "--picture");
  if (size) CY_TRY(cli_read_size("--resize", size, &options.images.size));
  if (set) CY_TRY(describe_set(set));
  cli_progress_begin(&progress, false);
  cy_status status = cy_dataset_open(spec, options, &dataset);
  cli_progress_clear(&progress);
  if (status == CY_IO && set && !picture) return CY_OK; /* not fetched yet: that was said */
  CY_TRY(status);
  if (!set) printf("%s: %s\n", cy_dataset_name(dataset), cy_dataset_origin(dataset));
  describe_content(dataset);
  if (cy_dataset_is_ragged(dataset)) printf("batches  %s", cy_dataset_notes(dataset));
  status = picture ? save_picture(dataset, picture) : CY_OK;
  cy_dataset_free(dataset);
  return status;
}

/* ---- get ---- */

static double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool on_progress(const cy_data_progress *now, void *user) {
  cli_progress_bytes(user, now, seconds_now());
  return !cli_stop_wanted();
}

static cy_status get(cli_arguments *a) {
  const cy_data_set *set = cy_data_find(a->words[1]);
  cli_progress progress;
  char *folder;
  if (!set) return CY_INVALID;
  if (!set->files) {
    printf("%s is built in: nothing to fetch\n", set->name);
    return CY_OK;
  }
  cli_progress_begin(&progress, cli_option_value(a, "--quiet") != NULL);
  if (!progress.quiet && !progress.terminal.live) printf("fetching %s\n", set->name);
  fflush(stdout);
  cli_catch_signals();
  cy_status status = cy_data_get(
      set, (cy_data_options){.base_url = cli_option_value(a, "--url"), .progress = on_progress, .user = &progress});
  cli_progress_clear(&progress);
  if (status == CY_CANCELLED)
    return cy_fail(status, "interrupted; what was fetched is kept: go on with cauchy data get %s", set->name);
  CY_TRY(status);
  CY_TRY(locate(set, &folder));
  printf("%s is in %s\n", set->name, folder ? folder : "?");
  cy_string_free(folder);
  return CY_OK;
}

/* ---- which of them ---- */

static const struct {
  const char *name;
  int words; /* after the verb: itself and what it takes */
  cy_status (*run)(cli_arguments *a);
} actions[] = {{"list", 1, list}, {"info", 2, info}, {"get", 2, get}};
enum { ACTIONS = sizeof actions / sizeof *actions };

cy_status cli_data(cli_arguments *a) {
  const char *names[ACTIONS];
  char hint[CLI_HINT_SIZE];
  for (int i = 0; i < ACTIONS; i++) {
    names[i] = actions[i].name;
    if (strcmp(actions[i].name, a->words[0]) != 0) continue;
    if (a->n_words < actions[i].words) return cy_fail(CY_INVALID, "usage: cauchy data %s NAME", names[i]);
    if (a->n_words > actions[i].words)
      return cy_fail(CY_INVALID, "\"%s\" is one word too many: cauchy data %s", a->words[actions[i].words], names[i]);
    return actions[i].run(a);
  }
  return cy_fail(CY_INVALID, "cauchy data has list, info NAME and get NAME, not \"%.40s\"%s", a->words[0],
                 cli_hint(a->words[0], names, ACTIONS, hint));
}
