import type { Connection, Namespace, Refusal, RefusalCode, Session } from '@robustmq/broker';
import { WireError } from '@robustmq/wire';
import type { Transport, TransportHandler } from '@robustmq/wire';
import { admit, authenticate, grantedExpiry } from './admission.ts';
import type { EnhancedAuthentication } from './authentication.ts';
import type { ConnectGate } from './connect-gate.ts';
import { readAckReason, readDisconnect } from './control-packets.ts';
import type { Connect, Version } from './control-packets.ts';
import type { Delivery, Subscriber } from './delivery.ts';
import { Framing } from './framing.ts';
import type { PacketSink } from './framing.ts';
import { Output } from './output.ts';
import { PacketReader } from './packet-reader.ts';
import { putConnack, putDisconnect } from './packet-writer.ts';
import { Publishing } from './publishing.ts';
import type { Publisher } from './publishing.ts';
import { connackReason, disconnectReason, FAULTS, MqttFault } from './reason-codes.ts';
import type { FaultCode } from './reason-codes.ts';
import type { ServerContext } from './server-context.ts';
import { subscribe, unsubscribe } from './subscribing.ts';
import { Throttle } from './throttle.ts';

const TYPE = {
  connect: 1,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  unsubscribe: 10,
  pingreq: 12,
  disconnect: 14,
  auth: 15,
} as const;
const PINGRESP_BYTES = 2;
/** Why a connection is not read from; several may hold at once. */
const PAUSED_FOR_COMMITS = 1;
const PAUSED_FOR_READERS = 2;
const PAUSED_UNTIL_IT_READS = 4;
const PAUSED_FOR_QUOTA = 8;
const PAUSED_WHILE_HELD = 16;
/** Bytes of a CONNACK or DISCONNECT around its reason string. */
const REASON_STRING_OVERHEAD_BYTES = 64;

/** What an admitted connection has; set once by CONNECT. */
export interface Attached {
  readonly namespace: Namespace;
  readonly link: Connection;
  readonly session: Session;
  readonly delivery: Delivery;
  readonly clientId: string;
  readonly connectExpirySeconds: number;
}

/** A CONNECT with an authentication method. */
export interface Authenticating {
  readonly authentication: EnhancedAuthentication;
  /** null once it is answered. */
  readonly connect: Connect | null;
  readonly clientId: string;
}

/**
 * One MQTT connection from its first byte to its last: dispatches packets, and ends exactly once, by `fail`, `lose`,
 * DISCONNECT or the transport's close.
 *
 * Invariants: nothing is written before CONNACK nor after the end; the session is detached once, or never if it was lost.
 */
export class MqttConnection implements TransportHandler, PacketSink, Publisher, Subscriber {
  readonly context: ServerContext;
  readonly transport: Transport;
  readonly output: Output;
  /** null until CONNECT has told it. */
  knownVersion: Version | null = null;
  /** Largest packet the client takes, 0 = any (MQTT 5 Maximum Packet Size). */
  clientPacketSizeMax = 0;
  /** False: reason strings in CONNACK and DISCONNECT only (MQTT 5 Request Problem Information). */
  problemInformation = true;
  /** Enhanced authentication, from a CONNECT with a method to the end. */
  authenticating: Authenticating | null = null;
  /** A client that is in proves once more who it is. */
  reauthenticating = false;
  packetSizeMax: number;
  /** 1.5 times the keep-alive; the time CONNECT may take before it. 0 = no limit. */
  silenceMsMax: number;
  /** Something arrived since the last sweep. */
  active = true;
  /** When the sweep last saw it active, or when it ended. Monotonic ms. */
  lastSeenMs: number;
  ended = false;
  /** A packet is dealt with that takes time: those behind it wait. */
  held = false;
  #attached: Attached | null = null;
  #publishing: Publishing | null = null;
  #throttle: Throttle | null = null;
  #lost = false;
  #dirty = false;
  #gone = false;
  #paused = 0;
  #refusedNow: RefusalCode | null = null;
  /** Where the cluster is that refused the client; null = its name leads there. */
  #reference: string | null = null;
  readonly #framing: Framing;
  readonly #gate: ConnectGate;
  readonly #forget: (connection: MqttConnection) => void;

  constructor(
    context: ServerContext,
    transport: Transport,
    gate: ConnectGate,
    forget: (connection: MqttConnection) => void,
  ) {
    this.context = context;
    this.transport = transport;
    this.output = new Output(transport, context.slabs);
    this.packetSizeMax = context.limits.connectSizeBytesMax;
    this.silenceMsMax = context.limits.connectTimeoutMs;
    this.lastSeenMs = context.runtime.monotonicMs();
    this.#framing = new Framing(this);
    this.#gate = gate;
    this.#forget = forget;
  }

  get open(): boolean {
    return !this.ended;
  }
  get attached(): boolean {
    return this.#attached !== null;
  }
  get version(): Version {
    return this.knownVersion ?? 4;
  }
  get namespace(): Namespace {
    return this.#must().namespace;
  }
  get link(): Connection {
    return this.#must().link;
  }
  get session(): Session {
    return this.#must().session;
  }
  get delivery(): Delivery {
    return this.#must().delivery;
  }
  get writableLength(): number {
    return this.transport.writableLength;
  }

  #must(): Attached {
    if (this.#attached === null) throw new MqttFault('protocol-error', 'the first packet must be CONNECT');
    return this.#attached;
  }

  /** CONNECT was accepted. */
  attach(attached: Attached): void {
    this.#attached = attached;
    this.#gate.settled(this.transport.remoteAddress);
  }

  onData(chunk: Buffer, length: number): void {
    if (this.ended) return;
    this.active = true;
    try {
      this.#framing.push(chunk, length);
    } catch (error) {
      this.#fault(error);
    }
  }

  /** The packets before the bad one count: they are published before the connection ends. */
  #fault(error: unknown): void {
    const fault = this.#toFault(error);
    try {
      this.#publishing?.flush();
    } catch (second) {
      this.#toFault(second); // the first fault is the one to tell
    }
    this.#reference = fault.reference;
    this.fail(fault.code, fault.message, fault.event);
  }

  /** A fault of the client; a bug of ours is logged and ends this connection only. */
  #toFault(error: unknown): MqttFault {
    if (error instanceof MqttFault) return error;
    if (error instanceof WireError) return new MqttFault('malformed-packet', 'a packet ends before its fields do');
    this.context.runtime.log.error({ error, clientId: this.#attached?.clientId }, 'mqtt: a packet broke the server');
    return new MqttFault('unspecified');
  }

  packetsEnd(): void {
    if (this.ended)
      this.context.run.reset(); // the run is everybody's: nothing of ours may stay in it
    else if (this.#publishing !== null) {
      this.#publishing.flush();
      (this.#throttle ??= new Throttle(this)).look();
    }
  }

  packet(data: Buffer, at: number, body: number, end: number): void {
    const first = data[at]!;
    const type = first >> 4;
    if (type === TYPE.publish) {
      (this.#publishing ??= this.#startPublishing()).take(data, at, body, end);
      return;
    }
    const flags = type === TYPE.pubrel || type === TYPE.subscribe || type === TYPE.unsubscribe ? 2 : 0;
    if ((first & 0x0f) !== flags) throw new MqttFault('malformed-packet', 'reserved header bits'); // [MQTT-2.1.3-1]
    if (type >= TYPE.puback && type <= TYPE.pubcomp) this.#ack(type, data, body, end);
    else {
      this.#publishing?.flush();
      this.#control(type, new PacketReader(data, body, end));
    }
  }

  #startPublishing(): Publishing {
    this.#must();
    return new Publishing(this);
  }

  /** PUBACK, PUBREC, PUBREL and PUBCOMP have one layout (§3.4). */
  #ack(type: number, data: Buffer, body: number, end: number): void {
    const { delivery } = this.#must();
    const size = end - body;
    if (size < 2 || (size > 2 && this.version < 5)) throw new MqttFault('malformed-packet', 'an ack of a wrong size');
    const packetId = (data[body]! << 8) | data[body + 1]!;
    if (packetId === 0) throw new MqttFault('protocol-error', 'the packet identifier is 0'); // [MQTT-2.2.1-3]
    const name = ACK_NAMES[type - TYPE.puback]!;
    const reason = size === 2 ? 0 : readAckReason(new PacketReader(data, body + 2, end), name);
    if (name === 'puback') delivery.puback(packetId);
    else if (name === 'pubrec') delivery.pubrec(packetId, reason);
    else if (name === 'pubcomp') delivery.pubcomp(packetId);
    else {
      const publishing = (this.#publishing ??= this.#startPublishing());
      publishing.flush(); // it may release an id of the run at hand
      publishing.release(packetId);
    }
  }

  #control(type: number, body: PacketReader): void {
    if (type === TYPE.connect) {
      if (this.knownVersion !== null) throw new MqttFault('protocol-error', 'a second CONNECT'); // [MQTT-3.1.0-2]
      admit(this, body);
      return;
    }
    if (type === TYPE.auth && this.version === 5 && this.knownVersion !== null) {
      authenticate(this, body);
      return;
    }
    if (type === TYPE.disconnect && this.#attached === null && this.authenticating !== null) {
      readDisconnect(body, this.version);
      this.#end(false); // a client may give up before CONNACK [MQTT-3.1.2-30]
      return;
    }
    const { session } = this.#must(); // [MQTT-3.1.0-1]
    if (type === TYPE.pingreq) {
      body.finish();
      const at = this.output.reserve(PINGRESP_BYTES);
      this.output.buffer[at] = 0xd0;
      this.output.buffer[at + 1] = 0;
      this.markDirty();
    } else if (type === TYPE.subscribe) subscribe(this, session, body);
    else if (type === TYPE.unsubscribe) unsubscribe(this, session, body);
    else if (type === TYPE.disconnect) this.#disconnect(body);
    else throw new MqttFault(type === 0 ? 'malformed-packet' : 'protocol-error', 'no packet of a client');
  }

  #disconnect(body: PacketReader): void {
    const { session, namespace, connectExpirySeconds } = this.#must();
    const { reason, sessionExpiryInterval } = readDisconnect(body, this.version);
    if (sessionExpiryInterval !== null) {
      if (connectExpirySeconds === 0 && sessionExpiryInterval !== 0) {
        throw new MqttFault('protocol-error', 'a session without expiry cannot be given one'); // §3.14.2.2.2
      }
      session.expirySeconds = grantedExpiry(sessionExpiryInterval, namespace);
    }
    // [MQTT-3.14.4-3]: only reason 0 forgets the will
    this.#end(reason !== 0, true);
  }

  markDirty(): void {
    if (this.#dirty || this.ended) return;
    this.#dirty = true;
    this.context.afterTurn(this);
  }

  flushTurn(): void {
    this.#dirty = false;
    this.#refusedNow = null;
    if (this.ended) return;
    this.#attached?.delivery.pump();
    this.output.flush();
    this.#attached?.delivery.flushed();
    // a client that sends and never reads would have answers piled up for it
    if (this.transport.writableLength > this.context.limits.writableBytesMax) this.#pause(PAUSED_UNTIL_IT_READS);
  }

  onDrain(): void {
    this.#resume(PAUSED_UNTIL_IT_READS);
    this.context.readerCaughtUp();
    this.#attached?.delivery.drained();
  }

  onClose(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#forget(this);
    if (this.#attached === null) this.#gate.settled(this.transport.remoteAddress);
    if (this.ended) return;
    this.ended = true;
    this.output.discard();
    this.#release(true);
  }

  /** Ends the connection and tells the client why, as far as its version can (§4.13). The will is published. */
  fail(code: FaultCode, detail: string, event: string | null = code): void {
    if (this.ended) return;
    if (event !== null) this.note(event, detail);
    const { v3 } = FAULTS[code];
    const version = this.knownVersion;
    if (version !== null && this.#attached === null) {
      if (version === 5) putConnack(this.output, 5, false, connackReason(code), this.#endProperties(code, detail));
      else if (v3 !== null) putConnack(this.output, version, false, v3, {});
    } else if (version === 5) putDisconnect(this.output, disconnectReason(code), this.#endProperties(code, detail));
    this.#end(true);
  }

  /** What CONNACK and DISCONNECT may tell besides the code. */
  #endProperties(code: FaultCode, detail: string): { reasonString?: string; serverReference?: string } {
    const elsewhere = code === 'use-another-server' || code === 'server-moved';
    const own = this.#attached?.namespace.relocation?.mqtt ?? this.#reference;
    const reference = elsewhere ? (own ?? this.context.redirect?.reference ?? '') : '';
    return {
      ...(this.problemInformation && this.#takes(detail + reference) ? { reasonString: detail } : {}),
      ...(reference !== '' && this.#takes(reference) ? { serverReference: reference } : {}),
    };
  }

  /** Whether a packet may carry `text` as its reason string: wanted, and not too large for the client [MQTT-3.14.2-3]. */
  takesReason(text: string): boolean {
    return this.problemInformation && this.#takes(text);
  }
  #takes(text: string): boolean {
    const size = Buffer.byteLength(text) + REASON_STRING_OVERHEAD_BYTES;
    return this.clientPacketSizeMax === 0 || size <= this.clientPacketSizeMax;
  }

  /** The session belongs to somebody else now: the connection ends without touching it. */
  lose(code: FaultCode): void {
    this.#lost = true;
    this.fail(code, FAULTS[code].text);
  }

  /** `saidGoodbye`: the client wants nothing more, so its own close need not be waited for. */
  #end(publishWill: boolean, saidGoodbye = false): void {
    this.ended = true;
    this.active = false;
    this.lastSeenMs = this.context.runtime.monotonicMs();
    this.#framing.discard();
    this.output.flush();
    this.#release(publishWill);
    if (saidGoodbye && this.transport.finish !== undefined) this.transport.finish();
    else this.transport.end();
  }

  #release(publishWill: boolean): void {
    const attached = this.#attached;
    this.#throttle?.stop();
    if (attached === null) return;
    attached.delivery.stop();
    if (!this.#lost) attached.session.detach(publishWill);
    attached.link.close();
  }

  /** Writes a client event for the tenant. */
  note(code: string, detail: string): void {
    this.context.broker.clientEvent({
      namespace: this.#attached?.namespace.id ?? null,
      protocol: 'mqtt',
      remoteAddress: this.transport.remoteAddress,
      clientId: this.#attached?.clientId ?? null,
      stage: this.#attached === null ? 'connect' : 'protocol',
      code,
      detail,
    });
  }

  /** Publishes were refused; told once per turn and reason. */
  refused(refusal: Refusal): void {
    if (this.#refusedNow === refusal.refused) return;
    this.#refusedNow = refusal.refused;
    this.markDirty();
    this.context.broker.clientEvent({
      namespace: this.namespace.id,
      protocol: 'mqtt',
      remoteAddress: this.transport.remoteAddress,
      clientId: this.#must().clientId,
      stage: 'publish',
      code: refusal.refused,
      detail: refusal.message,
    });
  }

  pauseForCommits(): void {
    this.#pause(PAUSED_FOR_COMMITS);
  }
  resumeAfterCommits(): void {
    this.#resume(PAUSED_FOR_COMMITS);
  }
  pauseForReaders(): void {
    if ((this.#paused & PAUSED_FOR_READERS) !== 0) return;
    this.#pause(PAUSED_FOR_READERS);
    this.context.waitForReaders(this);
  }
  readersCaughtUp(): void {
    this.#resume(PAUSED_FOR_READERS);
  }
  pauseForQuota(): void {
    this.#pause(PAUSED_FOR_QUOTA);
  }
  resumeWithinQuota(): void {
    this.#resume(PAUSED_FOR_QUOTA);
  }
  /** No packet behind the one at hand is looked at before `release`. */
  hold(): void {
    this.held = true;
    this.#pause(PAUSED_WHILE_HELD);
  }
  /** `finish` deals with the packet that was held; then the ones behind it come. Nothing happens once the end has come. */
  release(finish: () => void): void {
    this.held = false;
    if (this.ended) return;
    try {
      finish();
      if (!this.held && !this.ended) this.#framing.resume();
    } catch (error) {
      this.#fault(error);
    }
    if (!this.held) this.#resume(PAUSED_WHILE_HELD);
  }
  /** We do not read for reasons of our own: the silence is not the client's. */
  get pausedByUs(): boolean {
    const own = PAUSED_FOR_COMMITS | PAUSED_FOR_READERS | PAUSED_FOR_QUOTA | PAUSED_WHILE_HELD;
    return (this.#paused & own) !== 0;
  }

  #pause(reason: number): void {
    if (this.#paused === 0 && !this.ended) this.transport.pause();
    this.#paused |= reason;
  }
  #resume(reason: number): void {
    if ((this.#paused & reason) === 0) return;
    this.#paused &= ~reason;
    this.active = true;
    if (this.#paused === 0 && !this.ended) this.transport.resume();
  }
}

const ACK_NAMES = ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const;
