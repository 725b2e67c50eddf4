#!/usr/bin/env bash
# controllers.sh - three controllers over real sockets elect who leads the metadata; when that one is killed another does, who was
# killed follows, and strangers move nobody.
source "$(dirname "$0")/common.sh"
need python3
ask=$(dirname "$0")/controllers.py
declare -A pids
trap 'kill -9 "${pids[@]}" 2>/dev/null; cleanup' EXIT

ports=($(free_ports 3)) # by then nobody has them any more
all=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}
voters=1@127.0.0.1:${ports[0]},2@127.0.0.1:${ports[1]},3@127.0.0.1:${ports[2]}

start() {
    cat >"$work/$1.properties" <<END
process.roles=controller
node.id=$1
cluster.id=MkU3OEVBNTcwNTJENDM2Qg
listeners=CONTROLLER://127.0.0.1:${ports[$1 - 1]}
controller.quorum.voters=$voters
log.dirs=$work/data$1
END
    "$kiln" broker --config "$work/$1.properties" 2>>"$work/broker.log" &
    pids[$1]=$!
}

# leads NODE...: of these running ones, who leads, in which epoch.
leads() {
    local node at=()
    for node in "$@"; do at+=("${ports[$node - 1]}"); done
    read -r leader epoch end < <(timeout 60 python3 "$ask" leader "${at[@]}") || die "of controllers $* none leads"
    [[ -n $leader ]] || die "of controllers $* none leads"
}

for node in 1 2 3; do start $node; done
leads 1 2 3
timeout 60 python3 "$ask" listeners "${ports[@]}" || die "a listener of controllers is none"
controllers=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}
"$kiln" cluster status --bootstrap-controller "$controllers" >"$work/status" || die "kiln cluster status: $(cat "$work/status")"
same "kiln cluster status" "controller $leader at 127.0.0.1:${ports[$leader - 1]}
metadata led by $leader, leader epoch $epoch, high watermark $end, 3 voters, 0 observers" "$(
    grep -E "^controller $leader|^metadata" "$work/status")"
timeout 120 python3 "$ask" hostile "${ports[@]}" || die "strangers disturbed the controllers"
first=$leader
first_epoch=$epoch

for round in 1 2 3; do
    killed=$leader
    before=$epoch
    kill -9 "${pids[$killed]}"
    wait "${pids[$killed]}" 2>/dev/null
    others=()
    for node in 1 2 3; do [[ $node == "$killed" ]] || others+=($node); done
    leads "${others[@]}"
    [[ $leader != "$killed" ]] || die "controller $killed was killed and leads"
    # One of the addresses is dead, and perhaps the one that the others name as leader was.
    "$kiln" config set cluster "log.retention.ms=$((1000 + round))" --bootstrap-controller "$all" --timeout 30s >/dev/null ||
        die "no order is taken"
    same "what was ordered" "log.retention.ms = $((1000 + round)), from cluster" \
        "$("$kiln" config describe cluster log.retention.ms --bootstrap-controller "$all" --timeout 30s)"
    ((epoch > before)) || die "the epoch went from $before to $epoch"
    start "$killed"
    leads 1 2 3
done
same "who leads when the killed one is back" "$leader $epoch" "$(timeout 60 python3 "$ask" leader "${ports[@]}" | cut -d' ' -f1,2)"

# A leader that stops in good order hands over: the next epoch begins at once.
stopped=$leader
kill "${pids[$stopped]}"
wait "${pids[$stopped]}" || die "controller $stopped did not stop well"
others=()
for node in 1 2 3; do [[ $node == "$stopped" ]] || others+=($node); done
leads "${others[@]}"
[[ $leader != "$stopped" ]] || die "controller $stopped was stopped and leads"

for node in "${others[@]}"; do
    kill "${pids[$node]}"
    wait "${pids[$node]}" || die "controller $node did not stop well"
done
for node in 1 2 3; do
    "$kiln" log check "$work/data$node" >"$work/check" 2>&1 || { cat "$work/check"; die "what controller $node left is not whole"; }
done
printf 'leader %s in epoch %s at first, %s in %s at last, %s records\n' "$first" "$first_epoch" "$leader" "$epoch" "$end"
