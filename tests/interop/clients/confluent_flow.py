#!/usr/bin/env python3
"""confluent_flow.py BOOTSTRAP TOPIC SECONDS RATE - numbered records from confluent-kafka, idempotent."""
import sys

import confluent_kafka as ck

from flow import Flow

WAIT_S = 60
flow = Flow()
producer = ck.Producer({"bootstrap.servers": sys.argv[1], "acks": "all", "enable.idempotence": True, "linger.ms": 5,
                        "retry.backoff.ms": 20, "reconnect.backoff.max.ms": 200,
                        "topic.metadata.refresh.fast.interval.ms": 20})


def delivered(error, message):
    if error is not None:
        flow.failed(int(message.value()), error)
    else:
        flow.acked(int(message.value()), message.partition(), message.offset())


def send(n, partition, value):
    producer.produce(sys.argv[2], value, None, partition, on_delivery=delivered)
    producer.poll(0)


count = flow.run(send, float(sys.argv[3]), int(sys.argv[4]))
left = producer.flush(WAIT_S)
if left > 0:
    sys.exit("FAILED: %d records are not answered" % left)
flow.end(count)
