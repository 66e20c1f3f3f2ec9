import type {
  Commit,
  Connection,
  Inbox,
  InboxEntry,
  Message,
  ProtocolUsage,
  PublishRun,
  QoS,
  Receiver,
} from '@robustmq/broker';
import { Writer, type Cancel } from '@robustmq/wire';
import { AckQueue } from './ack-queue.ts';
import { AWAITS_PUBACK, AWAITS_PUBCOMP, AWAITS_PUBREC, InFlight } from './in-flight.ts';
import { MqttRun } from './mqtt-run.ts';
import type { Output } from './output.ts';
import { putAck } from './packet-writer.ts';
import { PendingQueue } from './pending-queue.ts';
import type { PendingPackets } from './pending-queue.ts';
import { copyBytes, headerBytes } from './publish-encoder.ts';
import { WIRE_V3, WIRE_V5 } from './publishing.ts';
import { SlowDelivery } from './slow-delivery.ts';
import { TopicAliases } from './topic-aliases.ts';
import type { FaultCode } from './reason-codes.ts';
import type { ServerContext } from './server-context.ts';

const PUBREL = 0x62;
const NOT_FOUND = 0x92;
/** Inbox entries taken at once. */
const TAKE_MAX = 256;
/** Shorter runs are copied into each receiver's slab; longer ones are shared from the second receiver on (rule 8). */
const SHARE_BYTES_MIN = 512;
const UNBOUNDED = 0xffff_ffff;

/** The connection as its delivery side needs it. */
export interface Subscriber {
  readonly context: ServerContext;
  readonly output: Output;
  readonly open: boolean;
  /** Bytes the kernel has not taken. */
  readonly writableLength: number;
  markDirty(): void;
  lose(code: FaultCode): void;
  note(code: string, detail: string): void;
}

export interface DeliveryOptions {
  readonly v5: boolean;
  /** QoS 1 and 2 messages the client takes at once. */
  readonly window: number;
  /** Largest packet the client takes, in bytes. */
  readonly packetSizeMax: number;
  /** Topic aliases the client takes; 0 = none. */
  readonly topicAliasMax: number;
}

/**
 * Outbound messages of one connection: what the broker hands over, the exchanges in flight, and what waits for them.
 * A session with an inbox is fed from it and numbers exchanges by its sequences, so ids and order survive reconnects;
 * any other session numbers its own and waits in a bounded queue.
 */
export class Delivery implements Receiver {
  readonly #subscriber: Subscriber;
  readonly #v5: boolean;
  readonly #window: number;
  readonly #packetSizeMax: number;
  /** null for a client that takes none: messages are then copied as they came wherever that is possible. */
  readonly #aliases: TopicAliases | null;
  readonly #inFlight = new InFlight();
  #link: Connection | null = null;
  #inbox: Inbox | null = null;
  #inboxReady = false;
  /** Entries taken from the inbox that do not fit the window's span yet. */
  #taken: readonly InboxEntry[] = [];
  #pending: PendingQueue | null = null;
  /** PUBRELs whose PUBREC is not stable yet; null until one had to wait. */
  #releases: AckQueue | null = null;
  #subacksDue = 0;
  #heldBack: (() => void)[] | null = null;
  /** Where the message that is being written is counted by topic. */
  #topicShare: ProtocolUsage | null = null;
  #dropping = false;
  #egressWait: Cancel | null = null;
  /** Exchanges ended so far. */
  #ended = 0;
  /** What the reader had done when it was last seen to have done more, and when that was. */
  #progress = -1;
  #progressMs = 0;
  /** Messages that ever waited in `#pending`. */
  #queued = 0;
  /** null until the reader is behind for the first time. */
  #slowDelivery: SlowDelivery | null = null;

  constructor(subscriber: Subscriber, options: DeliveryOptions) {
    this.#subscriber = subscriber;
    this.#v5 = options.v5;
    this.#window = Math.min(options.window, subscriber.context.limits.inFlightMax);
    this.#packetSizeMax = options.packetSizeMax === 0 ? UNBOUNDED : options.packetSizeMax;
    const aliasMax = Math.min(options.topicAliasMax, subscriber.context.limits.topicAliasOutMax);
    this.#aliases = aliasMax === 0 ? null : new TopicAliases(aliasMax);
  }

  /** The session is attached: what its inbox still owes is sent again, after CONNACK. */
  start(link: Connection, inbox: Inbox | null): void {
    this.#link = link;
    this.#inbox = inbox;
    if (inbox === null) return;
    inbox.rewind();
    this.inboxReady();
  }

  deliver(run: PublishRun, qos: QoS, retain: boolean, subscriptionIds: readonly number[] | null): void {
    if (!this.#subscriber.open || this.#link === null) return;
    this.#topicShare = run.topicShare;
    const first = 0x30 | (qos << 1) | (retain ? 1 : 0);
    const asIs =
      run.wireFormat === (this.#v5 ? WIRE_V5 : WIRE_V3) &&
      run.qos === qos &&
      subscriptionIds === null &&
      this.#aliases === null &&
      run.wireEnd - run.wireStart <= this.#packetSizeMax;
    if (qos === 0) {
      if (this.#congested(run.count)) return;
      if (asIs) this.#copyAtMostOnce(run, first);
      else this.#encodeRun(run, qos, retain, subscriptionIds);
    } else if (asIs && !(mayExpire(run) && this.#mustWait(run.count))) this.#copyAtLeastOnce(run, first);
    else this.#encodeRun(run, qos, retain, subscriptionIds);
    if (this.#slow) this.#subscriber.context.slowReader = true;
    if (this.#slowDelivery?.wanted === true) this.#sample(run.data.toString('utf8', run.topicStart, run.topicEnd));
    this.#subscriber.markDirty();
  }

  /** What was just delivered is watched until the kernel has it. */
  #sample(topic: string): void {
    const { output } = this.#subscriber;
    const waits = (this.#pending?.messages ?? 0) > 0;
    if (waits) this.#slowDelivery!.queued(topic, this.#queued);
    else this.#slowDelivery!.written(topic, output.flushedBytes + output.pendingBytes);
  }

  /** The turn's output went to the transport. */
  flushed(): void {
    if (this.#link === null) return;
    const { output, writableLength } = this.#subscriber;
    if (writableLength === 0 && this.#slowDelivery === null) return;
    const slow = (this.#slowDelivery ??= new SlowDelivery(this.#subscriber.context.runtime));
    const dequeued = this.#queued - (this.#pending?.messages ?? 0);
    slow.look(this.#link, dequeued, output.flushedBytes, writableLength);
  }

  /** Behind, but neither so far that messages are lost nor stuck: its publishers slow down for it. */
  get #slow(): boolean {
    return this.#behind && this.#progresses();
  }

  /** Whether it has taken or acknowledged anything in the last `readerStuckMs`; asked only while it is behind. */
  #progresses(): boolean {
    const { context, output, writableLength } = this.#subscriber;
    const nowMs = context.runtime.monotonicMs();
    const progress = output.flushedBytes - writableLength + this.#ended;
    if (progress !== this.#progress) {
      this.#progress = progress;
      this.#progressMs = nowMs;
    }
    return nowMs - this.#progressMs < context.limits.readerStuckMs;
  }

  get #behind(): boolean {
    const { context, writableLength } = this.#subscriber;
    const { readerSlowBytes, pendingMessagesMax, pendingBytesMax } = context.limits;
    if (writableLength > readerSlowBytes) return !this.#dropping;
    const pending = this.#pending;
    if (pending === null || this.#dropping) return false;
    return pending.messages > pendingMessagesMax / 2 || pending.bytes > pendingBytesMax / 2;
  }

  #copyAtMostOnce(run: PublishRun, first: number): void {
    const { output } = this.#subscriber;
    const size = run.wireEnd - run.wireStart;
    const own = run instanceof MqttRun && size >= SHARE_BYTES_MIN && first === run.data[run.wireStart] ? run : null;
    if (own !== null && own.receivers++ > 0 && output.pendingBytes === 0) output.share(own.share());
    else {
      const at = output.reserve(size);
      const { buffer } = output;
      run.data.copy(buffer, at, run.wireStart, run.wireEnd);
      patchFirst(run, buffer, at, first);
    }
    this.#count(run.count, contentBytes(run));
  }

  #copyAtLeastOnce(run: PublishRun, first: number): void {
    const state = run.qos === 1 ? AWAITS_PUBACK : AWAITS_PUBREC;
    const { count, wireStart } = run;
    if (this.#mustWait(count)) {
      const bytes = Buffer.from(run.data.subarray(wireStart, run.wireEnd));
      patchFirst(run, bytes, 0, first);
      const starts = new Int32Array(count + 1);
      const packetIdAt = new Int32Array(count);
      const content = new Int32Array(count);
      for (let i = 0; i < count; i++) {
        starts[i] = run.packetStart[i]! - wireStart;
        packetIdAt[i] = run.packetIdAt[i]! - wireStart;
        content[i] = contentSize(run, i);
      }
      starts[count] = bytes.length;
      this.#wait({
        bytes,
        starts,
        packetIdAt,
        contentBytes: content,
        state,
        expiresAtMs: Infinity,
        expiryAt: -1,
        topicShare: this.#topicShare,
        next: 0,
      });
      return;
    }
    const { output } = this.#subscriber;
    const inFlight = this.#inFlight;
    const at = output.reserve(run.wireEnd - wireStart);
    const { buffer } = output;
    run.data.copy(buffer, at, wireStart, run.wireEnd);
    patchFirst(run, buffer, at, first);
    const shift = at - wireStart;
    for (let i = 0; i < count; i++) {
      const id = inFlight.begin(inFlight.next, state);
      const idAt = run.packetIdAt[i]! + shift;
      buffer[idAt] = id >>> 8;
      buffer[idAt + 1] = id;
    }
    this.#count(count, contentBytes(run));
  }

  /** Another version, QoS or subscription identifiers: every message is written anew. */
  #encodeRun(run: PublishRun, qos: QoS, retain: boolean, ids: readonly number[] | null): void {
    const encoder = this.#prepare(qos, retain);
    for (let i = 0; i < run.count; i++) {
      const properties = run.properties?.[i] ?? null;
      encoder.topic = run.data;
      encoder.topicStart = run.topicStart;
      encoder.topicEnd = run.topicEnd;
      encoder.payload = run.data;
      encoder.payloadStart = run.payloadStart[i]!;
      encoder.payloadEnd = run.payloadEnd[i]!;
      const expirySeconds = properties?.expirySeconds ?? -1;
      if (i === 0 || run.properties !== null) encoder.setProperties(properties, expirySeconds, ids);
      this.#sendEncoded(qos, expirySeconds, contentSize(run, i));
    }
  }

  deliverMessage(message: Message, qos: QoS, retain: boolean, subscriptionIds: readonly number[] | null): void {
    if (!this.#subscriber.open || this.#link === null) return;
    if (retain && this.#subacksDue > 0) {
      // retained messages of a subscription follow its SUBACK
      (this.#heldBack ??= []).push(() => this.deliverMessage(message, qos, retain, subscriptionIds));
      return;
    }
    if (qos === 0 && this.#congested(1)) return;
    this.#topicShare = this.#link.namespace.topicShare?.('mqtt', message.topic) ?? null;
    const expirySeconds = this.#load(message, qos, retain, subscriptionIds);
    if (expirySeconds === 0) return;
    this.#sendEncoded(qos, expirySeconds, messageSize(message));
    if (this.#slowDelivery?.wanted === true) this.#sample(message.topic);
    this.#subscriber.markDirty();
  }

  /** Points the encoder at `message`. Returns the seconds it has left, −1 = for ever, 0 = expired [MQTT-3.3.2-5]. */
  #load(message: Message, qos: QoS, retain: boolean, ids: readonly number[] | null): number {
    const encoder = this.#prepare(qos, retain);
    let left = -1;
    const expirySeconds = message.properties?.expirySeconds;
    if (expirySeconds !== undefined) {
      const age = this.#subscriber.context.runtime.nowMs() - message.timestampMs;
      left = Math.max(0, expirySeconds - Math.max(0, Math.floor(age / 1000)));
      if (left === 0) return 0;
    }
    const topic = Buffer.from(message.topic);
    encoder.topic = topic;
    encoder.topicStart = 0;
    encoder.topicEnd = topic.length;
    encoder.payload = message.payload;
    encoder.payloadStart = 0;
    encoder.payloadEnd = message.payload.length;
    encoder.setProperties(message.properties, left, ids);
    return left;
  }

  #prepare(qos: QoS, retain: boolean) {
    const { encoder } = this.#subscriber.context;
    encoder.v5 = this.#v5;
    encoder.qos = qos;
    encoder.retain = retain;
    encoder.dup = false;
    encoder.packetId = 0;
    return encoder;
  }

  /** Sends what the encoder holds, or lets it wait for the window. Larger than the client takes: dropped [MQTT-3.1.2-25]. */
  #sendEncoded(qos: QoS, expirySeconds: number, contentBytes: number): void {
    const { encoder, runtime } = this.#subscriber.context;
    const size = encoder.size();
    if (size === 0 || size > this.#packetSizeMax) return;
    if (qos > 0) {
      const state = qos === 1 ? AWAITS_PUBACK : AWAITS_PUBREC;
      if (this.#mustWait(1)) {
        const writer = new Writer(size);
        encoder.put(writer);
        this.#wait({
          bytes: writer.view(),
          starts: Int32Array.of(0, size),
          packetIdAt: Int32Array.of(encoder.packetIdAt),
          contentBytes: Int32Array.of(contentBytes),
          state,
          expiresAtMs: expirySeconds < 0 ? Infinity : runtime.nowMs() + expirySeconds * 1000,
          expiryAt: encoder.expiryAt,
          topicShare: this.#topicShare,
          next: 0,
        });
        return;
      }
      encoder.packetId = this.#inFlight.begin(this.#inFlight.next, state);
    }
    this.#put();
    this.#count(1, contentBytes);
  }

  /** Writes what the encoder holds, under an alias where the client takes them. */
  #put(): void {
    const { context, output } = this.#subscriber;
    const { encoder } = context;
    const aliases = this.#aliases;
    if (aliases === null) {
      encoder.put(output);
      return;
    }
    aliases.apply(encoder, this.#packetSizeMax);
    encoder.put(output);
    aliases.clear(encoder);
  }

  #count(messages: number, bytes: number): void {
    const { usage, share } = this.#link!;
    usage.messagesOut += messages;
    usage.bytesOut += bytes;
    if (share !== undefined) {
      share.messagesOut += messages;
      share.bytesOut += bytes;
    }
    const topicShare = this.#topicShare;
    if (topicShare === null) return;
    topicShare.messagesOut += messages;
    topicShare.bytesOut += bytes;
  }

  get #blocked(): boolean {
    return this.#subscriber.writableLength > this.#subscriber.context.limits.writableBytesMax;
  }

  /** A reader too slow for QoS 0 misses messages; told once per episode. */
  #congested(count: number): boolean {
    if (!this.#blocked) return false;
    this.#dropped(count, 'slow-reader', 'QoS 0 messages are dropped until the client has read what was sent');
    return true;
  }

  #dropped(count: number, code: string, detail: string): void {
    this.#subscriber.context.droppedMessages += count;
    if (this.#dropping) return;
    this.#dropping = true;
    this.#subscriber.note(code, detail);
  }

  #mustWait(count: number): boolean {
    const inFlight = this.#inFlight;
    if (this.#pending !== null && this.#pending.messages > 0) return true;
    return inFlight.open + count > this.#window || !inFlight.fits(inFlight.next + count - 1) || this.#blocked;
  }

  /** Queues packets, within bounds: a session without an inbox has no claim to more, the newest are dropped. */
  #wait(packets: PendingPackets): void {
    const pending = (this.#pending ??= new PendingQueue());
    const { limits } = this.#subscriber.context;
    const count = packets.starts.length - 1;
    const over =
      pending.messages + count > limits.pendingMessagesMax ||
      (pending.messages > 0 && pending.bytes + packets.bytes.length > limits.pendingBytesMax);
    if (over) this.#dropped(count, 'pending-full', 'the client acknowledges too slowly; newer messages are dropped');
    else {
      pending.add(packets);
      this.#queued += count;
      // a window that is full makes a reader late just as a full socket does
      const slow = (this.#slowDelivery ??= new SlowDelivery(this.#subscriber.context.runtime));
      if (!slow.sampling) slow.wanted = true;
    }
  }

  inboxReady(): void {
    this.#inboxReady = true;
    this.#subscriber.markDirty();
  }

  sessionLost(reason: 'taken-over' | 'ended'): void {
    this.#subscriber.lose(reason === 'taken-over' ? 'session-taken-over' : 'administrative-action');
  }

  /** A SUBSCRIBE is being handled: retained messages wait for its SUBACK. */
  holdRetained(): void {
    this.#subacksDue++;
  }
  /** Its SUBACK is written. */
  releaseRetained(): void {
    this.#subacksDue--;
    const held = this.#heldBack;
    this.#heldBack = null;
    if (held !== null) for (const deliver of held) deliver();
    if (this.#inboxReady) this.#subscriber.markDirty();
  }

  /** Sends what waits as far as window and transport allow. Called once per turn. */
  pump(): void {
    if (this.#link === null || this.#blocked) return;
    const pending = this.#pending;
    if (pending !== null && pending.messages > 0) {
      const { context, output } = this.#subscriber;
      const sent = pending.send(output, this.#inFlight, this.#window, context.runtime.nowMs());
      this.#topicShare = null; // counted by topic in the queue
      this.#count(sent.messages, sent.contentBytes);
      if (pending.messages === 0) {
        this.#dropping = false;
        context.readerCaughtUp();
      }
    }
    if (this.#inbox !== null && this.#subacksDue === 0) this.#pumpInbox(this.#inbox);
  }

  #pumpInbox(inbox: Inbox): void {
    while (!this.#blocked && this.#inFlight.open < this.#window) {
      if (this.#waitsForEgress()) return;
      if (this.#taken.length === 0) {
        if (!this.#inboxReady) return;
        const room = Math.min(TAKE_MAX, this.#window - this.#inFlight.open);
        this.#inboxReady = false; // a call from within `take` sets it again
        this.#taken = inbox.take(room);
        if (this.#taken.length === 0) return;
        // entries may be left: only a take that gives nothing ends the round
        this.#inboxReady = true;
      }
      let sent = 0;
      for (const entry of this.#taken) {
        if (!this.#inFlight.fits(entry.sequence)) break;
        this.#sendEntry(inbox, entry);
        sent++;
      }
      const stuck = sent < this.#taken.length;
      this.#taken = stuck ? this.#taken.slice(sent) : [];
      if (stuck) return;
    }
  }

  /** The cluster's egress quota is used up: the inbox waits; live messages delay their publishers instead. */
  #waitsForEgress(): boolean {
    if (this.#egressWait !== null) return true;
    if (this.#taken.length === 0 && !this.#inboxReady) return false;
    const delayMs = this.#link!.egressDelayMs();
    if (delayMs === 0) return false;
    const { runtime, limits } = this.#subscriber.context;
    this.#egressWait = runtime.after(Math.max(1, Math.min(delayMs, limits.egressPauseMsMax)), () => {
      this.#egressWait = null;
      this.#subscriber.markDirty();
    });
    return true;
  }

  /** The connection is gone. */
  stop(): void {
    this.#egressWait?.();
    this.#egressWait = null;
  }

  #sendEntry(inbox: Inbox, entry: InboxEntry): void {
    const { context, output } = this.#subscriber;
    const { sequence, qos, message } = entry;
    if (entry.received) {
      putAck(output, PUBREL, this.#inFlight.begin(sequence, AWAITS_PUBCOMP), 0); // [MQTT-4.4.0-1]
      return;
    }
    if (message === null || this.#load(message, qos, entry.retain, entry.subscriptionIds) === 0) {
      inbox.acknowledge(sequence);
      return;
    }
    const { encoder } = context;
    const size = encoder.size();
    if (size === 0 || size > this.#packetSizeMax) {
      inbox.acknowledge(sequence); // [MQTT-3.1.2-25]: as if it had been delivered
      return;
    }
    if (qos > 0) {
      encoder.dup = entry.redelivery; // [MQTT-3.3.1-1]
      encoder.packetId = this.#inFlight.begin(sequence, qos === 1 ? AWAITS_PUBACK : AWAITS_PUBREC);
    } else inbox.acknowledge(sequence);
    this.#put();
    this.#topicShare = this.#link!.namespace.topicShare?.('mqtt', message.topic) ?? null;
    this.#count(1, messageSize(message));
  }

  /** PUBACK: the exchange ends. Unknown ids are ignored. */
  puback(packetId: number): void {
    const sequence = this.#inFlight.find(packetId);
    if (sequence >= 0 && this.#inFlight.state(sequence) === AWAITS_PUBACK) this.#end(sequence);
  }

  /** PUBREC: goes on with PUBREL, or ends the exchange when the client refused [MQTT-4.13.2-1]. */
  pubrec(packetId: number, reason: number): void {
    const sequence = this.#inFlight.find(packetId);
    const state = sequence < 0 ? AWAITS_PUBACK : this.#inFlight.state(sequence);
    if (state === AWAITS_PUBREC && reason >= 0x80) {
      this.#end(sequence);
      return;
    }
    const known = state === AWAITS_PUBREC || state === AWAITS_PUBCOMP;
    let commit: Commit | null = null;
    if (state === AWAITS_PUBREC) {
      this.#inFlight.setState(sequence, AWAITS_PUBCOMP);
      commit = this.#inbox?.markReceived(sequence) ?? null;
    }
    if (reason >= 0x80) return;
    this.#release(packetId, known || !this.#v5 ? 0 : NOT_FOUND, commit);
  }

  /**
   * PUBREL, in the order of the PUBRECs [MQTT-4.6.0-4]. The client forgets the packet id with it, so it waits until it is
   * stable that the client has the message: else a crash in between would deliver it once more. On a medium that has
   * failed it never goes.
   */
  #release(packetId: number, reason: number, commit: Commit | null): void {
    // the client repeats its PUBREC on the next connection
    if (commit !== null && commit.error !== null) return;
    const wait = commit !== null && !commit.settled ? commit : null;
    if (wait === null && (this.#releases === null || this.#releases.empty)) {
      putAck(this.#subscriber.output, PUBREL, packetId, reason);
      this.#subscriber.markDirty();
      return;
    }
    const releases = (this.#releases ??= new AckQueue());
    const mustAsk = wait !== null && releases.isNew(wait);
    const at = releases.append({ commit: wait, sizeBytes: reason === 0 ? 4 : 5, count: 1, ended: 0, publishBytes: 0 });
    putAck({ buffer: releases.bytes, reserve: () => at }, PUBREL, packetId, reason);
    if (mustAsk) wait.onSettled(this.#releasesSettled);
  }

  /** Shared by all commits that PUBRELs wait for. After a failed one the client repeats on its next connection. */
  readonly #releasesSettled = (): void => {
    const releases = this.#releases!;
    const { output } = this.#subscriber;
    for (let ready = releases.shift(); ready !== null; ready = releases.shift()) {
      if (ready.error !== null || !this.#subscriber.open) continue;
      const at = output.reserve(ready.end - ready.start);
      copyBytes(releases.bytes, ready.start, ready.end, output.buffer, at);
    }
    this.#subscriber.markDirty();
  };

  /** PUBCOMP: the exchange ends. Unknown ids are ignored. */
  pubcomp(packetId: number): void {
    const sequence = this.#inFlight.find(packetId);
    if (sequence >= 0 && this.#inFlight.state(sequence) === AWAITS_PUBCOMP) this.#end(sequence);
  }

  #end(sequence: number): void {
    this.#inFlight.end(sequence);
    this.#ended++;
    this.#inbox?.acknowledge(sequence);
    if (this.#inboxReady || this.#taken.length > 0 || (this.#pending?.messages ?? 0) > 0) this.#subscriber.markDirty();
  }

  /** The transport has taken everything. */
  drained(): void {
    this.#dropping = false;
    this.#subscriber.markDirty();
  }
}

/** A retain flag other than the publisher's, or its DUP flag, which is not passed on [MQTT-3.3.1-3]. */
function patchFirst(run: PublishRun, buffer: Buffer, at: number, first: number): void {
  if (first === run.data[run.wireStart]) return;
  const shift = at - run.wireStart;
  for (let i = 0; i < run.count; i++) buffer[run.packetStart[i]! + shift] = first;
}

function mayExpire(run: PublishRun): boolean {
  return run instanceof MqttRun ? run.expires : run.properties !== null;
}

/** Part of a run for a shared group is no `MqttRun`: it is counted here. */
function contentBytes(run: PublishRun): number {
  if (run instanceof MqttRun) return run.contentBytes;
  let bytes = 0;
  for (let i = 0; i < run.count; i++) bytes += contentSize(run, i);
  return bytes;
}

function contentSize(run: PublishRun, index: number): number {
  const own = run.topicEnd - run.topicStart + run.payloadEnd[index]! - run.payloadStart[index]!;
  return run.properties === null ? own : own + headerBytes(run.properties[index] ?? null);
}

function messageSize(message: Message): number {
  return Buffer.byteLength(message.topic) + message.payload.length + headerBytes(message.properties);
}
