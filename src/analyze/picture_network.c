/* The network as a picture: a box per layer, from top to bottom, branches side by side in a frame that ends in what
 * joins them. Long networks run over several columns. */
#include "analyze/picture.h"

#include "base/text.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
  BOX_WIDTH = 224,
  BOX_HEIGHT = 44,
  SLIM_HEIGHT = 24, /* slim: layers that change neither size nor have parameters */
  GAP = 16,         /* with an arrow */
  HEADER = 22,
  FAN = 18,
  JOIN = 40,
  INSET = 12,
  BRANCH_GAP = 18,
  BARE = 26, /* of frames; the width of an empty branch */
  COLUMN_GAP = 46,
  EDGE = 16,
  SHORTEST_COLUMN = 560
};

/* A layer, or a frame with branches. */
typedef struct piece {
  int layer; /* -1: the input */
  bool slim;
  double width, height;
  struct chain *branches; /* linked */
  struct piece *next;
} piece;

typedef struct chain {
  piece *first;
  double width, height;
  struct chain *next;
} chain;

typedef struct picture {
  const cy_analysis *a;
  cy_plot_options options;
  chain *chain;
  double column_height, column_width, top;
  char subtitle[256];
} picture;

/* ---- from the list of layers to pieces ---- */

static bool is_slim(const cy_analysis *a, int i) {
  const cy_layer_facts *l = &a->layers[i];
  return !l->group && l->parameters == 0 && l->buffers == 0 && cy_shape_equal(l->input, l->output) &&
         !strstr(l->kind, "pool");
}

/* Layers from *at on whose parent is `parent`: chains that begin at the parent's input. */
static chain *make_chains(cy_arena *arena, const cy_analysis *a, int parent, int *at) {
  chain *first = NULL, **last_chain = &first;
  piece **last_piece = NULL;
  int32_t start = parent >= 0 ? a->layer_in[parent].id : -2;
  bool went_on = false; /* the layer before hands its input on and is no branch by itself: dropout */
  while (*at < a->n_layers && a->layers[*at].parent == parent) {
    int i = (*at)++;
    if (!last_piece || (a->layer_in[i].id == start && !went_on)) {
      chain *c = cy_arena_alloc(arena, sizeof *c);
      if (!c) return NULL;
      *last_chain = c;
      last_chain = &c->next;
      last_piece = &c->first;
    }
    went_on = a->layer_out[i].id == start && strcmp(a->layers[i].kind, "identity") != 0;
    piece *p = cy_arena_alloc(arena, sizeof *p);
    if (!p) return NULL;
    *p = (piece){.layer = i, .slim = is_slim(a, i)};
    if (a->layers[i].group && !(p->branches = make_chains(arena, a, i, at))) return NULL;
    *last_piece = p;
    last_piece = &p->next;
  }
  return first;
}

/* A sum whose other side is the input itself has an empty branch. */
static bool has_shortcut(const picture *p, const piece *q) {
  return q->branches && !q->branches->next && strcmp(p->a->layers[q->layer].kind, "residual") == 0;
}

static void measure_chain(const picture *p, chain *c);

static void measure_piece(const picture *p, piece *q) {
  q->width = BOX_WIDTH;
  q->height = q->slim ? SLIM_HEIGHT : BOX_HEIGHT;
  if (!q->branches) return;
  double width = has_shortcut(p, q) ? BARE + BRANCH_GAP : 0, height = 0;
  for (chain *c = q->branches; c; c = c->next) {
    measure_chain(p, c);
    width += c->width + (c->next ? BRANCH_GAP : 0);
    height = fmax(height, c->height);
  }
  q->width = fmax(width, BOX_WIDTH) + 2 * INSET;
  q->height = HEADER + FAN + height + JOIN;
}

static void measure_chain(const picture *p, chain *c) {
  c->width = c->height = 0;
  for (piece *q = c->first; q; q = q->next) {
    measure_piece(p, q);
    c->width = fmax(c->width, q->width);
    c->height += q->height + (q->next ? GAP : 0);
  }
}

/* ---- drawing ---- */

static void arrow(cairo_t *cr, double x, double from, double to) {
  cy_line(cr, x, from, x, to - 3);
  cairo_move_to(cr, x, to);
  cairo_line_to(cr, x - 3.2, to - 6);
  cairo_line_to(cr, x + 3.2, to - 6);
  cairo_close_path(cr);
  cairo_fill(cr);
}

static void set_pen(cairo_t *cr) {
  cairo_set_line_width(cr, 1.1);
  cy_ink(cr, CY_INK_SOFT);
}

static void paper(cairo_t *cr, double x, double y, double width, double height, int fill, int frame) {
  cy_rounded(cr, x, y, width, height, 5);
  cy_ink(cr, fill);
  cairo_fill_preserve(cr);
  cy_ink(cr, frame);
  cairo_set_line_width(cr, 1);
  cairo_stroke(cr);
}

static void strip(cairo_t *cr, double x, double y, double height, int color) {
  cairo_save(cr);
  cy_rounded(cr, x, y, BOX_WIDTH, height, 5);
  cairo_clip(cr);
  cy_ink(cr, color);
  cairo_rectangle(cr, x, y, 5, height);
  cairo_fill(cr);
  cairo_restore(cr);
}

/* Left and right text of one line; the right one is whole, the left one is cut to what remains. */
static void line_of_text(cairo_t *cr, double x, double width, double middle, const char *left, cy_weight weight,
                         int left_ink, const char *right, double size) {
  char buffer[CY_LABEL_SIZE];
  cy_font(cr, size, CY_REGULAR);
  double taken = right[0] ? cy_text_width(cr, right) + 8 : 0;
  cy_ink(cr, left_ink == CY_INK_TEXT ? CY_INK_TEXT : CY_INK_SOFT);
  cy_text_centered(cr, x + width, middle, 1, right);
  cy_font(cr, size, weight);
  cy_ink(cr, left_ink);
  cy_text_centered(cr, x, middle, 0, cy_text_fit(cr, left, width - taken, buffer));
}

static void draw_box(cairo_t *cr, const picture *p, const piece *q, double x, double y) {
  char shape[CY_PICTURE_TEXT], work[CY_PICTURE_TEXT], count[CY_PICTURE_TEXT], parameters[CY_PICTURE_TEXT + 16] = "";
  const cy_layer_facts *l = q->layer >= 0 ? &p->a->layers[q->layer] : NULL;
  double left = x - BOX_WIDTH / 2.0, text = left + 14, width = BOX_WIDTH - 24;
  paper(cr, left, y, BOX_WIDTH, q->height, 0xffffff, CY_INK_FRAME);
  strip(cr, left, y, q->height, l ? cy_picture_color(p->a, q->layer) : CY_INK_TEXT);
  if (q->slim) {
    line_of_text(cr, text, width, y + q->height / 2, l ? l->name : "input", l ? CY_REGULAR : CY_BOLD,
                 l ? CY_INK_SOFT : CY_INK_TEXT, l ? "" : cy_picture_shape(p->a->sample, shape), 11);
    return;
  }
  line_of_text(cr, text, width, y + 14.5, l->name, CY_BOLD, CY_INK_TEXT, cy_picture_shape(l->output, shape), 11.5);
  if (l->parameters) snprintf(parameters, sizeof parameters, "%s parameters", cy_picture_count(l->parameters, count));
  cy_picture_work(p->a, q->layer, work);
  line_of_text(cr, text, width, y + 31.5, work[0] ? work : l->kind, CY_REGULAR, CY_INK_SOFT, parameters, 9.5);
}

static void draw_chain(cairo_t *cr, const picture *p, const chain *c, double x, double y);

/* What a frame's branches end in, by the operation that joins them. */
static const char *join_symbol(const picture *p, int layer) {
  for (int32_t id = cy_graph_size(p->a->graph) - 1; id >= 0; id--) {
    if (p->a->owner[id] != layer) continue;
    const char *name = cy_node_at(p->a->graph, id)->op->name;
    if (strcmp(name, "add") == 0) return "+";
    if (strcmp(name, "mul") == 0) return "×";
    if (strcmp(name, "concat") == 0) return "concat";
  }
  return "";
}

static void draw_join(cairo_t *cr, const char *symbol, double x, double y) {
  double half = strlen(symbol) > 2 ? 24 : 10;
  cy_rounded(cr, x - half, y - 10, 2 * half, 20, 10);
  cy_ink(cr, 0xffffff);
  cairo_fill_preserve(cr);
  cy_ink(cr, CY_INK_SOFT);
  cairo_set_line_width(cr, 1.1);
  cairo_stroke(cr);
  cy_font(cr, half > 10 ? 10 : 14, CY_REGULAR);
  cy_ink(cr, CY_INK_TEXT);
  cy_text_centered(cr, x, y, 0.5, symbol);
}

/* One branch, from the fan's line down to the join's. */
static void draw_branch(cairo_t *cr, const picture *p, const chain *c, double x, double fan, double top, double join) {
  set_pen(cr);
  if (!c) {
    cy_line(cr, x, fan, x, join);
    return;
  }
  arrow(cr, x, fan, top);
  draw_chain(cr, p, c, x, top);
  set_pen(cr);
  cy_line(cr, x, top + c->height, x, join);
}

static void draw_frame(cairo_t *cr, const picture *p, const piece *q, double x, double y) {
  char shape[CY_PICTURE_TEXT];
  const cy_layer_facts *l = &p->a->layers[q->layer];
  double left = x - q->width / 2, top = y + HEADER + FAN, fan = y + HEADER, bottom = y + q->height, join = bottom - 22;
  bool shortcut = has_shortcut(p, q);
  double total = shortcut ? BARE + BRANCH_GAP : 0, first = 0, last = 0;
  paper(cr, left, y, q->width, q->height, 0xf6f6f6, CY_INK_GRID);
  cy_font(cr, 10, CY_REGULAR);
  cy_ink(cr, CY_INK_SOFT);
  cy_text_centered(cr, left + 10, y + 11, 0, l->name);
  cy_text_centered(cr, left + q->width - 10, y + 11, 1, cy_picture_shape(l->output, shape));
  for (const chain *c = q->branches; c; c = c->next) total += c->width + (c->next ? BRANCH_GAP : 0);
  double at = x - total / 2;
  for (const chain *c = q->branches; c; c = c->next) {
    last = at + c->width / 2;
    if (c == q->branches) first = last;
    draw_branch(cr, p, c, last, fan, top, join);
    at += c->width + BRANCH_GAP;
  }
  if (shortcut) draw_branch(cr, p, NULL, last = at + BARE / 2.0, fan, top, join);
  set_pen(cr);
  cy_line(cr, x, y, x, fan);
  cy_line(cr, fmin(first, x), fan, fmax(last, x), fan);
  cy_line(cr, fmin(first, x), join, fmax(last, x), join);
  cy_line(cr, x, join, x, bottom);
  draw_join(cr, join_symbol(p, q->layer), x, join);
}

static void draw_piece(cairo_t *cr, const picture *p, const piece *q, double x, double y) {
  if (q->branches) draw_frame(cr, p, q, x, y);
  else draw_box(cr, p, q, x, y);
}

static void draw_chain(cairo_t *cr, const picture *p, const chain *c, double x, double y) {
  for (const piece *q = c->first; q; q = q->next) {
    draw_piece(cr, p, q, x, y);
    y += q->height;
    if (!q->next) break;
    set_pen(cr);
    arrow(cr, x, y, y + GAP);
    y += GAP;
  }
}

/* From the end of one column to the head of the next. */
static void turn(cairo_t *cr, const picture *p, double x, double y) {
  double gutter = x + p->column_width / 2 + COLUMN_GAP / 2.0, next = x + p->column_width + COLUMN_GAP;
  set_pen(cr);
  cairo_move_to(cr, x, y);
  cairo_line_to(cr, x, y + GAP / 2.0 + 2);
  cairo_line_to(cr, gutter, y + GAP / 2.0 + 2);
  cairo_line_to(cr, gutter, p->top - GAP / 2.0 - 2);
  cairo_line_to(cr, next, p->top - GAP / 2.0 - 2);
  cairo_stroke(cr);
  arrow(cr, next, p->top - GAP / 2.0 - 2, p->top);
}

static bool fits(const picture *p, const piece *q, double y) { return y + q->height <= p->top + p->column_height; }

static void draw_network(cairo_t *cr, const void *what) {
  const picture *p = what;
  double x = EDGE + p->column_width / 2, y = p->top;
  cy_headline(cr, EDGE, p->options.width - 2 * EDGE, p->options.title, p->subtitle);
  for (const piece *q = p->chain->first; q; q = q->next) {
    draw_piece(cr, p, q, x, y);
    y += q->height;
    if (!q->next) break;
    if (fits(p, q->next, y + GAP)) {
      set_pen(cr);
      arrow(cr, x, y, y + GAP);
      y += GAP;
    } else {
      turn(cr, p, x, y);
      x += p->column_width + COLUMN_GAP;
      y = p->top;
    }
  }
}

/* Columns about as high as all of them together are wide, over the golden ratio. */
static void lay_out(picture *p) {
  double tallest = 0, all = p->chain->height;
  int columns = 1;
  for (const piece *q = p->chain->first; q; q = q->next) tallest = fmax(tallest, q->height);
  p->column_width = p->chain->width;
  p->column_height = fmax(fmax(tallest, SHORTEST_COLUMN), sqrt(all * (p->column_width + COLUMN_GAP) / 1.6));
  p->top = cy_headline_height(p->options.title, p->subtitle) + 14;
  double y = p->top, lowest = 0;
  for (const piece *q = p->chain->first; q; q = q->next) {
    if (!fits(p, q, y) && q != p->chain->first) {
      columns++;
      y = p->top;
    }
    y += q->height;
    lowest = fmax(lowest, y);
    y += GAP;
  }
  p->options.width = (int)ceil(2 * EDGE + columns * p->column_width + (columns - 1) * COLUMN_GAP);
  if (p->options.width < 360) p->options.width = 360;
  p->options.height = (int)ceil(lowest + EDGE + (columns > 1 ? GAP : 0));
}

cy_status cy_analysis_picture(const cy_analysis *a, cy_plot_options options, const char *png, const char *svg) {
  picture p = {.a = a, .options = options};
  char x[CY_PICTURE_TEXT], y[CY_PICTURE_TEXT];
  int at = 0;
  cy_arena *arena = cy_arena_create();
  piece *input = arena ? cy_arena_alloc(arena, sizeof *input) : NULL;
  p.chain = input ? make_chains(arena, a, -1, &at) : NULL;
  if (input && !p.chain && a->n_layers == 0) p.chain = cy_arena_alloc(arena, sizeof *p.chain);
  cy_status status = p.chain ? CY_OK : cy_no_memory();
  if (status == CY_OK) {
    *input = (piece){.layer = -1, .slim = true, .next = p.chain->first};
    p.chain->first = input;
    measure_chain(&p, p.chain);
    snprintf(p.subtitle, sizeof p.subtitle, "%s%s%s parameters, %s multiply-adds",
             options.subtitle ? options.subtitle : "", options.subtitle && options.subtitle[0] ? "; " : "",
             cy_picture_count(a->totals.parameters, x), cy_picture_count(a->totals.multiply_adds, y));
    lay_out(&p);
    status = cy_page_write(p.options.width, p.options.height, draw_network, &p, png, svg);
  }
  cy_arena_free(arena);
  return status;
}
