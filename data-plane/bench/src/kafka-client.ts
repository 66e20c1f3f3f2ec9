import { connect, type Socket } from 'node:net';
import { saslAuthenticate, saslHandshake } from './kafka-wire.ts';
import { ANSWER_MS_MAX, noAnswer, PeerFailure } from './peer-failure.ts';

/** A server that speaks Kafka on the port after `port`. */
export interface KafkaTarget {
  readonly name: string;
  readonly port: number;
  readonly username: string | null;
  readonly password: string | null;
  /** CPU time of its process so far, in microseconds. */
  cpuMicros(): number;
}

const FIRST_BUFFER_BYTES = 4096;

/** One connection that answers by calling `onResponse` with each frame's body (correlation id included), a view. */
export class KafkaLoadClient {
  readonly socket: Socket;
  readonly #peerName: string;
  onResponse: ((frame: Buffer) => void) | null = null;
  #buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES);
  #fill = 0;

  private constructor(target: KafkaTarget) {
    this.#peerName = target.name;
    // answers are assembled where they are read to, so that a load of large fetches measures the server
    const onread = {
      buffer: () => this.#buffer.subarray(this.#fill),
      callback: (read: number) => this.#onRead(read),
    };
    this.socket = connect({ port: target.port + 1, host: '127.0.0.1', onread });
    this.socket.setNoDelay(true);
    this.socket.on('error', () => {});
  }

  /** Connects and logs in. Throws PeerFailure. */
  static async open(target: KafkaTarget): Promise<KafkaLoadClient> {
    const client = new KafkaLoadClient(target);
    await new Promise<void>((resolve, reject) => {
      client.socket.once('connect', () => resolve());
      client.socket.once('error', (error) => reject(new PeerFailure(target.name, error.message, { cause: error })));
    });
    await client.call(saslHandshake());
    const answer = await client.call(saslAuthenticate(target.username ?? 'bench', target.password ?? 'bench'));
    if (answer.readInt16BE(4) !== 0) throw new PeerFailure(target.name, 'it refused the login');
    return client;
  }

  /** Sends a request and resolves with its answer, a view that the next answer overwrites. */
  call(bytes: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(noAnswer(this.#peerName, ANSWER_MS_MAX)), ANSWER_MS_MAX);
      this.onResponse = (frame) => {
        clearTimeout(timer);
        resolve(frame);
      };
      this.socket.write(bytes);
    });
  }

  #onRead(read: number): boolean {
    this.#fill += read;
    let at = 0;
    let wanted = 0;
    while (at + 4 <= this.#fill) {
      const size = this.#buffer.readInt32BE(at);
      if (at + 4 + size > this.#fill) {
        wanted = 4 + size;
        break;
      }
      this.onResponse?.(this.#buffer.subarray(at + 4, at + 4 + size));
      at += 4 + size;
    }
    const rest = this.#fill - at;
    if (wanted > this.#buffer.length || rest === this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(wanted, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, at, this.#fill);
      this.#buffer = grown;
    } else if (at > 0 && rest > 0) this.#buffer.copyWithin(0, at, this.#fill);
    this.#fill = rest;
    return true;
  }
}

/** What an answer to `fetchFrom` holds. */
export interface Fetched {
  /** Where its batches are. */
  readonly start: number;
  readonly end: number;
  readonly highWatermark: number;
}

/** Finds the batches of an answer. Throws PeerFailure for an error code. */
export function fetched(answer: Buffer, topic: string, peerName: string): Fetched {
  // correlation 4, throttle 4, topics 4, name, partitions 4, index 4: error code; then 8 + 8, aborted 4, size 4
  const code = 4 + 4 + 4 + 2 + topic.length + 4 + 4;
  const error = answer.readInt16BE(code);
  if (error !== 0) throw new PeerFailure(peerName, `fetch error code ${error}`);
  const aborted = answer.readInt32BE(code + 18);
  const size = code + 22 + Math.max(aborted, 0) * 16;
  const highWatermark = Number(answer.readBigInt64BE(code + 2));
  return { start: size + 4, end: size + 4 + answer.readInt32BE(size), highWatermark };
}
