#!/usr/bin/env bash
# fault_points.sh KILN PRELOAD - libfiu's remote control on a live broker: a sync that fails takes the directory offline, and
# nothing that waited, or comes later, is acknowledged, even when syncs work again.
source "$(dirname "$0")/common.sh"
need kcat
# LD_PRELOAD ends a name at a blank, and this checkout may stand behind one.
ln -s "$2" "$work/fiu_remote.so"
preload=$work/fiu_remote.so
real=$kiln
faulty=$work/faulty
printf '#!/bin/sh\nLD_PRELOAD=%s FIU_CTRL_FIFO=%s exec "%s" "$@"\n' "$preload" "$work/fiu" "$real" >"$faulty"
chmod +x "$faulty"

# remote COMMAND...: one line of libfiu's protocol, answered with 0.
remote() {
    printf '%s\n' "$*" >&3
    local answer
    read -r -t 10 answer <&4 || die "libfiu does not answer \"$*\""
    [[ $answer == 0 ]] || die "libfiu answers $answer to \"$*\""
}

refused() {
    local what=$1
    shift
    printf 'lost\n' | timeout 30 kcat -b "$at" -t orders -p 0 -P -X message.timeout.ms=2000 "$@" >"$work/out" 2>&1 &&
        die "$what was acknowledged: $(cat "$work/out")"
    printf 'ok  %s is not acknowledged\n' "$what"
}

kiln=$faulty
start_broker
[[ -p $work/fiu-$broker.in ]] || die "no remote control: the broker does not find libfiu"
exec 3>"$work/fiu-$broker.in" 4<"$work/fiu-$broker.out"
grep -q "faults may be injected" "$work/broker.log" || die "the broker does not say that faults may be injected"
seq 100 | produce orders -p 0 -X acks=all
printf 'ok  before the fault records are acknowledged\n'

remote enable name=disk/sync
refused "what waits for a sync that fails" -X acks=all
grep -q "nothing is written any more: a sync in $data has failed (input/output error)" "$work/broker.log" ||
    die "nobody was told that the directory is offline"
printf 'ok  that the directory is offline is told\n'
remote disable name=disk/sync
refused "acks=all, once syncs work again" -X acks=all
refused "acks=1, once syncs work again" -X acks=1
said=$("$real" topic create more --bootstrap-server "127.0.0.1:$port" --timeout 1s 2>&1) && die "a topic is created on a directory that is offline"
grep -q "cannot create topic more: for 1 s 127.0.0.1:$port has answered: the metadata log is offline" <<<"$said" || die "kiln topic says: $said"
printf 'ok  kiln topic tells what the broker has answered again and again\n'
same "what is durable is read on" "$(seq 100)" "$(consume orders -p 0 -c 100)"
exec 3>&- 4<&-
kill_broker

kiln=$real
start_broker
same "after a restart all that was acknowledged is there" "$(seq 100)" "$(consume orders -p 0 | head -100)"
seq 5 | produce orders -p 0 -X acks=all
stop_broker

# As docs/operations.md starts it: the thread of libfiu's remote control, which is there first, has no signal blocked.
need fiu-run fiu-utils
printf '#!/bin/sh\nexec fiu-run -f "%s" "%s" "$@"\n' "$work/fiu-run" "$real" >"$faulty"
kiln=$faulty
start_broker
grep -q "faults may be injected" "$work/broker.log" || die "fiu-run does not start the broker with libfiu"
stop_broker
printf 'ok  a broker that fiu-run has started ends in good order\n'
