#!/usr/bin/env bash
# join.sh - a single node's directory grows: what it held is led on by a metadata quorum of one whose log says who votes, and two brokers join it by
# kiln cluster join, are brokers of it in every life, and have what it had.
source "$(dirname "$0")/common.sh"
need kcat
need python3
declare -A pids
trap 'kill -9 "${pids[@]}" 2>/dev/null; cleanup' EXIT
fail() {
    for log in "$work"/*.log; do tail -n 30 "$log" | sed "s|^|$(basename "$log"): |" >&2; done
    die "$*"
}
ports=($(free_ports 4))
one=127.0.0.1:${ports[0]}

# ready NODE: it serves.
ready() {
    local i
    for i in $(seq 1200); do
        grep -q READY "$work/$1.log" && return
        kill -0 "${pids[$1]}" 2>/dev/null || fail "node $1 ended"
        sleep 0.025
    done
    fail "node $1 is not ready after 30 s"
}
stop() {
    kill "${pids[$1]}"
    wait "${pids[$1]}" || fail "node $1 did not stop well"
    unset "pids[$1]"
    mv "$work/$1.log" "$work/$1.before.log"
}

"$kiln" broker --data "$data" --listen "$one" 2>"$work/1.log" &
pids[1]=$!
ready 1
"$kiln" topic create orders --bootstrap-server "$one" >/dev/null || fail "no topic is made"
seq 100 | timeout 60 kcat -b "$one" -t orders -P -X acks=all || fail "nothing is produced"
"$kiln" cluster join --bootstrap "$one" --data "$work/two" 2>"$work/no" && fail "a node that is its own quorum is joined"
grep -q 'its own quorum' "$work/no" || fail "a node that is its own quorum: $(cat "$work/no")"
[[ ! -e $work/two && ! -e $work/two.properties ]] || fail "something was made for who cannot join"
stop 1

keys=(--listeners "PLAINTEXT://$one,CONTROLLER://127.0.0.1:${ports[1]}" --controller.quorum.bootstrap.servers "127.0.0.1:${ports[1]}"
    --broker.session.timeout.ms 2000 --broker.heartbeat.interval.ms 400)
"$kiln" format --standalone --data "$data" "${keys[@]}" >"$work/out" 2>&1 || fail "it is not made a voter: $(cat "$work/out")"
"$kiln" broker --data "$data" "${keys[@]}" 2>"$work/1.log" &
pids[1]=$!
ready 1
for node in 2 3; do
    (cd "$work" && exec "$kiln" cluster join --bootstrap "$one" --data "data$node" --listen "127.0.0.1:${ports[$node]}" 2>"$node.log") &
    pids[$node]=$!
    ready $node
done
grep -q '^log.dirs=/' "$work/data2.properties" || fail "it is another directory wherever it is started"
status() { "$kiln" cluster status --bootstrap-server "$one" --timeout 20s "$@"; }
same "three brokers, and one voter" "3 1" "$(status --json | python3 -c '
import json, sys; c = json.load(sys.stdin); print(len([b for b in c["brokers"] if not b["fenced"]]), c["metadata"]["voters"])')"
"$kiln" topic create wide --replicas 3 --bootstrap-server "127.0.0.1:${ports[3]}" --timeout 20s >/dev/null || fail "no topic of three replicas"
seq 50 | timeout 60 kcat -b "127.0.0.1:${ports[2]}" -t wide -P -X acks=all || fail "nothing is produced"
same "what was there before it grew" "$(seq 100)" "$(timeout 60 kcat -b "127.0.0.1:${ports[3]}" -t orders -C -q -e)"

# Each comes back as what it is.
stop 3
"$kiln" broker --config "$work/data3.properties" 2>"$work/3.log" &
pids[3]=$!
ready 3
"$kiln" cluster join --bootstrap "$one" --data "$work/data3" 2>"$work/no" && fail "it joins twice"
grep -q 'is there already' "$work/no" || fail "it joins twice: $(cat "$work/no")"
"$kiln" cluster join --bootstrap "$one" --data "$work/data4" --node-id 2 2>"$work/no" && fail "two nodes of one number"
grep -q 'in that cluster already' "$work/no" || fail "two nodes of one number: $(cat "$work/no")"
status --exit-when-healthy >/dev/null || fail "not healthy: $(status)"
for node in 3 2 1; do stop $node; done
"$kiln" broker --data "$data" "${keys[@]}" 2>"$work/1.log" &
pids[1]=$!
ready 1
same "the voter comes back alone" "$(seq 100)" "$(timeout 60 kcat -b "$one" -t orders -C -q -e)"
stop 1
"$kiln" log check "$data" >"$work/check" 2>&1 || { cat "$work/check"; die "what it left is not whole"; }
