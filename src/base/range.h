/* Stretches of memory that will be used soon: whoever knows tells whoever computes for long, who brings them closer
 * meanwhile. A hint: nothing depends on it, and the memory must only be there, not filled. */
#ifndef CY_BASE_RANGE_H
#define CY_BASE_RANGE_H

#include <stdint.h>

typedef struct cy_range {
  const char *at;
  int64_t bytes;
} cy_range;

typedef struct cy_ranges {
  const cy_range *range;
  int count;
} cy_ranges;

#endif
