/* Derivations in LaTeX and MathML: a table of lines per section, framed by what the language writes around. */
#include "derive/document.h"

#include <string.h>

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

void cy_write_latex(cy_text *text, const cy_derivation *d, bool elements, bool whole) {
  if (whole)
    cy_text_add(text,
                "\\documentclass[11pt]{article}\n\\usepackage[a4paper,margin=2cm]{geometry}\n\\usepackage{amsmath}\n"
                "\\allowdisplaybreaks\n\\begin{document}\n\\noindent\n");
  framed_given(text, d, CY_LANGUAGE_LATEX);
  framed_sections(text, d, CY_LANGUAGE_LATEX, elements);
  if (whole) cy_text_add(text, "\\end{document}\n");
}

void cy_write_html(cy_text *text, const cy_derivation *d, bool elements) {
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
