#!/usr/bin/env bash
# crash.sh - a crash leaves what it had come to: the plan of what fired, the hash so far with its checkpoints, the last rows; and a
# replay file of another build, or of a run that differs, is repeated and compared.
set -uo pipefail
kiln=$(realpath "$1")
export COLUMNS=500 # a sentence a line
script=$(realpath "$(dirname "${BASH_SOURCE[0]}")/busy.lua")
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-crash.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# The run goes on for virtual days; its process is killed, once its record has something to keep.
"$kiln" run "$script" --seed 3 --data "$work/disks" >said.txt 2>&1 &
parent=$!
for _ in $(seq 600); do
    child=$(pgrep -P "$parent" | head -1)
    [[ -n $child && -n $(find disks -name '*.log' -size +500k 2>/dev/null | head -1) ]] && break
    kill -0 "$parent" 2>/dev/null || break
    timeout 0.05 tail -f /dev/null
done
[[ -n ${child:-} ]] || die "the run has no process of its own: $(cat said.txt)"
kill -KILL "$child" || die "the run has ended already: $(cat said.txt)"
wait "$parent"
status=$?
[[ $status -eq 6 ]] || die "ended with $status: $(cat said.txt)"
grep -q 'CRASH at .*SIGKILL' said.txt || die "it said: $(cat said.txt)"
replay=$(ls failures/*.replay)
stem=${replay%.replay}
grep -q ' pause' "$stem.plan" || die "the plan of what fired is: $(cat "$stem.plan" 2>&1)"
grep -aqE '^verdict crashed$' "$replay" || die "the replay file does not say that it crashed"
grep -aqE '^hash [0-9a-f]{16}$' "$replay" || die "the replay file has no hash so far"
grep -aqE '^checkpoint 1000 [0-9a-f]{16}$' "$replay" || die "the replay file has no checkpoints"
"$kiln" trace "$stem.trace" >rows.txt || die "kiln trace ended with $?"
grep -q orders-0 rows.txt || die "the last rows do not name orders-0"
printf 'ok  a crash leaves its plan, its hash so far and its last rows\n'

# With --trace every row is there, from the first one to the last event: what a run of the same that goes on writes first. The run
# that looks for what is found ends first.
rm -rf failures disks
"$kiln" run "$script" --seed 3 --trace crashed.trace >said.txt 2>&1 &
parent=$!
await_child() {
    for _ in $(seq 600); do
        child=$(pgrep -P "$parent" | head -1)
        [[ -n $child && $child != "${other:-}" ]] && eval "$1" && return
        kill -0 "$parent" 2>/dev/null || break
        timeout 0.05 tail -f /dev/null
    done
    die "the run has no process as it should: $(cat said.txt)"
}
await_child 'timeout 0.5 tail -f /dev/null; true'
kill -KILL "$child" || die "the run has ended already: $(cat said.txt)"
other=$child
await_child '[[ -n $(find crashed.trace -size +200k 2>/dev/null) ]]'
kill -KILL "$child" || die "the run has ended already: $(cat said.txt)"
wait "$parent"
[[ $? -eq 6 ]] || die "a run with --trace that crashed ended otherwise: $(cat said.txt)"
"$kiln" trace crashed.trace --json >crashed.json || die "the trace of a crash is read with $?"
python3 - "$kiln" "$script" "$(ls failures/*.replay)" <<'END' || die "the trace of a crash does not have every row"
import json, re, subprocess, sys
kiln, script, replay = sys.argv[1:]
crashed = [json.loads(line) for line in open("crashed.json")]
finding = crashed.pop()
assert finding["row"] == "FINDING" and finding["text"].startswith("CRASH"), finding
# The first of the two runs died at another place, which stands where the second one has passed it.
crashed = [row for row in crashed if row["row"] != "FINDING"]
events = int(re.search(rb"^events (\d+)$", open(replay, "rb").read(), re.M).group(1))
seconds = int(crashed[-1]["time_s"]) + 1
subprocess.run([kiln, "run", script, "--seed", "3", "--time", f"{seconds}s", "--trace", "whole.trace"], capture_output=True)
whole = subprocess.run([kiln, "trace", "whole.trace", "--json"], capture_output=True, text=True).stdout
whole = [row for row in map(json.loads, whole.splitlines()) if row["row"] != "FINDING"]
assert crashed == whole[:len(crashed)], next((a, b) for a, b in zip(crashed, whole) if a != b)
behind = whole[len(crashed)]["event"]
assert crashed[-1]["event"] <= events <= behind, (crashed[-1]["event"], events, behind)
faults = [row["text"] for row in crashed if row["row"] == "FAULT"]
plan = open(replay.replace(".replay", ".plan")).read()
assert faults and all(line in plan for line in faults), (faults, plan)
END
printf 'ok  a crash leaves every row and every fault in the file of --trace\n'

# From here on a run that ends.
rm -rf failures
"$kiln" run "$script" --seed 3 --time 20s >said.txt 2>&1
[[ $? -eq 3 ]] || die "it is not stuck: $(cat said.txt)"
replay=$(ls failures/*.replay)
"$kiln" replay "$replay" >said.txt 2>&1
[[ $? -eq 3 ]] || die "the replay is another: $(cat said.txt)"

sed 's/^build .*/build 0000000000000000/' "$replay" >other.replay
"$kiln" replay other.replay >said.txt 2>&1
[[ $? -eq 3 ]] || die "a replay of another build ended otherwise: $(cat said.txt)"
grep -q 'warning: other.replay was recorded by build 0000000000000000' said.txt || die "no warning: $(cat said.txt)"
grep -q 'the same happened' said.txt || die "it said: $(cat said.txt)"
printf 'ok  another build replays with a warning\n'

# Another seed is another run: from the first event on.
sed 's/^seed 3$/seed 4/' "$replay" >other.replay
cp "${replay%.replay}.steps" other.steps
"$kiln" replay other.replay >said.txt 2>&1
[[ $? -eq 4 ]] || die "a run that differs is not exit 4: $(cat said.txt)"
grep -q 'first piece that differs: events 1 to 1000' said.txt || die "no piece: $(cat said.txt)"
grep -qE '^  event [0-9]+ at ' said.txt || die "no event: $(cat said.txt)"
# One checkpoint that is not as it was names its own piece.
sed -E 's/^(checkpoint 2000) .*/\1 0000000000000000/' "$replay" >other.replay
"$kiln" replay other.replay >said.txt 2>&1
[[ $? -eq 4 ]] || die "a checkpoint that differs is not exit 4: $(cat said.txt)"
grep -q 'first piece that differs: events 1001 to 2000' said.txt || die "no piece: $(cat said.txt)"
printf 'ok  exit 4 names the piece and the event\n'
