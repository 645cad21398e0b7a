#!/bin/sh
# The program in the README is examples/hessian_vector.c, which the build compiles.
set -eu
cd "${1:-.}"
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md | diff - examples/hessian_vector.c
