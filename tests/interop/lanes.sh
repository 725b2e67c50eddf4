#!/usr/bin/env bash
# lanes.sh - a flood of clients takes neither the memory nor the connections of other nodes, and
# max.connections is kept: who comes too late waits, and is served when another one has left.
source "$(dirname "$0")/common.sh"
need python3

port=0,NODES://127.0.0.1:0 # one more listener
start_broker --inter.broker.listener.name NODES \
    --listener.security.protocol.map "PLAINTEXT:PLAINTEXT,NODES:PLAINTEXT" --max.connections 20 \
    --queued.max.request.bytes $((4 << 20)) --socket.request.max.bytes $((1 << 20))
nodes=$(sed -n 's/.*NODES listens on [^ ]*:\([0-9]*\);.*/\1/p' "$work/broker.log" | tail -1)
[[ -n $nodes ]] || die "the second listener is not told"
python3 "$(dirname "$0")/lanes.py" "$port" "$nodes" 20 || die "the flood won"
grep -q "clients wait for memory" "$work/broker.log" || die "nobody was told that clients wait for memory"
grep -q "other nodes wait" "$work/broker.log" && die "other nodes waited for memory"
stop_broker
