import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import type { SecureContextOptions, Server as TlsServer } from 'node:tls';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Accept, ListenerInfo, Runtime, Transport, TransportHandler } from '@robustmq/wire';
import { http, https } from '../http-module.ts';
import {
  bind,
  END_LINGER_MS,
  plainAddress,
  serverNameOf,
  type ListenAddress,
  type Listener,
  type ListenerOptions,
} from './listener.ts';
import { handOver } from './tcp.ts';

/**
 * MQTT over WebSocket (MQTT 5.0 §6) as a Transport: path /mqtt, sub-protocol `mqtt` (or `mqttv3.1` of older clients),
 * binary frames only; a frame may carry any part of a packet or many packets.
 */

export const WEBSOCKET_PATH = '/mqtt';
const SUBPROTOCOLS = ['mqtt', 'mqttv3.1'];
/** One frame is buffered whole before it is handed on, so this is memory a stranger can claim per connection. */
export const FRAME_BYTES_MAX = 16 * 2 ** 20;
/** How long a client may take to send its upgrade request. */
const UPGRADE_TIMEOUT_MS = 10_000;
/** RFC 6455 §7.4.1. */
const CLOSE_UNSUPPORTED_DATA = 1003;
const EMPTY = Buffer.alloc(0);

export class WebSocketListener implements Listener {
  readonly address: ListenAddress;
  readonly #options: ListenerOptions;
  readonly #http: Server;
  /** What is bound: the HTTP server, or what stands before it. */
  readonly #front: NetServer;
  readonly #upgrades: WebSocketServer;
  readonly #open = new Set<WebSocketTransport>();

  constructor(options: ListenerOptions) {
    this.address = options.address;
    this.#options = options;
    this.#http =
      options.tls === undefined ? http.createServer(refusePlainHttp) : https.createServer(options.tls, refusePlainHttp);
    const { proxy } = options;
    this.#front =
      proxy === undefined
        ? this.#http
        : createServer((socket) => proxy.admit(socket, (clear) => this.#http.emit('connection', clear)));
    // Requests that are not upgraded yet hold a connection too.
    this.#front.maxConnections = options.connectionsMax * 2;
    this.#http.headersTimeout = UPGRADE_TIMEOUT_MS;
    this.#http.requestTimeout = UPGRADE_TIMEOUT_MS;
    this.#http.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#upgrade(request, socket, head),
    );
    this.#upgrades = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: FRAME_BYTES_MAX,
      handleProtocols: (offered) => SUBPROTOCOLS.find((name) => offered.has(name)) ?? false,
    });
  }

  get connections(): number {
    return this.#open.size;
  }
  open(): Promise<number> {
    return bind(this.#front, this.address, this.#options.runtime.log);
  }
  replaceCertificate(options: SecureContextOptions): void {
    if (this.#options.tls !== undefined) (this.#http as unknown as TlsServer).setSecureContext(options);
  }
  stopAccepting(): void {
    if (!this.#front.listening) return;
    this.#front.close();
    this.#http.closeIdleConnections();
  }
  destroyConnections(): void {
    for (const transport of this.#open) transport.destroy();
    this.#http.closeAllConnections();
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const refusal = refuseUpgrade(request, this.#open.size >= this.#options.connectionsMax);
    if (refusal !== null) {
      socket.end(
        `HTTP/1.1 ${refusal.status}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n` +
          `content-length: ${Buffer.byteLength(refusal.text)}\r\n\r\n${refusal.text}`,
      );
      return;
    }
    socket.setNoDelay(true);
    this.#upgrades.handleUpgrade(request, socket, head, (webSocket) => {
      const transport = new WebSocketTransport(this, this.#options, webSocket, socket);
      this.#open.add(transport);
      transport.accept(this.#options.accept);
    });
  }

  /** Called by its transports only. */
  closed(transport: WebSocketTransport): void {
    this.#open.delete(transport);
  }
}

/** One WebSocket. Made by WebSocketListener. */
class WebSocketTransport implements Transport {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly listener: ListenerInfo;
  readonly serverName: string | null;
  readonly clientCertificate: Buffer | null;
  handler: TransportHandler = { onData() {}, onDrain() {}, onClose() {} };
  readonly #owner: WebSocketListener;
  readonly #runtime: Runtime;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  #ended = false;
  #drainAwaited = false;
  #error: Error | null = null;

  constructor(owner: WebSocketListener, options: ListenerOptions, webSocket: WebSocket, socket: Socket) {
    this.#owner = owner;
    this.#runtime = options.runtime;
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.listener = options.info;
    const source = options.proxy?.sourceOf(socket);
    this.remoteAddress = source?.address ?? plainAddress(socket.remoteAddress);
    this.remotePort = source?.port ?? socket.remotePort ?? 0;
    this.serverName = serverNameOf(socket);
    this.clientCertificate = options.clientCertificate?.(socket) ?? null;
    webSocket.binaryType = 'nodebuffer';
    webSocket.on('message', (data, isBinary) => this.#received(data as Buffer, isBinary));
    webSocket.on('error', (error) => {
      this.#error = error;
    });
    webSocket.on('close', () => this.#closed());
  }

  accept(accept: Accept): void {
    this.#guard(() => {
      this.handler = accept(this);
    });
  }

  get writableLength(): number {
    return this.#webSocket.bufferedAmount;
  }

  write(bytes: Buffer): void {
    if (this.#ended) return;
    this.#webSocket.send(bytes, SEND_OPTIONS);
    if (this.#webSocket.bufferedAmount > 0 && !this.#drainAwaited) this.#awaitDrain();
  }
  /** An empty write to the socket below calls back once all before it is with the kernel; it puts nothing on the wire. */
  #awaitDrain(): void {
    this.#drainAwaited = true;
    this.#socket.write(EMPTY, () => {
      if (this.#ended || this.#socket.destroyed) return;
      this.#drainAwaited = false;
      if (this.#webSocket.bufferedAmount > 0) this.#awaitDrain();
      else this.#guard(() => this.handler.onDrain());
    });
  }

  pause(): void {
    if (!this.#ended) this.#webSocket.pause();
  }
  resume(): void {
    this.#webSocket.resume();
  }
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#webSocket.resume();
    this.#webSocket.close(1000);
    this.#runtime.after(END_LINGER_MS, () => this.#webSocket.terminate());
  }
  destroy(): void {
    this.#ended = true;
    this.#webSocket.terminate();
  }

  #received(data: Buffer, isBinary: boolean): void {
    if (this.#ended) return;
    if (!isBinary) {
      // [MQTT-6.0.0-1]
      this.#ended = true;
      this.#webSocket.close(CLOSE_UNSUPPORTED_DATA, 'MQTT needs binary frames');
      this.#runtime.after(END_LINGER_MS, () => this.#webSocket.terminate());
      return;
    }
    this.#guard(() =>
      handOver(this.handler, data, (bytes, length) => {
        if (!this.#ended) this.handler.onData(bytes, length);
      }),
    );
  }
  #closed(): void {
    this.#ended = true;
    this.#owner.closed(this);
    this.#guard(() => this.handler.onClose(this.#error));
  }
  /** A handler that throws is a fault of ours; only its connection pays for it. */
  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#runtime.log.error({ listener: this.listener.name, error }, 'a connection handler failed');
      this.destroy();
    }
  }
}

const SEND_OPTIONS = { binary: true, compress: false };

function refuseUpgrade(request: IncomingMessage, full: boolean): { status: string; text: string } | null {
  const path = (request.url ?? '').split('?', 1)[0];
  if (path !== WEBSOCKET_PATH) return { status: '404 Not Found', text: `MQTT is served at ${WEBSOCKET_PATH}\n` };
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  // [MQTT-6.0.0-3]
  if (!offered.some((name) => SUBPROTOCOLS.includes(name)))
    return { status: '400 Bad Request', text: 'offer the WebSocket sub-protocol mqtt\n' };
  if (full) return { status: '503 Service Unavailable', text: 'the listener has all the connections it may hold\n' };
  return null;
}

function refusePlainHttp(request: IncomingMessage, response: ServerResponse): void {
  const found = (request.url ?? '').split('?', 1)[0] === WEBSOCKET_PATH;
  response.writeHead(found ? 426 : 404, { 'content-type': 'text/plain; charset=utf-8', upgrade: 'websocket' });
  response.end(found ? 'connect with a WebSocket client\n' : `MQTT is served at ${WEBSOCKET_PATH}\n`);
}
