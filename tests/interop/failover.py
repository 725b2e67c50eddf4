#!/usr/bin/env python3
"""failover.py FLOW DEATHS READ - judges what a client was told (FLOW) against what is there (READ: PARTITION OFFSET VALUE), and
tells how long partition 0 was silent around each of DEATHS (ms since 1970, a line each)."""
import bisect
import statistics
import sys

PARTITIONS = 3
SHOWN = 5


def flow(path):
    """The acknowledgements as {n: (partition, offset, ms)}, what the client gave up, and how many records it sent."""
    acked, failed, count = {}, [], None
    for line in open(path):
        words = line.split()
        if words[0] == "ack":
            n, partition, offset, ms = map(int, words[1:])
            if n in acked:
                sys.exit("record %d is acknowledged twice" % n)
            acked[n] = (partition, offset, ms)
        elif words[0] == "failed":
            failed.append(line.strip())
        else:
            count = int(words[1])
    if count is None:
        sys.exit("the client did not come to its end")
    return acked, failed, count


def stored(path):
    logs = [{} for _ in range(PARTITIONS)]
    for line in open(path):
        partition, offset, n = map(int, line.split())
        logs[partition][offset] = n
    return logs


def problems(acked, failed, count, logs):
    """All that is wrong, as sentences. The client is idempotent: each log is the numbers of its partition, once and in order."""
    for line in failed:
        yield "the client gave up: " + line
    for n in sorted(set(range(count)) - set(acked))[:0 if failed else None]:
        yield "record %d is neither acknowledged nor given up" % n
    for n, (partition, offset, _) in sorted(acked.items()):
        found = logs[partition].get(offset)
        if partition != n % PARTITIONS or found != n:
            yield "record %d was acknowledged at %d of partition %d; %s is there" % (n, offset, partition, found)
    for partition, log in enumerate(logs):
        last = -1
        for offset, n in sorted(log.items()):
            if n <= last:
                yield "partition %d: at %d is record %d, after %d" % (partition, offset, n, last)
            last = max(last, n)


def silences(acked, deaths):
    """For each death the longest time without an acknowledgement of partition 0. One that outlasts a second death is the first's."""
    times = sorted(ms for partition, _, ms in acked.values() if partition == 0)
    longest = [0] * len(deaths)
    for a, b in zip(times, times[1:]):
        whose = bisect.bisect_left(deaths, a)
        if whose == len(deaths) or deaths[whose] > b:
            whose -= 1
        if whose >= 0:
            longest[whose] = max(longest[whose], b - a)
    return longest


def main():
    acked, failed, count = flow(sys.argv[1])
    deaths = [int(line) for line in open(sys.argv[2])]
    wrong = list(problems(acked, failed, count, stored(sys.argv[3])))
    for sentence in wrong[:SHOWN]:
        print(sentence, file=sys.stderr)
    silent = silences(acked, deaths)
    print("%d records, %d acknowledged; %d deaths of the leader; the longest silence after each: %s ms; median %d, longest %d"
          % (count, len(acked), len(deaths), " ".join(map(str, silent)), statistics.median(silent or [0]), max(silent, default=0)))
    if wrong:
        sys.exit("%d things are wrong" % len(wrong))
    if count == 0 or not deaths:
        sys.exit("nothing was tried: %d records, %d deaths" % (count, len(deaths)))


main()
