#!/usr/bin/env bash
# unread_stderr.sh KILN - a broker whose stderr is a pipe that nobody reads goes on serving, and says later how many
# lines were lost.
set -euo pipefail
kiln=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-unread.XXXXXX")
broker=""
cleanup() {
    [[ -z $broker ]] || { kill -KILL "$broker" 2>/dev/null || true; wait "$broker" 2>/dev/null || true; }
    rm -rf "$work"
}
trap cleanup EXIT
mkfifo "$work/err"
exec 7<>"$work/err" # held open, and read only where this script says so
"$kiln" broker --data "$work/data" --listen 127.0.0.1:0 2>"$work/err" &
broker=$!
while read -r -t 20 -u 7 line; do
    [[ $line == *"ready on"* ]] && break
done
port=$(sed -n 's/.*ready on [^ ]*:\([0-9]*\),.*/\1/p' <<<"$line")
[[ -n $port ]] || { echo "the broker does not start: $line"; exit 1; }
# A line for each topic: more than a pipe holds.
name=$(printf 'x%.0s' {1..200})
for i in {1..8}; do
    timeout 60 "$kiln" topic create --bootstrap-server "127.0.0.1:$port" $(printf "$name-$i-%s " {1..50}) >/dev/null
done
count=$(timeout 20 "$kiln" topic list --bootstrap-server "127.0.0.1:$port" | wc -l)
[[ $count -eq 400 ]] || { echo "$count of 400 topics"; exit 1; }
while read -r -t 1 -u 7 line; do :; done
"$kiln" topic create --bootstrap-server "127.0.0.1:$port" last >/dev/null
read -r -t 20 -u 7 line
[[ $line =~ warning:\ [0-9]+\ lines\ before\ this\ one\ are\ lost ]] || { echo "not told what was lost: $line"; exit 1; }
kill -TERM "$broker"
wait "$broker"
broker=""
echo "ok"
