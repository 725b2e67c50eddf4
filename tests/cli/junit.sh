#!/usr/bin/env bash
# junit.sh - kiln run --junit writes what CI systems read: a suite a scenario, a case a run, with finding, replay file and shrunk scenario.
set -uo pipefail
kiln=$(realpath "$1")
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
export COLUMNS=500 # a sentence a line
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-junit.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# ask EXPRESSION: of the XML, by the schema and the checks of junit.py.
ask() { python3 -B "$here/junit.py" out.xml "$1" || die "$1: $(cat out.xml)"; }

cat >'good & <plain>.lua' <<'END'
scenario "it holds <&> \"always\""
local cluster = Cluster {}
local orders = cluster:topic { name = "orders" }
cluster:producer { to = orders, records = 20 }
finally { "in order" }
END
sed -e 's/it holds.*"/it never holds"/' -e '/^finally/i wait_until(function() return counts().acked > 10 end, seconds(5))\nexpect(counts().acked < 5, "<too> & many")' \
    'good & <plain>.lua' >bad.lua
sed '/^finally/i wait_until(function() return counts().acked > 1000 end, seconds(1))' bad.lua | sed '/acked < 5/d' >vague.lua
printf 'scenario "wrong"\nlocal cluster = Cluster { brokrs = 1 }\n' >wrong.lua
"$kiln" run . --seeds 1-3 --junit out.xml >said.txt 2>&1
[[ $? -eq 64 ]] || die "it ended with $?: $(cat said.txt)"
ask 'suites == {"./bad.lua": (3, 3, 0, 0), "./good & <plain>.lua": (3, 0, 0, 0), "./vague.lua": (3, 0, 0, 3), "./wrong.lua": (1, 0, 1, 0)}'
ask 'case("./bad.lua", 2).failure.get("type") == "EXPECT"'
ask '"<too> & many" in case("./bad.lua", 2).failure.text'
ask '"replay failures/bad-2.replay" in case("./bad.lua", 2).failure.text'
ask '"brokrs" in case("./wrong.lua").error.get("message")'
ask 'case("./vague.lua", 1).skipped.get("type") == "INCONCLUSIVE"'
ask 'case("./bad.lua", 1).out is None'
printf 'ok  every outcome has its place\n'

rm -rf failures
"$kiln" run bad.lua --seeds 1-2 --junit out.xml --shrink >said.txt 2>&1
[[ $? -eq 1 ]] || die "it ended with $?: $(cat said.txt)"
grep -q 'faults became 0' said.txt || die "it does not tell of the shrunk scenario: $(cat said.txt)"
# Only the first run that failed is shrunk, and with two workers that may be either seed.
ask '"expect(counts().acked < 5" in (case("bad.lua", 1).out or "") + (case("bad.lua", 2).out or "")'
printf 'ok  the shrunk scenario stands beside its finding\n'

said=$("$kiln" run bad.lua --junit /dev/null/x.xml 2>&1)
[[ $? -eq 64 ]] || die "it was written to nowhere: $said"
grep -q 'cannot write /dev/null/x.xml' <<<"$said" || die "it said: $said"
grep -q 'BROKEN' <<<"$said" && die "it ran before it said so: $said"
printf 'ok  what cannot be written is told before anything runs\n'
