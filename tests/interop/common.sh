# common.sh - what the interop scripts share: a broker of their own on a free port, and its end.
# Each script is called as SCRIPT KILN, needs bash and kcat, and skips aloud (77) without them.
set -uo pipefail
kiln=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-interop.XXXXXX")
data=$work/data
broker=
port=

cleanup() {
    [[ -n $broker ]] && kill -9 "$broker" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

die() {
    printf 'FAILED: %s\n' "$*" >&2
    [[ -f $work/broker.log ]] && sed 's/^/broker: /' "$work/broker.log" >&2
    exit 1
}

need() {
    command -v "$1" >/dev/null && return
    printf 'SKIPPED: %s is missing; install it with: apt-get install %s\n' "$1" "${2:-$1}"
    exit 77
}

[[ -x $kiln ]] || { printf 'SKIPPED: %s was not built\n' "$kiln"; exit 77; }

# start_broker [KEY VALUE...]: waits until it is ready; a port that was had before is taken again.
start_broker() {
    : >>"$work/broker.log"
    "$kiln" broker --data "$data" --listen "127.0.0.1:${port:-0}" "$@" 2>>"$work/broker.log" &
    broker=$!
    local i
    for i in $(seq 400); do
        kill -0 "$broker" 2>/dev/null || { wait "$broker"; die "the broker ended ($?) before it was ready"; }
        grep -q "ready on" "$work/broker.log" && break
        sleep 0.025
    done
    port=$(sed -n 's/.*ready on [^ ]*:\([0-9]*\),.*/\1/p' "$work/broker.log" | tail -1)
    [[ -n $port ]] || die "the broker is not ready after 10 s"
    at=127.0.0.1:$port
}

stop_broker() {
    kill "$broker"
    wait "$broker"
    local status=$?
    broker=
    mv "$work/broker.log" "$work/broker.log.$RANDOM"
    [[ $status -eq 0 ]] || die "the broker ended with $status"
}

kill_broker() {
    kill -9 "$broker"
    wait "$broker" 2>/dev/null
    broker=
    mv "$work/broker.log" "$work/broker.log.killed"
}

# produce TOPIC [kcat options]: records from stdin.
produce() {
    local topic=$1
    shift
    timeout 60 kcat -b "$at" -t "$topic" -P "$@" || die "kcat cannot produce to $topic ($*)"
}

# consume TOPIC [kcat options]: up to the end of the partition.
consume() {
    local topic=$1
    shift
    timeout 60 kcat -b "$at" -t "$topic" -C -q -e "$@" || die "kcat cannot consume $topic ($*)"
}

# same WHAT EXPECTED ACTUAL
same() {
    [[ $2 == "$3" ]] || die "$1: expected
$2
and got
$3"
    printf 'ok  %s\n' "$1"
}

# free_ports COUNT: below those that the machine gives to who connects somewhere, so that none is taken meanwhile.
free_ports() {
    python3 -c '
import random, socket, sys
count, lines = int(sys.argv[1]), []
while len(lines) < count:
    try:
        lines.append(socket.create_server(("127.0.0.1", random.randrange(10000, 32768))))
    except OSError:
        pass
print(*(line.getsockname()[1] for line in lines))' "$1"
}

# until_so WHAT COMMAND...: it succeeds within so many seconds, patience, or the script's fail says what did not come.
until_so() {
    local what=$1 i
    shift
    for i in $(seq $((patience * 10))); do
        "$@" && return
        sleep 0.1
    done
    fail "not within $patience s: $what"
}
