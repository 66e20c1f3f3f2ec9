"""kafka-python with its default settings: produce, then consume in a group; prints what the group read as JSON."""
import json
import sys

from kafka import KafkaConsumer, KafkaProducer

broker, username, password, topic = sys.argv[1:5]
login = dict(
    bootstrap_servers=broker,
    security_protocol="SASL_PLAINTEXT",
    sasl_mechanism="PLAIN",
    sasl_plain_username=username,
    sasl_plain_password=password,
)

producer = KafkaProducer(**login)
sent = [producer.send(topic, key=b"k%d" % i, value=b"v%d" % i, headers=[("n", b"%d" % i)]) for i in range(50)]
offsets = sorted(future.get(timeout=20).offset for future in sent)
producer.close()

first = KafkaConsumer(topic, group_id="py", auto_offset_reset="earliest", consumer_timeout_ms=4000, enable_auto_commit=False, **login)
read = []
for message in first:
    read.append([message.key.decode(), message.value.decode(), dict((k, v.decode()) for k, v in message.headers)])
    if len(read) == 30:
        break
first.commit()
position = first.position(list(first.assignment())[0])
first.close()

second = KafkaConsumer(topic, group_id="py", auto_offset_reset="earliest", consumer_timeout_ms=4000, **login)
rest = [message.value.decode() for message in second]
second.close()
print(json.dumps({"offsets": offsets, "read": len(read), "first": read[0], "position": position, "rest": len(rest)}))
