#!/usr/bin/env bash
# kafka_partitions.sh - partitions that Apache Kafka left: kiln log check finds nothing wrong with them, kiln opens those that
# are not compacted, and messages of an older format are told to be such.
source "$(dirname "$0")/common.sh"
need python3
vectors=$(cd "$(dirname "$0")/../vectors/kafka-partitions" && pwd)

for partition in "$vectors"/*-0; do
    "$kiln" log check "$partition" >"$work/out" 2>&1 || die "kiln log check $partition: $(cat "$work/out")"
    grep -E "^(note|damage|skipped):" "$work/out" && die "a healthy partition has findings: $partition"
done
printf 'ok  nothing is found in %s healthy partitions\n' "$(ls -d "$vectors"/*-0 | wc -l)"

# ---- messages of formats 0 and 1, alone and before batches of today's ----

mkdir "$work/old-0"
python3 - "$work/old-0" "$vectors/codec-none-0" <<'PYTHON'
import struct, sys, zlib
def message(offset, magic, value):
    body = struct.pack('>bb', magic, 0) + (struct.pack('>q', 1000 + offset) if magic == 1 else b'')
    body += struct.pack('>i', -1) + struct.pack('>i', len(value)) + value
    return struct.pack('>qiI', offset, len(body) + 4, zlib.crc32(body)) + body
for magic, base in ((0, 0), (1, 10)):
    with open('%s/%020d.log' % (sys.argv[1], base), 'wb') as f:
        f.write(b''.join(message(base + i, magic, b'old %d' % i) for i in range(10)))
PYTHON
"$kiln" log check "$work/old-0" >"$work/out" 2>&1
[[ $? -eq 2 ]] || die "old messages: not exit 2: $(cat "$work/out")"
[[ $(grep -c "an older message format, not read" "$work/out") -eq 2 ]] || die "old messages are not told: $(cat "$work/out")"
grep -q "^damage:" "$work/out" && die "old messages are called damage: $(cat "$work/out")"
"$kiln" log dump "$work/old-0" >"$work/out" 2>&1
[[ $? -eq 2 ]] || die "a dump of old messages: not exit 2"
printf 'ok  messages of formats 0 and 1 are told, and are no damage\n'
# One bit of one of them: the checksum says that it is none.
printf '\xff' | dd of="$work/old-0/00000000000000000000.log" bs=1 seek=60 conv=notrunc status=none
"$kiln" log check "$work/old-0" >"$work/out" 2>&1
[[ $? -eq 1 ]] || die "a damaged old message is not found: $(cat "$work/out")"
printf 'ok  a damaged one is damage\n'

# ---- served ----

need kcat
start_broker
for topic in txn retained empty codec-none codec-gzip codec-snappy codec-lz4 codec-zstd; do
    "$kiln" topic create --bootstrap-server "$at" "$topic" >/dev/null || die "cannot create $topic"
done
stop_broker
for topic in txn retained empty codec-none codec-gzip codec-snappy codec-lz4 codec-zstd; do
    mv "$data/$topic-0/partition.metadata" "$work/"
    rm "$data/$topic-0"/*
    cp "$vectors/$topic-0"/* "$data/$topic-0/"
    cp "$work/partition.metadata" "$data/$topic-0/"
done
rm -f "$data"/*checkpoint*
start_broker
grep -q "offline" "$work/broker.log" && die "a partition of Kafka's is offline: $(cat "$work/broker.log")"
for codec in none gzip snappy lz4 zstd; do
    same "records under $codec" 300 "$(consume codec-$codec -p 0 -f '%k=%s\n' | grep -c '^k.=value')"
done
same "a partition that retention emptied" 0 "$(consume retained -p 0 | wc -l)"
same "an empty one" 0 "$(consume empty -p 0 | wc -l)"
[[ $(consume txn -p 0 | wc -l) -gt 0 ]] || die "nothing is read of the transactions"
for _ in 1 2 3; do echo more; done | produce txn -p 0 -X acks=all
printf 'ok  partitions of Kafka are served, and taken records\n'
stop_broker
