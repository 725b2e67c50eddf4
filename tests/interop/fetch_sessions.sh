#!/usr/bin/env bash
# fetch_sessions.sh - a fetch with a session costs what has changed, not what it covers (KIP-227).
source "$(dirname "$0")/common.sh"
need python3

start_broker --auto.create.topics.enable false
timeout 120 python3 "$(dirname "$0")/fetch_sessions.py" "$port" "$broker" || die "sessions cost more than they should"
stop_broker
