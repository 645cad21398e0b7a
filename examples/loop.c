/* A recurrent network as a loop of 50 steps, and how its end depends on its start: h[t] = tanh(x[t] W + h[t-1] U), where
 * U turns by 30 degrees and scales. Below 1 the gradient vanishes, above it explodes until tanh bends. */
#include <cauchy.h>
#include <math.h>
#include <stdio.h>

static void step(const cy_scan_step *s, void *context, cy_value *next, cy_value *outputs) {
  cy_value z = cy_add(cy_matmul(s->inputs[0], s->constants[0]), cy_matmul(s->carry[0], s->constants[1]));
  next[0] = cy_tanh(z);
  outputs[0] = next[0];
  (void)context;
}

/* The norm of the gradient of the last h's first number with respect to the first h. */
static int gradient_norm(double scale, int64_t steps, double *norm) {
  double turn[] = {scale * sqrt(0.75), scale * 0.5, -scale * 0.5, scale * sqrt(0.75)};
  cy_graph *graph;
  cy_program *program;
  cy_session *session;
  cy_tensor *matrix;
  if (cy_graph_create(&graph)) return 1;
  cy_value u = cy_input(graph, "u", CY_F64, CY_SHAPE(2, 2)), w = cy_full(graph, CY_F64, CY_SHAPE(1, 2), 0.01);
  cy_value x = cy_full(graph, CY_F64, CY_SHAPE(steps, 1, 1), 1), h0 = cy_full(graph, CY_F64, CY_SHAPE(1, 2), 0);
  cy_value weights[2] = {w, u}, last, h, gradient; /* x is [T, N, C], h0 is [N, H]; h becomes [T, N, H] */
  cy_scan(graph, step, NULL,
          (cy_scan_values){.n_constants = 2, .constants = weights, .n_carry = 1, .carry = &h0, .last = &last,
                           .n_inputs = 1, .inputs = &x, .n_outputs = 1, .outputs = &h},
          (cy_scan_options){0});
  cy_value first = cy_sum(cy_slice_axis(last, 1, 0, 1), NULL, 0, false);
  if (cy_grad(first, &h0, 1, &gradient) || cy_compile(&gradient, 1, NULL, 0, (cy_program_options){0}, &program) ||
      cy_session_create(program, &session) || cy_tensor_wrap(CY_F64, CY_SHAPE(2, 2), NULL, turn, &matrix) ||
      cy_session_bind(session, "u", matrix) || cy_session_run(session))
    return 1;
  *norm = hypot(cy_tensor_at(cy_session_output(session, 0), 0), cy_tensor_at(cy_session_output(session, 0), 1));
  cy_session_free(session);
  cy_program_free(program);
  cy_tensor_free(matrix);
  cy_graph_free(graph);
  return 0;
}

int main(void) {
  double norm;
  for (double scale = 0.8; scale < 1.3; scale += 0.2) {
    printf("scale %.1f:", scale);
    for (int64_t steps = 1; steps <= 50; steps = steps == 1 ? 10 : steps + 20) {
      if (gradient_norm(scale, steps, &norm)) return fprintf(stderr, "%s\n", cy_error_message()), 1;
      printf("  %lld steps %.2e", (long long)steps, norm);
    }
    puts("");
  }
}
