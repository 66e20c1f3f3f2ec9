"""kafka-python: administration, old message formats, SCRAM; prints what it saw as JSON."""
import json
import sys

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic

broker, username, password, mechanism = sys.argv[1:5]
login = dict(
    bootstrap_servers=broker,
    client_id="kafka-python 2.0/e2e",
    security_protocol="SASL_PLAINTEXT",
    sasl_mechanism=mechanism,
    sasl_plain_username=username,
    sasl_plain_password=password,
)
out = {}
admin = KafkaAdminClient(**login)
admin.create_topics([NewTopic("kp", 1, 1), NewTopic("kp-gone", 1, 1)])
admin.create_partitions({"kp": NewPartitions(2)})
admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "kp", {"retention.ms": "7654321"})])
resources = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "kp")])[0].resources
out["retention"] = [entry[1] for entry in resources[0][4] if entry[0] == "retention.ms"][0]
admin.delete_topics(["kp-gone"])
out["topics"] = sorted(topic for topic in admin.list_topics() if topic.startswith("kp"))

# message format v1, as clients of before 0.11 send it
for version, codec in (((0, 10), None), ((0, 10), "gzip"), ((0, 11), "gzip")):
    producer = KafkaProducer(**login, api_version=version, compression_type=codec)
    for i in range(10):
        producer.send("kp", value=b"%s %d" % (str(version).encode(), i), partition=0).get(timeout=60)
    producer.close()

consumer = KafkaConsumer(group_id="kp-group", auto_offset_reset="earliest", consumer_timeout_ms=5000, enable_auto_commit=False, **login)
consumer.subscribe(["kp"])
values = [message.value.decode() for message in consumer]
out["read"] = {version: sum(value.startswith(version) for value in values) for version in ("(0, 10)", "(0, 11)")}
consumer.commit()
partition = TopicPartition("kp", 0)
out["end"] = consumer.end_offsets([partition])[partition]
out["beginning"] = consumer.beginning_offsets([partition])[partition]
described = admin.describe_consumer_groups(["kp-group"])[0]
out["state"] = described[2] if isinstance(described, tuple) else described.state
out["members"] = len(described[5] if isinstance(described, tuple) else described.members)
consumer.close()
out["groups"] = [group for group, _ in admin.list_consumer_groups() if group.startswith("kp")]
out["committed"] = admin.list_consumer_group_offsets("kp-group")[partition].offset
admin.delete_consumer_groups(["kp-group"])
print(json.dumps(out))
