/* Derivations as text: what is given, the values and their derivatives in columns, and what a reader may not know. */
#include "derive/document.h"

#include <string.h>

/* Columns, not bytes: names may be in UTF-8. */
static size_t width(const char *text) {
  size_t n = 0;
  for (; *text; text++) n += (*text & 0xc0) != 0x80;
  return n;
}

static void pad(cy_text *text, size_t from, size_t to) {
  for (; from < to; from++) cy_text_add(text, " ");
}

typedef struct widths {
  size_t left, right;
} widths;

enum { MOST_LEFT = 24, MOST_RIGHT = 58 };

static widths measure(cy_text *text, const cy_derivation *d, bool elements) {
  widths w = {0};
  for (int i = 0; i < d->n_lines; i++) {
    cy_style st = cy_document_style(d, CY_LANGUAGE_TEXT, &d->lines[i]);
    cy_text left = {0}, right = {0};
    cy_forget_letters(d);
    cy_write_left(&left, d, &st, &d->lines[i], elements);
    cy_write_right(&right, d, &st, &d->lines[i], elements, false);
    size_t l = width(left.data ? left.data : ""), r = width(right.data ? right.data : "");
    if (l > w.left && l <= MOST_LEFT) w.left = l;
    if (r > w.right && r <= MOST_RIGHT) w.right = r;
    cy_text_drop(text, &left);
    cy_text_drop(text, &right);
  }
  return w;
}

static void text_line(cy_text *text, const cy_derivation *d, const cy_line *line, widths w, bool elements) {
  cy_style st = cy_document_style(d, CY_LANGUAGE_TEXT, line);
  cy_text left = {0}, right = {0}, more = {0};
  cy_forget_letters(d);
  cy_write_left(&left, d, &st, line, elements);
  cy_write_right(&right, d, &st, line, elements, false);
  if (cy_is_shortened(line, elements)) cy_write_right(&more, d, &st, line, elements, true);
  const char *l = left.data ? left.data : "", *r = right.data ? right.data : "", *last = more.data ? more.data : r;
  cy_text_add(text, "  %s", l);
  pad(text, width(l), w.left);
  cy_text_add(text, " = %s", r);
  if (more.data) {
    cy_text_add(text, "\n  ");
    pad(text, 0, w.left > width(l) ? w.left : width(l));
    cy_text_add(text, " = %s", last);
  }
  if (line->by < 0) {
    pad(text, width(last), w.right);
    cy_text_add(text, "   (");
    cy_write_shape(text, d, line->name);
    cy_text_add(text, ")");
  }
  cy_text_add(text, "\n");
  cy_text_drop(text, &left);
  cy_text_drop(text, &right);
  cy_text_drop(text, &more);
}

static void text_given(cy_text *text, const cy_derivation *d) {
  size_t column = 0;
  for (int i = 0, k = 0; i < d->sheet.n_names; i++) {
    cy_text item = {0};
    if (d->sheet.names[i].kind > CY_NAME_CLASS) continue;
    cy_text_add(&item, "%s (", d->sheet.names[i].text);
    cy_write_shape(&item, d, i);
    cy_text_add(&item, ")%s", d->sheet.names[i].sums_to_one ? " that sums to 1" : "");
    size_t n = item.data ? width(item.data) : 0;
    if (k && column + n > 100) cy_text_add(text, ",\n"), column = 0;
    else if (k) cy_text_add(text, ", ");
    cy_text_add(text, k == 0 || column == 0 ? "%s%s" : "%s%s",
                k == 0        ? "Given "
                : column == 0 ? "      "
                              : "",
                item.data ? item.data : "");
    column += n + 2;
    k++;
    cy_text_drop(text, &item);
  }
  cy_text_add(text, "\n");
}

/* How many numbers there are to train: those that do not differ between examples (D2.5). */
static void text_parameters(cy_text *text, const cy_derivation *d) {
  int k = 0;
  for (int i = 0; i < d->sheet.n_names && d->batch >= 0; i++) {
    const cy_name *n = &d->sheet.names[i];
    char extent[CY_NAME_SIZE];
    if (n->kind != CY_NAME_SYMBOL || n->batched) continue;
    cy_text_add(text, k++ ? " + " : "Numbers in what all examples share: ");
    for (int a = 0; a < n->shape.rank; a++)
      cy_text_add(text, a ? " %s" : "%s", cy_sheet_extent(&d->sheet, n->shape.dim[a], extent));
    if (n->shape.rank == 0) cy_text_add(text, "1");
  }
  if (k) cy_text_add(text, "\n");
}

/* What a reader may not know, if it occurs. */
static void text_legend(cy_text *text, bool elements) {
  static const struct {
    const char *sign, *meaning;
    bool elements;
  } rows[] = {
      {"'", "A' transposes", false},
      {" .* ", "a .* b, a ./ b and a.^2 act element by element", false},
      {" > 0)", "(a > 0) is 1 where it holds, else 0", false},
      {"onehot(", "onehot(y) is 1 at the class y, else 0", false},
      {"' 1", "1 next to a matrix is a vector of ones", false},
      {"sum_", "sum_k runs over all k", true},
      {" > 0]", "[a > 0] is 1 where it holds, else 0", true},
      {"[i = ", "[i = k] is 1 where it holds, else 0", true},
  };
  int k = 0;
  size_t written = text->length, column = 0;
  for (size_t i = 0; i < sizeof rows / sizeof *rows && text->data; i++) {
    if (rows[i].elements != elements || !memmem(text->data, written, rows[i].sign, strlen(rows[i].sign))) continue;
    size_t n = strlen(rows[i].meaning) + 2;
    bool wraps = column > 0 && column + n > 100;
    column = wraps ? n : column + n;
    cy_text_add(text, k++ ? wraps ? ";\n%s" : "; %s" : "\n%s", rows[i].meaning);
  }
  if (k) cy_text_add(text, ".\n");
}

void cy_write_text(cy_text *text, const cy_derivation *d, bool elements) {
  widths w = measure(text, d, elements);
  text_given(text, d);
  text_parameters(text, d);
  for (int s = 0; s < CY_SECTIONS; s++) {
    bool any = false;
    for (int i = 0; i < d->n_lines; i++) {
      if (d->lines[i].section != (cy_section)s) continue;
      if (!any) {
        cy_text_add(text, "\n");
        cy_write_heading(text, d, (cy_section)s);
        cy_text_add(text, "\n");
      }
      any = true;
      text_line(text, d, &d->lines[i], w, elements);
    }
  }
  text_legend(text, elements);
}
