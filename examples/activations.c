/* Two activations of the coursework (A1.1, A1.2) in numbers. Swish, x sigmoid(beta x), lies between x / 2 (beta near 0) and
 * relu (large beta). A dead zone made of relu and arithmetic alone has slope a above alpha, -b below beta and is 0 between;
 * with the factors outside, a relu(x - alpha) + b relu(beta - x), slopes may have any sign: leaky relu and soft shrinkage
 * are of this kind. */
#include <cauchy.h>
#include <math.h>
#include <stdio.h>

#define TRY(call) do { if (call) return fprintf(stderr, "%s\n", cy_error_message()), 1; } while (0)

enum { POINTS = 7, SWISHES = 4, CURVES = SWISHES + 6 };
static double points[POINTS] = {-3, -2, -1, 0, 1, 2, 3};
static const double betas[SWISHES] = {0.001, 1, 10, 1000};

static cy_value swish(cy_value x, double beta) { return cy_mul(x, cy_logistic(cy_mul_scalar(x, beta))); }

/* relu(a (x - alpha)) + relu(b (beta - x)): a and b not negative. */
static cy_value inside(cy_value x, double a, double alpha, double b, double beta) {
  cy_value above = cy_relu(cy_mul_scalar(cy_add_scalar(x, -alpha), a));
  cy_value below = cy_relu(cy_mul_scalar(cy_add_scalar(x, -beta), -b));
  return cy_add(above, below);
}

/* a relu(x - alpha) + b relu(beta - x) */
static cy_value outside(cy_value x, double a, double alpha, double b, double beta) {
  cy_value above = cy_mul_scalar(cy_relu(cy_add_scalar(x, -alpha)), a);
  cy_value below = cy_mul_scalar(cy_relu(cy_neg(cy_add_scalar(x, -beta))), b);
  return cy_add(above, below);
}

static void print(const cy_session *session, const char *title, const char *const *names, int first, int n) {
  printf("%s\n%6s", title, "x");
  for (int k = 0; k < n; k++) printf("  %12s", names[k]);
  printf("\n");
  for (int i = 0; i < POINTS; i++) {
    printf("%6.1f", points[i]);
    for (int k = 0; k < n; k++) {
      double y = cy_tensor_at(cy_session_output(session, first + k), i);
      printf("  %12.4f", fabs(y) < 5e-5 ? 0 : y); /* no -0.0000 */
    }
    printf("\n");
  }
}

int main(void) {
  cy_graph *graph;
  cy_program *program;
  cy_session *session;
  cy_tensor *tensor;
  cy_value curves[CURVES];
  int n = 0;
  TRY(cy_graph_create(&graph));
  cy_value x = cy_input(graph, "x", CY_F64, CY_SHAPE(POINTS));
  curves[n++] = cy_mul_scalar(x, 0.5);
  for (int k = 0; k < SWISHES; k++) curves[n++] = swish(x, betas[k]);
  curves[n++] = cy_relu(x);
  curves[n++] = inside(x, 2, 1, 1, -1);
  curves[n++] = outside(x, 2, 1, 1, -1);
  curves[n++] = outside(x, 1, 0, -0.01, 0); /* leaky relu */
  curves[n++] = outside(x, 1, 1, -1, -1);   /* soft shrinkage */
  TRY(cy_compile(curves, n, NULL, 0, (cy_program_options){0}, &program));
  TRY(cy_session_create(program, &session));
  TRY(cy_tensor_wrap(CY_F64, CY_SHAPE(POINTS), NULL, points, &tensor));
  TRY(cy_session_bind(session, "x", tensor));
  TRY(cy_session_run(session));
  print(session, "swish, x sigmoid(beta x)",
        (const char *[]){"x / 2", "beta 0.001", "beta 1", "beta 10", "beta 1000", "relu"}, 0, SWISHES + 2);
  print(session, "\nslopes a, 0, -b, with factors inside and outside of relu",
        (const char *[]){"in: 2, 1", "out: 2, 1", "out: 1, -0.01", "out: 1, -1"}, SWISHES + 2, 4);
  cy_session_free(session);
  cy_program_free(program);
  cy_tensor_free(tensor);
  cy_graph_free(graph);
  return 0;
}
