"""bombs.py PORT PID - small batches that decompress to much, or say that they hold much: what they cost a broker."""
import sys
import threading
import time

import lies

GROWTH_MAX_KB = 96 * 1024  # of the greatest resident size: five threads, and one zstd frame's large window
SERVE_SECONDS_MAX = 5
CLAIMS = 2000


def peak_kb(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def record_of(size):
    """One record whose value is so many zeros, but for them: head and tail."""
    inside = b"\0\0\0" + lies.varint(-1) + lies.varint(size)
    return lies.varint(len(inside) + size + 1) + inside, b"\0"


def gzip_bomb(size):
    head, tail = record_of(size)
    z = lies.zlib.compressobj(9, lies.zlib.DEFLATED, 31)
    out = z.compress(head)
    for _ in range(size >> 20):
        out += z.compress(bytes(1 << 20))
    return out + z.compress(tail) + z.flush()


def zstd_bomb(size, window):
    """Blocks of one byte repeated; window: the descriptor's byte."""
    head, tail = record_of(size)
    out = bytes.fromhex("28b52ffd00") + bytes([window]) + lies.struct.pack("<I", len(head) << 3)[:3] + head
    for _ in range(size >> 17):
        out += lies.struct.pack("<I", 1 << 17 << 3 | 2)[:3] + b"\0"
    return out + lies.struct.pack("<I", len(tail) << 3 | 1)[:3] + tail


def main():
    address, pid = f"127.0.0.1:{sys.argv[1]}", sys.argv[2]
    broker = lies.Broker(address)
    lies.prepare(broker, "bombs", [{}, {"compression.type": "uncompressed"}, {"compression.type": "producer"}])
    beside = lies.topic_of("bombs", {"compression.type": "producer"})
    anew = lies.topic_of("bombs", {"compression.type": "uncompressed"})
    kept = lies.topic_of("bombs", {})
    before = peak_kb(pid)

    for n in range(CLAIMS):
        lie = lies.batch(b"z", 2**31 - 1, attributes=lies.GZIP, pid=10**6 + n, epoch=0, sequence=0)
        code = broker.produce(kept, 8, lie)[0]["code"]
        if code != 87:
            raise SystemExit(f"a batch that says it holds 2^31-1 records is answered {code}")
    print(f"ok  {CLAIMS} batches that say they hold 2^31-1 records are refused")

    large = 128 << 20
    bombs = [(kept, lies.GZIP, gzip_bomb(large), 0), (anew, lies.GZIP, gzip_bomb(large), 10),
             (kept, lies.ZSTD, zstd_bomb(large, 0x88), 10), (anew, lies.ZSTD, zstd_bomb(large, 0x58), 10),
             (kept, lies.ZSTD, zstd_bomb(1200 << 20, 0x58), 10)]
    answers = {}

    def send(i, topic, codec, content):
        own = lies.Broker(address)
        own.patience = 120
        answers[i] = own.produce(topic, 8, lies.batch(content, attributes=codec))[0]["code"]
    threads = [threading.Thread(target=send, args=(i, *bomb[:3])) for i, bomb in enumerate(bombs)]
    for thread in threads:
        thread.start()
    start = time.monotonic()
    code = broker.produce(beside, 8, lies.batch(lies.records(1)))[0]["code"]
    if code != 0 or time.monotonic() - start > SERVE_SECONDS_MAX:
        raise SystemExit(f"beside them a record is answered {code} after {time.monotonic() - start:.1f} s")
    for thread in threads:
        thread.join()
    wanted = {i: bomb[3] for i, bomb in enumerate(bombs)}
    if answers != wanted:
        raise SystemExit(f"batches that decompress to {large >> 20} MB and more are answered {answers}, not {wanted}")
    print(f"ok  {len(bombs)} batches that decompress to {large >> 20} MB and more")
    grown = peak_kb(pid) - before
    print(f"ok  the greatest resident size grew by {grown} kB")
    if grown > GROWTH_MAX_KB:
        raise SystemExit(f"the broker has grown by {grown} kB")


main()
