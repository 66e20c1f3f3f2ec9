import mqtt, { type MqttClient } from 'mqtt';

/**
 * A tenant that uses all it can get of one dimension, in a process of its own, until it is killed:
 * `node fairness-neighbour.ts messages|bytes|fan-out|connections|processor <port> <user name> <password>`. Prints `busy`
 * once it is at it. `processor` speaks to nobody and keeps one core busy: what the machine alone costs the victim.
 */
const [dimension = '', port = '', username = '', password = ''] = process.argv.slice(2);
const url = `mqtt://127.0.0.1:${port}`;
const READERS = 200;
const CONNECTS_AT_ONCE = 16;
const PUBLISHERS = 4;
const join = (): Promise<MqttClient> => mqtt.connectAsync(url, { username, password, protocolVersion: 5 });
const SMALL = Buffer.alloc(64);
const LARGE = Buffer.alloc(256 * 1024);

const WORK: Readonly<Record<string, () => Promise<void>>> = {
  messages: () => flood(SMALL, 64),
  bytes: () => flood(LARGE, 4),
  'fan-out': fanOut,
  connections: connections,
  processor: () => {
    busy();
    for (;;) Math.sqrt(performance.now());
  },
};
const work = WORK[dimension];
if (!work) throw new Error(`no such dimension: ${dimension}`);
await work();

function busy(): void {
  process.stdout.write('busy\n');
}

/** Publishers of QoS 0, each with `window` messages under way in its socket, and one reader of them all. */
async function flood(payload: Buffer, window: number): Promise<void> {
  const reader = await join();
  await reader.subscribeAsync('flood/#', { qos: 0 });
  const publishers = await Promise.all(Array.from({ length: PUBLISHERS }, join));
  busy();
  await Promise.all(publishers.map((publisher, n) => publishOn(publisher, `flood/${n}`, payload, window)));
}

async function fanOut(): Promise<void> {
  const readers = await Promise.all(Array.from({ length: READERS }, join));
  await Promise.all(readers.map((reader) => reader.subscribeAsync('fan/out', { qos: 0 })));
  const publisher = await join();
  busy();
  await publishOn(publisher, 'fan/out', SMALL, 16);
}

async function publishOn(publisher: MqttClient, topic: string, payload: Buffer, window: number): Promise<void> {
  for (;;) {
    await Promise.all(Array.from({ length: window }, () => publisher.publishAsync(topic, payload, { qos: 0 })));
    // a socket that takes everything would keep the loop from its timers and from reading
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function connections(): Promise<void> {
  busy();
  const one = async (): Promise<void> => {
    for (;;) {
      await join().then(
        (client) => client.endAsync(true),
        () => undefined, // over its own connection rate: it goes on trying
      );
    }
  };
  await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, one));
}
