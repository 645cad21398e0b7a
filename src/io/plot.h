/* A page to draw charts on, in nominal pixels, and the few words of typography that all charts share: ink, type,
 * aligned text. One drawing function serves PNG (at twice the size) and SVG. Only built with cairo. */
#ifndef CY_IO_PLOT_H
#define CY_IO_PLOT_H

#include "base/error.h"

#include <cairo.h>
#include <cauchy/plot.h>

/* Draws on a white page of the nominal size and writes it to the paths that are not NULL. An SVG holds what cy_text_at and
 * its kin wrote as text too, in its <desc>. */
typedef void cy_page_draw(cairo_t *cr, const void *what);
cy_status cy_page_write(int width, int height, cy_page_draw *draw, const void *what, const char *png, const char *svg);
/* For measuring text before the size of the page is known; cairo_destroy it. Fails if memory is out. */
cy_status cy_page_ruler(cairo_t **cr);

/* Inks, as 0xRRGGBB. */
enum { CY_INK_TEXT = 0x262626, CY_INK_SOFT = 0x6b6b6b, CY_INK_FRAME = 0xbdbdbd, CY_INK_GRID = 0xe9e9e9 };
/* Colour number i >= 0 of a palette that stays apart for colour-blind readers (Okabe and Ito 2008), without its
 * yellow, which is too light for lines. */
int cy_palette(int i);
void cy_ink(cairo_t *cr, int rgb);

typedef enum cy_weight { CY_REGULAR, CY_BOLD } cy_weight;
void cy_font(cairo_t *cr, double size, cy_weight weight);
double cy_text_width(cairo_t *cr, const char *text);
/* x is the text's left (align 0), middle (0.5) or right end (1); y is its baseline, or the middle of its capitals. */
void cy_text_at(cairo_t *cr, double x, double baseline, double align, const char *text);
void cy_text_centered(cairo_t *cr, double x, double middle, double align, const char *text);
/* Read from below upwards: y is where the text starts (align 0), has its middle or its end; x the middle of capitals. */
void cy_text_upwards(cairo_t *cr, double x, double y, double align, const char *text);

/* Text that cairo accepts: valid UTF-8 without control characters, cut to the width with an ellipsis. */
enum { CY_LABEL_SIZE = 256 };
const char *cy_text_fit(cairo_t *cr, const char *text, double width, char buffer[CY_LABEL_SIZE]);

/* Title and subtitle at the top left; their height below the page's edge, with the gap that follows. */
double cy_headline_height(const char *title, const char *subtitle);
void cy_headline(cairo_t *cr, double x, double width, const char *title, const char *subtitle);

void cy_line(cairo_t *cr, double x0, double y0, double x1, double y1);

#endif
