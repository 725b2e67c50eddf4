#!/usr/bin/env bash
# words.sh - what kiln answers to a word, an option, a host or a port that is not there.
set -uo pipefail
kiln=$(realpath "$1")

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# says STATUS PATTERN ARGUMENTS...: within 5 s kiln ends so, and what it says matches.
says() {
    local status=$1 pattern=$2 said
    shift 2
    said=$(timeout 5 "$kiln" "$@" 2>&1)
    local got=$?
    [[ $got -eq $status ]] || die "kiln $* ended with $got, not $status: $said"
    grep -qE -- "$pattern" <<<"$said" || die "kiln $* does not say \"$pattern\": $said"
    [[ $(grep -cE -- "$pattern" <<<"$said") -eq 1 ]] || die "kiln $* says it more than once: $said"
    printf 'ok  %s\n' "$*"
}

says 0 '^kiln [0-9]+\.[0-9]+\.[0-9]+$' --version
says 0 '^build [0-9a-f]{16}$' version
# A stripped program is the same build: it replays what the other one has left.
if command -v strip >/dev/null; then
    stripped=$(mktemp)
    strip -o "$stripped" "$kiln" || die 'strip'
    build=$("$kiln" version | grep '^build')
    got=$("$stripped" version | grep '^build')
    rm -f "$stripped"
    [[ $got == "$build" ]] || die "stripped, kiln says \"$got\", not \"$build\""
fi
says 64 'no verb "brker"; did you mean "broker"\?' brker
says 64 'no verb "xyz"$' xyz
says 0 '^usage: kiln bugs' help bugs
# What there is to go wrong, each with what it takes.
says 0 '^ *cut +every=200ms, for 2s' faults
says 0 'net/handles' faults
says 64 'no option --sed; did you mean --seed\?' run x.lua --sed 1
says 64 '--partition belongs to kiln topic trim; did you mean --partitions\?' topic create x --partition 1
says 64 'no kiln topic lst; did you mean list\?' topic lst
says 64 'which topic' topic delete
says 64 'alter what' topic alter x

says 64 'there is no kiln log chek; did you mean check\?' log chek x
says 64 '^kiln: check which file or directory\?' log check
says 64 '--config takes KEY=VALUE' topic create x --config =5
says 64 'trim up to where\? --before OFFSET' topic trim x
says 64 '--before takes an offset from 0 on, or end, not "soon"' topic trim x --before soon
says 64 '--before takes an offset from 0 on, or end, not "-5"' topic trim x --before -5
says 64 '--before belongs to kiln topic trim' topic list --before 5
says 64 'there is no kiln config sett; did you mean set\?' config sett
says 64 'there is no kiln config topik; did you mean topic\?' config describe topik orders
says 64 'which broker\?' config describe broker
says 64 'set takes KEY=VALUE, as retention.ms=60000, not "retention.ms"' config set topic x retention.ms
says 64 'unset takes keys alone, not "retention.ms=5"' config unset topic x retention.ms=5
says 64 'set what\? KEY=VALUE' config set cluster
says 64 'brokers have no key log.retention.mss; did you mean log.retention.ms\?' config set broker 1 log.retention.mss=5
says 64 '--dry-run belongs to set and unset' config list --dry-run
says 64 'list shows all that is set, and takes no name' config list orders
says 64 'there is no kiln cluster stats; did you mean status\?' cluster stats
says 64 'status is of the whole cluster' cluster status 1
says 64 'unregister which broker' cluster unregister
says 64 'unregister which broker' cluster unregister one
says 64 'elect takes one topic' cluster elect a b
says 64 'it takes the name of one topic' cluster elect --unclean
says 64 'belongs to kiln cluster elect' cluster status --unclean
says 64 'belong to kiln cluster status' cluster unregister 1 --watch
says 64 'did you mean unregister' cluster unregistr 1
says 64 'who votes\? one of --standalone' format
says 64 'who votes\? one of --standalone' format --standalone --no-initial-controllers
says 64 'controller.quorum.bootstrap.servers is missing' format --standalone
says 64 'of which cluster\? --cluster-id' format --no-initial-controllers
says 64 'there is no option --standalon; did you mean --standalone' format --standalon
says 64 'join takes no word "x"' cluster join x
says 64 'join stands before its options' cluster --json join
says 64 'join asks a broker' cluster join --bootstrap-controller a:1
says 64 'there is no kiln quorum descibe; did you mean describe\?' quorum descibe
says 64 'describe is of the whole quorum' quorum describe 1
says 64 'there is no kiln features upgrad; did you mean upgrade\?' features upgrad a=1
says 64 'upgrade which feature' features upgrade
says 64 'upgrade takes NAME=LEVEL, as metadata.version=25, not "metadata.version"' features upgrade metadata.version
says 64 'belongs to kiln features downgrade' features upgrade a=1 --unsafe
says 64 '--dry-run belongs to upgrade and downgrade' features describe --dry-run
says 64 'list shows all topics.*describe x' topic list x
for server in nohost :9092 host:99999 127.0.0.1 ''; do
    says 64 "--bootstrap-server takes HOST:PORT, .* not \"$server\"" topic list --bootstrap-server "$server"
done
says 64 'did you mean ack_without_sync\?' bugs ACK_WITHOUT_SYNC

# Where nothing is of ours, check must not tell anybody to move his files away, nor call it clean.
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-words.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/none" "$work/home/photos" "$work/data/orders-0/00000000000000000005.log"
touch "$work/home/diary"
for verb in check dump; do
    for dir in none home; do
        says 64 "$dir is no log directory, and no partition's" log "$verb" "$work/$dir"
    done
done
says 1 '00000000000000000005.log: it cannot be read: it is no file' log check "$work/data"

# A port of this machine that nobody listens on: one that was just given back.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
says 1 "nobody listens on 127.0.0.1:$port .connection refused." topic list --bootstrap-server "127.0.0.1:$port"
says 1 "nobody listens on 127.0.0.1:$port,127.0.0.1:1 " topic create a b --bootstrap-server "127.0.0.1:$port,127.0.0.1:1"
says 1 'no host no-such-host.invalid:9092' topic list --bootstrap-server no-such-host.invalid:9092
says 1 "no answer from 127.0.0.1:$port within 0.5 s" topic list --bootstrap-server "127.0.0.1:$port" --timeout 500ms
says 64 '"soon" is no time' topic list --timeout soon
says 1 "nobody listens on 127.0.0.1:$port .connection refused." config list --bootstrap-server "127.0.0.1:$port"
says 1 "nobody listens on 127.0.0.1:$port .connection refused." cluster status --bootstrap-server "127.0.0.1:$port"

# One that speaks something else.
exec {other}< <(exec python3 -c '
import socket, threading
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print(s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept()
    c.recv(1000); c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"); c.close()')
other_pid=$!
read -r -u "$other" port
says 1 "what answers on 127.0.0.1:$port does not speak Kafka" topic list --bootstrap-server "127.0.0.1:$port" --timeout 500ms
kill "$other_pid"

# One that takes connections and never says a word.
exec {mute}< <(exec python3 -c '
import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print(s.getsockname()[1], flush=True)
time.sleep(30)')
mute_pid=$!
trap 'kill "$mute_pid" 2>/dev/null; rm -rf "$work"' EXIT
read -r -u "$mute" port
says 1 "no answer from 127.0.0.1:$port within 0.5 s; is that" topic list --bootstrap-server "127.0.0.1:$port" --timeout 500ms

# The bytes of the program name its build in replay files: where it was built is no part of them.
source_dir=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
if grep -qa __asan_init "$kiln"; then
    printf 'skipped: sanitizers keep the paths of the sources\n'
else
    grep -qaF "$source_dir" "$kiln" && die "$kiln holds the path of its sources, $source_dir"
fi
printf 'ok  no path of the checkout in the program\n'
