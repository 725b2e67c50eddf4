#!/usr/bin/env bash
# upgrade.sh - directories that earlier builds of kiln wrote (tests/vectors/upgrade), one that ended well and one that was killed
# under load: each opens, every acknowledged record is served once and in order, it takes further ones, and kiln log check
# finds nothing. A directory of a newer kiln is refused with a sentence, and left as it was.
. "$(dirname "$0")/common.sh"
need kcat
vectors=$(dirname "$0")/../vectors/upgrade

# served TOPIC PARTITION: "topic partition key value" of each record, in order.
served() {
    kcat -C -b "$at" -t "$1" -p "$2" -o beginning -e -q -f '%t %p %k %s\n' 2>/dev/null
}

# expect_all ACKNOWLEDGED: what was acknowledged of a partition is served, in its order and as often; more may be there.
expect_all() {
    local acknowledged=$1 topic partition
    while read -r topic partition; do
        awk -v t="$topic" -v p="$partition" '$1 == t && $2 == p' "$acknowledged" >"$work/want"
        served "$topic" "$partition" >"$work/have"
        awk 'NR == FNR { want[++n] = $0; next } at < n && $0 == want[at + 1] { at++ } END { exit at < n }' \
            "$work/want" "$work/have" ||
            die "$topic-$partition does not serve what was acknowledged: $(wc -l <"$work/want") wanted, $(wc -l <"$work/have") served"
    done < <(cut -d' ' -f1,2 "$acknowledged" | sort -u)
}

check_files() {
    "$kiln" log check "$data" >"$work/check" 2>&1 || { cat "$work/check" >&2; die "kiln log check finds damage"; }
}

# upgrade NAME: opened, read, written to, closed, opened again.
upgrade() {
    local name=$1 acknowledged=$work/acknowledged
    rm -rf "$data"
    tar -C "$work" -xzf "$vectors/$name.tar.gz"
    gzip -dc "$vectors/$name.acknowledged.gz" >"$acknowledged"
    start_broker --log.segment.bytes 16384
    expect_all "$acknowledged"
    printf 'k:after the upgrade\n' | kcat -P -b "$at" -t orders -p 0 -K : -X enable.idempotence=true || die "$name takes nothing more"
    printf 'orders 0 k after the upgrade\n' >>"$acknowledged"
    expect_all "$acknowledged"
    stop_broker
    check_files
    start_broker --log.segment.bytes 16384
    expect_all "$acknowledged"
    kill_broker
    start_broker --log.segment.bytes 16384
    expect_all "$acknowledged"
    stop_broker
    check_files
    printf '%s: %s records\n' "$name" "$(wc -l <"$acknowledged")"
}

found=0
for archive in "$vectors"/*.tar.gz; do
    upgrade "$(basename "$archive" .tar.gz)"
    found=$((found + 1))
done
[[ $found -ge 2 ]] || die "there are no directories in $vectors"

# One of the future.
sed -i 's/^version=1$/version=2/' "$data/meta.properties"
grep -q '^version=2$' "$data/meta.properties" || die "meta.properties has no version"
rm -f "$data/meta.properties.crc"
find "$data" -type f -exec md5sum {} + | sort >"$work/before"
"$kiln" broker --data "$data" --listen 127.0.0.1:0 >"$work/out" 2>&1
status=$?
[[ $status -eq 1 ]] || die "a directory of a newer kiln is not refused: $status"
grep -qi 'newer' "$work/out" || { cat "$work/out" >&2; die "it is not said that the directory is newer"; }
find "$data" -type f -exec md5sum {} + | sort >"$work/after"
diff "$work/before" "$work/after" >&2 || die "a directory of a newer kiln was changed"
