#!/usr/bin/env bash
# width.sh - whatever a person reads fits 80 columns where there is no terminal: every page of help, every verb, held or broken; and each
# command that is printed runs as it stands. Rows of data are a line each, however long: kiln log, kiln trace, -v and --json.
set -uo pipefail
binary=$(realpath "$1")
sources=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln width.XXXXXX")
broker=
trap '[[ -n $broker ]] && kill -9 $broker 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir "a tree"
cp "$binary" "$(dirname "$binary")/kiln-bugs" "a tree/"
kiln="a tree/kiln"
ln -s "$sources/scenarios" scenarios
unset COLUMNS
export NO_COLOR=1

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# fits ARGUMENTS...: whatever it says and however it ends; in said.txt.
fits() {
    timeout 120 "$kiln" "$@" >said.txt 2>&1
    status=$?
    [[ -s said.txt ]] || die "kiln $* says nothing"
    local wide
    wide=$(awk 'length > 80' said.txt)
    [[ -z $wide ]] || die "kiln $* has lines over 80 columns:
$wide"
}

fits help
mapfile -t names < <(sed -n 's/^  \([a-z][a-z]*\)  *[^ ].*/\1/p' said.txt)
[[ ${#names[@]} -ge 9 ]] || die "kiln help lists ${names[*]}"
for name in "${names[@]}"; do
    fits help "$name"
    [[ $status -eq 0 ]] || die "kiln help $name ended with $status"
done
fits help language
for word in 'time_limit(t)' 'wait_at_most(condition, t)' 'cluster:producer { to, ... }' '"nothing young is deleted"'; do
    grep -qF -- "$word" said.txt || die "kiln help language has no $word: $(cat said.txt)"
done
fits help faults
sed -n 's/^| `\([a-z_ ]*\)` |.*/\1/p' "$sources/docs/faults.md" | while read -r fault; do
    grep -q "^  $fault\( \|\$\)" said.txt || die "kiln help faults has no $fault: $(cat said.txt)"
done || exit 1
printf 'ok  help of %s\n' "${names[*]}"

fits --version
fits bugs
while read -r bug; do
    fits bugs "$bug"
done < <(sed -n 's/^\([a-z_]*\) .*/\1/p' said.txt | sort -u | head -20)
fits run --list scenarios
fits run scenarios/exactly_once --seeds 1-2 --on-files 3
fits verify scenarios/disk/full.lua
printf 'ok  what holds\n'

# What does not hold, in every word of the table: a script that proves nothing, one that is stuck, one with a mistake, one that breaks.
head='scenario "a claim that is as long as claims are, so that it does not fit beside the name of its file, and goes on and on"
local c = Cluster {}
local t = c:topic { name = "orders" }
local p = c:producer { to = t, records = 10 }
c:consumer { from = t }
'
mkdir claims
printf '%s%s\n' "$head" 'finally { "in order" } wait_until(function() return false end, seconds(1))' >claims/a_name_longer_than_its_column.lua
printf '%s%s\n' "$head" 'finally { "in order" } time_limit(seconds(1)) sleep(hours(2))' >claims/stuck.lua
printf '%s%s\n' "$head" 'finally { "in order" } sleep(seconds(1)) expect(counts().acked == 11 and counts().sent == 12, "what is wrong with it, in words")' \
    >claims/broken.lua
fits run claims --seeds 1-2
for word in inconclusive STUCK BROKEN; do
    grep -q " $word\$" said.txt || die "no row is $word: $(cat said.txt)"
done
printf '%s%s\n' "$head" 'finally { "in orders" }' >claims/wrong.lua
fits run claims --seed 1
[[ $status -eq 64 ]] || die "a mistake ended with $status"
rm -rf failures
printf 'ok  what does not\n'

# commands FILE: those that were printed, each on one line.
commands() { sed -e ':a' -e '/\\$/N; s/ \\\n */ /; ta' "$1" | grep -o "'a tree/kiln' .*"; }

fits run scenarios/disk/torn_tail.lua --bug ack_without_sync --seed 1
[[ $status -eq 1 ]] || die "the bug is not found: $(cat said.txt)"
commands said.txt >commands.txt
grep -q "^'a tree/kiln' replay failures/" commands.txt || die "no command repeats it: $(cat said.txt)"
grep -q "^'a tree/kiln' log check failures/.*/\*/data$" commands.txt || die "no command looks at its disks: $(cat said.txt)"
while read -r command; do
    bash -c "$command" >ran.txt 2>&1
    status=$?
    [[ $status -le 1 ]] || die "$command ended with $status: $(cat ran.txt)"
    [[ $command == *" log check "* ]] || [[ -z $(awk 'length > 80' ran.txt) ]] || die "$command is wider than 80: $(cat ran.txt)"
done <commands.txt
fits bugs torn_tail_kept
commands said.txt | grep -v -- '--hunt' | sed 's/--seed N/--seed 1/; s/| less/| tail/' >commands.txt
[[ $(wc -l <commands.txt) -eq 2 ]] || die "not two commands: $(cat said.txt)"
while read -r command; do
    bash -c "$command" >ran.txt 2>&1
    status=$?
    [[ $status -le 1 ]] || die "$command ended with $status: $(cat ran.txt)"
done <commands.txt
fits bugs torn_tail_kept --hunt --no-swarm --seeds 20
[[ $status -eq 0 ]] || die "the hunt ended with $status: $(cat said.txt)"
(cd / && "$work/$kiln" bugs torn_tail_kept) | grep -q 'torn_tail.lua is not there' || die "where the scenarios are is not said"
printf 'ok  commands run as they stand\n'

"$kiln" broker --data data --listen 127.0.0.1:0 2>broker.txt &
broker=$!
for _ in $(seq 400); do
    grep -q 'ready on' broker.txt && break
    kill -0 "$broker" || die "the broker ended: $(cat broker.txt)"
    sleep 0.025
done
at=$(sed -n 's/.*ready on \([^ ]*\),.*/\1/p' broker.txt)
fits topic create orders bills --partitions 2 --config retention.ms=60000 --bootstrap-server "$at"
fits topic list --bootstrap-server "$at"
fits topic describe --bootstrap-server "$at"
grep -q 'retention.ms = 60000' said.txt || die "the config was not set: $(cat said.txt)"
fits topic trim orders --before end --bootstrap-server "$at"
fits config set cluster log.retention.ms=90000000 message.max.bytes=2000000 --bootstrap-server "$at"
fits config list --bootstrap-server "$at"
fits config describe broker 1 --bootstrap-server "$at"
fits config describe topic orders --bootstrap-server "$at"
fits cluster status --bootstrap-server "$at"
fits quorum describe --bootstrap-server "$at"
fits features describe --bootstrap-server "$at"
kill "$broker" && wait "$broker"
broker=
printf 'ok  kiln topic, kiln config, kiln cluster, kiln quorum, kiln features\n'
