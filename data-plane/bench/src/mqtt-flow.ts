import { MqttLoadClient, publishPacket, type MqttServer, type Tally } from './mqtt-client.ts';
import type { FlowScenario } from './mqtt-scenarios.ts';
import { ANSWER_MS_MAX, PeerFailure } from './peer-failure.ts';

/** A server whose CPU time can be told. */
export interface MqttTarget extends MqttServer {
  /** User and system CPU time so far, in microseconds. */
  cpuMicros(): number;
}
/** How long a run lasts, in ms. */
export interface Times {
  readonly warmMs: number;
  readonly measureMs: number;
  /** Longest wait for any one answer. */
  readonly answerMs: number;
  /** How long a process that has just started, or was just given connections, comes to rest. */
  readonly restMs: number;
  /** What a peer still owes at the end is lost after a silence of this length. */
  readonly silenceMs: number;
}
export const TIMES: Pick<Times, 'answerMs' | 'restMs' | 'silenceMs'> = {
  answerMs: ANSWER_MS_MAX,
  restMs: 1_500,
  silenceMs: 3_000,
};
export interface FlowMeasured {
  readonly deliveriesPerSecond: number;
  readonly cpuMicrosPerDelivery: number;
  /** Share of one core that the peer used. */
  readonly cores: number;
}

/** Deliveries that may be on their way at once, over all subscribers. */
const DELIVERIES_IN_FLIGHT_MAX = 20_000;
const BYTES_IN_FLIGHT_MAX = 16 << 20;
const BURST = 64;
/** Bytes of one publisher that the kernel has not taken. */
const UNSENT_BYTES_MAX = 262_144;
/** Connections opened at a time. */
const OPENING_MAX = 100;
/** All that is owed at the end must come within this time. */
const SETTLE_MS_MAX = 15_000;
const SETTLE_LOOK_MS = 10;

/** One publisher of a flow: sends as many as it may, as few writes as possible. */
class Publisher {
  readonly client: MqttLoadClient;
  readonly #block: Buffer;
  readonly #packetBytes: number;
  readonly #idAt: number;
  sent = 0;
  #nextId = 1;

  constructor(client: MqttLoadClient, topic: string, { qos, payloadBytes }: FlowScenario) {
    this.client = client;
    const { bytes, idAt } = publishPacket(topic, payloadBytes, qos);
    this.#packetBytes = bytes.length;
    this.#idAt = idAt;
    this.#block = Buffer.concat(Array.from({ length: BURST }, () => bytes));
  }

  /** Sends up to `count` packets in one write; returns how many. */
  send(count: number): number {
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
    return take;
  }
}

/** The clients of one flow and what they have on the way. */
class Flow {
  readonly #spec: FlowScenario;
  readonly #publishers: readonly Publisher[];
  readonly #fanOut: number;
  readonly #inFlightMax: number;
  readonly tally: Tally;
  sent = 0;
  running = true;
  #scheduled = false;
  /** Whose turn it is first: nobody is always last. */
  #first = 0;

  constructor(spec: FlowScenario, publishers: readonly Publisher[], tally: Tally) {
    this.#spec = spec;
    this.#publishers = publishers;
    this.tally = tally;
    this.#fanOut = spec.layout === 'one-topic' ? spec.subscribers : 1;
    const inFlightMax = Math.min(DELIVERIES_IN_FLIGHT_MAX, Math.floor(BYTES_IN_FLIGHT_MAX / spec.payloadBytes));
    this.#inFlightMax = spec.isOneAtATime === true ? this.#fanOut : inFlightMax;
  }

  get deliveriesDue(): number {
    return this.sent * this.#fanOut;
  }

  readonly wake = (): void => {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#pump);
  };

  readonly #pump = (): void => {
    this.#scheduled = false;
    if (!this.running) return;
    const count = this.#publishers.length;
    this.#first = (this.#first + 1) % count;
    let room = this.#room();
    for (let i = 0; i < count && room > 0; i++) room -= this.#send(this.#publishers[(this.#first + i) % count]!, room);
  };

  /** Messages that may go now. One message may always go, however many deliveries it makes. */
  #room(): number {
    const inFlight = this.deliveriesDue - this.tally.received;
    if (this.#spec.isOneAtATime === true) return inFlight === 0 ? 1 : 0;
    const room = Math.floor((this.#inFlightMax - inFlight) / this.#fanOut);
    return inFlight <= 0 ? Math.max(1, room) : room;
  }

  #send(publisher: Publisher, room: number): number {
    const { qos, window } = this.#spec;
    const { client } = publisher;
    let left = qos > 0 ? Math.min(room, window - (publisher.sent - client.acknowledged)) : room;
    let sent = 0;
    while (left > 0 && client.socket.writableLength < UNSENT_BYTES_MAX) {
      const taken = publisher.send(left);
      left -= taken;
      sent += taken;
    }
    this.sent += sent;
    return sent;
  }
}

/**
 * Runs one scenario against one peer: `warmMs` uncounted, then `measureMs`, then until everything has arrived. Throws
 * PeerFailure, also when a message is lost: a rate over lost messages says nothing.
 */
export async function runFlow(peer: MqttTarget, spec: FlowScenario, times: Times): Promise<FlowMeasured> {
  const stamp = Math.random().toString(36).slice(2, 8);
  const topicOf = (index: number): string => (spec.layout === 'paired' ? `bench/${stamp}/${index}` : `bench/${stamp}`);
  const filterOf = (index: number): string =>
    spec.layout === 'shared' ? `$share/${stamp}/${topicOf(index)}` : topicOf(index);
  const tally: Tally = { received: 0, acknowledged: 0 };
  const clients: MqttLoadClient[] = [];
  const open = async (id: string): Promise<MqttLoadClient> => {
    const client = await MqttLoadClient.open(peer, id, { answerMs: times.answerMs, tally });
    clients.push(client);
    return client;
  };
  try {
    await inParts(spec.subscribers, async (index) => {
      const client = await open(`sub-${stamp}-${index}`);
      await client.subscribe(filterOf(index), spec.qos);
    });
    const publishers = await inParts(
      spec.publishers,
      async (index) => new Publisher(await open(`pub-${stamp}-${index}`), topicOf(index), spec),
    );
    return await measure(peer, spec, new Flow(spec, publishers, tally), clients, times);
  } finally {
    for (const client of clients) client.close();
  }
}

/** `work` for every index, some at a time; the first failure once those beside it have ended: nobody connects after it. */
export async function inParts<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let from = 0; from < count; from += OPENING_MAX) {
    const indices = Array.from({ length: Math.min(OPENING_MAX, count - from) }, (_, at) => from + at);
    const ended = await Promise.allSettled(indices.map(work));
    for (const one of ended) {
      if (one.status === 'rejected') throw one.reason;
      results.push(one.value);
    }
  }
  return results;
}

async function measure(
  peer: MqttTarget,
  spec: FlowScenario,
  flow: Flow,
  clients: readonly MqttLoadClient[],
  times: Times,
): Promise<FlowMeasured> {
  for (const client of clients) {
    client.onProgress = flow.wake;
    client.socket.on('drain', flow.wake);
  }
  const { tally } = flow;
  const { warmMs, measureMs } = times;
  flow.wake();
  await pause(warmMs);
  const [from, cpuFrom, at] = [tally.received, peer.cpuMicros(), performance.now()];
  await pause(measureMs);
  const [count, cpu, seconds] = [tally.received - from, peer.cpuMicros() - cpuFrom, (performance.now() - at) / 1000];
  flow.running = false;
  await settled(peer, times, () => flow.deliveriesDue - tally.received);
  if (spec.qos > 0) await settled(peer, times, () => flow.sent - tally.acknowledged, 'acknowledgements');
  if (count === 0) throw new PeerFailure(peer.name, `${spec.name}: nothing was delivered`);
  return { deliveriesPerSecond: count / seconds, cpuMicrosPerDelivery: cpu / count, cores: cpu / 1e6 / seconds };
}

/** Waits until nothing is owed any more. Throws PeerFailure when something is lost, or comes twice. */
export async function settled(
  peer: MqttTarget,
  { silenceMs }: Pick<Times, 'silenceMs'>,
  owed: () => number,
  what = 'deliveries',
): Promise<void> {
  const begun = performance.now();
  let left = owed();
  let changedAt = begun;
  while (left > 0) {
    await pause(SETTLE_LOOK_MS);
    const now = performance.now();
    if (owed() !== left) changedAt = now;
    left = owed();
    if (left > 0 && now - changedAt > silenceMs) throw new PeerFailure(peer.name, `it lost ${left} ${what}`);
    if (left > 0 && now - begun > SETTLE_MS_MAX) {
      throw new PeerFailure(peer.name, `it owes ${left} ${what} ${SETTLE_MS_MAX / 1000} s after the last publish`);
    }
  }
  if (left < 0) throw new PeerFailure(peer.name, `it made ${-left} ${what} too many`);
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
