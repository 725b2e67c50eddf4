#!/usr/bin/env python3
"""kafkapython_flow.py BOOTSTRAP TOPIC SECONDS RATE - numbered records from kafka-python, idempotent."""
import sys

import kafka

from flow import Flow

WAIT_S = 60
flow = Flow()
producer = kafka.KafkaProducer(bootstrap_servers=sys.argv[1].split(","), acks="all", enable_idempotence=True, linger_ms=5,
                               retry_backoff_ms=20, reconnect_backoff_max_ms=200)


def send(n, partition, value):
    def acked(where):
        flow.acked(n, where.partition, where.offset)

    def failed(error):
        flow.failed(n, repr(error))

    producer.send(sys.argv[2], value, None, None, partition).add_callback(acked).add_errback(failed)


count = flow.run(send, float(sys.argv[3]), int(sys.argv[4]))
producer.flush(WAIT_S)
producer.close(WAIT_S)
flow.end(count)
