#!/usr/bin/env bash
# clients.sh KILN CLIENT - one foreign client against the broker: what it does and answers must be what clients/plan.py says;
# then kcat must read the same records, and kiln log check must find nothing.
source "$(dirname "$0")/common.sh"
source "$(dirname "$0")/fetch.sh"
need kcat
need python3
client=$2
program=()
plan=$client
case $client in
confluent | confluent-2.3)
    plan=confluent
    version=2.16.1
    [[ $client == confluent-2.3 ]] && version=2.3.0
    fetch_python "confluent-$version" "confluent-kafka==$version"
    program=(python3 "$here/clients/confluent.py")
    ;;
kafka-python)
    fetch_kafka_python
    program=(python3 "$here/clients/kafkapython.py")
    ;;
sarama | franz)
    fetch_go "$client"
    program=("$place/$client")
    ;;
kafkajs)
    fetch_node
    program=(node "$here/clients/kafkajs.js")
    ;;
java)
    fetch_java
    program=("${java[@]}" "$here/clients/Client.java")
    ;;
*) die "no such client: $client" ;;
esac

plan() {
    python3 "$here/clients/plan.py" "$@" || die "plan.py $*"
}

start_broker --auto.create.topics.enable false
for codec in none gzip snappy lz4 zstd; do
    "$kiln" topic create "values-$codec" --bootstrap-server "$at" >/dev/null || die "values-$codec was not made"
    seq 500 | produce "values-$codec" -p 0 -z "$codec" -X acks=all
done

base=$((($(date +%s) - 3600) * 1000))
plan steps "$plan" "$base" >"$work/steps"
timeout -k 5 90 "${program[@]}" "$at" "$base" <"$work/steps" >"$work/transcript" 2>"$work/err" || {
    cat "$work/err" >&2
    tail -3 "$work/transcript" | cut -c1-200 >&2
    die "$client ended with an error"
}
python3 "$here/clients/plan.py" compare "$plan" "$base" <"$work/transcript" || die "$client: see above"

# kcat judges what the client wrote.
sed -n 's/^produce \([^ ]*\) .* \([0-9]*\)$/\1 \2/p' "$work/steps" | while read -r topic first; do
    same "what $client wrote to $topic from $first on, kcat reads" "$(plan rows "$first" 300 "$base")" \
        "$(consume "$topic" -p 0 -o "$first" -c 300 -f '%o %T %K:%k %S:%s %h\n')"
done || exit 1
stop_broker
"$kiln" log check "$data" >"$work/out" 2>&1 || die "kiln log check: $(cat "$work/out")"
printf 'ok  kiln log check\n'
