#!/usr/bin/env bash
# sweep.sh - tests/sweep goes on where it was ended, whenever that was, and says what failed.
set -uo pipefail
kiln=$(realpath "$1")
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
claim=scenarios/failover/death_of_the_leader.lua
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-sweep.XXXXXX")
trap 'rm -rf "$work"' EXIT

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

sweep() {
    "$here/../sweep" claims "$@" --kiln "$kiln" --dirty --out "$work/out"
}

[[ $(sweep $claim --seeds 1-6 --piece 2 --minutes 0.0001 | tail -1) == *" 2 left"* ]] || die "it did not stop behind the first piece"
printf 'half a row' >>"$work"/out/*.tsv
sweep $claim --seeds 1-6 --piece 2 >"$work/said" || die "it did not go on: $(cat "$work/said")"
[[ $(grep -c ' held, ' "$work/said") -eq 2 ]] || die "it did not go on behind the first piece: $(cat "$work/said")"
sweep $claim --seeds 1-6 --piece 2 >"$work/said" || die "it is not done: $(cat "$work/said")"
[[ $(wc -l <"$work/said") -eq 1 ]] || die "it was done again: $(cat "$work/said")"
[[ $(cut -f1,2 "$work"/out/*.tsv | sort -u | wc -l) -eq 3 ]] || die "not three rows: $(cat "$work"/out/*.tsv)"
printf 'ok  a campaign goes on where it was ended\n'

cat >"$work/lost.lua" <<'END'
scenario "what is never to be found"
local cluster = Cluster { brokers = 1 }
local orders = cluster:topic { name = "orders", partitions = 1 }
cluster:producer { acks = "all", to = orders, records = 10 }
expect(false, "it is there")
finally { "in order" }
END
sweep "$work/lost.lua" --seeds 1-2 --piece 1 >"$work/said" 2>&1
status=$?
[[ $status -eq 1 ]] || die "runs that fail end with $status: $(cat "$work/said")"
[[ $(grep -c '^failed: .*lost.lua --seed [12]: ' "$work/said") -eq 2 ]] || die "it does not say which: $(cat "$work/said")"
printf 'ok  what failed is named\n'
