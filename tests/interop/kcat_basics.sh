#!/usr/bin/env bash
# kcat_basics.sh - an unmodified kcat against the broker: everything that one client does by hand.
source "$(dirname "$0")/common.sh"
need kcat

start_broker --num.partitions 2
[[ $(timeout 20 kcat -b "$at" -L) == *"broker 1 at $at"* ]] || die "no broker in the metadata"
printf 'ok  metadata\n'

for acks in 0 1 all; do
    printf 'acks %s\n' "$acks" | produce "acks$acks" -p 0 -X acks=$acks
    same "acks=$acks" "acks $acks" "$(consume "acks$acks" -p 0)"
done

seq 1000 | produce idempotent -p 1 -X enable.idempotence=true -X acks=all
same "an idempotent producer" "$(seq 1000)" "$(consume idempotent -p 1)"
same "the other partition is empty" "" "$(consume idempotent -p 0)"
same "a new topic has num.partitions" 2 "$("$kiln" topic list --bootstrap-server "$at" | awk '$1 == "idempotent" {print $2}')"

for codec in none gzip snappy lz4 zstd; do
    seq 500 | produce "codec-$codec" -p 0 -z "$codec"
    same "codec $codec" "$(seq 500)" "$(consume "codec-$codec" -p 0)"
done

printf 'k1:v1\n:no key\nk3:\n' | produce keyed -p 0 -K : -Z -H one=1 -H two=zwei
same "keys, null keys, tombstones and headers" \
    "k1|v1|one=1,two=zwei
|no key|one=1,two=zwei
k3||one=1,two=zwei" \
    "$(consume keyed -p 0 -f '%k|%s|%h\n')"
same "null and empty differ on the wire" "2 2
-1 6
2 -1" "$(consume keyed -p 0 -f '%K %S\n')"

before=$(date +%s%3N)
printf 'early\n' | produce timed -p 0
sleep 0.05
middle=$(date +%s%3N)
sleep 0.05
printf 'late\n' | produce timed -p 0
same "offset of a time" "timed [0] offset 1" "$(timeout 20 kcat -b "$at" -Q -t "timed:0:$middle")"
same "offset of an earlier time" "timed [0] offset 0" "$(timeout 20 kcat -b "$at" -Q -t "timed:0:$before")"
same "the end" "timed [0] offset 2" "$(timeout 20 kcat -b "$at" -Q -t timed:0:-1)"
same "the start" "timed [0] offset 0" "$(timeout 20 kcat -b "$at" -Q -t timed:0:-2)"
same "from a time" late "$(consume timed -p 0 -o "s@$middle")"
same "from the last but one" "early
late" "$(consume timed -p 0 -o -2)"

# A long poll: the consumer waits before there is anything.
printf 'first\n' | produce polled -p 0
timeout 30 kcat -b "$at" -t polled -p 0 -C -q -c 1 -o 1 >"$work/polled" &
poller=$!
sleep 0.5
printf 'worth waiting for\n' | produce polled -p 0
wait "$poller" || die "the waiting consumer got nothing"
same "a long poll" "worth waiting for" "$(cat "$work/polled")"

groups=$(timeout 20 kcat -b "$at" -G group keyed 2>&1 </dev/null)
[[ $groups == *"serves no consumer groups yet"* ]] || die "groups: $groups"
printf 'ok  groups are refused with a sentence\n'

stop_broker
start_broker
same "everything is there after a restart" "$(seq 1000)" "$(consume idempotent -p 1)"
stop_broker
