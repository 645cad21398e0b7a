/* Graphs for people: one line per node, or Graphviz source. Reads the rows' field tables; knows no operation. */
#include "base/text.h"
#include "graph/body.h"

static void add_attrs(cy_text *text, const cy_node *node) {
  for (const cy_field *f = node->op->fields; f && f->name; f++) {
    const char *at = (const char *)node->attrs + f->offset;
    cy_text_add(text, " %s=", f->name);
    if (f->kind == CY_FIELD_INT) cy_text_add(text, "%lld", (long long)*(const int64_t *)at);
    if (f->kind == CY_FIELD_REAL) cy_text_add(text, "%.9g", *(const double *)at);
    if (f->kind == CY_FIELD_BODY) cy_text_add(text, "%d nodes", cy_graph_size(cy_body_of(node)->graph));
    if (f->kind == CY_FIELD_LIST) {
      const cy_list *list = (const cy_list *)at;
      cy_text_add(text, "(");
      for (int64_t i = 0; i < list->n; i++) cy_text_add(text, i ? ",%lld" : "%lld", (long long)list->at[i]);
      cy_text_add(text, ")");
    }
  }
}

static void add_body(cy_text *text, const cy_graph *graph, const bool *shown, int32_t id, int depth);

/* shown: the nodes that are printed; NULL: all. */
static void add_line(cy_text *text, const cy_graph *graph, const bool *shown, int32_t id, int depth) {
  char shape[CY_SHAPE_TEXT];
  const cy_node *node = cy_node_at(graph, id);
  cy_text_add(text, "%*s%%%d = %s", 2 * depth, "", id, node->op->name);
  for (int k = 0; k < node->n_inputs; k++) cy_text_add(text, " %%%d", node->inputs[k]);
  if (node->name[0]) cy_text_add(text, " \"%s\"", node->name);
  add_attrs(text, node);
  cy_text_add(text, " : %s %s", cy_dtype_name(node->dtype), cy_shape_text(node->shape, shape));
  if (node->scope[0]) cy_text_add(text, "  # %s", node->scope);
  cy_text_add(text, "\n");
  if (node->op->loop) add_body(text, graph, shown, id, depth + 1);
}

/* The step of a loop, under the first loop that runs it. */
static void add_body(cy_text *text, const cy_graph *graph, const bool *shown, int32_t id, int depth) {
  const cy_body *body = cy_body_of(cy_node_at(graph, id));
  for (int32_t other = 0; other < id; other++)
    if ((!shown || shown[other]) && cy_node_at(graph, other)->op->loop &&
        cy_body_of(cy_node_at(graph, other)) == body) {
      cy_text_add(text, "%*sthe body of %%%d\n", 2 * depth, "", other);
      return;
    }
  for (int32_t inner = 0; inner < cy_graph_size(body->graph); inner++) add_line(text, body->graph, NULL, inner, depth);
  cy_text_add(text, "%*snext", 2 * depth, "");
  for (int k = 0; k < body->n_carry; k++) cy_text_add(text, " %%%d", body->next[k]);
  cy_text_add(text, "\n");
}

static void add_dot_node(cy_text *text, const cy_graph *graph, int32_t id) {
  char shape[CY_SHAPE_TEXT];
  const cy_node *node = cy_node_at(graph, id);
  bool leaf = node->n_inputs == 0;
  cy_text_add(text, "  n%d [label=\"%s", id, node->op->name);
  if (node->name[0]) cy_text_add(text, " %s", node->name);
  add_attrs(text, node);
  cy_text_add(text, "\\n%s %s\"%s];\n", cy_dtype_name(node->dtype), cy_shape_text(node->shape, shape),
              leaf ? ", style=filled, fillcolor=\"#e8eef7\"" : "");
  for (int k = 0; k < node->n_inputs; k++) cy_text_add(text, "  n%d -> n%d;\n", node->inputs[k], id);
}

static cy_status print(const cy_value *values, int n, bool dot, char **out) {
  cy_text text = {0};
  cy_graph *graph = cy_common_graph(values, n);
  *out = NULL;
  if (!graph) return cy_fail(CY_INVALID, "there is no value to print");
  CY_TRY(cy_graph_status(graph));
  bool *needed = cy_calloc((size_t)cy_graph_size(graph), 1);
  if (!needed) return cy_no_memory();
  cy_mark_needed(graph, 0, values, n, needed);
  if (dot) cy_text_add(&text, "digraph cauchy {\n  rankdir=TB;\n  node [shape=box, fontname=\"Helvetica\"];\n");
  for (int32_t id = 0; id < cy_graph_size(graph); id++)
    if (needed[id] && dot)
      add_dot_node(&text, graph, id);
    else if (needed[id])
      add_line(&text, graph, needed, id, 0);
  for (int i = 0; i < n; i++) {
    if (dot)
      cy_text_add(&text, "  out%d [shape=plaintext, label=\"output %d\"];\n  n%d -> out%d;\n", i, i, values[i].id, i);
    else
      cy_text_add(&text, i ? " %%%d" : "return %%%d", values[i].id);
  }
  cy_text_add(&text, dot ? "}\n" : "\n");
  cy_free(needed);
  *out = cy_text_take(&text);
  return *out ? CY_OK : cy_no_memory();
}

cy_status cy_graph_text(const cy_value *values, int n, char **text) { return print(values, n, false, text); }
cy_status cy_graph_dot(const cy_value *values, int n, char **text) { return print(values, n, true, text); }
