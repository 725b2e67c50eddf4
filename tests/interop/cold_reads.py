"""cold_reads.py fill PORT | look PORT PID LIMIT - what a broker holds for readers that ask for cold records and do not read.
LIMIT: its queued.max.request.bytes."""
import socket
import struct
import sys
import time

import kafka_wire

TOPIC, PARTITIONS, BATCHES, BATCH_BYTES = "cold", 40, 10, 100000
CONNECTIONS, REQUESTS_EACH = 8, 4
FETCH_BYTES_MAX, PARTITION_BYTES_MAX = 50 << 20, 1 << 20
SLACK_KB = 64 * 1024  # two answers that are being made, and what the heap keeps
LOOK_SECONDS = 5  # a broker that holds what it read takes less for twice the bound


def framed(key, version, body):
    frame = kafka_wire.encode_request(key, version, body)
    return struct.pack(">i", len(frame)) + frame


def rss_kb(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def fill(port):
    topic = {"name": TOPIC, "num_partitions": PARTITIONS, "replication_factor": 1}
    answer = kafka_wire.ask(port, 19, 4, {"topics": [topic], "timeout_ms": 60000}, 60)
    if answer["topics"][0]["error_code"] != 0:
        raise SystemExit(f"cannot make the topic: {answer}")
    now = int(time.time() * 1000)
    batch = kafka_wire.batch([now], values=[b"x" * BATCH_BYTES])
    parts = [{"index": i, "records": batch} for i in range(PARTITIONS)]
    for _ in range(BATCHES):
        answer = kafka_wire.ask(port, 0, 7, {"acks": -1, "timeout_ms": 60000, "topic_data": [
            {"name": TOPIC, "partition_data": parts}]}, 60)
        codes = {p["error_code"] for p in answer["responses"][0]["partition_responses"]}
        if codes != {0}:
            raise SystemExit(f"cannot fill the topic: {codes}")


def look(port, pid, limit):
    """The greatest growth."""
    parts = [{"partition": i, "fetch_offset": 0, "partition_max_bytes": PARTITION_BYTES_MAX} for i in range(PARTITIONS)]
    fetch = framed(1, 11, {"max_wait_ms": 0, "min_bytes": 1, "max_bytes": FETCH_BYTES_MAX, "topics": [
        {"topic": TOPIC, "partitions": parts}]})
    kafka_wire.ask(port, 18, 0, {})
    before, right_kb = rss_kb(pid), limit // 1024 + SLACK_KB
    crowd = []
    for _ in range(CONNECTIONS):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", port))
        s.sendall(fetch * REQUESTS_EACH)
        crowd.append(s)
    most, until = 0, time.monotonic() + LOOK_SECONDS
    while most <= right_kb and time.monotonic() < until:
        most = max(most, rss_kb(pid) - before)
        time.sleep(0.05)
    for s in crowd:
        s.close()
    seen = f"{CONNECTIONS} readers that do not read: grown by {most} kB, where {right_kb} is allowed"
    if most > right_kb:
        raise SystemExit(f"too much: {seen}")
    print(seen)


def main():
    verb, numbers = sys.argv[1], [int(word) for word in sys.argv[2:]]
    if verb == "fill":
        fill(*numbers)
    else:
        look(*numbers)


main()
