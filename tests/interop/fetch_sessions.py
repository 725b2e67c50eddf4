"""fetch_sessions.py PORT PID - what a fetch of 1,000 partitions costs the broker when one of them has records: with a session
(KIP-227) it looks at that one alone."""
import os
import socket
import struct
import sys
import time

import kafka_wire

TOPIC, PARTITIONS, ROUNDS = "many", 1000, 400
RATIO_MIN = 5  # a fetch without a session looks at all of them; about 10 were seen


def cpu_ns(pid):
    """Of all threads: what they ran, kernel included."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as stat:
            total += int(stat.read().split()[0])
    return total


class Line:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))

    def ask(self, key, version, body):
        frame = kafka_wire.encode_request(key, version, body)
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        answer, size = b"", None
        while size is None or len(answer) < size + 4:
            piece = self.socket.recv(1 << 20)
            if not piece:
                raise SystemExit("the broker closed the connection")
            answer += piece
            if len(answer) >= 4:
                size = struct.unpack(">i", answer[:4])[0]
        return kafka_wire.decode_answer(key, version, answer[4:])


def fetch(session_id, epoch, offsets):
    parts = [{"partition": i, "fetch_offset": at, "partition_max_bytes": 1 << 20, "current_leader_epoch": -1}
             for i, at in offsets]
    return {"max_wait_ms": 0, "min_bytes": 1, "max_bytes": 1 << 20, "session_id": session_id, "session_epoch": epoch,
            "replica_id": -1, "topics": [{"topic": TOPIC, "partitions": parts}] if parts else []}


def main():
    port, pid = int(sys.argv[1]), int(sys.argv[2])
    line = Line(port)
    topic = {"name": TOPIC, "num_partitions": PARTITIONS, "replication_factor": 1}
    if line.ask(19, 4, {"topics": [topic], "timeout_ms": 60000})["topics"][0]["error_code"] != 0:
        raise SystemExit("cannot make the topic")
    batch = kafka_wire.batch([int(time.time() * 1000)], values=[b"x" * 100])
    records = [{"name": TOPIC, "partition_data": [{"index": 7, "records": batch}]}]
    produced = line.ask(0, 7, {"acks": -1, "timeout_ms": 60000, "topic_data": records})
    if produced["responses"][0]["partition_responses"][0]["error_code"] != 0:
        raise SystemExit("cannot produce")
    everything = [(i, 0) for i in range(PARTITIONS)]
    answer = line.ask(1, 11, fetch(0, 0, everything))
    session, epoch = answer["session_id"], 1
    if session <= 0 or len(answer["responses"][0]["partitions"]) != PARTITIONS:
        raise SystemExit("no session was begun")
    costs = {}
    for name in ("session", "full"):
        before = cpu_ns(pid)
        for _ in range(ROUNDS):
            if name == "session":  # it names the one that has records, as who reads on would
                body, expected = fetch(session, epoch, [(7, 0)]), 1
                epoch += 1
            else:
                body, expected = fetch(0, -1, everything), PARTITIONS
            answer = line.ask(1, 11, body)
            count = sum(len(t["partitions"]) for t in answer["responses"])
            if answer["error_code"] != 0 or count != expected:
                raise SystemExit(f"{name}: code {answer['error_code']}, {count} partitions")
        costs[name] = (cpu_ns(pid) - before) / ROUNDS / 1000
    print(f"a fetch of {PARTITIONS} partitions, one with records: {costs['session']:.1f} us with a session, "
          f"{costs['full']:.1f} us without")
    if costs["session"] * RATIO_MIN > costs["full"]:
        raise SystemExit("a session saves less than it should")


if __name__ == "__main__":
    main()
