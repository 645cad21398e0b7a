/* The Jacobian of three functions of three numbers, and the exact product of a Hessian with a vector. */
#include <cauchy.h>
#include <stdio.h>

int main(void) {
  double numbers[] = {0.1, 0.2, 0.3}, direction[] = {1, 0, 0};
  cy_graph *graph;
  cy_program *program;
  cy_session *session;
  cy_tensor *at, *along;
  cy_value out[2];
  if (cy_graph_create(&graph)) return 1;
  cy_value x = cy_input(graph, "x", CY_F64, CY_SHAPE(3)), v = cy_input(graph, "v", CY_F64, CY_SHAPE(3));
  cy_value f = cy_mul(cy_sin(x), cy_sum(cy_square(x), NULL, 0, false)); /* sin(x_i) |x|^2 */
  cy_value energy = cy_sum(cy_exp(f), NULL, 0, false);
  if (cy_jacobian(f, x, &out[0]) ||           /* [3, 3] */
      cy_hvp(energy, &x, &v, 1, &out[1]) ||   /* [3] */
      cy_compile(out, 2, NULL, 0, (cy_program_options){0}, &program) || cy_session_create(program, &session) ||
      cy_tensor_wrap(CY_F64, CY_SHAPE(3), NULL, numbers, &at) || cy_session_bind(session, "x", at) ||
      cy_tensor_wrap(CY_F64, CY_SHAPE(3), NULL, direction, &along) || cy_session_bind(session, "v", along) ||
      cy_session_run(session))
    return fprintf(stderr, "%s\n", cy_error_message()), 1;
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) printf(" %9.6f", cy_tensor_at(cy_session_output(session, 0), 3 * i + j));
    printf("   %9.6f\n", cy_tensor_at(cy_session_output(session, 1), i));
  }
  cy_session_free(session);
  cy_program_free(program);
  cy_tensor_free(at);
  cy_tensor_free(along);
  cy_graph_free(graph);
}
