#!/usr/bin/env bash
# mistakes.sh - a mistake in a script is told once, with its line, leaves nothing behind and stops nobody else.
set -uo pipefail
kiln=$(realpath "$1")
export COLUMNS=500 # a sentence a line
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

"$kiln" run claims --list --json >claims.json 2>/dev/null
python3 -c '
import json
claims = [json.loads(line) for line in open("claims.json")]
assert {c["scenario"] for c in claims} == {"claims/good.lua", "claims/late.lua"}, claims
assert all(c["claim"] for c in claims)' || die "--list --json is not as it must be"

said=$("$kiln" run claims --seed 1 --jobs 1 2>&1)
[[ $? -eq 64 ]] || die "a campaign with bad files did not end with 64: $said"
grep -q '  good  .*held' <<<"$said" || die "the good one did not run: $said"
grep -q '1 passed' <<<"$said" || die "the good one did not hold: $said"
printf 'ok  the others run\n'

# says STATUS PATTERN ARGUMENTS...: one line that matches, and nothing left behind.
says() {
    local status=$1 pattern=$2 got
    shift 2
    rm -rf failures
    said=$(timeout 30 "$kiln" "$@" 2>&1)
    got=$?
    [[ $got -eq $status ]] || die "kiln $* ended with $got, not $status: $said"
    [[ $(grep -cE -- "$pattern" <<<"$said") -eq 1 ]] || die "kiln $* does not say \"$pattern\" once: $said"
    grep -qE 'WRONG SCRIPT|input/output error' <<<"$said" && die "kiln $* takes it for the script's: $said"
    [[ ! -e failures || -z $(ls failures) ]] || die "kiln $* left $(ls failures)"
    printf 'ok  %s\n' "$*"
}

good=claims/good.lua
mkdir empty full
touch full/file
mkfifo pipe.lua
ln -s nowhere dangling.lua
head -c 2000 /dev/zero >zeros.lua
says 5 'no scenario in empty, nor below it' run empty
says 5 'no scenario in empty, nor below it' run empty --list
says 5 'no scenario in empty, nor below it' verify empty
says 64 'no scenario or directory nowhere.lua' run nowhere.lua
says 64 'no scenario or directory dangling.lua' run dangling.lua
says 64 'cannot read pipe.lua: nothing came out of it' run pipe.lua
says 64 'zeros.lua: is no text' run zeros.lua
says 64 '--seed runs one seed and --seeds a range' run "$good" --seed 1 --seeds 1-3
says 64 'to 2s is before --from 5s' run "$good" --from 5s --to 2s
says 64 'no check is called "A99"' run "$good" --around A99
says 64 'no check is called "lost_writ"; did you mean LOST_WRITE\?' run "$good" --around lost_writ
says 64 'the plan: empty is a directory' run "$good" --plan empty
says 64 "the plan $good: line 1: \"scenario\" is not a time" run "$good" --plan "$good"
says 64 'cannot write the trace nowhere/x: No such file' run "$good" --trace nowhere/x
says 64 'cannot write the trace empty: Is a directory' run "$good" --trace empty
says 64 "cannot make the directory $good: Not a directory" run "$good" --data "$good"
says 64 'full is not empty' run "$good" --data full
says 64 'empty is a directory' replay empty
says 64 "$good is no replay file" replay "$good"
says 64 'empty is a directory' trace empty

# What never ends is read up to a limit.
for verb in run replay trace verify; do
    says 64 '/dev/zero holds more than the [0-9]+ bytes that are read' "$verb" /dev/zero
done
says 64 'the plan: /dev/zero holds more than' run "$good" --plan /dev/zero

# A campaign passes over what it cannot read.
mkdir mixed
cp "$good" mixed/
ln -s nowhere mixed/dangling.lua
mkfifo mixed/pipe.lua
says 64 'cannot read mixed/pipe.lua' run mixed --seed 1
grep -q '1 passed' <<<"$said" || die "the good one beside a pipe did not run: $said"
