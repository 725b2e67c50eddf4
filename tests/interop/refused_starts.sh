#!/usr/bin/env bash
# refused_starts.sh - a broker that cannot start says why and what to do, and harms nothing.
source "$(dirname "$0")/common.sh"

# refused STATUS PATTERN ARGUMENTS...
refused() {
    local status=$1 pattern=$2
    shift 2
    local said
    said=$(timeout 20 "$kiln" broker "$@" 2>&1)
    local got=$?
    [[ $got -eq $status ]] || die "$* ended with $got, not $status: $said"
    grep -qE -- "$pattern" <<<"$said" || die "$* said: $said"
    printf 'ok  %s\n' "$said"
}

start_broker
refused 1 "in use|another broker" --data "$data" --listen 127.0.0.1:0
refused 1 "address is in use.*--listen" --data "$work/other" --listen "$at"
stop_broker
refused 1 "belongs to node 1.*node.id" --data "$data" --listen 127.0.0.1:0 --node.id 2
refused 64 "log.segmnt.bytes.*log.segment.bytes" --log.segmnt.bytes 1
refused 64 "log.segment.bytes.*1024" --log.segment.bytes 1
refused 64 "flush.policy.*ack" --flush.policy never
refused 64 "PLAINTEXT://HOST:PORT" --listen nowhere
refused 64 "advertised.listeners" --listen 0.0.0.0:0
printf 'log.segment.bytes=big\n' >"$work/server.properties"
refused 64 "server.properties.*log.segment.bytes" --config "$work/server.properties"
refused 64 "cannot read" --config "$work/none"

# A key of Kafka's that kiln does not have is no reason to stay away.
printf 'num.network.threads=3\nnode.id=1\n' >"$work/server.properties"
start_broker --config "$work/server.properties"
grep -q "num.network.threads" "$work/broker.log" || die "no word about num.network.threads"
printf 'ok  foreign keys are named\n'
stop_broker

if [[ $EUID -ne 0 ]]; then
    mkdir -m 500 "$work/readonly"
    refused 1 "permission|denied" --data "$work/readonly/data" --listen 127.0.0.1:0
else
    printf 'skipped aloud: root may write everywhere\n'
fi

# A full disk: a file system of one megabyte, where the machine lets us make one.
mkdir "$work/small"
if mount -t tmpfs -o size=16k tmpfs "$work/small" 2>/dev/null; then
    dd if=/dev/zero of="$work/small/filler" bs=1k count=64 2>/dev/null
    refused 1 "no space|space left" --data "$work/small/data" --listen 127.0.0.1:0
    umount "$work/small"
    mount -t tmpfs -o ro,size=16k tmpfs "$work/small" &&
        refused 1 "read-only" --data "$work/small/data" --listen 127.0.0.1:0
    umount "$work/small"
else
    printf 'skipped aloud: no right to mount a full disk here\n'
fi
