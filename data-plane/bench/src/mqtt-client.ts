import { connect, type Socket } from 'node:net';
import { noAnswer, PeerFailure } from './peer-failure.ts';

/** Where a load client connects to. */
export interface MqttServer {
  readonly name: string;
  readonly port: number;
  readonly username: string | null;
  readonly password: string | null;
}

/** Byte-level MQTT 3.1.1 client of the load: pre-encoded packets, one write per turn, no object per message. */
export class MqttLoadClient {
  readonly socket: Socket;
  /** PUBLISH packets received. */
  received = 0;
  /** PUBACKs received. */
  acknowledged = 0;
  readonly #peerName: string;
  readonly #answerMs: number;
  #rest: Buffer | null = null;
  #acks: Buffer = Buffer.allocUnsafe(4 * 4096);
  #ackBytes = 0;
  #control: ((type: number) => void) | null = null;
  #gone: (() => void) | null = null;
  /** Called once per chunk that brought deliveries or acknowledgements. */
  onProgress: (() => void) | null = null;
  /** First payload bytes of each delivery, for latency runs. */
  onMessage: ((chunk: Buffer, payloadAt: number) => void) | null = null;

  private constructor(socket: Socket, peerName: string, answerMs: number) {
    this.socket = socket;
    this.#peerName = peerName;
    this.#answerMs = answerMs;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', () => {});
    socket.on('close', () => this.#gone?.());
  }

  /** Connects and logs in; each answer is waited for at most `answerMs`. Throws PeerFailure. */
  static async open(peer: MqttServer, clientId: string, answerMs: number): Promise<MqttLoadClient> {
    const socket = connect(peer.port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => resolve());
      socket.once('error', (error) => reject(new PeerFailure(peer.name, error.message, { cause: error })));
    });
    const client = new MqttLoadClient(socket, peer.name, answerMs);
    socket.write(connectPacket(clientId, peer.username, peer.password));
    try {
      await client.#waitFor(2);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  async subscribe(filter: string, qos: number): Promise<void> {
    const body = Buffer.concat([Buffer.from([0, 1]), text(filter), Buffer.from([qos])]);
    this.socket.write(Buffer.concat([Buffer.from([0x82, body.length]), body]));
    await this.#waitFor(9);
  }

  #waitFor(type: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void): void => {
        clearTimeout(timer);
        this.#control = this.#gone = null;
        done();
      };
      const timer = setTimeout(() => settle(() => reject(noAnswer(this.#peerName, this.#answerMs))), this.#answerMs);
      this.#gone = () => settle(() => reject(new PeerFailure(this.#peerName, 'it closed the connection')));
      this.#control = (got) => {
        if (got === type) settle(resolve);
      };
    });
  }

  #onData(chunk: Buffer): void {
    const bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    const end = bytes.length;
    let at = 0;
    while (at + 2 <= end) {
      let length = bytes[at + 1]!;
      let body = at + 2;
      if (length > 127) {
        length &= 127;
        let shift = 7;
        let byte = 128;
        while (body < end && byte > 127) {
          byte = bytes[body++]!;
          length |= (byte & 127) << shift;
          shift += 7;
        }
        if (byte > 127) break;
      }
      if (body + length > end) break;
      const first = bytes[at]!;
      const type = first >> 4;
      if (type === 3) {
        this.received++;
        const topicEnd = body + 2 + ((bytes[body]! << 8) | bytes[body + 1]!);
        const qos = (first >> 1) & 3;
        if (qos === 1) this.#acknowledge(bytes[topicEnd]!, bytes[topicEnd + 1]!);
        this.onMessage?.(bytes, qos > 0 ? topicEnd + 2 : topicEnd);
      } else if (type === 4) this.acknowledged++;
      else this.#control?.(type);
      at = body + length;
    }
    this.#rest = at === end ? null : bytes.subarray(at);
    if (this.#ackBytes > 0) {
      this.socket.write(Buffer.from(this.#acks.subarray(0, this.#ackBytes)));
      this.#ackBytes = 0;
    }
    this.onProgress?.();
  }

  #acknowledge(high: number, low: number): void {
    if (this.#ackBytes + 4 > this.#acks.length)
      this.#acks = Buffer.concat([this.#acks, Buffer.allocUnsafe(this.#acks.length)]);
    const acks = this.#acks;
    acks[this.#ackBytes++] = 0x40;
    acks[this.#ackBytes++] = 2;
    acks[this.#ackBytes++] = high;
    acks[this.#ackBytes++] = low;
  }

  close(): void {
    this.socket.destroy();
  }
}

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
};

function connectPacket(clientId: string, username: string | null, password: string | null): Buffer {
  const flags = 2 | (username ? 0x80 : 0) | (password ? 0x40 : 0);
  const body = Buffer.concat([
    text('MQTT'),
    Buffer.from([4, flags, 0, 0]),
    text(clientId),
    ...(username ? [text(username)] : []),
    ...(password ? [text(password)] : []),
  ]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}

/** One PUBLISH. Its packet id (QoS 1) lies at `idAt`. */
export function publishPacket(topic: string, payloadBytes: number, qos: number): { bytes: Buffer; idAt: number } {
  const name = text(topic);
  const length = name.length + (qos > 0 ? 2 : 0) + payloadBytes;
  const header = [0x30 | (qos << 1)];
  for (let rest = length; ;) {
    const low = rest & 127;
    rest >>>= 7;
    header.push(rest > 0 ? low | 128 : low);
    if (rest === 0) break;
  }
  const head = Buffer.concat([Buffer.from(header), name]);
  return {
    bytes: Buffer.concat([head, Buffer.alloc((qos > 0 ? 2 : 0) + payloadBytes, 0x61)]),
    idAt: qos > 0 ? head.length : -1,
  };
}
