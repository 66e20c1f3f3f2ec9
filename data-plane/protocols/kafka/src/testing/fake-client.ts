import type { ListenerInfo, Transport, TransportHandler } from '@robustmq/wire';
import { codecOf, MessageReader, MessageWriter } from '../codec.ts';
import type { Api, Decoded, Encodable, Schema } from '../schema.ts';
import type { KafkaServer } from '../server.ts';

const LISTENER: ListenerInfo = { name: 'kafka', tls: false, namespace: null };

/** A client without a socket: encodes requests with the same schemas and decodes what comes back. */
export class FakeClient {
  readonly handler: TransportHandler;
  closed = false;
  ended = false;
  paused = false;
  writes = 0;
  /** What the kernel has not taken: set to hold the server back. */
  unsent = 0;
  /** Everything received and not consumed. */
  received = Buffer.alloc(0);
  readonly #expected: { api: Api; version: number }[] = [];
  #correlation = 0;

  constructor(server: KafkaServer, extra: Pick<Transport, 'clientCertificate'> = {}) {
    const close = (): void => {
      if (this.closed) return;
      this.closed = true;
      this.handler.onClose(null);
    };
    const unsent = (): number => this.unsent;
    const transport: Transport = {
      remoteAddress: '192.0.2.1',
      remotePort: 1,
      listener: LISTENER,
      serverName: null,
      ...extra,
      get writableLength() {
        return unsent();
      },
      write: (bytes) => {
        this.writes++;
        this.received = Buffer.concat([this.received, bytes]);
      },
      pause: () => void (this.paused = true),
      resume: () => void (this.paused = false),
      end: () => {
        this.ended = true;
        close();
      },
      destroy: close,
    };
    this.handler = server.accept(transport);
  }

  /** Sends a request; `expect` false when it has no response. */
  send<Q extends Schema, R extends Schema>(
    api: Api<Q, R>,
    version: number,
    request: Encodable<Q>,
    expect = true,
  ): void {
    this.write(this.frame(api, version, request));
    if (expect) this.#expected.push({ api: api as unknown as Api, version });
  }

  /** The bytes of a request, size first. */
  frame<Q extends Schema, R extends Schema>(api: Api<Q, R>, version: number, request: Encodable<Q>): Buffer {
    const codec = codecOf(api, version);
    const w = new MessageWriter();
    w.i32(0).i16(api.key).i16(version).i32(++this.#correlation).i16(6);
    w.text('tester');
    if (codec.flexible) w.u8(0);
    codec.request.encode(w, request);
    const flat: Buffer[] = [];
    let at = 0;
    for (const cut of w.cuts) {
      flat.push(Buffer.from(w.buffer.subarray(at, cut.at)), cut.slice);
      at = cut.at;
    }
    flat.push(Buffer.from(w.buffer.subarray(at, w.at)));
    const frame = Buffer.concat(flat);
    frame.writeInt32BE(frame.length - 4, 0);
    return frame;
  }

  /** Hands bytes to the server as a transport does: into its read buffer, as far as that reaches. */
  write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.closed;) {
      const target = this.handler.readBuffer!();
      const size = Math.min(target.length, bytes.length - at);
      bytes.copy(target, 0, at, at + size);
      at += size;
      this.handler.onData(target, size);
    }
  }

  /** The next response in order, or null when there is none yet. */
  next<Q extends Schema, R extends Schema>(api: Api<Q, R>): Decoded<R> | null {
    if (this.received.length < 4) return null;
    const size = this.received.readInt32BE(0);
    if (this.received.length < 4 + size) return null;
    const { version } = this.#expected.shift()!;
    const codec = codecOf(api, version);
    const r = new MessageReader(Buffer.from(this.received.subarray(4, 4 + size)));
    this.received = this.received.subarray(4 + size);
    r.i32();
    if (codec.flexible && api.name !== 'ApiVersions') r.u8();
    const response = codec.response.decode(r);
    if (r.remaining !== 0) throw new Error(`${r.remaining} bytes after the response of ${api.name}`);
    return response;
  }
}
