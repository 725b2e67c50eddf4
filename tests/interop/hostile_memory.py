"""hostile_memory.py PORT PID LIMIT - makes a broker hold as much memory as strangers can, in each way
that costs them little, and looks at what it holds. LIMIT: its queued.max.request.bytes."""
import os
import resource
import socket
import struct
import sys
import time

PORT, PID, LIMIT = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
SLACK_KB = 106 * 1024  # 64 MiB for one request that decodes to much, two frames, and what the heap keeps
PARTITIONS = 400
CASTAGNOLI = [0] * 256
for n in range(256):
    c = n
    for _ in range(8):
        c = c >> 1 ^ (0x82F63B78 if c & 1 else 0)
    CASTAGNOLI[n] = c


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CASTAGNOLI[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def string(text):
    return struct.pack(">h", len(text)) + text.encode()


def request(key, version, body=b"", correlation=1):
    head = struct.pack(">hhi", key, version, correlation) + string("test")
    return struct.pack(">i", len(head) + len(body)) + head + body


def connect():
    s = socket.create_connection(("127.0.0.1", PORT), timeout=60)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return s


def take(s, size):
    data = b""
    while len(data) < size:
        part = s.recv(size - len(data))
        if not part:
            raise SystemExit("a connection was closed by the broker")
        data += part
    return data


def receive(s):
    return take(s, struct.unpack(">i", take(s, 4))[0])


def ask(data):
    s = connect()
    s.sendall(data)
    answer = receive(s)
    s.close()
    return answer


def create(name, partitions, configs=()):
    body = struct.pack(">i", 1) + string(name) + struct.pack(">ihi", partitions, 1, 0)
    body += struct.pack(">i", len(configs)) + b"".join(string(k) + string(v) for k, v in configs)
    answer = ask(request(19, 4, body + struct.pack(">ib", 60000, 0)))
    code = struct.unpack_from(">h", answer, 4 + 4 + 4 + 2 + len(name))[0]
    if code not in (0, 36):
        raise SystemExit("cannot make topic %s: %d" % (name, code))


def batch(producer, timestamp, count=1, value=b"x"):
    record = b"\0\0\0\1" + bytes([len(value) << 1]) + value + b"\0"
    records = bytes([len(record) << 1]) + record
    body = struct.pack(">hiqqqhii", 0, count - 1, timestamp, timestamp, producer, 0, 0, count) + records
    return struct.pack(">qiibI", 0, 9 + len(body), -1, 2, crc32c(body)) + body


def produce(topic, data, partition=0):
    body = struct.pack(">hhii", -1, 1, 30000, 1) + string(topic)
    return request(0, 7, body + struct.pack(">iii", 1, partition, len(data)) + data)


def rss_kb():
    with open("/proc/%d/status" % PID) as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise SystemExit("the broker is gone")


class Watch:
    """The greatest growth since the first one began."""

    before = 0

    def __init__(self, what, bound_kb):
        Watch.before = Watch.before or rss_kb()
        self.what, self.bound_kb, self.most = what, bound_kb, 0

    def look(self):
        self.most = max(self.most, rss_kb() - self.before)
        if self.most > self.bound_kb:
            raise SystemExit("%s: the broker has grown by %d kB, which may be %d" % (
                self.what, self.most, self.bound_kb))

    def end(self):
        self.look()
        ask(request(18, 0))  # it still answers
        print("ok  %s: grown by %d kB of at most %d" % (self.what, self.most, self.bound_kb))


def pour(s, data, bytes_max):
    """Sends without ever reading, as far as the broker takes it."""
    s.setblocking(False)
    sent = 0
    until = time.monotonic() + 0.5
    while sent < bytes_max and time.monotonic() < until:
        try:
            sent += s.send(data[sent % len(data):])
        except BlockingIOError:
            time.sleep(0.01)
        except ConnectionError:
            break
    return sent


def pouring(what, data, connections, bytes_max, bound_kb):
    watch = Watch(what, bound_kb)
    crowd = [connect() for _ in range(connections)]
    for s in crowd:
        pour(s, data, bytes_max)
        watch.look()
    for s in crowd:
        s.close()
    watch.end()


def snapshots():
    """Each batch has a producer of its own and begins a segment, and with it a snapshot of all."""
    watch = Watch("segments and snapshots", 24 * 1024)
    create("bomb", 1, [("segment.ms", "1")])
    s = connect()
    for i in range(0, 2500, 50):
        s.sendall(b"".join(produce("bomb", batch(10**6 + k, 1 + 2 * k)) for k in range(i, i + 50)))
        for _ in range(50):
            receive(s)
        watch.look()
    s.close()
    watch.end()


def lying_counts():
    watch = Watch("batches that claim 2^31 - 1 records", 8 * 1024)
    s = connect()
    for i in range(200):
        s.sendall(produce("bomb", batch(10**7 + i, 10**6, count=2**31 - 1)))
        receive(s)
    s.close()
    watch.end()


def half_frames():
    count = min(1500, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100)
    watch = Watch("half frames on %d connections" % count, LIMIT // 1024 + SLACK_KB)
    crowd = []
    for _ in range(count):
        try:
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", PORT))
            crowd.append(s)
        except OSError:
            break
    for s in crowd:
        pour_once(s, struct.pack(">i", 1000000) + b"x" * 60000)
    for _ in range(20):
        time.sleep(0.05)
        watch.look()
    for s in crowd:
        s.close()
    time.sleep(0.2)
    watch.end()


def pour_once(s, data):
    try:
        s.send(data)
    except OSError:
        pass


def main():
    bound = LIMIT // 1024 + SLACK_KB
    ask(request(18, 0))
    create("wide", PARTITIONS)
    snapshots()
    lying_counts()
    half_frames()
    pouring("requests whose answers nobody reads", request(18, 0) * 2000, 40, 1 << 20, bound)
    pouring("metadata that nobody reads", request(3, 1, struct.pack(">i", -1)) * 500, 40, 1 << 19, bound)
    names = b"".join(string("n%d" % i) for i in range(60000))
    pouring("metadata of 60,000 topics", request(3, 4, struct.pack(">i", 60000) + names + b"\0"), 12,
            1 << 20, bound)
    parts = b"".join(struct.pack(">iqi", i, 0, 1 << 20) for i in range(40000))
    fetch = struct.pack(">iiiibi", -1, 30000, 1, 1 << 20, 0, 1) + string("wide")
    pouring("fetches of 40,000 partitions", request(1, 4, fetch + struct.pack(">i", 40000) + parts), 12,
            2 << 20, bound)
    os.kill(PID, 0)


main()
