#!/usr/bin/env bash
# full_disk.sh - a file system of a few MiB fills up, by bytes and by inodes: stderr says so once, what was acknowledged stays
# readable, also after kill -9 and a start on the full disk, and room brings everything back.
source "$(dirname "$0")/common.sh"
need kcat
disk=$work/disk
mkdir "$disk"
unmount() {
    cleanup_broker
    umount "$disk" 2>/dev/null
    rm -rf "$work"
}
cleanup_broker() { [[ -n $broker ]] && kill -9 "$broker" 2>/dev/null; wait 2>/dev/null; }
trap unmount EXIT
mount -t tmpfs -o size=12m,nr_inodes=400 tmpfs "$disk" 2>/dev/null || {
    printf 'SKIPPED: a file system of its own may not be mounted; run the test as root\n'
    exit 77
}
data=$disk/data

# acked FILE: sends its lines one request at a time, as long as they are stored; counts those that were.
acked() {
    timeout 60 kcat -b "$at" -P -t orders -p 0 -l "$1" -X acks=all -X enable.idempotence=true -X message.timeout.ms=3000 2>/dev/null
    consume orders -p 0 | wc -l
}

once() { [[ $(grep -c "\[$1\]" "$work/broker.log") -eq 1 ]] || die "$1 is not told once: $(cat "$work/broker.log")"; }

fill() { # by bytes, or by inodes
    if [[ $1 == bytes ]]; then
        head -c 100000000 /dev/zero >"$disk/filler" 2>/dev/null
    else
        local i
        mkdir -p "$disk/fillers"
        for i in $(seq 400); do : >"$disk/fillers/$i" || break; done 2>/dev/null
    fi
}

for kind in bytes inodes; do
    rm -rf "${disk:?}"/*
    head -c 1000000 /dev/urandom | base64 >"$work/lines"
    start_broker --log.segment.bytes 1048576
    for _ in $(seq 200); do [[ -e $data/.reserve-7 ]] && break; sleep 0.05; done
    before=$(acked "$work/lines")
    [[ $before -gt 1000 ]] || die "$kind: only $before records were stored on a disk with room"
    fill $kind
    head -c 3000000 /dev/urandom | base64 >"$work/more"
    stored=$(acked "$work/more")
    [[ $stored -ge $before ]] || die "$kind: $stored records are read of $before"
    once DISK_FULL
    kill_broker
    fill $kind
    start_broker --log.segment.bytes 1048576
    same "$kind: records that are read after kill -9 and a start on the full disk" "$stored" "$(consume orders -p 0 | wc -l)"
    rm -rf "$disk/filler" "$disk/fillers"
    echo again | produce orders -p 0 -X acks=all
    same "$kind: records with room again" $((stored + 1)) "$(consume orders -p 0 | wc -l)"
    stop_broker
    "$kiln" log check "$data" >"$work/out" 2>&1 || die "$kind: kiln log check: $(cat "$work/out")"
done
