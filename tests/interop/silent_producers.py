"""silent_producers.py PORT - two producers, of which one falls silent for longer than producer.id.expiration.ms (1.5 s)."""
import sys
import time

import kafka_wire
from fetch_sessions import Line

TOPIC, SPEAKS, SILENT = "quiet", 7, 8
OUT_OF_ORDER = 45
PATIENCE_S = 20


def produce(line, pid, sequence):
    batch = kafka_wire.batch([int(time.time() * 1000)], pid=pid, epoch=0, sequence=sequence)
    rows = [{"name": TOPIC, "partition_data": [{"index": 0, "records": batch}]}]
    answer = line.ask(0, 7, {"acks": -1, "timeout_ms": 10000, "topic_data": rows})
    return answer["responses"][0]["partition_responses"][0]["error_code"]


def must(good, what):
    if not good:
        raise SystemExit(what)
    print("ok  " + what)


def main():
    line = Line(int(sys.argv[1]))
    topic = {"name": TOPIC, "num_partitions": 1, "replication_factor": 1}
    must(line.ask(19, 4, {"topics": [topic], "timeout_ms": 10000})["topics"][0]["error_code"] == 0, "the topic is made")
    must(produce(line, SPEAKS, 0) == 0 and produce(line, SILENT, 0) == 0, "both begin")
    must(produce(line, SILENT, 5) == OUT_OF_ORDER, "a sequence that is missing is refused")
    # Sequences that cannot be are refused, and refused ones are no sign of life.
    began, said = time.monotonic(), 1
    while produce(line, SILENT, 5) == OUT_OF_ORDER:
        if time.monotonic() - began > PATIENCE_S:
            raise SystemExit("who was silent is not forgotten")
        if produce(line, SPEAKS, said) != 0:
            raise SystemExit("who speaks on was forgotten")
        said += 1
        time.sleep(0.1)
    silent_s = time.monotonic() - began
    must(silent_s > 1.4, "who was silent is forgotten, and not before his time (%.1f s)" % silent_s)
    must(produce(line, SPEAKS, said + 5) == OUT_OF_ORDER, "who spoke on is not")


main()
