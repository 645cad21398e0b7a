/* `cauchy info`: what a safetensors file holds; of a model trained here also its network and how it was trained. */
#include "cli/model_file.h"
#include "cli/results.h"
#include "cli/terminal.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tensors of any file ---- */

static int64_t element_count(cy_shape shape) {
  int64_t count = 0;
  return cy_shape_count(shape, &count) == CY_OK ? count : 0;
}

static int name_width(const cy_safetensors *file) {
  int width = 8;
  for (int i = 0; i < cy_safetensors_count(file); i++) {
    int length = (int)strlen(cy_safetensors_name(file, i));
    if (length > width) width = length > 60 ? 60 : length;
  }
  return width;
}

static void print_tensor(int width, const char *name, cy_dtype dtype, cy_shape shape) {
  char text[CLI_SHAPE_SIZE], count[CLI_NUMBER_SIZE];
  printf("%-*s  %-5s %-14s %12s\n", width, name, cy_dtype_name(dtype), cli_shape_text(shape, text),
         cli_count_text(element_count(shape), count));
}

static void print_tensors(const cy_safetensors *file) {
  char count[CLI_NUMBER_SIZE], bytes[CLI_NUMBER_SIZE];
  int width = name_width(file);
  double total = 0;
  int64_t elements = 0;
  printf("%-*s  %-5s %-14s %12s\n", width, "tensor", "type", "shape", "numbers");
  for (int i = 0; i < cy_safetensors_count(file); i++) {
    cy_shape shape = cy_safetensors_shape(file, i);
    cy_dtype dtype = cy_safetensors_dtype(file, i);
    print_tensor(width, cy_safetensors_name(file, i), dtype, shape);
    elements += element_count(shape);
    total += (double)element_count(shape) * (double)cy_dtype_size(dtype);
  }
  printf("%-*s  %-20s %12s  (%s)\n", width, "all", "", cli_count_text(elements, count), cli_bytes_text(total, bytes));
}

static cy_status print_any_file(const cy_safetensors *file, const char *path) {
  int n = cy_safetensors_metadata_count(file);
  printf("%s: %d tensors (not a model trained with cauchy)\n\n", path, cy_safetensors_count(file));
  print_tensors(file);
  if (n) printf("\nmetadata\n");
  for (int i = 0; i < n; i++) {
    cy_metadata m = cy_safetensors_metadata_at(file, i);
    printf("  %s: %.200s%s\n", m.key, m.value, strlen(m.value) > 200 ? "..." : "");
  }
  return CY_OK;
}

/* ---- a trained model ---- */

static void print_parameters(cy_trained *trained) {
  const cy_state *state = cy_trained_state(trained);
  char count[CLI_NUMBER_SIZE], bytes[CLI_NUMBER_SIZE];
  int64_t parameters = 0;
  double total = 0;
  int width = 12;
  for (int i = 0; i < cy_state_count(state); i++) {
    int length = (int)strlen(cy_state_name(state, i));
    if (cy_state_role(state, i) == CY_PARAMETER && length > width) width = length;
  }
  printf("%-*s  %-5s %-14s %12s\n", width, "parameter", "type", "shape", "numbers");
  for (int i = 0; i < cy_state_count(state); i++) {
    const cy_tensor *tensor = cy_state_tensor(state, i);
    if (cy_state_role(state, i) != CY_PARAMETER) continue;
    print_tensor(width, cy_state_name(state, i), cy_tensor_dtype(tensor), cy_tensor_shape(tensor));
    parameters += cy_tensor_count(tensor);
    total += (double)cy_tensor_bytes(tensor);
  }
  printf("%-*s  %-20s %12s  (%s)\n", width, "all", "", cli_count_text(parameters, count), cli_bytes_text(total, bytes));
}

static void print_data(const cy_trained *t) {
  char shape[CLI_SHAPE_SIZE], output[CLI_SHAPE_SIZE];
  printf("data        %s (%s)\n", cy_trained_dataset_name(t), cy_trained_dataset_origin(t));
  bool ragged = cy_trained_metadata(t, "dataset.buckets") != NULL;
  printf("input       %s%s\n", cli_shape_text(cy_trained_sample_shape(t), shape),
         ragged ? ": sequences of different lengths, the longest in training" : "");
  if (cy_trained_classes(t) == 0) {
    printf("output      %s\n", cli_shape_text(cy_trained_output_shape(t), output));
    return;
  }
  enum { MOST_SHOWN = 20 };
  printf("classes    ");
  for (int64_t c = 0; c < cy_trained_classes(t) && c < MOST_SHOWN; c++)
    printf("%s %s", c ? "," : "", cy_trained_class_name(t, c));
  printf("%s\n", cy_trained_classes(t) > MOST_SHOWN ? ", ..." : "");
}

/* What was done to images, if anything: "images      sizes 20x20 24x24; mirrored; moved by up to 4, ...". */
static void print_images(const cy_trainer_options *o) {
  static const char *const fills[] = {"zeros", "the image reflected", "its edge repeated"};
  const cy_augmentation *a = &o->augment;
  int64_t most = a->crop + a->shift;
  const char *between = " ";
  char size[CLI_NUMBER_SIZE];
  if (cli_sizes_count(o->sizes) == 0 && !a->flip && most == 0 && a->jitter == 0 && a->scaling == 0) return;
  printf("samples    ");
  if (cli_sizes_count(o->sizes) > 0) printf(" sizes");
  for (int i = 0; i < cli_sizes_count(o->sizes); i++, between = "; ") printf(" %s", cli_size_text(o->sizes[i], size));
  if (a->flip) printf("%smirrored", between);
  if (a->flip) between = "; ";
  if (most > 0) printf("%smoved by up to %" PRId64 ", filled with %s", between, most, fills[a->fill]);
  if (most > 0) between = "; ";
  if (a->jitter > 0) printf("%sjitter %g", between, a->jitter);
  if (a->jitter > 0) between = "; ";
  if (a->scaling > 0) printf("%sscaling %g", between, a->scaling);
  printf("\n");
}

static void print_training(const cy_trained *t) {
  cy_trainer_options o = cy_trained_options(t);
  char a[CLI_NUMBER_SIZE], b[CLI_NUMBER_SIZE], c[CLI_NUMBER_SIZE];
  double seconds = 0;
  int n = cy_trained_history_count(t), best = -1;
  for (int i = 0; i < n; i++) {
    seconds += cy_trained_history(t, i).seconds;
    if (cy_trained_history(t, i).best) best = i;
  }
  printf("training    %s, %s, learning rate %g, %s schedule, batches of %lld, seed %" PRIu64 ", %s\n", o.loss,
         o.optimizer.name, o.learning_rate, cy_schedule_name((int)o.schedule.kind), (long long)o.batch_size, o.seed,
         cy_dtype_name(o.dtype));
  print_images(&o);
  printf("epochs      %d of %lld, in %s\n", n, (long long)o.epochs, cli_seconds_text(seconds, a));
  if (best < 0) return;
  cy_epoch_record e = cy_trained_history(t, best);
  printf("best epoch  %lld: loss %s", (long long)e.epoch, cli_loss_text(e.loss, a));
  if (!isnan(e.validation_loss)) printf(", validation loss %s", cli_loss_text(e.validation_loss, b));
  if (!isnan(e.validation_accuracy)) printf(", validation accuracy %s", cli_percent_text(e.validation_accuracy, c));
  printf("\n");
}

static cy_status print_model(const char *path) {
  cy_trained *trained;
  CY_TRY(cy_trained_load(path, 0, NULL, &trained));
  printf("%s\n\n%s\n\n", path, cy_trained_text(trained));
  print_data(trained);
  print_training(trained);
  printf("\n");
  print_parameters(trained);
  cy_trained_free(trained);
  return CY_OK;
}

/* ---- as JSON: tensors and metadata, whatever the file ---- */

static cy_status print_json(const cy_safetensors *file) {
  json_t *object = json_object(), *tensors = json_array(), *metadata = json_object();
  for (int i = 0; i < cy_safetensors_count(file); i++) {
    json_t *tensor = json_object(), *extents = json_array();
    cy_shape shape = cy_safetensors_shape(file, i);
    for (int k = 0; k < shape.rank; k++) json_array_append_new(extents, json_integer(shape.dim[k]));
    json_object_set_new(tensor, "name", json_string(cy_safetensors_name(file, i)));
    json_object_set_new(tensor, "dtype", json_string(cy_dtype_name(cy_safetensors_dtype(file, i))));
    json_object_set_new(tensor, "shape", extents);
    json_array_append_new(tensors, tensor);
  }
  for (int i = 0; i < cy_safetensors_metadata_count(file); i++) {
    cy_metadata m = cy_safetensors_metadata_at(file, i);
    json_object_set_new(metadata, m.key, json_string(m.value));
  }
  json_object_set_new(object, "tensors", tensors);
  json_object_set_new(object, "metadata", metadata);
  char *text = json_dumps(object, JSON_COMPACT);
  json_decref(object);
  if (!text) return cy_no_memory();
  printf("%s\n", text);
  free(text);
  return CY_OK;
}

cy_status cli_info(cli_arguments *a) {
  char *path;
  cy_safetensors *file = NULL;
  CY_TRY(cli_model_path(a->words[0], CLI_MODEL_NAME, CLI_CHECKPOINT_NAME, &path));
  cy_status status = cy_safetensors_open(path, &file);
  if (status == CY_OK) {
    const char *format = cy_safetensors_metadata(file, "format");
    bool ours = format && strncmp(format, "cauchy", 6) == 0;
    if (cli_option_value(a, "--json")) status = print_json(file);
    else status = ours ? print_model(path) : print_any_file(file, path);
  }
  cy_safetensors_close(file);
  cy_string_free(path);
  return status;
}
