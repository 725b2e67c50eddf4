"""differential_strange.py - what differential_cases.py does not ask: fields whose lengths, counts and tags lie, batches of
every codec read and looked up in every version, producers over many batches, and the sums that a request may reach.

The same shape of cases, behind those of differential_cases.py. Used when answers are recorded; the replay has them as data."""
import struct

import lies
from differential_cases import (NEVER, OLD, at, create, fetch_case, fetch_topic, list_case, metadata_case, part, produce_case,
                                produce_topic, topic)
from kafka_wire import batch, record, uvarint

KEEP = ("retention.ms", "-1")


def head(key, version, flexible=False, client=b"\0\1d", tags=b"\0"):
    """The header of a request, correlation 1."""
    return struct.pack(">hhi", key, version, 1) + client + (tags if flexible else b"")


def ask_raw(name, key, version, body, flexible=False, **more):
    return {"name": "strange/" + name, "key": key, "version": version,
            "raw": (head(key, version, flexible, **more) + body).hex()}


def short(data):
    return struct.pack(">h", len(data)) + data


def compact(data):
    return uvarint(len(data) + 1) + data


# ---- how fields are spelled ---------------------------------------------------------------------


def headers():
    """Metadata of no topic, under headers that nobody sends."""
    v4, v9 = struct.pack(">ib", 0, 0), b"\1\0\0\0"
    for name, client in (("null", b"\xff\xff"), ("minus-2", b"\xff\xfe"), ("smallest", b"\x80\0"), ("empty", b"\0\0"),
                         ("no-text", b"\0\2\xff\xfe"), ("nul", b"\0\3a\0b"), ("long", b"\x7f\xff" + b"c" * 32767)):
        if len(client) < 100:
            yield ask_raw("client-" + name, 3, 4, v4, client=client)
        yield ask_raw("client-" + name, 3, 9, v9, True, client=client)
    for name, tags in (("long-zero", b"\x80\0"), ("longest-zero", b"\x80\x80\x80\x80\0"), ("too-long-zero", b"\x80\x80\x80\x80\x80\0"),
                       ("one", b"\1\0\1x"), ("same-twice", b"\2\5\1x\5\1y"), ("great-tag", b"\1\xff\xff\xff\xff\7\0"),
                       ("negative-tag", b"\1\xff\xff\xff\xff\x0f\0"), ("cut", b"\1\5\x40x"), ("count-cut", b"\x7f"),
                       ("negative-count", b"\xff\xff\xff\xff\x0f"), ("negative-size", b"\1\5\xff\xff\xff\xff\x0f"),
                       ("large", b"\1\5\xa0\x1f" + b"x" * 4000)):
        yield ask_raw("header-tags-" + name, 3, 9, v9, True, tags=tags)
        yield dict(ask_raw("", 18, 3, compact(b"a") + compact(b"1") + b"\0", True, tags=tags), name="versions/ask-tags-" + name)


def lengths():
    """Strings and arrays whose length is below -1, or spelled longer than it must be."""
    name = short(b"nobody")
    for what, n in (("minus-1", -1), ("minus-2", -2), ("smallest", -2 ** 31)):
        yield ask_raw("topics-" + what, 3, 4, struct.pack(">ib", n, 0))
        yield ask_raw("topics-" + what, 3, 0, struct.pack(">i", n))
        yield ask_raw("produce-topics-" + what, 0, 8, struct.pack(">hhii", -1, -1, 1000, n))
        yield ask_raw("produce-partitions-" + what, 0, 8, struct.pack(">hhii", -1, -1, 1000, 1) + name + struct.pack(">i", n))
        yield ask_raw("records-" + what, 0, 8, struct.pack(">hhii", -1, -1, 1000, 1) + name + struct.pack(">iii", 1, 0, n))
        yield ask_raw("fetch-topics-" + what, 1, 4, struct.pack(">iiiibi", -1, 0, 0, 1000, 0, n))
        yield ask_raw("forgotten-" + what, 1, 7, struct.pack(">iiiibiiii", -1, 0, 0, 1000, 0, 0, -1, 0, n))
        yield ask_raw("list-topics-" + what, 2, 1, struct.pack(">ii", -1, n))
        yield ask_raw("list-partitions-" + what, 2, 1, struct.pack(">ii", -1, 1) + name + struct.pack(">i", n))
        yield ask_raw("create-topics-" + what, 19, 4, struct.pack(">iib", n, 1000, 1))
        yield ask_raw("assignments-" + what, 19, 4, struct.pack(">i", 1) + name + struct.pack(">ihi", 1, 1, n) +
                      struct.pack(">iib", 0, 1000, 1))
        yield ask_raw("configs-" + what, 19, 4, struct.pack(">i", 1) + name + struct.pack(">ihii", 1, 1, 0, n) +
                      struct.pack(">ib", 1000, 1))
        yield ask_raw("resources-" + what, 32, 1, struct.pack(">ib", n, 0))
        yield ask_raw("config-keys-" + what, 32, 1, struct.pack(">ib", 1, 2) + name + struct.pack(">ib", n, 0))
    for what, n in (("minus-1", -1), ("minus-2", -2), ("smallest", -2 ** 15)):
        raw = struct.pack(">h", n)
        yield ask_raw("topic-name-" + what, 3, 4, struct.pack(">i", 1) + raw + b"\0")
        yield ask_raw("transactional-id-" + what, 22, 0, raw + struct.pack(">i", 1000))
        yield ask_raw("produce-transactional-" + what, 0, 8, raw + struct.pack(">hii", -1, 1000, 0))
        yield ask_raw("rack-" + what, 1, 11, struct.pack(">iiiibiiii", -1, 0, 0, 1000, 0, 0, -1, 0, 0) + raw)
        yield ask_raw("config-value-" + what, 19, 4, struct.pack(">i", 1) + name + struct.pack(">ihii", 1, 1, 0, 1) +
                      short(b"retention.ms") + raw + struct.pack(">ib", 1000, 1))
        yield ask_raw("mechanism-" + what, 17, 1, raw)
    # The compact lengths: 0 is null, and 32 bits are all there is.
    for what, n in (("null", b"\0"), ("long-null", b"\x80\0"), ("long-empty", b"\x81\x80\x80\0"), ("all-bits", b"\xff\xff\xff\xff\x0f"),
                    ("more-bits", b"\xff\xff\xff\xff\x7f"), ("2^31", b"\x80\x80\x80\x80\x08"), ("six-bytes", b"\x81\x80\x80\x80\x80\0")):
        yield ask_raw("compact-topics-" + what, 3, 9, n + b"\0\0\0\0", True)
        yield ask_raw("compact-name-" + what, 3, 9, b"\2" + n + b"\0\0\0\0\0", True)
        yield dict(ask_raw("", 3, 12, b"\2" + b"\0" * 16 + n + b"\0\0\0\0", True), name="metadata/no-name-no-id-" + what)
        yield ask_raw("compact-transactional-" + what, 22, 2, n + struct.pack(">i", 1000) + b"\0", True)
        yield ask_raw("compact-records-" + what, 0, 9, b"\0" + struct.pack(">hi", -1, 1000) + b"\2" + compact(b"nobody") + b"\2" +
                      struct.pack(">i", 0) + n + b"\0\0\0", True)
    for value in (2, 127, 128, 255):
        yield ask_raw("bool-%d" % value, 19, 4, struct.pack(">i", 1) + short(b"bool") + struct.pack(">ihiii", 1, 1, 0, 0, 1000) +
                      bytes([value]))
    yield ask_raw("bool-after", 3, 4, struct.pack(">i", 1) + short(b"bool") + b"\2")


def texts():
    """Names that are no UTF-8, or that Java spells otherwise."""
    for what, name in (("ff", b"\xff\xfe"), ("cut", b"a\xe2\x82"), ("surrogate", b"\xed\xa0\x80"), ("overlong", b"\xc0\xaf"),
                       ("nul", b"a\0b"), ("five-bytes", b"\xf8\x88\x80\x80\x80"), ("beyond", b"\xf4\x90\x80\x80"),
                       ("four", "\U0001f600".encode()), ("mixed", b"ab\xe2\x28\xa1cd"), ("end", b"a\xf0\x9f\x98"), ("surrogate-cut", b"\xed\xa0a"),
                       ("e-acutes", "\u00e9".encode() * 200), ("many-e-acutes", "\u00e9".encode() * 250), ("long", b"n" * 32767)):
        yield ask_raw("metadata-name-" + what, 3, 4, struct.pack(">i", 1) + short(name) + b"\0")
        if what == "long":
            continue
        yield ask_raw("create-name-" + what, 19, 4, struct.pack(">i", 1) + short(name) + struct.pack(">ihiiib", 1, 1, 0, 0, 1000, 1))
        yield ask_raw("list-name-" + what, 2, 1, struct.pack(">ii", -1, 1) + short(name) + struct.pack(">iiq", 1, 0, -1))
        yield ask_raw("produce-name-" + what, 0, 7, struct.pack(">hhii", -1, -1, 1000, 1) + short(name) + struct.pack(">iii", 1, 0, 0))
        yield ask_raw("config-name-" + what, 19, 4, struct.pack(">i", 1) + short(b"tc") + struct.pack(">ihii", 1, 1, 0, 1) +
                      short(name) + short(b"1") + struct.pack(">ib", 1000, 1))
        yield ask_raw("describe-name-" + what, 32, 1, struct.pack(">ib", 1, 2) + short(name) + struct.pack(">ib", -1, 0))
        yield ask_raw("sasl-name-" + what, 17, 1, short(name))
    yield ask_raw("compact-name-too-long", 3, 9, b"\2" + compact(b"n" * 32768) + b"\0\0\0\0\0", True)


def tags():
    """Tagged fields where nobody has them, and those that Fetch has."""
    for what, end in (("none", b"\0"), ("unknown", b"\1\x63\2ab"), ("many", b"\3\x63\0\x64\0\x65\0"), ("descend", b"\2\x65\0\x63\0"),
                      ("cut", b"\1\x63\x7fab")):
        yield ask_raw("tags-topic-" + what, 3, 9, b"\2" + compact(b"nobody") + end + b"\0\0\0" + b"\0", True)
        yield ask_raw("tags-body-" + what, 3, 9, b"\2" + compact(b"nobody") + b"\0" + b"\0\0\0" + end, True)
        yield ask_raw("create-tags-" + what, 19, 5, b"\2" + compact(b"tags") + struct.pack(">ih", 1, 1) + b"\1\2" +
                      compact(b"retention.ms") + compact(b"5") + end + end + struct.pack(">ib", 1000, 1) + end, True)
        yield ask_raw("tags-produce-" + what, 0, 9, b"\0" + struct.pack(">hi", -1, 1000) + b"\2" + compact(b"nobody") + b"\2" +
                      struct.pack(">i", 0) + b"\0" + end + end + end, True)
        yield ask_raw("tags-list-" + what, 2, 6, struct.pack(">ib", -1, 0) + b"\2" + compact(b"nobody") + b"\2" +
                      struct.pack(">iiq", 0, -1, -1) + end + end + end, True)
        yield ask_raw("tags-producer-" + what, 22, 2, b"\0" + struct.pack(">i", 1000) + end, True)
        yield dict(ask_raw("", 18, 3, compact(b"a") + compact(b"1") + end, True), name="versions/ask-end-" + what)
    fetch = struct.pack(">iiiibii", -1, 0, 0, 1000, 0, 0, -1)
    for what, end in (("right", b"\1\0\3\3me"), ("null", b"\1\0\1\0"), ("size-too-small", b"\1\0\1\3me"), ("size-too-large", b"\1\0\5\3mexx"),
                      ("twice", b"\2\0\3\3me\0\3\3it"), ("after-unknown", b"\2\x63\1x\0\3\3me"), ("size-0", b"\1\0\0"), ("cut", b"\1\0\3\3m")):
        yield ask_raw("tag-cluster-" + what, 1, 12, fetch + b"\1\1\1" + end, True)
    state = struct.pack(">iiibii", 0, 0, 1000, 0, 0, -1)
    for what, end in (("right", b"\1\1\x0d" + struct.pack(">iq", -1, -1) + b"\0"), ("debugging", b"\1\1\x0d" + struct.pack(">iq", -2, -1) + b"\0"),
                      ("short", b"\1\1\4" + struct.pack(">i", -1)), ("size-too-small", b"\1\1\4" + struct.pack(">iq", -1, -1) + b"\0")):
        yield ask_raw("tag-replica-" + what, 1, 15, state + b"\1\1\1" + end, True)
    directory = lambda size, body: state + b"\2" + b"\1" * 16 + b"\2" + struct.pack(">iiqiqi", 0, -1, 0, -1, -1, 1000) + \
        b"\1\0" + bytes([size]) + body + b"\0" + b"\1\1\0"
    for what, size, body in (("right", 16, b"\2" * 16), ("short", 8, b"\2" * 8), ("long", 17, b"\2" * 17)):
        yield ask_raw("tag-directory-" + what, 1, 17, directory(size, body), True)


def waits(case):
    return dict(case, wait_s=1)


# ---- batches that are read again ----------------------------------------------------------------

CODECS = {1: lies.gzip, 2: lies.snappy, 3: lies.lz4, 4: lies.zstd}
TIMES = (0, 40, 20, 60, 60, 10)


def zipped(codec, times=TIMES, **more):
    records = b"".join(record(i, t - times[0], value=b"z" * 40) for i, t in enumerate(times))
    return batch([OLD + t for t in times], codec=codec, records=CODECS[codec](records), **more)


def codecs():
    names = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
    for codec, name in names.items():
        yield create("for-codecs", 7, [topic("sc-" + name, configs=[KEEP]), topic("sn-" + name, configs=[KEEP, ("message.timestamp.type", "LogAppendTime")]),
                                       topic("st-" + name, configs=[KEEP, ("compression.type", name)])])
        for i in range(3):
            yield produce_case("for-codecs", 9, None, [produce_topic(9, "sc-" + name, [(0, zipped(codec))])])
        yield produce_case("for-codecs", 9, None, [produce_topic(9, "sn-" + name, [(0, zipped(codec))])])
        yield produce_case("for-codecs", 9, None, [produce_topic(9, "st-" + name, [(0, zipped(codec))])])
        for v in (1, 4, 7, 8, 11):
            for timestamp in [OLD + t for t in (-1, 0, 1, 10, 11, 20, 21, 40, 41, 60, 61)] + [-1, -2, -3, -4, -5]:
                yield list_case("codec-" + name, v, None, [{"name": "sc-" + name, "partitions": [at(timestamp)]}])
            for timestamp in (-1, -2, -3, -4, -5, 0, OLD):
                yield list_case("codec-now-" + name, v, None, [{"name": "sn-" + name, "partitions": [at(timestamp)]}])
        for v in (4, 9, 10, 12, 13, 16, 18):
            for kind in ("sc-", "st-"):
                yield fetch_case("codec-" + kind + name, v, None, topics=[fetch_topic(v, kind + name, [part(offset=0)])])
            yield fetch_case("codec-middle-" + name, v, None, topics=[fetch_topic(v, "sc-" + name, [part(offset=8)])])
            yield fetch_case("codec-epoch-" + name, v, None, topics=[fetch_topic(v, "sc-" + name, [
                part(offset=8, **({"last_fetched_epoch": 0} if v >= 12 else {}))])])
        for v in (3, 6, 7, 12):
            yield produce_case("codec-again-" + name, v, None, [produce_topic(v, "sn-" + name, [(0, zipped(codec))])])
    # A topic whose batches are small, and answers with room for some of them.
    yield create("for-sizes", 7, [topic("ss", 3, configs=[KEEP])])
    for p in range(3):
        for i in range(3):
            yield produce_case("for-sizes", 9, None, [produce_topic(9, "ss", [(p, batch([OLD], values=[b"s" * 100]))])])
    for v in (4, 11, 12, 16):
        for size in (168, 169, 170, 340, 510, 520, 1000):
            three = [part(p, 0) for p in range(3)]
            yield fetch_case("one-batch-of-%d" % size, v, None, max_bytes=size, topics=[fetch_topic(v, "ss", three)])
        for order in ((2, 0, 1), (1, 2, 0)):
            yield fetch_case("answer-order", v, None, max_bytes=520, topics=[fetch_topic(v, "ss", [part(p, 0) for p in order])])
        yield fetch_case("one-batch-behind-end", v, None, max_bytes=400, topics=[fetch_topic(v, "ss", [part(0, 3), part(1, 0), part(2, 0)])])
        yield fetch_case("one-beyond", v, None, min_bytes=100000, max_wait_ms=60000,
                         topics=[fetch_topic(v, "ss", [part(0, 3), part(1, 99)])])
        gone = fetch_topic(v, NEVER if v >= 13 else "gone", [part(0)])
        if v in (4, 16):
            # What is there is waited for, whatever else is not.
            yield waits(fetch_case("one-unknown-partition", v, None, min_bytes=100000, max_wait_ms=60000,
                                   topics=[fetch_topic(v, "ss", [part(0, 3), part(9, 0)])]))
            yield waits(fetch_case("one-unknown-topic", v, None, min_bytes=100000, max_wait_ms=60000,
                                   topics=[fetch_topic(v, "ss", [part(0, 3)]), gone]))
        yield fetch_case("all-unknown", v, None, min_bytes=100000, max_wait_ms=60000,
                         topics=[fetch_topic(v, "ss", [part(9)]), gone])
        yield fetch_case("unknown-after-some", v, None, min_bytes=1, max_wait_ms=60000,
                         topics=[gone, fetch_topic(v, "ss", [part(0)])])
        yield fetch_case("great-sizes", v, None, max_bytes=2 ** 31 - 1, topics=[fetch_topic(v, "ss", [part(0, size=2 ** 31 - 1)])])
        yield fetch_case("smallest-sizes", v, None, max_bytes=-2 ** 31, min_bytes=-2 ** 31, max_wait_ms=-2 ** 31,
                         topics=[fetch_topic(v, "ss", [part(0, 3)])])
        if v >= 5:
            for start in (-2, 0, 1, 99, 2 ** 63 - 1):
                yield fetch_case("log-start", v, None, topics=[fetch_topic(v, "ss", [part(0, log_start_offset=start)])])
        if v >= 7:
            yield fetch_case("forgotten", v, None, topics=[fetch_topic(v, "ss", [part()])],
                             forgotten_topics_data=[fetch_topic(v, "ss", [1, 2])])
            yield fetch_case("forgotten-unknown", v, None, topics=[fetch_topic(v, "ss", [part()])],
                             forgotten_topics_data=[fetch_topic(v, NEVER if v >= 13 else "gone", [1, -5])])
            yield fetch_case("forgotten-alone", v, None, topics=[], forgotten_topics_data=[fetch_topic(v, "ss", [0])])
        if v >= 11:
            yield fetch_case("rack", v, None, topics=[fetch_topic(v, "ss", [part()])], rack_id="a" * 1000)
        if v >= 13:
            yield fetch_case("zero-id", v, None, topics=[fetch_topic(v, "00" * 16, [part()])])
            yield fetch_case("zero-id-and-one", v, None, topics=[fetch_topic(v, "00" * 16, [part()]), fetch_topic(v, "ss", [part()])])


# ---- producers ----------------------------------------------------------------------------------


def producers():
    yield create("for-producers", 7, [topic("sp", 2, configs=[KEEP]), topic("sp-now", 1, configs=[KEEP, ("message.timestamp.type", "LogAppendTime")])])

    def send(name, sequence, count=1, pid=500, epoch=0, v=9, where="sp", p=0, **more):
        return produce_case(name, v, None, [produce_topic(v, where, [(p, batch([OLD] * count, pid=pid, epoch=epoch, sequence=sequence, **more))])])
    for i in range(7):
        yield send("row", 2 * i, 2)
    for i in range(7):
        yield send("duplicate-row-%d" % i, 2 * i, 2)
    yield send("row-part", 13, 1)
    yield send("row-more", 12, 3)
    yield send("row-first-of", 12, 1)
    yield send("row-behind", 15, 1)
    yield send("row-next", 14, 1)
    yield send("other-partition", 14, 1, p=1)
    yield send("other-partition", 15, 1, p=1)
    yield send("wrap", 2 ** 31 - 2, 1, pid=501)
    yield send("wrap", 2 ** 31 - 1, 2, pid=501)
    yield send("duplicate-wrapped", 2 ** 31 - 1, 2, pid=501)
    yield send("wrap-next", 1, 1, pid=501)
    yield send("wrap-wrong", 0, 1, pid=501)
    yield send("wrap-first", 2 ** 31 - 1, 3, pid=502)
    yield send("wrap-first-next", 2, 1, pid=502)
    yield send("now", 0, 2, pid=503, where="sp-now")
    yield send("now-again", 0, 2, pid=503, where="sp-now")
    yield send("now-next", 2, 2, pid=503, where="sp-now")
    yield send("epoch-up", 0, 1, pid=504, epoch=3)
    yield send("duplicate-epoch", 0, 1, pid=504, epoch=3)
    yield send("epoch-greatest", 0, 1, pid=504, epoch=32767)
    yield send("epoch-behind", 1, 1, pid=504, epoch=3)
    yield send("epoch-behind-duplicate", 0, 1, pid=504, epoch=3)
    yield send("pid-greatest", 0, 1, pid=2 ** 63 - 1)
    yield send("pid-0", 0, 1, pid=0)
    yield send("transactional", 0, 1, pid=505, attributes=16)
    for v in (3, 8, 9, 11, 12, 13):
        good = batch([OLD])
        mine = batch([OLD], attributes=16)
        yield produce_case("transactional-first", v, None, [produce_topic(v, "sp", [(0, mine), (1, good)])])
        yield produce_case("transactional-last", v, None, [produce_topic(v, "sp", [(0, good), (1, mine)])])
        yield produce_case("transactional-unknown", v, None, [produce_topic(v, "sp", [(0, good)]),
                                                              produce_topic(v, NEVER if v >= 13 else "gone", [(3, mine)])])
        yield produce_case("transactional-bad", v, None, [produce_topic(v, "sp", [(0, good), (1, batch([OLD], attributes=16, bad_crc=True))])])
        yield produce_case("transactional-old", v, None, [produce_topic(v, "sp", [(0, good), (1, batch([OLD], attributes=16, magic=1))])])
        yield produce_case("transactional-silent", v, None, [produce_topic(v, "sp", [(0, good), (1, mine)])], acks=0)
        for name in ("", "t", None):
            yield produce_case("transactional-id-%s" % name, v, None, [produce_topic(v, "sp", [(0, good)])], transactional_id=name)
        yield produce_case("two-good-one-bad", v, None, [produce_topic(v, "sp", [(0, good), (1, batch([OLD], bad_crc=True))])])
        yield produce_case("thrice", v, None, [produce_topic(v, "sp", [(0, good), (1, good), (0, batch([OLD, OLD]))])])
        yield produce_case("acks-greatest", v, None, [produce_topic(v, "sp", [(0, good)])], acks=32767)
        yield produce_case("timeout-negative", v, None, [produce_topic(v, "sp", [(0, good)])], timeout_ms=-2 ** 31)
        yield produce_case("null-and-good", v, None, [produce_topic(v, "sp", [(0, ""), (1, good)])])
        if v >= 13:
            yield produce_case("zero-id-and-one", v, None, [produce_topic(v, "00" * 16, [(0, good)]), produce_topic(v, "sp", [(0, good)])])


def times():
    limits = {"before": ("message.timestamp.before.max.ms", "3600000"), "after": ("message.timestamp.after.max.ms", "0")}
    for name, limit in limits.items():
        yield create("for-times", 7, [topic("sm-" + name, configs=[KEEP, limit]),
                                      topic("sa-" + name, configs=[KEEP, limit, ("message.timestamp.type", "LogAppendTime")])])
    for where in ("sm-before", "sa-before", "sm-after", "sa-after"):
        for what, stamps in (("old", [OLD]), ("mixed", [OLD, 2 ** 42]), ("none", [-1]), ("zero", [0]), ("negative", [-9]),
                             ("smallest", [-2 ** 63]), ("greatest", [2 ** 63 - 1])):
            records = b"".join(record(i, 0 if i == 0 else s - stamps[0]) for i, s in enumerate(stamps))
            yield produce_case("time-" + what, 9, None, [produce_topic(9, where, [(0, batch(stamps, records=records))])])
            yield produce_case("time-gzip-" + what, 9, None, [produce_topic(9, where, [(0, batch(stamps, codec=1, records=lies.gzip(records)))])])
    # A delta that leaves 64 bits.
    for first, delta in ((2 ** 63 - 1, 1), (-2 ** 63, -1), (OLD, 2 ** 63 - 1), (OLD, -2 ** 63)):
        body = record(0, 0) + record(1, delta)
        yield produce_case("time-overflow", 9, None, [produce_topic(9, "sp", [(0, batch([first, first], records=body))])])


# ---- sums and limits ----------------------------------------------------------------------------


def sums():
    for v in (2, 7):
        for what, counts in (("10000", (10000,)), ("10001", (10001,)), ("two-10000", (5000, 5000)), ("two-10001", (5000, 5001)),
                             ("great-and-negative", (2 ** 31 - 1, -2 ** 31)), ("two-great", (2 ** 31 - 1, 2 ** 31 - 1)),
                             ("negative-first", (-5, 10002)), ("zero-and-many", (0, 10001)), ("default-and-10000", (-1, 10000))):
            yield create("sum-" + what, v, [topic("su-%d" % i, n, 1) for i, n in enumerate(counts)], True)
        yield create("sum-assigned", v, [topic("su", -1, -1, (), [(i, [1]) for i in range(50)]), topic("sv", 9960, 1)], True)
        yield create("sum-exists", v, [topic("sp", 10001, 1)], True)
        yield create("sum-bad-name", v, [topic("s u", 10001, 1)], True)
        yield create("sum-twice", v, [topic("su", 6000, 1), topic("su", 6000, 1)], True)
    yield create("many-bad", 7, [topic("mb-%d" % i, 1, 5) for i in range(50)], True)
    yield create("many-configs", 7, [topic("mc", configs=[("retention.ms", str(i)) for i in range(100)])], True)
    for name in ("sp", "SP", "s.p", "s_p", "sp.now", "sp_now"):
        yield create("near-names", 7, [topic(name)], True)
    yield metadata_case("many", 9, {"topics": [{"name": "m%d" % i} for i in range(100)], "allow_auto_topic_creation": False})
    yield metadata_case("many-twice", 9, {"topics": [{"name": "m%d" % (i % 7)} for i in range(100)], "allow_auto_topic_creation": False})
    for v in range(4, 7):
        for kind in (2, 9, -1):
            yield {"name": "coordinator/kind", "key": 10, "version": v, "body": {"coordinator_keys": ["g"], "key_type": kind}}
        yield {"name": "coordinator/none", "key": 10, "version": v, "body": {"coordinator_keys": [], "key_type": 0}}


def strange():
    for part_of in (headers, lengths, texts, tags, codecs, producers, times, sums):
        yield from part_of()
