#!/usr/bin/env bash
# silent_producers.sh - producer.id.expiration.ms is kept by a broker that runs: who was silent for longer is forgotten, and any
# sequence of his is the first; who speaks on is not.
source "$(dirname "$0")/common.sh"
need python3

start_broker --producer.id.expiration.ms 1500 --log.retention.check.interval.ms 100
timeout 60 python3 "$(dirname "$0")/silent_producers.py" "$port" || die "producers are not forgotten as they should be"
stop_broker
