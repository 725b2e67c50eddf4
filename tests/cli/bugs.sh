#!/usr/bin/env bash
# bugs.sh - a known bug by its name: what, where, why, which checks, which scenario, and how to see it; and docs/checks.md has every check.
set -uo pipefail
kiln=$(realpath "$1")
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-bugs.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

"$kiln" bugs --json >bugs.json || die "kiln bugs ended with $?"
python3 - "$root" <<'END' || die "bugs.json is not as it must be"
import json, os, re, sys
root = sys.argv[1]
bugs = [json.loads(line) for line in open("bugs.json")]
table = open(os.path.join(root, "analysis/check/check.h")).read()
rows = re.findall(r"X\(([A-Z][0-9]+), (\w+), \w+,", table)
docs = open(os.path.join(root, "docs/checks.md")).read()
assert len(rows) > 25
for code, name in rows:
    assert f"| {code} | `{name}` |" in docs, f"docs/checks.md has no {code} {name}"
known = {name: code for code, name in rows} | {end: end for end in ("STUCK", "EXPECT", "CRASH")}
assert bugs
for bug in bugs:
    for part in ("text", "origin", "happened", "why"):
        assert bug[part], bug
    # Without one a unit test shows it.
    assert not bug["scenario"] or os.path.exists(os.path.join(root, "scenarios", bug["scenario"] + ".lua")), bug
    assert bug["checks"], bug
    for check in bug["checks"]:
        assert known[check["name"]] == check["check"], check
open("names", "w").write("\n".join(bug["bug"] for bug in bugs) + "\n")
open("shown", "w").write("\n".join(bug["bug"] for bug in bugs if bug["scenario"]) + "\n")
END
while read -r name; do
    COLUMNS=80 "$kiln" bugs "$name" >one.txt || die "kiln bugs $name ended with $?"
    for word in where what why 'shown by' scenario; do
        grep -q "^$word  *[^ ]" one.txt || die "kiln bugs $name does not say $word: $(cat one.txt)"
    done
    ! grep -qx "$name" shown || grep -q -- "--bug $name" one.txt || die "kiln bugs $name does not say how to see it: $(cat one.txt)"
done <names
printf 'ok  every known bug by its name\n'

# The command that it gives works as it stands.
cd "$root" || exit 1
export COLUMNS=500 # a command a line
"$kiln" bugs torn_tail_kept >"$work/one.txt"
command=$(grep -m1 -E "^  .*/kiln'? run " "$work/one.txt")
cd "$work" || exit 1
ln -s "$root/scenarios" scenarios
bash -c "$command" >run.txt 2>&1
[[ $? -eq 1 ]] || die "$command does not show it: $(tail -3 run.txt)"
grep -q 'again: .*/kiln.* replay failures/' run.txt || die "no replay file: $(cat run.txt)"
"$kiln" replay "$(ls failures/*.replay | head -1)" >replay.txt 2>&1
[[ $? -eq 1 ]] || die "the replay does not show it: $(cat replay.txt)"
printf 'ok  the command that it gives, and its replay\n'

# What starts the program with the bugs hands on the words as they were given, by whichever way the verb was found.
for words in 'help bugs' 'bugs --help' 'help run' 'run --help'; do
    read -ra list <<<"$words"
    "$kiln" "${list[@]}" >said.txt 2>&1 || die "kiln $words ended with $?: $(cat -v said.txt)"
    head -1 said.txt | grep -qE '^usage: kiln (bugs|run) ' || die "kiln $words says: $(cat -v said.txt)"
done
cmp -s <("$kiln" help bugs 2>&1) <("$kiln" bugs --help 2>&1) || die "kiln help bugs is not kiln bugs --help"
printf 'ok  kiln help bugs is kiln bugs --help\n'

for words in 'bugs torn_tail_keept' 'run scenarios/disk/full.lua --bug torn_tail_keept' 'bugs torn_tail_keept --hunt'; do
    read -ra list <<<"$words"
    "$kiln" "${list[@]}" >said.txt 2>&1
    [[ $? -eq 64 ]] || die "$words is no exit 64: $(cat said.txt)"
    grep -q 'no known bug torn_tail_keept; did you mean torn_tail_kept?' said.txt || die "$words says: $(cat said.txt)"
done
"$kiln" run --help | grep -q -- '--bug' || die "kiln run --help has no --bug"
printf 'ok  names that are none\n'
