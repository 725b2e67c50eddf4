#!/usr/bin/env bash
# replicas.sh - three brokers over real sockets keep three replicas of each partition: what was acknowledged by all becomes the same
# bytes in each log; a follower that is killed catches up, and when the leader of all is killed others lead with all of it.
source "$(dirname "$0")/common.sh"
patience=30
need python3
need kcat
declare -A pids
trap 'kill -9 "${pids[@]}" 2>/dev/null; cleanup' EXIT
partitions=3

ports=($(free_ports 6))
voters=1@127.0.0.1:${ports[3]},2@127.0.0.1:${ports[4]},3@127.0.0.1:${ports[5]}
at=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}
controllers=127.0.0.1:${ports[3]},127.0.0.1:${ports[4]},127.0.0.1:${ports[5]}

start() {
    cat >"$work/$1.properties" <<END
process.roles=broker,controller
node.id=$1
cluster.id=MkU3OEVBNTcwNTJENDM2Qg
listeners=PLAINTEXT://127.0.0.1:${ports[$1 - 1]},CONTROLLER://127.0.0.1:${ports[$1 + 2]}
controller.quorum.voters=$voters
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=200
default.replication.factor=3
min.insync.replicas=2
log.dirs=$work/data$1
END
    "$kiln" broker --config "$work/$1.properties" 2>>"$work/$1.log" &
    pids[$1]=$!
}

fail() { # with what the nodes said
    for log in "$work"/*.log; do sed "s|^|$(basename "$log"): |" "$log" >&2; done
    die "$*"
}

slay() {
    kill -9 "${pids[$1]}"
    wait "${pids[$1]}" 2>/dev/null
    unset "pids[$1]"
}

served() { [[ $(grep -c UNFENCED "$work/$1.log") -ge $2 ]]; }
leader_of() { timeout 10 kcat -L -b "$at" -t orders 2>/dev/null | sed -n "s/.*partition $1, leader \([0-9]*\),.*/\1/p"; }
is_led() {
    local p
    for ((p = 0; p < partitions; p++)); do [[ $(leader_of $p) == [123] ]] || return 1; done
}
leads_not() { # NODE: it leads nothing, and somebody leads all
    local p
    is_led || return 1
    for ((p = 0; p < partitions; p++)); do [[ $(leader_of $p) != "$1" ]] || return 1; done
}
are_same() {
    local p
    for ((p = 0; p < partitions; p++)); do
        python3 "$(dirname "$0")/replicas.py" "$work"/data{1,2,3}/orders-$p >"$work/same" || return 1
    done
}

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

for node in 1 2 3; do start $node; done
for node in 1 2 3; do until_so "node $node serves" served $node 1; done
"$kiln" topic create orders --partitions $partitions --bootstrap-controller "$controllers" --timeout 20s >/dev/null || fail "no topic is made"
until_so "orders is led" is_led
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
until_so "who was killed serves again" served "$victim" $(($(grep -c UNFENCED "$work/$victim.log") + 1))
until_so "the old leader has become the same" are_same
all_there "its return"

for node in "${!pids[@]}"; do kill "${pids[$node]}"; done
for node in "${!pids[@]}"; do wait "${pids[$node]}" || fail "node $node did not stop well"; done
pids=()
are_same || fail "logs differ after the end: $(cat "$work/same")"
for node in 1 2 3; do
    "$kiln" log check "$work/data$node" >"$work/check" 2>&1 || { cat "$work/check"; fail "what node $node left is not whole"; }
done
printf 'led by another after %s ms; %s\n' "$took_ms" "$(cat "$work/same")"
