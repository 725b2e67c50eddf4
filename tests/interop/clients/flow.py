"""flow.py - numbered records at a steady rate, by a client written in Python: what failover.py judges is told on stdout."""
import sys
import threading
import time

PARTITIONS = 3
TICK_S = 0.01


class Flow:
    """Lines `ack N PARTITION OFFSET MS`, `failed N WHY` and at last `end COUNT`; record N goes to partition N % PARTITIONS."""

    def __init__(self):
        self.lock = threading.Lock()

    def say(self, *words):
        with self.lock:
            print(*words)

    def acked(self, n, partition, offset):
        self.say("ack", n, partition, offset, int(time.time() * 1000))

    def failed(self, n, why):
        self.say("failed", n, why)

    def run(self, send, seconds, rate):
        """send(n, partition, value) must not wait for an answer."""
        n, begin = 0, time.monotonic()
        now = begin
        while now < begin + seconds:
            for _ in range(int(rate * TICK_S)):
                send(n, n % PARTITIONS, b"%d" % n)
                n += 1
            time.sleep(TICK_S)
            now = time.monotonic()
        return n

    def end(self, count):
        self.say("end", count)
        sys.stdout.flush()
