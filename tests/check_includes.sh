#!/bin/sh
# Includes only go downwards: every folder of src/ sees itself and the folders before it, never one after it.
# Public headers have the rank of the folder that implements them. src/io is stricter: formats know tensors only.
set -eu
cd "${1:-.}"
grep -rnE '^[ \t]*#[ \t]*include' src --include='*.c' --include='*.h' --include='*.def' | awk -F: '
  BEGIN {
    n = split("base tensor graph ops autodiff compile backend nn formula derive optim io data train analyze cli", folders, " ")
    for (i = 1; i <= n; i++) rank[folders[i]] = i
    header["status"] = "base"; header["scan"] = "ops"; header["program"] = "compile"; header["plot"] = "io"; header["operator"] = header["check"] = header["flow"] = "analyze"
    header["objective"] = header["curvature"] = header["minimize"] = "optim"
  }
  function complain(text) { print $1 ":" $2 ": " text; bad = 1 }
  {
    split($1, path, "/"); from = path[2]
    line = $3
    if (line !~ /["<]/) next
    target = line; sub(/^[^"<]*["<]/, "", target); sub(/[">].*/, "", target)
    if (target == "cauchy_config.h") next
    if (line ~ /</ && target !~ /^cauchy/) next
    if (target == "cauchy.h") to = "cli"
    else if (target ~ /^cauchy\//) {
      to = target; sub(/^cauchy\//, "", to); sub(/\.h$/, "", to)
      if (to in header) to = header[to]
    } else {
      if (target !~ /\//) { complain("\"" target "\": write includes from src/, as in \"base/error.h\""); next }
      to = target; sub(/\/.*/, "", to)
    }
    if (!(from in rank)) { complain("folder src/" from " has no place in the order"); next }
    if (!(to in rank)) { complain(target " is in no folder of the order"); next }
    if (rank[to] > rank[from]) complain("src/" from " includes " target ", which climbs the order " from " < " to)
    else if (from == "io" && to != "io" && rank[to] > rank["tensor"]) complain("src/io includes " target ": formats and plots use only base and tensor")
  }
  END { exit bad }
'
