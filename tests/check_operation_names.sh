#!/bin/sh
# autodiff/ and compile/ name no operation: they walk the rows of the operation table. Names come from the builders in
# include/cauchy/ops.h and the rows of elementwise.def. What is allowed is listed below, each with its reason.
set -eu
cd "${1:-.}"

# A derivative that is identically zero is returned as zeros; a loss is pulled back from one; a Jacobian is put
# together from its rows.
allowed_autodiff='zeros_like ones_like concat reshape'
# A fused group combines along its rows in one of two ways, which listings name.
allowed_compile='sum max'

names=$( { sed -nE 's/^CY_API cy_value cy_([a-z0-9_]+)\(.*/\1/p' include/cauchy/ops.h
           sed -nE 's/^CY_(UNARY|BINARY|TERNARY)\(([a-z0-9_]+),.*/\2/p' src/ops/elementwise.def
           echo select; echo convert; } | sort -u)
[ "$(echo "$names" | wc -l)" -gt 50 ] || { echo "only found these operations: $names"; exit 1; }

status=0
for folder in autodiff compile; do
  eval "allowed=\$allowed_$folder"
  for file in src/$folder/*.c src/$folder/*.h; do
    [ -f "$file" ] || continue
    awk -v names="$names" -v allowed="$allowed" '
      BEGIN {
        n = split(names, list, /[ \n]+/); for (i = 1; i <= n; i++) known[list[i]] = 1
        n = split(allowed, list, " "); for (i = 1; i <= n; i++) delete known[list[i]]
      }
      { # comments may speak of operations
        line = $0
        if (comment) { if (!sub(/^.*\*\//, "", line)) next; comment = 0 }
        gsub(/\/\*([^*]|\*[^\/])*\*\//, "", line); sub(/\/\/.*/, "", line)
        if (line ~ /\/\*/) { sub(/\/\*.*/, "", line); comment = 1 }
        while (match(line, /cy_op_[a-z0-9_]+|cy_[a-z0-9_]+[ ]*\(|CY_SCALAR_[a-z0-9_]+|"[a-z0-9_]+"/)) {
          word = substr(line, RSTART, RLENGTH); line = substr(line, RSTART + RLENGTH)
          name = word; sub(/^(cy_op_|cy_|CY_SCALAR_|")/, "", name); sub(/[ ]*[("]$/, "", name)
          if (name in known) { print FILENAME ":" FNR ": names the operation " name; bad = 1 }
        }
      }
      END { exit bad }
    ' "$file" || status=1
  done
done
exit $status
