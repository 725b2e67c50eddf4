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
                    differential_strange.strange):
        yield from part_of()
