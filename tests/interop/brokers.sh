#!/usr/bin/env bash
# brokers.sh - brokers register with the leading controller and serve what the metadata say: three nodes that are both, and two
# brokers beside three controllers. One that is killed is fenced and comes back with a new epoch; one that is stopped says so.
source "$(dirname "$0")/common.sh"
patience=20
need python3
need kcat
session_ms=1500
declare -A pids
trap 'kill -9 "${pids[@]}" 2>/dev/null; cleanup' EXIT

# write_config NODE ROLES LISTENERS: of a cluster whose voters are known.
write_config() {
    cat >"$work/$1.properties" <<END
process.roles=$2
node.id=$1
cluster.id=MkU3OEVBNTcwNTJENDM2Qg
listeners=$3
controller.quorum.voters=$voters
broker.session.timeout.ms=$session_ms
broker.heartbeat.interval.ms=200
log.dirs=$work/data$1
END
}

start() {
    "$kiln" broker --config "$work/$1.properties" 2>>"$work/$1.log" &
    pids[$1]=$!
}

fail() { # with what the nodes said
    for log in "$work"/*.log; do sed "s|^|$(basename "$log"): |" "$log" >&2; done
    die "$*"
}

# until WHAT COMMAND...: it succeeds within 20 s.
said() { grep -q -- "$2" "$work/$1.log"; }
said_times() { [[ $(grep -c -- "$2" "$work/$1.log") -ge $3 ]]; }
epoch_of() { sed -n 's/.*registered with epoch \([0-9]*\).*/\1/p' "$work/$1.log" | tail -1; }
# is_led TOPIC COUNT: each of $at says that each of its partitions has a leader.
is_led() {
    local address
    for address in ${at//,/ }; do
        [[ $(timeout 10 kcat -L -b "$address" -t "$1" 2>/dev/null | grep -c "leader [1-9]") -eq $2 ]] || return 1
    done
}
lists() { timeout 10 kcat -L -b "$at" 2>/dev/null | grep -q "broker $1 at"; }
lacks() { ! lists "$1"; }

# round TOPIC COUNT: each of its partitions takes a record and gives all it ever took.
declare -A expected
round() {
    local p
    for ((p = 0; p < $2; p++)); do
        printf 'record %s %s of %s\n' "$p" "${3:-}" "$1" | produce "$1" -p "$p"
        expected[$1]+="record $p ${3:-} of $1"$'\n'
    done
    same "records of $1 ${3:-}" "$(sort <<<"${expected[$1]%$'\n'}")" "$(consume "$1" | sort)"
}

stop_all() {
    local node
    for node in "$@"; do kill "${pids[$node]}"; done
    for node in "$@"; do
        wait "${pids[$node]}" || fail "node $node did not stop well"
        unset "pids[$node]"
        "$kiln" log check "$work/data$node" >"$work/check" 2>&1 || { cat "$work/check"; fail "what node $node left is not whole"; }
    done
}

# ---- three that are both

ports=($(free_ports 6))
voters=1@127.0.0.1:${ports[3]},2@127.0.0.1:${ports[4]},3@127.0.0.1:${ports[5]}
for node in 1 2 3; do
    write_config $node broker,controller "PLAINTEXT://127.0.0.1:${ports[$node - 1]},CONTROLLER://127.0.0.1:${ports[$node + 2]}"
    start $node
done
for node in 1 2 3; do until_so "node $node serves" said $node 'UNFENCED'; done
at=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}
controllers=127.0.0.1:${ports[3]},127.0.0.1:${ports[4]},127.0.0.1:${ports[5]}
"$kiln" topic create orders --partitions 6 --bootstrap-controller "$controllers" --timeout 20s >/dev/null || fail "no topic is made"
until_so "orders is led" is_led orders 6
for node in 1 2 3; do
    timeout 10 kcat -L -b "$at" -t orders | grep -q "leader $node," || fail "node $node leads nothing"
done
round orders 6 first

# A controller's port in place of a broker's: it answers what it can, or says what it is.
for port in "${ports[@]:3:3}"; do
    "$kiln" quorum describe --status --bootstrap-server "127.0.0.1:$port" --timeout 2s >"$work/out" 2>"$work/wrong" ||
        grep -q "a controller listens there, and no broker; .*--bootstrap-controller 127.0.0.1:$port" "$work/wrong" || fail "of a controller's port it says: $(cat "$work/wrong")"
    "$kiln" cluster status --bootstrap-server "127.0.0.1:$port" --timeout 5s >/dev/null 2>"$work/wrong" && fail "a controller was taken for a broker"
    grep -q "a controller listens there, and no broker" "$work/wrong" || fail "of a controller's port it says: $(cat "$work/wrong")"
    "$kiln" quorum describe --status --bootstrap-controller "127.0.0.1:$port" --timeout 10s | grep -q "led by" || fail "no controller says who leads"
done

victim=3
others=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]}
before=$(epoch_of $victim)
kill -9 "${pids[$victim]}"
wait "${pids[$victim]}" 2>/dev/null
killed_ms=$(date +%s%3N)
at=$others
until_so "who was killed is fenced" lacks $victim
fenced_ms=$(($(date +%s%3N) - killed_ms))
((fenced_ms < session_ms + 3000)) || fail "it took $fenced_ms ms to fence it"
start $victim
until_so "who was killed serves again" said_times $victim UNFENCED 2
until_so "who was killed is listed" lists $victim
(($(epoch_of $victim) > before)) || fail "its epoch went from $before to $(epoch_of $victim)"
at=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}
until_so "orders is led" is_led orders 6
round orders 6 second

# At once, while its session is still valid: it is refused until that has run out (B-1).
kill -9 "${pids[$victim]}"
wait "${pids[$victim]}" 2>/dev/null
start $victim
until_so "who was killed serves again" said_times $victim UNFENCED 3
said $victim DUPLICATE_BROKER_REGISTRATION || fail "two lives of node $victim were registered at once"

# Stopped in good order: nobody waits for its session, and the mark says its epoch (B-2, B-5).
kill "${pids[$victim]}"
wait "${pids[$victim]}" || fail "node $victim did not stop well"
at=$others
lacks $victim || fail "node $victim is stopped, and listed"
! said $victim LEAVE_UNANSWERED || fail "node $victim was not given leave"
same "the mark of node $victim" "{\"version\":0,\"brokerEpoch\":$(epoch_of $victim)}" "$(cat "$work/data$victim/.kafka_cleanshutdown")"
start $victim
until_so "who was stopped serves again" said_times $victim UNFENCED 4
at=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}
until_so "orders is led" is_led orders 6
round orders 6 third
stop_all 1 2 3

# ---- brokers alone

rm -rf "$work"/*.log "$work"/data*
ports=($(free_ports 5))
voters=11@127.0.0.1:${ports[0]},12@127.0.0.1:${ports[1]},13@127.0.0.1:${ports[2]}
for i in 0 1 2; do write_config $((11 + i)) controller "CONTROLLER://127.0.0.1:${ports[$i]}"; done
for i in 0 1; do write_config $((1 + i)) broker "PLAINTEXT://127.0.0.1:${ports[3 + i]}"; done
for node in 1 2 11 12 13; do start $node; done
for node in 1 2; do until_so "broker $node serves" said $node 'UNFENCED'; done
controllers=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}
at=127.0.0.1:${ports[3]},127.0.0.1:${ports[4]}
"$kiln" topic create bills --partitions 4 --bootstrap-controller "$controllers" --timeout 20s >/dev/null || fail "no topic is made"
until_so "bills is led" is_led bills 4
round bills 4 first

# Whoever leads the controllers is killed: brokers go on, and are heard of by the next.
for node in 11 12 13; do said $node 'this node leads' && leader=$node; done
kill -9 "${pids[$leader]}"
wait "${pids[$leader]}" 2>/dev/null
unset "pids[$leader]"
until_so "another leads" said 1 'in epoch [2-9]'
"$kiln" topic create more --partitions 2 --bootstrap-controller "$controllers" --timeout 30s >/dev/null || fail "no topic is made"
until_so "more is led" is_led more 2
round more 2 first
round bills 4 second
sleep $(((session_ms + 500) / 1000)) # longer than a session: they are not fenced
for node in 1 2; do ! said $node '\[FENCED\]' || fail "broker $node was fenced"; done
stop_all 1 2
for node in "${!pids[@]}"; do kill "${pids[$node]}"; done
wait
printf 'fenced after %s ms\n' "$fenced_ms"
