"""lanes.py CLIENTS NODES MAX - floods the port of clients, of whom MAX may be there at once, and asks
on the port of other nodes meanwhile."""
import select
import socket
import struct
import sys
import time

CLIENTS, NODES, MAX = (int(a) for a in sys.argv[1:])
PATIENCE_S = 10
FRAME = 1000000
API_VERSIONS = struct.pack(">ihhih", 14, 18, 0, 7, 4) + b"test"


def connect(port):
    s = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return s


def answers(s, seconds):
    """Whether something comes within so long; a connection that was closed is a failure."""
    if not select.select([s], [], [], seconds)[0]:
        return False
    if not s.recv(65536):
        raise SystemExit("a connection was closed")
    return True


def must(good, what):
    if not good:
        raise SystemExit(what)
    print("ok  " + what)


def asks_in_vain(s):
    s.sendall(API_VERSIONS)
    return not answers(s, 0.5)


def asks(s):
    s.sendall(API_VERSIONS)
    return answers(s, PATIENCE_S)


def main():
    crowd = [connect(CLIENTS) for _ in range(MAX)]
    must(all(asks(s) for s in crowd), "as many clients as may be there are served")
    late = connect(CLIENTS)
    must(asks_in_vain(late), "one more waits")
    must(asks(connect(NODES)), "another node does not")
    crowd.pop().close()
    must(answers(late, PATIENCE_S), "who waited is served when another one has left")
    crowd.append(late)
    # Each sends the better part of a long frame, until nobody's is taken any more.
    for s in crowd:
        s.setblocking(False)
    part = struct.pack(">i", FRAME) + b"x" * (FRAME * 9 // 10)
    sent = [0] * len(crowd)
    until = time.monotonic() + 2
    while time.monotonic() < until:
        for i, s in enumerate(crowd):
            try:
                sent[i] += s.send(part[sent[i]:]) if sent[i] < len(part) else 0
            except BlockingIOError:
                pass
        time.sleep(0.01)
    must(sum(sent) < len(crowd) * len(part), "the memory of clients is full")
    began = time.monotonic()
    others = [connect(NODES) for _ in range(30)]
    must(all(asks(s) for s in others), "thirty connections of other nodes are served")
    must(time.monotonic() - began < PATIENCE_S / 2, "and at once")


main()
