/* `cauchy derive` on the course's derivations: the lines that a textbook has, in every notation. */
#include "command.h"

/* Some line is this, whatever the blanks. */
static void has_line(const char *text, const char *line) {
  for (const char *at = text; at && *at; at = strchr(at, '\n'), at += at != NULL) {
    const char *a = at, *b = line;
    for (;;) {
      while (*a == ' ') a++;
      while (*b == ' ') b++;
      if (!*b || *a != *b) break;
      a++, b++;
    }
    if (!*b) return;
  }
  fail_msg("no line \"%s\" in:\n%s", line, text);
}

static void has_lines(const char *text, const char *const *lines) {
  for (; *lines; lines++) has_line(text, *lines);
}
#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

#define WHERE " --where 'x:d, W1:(h,d), b1:h, W2:(m,h), b2:m, y:index'"
#define NESTED "derive 'L = -log(softmax(W2*relu(W1*x + b1) + b2))[y]'" WHERE
#define NAMED "derive 'a = W1*x + b1; h = relu(a); o = W2*h + b2; s = softmax(o); L = -log(s)[y]'" WHERE

/* D2.1-16: every value and gradient of the perceptron, with dimensions. */
static void test_mlp(void **state) {
  (void)state;
  has_lines(succeed(NESTED), LINES("a = W1 x + b1 (h)", "h = relu(a) (h)", "o = W2 h + b2 (m)", "s = softmax(o) (m)",
                                   "L = -log(s[y]) (scalar)", "do = s - onehot(y) (m)", "dW2 = do h' (m x h)",
                                   "db2 = do (m)", "dh = W2' do (h)", "da = dh .* (a > 0) (h)", "dW1 = da x' (h x d)",
                                   "db1 = da (h)", "dx = W1' da (d)"));
  has_lines(succeed(NAMED), LINES("ds = -onehot(y) ./ s (m)", "do = s .* (ds - ds' s)", "= s - onehot(y) (m)"));
}

static void test_mlp_of_a_mini_batch(void **state) {
  (void)state;
  has_lines(succeed(NESTED " --batch n:x,y"),
            LINES("Numbers in what all examples share: m h + h d + h + m", "A = X W1' + 1 b1' (n x h)",
                  "H = relu(A) (n x h)", "S = softmax(O) (n x m)", "L = -log(S[y]) (n)", "R = mean(L) (scalar)",
                  "dO = (S - onehot(y)) / n (n x m)", "dW2 = dO' H (m x h)", "db2 = dO' 1 (m)", "dH = dO W2 (n x h)",
                  "dA = dH .* (A > 0) (n x h)", "dW1 = dA' X (h x d)", "db1 = dA' 1 (h)"));
  has_lines(succeed("derive 'dense(5) -> relu -> dense(3)' --input 4 --loss cross_entropy"),
            LINES("a = x W1 + 1 b1' (n x 5)", "L = -mean(log(s[y])) (scalar)", "do = (s - onehot(y)) / n (n x 3)",
                  "dW2 = h' do (5 x 3)", "dW1 = x' da (4 x 5)", "W1 is dense1.weight"));
}

static void test_mlp_by_elements(void **state) {
  (void)state;
  has_lines(succeed(NESTED " --elementwise"),
            LINES("a_i = sum_j W1_ij x_j + b1_i (h)", "s_i = exp(o_i) / (sum_j exp(o_j)) (m)",
                  "L = log(sum_i exp(o_i)) - o_y (scalar)", "do_i = s_i - [i = y] (m)", "dW2_ij = do_i h_j (m x h)",
                  "dh_i = sum_j do_j W2_ji (h)", "da_i = dh_i [a_i > 0] (h)"));
}

/* A3.5, A3.6 */
static void test_directions(void **state) {
  (void)state;
  has_lines(succeed(NESTED " --jvp x=v,W1=V1"),
            LINES("Derivatives along x = v, W1 = V1", "Ra = V1 x + W1 v (h)", "Rh = Ra .* (a > 0) (h)",
                  "Ro = W2 Rh (m)", "Rs = s .* (Ro - s' Ro) (m)", "RL = s' Ro - Ro[y] (scalar)"));
  has_lines(succeed(NESTED " --hvp W1=V1,W2=V2"),
            LINES("Ro = V2 h + W2 Rh (m)", "Rdo = Rs (m)", "RdW2 = Rdo h' + do Rh' (m x h)",
                  "Rdh = W2' Rdo + V2' do (h)", "Rda = Rdh .* (a > 0) (h)", "RdW1 = Rda x' (h x d)"));
}

/* B.I */
static void test_outputs_and_losses(void **state) {
  (void)state;
  has_lines(succeed("derive 's = sigmoid(a); C = (s - y)^2'"),
            LINES("ds = 2 (s - y)", "da = ds s (1 - s)", "= 2 (s - y) s (1 - s)"));
  has_lines(succeed("derive 's = tanh(a); C = (s - y)^2'"), LINES("da = ds (1 - s^2)", "= 2 (s - y) (1 - s^2)"));
  has_lines(succeed("derive '-(y*log(s) + (1-y)*log(1-s))'"), LINES("f = -y log(s) - (1 - y) log(1 - s) (scalar)"));
  has_lines(succeed("derive 's = softmax(a)' --where a:m"),
            LINES("da = s .* (ds - ds' s) (m)", "ds/da = diag(s) - s s'"));
  has_lines(succeed("derive 's = softmax(a); C = -sum(t .* log(s))' --where 'a:m, t:m' --sum-to-one t"),
            LINES("ds = -t ./ s (m)", "da = s .* (ds - ds' s)", "= s - t (m)"));
}

/* B.IV, and the gradient by the input, which is a convolution too. */
static void test_convolution(void **state) {
  (void)state;
  has_lines(succeed("derive 'conv(1, 3)' --input 1x5x5"),
            LINES("y_ijk = sum_pq x[i, j+p, k+q] W_pq + b", "dW_ij = sum_kpq x[k, p+i, q+j] dy_kpq",
                  "dx_ijk = sum_pq W[j-p, k-q] dy_ipq", "dy_ijk/dW_pq = x[i, p+j, q+k]"));
}

/* C.I, in steps and in closed form. */
static void test_batch_normalisation(void **state) {
  (void)state;
  has_lines(succeed("derive 'mu = mean(x); v = mean((x - mu)^2); xh = (x - mu) / sqrt(v + 1e-5); y = gamma*xh + beta' "
                    "--where 'x:m, gamma, beta'"),
            LINES("mu = mean(x)", "v = mean((x - mu).^2)", "xh = (x - mu) / sqrt(v + 1e-5) (m)",
                  "dgamma = dy' xh (scalar)", "dbeta = sum(dy) (scalar)", "dxh = gamma dy (m)",
                  "= (dxh - mean(dxh) - dxh' xh xh / m) / sqrt(v + 1e-5) (m)"));
  has_lines(succeed("derive 'mu = mean(x); v = mean((x - mu)^2); y = (x - mu) / sqrt(v + eps)' --where 'x:m, eps'"),
            LINES("deps = -dy' y / (2 (v + eps)) (scalar)", "= (dy - mean(dy) - dy' y y / m) / sqrt(v + eps) (m)"));
}

/* C.II: three steps of a recurrent network, and the Jacobian of one. */
static void test_recurrent_network(void **state) {
  (void)state;
  has_lines(succeed("derive 'h[t] = tanh(W*h[t-1] + U*x[t] + b) for t = 1..3; L = sum(t=1..3, |h[t] - y[t]|^2)' "
                    "--where 'W:(h,h), U:(h,d), b:h, h[0]:h, x[t]:d, y[t]:h'"),
            LINES("a[2] = W h[1] + U x[2] + b (h)", "dh[3] = 2 (h[3] - y[3]) (h)", "da[3] = dh[3] .* (1 - h[3].^2) (h)",
                  "dh[2] = 2 (h[2] - y[2]) + W' da[3] (h)", "dW = da[3] h[2]' + da[2] h[1]' + da[1] h[0]' (h x h)",
                  "dU = da[3] x[3]' + da[2] x[2]' + da[1] x[1]' (h x d)", "db = da[3] + da[2] + da[1] (h)"));
  has_line(succeed("derive 'mu = mean(x); v = mean((x - mu)^2); y = (x - mu) / sqrt(v + eps)' "
                   "--where 'x:m, eps' --elementwise"),
           "dmu = 2 dv sum_i (mu - x_i) / m - sum_i dy_i / sqrt(v + eps) (scalar)");
  has_line(succeed("derive 's = sigmoid(W*g)' --where 'W:(h,h), g:h'"), "ds/dg = diag(s .* (1 - s)) W");
}

/* E1: slopes of their own. */
static void test_neurons(void **state) {
  (void)state;
  has_lines(
      succeed("derive 'o1 = w1*x1 + w2*x2 + b1; s1 = prelu(o1, a1); o2 = v1*s1 + b2; s2 = tanh(o2); E = (s2 - y)^2'"),
      LINES("s1 = prelu(o1, a1)", "ds2 = 2 (s2 - y)", "do2 = ds2 (1 - s2^2)", "ds1 = do2 v1", "da1 = ds1 min(o1, 0)",
            "do1 = ds1 ((o1 > 0) + a1 (o1 <= 0))", "dw1 = do1 x1", "db1 = do1"));
}

/* D1 */
static void test_usual_functions(void **state) {
  static const struct {
    const char *formula, *gradient;
  } rows[] = {
      {"sigmoid(x)", "dx = f (1 - f)"}, {"tanh(x)", "dx = 1 - f^2"},   {"softplus(x)", "dx = sigmoid(x)"},
      {"abs(x)", "dx = sign(x)"},       {"relu(x)", "dx = (x > 0)"},   {"exp(x)", "dx = f"},
      {"log(x)", "dx = 1 / x"},         {"sqrt(x)", "dx = 1 / (2 f)"}, {"x^2 + 0.8*x - 0.5", "dx = 2 x + 0.8"},
      {"sin(x)", "dx = cos(x)"},        {"1/x", "dx = -f / x"},
      /* Sums as one writes them: by falling degree, or in the formula's order. */
      {"0.8*x + x^2", "dx = 2 x + 0.8"}, {"x^3 + x^2", "dx = 3 x^2 + 2 x"}, {"x - x^2/2", "dx = 1 - x"},
      {"c + b*x + a*x^2", "dx = 2 a x + b"}, {"x - x^3/6 + x^5/120", "dx = x^4 / 24 - x^2 / 2 + 1"},
      {"x + exp(x)", "dx = 1 + exp(x)"}, {"exp(x) + sin(x)", "dx = exp(x) + cos(x)"},
      {"x*sin(x)", "dx = sin(x) + x cos(x)"}, {"exp(-x^2)", "dx = -2 x f"}, {"x^x", "dx = x x^(x - 1) + f log(x)"},
      {"(1-x)^2 + 100*(y-x^2)^2", "dx = 2 (x - 1) + 400 x (x^2 - y)"}, {"x^2 - 0.5", "f = x^2 - 0.5"},
  };
  char line[256];
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    snprintf(line, sizeof line, "derive '%s' --names", rows[i].formula);
    has_line(succeed(line), rows[i].gradient);
  }
  has_line(succeed("derive 'max(x)' --where x:d"), "dx = onehot(argmax(x)) (d)");
  has_line(succeed("derive 'norm(x)^2' --where x:d"), "dx = 2 x (d)");
  has_line(succeed("derive 'x^(1/3)'"), "dx = 1 / (3 x^(2/3)) (scalar)");
  assert_null(strstr(succeed("derive 'exp(x)*exp(y)'"), "\n     ="));
  has_line(succeed("derive 'erf(x)' --numpy"), "dx = 1.1283791670955126 * np.exp(-x ** 2)  # scalar");
  has_line(succeed("derive 'norm(x)' --where x:d"), "dx = x / L (d)");
  has_line(succeed("derive 'sum(abs(x))' --where x:d"), "dx = sign(x) (d)");
}

/* Exponentials that spell a function are that function, and have its derivative. */
static void test_spelled_functions(void **state) {
  static const struct {
    const char *formula, *value, *gradient;
  } rows[] = {
      {"1/(1+exp(-x))", "f = sigmoid(x)", "dx = f (1 - f)"},
      {"exp(x)/(exp(x)+1)", "f = sigmoid(x)", "dx = f (1 - f)"},
      {"1/(1+exp(-b*x))", "f = sigmoid(b x)", "dx = b f (1 - f)"},
      {"(exp(x)-exp(-x))/(exp(x)+exp(-x))", "f = tanh(x)", "dx = 1 - f^2"},
      {"(exp(2*x)-1)/(exp(2*x)+1)", "f = tanh(x)", "dx = 1 - f^2"},
      {"(1-exp(-2*x))/(1+exp(-2*x))", "f = tanh(x)", "dx = 1 - f^2"},
      {"log(1+exp(x))", "f = softplus(x)", "dx = sigmoid(x)"},
      {"log1p(exp(x))", "f = softplus(x)", "dx = sigmoid(x)"},
      /* And these are none. */
      {"1/(1+2*exp(-x))", "f = 1 / (1 + 2 exp(-x))", "dx = 2 f exp(-x) / (1 + 2 exp(-x))"},
      {"exp(x)/(1+exp(2*x))", "f = exp(x) / (1 + exp(2 x))", "dx = (exp(x) - 2 exp(2 x) f) / (1 + exp(2 x))"},
      {"(exp(x)-exp(-y))/(exp(x)+exp(-y))", "f = (exp(x) - exp(-y)) / (exp(x) + exp(-y))",
       "dx = exp(x) (1 - f) / (exp(x) + exp(-y))"},
  };
  char line[256];
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    snprintf(line, sizeof line, "derive '%s'", rows[i].formula);
    has_lines(succeed(line), LINES(rows[i].value, rows[i].gradient));
  }
  has_lines(succeed("derive '1/(1+exp(-(W*x+b)))' --where 'W:(h,d), x:d, b:h'"),
            LINES("y = sigmoid(a) (h)", "da = dy .* y .* (1 - y) (h)"));
}

/* What no example changes, each sends alike; what goes through a shared value's gradient comes once. */
static void test_what_examples_share(void **state) {
  (void)state;
  has_lines(succeed("derive 'u = w^2; L = u + |v|^2 + (x + w)' --where 'v:m, w, x' --batch n:x"),
            LINES("dv = 2 v (m)", "du = 1 (scalar)", "dw = 1 + 2 du w", "= 2 w + 1 (scalar)", "dx = 1 / n (n)"));
  has_lines(succeed("derive 'max(A*x)' --where 'x:d, A:(h,d)' --batch n:x --numpy"),
            LINES("da = np.eye(n_h)[np.argmax(a, axis=-1)] / n_n  # n x h", "dA = da.T @ X  # h x d"));
  has_line(succeed("derive 's = softmax(x); L = max(A*s)' --where 'x:d, A:(h,d)' --batch n:x --numpy --names"),
           "dS = A[np.argmax(Z, axis=-1), :] / n_n  # n x d");
}

/* What is simplified keeps its value: indices of sums within sums, inverse functions of sums, zeros, maxima. */
static void test_sums_within_sums(void **state) {
  (void)state;
  has_line(succeed("derive 'sum((u .* c + u .* sum(u)) .* d)' --where 'u:m, c:m, d:m' --elementwise"),
           "L = sum_i d_i u_i (c_i + sum_j u_j) (scalar)");
  has_line(succeed("derive 'exp(log(x + y))'"), "f = x + y (scalar)");
  has_line(succeed("derive '|x - x|^2 + sum(x)' --where x:m"), "L = sum(x) (scalar)");
  has_line(succeed("derive 'logsumexp(x - x) + sum(x)' --where x:m --numpy"),
           "L = logsumexp(0.0 * np.ones(n_m)) + np.sum(x)  # scalar");
  has_line(succeed("derive 'max(x^2)*y' --where 'x:d, y' --elementwise --numpy --names"),
           "L = grid(lambda i: np.max(z[i], axis=0, keepdims=True) * y, (n_d,), ())  # scalar");
}

static void test_latex(void **state) {
  const char *text;
  (void)state;
  text = succeed(NESTED " --latex");
  assert_holds(text, "\\frac{\\partial L}{\\partial o} &= s - \\operatorname{onehot}(y) && (m)");
  assert_holds(
      text, "\\frac{\\partial L}{\\partial W_{2}} &= \\frac{\\partial L}{\\partial o} \\, h^{\\top} && (m \\times h)");
  assert_holds(text, "\\begin{align*}");
  assert_null(strstr(text, "\\documentclass"));
  assert_holds(succeed("derive 's = gamma*x' --latex"), "s &= \\gamma \\, x");
}

/* The file is replaced as a whole: another name of the old one still has it. */
static void test_files_are_replaced(void **state) {
  static char page[COMMAND_OUTPUT];
  (void)state;
  write_file("page.html", "old");
  assert_int_equal(link("page.html", "kept.html"), 0);
  succeed("derive 'x^2' --html page.html");
  read_back("page.html", page);
  assert_holds(page, "</html>");
  read_back("kept.html", page);
  assert_string_equal(page, "old");
}

/* Pipes are written to as they are. */
static void test_pipes(void **state) {
  static char page[COMMAND_OUTPUT];
  (void)state;
  assert_int_equal(mkfifo("pipe", 0600), 0);
  int fd = open("pipe", O_RDWR | O_NONBLOCK);
  assert_true(fd >= 0);
  succeed("derive 'x^2' --html pipe");
  ssize_t n = read(fd, page, sizeof page - 1);
  close(fd);
  assert_true(n > 0);
  page[n] = 0;
  assert_holds(page, "</html>");
}

static void test_pages(void **state) {
  static char page[COMMAND_OUTPUT];
  (void)state;
  assert_string_equal(succeed(NESTED " --html mlp.html"), "written to mlp.html\n");
  read_back("mlp.html", page);
  assert_holds(page, "<math>");
  assert_holds(page, "<mi>onehot</mi>");
  assert_null(strstr(page, "http"));
  const outcome *o = run("derive 'x^2' --pdf x.pdf");
  if (o->exit_code == 0) {
    read_back("x.pdf", page);
    assert_memory_equal(page, "%PDF", 4);
  } else {
    assert_int_equal(o->exit_code, 2);
    assert_holds(o->err, "needs a LaTeX installation");
  }
  o = run("derive 'x^2' --png x.png"); /* a sheet is 1754 pixels high */
  if (o->exit_code == 0) {
    read_back("x.png", page);
    assert_memory_equal(page, "\x89PNG", 4);
    assert_in_range((unsigned char)page[22] << 8 | (unsigned char)page[23], 100, 600);
  } else {
    assert_int_equal(o->exit_code, 2);
    assert_holds(o->err, "needs");
  }
}

static void test_bad_input(void **state) {
  (void)state;
  refuse("derive 'W*x' --where 'W:(h,d), x:m'", "W is (h, d) and x is (m)");
  refuse("derive 'W*z' --where 'W:(h,d)'", "\"z\"");
  refuse("derive '5'", "nothing to derive");
  refuse("derive 'x^2' --jvp y=v", "\"y\" is not a symbol of the formula");
  refuse("derive 'x^2' --batch n", "n:x,y");
  refuse("derive 'x^2' --batch x:x", "batch: x is a name of the derivation already");
  refuse("derive 'x^2' --latex --numpy", "not both");
  refuse("derive 'dense(3)' --input 4 --loss mso", "mse");
  refuse("derive 'dense(3) -> relu'", "--input");
  refuse("derive 'x^2' --html /nowhere/x.html", "/nowhere/x.html");
  refuse("derive 'max_pool(2)' --input 1x4x4 --numpy", "NumPy has no");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_mlp),
      cmocka_unit_test(test_mlp_of_a_mini_batch),
      cmocka_unit_test(test_mlp_by_elements),
      cmocka_unit_test(test_directions),
      cmocka_unit_test(test_outputs_and_losses),
      cmocka_unit_test(test_convolution),
      cmocka_unit_test(test_batch_normalisation),
      cmocka_unit_test(test_recurrent_network),
      cmocka_unit_test(test_neurons),
      cmocka_unit_test(test_usual_functions),
      cmocka_unit_test(test_spelled_functions),
      cmocka_unit_test(test_what_examples_share),
      cmocka_unit_test(test_sums_within_sums),
      cmocka_unit_test(test_latex),
      cmocka_unit_test(test_pages),
      cmocka_unit_test(test_files_are_replaced),
      cmocka_unit_test(test_pipes),
      cmocka_unit_test(test_bad_input),
  };
  return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
