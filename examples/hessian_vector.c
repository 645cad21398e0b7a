#include <cauchy.h>
#include <stdio.h>

int main(void) {
  double w_data[] = {0.5, -0.3, 0.8}, v_data[] = {1, 0, 0}, x_data[] = {1, 2, 3, 4, 5, 6};
  cy_tensor *w_tensor, *v_tensor, *x_tensor;
  cy_graph *g;
  cy_program *program;
  cy_session *session;
  cy_value gradient, product;
  if (cy_graph_create(&g)) return 1;
  cy_value w = cy_input(g, "w", CY_F64, CY_SHAPE(3, 1)), v = cy_input(g, "v", CY_F64, CY_SHAPE(3, 1));
  cy_value x = cy_input(g, "x", CY_F64, CY_SHAPE(2, 3));
  cy_value loss = cy_mean(cy_softplus(cy_matmul(x, w)), NULL, 0, false); /* mean of log(1 + exp(x w)) */

  if (cy_grad(loss, &w, 1, &gradient) || cy_hvp(loss, &w, &v, 1, &product) || /* derivatives are graphs */
      cy_compile((cy_value[]){loss, gradient, product}, 3, NULL, 0, (cy_program_options){0}, &program) ||
      cy_session_create(program, &session) ||
      cy_tensor_wrap(CY_F64, CY_SHAPE(3, 1), NULL, w_data, &w_tensor) || cy_session_bind(session, "w", w_tensor) ||
      cy_tensor_wrap(CY_F64, CY_SHAPE(3, 1), NULL, v_data, &v_tensor) || cy_session_bind(session, "v", v_tensor) ||
      cy_tensor_wrap(CY_F64, CY_SHAPE(2, 3), NULL, x_data, &x_tensor) || cy_session_bind(session, "x", x_tensor) ||
      cy_session_run(session)) {
    fprintf(stderr, "%s\n", cy_error_message());
    return 1;
  }
  const char *names[] = {"loss", "gradient", "H v"};
  for (int i = 0; i < 3; i++) {
    const cy_tensor *t = cy_session_output(session, i);
    printf("%-9s", names[i]);
    for (int64_t k = 0; k < cy_tensor_count(t); k++) printf(" %.15f", cy_tensor_at(t, k));
    printf("\n");
  }
}
