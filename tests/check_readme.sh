#!/bin/sh
# The program in the README is examples/hessian_vector.c, which the build compiles; every line of C in the guide stands
# in one of the examples.
set -eu
cd "${1:-.}"
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md | diff - examples/hessian_vector.c
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside && NF' docs/guide.md | while IFS= read -r line; do
  cat examples/*.c | grep -Fxq -- "$line" || { echo "docs/guide.md: not in examples/: $line"; exit 1; }
done
