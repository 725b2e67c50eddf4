#!/usr/bin/env python3
"""kafkapython.py BOOTSTRAP BASE - the steps of plan.py with kafka-python, which has a protocol code of its own."""
import os
import sys
import time

import kafka
from kafka.admin import KafkaAdminClient
from kafka.errors import BrokerResponseError, OffsetOutOfRangeError
from kafka.structs import TopicPartition

import steps

WAIT_S = 15
GREATEST = -3


class Client:
    def __init__(self, at):
        self.at = at
        self.admin = KafkaAdminClient(bootstrap_servers=at)
        self.consumer = kafka.KafkaConsumer(bootstrap_servers=at, auto_offset_reset="none", enable_auto_commit=False,
                                            fetch_max_wait_ms=50)

    def topics(self):
        return sorted(self.admin.list_topics())

    def create(self, topic, partitions, replicas, config):
        wanted = {topic: {"num_partitions": partitions, "replication_factor": replicas, "configs": config}}
        answer = self.admin.create_topics(wanted, raise_errors=False)["topics"][0]
        if answer["error_code"] != 0:
            raise steps.BrokerError(answer["error_code"], answer["error_message"] or "")
        return ["ok"]

    def send(self, topic, records, **config):
        producer = kafka.KafkaProducer(bootstrap_servers=self.at, linger_ms=200, batch_size=200000,
                                       max_request_size=4000000, **config)
        try:
            sent = [producer.send(topic, value, key, headers, 0, stamp) for stamp, key, value, headers in records]
            return [one.get(WAIT_S).offset for one in sent]
        except BrokerResponseError as e:
            raise steps.BrokerError(e.errno)
        finally:
            producer.close(WAIT_S)

    def produce(self, topic, codec, acks, records):
        config = {"compression_type": None if codec == "none" else codec,
                  "acks": "all" if acks == "idempotent" else acks if acks == "all" else int(acks),
                  "enable_idempotence": acks == "idempotent"}
        offsets = self.send(topic, records, **config)
        if acks == "0":
            return ["ok"]
        if offsets != list(range(offsets[0], offsets[0] + len(records))):
            sys.exit("FAILED: the offsets of %s are %s" % (topic, offsets))
        return ["ok %d %d" % (offsets[0], offsets[-1])]

    def huge(self, topic):
        self.send(topic, [(0, None, os.urandom(1500000), [])], acks="all")
        return ["ok"]

    def consume(self, topic, offset, count):
        where = TopicPartition(topic, 0)
        self.consumer.assign([where])
        self.consumer.seek(where, offset)
        found, until = [], time.monotonic() + WAIT_S
        while len(found) < count:
            try:
                found += self.consumer.poll(1000, max_records=count - len(found)).get(where, [])
            except OffsetOutOfRangeError as e:
                raise steps.BrokerError(e.errno)
            if time.monotonic() > until:
                sys.exit("FAILED: only %d of %d records of %s" % (len(found), count, topic))
        return [(m.offset, m.timestamp, m.key, m.value, m.headers) for m in found]

    def offset(self, topic, moment):
        where = TopicPartition(topic, 0)
        if moment == "greatest":
            found = self.admin.list_partition_offsets({where: GREATEST})[where]
        elif moment == "start":
            found = self.consumer.beginning_offsets([where])[where]
        elif moment == "end":
            found = self.consumer.end_offsets([where])[where]
        else:
            found = self.consumer.offsets_for_times({where: int(moment)})[where]
        return [str(-1 if found is None else getattr(found, "offset", found))]


print("kafka-python", kafka.__version__, file=sys.stderr)
steps.run(Client(sys.argv[1]), int(sys.argv[2]))
