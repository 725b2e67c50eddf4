#!/usr/bin/env bash
# forward.sh - three brokers that are controllers, too, over real sockets: topics are made, changed and deleted by way of each of them,
# whoever leads; clients find the leaders of partitions; and when the controller is killed the others go on taking orders.
source "$(dirname "$0")/common.sh"
need python3
need kcat
declare -A pids
trap 'kill -9 "${pids[@]}" 2>/dev/null; cleanup' EXIT

ports=($(free_ports 6)) # by then nobody has them any more
voters=1@127.0.0.1:${ports[3]},2@127.0.0.1:${ports[4]},3@127.0.0.1:${ports[5]}
at() { echo "127.0.0.1:${ports[$1 - 1]}"; }
all=$(at 1),$(at 2),$(at 3)

start() {
    cat >"$work/$1.properties" <<END
process.roles=broker,controller
node.id=$1
cluster.id=MkU3OEVBNTcwNTJENDM2Qg
listeners=PLAINTEXT://$(at "$1"),CONTROLLER://127.0.0.1:${ports[$1 + 2]}
controller.quorum.voters=$voters
auto.create.topics.enable=true
num.partitions=3
log.dirs=$work/data$1
END
    : >"$work/broker$1.log"
    "$kiln" broker --config "$work/$1.properties" 2>>"$work/broker$1.log" &
    pids[$1]=$!
}

# ready NODE: it takes clients.
ready() {
    local i
    for i in $(seq 1200); do
        grep -q "ready on" "$work/broker$1.log" && return
        kill -0 "${pids[$1]}" 2>/dev/null || die "broker $1 ended: $(cat "$work/broker$1.log")"
        sleep 0.05
    done
    die "broker $1 is not ready: $(cat "$work/broker$1.log")"
}

ask() { "$kiln" "$@" --timeout 30s || die "kiln $*"; }

# leader NODE: who leads the quorum, as that broker says it.
leader() { ask cluster status --bootstrap-server "$(at "$1")" | sed -n 's/^metadata led by \([0-9]*\),.*/\1/p'; }

for node in 1 2 3; do start $node; done
for node in 1 2 3; do ready $node; done

led=$(leader 1)
[[ -n $led ]] || die "broker 1 does not say who leads"
for node in 2 3; do same "who leads, by way of broker $node" "$led" "$(leader $node)"; done

for node in 1 2 3; do
    ask topic create "made$node" --partitions 3 --bootstrap-server "$(at $node)" >"$work/out"
    same "a topic by way of broker $node" "created made$node with 3 partitions" "$(cat "$work/out")"
    # The broker that answered knows it.
    timeout 30 kcat -b "$(at $node)" -L -t "made$node" >"$work/list" || die "kcat -L"
    grep -q "topic \"made$node\" with 3 partitions" "$work/list" || die "broker $node does not know made$node: $(cat "$work/list")"
    grep -q " 3 brokers" "$work/list" || die "broker $node does not know three brokers: $(cat "$work/list")"
    ask config set "topic" "made$node" "retention.ms=$((1000000 + node))" --bootstrap-server "$(at $node)" >/dev/null
    ask topic alter "made$node" --partitions 6 --bootstrap-server "$(at $node)" >/dev/null
    timeout 30 kcat -b "$(at $node)" -L -t "made$node" | grep -q "with 6 partitions" || die "made$node was not given more partitions"
done

# What is set for one broker is asked of that one, whoever is named first.
for node in 1 2 3; do
    other=$((node % 3 + 1))
    ask config set broker $node "message.max.bytes=$((2000000 + node))" --bootstrap-server "$(at $other)" >/dev/null
    same "what is set for broker $node alone" "message.max.bytes = $((2000000 + node)), from broker" \
        "$(ask config describe broker $node message.max.bytes --bootstrap-server "$(at $other)")"
done
same "each of them is listed" 3 "$(ask config list --bootstrap-server "$(at 2)" | grep -c '^broker [123]: message.max.bytes = 200000[123]$')"
"$kiln" config describe broker 9 --bootstrap-server "$(at 1)" --timeout 10s >/dev/null 2>"$work/absent" && die "a broker that is not there was described"
grep -q "broker 9 is down, or does not belong to the cluster" "$work/absent" || die "of an absent broker it says: $(cat "$work/absent")"
for node in 1 2 3; do ask config unset broker $node message.max.bytes --bootstrap-server "$(at 1)" >/dev/null; done

# The partitions of these topics are led by all three; records get to each by way of any.
leaders=$(timeout 30 kcat -b "$(at 1)" -L -t made1 | sed -n 's/.*partition [0-9]*, leader \([0-9]*\),.*/\1/p' | sort -u | tr '\n' ' ')
same "who leads partitions" "1 2 3 " "$leaders"
for node in 1 2 3; do
    seq 600 | timeout 60 kcat -b "$(at $node)" -t made1 -P -X acks=all -X enable.idempotence=true -X partitioner=random ||
        die "kcat cannot produce by way of broker $node"
done
for node in 1 2 3; do
    timeout 60 kcat -b "$(at $node)" -t made1 -C -q -e -o beginning | sort -n | uniq -c | awk '{print $1}' | sort -u >"$work/counts"
    same "each record thrice by way of broker $node" 3 "$(cat "$work/counts")"
done

# Who leads what, as a person is told it.
ask cluster status --bootstrap-server "$(at 2)" --exit-when-healthy >"$work/status"
same "brokers of the cluster" "3 0" "$(grep -c '^broker [123] at .*, leads [0-9]* of ' "$work/status") $(grep -c fenced "$work/status")"
led_count=$(ask cluster status --bootstrap-server "$(at 3)" --json | python3 -c '
import json, sys
s = json.load(sys.stdin)
print(sum(b["leads"] for b in s["brokers"]) == s["partitions"], s["offline_partitions"], s["under_replicated_partitions"])')
same "each partition is led by one of them" "True 0 0" "$led_count"
ask topic create threefold --partitions 3 --replicas 3 --bootstrap-server "$(at 1)" >/dev/null
same "replicas" 3 "$(ask topic describe threefold --bootstrap-server "$(at 2)" | grep -c 'replicas [123],[123],[123], in sync')"
ask cluster elect threefold --bootstrap-server "$(at 3)" >"$work/out"
same "an election" 3 "$(grep -c '^threefold-[012]: nothing was to be done' "$work/out")"
"$kiln" cluster unregister 77 --bootstrap-server "$(at 1)" >"$work/out" 2>&1 && die "broker 77 was unregistered"
grep -q "77 is not currently registered" "$work/out" || die "no word of the controller's: $(cat "$work/out")"

# A topic that is made by asking for it, by way of who does not lead.
other=$((led % 3 + 1))
echo first | timeout 60 kcat -b "$(at $other)" -t asked -P || die "kcat cannot produce to a new topic"
same "a topic made on first use" first "$(timeout 60 kcat -b "$(at "$led")" -t asked -C -q -e -o beginning)"

# What the controller refuses is refused in its words.
"$kiln" topic create made1 --bootstrap-server "$(at $other)" >"$work/out" 2>&1 && die "made1 was made twice"
grep -q "already exists" "$work/out" || die "no word of the controller's: $(cat "$work/out")"

# The controller is killed: the others take orders as soon as one of them leads.
kill -9 "${pids[$led]}"
wait "${pids[$led]}" 2>/dev/null
for node in 1 2 3; do
    [[ $node == "$led" ]] && continue
    ask topic create "later$node" --partitions 1 --bootstrap-server "$(at $node)" >/dev/null
    now=$(leader $node)
    [[ $now != "$led" ]] || die "broker $led was killed and leads"
done
start "$led"
ready "$led"
ask topic delete made2 --bootstrap-server "$(at "$led")" >/dev/null
timeout 30 kcat -b "$(at "$led")" -L | grep -q '"made2"' && die "made2 is still there"
seq 100 | timeout 60 kcat -b "$all" -t made3 -P -X acks=all || die "kcat cannot produce"

for node in 1 2 3; do
    kill "${pids[$node]}"
    wait "${pids[$node]}" || die "broker $node did not stop well: $(tail -5 "$work/broker$node.log")"
done
printf 'ok  all stopped well\n'
