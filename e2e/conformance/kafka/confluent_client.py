"""confluent-kafka (librdkafka): every kind of request it makes; prints what it saw as JSON."""
import json
import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

broker, username, password, mechanism = sys.argv[1:5]
login = {
    "bootstrap.servers": broker,
    "client.id": "confluent-kafka 1.7 (librdkafka 2.0)/e2e",
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": mechanism,
    "sasl.username": username,
    "sasl.password": password,
}
out = {}

admin = AdminClient(login)
for future in admin.create_topics([NewTopic("cf", num_partitions=1, replication_factor=1), NewTopic("cf-gone", 1, 1)]).values():
    future.result(30)
for future in admin.create_partitions([NewPartitions("cf", 3)]).values():
    future.result(30)
resource = ConfigResource("topic", "cf", set_config={"retention.ms": "12345678"})
for future in admin.alter_configs([resource]).values():
    future.result(30)
described = list(admin.describe_configs([ConfigResource("topic", "cf")]).values())[0].result(30)
out["retention"] = described["retention.ms"].value
for future in admin.delete_topics(["cf-gone"]).values():
    future.result(30)
try:
    list(admin.alter_configs([ConfigResource("topic", "cf", set_config={"segment.bytes": "1"})]).values())[0].result(30)
except KafkaException as error:
    out["refused"] = error.args[0].code()

for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
    producer = Producer({**login, "enable.idempotence": True, "compression.type": codec})
    for i in range(20):
        producer.produce("cf", value="%s %d" % (codec, i), partition=i % 3)
    assert producer.flush(30) == 0

transactional = Producer({**login, "transactional.id": "cf-tx"})
transactional.init_transactions(30)
for commits in (True, False, True):
    transactional.begin_transaction()
    for i in range(10):
        transactional.produce("cf", value="tx %s %d" % (commits, i), partition=i % 3)
    transactional.flush(30)
    if commits:
        transactional.commit_transaction(30)
    else:
        transactional.abort_transaction(30)

group = {
    **login,
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "isolation.level": "read_committed",
    "session.timeout.ms": 10000,
    "heartbeat.interval.ms": 500,
}


def read(consumer, count):
    values = []
    for _ in range(600):
        for message in consumer.consume(200, 0.1):
            if message.error() is None:
                values.append(message.value().decode())
        if len(values) >= count:
            break
    return values


for strategy in ("range", "roundrobin", "cooperative-sticky"):
    name = "cf-" + strategy
    members = [
        Consumer({**group, "group.id": name, "partition.assignment.strategy": strategy, "group.instance.id": "m%d" % i})
        for i in range(2)
    ]
    for member in members:
        member.subscribe(["cf"])
    values = []
    for _ in range(600):
        for member in members:
            values += [m.value().decode() for m in member.consume(50, 0.05) if m.error() is None]
        if len(values) >= 120 and all(member.assignment() for member in members):
            break
    out[strategy] = sorted(len(member.assignment()) for member in members)
    out[strategy + " aborted"] = sum(value.startswith("tx False") for value in values)
    out[strategy + " read"] = len(set(values))
    for member in members:
        try:
            member.commit(asynchronous=False)
        except KafkaException:
            pass
        member.close()

reader = Consumer({**group, "group.id": "cf-times"})
out["offset at time"] = reader.offsets_for_times([TopicPartition("cf", 0, 0)], 30)[0].offset
out["low"] = reader.get_watermark_offsets(TopicPartition("cf", 0), timeout=30)[0]
reader.close()
out["groups"] = sorted(group.id for group in admin.list_groups(timeout=30) if group.id.startswith("cf-"))
print(json.dumps(out))
