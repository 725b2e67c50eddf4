#!/usr/bin/env bash
# process.sh - what an operating system does to a broker: signals, closed descriptors, a lock file that
# somebody removes, limits, and who may read what it makes.
source "$(dirname "$0")/common.sh"
need kcat

# ended_by SIGNAL: it stops in good order.
ended_by() {
    start_broker
    kill -"$1" "$broker"
    wait "$broker" || die "SIG$1 ended it with $?"
    grep -q 'STOPPED\]' "$work/broker.log" || die "SIG$1 did not end it in good order"
    mv "$work/broker.log" "$work/broker.log.$1"
    broker=
    printf 'ok  SIG%s\n' "$1"
}
ended_by TERM
ended_by INT
ended_by HUP

# timeout(1) and npm send a signal twice; the second does not cut the stop short. A client that does not take its
# answer keeps the broker stopping for long enough that both arrive while it does.
start_broker
exec 3<>"/dev/tcp/127.0.0.1/$port"
kill -TERM "$broker"
kill -TERM "$broker"
kill -INT "$broker"
wait "$broker" || die "signals one behind the other ended it with $?"
exec 3>&-
grep -q 'STOPPED\]' "$work/broker.log" || die "a second signal cut the stop short"
mv "$work/broker.log" "$work/broker.log.twice"
printf 'ok  a second signal at once\n'

# Closed at its start, 0 to 2 must not become files of the directory.
rm -rf "$data"
(exec "$kiln" broker --data "$data" --listen "127.0.0.1:$port" 0<&- 1>&- 2>&-) &
broker=$!
for i in $(seq 200); do
    kcat -b "$at" -L >/dev/null 2>&1 && break
    sleep 0.05
done
for fd in 0 1 2; do
    same "descriptor $fd" /dev/null "$(readlink "/proc/$broker/fd/$fd")"
done
kill "$broker"
wait "$broker" || die "without descriptors it ended with $?"
broker=

# A reader of stderr that goes away is no end of the broker.
"$kiln" broker --data "$data" --listen "127.0.0.1:$port" 2> >(head -1 >/dev/null) &
broker=$!
for i in $(seq 200); do
    kcat -b "$at" -L >/dev/null 2>&1 && break
    sleep 0.05
done
kill "$broker"
wait "$broker" || die "without a reader of stderr it ended with $?"
broker=
printf 'ok  stderr without a reader\n'

# The lock holds without its file.
start_broker
rm "$data/.lock"
said=$(timeout 20 "$kiln" broker --data "$data" --listen 127.0.0.1:0 2>&1)
same "a second broker's end" 1 $?
grep -q "another broker uses it" <<<"$said" || die "it said: $said"
echo one | produce t
same "a file's mode" 640 "$(stat -c %a "$data/t-0/00000000000000000000.log")"
same "a directory's mode" 750 "$(stat -c %a "$data/t-0")"
stop_broker
start_broker --log.files.readable.by owner
echo two | produce u
same "a file's mode, for its owner alone" 600 "$(stat -c %a "$data/u-0/00000000000000000000.log")"
same "a directory's" 700 "$(stat -c %a "$data/u-0")"
stop_broker

# A limit on the size of files is an error of the write, not the end of the process.
(
    ulimit -f 2048 # KiB
    exec "$kiln" broker --data "$data" --listen "127.0.0.1:$port" --message.max.bytes 8000000 2>>"$work/broker.log"
) &
broker=$!
for i in $(seq 200); do
    grep -q "ready on" "$work/broker.log" 2>/dev/null && break
    sleep 0.05
done
head -c 3000000 /dev/zero | base64 -w 0 | timeout 20 kcat -b "$at" -t big -P -D '\n' -X message.max.bytes=8000000 \
    -X message.timeout.ms=3000 >/dev/null 2>&1
kill -0 "$broker" 2>/dev/null || die "the limit ended the broker"
echo small | timeout 20 kcat -b "$at" -t small -P || die "after the limit nothing is taken"
same "what fits is there" small "$(consume small)"
kill "$broker"
wait "$broker" || die "it ended with $?"
broker=
