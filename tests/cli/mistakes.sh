#!/usr/bin/env bash
# mistakes.sh - a mistake in a script is told once, with its line, leaves nothing behind and stops nobody else.
set -uo pipefail
kiln=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-mistakes.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# scenario FILE LINES...: a small one with these lines in its middle.
scenario() {
    local file=$1
    shift
    {
        printf 'scenario "the claim of %s"\nlocal c = Cluster {}\nlocal t = c:topic { name = "orders" }\n' "$file"
        printf 'c:producer { to = t, records = 10 }\n'
        printf '%s\n' "$@"
        printf 'finally { "everything acknowledged is read" }\n'
    } >"$file"
}

mkdir claims
scenario claims/good.lua ''
scenario claims/late.lua 'sleep(seconds(1))' 'harm "node client1 disk full"'
printf 'local = 3\nscenario "no claim"\n' >claims/syntax.lua

# Seeds meet the same mistake; it is one.
said=$("$kiln" run claims/late.lua --seeds 1-5 --jobs 2 2>&1)
[[ $? -eq 64 ]] || die "a mistake did not end with 64: $said"
[[ $(grep -c 'late.lua:6: harm "node client1 disk full": client1 has no disk; only brokers have one' <<<"$said") -eq 1 ]] ||
    die "a mistake was told more than once, or not: $said"
[[ ! -e failures || -z $(ls failures) ]] || die "a mistake left $(ls failures)"
printf 'ok  told once, and nothing left behind\n'

# One bad file does not hide the others.
said=$("$kiln" run claims --list 2>errors)
[[ $? -eq 64 ]] || die "--list with a bad file did not end with 64"
grep -q 'the claim of claims/good.lua' <<<"$said" || die "--list does not show the good one: $said"
grep -q 'claims/syntax.lua:1:' errors || die "--list does not say what is wrong: $(cat errors)"
printf 'ok  --list\n'

said=$("$kiln" run claims --seed 1 --jobs 1 2>&1)
[[ $? -eq 64 ]] || die "a campaign with bad files did not end with 64: $said"
grep -q '  good  .*held' <<<"$said" || die "the good one did not run: $said"
grep -q '1 passed' <<<"$said" || die "the good one did not hold: $said"
printf 'ok  the others run\n'
