import { connect, type Socket } from 'node:net';
import { fetchFrom, produce, recordBatch, saslAuthenticate, saslHandshake } from './kafka-wire.ts';
import { ANSWER_MS_MAX, noAnswer, PeerFailure } from './peer-failure.ts';
import type { Peer } from './peers.ts';

export interface KafkaScenario {
  readonly name: string;
  readonly recordsPerBatch: number;
  readonly recordBytes: number;
  readonly connections: number;
  /** Produce requests in flight per connection. */
  readonly depth: number;
}
export const KAFKA_SCENARIOS: readonly KafkaScenario[] = [
  { name: 'produce acks=all, 1 × 256 B, depth 5', recordsPerBatch: 1, recordBytes: 256, connections: 1, depth: 5 },
  { name: 'produce acks=all, 100 × 256 B, depth 5', recordsPerBatch: 100, recordBytes: 256, connections: 1, depth: 5 },
  {
    name: 'produce acks=all, 1000 × 256 B, depth 5',
    recordsPerBatch: 1000,
    recordBytes: 256,
    connections: 1,
    depth: 5,
  },
  {
    name: 'produce acks=all, 16 connections × 1 × 256 B',
    recordsPerBatch: 1,
    recordBytes: 256,
    connections: 16,
    depth: 1,
  },
];

export interface KafkaMeasured {
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly cpuMicrosPerRecord: number;
}

/** One connection that answers by calling `onResponse` with each frame's body (correlation id included). */
class KafkaLoadClient {
  readonly socket: Socket;
  readonly #peerName: string;
  onResponse: ((frame: Buffer) => void) | null = null;
  #buffer = Buffer.allocUnsafe(4 << 20);
  #fill = 0;

  private constructor(socket: Socket, peerName: string) {
    this.socket = socket;
    this.#peerName = peerName;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
  }

  static async open(peer: Peer): Promise<KafkaLoadClient> {
    const socket = connect(peer.port + 1, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => resolve());
      socket.once('error', (error) => reject(new PeerFailure(peer.name, error.message, { cause: error })));
    });
    const client = new KafkaLoadClient(socket, peer.name);
    await client.call(saslHandshake());
    const answer = await client.call(saslAuthenticate(peer.username ?? 'bench', peer.password ?? 'bench'));
    if (answer.readInt16BE(4) !== 0) throw new PeerFailure(peer.name, 'it refused the login');
    return client;
  }

  call(bytes: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(noAnswer(this.#peerName, ANSWER_MS_MAX)), ANSWER_MS_MAX);
      this.onResponse = (frame) => {
        clearTimeout(timer);
        resolve(Buffer.from(frame));
      };
      this.socket.write(bytes);
    });
  }

  #onData(chunk: Buffer): void {
    if (this.#fill + chunk.length > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#fill + chunk.length));
      this.#buffer.copy(grown, 0, 0, this.#fill);
      this.#buffer = grown;
    }
    chunk.copy(this.#buffer, this.#fill);
    this.#fill += chunk.length;
    let at = 0;
    while (at + 4 <= this.#fill) {
      const size = this.#buffer.readInt32BE(at);
      if (at + 4 + size > this.#fill) break;
      this.onResponse?.(this.#buffer.subarray(at + 4, at + 4 + size));
      at += 4 + size;
    }
    this.#buffer.copy(this.#buffer, 0, at, this.#fill);
    this.#fill -= at;
  }
}

/** Produces for `measureMs` and counts acknowledged records. Throws when a request is refused. */
export async function runProduce(
  peer: Peer,
  spec: KafkaScenario,
  warmMs: number,
  measureMs: number,
): Promise<KafkaMeasured> {
  const batch = recordBatch(spec.recordsPerBatch, spec.recordBytes);
  const frame = produce(7, 'bench', batch);
  const clients = await Promise.all(Array.from({ length: spec.connections }, () => KafkaLoadClient.open(peer)));
  let acknowledged = 0;
  let refused = 0;
  let running = true;
  for (const client of clients) {
    client.onResponse = (answer) => {
      // correlation id 4, one topic 4, "bench" 7, one partition 4, index 4: then the error code
      if (answer.readInt16BE(23) !== 0) refused = answer.readInt16BE(23);
      acknowledged++;
      if (running) client.socket.write(frame);
    };
    for (let index = 0; index < spec.depth; index++) client.socket.write(frame);
  }
  await new Promise((resolve) => setTimeout(resolve, warmMs));
  const [from, cpuFrom, at] = [acknowledged, peer.cpuMicros(), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, measureMs));
  const records = (acknowledged - from) * spec.recordsPerBatch;
  const [cpu, seconds] = [peer.cpuMicros() - cpuFrom, (performance.now() - at) / 1000];
  running = false;
  for (const client of clients) client.socket.destroy();
  if (refused !== 0) throw new PeerFailure(peer.name, `error code ${refused}`);
  if (records === 0) throw new PeerFailure(peer.name, `${spec.name}: nothing was acknowledged`);
  return {
    recordsPerSecond: records / seconds,
    megabytesPerSecond: ((records / spec.recordsPerBatch) * batch.length) / seconds / 1e6,
    cpuMicrosPerRecord: cpu / records,
  };
}

const FETCH_BYTES_MAX = 1 << 20;

/** Reads topic `bench` from offset 0 to its end, again and again, for `measureMs`; MB/s of record batches received. */
export async function runFetch(peer: Peer, measureMs: number): Promise<KafkaMeasured> {
  const client = await KafkaLoadClient.open(peer);
  const [cpuFrom, at] = [peer.cpuMicros(), performance.now()];
  let [offset, bytes, records] = [0, 0, 0];
  while (performance.now() - at < measureMs) {
    const answer = await client.call(fetchFrom(9, 'bench', offset, FETCH_BYTES_MAX));
    // correlation 4, throttle 4, topics 4, "bench" 7, partitions 4, index 4: error code; then 8 + 8, aborted 4, size 4
    const error = answer.readInt16BE(27);
    if (error !== 0) throw new PeerFailure(peer.name, `fetch error code ${error}`);
    let from = 29 + 8 + 8;
    const aborted = answer.readInt32BE(from);
    from += 4 + Math.max(aborted, 0) * 16;
    const size = answer.readInt32BE(from);
    from += 4;
    if (size === 0) {
      offset = 0;
      continue;
    }
    bytes += size;
    for (let position = from; position < from + size;) {
      const base = Number(answer.readBigInt64BE(position));
      const count = answer.readInt32BE(position + 57);
      records += count;
      offset = base + answer.readInt32BE(position + 23) + 1;
      position += 12 + answer.readInt32BE(position + 8);
    }
  }
  const [cpu, seconds] = [peer.cpuMicros() - cpuFrom, (performance.now() - at) / 1000];
  client.socket.destroy();
  return {
    recordsPerSecond: records / seconds,
    megabytesPerSecond: bytes / seconds / 1e6,
    cpuMicrosPerRecord: cpu / records,
  };
}
