#!/usr/bin/env bash
# without_tests.sh - who only runs kiln needs none of the libraries of its tests: CMake does not ask for them.
set -uo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-configure.XXXXXX")
trap 'rm -rf "$work"' EXIT
die() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

cmake -S "$source" -B "$work/off" -G Ninja -DKILN_TESTS=OFF >"$work/log" 2>&1 || { cat "$work/log"; die "it does not configure"; }
for name in CMOCKA JANSSON ISAL RDKAFKA; do
    ! grep -qi "^$name" "$work/off/CMakeCache.txt" || die "$name was looked for"
done
ninja -C "$work/off" -t targets all >"$work/targets" || die "no targets"
grep -q '^kiln: ' "$work/targets" || die "kiln is not built"
! grep -q 'unit_' "$work/targets" || die "tests are built"
printf 'ok  without tests\n'
