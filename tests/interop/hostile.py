"""hostile.py PORT PID - does to a broker what strangers do, and looks at what it costs it."""
import os
import random
import resource
import socket
import struct
import sys
import time

PORT, PID = int(sys.argv[1]), int(sys.argv[2])
GROWTH_MAX_KB = 64 * 1024


def rss_kb():
    with open("/proc/%d/status" % PID) as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise SystemExit("the broker is gone")


def connect():
    s = socket.create_connection(("127.0.0.1", PORT), timeout=10)
    return s


def request(key, version, correlation, body=b""):
    head = struct.pack(">hhih", key, version, correlation, 4) + b"test"
    return struct.pack(">i", len(head) + len(body)) + head + body


def answers():
    """The broker still says which versions it speaks."""
    s = connect()
    s.sendall(request(18, 0, 7))
    head = b""
    while len(head) < 8:
        part = s.recv(8 - len(head))
        if not part:
            raise SystemExit("no answer to ApiVersions")
        head += part
    size, correlation = struct.unpack(">ii", head)
    if correlation != 7 or size < 10:
        raise SystemExit("a strange answer to ApiVersions: %d %d" % (size, correlation))
    s.close()


def closes(data, what):
    s = connect()
    try:
        s.sendall(data)
        s.settimeout(10)
        while s.recv(65536):
            pass
    except ConnectionError:
        pass
    except socket.timeout:
        raise SystemExit("%s: the connection stays open" % what)
    s.close()
    answers()
    print("ok  %s" % what)


def main():
    random.seed(1)
    answers()
    before = rss_kb()
    closes(struct.pack(">i", 0x7FFFFFFF), "a giant length")
    closes(struct.pack(">i", -1), "a negative length")
    closes(struct.pack(">i", 2) + b"xx", "a frame too short for a header")
    closes(request(999, 0, 1), "an unknown API")
    closes(request(1, 999, 1), "an unknown version")
    closes(request(3, 1, 1, struct.pack(">i", 0x7FFFFFF0)), "a count that no frame could hold")
    closes(request(0, 7, 1, struct.pack(">hhii", -1, 1, 1000, -2)), "a null array where none may be")
    for i in range(200):
        s = connect()
        s.sendall(bytes(random.getrandbits(8) for _ in range(random.randrange(1, 400))))
        s.close()
    print("ok  200 pieces of garbage")
    for i in range(300):
        frame = bytearray(request(random.choice([0, 1, 2, 3, 10, 18, 19, 22]), random.randrange(0, 14), i,
                                  bytes(random.getrandbits(8) for _ in range(random.randrange(0, 200)))))
        s = connect()
        s.sendall(frame)
        s.close()
    print("ok  300 frames with garbage in them")
    answers()

    halves = []
    for i in range(200):
        s = connect()
        s.sendall(struct.pack(">i", 100 * 1000 * 1000) + b"x" * 1000)
        halves.append(s)
    print("ok  200 half frames of 100 MB; resident now %d kB, before %d kB" % (rss_kb(), before))
    answers()
    idle = []
    # Half of the descriptors that an ordinary user has, for the broker needs as many, and files.
    for i in range(min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)):
        idle.append(connect())
    time.sleep(0.5)
    answers()
    grown = rss_kb() - before
    print("ok  %d idle connections and 200 half frames; grown by %d kB" % (len(idle), grown))
    if grown > GROWTH_MAX_KB:
        raise SystemExit("the broker has grown by %d kB" % grown)
    slow = connect()
    for byte in request(18, 0, 9):
        slow.sendall(bytes([byte]))
        time.sleep(0.005)
    if len(slow.recv(4096)) < 10:
        raise SystemExit("no answer to a frame of single bytes")
    print("ok  a frame, byte by byte")
    for s in halves + idle:
        s.close()
    answers()
    os.kill(PID, 0)


main()
