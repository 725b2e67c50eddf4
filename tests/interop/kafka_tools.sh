#!/usr/bin/env bash
# kafka_tools.sh - Apache Kafka's own tools against the broker and on its disk: console producer and consumer, topics, and
# DumpLogSegments, which must tell of every file what kiln log tells. The jars come as for the benchmarks, once, into
# PEERS_HOME (see bench/peers); without Java 17 or them it skips aloud.
source "$(dirname "$0")/common.sh"
source "$(dirname "$0")/fetch.sh"
need kcat
need python3
fetch_kafka
export TOOL_HEAP=256m TOOL_JVM="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"

# tool SECONDS NAME ARGS...: one of Kafka's tools; its complaints are in $work/err.
tool() {
    local seconds=$1
    shift
    timeout -k 2 "$seconds" "$peers/tool" "$@" 2>"$work/err"
}

start_broker --num.partitions 1 --log.segment.bytes 20000 --log.index.interval.bytes 500

tool 20 kafka-topics --bootstrap-server "$at" --create --topic made --partitions 2 \
    --config retention.ms=86400000 --config message.timestamp.type=LogAppendTime >"$work/out" ||
    die "kafka-topics: $(cat "$work/out" "$work/err")"
same "kafka-topics makes a topic" "made 2" "$("$kiln" topic list --bootstrap-server "$at" | awk '$1 == "made" {print $1, $2}')"

tool 20 kafka-topics --bootstrap-server "$at" --alter --topic made --partitions 4 >"$work/out" ||
    die "kafka-topics --alter: $(cat "$work/out" "$work/err")"
tool 20 kafka-configs --bootstrap-server "$at" --alter --entity-type topics --entity-name made \
    --add-config segment.bytes=2000000 --delete-config retention.ms >"$work/out" || die "kafka-configs: $(cat "$work/out" "$work/err")"
same "kafka-topics and kafka-configs change it" "4 1" "$("$kiln" topic list --bootstrap-server "$at" | awk '$1 == "made" {print $2}') $(
    "$kiln" topic describe made --bootstrap-server "$at" | grep -c 'segment.bytes = 2000000')"
tool 20 kafka-topics --bootstrap-server "$at" --create --topic gone >"$work/out" || die "kafka-topics: $(cat "$work/out" "$work/err")"
tool 20 kafka-topics --bootstrap-server "$at" --delete --topic gone >"$work/out" || die "kafka-topics --delete: $(cat "$work/out" "$work/err")"
same "kafka-topics deletes another" "" "$("$kiln" topic list --bootstrap-server "$at" | grep gone)"

same "kafka-topics lists it" made "$(tool 20 kafka-topics --bootstrap-server "$at" --list)"
tool 20 kafka-topics --bootstrap-server "$at" --create --topic made >"$work/out" && die "a topic was made twice"
grep -q "Topic 'made' already exists" "$work/out" "$work/err" || die "made twice: $(cat "$work/out" "$work/err")"
printf 'ok  kafka-topics is told that a topic exists\n'

# The defaults of a Java producer: idempotent, acks=all.
seq 2000 | tool 20 kafka-console-producer --bootstrap-server "$at" --topic java >"$work/out" ||
    die "kafka-console-producer: $(cat "$work/out" "$work/err")"
same "what a Java producer sends, kcat reads" "$(seq 2000)" "$(consume java -p 0)"

tool 20 kafka-producer-perf-test --bootstrap-server "$at" --topic perf --num-records 3000 --record-size 200 \
    --throughput -1 --command-property linger.ms=20 >"$work/out" || die "kafka-producer-perf-test: $(cat "$work/out" "$work/err")"
same "kafka-producer-perf-test sends all of it" "3000 records sent" "$(tail -1 "$work/out" | cut -d, -f1)"
same "kafka-get-offsets knows the ends" "java:0:2000
made:0:0
made:1:0
made:2:0
made:3:0
perf:0:3000" "$(tool 20 kafka-get-offsets --bootstrap-server "$at" | sort)"
same "and the starts" "perf:0:0" "$(tool 20 kafka-get-offsets --bootstrap-server "$at" --topic-partitions perf:0 --time earliest)"

for codec in none gzip snappy lz4 zstd; do
    seq 600 | produce "codec-$codec" -p 0 -z "$codec" -X enable.idempotence=true -X acks=all -X batch.size=3000
done
seq 700 | produce made -p 1
tool 20 kafka-console-consumer --bootstrap-server "$at" --topic codec-zstd --partition 0 --offset earliest \
    --max-messages 600 --timeout-ms 15000 >"$work/out" || die "kafka-console-consumer: $(cat "$work/err")"
same "what kcat packs with zstd, a Java consumer reads" "$(seq 600)" "$(cat "$work/out")"
stop_broker
"$kiln" log check "$data" >"$work/out" 2>&1 || die "kiln log check: $(cat "$work/out")"

# ---- the disk ----

# compare WHAT OPTION FILE...: dumps by both.
compare() {
    local what=$1 option=$2 files
    shift 2
    files=$(IFS=,; echo "$*")
    tool 20 kafka-dump-log "$option" --files "$files" >"$work/kafka" || die "kafka-dump-log: $(cat "$work/kafka" "$work/err")"
    "$kiln" log dump --json --records "$@" >"$work/kiln" || die "kiln log dump: exit $?"
    python3 "$here/kafka_rows.py" "$work/kafka" "$work/kiln" || die "$what: the dumps differ"
    printf 'ok  %s\n' "$what"
}

mapfile -t files < <(find "$data" -path '*__cluster_metadata*' -prune -o \
    \( -name '*.log' -o -name '*.index' -o -name '*.timeindex' -o -name '*.snapshot' \) -print | sort)
[[ ${#files[@]} -ge 20 ]] || die "too few files: ${files[*]}"
compare "segments, indexes and snapshots are the same for Kafka's tool" --deep-iteration "${files[@]}"
compare "the metadata log is the same for Kafka's tool" --cluster-metadata-decoder "$data"/__cluster_metadata-0/*.log
