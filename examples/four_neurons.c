/* Four neurons as a graph of numbers (coursework E1): n1 and n2 see the inputs x1, x2 and the constant x3 = 1, n3 and n4 see
 * the outputs of n1 and n2 and a constant 1. Neuron j computes o = sum_i w_i input_i and s = f(o); the loss is
 * J = (s3 - y1)^2 / 2 + (s4 - y2)^2 / 2. The derivatives by every weight, and by every slope if f is PReLU with a slope of its
 * own for each neuron, are compared with the delta rules by hand:
 *
 *   delta3 = (s3 - y1) f'(o3)                        dJ/dw_i of n3 = delta3 times its input i (n4 alike)
 *   delta1 = (delta3 w_1 of n3 + delta4 w_1 of n4) f'(o1)   and so on: the errors of the neurons above, by their weights
 *   dJ/dslope of n3 = (s3 - y1) min(o3, 0)           dJ/dslope of n1 = (delta3 w_1 of n3 + delta4 w_1 of n4) min(o1, 0) */
#include <cauchy.h>
#include <math.h>
#include <stdio.h>

#define TRY(call) do { if (call) return fprintf(stderr, "%s\n", cy_error_message()), 1; } while (0)

enum { NEURONS = 4, INPUTS = 3, SLOPES = NEURONS * INPUTS, NUMBERS = SLOPES + NEURONS };

/* w_1, w_2, w_3 of n1, n2, n3, n4, then the slopes. */
static double numbers[NUMBERS] = {0.3, -0.8, -0.2, 0.7, 0.4, 0.1, 0.9, -0.5, 0.2, -0.6, 0.7, -0.4, 0.1, 0.2, 0.25, 0.3};
static const double x[INPUTS] = {0.5, 1.2, 1}, y[2] = {0.6, -0.3};

/* ---- the graph ---- */

static cy_value neuron(const cy_value *weights, const cy_value *inputs, cy_value slope, bool prelu) {
  cy_value o = cy_mul(weights[0], inputs[0]);
  for (int i = 1; i < INPUTS; i++) o = cy_add(o, cy_mul(weights[i], inputs[i]));
  return prelu ? cy_select(cy_lt(o, cy_zeros_like(o)), cy_mul(slope, o), o) : cy_tanh(o);
}

static cy_value loss_of(cy_graph *graph, const cy_value *p, bool prelu) {
  cy_value below[INPUTS], above[INPUTS], s[NEURONS];
  for (int i = 0; i < INPUTS; i++) below[i] = cy_scalar(graph, CY_F64, x[i]);
  for (int j = 0; j < 2; j++) above[j] = s[j] = neuron(&p[j * INPUTS], below, p[SLOPES + j], prelu);
  above[2] = cy_scalar(graph, CY_F64, 1);
  for (int j = 2; j < 4; j++) s[j] = neuron(&p[j * INPUTS], above, p[SLOPES + j], prelu);
  cy_value e1 = cy_add_scalar(s[2], -y[0]), e2 = cy_add_scalar(s[3], -y[1]);
  return cy_mul_scalar(cy_add(cy_square(e1), cy_square(e2)), 0.5);
}

/* ---- by hand ---- */

static void by_hand(bool prelu, double *gradient) {
  const double *w = numbers, *slope = &numbers[SLOPES];
  double o[NEURONS], s[NEURONS], d[NEURONS], error[NEURONS], inputs[NEURONS][INPUTS];
  for (int j = 0; j < NEURONS; j++) {
    o[j] = 0;
    for (int i = 0; i < INPUTS; i++) {
      inputs[j][i] = j < 2 ? x[i] : i < 2 ? s[i] : 1;
      o[j] += w[j * INPUTS + i] * inputs[j][i];
    }
    s[j] = !prelu ? tanh(o[j]) : o[j] < 0 ? slope[j] * o[j] : o[j];
    d[j] = !prelu ? 1 - s[j] * s[j] : o[j] < 0 ? slope[j] : 1;
  }
  error[2] = s[2] - y[0]; /* of s3, s4; then what they hand down */
  error[3] = s[3] - y[1];
  for (int j = 0; j < 2; j++)
    error[j] = error[2] * d[2] * w[2 * INPUTS + j] + error[3] * d[3] * w[3 * INPUTS + j];
  for (int j = 0; j < NEURONS; j++) {
    for (int i = 0; i < INPUTS; i++) gradient[j * INPUTS + i] = error[j] * d[j] * inputs[j][i];
    gradient[SLOPES + j] = prelu ? error[j] * fmin(o[j], 0) : 0;
  }
}

/* ---- side by side ---- */

static int compare(bool prelu) {
  int n = prelu ? NUMBERS : SLOPES, far = 0;
  double expected[NUMBERS];
  char names[NUMBERS][16];
  cy_graph *graph;
  cy_program *program;
  cy_session *session;
  cy_tensor *tensors[NUMBERS];
  cy_value p[NUMBERS], out[NUMBERS + 1];
  TRY(cy_graph_create(&graph));
  for (int i = 0; i < NUMBERS; i++) {
    if (i < SLOPES) snprintf(names[i], sizeof names[i], "n%d w_%d", i / INPUTS + 1, i % INPUTS + 1);
    else snprintf(names[i], sizeof names[i], "n%d slope", i - SLOPES + 1);
    p[i] = cy_input(graph, names[i], CY_F64, CY_SCALAR);
  }
  out[0] = loss_of(graph, p, prelu);
  TRY(cy_grad(out[0], p, n, out + 1));
  TRY(cy_compile(out, n + 1, NULL, 0, (cy_program_options){0}, &program));
  TRY(cy_session_create(program, &session));
  for (int i = 0; i < n; i++) {
    TRY(cy_tensor_wrap(CY_F64, CY_SCALAR, NULL, &numbers[i], &tensors[i]));
    TRY(cy_session_bind(session, names[i], tensors[i]));
  }
  TRY(cy_session_run(session));
  by_hand(prelu, expected);
  printf("%s: J = %.15f\n\n            value       dJ/d.., derived       dJ/d.., by hand   difference\n",
         prelu ? "PReLU" : "tanh", cy_tensor_at(cy_session_output(session, 0), 0));
  for (int i = 0; i < n; i++) {
    double got = cy_tensor_at(cy_session_output(session, i + 1), 0), difference = fabs(got - expected[i]);
    if (expected[i] != 0) difference /= fabs(expected[i]);
    if (!(difference <= 1e-15)) far++;
    printf("%-9s %7.2f  %20.16f  %20.16f      %.1e\n", names[i], numbers[i], got, expected[i], difference);
    cy_tensor_free(tensors[i]);
  }
  printf("\n");
  cy_session_free(session);
  cy_program_free(program);
  cy_graph_free(graph);
  if (far) fprintf(stderr, "%d of %d derivatives are not those by hand\n", far, n);
  return far > 0;
}

int main(void) { return compare(false) | compare(true); }
