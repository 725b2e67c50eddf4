"""kafka_wire.py - Kafka's protocol from the rows of core/wire/messages.def: requests out of dicts,
answers into dicts, and a connection that says what came back. Plain python3."""
import os
import re
import socket
import struct

ROWS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../core/wire/messages.def")
LAST = 127
NUMBERS = {"INT8_MAX": 127, "INT32_MIN": -2 ** 31, "INT16_MAX": 32767, "INT32_MAX": 2 ** 31 - 1,
           "INT64_MAX": 2 ** 63 - 1, "LAST": LAST}
FIXED = {"BOOL": ">?", "INT8": ">b", "INT16": ">h", "UINT16": ">H", "INT32": ">i", "INT64": ">q"}


class Field:
    def __init__(self, kind, args):
        self.name, self.type = args[0], args[1]
        self.list = kind in ("LIST", "ARRAY")
        self.struct = kind in ("ARRAY", "NESTED")
        self.since, self.until = number(args[2]), number(args[3])
        options = dict(re.match(r"(\w+)(?:\((.*)\))?$", o).groups() for o in args[4:])
        self.tag = int(options["TAG"]) if "TAG" in options else None
        self.nullable = number(options["NULLABLE"]) if "NULLABLE" in options else LAST + 1
        self.fallback = None if "FALLBACK_NULL" in options else \
            number(options["FALLBACK"]) if "FALLBACK" in options else self.empty()
        self.never_compact = "NEVER_COMPACT" in options
        self.optional = "OPTIONAL" in options  # one struct or null, behind a byte

    def empty(self):
        if self.list:
            return []
        if self.struct:
            return {}
        return {"BOOL": False, "STRING": "", "RECORDS": "", "UUID": "00" * 16}.get(self.type, 0)

    def exists(self, version):
        return self.since <= version <= self.until


def number(text):
    text = text.strip()
    return NUMBERS[text] if text in NUMBERS else int(text)


def read_rows():
    text = re.sub(r"/\*.*?\*/", "", open(ROWS).read(), flags=re.S)
    blocks, keys = {}, {}
    for name, body in re.findall(r"#define M (\w+)\n(.*?)\nEND", text, re.S):
        head = re.match(r"BEGIN\((.*?)\)\)", body)
        fields = [Field(kind, [a.strip() for a in re.split(r",(?![^(]*\))", args)])
                  for kind, args in re.findall(r"\b(FIELD|LIST|ARRAY|NESTED)\(((?:[^()]|\([^()]*\))*)\)",
                                               body)]
        flexible = LAST + 1
        if head:
            numbers = head.group(1).replace("FLEXIBLE(", "").split(",")
            flexible = number(numbers[3])
            keys[(int(numbers[0]), name.rsplit("_", 1)[1])] = name
        blocks[name] = (fields, flexible)
    return blocks, keys


BLOCKS, KEYS = read_rows()


# ---- bytes ----

def uvarint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def put_length(size, compact, form):
    return uvarint(size + 1) if compact else struct.pack(form, size)


def text_bytes(value):
    return value.encode("utf-8", "surrogateescape")


def encode_value(f, value, version, flexible):
    compact = flexible and not f.never_compact
    if f.struct:
        return encode_struct(f.type, value, version, flexible)
    if f.type in FIXED:
        return struct.pack(FIXED[f.type], value)
    if f.type == "UUID":
        return bytes.fromhex(value)
    form = ">h" if f.type == "STRING" else ">i"
    if value is None:
        return put_length(-1, compact, form)
    data = text_bytes(value) if f.type == "STRING" else bytes.fromhex(value)
    return put_length(len(data), compact, form) + data


def encode_field(f, value, version, flexible):
    if f.optional:
        return b"\xff" if value is None else b"\x01" + encode_value(f, value, version, flexible)
    if not f.list:
        return encode_value(f, value, version, flexible)
    if value is None:
        return put_length(-1, flexible, ">i")
    return put_length(len(value), flexible, ">i") + \
        b"".join(encode_value(f, v, version, flexible) for v in value)


def encode_struct(name, values, version, flexible):
    out, tags = b"", []
    for f in BLOCKS[name][0]:
        if not f.exists(version):
            continue
        if f.tag is None:
            out += encode_field(f, values.get(f.name, f.fallback), version, flexible)
        elif f.name in values:
            data = encode_field(f, values[f.name], version, flexible)
            tags.append((f.tag, data))
    unknown = set(values) - {f.name for f in BLOCKS[name][0]} - {"$tags"}
    assert not unknown, "%s has no %s" % (name, unknown)
    if flexible:
        tags += [(int(k), bytes.fromhex(v)) for k, v in values.get("$tags", {}).items()]
        out += uvarint(len(tags))
        for tag, data in sorted(tags):
            out += uvarint(tag) + uvarint(len(data)) + data
    return out


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if size < 0 or self.at + size > len(self.data):
            raise ValueError("the answer is too short")
        self.at += size
        return self.data[self.at - size:self.at]

    def fixed(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def uvarint(self):
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def length(self, compact, form):
        return self.uvarint() - 1 if compact else self.fixed(form)


def decode_value(r, f, version, flexible):
    compact = flexible and not f.never_compact
    if f.struct:
        return decode_struct(r, f.type, version, flexible)
    if f.type in FIXED:
        return r.fixed(FIXED[f.type])
    if f.type == "UUID":
        return r.take(16).hex()
    size = r.length(compact, ">h" if f.type == "STRING" else ">i")
    if size < 0:
        return None
    data = r.take(size)
    return data.decode("utf-8", "surrogateescape") if f.type == "STRING" else data.hex()


def decode_field(r, f, version, flexible):
    if f.optional:
        return None if r.fixed(">b") < 0 else decode_value(r, f, version, flexible)
    if not f.list:
        return decode_value(r, f, version, flexible)
    count = r.length(flexible, ">i")
    return None if count < 0 else [decode_value(r, f, version, flexible) for _ in range(count)]


def decode_struct(r, name, version, flexible):
    fields = [f for f in BLOCKS[name][0] if f.exists(version)]
    out = {f.name: decode_field(r, f, version, flexible) if f.tag is None else f.fallback
           for f in fields}
    if flexible:
        for _ in range(r.uvarint()):
            tag, size = r.uvarint(), r.uvarint()
            inner = Reader(r.take(size))
            for f in fields:
                if f.tag == tag:
                    out[f.name] = decode_field(inner, f, version, flexible)
                    break
            else:
                out["tag %d" % tag] = inner.data.hex()
    return out


def encode_request(key, version, body, correlation=1, client="differential"):
    name = KEYS[(key, "request")]
    flexible = version >= BLOCKS[name][1]
    head = struct.pack(">hhi", key, version, correlation) + struct.pack(">h", len(client)) + client.encode()
    return head + (b"\0" if flexible else b"") + encode_struct(name, body, version, flexible)


def decode_answer(key, version, frame):
    name = KEYS[(key, "response")]
    flexible = version >= BLOCKS[name][1]
    r = Reader(frame)
    correlation = r.fixed(">i")
    if flexible and key != 18:
        r.take(1)
    body = decode_struct(r, name, version, flexible)
    if r.at != len(frame):
        body["behind"] = frame[r.at:].hex()
    if correlation != 1:
        body["correlation"] = correlation
    return body


def exchange(port, frame, wait_s=10.0):
    """Sends a frame on a connection of its own. bytes: the answer; None: closed; "none": nothing."""
    s = socket.create_connection(("127.0.0.1", port), timeout=wait_s)
    try:
        s.sendall(struct.pack(">i", len(frame)) + frame)
        data = b""
        while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
            piece = s.recv(1 << 20)
            if not piece:
                return None
            data += piece
        return data[4:]
    except socket.timeout:
        return "none"
    except ConnectionError:
        return None
    finally:
        s.close()


def ask(port, key, version, body, wait_s=10.0):
    """The answer as a dict; {"closed": True} or {"none": True} without one."""
    frame = exchange(port, encode_request(key, version, body), wait_s)
    if frame is None:
        return {"closed": True}
    return {"none": True} if frame == "none" else decode_answer(key, version, frame)


# ---- record batches ----

CRC_TABLE = []
for _i in range(256):
    _c = _i
    for _ in range(8):
        _c = _c >> 1 ^ (0x82F63B78 if _c & 1 else 0)
    CRC_TABLE.append(_c)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def varint(value):
    return uvarint((value << 1 ^ value >> 63) & (1 << 64) - 1)


def record(delta, timestamp_delta, key=None, value=b"v", headers=()):
    body = b"\0" + varint(timestamp_delta) + varint(delta)
    for part in (key, value):
        body += varint(-1) if part is None else varint(len(part)) + part
    body += varint(len(headers))
    for name, part in headers:
        body += varint(len(name)) + name + (varint(-1) if part is None else varint(len(part)) + part)
    return varint(len(body)) + body


def batch(times, values=None, codec=0, compress=None, attributes=0, pid=-1, epoch=-1, sequence=-1,
          first=None, greatest=None, last_delta=None, count=None, magic=2, bad_crc=False, base=0,
          leader_epoch=-1, records=None):
    """Hex of a batch; whatever is not None takes the place of what would be right."""
    first = times[0] if first is None else first
    if records is None:
        records = b"".join(record(i, t - first, value=values[i] if values else b"v%d" % i)
                           for i, t in enumerate(times))
    if compress:
        records = compress(records)
    body = struct.pack(">hiqqqhii", attributes | codec,
                       len(times) - 1 if last_delta is None else last_delta, first,
                       max(times) if greatest is None else greatest, pid, epoch, sequence,
                       len(times) if count is None else count) + records
    crc = crc32c(body) ^ (1 if bad_crc else 0)
    return (struct.pack(">qiibI", base, len(body) + 9, leader_epoch, magic, crc) + body).hex()
