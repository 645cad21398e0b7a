/* The table of notation for what is not a function: one row per kind of expression, one template per language.
 * $1 a part, in parentheses if it binds less than `inner`; #1 the same at the strength of products; %1 a part as it is;
 * $e the extent, $p the power, $f the function. */
#include "derive/style.h"

const cy_expr_style cy_expr_styles[CY_EXPR_KINDS] = {
    [CY_EXPR_NAME] = {CY_BINDS_ATOM, 0, {0}},
    [CY_EXPR_AT] = {CY_BINDS_ATOM, CY_BINDS_ATOM, {0}},
    [CY_EXPR_ADD] = {CY_BINDS_SUM, CY_BINDS_SUM, {0}},
    [CY_EXPR_TIMES] = {CY_BINDS_PRODUCT, CY_BINDS_MATRIX, {0}},
    [CY_EXPR_HADAMARD] = {CY_BINDS_PRODUCT, CY_BINDS_POWER, {0}},
    [CY_EXPR_MATMUL] = {CY_BINDS_MATRIX, CY_BINDS_POWER, {0}},
    [CY_EXPR_OUTER] = {CY_BINDS_MATRIX, CY_BINDS_ATOM,
                       {"#1 $2'", "#1 \\, $2^{\\top}", "np.outer(%1, %2)", "#1<msup>$2<mo>&#x22A4;</mo></msup>"}},
    [CY_EXPR_INNER] = {CY_BINDS_MATRIX, CY_BINDS_ATOM,
                       {"$1' #2", "$1^{\\top} #2", "$1 @ $2", "<msup>$1<mo>&#x22A4;</mo></msup>#2"}},
    [CY_EXPR_TRANSPOSE] = {CY_BINDS_POWER, CY_BINDS_ATOM,
                           {"$1'", "$1^{\\top}", "$1.T", "<msup>$1<mo>&#x22A4;</mo></msup>"}},
    [CY_EXPR_POWER] = {CY_BINDS_POWER, CY_BINDS_ATOM, {"$1^$p", "$1^{$p}", "$1 ** $p", "<msup>$1<mn>$p</mn></msup>"}},
    [CY_EXPR_CALL] = {CY_BINDS_ATOM, 0, {0}},
    [CY_EXPR_COMPARE] = {CY_BINDS_ATOM, 0,
                         {"(%1 $f %2)", "\\left[%1 $f %2\\right]", "(1.0 * (%1 $f %2))",
                          "<mo>[</mo>%1<mo>$f</mo>%2<mo>]</mo>"}},
    [CY_EXPR_CHOICE] = {CY_BINDS_ATOM, 0,
                        {"where(%1, %2, %3)", "\\begin{cases} %2 & %1 \\\\ %3 & \\text{otherwise} \\end{cases}",
                         "np.where(%1, %2, %3)",
                         "<mi>where</mi><mo>(</mo>%1<mo>,</mo>%2<mo>,</mo>%3<mo>)</mo>"}},
    [CY_EXPR_SUM] = {CY_BINDS_ATOM, 0,
                     {"sum(%1)", "\\operatorname{sum}\\left(%1\\right)", "np.sum(%1)", "<mi>sum</mi><mo>(</mo>%1<mo>)</mo>"}},
    [CY_EXPR_MEAN] = {CY_BINDS_ATOM, 0,
                      {"mean(%1)", "\\operatorname{mean}\\left(%1\\right)", "np.mean(%1)",
                       "<mi>mean</mi><mo>(</mo>%1<mo>)</mo>"}},
    [CY_EXPR_DIAGONAL] = {CY_BINDS_ATOM, 0,
                          {"diag(%1)", "\\operatorname{diag}\\left(%1\\right)", "np.diag(%1)",
                           "<mi>diag</mi><mo>(</mo>%1<mo>)</mo>"}},
    [CY_EXPR_ONES] = {CY_BINDS_ATOM, 0, {"1", "\\mathbf{1}", "np.ones($e)", "<mn mathvariant=\"bold\">1</mn>"}},
    [CY_EXPR_IDENTITY] = {CY_BINDS_ATOM, 0, {"I", "I", "np.eye($e)", "<mi>I</mi>"}},
    [CY_EXPR_ONEHOT] = {CY_BINDS_ATOM, 0, {0}},
    [CY_EXPR_INDEXED] = {CY_BINDS_SUM, 0, {0}},
};

const cy_marks cy_language_marks[CY_LANGUAGES] = {
    [CY_LANGUAGE_TEXT] = {"(", ")", " + ", " - ", "-", " ", " ", " .* ", " ./ ", " / ", NULL, "sqrt(", ")"},
    [CY_LANGUAGE_LATEX] = {"\\left(", "\\right)", " + ", " - ", "-", " \\, ", " ", " \\odot ", " \\oslash ", NULL,
                           "\\frac{", "\\sqrt{", "}"},
    [CY_LANGUAGE_NUMPY] = {"(", ")", " + ", " - ", "-", " * ", " @ ", " * ", " / ", " / ", NULL, "np.sqrt(", ")"},
    [CY_LANGUAGE_MATHML] = {"<mrow><mo>(</mo>", "<mo>)</mo></mrow>", "<mo>+</mo>", "<mo>-</mo>", "<mo>-</mo>",
                            "<mspace width=\"0.2em\"/>", "<mspace width=\"0.2em\"/>", "<mo>&#x2299;</mo>",
                            "<mo>&#x2298;</mo>", NULL, "<mfrac>", "<msqrt>", "</msqrt>"},
};
