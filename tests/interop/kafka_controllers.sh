#!/usr/bin/env bash
# kafka_controllers.sh - a controller of Apache Kafka's among kiln's: two of kiln and one of Kafka 4.3.1 vote in one quorum, each
# follows the other, and Kafka's own tool is told of it by kiln. The jars come as in kafka_tools.sh; without Java 17 or them it skips aloud.
source "$(dirname "$0")/common.sh"
source "$(dirname "$0")/fetch.sh"
need python3
fetch_kafka
export TOOL_HEAP=256m TOOL_JVM="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
cluster=MkU3OEVBNTcwNTJENDM2Qg
attempts=12 # until chance makes the controller wanted the leader
declare -A pids
trap 'kill -9 "${pids[@]}" 2>/dev/null; cleanup' EXIT

ports=($(free_ports 3)) # by then nobody has them any more
kilns=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]}

for node in 1 2 3; do
    cat >"$work/$node.properties" <<END
process.roles=controller
node.id=$node
listeners=CONTROLLER://127.0.0.1:${ports[$node - 1]}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT
controller.quorum.voters=1@127.0.0.1:${ports[0]},2@127.0.0.1:${ports[1]},3@127.0.0.1:${ports[2]}
log.dirs=$work/data$node
END
done
printf 'cluster.id=%s\n' $cluster | tee -a "$work/1.properties" >>"$work/2.properties"
timeout -k 2 60 "$peers/tool" kafka-storage format --cluster-id $cluster --config "$work/3.properties" >"$work/out" 2>&1 ||
    die "kafka-storage format: $(cat "$work/out")"

# start NODE: 1 and 2 are kiln's, 3 is Kafka's.
start() {
    if [[ $1 == 3 ]]; then
        java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$jars/*" kafka.Kafka "$work/3.properties" >>"$work/kafka.log" 2>&1 &
    else
        "$kiln" broker --config "$work/$1.properties" 2>>"$work/broker.log" &
    fi
    pids[$1]=$!
}

kill_node() {
    kill -9 "${pids[$1]}"
    wait "${pids[$1]}" 2>/dev/null
}

# leads NODE...: of these running ones, who leads, in which epoch.
leads() {
    local node at=()
    for node in "$@"; do at+=("${ports[$node - 1]}"); done
    read -r leader epoch end < <(timeout 60 python3 "$(dirname "$0")/controllers.py" leader "${at[@]}")
    [[ -n ${end:-} ]] || die "of controllers $* none leads: $(tail -n 20 "$work/kafka.log")"
}

# until_leads NODE...: kills who leads until one of these does.
until_leads() {
    local i node others wanted=" $* "
    for ((i = 0; i < attempts; i++)); do
        leads 1 2 3
        [[ $wanted == *" $leader "* ]] && return
        local killed=$leader before=$epoch
        kill_node "$killed"
        others=()
        for node in 1 2 3; do [[ $node == "$killed" ]] || others+=($node); done
        leads "${others[@]}"
        ((epoch > before)) || die "controller $killed was killed in epoch $before, and that goes on"
        start "$killed"
    done
    die "none of$wanted led in $attempts elections"
}

# let_kafka_lead: who lacks what is committed cannot be elected (K-5). A controller of kiln that sleeps while two orders are committed
# may find the first in its connection when it wakes, and not the second: only Kafka has that when the leader dies.
let_kafka_lead() {
    local killed sleeps ms
    leads 1 2 3
    [[ $leader != 3 ]] || return 0
    killed=$leader sleeps=$((3 - leader))
    kill -STOP "${pids[$sleeps]}"
    for ms in 1000 2000; do
        "$kiln" config set cluster "log.retention.ms=$ms" --bootstrap-controller "127.0.0.1:${ports[$killed - 1]}" --timeout 30s >/dev/null ||
            die "the leader and Kafka do not commit"
    done
    kill_node "$killed"
    kill -CONT "${pids[$sleeps]}"
    leads "$sleeps" 3
    [[ $leader == 3 ]] || die "controller $leader leads, and lacks what was committed"
    start "$killed"
    leads 1 2 3
}

# told: Kafka's tool says who leads, in which epoch, and that no voter lags.
told() {
    timeout -k 2 60 "$peers/tool" kafka-metadata-quorum --bootstrap-controller "$kilns" describe --status >"$work/status" 2>"$work/err" ||
        die "kafka-metadata-quorum: $(cat "$work/err")"
    same "Kafka's tool is told the same" "$leader $epoch 3" "$(awk '$1 == "LeaderId:" || $1 == "LeaderEpoch:" {printf "%s ", $2}' "$work/status")$(
        grep -o '"id": [123]' "$work/status" | wc -l)"
}

for node in 1 2 3; do start $node; done
until_leads 1 2
printf 'ok  controller %s of kiln leads in epoch %s, and Kafka follows\n' "$leader" "$epoch"
told
let_kafka_lead
printf 'ok  Kafka leads in epoch %s, and kiln follows\n' "$epoch"
from=$end
for ((i = 0; i < 100 && end < from + 3; i++)); do # it writes NoOpRecords when it has nothing else
    sleep 0.1
    leads 1 2 3
done
((end >= from + 3)) || die "Kafka led and wrote nothing, from $from to $end"
told
until_leads 1 2
printf 'ok  controller %s of kiln leads what Kafka wrote in epoch %s\n' "$leader" "$epoch"

for node in 1 2; do
    kill "${pids[$node]}"
    wait "${pids[$node]}" || die "controller $node did not stop well"
    "$kiln" log check "$work/data$node" >"$work/check" 2>&1 || { cat "$work/check"; die "what controller $node left is not whole"; }
done
