#!/usr/bin/env bash
# full_disk.sh - a file system of a few MiB fills up, by bytes and by inodes: stderr says so once, what was acknowledged stays
# readable, however often the broker is killed and started while somebody else takes every byte that it gives back, a stop is in
# good order, and room brings everything back. On tmpfs, and on ext4 where a loop device can be had.
source "$(dirname "$0")/common.sh"
need kcat
disk=$work/disk
mkdir "$disk"
unmount() {
    cleanup_broker
    umount "$disk" 2>/dev/null
    rm -rf "$work"
}
filler=
cleanup_broker() { [[ -n $filler ]] && kill "$filler" 2>/dev/null; [[ -n $broker ]] && kill -9 "$broker" 2>/dev/null; wait 2>/dev/null; }
trap unmount EXIT
mount_tmpfs() { mount -t tmpfs -o size=12m,nr_inodes=400 tmpfs "$disk" 2>/dev/null; }
mount_ext4() {
    truncate -s 24m "$work/image"
    PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q -N 400 -m 0 "$work/image" 2>/dev/null && mount -o loop "$work/image" "$disk" 2>/dev/null
}
mount_tmpfs || {
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

fill() { # once more, by bytes, or by inodes
    if [[ $1 == bytes ]]; then
        head -c 100000000 /dev/zero >>"$disk/filler" 2>/dev/null
        head -c 1000 /dev/zero >>"$disk/filler.small" 2>/dev/null
    else
        mkdir -p "$disk/fillers"
        while : >"$disk/fillers/$BASHPID.$RANDOM$RANDOM"; do :; done 2>/dev/null
    fi
}

# starve KIND: takes what is given back, as soon as it is, until eat_no_more.
starve() {
    while :; do fill "$1"; done &
    filler=$!
}

eat_no_more() {
    kill "$filler"
    wait "$filler" 2>/dev/null
    filler=
}

start_small() { start_broker --log.segment.bytes 1048576; }

# A start on the full disk, after whatever end: all that was stored is read.
live() {
    starve "$1"
    start_small
    same "$1: records that are read after a start on the full disk" "$stored" "$(consume orders -p 0 | wc -l)"
    eat_no_more
}

for place in tmpfs:bytes tmpfs:inodes ext4:bytes; do
    kind=${place#*:}
    umount "$disk"
    "mount_${place%:*}" || {
        printf 'left out: no ext4 on a loop device here\n'
        break
    }
    head -c 1000000 /dev/urandom | base64 >"$work/lines"
    start_small
    for _ in $(seq 200); do [[ -e $data/.reserve-7 ]] && break; sleep 0.05; done
    before=$(acked "$work/lines")
    [[ $before -gt 1000 ]] || die "$kind: only $before records were stored on a disk with room"
    fill "$kind"
    head -c 3000000 /dev/urandom | base64 >"$work/more"
    stored=$(acked "$work/more")
    [[ $stored -ge $before ]] || die "$kind: $stored records are read of $before"
    once DISK_FULL
    for _ in $(seq 6); do
        kill_broker
        live "$kind"
    done
    kill "$broker"
    wait "$broker"
    same "$kind: exit code of a stop on the full disk" 0 $?
    grep -q "STOP_UNWRITTEN" "$work/broker.log" || die "$kind: it does not say what it could not write"
    : >"$work/broker.log"
    live "$kind"
    rm -rf "$disk/filler" "$disk/fillers"
    echo again | produce orders -p 0 -X acks=all -X message.timeout.ms=20000
    same "$kind: records with room again" $((stored + 1)) "$(consume orders -p 0 | wc -l)"
    stop_broker
    "$kiln" log check "$data" >"$work/out" 2>&1 || die "$kind: kiln log check: $(cat "$work/out")"
done
