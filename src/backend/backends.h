/* The backends of this build. */
#ifndef CY_BACKEND_BACKENDS_H
#define CY_BACKEND_BACKENDS_H

#include "compile/plan.h"

extern const cy_backend cy_reference_backend; /* plain C loops, one operation at a time: the oracle */
extern const cy_backend cy_cpu_backend;       /* fused tiles, contractions, oneDNN */

#endif
