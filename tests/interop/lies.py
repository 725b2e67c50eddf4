"""lies.py record|check HOST:PORT FILE - record batches whose heads or bodies lie, and what a broker says of them.

record asks the broker at HOST:PORT (Apache Kafka, see bench/peers) and writes FILE, one row a batch: its name and the
answer. check asks kiln and compares. Where kiln answers otherwise on purpose, STRICTER below says so. Python's own library
is all it takes.
"""
import json
import re
import socket
import struct
import sys
import time
import zlib

T0 = 1700000000000  # the time of most records: long ago for every broker
FUTURE = 4102444800000  # the year 2100
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
APPEND_TIME, TRANSACTIONAL, CONTROL, HORIZON = 8, 16, 32, 64

# ---- bytes --------------------------------------------------------------------------------------

CRC = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    CRC.append(n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for b in data:
        crc = crc >> 8 ^ CRC[(crc ^ b) & 255]
    return crc ^ 0xFFFFFFFF


def unsigned(n):
    out = b""
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def varint(n):
    return unsigned((n << 1 ^ n >> 63) & (1 << 64) - 1)


def run(data):
    return varint(-1) if data is None else varint(len(data)) + data


def record(delta, time=0, key=None, value=b"value", headers=(), attributes=0, length=None, header_count=None, more=b""):
    body = bytes([attributes]) + varint(time) + varint(delta) + run(key) + run(value)
    body += varint(len(headers) if header_count is None else header_count)
    body += b"".join(run(k) + run(v) for k, v in headers) + more
    return varint(len(body) if length is None else length) + body


def records(count, **more):
    return b"".join(record(i, **more) for i in range(count))


def batch(content, count=1, last=None, attributes=0, base=0, first=T0, greatest=T0, pid=-1, epoch=-1, sequence=-1,
          magic=2, leader_epoch=-1, crc=None, length=None):
    body = struct.pack(">hiqqqhii", attributes, count - 1 if last is None else last, first, greatest, pid, epoch, sequence,
                       count) + content
    crc = crc32c(body) if crc is None else crc
    return struct.pack(">qiibI", base, len(body) + 9 if length is None else length, leader_epoch, magic, crc) + body


def gzip(data):
    z = zlib.compressobj(6, zlib.DEFLATED, 31)
    return z.compress(data) + z.flush()


def snappy_block(data):
    """Literals of up to 60 bytes."""
    out = unsigned(len(data))
    for at in range(0, len(data), 60):
        piece = data[at:at + 60]
        out += bytes([len(piece) - 1 << 2]) + piece
    return out


XERIAL = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)


def snappy(data):
    block = snappy_block(data)
    return XERIAL + struct.pack(">i", len(block)) + block


def lz4(data, end=b"\0\0\0\0"):
    """A frame of one block that is not compressed."""
    return bytes.fromhex("04224d18604082") + struct.pack("<I", len(data) | 1 << 31) + data + end


def zstd(data, last=1):
    """A frame of one raw block."""
    return bytes.fromhex("28b52ffd0058") + struct.pack("<I", len(data) << 3 | last)[:3] + data


CODECS = {GZIP: gzip, SNAPPY: snappy, LZ4: lz4, ZSTD: zstd}
NAMES = {0: "none", GZIP: "gzip", SNAPPY: "snappy", LZ4: "lz4", ZSTD: "zstd"}

# ---- the batches --------------------------------------------------------------------------------


def old_message(magic):
    body = struct.pack(">bb", magic, 0) + (struct.pack(">q", T0) if magic else b"") + struct.pack(">i", -1) + \
        struct.pack(">i", 1) + b"v"
    message = struct.pack(">I", zlib.crc32(body)) + body
    return struct.pack(">qi", 0, len(message)) + message


def heads():
    one, three = records(1), records(3)
    yield "a batch as it should be", batch(three, 3)
    yield "no records at all (null)", None
    yield "no bytes", b""
    yield "a few bytes", b"abcdef"
    yield "a head cut off", batch(one)[:40]
    yield "a batch cut off", batch(one)[:-5]
    yield "a length of 13", batch(one, length=13)
    yield "a length of 20", batch(one, length=20)
    yield "a negative length", batch(one, length=-1)
    yield "a length beyond the bytes", batch(one, length=1000)
    yield "magic 0", batch(one, magic=0)
    yield "magic 1", batch(one, magic=1)
    yield "magic 3", batch(one, magic=3)
    yield "magic -1", batch(one, magic=-1)
    yield "a message of format 0", old_message(0)
    yield "a message of format 1", old_message(1)
    yield "a wrong checksum", batch(one, crc=1)
    yield "two batches", batch(one) + batch(one)
    yield "a few bytes behind the batch", batch(one) + b"abcde"
    yield "twenty bytes behind the batch", batch(one) + b"\1" * 20
    yield "a batch cut off behind the batch", batch(one) + batch(three, 3)[:-3]
    yield "base offset 5", batch(one, base=5)
    yield "base offset -1", batch(one, base=-1)
    yield "a leader epoch of its own", batch(one, leader_epoch=7)
    yield "count 5, one record", batch(one, 5)
    yield "count 1, three records", batch(three, 1)
    yield "count 2, last delta 2, three records", batch(three, 2, last=2)
    yield "count 3, last delta 5", batch(three, 3, last=5)
    yield "count 3, last delta 0", batch(three, 3, last=0)
    yield "count 0", batch(b"", 0, last=0)
    yield "count 0 with records", batch(one, 0, last=0)
    yield "count 0, last delta -1", batch(b"", 0, last=-1)
    yield "count -1", batch(one, -1, last=0)
    yield "count 2^31-1, one record", batch(one, 2**31 - 1)
    yield "last delta -5", batch(one, 1, last=-5)
    yield "no codec (5)", batch(one, attributes=5)
    yield "no codec (7)", batch(one, attributes=7)
    yield "a control batch", batch(record(0, key=b"\0\0\0\1", value=b"\0\0\0\0\0\0"), attributes=CONTROL)
    yield "the delete horizon bit", batch(one, attributes=HORIZON)
    yield "bits that mean nothing", batch(one, attributes=0x80)
    yield "the high byte of the attributes", batch(one, attributes=0x0100)
    yield "a transactional batch without a transactional id", batch(one, attributes=TRANSACTIONAL, pid=900, epoch=0, sequence=0)
    yield "a transactional batch without a producer", batch(one, attributes=TRANSACTIONAL)
    yield "a producer id without a sequence", batch(one, pid=901, epoch=0)
    yield "a producer id without an epoch", batch(one, pid=902, sequence=0)
    yield "producer id -5", batch(one, pid=-5)
    yield "no producer id, but a sequence", batch(one, sequence=3)
    yield "no producer id, but an epoch", batch(one, epoch=3)
    yield "sequence -5", batch(one, pid=903, epoch=0, sequence=-5)
    yield "a new producer at sequence 7", batch(one, pid=904, epoch=0, sequence=7)
    yield "the greatest sequence", batch(records(2), 2, pid=905, epoch=0, sequence=0)


def bodies():
    for codec in (0, GZIP, SNAPPY, LZ4, ZSTD):
        name, pack = NAMES[codec], CODECS.get(codec, bytes)

        def b(content, count=1, **more):
            return batch(pack(content), count, attributes=codec | more.pop("bits", 0), **more)
        yield f"{name}: as it should be", b(records(3), 3)
        yield f"{name}: a key, headers, null values", b(record(0, key=b"k", value=None, headers=((b"h", b"v"), (b"", None))))
        yield f"{name}: count 5, one record", b(records(1), 5)
        yield f"{name}: count 1, three records", b(records(3), 1)
        yield f"{name}: count 2^31-1, one record", b(records(1), 2**31 - 1)
        yield f"{name}: nothing inside", b(b"", 1)
        yield f"{name}: a byte behind the records", b(records(2) + b"x", 2)
        yield f"{name}: twenty bytes behind the records", b(records(2) + b"x" * 20, 2)
        yield f"{name}: the last record cut off", b(records(2)[:-3], 2)
        yield f"{name}: deltas 0 0 0", b(record(0) * 3, 3)
        yield f"{name}: deltas 2 1 0", b(record(2) + record(1) + record(0), 3)
        yield f"{name}: deltas 5 6 7", b(record(5) + record(6) + record(7), 3)
        yield f"{name}: a delta of -1", b(record(-1))
        yield f"{name}: a record's length too small", b(record(0, length=5) + record(1), 2)
        yield f"{name}: a record's length too large", b(record(0, length=14) + record(1), 2)
        yield f"{name}: a record's length of 2^31-1", b(record(0, length=2**31 - 1))
        yield f"{name}: a negative length of a record", b(record(0, length=-2))
        yield f"{name}: a length of 0", b(b"\0" * 10, 1)
        yield f"{name}: a key of size -2", b(varint(12) + b"\0\0\0" + varint(-2) + run(b"value") + b"\0" + b"\0")
        yield f"{name}: a value of size -2", b(varint(6) + b"\0\0\0" + varint(-1) + varint(-2) + b"\0")
        yield f"{name}: a key longer than its record", b(varint(11) + b"\0\0\0" + varint(50) + run(b"value") + b"\0")
        yield f"{name}: a negative count of headers", b(record(0, header_count=-1))
        yield f"{name}: more headers than there are", b(record(0, headers=((b"h", b"v"),), header_count=2))
        yield f"{name}: fewer headers than there are", b(record(0, headers=((b"h", b"v"),), header_count=0))
        yield f"{name}: 2^31-1 headers", b(record(0, header_count=2**31 - 1))
        yield f"{name}: a header whose key is null", b(record(0, headers=((None, b"v"),)))
        yield f"{name}: a header's value of size -2", b(record(0, header_count=1, more=run(b"h") + varint(-2)))
        yield f"{name}: a byte more in the record", b(record(0, more=b"x"))
        yield f"{name}: a varint of six bytes", b(b"\x80\x80\x80\x80\x80\x00" + records(1))
        yield f"{name}: a varint longer than it must be", b(b"\x96\x80\x00" + record(0)[1:])
        yield f"{name}: a time delta of eleven bytes", b(varint(20) + b"\0" + b"\x80" * 10 + b"\0\0" + run(None) + run(b"12") + b"\0")
        yield f"{name}: attributes of a record", b(record(0, attributes=3))
        yield f"{name}: no timestamp", b(record(0), first=-1, greatest=-1)
        yield f"{name}: a greatest timestamp that is too small", b(record(0) + record(1, time=5000), 2, greatest=T0)
        yield f"{name}: a greatest timestamp that is too large", b(record(0) + record(1, time=5000), 2, greatest=T0 + 9000)
        yield f"{name}: no greatest timestamp", b(record(0) + record(1, time=-5000), 2, greatest=-1)
        yield f"{name}: a greatest timestamp in the future", b(record(0), greatest=FUTURE)
        yield f"{name}: the second of three in the future", \
            b(record(0) + record(1, time=FUTURE - T0) + record(2), 3)
        yield f"{name}: two of three in the future", \
            b(record(0, time=FUTURE - T0) + record(1, time=FUTURE - T0 + 1) + record(2), 3, greatest=FUTURE)
        yield f"{name}: a negative timestamp", b(record(0), first=-5, greatest=-5)
        yield f"{name}: the bit of append time", b(record(0) + record(1, time=5), 2, bits=APPEND_TIME, greatest=T0 + 77)
        yield f"{name}: the bit of append time, in the future", b(record(0), bits=APPEND_TIME, greatest=FUTURE)


def streams():
    data, many = records(3), b"".join(record(i, value=b"%032d" % i) for i in range(300))
    for codec in (GZIP, SNAPPY, LZ4, ZSTD):
        name, pack = NAMES[codec], CODECS[codec]
        whole, large = pack(data), pack(many)
        yield f"{name}: garbage", batch(b"garbage that is long enough to be looked at", attributes=codec)
        yield f"{name}: no bytes", batch(b"", attributes=codec)
        yield f"{name}: one byte", batch(whole[:1], 3, attributes=codec)
        yield f"{name}: the head alone", batch(whole[:10], 3, attributes=codec)
        yield f"{name}: the last byte is missing", batch(whole[:-1], 3, attributes=codec)
        yield f"{name}: the last five bytes are missing", batch(whole[:-5], 3, attributes=codec)
        yield f"{name}: the last nine bytes are missing", batch(whole[:-9], 3, attributes=codec)
        yield f"{name}: half of many records", batch(large[:len(large) // 2], 300, attributes=codec)
        yield f"{name}: half of many records, one claimed", batch(large[:len(large) // 2], 1, attributes=codec)
        yield f"{name}: many records, the last bytes are missing", batch(large[:-9], 300, attributes=codec)
        yield f"{name}: two bytes behind the end", batch(whole + b"xy", 3, attributes=codec)
        yield f"{name}: zeros behind the end", batch(whole + b"\0" * 30, 3, attributes=codec)
        yield f"{name}: text behind the end", batch(whole + b"text behind the end of it", 3, attributes=codec)
        yield f"{name}: a second content", batch(pack(records(3)) + pack(record(3) + record(4)), 5, attributes=codec)
        yield f"{name}: a flipped bit", batch(large[:200] + bytes([large[200] ^ 4]) + large[201:], 300, attributes=codec)
    yield "gzip: a wrong checksum inside", batch(gzip(data)[:-8] + b"abcd" + gzip(data)[-4:], 3, attributes=GZIP)
    yield "gzip: zlib's format", batch(zlib.compress(data), 3, attributes=GZIP)
    yield "snappy: a raw block", batch(snappy_block(data), 3, attributes=SNAPPY)
    yield "snappy: a raw block cut off", batch(snappy_block(data)[:-4], 3, attributes=SNAPPY)
    yield "snappy: a raw block that claims 4 GiB", batch(b"\xff\xff\xff\xff\x0f\0a", attributes=SNAPPY)
    yield "snappy: a framed block of negative size", batch(XERIAL + struct.pack(">i", -7) + b"1234567", attributes=SNAPPY)
    yield "snappy: a framed block beyond the bytes", batch(XERIAL + struct.pack(">i", 900) + b"1234567", attributes=SNAPPY)
    yield "lz4: no end mark", batch(lz4(data, b""), 3, attributes=LZ4)
    yield "lz4: a wrong checksum of the head", batch(lz4(data)[:6] + b"\0" + lz4(data)[7:], 3, attributes=LZ4)
    yield "lz4: blocks that depend on each other", batch(bytes.fromhex("04224d1840 40c0".replace(" ", "")) + lz4(data)[7:], 3, attributes=LZ4)
    yield "lz4: the legacy format", batch(bytes.fromhex("02214c18") + lz4(data)[7:], 3, attributes=LZ4)
    yield "zstd: the last block is missing", batch(zstd(data, last=0), 3, attributes=ZSTD)
    yield "zstd: a frame to skip first", batch(bytes.fromhex("502a4d1803000000") + b"abc" + zstd(data), 3, attributes=ZSTD)


def large():
    data = b"".join(record(i, value=b"x" * 1000) for i in range(100))
    yield "a batch larger than max.message.bytes", {}, 8, batch(record(0, value=b"x" * 2000000))
    yield "a compressed batch of two megabytes", {}, 8, batch(gzip(record(0, value=b"x" * 2000000)), attributes=GZIP)
    yield "a compressed batch of 100 records of a kilobyte", {}, 8, batch(gzip(data), 100, attributes=GZIP)
    small = {"max.message.bytes": "1000"}
    yield "max.message.bytes, smaller after re-compression", dict(small, **{"compression.type": "zstd"}), 8, \
        batch(record(0, value=b"x" * 2000))
    yield "max.message.bytes, larger after decompression", dict(small, **{"compression.type": "uncompressed"}), 8, \
        batch(gzip(record(0, value=b"x" * 2000)), attributes=GZIP)


def topics():
    append = {"message.timestamp.type": "LogAppendTime"}
    yield "append time: none", append, 8, batch(record(0) + record(1, time=5), 2)
    yield "append time: gzip", append, 8, batch(gzip(records(2)), 2, attributes=GZIP)
    yield "append time: in the future", append, 8, batch(record(0), first=FUTURE, greatest=FUTURE)
    yield "append time: no timestamp", append, 8, batch(record(0), first=-1, greatest=-1)
    yield "append time: the bit is set already", append, 8, batch(records(2), 2, attributes=APPEND_TIME)
    yield "append time: the bit is set already, gzip", append, 8, batch(gzip(records(2)), 2, attributes=APPEND_TIME | GZIP)
    narrow = {"message.timestamp.before.max.ms": "1000"}
    yield "before.max.ms: long ago", narrow, 8, batch(records(2), 2)
    yield "before.max.ms: no timestamp", narrow, 8, batch(record(0), first=-1, greatest=-1)
    yield "before.max.ms: a negative timestamp", narrow, 8, batch(record(0), first=-2, greatest=-2)
    for target in ("uncompressed", "gzip", "snappy", "lz4", "zstd", "producer"):
        wanted = {"compression.type": target}
        for codec in (0, GZIP, SNAPPY, LZ4, ZSTD):
            pack = CODECS.get(codec, bytes)
            yield f"{target}: from {NAMES[codec]}", wanted, 8, \
                batch(pack(record(0, key=b"k", headers=((b"h", None),)) + record(1, time=70, value=None)), 2,
                      attributes=codec, greatest=T0 + 70)
            yield f"{target}: from {NAMES[codec]}, deltas 1 1", wanted, 8, \
                batch(pack(record(1) + record(1)), 2, attributes=codec)
            yield f"{target}: from {NAMES[codec]}, a record's length too large", wanted, 8, \
                batch(pack(record(0, length=14) + record(1)), 2, attributes=codec)
            yield f"{target}: from {NAMES[codec]}, count 5", wanted, 8, batch(pack(records(3)), 5, attributes=codec)
    both = dict(append, **{"compression.type": "zstd"})
    yield "zstd and append time: from gzip", both, 8, batch(gzip(records(3)), 3, attributes=GZIP)
    yield "zstd and append time: from zstd", both, 8, batch(zstd(records(3)), 3, attributes=ZSTD)


def versions():
    yield "version 3: zstd", {}, 3, batch(zstd(records(1)), attributes=ZSTD)
    yield "version 6: zstd", {}, 6, batch(zstd(records(1)), attributes=ZSTD)
    yield "version 7: zstd", {}, 7, batch(zstd(records(1)), attributes=ZSTD)
    yield "version 6: gzip", {}, 6, batch(gzip(records(1)), attributes=GZIP)
    yield "version 6: no codec (5)", {}, 6, batch(records(1), attributes=5)


# Where kiln refuses what Kafka 4.3.1 takes: no consumer could read these, so no producer is told that they are stored.
STRICTER = [
    (r"lz4: half of many records, one claimed", 87, "a block is read in pieces: the records behind the first are seen first"),
    (r"no records at all \(null\)", 87, "Kafka never answers"),
    (r"(gzip|snappy|lz4|zstd): a record's length too (small|large)", 87, "the consumer's length of a record is wrong"),
    (r"(gzip|snappy|lz4|zstd): (a record's length of 2\^31-1|a negative length of a record)", 87, "likewise"),
    (r"(gzip|snappy|lz4|zstd): from \1, a record's length too large", 87, "likewise"),
    (r"producer: from (gzip|snappy|lz4|zstd), a record's length too large", 87, "likewise"),
]


def cases():
    for source in (heads, bodies, streams):
        for name, data in source():
            yield name, {}, 8, data
    for source in (topics, large, versions):
        yield from source()

# ---- the wire -----------------------------------------------------------------------------------


def text(s):
    return struct.pack(">h", -1) if s is None else struct.pack(">h", len(s)) + s.encode()


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        value, = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return value

    def text(self):
        size = self.take("h")
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def bytes(self):
        size = self.take("i")
        if size < 0:
            return b""
        self.at += size
        return self.data[self.at - size:self.at]


class Broker:
    def __init__(self, address):
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        self.stream = None
        self.patience = 8

    def ask(self, key, version, body):
        if self.stream is None:
            self.stream = socket.create_connection((self.host, self.port), timeout=self.patience)
        frame = struct.pack(">hhih", key, version, 1, 4) + b"lies" + body
        self.stream.sendall(struct.pack(">i", len(frame)) + frame)
        head = self.read(4)
        return Reader(self.read(struct.unpack(">i", head)[0])[4:])

    def read(self, size):
        data = b""
        while len(data) < size:
            piece = self.stream.recv(size - len(data))
            if not piece:
                self.stream = None
                raise ConnectionError("closed by the broker")
            data += piece
        return data

    def create(self, name, configs):
        body = struct.pack(">i", 1) + text(name) + struct.pack(">ihii", 1, 1, 0, len(configs))
        body += b"".join(text(k) + text(v) for k, v in configs.items()) + struct.pack(">i", 20000)
        answer = self.ask(19, 2, body + b"\0")
        answer.take("i"), answer.take("i"), answer.text()
        code, why = answer.take("h"), answer.text()
        if code not in (0, 36):
            raise SystemExit(f"{name} cannot be made: {code} {why}")

    def produce(self, topic, version, data):
        body = struct.pack(">hhii", -1, -1, 20000, 1) + text(topic) + struct.pack(">ii", 1, 0)
        body += struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data
        try:
            answer = self.ask(0, version, body)
        except ConnectionError:
            return {"code": "the connection is closed"}, -1
        except TimeoutError:
            self.stream.close()
            self.stream = None
            return {"code": "no answer"}, -1
        answer.take("i"), answer.text(), answer.take("i"), answer.take("i")
        code, base, _ = answer.take("h"), answer.take("q"), answer.take("q")
        said = {"code": code}
        if version >= 5:
            answer.take("q")
        if version >= 8:
            errors = [(answer.take("i"), answer.text()) for _ in range(answer.take("i"))]
            said["errors"] = [index for index, _ in errors]
        return said, base

    def fetch(self, topic, offset):
        body = struct.pack(">iiiib", -1, 5000, 1, 1 << 24, 0) + struct.pack(">i", 1) + text(topic)
        answer = self.ask(1, 4, body + struct.pack(">iiqi", 1, 0, offset, 1 << 24))
        answer.take("i"), answer.take("i"), answer.text(), answer.take("i")
        answer.take("i"), answer.take("h"), answer.take("q"), answer.take("q")
        for _ in range(max(answer.take("i"), 0)):
            answer.take("q"), answer.take("q")
        return answer.bytes()


def stored(data, base):
    """What of the stored batch must be as Kafka stores it."""
    at, = struct.unpack_from(">q", data)
    attributes, last, first, greatest, pid, epoch, sequence, count = struct.unpack_from(">hiqqqhii", data, 21)
    if at != base:
        return {"base": at - base}
    size = struct.unpack_from(">i", data, 8)[0] + 12
    good = crc32c(data[21:size]) == struct.unpack_from(">I", data, 17)[0]
    return {"codec": attributes & 7, "append_time": bool(attributes & APPEND_TIME), "last": last, "count": count,
            "greatest": None if attributes & APPEND_TIME else greatest, "pid": pid, "crc": good}


def topic_of(name, configs):
    return "lies-" + "-".join([name] + [f"{k.split('.')[0]}-{v}" for k, v in sorted(configs.items())])


def ask(broker, prefix, configs, version, data):
    topic = topic_of(prefix, configs)
    answer, base = broker.produce(topic, version, data)
    if answer["code"] == 0:
        answer["stored"] = stored(broker.fetch(topic, base), base)
    return answer


def prepare(broker, prefix, rows):
    made = {json.dumps(configs, sort_keys=True): configs for configs in rows}
    for configs in made.values():
        broker.create(topic_of(prefix, configs), configs)
    for configs in made.values():
        deadline = time.monotonic() + 20
        while broker.produce(topic_of(prefix, configs), 8, batch(records(1)))[0]["code"] in (3, 5, 6):
            if time.monotonic() > deadline:
                raise SystemExit("a topic has no leader after 20 s")
            time.sleep(0.02)


def record_all(broker, path):
    prefix = "record%d" % (time.time() * 1000)
    rows = list(cases())
    prepare(broker, prefix, [configs for _, configs, _, _ in rows])
    with open(path, "w") as out:
        for name, configs, version, data in rows:
            row = {"name": name, "configs": configs, "version": version}
            row.update(ask(broker, prefix, configs, version, data))
            out.write(json.dumps(row) + "\n")
    print(len(rows), "rows")


def check_all(broker, path):
    prefix = "check%d" % (time.time() * 1000)
    rows = {row["name"]: row for row in map(json.loads, open(path))}
    sent = list(cases())
    if sorted(rows) != sorted(name for name, _, _, _ in sent):
        raise SystemExit("the rows of %s are not those that this script sends: record them anew" % path)
    prepare(broker, prefix, [configs for _, configs, _, _ in sent])
    wrong = 0
    for name, configs, version, data in sent:
        row = rows[name]
        wanted = {k: v for k, v in row.items() if k in ("code", "errors", "stored")}
        got = ask(broker, prefix, configs, version, data)
        for pattern, code, _ in STRICTER:
            if re.fullmatch(pattern, name):
                wanted = {"code": code, "errors": []}
        # KIP-467 as it is meant: a record that is malformed is named, where Kafka names none.
        if wanted["code"] == 87 and wanted.get("errors") == [] and len(got.get("errors", ())) == 1:
            got["errors"] = []
        if got != wanted:
            wrong += 1
            print(f"{name}\n    wanted {wanted}\n    got    {got}")
    print(f"{len(sent) - wrong} passed, {wrong} failed, 0 skipped")
    return wrong == 0


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("record", "check"):
        raise SystemExit(__doc__)
    broker = Broker(sys.argv[2])
    if sys.argv[1] == "record":
        record_all(broker, sys.argv[3])
    elif not check_all(broker, sys.argv[3]):
        sys.exit(1)


if __name__ == "__main__":
    main()
