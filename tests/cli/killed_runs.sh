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

# gone PID: it has ended, within a minute.
gone() {
    for _ in $(seq 1200); do
        kill -0 "$1" 2>/dev/null || return 0
        [[ $(ps -o stat= -p "$1") == Z* ]] && return 0
        timeout 0.05 tail -f /dev/null
    done
    return 1
}

# left ARGUMENTS...: when kiln is killed, whoever ran for it ends, too.
left() {
    "$kiln" "$@" >/dev/null 2>&1 &
    local parent=$! children=() more
    for _ in $(seq 1200); do
        mapfile -t children < <(pgrep -P "$parent")
        [[ ${#children[@]} -gt 0 ]] && break
        kill -0 "$parent" 2>/dev/null || break
        timeout 0.05 tail -f /dev/null
    done
    [[ ${#children[@]} -gt 0 ]] || die "$* runs nothing"
    mapfile -t more < <(for child in "${children[@]}"; do pgrep -P "$child"; done)
    kill -KILL "$parent"
    wait "$parent" 2>/dev/null
    for child in "${children[@]}" "${more[@]}"; do
        gone "$child" || die "$*: a run goes on although nobody waits for it"
    done
    printf 'ok  killed: %s\n' "$*"
}
# What it made for its time cannot be taken away by who is killed.
mkdir "$work/killed"
TMPDIR=$work/killed
left run "$script" --seed 1 --disk memory
left run "$script" --seeds 1-3 --jobs 2
left run "$script" --seed 1 --disk memory --nodes processes
left run "$script" --seed 1 --disk memory --nodes threads
left verify "$script"
left replay "${replay[0]}"
TMPDIR=$work/tmp

# Its disks go with it, whoever made their directory; one that was named stays.
killed run "$script" --wall 500ms --disk files
killed run "$script" --wall 500ms --data "$work/disks"
[[ -n $(ls "$work/disks") ]] || die "nothing in $work/disks"
"$kiln" verify "$script" --disk files --wall 500ms >/dev/null 2>&1
[[ $? -eq 6 ]] || die "verify of an endless run did not end with 6"
[[ -z $(ls "$TMPDIR") ]] || die "left behind: $(ls "$TMPDIR")"
printf 'ok  nothing is left behind\n'
