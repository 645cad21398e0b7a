/* A recipe as YAML, by the same table that reads it. */
#include "cli/recipe.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Double quotes with the escapes that YAML shares with JSON. */
static void add_quoted(cy_text *text, const char *value) {
  cy_text_add(text, "\"");
  for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
    if (*c == '"' || *c == '\\') cy_text_add(text, "\\%c", *c);
    else if (*c == '\n') cy_text_add(text, "\\n");
    else if (*c == '\t') cy_text_add(text, "\\t");
    else if (*c < 32 || *c == 127) cy_text_add(text, "\\x%02X", *c);
    else cy_text_add(text, "%c", *c);
  }
  cy_text_add(text, "\"");
}

/* A text of several lines stays readable as a block; anything odd is quoted. */
static void add_text(cy_text *text, const char *value, const char *indent) {
  bool block = strchr(value, '\n') != NULL && value[0] != ' ' && value[0] != '\n';
  for (const unsigned char *c = (const unsigned char *)value; *c && block; c++) block = *c >= 32 || *c == '\n';
  if (!block) {
    add_quoted(text, value);
    return;
  }
  size_t length = strlen(value);
  bool newline = value[length - 1] == '\n';
  if (length > 1 && newline && value[length - 2] == '\n') {
    add_quoted(text, value);
    return;
  }
  cy_text_add(text, newline ? "|" : "|-");
  for (const char *line = value; *line;) {
    size_t n = strcspn(line, "\n");
    cy_text_add(text, "\n%s%s%.*s", n ? indent : "", n ? "  " : "", (int)n, line);
    line += n + (line[n] == '\n');
  }
}

/* The shortest decimal that reads back as value. */
static void add_number(cy_text *text, double value) {
  char number[40];
  if (value == floor(value) && fabs(value) < 1e15) {
    cy_text_add(text, "%.0f", value);
    return;
  }
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(number, sizeof number, "%.*g", digits, value);
    if (strtod(number, NULL) == value) break;
  }
  cy_text_add(text, "%s", number);
}

static void add_size(cy_text *text, const cy_image_size *size) {
  cy_text_add(text, "%" PRId64, size->height);
  if (size->width != size->height) cy_text_add(text, "x%" PRId64, size->width);
}

static void add_sizes(cy_text *text, const cy_image_size *sizes) {
  for (int i = 0; i < CY_MAX_SIZES && sizes[i].height > 0; i++) {
    cy_text_add(text, i ? ", " : "[");
    add_size(text, &sizes[i]);
  }
  cy_text_add(text, "]");
}

static void add_value(cy_text *text, const cli_key *key, const void *field, const char *indent) {
  const char *string;
  double number;
  int64_t count;
  uint64_t seed;
  int small;
  bool last;
  switch (key->kind) {
    case CLI_KEY_TEXT:
    case CLI_KEY_LIST:
    case CLI_KEY_PATH:
      memcpy(&string, field, sizeof string);
      add_text(text, string, indent);
      break;
    case CLI_KEY_NAME:
      memcpy(&string, field, sizeof string);
      cy_text_add(text, "%s", string);
      break;
    case CLI_KEY_NUMBER:
      memcpy(&number, field, sizeof number);
      if (number == 0 || (number < 0 && key->flags & CLI_KEY_ZERO_IS_NONE)) number = 0;
      add_number(text, number);
      break;
    case CLI_KEY_COUNT:
      memcpy(&count, field, sizeof count);
      cy_text_add(text, "%" PRId64, count);
      break;
    case CLI_KEY_SEED:
      memcpy(&seed, field, sizeof seed);
      cy_text_add(text, "%" PRIu64, seed);
      break;
    case CLI_KEY_SMALL:
    case CLI_KEY_CHOICE:
      memcpy(&small, field, sizeof small);
      if (key->kind == CLI_KEY_CHOICE) cy_text_add(text, "%s", key->choice(small));
      else cy_text_add(text, "%d", small);
      break;
    case CLI_KEY_SIZE: add_size(text, field); break;
    case CLI_KEY_SIZES: add_sizes(text, field); break;
    case CLI_KEY_LAST:
      memcpy(&last, field, sizeof last);
      cy_text_add(text, "%s", key->choice(last));
      break;
  }
}

static bool is_zero(const cli_key *key, const void *field) {
  static const char zeros[8];
  double number = 0;
  if (key->kind == CLI_KEY_NUMBER) {
    memcpy(&number, field, sizeof number);
    return number == 0;
  }
  bool small = key->kind == CLI_KEY_SMALL || key->kind == CLI_KEY_CHOICE;
  size_t size = key->kind == CLI_KEY_LAST ? sizeof(bool) : small ? sizeof(int) : 8;
  return memcmp(field, zeros, size) == 0;
}

bool cli_optimizer_has(const char *optimizer, const char *setting) {
  cy_optimizer_setting_info info;
  cy_optimizer_options chooses = {.name = optimizer, .curvature = "hessian"};
  if (strcmp(setting, "curvature") == 0) return cy_optimizer_resolve(chooses, &chooses) == CY_OK;
  for (int i = 0; i < cy_optimizer_count(); i++) {
    if (strcmp(cy_optimizer_name(i), optimizer) != 0) continue;
    for (int s = 0; cy_optimizer_setting(i, s, &info); s++)
      if (strcmp(info.name, setting) == 0) return true;
  }
  return false;
}

static bool is_written(const cli_recipe *recipe, const cli_key *key) {
  const void *field = (const char *)recipe + key->offset;
  const char *optimizer = recipe->options.optimizer.name, *dot = strchr(key->path, '.');
  if (key->flags & CLI_KEY_ALIAS) return false;
  if (key->flags & CLI_KEY_IF_SET) return !is_zero(key, field);
  if (key->kind == CLI_KEY_NAME) return !is_zero(key, field);
  if (dot && strncmp(key->path, "optimizer.", 10) == 0) return optimizer && cli_optimizer_has(optimizer, dot + 1);
  return true;
}

cy_status cli_recipe_text(const cli_recipe *recipe, char **text) {
  cy_text out = {0};
  char group[64] = "";
  const cli_key *key;
  for (int i = 0; (key = cli_recipe_key(i)) != NULL; i++) {
    const char *dot = strchr(key->path, '.'), *name = dot ? dot + 1 : key->path;
    size_t length = dot ? (size_t)(dot - key->path) : 0;
    if (!is_written(recipe, key)) continue;
    if (length && (strlen(group) != length || strncmp(group, key->path, length) != 0))
      cy_text_add(&out, "%.*s:\n", (int)length, key->path);
    snprintf(group, sizeof group, "%.*s", (int)length, key->path);
    cy_text_add(&out, "%s%s: ", length ? "  " : "", name);
    add_value(&out, key, (const char *)recipe + key->offset, length ? "  " : "");
    cy_text_add(&out, "\n");
  }
  *text = cy_text_take(&out);
  return *text ? CY_OK : cy_no_memory();
}
