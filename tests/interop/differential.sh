#!/usr/bin/env bash
# differential.sh - kiln answers what Apache Kafka 4.3.1 answered, request by request, but for what
# differential_known.txt lists.
source "$(dirname "$0")/common.sh"
need python3

here=$(dirname "$0")
start_broker --auto.create.topics.enable false --log.retention.hours 168
timeout 200 python3 "$here/differential.py" replay "$port" "$here/../vectors/kafka-answers.jsonl" \
    "$here/differential_known.txt" || die "kiln answers otherwise than Kafka 4.3.1"
kill -0 "$broker" || die "the broker is gone"
stop_broker
