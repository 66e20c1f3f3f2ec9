/** What the snippets of one cluster are made of. Every text may come from a user and is quoted for its language. */
export interface SnippetFacts {
  /** `scheme://host:port` of each protocol; without one its snippets are left out. */
  readonly mqtt: string | undefined;
  readonly kafka: string | undefined;
  readonly username: string;
  /** Stands for the password, which nobody knows any more. */
  readonly password: string;
  /** Name of a stored topic, `a.b`; its MQTT form is `a/b`. */
  readonly topic: string;
}

export interface Snippet {
  readonly id: string;
  readonly protocol: 'MQTT' | 'Kafka';
  readonly label: string;
  /** How to get the library or tool. */
  readonly install: string;
  readonly code: string;
}

/** A word of a POSIX shell. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** A string literal of Python, JavaScript, Java and Go alike. */
export const literal = (text: string): string =>
  JSON.stringify(text).replaceAll(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

interface Address {
  readonly host: string;
  readonly port: string;
}

const addressOf = (endpoint: string | undefined): Address | undefined => {
  const url = endpoint === undefined ? null : URL.parse(endpoint);
  return url ? { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port } : undefined;
};

/** What an MQTT snippet is made of; `user` and `password` are literals, `shell` the options of mosquitto's tools. */
interface MqttPlace extends Address {
  readonly topic: string;
  readonly filter: string;
  readonly user: string;
  readonly password: string;
  readonly shell: string;
}

const mosquitto = ({ topic, filter, shell }: MqttPlace): Snippet => ({
  id: 'mosquitto',
  protocol: 'MQTT',
  label: 'mosquitto',
  install: 'apt install mosquitto-clients',
  code: `# receive: leave it running
mosquitto_sub -V 5 ${shell} -q 1 -v -t ${shellWord(filter)}

# send: in a second terminal
mosquitto_pub -V 5 ${shell} -q 1 -t ${shellWord(topic)} -m hello
`,
});

const pythonPaho = ({ host, port, topic, filter, user, password }: MqttPlace): Snippet => ({
  id: 'python-paho',
  protocol: 'MQTT',
  label: 'Python',
  install: 'pip install paho-mqtt',
  code: `import paho.mqtt.client as mqtt

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
client.username_pw_set(${user}, ${password})

def on_connect(client, userdata, flags, reason, properties):
    client.subscribe(${literal(filter)}, qos=1)
    client.publish(${literal(topic)}, "hello", qos=1)

client.on_connect = on_connect
client.on_message = lambda client, userdata, m: print(m.topic, m.payload.decode())
client.connect(${literal(host)}, ${port})
client.loop_forever()
`,
});

const nodeMqtt = ({ host, port, topic, filter, user, password }: MqttPlace): Snippet => ({
  id: 'node-mqtt',
  protocol: 'MQTT',
  label: 'Node.js',
  install: 'npm install mqtt',
  code: `import mqtt from 'mqtt';

const client = await mqtt.connectAsync(${literal(`mqtt://${host}:${port}`)}, {
  protocolVersion: 5,
  username: ${user},
  password: ${password},
});
client.on('message', (topic, payload) => console.log(topic, payload.toString()));
await client.subscribeAsync(${literal(filter)}, { qos: 1 });
await client.publishAsync(${literal(topic)}, 'hello', { qos: 1 });
`,
});

const javaHivemq = ({ host, port, topic, filter, user, password }: MqttPlace): Snippet => ({
  id: 'java-hivemq',
  protocol: 'MQTT',
  label: 'Java',
  install: 'com.hivemq:hivemq-mqtt-client:1.3.5',
  code: `import com.hivemq.client.mqtt.MqttGlobalPublishFilter;
import com.hivemq.client.mqtt.datatypes.MqttQos;
import com.hivemq.client.mqtt.mqtt5.*;

public class First {
  public static void main(String[] args) throws Exception {
    Mqtt5BlockingClient client = Mqtt5Client.builder()
        .serverHost(${literal(host)}).serverPort(${port})
        .simpleAuth().username(${user}).password(${password}.getBytes()).applySimpleAuth()
        .buildBlocking();
    client.connect();
    try (Mqtt5BlockingClient.Mqtt5Publishes messages = client.publishes(MqttGlobalPublishFilter.ALL)) {
      client.subscribeWith().topicFilter(${literal(filter)}).qos(MqttQos.AT_LEAST_ONCE).send();
      client.publishWith().topic(${literal(topic)}).qos(MqttQos.AT_LEAST_ONCE).payload("hello".getBytes()).send();
      System.out.println(new String(messages.receive().getPayloadAsBytes()));
    }
    client.disconnect();
  }
}
`,
});

const goPaho = ({ host, port, topic, filter, user, password }: MqttPlace): Snippet => ({
  id: 'go-paho',
  protocol: 'MQTT',
  label: 'Go',
  install: 'go get github.com/eclipse/paho.mqtt.golang',
  code: `package main

import (
	"fmt"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

func main() {
	options := mqtt.NewClientOptions().AddBroker(${literal(`tcp://${host}:${port}`)})
	options.SetUsername(${user}).SetPassword(${password})
	client := mqtt.NewClient(options)
	if token := client.Connect(); token.Wait() && token.Error() != nil {
		panic(token.Error())
	}
	received := make(chan mqtt.Message)
	client.Subscribe(${literal(filter)}, 1, func(_ mqtt.Client, m mqtt.Message) { received <- m }).Wait()
	client.Publish(${literal(topic)}, 1, false, "hello").Wait()
	m := <-received
	fmt.Println(m.Topic(), string(m.Payload()))
}
`,
});

const MQTT = [mosquitto, pythonPaho, nodeMqtt, javaHivemq, goPaho];

function mqttPlace({ host, port }: Address, facts: SnippetFacts): MqttPlace {
  const path = facts.topic.replaceAll('.', '/');
  return {
    host,
    port,
    topic: `${path}/1`,
    filter: `${path}/#`,
    user: literal(facts.username),
    password: literal(facts.password),
    shell: `-h ${shellWord(host)} -p ${port} -u ${shellWord(facts.username)} -P ${shellWord(facts.password)}`,
  };
}

/** What a Kafka snippet is made of; all but `broker`, `topicWord` and `kcat` are literals. */
interface KafkaPlace {
  readonly broker: string;
  readonly topic: string;
  readonly topicWord: string;
  readonly user: string;
  readonly password: string;
  readonly kcat: string;
}

const kcat = ({ topicWord, kcat }: KafkaPlace): Snippet => ({
  id: 'kcat',
  protocol: 'Kafka',
  label: 'kcat',
  install: 'apt install kcat',
  code: `# produce
echo hello | kcat -P ${kcat} -t ${topicWord}

# consume from the beginning, then end
kcat -C ${kcat} -t ${topicWord} -o beginning -e
`,
});

const pythonKafka = ({ broker, topic, user, password }: KafkaPlace): Snippet => ({
  id: 'python-kafka',
  protocol: 'Kafka',
  label: 'Python',
  install: 'pip install kafka-python',
  code: `from kafka import KafkaConsumer, KafkaProducer

login = dict(
    bootstrap_servers=${literal(broker)},
    security_protocol="SASL_PLAINTEXT",
    sasl_mechanism="PLAIN",
    sasl_plain_username=${user},
    sasl_plain_password=${password},
)
producer = KafkaProducer(**login)
producer.send(${topic}, b"hello").get(timeout=10)

consumer = KafkaConsumer(${topic}, auto_offset_reset="earliest", **login)
for record in consumer:
    print(record.key, record.value)
`,
});

const nodeKafkajs = ({ broker, topic, user, password }: KafkaPlace): Snippet => ({
  id: 'node-kafkajs',
  protocol: 'Kafka',
  label: 'Node.js',
  install: 'npm install kafkajs',
  code: `import { Kafka } from 'kafkajs';

const kafka = new Kafka({
  brokers: [${literal(broker)}],
  sasl: { mechanism: 'plain', username: ${user}, password: ${password} },
});
const producer = kafka.producer();
await producer.connect();
await producer.send({ topic: ${topic}, messages: [{ value: 'hello' }] });

const consumer = kafka.consumer({ groupId: 'my-group' });
await consumer.connect();
await consumer.subscribe({ topics: [${topic}], fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => console.log(message.key?.toString(), message.value?.toString()),
});
`,
});

const javaKafka = ({ broker, topic, user, password }: KafkaPlace): Snippet => ({
  id: 'java-kafka',
  protocol: 'Kafka',
  label: 'Java',
  install: 'org.apache.kafka:kafka-clients:3.9.0',
  code: `import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.*;

public class First {
  public static void main(String[] args) throws Exception {
    Map<String, Object> login = Map.of(
        "bootstrap.servers", ${literal(broker)},
        "security.protocol", "SASL_PLAINTEXT",
        "sasl.mechanism", "PLAIN",
        "sasl.jaas.config",
            "org.apache.kafka.common.security.plain.PlainLoginModule required"
                + " username=" + quote(${user}) + " password=" + quote(${password}) + ";",
        "group.id", "my-group",
        "auto.offset.reset", "earliest");
    try (var producer = new KafkaProducer<>(login, new StringSerializer(), new StringSerializer())) {
      producer.send(new ProducerRecord<>(${topic}, "hello")).get();
    }
    try (var consumer = new KafkaConsumer<>(login, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(${topic}));
      for (var record : consumer.poll(Duration.ofSeconds(10))) System.out.println(record.key() + " " + record.value());
    }
  }

  static String quote(String text) {
    return "\\"" + text.replace("\\\\", "\\\\\\\\").replace("\\"", "\\\\\\"") + "\\"";
  }
}
`,
});

const goKafka = ({ broker, topic, user, password }: KafkaPlace): Snippet => ({
  id: 'go-kafka',
  protocol: 'Kafka',
  label: 'Go',
  install: 'go get github.com/segmentio/kafka-go',
  code: `package main

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/plain"
)

func main() {
	login := plain.Mechanism{Username: ${user}, Password: ${password}}
	writer := &kafka.Writer{
		Addr:      kafka.TCP(${literal(broker)}),
		Topic:     ${topic},
		Transport: &kafka.Transport{SASL: login},
	}
	if err := writer.WriteMessages(context.Background(), kafka.Message{Value: []byte("hello")}); err != nil {
		panic(err)
	}
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{${literal(broker)}},
		Topic:   ${topic},
		Dialer:  &kafka.Dialer{SASLMechanism: login},
	})
	record, err := reader.ReadMessage(context.Background())
	fmt.Println(string(record.Value), err)
}
`,
});

const KAFKA = [kcat, pythonKafka, nodeKafkajs, javaKafka, goKafka];

function kafkaPlace({ host, port }: Address, facts: SnippetFacts): KafkaPlace {
  const broker = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const settings = [
    'security.protocol=SASL_PLAINTEXT',
    'sasl.mechanisms=PLAIN',
    `sasl.username=${facts.username}`,
    `sasl.password=${facts.password}`,
  ];
  return {
    broker,
    topic: literal(facts.topic),
    topicWord: shellWord(facts.topic),
    user: literal(facts.username),
    password: literal(facts.password),
    kcat: [`-b ${shellWord(broker)}`, ...settings.map((setting) => `-X ${shellWord(setting)}`)].join(' '),
  };
}

/** Ready-to-paste programs for every protocol the cluster has an endpoint of. */
export function snippetsOf(facts: SnippetFacts): Snippet[] {
  const [mqtt, kafka] = [addressOf(facts.mqtt), addressOf(facts.kafka)];
  return [
    ...(mqtt ? MQTT.map((snippet) => snippet(mqttPlace(mqtt, facts))) : []),
    ...(kafka ? KAFKA.map((snippet) => snippet(kafkaPlace(kafka, facts))) : []),
  ];
}
