#!/usr/bin/env bash
# shrink.sh - kiln shrink makes of a failed run a scenario that fails alike, and leaves the best so far whoever ends it when.
set -uo pipefail
kiln=$(realpath "$1")
scenarios=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../scenarios")
export COLUMNS=500 # a sentence a line
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-shrink.XXXXXX")
trap 'kill -KILL ${shrinker:-} 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# shrinks CLAIM BUG SEED CHECK FAULTS: what comes of it has so many faults at most, few lines, and fails by that check as often as it is run.
shrinks() {
    local claim=$1 bug=$2 seed=$3 check=$4 faults=$5 stem=failures/${1//\//-}-$3-$2
    "$kiln" run "$scenarios/$claim.lua" --bug "$bug" --seed "$seed" --disk memory >run.txt 2>&1
    [[ $? -eq 1 ]] || die "$claim with $bug: $(cat run.txt)"
    grep -q "less: .* shrink $stem.replay" run.txt || die "it does not say how to shrink it: $(cat run.txt)"
    "$kiln" shrink "$stem.replay" >shrunk.lua 2>said.txt || die "shrink ended with $?: $(cat said.txt)"
    grep -qE 'failed ([0-9]+) times of \1 ' said.txt || die "it is not proved: $(cat said.txt)"
    diff <(grep -v '^--' "$stem.shrunk.lua") shrunk.lua || die "the file is not what was printed"
    [[ $(grep -cE '^ *(plan \[\[ )?at ' shrunk.lua) -le $faults ]] || die "more than $faults faults: $(cat shrunk.lua)"
    [[ $(wc -l <shrunk.lua) -le 12 ]] || die "many lines: $(cat shrunk.lua)"
    local at
    at=$(sed -nE 's/^-- kiln run .* --seed ([0-9]+).*/\1/p' "$stem.shrunk.lua")
    for _ in 1 2 3; do
        "$kiln" run "$stem.shrunk.lua" --seed "$at" --bug "$bug" --disk memory --json >again.json 2>/dev/null
        [[ $? -eq 1 ]] || die "the shrunk scenario ended with $?: $(cat again.json)"
        [[ $(jq -r '.findings[0].check' again.json) == "$check" ]] || die "it fails otherwise: $(cat again.json)"
    done
    # Without the bug it holds: the mistake is the program's and not the scenario's.
    "$kiln" run "$stem.shrunk.lua" --seed "$at" --disk memory >held.txt 2>&1 || die "it fails without the bug: $(cat held.txt shrunk.lua)"
    printf 'ok  %s with %s becomes:\n' "$claim" "$bug"
    cat shrunk.lua
}
shrinks disk/torn_tail ack_without_sync 1 A5 2
shrinks exactly_once/duplicate_waits duplicate_before_durable 2 A5 3

# A crash becomes small as well: the same assertion, by as few orders as that takes.
for seed in $(seq 10); do
    "$kiln" run "$scenarios/admin/several.lua" --bug decides_by_committed --seed "$seed" --disk memory >run.txt 2>&1
    [[ $? -eq 6 ]] && break
done
stem=failures/admin-several-$seed-decides_by_committed
[[ -s $stem.replay ]] || die "no seed crashes: $(cat run.txt)"
"$kiln" shrink "$stem.replay" --for 15s >shrunk.lua 2>said.txt || die "shrink of a crash ended with $?: $(cat said.txt)"
[[ $(grep -cE '^ *(plan \[\[ )?at ' shrunk.lua) -le 2 ]] || die "more than 2 faults: $(cat shrunk.lua)"
at=$(sed -nE 's/^-- kiln run .* --seed ([0-9]+).*/\1/p' "$stem.shrunk.lua")
"$kiln" run "$stem.shrunk.lua" --seed "$at" --bug decides_by_committed --disk memory >again.txt 2>&1
[[ $? -eq 6 ]] || die "the shrunk scenario does not crash: $(cat again.txt shrunk.lua)"
grep -oE 'broker/quorum/[a-z]+\.c:[0-9]+' run.txt | head -1 >first.txt
grep -qF "$(cat first.txt)" again.txt || die "it crashes elsewhere: $(cat again.txt)"
printf 'ok  a crash becomes:\n'
cat shrunk.lua

# A script that expects something is not told anew: its own lines go.
cat >expect.lua <<'END'
scenario "an expectation"
local cluster = Cluster { brokers = 1 }
local orders = cluster:topic { name = "orders", partitions = 2 }
local producer = cluster:producer { acks = "all", to = orders, records = 200, rate = 100 }
cluster:consumer { from = orders }
swarm { from = seconds(1), ["until"] = seconds(3) }
for i = 1, 4 do
  if i == 9 then
    producer:send(1)
  end
  sleep(seconds(1))
end
expect(counts().acked == 0, "somebody was told so")
finally { "in order" }
END
"$kiln" run expect.lua --seed 2 --disk memory >run.txt 2>&1
"$kiln" shrink failures/expect-2.replay >shrunk.lua 2>said.txt || die "shrink ended with $?: $(cat said.txt)"
grep -q 'expect(counts().acked == 0, "somebody was told so")' shrunk.lua || die "the expectation is gone: $(cat shrunk.lua)"
grep -qE 'swarm|consumer|send' shrunk.lua && die "more than it takes: $(cat shrunk.lua)"
"$kiln" run failures/expect-2.shrunk.lua --disk memory >run.txt 2>&1
[[ $? -eq 1 ]] || die "the shrunk scenario does not fail: $(cat run.txt)"
printf 'ok  a script is cut down to what it expects\n'

# says STATUS PATTERN ARGUMENTS...
says() {
    local status=$1 pattern=$2 said
    shift 2
    said=$(timeout 60 "$kiln" "$@" 2>&1)
    local got=$?
    [[ $got -eq $status ]] || die "kiln $* ended with $got, not $status: $said"
    grep -qE -- "$pattern" <<<"$said" || die "kiln $* does not say \"$pattern\": $said"
    printf 'ok  %s\n' "$*"
}
replay=failures/disk-torn_tail-1-ack_without_sync.replay
says 64 'which replay file' shrink
says 64 'none.replay' shrink none.replay
says 64 'expect.lua' shrink expect.lua
head -c 300 "$replay" >cut.replay
says 64 'cut.replay' shrink cut.replay
says 64 '--for' shrink "$replay" --for 0s
says 64 '--jobs' shrink "$replay" --jobs 0
says 64 'cannot write /dev/null/x.lua.*--out' shrink "$replay" --out /dev/null/x.lua
sed -a '/^bug /d' "$replay" >healed.replay 2>/dev/null || sed '/^bug /d' "$replay" >healed.replay
says 5 'does not fail here \(held\)' shrink healed.replay
sed 's/^build .*/build 0123456789abcdef/' "$replay" >other.replay
says 0 'recorded by build 0123456789abcdef' shrink other.replay --for 20s
[[ -s other.shrunk.lua ]] || die "nothing beside other.replay"

# Whoever stops it has the best so far, which fails; and nothing goes on.
for seed in $(seq 40); do
    "$kiln" run "$scenarios/disk/sync_fails.lua" --bug sync_retried --seed "$seed" --disk memory >run.txt 2>&1
    [[ $? -eq 1 ]] && break
done
replay=failures/disk-sync_fails-$seed-sync_retried.replay
[[ -s $replay ]] || die "no seed fails: $(cat run.txt)"
"$kiln" shrink "$replay" >shrunk.lua 2>said.txt &
shrinker=$!
for _ in $(seq 1200); do
    [[ -s failures/disk-sync_fails-$seed-sync_retried.shrunk.lua ]] && break
    kill -0 "$shrinker" 2>/dev/null || break
    timeout 0.05 tail -f /dev/null
done
kill -INT "$shrinker" || die "it has ended already: $(cat said.txt)"
wait "$shrinker"
status=$?
[[ $status -eq 0 ]] || die "stopped, it ended with $status: $(cat said.txt)"
grep -q 'was stopped there' said.txt || die "it does not say so: $(cat said.txt)"
pgrep -f "shrink $replay" >/dev/null && die "something goes on"
shrinker=
"$kiln" run failures/disk-sync_fails-$seed-sync_retried.shrunk.lua --seed "$seed" --bug sync_retried --disk memory >run.txt 2>&1
[[ $? -eq 1 ]] || die "the best so far does not fail: $(cat run.txt)"
printf 'ok  whoever stops it has the best so far\n'
