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
