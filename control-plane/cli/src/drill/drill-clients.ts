import type { Cluster } from '@robustmq/client';
import type { Kafka, Producer } from 'kafkajs';
import type { MqttClient } from 'mqtt';
import { endpointOf, type ClientLogin } from '../client-login.ts';
import { hushTimerWarning } from '../commands/kafka.ts';

/** MQTT 5 §2.4 */
const NOT_AUTHORIZED = 0x87;
/** Names of the drill's cluster: a topic, and a part of the name space that a rule denies. */
export const DRILL_TOPIC = 'drill';
export const DENIED_FILTER = 'denied/#';
const CONNECT_MS_MAX = 5_000;
const STEP_MS_MAX = 30_000;
/** Messages of one round and protocol. */
const MESSAGES = 20;

/** What clients counted themselves: the bill must say the same. */
export interface Counts {
  mqttIn: number;
  mqttOut: number;
  kafkaIn: number;
  kafkaOut: number;
}

/** Stock clients (MQTT.js, KafkaJS) of one cluster, connecting anew in every round as if they had never been there. */
export class DrillClients {
  readonly counts: Counts = { mqttIn: 0, mqttOut: 0, kafkaIn: 0, kafkaOut: 0 };
  readonly #cluster: Cluster;
  readonly #login: ClientLogin;
  /** Records in the topic: what a consumer that begins at its start must find. */
  #stored = 0;

  constructor(cluster: Cluster, login: ClientLogin) {
    this.#cluster = cluster;
    this.#login = login;
    hushTimerWarning();
  }

  /** Connect, publish and receive over MQTT, QoS 1. Rejects with a sentence. */
  async mqttRound(): Promise<string> {
    const client = await this.#mqtt();
    try {
      const arrived = new Set<string>();
      const all = Promise.withResolvers<void>();
      client.on('message', (_topic, payload) => {
        this.counts.mqttOut += 1;
        arrived.add(payload.toString());
        if (arrived.size === MESSAGES) all.resolve();
      });
      await client.subscribeAsync(`${DRILL_TOPIC}/#`, { qos: 1 });
      for (let n = 0; n < MESSAGES; n += 1) {
        const ack = await client.publishAsync(`${DRILL_TOPIC}/mqtt`, `m${n}`, { qos: 1 });
        const reason = (ack as { reasonCode?: number } | undefined)?.reasonCode ?? 0;
        if (reason >= 0x80) throw new Error(`a publish was refused with 0x${reason.toString(16)}`);
        this.counts.mqttIn += 1;
        this.#stored += 1;
      }
      await within(all.promise, `only ${arrived.size} of ${MESSAGES} messages came back`);
      return `${MESSAGES} messages published with QoS 1 and received`;
    } finally {
      await client.endAsync().catch(() => undefined);
    }
  }

  /** A publish that the access rules deny must be refused. */
  async deniedRound(): Promise<string> {
    const client = await this.#mqtt();
    try {
      const ack = await client.publishAsync(DENIED_FILTER.replace('#', 'x'), 'no', { qos: 1 }).then(
        (packet) => (packet as { reasonCode?: number } | undefined)?.reasonCode ?? 0,
        (error: { code?: number }) => error.code ?? -1,
      );
      if (ack !== NOT_AUTHORIZED) throw new Error(`a denied publish was answered with ${ack}, not 0x87`);
      return 'a publish that a rule denies is refused (0x87)';
    } finally {
      await client.endAsync().catch(() => undefined);
    }
  }

  /** A wrong password must be refused: nobody is let in because nobody can be asked. */
  async strangerRound(): Promise<string> {
    const refused = await this.#mqtt('not-the-password').then(
      async (client) => {
        await client.endAsync();
        return false;
      },
      (error: { code?: number }) => error.code === 0x86,
    );
    if (!refused) throw new Error('a wrong password was not refused with 0x86');
    return 'a wrong password is refused (0x86)';
  }

  /** A quota must hold: a record above the cluster's largest message is refused. */
  async quotaRound(bytesMax: number): Promise<string> {
    const producer = await this.#producer();
    try {
      const type = await producer.send({ topic: DRILL_TOPIC, messages: [{ value: Buffer.alloc(bytesMax + 1) }] }).then(
        () => 'accepted',
        (error: unknown) => errorTypeOf(error),
      );
      if (type !== 'MESSAGE_TOO_LARGE') throw new Error(`a record above the largest message was ${type}`);
      return 'a record above the message size quota is refused (MESSAGE_TOO_LARGE)';
    } finally {
      await producer.disconnect().catch(() => undefined);
    }
  }

  /** Connect, produce with acks=all, and consume everything from the beginning over Kafka. */
  async kafkaRound(): Promise<string> {
    const producer = await this.#producer();
    try {
      const messages = Array.from({ length: MESSAGES }, (_, n) => ({ value: `k${n}` }));
      await producer.send({ topic: DRILL_TOPIC, acks: -1, messages });
      this.counts.kafkaIn += MESSAGES;
      this.#stored += MESSAGES;
    } finally {
      await producer.disconnect().catch(() => undefined);
    }
    const consumer = (await this.#kafka()).consumer({ groupId: `drill-${crypto.randomUUID()}`, maxWaitTimeInMs: 100 });
    let got = 0;
    try {
      const all = Promise.withResolvers<void>();
      await consumer.connect();
      await consumer.subscribe({ topics: [DRILL_TOPIC], fromBeginning: true });
      await consumer.run({
        eachMessage: async () => {
          got += 1;
          if (got >= this.#stored) all.resolve();
        },
      });
      await within(all.promise, () => `only ${got} of ${this.#stored} records were there`);
      return `${MESSAGES} records produced with acks=all; all ${this.#stored} of the topic consumed`;
    } finally {
      this.counts.kafkaOut += got;
      await consumer.disconnect().catch(() => undefined);
    }
  }

  async #mqtt(password = this.#login.password): Promise<MqttClient> {
    const mqtt = await import('mqtt');
    const { host } = endpointOf(this.#cluster, 'mqtt');
    const { username } = this.#login;
    const options = {
      protocolVersion: 5,
      username,
      password,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_MS_MAX,
    } as const;
    const client = await mqtt.connectAsync(`mqtt://${host}`, options, false);
    client.on('error', () => undefined);
    return client;
  }

  async #producer(): Promise<Producer> {
    const { Partitioners } = (await import('kafkajs')).default;
    const kafka = await this.#kafka();
    const producer = kafka.producer({
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    return producer;
  }

  async #kafka(): Promise<Kafka> {
    const kafkajs = (await import('kafkajs')).default;
    return new kafkajs.Kafka({
      clientId: 'drill',
      brokers: [endpointOf(this.#cluster, 'kafka').host],
      sasl: { mechanism: 'plain', ...this.#login },
      connectionTimeout: CONNECT_MS_MAX,
      retry: { retries: 5, initialRetryTime: 100, maxRetryTime: 1_000 },
      logLevel: kafkajs.logLevel.NOTHING,
    });
  }
}

/** The broker's word for what KafkaJS rejects with; it wraps the first cause in its retries. */
function errorTypeOf(error: unknown): string {
  for (let at = error, depth = 0; typeof at === 'object' && at !== null && depth < 8; depth += 1) {
    const { type, cause, originalError } = at as { type?: string; cause?: unknown; originalError?: unknown };
    if (type !== undefined) return type;
    at = cause ?? originalError;
  }
  return error instanceof Error ? error.message : String(error);
}

/** Rejects with the sentence when the work takes longer than half a minute. */
async function within<T>(work: Promise<T>, sentence: string | (() => string)): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(typeof sentence === 'string' ? sentence : sentence())), STEP_MS_MAX);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
