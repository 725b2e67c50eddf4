#!/usr/bin/env bash
# nearby.sh - an unmodified kcat that names its rack (KIP-392) is served by the follower there, by its leader where none is or without
# RackAwareReplicaSelector, and has everything once and in order when that follower is killed and comes back.
source "$(dirname "$0")/common.sh"
patience=30
need kcat
need python3
declare -A pids
trap 'kill -9 "${pids[@]}" 2>/dev/null; cleanup' EXIT
fail() {
    for log in "$work"/*.log "$work"/*.debug; do tail -n 30 "$log" | sed "s|^|$(basename "$log"): |" >&2; done
    die "$*"
}
ports=($(free_ports 6))
voters=1@127.0.0.1:${ports[3]},2@127.0.0.1:${ports[4]},3@127.0.0.1:${ports[5]}
at=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}
racks=(- here there elsewhere)

# start NODE SELECTOR
start() {
    cat >"$work/$1.properties" <<END
process.roles=broker,controller
node.id=$1
cluster.id=MkU3OEVBNTcwNTJENDM2Qg
listeners=PLAINTEXT://127.0.0.1:${ports[$1 - 1]},CONTROLLER://127.0.0.1:${ports[$1 + 2]}
controller.quorum.voters=$voters
broker.rack=${racks[$1]}
replica.selector.class=org.apache.kafka.common.replica.$2
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400
log.dirs=$work/data$1
END
    "$kiln" broker --config "$work/$1.properties" 2>>"$work/$1.log" &
    pids[$1]=$!
}

in_sync() { timeout 10 kcat -L -b "$at" -t orders 2>/dev/null | grep -Eq 'leader [1-3],.*isrs: [1-3],[1-3],[1-3]$'; }
stop_all() {
    local node
    for node in "${!pids[@]}"; do kill "${pids[$node]}"; done
    for node in "${!pids[@]}"; do
        wait "${pids[$node]}" || fail "node $node did not stop well"
        unset "pids[$node]"
    done
}

# served_by FILE: the brokers whose answers held records, by kcat's own account.
served_by() { sed -n 's|.*/\([1-3]\): Topic orders \[0\] MessageSet size [1-9].*|\1|p' "$1" | sort -u | xargs; }
# reads RACK: all that there is, and who gave it.
reads() {
    timeout 60 kcat -b "$at" -t orders -C -q -e -X "client.rack=$1" -X fetch.message.max.bytes=1000 -d msg,fetch >"$work/read" 2>"$work/read.debug" ||
        fail "kcat cannot consume in rack $1"
    same "what is read in rack '$1'" "$(seq "$count")" "$(cat "$work/read")"
}

for node in 1 2 3; do start $node RackAwareReplicaSelector; done
for node in 1 2 3; do until_so "node $node serves" grep -q UNFENCED "$work/$node.log"; done
"$kiln" topic create orders --replicas 3 --bootstrap-server "$at" --timeout 20s >/dev/null || fail "no topic is made"
until_so "all are in sync" in_sync
leader=$(timeout 10 kcat -L -b "$at" -t orders | sed -n 's/.*partition 0, leader \([1-3]\),.*/\1/p')
follower=$((leader % 3 + 1))
count=5000
seq "$count" | timeout 60 kcat -b "$at" -t orders -P -X acks=all -X batch.num.messages=100 || fail "nothing is produced"
# A first batch may come from the leader: a follower that has not got it yet is not named.
reads "${racks[$follower]}"
[[ " $(served_by "$work/read.debug") " == *" $follower "* ]] || fail "the follower in its rack has not served: $(served_by "$work/read.debug")"
printf 'ok  the follower in its rack has served\n'
for rack in "${racks[$leader]}" nowhere ""; do
    reads "$rack"
    same "who serves rack '$rack'" "$leader" "$(served_by "$work/read.debug")"
done

# The one that serves is killed while it is read from, and comes back. librdkafka asks it alone until then, for as much as five minutes.
timeout 100 kcat -b "$at" -t orders -C -q -u -c $((3 * count)) -X "client.rack=${racks[$follower]}" -d msg,fetch >"$work/long" 2>"$work/long.debug" &
reader=$!
read_all_of() { [[ $(wc -l <"$work/long") -ge $1 ]]; }
until_so "it has read what there is" read_all_of "$count"
seq $((count + 1)) $((2 * count)) | timeout 60 kcat -b "$at" -t orders -P -X acks=all || fail "nothing is produced"
until_so "it has read what came" read_all_of $((2 * count))
[[ " $(served_by "$work/long.debug") " == *" $follower "* ]] || fail "the follower has not served: $(served_by "$work/long.debug")"
kill -9 "${pids[$follower]}"
wait "${pids[$follower]}" 2>/dev/null
unset "pids[$follower]"
seq $((2 * count + 1)) $((3 * count)) | timeout 60 kcat -b "$at" -t orders -P -X acks=all || fail "nothing is produced"
start "$follower" RackAwareReplicaSelector
wait "$reader" || fail "the consumer whose follower was killed does not come to the end"
same "what is read across the death of a follower" "$(seq $((3 * count)))" "$(cat "$work/long")"
count=$((3 * count))
until_so "all are in sync" in_sync
stop_all

# Kafka's default: the leader serves all.
for node in 1 2 3; do start $node LeaderSelector; done
until_so "all are in sync" in_sync
leader=$(timeout 10 kcat -L -b "$at" -t orders | sed -n 's/.*partition 0, leader \([1-3]\),.*/\1/p')
reads "${racks[$((leader % 3 + 1))]}"
same "who serves without a selector" "$leader" "$(served_by "$work/read.debug")"
stop_all
for node in 1 2 3; do "$kiln" log check "$work/data$node" >"$work/check" 2>&1 || { cat "$work/check"; die "what node $node left is not whole"; }; done
