import { writeSync } from 'node:fs';
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
 * for client sockets, so accepted handles are taken before Node makes a Socket of them; where that is not possible, and
 * for TLS, 'data' events do the same work slower. Plain TCP writes go straight to the kernel while nothing waits before
 * them: Node's own way makes four objects for each. Callbacks are shared functions that find their connection through `this`.
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
        this.#tls ?? createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#events(socket));
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
  async open(): Promise<number> {
    const port = await bind(this.#server, this.address, this.#options.runtime.log);
    const { sharedReads, proxy } = this.#options;
    if (this.#tls === null && proxy === undefined && sharedReads !== false) {
      takeAccepted(this.#server, (handle) => this.#plain(handle));
    }
    return port;
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

  #plain(handle: TcpHandle): void {
    if (this.#open.size >= this.#options.connectionsMax) return handle.close();
    handle.setNoDelay(true);
    const transport = new TcpTransport(this, this.#options, peerOf(handle));
    this.#accept(transport);
    // A handler that assembles requests in place costs one closure; all others share buffer and callback.
    const buffer = transport.handler.readBuffer === undefined ? SHARED_READ_BUFFER : () => transport.readBuffer();
    transport.attach(new Socket({ handle, onread: { buffer, callback: onSharedRead } } as object), handle);
  }

  #events(socket: Socket): void {
    if (this.#full(socket)) return;
    const { proxy, clientCertificate } = this.#options;
    const source = proxy?.sourceOf(socket);
    const transport = new TcpTransport(this, this.#options, {
      address: source?.address ?? plainAddress(socket.remoteAddress),
      port: source?.port ?? socket.remotePort ?? 0,
      serverName: serverNameOf(socket),
      certificate: clientCertificate?.(socket) ?? null,
    });
    this.#accept(transport);
    socket.on('data', onDataEvent);
    transport.attach(socket, null);
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

/** Who is at the other end of a connection. */
interface RemotePeer {
  readonly address: string;
  readonly port: number;
  readonly serverName: string | null;
  readonly certificate: Buffer | null;
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
  /** null until it is attached. */
  #socket: Socket | null = null;
  /** Where plain TCP is written to directly; −1 = the socket does it. */
  #fd = -1;
  /** Written while the protocol server was still accepting; sent on attach. */
  #early: Buffer | null = null;
  #endEarly = false;
  #paused = false;
  #ended = false;
  #drainAwaited = false;
  #drained: (() => void) | null = null;
  #error: Error | null = null;

  constructor(owner: TcpListener, options: TcpListenerOptions, peer: RemotePeer) {
    this.#owner = owner;
    this.listener = options.info;
    this.remoteAddress = peer.address;
    this.remotePort = peer.port;
    this.serverName = peer.serverName;
    this.clientCertificate = peer.certificate;
  }

  /** `handle`: of a plain TCP socket that nobody else writes to; null where Node writes. */
  attach(socket: Socket, handle: TcpHandle | null): void {
    this.#socket = socket;
    this.#fd = handle?.fd ?? -1;
    (socket as ConnectionSocket)[CONNECTION] = this;
    socket.on('error', onError);
    socket.on('close', onClose);
    if (this.#early !== null) this.#send(socket, this.#early);
    this.#early = null;
    if (this.#ended) socket.destroy();
    else if (this.#endEarly) this.end();
    else if (!this.#paused) socket.resume();
  }

  get writableLength(): number {
    return this.#socket === null ? (this.#early?.length ?? 0) : this.#socket.writableLength;
  }

  write(bytes: Buffer): void {
    if (this.#ended) return;
    if (this.#socket !== null) this.#send(this.#socket, bytes);
    else this.#early = Buffer.concat([this.#early ?? EMPTY, bytes]);
  }

  writeAll(pieces: readonly Buffer[]): void {
    const socket = this.#socket;
    if (socket === null || pieces.length === 1) {
      for (const piece of pieces) this.write(piece);
      return;
    }
    if (this.#ended) return;
    socket.cork();
    for (const piece of pieces) socket.write(piece);
    socket.uncork();
    if (socket.writableLength > 0 && !this.#drainAwaited) this.#awaitDrain(socket);
  }

  #send(socket: Socket, bytes: Buffer): void {
    const taken = this.#fd < 0 || socket.writableLength > 0 ? 0 : writeNow(this.#fd, socket, bytes);
    if (taken === bytes.length) return;
    socket.write(taken === 0 ? bytes : bytes.subarray(taken));
    if (socket.writableLength > 0 && !this.#drainAwaited) this.#awaitDrain(socket);
  }
  /**
   * Node's 'drain' speaks only above the high water mark; an empty write behind the others calls back when they are
   * gone, and costs nothing to sockets that never fall behind.
   */
  #awaitDrain(socket: Socket): void {
    this.#drainAwaited = true;
    this.#drained ??= () => {
      if (this.#ended || socket.destroyed) return;
      this.#drainAwaited = false;
      if (socket.writableLength > 0) this.#awaitDrain(socket);
      else this.#guard(() => this.handler.onDrain());
    };
    socket.write(EMPTY, this.#drained);
  }

  pause(): void {
    this.#paused = true;
    this.#socket?.pause();
  }
  resume(): void {
    this.#paused = false;
    if (!this.#ended) this.#socket?.resume();
  }

  end(): void {
    if (this.#ended) return;
    const socket = this.#socket;
    this.#endEarly = socket === null;
    if (socket === null) return;
    this.#ended = true;
    socket.end();
    // Reading on (and dropping) lets the client's own close arrive; unread bytes would turn ours into a reset that can
    // destroy the last packet on its way.
    socket.resume();
    this.#owner.lingers(this);
  }
  /** Plain TCP of a client that expects nothing is closed at once, without waiting for its own close. */
  finish(): void {
    if (this.#fd >= 0 && this.writableLength === 0) this.destroy();
    else this.end();
  }
  destroy(): void {
    this.#ended = true;
    this.#socket?.destroy();
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

/** Node's side of a TCP connection (private, the same since Node 12). */
interface TcpHandle {
  /** File descriptor; −1 where there is none. */
  readonly fd: number;
  useUserBuffer(buffer: Uint8Array): void;
  setNoDelay(isOn: boolean): void;
  getpeername(into: { address?: string; port?: number }): number;
  close(): void;
}
interface ListeningHandle {
  onconnection?: (status: number, handle: TcpHandle | undefined) => void;
}

/**
 * The one place that touches Node's `_handle` (private by name): gives every accepted handle to `accepted`. Where this
 * version does not have what is needed, all stays as it is: the server's own 'connection' listener gets Sockets.
 */
function takeAccepted(server: Server, accepted: (handle: TcpHandle) => void): void {
  const listening = (server as unknown as { _handle?: ListeningHandle | null })._handle;
  const usual = listening?.onconnection;
  if (listening === null || listening === undefined || typeof usual !== 'function') return;
  listening.onconnection = function (this: ListeningHandle, status, handle) {
    const isKnown = HANDLE_METHODS.every((name) => typeof handle?.[name] === 'function');
    if (status === 0 && handle !== undefined && isKnown) accepted(handle);
    else usual.call(this, status, handle);
  };
}
const HANDLE_METHODS = ['useUserBuffer', 'setNoDelay', 'getpeername', 'close'] as const;

function peerOf(handle: TcpHandle): RemotePeer {
  const name: { address?: string; port?: number } = {};
  // a client that is gone already has no name any more
  handle.getpeername(name);
  return { address: plainAddress(name.address), port: name.port ?? 0, serverName: null, certificate: null };
}

/**
 * Hands bytes to the kernel; returns how many it took. 0 also for every fault: Node's own write, which follows, meets it
 * again and tells it. A closed socket has a descriptor that may be somebody else's by now, so nothing is written to it;
 * `destroyed` is set before the descriptor is given back.
 */
function writeNow(fd: number, socket: Socket, bytes: Buffer): number {
  if (socket.destroyed) return 0;
  try {
    return writeSync(fd, bytes, 0, bytes.length);
  } catch {
    return 0;
  }
}
