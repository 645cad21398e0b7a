#include "ops/scan_draft.h"
void cy_scan_pull(const cy_rule *r, cy_value ct, const bool *wanted, cy_value *cotangents) {
  (void)ct, (void)wanted, (void)cotangents;
  cy_graph_fail(r->graph, CY_UNSUPPORTED, "scan: no derivative yet");
}
