#!/usr/bin/env bash
# kafka_brokers.sh - brokers of one cluster that two programs are: a broker of Apache Kafka's and one of kiln's register with kiln's
# controllers and replicate what the other leads, and a broker of kiln's registers with Kafka's controllers. The jars come as in
# kafka_tools.sh; without Java 17 or them it skips aloud.
source "$(dirname "$0")/common.sh"
source "$(dirname "$0")/fetch.sh"
patience=60
need python3
need kcat
fetch_kafka
export TOOL_HEAP=256m TOOL_JVM="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
cluster=MkU3OEVBNTcwNTJENDM2Qg
declare -A pids
trap 'kill -9 "${pids[@]}" 2>/dev/null; cleanup' EXIT

fail() { # with what the nodes said
    for log in "$work"/*.log; do tail -n 30 "$log" | sed "s|^|$(basename "$log"): |" >&2; done
    die "$*"
}

said() { grep -q -- "$2" "$work/$1.log"; }
lists() { timeout 10 kcat -L -b "$at" 2>/dev/null | grep -q "broker $1 at"; }
# shows PATTERN COUNT: so many lines of what $at says of topics match.
shows() { [[ $(timeout 10 kcat -L -b "$at" 2>/dev/null | grep -cE -- "$1") -eq $2 ]]; }

# configure NODE ROLE LISTENERS [LINE...]
configure() {
    cat >"$work/$1.properties" <<END
process.roles=$2
node.id=$1
listeners=$3
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
controller.quorum.voters=$voters
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.dirs=$work/data$1
END
    local line
    for line in "${@:4}"; do printf '%s\n' "$line" >>"$work/$1.properties"; done
}

format() { # NODE [OPTION...]: of Kafka's
    timeout -k 2 60 "$peers/tool" kafka-storage format --cluster-id $cluster --config "$work/$1.properties" "${@:2}" >"$work/out" 2>&1 ||
        die "kafka-storage format: $(cat "$work/out")"
}

start_kafka() {
    java -Xmx320m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$jars/*" kafka.Kafka "$work/$1.properties" >>"$work/$1.log" 2>&1 &
    pids[$1]=$!
}

start_kiln() {
    "$kiln" broker --config "$work/$1.properties" 2>>"$work/$1.log" &
    pids[$1]=$!
}

stop() {
    local node
    for node in "$@"; do
        kill "${pids[$node]}"
        wait "${pids[$node]}"
        unset "pids[$node]"
    done
}

# ---- a broker of each, and kiln's controllers

ports=($(free_ports 5))
voters=1@127.0.0.1:${ports[0]},2@127.0.0.1:${ports[1]},3@127.0.0.1:${ports[2]}
controllers=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}
for node in 1 2 3; do
    configure $node controller "CONTROLLER://127.0.0.1:${ports[$node - 1]}" cluster.id=$cluster default.replication.factor=2
    start_kiln $node
done
configure 8 broker "PLAINTEXT://127.0.0.1:${ports[3]}" cluster.id=$cluster
configure 9 broker "PLAINTEXT://127.0.0.1:${ports[4]}"
start_kiln 8
format 9
start_kafka 9
at=127.0.0.1:${ports[3]}
until_so "both brokers serve" eval "lists 8 && lists 9"
at=127.0.0.1:${ports[4]}
until_so "Kafka's broker knows of kiln's" lists 8
"$kiln" topic create orders --partitions 4 --bootstrap-controller "$controllers" --timeout 20s >/dev/null || fail "no topic is made"
all=127.0.0.1:${ports[3]},127.0.0.1:${ports[4]}
until_so "both are in sync everywhere" shows "isrs: (8,9|9,8)" 4
for p in 0 1 2 3; do
    for i in 1 2 3; do printf 'partition %s record %s\n' $p $i; done | at=$all produce orders -p $p -X acks=all
done
expected=$(for p in 0 1 2 3; do for i in 1 2 3; do printf 'partition %s record %s\n' $p $i; done; done)
at=$all
same "what both have" "$expected" "$(consume orders | sort)"

# What is asked of a broker goes to the controller in an envelope, whoever wrote the broker.
for node in 8 9; do
    "$kiln" topic create "by$node" --partitions 1 --replicas 2 --bootstrap-server "127.0.0.1:${ports[$node - 5]}" --timeout 20s >/dev/null ||
        fail "no topic is made by way of broker $node"
    "$kiln" topic alter "by$node" --config retention.ms=3600000 --bootstrap-server "127.0.0.1:${ports[$node - 5]}" --timeout 20s >/dev/null ||
        fail "no topic is changed by way of broker $node"
done
until_so "both topics" shows 'topic "by[89]" with 1 partitions' 2
for node in 8 9; do
    "$kiln" topic delete "by$node" --bootstrap-server "127.0.0.1:${ports[12 - $node]}" --timeout 20s >/dev/null ||
        fail "no topic is deleted by way of the other broker"
done
printf 'ok  brokers pass on what they are asked\n'

# Each alone has all of it: what the other led it leads.
stop 9
at=127.0.0.1:${ports[3]}
until_so "kiln's broker leads all" shows "leader 8," 4
same "what kiln's broker has" "$expected" "$(consume orders | sort)"
[[ $(cat "$work/data9/.kafka_cleanshutdown") =~ \"brokerEpoch\":[0-9] ]] || fail "Kafka's broker was not given leave"
start_kafka 9
until_so "both are in sync everywhere" shows "isrs: (8,9|9,8)" 4
stop 8
at=127.0.0.1:${ports[4]}
until_so "Kafka's broker leads all" shows "leader 9," 4
same "what Kafka's broker has" "$expected" "$(consume orders | sort)"
stop 9 1 2 3

# ---- a broker of kiln's, and Kafka's controllers

rm -rf "$work"/*.log "$work"/data*
for node in 1 2 3; do
    configure $node controller "CONTROLLER://127.0.0.1:${ports[$node - 1]}"
    # The features that kiln has no level of.
    format $node --release-version 4.0-IV3 --feature group.version=0 --feature transaction.version=0 --feature eligible.leader.replicas.version=0
    start_kafka $node
done
start_kiln 8
until_so "kiln's broker serves" said 8 UNFENCED
at=127.0.0.1:${ports[3]}
"$kiln" topic create bills --partitions 2 --bootstrap-server "$at" --timeout 20s >/dev/null || fail "no topic is made"
until_so "kiln's broker leads all" shows "leader 8," 2
for p in 0 1; do printf 'partition %s\n' $p | produce bills -p $p -X enable.idempotence=true; done
kill -9 "${pids[8]}"
wait "${pids[8]}" 2>/dev/null
: >"$work/8.log"
start_kiln 8
until_so "kiln's broker serves again" said 8 UNFENCED
said 8 DUPLICATE_BROKER_REGISTRATION || fail "Kafka registered two lives at once"
until_so "kiln's broker leads all" shows "leader 8," 2
same "what was produced" $'partition 0\npartition 1' "$(consume bills | sort)"
stop 8
[[ $(cat "$work/data8/.kafka_cleanshutdown") =~ \"brokerEpoch\":[0-9] ]] || fail "kiln's broker was not given leave"
