# three.sh - three brokers that are controllers, too, each replicating all partitions of the topic orders; sourced after common.sh.
# Whoever uses it sets partitions, may set program[NODE], another kiln for that node, and may say in own what else stands in its file.
patience=30
need python3
need kcat
declare -A pids program
trap 'kill -9 "${pids[@]}" 2>/dev/null; cleanup' EXIT

ports=($(free_ports 6))
voters=1@127.0.0.1:${ports[3]},2@127.0.0.1:${ports[4]},3@127.0.0.1:${ports[5]}
at=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}
controllers=127.0.0.1:${ports[3]},127.0.0.1:${ports[4]},127.0.0.1:${ports[5]}

own() { :; } # NODE

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
$(own "$1")
END
    "${program[$1]:-$kiln}" broker --config "$work/$1.properties" 2>>"$work/$1.log" &
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

stop() {
    kill "${pids[$1]}"
    wait "${pids[$1]}" || fail "node $1 did not stop well"
    unset "pids[$1]"
}

served_times() { grep -c UNFENCED "$work/$1.log"; }
served() { [[ $(served_times "$1") -ge $2 ]]; }
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
in_sync() { [[ $(timeout 10 kcat -L -b "$at" -t orders 2>/dev/null | grep -Ec "isrs: [1-3],[1-3],[1-3]$") -eq $partitions ]]; }
are_same() {
    local p
    for ((p = 0; p < partitions; p++)); do
        python3 "$(dirname "$0")/replicas.py" "$work"/data{1,2,3}/orders-$p >"$work/same" || return 1
    done
}

start_all() { for node in 1 2 3; do start $node; done; }
begin() { # all three serve, and orders is led
    start_all
    for node in 1 2 3; do until_so "node $node serves" served $node 1; done
    "$kiln" topic create orders --partitions "$partitions" --bootstrap-controller "$controllers" --timeout 20s >/dev/null ||
        fail "no topic is made"
    until_so "orders is led" is_led
}

stop_all() {
    local node
    for node in 1 2 3; do kill "${pids[$node]}"; done
    for node in 1 2 3; do wait "${pids[$node]}" || fail "node $node did not stop well"; done
    pids=()
}
finish() { # all stop in good order, and leave the same
    stop_all
    are_same || fail "logs differ after the end: $(cat "$work/same")"
    for node in 1 2 3; do
        "$kiln" log check "$work/data$node" >"$work/check" 2>&1 || { cat "$work/check"; fail "what node $node left is not whole"; }
    done
}
