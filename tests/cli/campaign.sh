#!/usr/bin/env bash
# campaign.sh - runs of a campaign, several in a process, are the runs that each seed is alone; and the end of such a process costs
# one of them.
set -uo pipefail
kiln=$(realpath "$1")
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-campaign.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# fields FILE: seed, verdict and hashes of each run.
fields() {
    python3 -c '
import json, sys
for run in sorted(map(json.loads, open(sys.argv[1])), key=lambda run: run["seed"]):
    print(run["seed"], run["verdict"], run["hash"], run["rows_hash"])' "$1"
}

claims=("$here/../../scenarios/failover/death_of_the_leader.lua" "$here/busy.lua")
for claim in "${claims[@]}"; do
    for seed in 1 2 3 4 5; do
        "$kiln" run "$claim" --seed $seed --disk memory --time 30s --json 2>/dev/null
    done >alone.json
    "$kiln" run "$claim" --seeds 1-5 --jobs 1 --time 30s --json >together.json 2>/dev/null
    [[ $(fields alone.json | wc -l) -eq 5 ]] || die "not five runs: $(cat alone.json)"
    diff <(fields alone.json) <(fields together.json) || die "$claim is another run in a campaign"
done
printf 'ok  a run is the same alone and in a campaign\n'

"$kiln" run "$here/busy.lua" --seeds 1-5 --jobs 1 --time 30s --json >killed.json 2>/dev/null &
parent=$!
for _ in $(seq 600); do
    child=$(pgrep -P "$parent" | head -1)
    [[ -n $child ]] && break
    kill -0 "$parent" 2>/dev/null || break
done
[[ -n ${child:-} ]] || die "the campaign has no process of its own"
kill -KILL "$child" || die "the campaign has ended already"
wait "$parent"
[[ $? -eq 6 ]] || die "a crash in a campaign is not its exit code"
[[ $(fields killed.json | grep -c ' crashed ') -eq 1 ]] || die "not one crash: $(fields killed.json)"
[[ $(fields killed.json | wc -l) -eq 5 ]] || die "seeds are missing: $(fields killed.json)"
left=$(diff <(fields together.json) <(fields killed.json | grep -v ' crashed ') | grep -c '^>')
[[ $left -eq 0 ]] || die "the other runs are not as they were"
printf 'ok  a process that dies takes one run along\n'

"$kiln" run "$here/busy.lua" --seeds 1-50 --jobs 2 --time 2s --json --fail-fast >fast.json 2>/dev/null
[[ $? -eq 3 ]] || die "--fail-fast has another exit code"
[[ $(fields fast.json | wc -l) -le 2 ]] || die "--fail-fast went on: $(fields fast.json)"
printf 'ok  --fail-fast begins no more\n'
