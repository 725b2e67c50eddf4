#!/usr/bin/env python3
"""plan.py - what every foreign client is asked to do, and what it must answer: one plan for all of them.

plan.py steps NAME BASE     the steps for the client NAME, one a line, words between blanks
plan.py compare NAME BASE   compares the transcript on stdin, "== STEP" and its answer, with what it must be
plan.py rows FIRST COUNT BASE  the rows of the shared records as kcat prints them with FORMAT
BASE is the time of record 0 in ms. Must never know how a client does it.

A client program reads steps from its stdin and answers on stdout:
  topics                          the names, sorted, one a line
  create TOPIC PARTITIONS REPLICAS [KEY=VALUE]   "ok"
  produce TOPIC CODEC ACKS FIRST  the shared records FIRST to FIRST + 299, in partition 0, ACKS 0, 1, all or idempotent:
                                  "ok", and with an acknowledgement the first and the last offset
  huge TOPIC                      one record of 1,500,000 bytes, acks all
  consume TOPIC OFFSET COUNT      so many rows from that offset, by assignment
  values TOPIC COUNT              so many values from the start
  offset TOPIC TIME               the first offset of that time or later; -1: none; TIME "start", "end" or "greatest"
An error of the broker is "error CODE", and its sentence where the client shows one. The shared record i is written down in
record() here, and in each client's own language.
"""
import sys

COUNT = 300
FAR = 150                # the record whose time is later than all the others'
FORMAT = "%o %T %K:%k %S:%s %h\\n"

# The codecs of each client, and what it lacks: words = it shows the broker's sentence, greatest = it can look up the
# greatest time, huge = its own limit can be raised over the broker's, range = it says that an offset is out of range.
CLIENTS = {
    "confluent": dict(codecs="none gzip snappy lz4 zstd", words=True, greatest=True, huge=True, range=False),
    "kafka-python": dict(codecs="none gzip snappy lz4 zstd", words=True, greatest=True, huge=True, range=True),
    "sarama": dict(codecs="none gzip snappy lz4 zstd", words=True, greatest=False, huge=True, range=True),
    "franz": dict(codecs="none gzip snappy lz4 zstd", words=True, greatest=True, huge=True, range=True),
    "kafkajs": dict(codecs="none gzip snappy lz4", words=False, greatest=False, huge=True, range=True, none=str(COUNT)),
    "java": dict(codecs="none gzip snappy lz4 zstd", words=True, greatest=True, huge=True, range=True),
}


def record(i, base):
    """(time, key, value, headers) of the shared record i; key and value may be None."""
    time = base + (1000 * 1000 if i == FAR else i * 1000)
    key = None if i % 5 == 0 else "k%d" % (i % 17)
    value = None if i % 7 == 3 and key else "" if i % 7 == 4 else ("value-%d-" % i) * (1 + i % 50)
    return time, key, value, [("n", str(i)), ("none", "")] if i % 3 == 0 else []


def row(offset, i, base):
    time, key, value, headers = record(i, base)

    def sized(text):
        return "-1:" if text is None else "%d:%s" % (len(text), text)

    return "%d %d %s %s %s" % (offset, time, sized(key), sized(value), ",".join("%s=%s" % h for h in headers))


def rows(first, count, base):
    return [row(first + i, first + i, base) for i in range(count)]


def plan(client, base):
    """Yields (step, the lines of its answer)."""
    codecs = client["codecs"].split()

    def error(code, sentence):
        return ["error %d %s" % (code, sentence) if client["words"] else "error %d" % code]

    yield "topics", ["values-" + c for c in sorted(["none", "gzip", "snappy", "lz4", "zstd"])]
    yield "create made 2 1 retention.ms=86400000", ["ok"]
    yield "create made 2 1", error(36, "Topic 'made' already exists.")
    yield "create far 1 3", error(38, "*")
    yield "create odd 1 1 retention.ms=soon", error(40, "*")
    yield "create not:good 1 1", error(17, "*")
    for codec in codecs:
        topic = "all-" + codec
        yield "create %s 1 1" % topic, ["ok"]
        yield "produce %s %s all 0" % (topic, codec), ["ok 0 %d" % (COUNT - 1)]
        yield "consume %s 0 %d" % (topic, COUNT), rows(0, COUNT, base)
        yield "offset %s %d" % (topic, base + 100500), ["101"]
        yield "offset %s %d" % (topic, base + 500000), [str(FAR)]
        yield "offset %s %d" % (topic, base + 2000000), [client.get("none", "-1")]
        if client["greatest"]:
            yield "offset %s greatest" % topic, [str(FAR)]
        yield "values values-%s 500" % codec, [str(i) for i in range(1, 501)]
    for acks in "0", "1", "idempotent":
        yield "create acks-%s 1 1" % acks, ["ok"]
        for first in 0, COUNT:
            yield ("produce acks-%s %s %s %d" % (acks, codecs[-1], acks, first),
                   ["ok"] if acks == "0" else ["ok %d %d" % (first, first + COUNT - 1)])
        yield "consume acks-%s 200 300" % acks, rows(200, COUNT, base)
    yield "create stored 1 1 compression.type=lz4", ["ok"]
    yield "produce stored gzip all 0", ["ok 0 %d" % (COUNT - 1)]
    yield "consume stored 0 %d" % COUNT, rows(0, COUNT, base)
    yield "offset stored %d" % (base + 100500), ["101"]
    yield "offset acks-idempotent start", ["0"]
    yield "offset acks-idempotent end", [str(2 * COUNT)]
    if client["huge"]:
        yield "huge made", ["error 10"]
    if client["range"]:
        yield "consume made 1000 1", ["error 1"]
    yield "topics", sorted(["made", "stored", "acks-0", "acks-1", "acks-idempotent"] + ["all-" + c for c in codecs] +
                           ["values-" + c for c in ["none", "gzip", "snappy", "lz4", "zstd"]])


def matches(wanted, got):
    """Whether a line is what was wanted; a "*" at the end of the wanted line is any sentence, but one there must be."""
    if wanted.endswith("*"):
        return got.startswith(wanted[:-1]) and len(got) >= len(wanted)
    return wanted == got


def transcript(lines):
    """The lines of a client as [(step, answer)]."""
    found = []
    for line in lines:
        if line.startswith("== "):
            found.append((line[3:], []))
        elif found:
            found[-1][1].append(line)
    return found


def difference(wanted, got):
    """The first line of an answer that is not what was wanted, as text; None when all are."""
    for i in range(max(len(wanted), len(got))):
        want, line = (wanted + ["(no more)"] * len(got))[i], (got + ["(no more)"] * len(wanted))[i]
        if not matches(want, line):
            return "line %d: wanted %.150s\n          got    %.150s" % (i + 1, want, line)
    return None


def compare(client, base):
    """Compares the transcript on stdin with the plan; tells every step that differs."""
    got, bad, count = transcript(line.rstrip("\n") for line in sys.stdin), 0, 0
    for i, (step, answer) in enumerate(plan(client, base)):
        asked, told = got[i] if i < len(got) else ("nothing", [])
        wrong = "the client ended" if asked != step else difference(answer, told)
        if wrong is not None:
            print("FAILED: %s\n  %s" % (step, wrong), file=sys.stderr)
            bad += 1
        if asked != step:
            break
        count += 1
    if bad == 0:
        print("ok  %d steps" % count)
    return 1 if bad else 0


def main():
    verb = sys.argv[1]
    if verb == "rows":
        print("\n".join(rows(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
        return 0
    client, base = CLIENTS[sys.argv[2]], int(sys.argv[3])
    if verb == "compare":
        return compare(client, base)
    for step, _ in plan(client, base):
        print(step)
    return 0


if __name__ == "__main__":
    sys.exit(main())
