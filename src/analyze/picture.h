/* What the pictures of this folder share. Only built with cairo. */
#ifndef CY_ANALYZE_PICTURE_H
#define CY_ANALYZE_PICTURE_H

#include "analyze/analysis.h"
#include "io/plot.h"

/* "32×14×14"; "12 345" with thin spaces. Each returns its buffer. */
enum { CY_PICTURE_TEXT = 128 };
const char *cy_picture_shape(cy_shape shape, char text[CY_PICTURE_TEXT]);
const char *cy_picture_count(int64_t count, char text[CY_PICTURE_TEXT]);
/* What a layer does, in a few words: "3×3, stride 2"; "" if its name says all. */
const char *cy_picture_work(const cy_analysis *analysis, int layer, char text[CY_PICTURE_TEXT]);
/* The colour of its kind. */
int cy_picture_color(const cy_analysis *analysis, int layer);

void cy_rounded(cairo_t *cr, double x, double y, double width, double height, double radius);

#endif
