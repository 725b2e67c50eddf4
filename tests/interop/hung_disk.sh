#!/usr/bin/env bash
# hung_disk.sh - a disk that answers nothing, by freezing a file system: metadata and what is in memory are
# served meanwhile, a signal is heard, and afterwards nothing is lost.
source "$(dirname "$0")/common.sh"
need kcat
need fsfreeze util-linux
need mkfs.ext4 e2fsprogs

mounted=
thaw() {
    [[ -n $mounted ]] && fsfreeze -u "$work/disk" 2>/dev/null
    true
}
finish() {
    thaw
    [[ -n $broker ]] && kill -9 "$broker" 2>/dev/null
    wait 2>/dev/null
    [[ -n $mounted ]] && umount "$work/disk"
    rm -rf "$work"
}
trap finish EXIT

skip() {
    printf 'SKIPPED: %s\n' "$1"
    exit 77
}
[[ $EUID -eq 0 ]] || skip "only root may mount and freeze a file system"
mkdir "$work/disk"
truncate -s 64M "$work/image"
mkfs.ext4 -q -F "$work/image" || skip "no file system can be made here"
mount -o loop "$work/image" "$work/disk" 2>/dev/null || skip "no file system can be mounted here"
mounted=yes
{ fsfreeze -f "$work/disk" && fsfreeze -u "$work/disk"; } 2>/dev/null || skip "this kernel freezes no file system"

data=$work/disk/data
start_broker
seq 1000 | produce t
same "before" "$(seq 1000)" "$(consume t)"

fsfreeze -f "$work/disk"
# Whatever happens below, the machine gets its disk back.
(timeout 60 tail -f /dev/null --pid=$$; fsfreeze -u "$work/disk" 2>/dev/null) &
failsafe=$!
seq 1001 2000 | timeout 60 kcat -b "$at" -t t -P -X acks=all &
first=$!
printf 'other\n' | timeout 60 kcat -b "$at" -t t -P -X acks=all -X client.id=second &
second=$!
for i in $(seq 200); do
    grep -q DIRECTORY_SLOW "$work/broker.log" && break
    sleep 0.05
done
grep -q DIRECTORY_SLOW "$work/broker.log" || die "nobody was told that the disk hangs"
for i in 1 2 3; do
    began=$(date +%s%N)
    timeout 5 kcat -b "$at" -L -t t >/dev/null || die "no metadata while the disk hangs"
    took=$((($(date +%s%N) - began) / 1000000))
    [[ $took -lt 2000 ]] || die "metadata took $took ms"
done
same "what is in memory is served" "$(seq 1000)" "$(timeout 5 kcat -b "$at" -t t -C -q -c 1000)"
kill -0 "$first" "$second" 2>/dev/null || die "something was acknowledged by a disk that hangs"
fsfreeze -u "$work/disk"
kill "$failsafe"
wait "$first" || die "the first producer failed"
wait "$second" || die "the second producer failed"
same "nothing is lost, and the order holds" "$(seq 2000)" "$(consume t | grep -v other)"
same "nor of the other" 1 "$(consume t | grep -c other)"
for i in $(seq 100); do
    grep -q DIRECTORY_WELL "$work/broker.log" && break
    sleep 0.05
done
grep -q DIRECTORY_WELL "$work/broker.log" || die "nobody was told that the disk is well again"
stop_broker
