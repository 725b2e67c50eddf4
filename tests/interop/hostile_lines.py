"""hostile_lines.py PORT - requests that wait for one another, of connections that end at any moment: fetches of one session, produces
of many partitions, whatever else asks for a thing of which there is one."""
import random
import socket
import struct
import sys
import time

import kafka_wire

PORT = int(sys.argv[1])
TOPIC, PARTITIONS = "lines", 300
ROUNDS = 12
WAIT_MS = 60000


def frame_of(key, version, body):
    frame = kafka_wire.encode_request(key, version, body)
    return struct.pack(">i", len(frame)) + frame


def fetch(session, epoch, partitions=(), wait_ms=WAIT_MS):
    rows = [{"partition": i, "fetch_offset": 0, "partition_max_bytes": 1 << 20, "current_leader_epoch": -1} for i in partitions]
    body = {"max_wait_ms": wait_ms, "min_bytes": 1, "max_bytes": 1 << 20, "session_id": session, "session_epoch": epoch,
            "replica_id": -1, "topics": [{"topic": TOPIC, "partitions": rows}] if rows else []}
    return frame_of(1, 11, body)


def produce(partitions, acks):
    records = kafka_wire.batch([int(time.time() * 1000)])
    rows = [{"index": i, "records": records} for i in partitions]
    return frame_of(0, 7, {"acks": acks, "timeout_ms": 1000, "topic_data": [{"name": TOPIC, "partition_data": rows}]})


def make(name):
    topic = {"name": name, "num_partitions": 1, "replication_factor": 1}
    return frame_of(19, 4, {"topics": [topic], "timeout_ms": 1000})


def begin_session():
    """Of partitions that stay empty; by a connection that is gone afterwards."""
    rows = [{"partition": i, "fetch_offset": 0, "partition_max_bytes": 1, "current_leader_epoch": -1} for i in range(3)]
    body = {"max_wait_ms": 0, "min_bytes": 1, "max_bytes": 1, "session_id": 0, "session_epoch": 0, "replica_id": -1,
            "topics": [{"topic": TOPIC, "partitions": rows}]}
    session = kafka_wire.ask(PORT, 1, 11, body)["session_id"]
    if session <= 0:
        raise SystemExit("no session was begun")
    return session


def lines():
    """Frames of one connection, each line a way to wait."""
    many = range(3, PARTITIONS)
    yield "fetches of a session", lambda s: [fetch(s, 1), fetch(s, 2), fetch(s, 3, (), 0), fetch(s, 4)]
    yield "fetches of a session out of turn", lambda s: [fetch(s, 1), fetch(s, 9), fetch(s, -2), fetch(s, 2, (), 0)]
    yield "fetches that end their session", lambda s: [fetch(s, 1), fetch(s, -1, (0,)), fetch(s, 2), fetch(s, 0, (1,))]
    yield "produces", lambda s: [produce(many, acks) for acks in (1, -1, 1, 0)]
    yield "all of them", lambda s: [fetch(s, 1), produce(many, -1), fetch(s, 5), make("made-%d" % s),
                                    frame_of(22, 1, {"transactional_id": None, "transaction_timeout_ms": 1000}), fetch(s, 2)]


def attack(frames, random_):
    """Sends them, or a beginning, hears a little or nothing, and is gone, with a word or without."""
    sent = b"".join(frames)
    if random_.random() < 0.3:
        sent = sent[:random_.randrange(1, len(sent))]
    s = socket.create_connection(("127.0.0.1", PORT), timeout=10)
    s.sendall(sent)
    time.sleep(random_.choice([0, 0, 0.001, 0.01, 0.05]))
    if random_.random() < 0.5:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def main():
    random_ = random.Random(1)
    topic = {"name": TOPIC, "num_partitions": PARTITIONS, "replication_factor": 1}
    if kafka_wire.ask(PORT, 19, 4, {"topics": [topic], "timeout_ms": 60000})["topics"][0]["error_code"] != 0:
        raise SystemExit("cannot make the topic")
    for name, frames in lines():
        for _ in range(ROUNDS):
            attack(frames(begin_session()), random_)
        begin_session()
        print("ok  %d lines of %s" % (ROUNDS, name))


main()
