#!/usr/bin/env bash
# killed_runs.sh - a run that does not end by itself is killed, is told, and leaves nothing but its replay file.
set -uo pipefail
kiln=$(realpath "$1")
export COLUMNS=500 # a sentence a line
script=$(realpath "$(dirname "${BASH_SOURCE[0]}")/endless.lua")
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-killed.XXXXXX")
trap 'rm -rf "$work"' EXIT

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# killed ARGUMENTS...: kiln with these arguments ends with 6 and says why.
killed() {
    local said
    said=$(timeout 60 "$kiln" "$@" 2>&1)
    local status=$?
    [[ $status -eq 6 ]] || die "$* ended with $status, not 6: $said"
    grep -q "CRASHED.*" <<<"$said" || die "$* said: $said"
    grep -q "not ended after 0.5 s.*--wall" <<<"$said" || die "$* said: $said"
    printf 'ok  %s\n' "$*"
}

mkdir "$work/tmp"
export TMPDIR=$work/tmp
cd "$work" || die "no $work"
killed run "$script" --wall 500ms
replay=(failures/*.replay)
[[ -f ${replay[0]} ]] || die "no replay file in $(ls failures)"
killed replay "${replay[0]}" --wall 500ms
killed run "$script" --wall 500ms --seeds 1-3 --jobs 2 --json

said=$("$kiln" run "$script" --wall soon 2>&1)
[[ $? -eq 64 ]] || die "--wall soon was taken: $said"
grep -q -- '--wall: "soon" is no time' <<<"$said" || die "--wall soon said: $said"

# Its disks go with it, whoever made their directory; one that was named stays.
killed run "$script" --wall 500ms --disk files
killed run "$script" --wall 500ms --data "$work/disks"
[[ -n $(ls "$work/disks") ]] || die "nothing in $work/disks"
"$kiln" verify "$script" --disk files --wall 500ms >/dev/null 2>&1
[[ $? -eq 6 ]] || die "verify of an endless run did not end with 6"
[[ -z $(ls "$TMPDIR") ]] || die "left behind: $(ls "$TMPDIR")"
printf 'ok  nothing is left behind\n'
