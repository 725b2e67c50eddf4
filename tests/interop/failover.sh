#!/usr/bin/env bash
# failover.sh KILN CLIENT - a foreign client with acks=all writes numbered records to three brokers of kiln dev while the leader of
# partition 0 dies again and again: all that was acknowledged is there, once and in order. By hand FAILOVER_SECONDS=60 for longer,
# FAILOVER_RATE=20000 for more, FAILOVER_BY=pause for a leader that hangs and FAILOVER_BY=stop for one that hands over.
source "$(dirname "$0")/common.sh"
source "$(dirname "$0")/fetch.sh"
need kcat
need python3
client=$2
seconds=${FAILOVER_SECONDS:-8}
RATE=${FAILOVER_RATE:-1000} # records a second
down=${FAILOVER_BY:-kill}
up=start
[[ $down == pause ]] && up=resume
WAIT_S=90 # for what is not acknowledged when the last record is sent
program=()
case $client in
confluent)
    fetch_python confluent-2.16.1 confluent-kafka==2.16.1
    program=(python3 "$here/clients/confluent_flow.py")
    ;;
kafka-python)
    fetch_kafka_python
    program=(python3 "$here/clients/kafkapython_flow.py")
    ;;
sarama | franz)
    fetch_go "${client}_flow"
    program=("$place/${client}_flow")
    ;;
java)
    fetch_java
    program=("${java[@]}" "$here/clients/Flow.java")
    ;;
*) die "no such client: $client" ;;
esac

export TMPDIR=$work # where kiln dev looks for the newest cluster, too
dev=
producer=
trap 'kill -9 $dev $producer 2>/dev/null; cleanup' EXIT
fail() {
    sed 's/^/kiln dev: /' "$work/said" >&2
    [[ -s $work/err ]] && tail -20 "$work/err" | sed "s/^/$client: /" >&2
    die "$*"
}
dev_does() { "$kiln" dev "$@" || fail "kiln dev $* is not done"; }
leader() { "$kiln" topic describe orders --bootstrap-server "$at" --timeout 20s | sed -n 's/.*partition 0: leader \([0-9]*\),.*/\1/p'; }

"$kiln" dev --port 0 --ready-file "$work/ready" >"$work/out" 2>"$work/said" &
dev=$!
for i in $(seq 1200); do
    [[ -f $work/ready ]] && break
    kill -0 $dev 2>/dev/null || fail "it ended before it was ready"
    sleep 0.01
done
at=$(cat "$work/ready") || fail "not ready within 12 s"
"$kiln" topic create orders --partitions 3 --replicas 3 --bootstrap-server "$at" --timeout 20s >/dev/null || fail "no topic is made"

timeout -k 5 $((seconds + WAIT_S)) "${program[@]}" "$at" orders "$seconds" "$RATE" >"$work/flow" 2>"$work/err" &
producer=$!
# The first death comes when the client writes; the last second is without one.
for i in $(seq 1500); do
    consume orders -p 0 -c 1 2>/dev/null | grep -q . && break
    kill -0 $producer 2>/dev/null || fail "$client ended before it wrote"
    sleep 0.01
done
begin=$SECONDS
while ((SECONDS < begin + seconds - 1)); do
    for i in $(seq 100); do # it may be the one that has just been started
        victim=$(leader)
        [[ -n $victim ]] && break
        sleep 0.05
    done
    [[ -n $victim ]] || fail "orders has no leader"
    date +%s%3N >>"$work/deaths"
    dev_does "$down" "$victim"
    sleep 0.5
    dev_does "$up" "$victim"
    sleep 0.$((3 + RANDOM % 5))
done
wait $producer || fail "$client ended with $?"
producer=
for i in 0 1 2; do
    consume orders -p $i -f "$i %o %s\n" >>"$work/read"
done
python3 "$here/failover.py" "$work/flow" "$work/deaths" "$work/read" >"$work/judged" || {
    cat "$work/judged" >&2
    fail "$client: see above"
}
kill -INT $dev
wait $dev || fail "kiln dev ended with $?"
dev=
printf '%s: %s\n' "$client" "$(cat "$work/judged")"
