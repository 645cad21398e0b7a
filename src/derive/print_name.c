/* Numbers, extents and names, in any language of the table: 1/3, n_h * n_m, W1 as W with index 1, gamma as the letter,
 * a gradient as a derivative. */
#include "derive/printer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
void cy_print_word(cy_text *text, cy_language language, const char *name) {
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

void cy_print_derivative(cy_text *text, const cy_style *st, cy_name_kind kind, bool open) {
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
    cy_print_word(text, st->language, st->upstream);
    cy_text_add(text, "%s", latex ? "}{\\partial " : "</mrow><mrow><mo>&#x2202;</mo>");
  } else cy_text_add(text, "%s", latex ? "}" : "</mrow></mfrac>");
}

bool cy_is_drawn_derivative(const cy_style *st, int name) {
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

void cy_print_name(cy_text *text, const cy_style *st, int name) {
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
    cy_print_word(text, st->language, n->text);
    return;
  }
  cy_print_derivative(text, st, n->kind, true);
  cy_print_name(text, st, n->of);
  cy_print_derivative(text, st, n->kind, false);
}
