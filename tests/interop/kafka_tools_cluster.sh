#!/usr/bin/env bash
# kafka_tools_cluster.sh - Apache Kafka's own tools against three brokers of kiln dev: the quorum, leaders, topics, features, versions, settings,
# directories and offsets, asked of brokers, and of controllers where the tool has --bootstrap-controller (KIP-919); kiln quorum and kiln features
# must tell what they tell. The jars come as in kafka_tools.sh; without Java 17 or them it skips aloud.
source "$(dirname "$0")/common.sh"
source "$(dirname "$0")/fetch.sh"
need python3
fetch_kafka
export TOOL_HEAP=256m TOOL_JVM="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
export TMPDIR=$work
dev=
trap '[[ -n $dev ]] && kill -9 "$dev" 2>/dev/null; cleanup' EXIT
fail() {
    sed 's/^/kiln dev: /' "$work/said" >&2
    die "$*"
}

"$kiln" dev --port 0 --ready-file "$work/ready" >"$work/out" 2>"$work/said" &
dev=$!
for i in $(seq 1200); do
    grep -q , "$work/ready" 2>/dev/null && break
    kill -0 $dev 2>/dev/null || fail "it ended before it was ready"
    sleep 0.01
done
at=$(cat "$work/ready") || fail "not ready within 12 s"
quorum() { "$kiln" quorum describe --json --bootstrap-server "$at" --timeout 20s; }
# field EXPRESSION: of what kiln quorum describe says, as q.
field() { quorum | python3 -c 'import json, sys; q = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
controllers=$(field "','.join(v['endpoint'].split('/')[-1] for v in q['voters'])")
[[ $(tr , '\n' <<<"$controllers" | grep -c .) -eq 3 ]] || fail "kiln quorum describe does not name three controllers: $(quorum)"

# says WHAT PATTERN BOOTSTRAP TOOL ARGS...: the tool succeeds, and a line of its output matches.
says() {
    local what=$1 pattern=$2 bootstrap=$3 name=$4
    shift 4
    local option=--bootstrap-$bootstrap address=$at
    [[ $bootstrap == controller ]] && address=$controllers
    local words=("$option" "$address" "$@")
    [[ $name == kafka-cluster ]] && words=("$@" "$option" "$address") # they belong to its word
    timeout -k 2 40 "$peers/tool" "$name" "${words[@]}" >"$work/out" 2>"$work/err" || fail "$what: $(cat "$work/out" "$work/err")"
    grep -Eq -- "$pattern" "$work/out" || fail "$what: no line matches \"$pattern\": $(cat "$work/out")"
    printf 'ok  %s\n' "$what"
}
t='[[:space:]]+'

# ---- topics and their leaders
says "kafka-topics makes a topic of three replicas" 'Created topic orders' server kafka-topics --create --topic orders --partitions 3 \
    --replication-factor 3 --config min.insync.replicas=2
says "kafka-topics describes it" "Partition: 2${t}Leader: [123]${t}Replicas: [123],[123],[123]${t}Isr: [123],[123],[123]" server kafka-topics --describe --topic orders
seq 300 | timeout 60 kcat -b "$at" -t orders -P -X acks=all || fail "kcat cannot produce"
says "kafka-get-offsets adds them up" '^orders:[012]:[0-9]+$' server kafka-get-offsets --topic orders
same "to all of them" 300 "$(awk -F: '$1 == "orders" {sum += $3} END {print sum}' "$work/out")"
leader() { "$kiln" topic describe orders --bootstrap-server "$at" --timeout 20s | sed -n "s/.*partition $1: leader \([0-9]*\),.*/\1/p"; }
first=$(leader 0)
"$kiln" dev stop "$first" && "$kiln" dev start "$first" || fail "$first is not stopped and back"
"$kiln" cluster status --exit-when-healthy --bootstrap-server "$at" --timeout 30s >/dev/null || fail "not healthy again"
[[ $(leader 0) != "$first" ]] || fail "the leader that went leads"
says "kafka-leader-election gives it back to the first replica" 'Successfully completed leader election' server \
    kafka-leader-election --election-type preferred --topic orders --partition 0
same "which leads" "$first" "$(leader 0)"

# ---- the quorum, by brokers and by controllers
for bootstrap in server controller; do
    says "kafka-metadata-quorum --bootstrap-$bootstrap: who leads" "^LeaderId:${t}$(field "q['leader']")\$" $bootstrap kafka-metadata-quorum describe --status
    grep -Eq "^LeaderEpoch:${t}$(field "q['leader_epoch']")\$" "$work/out" || fail "another epoch: $(cat "$work/out")"
    same "three voters" 3 "$(grep '^CurrentVoters' "$work/out" | grep -o '"id"' | grep -c .)"
    says "and how far each is" "^[123]${t}.*Leader" $bootstrap kafka-metadata-quorum describe --replication
    same "of three" "3" "$(grep -cE "^[123]${t}" "$work/out")"
    says "kafka-features --bootstrap-$bootstrap" 'Feature: metadata.version.*FinalizedVersionLevel: 4.0-IV3' $bootstrap kafka-features describe
    says "kafka-features upgrades to what is" 'metadata.version' $bootstrap kafka-features upgrade --feature metadata.version=25 --dry-run
    says "kafka-cluster --bootstrap-$bootstrap" "^Cluster ID: $("$kiln" cluster status --json --bootstrap-server "$at" | python3 -c '
import json, sys; print(json.load(sys.stdin)["cluster_id"])')\$" $bootstrap kafka-cluster cluster-id
    says "kafka-configs --bootstrap-$bootstrap sets for all brokers" 'Completed updating default config' $bootstrap \
        kafka-configs --alter --entity-type brokers --entity-default --add-config log.retention.ms=80000000
    says "and takes it back" 'Completed updating default config' $bootstrap \
        kafka-configs --alter --entity-type brokers --entity-default --delete-config log.retention.ms
done
says "kafka-broker-api-versions" 'DescribeQuorum\(55\): 0 to 2 \[usable: 2\]' server kafka-broker-api-versions
same "of three nodes" 3 "$(grep -c ' (id: [123] rack' "$work/out")"
says "kafka-cluster lists endpoints of brokers" '127.0.0.1' server kafka-cluster list-endpoints
says "and of controllers" '127.0.0.1' controller kafka-cluster list-endpoints
says "kafka-log-dirs looks on three disks" '"broker":1.*"broker":2.*"broker":3' server kafka-log-dirs --describe --topic-list orders
says "kafka-configs describes the topic" 'min.insync.replicas=2' server kafka-configs --describe --entity-type topics --entity-name orders

"$kiln" features describe --bootstrap-controller "$controllers" | grep -q '^metadata.version: finalized 25' || fail "kiln features of a controller"
"$kiln" features upgrade metadata.version=99 --bootstrap-server "$at" 2>"$work/no" && fail "a level that nobody has"
grep -q 'only supports versions' "$work/no" || fail "a level that nobody has: $(cat "$work/no")"
printf 'ok  kiln features\n'

kill "$dev"
wait "$dev" || fail "kiln dev ended with $?"
dev=
