/* Derivations as NumPy programs: inputs at random or from a file, every line with the names of the text, all results
 * printed or saved. Sizes are the data's. */
#include "derive/document.h"

#include <string.h>

/* ---- what the program needs ---- */

static bool poly_uses(const cy_poly *p, const cy_notation *f, const cy_atom **opaque);

static bool atom_uses(const cy_atom *a, const cy_notation *f, const cy_atom **opaque) {
  if (a->kind == CY_ATOM_OPAQUE && opaque) *opaque = a;
  bool uses = f && a->function == f;
  for (int i = 0; i < a->n_args; i++) uses = poly_uses(a->arg[i], f, opaque) || uses;
  return uses;
}

static bool poly_uses(const cy_poly *p, const cy_notation *f, const cy_atom **opaque) {
  bool uses = false;
  for (int i = 0; i < p->n; i++)
    for (int k = 0; k < p->term[i].n; k++) uses = atom_uses(p->term[i].factor[k].atom, f, opaque) || uses;
  return uses;
}

static const cy_poly *shown(const cy_line *line, bool elements) {
  return cy_is_shortened(line, elements) ? line->simpler : elements ? line->elements : line->form;
}

static cy_status check_writable(const cy_derivation *d, bool elements) {
  for (int i = 0; i < d->n_lines; i++) {
    const cy_atom *opaque = NULL;
    poly_uses(shown(&d->lines[i], elements), NULL, &opaque);
    bool whole = !elements && d->lines[i].written->kind == CY_EXPR_CALL && opaque &&
                 strcmp(cy_node_at(d->graph, opaque->node)->op->name, "reshape") == 0;
    if (opaque && !whole)
      return cy_fail(CY_INVALID, "NumPy has no %s: the line of %s cannot be written for it",
                     cy_node_at(d->graph, opaque->node)->op->name, d->sheet.names[d->lines[i].name].text);
  }
  return CY_OK;
}

static void add_functions(cy_text *text, const cy_derivation *d, bool elements) {
  const cy_notation *f;
  for (int i = 0; (f = cy_notation_at(i)) != NULL; i++) {
    bool used = false;
    for (int k = 0; f->numpy && k < d->n_lines && !used; k++) used = poly_uses(shown(&d->lines[k], elements), f, NULL);
    if (used) cy_text_add(text, "\n%s\n", f->numpy);
  }
}

static void add_helpers(cy_text *text, const char *body) {
  if (strstr(body, "at("))
    cy_text_add(
        text,
        "\ndef at(a, *places):  # elements; zeros outside\n"
        "    places = np.broadcast_arrays(*places)\n"
        "    inside = np.logical_and.reduce([(p >= 0) & (p < n) for p, n in zip(places, a.shape)])\n"
        "    return np.where(inside, a[tuple(np.clip(p, 0, n - 1) for p, n in zip(places, a.shape))], 0.0)\n\n");
  if (strstr(body, "grid("))
    cy_text_add(text,
                "\ndef grid(element, extents, free):  # all elements of a line in index form\n"
                "    value = element(*np.meshgrid(*[np.arange(n) for n in extents], indexing=\"ij\", sparse=True))\n"
                "    shape = [n if k in free else 1 for k, n in enumerate(extents)]\n"
                "    return np.broadcast_to(value, shape).reshape([extents[k] for k in free])\n\n");
}

/* ---- sizes and data ---- */

static bool is_given(const cy_derivation *d, int name) {
  const cy_name *n = &d->sheet.names[name];
  if (n->kind <= CY_NAME_CLASS) return true;
  for (int i = 0; i < d->n_lines; i++)
    if (d->lines[i].name == name && d->lines[i].by < 0) return false;
  return n->kind == CY_NAME_GRADIENT || n->kind == CY_NAME_TANGENT;
}

/* The first given array with an axis of this extent. */
static void add_dimension(cy_text *text, const cy_derivation *d, int dimension, int size) {
  const cy_dimension *dim = &d->sheet.dimensions[dimension];
  cy_text_add(text, "n_%s = %d\n", dim->text, size);
  for (int i = 0; i < d->sheet.n_names; i++) {
    const cy_name *n = &d->sheet.names[i];
    if (!is_given(d, i)) continue;
    int axis = n->batched && d->batch == dimension ? 0 : -1;
    for (int k = 0; axis < 0 && k < n->shape.rank; k++)
      if (n->shape.dim[k] == dim->extent) axis = k + n->batched;
    if (axis < 0) continue;
    cy_text_add(text, "if \"%s\" in given:\n    n_%s = given[\"%s\"].shape[%d]\n", n->text, dim->text, n->text, axis);
    return;
  }
}

/* How many classes a label has: the extent of the axis where it stands. */
static int64_t classes_in_poly(const cy_derivation *d, const cy_poly *p, int label);

static int64_t classes_in_atom(const cy_derivation *d, const cy_atom *a, int label) {
  for (int i = 0; i < a->n_places; i++) {
    if (!a->place[i].label || a->place[i].label->name != label) continue;
    if (a->kind == CY_ATOM_DELTA && cy_place_is_index(&a->place[1 - i]))
      return d->sheet.indices[a->place[1 - i].index[0]].extent;
    if (a->kind == CY_ATOM_ALONG) return d->sheet.indices[a->dummy].extent;
    if (a->kind == CY_ATOM_NAME) return d->sheet.names[a->name].shape.dim[i - d->sheet.names[a->name].batched];
  }
  for (int i = 0; i < a->n_args; i++) {
    int64_t n = classes_in_poly(d, a->arg[i], label);
    if (n) return n;
  }
  return 0;
}

static int64_t classes_in_poly(const cy_derivation *d, const cy_poly *p, int label) {
  for (int i = 0; i < p->n; i++)
    for (int k = 0; k < p->term[i].n; k++) {
      int64_t n = classes_in_atom(d, p->term[i].factor[k].atom, label);
      if (n) return n;
    }
  return 0;
}

static void add_given(cy_text *text, const cy_derivation *d, int name) {
  char extent[2 * CY_NAME_SIZE];
  const cy_name *n = &d->sheet.names[name];
  cy_text shape = {0};
  cy_style st = cy_document_style(d, CY_LANGUAGE_NUMPY, NULL);
  if (n->batched) cy_text_add(&shape, "%s,", cy_numpy_extent(&d->sheet, d->batch_extent, extent));
  for (int i = 0; i < n->shape.rank; i++)
    cy_text_add(&shape, "%s,", cy_numpy_extent(&d->sheet, n->shape.dim[i], extent));
  cy_print_name(text, &st, name);
  cy_text_add(text, " = given[\"%s\"] if \"%s\" in given else ", n->text, n->text);
  if (n->kind == CY_NAME_CLASS) {
    int64_t classes = 0;
    for (int i = 0; i < d->n_lines && !classes; i++) classes = classes_in_poly(d, d->lines[i].form, name);
    cy_text_add(text, "rng.integers(0, %s, (%s))\n", cy_numpy_extent(&d->sheet, classes ? classes : 1, extent),
                shape.data ? shape.data : "");
  } else
    cy_text_add(text, n->sums_to_one ? "rng.dirichlet(np.ones(%s))\n" : "rng.standard_normal((%s))\n",
                shape.data ? shape.data : "");
  cy_text_drop(text, &shape);
}

/* ---- lines ---- */

static int filled_rank(const cy_expr *e) {
  int most = 0;
  switch (e->kind) {
    case CY_EXPR_ADD: case CY_EXPR_HADAMARD: case CY_EXPR_CHOICE: case CY_EXPR_COMPARE:
      for (int i = 0; i < e->n; i++) most = filled_rank(e->part[i]) > most ? filled_rank(e->part[i]) : most;
      return most;
    case CY_EXPR_TIMES: return e->body ? filled_rank(e->body) : 0;
    default: return e->rank;
  }
}

static void add_line(cy_text *text, const cy_derivation *d, const cy_line *line, bool elements) {
  char extent[2 * CY_NAME_SIZE];
  cy_style st = cy_document_style(d, CY_LANGUAGE_NUMPY, line);
  bool shorter = cy_is_shortened(line, elements);
  const cy_expr *e = shorter ? line->written_simpler : line->written;
  bool spread = !elements && e->kind != CY_EXPR_INDEXED && filled_rank(e) < line->n;
  cy_forget_letters(d);
  cy_write_left(text, d, &st, line, false);
  cy_text_add(text, spread ? " = np.broadcast_to(" : " = ");
  cy_write_right(text, d, &st, line, elements, shorter);
  if (spread) {
    cy_text_add(text, ", (");
    for (int i = 0; i < line->n; i++)
      cy_text_add(text, "%s,", cy_numpy_extent(&d->sheet, d->sheet.indices[line->indices[i]].extent, extent));
    cy_text_add(text, "))");
  }
  cy_text_add(text, "  # ");
  if (line->by < 0) cy_write_shape(text, d, line->name);
  else cy_text_add(text, "Jacobian");
  cy_text_add(text, "\n");
}

static void add_lines(cy_text *text, const cy_derivation *d, bool elements) {
  for (int s = 0; s < CY_SECTIONS; s++) {
    bool any = false;
    for (int i = 0; i < d->n_lines; i++) {
      if (d->lines[i].section != (cy_section)s) continue;
      if (!any) {
        cy_text_add(text, "\n# ");
        cy_write_heading(text, d, (cy_section)s);
        cy_text_add(text, "\n");
      }
      any = true;
      add_line(text, d, &d->lines[i], elements);
    }
  }
}

static void add_results(cy_text *text, const cy_derivation *d) {
  cy_text_add(text, "\nresults = {\n");
  for (int i = 0; i < d->n_lines; i++) {
    cy_style st = cy_document_style(d, CY_LANGUAGE_NUMPY, &d->lines[i]);
    cy_text left = {0};
    cy_write_left(&left, d, &st, &d->lines[i], false);
    const char *key = d->lines[i].by < 0 ? d->sheet.names[d->lines[i].name].text : left.data;
    cy_text_add(text, "    \"%s\": %s,\n", key ? key : "", left.data ? left.data : "");
    cy_text_drop(text, &left);
  }
  cy_text_add(text,
              "}\nif len(sys.argv) > 2:\n"
              "    np.savez(sys.argv[2], **{name: np.asarray(value, dtype=float) for name, value in results.items()})\n"
              "else:\n    np.set_printoptions(precision=6, suppress=True)\n"
              "    for name, value in results.items():\n        print(name, \"=\", np.asarray(value, dtype=float))\n");
}

cy_status cy_write_numpy(const cy_derivation *d, bool elements, cy_text *text) {
  static const int sizes[] = {4, 5, 3, 6, 7, 2};
  cy_text body = {0};
  CY_TRY(check_writable(d, elements));
  add_lines(&body, d, elements);
  cy_text_add(text, "# python3 program.py [inputs.npz [results.npz]]; without a file the inputs are random\n"
                    "import sys\n\nimport numpy as np\n\n");
  add_functions(text, d, elements);
  add_helpers(text, body.data ? body.data : "");
  cy_text_add(text,
              "given = dict(np.load(sys.argv[1])) if len(sys.argv) > 1 else {}\nrng = np.random.default_rng(0)\n");
  for (int i = 0; i < d->sheet.n_dimensions; i++) add_dimension(text, d, i, sizes[i % 6]);
  cy_text_add(text, "\n");
  for (int i = 0; i < d->sheet.n_names; i++)
    if (is_given(d, i)) add_given(text, d, i);
  cy_text_add(text, "%s", body.data ? body.data : "");
  cy_text_drop(text, &body);
  add_results(text, d);
  return CY_OK;
}
