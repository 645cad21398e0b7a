/* A strided convolution of a 3x3 image as a matrix of 4x9, and the image that its transpose makes of a 2x2 one. */
#include <cauchy.h>
#include <stdio.h>

int main(void) {
  double weight[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, small[] = {1, 0, 0, 1};
  cy_graph *graph;
  cy_program *program;
  cy_session *session;
  cy_tensor *kernel, *up;
  cy_value out[2];
  if (cy_graph_create(&graph)) return 1;
  cy_value x = cy_input(graph, "x", CY_F64, CY_SHAPE(1, 1, 3, 3));
  cy_value y = cy_input(graph, "y", CY_F64, CY_SHAPE(1, 1, 2, 2));
  cy_value w = cy_input(graph, "w", CY_F64, CY_SHAPE(1, 1, 3, 3));
  cy_windows windows = {.stride = {2, 2}, .low = {1, 1}, .high = {1, 1}};
  cy_value matrix, image = cy_convolution_input(w, y, windows, (int64_t[]){3, 3}); /* [1, 1, 3, 3] */
  if (cy_jacobian(cy_convolution(x, w, windows), x, &matrix))                      /* [1, 1, 2, 2, 1, 1, 3, 3] */
    return fprintf(stderr, "%s\n", cy_error_message()), 1;
  out[0] = cy_reshape(matrix, CY_SHAPE(4, 9));
  out[1] = image;
  if (cy_compile(out, 2, NULL, 0, (cy_program_options){0}, &program) || cy_session_create(program, &session) ||
      cy_tensor_wrap(CY_F64, CY_SHAPE(1, 1, 3, 3), NULL, weight, &kernel) || cy_session_bind(session, "w", kernel) ||
      cy_tensor_wrap(CY_F64, CY_SHAPE(1, 1, 2, 2), NULL, small, &up) || cy_session_bind(session, "y", up) ||
      cy_session_run(session))
    return fprintf(stderr, "%s\n", cy_error_message()), 1;
  for (int i = 0; i < 36; i++) printf("%3g%s", cy_tensor_at(cy_session_output(session, 0), i), i % 9 == 8 ? "\n" : "");
  for (int i = 0; i < 9; i++) printf("%3g%s", cy_tensor_at(cy_session_output(session, 1), i), i % 3 == 2 ? "\n" : "");
  cy_session_free(session);
  cy_program_free(program);
  cy_tensor_free(kernel);
  cy_tensor_free(up);
  cy_graph_free(graph);
}
