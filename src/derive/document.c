/* Derivations as documents, in the format that is asked for; and what all of them say of a line: its two sides, its
 * shape, the heading above. */
#include "derive/document.h"

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

/* ---- the whole ---- */

cy_status cy_derivation_write(const cy_derivation *d, cy_derive_format format, bool elements, char **out) {
  cy_text text = {0};
  cy_status status = CY_OK;
  *out = NULL;
  switch (format) {
    case CY_DERIVE_TEXT: cy_write_text(&text, d, elements); break;
    case CY_DERIVE_LATEX: cy_write_latex(&text, d, elements, false); break;
    case CY_DERIVE_LATEX_DOCUMENT: cy_write_latex(&text, d, elements, true); break;
    case CY_DERIVE_NUMPY: status = cy_write_numpy(d, elements, &text); break;
    case CY_DERIVE_HTML: cy_write_html(&text, d, elements); break;
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
