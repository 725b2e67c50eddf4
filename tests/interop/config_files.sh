#!/usr/bin/env bash
# config_files.sh - files that people have: Kafka's own, with a byte order mark, several listeners,
# keys of others, and what is no file at all.
source "$(dirname "$0")/common.sh"
need kcat

file=$work/server.properties

# refused PATTERN [FILE]: the broker does not start, and says so in one sentence.
refused() {
    local said
    said=$(timeout 20 "$kiln" broker --data "$data" --config "${2:-$file}" 2>&1 </dev/null)
    local got=$?
    [[ $got -eq 64 ]] || die "it ended with $got, not 64: $said"
    grep -qE -- "$1" <<<"$said" || die "not \"$1\" but: $said"
    printf 'ok  %s\n' "$(tail -1 <<<"$said")"
}

# start_with_file: as start_broker, with nothing but the file.
start_with_file() {
    : >"$work/broker.log"
    "$kiln" broker --config "$file" 2>>"$work/broker.log" &
    broker=$!
    local i
    for i in $(seq 400); do
        kill -0 "$broker" 2>/dev/null || { wait "$broker"; die "the broker ended ($?) before it was ready"; }
        grep -q "ready on" "$work/broker.log" && return
        sleep 0.025
    done
    die "the broker is not ready after 10 s"
}

warned() {
    grep -q "warning: .*$1.*CONFIG_IGNORED" "$work/broker.log" || die "no warning about $1"
    printf 'ok  a warning about %s\n' "$1"
}

port_of() {
    sed -n "s/.*kiln: $1 listens on [^ ]*:\([0-9]*\);.*/\1/p" "$work/broker.log"
}

# A byte order mark, True, blanks, and keys of plug-ins.
printf '\xef\xbb\xbfnum.partitions=3\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs= %s \nauto.create.topics.enable=True\nvendor.telemetry.enable=true\nlog.segmnt.bytes=1\nnum.io.threads=8\n' "$data" >"$file"
start_with_file
warned vendor.telemetry.enable
warned 'log.segmnt.bytes.*log.segment.bytes'
warned num.io.threads
port=$(sed -n 's/.*ready on [^ ]*:\([0-9]*\),.*/\1/p' "$work/broker.log")
echo one | kcat -b "127.0.0.1:$port" -t wide -P || die "cannot produce"
same "the first key counts, behind the mark" 3 "$(kcat -b "127.0.0.1:$port" -L -t wide | grep -c 'partition [0-9]')"
stop_broker

# Two listeners: who comes by one is sent back to that one.
cat >"$file" <<EOF
listeners=INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:0
advertised.listeners=INSIDE://localhost:0,OUTSIDE://queue.example:9094
listener.security.protocol.map=INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT
inter.broker.listener.name=INSIDE
log.dirs=$data
EOF
start_with_file
inside=$(port_of INSIDE)
outside=$(port_of OUTSIDE)
same "clients of one listener are told its address" "localhost:$inside" \
    "$(kcat -b "127.0.0.1:$inside" -L 2>/dev/null | sed -n 's/.* broker 1 at \([^ ]*\).*/\1/p')"
same "and those of the other the other's" "queue.example:9094" \
    "$(kcat -b "127.0.0.1:$outside" -L 2>/dev/null | sed -n 's/.* broker 1 at \([^ ]*\).*/\1/p')"
stop_broker

# Comments stand on lines of their own, in Kafka too.
printf 'num.partitions=3 # three\n' >"$file"
refused 'server.properties:1: num.partitions: "3 # three" is not a whole number.*comment'

# What would protect is not passed over.
for key in ssl.keystore.location=/k sasl.enabled.mechanisms=PLAIN super.users=User:a authorizer.class.name=A \
    security.inter.broker.protocol=SSL listener.name.x.ssl.key.password=p; do
    printf '%s\n' "$key" >"$file"
    refused "server.properties:1: ${key%%=*} asks for protection"
done
printf 'listeners=SASL_SSL://127.0.0.1:0\n' >"$file"
refused 'SASL_SSL.*not served yet'

# What is no file to read from.
refused "cannot read .*: No such file" "$work/none"
refused "is a directory" "$work"
refused "more than the 1048576 bytes" /dev/zero
mkfifo "$work/pipe"
yes num.partitions=1 >"$work/pipe" 2>/dev/null &
yes=$!
refused "more than the 1048576 bytes" "$work/pipe"
wait "$yes" 2>/dev/null
refused "cannot read .*nothing came out of it for 5 s" "$work/pipe"
