#!/usr/bin/env bash
# lies.sh - hundreds of record batches whose heads or bodies lie: the broker answers what Apache Kafka 4.3.1 answered
# (tests/vectors/kafka-lies.jsonl), and stores what Kafka stores; small ones that decompress to much cost it little. To ask
# Kafka anew: bench/peers/kafka/start 1, then lies.py record 127.0.0.1:19092 tests/vectors/kafka-lies.jsonl.
source "$(dirname "$0")/common.sh"
need python3
here=$(cd "$(dirname "$0")" && pwd)

start_broker
timeout 120 python3 "$here/lies.py" check "$at" "$here/../vectors/kafka-lies.jsonl" || die "kiln answers otherwise than Kafka"
python3 "$here/bombs.py" "$port" "$broker" || die "small batches cost too much"
stop_broker
