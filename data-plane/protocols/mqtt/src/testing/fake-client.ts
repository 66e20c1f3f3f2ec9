import type { Transport, TransportHandler } from '@robustmq/wire';
import mqttPacket from 'mqtt-packet';
import type { Packet } from 'mqtt-packet';
import type { MqttServer } from '../mqtt-server.ts';

/** A client without a socket: packets in, packets out, both through mqtt-packet, which is not our code. */
export class FakeClient implements Transport {
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 40_000;
  readonly listener = { name: 'test', tls: false, namespace: null };
  readonly serverName = null;
  clientCertificate: Buffer | null = null;
  writableLength = 0;
  paused = false;
  closed: 'end' | 'destroy' | null = null;
  /** Everything the server wrote and nobody took yet. */
  received: Packet[] = [];
  raw: Buffer = Buffer.alloc(0);
  writes = 0;
  readonly #handler: TransportHandler;
  readonly #runtime: { turn(): void };
  readonly #version: 3 | 4 | 5;
  readonly #parser;

  constructor(server: MqttServer, runtime: { turn(): void }, version: 3 | 4 | 5 = 4) {
    this.#runtime = runtime;
    this.#version = version;
    this.#parser = mqttPacket.parser({ protocolVersion: version });
    this.#parser.on('packet', (packet: Packet) => this.received.push(packet));
    this.#handler = server.accept(this);
  }

  write(bytes: Buffer): void {
    const copy = Buffer.from(bytes);
    this.writes++;
    this.raw = Buffer.concat([this.raw, copy]);
    this.#parser.parse(copy);
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  end(): void {
    this.closed ??= 'end';
  }
  destroy(): void {
    this.closed = 'destroy';
    this.#handler.onClose(null);
  }

  /** Sends bytes as one chunk, in a buffer that is spoilt afterwards as the shared read buffer is. */
  bytes(bytes: Uint8Array, endTurn = true): void {
    const chunk = Buffer.concat([bytes, Buffer.alloc(8, 0xee)]);
    this.#handler.onData(chunk, bytes.length);
    chunk.fill(0xdd);
    if (endTurn) this.#runtime.turn();
  }
  /** Sends packets in one chunk and returns what came back by the end of the turn. */
  send(...packets: Packet[]): Packet[] {
    this.bytes(this.encode(...packets));
    return this.take();
  }
  encode(...packets: Packet[]): Buffer {
    return Buffer.concat(packets.map((packet) => mqttPacket.generate(packet, { protocolVersion: this.#version })));
  }
  take(): Packet[] {
    const received = this.received;
    this.received = [];
    return received;
  }
  drain(): void {
    this.writableLength = 0;
    this.#handler.onDrain();
    this.#runtime.turn();
  }
  /** The network is cut. */
  cut(): void {
    this.#handler.onClose(null);
    this.#runtime.turn();
  }
}
