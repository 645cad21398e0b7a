/* Points on the command line: names with their numbers, x=-1.2,y=1 or w=1,2,3. */
#include "cli/minimize.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void cli_assignments_clear(cli_assignments *a) {
  for (size_t i = 0; i < a->n; i++) {
    cy_free(a->items[i].name);
    cy_free(a->items[i].numbers);
  }
  cy_free(a->items);
  *a = (cli_assignments){0};
}

const cli_assignment *cli_assignment_find(const cli_assignments *a, const char *name) {
  for (size_t i = 0; i < a->n; i++)
    if (strcmp(a->items[i].name, name) == 0) return &a->items[i];
  return NULL;
}

static bool is_separator(char c) { return c == ',' || c == ';' || isspace((unsigned char)c); }

static const char *skip_separators(const char *at) {
  while (*at && is_separator(*at)) at++;
  return at;
}

static bool begins_name(char c) { return isalpha((unsigned char)c) || c == '_'; }

static cy_status read_name(const char *what, const char **at, cli_assignments *a) {
  size_t n = strcspn(*at, "=");
  if (!begins_name(**at) || (*at)[n] != '=' || n > 100)
    return cy_fail(CY_INVALID, "%s: expected name=number at \"%.60s\", as in x=4 or x=-1.2,y=1", what, *at);
  if (!cy_grow(&a->items, a->n, &a->capacity, sizeof *a->items)) return cy_no_memory();
  cli_assignment *item = &a->items[a->n];
  *item = (cli_assignment){.name = cy_strndup(*at, n)};
  if (!item->name) return cy_no_memory();
  if (cli_assignment_find(a, item->name)) {
    cy_status status = cy_fail(CY_INVALID, "%s gives %s twice", what, item->name);
    cy_free(item->name);
    return status;
  }
  a->n++;
  *at += n + 1;
  return CY_OK;
}

static cy_status read_numbers(const char *what, const char **at, cli_assignment *item) {
  size_t capacity = 0;
  do {
    char *end;
    double value = strtod(*at, &end);
    if (end == *at || (*end && !is_separator(*end)) || !isfinite(value))
      return cy_fail(CY_INVALID, "%s: \"%.*s\" is no number for %s", what, (int)strcspn(*at, ",; "), *at, item->name);
    if (!cy_grow(&item->numbers, (size_t)item->n, &capacity, sizeof value)) return cy_no_memory();
    item->numbers[item->n++] = value;
    *at = skip_separators(end);
  } while (**at && !begins_name(**at));
  return CY_OK;
}

cy_status cli_assignments_read(const char *what, const char *text, cli_assignments *a) {
  const char *at = skip_separators(text);
  *a = (cli_assignments){0};
  cy_status status = *at ? CY_OK : cy_fail(CY_INVALID, "%s names nothing", what);
  while (status == CY_OK && *at) {
    status = read_name(what, &at, a);
    if (status == CY_OK) status = read_numbers(what, &at, &a->items[a->n - 1]);
  }
  if (status != CY_OK) cli_assignments_clear(a);
  return status;
}
