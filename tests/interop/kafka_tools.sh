#!/usr/bin/env bash
# kafka_tools.sh - Apache Kafka's own tools against the broker and on its disk: console producer and consumer, topics, settings, log directories, the quorum, and
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

# ---- what administrators ask and change ----

# says WHAT PATTERN TOOL ARGS...: the tool succeeds, and a line of its output matches.
says() {
    local what=$1 pattern=$2 name=$3
    shift 3
    tool 30 "$name" --bootstrap-server "$at" "$@" >"$work/out" || die "$what: $(cat "$work/out" "$work/err")"
    grep -Eq -- "$pattern" "$work/out" || die "$what: no line matches \"$pattern\": $(cat "$work/out")"
    printf 'ok  %s\n' "$what"
}

says "kafka-topics describes partitions" 'Topic: made[[:space:]]+Partition: 3[[:space:]]+Leader: 1[[:space:]]+Replicas: 1[[:space:]]+Isr: 1' \
    kafka-topics --describe --topic made
says "and their settings" 'segment.bytes=2000000' kafka-topics --describe --topic made
says "kafka-configs tells a topic's settings with their synonyms" \
    'segment.bytes=2000000 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:segment.bytes=2000000, STATIC_BROKER_CONFIG:log.segment.bytes=20000' \
    kafka-configs --describe --entity-type topics --entity-name made
says "kafka-configs changes a broker" 'Completed updating config for broker 1' \
    kafka-configs --alter --entity-type brokers --entity-name 1 --add-config message.max.bytes=3000000
says "and all brokers" 'Completed updating default config for brokers in the cluster' \
    kafka-configs --alter --entity-type brokers --entity-default --add-config log.retention.ms=800000000
says "and shows what counts" 'message.max.bytes=3000000 sensitive=false synonyms=\{DYNAMIC_BROKER_CONFIG:message.max.bytes=3000000, DEFAULT_CONFIG:' \
    kafka-configs --describe --entity-type brokers --entity-name 1 --all
says "and the default of all" 'log.retention.ms=800000000 sensitive=false synonyms=\{DYNAMIC_DEFAULT_BROKER_CONFIG:' \
    kafka-configs --describe --entity-type brokers --entity-default
same "kiln config tells the same" "broker 1: message.max.bytes = 3000000
cluster: log.retention.ms = 800000000" "$("$kiln" config list --bootstrap-server "$at" | grep -E 'message.max|log.retention' | sort)"
tool 30 kafka-configs --bootstrap-server "$at" --alter --entity-type brokers --entity-name 1 --add-config num.partitions=3 \
    >"$work/out" && die "a key that is read-only was changed"
grep -q 'Cannot update these configs dynamically: \[num.partitions\]' "$work/out" "$work/err" || die "read-only: $(cat "$work/out" "$work/err")"
printf 'ok  kafka-configs is told what cannot be changed\n'
says "kafka-configs takes it back" 'Completed updating config for broker 1' \
    kafka-configs --alter --entity-type brokers --entity-name 1 --delete-config message.max.bytes
says "kafka-log-dirs tells the bytes of partitions" '"partition":"perf-0","size":[1-9][0-9]*,"offsetLag":0,"isFuture":false' \
    kafka-log-dirs --describe --topic-list perf,made
cat >"$work/trim.json" <<'JSON'
{"partitions": [{"topic": "perf", "partition": 0, "offset": 1000}], "version": 1}
JSON
says "kafka-delete-records trims" 'partition: perf-0[[:space:]]+low_watermark: 1000' \
    kafka-delete-records --offset-json-file "$work/trim.json"
same "and kafka-get-offsets sees it" "perf:0:1000" \
    "$(tool 20 kafka-get-offsets --bootstrap-server "$at" --topic-partitions perf:0 --time earliest)"
says "kafka-metadata-quorum describes the quorum" '^LeaderId:[[:space:]]+1$' kafka-metadata-quorum describe --status
says "and its replication" '^1[[:space:]]+.*Leader' kafka-metadata-quorum describe --replication
says "kafka-features describes metadata.version" 'Feature: metadata.version.*FinalizedVersionLevel: 4.0-IV3' kafka-features describe
says "kafka-broker-api-versions reads all that is served" 'DescribeTopicPartitions\(75\): 0 \[usable: 0\]' kafka-broker-api-versions

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
