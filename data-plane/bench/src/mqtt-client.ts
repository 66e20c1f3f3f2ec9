import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { noAnswer, PeerFailure } from './peer-failure.ts';

/** Where a load client connects to. */
export interface MqttServer {
  readonly name: string;
  readonly port: number;
  readonly username: string | null;
  readonly password: string | null;
  readonly tls?: boolean;
}

/** Sums over all clients that share it. */
export interface Tally {
  /** PUBLISH packets received for the first time. */
  received: number;
  /** Publishes whose exchange is complete: PUBACK (QoS 1) or PUBCOMP (QoS 2). */
  acknowledged: number;
}
export interface OpenOptions {
  /** Each answer is waited for at most so long. */
  readonly answerMs: number;
  /** Default: the client's own. */
  readonly tally?: Tally;
  /** False: the session outlives the connection. Default: true. */
  readonly cleanSession?: boolean;
}

const EMPTY = Buffer.alloc(0);
const DISCONNECT = Buffer.from([0xe0, 0]);
const TYPE = { connack: 2, publish: 3, puback: 4, pubrec: 5, pubrel: 6, pubcomp: 7, suback: 9 } as const;
const DUP = 8;
const ACK_BYTES = 4;

/** Byte-level MQTT 3.1.1 client of the load: pre-encoded packets, one write per turn, no object per message. */
export class MqttLoadClient {
  readonly socket: Socket;
  /** PUBLISH packets received for the first time. */
  received = 0;
  /** Publishes that are done, see `Tally`. */
  acknowledged = 0;
  readonly tally: Tally;
  readonly #peerName: string;
  readonly #answerMs: number;
  /** Why the connection is gone, once it is. */
  #end = 'it closed the connection';
  #rest: Buffer | null = null;
  #acks: Buffer = EMPTY;
  #ackBytes = 0;
  #control: ((type: number) => void) | null = null;
  #gone: (() => void) | null = null;
  /** Called once per chunk that brought deliveries or acknowledgements. */
  onProgress: ((client: MqttLoadClient) => void) | null = null;
  /** First payload bytes of each delivery, for latency runs. */
  onMessage: ((chunk: Buffer, payloadAt: number) => void) | null = null;

  private constructor(socket: Socket, peerName: string, options: OpenOptions) {
    this.socket = socket;
    this.tally = options.tally ?? { received: 0, acknowledged: 0 };
    this.#peerName = peerName;
    this.#answerMs = options.answerMs;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', () => {});
    socket.on('close', () => this.#gone?.());
  }

  /** Connects and logs in. Throws PeerFailure, also when CONNACK is a refusal. */
  static async open(peer: MqttServer, clientId: string, options: OpenOptions): Promise<MqttLoadClient> {
    const socket =
      peer.tls === true
        ? connectTls({ port: peer.port, host: '127.0.0.1', rejectUnauthorized: false })
        : connect(peer.port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      socket.once(peer.tls === true ? 'secureConnect' : 'connect', () => resolve());
      socket.once('error', (error) => reject(new PeerFailure(peer.name, error.message, { cause: error })));
    });
    const client = new MqttLoadClient(socket, peer.name, options);
    socket.write(connectPacket(clientId, peer.username, peer.password, options.cleanSession ?? true));
    try {
      await client.#waitFor(TYPE.connack);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  async subscribe(filter: string, qos: number): Promise<void> {
    const body = Buffer.concat([Buffer.from([0, 1]), text(filter), Buffer.from([qos])]);
    this.socket.write(Buffer.concat([Buffer.from([0x82, body.length]), body]));
    await this.#waitFor(TYPE.suback);
  }

  #waitFor(type: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void): void => {
        clearTimeout(timer);
        this.#control = this.#gone = null;
        done();
      };
      const timer = setTimeout(() => settle(() => reject(noAnswer(this.#peerName, this.#answerMs))), this.#answerMs);
      this.#gone = () => settle(() => reject(new PeerFailure(this.#peerName, this.#end)));
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
      this.#packet(bytes, first, body);
      at = body + length;
    }
    this.#rest = at === end ? null : bytes.subarray(at);
    if (this.#ackBytes > 0) {
      this.socket.write(Buffer.from(this.#acks.subarray(0, this.#ackBytes)));
      this.#ackBytes = 0;
    }
    this.onProgress?.(this);
  }

  #packet(bytes: Buffer, first: number, body: number): void {
    const type = first >> 4;
    if (type === TYPE.publish) {
      if ((first & DUP) === 0) {
        this.received++;
        this.tally.received++;
      }
      const topicEnd = body + 2 + ((bytes[body]! << 8) | bytes[body + 1]!);
      const qos = (first >> 1) & 3;
      if (qos > 0) this.#answer(qos === 1 ? TYPE.puback : TYPE.pubrec, 0, bytes[topicEnd]!, bytes[topicEnd + 1]!);
      this.onMessage?.(bytes, qos > 0 ? topicEnd + 2 : topicEnd);
    } else if (type === TYPE.puback || type === TYPE.pubcomp) {
      this.acknowledged++;
      this.tally.acknowledged++;
    } else if (type === TYPE.pubrec) this.#answer(TYPE.pubrel, 2, bytes[body]!, bytes[body + 1]!);
    else if (type === TYPE.pubrel) this.#answer(TYPE.pubcomp, 0, bytes[body]!, bytes[body + 1]!);
    else if (type === TYPE.connack && bytes[body + 1] !== 0)
      this.#refused(`it refused the connection with ${bytes[body + 1]}`);
    else if (type === TYPE.suback && bytes[body + 2]! >= 0x80) this.#refused('it refused the subscription');
    else this.#control?.(type);
  }

  #refused(why: string): void {
    this.#end = why;
    this.socket.destroy();
  }

  #answer(type: number, flags: number, high: number, low: number): void {
    if (this.#ackBytes + ACK_BYTES > this.#acks.length) {
      this.#acks = Buffer.concat([this.#acks, Buffer.allocUnsafe(Math.max(64, this.#acks.length))]);
    }
    const acks = this.#acks;
    acks[this.#ackBytes++] = (type << 4) | flags;
    acks[this.#ackBytes++] = 2;
    acks[this.#ackBytes++] = high;
    acks[this.#ackBytes++] = low;
  }

  /** DISCONNECT, then closes. */
  end(): void {
    this.socket.end(DISCONNECT);
  }

  close(): void {
    this.socket.destroy();
  }
}

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
};

/** CONNECT of MQTT 3.1.1 without keep-alive. */
export function connectPacket(
  clientId: string,
  username: string | null,
  password: string | null,
  clean: boolean,
): Buffer {
  const flags = (clean ? 2 : 0) | (username ? 0x80 : 0) | (password ? 0x40 : 0);
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
