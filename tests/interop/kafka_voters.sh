#!/usr/bin/env bash
# kafka_voters.sh - a quorum whose log says who votes (kraft.version 1) that two programs are: directories that Kafka's kafka-storage has formatted
# are kiln's controllers, one that kiln format has made is Kafka's, a broker of each finds them by controller.quorum.bootstrap.servers alone, and
# what kiln format writes is what Kafka's tool writes. The jars come as in kafka_tools.sh; without Java 17 or them it skips aloud.
source "$(dirname "$0")/common.sh"
source "$(dirname "$0")/fetch.sh"
patience=60
need python3
need kcat
fetch_kafka
export TOOL_HEAP=256m TOOL_JVM="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
cluster=MkU3OEVBNTcwNTJENDM2Qg
directories=(CUhMxGn_Tt2ocfJFBRh7IA 3Db5QLSqSZieL3rJBUUegA Tk0sYg3nQ6Wn6mUUzTtTgw)
declare -A pids
trap 'kill -9 "${pids[@]}" 2>/dev/null; cleanup' EXIT

fail() { # with what the nodes said
    for log in "$work"/*.log; do tail -n 30 "$log" | sed "s|^|$(basename "$log"): |" >&2; done
    die "$*"
}

ports=($(free_ports 5))
controllers=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}
initial=
for node in 1 2 3; do initial+=${initial:+,}$node@127.0.0.1:${ports[$node - 1]}:${directories[$node - 1]}; done

# configure NODE ROLE LISTENERS
configure() {
    cat >"$work/$1.properties" <<END
process.roles=$2
node.id=$1
listeners=$3
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
controller.quorum.bootstrap.servers=$controllers
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.dirs=$work/data$1
END
}
for node in 1 2 3; do configure $node controller "CONTROLLER://127.0.0.1:${ports[$node - 1]}"; done
configure 8 broker "PLAINTEXT://127.0.0.1:${ports[3]}"
configure 9 broker "PLAINTEXT://127.0.0.1:${ports[4]}"

# The features that kiln has no level of are left at 0.
kafka_formats() { # NODE [OPTION...]
    timeout -k 2 60 "$peers/tool" kafka-storage format --cluster-id $cluster --config "$work/$1.properties" --release-version 4.0-IV3 \
        --feature group.version=0 --feature transaction.version=0 --feature eligible.leader.replicas.version=0 "${@:2}" >"$work/out" 2>&1 ||
        die "kafka-storage format: $(cat "$work/out")"
}
kiln_formats() { # NODE [OPTION...]
    "$kiln" format --cluster-id $cluster --config "$work/$1.properties" "${@:2}" >"$work/out" 2>&1 || die "kiln format: $(cat "$work/out")"
}
# records DIR: of the two checkpoints, without their times and checksums.
records() {
    "$kiln" log dump --json --records "$1/bootstrap.checkpoint" "$1/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint" |
        sed -E "s|$1||g; s/\"(crc|timestamp|base_timestamp|max_timestamp|last_contained_log_timestamp)\":\"?[0-9a-f]+\"?/\"\1\":0/g"
}

# ---- what is written
kafka_formats 1 --initial-controllers "$initial"
mv "$work/data1" "$work/kafkas"
kiln_formats 1 --initial-controllers "$initial"
same "kiln format writes the records that kafka-storage format writes" "$(records "$work/kafkas")" "$(records "$work/data1")"
same "and their identity" "$(grep -v '^#' "$work/kafkas/meta.properties" | sort)" "$(grep -v '^#' "$work/data1/meta.properties" | sort)"
"$kiln" format --cluster-id $cluster --config "$work/1.properties" --initial-controllers "$initial" 2>"$work/no" && die "formatted twice"
grep -q 'formatted already' "$work/no" || die "formatted twice: $(cat "$work/no")"

# ---- who takes what
rm -rf "$work/data1"
mv "$work/kafkas" "$work/data1"
kafka_formats 2 --initial-controllers "$initial"
kiln_formats 3 --initial-controllers "$initial"
kafka_formats 9 --no-initial-controllers
start() { # NODE: 3 and 9 are Kafka's
    if [[ $1 == 3 || $1 == 9 ]]; then
        java -Xmx320m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$jars/*" kafka.Kafka "$work/$1.properties" >>"$work/$1.log" 2>&1 &
    else
        "$kiln" broker --config "$work/$1.properties" --cluster.id $cluster 2>>"$work/$1.log" &
    fi
    pids[$1]=$!
}
for node in 1 2 3 8 9; do start $node; done
lists() { timeout 10 kcat -L -b "127.0.0.1:$2" 2>/dev/null | grep -q "broker $1 at"; }
until_so "kiln's broker serves" lists 8 "${ports[3]}"
until_so "Kafka's broker serves" lists 9 "${ports[4]}"
until_so "kiln's broker knows Kafka's" lists 9 "${ports[3]}"
at=127.0.0.1:${ports[3]},127.0.0.1:${ports[4]}
printf 'ok  a broker of each program has found the controllers\n'

# described: of all voters it is known where and in which directory they are; two observe.
described() {
    timeout -k 2 60 "$peers/tool" kafka-metadata-quorum --bootstrap-server "$at" describe --status >"$work/status" 2>"$work/err" || return 1
    [[ $(grep '^CurrentVoters' "$work/status" | grep -oE "$(IFS='|'; echo "${directories[*]}")" | sort -u | grep -c .) -eq 3 ]] &&
        [[ $(grep '^CurrentObservers' "$work/status" | grep -oE '"id": [89]' | sort -u | grep -c .) -eq 2 ]]
}
until_so "Kafka's tool describes three voters and two observers" described
printf 'ok  Kafka'"'"'s tool is told of directories: %s\n' "$(grep '^LeaderId' "$work/status" | tr -s ' ')"

"$kiln" topic create orders --partitions 2 --replicas 2 --bootstrap-server "$at" --timeout 20s >/dev/null || fail "no topic is made"
in_sync() { [[ $(timeout 10 kcat -L -b "$at" 2>/dev/null | grep -cE 'isrs: (8,9|9,8)') -eq 2 ]]; }
until_so "both brokers are in sync" in_sync
seq 50 | timeout 60 kcat -b "$at" -t orders -P -X acks=all || fail "nothing is produced"
same "what both have" "$(seq 50)" "$(timeout 60 kcat -b "$at" -t orders -C -q -e | sort -n)"

# ---- a leader of each: who leads is killed, and is back
leader() { "$kiln" quorum describe --json --bootstrap-controller "$controllers" --timeout 30s 2>/dev/null | sed -n 's/.*"leader":\([0-9-]*\),.*/\1/p'; }
led_by() { # of kiln, or of Kafka
    local l
    l=$(leader)
    [[ $l == 3 && $1 == kafka ]] || [[ $l =~ ^[12]$ && $1 == kiln ]]
}
seen=
for i in $(seq 12); do
    led_by kiln && seen+=" kiln"
    led_by kafka && seen+=" kafka"
    [[ $seen == *kiln* && $seen == *kafka* ]] && break
    killed=$(leader)
    [[ $killed =~ ^[123]$ ]] || { sleep 1; continue; }
    kill -9 "${pids[$killed]}"
    wait "${pids[$killed]}" 2>/dev/null
    other_leads() { local l; l=$(leader); [[ -n $l && $l != -1 && $l != "$killed" ]]; }
    until_so "another controller leads" other_leads
    start "$killed"
    "$kiln" topic alter orders --config "retention.ms=$((3600000 + i))" --bootstrap-server "$at" --timeout 30s >/dev/null || fail "nothing is committed under $(leader)"
done
printf 'ok  the log was led by:%s\n' "$seen" # by whom is chance's
"$kiln" log dump --records "$work/data1/__cluster_metadata-0"/*.log | grep -c 'kraft_voters' >/dev/null || fail "the log does not say who votes"

"$kiln" log dump --records "$work/data2/__cluster_metadata-0"/*.log | grep -c 'register_controller_record' >/dev/null || fail "Kafka's controller did not register"
printf 'ok  Kafka'"'"'s controller has registered with its leader\n'

# ---- a disk is lost: its node observes
kill -9 "${pids[1]}"
wait "${pids[1]}" 2>/dev/null
rm -rf "$work/data1"
start 1
observes() { "$kiln" quorum describe --bootstrap-server "127.0.0.1:${ports[3]}" 2>/dev/null | grep -qE '^observer 1, directory'; }
until_so "a controller with an empty disk observes" observes
same "and the voter of that number is another one" "${directories[0]}" "$("$kiln" quorum describe --status --bootstrap-server "127.0.0.1:${ports[3]}" |
    sed -n 's/^voter 1 .*directory //p')"
kill -9 "${pids[9]}" "${pids[3]}" # a broker of Kafka's would wait for its controllers
for node in 8 1 2; do
    kill "${pids[$node]}"
    wait "${pids[$node]}" || fail "node $node of kiln did not stop well"
done
for node in 1 2; do
    "$kiln" log check "$work/data$node" >"$work/check" 2>&1 || { cat "$work/check"; die "what controller $node left is not whole"; }
done
