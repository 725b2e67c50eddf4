"""differential_cases.py - what is asked of Kafka and of kiln alike: each API in each version, mostly
with values that no friendly client sends. Used when answers are recorded; the replay has them as data.

A case: name, key, version, body; instead of a body raw bytes (hex). "$id:NAME" is the id of a topic.
Each goes over a connection of its own, in this order, to a broker that had no topics."""
from kafka_wire import batch, record

OLD = 1700000000000  # a time long ago; the topics keep everything
NEVER = "ffffffffffffffffffffffffffffff00"
KEEP = [{"name": "retention.ms", "value": "-1"}]


def topic(name, partitions=1, replicas=1, configs=(), assignments=()):
    return {"name": name, "num_partitions": partitions, "replication_factor": replicas,
            "assignments": [{"partition_index": p, "broker_ids": ids} for p, ids in assignments],
            "configs": [{"name": k, "value": v} for k, v in configs]}


def create(name, version, topics, validate=False, timeout_ms=20000):
    return {"name": "create/" + name, "key": 19, "version": version,
            "body": {"topics": topics, "timeout_ms": timeout_ms, "validate_only": validate}}


def create_topics():
    for v in range(2, 8):
        good = topic("ct-v%d" % v, 2, 1, [("retention.ms", "1234567")])
        yield create("good", v, [good])
        yield create("exists", v, [good])
        yield create("validate", v, [topic("ct-validate", 3, 1, [("retention.ms", "5")])], True)
        yield create("validate-exists", v, [good], True)
        yield create("no-topics", v, [])
        yield create("bad-name", v, [topic("a/b")])
        yield create("bad-config", v, [topic("ct-x", configs=[("retention.ms", "soon")])])
        yield create("unknown-config", v, [topic("ct-x", configs=[("no.such.key", "1")])])
        yield create("defaults", v, [topic("ct-d%d" % v, -1, -1)])
        yield create("mixed", v, [topic("ct-m%d" % v), topic("a b"), good])
    for name in ("", ".", "..", "...", "a" * 249, "a" * 250, "a/b", "a b", "a\tb", "a\nb", "a:b", "a,b", "\u00e9",
                 "a*", "-", "_", "--", "A", "0", "__consumer_offsets", "__transaction_state",
                 "__share_group_state", "__cluster_metadata", "__other"):
        yield create("name", 7, [topic(name)], True)
    yield create("collides", 7, [topic("ct.v7")])
    yield create("collides-validate", 7, [topic("ct_v7")], True)
    yield create("collide-each-other", 7, [topic("co.l"), topic("co_l")])
    yield create("twice", 7, [topic("tw"), topic("tw")])
    yield create("twice-and-one", 7, [topic("tw"), topic("other-tw"), topic("tw"), topic("tw")])
    yield create("twice-bad-name", 7, [topic("t w"), topic("t w")])
    yield create("twice-exists", 7, [topic("ct-v7"), topic("ct-v7")])
    for v in (2, 3, 4, 7):
        for partitions in (0, -1, -2, 2 ** 31 - 1, -2 ** 31):
            yield create("partitions", v, [topic("np", partitions, 1)], True)
        for replicas in (0, -1, -2, 2, 3, 32767, -32768):
            yield create("replicas", v, [topic("rf", 1, replicas)], True)
    yield create("both-wrong", 7, [topic("bw", 0, 0)], True)
    yield create("name-and-partitions", 7, [topic("b w", 0, 5)], True)
    yield create("config-and-partitions", 7, [topic("cp", 0, 1, [("nope", "1")])], True)
    yield create("config-and-replicas", 7, [topic("cp", 1, 5, [("nope", "1")])], True)
    yield create("exists-and-config", 7, [topic("ct-v7", 1, 5, [("nope", "1")])], True)
    for v in (2, 7):
        yield create("assigned", v, [topic("as%d" % v, -1, -1, (), [(0, [1]), (1, [1])])])
        yield create("assigned-any-order", v, [topic("ao%d" % v, -1, -1, (), [(2, [1]), (0, [1]), (1, [1])])])
        yield create("assigned-gap", v, [topic("ag", -1, -1, (), [(0, [1]), (2, [1])])], True)
        yield create("assigned-from-1", v, [topic("ag", -1, -1, (), [(1, [1])])], True)
        yield create("assigned-twice", v, [topic("at", -1, -1, (), [(0, [1]), (0, [1])])], True)
        yield create("assigned-nobody", v, [topic("an", -1, -1, (), [(0, [])])], True)
        yield create("assigned-unknown", v, [topic("au", -1, -1, (), [(0, [9])])], True)
        yield create("assigned-unknown-too", v, [topic("au", -1, -1, (), [(0, [1, 9])])], True)
        yield create("assigned-same-broker", v, [topic("ab", -1, -1, (), [(0, [1, 1])])], True)
        yield create("assigned-negative-broker", v, [topic("ab", -1, -1, (), [(0, [-1])])], True)
        yield create("assigned-negative", v, [topic("an", -1, -1, (), [(-1, [1])])], True)
        yield create("assigned-uneven", v, [topic("ae", -1, -1, (), [(0, [1]), (1, [1, 9])])], True)
        yield create("assigned-and-count", v, [topic("ac", 1, -1, (), [(0, [1])])], True)
        yield create("assigned-and-factor", v, [topic("ac", -1, 1, (), [(0, [1])])], True)
        yield create("assigned-and-both", v, [topic("ac", 1, 1, (), [(0, [1])])], True)
    for timeout in (0, -1, -2 ** 31, 2 ** 31 - 1):
        yield create("timeout", 7, [topic("to-validate")], True, timeout)
    yield create("timeout-none", 7, [topic("to-0")], False, 0)
    yield create("timeout-none-exists", 7, [topic("ct-v7")], False, 0)
    yield create("timeout-negative", 7, [topic("to-1")], False, -1)
    yield create("after-timeouts", 7, [topic("to-0"), topic("to-1")], True)
    yield create("config-null", 7, [topic("cn", configs=[("retention.ms", None)])], True)
    yield create("config-null-unknown", 7, [topic("cn", configs=[("nope", None)])], True)
    yield create("config-nulls", 7, [topic("cn", configs=[("retention.ms", None), ("segment.ms", None), ("a", "b")])], True)
    yield create("config-no-name", 7, [topic("cn", configs=[("", "1")])], True)
    yield create("config-twice", 7, [topic("c2", configs=[("retention.ms", "1"), ("retention.ms", "2")])])
    yield create("config-twice-same", 7, [topic("c3", configs=[("retention.ms", "1"), ("retention.ms", "1")])])
    yield create("config-two-bad", 7, [topic("cb", configs=[("retention.ms", "x"), ("segment.ms", "y")])], True)
    yield create("config-bad-and-unknown", 7, [topic("cb", configs=[("nope", "x"), ("segment.ms", "y")])], True)
    yield create("config-long-value", 7, [topic("cl", configs=[("retention.ms", "1" * 300)])], True)
    yield create("config-long-name", 7, [topic("cl", configs=[("k" * 300, "1")])], True)
    yield create("retention-below-local", 7, [topic("rl", configs=[("retention.ms", "5"), ("local.retention.ms", "6")])], True)
    yield create("compaction-lags", 7, [topic("rl", configs=[("min.compaction.lag.ms", "6"), ("max.compaction.lag.ms", "5")])], True)
    for key in ("message.format.version", "message.downconversion.enable", "message.timestamp.difference.max.ms",
                "replication.factor", "log.retention.ms", "Retention.ms", "retention.ms ", "flush.policy",
                "internal.segment.bytes"):
        yield create("config-key", 7, [topic("ck", configs=[(key, "1")])], True)


NUMBERS = ("", " ", "5", " 5 ", "+5", "-5", "05", "0", "-0", "1", "-1", "-2", "-3", "5.0", "1e3", "0x10", "5L", "1_000",
           "2147483647", "2147483648", "-2147483648", "9223372036854775807", "9223372036854775808",
           "-9223372036854775808", "null", "\u0665", "1023", "1024", "1048575", "1048576", "3", "4")
BOOLEANS = ("true", "false", "TRUE", "False", " true ", "yes", "1", "0", "", "on")
LISTS = ("", "delete", "compact", "delete,compact", "compact,delete", "delete,delete", "Delete", " delete , compact ",
         "delete,", ",", "delete,other", "[delete]", "none")
THROTTLED = ("", "*", "0:1", "0:1,1:1", "0:1,0:1", " 0:1 , 1:2 ", "0", "0:", ":1", "a:b", "0:1:2", "-1:1", "none", "*,0:1",
             "0:1,*")
WORDS = {
    "compression.type": ("producer", "gzip", "snappy", "lz4", "zstd", "uncompressed", "none", "GZIP", " gzip ", "", "brotli"),
    "message.timestamp.type": ("CreateTime", "LogAppendTime", "createtime", " CreateTime ", "", "NoTimestampType"),
}
DOUBLES = ("0", "1", "0.5", ".5", "5.", "1.0000001", "-0.0", "-0.1", "NaN", "Infinity", "1e-3", "0x1p-1", "0.5f", "0.5d",
           " 0.5 ", "", "abc", "1E0", "0,5")
KEYS = {
    "long": ("delete.retention.ms file.delete.delay.ms flush.messages flush.ms local.retention.bytes local.retention.ms "
             "max.compaction.lag.ms message.timestamp.after.max.ms message.timestamp.before.max.ms "
             "min.compaction.lag.ms retention.bytes retention.ms segment.jitter.ms segment.ms"),
    "int": ("compression.gzip.level compression.lz4.level compression.zstd.level index.interval.bytes max.message.bytes "
            "min.insync.replicas segment.bytes segment.index.bytes internal.segment.bytes"),
    "boolean": ("preallocate remote.log.copy.disable remote.log.delete.on.disable remote.storage.enable "
                "unclean.leader.election.enable"),
    "list": "cleanup.policy",
    "throttled": "follower.replication.throttled.replicas leader.replication.throttled.replicas",
    "word": "compression.type message.timestamp.type",
    "double": "min.cleanable.dirty.ratio",
}


def configs():
    for kind, keys in KEYS.items():
        for key in keys.split():
            values = {"long": NUMBERS, "int": NUMBERS, "boolean": BOOLEANS, "list": LISTS, "throttled": THROTTLED,
                      "double": DOUBLES}.get(kind) or WORDS[key]
            extra = ("9", "10", "17", "18", "22", "23", "-131072", "-131073") if key.startswith("compression.") and kind == "int" else ()
            yield create("config/" + key, 7, [topic("cf-%d" % i, configs=[(key, value)])
                                              for i, value in enumerate(values + extra)], True)
    every = [("cleanup.policy", "delete"), ("compression.gzip.level", "9"), ("compression.lz4.level", "1"),
             ("compression.type", "zstd"), ("compression.zstd.level", "-5"), ("delete.retention.ms", "1"),
             ("file.delete.delay.ms", "2"), ("flush.messages", "3"), ("flush.ms", "4"),
             ("follower.replication.throttled.replicas", "*"), ("index.interval.bytes", "5"),
             ("leader.replication.throttled.replicas", "0:1"), ("max.compaction.lag.ms", "6"), ("max.message.bytes", "7000"),
             ("message.timestamp.after.max.ms", "8"), ("message.timestamp.before.max.ms", "9"),
             ("message.timestamp.type", "LogAppendTime"), ("min.cleanable.dirty.ratio", "0.25"),
             ("min.compaction.lag.ms", "1"), ("min.insync.replicas", "3"), ("preallocate", "true"),
             ("retention.bytes", "12"), ("retention.ms", "13"), ("segment.bytes", "1048577"),
             ("segment.index.bytes", "1400"), ("segment.jitter.ms", "15"), ("segment.ms", "16"),
             ("unclean.leader.election.enable", "true")]
    yield create("every-config", 7, [topic("every-config", configs=every)])


def metadata_case(name, version, body):
    return {"name": "metadata/" + name, "key": 3, "version": version, "body": body}


def metadata():
    yield create("for-metadata", 7, [topic("md", 2, 1, [("retention.ms", "-1")])])
    for v in range(14):
        auto = {"allow_auto_topic_creation": False} if v >= 4 else {}
        asked = lambda *names: dict(auto, topics=[{"name": n} for n in names])
        yield metadata_case("one", v, asked("md"))
        yield metadata_case("none", v, dict(auto, topics=[])) if v > 0 else metadata_case("unknown", v, asked("gone"))
        yield metadata_case("unknown", v, asked("gone"))
        yield metadata_case("bad-name", v, asked("a b"))
        yield metadata_case("empty-name", v, asked(""))
        yield metadata_case("twice", v, asked("md", "md"))
        yield metadata_case("unknown-twice", v, asked("gone", "md", "gone"))
        yield metadata_case("sorted", v, asked("z-gone", "md", "a-gone"))
        if v >= 8:
            yield metadata_case("operations", v, dict(asked("md", "gone"), include_topic_authorized_operations=True))
        if 8 <= v <= 10:
            yield metadata_case("cluster-operations", v, dict(asked("md"), include_cluster_authorized_operations=True))
        if v >= 10:
            yield metadata_case("by-id", v, dict(auto, topics=[{"name": None, "topic_id": "$id:md"}]))
            yield metadata_case("by-id-and-name", v, dict(auto, topics=[{"name": "md", "topic_id": "$id:md"}]))
            yield metadata_case("by-id-other-name", v, dict(auto, topics=[{"name": "gone", "topic_id": "$id:md"}]))
            yield metadata_case("unknown-id", v, dict(auto, topics=[{"name": None, "topic_id": NEVER}]))
            yield metadata_case("no-name-no-id", v, dict(auto, topics=[{"name": None}]))
            yield metadata_case("id-and-name-apart", v, dict(auto, topics=[{"name": "md"}, {"name": None, "topic_id": "$id:md"}]))
            yield metadata_case("id-twice", v, dict(auto, topics=[{"name": None, "topic_id": "$id:md"}] * 2))


def fetch_case(name, version, partitions, **fields):
    body = dict({"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1 << 20,
                 "topics": [fetch_topic(version, "fe", partitions)] if partitions is not None else []}, **fields)
    if version < 15:
        body.setdefault("replica_id", -1)
    return {"name": "fetch/" + name, "key": 1, "version": version, "body": body}


def fetch_topic(version, name, partitions):
    head = {"topic_id": name if len(name) == 32 else "$id:" + name} if version >= 13 else {"topic": name}
    return dict(head, partitions=partitions)


def part(index=0, offset=0, size=1 << 20, **fields):
    return dict({"partition": index, "fetch_offset": offset, "partition_max_bytes": size}, **fields)


def produce_case(name, version, partitions, topics=None, acks=-1, timeout_ms=10000, **fields):
    if topics is None:
        topics = [produce_topic(version, "pr", partitions)]
    return {"name": "produce/" + name, "key": 0, "version": version,
            "body": dict({"acks": acks, "timeout_ms": timeout_ms, "topic_data": topics}, **fields)}


def produce_topic(version, name, partitions):
    head = {"topic_id": name if len(name) == 32 else "$id:" + name} if version >= 13 else {"name": name}
    return dict(head, partition_data=[{"index": i, "records": r} for i, r in partitions])


def fetch():
    yield create("for-fetch", 7, [topic("fe", 3, 1, [("retention.ms", "-1")]), topic("fe2", 1, 1, [("retention.ms", "-1")])])
    for i in range(3):
        yield produce_case("for-fetch", 9, None, [produce_topic(9, "fe", [(0, batch([OLD + i, OLD + i + 5]))])])
    yield produce_case("for-fetch", 9, None, [produce_topic(9, "fe2", [(0, batch([OLD]))])])
    for v in range(4, 19):
        yield fetch_case("good", v, [part()])
        yield fetch_case("middle", v, [part(offset=3)])
        yield fetch_case("at-end", v, [part(offset=6)])
        yield fetch_case("empty-partition", v, [part(1)])
        yield fetch_case("beyond", v, [part(offset=7)])
        yield fetch_case("below", v, [part(offset=-1)])
        yield fetch_case("smallest", v, [part(offset=-2 ** 63)])
        yield fetch_case("greatest", v, [part(offset=2 ** 63 - 1)])
        yield fetch_case("no-partition", v, [part(7)])
        yield fetch_case("negative-partition", v, [part(-1)])
        yield fetch_case("nothing", v, None)
        yield fetch_case("no-partitions", v, [])
        yield fetch_case("twice", v, [part(0), part(0, 2)])
        yield fetch_case("twice-beyond-first", v, [part(0, 99), part(0, 2)])
        yield fetch_case("twice-beyond-last", v, [part(0, 2), part(0, 99)])
        yield fetch_case("unknown-topic", v, None, topics=[fetch_topic(v, NEVER if v >= 13 else "gone", [part()])])
        yield fetch_case("topic-twice", v, None, topics=[fetch_topic(v, "fe", [part(0)]), fetch_topic(v, "fe", [part(0, 4)])])
        yield fetch_case("topic-parted", v, None, topics=[fetch_topic(v, "fe", [part(0)]), fetch_topic(v, "fe2", [part()]),
                                                         fetch_topic(v, "fe", [part(1)])])
        yield fetch_case("small-partition", v, [part(size=1)])
        yield fetch_case("zero-partition", v, [part(size=0)])
        yield fetch_case("negative-partition-bytes", v, [part(size=-1)])
        yield fetch_case("one-batch", v, [part(size=100)])
        yield fetch_case("small-answer", v, [part()], max_bytes=1)
        yield fetch_case("zero-answer", v, [part()], max_bytes=0)
        yield fetch_case("negative-answer", v, [part()], max_bytes=-1)
        yield fetch_case("negative-wait", v, [part(offset=6)], max_wait_ms=-1, min_bytes=1)
        yield fetch_case("committed", v, [part()], isolation_level=1)
        yield fetch_case("committed-at-end", v, [part(offset=6)], isolation_level=1)
        yield fetch_case("isolation-2", v, [part()], isolation_level=2)
        yield fetch_case("isolation-negative", v, [part()], isolation_level=-1)
        if v < 15:
            yield fetch_case("follower", v, [part()], replica_id=1)
            yield fetch_case("unknown-follower", v, [part()], replica_id=9)
            yield fetch_case("debugging", v, [part()], replica_id=-2)
            yield fetch_case("replica-negative", v, [part()], replica_id=-3)
        else:
            yield fetch_case("unknown-follower", v, [part()], replica_state={"replica_id": 9, "replica_epoch": 1})
        if v >= 7:
            yield fetch_case("session-continued", v, [part()], session_id=5, session_epoch=1)
            yield fetch_case("session-unknown", v, [part()], session_id=5, session_epoch=0)
            yield fetch_case("session-closed", v, [part()], session_id=5, session_epoch=-1)
            yield fetch_case("session-negative-epoch", v, [part()], session_id=0, session_epoch=-2)
            yield fetch_case("session-id-0-epoch-1", v, [part()], session_id=0, session_epoch=1)
            yield fetch_case("no-session", v, [part()], session_id=0, session_epoch=-1)
        if v >= 9:
            for epoch in (-2, 0, 1, 2 ** 31 - 1):
                yield fetch_case("leader-epoch", v, [part(current_leader_epoch=epoch)])
            yield fetch_case("leader-epoch-beyond", v, [part(offset=99, current_leader_epoch=5)])
        if v >= 12:
            for epoch, offset in ((-2, 0), (0, 0), (0, 3), (0, 6), (0, 7), (0, 99), (1, 0), (1, 6), (5, 3), (2 ** 31 - 1, 6)):
                yield fetch_case("last-epoch", v, [part(offset=offset, last_fetched_epoch=epoch)])
            yield fetch_case("last-epoch-and-leader", v, [part(offset=3, last_fetched_epoch=1, current_leader_epoch=0)])
            yield fetch_case("last-epoch-mixed", v, [part(0, 3, last_fetched_epoch=1), part(1, 0), part(2, 0, last_fetched_epoch=0)])
            yield fetch_case("last-epoch-empty", v, [part(1, 0, last_fetched_epoch=0)])
            yield fetch_case("cluster-id", v, [part()], cluster_id="someone-elses")


def produce():
    yield create("for-produce", 7, [topic("pr", 2, 1, [("retention.ms", "-1")]),
                                    topic("pr-small", 1, 1, [("max.message.bytes", "200"), ("retention.ms", "-1")]),
                                    topic("pr-now", 1, 1, [("message.timestamp.type", "LogAppendTime"), ("retention.ms", "-1")]),
                                    topic("pr-min", 1, 1, [("min.insync.replicas", "2"), ("retention.ms", "-1")])])
    good = batch([OLD])
    for v in range(0, 3):
        yield {"name": "produce/old-version", "key": 0, "version": v,
               "raw": "0000000%d00000001000164ffff000003e80000000000" % v}
    for v in range(3, 14):
        yield produce_case("good", v, [(0, good)])
        yield produce_case("acks-1", v, [(0, good)], acks=1)
        yield produce_case("acks-2", v, [(0, good)], acks=2)
        yield produce_case("acks-negative", v, [(0, good)], acks=-2)
        yield produce_case("acks-2-unknown", v, None, [produce_topic(v, NEVER if v >= 13 else "gone", [(0, good)])], acks=2)
        yield produce_case("nothing", v, None, [])
        yield produce_case("no-partitions", v, [])
        yield produce_case("unknown-topic", v, None, [produce_topic(v, NEVER if v >= 13 else "gone", [(0, good)])])
        yield produce_case("bad-topic", v, None, [produce_topic(v, "00" * 16 if v >= 13 else "a b", [(0, good)])])
        yield produce_case("no-partition", v, [(5, good)])
        yield produce_case("negative-partition", v, [(-1, good)])
        yield produce_case("empty-records", v, [(0, "")])
        yield produce_case("two-batches", v, [(0, good + good)])
        yield produce_case("magic-1", v, [(0, batch([OLD], magic=1))])
        yield produce_case("magic-3", v, [(0, batch([OLD], magic=3))])
        yield produce_case("bad-crc", v, [(0, batch([OLD], bad_crc=True))])
        yield produce_case("cut", v, [(0, good[:-2])])
        yield produce_case("longer", v, [(0, good + "00")])
        yield produce_case("sixteen-bytes", v, [(0, good[:32])])
        yield produce_case("twice", v, [(0, good), (0, good)])
        yield produce_case("twice-one-bad", v, [(0, good), (0, batch([OLD], bad_crc=True))])
        yield produce_case("topic-twice", v, None, [produce_topic(v, "pr", [(0, good)]), produce_topic(v, "pr", [(1, good)])])
        yield produce_case("mixed", v, None, [produce_topic(v, "pr", [(0, good), (9, good)]),
                                              produce_topic(v, NEVER if v >= 13 else "gone", [(0, good)])])
        yield produce_case("too-large", v, None, [produce_topic(v, "pr-small", [(0, batch([OLD], values=[b"x" * 300]))])])
        yield produce_case("log-append-time", v, None, [produce_topic(v, "pr-now", [(0, good)])])
        yield produce_case("min-isr", v, None, [produce_topic(v, "pr-min", [(0, good)])])
        yield produce_case("future", v, [(0, batch([OLD + (1 << 42)]))])
        yield produce_case("timeout-0", v, [(0, good)], timeout_ms=0)
        yield produce_case("acks-0-good", v, [(0, good)], acks=0)
        yield produce_case("acks-0-bad", v, [(0, batch([OLD], bad_crc=True))], acks=0)
        yield produce_case("acks-0-unknown", v, None, [produce_topic(v, NEVER if v >= 13 else "gone", [(0, good)])], acks=0)
        yield produce_case("acks-0-nothing", v, None, [], acks=0)
    for v in (9, 13):
        yield produce_case("control", v, [(0, batch([OLD], attributes=32))])
        yield produce_case("epoch-negative", v, [(0, batch([OLD], pid=70, epoch=-1, sequence=0))])
        yield produce_case("epoch-min", v, [(0, batch([OLD], pid=71, epoch=-32768, sequence=0))])
        yield produce_case("sequence-negative", v, [(0, batch([OLD], pid=72, epoch=0, sequence=-1))])
        yield produce_case("sequence-min", v, [(0, batch([OLD], pid=73, epoch=0, sequence=-2 ** 31))])
        yield produce_case("pid-negative", v, [(0, batch([OLD], pid=-2, epoch=0, sequence=0))])
        yield produce_case("no-pid-epoch", v, [(0, batch([OLD], pid=-1, epoch=0, sequence=0))])
        yield produce_case("first-sequence-5-v%d" % v, v, [(0, batch([OLD], pid=80 + v, epoch=0, sequence=5))])
        yield produce_case("sequence-gap", v, [(0, batch([OLD], pid=80 + v, epoch=0, sequence=9))])
        yield produce_case("epoch-first-not-0", v, [(0, batch([OLD], pid=80 + v, epoch=1, sequence=9))])
        yield produce_case("epoch-next", v, [(0, batch([OLD], pid=80 + v, epoch=1, sequence=0))])
        yield produce_case("epoch-old", v, [(0, batch([OLD], pid=80 + v, epoch=0, sequence=6))])
        yield produce_case("duplicate", v, [(0, batch([OLD], pid=80 + v, epoch=1, sequence=0))])


def list_case(name, version, partitions, topics=None, **fields):
    if topics is None:
        topics = [{"name": "lo", "partitions": partitions}]
    return {"name": "list/" + name, "key": 2, "version": version,
            "body": dict({"replica_id": -1, "topics": topics}, **fields)}


def at(timestamp, index=0, **fields):
    return dict({"partition_index": index, "timestamp": timestamp}, **fields)


def list_offsets():
    import gzip
    zipped = gzip.compress(b"".join(record(i, d, value=b"z" * 40) for i, d in enumerate((0, 40, 20))), mtime=0)
    yield create("for-list", 7, [topic("lo", 4, 1, [("retention.ms", "-1")]),
                                 topic("lo-now", 1, 1, [("message.timestamp.type", "LogAppendTime"), ("retention.ms", "-1")])])
    yield produce_case("for-list", 9, None, [produce_topic(9, "lo", [(0, batch([OLD, OLD + 30, OLD + 10, OLD + 30]))])])
    yield produce_case("for-list", 9, None, [produce_topic(9, "lo", [(0, batch([OLD + 20, OLD + 50]))])])
    yield produce_case("for-list", 9, None, [produce_topic(9, "lo", [(0, batch([OLD + 50, OLD + 45]))])])
    yield produce_case("for-list", 9, None, [produce_topic(9, "lo", [(2, batch([OLD, OLD + 40, OLD + 20], codec=1, records=zipped))])])
    yield produce_case("for-list", 9, None, [produce_topic(9, "lo", [(3, batch([-1, -1]))])])
    for v in range(1, 12):
        for timestamp in (-1, -2, -3, -4, -5, -6, -7, -2 ** 63, 0, 1, OLD - 1, OLD, OLD + 1, OLD + 10, OLD + 11, OLD + 30, OLD + 31,
                          OLD + 45, OLD + 50, OLD + 51, 2 ** 63 - 1):
            yield list_case("time", v, [at(timestamp)])
        for timestamp in (-1, -2, -3, -4, -5, -6, 0, OLD):
            yield list_case("empty", v, [at(timestamp, 1)])
        for timestamp in (-1, -2, -3, OLD, OLD + 1, OLD + 20, OLD + 21, OLD + 40, OLD + 41):
            yield list_case("compressed", v, [at(timestamp, 2)])
        for timestamp in (-1, -2, -3, 0, OLD):
            yield list_case("no-timestamps", v, [at(timestamp, 3)])
        yield list_case("no-partition", v, [at(-1, 9)])
        yield list_case("negative-partition", v, [at(-1, -1)])
        yield list_case("unknown-topic", v, None, [{"name": "gone", "partitions": [at(-1)]}])
        yield list_case("bad-topic", v, None, [{"name": "a b", "partitions": [at(-1)]}])
        yield list_case("nothing", v, None, [])
        yield list_case("no-partitions", v, [])
        yield list_case("twice", v, [at(-1), at(-1)])
        yield list_case("twice-and-one", v, [at(-1), at(-2), at(-1, 1)])
        yield list_case("topic-twice", v, None, [{"name": "lo", "partitions": [at(-1)]}, {"name": "lo", "partitions": [at(-2, 1)]}])
        yield list_case("topic-and-partition-twice", v, None, [{"name": "lo", "partitions": [at(-1)]}, {"name": "lo", "partitions": [at(-2)]}])
        yield list_case("mixed", v, None, [{"name": "gone", "partitions": [at(-1)]}, {"name": "lo", "partitions": [at(-1), at(-1, 9)]}])
        for replica in (-2, -3, 1, 9):
            yield list_case("replica", v, [at(-1)], replica_id=replica)
        if v >= 2:
            for isolation in (1, 2, -1):
                yield list_case("isolation", v, [at(-1)], isolation_level=isolation)
            yield list_case("isolation-time", v, [at(OLD + 31)], isolation_level=1)
        if v >= 4:
            for epoch in (-2, 0, 1, 2 ** 31 - 1):
                yield list_case("leader-epoch", v, [at(-1, current_leader_epoch=epoch)])
                yield list_case("leader-epoch-time", v, [at(OLD, current_leader_epoch=epoch)])
        if v >= 10:
            yield list_case("timeout", v, [at(-1)], timeout_ms=-1)
            yield list_case("timeout", v, [at(OLD)], timeout_ms=0)


def small():
    def producer_id(name, version, **fields):
        return {"name": "producer/" + name, "key": 22, "version": version,
                "body": dict({"transactional_id": None, "transaction_timeout_ms": 60000}, **fields)}
    for v in range(6):
        yield producer_id("new", v)
        yield producer_id("timeout-0", v, transaction_timeout_ms=0)
        yield producer_id("timeout-negative", v, transaction_timeout_ms=-1)
        yield producer_id("empty-transactional", v, transactional_id="")
        if v >= 3:
            for pid, epoch in ((5, 0), (5, -1), (-1, 0), (-2, -2), (0, 0), (5, 32767), (2 ** 62, 3)):
                yield producer_id("again", v, producer_id=pid, producer_epoch=epoch)
    for v in range(5):
        for name, version in (("kiln", "1"), ("", "1"), ("kiln", ""), ("-a", "1"), ("a-", "1"), ("a b", "1"), ("a.b-c", "1.2-x"),
                              ("a", "."), ("\u00e9", "1")) if v >= 3 else (("kiln", "1"),):
            body = {"client_software_name": name, "client_software_version": version} if v >= 3 else {}
            yield {"name": "versions/ask", "key": 18, "version": v, "body": body}
    for v in (5, 99, -1, 32767):
        yield {"name": "versions/unknown", "key": 18, "version": 0, "raw":
               "0012%04x00000001000164" % (v & 0xffff)}
    for v in range(2):
        yield {"name": "sasl/handshake", "key": 17, "version": v, "body": {"mechanism": "PLAIN"}}
        yield {"name": "sasl/handshake-empty", "key": 17, "version": v, "body": {"mechanism": ""}}
    for v in range(3):
        yield {"name": "sasl/authenticate", "key": 36, "version": v, "body": {"auth_bytes": "00610062"}}


def describe_configs():
    def ask(name, version, *resources, **fields):
        rows = [{"resource_type": kind, "resource_name": what, "configuration_keys": keys} for kind, what, keys in resources]
        return {"name": "describe/" + name, "key": 32, "version": version, "body": dict({"resources": rows}, **fields)}
    for v in range(1, 5):
        yield ask("all", v, (2, "every-config", None))
        yield ask("some", v, (2, "ct-v7", ["retention.ms", "nope", "segment.bytes"]))
        yield ask("no-keys", v, (2, "ct-v7", []))
        yield ask("key-twice", v, (2, "ct-v7", ["retention.ms", "retention.ms"]))
        yield ask("topic-twice", v, (2, "ct-v7", ["retention.ms"]), (2, "ct-v7", ["segment.ms"]))
        yield ask("nothing", v)
        yield ask("unknown", v, (2, "gone", None))
        yield ask("bad-name", v, (2, "a b", None))
        yield ask("no-name", v, (2, "", None))
        yield ask("unknown-broker", v, (4, "9", None))
        yield ask("unknown-kind", v, (3, "x", None))
        yield ask("synonyms", v, (2, "ct-v7", ["retention.ms"]), include_synonyms=True)


# ---- administrators -----------------------------------------------------------------------------


def ask(name, key, version, body):
    return {"name": name, "key": key, "version": version, "body": body}


def delete_topics():
    yield create("for-delete", 7, [topic("dt-%d" % i) for i in range(12)])
    for v in range(1, 7):
        def drop(name, *what, timeout_ms=20000):
            body = {"timeout_ms": timeout_ms}
            if v >= 6:
                body["topics"] = [{"name": None, "topic_id": w[4:]} if w.startswith("hex:") else
                                  {"name": None, "topic_id": w} if w.startswith("$id:") else {"name": w} for w in what]
            else:
                body["topic_names"] = list(what)
            return ask("delete/" + name, 20, v, body)
        yield drop("good", "dt-%d" % v)
        yield drop("again", "dt-%d" % v)
        yield drop("none")
        yield drop("bad-name", "a b")
        yield drop("no-name", "")
        yield drop("twice", "dt-11", "dt-11")
        yield drop("twice-unknown", "gone", "gone")
        yield drop("mixed", "gone", "a b")
        yield drop("internal", "__consumer_offsets")
        if v == 6:
            yield drop("by-id", "$id:dt-0")
            yield drop("unknown-id", "hex:" + NEVER)
            yield drop("unknown-id-twice", "hex:" + NEVER, "hex:" + NEVER)
            yield ask("delete/neither", 20, v, {"topics": [{"name": None}], "timeout_ms": 20000})
            yield ask("delete/both", 20, v, {"topics": [{"name": "dt-10", "topic_id": "$id:dt-10"}], "timeout_ms": 20000})
            yield ask("delete/id-and-name", 20, v, {"topics": [{"name": "dt-10"}, {"name": None, "topic_id": "$id:dt-10"}], "timeout_ms": 20000})


def create_partitions():
    yield create("for-partitions", 7, [topic("cp", 2), topic("cp-other", 1)])
    for v in range(4):
        def grow(name, *rows, validate=False, timeout_ms=20000):
            return ask("partitions/" + name, 37, v, {
                "topics": [{"name": n, "count": c, "assignments": None if a is None else [{"broker_ids": ids} for ids in a]}
                           for n, c, a in rows], "timeout_ms": timeout_ms, "validate_only": validate})
        yield grow("good", ("cp", 3 + v, None))
        for count in (0, -1, 1, 3 + v, 2 ** 31 - 1, -2 ** 31, 10000):
            yield grow("count", ("cp", count, None), validate=True)
        yield grow("unknown", ("gone", 3, None))
        yield grow("bad-name", ("a b", 3, None))
        yield grow("no-name", ("", 3, None))
        yield grow("none")
        yield grow("twice", ("cp", 9, None), ("cp", 9, None))
        yield grow("twice-and-one", ("cp", 9, None), ("gone", 9, None), ("cp", 10, None))
        yield grow("validate", ("cp-other", 5, None), validate=True)
        yield grow("assigned", ("cp-other", 2 + v, [[1]]))
        for what, ids in (("nobody", [[]]), ("unknown", [[9]]), ("unknown-too", [[1, 9]]), ("same", [[1, 1]]), ("negative", [[-1]]),
                          ("few", []), ("many", [[1], [1]])):
            yield grow("assigned-" + what, ("cp-other", 3 + v, ids), validate=True)
        yield grow("timeout-none", ("cp", 20, None), timeout_ms=0)
        yield grow("timeout-negative", ("cp", 20, None), timeout_ms=-1)


def incremental(name, version, *resources, validate=False):
    return ask("incremental/" + name, 44, version, {"validate_only": validate, "resources": [
        {"resource_type": kind, "resource_name": what,
         "configs": [{"name": k, "config_operation": op, "value": v} for k, op, v in configs]} for kind, what, configs in resources]})


def whole(name, version, *resources, validate=False):
    return ask("alter/" + name, 33, version, {"validate_only": validate, "resources": [
        {"resource_type": kind, "resource_name": what, "configs": [{"name": k, "value": v} for k, v in configs]}
        for kind, what, configs in resources]})


def looks(name, *resources, version=4):
    return ask("described/" + name, 32, version, {"include_synonyms": True, "resources": [
        {"resource_type": kind, "resource_name": what, "configuration_keys": keys} for kind, what, keys in resources]})


THROTTLE = "leader.replication.throttled.replicas"


def alter_topics():
    yield create("for-configs", 7, [topic("ac")])
    for v in range(2):
        yield incremental("set", v, (2, "ac", [("retention.ms", 0, "60000"), ("segment.bytes", 0, "1048576")]))
        yield looks("set", (2, "ac", ["retention.ms", "segment.bytes"]))
        yield incremental("delete", v, (2, "ac", [("retention.ms", 1, None)]))
        yield looks("delete", (2, "ac", ["retention.ms", "segment.bytes"]))
        yield incremental("delete-with-value", v, (2, "ac", [("retention.ms", 1, "5")]))
        yield incremental("append", v, (2, "ac", [(THROTTLE, 2, "0:1,1:1")]))
        yield incremental("append-more", v, (2, "ac", [(THROTTLE, 2, "1:1,2:1")]))
        yield looks("append", (2, "ac", [THROTTLE]))
        yield incremental("subtract", v, (2, "ac", [(THROTTLE, 3, "1:1,9:9")]))
        yield looks("subtract", (2, "ac", [THROTTLE]))
        yield incremental("subtract-all", v, (2, "ac", [(THROTTLE, 3, "0:1,2:1")]))
        yield incremental("append-bad", v, (2, "ac", [(THROTTLE, 2, "x")]))
        yield incremental("append-plain", v, (2, "ac", [("retention.ms", 2, "5")]))
        yield incremental("subtract-plain", v, (2, "ac", [("retention.ms", 3, "5")]))
        yield incremental("append-unknown", v, (2, "ac", [("nope", 2, "5")]))
        yield incremental("unknown-key", v, (2, "ac", [("nope", 0, "5")]))
        yield incremental("delete-unknown-key", v, (2, "ac", [("nope", 1, None)]))
        yield incremental("bad", v, (2, "ac", [("retention.ms", 0, "soon")]))
        yield incremental("half-bad", v, (2, "ac", [("retention.ms", 0, "9"), ("segment.ms", 0, "soon")]))
        yield incremental("null", v, (2, "ac", [("retention.ms", 0, None)]))
        yield incremental("append-null", v, (2, "ac", [(THROTTLE, 2, None)]))
        for op in (4, 5, -1, 127, -128):
            yield incremental("operation", v, (2, "ac", [("retention.ms", op, "5")]))
        yield incremental("key-twice", v, (2, "ac", [("retention.ms", 0, "5"), ("retention.ms", 1, None)]))
        yield incremental("topic-twice", v, (2, "ac", [("retention.ms", 0, "5")]), (2, "ac", [("segment.ms", 0, "5")]))
        yield incremental("nothing", v)
        yield incremental("no-keys", v, (2, "ac", []))
        yield incremental("unknown", v, (2, "gone", [("retention.ms", 0, "5")]))
        yield incremental("bad-name", v, (2, "a b", [("retention.ms", 0, "5")]))
        yield incremental("no-name", v, (2, "", [("retention.ms", 0, "5")]))
        yield incremental("mixed", v, (2, "gone", [("retention.ms", 0, "5")]), (2, "ac", [("segment.ms", 0, "5")]))
        yield incremental("validate", v, (2, "ac", [("retention.ms", 0, "5")]), validate=True)
        yield incremental("validate-bad", v, (2, "ac", [("retention.ms", 0, "x")]), validate=True)
        for kind in (0, 1, 3, 9, -1, 127):
            yield incremental("kind", v, (kind, "x", [("a", 0, "b")]))
        for what, configs in (("root", []), ("unknown", [("nope", 0, "INFO")])):
            yield incremental("logger-" + what, v, (8, "1", configs))
        yield incremental("logger-elsewhere", v, (8, "2", [("root", 0, "INFO")]))
        yield incremental("logger-nowhere", v, (8, "", [("root", 0, "INFO")]))
        yield looks("rest", (2, "ac", ["retention.ms", "segment.ms", "segment.bytes"]))
    for v in range(3):
        yield whole("set", v, (2, "ac", [("retention.ms", "70000")]))
        yield looks("whole", (2, "ac", ["retention.ms", "segment.bytes"]))
        yield whole("bad", v, (2, "ac", [("retention.ms", "soon")]))
        yield whole("unknown-key", v, (2, "ac", [("nope", "1")]))
        yield whole("null", v, (2, "ac", [("retention.ms", None)]))
        yield whole("unknown", v, (2, "gone", []))
        yield whole("no-name", v, (2, "", []))
        yield whole("twice", v, (2, "ac", []), (2, "ac", []))
        yield whole("key-twice", v, (2, "ac", [("retention.ms", "5"), ("retention.ms", "6")]))
        yield whole("validate", v, (2, "ac", [("retention.ms", "5")]), validate=True)
        yield whole("nothing", v)
        yield whole("logger", v, (8, "1", [("root", "INFO")]))
        yield whole("kind", v, (3, "x", []))
        yield whole("empty", v, (2, "ac", []))
        yield looks("empty", (2, "ac", ["retention.ms", "segment.bytes"]))


# The keys of brokers that kiln has and that Kafka changes while they run, and what is no value of theirs.
DYNAMIC = {
    "log.retention.ms": ("5", "x", "0", "-1", "-2", "", " 7 ", "9223372036854775808"),
    "log.retention.bytes": ("5", "-5", "x"), "log.roll.ms": ("1", "0", "-1"),
    "log.segment.bytes": ("1048576", "1048575", "2147483648"), "message.max.bytes": ("0", "-1", "2147483648"),
    "log.index.size.max.bytes": ("4", "3"), "log.index.interval.bytes": ("0", "-1"),
    "log.segment.delete.delay.ms": ("0", "-1"), "compression.type": ("gzip", "none", "GZIP"),
    "compression.gzip.level": ("-1", "0", "9", "10"), "compression.lz4.level": ("1", "0", "18"),
    "compression.zstd.level": ("22", "23", "-131073"), "log.cleanup.policy": ("delete", "", "x", "delete,x"),
    "log.message.timestamp.type": ("LogAppendTime", "x"), "log.message.timestamp.after.max.ms": ("0", "-1"),
    "log.message.timestamp.before.max.ms": ("0", "-1"), "max.connections": ("5", "x"),
    "producer.id.expiration.ms": ("1", "0"), "log.flush.interval.ms": ("1", "x"),
}
FIXED = ("node.id broker.id log.dirs log.dir num.partitions log.retention.hours log.retention.minutes auto.create.topics.enable "
         "default.replication.factor fetch.max.bytes socket.request.max.bytes connections.max.idle.ms queued.max.request.bytes "
         "advertised.listeners controller.listener.names inter.broker.listener.name log.retention.check.interval.ms "
         "metadata.log.max.record.bytes.between.snapshots").split()


def alter_brokers():
    for name in ("1", ""):
        for key, values in DYNAMIC.items():
            for value in values:
                yield incremental("broker", 1, (4, name, [(key, 0, value)]), validate=True)
        for key in FIXED:
            yield incremental("fixed", 1, (4, name, [(key, 0, "1")]), validate=True)
            yield incremental("fixed-delete", 1, (4, name, [(key, 1, None)]), validate=True)
        yield incremental("fixed-two", 1, (4, name, [("num.partitions", 0, "5"), ("log.dirs", 0, "5"), ("message.max.bytes", 0, "1")]))
        yield incremental("unknown-key", 1, (4, name, [("nope", 0, "1")]), validate=True)
        yield incremental("null", 1, (4, name, [("log.retention.ms", 0, None)]))
        yield incremental("append-plain", 1, (4, name, [("log.retention.ms", 2, "5")]))
        yield incremental("subtract-plain", 1, (4, name, [("log.retention.ms", 3, "5")]))
        yield incremental("operation", 1, (4, name, [("log.retention.ms", 4, "5")]))
        yield incremental("key-twice", 1, (4, name, [("log.retention.ms", 0, "5"), ("log.retention.ms", 0, "6")]))
        yield incremental("min-isr", 1, (4, name, [("min.insync.replicas", 0, "0")]), validate=True)
        yield incremental("min-isr", 1, (4, name, [("min.insync.replicas", 0, "2")]), validate=True)
        yield incremental("min-isr-delete", 1, (4, name, [("min.insync.replicas", 1, None)]), validate=True)
    for name in ("2", "x", "-1", " 1", "1.0", "99999999999"):
        yield incremental("elsewhere", 1, (4, name, [("log.retention.ms", 0, "5")]), validate=True)
        yield whole("elsewhere", 2, (4, name, [("log.retention.ms", "5")]), validate=True)
        for kind in (4, 8):
            yield looks("elsewhere", (kind, name, ["log.retention.ms"]))
    yield looks("logger", (8, "1", ["nope"]))
    yield looks("logger-nowhere", (8, "", None))
    yield looks("all-brokers", (4, "", None))
    keys = sorted(set(DYNAMIC) - {"log.flush.interval.ms", "log.roll.ms", "max.connections"})
    for v in range(1, 5):
        yield looks("broker", (4, "1", keys + ["num.partitions", "node.id", "default.replication.factor", "nope"]), version=v)
        yield looks("twice", (4, "1", ["num.partitions"]), (4, "1", ["num.partitions"]), version=v)
    see = (4, "1", ["log.retention.ms", "log.segment.bytes", "message.max.bytes"]), (4, "", None), \
        (2, "ac", ["retention.ms", "segment.bytes", "max.message.bytes"])
    yield incremental("default", 1, (4, "", [("log.retention.ms", 0, "90000000000"), ("log.segment.bytes", 0, "2000000")]))
    yield looks("default", *see)
    yield incremental("own", 1, (4, "1", [("log.retention.ms", 0, "80000000000"), ("message.max.bytes", 0, "2000000")]))
    yield looks("own", *see)
    yield incremental("topic-too", 1, (2, "ac", [("retention.ms", 0, "70000000000")]))
    yield looks("topic-too", *see)
    yield create("under-default", 7, [topic("ac-default")])
    yield whole("own", 2, (4, "1", [("message.max.bytes", "3000000")]))
    yield looks("own-whole", *see)
    yield whole("default", 2, (4, "", []))
    yield looks("default-kept", *see)
    yield whole("default-named", 2, (4, "", [("min.insync.replicas", "1")]))
    yield whole("own-none", 2, (4, "1", []))
    yield looks("none", *see)


def delete_records():
    yield create("for-trim", 7, [topic("tr", 2, configs=KEEP), topic("tr-compact", configs=KEEP)])
    for i in range(3):
        yield produce_case("for-trim", 9, None, [produce_topic(9, "tr", [(0, batch([OLD] * 4))])])
    for v in range(3):
        def trim(name, *rows, timeout_ms=20000):
            return ask("trim/" + name, 21, v, {"timeout_ms": timeout_ms, "topics": [
                {"name": n, "partitions": [{"partition_index": p, "offset": o} for p, o in parts]} for n, parts in rows]})
        yield trim("some", ("tr", [(0, 2 + v)]))
        yield trim("back", ("tr", [(0, 1)]))
        yield trim("same", ("tr", [(0, 2 + v)]))
        yield trim("none-there", ("tr", [(1, 0)]))
        for offset in (-2, 13, 2 ** 63 - 1, -2 ** 63):
            yield trim("offset", ("tr", [(0, offset)]))
        yield trim("all-of-none", ("tr", [(1, -1)]))
        yield trim("unknown", ("gone", [(0, 0)]))
        yield trim("no-partition", ("tr", [(7, 0), (-1, 0)]))
        yield trim("nothing")
        yield trim("no-partitions", ("tr", []))
        yield trim("two", ("tr", [(0, 3 + v), (1, 0)]), ("gone", [(0, 1)]))
        yield trim("timeout-none", ("tr", [(0, 4 + v)]), timeout_ms=0)
    yield trim("all", ("tr", [(0, -1)]))
    yield list_case("trimmed", 7, None, [{"name": "tr", "partitions": [{"partition_index": 0, "timestamp": -2}]}])
    yield fetch_case("trimmed", 11, None, topics=[fetch_topic(11, "tr", [part(0, 3)])])


def leader_epochs():
    for v in range(2, 5):
        def end_of(name, *rows, replica=-1):
            body = {"topics": [{"topic": n, "partitions": [
                dict({"partition": p, "leader_epoch": e}, **({"current_leader_epoch": c} if v >= 2 else {})) for p, c, e in parts]}
                for n, parts in rows]}
            if v >= 3:
                body["replica_id"] = replica
            return ask("epoch/" + name, 23, v, body)
        for epoch in (0, 1, -1, -2, 5, 2 ** 31 - 1, -2 ** 31):
            yield end_of("of", ("tr", [(0, -1, epoch)]))
            yield end_of("current", ("tr", [(0, epoch, 0)]))
        yield end_of("empty", ("tr", [(1, -1, 0)]))
        yield end_of("unknown", ("gone", [(0, -1, 0)]))
        yield end_of("no-partition", ("tr", [(7, -1, 0), (-1, -1, 0)]))
        yield end_of("nothing")
        yield end_of("no-partitions", ("tr", []))
        yield end_of("twice", ("tr", [(0, -1, 0), (0, -1, 0)]))
        if v >= 3:
            for replica in (0, 1, -2, 9):
                yield end_of("replica", ("tr", [(0, -1, 0)]), replica=replica)


def cluster():
    for v in range(3):
        for operations in (False, True):
            body = {"include_cluster_authorized_operations": operations}
            yield ask("cluster/plain", 60, v, body)
            for kind in (1, 2, 0, 3, -1) if v >= 1 else ():
                yield ask("cluster/endpoint", 60, v, dict(body, endpoint_type=kind))
            if v >= 2:
                yield ask("cluster/fenced", 60, v, dict(body, include_fenced_brokers=True))


def pages():
    yield create("for-pages", 7, [topic("pg-a", 3), topic("pg-b", 2)])

    def page(name, names, limit=2000, cursor=None):
        return ask("page/" + name, 75, 0, {"topics": [{"name": n} for n in names], "response_partition_limit": limit,
                                           "cursor": None if cursor is None else {"topic_name": cursor[0], "partition_index": cursor[1]}})
    both = ["pg-b", "pg-a"]
    for limit in (0, 1, 2, 3, 4, 5, 6, -1, 2 ** 31 - 1, -2 ** 31):
        yield page("limit", both, limit)
    for cursor in (("pg-a", 0), ("pg-a", 1), ("pg-a", 2), ("pg-a", 3), ("pg-a", 99), ("pg-b", 0), ("pg-b", 1), ("pg-b", 2), ("pg-a", -1),
                   ("pg-c", 0), ("pg-", 0), ("", 0), ("a b", 0)):
        for limit in (1, 2, 2000):
            yield page("cursor", both, limit, cursor)
            yield page("cursor-alone", both[:1], limit, cursor)
    yield page("unknown", ["pg-gone"])
    yield page("unknown-among", ["pg-gone", "pg-a", "pg-aa"])
    yield page("unknown-full", ["pg-gone", "pg-a"], 3)
    yield page("bad-name", ["a b", "pg-a"])
    yield page("twice", ["pg-a", "pg-a", "pg-b"])
    yield page("all", [], 2, ("pg-a", 1))
    yield page("all-behind", [], 2, ("pg-aa", 1))
    yield page("all-last", [], 2000, ("zzzzz", 0))
    yield page("all-negative", [], 2, ("pg-a", -1))


def log_dirs():
    for v in range(1, 6):
        def dirs(name, topics):
            return ask("dirs/" + name, 35, v, {"topics": None if topics is None else
                                               [{"topic": n, "partitions": parts} for n, parts in topics]})
        yield dirs("some", [("pg-a", [0, 1])])
        yield dirs("none", [])
        yield dirs("no-partitions", [("pg-a", [])])
        yield dirs("unknown", [("gone", [0]), ("pg-b", [0, 7, -1])])
        yield dirs("twice", [("pg-a", [1, 1]), ("pg-a", [2])])
        yield dirs("with-records", [("fe2", [0])])


def resources():
    yield ask("resources/metrics", 74, 0, {})
    for types in ([4], [8], [16], [32], [4, 8], [3], [0], [1], [-1], [127], [2, 3]):
        yield ask("resources/some", 74, 1, {"resource_types": types})


def quorum():
    meta = "__cluster_metadata"
    for v in range(3):
        for name, topics in (("one", [(meta, [0])]), ("none", []), ("other", [("x", [0, 1])]), ("other-partition", [(meta, [1])]),
                             ("no-partition", [(meta, [])]), ("two", [(meta, [0]), ("x", [0])]), ("twice", [(meta, [0, 0])]),
                             ("topic-twice", [(meta, [0]), (meta, [0])])):
            yield ask("quorum/" + name, 55, v, {"topics": [
                {"topic_name": n, "partitions": [{"partition_index": p} for p in parts]} for n, parts in topics]})


def features():
    def update(name, version, *rows, **fields):
        kind = "allow_downgrade" if version == 0 else "upgrade_type"
        return ask("features/" + name, 57, version, dict({"feature_updates": [
            {"feature": f, "max_version_level": level, kind: bool(k) if version == 0 else k} for f, level, k in rows]}, **fields))
    for v in range(3):
        sure = {"validate_only": True} if v >= 1 else {}
        yield update("none", v, **sure)
        yield update("unknown", v, ("nope", 1, 1), **sure)
        yield update("unknown-gone", v, ("nope", 0, 1), **sure)
        yield update("negative", v, ("metadata.version", -1, 1), **sure)
        yield update("no-name", v, ("", 1, 1), **sure)
        yield update("timeout-none", v, ("nope", 1, 1), timeout_ms=0, **sure)
        for kind in (0, 4, -1, 127) if v >= 1 else ():
            yield update("kind", v, ("metadata.version", 20, kind), **sure)
            yield update("kind-unknown", v, ("nope", 1, kind), **sure)


def administration():
    for part_of in (delete_topics, create_partitions, alter_topics, alter_brokers, delete_records, leader_epochs, cluster, pages,
                    log_dirs, resources, quorum, features):
        yield from part_of()


RAW = {
    "unknown-api": "03e7000000000001000164", "negative-api": "ffff000000000001000164", "no-header": "0003",
    "empty": "", "no-client": "000300010000000100", "client-longer": "00030001000000010009ab",
    "client-null": "0003000100000001ffff00000000", "version-99": "0001006300000001000164",
    "metadata-cut": "00030001000000010001640000", "metadata-count": "0003000100000001000164" + "7fffffff",
    "metadata-negative-count": "0003000100000001000164" + "fffffffe",
    "metadata-behind": "0003000100000001000164" + "00000000" + "0102030405",
    "metadata-v12-librdkafka": "0003000c00000001000164" + "00" + "000000" + "00010000",
    "metadata-null-array": "0003000000000001000164" + "ffffffff",
    "header-tags": "0003000c00000001000164" + "0205020102" + "0701ff" + "01" + "000000",
    "header-tags-descend": "0003000c00000001000164" + "0207010105" + "01ff" + "01" + "000000",
    "produce-null-topics": "0000000700000001000164" + "ffffffff" + "000003e8" + "ffffffff",
    "leader-and-isr": "0004000000000001000164", "vote": "0034000000000001000164" + "00", "key-93": "005d000000000001000164",
    "stop-replica-1": "0005000100000001000164",
}


def raw():
    for name, data in RAW.items():
        key, version = 3, int(data[4:8], 16) if len(data) >= 8 else 0
        yield {"name": "raw/" + name, "key": key, "version": version if version <= 13 else 0, "raw": data}


def cases():
    import differential_strange
    for part_of in (create_topics, configs, metadata, produce, fetch, list_offsets, small, raw, describe_configs,
                    differential_strange.strange, administration):
        yield from part_of()
