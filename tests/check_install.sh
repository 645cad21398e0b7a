#!/bin/sh
# From an installed copy a user's program builds with pkg-config alone, as C and as C++, and runs.
#   check_install.sh SOURCE BUILD PREFIX CC [CXX]
set -eu
source=$1 build=$2 prefix=$3 cc=$4 cxx=${5:-}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
meson install -C "$build" --no-rebuild --quiet --destdir "$place"
root=$place$prefix
PKG_CONFIG_PATH=$(dirname "$(find "$root" -name cauchy.pc)")
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
export PKG_CONFIG_PATH LD_LIBRARY_PATH
flags=$(pkg-config --define-variable=prefix="$root" --cflags --libs cauchy)

$cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$source/examples/hessian_vector.c" $flags -o "$place/c"
"$place/c"
"$place/c" | grep -q '^H v       0.080946843746779 0.132240892305001 0.183534940863224$'
$cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$source/examples/train_and_curvature.c" $flags -o "$place/train"
"$place/train" | grep -q 'curvature along the gradient'
[ -n "$cxx" ] || exit 0
$cxx -std=c++11 -Wall -Wextra -Wpedantic -Werror -x c++ "$source/examples/train_and_curvature.c" -x none $flags -o "$place/train"
"$place/train" | grep -q 'curvature along the gradient'
cat >"$place/program.cpp" <<'END'
#include <cauchy.h>
#include <cstdio>
int main() {
  cy_graph *graph;
  if (cy_graph_create(&graph) != CY_OK) return 1;
  cy_value x = cy_input(graph, "x", CY_F32, CY_SHAPE(2, 3)), y = cy_sum(cy_tanh(x), nullptr, 0, false), gradient;
  if (cy_grad(y, &x, 1, &gradient) != CY_OK) return 1;
  std::printf("%d nodes\n", cy_graph_size(graph));
  cy_graph_free(graph);
}
END
$cxx -std=c++11 -Wall -Wextra -Wpedantic -Werror "$place/program.cpp" $flags -o "$place/cpp"
"$place/cpp"
