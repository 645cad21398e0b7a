/* Writes expressions in matrix form, in any language of the table. */
#include "derive/style.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef const cy_style *styles;

static void show(cy_text *text, styles st, const cy_expr *e, int least);
static const cy_marks *marks(styles st) { return &cy_language_marks[st->language]; }

/* ---- numbers and names ---- */

void cy_as_fraction(double number, bool of_something, double *over, int *under) {
  *over = number;
  *under = 1;
  if (number == nearbyint(number)) return;
  bool short_decimal = fabs(number * 1000 - nearbyint(number * 1000)) < 1e-9;
  for (int d = 2; d <= 720; d++) {
    double n = number * d;
    if (fabs(n - nearbyint(n)) > 1e-12 * fabs(n)) continue;
    if (short_decimal && !(of_something && (d == 2 || d == 4))) return;
    *over = nearbyint(n);
    *under = d;
    return;
  }
}

void cy_print_number(cy_text *text, double number, cy_language language) {
  bool tag = language == CY_LANGUAGE_MATHML;
  char digits[32];
  snprintf(digits, sizeof digits, "%.12g", number);
  for (int n = 15; language == CY_LANGUAGE_NUMPY && n <= 17 && strtod(digits, NULL) != number; n++)
    snprintf(digits, sizeof digits, "%.*g", n, number);
  char *zeros = strstr(digits, "e-0"), *power; /* 1e-05 */
  if (zeros) memmove(zeros + 2, zeros + 3, strlen(zeros + 3) + 1);
  if ((language == CY_LANGUAGE_LATEX || tag) && (power = strchr(digits, 'e')) != NULL) {
    bool one = power == digits + 1 && digits[0] == '1';
    if (!one) cy_text_add(text, tag ? "<mn>%.*s</mn><mo>&#x22C5;</mo>" : "%.*s \\cdot ", (int)(power - digits), digits);
    cy_text_add(text, tag ? "<msup><mn>10</mn><mn>%s</mn></msup>" : "10^{%s}", power + 1 + (power[1] == '+'));
    return;
  }
  cy_text_add(text, tag ? "<mn>%s</mn>" : "%s", digits);
  if (language == CY_LANGUAGE_NUMPY && number == nearbyint(number) && fabs(number) < 1e12) cy_text_add(text, ".0");
}

void cy_print_power(cy_text *text, double power, cy_language language) {
  static const char *const close[] = {"", "}", "", "</mn>"};
  double over = power;
  int under = 1;
  if (power != nearbyint(power) && language != CY_LANGUAGE_NUMPY) cy_as_fraction(power, false, &over, &under);
  cy_text_add(text, "%s", (const char *[]){under > 1 ? "^(" : "^", "^{", " ** ", "<mn>"}[language]);
  if (language == CY_LANGUAGE_NUMPY && power != nearbyint(power)) cy_print_number(text, power, language);
  else cy_text_add(text, "%.12g", over);
  if (under > 1) cy_text_add(text, "/%d", under);
  cy_text_add(text, "%s", under > 1 && language == CY_LANGUAGE_TEXT ? ")" : close[language]);
}

const char *cy_numpy_extent(const cy_sheet *sheet, int64_t extent, char buffer[2 * CY_NAME_SIZE]) {
  char words[CY_NAME_SIZE];
  const char *at = cy_sheet_extent(sheet, extent, words);
  size_t n = 0;
  bool after_value = false; /* two values beside each other are a product */
  while (*at && n + 8 < 2 * CY_NAME_SIZE) {
    size_t length = strcspn(at, " ");
    bool sign = length == 1 && strchr("+-", *at), number = *at >= '0' && *at <= '9';
    const char *before = n == 0 ? "" : after_value && !sign ? " * " : " ";
    for (const char *c = before; *c; c++) buffer[n++] = *c;
    for (const char *c = sign || number ? "" : "n_"; *c; c++) buffer[n++] = *c;
    for (size_t i = 0; i < length && n + 1 < 2 * CY_NAME_SIZE; i++) buffer[n++] = at[i];
    after_value = !sign;
    at += length;
    at += strspn(at, " ");
  }
  buffer[n] = 0;
  return buffer;
}

static const char *const greek[] = {"alpha", "beta",  "gamma",  "delta", "epsilon", "zeta", "eta",
                                    "theta", "kappa", "lambda", "mu",    "nu",      "xi",   "pi",
                                    "rho",   "sigma", "tau",    "phi",   "chi",     "psi",  "omega"};
static const char *const greek_code[] = {"3B1", "3B2", "3B3", "3B4", "3B5", "3B6", "3B7", "3B8", "3BA", "3BB", "3BC",
                                         "3BD", "3BE", "3C0", "3C1", "3C3", "3C4", "3C6", "3C7", "3C8", "3C9"};

static void add_letters(cy_text *text, cy_language language, const char *name, size_t n) {
  int at = -1;
  for (int i = 0; i < (int)(sizeof greek / sizeof *greek); i++)
    if (strlen(greek[i]) == n && strncmp(name, greek[i], n) == 0) at = i;
  if (language == CY_LANGUAGE_LATEX) {
    if (at >= 0) cy_text_add(text, "\\%s", greek[at]);
    else cy_text_add(text, n > 1 ? "\\mathit{%.*s}" : "%.*s", (int)n, name);
  } else if (at >= 0) cy_text_add(text, "<mi>&#x%s;</mi>", greek_code[at]);
  else cy_text_add(text, "<mi>%.*s</mi>", (int)n, name);
}

/* W1 as W with index 1; gamma as the letter. */
static void add_word(cy_text *text, cy_language language, const char *name) {
  size_t all = strlen(name), n = all, bracket = strcspn(name, "[");
  if (bracket < all && language != CY_LANGUAGE_TEXT) { /* h[2] */
    bool latex = language == CY_LANGUAGE_LATEX;
    cy_text_add(text, latex ? "" : "<msub>");
    add_letters(text, language, name, bracket);
    cy_text_add(text, latex ? "_{%.*s}" : "<mn>%.*s</mn></msub>", (int)(all - bracket - 2), name + bracket + 1);
    return;
  }
  while (n > 1 && name[n - 1] >= '0' && name[n - 1] <= '9') n--;
  bool index = n < all;
  if (language == CY_LANGUAGE_TEXT) cy_text_add(text, "%s", name);
  else if (language == CY_LANGUAGE_LATEX) {
    size_t stem = n > 1 && name[n - 1] == '_' ? n - 1 : n;
    add_letters(text, language, name, stem);
    if (index) cy_text_add(text, "_{%s}", name + n);
  } else {
    if (index) cy_text_add(text, "<msub>");
    add_letters(text, language, name, n > 1 && name[n - 1] == '_' ? n - 1 : n);
    if (index) cy_text_add(text, "<mn>%s</mn></msub>", name + n);
  }
}

void cy_print_derivative(cy_text *text, styles st, cy_name_kind kind, bool open) {
  bool latex = st->language == CY_LANGUAGE_LATEX;
  if (kind == CY_NAME_TANGENT) {
    cy_text_add(text, "%s",
                latex  ? open ? "\\mathcal{R}\\{" : "\\}"
                : open ? "<mrow><mi>R</mi><mo>{</mo>"
                       : "<mo>}</mo></mrow>");
    return;
  }
  if (open) {
    cy_text_add(text, "%s", latex ? "\\frac{\\partial " : "<mfrac><mrow><mo>&#x2202;</mo>");
    add_word(text, st->language, st->upstream);
    cy_text_add(text, "%s", latex ? "}{\\partial " : "</mrow><mrow><mo>&#x2202;</mo>");
  } else cy_text_add(text, "%s", latex ? "}" : "</mrow></mfrac>");
}

bool cy_is_drawn_derivative(styles st, int name) {
  const cy_name *n = &st->sheet->names[name];
  bool drawn = st->language == CY_LANGUAGE_LATEX || st->language == CY_LANGUAGE_MATHML;
  return drawn && n->of >= 0 && (n->kind == CY_NAME_GRADIENT || (n->kind == CY_NAME_TANGENT && n->text[0] == 'R'));
}

static bool is_keyword(const char *word) {
  static const char *const keywords[] = {"lambda", "in",   "is",   "as",  "if",   "or",   "not",  "and",
                                         "def",    "del",  "for",  "try", "from", "else", "pass", "with",
                                         "elif",   "True", "None", "np",  "rng",  "sys"};
  for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
    if (strcmp(word, keywords[i]) == 0) return true;
  return false;
}

void cy_print_name(cy_text *text, styles st, int name) {
  const cy_name *n = &st->sheet->names[name];
  if (st->language == CY_LANGUAGE_TEXT || st->language == CY_LANGUAGE_NUMPY) {
    bool numpy = st->language == CY_LANGUAGE_NUMPY;
    for (const char *c = n->text; *c; c++)
      if (!numpy || (*c != '[' && *c != ']' && *c != ',')) cy_text_add(text, "%c", *c);
      else if (*c != ']') cy_text_add(text, "_");
    if (numpy && is_keyword(n->text)) cy_text_add(text, "_");
    return;
  }
  if (!cy_is_drawn_derivative(st, name)) {
    add_word(text, st->language, n->text);
    return;
  }
  cy_print_derivative(text, st, n->kind, true);
  cy_print_name(text, st, n->of);
  cy_print_derivative(text, st, n->kind, false);
}

/* ---- products ---- */

/* Over or under a fraction's line. */
typedef struct stack {
  cy_text text;
  int n;
} stack;

static void separate(stack *s, const char *mark) {
  if (s->n++) cy_text_add(&s->text, "%s", mark);
}

static void add_factor(stack *s, styles st, const cy_expr *e, double power, int least, const char *mark) {
  const cy_marks *m = marks(st);
  separate(s, mark);
  if (power == 0.5) {
    cy_text_add(&s->text, "%s", m->root);
    show(&s->text, st, e, CY_BINDS_NOTHING);
    cy_text_add(&s->text, "%s", m->root_end);
  } else if (power != 1) show(&s->text, st, &(cy_expr){.kind = CY_EXPR_POWER, .rank = e->rank, .number = power, .n = 1,
                                                       .part = (const cy_expr *[]){e}, .power = (double[]){1}}, least);
  else show(&s->text, st, e, least);
}

static void add_dimension(stack *s, styles st, int i, int power) {
  for (int k = 0; k < power; k++) {
    separate(s, marks(st)->times);
    const char *name = st->sheet->dimensions[i].text;
    if (st->language == CY_LANGUAGE_NUMPY) cy_text_add(&s->text, "n_%s", name);
    else add_word(&s->text, st->language, name);
  }
}

/* over / under */
static void write_fraction(cy_text *text, styles st, stack *over, stack *under, const char *sign) {
  const cy_marks *m = marks(st);
  if (over->n == 0) cy_text_add(&over->text, "%s", st->language == CY_LANGUAGE_MATHML ? "<mn>1</mn>" : "1");
  if (under->n == 0) cy_text_add(text, "%s", over->text.data ? over->text.data : "");
  else if (m->fraction) {
    bool tag = st->language == CY_LANGUAGE_MATHML;
    cy_text_add(text, tag ? "%s<mrow>%s</mrow><mrow>%s</mrow></mfrac>" : "%s%s}{%s}", m->fraction,
                over->text.data ? over->text.data : "", under->text.data ? under->text.data : "");
  } else {
    bool several = under->n > 1;
    cy_text_add(text, several ? "%s%s(%s)" : "%s%s%s", over->text.data ? over->text.data : "", sign,
                under->text.data ? under->text.data : "");
  }
  cy_text_drop(text, &over->text);
  cy_text_drop(text, &under->text);
}

static void show_times(cy_text *text, styles st, const cy_expr *e) {
  const cy_marks *m = marks(st);
  stack over = {0}, under = {0};
  double top;
  int bottom;
  bool more = e->body != NULL;
  for (int i = 0; i < e->n; i++) more = more || e->power[i] > 0;
  for (int i = 0; i < CY_MAX_DIMENSIONS; i++) more = more || e->dimension[i] > 0;
  cy_as_fraction(fabs(e->number), more || e->n > 0, &top, &bottom);
  if (e->number < 0) cy_text_add(text, "%s", m->negative);
  if (top != 1 || !more) {
    separate(&over, m->times);
    cy_print_number(&over.text, top, st->language);
  }
  if (bottom != 1) {
    separate(&under, m->times);
    cy_print_number(&under.text, bottom, st->language);
  }
  for (int i = 0; i < CY_MAX_DIMENSIONS; i++) {
    add_dimension(&over, st, i, e->dimension[i]);
    add_dimension(&under, st, i, -e->dimension[i]);
  }
  for (int i = 0; i < e->n; i++)
    if (e->power[i] > 0) add_factor(&over, st, e->part[i], e->power[i], CY_BINDS_MATRIX, m->times);
    else add_factor(&under, st, e->part[i], -e->power[i], CY_BINDS_POWER, m->times);
  bool alone = over.n == 0; /* a sum over the line needs no parentheses where a line is drawn */
  if (e->body)
    add_factor(&over, st, e->body, 1,
               alone && under.n == 0                                                    ? CY_BINDS_PRODUCT
               : alone && m->fraction                                                   ? CY_BINDS_NOTHING
               : st->language == CY_LANGUAGE_NUMPY && e->body->kind != CY_EXPR_HADAMARD ? CY_BINDS_POWER
                                                                                        : CY_BINDS_PRODUCT,
               m->times);
  write_fraction(text, st, &over, &under, m->over);
}

static void add_function(cy_text *text, styles st, const cy_expr *e);

static void show_condition(cy_text *text, styles st, const cy_expr *e) {
  cy_text_add(text, "(");
  show(text, st, e->part[0], CY_BINDS_NOTHING);
  cy_text_add(text, " ");
  add_function(text, st, e);
  cy_text_add(text, " ");
  show(text, st, e->part[1], CY_BINDS_NOTHING);
  cy_text_add(text, ")");
}

static void show_hadamard(cy_text *text, styles st, const cy_expr *e) {
  stack over = {0}, under = {0};
  const cy_marks *m = marks(st);
  for (int i = 0; i < e->n; i++)
    if (i > 0 && e->part[i]->kind == CY_EXPR_COMPARE && st->language == CY_LANGUAGE_NUMPY) {
      separate(&over, m->hadamard); /* a product makes numbers of conditions: dh * (a > 0) */
      show_condition(&over.text, st, e->part[i]);
    } else if (e->power[i] > 0) add_factor(&over, st, e->part[i], e->power[i], CY_BINDS_POWER, m->hadamard);
    else add_factor(&under, st, e->part[i], -e->power[i], CY_BINDS_POWER, m->hadamard);
  if (st->language == CY_LANGUAGE_LATEX && under.n) {
    cy_text_add(text, "%s%s%s%s%s", over.n ? over.text.data : "1", m->hadamard_over, under.n > 1 ? m->open : "",
                under.text.data ? under.text.data : "", under.n > 1 ? m->close : "");
    cy_text_drop(text, &over.text);
    cy_text_drop(text, &under.text);
    return;
  }
  write_fraction(text, st, &over, &under, m->hadamard_over);
}

/* NumPy: M 1 is a sum along an axis. */
static bool show_row_sums(cy_text *text, styles st, const cy_expr *e) {
  if (st->language != CY_LANGUAGE_NUMPY || e->n != 2 || e->part[1]->kind != CY_EXPR_ONES) return false;
  const cy_expr *m = e->part[0];
  int axis = m->kind != CY_EXPR_TRANSPOSE;
  cy_text_add(text, "np.sum(");
  show(text, st, axis ? m : m->part[0], CY_BINDS_NOTHING);
  cy_text_add(text, ", axis=%d)", axis);
  return true;
}

static void show_matmul(cy_text *text, styles st, const cy_expr *e) {
  if (show_row_sums(text, st, e)) return;
  for (int i = 0; i < e->n; i++) {
    if (i) cy_text_add(text, "%s", marks(st)->matrix_times);
    show(text, st, e->part[i], CY_BINDS_POWER);
  }
}

/* ---- sums ---- */

static int ones_side(const cy_expr *e) { /* which part of an outer product is 1, counted from 1 */
  return e->kind != CY_EXPR_OUTER ? 0 : e->part[0]->kind == CY_EXPR_ONES ? 1 : e->part[1]->kind == CY_EXPR_ONES ? 2 : 0;
}

/* NumPy repeats b along the rows by itself. */
static void show_addend(cy_text *text, styles st, const cy_expr *e, bool repeats, int least) {
  int side = repeats ? ones_side(e) : 0;
  if (!side) {
    show(text, st, e, least);
    return;
  }
  show(text, st, e->part[2 - side], CY_BINDS_ATOM);
  if (side == 2) cy_text_add(text, "[:, None]");
}

static void show_sum(cy_text *text, styles st, const cy_expr *e) {
  bool repeats = false;
  for (int i = 0; i < e->n; i++)
    repeats = repeats || (st->language == CY_LANGUAGE_NUMPY && e->part[i]->rank == 2 && !ones_side(e->part[i]));
  for (int i = 0; i < e->n; i++) {
    bool minus = e->power[i] < 0;
    cy_text_add(text, "%s", i ? minus ? marks(st)->minus : marks(st)->plus : minus ? marks(st)->negative : "");
    show_addend(text, st, e->part[i], repeats, minus ? CY_BINDS_PRODUCT : CY_BINDS_SUM);
  }
}

/* ---- the rest ---- */

static void add_function(cy_text *text, styles st, const cy_expr *e) {
  bool tag = st->language == CY_LANGUAGE_MATHML && !(e->function && e->function->relation);
  if (tag) cy_text_add(text, "<mi>");
  if (e->function) cy_text_add(text, "%s", e->function->written[st->language]);
  else if (st->language == CY_LANGUAGE_LATEX) cy_text_add(text, "\\operatorname{%s}", e->op);
  else cy_text_add(text, "%s", e->op);
  if (tag) cy_text_add(text, "</mi>");
}

/* x^p, where both are values. */
static bool is_power_of_values(styles st, const cy_expr *e) {
  return e->kind == CY_EXPR_CALL && e->function && strcmp(e->function->op, "pow") == 0 &&
         st->language != CY_LANGUAGE_NUMPY;
}

static void show_power_of_values(cy_text *text, styles st, const cy_expr *e) {
  bool latex = st->language == CY_LANGUAGE_LATEX, tag = st->language == CY_LANGUAGE_MATHML;
  cy_text_add(text, tag ? "<msup>" : "");
  show(text, st, e->part[0], CY_BINDS_ATOM);
  cy_text_add(text, tag ? "" : latex ? "^{" : e->rank ? ".^" : "^");
  show(text, st, e->part[1], latex || tag ? CY_BINDS_NOTHING : CY_BINDS_ATOM);
  cy_text_add(text, tag ? "</msup>" : latex ? "}" : "");
}

static void show_call(cy_text *text, styles st, const cy_expr *e) {
  const cy_marks *m = marks(st);
  if (is_power_of_values(st, e)) {
    show_power_of_values(text, st, e);
    return;
  }
  if (st->language == CY_LANGUAGE_LATEX && e->function && strcmp(e->function->op, "abs") == 0) {
    cy_text_add(text, "\\left|");
    show(text, st, e->part[0], CY_BINDS_NOTHING);
    cy_text_add(text, "\\right|");
    return;
  }
  bool reshapes = st->language == CY_LANGUAGE_NUMPY && !e->function && strcmp(e->op, "reshape") == 0;
  if (reshapes) cy_text_add(text, "np.reshape");
  else add_function(text, st, e);
  cy_text_add(text, "%s", m->open);
  for (int i = 0; i < e->n; i++) {
    if (i) cy_text_add(text, st->language == CY_LANGUAGE_MATHML ? "<mo>,</mo>" : ", ");
    show(text, st, e->part[i], CY_BINDS_NOTHING);
  }
  if (reshapes) {
    char extent[2 * CY_NAME_SIZE];
    cy_shape shape = cy_node_at(st->sheet->graph, e->atom->node)->shape;
    cy_text_add(text, ", (");
    for (int i = 0; i < shape.rank; i++) cy_text_add(text, "%s,", cy_numpy_extent(st->sheet, shape.dim[i], extent));
    cy_text_add(text, ")");
  }
  cy_text_add(text, "%s", m->close);
}

void cy_print_label(cy_text *text, styles st, const cy_atom *label) {
  static const char *const open[] = {"%s(", "\\operatorname{%s}(", "np.%s(", "<mi>%s</mi><mo>(</mo>"};
  static const char *const close[] = {")", ")", ", axis=-1)", "<mo>)</mo>"};
  if (label->kind != CY_ATOM_OPAQUE) {
    cy_print_name(text, st, label->name);
    return;
  }
  cy_text_add(text, open[st->language], cy_node_at(st->sheet->graph, label->node)->op->name);
  for (int i = 0; i < label->n_args; i++)
    if (label->arg[i]->n && label->arg[i]->term[0].n)
      cy_print_name(text, st, label->arg[i]->term[0].factor[0].atom->name);
  cy_text_add(text, "%s", close[st->language]);
}

static void add_label(cy_text *text, styles st, const cy_atom *label, int64_t number) {
  if (label) cy_print_label(text, st, label);
  else cy_text_add(text, st->language == CY_LANGUAGE_MATHML ? "<mn>%lld</mn>" : "%lld", (long long)number);
}

static void show_onehot(cy_text *text, styles st, const cy_expr *e) {
  static const char *const open[] = {"onehot(", "\\operatorname{onehot}(", NULL, "<mi>onehot</mi><mo>(</mo>"};
  static const char *const close[] = {")", ")", "]", "<mo>)</mo>"};
  char extent[2 * CY_NAME_SIZE];
  if (st->language == CY_LANGUAGE_NUMPY)
    cy_text_add(text, "np.eye(%s)[", cy_numpy_extent(st->sheet, e->extent, extent));
  else cy_text_add(text, "%s", open[st->language]);
  add_label(text, st, e->atom, (int64_t)e->number);
  cy_text_add(text, "%s", close[st->language]);
}

static bool is_index_of_label(const cy_atom *a, int index) {
  for (int i = 0; i < a->n_places; i++)
    if (a->place[i].label && cy_place_has(&a->place[i], index)) return true;
  return false;
}

/* Places in brackets, or below: the free ones as a colon. Axes of one element are not mentioned, save to NumPy. */
static void show_at(cy_text *text, styles st, const cy_expr *e) {
  static const char *const open[] = {"[", "_{", "[", "<mrow>"}, *const close[] = {"]", "}", "]", "</mrow>"};
  const cy_atom *a = e->atom;
  stack places = {0};
  bool numpy = st->language == CY_LANGUAGE_NUMPY, rows = false;
  const cy_name *name = a->kind == CY_ATOM_NAME ? &st->sheet->names[a->name] : NULL;
  for (int i = 0; i < a->n_places; i++) {
    const cy_place *p = &a->place[i];
    if (p->label && p->label->n_places) rows = true;
  }
  if (!name && rows) { /* softmax(O)[n, y_n] */
    separate(&places, "");
    cy_text_add(&places.text, numpy ? "np.arange(len(" : "");
    if (numpy) {
      cy_print_label(&places.text, st, a->place[0].label);
      cy_text_add(&places.text, ")), ");
    }
  } else if (!name && numpy && e->rank > 0) cy_text_add(&places.text, "..., ");
  for (int i = 0; i < a->n_places; i++) {
    const cy_place *p = &a->place[i];
    if (!numpy && name && i < name->shape.rank && name->shape.dim[i] == 1 && cy_place_is_number(p)) continue;
    bool example = cy_place_is_index(p) && is_index_of_label(a, p->index[0]); /* s[y]: of each its own */
    if (!numpy && example) continue;
    if (name || i > 0) separate(&places, st->language == CY_LANGUAGE_MATHML ? "<mo>,</mo>" : ", ");
    else places.n++;
    if (!cy_place_is_index(p)) add_label(&places.text, st, p->label, p->offset);
    else if (numpy && example) {
      for (int k = 0; k < a->n_places; k++)
        if (a->place[k].label) {
          cy_text_add(&places.text, "np.arange(len(");
          cy_print_label(&places.text, st, a->place[k].label);
          cy_text_add(&places.text, "))");
          break;
        }
    } else cy_text_add(&places.text, st->language == CY_LANGUAGE_MATHML ? "<mo>:</mo>" : ":");
  }
  bool tag = st->language == CY_LANGUAGE_MATHML && places.text.length;
  if (tag) cy_text_add(text, "<msub>");
  show(text, st, e->part[0], CY_BINDS_ATOM);
  if (places.text.length) cy_text_add(text, "%s%s%s", open[st->language], places.text.data, close[st->language]);
  if (tag) cy_text_add(text, "</msub>");
  cy_text_drop(text, &places.text);
}

static void show_power(cy_text *text, styles st, const cy_expr *e) {
  stack over = {0}, under = {0};
  if (e->number == 0.5) {
    add_factor(&over, st, e->part[0], 0.5, CY_BINDS_NOTHING, "");
    write_fraction(text, st, &over, &under, "");
  } else if (e->number < 0) {
    add_factor(&under, st, e->part[0], -e->number, CY_BINDS_POWER, "");
    write_fraction(text, st, &over, &under, e->rank ? marks(st)->hadamard_over : marks(st)->over);
  } else {
    show(text, st, e->part[0], CY_BINDS_ATOM);
    if (e->rank && st->language == CY_LANGUAGE_TEXT) cy_text_add(text, ".");
    cy_print_power(text, e->number, st->language);
  }
}

static void show_mathml_power(cy_text *text, styles st, const cy_expr *e) {
  if (e->number == 0.5 || e->number < 0) {
    show_power(text, st, e);
    return;
  }
  cy_text_add(text, "<msup>");
  show(text, st, e->part[0], CY_BINDS_ATOM);
  cy_print_power(text, e->number, st->language);
  cy_text_add(text, "</msup>");
}

static void show_template(cy_text *text, styles st, const cy_expr *e) {
  const cy_expr_style *row = &cy_expr_styles[e->kind];
  char extent[2 * CY_NAME_SIZE];
  for (const char *at = row->written[st->language]; at && *at; at++) {
    bool special = (*at == '$' || *at == '#' || *at == '%') && at[1];
    if (!special) cy_text_add(text, "%c", *at);
    else if (at[1] == 'f') at++, add_function(text, st, e);
    else if (at[1] == 'e') at++, cy_text_add(text, "%s", cy_numpy_extent(st->sheet, e->extent, extent));
    else if (at[1] >= '1' && at[1] <= '9' && at[1] - '1' < e->n) {
      int least = *at == '$' ? row->inner : *at == '#' ? CY_BINDS_MATRIX : CY_BINDS_NOTHING;
      show(text, st, e->part[at[1] - '1'], least);
      at++;
    } else cy_text_add(text, "%c", *at);
  }
}

static int binding(styles st, const cy_expr *e) {
  bool line_drawn = marks(st)->fraction != NULL;
  if (e->kind == CY_EXPR_POWER && e->number == 0.5) return CY_BINDS_ATOM;
  if (is_power_of_values(st, e)) return CY_BINDS_POWER;
  if (e->kind == CY_EXPR_POWER && e->number < 0) return line_drawn ? CY_BINDS_MATRIX : CY_BINDS_PRODUCT;
  if (e->kind == CY_EXPR_TIMES && e->number < 0) return CY_BINDS_SUM;
  if (e->kind == CY_EXPR_TIMES && e->n == 0 && !e->body) {
    for (int i = 0; i < CY_MAX_DIMENSIONS; i++)
      if (e->dimension[i]) return CY_BINDS_PRODUCT;
    return e->number == nearbyint(e->number) ? CY_BINDS_ATOM : CY_BINDS_PRODUCT;
  }
  if (st->language == CY_LANGUAGE_NUMPY && e->kind == CY_EXPR_OUTER) return CY_BINDS_ATOM;
  if (e->kind == CY_EXPR_NAME && line_drawn && st->sheet->names[e->name].kind == CY_NAME_GRADIENT)
    return CY_BINDS_POWER;
  return cy_expr_styles[e->kind].binds;
}

static void show(cy_text *text, styles st, const cy_expr *e, int least) {
  const cy_marks *m = marks(st);
  bool tag = st->language == CY_LANGUAGE_MATHML;
  bool closed = binding(st, e) < least;
  cy_text_add(text, "%s", closed ? m->open : tag ? "<mrow>" : "");
  switch (e->kind) {
    case CY_EXPR_NAME: cy_print_name(text, st, e->name); break;
    case CY_EXPR_ADD: show_sum(text, st, e); break;
    case CY_EXPR_TIMES: show_times(text, st, e); break;
    case CY_EXPR_HADAMARD: show_hadamard(text, st, e); break;
    case CY_EXPR_MATMUL: show_matmul(text, st, e); break;
    case CY_EXPR_CALL: show_call(text, st, e); break;
    case CY_EXPR_ONEHOT: show_onehot(text, st, e); break;
    case CY_EXPR_AT: show_at(text, st, e); break;
    case CY_EXPR_POWER: (tag ? show_mathml_power : show_power)(text, st, e); break;
    case CY_EXPR_INDEXED: cy_print_poly(text, st, e->poly); break;
    default: show_template(text, st, e); break;
  }
  cy_text_add(text, "%s", closed ? m->close : tag ? "</mrow>" : "");
}

void cy_print_expr(cy_text *text, styles st, const cy_expr *expr) { show(text, st, expr, CY_BINDS_NOTHING); }
