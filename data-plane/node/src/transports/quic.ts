import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { SecureContextOptions } from 'node:tls';
import type { Accept, Cancel, ListenerInfo, Runtime, Transport, TransportHandler } from '@robustmq/wire';
import { NodeError } from '../node-error.ts';
import { END_LINGER_MS, type ListenAddress, type Listener, type ListenerOptions } from './listener.ts';
import { handOver } from './tcp.ts';

/**
 * MQTT over QUIC: ALPN `mqtt`, one bidirectional stream per connection, opened by the client. The library is installed
 * by whoever wants it (`npm install @matrixai/quic`); it tells no TLS server name, so clients name their cluster in the
 * user name. A feature for lossy networks, not the fast path: about a thousand round trips per second.
 */

export const QUIC_PACKAGE = '@matrixai/quic';
const ALPN = 'mqtt';
/** A client that has a connection but opens no stream is closed. */
const STREAM_TIMEOUT_MS = 10_000;
/** Connections whose network has gone end after this long; until then pings keep idle ones open. */
const IDLE_TIMEOUT_MS = 300_000;
const KEEP_ALIVE_MS = 60_000;
const RECEIVE_WINDOW_BYTES = 1_048_576;

/** What is used of the library; its own types come only where it is installed. */
interface QuicStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  cancel(reason?: unknown): void;
}
interface QuicConnection extends EventTarget {
  readonly remoteHost: string;
  readonly remotePort: number;
  stop(options: { isApp: true; errorCode: number; force: boolean }): Promise<void>;
}
interface QuicServer extends EventTarget {
  readonly port: number;
  start(options: { host: string; port: number }): Promise<void>;
  stop(options: { isApp: true; errorCode: number; force: boolean }): Promise<void>;
  updateConfig(config: { key: string; cert: string }): void;
}
interface QuicLibrary {
  readonly QUICServer: new (options: object) => QuicServer;
  readonly events: Record<
    'EventQUICServerConnection' | 'EventQUICConnectionStream' | 'EventQUICConnectionClose',
    { readonly name: string }
  >;
}
const STOP = { isApp: true, errorCode: 0, force: true } as const;

/** Loads the library. Throws NodeError `not-supported` with what to do where it is not installed. */
export async function loadQuic(): Promise<QuicLibrary> {
  try {
    const directories = [import.meta.url, pathToFileURL(`${process.cwd()}/`).href];
    const found = directories.map((from) => resolvedFrom(from)).find((path) => path !== null);
    return (await import(found ?? QUIC_PACKAGE)) as QuicLibrary;
  } catch (cause) {
    throw new NodeError(
      'not-supported',
      `MQTT over QUIC needs ${QUIC_PACKAGE}, which is not installed: run npm install ${QUIC_PACKAGE}, or remove ` +
        `listeners.mqttQuic`,
      { cause },
    );
  }
}
/** The library beside the node, or beside whoever started it. */
function resolvedFrom(from: string): string | null {
  try {
    return pathToFileURL(createRequire(from).resolve(QUIC_PACKAGE)).href;
  } catch {
    return null;
  }
}

export class QuicListener implements Listener {
  readonly address: ListenAddress;
  readonly #options: ListenerOptions;
  readonly #library: QuicLibrary;
  readonly #pem: () => { cert: string; key: string };
  readonly #open = new Set<QuicTransport>();
  #server: QuicServer | null = null;
  #accepting = true;

  private constructor(options: ListenerOptions, library: QuicLibrary, pem: () => { cert: string; key: string }) {
    this.address = options.address;
    this.#options = options;
    this.#library = library;
    this.#pem = pem;
  }
  /** `pem`: the listener's certificate and key as they are now. Throws NodeError `not-supported`. */
  static async make(options: ListenerOptions, pem: () => { cert: string; key: string }): Promise<QuicListener> {
    return new QuicListener(options, await loadQuic(), pem);
  }

  get connections(): number {
    return this.#open.size;
  }

  async open(): Promise<number> {
    const { QUICServer, events } = this.#library;
    const { host, port } = this.address;
    const server = new QUICServer({
      crypto: tokenCrypto(),
      config: {
        ...this.#pem(),
        verifyPeer: false,
        applicationProtos: [ALPN],
        enableEarlyData: false,
        initialMaxStreamsBidi: 1,
        initialMaxStreamsUni: 0,
        initialMaxStreamDataBidiRemote: RECEIVE_WINDOW_BYTES,
        maxIdleTimeout: IDLE_TIMEOUT_MS,
        keepAliveIntervalTime: KEEP_ALIVE_MS,
      },
      minIdleTimeout: STREAM_TIMEOUT_MS,
      logger: silentLogger(),
    });
    server.addEventListener(events.EventQUICServerConnection.name, (event) =>
      this.#connected((event as Event & { detail: QuicConnection }).detail),
    );
    try {
      await server.start({ host, port });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new NodeError(
        'listen-failed',
        `the ${this.address.name} listener could not open ${host}:${port}/udp: ${reason}`,
        {
          cause,
        },
      );
    }
    this.#server = server;
    return server.port;
  }

  replaceCertificate(_options: SecureContextOptions): void {
    this.#server?.updateConfig(this.#pem());
  }
  stopAccepting(): void {
    this.#accepting = false;
  }
  destroyConnections(): void {
    for (const transport of this.#open) transport.destroy();
    void this.#server?.stop(STOP).catch(() => undefined);
    this.#server = null;
  }

  #connected(connection: QuicConnection): void {
    const { info, accept, runtime, connectionsMax } = this.#options;
    const { EventQUICConnectionStream, EventQUICConnectionClose } = this.#library.events;
    const refuse = () => void connection.stop(STOP).catch(() => undefined);
    if (!this.#accepting || this.#open.size >= connectionsMax) return refuse();
    const tooSlow = runtime.after(STREAM_TIMEOUT_MS, refuse);
    let transport: QuicTransport | null = null;
    connection.addEventListener(EventQUICConnectionStream.name, (event) => {
      const stream = (event as Event & { detail: QuicStream }).detail;
      // initialMaxStreamsBidi lets in one; another after its end is nobody's.
      if (transport !== null) return stream.cancel();
      tooSlow();
      transport = new QuicTransport({ connection, stream, info, runtime, closed: (gone) => this.#open.delete(gone) });
      this.#open.add(transport);
      transport.accept(accept);
    });
    connection.addEventListener(EventQUICConnectionClose.name, () => {
      tooSlow();
      transport?.closed(null);
    });
  }
}

interface QuicTransportOptions {
  readonly connection: QuicConnection;
  readonly stream: QuicStream;
  readonly info: ListenerInfo;
  readonly runtime: Runtime;
  readonly closed: (transport: QuicTransport) => void;
}

/** The stream of one connection. Made by QuicListener. */
class QuicTransport implements Transport {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly listener: ListenerInfo;
  readonly serverName = null;
  handler: TransportHandler = { onData() {}, onDrain() {}, onClose() {} };
  writableLength = 0;
  readonly #options: QuicTransportOptions;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #paused: { promise: Promise<void>; resume: () => void } | null = null;
  #ended = false;
  #closed = false;
  #lingering: Cancel | null = null;

  constructor(options: QuicTransportOptions) {
    this.#options = options;
    this.remoteAddress = options.connection.remoteHost;
    this.remotePort = options.connection.remotePort;
    this.listener = options.info;
    this.#reader = options.stream.readable.getReader();
    this.#writer = options.stream.writable.getWriter();
    this.#writer.closed.catch(() => undefined);
  }

  accept(accept: Accept): void {
    this.#guard(() => {
      this.handler = accept(this);
    });
    void this.#read();
  }

  write(bytes: Buffer): void {
    if (this.#ended || bytes.length === 0) return;
    this.writableLength += bytes.length;
    this.#writer.write(bytes).then(
      () => {
        this.writableLength -= bytes.length;
        if (this.writableLength === 0 && !this.#ended) this.#guard(() => this.handler.onDrain());
      },
      (error: unknown) => this.#failed(error),
    );
  }
  pause(): void {
    if (this.#paused !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#paused = { promise, resume: resolve };
  }
  resume(): void {
    this.#paused?.resume();
    this.#paused = null;
  }
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.resume();
    this.#lingering = this.#options.runtime.after(END_LINGER_MS, () => this.destroy());
    // `close` waits for the writes before it; the client then closes its half, or the time is up.
    this.#writer.close().catch(() => undefined);
  }
  destroy(): void {
    this.#ended = true;
    this.resume();
    void this.#options.connection.stop(STOP).catch(() => undefined);
    this.closed(null);
  }

  /** The connection is gone. */
  closed(error: Error | null): void {
    if (this.#closed) return;
    this.#closed = this.#ended = true;
    this.#lingering?.();
    this.#options.closed(this);
    this.#guard(() => this.handler.onClose(error));
  }

  async #read(): Promise<void> {
    try {
      for (;;) {
        if (this.#paused !== null) await this.#paused.promise;
        const { done, value } = await this.#reader.read();
        if (done || this.#closed) break;
        if (this.#ended) continue;
        const chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
        this.#guard(() =>
          handOver(this.handler, chunk, (bytes, length) => {
            if (!this.#ended) this.handler.onData(bytes, length);
          }),
        );
      }
      this.destroy();
    } catch (error) {
      this.#failed(error);
    }
  }
  #failed(error: unknown): void {
    if (this.#closed) return;
    void this.#options.connection.stop(STOP).catch(() => undefined);
    this.closed(error instanceof Error ? error : new Error(String(error)));
  }
  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.runtime.log.error({ listener: this.listener.name, error }, 'a connection handler failed');
      this.destroy();
    }
  }
}

/** Address validation tokens of the retry packet (RFC 9000 §8.1): a MAC with a key of this process. */
function tokenCrypto(): object {
  const key = Uint8Array.from(randomBytes(32)).buffer;
  const mac = (secret: ArrayBuffer, data: ArrayBuffer): Buffer =>
    createHmac('sha256', Buffer.from(secret)).update(Buffer.from(data)).digest();
  return {
    key,
    ops: {
      sign: (secret: ArrayBuffer, data: ArrayBuffer) => Promise.resolve(Uint8Array.from(mac(secret, data)).buffer),
      verify: (secret: ArrayBuffer, data: ArrayBuffer, signature: ArrayBuffer) => {
        const wanted = mac(secret, data);
        const given = Buffer.from(signature);
        return Promise.resolve(wanted.length === given.length && timingSafeEqual(wanted, given));
      },
    },
  };
}

/** The library logs every packet it cannot use; that is a stranger's to cause. */
function silentLogger(): object {
  const silent = { debug() {}, info() {}, warn() {}, error() {}, getChild: () => silent };
  return silent;
}
