import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** As much MQTT 5 as the drills need; it logs in as `u` of a cluster with `deviceCredential`. */
export class Device {
  readonly #socket: Socket;
  private constructor(socket: Socket) {
    this.#socket = socket;
  }
  /** The device, or the CONNACK reason code of a refusal. */
  static async open(port: number, clientId: string, password = 'p', key = 'shop'): Promise<Device | number> {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    const device = new Device(socket);
    const body = [text('MQTT'), Buffer.from([5, 0xc2, 0, 60, 0]), text(clientId), text(`u@${key}`), text(password)];
    const reason = (await device.#exchange(packet(0x10, body)))[3]!;
    if (reason === 0) return device;
    socket.destroy();
    return reason;
  }
  /** Publishes at QoS 1; the PUBACK reason code. */
  async publish(topic: string, id: number, payload = Buffer.from('x')): Promise<number> {
    const acknowledged = await this.#exchange(
      packet(0x32, [text(topic), Buffer.from([id >> 8, id & 0xff, 0]), payload]),
    );
    return acknowledged[1]! > 2 ? acknowledged[4]! : 0;
  }
  close(): void {
    this.#socket.end(packet(0xe0, [Buffer.from([0, 0])]));
  }
  async #exchange(bytes: Buffer): Promise<Buffer> {
    this.#socket.write(bytes);
    const settled = new AbortController();
    const { signal } = settled;
    const reply = await Promise.race([
      once(this.#socket, 'data', { signal }).then(([data]) => data as Buffer),
      once(this.#socket, 'close', { signal }).then(() => Buffer.alloc(8)),
    ]).finally(() => settled.abort());
    if (reply[0] === 0) throw new Error('the connection was closed');
    return reply;
  }
}
function text(value: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(Buffer.byteLength(value));
  return Buffer.concat([length, Buffer.from(value)]);
}
function packet(type: number, body: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(body);
  const head = [type];
  let left = bytes.length;
  // MQTT 5 §1.5.5: seven bits a byte, lowest first
  for (; left > 127; left >>= 7) head.push((left & 127) | 128);
  return Buffer.concat([Buffer.from([...head, left]), bytes]);
}

/** Credential `u` with password `p`, as a namespace is given it. */
export function deviceCredential(): object {
  const salt = randomBytes(16);
  const hash = createHash('sha256').update(salt).update('p').digest('base64');
  const scram = { salt: 'AAAA', iterations: 4096, storedKey: 'AAAA', serverKey: 'AAAA' };
  const verifiers = { sha256: { salt: salt.toString('base64'), hash }, scramSha256: scram, scramSha512: scram };
  return { name: 'u', kind: 'password', verifiers };
}
