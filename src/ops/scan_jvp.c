#include "ops/scan_draft.h"
cy_value cy_scan_jvp(const cy_rule *r) { return cy_graph_fail(r->graph, CY_UNSUPPORTED, "scan: no derivative yet"), cy_none; }
