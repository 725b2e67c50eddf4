#!/usr/bin/env bash
# replicas.sh - three brokers over real sockets keep three replicas of each partition: what was acknowledged by all becomes the same
# bytes in each log; a follower that is killed catches up, and when the leader of all is killed others lead with all of it.
source "$(dirname "$0")/common.sh"
source "$(dirname "$0")/three.sh"
partitions=3

# More of it to each partition, acknowledged by all that are in sync.
expected=
more() { # WORD COUNT
    local p lines
    for ((p = 0; p < partitions; p++)); do
        lines=$(for i in $(seq "$2"); do echo "$1 $p $i of $2, with some bytes that take room in a batch"; done)
        produce orders -p $p -X acks=all -X enable.idempotence=true <<<"$lines"
        expected+=$lines$'\n'
    done
}
all_there() { same "records after $1" "$(sort <<<"${expected%$'\n'}")" "$(consume orders | sort)"; }

begin
more first 2000
until_so "all replicas are the same" are_same
all_there "the first round"

# A follower of some of them dies; the others go on, and when it is back it has what it missed.
victim=$(($(leader_of 0) % 3 + 1))
slay "$victim"
until_so "somebody else leads" leads_not "$victim"
more second 2000
! are_same || fail "who is dead has what came since"
start "$victim"
until_so "who was killed serves again" served "$victim" 2
until_so "who was killed has caught up" are_same
all_there "the death of a follower"

# Whoever leads dies while it is being written to.
victim=$(leader_of 0)
lines=$(for i in $(seq 20000); do echo "third 0 $i, while its leader dies"; done)
(for chunk in $(seq 20); do sed -n "$((chunk * 1000 - 999)),$((chunk * 1000))p" <<<"$lines"; sleep 0.1; done) |
    timeout 60 kcat -b "$at" -t orders -P -p 0 -X acks=all -X enable.idempotence=true -X linger.ms=5 2>"$work/kcat" &
producer=$!
sleep 0.7
slay "$victim"
died_ms=$(date +%s%3N)
until_so "somebody else leads" leads_not "$victim"
took_ms=$(($(date +%s%3N) - died_ms))
wait $producer || { cat "$work/kcat"; fail "who was producing gave up"; }
expected+=$lines$'\n'
all_there "the death of a leader"
start "$victim"
until_so "who was killed serves again" served "$victim" $(($(served_times "$victim") + 1))
until_so "the old leader has become the same" are_same
all_there "its return"

finish
printf 'led by another after %s ms; %s\n' "$took_ms" "$(cat "$work/same")"
