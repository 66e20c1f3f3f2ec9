import type { ChildProcess } from 'node:child_process';
import { Kafka, logLevel, type KafkaConfig } from 'kafkajs';
import mqtt from 'mqtt';
import { portOf, type TestCluster } from './cloud.ts';
import { eventually, run, start, type Finished } from './process.ts';

const login = (cluster: TestCluster): string[] => ['-u', cluster.username, '-P', cluster.password];

/** `mosquitto_pub` with the cluster's endpoint and credential; the rest of the command line is the caller's. */
export function mosquittoPub(cluster: TestCluster, args: readonly string[], input?: string): Promise<Finished> {
  const port = String(portOf(cluster.endpoints.mqtt));
  return run('mosquitto_pub', ['-h', '127.0.0.1', '-p', port, ...login(cluster), ...args], {
    ...(input === undefined ? {} : { input }),
    timeoutMs: 60_000,
  });
}

/** A running `mosquitto_sub` (line-buffered, so that its output is seen at once) that has its subscriptions acknowledged before `open` resolves. */
export class MosquittoSub {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  #debug = '';
  #rest = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout!.on('data', (bytes: Buffer) => {
      const parts = (this.#rest + bytes.toString()).split('\n');
      this.#rest = parts.pop()!;
      for (const line of parts) {
        if (/^(Client .* (sending|received)|Subscribed \(mid)/.test(line)) this.#debug += `${line}\n`;
        else this.lines.push(line);
      }
    });
    child.stderr!.on('data', (bytes: Buffer) => (this.#debug += bytes.toString()));
  }

  /** `args` beside host, port and login, e.g. `['-t', 'a/#', '-F', '%t %p']`. */
  static async open(cluster: TestCluster, args: readonly string[]): Promise<MosquittoSub> {
    const port = String(portOf(cluster.endpoints.mqtt));
    const child = start(
      'stdbuf',
      ['-oL', 'mosquitto_sub', '-d', '-h', '127.0.0.1', '-p', port, ...login(cluster), ...args],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const sub = new MosquittoSub(child);
    await eventually('mosquitto_sub is subscribed', 60_000, () => {
      if (child.exitCode !== null) throw new Error(`mosquitto_sub ended: ${sub.#debug}`);
      return sub.#debug.includes('received SUBACK');
    });
    return sub;
  }

  waitFor(count: number, timeoutMs = 60_000): Promise<true> {
    return eventually(
      `${count} messages at mosquitto_sub (has ${this.lines.length})`,
      timeoutMs,
      () => this.lines.length >= count || undefined,
    ) as Promise<true>;
  }

  close(): void {
    this.#child.kill('SIGTERM');
  }
}

/** `kcat` with the cluster's endpoint and SASL settings. */
export function kcat(cluster: TestCluster, args: readonly string[], input?: string): Promise<Finished> {
  const settings = [
    'security.protocol=SASL_PLAINTEXT',
    'sasl.mechanism=PLAIN',
    `sasl.username=${cluster.username}`,
    `sasl.password=${cluster.password}`,
  ];
  const broker = `127.0.0.1:${portOf(cluster.endpoints.kafka)}`;
  return run('kcat', ['-b', broker, ...settings.flatMap((setting) => ['-X', setting]), ...args], {
    ...(input === undefined ? {} : { input }),
    timeoutMs: 60_000,
  });
}

/** A kafkajs client of the cluster. */
export function kafkaOf(cluster: TestCluster, options: Partial<KafkaConfig> = {}): Kafka {
  return new Kafka({
    clientId: 'e2e',
    brokers: [`127.0.0.1:${portOf(cluster.endpoints.kafka)}`],
    sasl: { mechanism: 'plain', username: cluster.username, password: cluster.password },
    ssl: false,
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, retries: 10 },
    ...options,
  });
}

export interface ConsumedRecord {
  readonly partition: number;
  readonly offset: string;
  readonly key: string | null;
  readonly value: string;
  readonly headers: Record<string, string>;
}

/** Reads `count` records of a topic from its beginning with a consumer group of its own. */
export async function consume(
  cluster: TestCluster,
  topic: string,
  count: number,
  timeoutMs = 60_000,
): Promise<ConsumedRecord[]> {
  const consumer = kafkaOf(cluster).consumer({
    groupId: `e2e-${Math.random().toString(36).slice(2)}`,
    maxWaitTimeInMs: 200,
  });
  const records: ConsumedRecord[] = [];
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]);
        records.push({
          partition,
          offset: message.offset,
          key: message.key?.toString() ?? null,
          value: message.value?.toString() ?? '',
          headers: Object.fromEntries(headers) as Record<string, string>,
        });
      },
    });
    await eventually(`${count} records of ${topic}`, timeoutMs, () => records.length >= count || undefined);
  } finally {
    await consumer.disconnect();
  }
  return records;
}

/** A connected mqtt.js client over TCP or WebSocket. */
export function mqttOf(
  cluster: TestCluster,
  options: Partial<mqtt.IClientOptions> & { webSocket?: boolean } = {},
): Promise<mqtt.MqttClient> {
  const { webSocket, ...rest } = options;
  const url = webSocket
    ? `ws://127.0.0.1:${portOf(cluster.endpoints.mqttWs)}/mqtt`
    : `mqtt://127.0.0.1:${portOf(cluster.endpoints.mqtt)}`;
  return mqtt.connectAsync(url, {
    username: cluster.username,
    password: cluster.password,
    reconnectPeriod: 0,
    protocolVersion: 5,
    ...rest,
  });
}
