/* The table of notation. */
#include "derive/notation.h"

#include <stddef.h>
#include <string.h>

#define PLAIN(row, text, latex, np) {.op = row, .written = {text, latex, np, text}}
#define RELATION(row, text, latex, mathml, no) \
  {.op = row, .written = {text, latex, text, mathml}, .relation = true, .opposite = no}

static const cy_notation functions[] = {
    PLAIN("exp", "exp", "\\exp", "np.exp"),
    PLAIN("log", "log", "\\log", "np.log"),
    PLAIN("expm1", "expm1", "\\operatorname{expm1}", "np.expm1"),
    PLAIN("log1p", "log1p", "\\operatorname{log1p}", "np.log1p"),
    PLAIN("sin", "sin", "\\sin", "np.sin"),
    PLAIN("cos", "cos", "\\cos", "np.cos"),
    PLAIN("tanh", "tanh", "\\tanh", "np.tanh"),
    PLAIN("sqrt", "sqrt", "\\sqrt", "np.sqrt"),
    {.op = "logistic", .written = {"sigmoid", "\\sigma", "sigmoid", "&#x3C3;"},
     .numpy = "def sigmoid(a):\n    return 0.5 * (np.tanh(0.5 * a) + 1.0)\n"},
    {.op = "erf", .written = {"erf", "\\operatorname{erf}", "erf", "erf"},
     .numpy = "import math\nerf = np.vectorize(math.erf, otypes=[float])\n"},
    PLAIN("abs", "abs", "\\operatorname{abs}", "np.abs"),
    PLAIN("sign", "sign", "\\operatorname{sign}", "np.sign"),
    PLAIN("floor", "floor", "\\operatorname{floor}", "np.floor"),
    PLAIN("max", "max", "\\max", "np.maximum"),
    PLAIN("min", "min", "\\min", "np.minimum"),
    PLAIN("pow", "pow", "\\operatorname{pow}", "np.power"),
    {.op = "relu", .written = {"relu", "\\operatorname{relu}", "relu", "relu"},
     .numpy = "def relu(a):\n    return np.maximum(a, 0.0)\n"},
    {.op = "prelu", .written = {"prelu", "\\operatorname{prelu}", "prelu", "prelu"},
     .numpy = "def prelu(a, slope):\n    return np.where(a > 0, a, slope * a)\n"},
    {.op = "softplus", .written = {"softplus", "\\operatorname{softplus}", "softplus", "softplus"},
     .numpy = "def softplus(a):\n    return np.logaddexp(0.0, a)\n"},
    {.op = "norm", .written = {"norm", "\\operatorname{norm}", "np.linalg.norm", "norm"}},
    {.op = "softmax", .written = {"softmax", "\\operatorname{softmax}", "softmax", "softmax"}, .along = true,
     .numpy = "def softmax(a):\n    e = np.exp(a - a.max(axis=-1, keepdims=True))\n"
              "    return e / e.sum(axis=-1, keepdims=True)\n"},
    {.op = "log_softmax", .written = {"log_softmax", "\\operatorname{log\\,softmax}", "log_softmax", "log softmax"},
     .along = true,
     .numpy = "def log_softmax(a):\n    z = a - a.max(axis=-1, keepdims=True)\n"
              "    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))\n"},
    {.op = "logsumexp", .written = {"logsumexp", "\\operatorname{logsumexp}", "logsumexp", "logsumexp"}, .along = true,
     .numpy = "def logsumexp(a):\n    m = a.max(axis=-1)\n"
              "    return m + np.log(np.exp(a - m[..., None]).sum(axis=-1))\n"},
    {.op = "reduce_max", .written = {"max", "\\max", "amax", "max"}, .along = true,
     .numpy = "def amax(a):\n    return a.max(axis=-1)\n"},
    {.op = "reduce_min", .written = {"min", "\\min", "amin", "min"}, .along = true,
     .numpy = "def amin(a):\n    return a.min(axis=-1)\n"},
    {.op = "prod", .written = {"prod", "\\operatorname{prod}", "prod", "prod"}, .along = true,
     .numpy = "def prod(a):\n    return a.prod(axis=-1)\n"},
    RELATION("eq", "==", "=", "=", "ne"),
    RELATION("ne", "!=", "\\neq", "&#x2260;", "eq"),
    RELATION("lt", "<", "<", "&lt;", "ge"),
    RELATION("le", "<=", "\\le", "&#x2264;", "gt"),
    RELATION("gt", ">", ">", "&gt;", "le"),
    RELATION("ge", ">=", "\\ge", "&#x2265;", "lt"),
};

const cy_notation *cy_notation_at(int i) {
  return i >= 0 && (size_t)i < sizeof functions / sizeof *functions ? &functions[i] : NULL;
}

const cy_notation *cy_notation_find(const char *op) {
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
    if (strcmp(functions[i].op, op) == 0) return &functions[i];
  return NULL;
}
