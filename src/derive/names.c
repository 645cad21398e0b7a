/* Names for what has none: a for what is affine, h for activations, o for the last affine value, s for a softmax; and t
 * for what is needed twice. The formula's own names come first. */
#include "derive/derivation.h"
#include "ops/ops.h"

#include <string.h>

int cy_name_freely(cy_derivation *d, const char *base, cy_name_kind kind, cy_value value, int of) {
  char text[CY_NAME_SIZE];
  size_t length = strlen(base);
  if (length > CY_NAME_SIZE - 8) length = CY_NAME_SIZE - 8;
  memcpy(text, base, length);
  text[length] = 0;
  for (int k = 2; cy_sheet_find(&d->sheet, text) >= 0 && k < 1000; k++) {
    int digits[4], n = 0;
    for (int rest = k; rest; rest /= 10) digits[n++] = rest % 10;
    size_t at = length;
    bool number = length > 0 && text[length - 1] >= '0' && text[length - 1] <= '9' && k == 2;
    if (number || (length > 0 && base[length - 1] >= '0' && base[length - 1] <= '9')) text[at++] = '_';
    while (n) text[at++] = (char)('0' + digits[--n]);
    text[at] = 0;
  }
  return cy_sheet_name(&d->sheet, text, kind, value, of);
}

/* ---- what a value is made of ---- */

static void visit(const cy_derivation *d, int32_t id, bool top, bool *seen, int *direct, int *n) {
  if (seen[id]) return;
  seen[id] = true;
  int name = cy_sheet_name_of(&d->sheet, id);
  if (name >= 0 && !top) {
    direct[(*n)++] = name;
    return;
  }
  const cy_node *node = cy_node_at(d->graph, id);
  for (int i = 0; i < node->n_inputs; i++) visit(d, node->inputs[i], false, seen, direct, n);
}

int cy_direct_names(const cy_derivation *d, cy_value value, bool define, int *direct) {
  int n = 0;
  bool *seen = cy_calloc((size_t)cy_graph_size(d->graph), 1);
  if (seen) visit(d, value.id, define, seen, direct, &n);
  else cy_graph_fail(d->graph, CY_NO_MEMORY, "out of memory");
  cy_free(seen);
  return n;
}

/* ---- kinds of values ---- */

enum { WORTH_A_NAME = 3 }; /* operations of something that is needed twice */

typedef struct survey {
  cy_derivation *d;
  int32_t size;
  bool *needed;
  int *uses;       /* by node */
  bool *affine;    /* a contraction, or a sum with one */
  bool *inner;     /* an affine value that is part of a larger one */
  int32_t *reader; /* an activation of it, -1 */
  bool *plain;     /* not worth a name: the relu of a prelu */
} survey;

static bool is_op(const cy_node *node, const char *op) { return strcmp(node->op->name, op) == 0; }
static bool is_view(const cy_node *node) {
  static const char *const views[] = {"reshape", "broadcast", "permute", "slice", "convert", "full", "iota", "neg"};
  for (size_t i = 0; i < sizeof views / sizeof *views; i++)
    if (is_op(node, views[i])) return true;
  return false;
}

static bool is_named(const survey *s, int32_t id) { return cy_sheet_name_of(&s->d->sheet, id) >= 0; }

static bool is_activation_op(const cy_node *node) {
  static const char *const activations[] = {"relu", "tanh", "logistic", "softplus", "erf",
                                            "sin",  "cos",  "max",      "select"};
  for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
    if (is_op(node, activations[i])) return true;
  return false;
}

/* gamma times what was normalised */
static bool scales_normalized(const survey *s, const cy_node *node) {
  for (int i = 0; is_op(node, "mul") && i < node->n_inputs; i++)
    if (is_op(cy_node_at(s->d->graph, node->inputs[i]), "normalize")) return true;
  return false;
}

static void look(survey *s) {
  memset(s->reader, 0xff, (size_t)s->size * sizeof *s->reader);
  for (int32_t id = 0; id < s->size; id++) {
    const cy_node *node = cy_node_at(s->d->graph, id);
    if (!s->needed[id]) continue;
    bool contraction = is_op(node, "dot") || is_op(node, "convolution") || scales_normalized(s, node);
    s->affine[id] = contraction && node->shape.rank > 0;
    for (int i = 0; i < node->n_inputs; i++) {
      int32_t in = node->inputs[i];
      s->uses[in] += !(i > 0 && node->inputs[i - 1] == in);
      bool carries = (is_op(node, "add") || is_op(node, "reshape")) && s->affine[in] && !is_named(s, in);
      s->affine[id] = s->affine[id] || (carries && node->shape.rank > 0);
      if (carries || (is_op(node, "dot") && node->shape.rank == 0)) s->inner[in] = true;
      if (is_activation_op(node)) s->reader[in] = id;
    }
    /* prelu is relu(a) + slope (a - relu(a)) */
    if (is_op(node, "sub") && is_op(cy_node_at(s->d->graph, node->inputs[1]), "relu") &&
        cy_node_at(s->d->graph, node->inputs[1])->inputs[0] == node->inputs[0])
      s->plain[node->inputs[1]] = s->plain[id] = true;
  }
}

static bool is_affine_value(const survey *s, int32_t id) { return s->needed[id] && s->affine[id] && !s->inner[id]; }

/* What tells an activation's name apart: "[2]" of h[2], "1" of h1. */
static const char *suffix_of(const survey *s, int32_t activation) {
  int name = activation >= 0 ? cy_sheet_name_of(&s->d->sheet, activation) : -1;
  return name >= 0 ? s->d->sheet.names[name].text + strcspn(s->d->sheet.names[name].text, "[0123456789") : NULL;
}

/* The unnamed affine values in order; the last of several is the output, unless it has an activation too. */
static void name_affine(survey *s) {
  int count = 0, k = 0;
  for (int32_t id = 0; id < s->size; id++) count += is_affine_value(s, id) && !is_named(s, id);
  for (int32_t id = 0; id < s->size; id++) {
    cy_text base = {0};
    if (!is_affine_value(s, id) || is_named(s, id)) continue;
    k++;
    const char *suffix = suffix_of(s, s->reader[id]);
    if (suffix) cy_text_add(&base, "a%s", suffix);
    else if (k == count && count > 1 && s->reader[id] < 0) cy_text_add(&base, "o");
    else if (count > 2 && k < 10) cy_text_add(&base, "a%d", k);
    else cy_text_add(&base, "a");
    s->d->sheet.failed = s->d->sheet.failed || base.failed;
    cy_name_freely(s->d, base.data ? base.data : "a", CY_NAME_VALUE, cy_value_at(s->d->graph, id), -1);
    cy_text_clear(&base);
  }
}

static bool is_activation(const survey *s, const cy_node *node) {
  for (int k = 0; is_activation_op(node) && k < node->n_inputs; k++) {
    int name = cy_sheet_name_of(&s->d->sheet, node->inputs[k]);
    if (name >= 0 && s->d->sheet.names[name].kind == CY_NAME_VALUE) return true;
  }
  return false;
}

/* The digit of the value that it is the activation of: h2 of a2. */
static char digit_of(const survey *s, const cy_node *node) {
  int name = cy_sheet_name_of(&s->d->sheet, node->inputs[node->n_inputs - 1]);
  if (name < 0) name = cy_sheet_name_of(&s->d->sheet, node->inputs[0]);
  const char *text = name >= 0 ? s->d->sheet.names[name].text : "a";
  return text[0] == 'a' && text[1] >= '0' && text[1] <= '9' ? text[1] : 0;
}

/* More than axes of one element come or go. */
static bool is_flattening(const survey *s, const cy_node *node) {
  if (!is_op(node, "reshape")) return false;
  cy_shape from = cy_node_at(s->d->graph, node->inputs[0])->shape, to = node->shape;
  int i = 0, k = 0;
  for (;; i++, k++) {
    while (i < from.rank && from.dim[i] == 1) i++;
    while (k < to.rank && to.dim[k] == 1) k++;
    if (i == from.rank || k == to.rank) return i != from.rank || k != to.rank;
    if (from.dim[i] != to.dim[k]) return true;
  }
}

/* A value made to have a name, which stands after the node. */
static void name_after(survey *s, const char *base, cy_value value, int32_t node) {
  int name = cy_is_value(value) ? cy_name_freely(s->d, base, CY_NAME_VALUE, value, -1) : -1;
  if (name >= 0) s->d->sheet.names[name].after = node + 1;
}

/* What a normalisation subtracts and divides by. */
static void name_moments(survey *s, const cy_node *normalize) {
  const cy_list *list = normalize->attrs; /* its axes */
  cy_value x = cy_value_at(s->d->graph, normalize->inputs[0]);
  int axes[CY_MAX_RANK];
  for (int i = 0; i < list->n; i++) axes[i] = (int)list->at[i];
  cy_value mean = cy_mean(x, axes, (int)list->n, true);
  name_after(s, "mu", cy_mean(x, axes, (int)list->n, false), x.id);
  name_after(s, "v", cy_mean(cy_square(cy_sub(x, mean)), axes, (int)list->n, false), x.id);
}

static void name_activations(survey *s) {
  for (int32_t id = 0; id < s->size; id++) {
    const cy_node *node = cy_node_at(s->d->graph, id);
    if (!s->needed[id] || is_named(s, id) || !cy_dtype_is_float(node->dtype)) continue;
    cy_value value = cy_value_at(s->d->graph, id);
    if (is_flattening(s, node)) cy_name_freely(s->d, "f", CY_NAME_VALUE, value, -1);
    else if (is_op(node, "softmax")) cy_name_freely(s->d, "s", CY_NAME_VALUE, value, -1);
    else if (is_op(node, "normalize")) {
      cy_name_freely(s->d, "xh", CY_NAME_VALUE, value, -1);
      name_moments(s, node);
    }
    else if (node->op->images && !is_op(node, "convolution")) cy_name_freely(s->d, "p", CY_NAME_VALUE, value, -1);
    else if (is_activation(s, node) && !s->plain[id])
      cy_name_freely(s->d, (char[]){'h', digit_of(s, node), 0}, CY_NAME_VALUE, value, -1);
  }
}

/* log softmax is the logarithm of something worth a name. */
static void name_softmax(survey *s) {
  for (int32_t id = 0; id < s->size; id++) {
    const cy_node *node = cy_node_at(s->d->graph, id);
    if (!s->needed[id] || !is_op(node, "log_softmax")) continue;
    cy_value softmax = cy_softmax(cy_value_at(s->d->graph, node->inputs[0]), (int)*(const int64_t *)node->attrs);
    if (cy_is_value(softmax) && cy_sheet_name_of(&s->d->sheet, softmax.id) < 0)
      name_after(s, "s", softmax, node->inputs[0]);
  }
}

/* Operations below the node, down to names. */
static int operations(const survey *s, int32_t id, bool top) {
  const cy_node *node = cy_node_at(s->d->graph, id);
  int count = !is_view(node);
  if (node->n_inputs == 0 || (!top && is_named(s, id))) return 0;
  for (int i = 0; i < node->n_inputs && count < WORTH_A_NAME; i++) count += operations(s, node->inputs[i], false);
  return count;
}

static void name_shared(survey *s) {
  for (int32_t id = 0; id < s->size; id++) {
    const cy_node *node = cy_node_at(s->d->graph, id);
    bool worth = s->needed[id] && s->uses[id] > 1 && !is_named(s, id) && node->n_inputs > 0 && !is_view(node) &&
                 cy_dtype_is_float(node->dtype) && !s->plain[id] && operations(s, id, true) >= WORTH_A_NAME;
    if (worth) cy_name_freely(s->d, "t", CY_NAME_VALUE, cy_value_at(s->d->graph, id), -1);
  }
}

/* What is read as a function of whole values needs their names. */
static void name_operands(survey *s) {
  for (int32_t id = 0; id < s->size; id++) {
    const cy_node *node = cy_node_at(s->d->graph, id);
    bool opaque =
        s->needed[id] && ((node->op->images && !is_op(node, "convolution")) || is_flattening(s, node) ||
                          is_op(node, "reduce_max") || is_op(node, "reduce_min")); /* whose places are asked for */
    for (int i = 0; opaque && i < node->n_inputs; i++)
      if (!is_named(s, node->inputs[i]))
        cy_name_freely(s->d, "z", CY_NAME_VALUE, cy_value_at(s->d->graph, node->inputs[i]), -1);
  }
}

void cy_name_values(cy_derivation *d) {
  survey s = {.d = d, .size = cy_graph_size(d->graph)};
  size_t n = (size_t)s.size;
  s.needed = cy_calloc(n, 1);
  s.uses = cy_calloc(n, sizeof *s.uses);
  s.affine = cy_calloc(n, 1);
  s.inner = cy_calloc(n, 1);
  s.plain = cy_calloc(n, 1);
  s.reader = cy_calloc(n, sizeof *s.reader);
  if (s.needed && s.uses && s.affine && s.inner && s.plain && s.reader) {
    cy_value result = d->sheet.names[d->result].value;
    cy_mark_needed(d->graph, 0, &result, 1, s.needed);
    look(&s);
    if (!d->options.only_names) {
      name_affine(&s);
      name_activations(&s);
      name_shared(&s);
      name_softmax(&s);
    }
    name_operands(&s);
  } else cy_graph_fail(d->graph, CY_NO_MEMORY, "out of memory");
  cy_free(s.needed);
  cy_free(s.uses);
  cy_free(s.affine);
  cy_free(s.inner);
  cy_free(s.plain);
  cy_free(s.reader);
}
