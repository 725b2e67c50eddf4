#!/usr/bin/env bash
# report.sh - what ./dev test says at its end: what each suite took beside its budget, and why a test was skipped.
set -uo pipefail
report=$(cd "$(dirname "$0")/.." && pwd)/report
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-report.XXXXXX")
trap 'rm -rf "$work"' EXIT

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# suite NAME SECONDS CASES: as ctest --output-junit writes it.
suite() {
    printf '<?xml version="1.0" encoding="UTF-8"?>\n<testsuite name="(empty)" tests="3" failures="0" skipped="1" time="%s">\n%s</testsuite>\n' \
        "$2" "$3" >"$work/$1.xml"
}

# test_case NAME SECONDS [OUTPUT]: with an output it was skipped.
test_case() {
    printf '<testcase name="%s" time="%s" status="run">' "$1" "$2"
    [[ $# -lt 3 ]] || printf '<skipped message="SKIP_RETURN_CODE=77"/><system-out>%s</system-out>' "$3"
    printf '</testcase>\n'
}

suite release 700.4 "$(test_case scenarios.memory 200)$(test_case scenarios.files 90.5)$(test_case scenarios.verify 80)
$(test_case scenarios.known_bugs 299.6)$(test_case interop.client.franz 3 $'ok  one\nSKIPPED: franz cannot be fetched: no way')"
suite asan 400 "$(test_case unit.a 1)"
suite tsan 79 "$(test_case unit.a 1 '')"
echo 61 >"$work/hashes.seconds"
said=$("$report" "$work" 1501) || die "it ended with $?"
diff - <(printf '%s\n' "$said") <<'END' || die "it says other things"
skipped  release interop.client.franz: franz cannot be fetched: no way
skipped  tsan unit.a: it does not say why
seconds           took  budget
release            700
  scenarios        370     360
  known bugs       300     300
asan               400
tsan                79
sanitizers         479     480
hashes              61
whole             1501    1500
OVER BUDGET: scenarios took 370 s, where the gate gives 360
OVER BUDGET: whole took 1501 s, where the gate gives 1500
END
printf 'ok\n'
