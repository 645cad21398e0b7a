/* The values of a derivation, in the order in which they are computed: each by its definition, as the formula has it; a
 * second name of a value; the mean over the examples. */
#include "derive/derivation.h"

#include <stdlib.h>
#include <string.h>

static int compare_by_node(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? -1 : x > y;
}

/* Nodes come after what they are made of; what was only made to have a name, right after its operand. */
static int64_t place_of(const cy_derivation *d, int name) {
  const cy_name *n = &d->sheet.names[name];
  return n->after ? 2 * (int64_t)(n->after - 1) + 1 : 2 * (int64_t)n->value.id;
}

int cy_ordered_values(const cy_derivation *d, int *order) {
  int n = 0;
  int64_t *keys = cy_calloc((size_t)d->sheet.n_names, sizeof *keys);
  if (!keys) return -1;
  for (int i = 0; i < d->sheet.n_names; i++)
    if (d->sheet.names[i].kind == CY_NAME_VALUE && cy_sheet_name_of(&d->sheet, d->sheet.names[i].value.id) == i)
      keys[n++] = place_of(d, i) << 24 | i;
  qsort(keys, (size_t)n, sizeof *keys, compare_by_node);
  for (int i = 0; i < n; i++) order[i] = (int)(keys[i] & 0xffffff);
  cy_free(keys);
  return n;
}

static bool is_distribution(const cy_derivation *d, int name) {
  return strcmp(cy_node_of(d->sheet.names[name].value)->op->name, "softmax") == 0;
}

static void value_line(cy_derivation *d, int name) {
  cy_line *line = cy_begin_line(d, CY_SECTION_VALUES, name);
  if (!line) return;
  line->value = d->sheet.names[name].value;
  line->elements = cy_line_read_elements(d, line, line->value, true);
  d->sheet.as_written = true;
  const cy_poly *written = cy_line_read(d, line, line->value, true);
  d->sheet.as_written = false;
  line->form = cy_line_read(d, line, line->value, true); /* last: now the name stands for it */
  line->written = cy_line_writing(d, line, written);
  if (is_distribution(d, name)) d->sheet.names[name].sums_to_one = true;
}

/* A name for the same value: t = s. */
static void alias_lines(cy_derivation *d) {
  for (int i = 0; i < d->sheet.n_names; i++) {
    int first = cy_sheet_name_of(&d->sheet, d->sheet.names[i].value.id);
    if (d->sheet.names[i].kind != CY_NAME_VALUE || first == i) continue;
    cy_line *line = cy_begin_line(d, CY_SECTION_VALUES, i);
    if (!line) return;
    line->value = d->sheet.names[i].value;
    line->form = line->elements = cy_line_simplified(d, line, line->value, false);
    cy_finish_line(d, line);
  }
}

/* R = (1/n) sum L: the mean over the examples. */
static void risk_line(cy_derivation *d) {
  if (d->batch < 0) return;
  d->risk = cy_name_freely(d, "R", CY_NAME_VALUE, d->sheet.names[d->result].value, d->result);
  cy_line *line = cy_begin_line(d, CY_SECTION_VALUES, d->risk);
  if (!line) return;
  cy_place example = cy_place_of(cy_sheet_index(&d->sheet, d->batch_extent, true));
  cy_poly *sum = cy_poly_sum_over(&d->sheet, cy_poly_name(&d->sheet, d->result, &example, 1), example.index[0]);
  cy_poly *share = cy_poly_power(&d->sheet, cy_poly_number(&d->sheet, (double)d->batch_extent), -1);
  line->form = line->elements = cy_poly_simplify(&d->sheet, cy_poly_mul(&d->sheet, share, sum));
  cy_finish_line(d, line);
}

cy_status cy_write_values(cy_derivation *d) {
  int *order = cy_calloc((size_t)d->sheet.n_names, sizeof *order);
  int n = order ? cy_ordered_values(d, order) : -1;
  d->sheet.failed = d->sheet.failed || n < 0;
  for (int i = 0; i < n; i++) value_line(d, order[i]);
  alias_lines(d);
  cy_free(order);
  risk_line(d);
  return cy_sheet_status(&d->sheet);
}
