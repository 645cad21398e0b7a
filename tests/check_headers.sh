#!/bin/sh
# The public headers: cauchy.h includes every one of them, and each compiles alone, as C and as C++.
#   check_headers.sh SOURCE CC [CXX]
set -eu
cd "$1"
cc=$2
cxx=${3:-}
status=0
for header in include/cauchy/*.h include/cauchy.h; do
  name=${header#include/}
  if [ "$name" != cauchy.h ] && ! grep -qxF "#include <$name>" include/cauchy.h; then
    echo "include/cauchy.h lacks #include <$name>"; status=1
  fi
  printf '#include <%s>\nint main(void) { return 0; }\n' "$name" |
    $cc -std=c11 -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only -x c - || { echo "$name: fails as C"; status=1; }
  [ -z "$cxx" ] || printf '#include <%s>\nint main() { return 0; }\n' "$name" |
    $cxx -std=c++11 -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only -x c++ - || { echo "$name: fails as C++"; status=1; }
done
exit $status
