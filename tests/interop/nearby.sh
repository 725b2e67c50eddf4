#!/usr/bin/env bash
# nearby.sh - an unmodified kcat that names its rack (KIP-392) is served by the follower there, by its leader where none is or without
# RackAwareReplicaSelector, and has everything once and in order when that follower is killed and comes back.
source "$(dirname "$0")/common.sh"
source "$(dirname "$0")/three.sh"
partitions=1
racks=(- here there elsewhere)
selector=RackAwareReplicaSelector
own() {
    echo "broker.rack=${racks[$1]}"
    echo "replica.selector.class=org.apache.kafka.common.replica.$selector"
}

# served_by FILE: the brokers whose answers held records, by kcat's own account.
served_by() { sed -n 's|.*/\([1-3]\): Topic orders \[0\] MessageSet size [1-9].*|\1|p' "$1" | sort -u | xargs; }
# reads RACK: all that there is, and who gave it.
reads() {
    timeout 60 kcat -b "$at" -t orders -C -q -e -X "client.rack=$1" -X fetch.message.max.bytes=1000 -d msg,fetch >"$work/read" 2>"$work/read.debug" ||
        fail "kcat cannot consume in rack $1"
    same "what is read in rack '$1'" "$(seq "$count")" "$(cat "$work/read")"
}

begin
until_so "all are in sync" in_sync
leader=$(leader_of 0)
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
slay "$follower"
seq $((2 * count + 1)) $((3 * count)) | timeout 60 kcat -b "$at" -t orders -P -X acks=all || fail "nothing is produced"
start "$follower"
wait "$reader" || fail "the consumer whose follower was killed does not come to the end"
same "what is read across the death of a follower" "$(seq $((3 * count)))" "$(cat "$work/long")"
count=$((3 * count))
until_so "all are in sync" in_sync
stop_all

# Kafka's default: the leader serves all.
selector=LeaderSelector
start_all
until_so "all are in sync" in_sync
leader=$(leader_of 0)
reads "${racks[$((leader % 3 + 1))]}"
same "who serves without a selector" "$leader" "$(served_by "$work/read.debug")"
finish
