/* The gradients of a derivation, from the result backwards. The gradient of a value is the sum of what the values that
 * are made of it send back (cy_vjp of each, cut at its named operands), so that each line is in terms of names already
 * introduced; where the gradient in terms of values alone is shorter, it is written too. */
#include "derive/derivation.h"

#include <cauchy/autodiff.h>
#include <cauchy/ops.h>

enum { SLIGHTLY = 8 };

static bool has_gradient(const cy_name *n) {
  return (n->kind == CY_NAME_SYMBOL || n->kind == CY_NAME_VALUE) && cy_dtype_is_float(cy_value_dtype(n->value));
}

/* What reaches each name from the names made of it: one value per batchedness of the sender. */
typedef struct backward {
  cy_derivation *d;
  int n;             /* names when it began */
  cy_value *arrived; /* by name */
  int *direct;
  cy_value *inputs, *sent;
} backward;

static cy_value summed(cy_value a, cy_value b) { return cy_is_value(a) ? cy_is_value(b) ? cy_add(a, b) : a : b; }

static bool is_zero(cy_value v) {
  double number;
  return !cy_is_value(v) || (cy_is_full(v, &number) && number == 0);
}

/* What the value sends back to the inputs, where it is cut. Between numbers the derivative is taken forwards, which
 * is the same and has its terms in the order of the formula. */
static cy_status pull(cy_value value, cy_value cotangent, const cy_value *inputs, int n, cy_value *sent) {
  CY_TRY(cy_vjp(&value, &cotangent, 1, inputs, n, sent));
  cy_value *tangents = cy_calloc((size_t)n, sizeof *tangents);
  if (!tangents) return cy_no_memory();
  cy_status status = CY_OK;
  for (int i = 0; i < n; i++) tangents[i] = cy_none;
  for (int i = 0; i < n && status == CY_OK; i++) {
    cy_value slope;
    double one;
    if (cy_value_shape(value).rank || cy_value_shape(inputs[i]).rank || is_zero(sent[i])) continue;
    tangents[i] = cy_ones_like(inputs[i]);
    status = cy_jvp(&value, 1, inputs, tangents, n, &slope);
    tangents[i] = cy_none;
    if (status == CY_OK) sent[i] = cy_is_full(cotangent, &one) && one == 1 ? slope : cy_mul(cotangent, slope);
  }
  cy_free(tangents);
  return status;
}

/* The name's gradient goes back through its definition to the names in it. */
static cy_status send(backward *b, int name, cy_value cotangent) {
  cy_derivation *d = b->d;
  cy_value value = d->sheet.names[name].value;
  int n = 0, all = cy_direct_names(d, value, true, b->direct);
  for (int i = 0; i < all; i++)
    if (b->direct[i] < b->n && has_gradient(&d->sheet.names[b->direct[i]])) {
      b->inputs[n] = d->sheet.names[b->direct[i]].value;
      b->direct[n++] = b->direct[i];
    }
  if (n == 0) return CY_OK;
  CY_TRY(pull(value, cotangent, b->inputs, n, b->sent));
  for (int i = 0; i < n; i++)
    if (!is_zero(b->sent[i])) b->arrived[b->direct[i]] = summed(b->arrived[b->direct[i]], b->sent[i]);
  return CY_OK;
}

int cy_gradient_name(cy_derivation *d, int name) {
  cy_text text = {0}, leaf = {0};
  cy_text_add(&text, "d%s", d->sheet.names[name].text);
  cy_text_add(&leaf, "gradient:%s", d->sheet.names[name].text);
  cy_value v = d->sheet.names[name].value;
  cy_value stands = leaf.data ? cy_variable(d->graph, leaf.data, cy_value_dtype(v), cy_value_shape(v)) : cy_none;
  int made = text.data && cy_is_value(stands) ? cy_name_freely(d, text.data, CY_NAME_GRADIENT, stands, name) : -1;
  if (made >= 0) d->sheet.names[made].batched = d->sheet.names[name].batched;
  cy_text_clear(&text);
  cy_text_clear(&leaf);
  return made;
}

static int gradient_of(const cy_derivation *d, int name) {
  for (int i = 0; i < d->sheet.n_names; i++)
    if (d->sheet.names[i].kind == CY_NAME_GRADIENT && d->sheet.names[i].of == name) return i;
  return -1;
}

/* What the result sends back: 1; with a batch, whose mean it is, 1/n; its own gradient where it is not a scalar. */
static cy_value seed(cy_derivation *d) {
  cy_value result = d->sheet.names[d->result].value;
  if (d->upstream >= 0) return d->sheet.names[d->upstream].value;
  return cy_full(d->graph, cy_value_dtype(result), cy_value_shape(result),
                 d->batch < 0 ? 1 : 1 / (double)d->batch_extent);
}

static bool has_derivative(const cy_derivation *d, const cy_poly *poly) {
  for (int i = 0; i < d->sheet.n_names; i++)
    if (d->sheet.names[i].of >= 0 && i != d->upstream && cy_poly_has_name(poly, i)) return true;
  return false;
}

/* In terms of values only, if that is shorter. */
static void try_shorter(cy_derivation *d, cy_line *line, int name) {
  cy_value value = d->sheet.names[name].value, result = d->sheet.names[d->result].value, from = seed(d), direct;
  if (cy_vjp(&result, &from, 1, &value, 1, &direct) != CY_OK) {
    d->sheet.failed = true;
    return;
  }
  cy_sheet *s = &d->sheet;
  const cy_poly *p = cy_line_simplified(d, line, direct, false);
  if (s->large) {
    s->large = false; /* the line stands as it is */
    return;
  }
  /* Of numbers, also if it is hardly longer: 2 (s - y) s (1 - s) says more than ds s (1 - s). */
  bool number = line->n == 0 && p->n == 1 && has_derivative(d, line->form);
  if (cy_poly_cost(p) < cy_poly_cost(line->form) + (number ? SLIGHTLY : 0)) line->simpler = p;
}

/* The closed form of a normalisation's gradient, if all that reaches the value comes through one. */
static bool try_normalization(cy_derivation *d, cy_line *line, int name) {
  int before = d->sheet.n_names;
  for (int i = 0; i < before; i++) {
    const cy_name *n = &d->sheet.names[i];
    if (n->kind != CY_NAME_VALUE || i == name || n->value.id < d->sheet.names[name].value.id) continue;
    int gradient = d->sheet.names[i].value.id == d->sheet.names[d->result].value.id ? d->upstream : gradient_of(d, i);
    if (gradient < 0) continue;
    cy_value sent = cy_normalization_gradient(d, i, name, d->sheet.names[gradient].value);
    if (!cy_is_value(sent)) continue;
    line->simpler = cy_line_read(d, line, sent, false);
    return true;
  }
  return false;
}

static cy_line *gradient_line(cy_derivation *d, int name, cy_value arrived) {
  int gradient = cy_gradient_name(d, name);
  cy_line *line = cy_begin_line(d, CY_SECTION_GRADIENTS, gradient);
  if (!line) return NULL;
  line->value = arrived;
  line->form = cy_line_read(d, line, arrived, false);
  line->elements = cy_line_elements(d, line, arrived);
  if (!try_normalization(d, line, name)) try_shorter(d, line, name);
  cy_finish_line(d, line);
  return line;
}

/* One of the first n values of the order is made of the name. */
static bool is_used(backward *b, const int *order, int n, int name) {
  for (int i = 0; i < n; i++) {
    int count = cy_direct_names(b->d, b->d->sheet.names[order[i]].value, true, b->direct);
    for (int k = 0; k < count; k++)
      if (b->direct[k] == name) return true;
  }
  return false;
}

/* Symbols whose users have all been seen: no value before order[n] is made of them. */
static void write_symbols(backward *b, const int *order, int n, bool *written) {
  for (int i = 0; i < b->n; i++) {
    bool ready = b->d->sheet.names[i].kind == CY_NAME_SYMBOL && !written[i] && cy_is_value(b->arrived[i]);
    if (!ready || is_used(b, order, n, i)) continue;
    written[i] = true;
    gradient_line(b->d, i, b->arrived[i]);
  }
}

static cy_status walk_back(backward *b) {
  cy_derivation *d = b->d;
  int *order = cy_calloc((size_t)b->n, sizeof *order);
  if (!order) return cy_no_memory();
  /* Symbols come before values that are made of them: values in reverse, each followed by symbols that are complete. */
  int n = cy_ordered_values(d, order);
  cy_status status = n < 0 ? cy_no_memory() : CY_OK;
  cy_value result = d->sheet.names[d->result].value;
  bool *written = cy_calloc((size_t)b->n, 1);
  if (!written) status = cy_no_memory();
  for (int i = n - 1; i >= 0 && status == CY_OK; i--) {
    int name = order[i];
    if (name == d->risk) continue;
    cy_value cotangent = cy_none;
    if (d->sheet.names[name].value.id == result.id) cotangent = seed(d);
    else if (cy_is_value(b->arrived[name])) {
      const cy_line *line = gradient_line(d, name, b->arrived[name]);
      if (!line) break;
      cotangent = d->sheet.names[line->name].value;
    }
    if (cy_is_value(cotangent)) status = send(b, name, cotangent);
    if (status == CY_OK) write_symbols(b, order, i, written);
  }
  cy_free(written);
  cy_free(order);
  return status;
}

cy_status cy_write_gradients(cy_derivation *d) {
  size_t n = (size_t)d->sheet.n_names;
  backward b = {.d = d, .n = d->sheet.n_names};
  b.arrived = cy_calloc(n, sizeof *b.arrived);
  b.direct = cy_calloc(4 * n + 16, sizeof *b.direct);
  b.inputs = cy_calloc(4 * n + 16, sizeof *b.inputs);
  b.sent = cy_calloc(4 * n + 16, sizeof *b.sent);
  cy_status status = b.arrived && b.direct && b.inputs && b.sent ? CY_OK : cy_no_memory();
  for (int i = 0; status == CY_OK && i < b.n; i++) b.arrived[i] = cy_none;
  if (status == CY_OK) status = walk_back(&b);
  cy_free(b.arrived);
  cy_free(b.direct);
  cy_free(b.inputs);
  cy_free(b.sent);
  return status;
}
