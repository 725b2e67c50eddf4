#!/usr/bin/env bash
# kcat_killed.sh - 50 MB of text through a broker that is killed with kill -9 and started again all
# the while: every acknowledged line comes back, in order, byte for byte.
source "$(dirname "$0")/common.sh"
need kcat
need python3

megabytes=${KILN_INTEROP_MB:-50}
python3 - "$megabytes" >"$work/text" <<'PY'
import sys
size = int(sys.argv[1]) * 1000 * 1000
written = number = 0
while written < size:
    line = "%09d %s\n" % (number, ("the quick brown fox %d " % (number * 7919 % 1000003)) * (number % 7 + 1))
    sys.stdout.write(line)
    written += len(line)
    number += 1
PY

start_broker --log.segment.bytes 8388608
timeout 200 kcat -b "$at" -t text -p 0 -P -E -X enable.idempotence=true -X acks=all \
    -X message.timeout.ms=180000 -X retry.backoff.ms=20 -X reconnect.backoff.ms=20 \
    -X reconnect.backoff.max.ms=200 -X queue.buffering.max.kbytes=65536 -X linger.ms=5 \
    <"$work/text" >/dev/null 2>"$work/kcat.log" &
producer=$!
kills=0
for round in $(seq 12); do
    sleep 0.2
    kill -0 "$producer" 2>/dev/null || break
    kill_broker
    kills=$((kills + 1))
    start_broker --log.segment.bytes 8388608
done
wait "$producer" || { tail -5 "$work/kcat.log" >&2; die "kcat gave up"; }
[[ $kills -gt 0 ]] || die "the producer was done before the first kill"
printf 'ok  %d MB were acknowledged over %d kills\n' "$megabytes" "$kills"
timeout 120 kcat -b "$at" -t text -p 0 -C -q -e >"$work/back" || die "kcat cannot consume"
cmp "$work/text" "$work/back" || die "what came back differs"
printf 'ok  every line came back, in order, byte for byte\n'
stop_broker
