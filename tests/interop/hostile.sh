#!/usr/bin/env bash
# hostile.sh - garbage, giant lengths, half frames, a thousand idle connections, and what makes others
# hold memory: the broker goes on, and does not grow.
source "$(dirname "$0")/common.sh"
need python3

start_broker --connections.max.idle.ms 60000
python3 "$(dirname "$0")/hostile.py" "$port" "$broker" || die "the hostile client won"
python3 "$(dirname "$0")/hostile_lines.py" "$port" || die "a connection that ends breaks others"
kill -0 "$broker" || die "the broker is gone"
if command -v kcat >/dev/null; then
    printf 'still here\n' | produce after -p 0
    same "the broker serves on" "still here" "$(consume after -p 0)"
fi
stop_broker

# With little memory for clients: whatever they do, they cost no more than that.
limit=$((32 << 20))
start_broker --queued.max.request.bytes $limit --socket.request.max.bytes $((1 << 20))
python3 "$(dirname "$0")/hostile_memory.py" "$port" "$broker" $limit || die "the broker holds too much"
stop_broker
