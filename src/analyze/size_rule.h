/* Rules for sizes, fitted to what was seen: see size_rule.c. */
#ifndef CY_ANALYZE_SIZE_RULE_H
#define CY_ANALYZE_SIZE_RULE_H

#include "base/text.h"

#include <cauchy/analyze.h>

/* size[n], for n = 1..count - 1; negative where the network could not be built. axis: goes into the rule. */
cy_size_rule cy_fit_size_rule(const int64_t *size, int64_t count, int axis);
/* letter: what n is called. */
void cy_size_rule_text(const cy_size_rule *rule, const char *letter, cy_text *text);

#endif
