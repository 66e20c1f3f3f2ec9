import { createServer, Socket, type Server } from 'node:net';
import { createServer as createTlsServer, type SecureContextOptions, type Server as TlsServer } from 'node:tls';
import type { Cancel, ListenerInfo, Transport, TransportHandler } from '@robustmq/wire';
import {
  bind,
  END_LINGER_MS,
  plainAddress,
  serverNameOf,
  type ListenAddress,
  type Listener,
  type ListenerOptions,
} from './listener.ts';

/**
 * TCP and TLS connections as Transports. Plain TCP reads land in one buffer shared by all connections (or where the
 * handler's `readBuffer` says), which saves an allocation per read (docs/performance.md, rule 6). Node offers that only
 * for client sockets, so the accepted handle is moved into a second Socket; where that is not possible, and for TLS,
 * 'data' events do the same work slower. Callbacks are shared functions that find their connection through `this`.
 */

/** Bytes one read can bring. */
export const READ_BUFFER_BYTES = 65_536;
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000;
const SHARED_READ_BUFFER = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
const EMPTY = Buffer.alloc(0);
const CONNECTION = Symbol('connection');

export interface TcpListenerOptions extends ListenerOptions {
  /** False forces 'data' events. Only tests set it. */
  readonly sharedReads?: boolean;
}

export class TcpListener implements Listener {
  readonly address: ListenAddress;
  readonly #options: TcpListenerOptions;
  readonly #server: Server;
  readonly #tls: TlsServer | null = null;
  readonly #open = new Set<TcpTransport>();
  readonly #ending = new Map<TcpTransport, number>();
  #endingSweep: Cancel | null = null;

  constructor(options: TcpListenerOptions) {
    this.address = options.address;
    this.#options = options;
    const { tls, proxy } = options;
    if (tls !== undefined) this.#tls = this.#makeTlsServer(tls);
    if (proxy !== undefined) {
      this.#server = createServer({ noDelay: true }, (socket) => {
        if (!this.#full(socket)) proxy.admit(socket, (clear) => this.#introduced(clear));
      });
    } else {
      this.#server =
        this.#tls ?? createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#plain(socket));
    }
  }

  #makeTlsServer(tls: NonNullable<TcpListenerOptions['tls']>): TlsServer {
    const { runtime, info } = this.#options;
    const server = createTlsServer({ ...tls, noDelay: true, handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS });
    server.on('secureConnection', (socket) => this.#events(socket));
    // A failed handshake ends its own connection; the server goes on.
    server.on('tlsClientError', (error: Error) =>
      runtime.log.debug({ listener: info.name, error: error.message }, 'tls handshake failed'),
    );
    return server;
  }
  /** A connection whose proxy has said who it is. */
  #introduced(socket: Socket): void {
    if (this.#tls === null) this.#events(socket);
    else this.#tls.emit('connection', socket);
  }

  get connections(): number {
    return this.#open.size;
  }
  open(): Promise<number> {
    return bind(this.#server, this.address, this.#options.runtime.log);
  }
  replaceCertificate(options: SecureContextOptions): void {
    this.#tls?.setSecureContext(options);
  }
  stopAccepting(): void {
    if (this.#server.listening) this.#server.close();
  }
  destroyConnections(): void {
    for (const transport of this.#open) transport.destroy();
  }

  #plain(accepted: Socket): void {
    if (this.#full(accepted)) return;
    const handle = this.#options.sharedReads === false ? null : takeHandle(accepted);
    if (handle === null) return this.#events(accepted);
    const transport = new TcpTransport(this, this.#options, accepted);
    this.#accept(transport);
    // A handler that assembles requests in place costs one closure; all others share buffer and callback.
    const buffer = transport.handler.readBuffer === undefined ? SHARED_READ_BUFFER : () => transport.readBuffer();
    releaseHandle(accepted);
    transport.attach(new Socket({ handle, onread: { buffer, callback: onSharedRead } } as object));
  }

  #events(socket: Socket): void {
    if (this.#full(socket)) return;
    const transport = new TcpTransport(this, this.#options, socket);
    this.#accept(transport);
    socket.on('data', onDataEvent);
    transport.attach(socket);
  }

  #full(socket: Socket): boolean {
    if (this.#open.size < this.#options.connectionsMax) return false;
    socket.destroy();
    return true;
  }

  #accept(transport: TcpTransport): void {
    this.#open.add(transport);
    try {
      transport.handler = this.#options.accept(transport);
    } catch (error) {
      this.handlerFailed(error);
      transport.destroy();
    }
  }

  /** Called by its transports only. */
  closed(transport: TcpTransport): void {
    this.#open.delete(transport);
    this.#ending.delete(transport);
  }
  /** Called by its transports only: cuts those that do not close in time after `end()`, one sweep for all. */
  lingers(transport: TcpTransport): void {
    const { runtime } = this.#options;
    this.#ending.set(transport, runtime.monotonicMs() + END_LINGER_MS);
    this.#endingSweep ??= runtime.every(END_LINGER_MS / 4, () => this.#cutLingering());
  }
  #cutLingering(): void {
    const nowMs = this.#options.runtime.monotonicMs();
    for (const [transport, deadlineMs] of this.#ending) {
      if (nowMs < deadlineMs) break;
      this.#ending.delete(transport);
      transport.destroy();
    }
    if (this.#ending.size > 0) return;
    this.#endingSweep?.();
    this.#endingSweep = null;
  }
  /** Called by its transports only: a handler threw, which is a fault of ours; only its connection pays for it. */
  handlerFailed(error: unknown): void {
    this.#options.runtime.log.error({ listener: this.#options.info.name, error }, 'a connection handler failed');
  }
}

/** One connection. Made by TcpListener. */
class TcpTransport implements Transport {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly listener: ListenerInfo;
  readonly serverName: string | null;
  readonly clientCertificate: Buffer | null;
  handler: TransportHandler = UNACCEPTED;
  readonly #owner: TcpListener;
  #socket: Socket;
  #attached = false;
  /** Written while the protocol server was still accepting; sent on attach. */
  #early: Buffer | null = null;
  #endEarly = false;
  #paused = false;
  #ended = false;
  #drainAwaited = false;
  #drained: (() => void) | null = null;
  #error: Error | null = null;

  constructor(owner: TcpListener, options: TcpListenerOptions, accepted: Socket) {
    this.#owner = owner;
    this.#socket = accepted;
    this.listener = options.info;
    const source = options.proxy?.sourceOf(accepted);
    this.remoteAddress = source?.address ?? plainAddress(accepted.remoteAddress);
    this.remotePort = source?.port ?? accepted.remotePort ?? 0;
    this.serverName = serverNameOf(accepted);
    this.clientCertificate = options.clientCertificate?.(accepted) ?? null;
  }

  attach(socket: Socket): void {
    this.#socket = socket;
    this.#attached = true;
    (socket as ConnectionSocket)[CONNECTION] = this;
    socket.on('error', onError);
    socket.on('close', onClose);
    if (this.#early !== null) this.#send(this.#early);
    if (this.#ended) socket.destroy();
    else if (this.#endEarly) this.end();
    else if (!this.#paused) socket.resume();
  }

  get writableLength(): number {
    return this.#attached ? this.#socket.writableLength : (this.#early?.length ?? 0);
  }

  write(bytes: Buffer): void {
    if (this.#ended) return;
    if (this.#attached) this.#send(bytes);
    else this.#early = Buffer.concat([this.#early ?? EMPTY, bytes]);
  }

  writeAll(pieces: readonly Buffer[]): void {
    if (!this.#attached || pieces.length === 1) {
      for (const piece of pieces) this.write(piece);
      return;
    }
    if (this.#ended) return;
    const socket = this.#socket;
    socket.cork();
    for (const piece of pieces) socket.write(piece);
    socket.uncork();
    if (socket.writableLength > 0 && !this.#drainAwaited) this.#awaitDrain();
  }

  #send(bytes: Buffer): void {
    const socket = this.#socket;
    socket.write(bytes);
    if (socket.writableLength > 0 && !this.#drainAwaited) this.#awaitDrain();
  }
  /**
   * Node's 'drain' speaks only above the high water mark; an empty write behind the others calls back when they are
   * gone, and costs nothing to sockets that never fall behind.
   */
  #awaitDrain(): void {
    this.#drainAwaited = true;
    this.#drained ??= () => {
      if (this.#ended || this.#socket.destroyed) return;
      this.#drainAwaited = false;
      if (this.#socket.writableLength > 0) this.#awaitDrain();
      else this.#guard(() => this.handler.onDrain());
    };
    this.#socket.write(EMPTY, this.#drained);
  }

  pause(): void {
    this.#paused = true;
    if (this.#attached) this.#socket.pause();
  }
  resume(): void {
    this.#paused = false;
    if (this.#attached && !this.#ended) this.#socket.resume();
  }

  end(): void {
    if (this.#ended) return;
    this.#endEarly = !this.#attached;
    if (this.#endEarly) return;
    this.#ended = true;
    this.#socket.end();
    // Reading on (and dropping) lets the client's own close arrive; unread bytes would turn ours into a reset that can
    // destroy the last packet on its way.
    this.#socket.resume();
    this.#owner.lingers(this);
  }
  destroy(): void {
    this.#ended = true;
    if (this.#attached) this.#socket.destroy();
  }

  /** Where the next read lands. Node calls it while it reads, where nothing may throw. */
  readBuffer(): Buffer {
    try {
      return this.handler.readBuffer?.() ?? SHARED_READ_BUFFER;
    } catch (error) {
      this.#failed(error);
      return SHARED_READ_BUFFER;
    }
  }
  /** Bytes that Node read into a buffer of its own. */
  receivedElsewhere(chunk: Buffer): void {
    this.#guard(() => handOver(this.handler, chunk, (bytes, length) => this.received(bytes, length)));
  }
  received(chunk: Buffer, length: number): void {
    if (this.#ended) return;
    try {
      this.handler.onData(chunk, length);
    } catch (error) {
      this.#failed(error);
    }
  }
  failed(error: Error): void {
    this.#error = error;
  }
  closed(): void {
    this.#ended = true;
    this.#owner.closed(this);
    this.#guard(() => this.handler.onClose(this.#error));
  }

  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#failed(error);
    }
  }
  #failed(error: unknown): void {
    this.#owner.handlerFailed(error);
    this.destroy();
  }
}

const UNACCEPTED: TransportHandler = { onData() {}, onDrain() {}, onClose() {} };

type ConnectionSocket = Socket & { [CONNECTION]: TcpTransport };

/** Node calls it as a method of the socket, once per read. Returning true keeps reading. */
function onSharedRead(this: ConnectionSocket, length: number, buffer: Buffer): boolean {
  this[CONNECTION].received(buffer, length);
  return true;
}

function onDataEvent(this: Socket, chunk: Buffer): void {
  (this as ConnectionSocket)[CONNECTION].receivedElsewhere(chunk);
}
function onError(this: Socket, error: Error): void {
  (this as ConnectionSocket)[CONNECTION].failed(error);
}
function onClose(this: Socket): void {
  (this as ConnectionSocket)[CONNECTION].closed();
}

/** Gives `chunk` to a handler that reads into its own buffer, or as it is to one that does not. */
export function handOver(
  handler: TransportHandler,
  chunk: Buffer,
  receive: (bytes: Buffer, length: number) => void,
): void {
  if (handler.readBuffer === undefined) return receive(chunk, chunk.length);
  for (let at = 0; at < chunk.length;) {
    const target = handler.readBuffer();
    const length = chunk.copy(target, 0, at);
    if (length === 0) throw new Error('a handler gave an empty read buffer');
    receive(target, length);
    at += length;
  }
}

/**
 * The one place that touches Node's `_handle` (private by name, the same since Node 12). Returns null when this version
 * does not have what is needed; the caller then uses 'data' events.
 */
function takeHandle(socket: Socket): object | null {
  const handle = (socket as unknown as { _handle?: { useUserBuffer?: unknown } | null })._handle;
  return handle !== null && typeof handle === 'object' && typeof handle.useUserBuffer === 'function' ? handle : null;
}
/** Leaves the accepted Socket without its handle, and the server without the Socket. */
function releaseHandle(socket: Socket): void {
  (socket as unknown as { _handle: null })._handle = null;
  socket.destroy();
}
