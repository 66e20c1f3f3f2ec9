import type { Admission, ClientEvent, Connection as BrokerConnection, Refusal } from '@robustmq/broker';
import { type Cancel, type Transport, type TransportHandler, WireError } from '@robustmq/wire';
import { type Api, type Decoded, type Encodable, type Schema } from './schema.ts';
import { type ApiCodec, codecOf, MessageReader, type MessageWriter } from './codec.ts';
import { FrameError, Frames } from './frames.ts';
import { type Mechanism, SaslExchange, type SaslStep } from './sasl/exchange.ts';
import type { KafkaServer } from './server.ts';
import { Session } from './session.ts';

/** As `Connection.allows` has them. */
type AclAction = Parameters<BrokerConnection['allows']>[0];
type AclResource = Parameters<BrokerConnection['allows']>[1];

/** A request that was served or is being served; answers leave the connection in the order of the requests. */
export class Call<R extends Schema = Schema> {
  readonly connection: KafkaConnection;
  readonly version: number;
  readonly clientId: string;
  /** The request's buffer is this call's own: views of it may be kept. */
  readonly owned: boolean;
  readonly codec: ApiCodec;
  readonly #correlationId: number;
  readonly #headerTags: boolean;
  #response: Encodable<R> | null = null;
  /** Bytes counted against `pendingProduceBytesMax` until the answer is sent. */
  pendingBytes = 0;
  /** Run when the connection ends before the answer. */
  onAbandoned: (() => void) | null = null;
  /** Run when the answer has been encoded. */
  onSent: (() => void) | null = null;

  constructor(connection: KafkaConnection, header: RequestHeader, codec: ApiCodec, owned: boolean) {
    this.connection = connection;
    this.version = header.version;
    this.clientId = header.clientId;
    this.#correlationId = header.correlationId;
    this.codec = codec;
    this.owned = owned;
    this.#headerTags = codec.flexible && header.apiKey !== API_VERSIONS_KEY;
  }

  get server(): KafkaServer {
    return this.connection.server;
  }
  /** The namespace the connection is bound to. Only handlers behind authentication may ask. */
  get session(): Session {
    return this.connection.session!;
  }
  /** Whether the ACL lets the connection do it. */
  allows(action: AclAction, resource: AclResource, name: string): boolean {
    return this.session.connection.allows(action, resource, name);
  }
  get answered(): boolean {
    return this.#response !== null;
  }
  /** Gives the answer. Later calls are ignored. */
  reply(response: Encodable<R>): void {
    if (this.#response !== null) return;
    this.#response = response;
    this.onAbandoned = null;
    this.connection.answered();
  }
  /** Response => size int32 · correlation_id int32 · tags (header v1) · body. */
  encode(w: MessageWriter): void {
    const from = w.sizeBytes;
    const at = w.reserve(4);
    w.i32(this.#correlationId);
    if (this.#headerTags) w.u8(0);
    (this.codec as unknown as ApiCodec<Schema, R>).response.encode(w, this.#response!);
    w.patchI32(at, w.sizeBytes - from - 4);
    this.onSent?.();
  }
}

/** Serves one API. `authenticated: false` = served before authentication too. */
export interface Route {
  readonly api: Api;
  readonly authenticated: boolean;
  readonly handle: (request: unknown, call: Call) => void | Promise<void>;
}

/** Ties a handler to its API; the only place where the types of messages are erased. */
export function serve<Q extends Schema, R extends Schema>(
  api: Api<Q, R>,
  handle: (request: Decoded<Q>, call: Call<R>) => void | Promise<void>,
  authenticated = true,
): Route {
  return {
    api: api as unknown as Api,
    authenticated,
    handle: handle as unknown as Route['handle'],
  };
}

export interface RequestHeader {
  readonly apiKey: number;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string;
}

const API_VERSIONS_KEY = 18;
const UNSUPPORTED_VERSION = 35;

/** Where the connection stands with SASL (KIP-43, KIP-152). */
export type SaslState = 'none' | 'handshaken' | 'raw-tokens' | 'asking' | 'done';

/** One client: frames in, calls in order out, one write a turn. */
export class KafkaConnection implements TransportHandler {
  readonly server: KafkaServer;
  readonly transport: Transport;
  session: Session | null = null;
  sasl: SaslState = 'none';
  /** Last client id seen, for client events. */
  clientId = '';
  #exchange: SaslExchange | null = null;
  readonly #frames: Frames;
  readonly #pending: Call[] = [];
  #pendingBytes = 0;
  #writer: MessageWriter | null = null;
  #flushScheduled = false;
  #paused = false;
  /** Set while a quota keeps the connection from being served (KIP-219). */
  #muted: Cancel | null = null;
  #serving = false;
  #draining = false;
  /** Since the last bytes, in whole sweeps. */
  #idleMs = 0;
  #closed = false;
  /** Says goodbye after what is queued was answered. */
  #ending = false;
  readonly #cancelDeadline: () => void;

  constructor(server: KafkaServer, transport: Transport) {
    this.server = server;
    this.transport = transport;
    this.#frames = new Frames(server.limits);
    this.#cancelDeadline = server.runtime.after(server.limits.authenticationMsMax, () => {
      if (this.session === null) this.fail('no authentication in time');
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  readBuffer(): Buffer {
    return this.#frames.readTarget() ?? this.server.sharedReadBuffer;
  }

  onData(chunk: Buffer, length: number): void {
    if (this.#closed) return;
    this.#idleMs = 0;
    if (this.#paused || this.#serving) this.#frames.hold(chunk, 0, length);
    else this.#serve(chunk, 0, length);
  }

  onDrain(): void {
    this.#resumeIfFree();
  }

  onClose(): void {
    this.#close();
  }

  /** Called every `periodMs`: ends connections nobody uses (a peer that vanished without a word, too). */
  sweep(periodMs: number): void {
    if (this.#pending.length > 0) return;
    this.#idleMs += periodMs;
    if (this.#idleMs > this.server.limits.idleMsMax) this.fail('idle');
  }

  /** The mechanism of the last authentication, '' = none. */
  get mechanism(): Mechanism | '' {
    return this.#exchange?.mechanism ?? '';
  }

  /** The client has chosen a mechanism; its tokens follow, `raw` = bare. */
  beginSasl(mechanism: Mechanism, raw: boolean): void {
    const { listener, serverName, remoteAddress } = this.transport;
    const origin = { listener, serverName, remoteAddress, clientId: this.clientId };
    this.#exchange = new SaslExchange(mechanism, this.server.broker, this.server.runtime, origin);
    this.sasl = raw ? 'raw-tokens' : 'handshaken';
  }

  /**
   * Before `saslStep`: whoever must be asked about the client. null = nobody. Nothing else is taken until it is answered;
   * the promise tells whether the connection is still there.
   */
  saslAsk(token: Buffer): Promise<boolean> | null {
    const asking = this.#exchange!.ask(token);
    if (asking === null) return null;
    const before = this.sasl;
    this.sasl = 'asking';
    return asking.then(() => {
      this.sasl = before;
      return !this.#closed;
    });
  }

  /** One token of the exchange; the last one binds the connection. */
  saslStep(token: Buffer): SaslStep {
    const step = this.#exchange!.step(token);
    if ('refused' in step || step.admission === null) return step;
    const refusal = this.bind(step.admission);
    if (refusal !== null) return refusal;
    this.sasl = 'done';
    return step;
  }

  /**
   * Binds the connection to its namespace after authentication; a refusal when the quota says no. Once more for a
   * re-authentication, which must not change who and where the client is (KIP-368).
   */
  bind(admission: Admission): Refusal | null {
    const { namespace, principal } = admission;
    const before = this.session;
    if (before !== null && (before.namespace !== namespace || before.principal !== principal)) {
      return { refused: 'bad-credentials', message: 'a re-authentication must not change the principal' };
    }
    const opened = namespace.connect({
      protocol: 'kafka',
      principal,
      clientId: this.clientId,
      remoteAddress: this.transport.remoteAddress,
      admission,
      // the broker must not be called back from here: the end comes with this turn's end
      disconnect: (reason) => this.server.runtime.afterPoll(() => this.fail(reason)),
    });
    if ('refused' in opened) return opened;
    if (before !== null) {
      before.connection.close();
      before.connection = opened;
      return null;
    }
    this.session = new Session(namespace, opened, this.server.worldOf(namespace), principal);
    this.#frames.authenticated();
    this.#cancelDeadline();
    return null;
  }

  /** Ends the connection at once: bad input, a kick. Logged once, here. */
  fail(reason: string): void {
    if (this.#closed) return;
    const { remoteAddress } = this.transport;
    this.server.runtime.log.warn({ remoteAddress, clientId: this.clientId, reason }, 'kafka: connection ended');
    this.transport.destroy();
    this.#close();
  }

  /** Closes once everything answered so far is sent; nothing more is served. */
  endAfterReply(): void {
    this.#ending = true;
    this.transport.pause();
    this.#paused = true;
    this.#scheduleFlush();
  }

  /** A call of this connection has its answer. */
  answered(): void {
    if (this.#closed) return;
    this.#scheduleFlush();
  }

  /** Sends bytes outside the request protocol: SASL tokens after handshake version 0. */
  sendRaw(body: Buffer): void {
    const w = (this.#writer ??= this.server.takeWriter());
    w.i32(body.length).bytes(body);
    this.#scheduleFlush();
  }

  #serve(chunk: Buffer, start: number, end: number): void {
    this.#serving = true;
    try {
      const stopped = this.#frames.feed(chunk, start, end, this.#onFrame);
      if (stopped < end) this.#frames.hold(chunk, stopped, end);
    } catch (error) {
      this.refuse(error);
    } finally {
      this.#serving = false;
    }
  }

  /** Bytes that follow no format end this connection and nothing else. */
  refuse(error: unknown): void {
    if (error instanceof WireError || error instanceof FrameError) {
      this.event('protocol', 'malformed-request', error.message);
      this.fail(error.message);
      return;
    }
    this.server.runtime.log.error({ error, clientId: this.clientId }, 'kafka: request failed');
    this.fail('internal error');
  }

  /** Writes a client event: a refusal the tenant should be able to read. */
  event(stage: ClientEvent['stage'], code: string, detail: string): void {
    this.server.broker.clientEvent({
      namespace: this.session?.namespace.id ?? null,
      protocol: 'kafka',
      remoteAddress: this.transport.remoteAddress,
      clientId: this.clientId,
      stage,
      code,
      detail,
    });
  }

  readonly #onFrame = (buffer: Buffer, start: number, end: number, owned: boolean): boolean => {
    if (this.sasl === 'raw-tokens') this.server.rawSaslToken(this, buffer.subarray(start, end));
    else this.#dispatch(new MessageReader(buffer, start, end), owned);
    return !this.#closed && !this.#blocked();
  };

  /** RequestHeader => api_key int16 · api_version int16 · correlation_id int32 · client_id nullable_string · tags (v2). */
  #dispatch(r: MessageReader, owned: boolean): void {
    const apiKey = r.i16();
    const version = r.i16();
    const correlationId = r.i32();
    const route = this.server.routes.get(apiKey);
    if (route === undefined) {
      this.event('protocol', 'unknown-api', `api key ${apiKey}`);
      return this.fail(`unknown api key ${apiKey}`);
    }
    const { api } = route;
    if (version < api.minVersion || version > api.maxVersion) {
      // KIP-511: only ApiVersions has an answer that a client of any version can read
      if (apiKey !== API_VERSIONS_KEY) {
        this.event('protocol', 'unsupported-version', `${api.name} version ${version}`);
        return this.fail(`${api.name} version ${version} is not served`);
      }
      const header = { apiKey, version: 0, correlationId, clientId: '' };
      const call = new Call(this, header, codecOf(api, 0), false);
      this.#pending.push(call);
      return call.reply({ errorCode: UNSUPPORTED_VERSION, apiKeys: this.server.listedApis });
    }
    const clientId = readClientId(r);
    const codec = codecOf(api, version);
    if (codec.flexible) skipTags(r);
    this.clientId = clientId;
    if (route.authenticated && this.session === null && !this.server.admitWithoutSasl(this)) return;
    const request = codec.request.decode(r);
    if (r.remaining !== 0) throw new WireError('out-of-range', r.at, `${r.remaining} bytes after ${api.name}`);
    const call = new Call(this, { apiKey, version, correlationId, clientId }, codec, owned);
    this.#pending.push(call);
    const done = route.handle(request, call);
    if (done !== undefined) done.catch((error: unknown) => this.refuse(error));
  }

  /** acks=0: the request has no response at all, so its place in the queue goes away. */
  withoutReply(call: Call): void {
    this.#pending.splice(this.#pending.indexOf(call), 1);
  }

  /**
   * Serves nothing for `delayMs`, at most `throttleMsMax`: the client has been told to wait as long, and one that does
   * not is made to (KIP-219). Returns the `throttle_time_ms` to tell.
   */
  mute(delayMs: number): number {
    const throttleMs = Math.ceil(Math.min(delayMs, this.server.limits.throttleMsMax));
    if (throttleMs <= 0 || this.#closed) return 0;
    this.#muted?.();
    this.#muted = this.server.runtime.after(throttleMs, () => {
      this.#muted = null;
      this.#idleMs = 0;
      this.#resumeIfFree();
    });
    this.#blocked();
    return throttleMs;
  }

  /** Counts request bytes that stay in memory until the answer. */
  holdBytes(call: Call, sizeBytes: number): void {
    call.pendingBytes = sizeBytes;
    this.#pendingBytes += sizeBytes;
  }

  #blocked(): boolean {
    const { limits } = this.server;
    const blocked =
      this.#ending ||
      this.#muted !== null ||
      this.#pending.length >= limits.pendingResponsesMax ||
      this.#pendingBytes >= limits.pendingProduceBytesMax ||
      this.transport.writableLength >= limits.writableBytesMax;
    if (blocked && !this.#paused) {
      this.#paused = true;
      this.transport.pause();
    }
    return blocked;
  }

  #resumeIfFree(): void {
    if (this.#closed || !this.#paused || this.#serving || this.#ending) return;
    this.#paused = false;
    if (this.#blocked()) return;
    const held = this.#frames.release();
    if (held !== null) this.#serve(held, 0, held.length);
    if (!this.#paused && !this.#closed) this.transport.resume();
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.server.runtime.afterPoll(this.#flush);
  }

  /** Encodes every answer whose turn it is and hands all of it over at once. */
  readonly #flush = (): void => {
    this.#flushScheduled = false;
    if (this.#closed || this.#draining) return;
    this.#draining = true;
    const w = (this.#writer ??= this.server.takeWriter());
    try {
      let done = 0;
      for (const call of this.#pending) {
        if (!call.answered) break;
        call.encode(w);
        this.#pendingBytes -= call.pendingBytes;
        done++;
      }
      this.#pending.splice(0, done);
    } catch (error) {
      this.#draining = false;
      return this.refuse(error);
    }
    this.#draining = false;
    this.#hand(w);
    if (this.#ending) return this.transport.end();
    this.#resumeIfFree();
  };

  #hand(w: MessageWriter): void {
    this.#writer = null;
    if (w.cuts.length === 0) {
      if (w.at > 0) this.transport.write(w.buffer.subarray(0, w.at));
    } else this.#handPieces(piecesOf(w));
    // the transport still holds a view of the writer while it has bytes to send
    if (this.transport.writableLength === 0) this.server.giveWriter(w);
  }

  #handPieces(pieces: readonly Buffer[]): void {
    const { transport } = this;
    if (transport.writeAll !== undefined) transport.writeAll(pieces);
    else for (const piece of pieces) transport.write(piece);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelDeadline();
    this.#muted?.();
    for (const call of this.#pending) call.onAbandoned?.();
    this.#pending.length = 0;
    this.session?.connection.close();
    this.server.forget(this);
  }
}

/** What was written, in order: the writer's own bytes and the slices between them. */
function piecesOf(w: MessageWriter): Buffer[] {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const cut of w.cuts) {
    if (cut.at > at) pieces.push(w.buffer.subarray(at, cut.at));
    pieces.push(cut.slice);
    at = cut.at;
  }
  if (w.at > at) pieces.push(w.buffer.subarray(at, w.at));
  return pieces;
}

function readClientId(r: MessageReader): string {
  const length = r.i16();
  if (length < -1) throw new WireError('out-of-range', r.at, `client id of ${length} bytes`);
  return length < 0 ? '' : r.text(length);
}

function skipTags(r: MessageReader): void {
  for (let count = r.count(r.uvarint()); count > 0; count--) {
    r.uvarint();
    r.skip(r.uvarint());
  }
}
