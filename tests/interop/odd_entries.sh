#!/usr/bin/env bash
# odd_entries.sh - rights, links, directories and pipes where a partition's files should be: each is the trouble of that partition
# alone, told in a sentence that names it; the other one serves, and the broker starts and ends in good order.
source "$(dirname "$0")/common.sh"
need kcat
chmod 755 "$work"
if [[ $(id -u) -eq 0 ]]; then # to root nothing is forbidden
    need setpriv util-linux
    cp "$kiln" "$work/kiln.real"
    printf '#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups "%s" "$@"\n' "$work/kiln.real" >"$work/kiln"
    chmod 755 "$work/kiln" "$work/kiln.real"
    kiln=$work/kiln
fi
mkdir "$work/whole" "$work/now"
[[ $(id -u) -eq 0 ]] && chown 65534:65534 "$work/whole" "$work/now"
data=$work/whole/data
start_broker
for topic in bad good; do
    "$kiln" topic create $topic --partitions 1 --bootstrap-server "$at" >/dev/null || die "cannot create $topic"
    seq 100 | produce $topic -p 0 -X acks=all
done
stop_broker
data=$work/now/data
log=00000000000000000000.log
index=00000000000000000000.index
snapshot=00000000000000000100.snapshot

# odd SENTENCE COMMAND: the command is run where the files are. SENTENCE is a part of what stderr says of the partition, which is
# offline then; "reads SENTENCE": its records are read, and that is said, or nothing.
odd() {
    rm -rf "$work/now/data" "$work/now/beside"
    cp -a "$work/whole/data" "$work/now/data"
    (cd "$data/bad-0" && eval "$2") || die "the test cannot do: $2"
    start_broker
    same "$2: records of the other partition" 100 "$(consume good -p 0 | wc -l)"
    if [[ $1 == reads* ]]; then
        same "$2: records that are read" 100 "$(consume bad -p 0 | wc -l)"
        grep -q PARTITION_OFFLINE "$work/broker.log" && die "$2: the partition is offline"
    else
        grep "PARTITION_OFFLINE" "$work/broker.log" | grep -qF -- "$1" || die "$2: it does not say: $1"
    fi
    kill "$broker"
    wait "$broker"
    same "$2: exit code" 0 $?
    broker=
    local said=${1#reads}
    [[ -z $said ]] || grep -qF -- "${said# }" "$work/broker.log" || die "$2: it does not say: $said"
    rm -f "$work/broker.log"
    chmod -R u+rwX "$data"
}

# Rights.
odd "cannot list $data/bad-0: permission denied" 'chmod 000 .'
odd "cannot open $data/bad-0/$log: permission denied" "chmod 000 $log"
odd "cannot open $data/bad-0/$log: permission denied" "chmod 444 $log"
odd "cannot read $data/bad-0/partition.metadata: permission denied" 'chmod 000 partition.metadata'
odd "cannot read $data/bad-0/leader-epoch-checkpoint: permission denied" 'chmod 000 leader-epoch-checkpoint'
odd "cannot read $data/bad-0/$snapshot: permission denied" "chmod 000 $snapshot"
odd "reads cannot write $data/bad-0/$index: permission denied" "chmod 000 $index"
odd "reads" 'chmod 555 .'
# Links.
odd "reads" "cd .. && mv bad-0 ../beside && ln -s ../beside bad-0"
odd "$data/bad-0 is gone" "rm -rf ../bad-0 && ln -s nowhere ../bad-0"
odd "$data/bad-0 is gone" "rm -rf ../bad-0 && ln -s bad-0 ../bad-0"
odd "reads" "mv $log ../../beside && ln -s ../../beside $log"
odd "cannot open $data/bad-0/$log: no such file or directory: there is a link that leads nowhere" "ln -sf nowhere $log"
odd "cannot open $data/bad-0/$log: no such file or directory: there is a link that leads nowhere" "rm $log && ln -s $log $log"
# Directories and files in each other's place.
odd "cannot list $data/bad-0: not a directory" "rm -rf ../bad-0 && : >../bad-0"
odd "$data/bad-0 holds no segment any more" "rm $log && mkdir $log"
odd "reads" 'mkdir 00000000000000005000.log'
odd "cannot read $data/bad-0/partition.metadata: what stands there is no file" 'rm partition.metadata && mkdir partition.metadata'
odd "cannot read $data/bad-0/leader-epoch-checkpoint: what stands there is no file" 'rm leader-epoch-checkpoint && mkdir leader-epoch-checkpoint'
odd "reads cannot write $data/bad-0/$index: what stands there is no file" "rm $index && mkdir $index"
odd "reads cannot write $data/bad-0/$snapshot: what stands there is no file" "rm $snapshot && mkdir $snapshot"
# Pipes: who opens one waits for the other end.
odd "cannot open $data/bad-0/$log: " "rm $log && mkfifo $log" # the kernel may refuse it, or open it
odd "cannot read $data/bad-0/partition.metadata: what stands there is no file" 'rm partition.metadata && mkfifo partition.metadata'
odd "cannot read $data/bad-0/leader-epoch-checkpoint: what stands there is no file" 'rm leader-epoch-checkpoint && mkfifo leader-epoch-checkpoint'
odd "reads cannot write $data/bad-0/$index: " "rm $index && mkfifo $index"
odd "cannot list $data/bad-0: not a directory" "rm -rf ../bad-0 && mkfifo ../bad-0"
# Files longer than any of their kind: damage as any other.
odd "reads" "truncate -s 3G $index leader-epoch-checkpoint $snapshot"
odd "reads" 'truncate -s 3G ../recovery-point-offset-checkpoint ../log-start-offset-checkpoint'
odd "partition.metadata: line 1 is no" 'truncate -s 3G partition.metadata'
# What is nobody's, in the partition and beside it.
odd "reads" 'mkdir odd x.tmp x.tmp/y && mkfifo pipe && ln -s nowhere link && mkdir -m 000 lost+found'
odd "reads" 'cd .. && mkdir odd x.tmp x.tmp/y && mkfifo pipe-8 && : >file-7 && ln -s nowhere link-9 && ln -s loop-1 loop-1 && mkdir -m 000 lost+found other-3 gone-1.aa-delete'
