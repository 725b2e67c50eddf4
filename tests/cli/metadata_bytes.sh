#!/usr/bin/env bash
# metadata_bytes.sh - a quorum of one writes the bytes that it has always written: the metadata log of three lives, against the one
# in tests/vectors/metadata-of-one. When other records are meant, take the new files.
set -uo pipefail
kiln=$(realpath "$1")
vectors=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../vectors/metadata-of-one")
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-metadata.XXXXXX")
trap 'rm -rf "$work"' EXIT

"$kiln" run "$vectors/script.lua" --seed 1 --data "$work/data" >"$work/out" 2>&1 || {
    cat "$work/out"
    exit 1
}
failed=0
for file in "$vectors"/*.log "$vectors/quorum-state"; do
    cmp "$file" "$work/data/broker1/data/__cluster_metadata-0/${file##*/}" || failed=1
done
exit $failed
