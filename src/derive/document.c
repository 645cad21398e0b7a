/* Derivations as text, LaTeX and HTML: what is given, the values, and their derivatives in order. */
#include "derive/document.h"

#include <string.h>

cy_style cy_document_style(const cy_derivation *d, cy_language language, const cy_line *line) {
  int of = d->risk >= 0 ? d->risk : d->result;
  return (cy_style){.language = language,
                    .sheet = &d->sheet,
                    .upstream = d->upstream >= 0 ? "L" : d->sheet.names[of].text,
                    .indices = line ? line->indices : NULL,
                    .n_indices = line ? line->n : 0};
}

void cy_forget_letters(const cy_derivation *d) {
  for (int i = 0; i < d->sheet.n_indices; i++) d->sheet.indices[i].letter = 0;
}

static int own_axes(const cy_derivation *d, const cy_line *line) {
  return line->by < 0 ? line->n : line->n - d->sheet.names[line->by].shape.rank;
}

static void write_part(cy_text *text, const cy_style *st, int name, const int *indices, int n, bool elements) {
  if (elements) cy_print_element(text, st, name, indices, n);
  else cy_print_name(text, st, name);
}

void cy_write_left(cy_text *text, const cy_derivation *d, const cy_style *st, const cy_line *line, bool elements) {
  bool indexed = (elements || line->written->kind == CY_EXPR_INDEXED) && st->language != CY_LANGUAGE_NUMPY;
  int n = own_axes(d, line);
  if (line->by < 0) {
    write_part(text, st, line->name, line->indices, n, indexed);
    return;
  }
  static const char *const open[] = {"d", "\\frac{\\partial ", "d", "<mfrac><mrow><mo>&#x2202;</mo>"};
  static const char *const middle[] = {"/d", "}{\\partial ", "_d", "</mrow><mrow><mo>&#x2202;</mo>"};
  static const char *const close[] = {"", "}", "", "</mrow></mfrac>"};
  cy_text_add(text, "%s", open[st->language]);
  write_part(text, st, line->name, line->indices, n, indexed);
  cy_text_add(text, "%s", middle[st->language]);
  write_part(text, st, line->by, line->indices + n, line->n - n, indexed);
  cy_text_add(text, "%s", close[st->language]);
}

void cy_write_right(cy_text *text, const cy_derivation *d, const cy_style *st, const cy_line *line, bool elements,
                    bool simpler) {
  (void)d;
  if (elements) cy_print_poly(text, st, simpler ? line->simpler : line->elements);
  else cy_print_expr(text, st, simpler ? line->written_simpler : line->written);
}

static void add_extents(cy_text *text, const cy_derivation *d, int name) {
  char buffer[CY_NAME_SIZE];
  const cy_name *n = &d->sheet.names[name];
  if (n->batched)
    cy_text_add(text, n->shape.rank ? "%s x " : "%s", cy_sheet_extent(&d->sheet, d->batch_extent, buffer));
  for (int i = 0; i < n->shape.rank; i++)
    cy_text_add(text, i ? " x %s" : "%s", cy_sheet_extent(&d->sheet, n->shape.dim[i], buffer));
}

void cy_write_shape(cy_text *text, const cy_derivation *d, int name) {
  const cy_name *n = &d->sheet.names[name];
  bool several = n->batched || n->shape.rank > 0;
  if (!several) cy_text_add(text, n->kind == CY_NAME_CLASS ? "class" : "scalar");
  add_extents(text, d, name);
  if (several && n->kind == CY_NAME_CLASS) cy_text_add(text, " classes");
}

static void add_list(cy_text *text, const cy_derivation *d, bool tangents) {
  int k = 0;
  for (int i = 0; i < d->sheet.n_names; i++) {
    const cy_name *n = &d->sheet.names[i];
    bool direction = n->kind == CY_NAME_TANGENT && n->of >= 0 && d->sheet.names[n->of].kind == CY_NAME_SYMBOL;
    if (!tangents || !direction) continue;
    cy_text_add(text, k++ ? ", %s = %s" : "%s = %s", d->sheet.names[n->of].text, n->text);
  }
}

void cy_write_heading(cy_text *text, const cy_derivation *d, cy_section section) {
  const char *result = d->sheet.names[d->risk >= 0 ? d->risk : d->result].text;
  switch (section) {
    case CY_SECTION_VALUES: cy_text_add(text, "Values"); break;
    case CY_SECTION_TANGENTS: cy_text_add(text, "Derivatives along "), add_list(text, d, true); break;
    case CY_SECTION_GRADIENTS:
      if (d->upstream >= 0) cy_text_add(text, "Gradients of a loss, given %s", d->sheet.names[d->upstream].text);
      else cy_text_add(text, "Gradients of %s", result);
      break;
    case CY_SECTION_PRODUCTS:
      cy_text_add(text, "Derivatives of the gradients: the Hessian of %s times the direction", result);
      break;
    default: cy_text_add(text, "Jacobians"); break;
  }
}

/* ---- text ---- */

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

static void write_text(cy_text *text, const cy_derivation *d, bool elements) {
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

/* ---- LaTeX and MathML: a table of lines per section ---- */

typedef struct frame {
  const char *section, *section_end, *line, *equals, *next, *shape, *line_end, *last, *end;
} frame;

static const frame frames[CY_LANGUAGES] = {
    [CY_LANGUAGE_LATEX] = {"\n\\subsection*{", "}\n\\begin{align*}\n", "  ", " &= ", " \\\\\n    &= ", " && ",
                           " \\\\\n", "\n", "\\end{align*}\n"},
    [CY_LANGUAGE_MATHML] = {"<h2>", "</h2>\n<table>\n", "<tr><td class=\"left\"><math>",
                            "</math></td><td><math><mo>=</mo>",
                            "</math></td><td></td></tr>\n<tr><td></td><td><math><mo>=</mo>",
                            "</math></td><td class=\"shape\">", "</td></tr>\n", "</td></tr>\n", "</table>\n"},
};

static void add_dimensions(cy_text *text, const cy_derivation *d, const cy_style *st, int name) {
  cy_text shape = {0};
  cy_write_shape(&shape, d, name);
  if (st->language != CY_LANGUAGE_LATEX) cy_text_add(text, "%s", shape.data ? shape.data : "");
  else {
    bool words = shape.data && (strcmp(shape.data, "scalar") == 0 || strstr(shape.data, "class"));
    cy_text_add(text, words ? "\\text{" : "(");
    for (const char *c = shape.data ? shape.data : ""; *c; c++) {
      bool times = strncmp(c, " x ", 3) == 0;
      cy_text_add(text, times ? " \\times " : "%c", *c);
      if (times) c += 2;
    }
    cy_text_add(text, words ? "}" : ")");
  }
  cy_text_drop(text, &shape);
}

static void framed_line(cy_text *text, const cy_derivation *d, cy_language language, const cy_line *line, bool elements,
                        bool last) {
  const frame *f = &frames[language];
  cy_style st = cy_document_style(d, language, line);
  cy_forget_letters(d);
  cy_text_add(text, "%s", f->line);
  cy_write_left(text, d, &st, line, elements);
  cy_text_add(text, "%s", f->equals);
  cy_write_right(text, d, &st, line, elements, false);
  if (cy_is_shortened(line, elements)) {
    cy_text_add(text, "%s", f->next);
    cy_write_right(text, d, &st, line, elements, true);
  }
  cy_text_add(text, "%s", f->shape);
  if (line->by < 0) add_dimensions(text, d, &st, line->name);
  cy_text_add(text, "%s", last ? f->last : f->line_end);
}

static void framed_sections(cy_text *text, const cy_derivation *d, cy_language language, bool elements) {
  for (int s = 0; s < CY_SECTIONS; s++) {
    int last = -1;
    for (int i = 0; i < d->n_lines; i++)
      if (d->lines[i].section == (cy_section)s) last = i;
    if (last < 0) continue;
    cy_text_add(text, "%s", frames[language].section);
    cy_write_heading(text, d, (cy_section)s);
    cy_text_add(text, "%s", frames[language].section_end);
    for (int i = 0; i <= last; i++)
      if (d->lines[i].section == (cy_section)s) framed_line(text, d, language, &d->lines[i], elements, i == last);
    cy_text_add(text, "%s", frames[language].end);
  }
}

static void framed_given(cy_text *text, const cy_derivation *d, cy_language language) {
  cy_style st = cy_document_style(d, language, NULL);
  bool latex = language == CY_LANGUAGE_LATEX;
  int k = 0;
  cy_text_add(text, latex ? "Given " : "<p>Given ");
  for (int i = 0; i < d->sheet.n_names; i++) {
    if (d->sheet.names[i].kind > CY_NAME_CLASS) continue;
    cy_text_add(text, k++ ? latex ? ", $" : ", <math>" : latex ? "$" : "<math>");
    cy_print_name(text, &st, i);
    if (latex) cy_text_add(text, " \\; ");
    else cy_text_add(text, "</math> (");
    add_dimensions(text, d, &st, i);
    cy_text_add(text, latex ? "$" : ")");
  }
  cy_text_add(text, latex ? ".\n" : ".</p>\n");
}

static void write_latex(cy_text *text, const cy_derivation *d, bool elements, bool whole) {
  if (whole)
    cy_text_add(text,
                "\\documentclass[11pt]{article}\n\\usepackage[a4paper,margin=2cm]{geometry}\n\\usepackage{amsmath}\n"
                "\\allowdisplaybreaks\n\\begin{document}\n\\noindent\n");
  framed_given(text, d, CY_LANGUAGE_LATEX);
  framed_sections(text, d, CY_LANGUAGE_LATEX, elements);
  if (whole) cy_text_add(text, "\\end{document}\n");
}

static void write_html(cy_text *text, const cy_derivation *d, bool elements) {
  const char *result = d->sheet.names[d->result].text;
  cy_text_add(text,
              "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n<title>Derivation of "
              "%s</title>\n<style>\n"
              "body { font-family: Georgia, serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; }\n"
              "h2 { font-size: 1.1em; margin: 1.6em 0 0.4em; }\ntable { border-collapse: collapse; }\n"
              "td { padding: 0.35em 0.4em; vertical-align: middle; }\ntd.left { text-align: right; }\n"
              "td.shape { padding-left: 3em; color: #777; font-size: 0.9em; white-space: nowrap; }\nmath { font-size: "
              "1.1em; }\n"
              "</style>\n</head>\n<body>\n",
              result);
  framed_given(text, d, CY_LANGUAGE_MATHML);
  framed_sections(text, d, CY_LANGUAGE_MATHML, elements);
  cy_text_add(text, "</body>\n</html>\n");
}

cy_status cy_derivation_write(const cy_derivation *d, cy_derive_format format, bool elements, char **out) {
  cy_text text = {0};
  cy_status status = CY_OK;
  *out = NULL;
  switch (format) {
    case CY_DERIVE_TEXT: write_text(&text, d, elements); break;
    case CY_DERIVE_LATEX: write_latex(&text, d, elements, false); break;
    case CY_DERIVE_LATEX_DOCUMENT: write_latex(&text, d, elements, true); break;
    case CY_DERIVE_NUMPY: status = cy_write_numpy(d, elements, &text); break;
    case CY_DERIVE_HTML: write_html(&text, d, elements); break;
  }
  if (status == CY_OK && d->sheet.large) {
    ((cy_derivation *)(uintptr_t)d)->sheet.large = false;
    status = cy_fail(CY_INVALID, "a line has more indices than can be written: name parts of the formula");
  }
  if (status == CY_OK) {
    *out = cy_text_take(&text);
    return *out ? CY_OK : cy_no_memory();
  }
  cy_text_clear(&text);
  return status;
}
