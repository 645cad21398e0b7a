/* Structs as text: a table of fields writes and reads the metadata of checkpoints. Doubles keep every bit and a point
 * as decimal sign, whatever the locale. Files are untrusted: a missing or unreadable field is named in the error. */
#include "train/train.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

#include <cauchy/io.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW(type, field, kind) {#field, kind, offsetof(type, field), false}
#define OPTION(field, kind) ROW(cy_trainer_options, field, kind)
#define NEWER(type, field, kind) {#field, kind, offsetof(type, field), true}
#define NEWER_OPTION(field, kind) NEWER(cy_trainer_options, field, kind)
#define SIZE(i) OPTION(sizes[i].height, CY_FIELD_I64), OPTION(sizes[i].width, CY_FIELD_I64)
const cy_field cy_option_fields[] = {
  OPTION(optimizer.momentum, CY_FIELD_DOUBLE),   OPTION(optimizer.beta1, CY_FIELD_DOUBLE),
  OPTION(optimizer.beta2, CY_FIELD_DOUBLE),      OPTION(optimizer.epsilon, CY_FIELD_DOUBLE),
  OPTION(optimizer.weight_decay, CY_FIELD_DOUBLE), OPTION(optimizer.clip_norm, CY_FIELD_DOUBLE),
  OPTION(optimizer.clip_value, CY_FIELD_DOUBLE), OPTION(learning_rate, CY_FIELD_DOUBLE),
  OPTION(schedule.kind, CY_FIELD_INT),           OPTION(schedule.warmup, CY_FIELD_DOUBLE),
  OPTION(schedule.every, CY_FIELD_DOUBLE),       OPTION(schedule.factor, CY_FIELD_DOUBLE),
  OPTION(schedule.total, CY_FIELD_DOUBLE),       OPTION(schedule.floor, CY_FIELD_DOUBLE),
  NEWER_OPTION(optimizer.damping, CY_FIELD_DOUBLE), NEWER_OPTION(optimizer.memory, CY_FIELD_DOUBLE),
  NEWER_OPTION(optimizer.cg_iterations, CY_FIELD_DOUBLE),
  NEWER_OPTION(optimizer.curvature_samples, CY_FIELD_DOUBLE),
  NEWER_OPTION(optimizer.preconditioner, CY_FIELD_DOUBLE), NEWER_OPTION(streams, CY_FIELD_BOOL),
  OPTION(batch_size, CY_FIELD_I64),              OPTION(epochs, CY_FIELD_I64),
  OPTION(seed, CY_FIELD_U64),                    OPTION(validation, CY_FIELD_DOUBLE),
  OPTION(test, CY_FIELD_DOUBLE),                 OPTION(scale, CY_FIELD_INT),
  OPTION(patience, CY_FIELD_I64),                OPTION(min_delta, CY_FIELD_DOUBLE),
  OPTION(watch_accuracy, CY_FIELD_BOOL),
  OPTION(keep_last, CY_FIELD_BOOL),              OPTION(l1, CY_FIELD_DOUBLE),
  OPTION(l2, CY_FIELD_DOUBLE),                   OPTION(dtype, CY_FIELD_INT),
  OPTION(threads, CY_FIELD_INT),                 OPTION(augment.flip, CY_FIELD_BOOL),
  OPTION(augment.crop, CY_FIELD_I64),            OPTION(augment.shift, CY_FIELD_I64),
  OPTION(augment.fill, CY_FIELD_INT),            NEWER_OPTION(augment.jitter, CY_FIELD_DOUBLE),
  NEWER_OPTION(augment.scaling, CY_FIELD_DOUBLE),            SIZE(0), SIZE(1), SIZE(2), SIZE(3), SIZE(4), SIZE(5), SIZE(6), SIZE(7),
};
const int cy_option_field_count = (int)(sizeof cy_option_fields / sizeof cy_option_fields[0]);

#define POSITION(field, kind) ROW(cy_position, field, kind)
const cy_field cy_position_fields[] = {
  POSITION(epoch, CY_FIELD_I64),   POSITION(batch, CY_FIELD_I64),         POSITION(loss_sum, CY_FIELD_DOUBLE),
  POSITION(correct, CY_FIELD_I64), POSITION(samples, CY_FIELD_I64),       POSITION(seconds, CY_FIELD_DOUBLE),
  POSITION(best_value, CY_FIELD_DOUBLE), POSITION(best_epoch, CY_FIELD_I64), POSITION(waited, CY_FIELD_I64),
  POSITION(best_in_place, CY_FIELD_BOOL), NEWER(cy_position, converged, CY_FIELD_BOOL),
  NEWER(cy_position, labels, CY_FIELD_I64),
};
const int cy_position_field_count = (int)(sizeof cy_position_fields / sizeof cy_position_fields[0]);

#define RECORD(field, kind) ROW(cy_epoch_record, field, kind)
const cy_field cy_record_fields[] = {
  RECORD(epoch, CY_FIELD_I64),              RECORD(steps, CY_FIELD_I64),
  RECORD(loss, CY_FIELD_DOUBLE),            RECORD(accuracy, CY_FIELD_DOUBLE),
  RECORD(validation_loss, CY_FIELD_DOUBLE), RECORD(validation_accuracy, CY_FIELD_DOUBLE),
  RECORD(learning_rate, CY_FIELD_DOUBLE),   RECORD(seconds, CY_FIELD_DOUBLE),
  RECORD(best, CY_FIELD_BOOL),
};
const int cy_record_field_count = (int)(sizeof cy_record_fields / sizeof cy_record_fields[0]);

/* ---- one field ---- */

enum { NUMBER_TEXT = 40 };

/* strtod and printf follow the thread's locale: these put it aside for a moment. */
static void double_text(double value, char text[NUMBER_TEXT]) {
  locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), old = uselocale(plain);
  snprintf(text, NUMBER_TEXT, "%.17g", value);
  uselocale(old);
  if (plain) freelocale(plain);
}
static double text_double(const char *text, char **end) {
  locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), old = uselocale(plain);
  double value = strtod(text, end);
  uselocale(old);
  if (plain) freelocale(plain);
  return value;
}

static void field_text(const cy_field *field, const void *object, char text[NUMBER_TEXT]) {
  const char *at = (const char *)object + field->offset;
  switch (field->kind) {
  case CY_FIELD_DOUBLE: {
    double value;
    memcpy(&value, at, sizeof value);
    double_text(value, text);
    break;
  }
  case CY_FIELD_I64: {
    int64_t value;
    memcpy(&value, at, sizeof value);
    snprintf(text, NUMBER_TEXT, "%" PRId64, value);
    break;
  }
  case CY_FIELD_U64: {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    snprintf(text, NUMBER_TEXT, "%" PRIu64, value);
    break;
  }
  case CY_FIELD_INT: {
    int value;
    memcpy(&value, at, sizeof value);
    snprintf(text, NUMBER_TEXT, "%d", value);
    break;
  }
  case CY_FIELD_BOOL: {
    bool value;
    memcpy(&value, at, sizeof value);
    snprintf(text, NUMBER_TEXT, "%d", value);
    break;
  }
  }
}

/* False if text does not begin with a number of the field's kind that ends at a blank or at the end; *end is there. */
static bool parse_field(const cy_field *field, void *object, const char *text, const char **end) {
  char *at = (char *)object + field->offset, *stop = NULL;
  errno = 0;
  if (field->kind == CY_FIELD_DOUBLE) {
    double value = text_double(text, &stop);
    memcpy(at, &value, sizeof value);
    errno = 0; /* an underflow to a subnormal number is no error */
  } else if (field->kind == CY_FIELD_U64) {
    uint64_t value = strtoull(text, &stop, 10);
    memcpy(at, &value, sizeof value);
  } else {
    int64_t value = strtoll(text, &stop, 10);
    int small = (int)value;
    bool truth = value != 0;
    if (field->kind == CY_FIELD_INT && (value < INT_MIN || value > INT_MAX)) return false;
    if (field->kind == CY_FIELD_BOOL && value != 0 && value != 1) return false;
    if (field->kind == CY_FIELD_I64) memcpy(at, &value, sizeof value);
    if (field->kind == CY_FIELD_INT) memcpy(at, &small, sizeof small);
    if (field->kind == CY_FIELD_BOOL) memcpy(at, &truth, sizeof truth);
  }
  *end = stop;
  return errno == 0 && stop != text && (*stop == 0 || *stop == ' ');
}

/* ---- lists of key and value ---- */

cy_status cy_notes_add(cy_notes *notes, const char *key, const char *value) {
  if (!cy_grow(&notes->items, notes->count, &notes->capacity, sizeof *notes->items)) return cy_no_memory();
  cy_metadata item = {cy_strdup(key), cy_strdup(value)};
  notes->items[notes->count++] = item;
  return item.key && item.value ? CY_OK : cy_no_memory();
}

void cy_notes_clear(cy_notes *notes) {
  for (size_t i = 0; i < notes->count; i++) {
    cy_free((char *)(uintptr_t)notes->items[i].key); /* ours: the public struct only reads them */
    cy_free((char *)(uintptr_t)notes->items[i].value);
  }
  cy_free(notes->items);
  *notes = (cy_notes){0};
}

enum { KEY_TEXT = 96 };

cy_status cy_fields_write(const cy_field *fields, int n, const void *object, const char *prefix, cy_notes *notes) {
  char key[KEY_TEXT], value[NUMBER_TEXT];
  for (int i = 0; i < n; i++) {
    snprintf(key, sizeof key, "%s%s", prefix, fields[i].name);
    field_text(&fields[i], object, value);
    if (fields[i].newer && strcmp(value, "0") == 0) continue;
    CY_TRY(cy_notes_add(notes, key, value));
  }
  return CY_OK;
}

cy_status cy_fields_read(const cy_field *fields, int n, void *object, const char *prefix, const cy_safetensors *file) {
  char key[KEY_TEXT];
  for (int i = 0; i < n; i++) {
    const char *end;
    snprintf(key, sizeof key, "%s%s", prefix, fields[i].name);
    const char *value = cy_safetensors_metadata(file, key);
    if (!value && fields[i].newer) continue;
    if (!value) return cy_fail(CY_INVALID, "no \"%s\" in the file's metadata", key);
    if (!parse_field(&fields[i], object, value, &end) || *end)
      return cy_fail(CY_INVALID, "\"%s\" in the file's metadata is \"%.40s\", not a number", key, value);
  }
  return CY_OK;
}

cy_status cy_fields_line(const cy_field *fields, int n, const void *object, char **line) {
  cy_text text = {0};
  char value[NUMBER_TEXT];
  for (int i = 0; i < n; i++) {
    field_text(&fields[i], object, value);
    cy_text_add(&text, "%s%s=%s", i ? " " : "", fields[i].name, value);
  }
  *line = cy_text_take(&text);
  return *line ? CY_OK : cy_no_memory();
}

cy_status cy_fields_parse_line(const cy_field *fields, int n, void *object, const char *line) {
  const char *at = line;
  for (int i = 0; i < n; i++) {
    size_t length = strlen(fields[i].name);
    while (*at == ' ') at++;
    if (strncmp(at, fields[i].name, length) != 0 || at[length] != '=' ||
        !parse_field(&fields[i], object, at + length + 1, &at))
      return cy_fail(CY_INVALID, "the file's history has an unreadable line (at %s): \"%.60s\"", fields[i].name, line);
  }
  return CY_OK;
}
