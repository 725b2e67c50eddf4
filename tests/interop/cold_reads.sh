#!/usr/bin/env bash
# cold_reads.sh - what a broker holds for readers that ask for much and do not read.
source "$(dirname "$0")/common.sh"
need python3

here=$(dirname "$0")
start_broker
timeout 120 python3 "$here/cold_reads.py" fill "$port" || die "the topic was not filled"
stop_broker
limit=$((32 << 20))
start_broker --queued.max.request.bytes $limit
timeout 120 python3 "$here/cold_reads.py" look "$port" "$broker" $limit || die "too much is held for them"
kill -0 "$broker" || die "the broker is gone"
stop_broker
