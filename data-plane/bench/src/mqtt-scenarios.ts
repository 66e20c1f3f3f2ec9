import { MqttLoadClient, publishPacket, type MqttServer } from './mqtt-client.ts';
import { ANSWER_MS_MAX, PeerFailure } from './peer-failure.ts';

/** A server whose CPU time can be told. */
export interface MqttTarget extends MqttServer {
  /** User and system CPU time so far, in microseconds. */
  cpuMicros(): number;
}

export interface MqttScenario {
  readonly name: string;
  readonly publishers: number;
  readonly subscribers: number;
  readonly qos: 0 | 1;
  readonly payloadBytes: number;
  /** Messages a publisher may have unacknowledged (QoS 1) or undelivered (QoS 0). */
  readonly window: number;
  /** Every publisher has a topic and a subscriber of its own. */
  readonly paired?: boolean;
}

export interface Measured {
  readonly deliveriesPerSecond: number;
  readonly cpuMicrosPerDelivery: number;
  /** Share of one core that the peer used. */
  readonly cores: number;
}

const scenario = (
  name: string,
  publishers: number,
  subscribers: number,
  qos: 0 | 1,
  payloadBytes: number,
  window = 1000,
  paired = false,
): MqttScenario => ({
  name,
  publishers,
  subscribers,
  qos,
  payloadBytes,
  window,
  paired,
});

export const MQTT_SCENARIOS: readonly MqttScenario[] = [
  scenario('1→1 QoS 0 16 B', 1, 1, 0, 16),
  scenario('1→1 QoS 0 256 B', 1, 1, 0, 256),
  scenario('1→1 QoS 1 256 B', 1, 1, 1, 256),
  scenario('fan-in 50→1 QoS 0 256 B', 50, 1, 0, 256, 100),
  scenario('fan-in 50→1 QoS 1 256 B', 50, 1, 1, 256, 100),
  scenario('fan-out 1→100 QoS 0 256 B', 1, 100, 0, 256),
  scenario('fan-out 1→100 QoS 1 256 B', 1, 100, 1, 256),
  scenario('lock step 50 pairs QoS 1 256 B', 50, 50, 1, 256, 1, true),
];

/** Deliveries that may be on their way at once, over all subscribers. */
const DELIVERIES_IN_FLIGHT_MAX = 20_000;
const BYTES_IN_FLIGHT_MAX = 16 << 20;
const BURST = 64;

class Publisher {
  readonly client: MqttLoadClient;
  readonly #block: Buffer;
  readonly #packetBytes: number;
  readonly #idAt: number;
  sent = 0;
  #nextId = 1;

  constructor(client: MqttLoadClient, topic: string, { qos, payloadBytes }: MqttScenario) {
    this.client = client;
    const { bytes, idAt } = publishPacket(topic, payloadBytes, qos);
    this.#packetBytes = bytes.length;
    this.#idAt = idAt;
    this.#block = Buffer.concat(Array.from({ length: BURST }, () => bytes));
  }

  /** Sends up to `count` packets in one write. */
  send(count: number): void {
    const take = Math.min(count, BURST);
    let bytes = this.#block.subarray(0, take * this.#packetBytes);
    if (this.#idAt >= 0) {
      bytes = Buffer.from(bytes);
      for (let index = 0, at = this.#idAt; index < take; index++, at += this.#packetBytes) {
        bytes[at] = this.#nextId >> 8;
        bytes[at + 1] = this.#nextId;
        this.#nextId = this.#nextId === 65_535 ? 1 : this.#nextId + 1;
      }
    }
    this.client.socket.write(bytes);
    this.sent += take;
  }
}

/** Runs one scenario against one peer: `warmMs` uncounted, then `measureMs`. Throws PeerFailure, also when nothing is delivered. */
export async function runMqtt(
  peer: MqttTarget,
  spec: MqttScenario,
  warmMs: number,
  measureMs: number,
  answerMs = ANSWER_MS_MAX,
): Promise<Measured> {
  const stamp = Math.random().toString(36).slice(2, 8);
  const topicOf = (index: number): string => (spec.paired ? `bench/${stamp}/${index}` : `bench/${stamp}`);
  const clients: MqttLoadClient[] = [];
  const open = async (id: string): Promise<MqttLoadClient> => {
    const client = await MqttLoadClient.open(peer, id, answerMs);
    clients.push(client);
    return client;
  };
  try {
    const subscribers = await all(
      Array.from({ length: spec.subscribers }, async (_, index) => {
        const client = await open(`sub-${stamp}-${index}`);
        await client.subscribe(topicOf(index), spec.qos);
        return client;
      }),
    );
    const publishers = await all(
      Array.from(
        { length: spec.publishers },
        async (_, index) => new Publisher(await open(`pub-${stamp}-${index}`), topicOf(index), spec),
      ),
    );
    return await measure(peer, spec, publishers, subscribers, warmMs, measureMs);
  } finally {
    for (const client of clients) client.close();
  }
}

/** All of them, or the first failure once every other one has ended too: nobody connects after the clean-up. */
async function all<T>(works: readonly Promise<T>[]): Promise<T[]> {
  const ended = await Promise.allSettled(works);
  const failed = ended.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
  return Promise.all(works);
}

async function measure(
  peer: MqttTarget,
  spec: MqttScenario,
  publishers: readonly Publisher[],
  subscribers: readonly MqttLoadClient[],
  warmMs: number,
  measureMs: number,
): Promise<Measured> {
  const fanOut = spec.paired ? 1 : spec.subscribers;
  const inFlightMax = Math.min(DELIVERIES_IN_FLIGHT_MAX, Math.floor(BYTES_IN_FLIGHT_MAX / spec.payloadBytes));
  const delivered = (): number => subscribers.reduce((sum, client) => sum + client.received, 0);
  let running = true;
  let scheduled = false;
  const pump = (): void => {
    scheduled = false;
    if (!running) return;
    let inFlight = publishers.reduce((sum, publisher) => sum + publisher.sent, 0) * fanOut - delivered();
    for (const publisher of publishers) {
      // one message may always go, however many deliveries it makes
      let room =
        inFlight <= 0 ? Math.max(1, Math.floor(inFlightMax / fanOut)) : Math.floor((inFlightMax - inFlight) / fanOut);
      if (spec.qos === 1) room = Math.min(room, spec.window - (publisher.sent - publisher.client.acknowledged));
      else if (spec.window < 1000) room = Math.min(room, spec.window);
      while (room > 0 && publisher.client.socket.writableLength < 262_144) {
        const before = publisher.sent;
        publisher.send(room);
        room -= publisher.sent - before;
        inFlight += (publisher.sent - before) * fanOut;
      }
    }
  };
  const wake = (): void => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(pump);
  };
  for (const client of [...subscribers, ...publishers.map((publisher) => publisher.client)]) {
    client.onProgress = wake;
    client.socket.on('drain', wake);
  }
  wake();
  await new Promise((resolve) => setTimeout(resolve, warmMs));
  const [from, cpuFrom, at] = [delivered(), peer.cpuMicros(), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, measureMs));
  const [count, cpu, seconds] = [delivered() - from, peer.cpuMicros() - cpuFrom, (performance.now() - at) / 1000];
  running = false;
  if (count === 0) throw new PeerFailure(peer.name, `${spec.name}: nothing was delivered`);
  return { deliveriesPerSecond: count / seconds, cpuMicrosPerDelivery: cpu / count, cores: cpu / 1e6 / seconds };
}
