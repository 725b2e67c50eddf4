#!/usr/bin/env python3
"""confluent.py BOOTSTRAP BASE - the steps of plan.py with confluent-kafka, which carries a librdkafka of its own."""
import os
import sys
import time

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

import steps

WAIT_S = 15
GROUPS = "serves no consumer groups yet"  # the library asks for the coordinator of its group.id, assigned or not


class Client:
    def __init__(self, at):
        self.common = {"bootstrap.servers": at}
        self.admin = AdminClient(self.common)
        self.consumer = self.reader()

    def reader(self):
        """A new consumer: one that has been used looks for a further topic only after a second. It never joins its group."""
        return ck.Consumer({**self.common, "group.id": "unused", "enable.auto.commit": False,
                            "auto.offset.reset": "error"})

    def topics(self):
        return sorted(self.admin.list_topics(timeout=WAIT_S).topics)

    def create(self, topic, partitions, replicas, config):
        new = NewTopic(topic, num_partitions=partitions, replication_factor=replicas, config=config)
        try:
            self.admin.create_topics([new], request_timeout=WAIT_S)[topic].result(WAIT_S)
        except ck.KafkaException as e:
            raise steps.BrokerError(e.args[0].code(), e.args[0].str())
        return ["ok"]

    def send(self, topic, records, config):
        offsets, errors = [], []

        def delivered(error, message):
            if error is not None:
                errors.append(error)
            else:
                offsets.append(message.offset())

        producer = ck.Producer({**self.common, "linger.ms": 200, "message.max.bytes": 4000000, **config})
        for sent, key, value, headers in records:
            producer.produce(topic, value, key, 0, on_delivery=delivered, timestamp=sent, headers=headers)
        left = producer.flush(WAIT_S)
        if left > 0:
            sys.exit("FAILED: %d records of %s are not answered" % (left, topic))
        if errors:
            raise steps.BrokerError(errors[0].code())
        return offsets

    def produce(self, topic, codec, acks, records):
        config = {"compression.type": codec, "acks": "all" if acks == "idempotent" else acks,
                  "enable.idempotence": acks == "idempotent"}
        offsets = self.send(topic, records, config)
        if acks == "0":
            return ["ok"]
        if offsets != list(range(offsets[0], offsets[0] + len(records))):
            sys.exit("FAILED: the offsets of %s are %s" % (topic, offsets))
        return ["ok %d %d" % (offsets[0], offsets[-1])]

    def huge(self, topic):
        self.send(topic, [(0, None, os.urandom(1500000), [])], {"acks": "all"})
        return ["ok"]

    def consume(self, topic, offset, count):
        reader = self.reader()
        reader.assign([ck.TopicPartition(topic, 0, offset)])
        found, until = [], time.monotonic() + WAIT_S
        while len(found) < count:
            m = reader.poll(1)
            if m is not None and m.error() is None:
                found.append((m.offset(), m.timestamp()[1], m.key(), m.value(), m.headers()))
            elif m is not None and GROUPS not in m.error().str():
                sys.exit("FAILED: consuming %s: %s" % (topic, m.error()))
            elif time.monotonic() > until:
                sys.exit("FAILED: only %d of %d records of %s" % (len(found), count, topic))
        reader.close()
        return found

    def offset(self, topic, moment):
        where = ck.TopicPartition(topic, 0)
        if moment == "greatest":
            asked = self.admin.list_offsets({where: OffsetSpec.max_timestamp()}, request_timeout=WAIT_S)
            return [str(asked[where].result(WAIT_S).offset)]
        if moment in ("start", "end"):
            low, high = self.consumer.get_watermark_offsets(where, timeout=WAIT_S)
            return [str(low if moment == "start" else high)]
        found = self.consumer.offsets_for_times([ck.TopicPartition(topic, 0, int(moment))], timeout=WAIT_S)[0]
        if found.error:
            raise steps.BrokerError(found.error.code())
        return [str(found.offset)]


print("librdkafka", ck.libversion()[0], file=sys.stderr)
steps.run(Client(sys.argv[1]), int(sys.argv[2]))
