#!/usr/bin/env bash
# rolling.sh - three brokers are stopped and started again, one after the other, while somebody produces: in good order each time,
# nothing lost, nothing twice, all in order. rolling.sh NEW OLD begins with another kiln and ends with NEW (a rolling upgrade), and
# goes the way back while nothing is finalized that OLD does not know: rolling.sh OLD NEW.
source "$(dirname "$0")/common.sh"
old=${2:-$kiln}
source "$(dirname "$0")/three.sh"
partitions=1
lines_a_turn=100

for node in 1 2 3; do program[$node]=$old; done
begin

# Lines, paced, until it is told to stop; how many stands in the file.
lines() {
    local n=0 i
    while [[ ! -e $work/enough ]]; do
        for ((i = 0; i < lines_a_turn; i++)); do echo "line $((n++)) while brokers come and go"; done
        echo "$n" >"$work/count"
        sleep 0.05
    done
}
# -E: librdkafka takes who came back, and was not needed since, for down; and when all three did, kcat would end.
lines | timeout 120 kcat -E -b "$at" -t orders -P -p 0 -X acks=all -X enable.idempotence=true -X linger.ms=5 2>"$work/kcat" &
producer=$!

for node in 1 2 3; do
    served=$(served_times $node)
    stop $node
    program[$node]=$kiln
    until_so "somebody else leads" leads_not $node
    start $node
    until_so "node $node serves again" served $node $((served + 1))
    until_so "all replicas of orders are in sync" in_sync
done
touch "$work/enough"
wait $producer || { cat "$work/kcat"; fail "who was producing gave up"; }

count=$(cat "$work/count")
consume orders >"$work/read"
for ((i = 0; i < count; i++)); do echo "line $i while brokers come and go"; done | cmp - "$work/read" ||
    fail "what is read is not what was acknowledged, once and in order"
until_so "all replicas are the same" are_same
finish
printf '%s records while each broker was stopped and came back; %s\n' "$count" "$(cat "$work/same")"
