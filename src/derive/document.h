/* What the writers of documents share. */
#ifndef CY_DERIVE_DOCUMENT_H
#define CY_DERIVE_DOCUMENT_H

#include "derive/derivation.h"
#include "derive/print.h"

cy_style cy_document_style(const cy_derivation *d, cy_language language, const cy_line *line);
/* Left side, right side (simpler: the shorter one) of a line in its language. */
void cy_write_left(cy_text *text, const cy_derivation *d, const cy_style *style, const cy_line *line, bool elements);
void cy_write_right(cy_text *text, const cy_derivation *d, const cy_style *style, const cy_line *line, bool elements,
                    bool simpler);
/* "m x h", "scalar", "class": of a name. */
void cy_write_shape(cy_text *text, const cy_derivation *d, int name);
/* Whether the line has a shorter form to show. */
static inline bool cy_is_shortened(const cy_line *line, bool elements) {
  return line->simpler && !(elements && cy_runs_along(line->simpler));
}
void cy_write_heading(cy_text *text, const cy_derivation *d, cy_section section);
/* Letters of indices begin anew. */
void cy_forget_letters(const cy_derivation *d);

/* document_text.c, document_page.c, numpy.c. whole: a document, not a part of one. */
void cy_write_text(cy_text *text, const cy_derivation *d, bool elements);
void cy_write_latex(cy_text *text, const cy_derivation *d, bool elements, bool whole);
void cy_write_html(cy_text *text, const cy_derivation *d, bool elements);
CY_MUST_CHECK cy_status cy_write_numpy(const cy_derivation *d, bool elements, cy_text *text);

#endif
