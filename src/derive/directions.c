/* Derivatives in a direction: R of every value (cy_jvp of each, cut at its named operands), R of every gradient, which
 * is the product with the Hessian; and the Jacobian of a result that is not a scalar, which is its gradient with a
 * delta for what comes in. */
#include "derive/derivation.h"

#include <cauchy/autodiff.h>
#include <string.h>

/* ---- tangents ---- */

static int tangent_of(const cy_derivation *d, int name) {
  for (int i = 0; i < d->sheet.n_names; i++)
    if (d->sheet.names[i].kind == CY_NAME_TANGENT && d->sheet.names[i].of == name) return i;
  return -1;
}

/* A leaf that stands for the tangent of a named value. text NULL: R<name>. */
static int tangent_name(cy_derivation *d, int name, const char *text) {
  cy_text own = {0}, leaf = {0};
  cy_value v = d->sheet.names[name].value;
  cy_text_add(&leaf, "tangent:%d", name);
  if (text) cy_text_add(&own, "%s", text);
  else cy_text_add(&own, "R%s", d->sheet.names[name].text);
  cy_value stands =
      leaf.data ? cy_variable(d->graph, leaf.data, cy_value_dtype(v), cy_value_shape(v)) : (cy_value){NULL, -1};
  int made = own.data && cy_is_value(stands) ? cy_name_freely(d, own.data, CY_NAME_TANGENT, stands, name) : -1;
  if (made >= 0) d->sheet.names[made].batched = d->sheet.names[name].batched;
  if (made < 0) d->sheet.failed = true;
  cy_text_clear(&own);
  cy_text_clear(&leaf);
  return made;
}

static bool moves(const cy_name *n) { return n->kind == CY_NAME_SYMBOL && cy_dtype_is_float(cy_value_dtype(n->value)); }

static cy_status move_all(cy_derivation *d) {
  for (int i = 0, n = d->sheet.n_names; i < n; i++) {
    cy_text text = {0};
    if (!moves(&d->sheet.names[i])) continue;
    cy_text_add(&text, "v%s", d->sheet.names[i].text);
    int made = text.data ? tangent_name(d, i, text.data) : -1;
    cy_text_clear(&text);
    if (made < 0) return cy_no_memory();
  }
  return CY_OK;
}

/* One "x=v" of the list. */
static cy_status move_one(cy_derivation *d, const char *pair, size_t n) {
  char word[2][CY_NAME_SIZE] = {{0}};
  size_t equal = strcspn(pair, "=");
  if (equal == 0 || equal >= n || equal >= CY_NAME_SIZE || n - equal - 1 >= CY_NAME_SIZE || n - equal < 2)
    return cy_fail(CY_INVALID, "directions are symbol=name, as in x=v,W1=V1 (or all), not \"%.*s\"",
                   n > 40 ? 40 : (int)n, pair);
  memcpy(word[0], pair, equal);
  memcpy(word[1], pair + equal + 1, n - equal - 1);
  for (const char *c = word[1]; *c; c++)
    if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_' || (c > word[1] && *c >= '0' && *c <= '9')))
      return cy_fail(CY_INVALID, "a direction's name is letters and digits, not \"%s\"", word[1]);
  int name = cy_sheet_find(&d->sheet, word[0]);
  if (name < 0) { /* a batch has capitals */
    for (int i = 0; i < d->sheet.n_names && name < 0; i++) {
      char low[2] = {d->sheet.names[i].text[0], 0};
      bool same = d->sheet.names[i].batched && strcmp(d->sheet.names[i].text + 1, word[0] + 1) == 0 &&
                  low[0] + 32 == word[0][0];
      if (same) name = i;
    }
  }
  if (name < 0 || d->sheet.names[name].kind > CY_NAME_CLASS)
    return cy_fail(CY_INVALID, "direction %s: \"%s\" is not a symbol of the formula", word[1], word[0]);
  if (!moves(&d->sheet.names[name]))
    return cy_fail(CY_INVALID, "direction %s: \"%s\" is a class and has no derivative", word[1], word[0]);
  if (cy_sheet_find(&d->sheet, word[1]) >= 0) return cy_fail(CY_INVALID, "direction %s: the name is taken", word[1]);
  if (tangent_of(d, name) >= 0)
    return cy_fail(CY_INVALID, "direction %s: \"%s\" has a direction already", word[1], word[0]);
  return tangent_name(d, name, word[1]) < 0 ? cy_no_memory() : CY_OK;
}

static cy_status move_symbols(cy_derivation *d, const char *spec) {
  if (strcmp(spec, "all") == 0) return move_all(d);
  for (const char *at = spec; *at;) {
    size_t n = strcspn(at, ", ");
    if (n) CY_TRY(move_one(d, at, n));
    at += n;
    at += strspn(at, ", ");
  }
  return CY_OK;
}

/* R of a value that is written in terms of names: empty where nothing moves. */
static cy_status push(cy_derivation *d, cy_value value, bool define, cy_value *tangent) {
  int n_names = d->sheet.n_names, n = 0;
  int *direct = cy_calloc((size_t)n_names, sizeof *direct);
  cy_value *inputs = cy_calloc((size_t)n_names, sizeof *inputs),
           *tangents = cy_calloc((size_t)n_names, sizeof *tangents);
  cy_status status = direct && inputs && tangents ? CY_OK : cy_no_memory();
  int all = status == CY_OK ? cy_direct_names(d, value, define, direct) : 0;
  bool some = false;
  for (int i = 0; i < all; i++) {
    int t = tangent_of(d, direct[i]);
    inputs[n] = d->sheet.names[direct[i]].value;
    tangents[n++] = t >= 0 ? d->sheet.names[t].value : (cy_value){NULL, -1};
    some = some || t >= 0;
  }
  *tangent = (cy_value){NULL, -1};
  if (some && status == CY_OK) status = cy_jvp(&value, 1, inputs, tangents, n, tangent);
  cy_free(direct);
  cy_free(inputs);
  cy_free(tangents);
  return status;
}

static bool is_zero(cy_value v) {
  double number;
  return !cy_is_value(v) || (cy_is_full(v, &number) && number == 0);
}

static cy_status tangent_line(cy_derivation *d, cy_section section, int name, cy_value value, bool define) {
  cy_value tangent;
  CY_TRY(push(d, value, define, &tangent));
  if (is_zero(tangent)) return CY_OK;
  cy_line *line = cy_begin_line(d, section, tangent_name(d, name, NULL));
  if (!line) return CY_OK; /* the sheet says so */
  line->value = tangent;
  line->form = cy_line_read(d, line, tangent, false);
  line->elements = cy_line_elements(d, line, tangent);
  cy_finish_line(d, line);
  return CY_OK;
}

cy_status cy_write_tangents(cy_derivation *d) {
  CY_TRY(move_symbols(d, d->options.tangents));
  int *order = cy_calloc((size_t)d->sheet.n_names, sizeof *order);
  int n = order ? cy_ordered_values(d, order) : -1;
  cy_status status = n < 0 ? cy_no_memory() : CY_OK;
  for (int i = 0; i < n && status == CY_OK; i++)
    if (order[i] != d->risk)
      status = tangent_line(d, CY_SECTION_TANGENTS, order[i], d->sheet.names[order[i]].value, true);
  cy_free(order);
  return status;
}

cy_status cy_write_products(cy_derivation *d) {
  for (int i = 0, n = d->n_lines; i < n; i++)
    if (d->lines[i].section == CY_SECTION_GRADIENTS)
      CY_TRY(tangent_line(d, CY_SECTION_PRODUCTS, d->lines[i].name, d->lines[i].value, false));
  return CY_OK;
}

/* ---- Jacobians ---- */

enum { MOST_TO_WRITE = 24 };

static const cy_poly *with_delta(cy_derivation *d, const cy_poly *poly, const int *at);

/* d<result> at places is 1 at one element and 0 elsewhere. */
static const cy_poly *term_with_delta(cy_derivation *d, const cy_term *term, const int *at) {
  cy_sheet *s = &d->sheet;
  cy_term rest = cy_term_copy(s, term);
  rest.n = 0;
  rest.factor = NULL;
  const cy_poly *product = cy_poly_of_term(s, &rest);
  for (int i = 0; i < term->n; i++) {
    const cy_atom *a = term->factor[i].atom;
    if (a->kind == CY_ATOM_NAME && a->name == d->upstream) {
      for (int k = 0; k < a->n_places; k++) {
        cy_atom *delta = cy_atom_new(s, CY_ATOM_DELTA);
        delta->n_places = 2;
        delta->place[0] = a->place[k];
        delta->place[1] = cy_place_of(at[k]);
        product = cy_poly_mul(s, product, cy_poly_atom(s, delta, 1));
      }
      continue;
    }
    if (cy_atom_has_name(a, d->upstream)) {
      cy_atom *copy = cy_atom_new(s, a->kind);
      *copy = *a;
      for (int k = 0; k < a->n_args; k++) copy->arg[k] = with_delta(d, a->arg[k], at);
      a = copy;
    }
    product = cy_poly_mul(s, product, cy_poly_atom(s, a, term->factor[i].power));
  }
  return product;
}

static const cy_poly *with_delta(cy_derivation *d, const cy_poly *poly, const int *at) {
  const cy_poly *sum = cy_poly_number(&d->sheet, 0);
  for (int i = 0; i < poly->n; i++) sum = cy_poly_add(&d->sheet, sum, term_with_delta(d, &poly->term[i], at), 1);
  return sum;
}

/* A delta in a sum in brackets: diag(s) - s s' is better than s times that. */
static bool has_inner_delta(const cy_poly *poly, bool inside) {
  for (int i = 0; i < poly->n; i++)
    for (int k = 0; k < poly->term[i].n; k++) {
      const cy_atom *a = poly->term[i].factor[k].atom;
      if (inside && a->kind == CY_ATOM_DELTA) return true;
      for (int m = 0; m < a->n_args; m++)
        if (has_inner_delta(a->arg[m], true)) return true;
    }
  return false;
}

static cy_status jacobian_line(cy_derivation *d, int by) {
  cy_value value = d->sheet.names[by].value, result = d->sheet.names[d->result].value;
  cy_value seed = d->sheet.names[d->upstream].value, product;
  CY_TRY(cy_vjp(&result, &seed, 1, &value, 1, &product));
  if (is_zero(product)) return CY_OK;
  cy_line *line = cy_begin_line(d, CY_SECTION_JACOBIANS, d->result), own = {.name = by};
  if (!line) return CY_OK;
  line->by = by;
  cy_shape shape = d->sheet.names[by].shape;
  if (line->n + shape.rank > CY_MAX_RANK) {
    d->n_lines--;
    return CY_OK;
  }
  own.n = shape.rank;
  for (int i = 0; i < shape.rank; i++)
    line->indices[line->n + i] = own.indices[i] = cy_sheet_index(&d->sheet, shape.dim[i], false);
  const cy_poly *p = with_delta(d, cy_line_read(d, &own, product, false), line->indices);
  line->n += shape.rank;
  line->form = cy_poly_simplify(&d->sheet, p);
  if (has_inner_delta(line->form, false)) {
    d->sheet.expands = true;
    line->form = cy_poly_simplify(&d->sheet, p);
    d->sheet.expands = false;
  }
  line->elements = line->form;
  if (cy_poly_cost(line->form) > MOST_TO_WRITE) d->n_lines--; /* of many steps at once: nobody wants to read it */
  else cy_finish_line(d, line);
  return CY_OK;
}

cy_status cy_write_jacobians(cy_derivation *d) {
  for (int i = 0, n = d->sheet.n_names; i < n; i++)
    if (moves(&d->sheet.names[i])) CY_TRY(jacobian_line(d, i));
  return CY_OK;
}
