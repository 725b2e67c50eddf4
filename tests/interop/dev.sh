#!/usr/bin/env bash
# dev.sh - kiln dev: three brokers by one command, failed by its words, gone at its end; and while the leader of a partition is
# killed again and again an idempotent librdkafka with acks=all loses nothing, doubles nothing and keeps the order.
source "$(dirname "$0")/common.sh"
need python3
need kcat
export TMPDIR=$work # where kiln dev looks for the newest cluster, too
rounds=${DEV_ROUNDS:-6}
dev=
trap '[[ -n $dev ]] && kill -9 "$dev" 2>/dev/null; cleanup' EXIT
fail() {
    sed 's/^/kiln dev: /' "$work/said" >&2
    die "$*"
}

echo 127.0.0.1:1 >"$work/ready" # as one that was killed leaves it
"$kiln" dev --port 0 --ready-file "$work/ready" --num.partitions 2 >"$work/out" 2>"$work/said" &
dev=$!
for i in $(seq 1200); do
    grep -q , "$work/ready" 2>/dev/null && break
    kill -0 $dev 2>/dev/null || fail "it ended before it was ready"
    sleep 0.01
done
at=$(cat "$work/ready") || fail "not ready within 12 s"
same "addresses" "$at" "$(cat "$work/out")"

# Ready means ready: each broker makes a topic at once, of all three.
for i in 0 1 2; do
    "$kiln" topic create at-once-$i --replicas 3 --bootstrap-server "$(cut -d, -f$((i + 1)) <<<"$at")" >/dev/null || fail "no topic is made by the ${i}th"
done
[[ $("$kiln" dev status | grep -c ' ready ') == 3 ]] || fail "not all are ready: $("$kiln" dev status)"

# What cannot be is said.
for words in "kill 4" "kill" "kil 1" "fault 1 disk/nothing" "start 1" "pause"; do
    "$kiln" dev $words 2>"$work/no" && fail "kiln dev $words is done"
    [[ -s $work/no ]] || fail "kiln dev $words fails without a word"
done
"$kiln" dev --port "${at##*:}" 2>"$work/no" && fail "a second cluster has the first one's port"
grep -q 'in use' "$work/no" || fail "a port that is taken: $(cat "$work/no")"

dir=$("$kiln" dev status | sed -n 's|.* \(/.*\)/node1.log|\1|p')
"$kiln" dev --port 0 --dir "$dir" 2>"$work/no" && fail "a second cluster has the first one's directory"
grep -q 'another kiln dev runs' "$work/no" || fail "a directory that is taken: $(cat "$work/no")"
[[ $("$kiln" dev status | grep -c ' ready ') == 3 ]] || fail "a second one has hurt the first"

# One after the other.
"$kiln" dev kill 2 && "$kiln" dev status | grep -q '^2 down' || fail "2 is not killed"
"$kiln" dev start 2 && "$kiln" dev status | grep -q '^2 ready' || fail "2 is not back"
"$kiln" dev stop 3 && "$kiln" dev start 3 || fail "3 is not stopped and back"
"$kiln" dev pause 1 && "$kiln" dev status | grep -q '^1 paused' && "$kiln" dev resume 1 || fail "1 is not paused and back"
"$kiln" dev fault 1 net/send once || fail "1 takes no fault"

# Its leader dies again and again while it is written to.
"$kiln" topic create orders --partitions 1 --bootstrap-server "$at" --timeout 20s >/dev/null || fail "no topic is made"
leader() { "$kiln" topic describe orders --bootstrap-server "$at" --timeout 20s | sed -n 's/.*partition 0: leader \([0-9]*\),.*/\1/p'; }
python3 -c '
import sys, time
end, n = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < end:
    for _ in range(20):
        print(n)
        n += 1
    sys.stdout.flush()
    time.sleep(0.005)
print(n, file=sys.stderr)' $((rounds * 3 / 2 + 2)) 2>"$work/count" |
    kcat -E -b "$at" -t orders -P -p 0 -X acks=all -X enable.idempotence=true -X linger.ms=2 -X message.timeout.ms=60000 \
        -X retry.backoff.ms=20 -X reconnect.backoff.max.ms=200 -X topic.metadata.refresh.fast.interval.ms=20 2>"$work/kcat" &
producer=$!
for ((i = 0; i < rounds; i++)); do
    for j in $(seq 100); do # whoever came back may not be let in yet
        victim=$(leader)
        [[ $victim == [123] ]] && break
        sleep 0.05
    done
    [[ $victim == [123] ]] || fail "orders has no leader"
    "$kiln" dev kill "$victim" || fail "$victim is not killed"
    sleep 0.5
    "$kiln" dev start "$victim" || fail "$victim does not come back"
done
wait $producer || { cat "$work/kcat" >&2; fail "the producer gave up"; }
consume orders -p 0 >"$work/read"
seq 0 $(($(cat "$work/count") - 1)) | cmp - "$work/read" || fail "what was read is not what was written"

kill -INT $dev
wait $dev || fail "it ended with $?"
dev=
[[ ! -e $work/ready ]] || fail "the ready-file stays"
[[ -z $(ls -d "$work"/kiln-dev* 2>/dev/null) ]] || fail "it leaves $(ls -d "$work"/kiln-dev*)"
pgrep -f "$work" >/dev/null && fail "a broker lives on"
printf '%s records through %s deaths of the leader\n' "$(cat "$work/count")" "$rounds"
