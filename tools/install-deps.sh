#!/bin/sh
# Installs what building Cauchy needs and the machine lacks, from the system's packages, after saying what.
#   tools/install-deps.sh build|bench|check|ci    to build; also to compare speeds; to test; with clang too
# Where there is no apt it prints the list and goes on: Meson then says what is really missing.
set -eu

build='gcc libc6-dev meson ninja-build pkg-config libdnnl-dev libsleef-dev zlib1g-dev libjansson-dev
libyaml-dev libcairo2-dev fonts-dejavu-core libcurl4-openssl-dev nettle-dev libzip-dev
libpng-dev libjpeg-dev'
bench='python3 libopenblas-dev'
check='libcmocka-dev g++ valgrind'
ci='clang libomp-dev git python3-numpy'

case "${1:-build}" in
  build) wanted="$build" ;;
  bench) wanted="$build $bench" ;;
  check) wanted="$build $check" ;;
  ci) wanted="$build $check $ci" ;;
  *) echo "usage: $0 build|bench|check|ci" >&2; exit 2 ;;
esac

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  command -v meson >/dev/null || echo "No apt on this system. Cauchy needs the equivalents of these Debian packages:" $wanted
  exit 0
fi

installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p' || true)
missing=''
for package in $wanted; do
  echo "$installed" | grep -qx "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

root=''
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "Missing packages:$missing" >&2
    echo "Installing them needs root: run 'apt-get install$missing' as root, then repeat." >&2
    exit 1
  fi
  root=sudo
fi

echo "These packages are missing and will now be installed with apt-get:"
echo "$missing" | fold -s -w 100 | sed 's/^ */  /'
install="$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends"
log=$(mktemp)
# A fresh system has no package lists; an old one may have stale lists: then update and try again.
if ! $install $missing >"$log" 2>&1; then
  $root apt-get update -qq
  $install $missing >"$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; exit 1; }
fi
rm -f "$log"
echo "Installed."
