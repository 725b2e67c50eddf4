#!/usr/bin/env bash
# log_tool.sh - kiln log dump and check over the files that a real broker wrote, sound and damaged: what they say, where it
# goes, and the exit code.
source "$(dirname "$0")/common.sh"
need kcat
need python3

# check EXIT WHAT PATH...: the findings are in $work/out, sentences for a person in $work/err.
check() {
    local expected=$1 what=$2
    shift 2
    "$kiln" log check "$@" >"$work/out" 2>"$work/err"
    local status=$?
    [[ $status -eq $expected ]] || die "$what: exit $status, not $expected
$(cat "$work/out" "$work/err")"
    printf 'ok  %s\n' "$what"
}

# says TEXT...: the last check printed each of them.
says() {
    local text
    for text in "$@"; do
        grep -qF -- "$text" "$work/out" "$work/err" || die "nothing says \"$text\":
$(cat "$work/out" "$work/err")"
    done
}

# copy: a fresh one of the sound directory, in $bad; $segment is the first of its partition.
copy() {
    bad=$work/bad
    rm -rf "$bad"
    cp -r "$data" "$bad"
    segment=$bad/orders-0/00000000000000000000
}

# flip FILE POSITION: one bit of that byte.
flip() {
    python3 - "$1" "$2" <<'EOF'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    byte = f.read(1)[0]
    f.seek(-1, 1)
    f.write(bytes([byte ^ 1]))
EOF
}

start_broker --num.partitions 1 --log.segment.bytes 20000 --log.index.interval.bytes 500
for _ in 1 2 3 4 5 6; do
    seq 500 | produce orders -p 0 -X enable.idempotence=true -X acks=all -X batch.size=2000
done
"$kiln" log check "$data" >"$work/out" 2>"$work/err" || die "a directory in use: $(cat "$work/out" "$work/err")"
says "a broker is using $data"
printf 'ok  a directory in use is checked with a warning\n'
stop_broker

# ---- sound files ----

sums=$(find "$data" -type f -exec md5sum {} + | sort)
check 0 "sound files" "$data"
says 'path="'"$data"'/orders-0" segments=2 first_offset=0 end_offset=3000' "records=3000" "0 damaged places"
check 0 "a partition alone" "$data/orders-0"
says " files of 1 partition: 0 damaged places"
copy
check 0 "a segment alone" "$segment.log"
"$kiln" log dump "$data" >"$work/dump" 2>"$work/err" || die "dump: $(cat "$work/err")"
[[ ! -s $work/err ]] || die "dump complains: $(cat "$work/err")"
same "every batch is dumped" 3000 \
    "$(awk '/^file/ {on = /orders-0\/[0-9]*\.log"/} on && /^batch/ {sub(/records=/, "", $6); n += $6} END {print n}' "$work/dump")"
same "records are dumped when asked for" 3000 \
    "$("$kiln" log dump --records "$data"/orders-0/*.log | grep -c '^record ')"
"$kiln" log dump --json --records "$data" >"$work/json" 2>"$work/err" || die "dump --json: $(cat "$work/err")"
"$kiln" log check --json "$data" >>"$work/json" 2>"$work/err" || die "check --json: $(cat "$work/err")"
python3 - "$work/json" <<'EOF' || die "dump --json is not what it should be"
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
assert all("row" in row for row in rows)
orders = [r for r in rows if "/orders-0/" in r.get("file", "")]
assert sum(r["records"] for r in orders if r["row"] == "batch") == 3000
assert [r["offset"] for r in orders if r["row"] == "record"] == list(range(3000))
assert all(r["crc_ok"] is True for r in rows if r["row"] == "batch")
assert [r["end_offset"] for r in rows if r["row"] == "checked" and "orders-0" in r["path"]] == [3000]
EOF
printf 'ok  each line of --json is an object, and they tell the same\n'
same "nothing was written" "$sums" "$(find "$data" -type f -exec md5sum {} + | sort)"

# ---- damage ----

copy
flip "$segment.log" 200
check 1 "a flipped bit" "$bad"
says "damage: $segment.log at byte " ": checksum " "1 damaged place," "make an empty file orders-0.start-empty where it stood"
"$kiln" log dump "$segment.log" >"$work/out"
same "dump of damaged records shows them and tells by its exit code" 1 $?
says "crc_ok=false"
check 1 "a flipped bit, seen in the segment alone" "$segment.log"
"$kiln" log check --json "$bad" >"$work/json" 2>/dev/null
while read -r line; do
    python3 -m json.tool >/dev/null <<<"$line" || die "check --json: no JSON: $line"
done <"$work/json"
grep -q '"severity":"damage"' "$work/json" || die "check --json does not tell of the damage: $(cat "$work/json")"
printf 'ok  findings are JSON when asked for\n'

copy
last=$(find "$bad/orders-0" -name '*.log' | sort | tail -1)
truncate -s -7 "$last"
check 1 "a tail that is cut off after a clean shutdown" "$bad"
says "$last"
rm "$bad/.kafka_cleanshutdown" "$bad"/recovery-point-offset-checkpoint* "$bad"/replication-offset-checkpoint*
rm "$bad"/orders-0/*3000.snapshot* "${last%.log}.index.crc"
truncate -s 0 "${last%.log}.index" "${last%.log}.timeindex"
check 0 "a torn tail where nothing was promised" "$bad"
says "of a write that did not end"

copy
flip "$segment.index" 7
check 1 "an index with a wrong position" "$bad"
says "$segment.index"

copy
flip "$segment.timeindex" 6
check 1 "a time index with a wrong time" "$bad"
says "$segment.timeindex"

copy
flip "$bad/recovery-point-offset-checkpoint" 3
check 1 "a checkpoint that is not what its checksum says" "$bad"
says "recovery-point-offset-checkpoint"

copy
flip "$bad"/orders-0/*3000.snapshot 20
check 1 "a producer snapshot with a wrong checksum" "$bad"
says "3000.snapshot"

copy
rm "$segment.log"
check 1 "a segment that is missing" "$bad"
says "orders-0"

# What it says is done as it stands there, and the partition goes on without its records.
copy
rm -r "$bad/orders-0"
check 1 "a partition that is gone" "$bad"
says "orders-0 is not there" "make an empty file orders-0.start-empty where it stood,"
: >"$bad/orders-0.start-empty"
whole=$data data=$bad
start_broker
seq 5 | produce orders -p 0
same "who gives records up goes on without them" "$(seq 5)" "$(consume orders -p 0)"
stop_broker
data=$whole
check 0 "a partition that started empty" "$bad"

# ---- what cannot be looked at ----

check 64 "a path that is not there" "$work/nowhere"
says "cannot find $work/nowhere"
printf 'hello\n' >"$work/notes.txt"
check 64 "a file that is nobody's" "$work/notes.txt"
says "neither kiln nor Kafka names a file so"
check 64 "no path at all"
says "usage: kiln log dump|check"
"$kiln" log frobnicate "$data" >"$work/out" 2>"$work/err"
same "an unknown word is a usage error" 64 $?
"$kiln" log dump "$data" >/dev/full 2>"$work/err"
same "a full disk under stdout is told" 2 $?
says "cannot write to stdout"
