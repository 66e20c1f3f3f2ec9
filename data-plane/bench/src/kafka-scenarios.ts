import { fetched, KafkaLoadClient, type KafkaTarget } from './kafka-client.ts';
import { fetchFrom, produce, recordBatch } from './kafka-wire.ts';
import { ANSWER_MS_MAX, noAnswer, PeerFailure } from './peer-failure.ts';

export interface KafkaScenario {
  readonly name: string;
  readonly topic: string;
  readonly acks: 1 | -1;
  readonly recordsPerBatch: number;
  readonly recordBytes: number;
  readonly connections: number;
  /** Produce requests in flight per connection. */
  readonly depth: number;
}

/** Stored in a file, acknowledged after `fdatasync`. */
export const FLUSHED = 'bench';
/** Stored in a file, acknowledged before it is there. */
export const UNFLUSHED = 'bench-memory';
const SIZES = [
  ['1 × 256 B', 1, 256],
  ['100 × 256 B', 100, 256],
  ['1 MiB', 4, 256 * 1024],
] as const;
const LOADS = [
  ['1 connection', 1, 5],
  ['100 connections', 100, 1],
] as const;
const SPOKEN = { 1: 'acks=1', [-1]: 'acks=all' } as const;

/** Both kinds of acknowledgement, three sizes, one connection with five requests under way and a hundred with one each. */
export const PRODUCE_SCENARIOS: readonly KafkaScenario[] = ([-1, 1] as const).flatMap((acks) =>
  SIZES.flatMap(([size, recordsPerBatch, recordBytes]) =>
    LOADS.map(([load, connections, depth]) => {
      const name = `produce ${SPOKEN[acks]}, ${size}, ${load}`;
      return { name, topic: FLUSHED, acks, recordsPerBatch, recordBytes, connections, depth };
    }),
  ),
);
/** What the protocol costs when nobody waits for the disk. */
export const UNFLUSHED_SCENARIOS: readonly KafkaScenario[] = SIZES.map(([size, recordsPerBatch, recordBytes]) => {
  const name = `produce, not flushed, ${size}, 1 connection`;
  return { name, topic: UNFLUSHED, acks: -1, recordsPerBatch, recordBytes, connections: 1, depth: 5 };
});

export interface KafkaMeasured {
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly cpuMicrosPerRecord: number;
}

/** Bytes a scenario has under way: what one flush could carry at most. */
export function bytesInFlight(spec: KafkaScenario): number {
  return recordBatch(spec.recordsPerBatch, spec.recordBytes).length * spec.connections * spec.depth;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Clients that produce as fast as they are answered, until `stop`. Throws PeerFailure. */
export class ProduceLoad {
  readonly batchBytes: number;
  readonly #target: KafkaTarget;
  readonly #spec: KafkaScenario;
  readonly #clients: readonly KafkaLoadClient[];
  #acknowledged = 0;
  #refused = 0;
  #running = true;

  private constructor(target: KafkaTarget, spec: KafkaScenario, clients: readonly KafkaLoadClient[]) {
    this.#target = target;
    this.#spec = spec;
    this.#clients = clients;
    const batch = recordBatch(spec.recordsPerBatch, spec.recordBytes);
    this.batchBytes = batch.length;
    const frame = produce(7, spec.topic, batch, spec.acks);
    // correlation id 4, one topic 4, its name, one partition 4, index 4: then the error code
    const errorAt = 4 + 4 + 2 + spec.topic.length + 4 + 4;
    for (const client of clients) {
      client.onResponse = (answer) => {
        if (answer.readInt16BE(errorAt) !== 0) this.#refused = answer.readInt16BE(errorAt);
        this.#acknowledged++;
        if (this.#running) client.socket.write(frame);
      };
      for (let index = 0; index < spec.depth; index++) client.socket.write(frame);
    }
  }
  static async start(target: KafkaTarget, spec: KafkaScenario): Promise<ProduceLoad> {
    const open = Array.from({ length: spec.connections }, () => KafkaLoadClient.open(target));
    return new ProduceLoad(target, spec, await Promise.all(open));
  }
  /** Batches acknowledged so far. */
  get acknowledged(): number {
    if (this.#refused !== 0) throw new PeerFailure(this.#target.name, `error code ${this.#refused}`);
    return this.#acknowledged;
  }
  async #next(): Promise<void> {
    const [before, from] = [this.acknowledged, performance.now()];
    while (this.acknowledged === before) {
      if (performance.now() - from > ANSWER_MS_MAX) throw noAnswer(this.#target.name, ANSWER_MS_MAX);
      await pause(1);
    }
  }
  stop(): void {
    this.#running = false;
    for (const client of this.#clients) client.socket.destroy();
  }
  /** From one acknowledgement to another: where a flush carries much, acknowledgements come in bursts. */
  async measure(measureMs: number): Promise<KafkaMeasured> {
    await this.#next();
    const [from, cpuFrom, at] = [this.acknowledged, this.#target.cpuMicros(), performance.now()];
    await pause(measureMs);
    await this.#next();
    const batches = this.acknowledged - from;
    const [cpu, seconds] = [this.#target.cpuMicros() - cpuFrom, (performance.now() - at) / 1000];
    const records = batches * this.#spec.recordsPerBatch;
    return {
      recordsPerSecond: records / seconds,
      megabytesPerSecond: (batches * this.batchBytes) / seconds / 1e6,
      cpuMicrosPerRecord: cpu / records,
    };
  }
}

/** Produces for `measureMs` and counts acknowledged records. Throws when a request is refused. */
export async function runProduce(
  target: KafkaTarget,
  spec: KafkaScenario,
  warmMs: number,
  measureMs: number,
): Promise<KafkaMeasured> {
  const load = await ProduceLoad.start(target, spec);
  try {
    await pause(warmMs);
    return await load.measure(measureMs);
  } finally {
    load.stop();
  }
}

/** Writes `sizeBytes` to a topic, so that there is something to fetch. */
export async function fill(target: KafkaTarget, topic: string, sizeBytes: number): Promise<void> {
  const [, size] = SIZES;
  const spec: KafkaScenario = { ...UNFLUSHED_SCENARIOS[1]!, topic, recordsPerBatch: size[1], recordBytes: size[2] };
  const load = await ProduceLoad.start(target, spec);
  try {
    while (load.acknowledged * load.batchBytes < sizeBytes) await pause(20);
  } finally {
    load.stop();
  }
}

const FETCH_BYTES_MAX = 1 << 20;

/** Reads a topic by 1 MiB from offset 0 to its end, again and again, for `measureMs`. */
export async function runFetch(target: KafkaTarget, topic: string, measureMs: number): Promise<KafkaMeasured> {
  return follow(target, topic, 0, true, measureMs);
}

/** Reads a topic at its end, while a load writes it as fast as it is acknowledged. */
export async function runTail(target: KafkaTarget, warmMs: number, measureMs: number): Promise<KafkaMeasured> {
  const load = await ProduceLoad.start(target, UNFLUSHED_SCENARIOS[1]!);
  try {
    await pause(warmMs);
    return await follow(target, UNFLUSHED, load.acknowledged * 100, false, measureMs);
  } finally {
    load.stop();
  }
}

async function follow(
  target: KafkaTarget,
  topic: string,
  from: number,
  again: boolean,
  measureMs: number,
): Promise<KafkaMeasured> {
  const client = await KafkaLoadClient.open(target);
  const [cpuFrom, at] = [target.cpuMicros(), performance.now()];
  let [offset, bytes, records] = [from, 0, 0];
  while (performance.now() - at < measureMs) {
    const answer = await client.call(fetchFrom(9, topic, offset, FETCH_BYTES_MAX));
    const { start, end, highWatermark } = fetched(answer, topic, target.name);
    bytes += end - start;
    for (let position = start; position < end; position += 12 + answer.readInt32BE(position + 8)) {
      records += answer.readInt32BE(position + 57);
      offset = Number(answer.readBigInt64BE(position)) + answer.readInt32BE(position + 23) + 1;
    }
    if (again && offset >= highWatermark) offset = 0;
  }
  const [cpu, seconds] = [target.cpuMicros() - cpuFrom, (performance.now() - at) / 1000];
  client.socket.destroy();
  if (records === 0) throw new PeerFailure(target.name, 'nothing was fetched');
  return {
    recordsPerSecond: records / seconds,
    megabytesPerSecond: bytes / seconds / 1e6,
    cpuMicrosPerRecord: cpu / records,
  };
}
