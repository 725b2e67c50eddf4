#!/usr/bin/env bash
# dev.sh - ./dev says a wrong verb on stderr alone and exits as kiln does.
set -uo pipefail
dev=$(dirname "$0")/../../dev

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

out=$("$dev" nonsense 2>/dev/null)
got=$?
[[ $got -eq 64 ]] || die "./dev nonsense ended with $got, not 64"
[[ -z $out ]] || die "./dev nonsense prints to stdout: $out"
said=$("$dev" nonsense 2>&1 >/dev/null)
[[ $said == *"no verb nonsense"* ]] || die "./dev nonsense does not say what is wrong: $said"
"$dev" help | grep -q '^\./dev run' || die "./dev help does not list run"
printf 'ok\n'
