"""Consume, transform, produce: each batch of `in` goes to `out` in one transaction with its offsets, for ever."""
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer

broker, username, password = sys.argv[1:4]
login = {
    "bootstrap.servers": broker,
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "PLAIN",
    "sasl.username": username,
    "sasl.password": password,
    "reconnect.backoff.max.ms": 500,
}


def work():
    producer = Producer({**login, "transactional.id": "eos", "transaction.timeout.ms": 20000})
    producer.init_transactions(30)
    consumer = Consumer(
        {
            **login,
            "group.id": "eos",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
        }
    )
    consumer.subscribe(["in"])
    try:
        while True:
            messages = [m for m in consumer.consume(40, 0.3) if m.error() is None]
            if not messages:
                continue
            producer.begin_transaction()
            for message in messages:
                producer.produce("out", value=message.value(), partition=message.partition())
            positions = consumer.position(consumer.assignment())
            producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), 20)
            producer.commit_transaction(20)
            print("committed %d" % len(messages), flush=True)
    finally:
        consumer.close()


while True:
    try:
        work()
    except KafkaException as error:
        print("again: %s" % error, flush=True)
        time.sleep(0.2)
