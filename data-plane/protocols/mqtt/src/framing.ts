import { MqttFault } from './reason-codes.ts';

/** Handles the packets of one connection; `[at, end)` of `data` is a whole packet, its body begins at `body`. */
export interface PacketSink {
  /** Largest packet allowed now, in bytes. */
  readonly packetSizeMax: number;
  packet(data: Buffer, at: number, body: number, end: number): void;
  /** The packets of one buffer are over; the buffer may change after the call. */
  packetsEnd(): void;
  /** False = stop, the connection is over. */
  readonly open: boolean;
  /** True = keep what comes until `resume`: a packet must be dealt with before the next one is looked at. */
  readonly held?: boolean;
}

/** Bytes of the fixed header at most: type and a four-byte Remaining Length. */
const HEADER_BYTES_MAX = 5;
const REST_INITIAL_BYTES = 256;
/** Bytes kept while packets are held; transports are paused then, so it is what was under way and no more. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Cuts a byte stream into packets in one pass over each chunk. Only a packet that is split over chunks is copied, into a
 * buffer that grows with what has arrived (not with what the header promises) and is let go of with its packet.
 */
export class Framing {
  readonly #sink: PacketSink;
  #rest: Buffer | null = null;
  #restSize = 0;

  constructor(sink: PacketSink) {
    this.#sink = sink;
  }

  /** Bytes `[0, length)` of `chunk` have arrived. Throws `MqttFault` and whatever the sink throws. */
  push(chunk: Buffer, length: number): void {
    if (this.#sink.held === true) {
      this.#hold(chunk, length);
      return;
    }
    let at = this.#rest === null ? 0 : this.#complete(chunk, length);
    if (at < length && this.#sink.open) {
      at = this.#cut(chunk, at, length);
      if (at < length && this.#sink.open) this.#keep(chunk, at, length);
      this.#sink.packetsEnd();
    }
  }

  /** Packets are not held any more: goes on with those that were kept. */
  resume(): void {
    const rest = this.#rest;
    if (rest === null) return;
    this.#rest = null;
    const size = this.#restSize;
    const at = this.#cut(rest, 0, size);
    if (at < size && this.#sink.open) this.#keep(rest, at, size);
    this.#sink.packetsEnd();
  }

  /** Lets go of a packet that will never be complete. */
  discard(): void {
    this.#rest = null;
  }

  /** Hands on all whole packets of `[at, end)`; returns the offset after the last. */
  #cut(data: Buffer, at: number, end: number): number {
    const sink = this.#sink;
    while (at < end && sink.open && sink.held !== true) {
      const size = packetSize(data, at, end);
      if (size > sink.packetSizeMax) throw new MqttFault('packet-too-large');
      if (size === 0 || at + size > end) break;
      let body = at + 2;
      while (data[body - 1]! >= 0x80) body++;
      sink.packet(data, at, body, at + size);
      at += size;
    }
    return at;
  }

  #hold(chunk: Buffer, length: number): void {
    const kept = this.#rest === null ? 0 : this.#restSize;
    if (kept + length > HELD_BYTES_MAX) throw new MqttFault('quota-exceeded', 'too much was sent ahead');
    if (this.#rest === null) this.#keep(chunk, 0, length);
    else this.#take(chunk, 0, length);
  }

  #keep(chunk: Buffer, at: number, end: number): void {
    const size = end - at;
    this.#rest = Buffer.allocUnsafe(Math.max(size, REST_INITIAL_BYTES));
    chunk.copy(this.#rest, 0, at, end);
    this.#restSize = size;
  }

  /** Completes the packet kept from earlier chunks; returns how far `chunk` is used. */
  #complete(chunk: Buffer, length: number): number {
    let at = 0;
    while (at < length) {
      const need = packetSize(this.#rest!, 0, this.#restSize);
      if (need === 0) {
        at = this.#take(chunk, at, at + 1); // the header is not whole: byte by byte, five at most
        continue;
      }
      if (need > this.#sink.packetSizeMax) throw new MqttFault('packet-too-large');
      if (this.#restSize < need) at = this.#take(chunk, at, Math.min(length, at + need - this.#restSize));
      if (this.#restSize === need) return this.#handRest(need, at);
    }
    // a packet of two bytes is whole with its header
    const need = packetSize(this.#rest!, 0, this.#restSize);
    if (need > this.#sink.packetSizeMax) throw new MqttFault('packet-too-large');
    return need === this.#restSize ? this.#handRest(need, at) : at;
  }

  #handRest(size: number, at: number): number {
    const rest = this.#rest!;
    this.#rest = null;
    this.#cut(rest, 0, size);
    this.#sink.packetsEnd();
    return at;
  }

  #take(chunk: Buffer, from: number, to: number): number {
    const size = this.#restSize + to - from;
    if (size > this.#rest!.length) {
      const grown = Buffer.allocUnsafe(Math.max(size, this.#rest!.length * 2));
      this.#rest!.copy(grown, 0, 0, this.#restSize);
      this.#rest = grown;
    }
    chunk.copy(this.#rest!, this.#restSize, from, to);
    this.#restSize = size;
    return to;
  }
}

/** Whole size of the packet at `at`, 0 while its fixed header is not complete. Remaining Length: §2.1.4, §1.5.5. */
function packetSize(data: Buffer, at: number, end: number): number {
  if (end - at < 2) return 0;
  let value = data[at + 1]!;
  if (value < 0x80) return value + 2;
  value &= 0x7f;
  for (let i = 2; i < HEADER_BYTES_MAX; i++) {
    if (at + i >= end) return 0;
    const byte = data[at + i]!;
    value |= (byte & 0x7f) << (7 * (i - 1));
    if (byte < 0x80) {
      if (byte === 0) throw new MqttFault('malformed-packet', 'the remaining length is not in its shortest form');
      return value + i + 1;
    }
  }
  throw new MqttFault('malformed-packet', 'the remaining length is longer than four bytes');
}
