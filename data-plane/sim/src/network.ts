import type { Accept, ListenerInfo, Transport, TransportHandler } from '@robustmq/wire';
import type { World } from './world.ts';

const SHARED_READ_BYTES = 16 * 1024;
const SHARED_READ_BUFFER = Buffer.alloc(SHARED_READ_BYTES);
/** A chunk may be cut into pieces of any size down to one byte. */
const SPLIT_SHARE = 0.15;

/** The client's end of a connection. */
export interface ClientEnd {
  received(bytes: Buffer): void;
  /** Called once. */
  closed(): void;
}

export interface Latency {
  readonly msMax: number;
  /** Longest wait of a reader before it takes what has arrived. */
  readonly readerMsMax: number;
}

interface Piece {
  readonly bytes: Buffer;
  readonly arrived: (() => void) | null;
}

/**
 * One connection between a simulated client and a protocol server, as its Transport. Bytes keep their order and arrive
 * late, in pieces; the line can be cut at any time, and what was under way then is lost on the way to the server and
 * may still arrive at the client.
 */
export class Link implements Transport {
  readonly remoteAddress = '10.0.0.1';
  readonly remotePort = 40_000;
  readonly listener: ListenerInfo;
  readonly serverName = null;
  writableLength = 0;
  readonly #world: World;
  readonly #latency: Latency;
  readonly #client: ClientEnd;
  readonly #handler: TransportHandler;
  readonly #toServer: Piece[] = [];
  /** On their way, oldest first: two that arrive at the same moment must not change places by a rounding. */
  readonly #sent: Piece[] = [];
  readonly #answers: (() => void)[] = [];
  #toServerAtMs = 0;
  #toClientAtMs = 0;
  #isPaused = false;
  #isServerGone = false;
  #isClientGone = false;
  #isEnding = false;

  constructor(world: World, options: { listener: ListenerInfo; accept: Accept; client: ClientEnd; latency: Latency }) {
    this.#world = world;
    this.listener = options.listener;
    this.#client = options.client;
    this.#latency = options.latency;
    this.#handler = options.accept(this);
  }
  get isOpen(): boolean {
    return !this.#isServerGone && !this.#isClientGone;
  }

  /** The client sends; `arrived` runs when the server has read all of it. */
  send(bytes: Buffer, arrived: (() => void) | null = null): void {
    if (!this.isOpen || bytes.length === 0) return;
    const { chance } = this.#world;
    let at = 0;
    while (at < bytes.length) {
      const size = chance.is(SPLIT_SHARE) ? chance.whole(1, bytes.length - at + 1) : bytes.length - at;
      const piece = { bytes: bytes.subarray(at, at + size), arrived: at + size === bytes.length ? arrived : null };
      at += size;
      this.#toServerAtMs = Math.max(this.#toServerAtMs, this.#world.nowMs + chance.between(0.05, this.#latency.msMax));
      this.#sent.push(piece);
      this.#world.after(this.#toServerAtMs - this.#world.nowMs, () => {
        this.#toServer.push(this.#sent.shift()!);
        this.#read();
      });
    }
  }
  /** The line is cut, or the client's machine is gone. */
  cut(): void {
    if (this.#isClientGone) return;
    this.#isClientGone = true;
    this.#client.closed();
    this.#world.after(this.#world.chance.between(0, this.#latency.msMax), () => this.#closeServer(null));
  }
  /** The server's process is gone: its kernel closes the connection, or with the power nobody does. */
  serverDied(): void {
    this.#isServerGone = true;
    this.#hangUp();
  }

  write(bytes: Buffer): void {
    if (this.#isServerGone || this.#isEnding) return;
    const { chance } = this.#world;
    const copy = Buffer.from(bytes);
    this.writableLength += copy.length;
    let at = 0;
    while (at < copy.length) {
      const size = chance.is(SPLIT_SHARE) ? chance.whole(1, copy.length - at + 1) : copy.length - at;
      const piece = copy.subarray(at, at + size);
      at += size;
      this.#toClient(() => {
        if (!this.#isClientGone) this.#client.received(piece);
        this.#taken(piece.length);
      });
    }
  }
  pause(): void {
    this.#isPaused = true;
  }
  resume(): void {
    this.#isPaused = false;
    this.#world.after(0, () => this.#read());
  }
  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#hangUp();
    this.#world.after(this.#toClientAtMs - this.#world.nowMs + 0.1, () => this.#closeServer(null));
  }
  destroy(): void {
    this.#isEnding = true;
    this.#hangUp();
    this.#world.after(0, () => this.#closeServer(null));
  }

  #toClient(run: () => void): void {
    const { chance, nowMs } = this.#world;
    const { msMax, readerMsMax } = this.#latency;
    this.#toClientAtMs = Math.max(
      this.#toClientAtMs,
      nowMs + chance.between(0.05, msMax) + chance.between(0, readerMsMax),
    );
    this.#answers.push(run);
    this.#world.after(this.#toClientAtMs - nowMs, () => this.#answers.shift()!());
  }
  #hangUp(): void {
    this.#toClient(() => {
      if (this.#isClientGone) return;
      this.#isClientGone = true;
      this.#client.closed();
    });
  }
  #taken(sizeBytes: number): void {
    this.writableLength -= sizeBytes;
    if (this.writableLength === 0 && !this.#isServerGone) this.#handler.onDrain();
  }
  #read(): void {
    while (this.#toServer.length > 0 && !this.#isPaused && this.isOpen && !this.#isEnding) {
      const piece = this.#toServer[0]!;
      const target = this.#handler.readBuffer?.() ?? SHARED_READ_BUFFER;
      const size = Math.min(target.length, piece.bytes.length);
      piece.bytes.copy(target, 0, 0, size);
      if (size < piece.bytes.length) this.#toServer[0] = { ...piece, bytes: piece.bytes.subarray(size) };
      else this.#toServer.shift();
      this.#handler.onData(target, size);
      if (size === piece.bytes.length) piece.arrived?.();
    }
  }
  #closeServer(error: Error | null): void {
    if (this.#isServerGone) return;
    this.#isServerGone = true;
    this.#handler.onClose(error);
  }
}
