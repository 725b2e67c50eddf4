#!/usr/bin/env bash
# nodes.sh - where nodes run: in threads and processes that bear their names, with the same hash; the end of one is a verdict, and
# nothing of them outlives the run.
set -uo pipefail
kiln=$(realpath "$1")
export COLUMNS=500 # a sentence a line
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
script=$here/busy.lua
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-nodes.XXXXXX")
parent='' run=''
# A test that fails leaves a run of virtual days.
trap 'kill -KILL $run $parent 2>/dev/null; wait; rm -rf "$work"' EXIT
cd "$work" || exit 1

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# until_true COMMAND...: tries it again for up to half a minute.
until_true() {
    for _ in $(seq 600); do
        "$@" && return 0
        timeout 0.05 tail -f /dev/null
    done
    return 1
}

gone() { ! kill -0 "$1" 2>/dev/null; }
# find_node NAME: its process, of the run that $parent started, which has one of its own.
find_node() {
    run=$(pgrep -P "$parent" | head -1)
    node=$([[ -n $run ]] && pgrep -P "$run" -x "$1" | head -1)
    [[ -n $node ]]
}
# start MODE [ARGUMENTS...]: a run that goes on for virtual days, until its disks hold something.
start() {
    local mode=$1
    shift
    rm -rf failures disks
    "$kiln" run "$script" --seed 3 --nodes "$mode" --data disks "$@" >said.txt 2>&1 &
    parent=$!
}
grown() { [[ -n $(find disks -name '*.log' -size +200k 2>/dev/null | head -1) ]]; }

# ---- the end of a node ----

start processes
until_true grown || die "the run does not get anywhere: $(cat said.txt)"
find_node broker1 || die "no process broker1: $(cat said.txt)"
find_node client1 && find_node admin && find_node client2 || die "clients have no processes: $(pgrep -P "$run" -l)"
find_node broker1
[[ $(find "/proc/$node/fd" -type l -printf '%f ' | xargs) =~ ^[0-2\ ]*$ ]] || die "a node has files open: $(ls -l "/proc/$node/fd")"
kill -ABRT "$node" || die "the node has ended already: $(cat said.txt)"
wait "$parent"
status=$?
[[ $status -eq 6 ]] || die "ended with $status: $(cat said.txt)"
grep -qE 'CRASH at [0-9.]+ s: broker1, life 0, event [0-9]+ \([a-z ]+\): SIGABRT' said.txt || die "it said: $(cat said.txt)"
replay=$(ls failures/*.replay)
stem=${replay%.replay}
grep -q ' pause' "$stem.plan" || die "the plan of what fired is: $(cat "$stem.plan" 2>&1)"
grep -aqE '^verdict crashed$' "$replay" || die "the replay file does not say that it crashed"
grep -aqE '^hash [0-9a-f]{16}$' "$replay" || die "the replay file has no hash so far"
"$kiln" trace "$stem.trace" >rows.txt || die "kiln trace ended with $?"
grep -q orders-0 rows.txt || die "the last rows do not name orders-0"
until_true gone "$run" || die "the run's own process is there yet"
printf 'ok  a node that crashes is a verdict with its name, its event, plan, hash and rows\n'

# ---- nothing is left ----

start processes
until_true grown || die "the run does not get anywhere: $(cat said.txt)"
find_node broker1 || die "no process broker1: $(cat said.txt)"
kill -KILL "$run"
wait "$parent"
[[ $? -eq 6 ]] || die "it said: $(cat said.txt)"
until_true gone "$node" || die "broker1 outlives its run"
start processes --wall 2s
until_true find_node broker1 || die "no process broker1: $(cat said.txt)"
wait "$parent"
[[ $? -eq 6 ]] || die "it said: $(cat said.txt)"
until_true gone "$node" || die "broker1 outlives a run that took too long"
printf 'ok  no node outlives its run\n'

# ---- threads ----

named() {
    local all
    all=$(cat "/proc/$(pgrep -P "$parent" | head -1)"/task/*/comm 2>/dev/null)
    grep -qx broker1 <<<"$all" && grep -qx client2 <<<"$all"
}
start threads --wall 20s
until_true named || die "no threads broker1 and client2: $(cat said.txt)"
kill -KILL "$(pgrep -P "$parent" | head -1)"
wait "$parent"
printf 'ok  threads bear the names of their nodes\n'

# ---- the same ----

hash_in() { "$kiln" run "$script" --seed 3 --time 20s --nodes "$1" --json 2>/dev/null | grep -oE '"(rows_)?hash":"[0-9a-f]{16}"'; }
inline=$(hash_in inline)
[[ -n $inline ]] || die "no hash"
for mode in threads processes; do
    [[ $(hash_in "$mode") == "$inline" ]] || die "in $mode: $(hash_in "$mode"), and inline: $inline"
done
"$kiln" run "$script" --nodes somewhere >said.txt 2>&1
[[ $? -eq 64 ]] || die "--nodes somewhere was taken: $(cat said.txt)"
rm -rf failures
"$kiln" run "$script" --seed 3 --time 20s --nodes processes >said.txt 2>&1
"$kiln" replay failures/*.replay >said.txt 2>&1
[[ $? -eq 3 ]] || die "inline another thing happens than in processes: $(cat said.txt)"
printf 'ok  the same happens wherever nodes run\n'
parent='' run=''
