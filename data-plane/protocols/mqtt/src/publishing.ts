import { isUtf8 } from 'node:buffer';
import { ownedProperties } from '@robustmq/broker';
import type {
  Commit,
  MessageProperties,
  Namespace,
  Connection,
  PreparedPublish,
  Refusal,
  Session,
} from '@robustmq/broker';
import { AckQueue } from './ack-queue.ts';
import { toMessageProperties } from './control-packets.ts';
import type { Version } from './control-packets.ts';
import { MqttRun } from './mqtt-run.ts';
import type { Output } from './output.ts';
import { PacketReader } from './packet-reader.ts';
import { putAck, putAckWithReason } from './packet-writer.ts';
import { copyBytes, headerBytes } from './publish-encoder.ts';
import { FAULTS, MqttFault, REFUSAL_REASONS } from './reason-codes.ts';
import type { FaultCode } from './reason-codes.ts';
import type { ServerContext } from './server-context.ts';
import { topicNameFault } from './topic-names.ts';

/** Wire formats of `PublishRun`: packets of MQTT 3.1 and 3.1.1 look the same. */
export const WIRE_V3 = 4;
export const WIRE_V5 = 5;
/** A longer run is published in pieces: bounds the offset arrays at 4 × 64 KiB. */
const RUN_MESSAGES_MAX = 16_384;
/** Payloads below are never worth a body of their own in object storage; the journal has the last word. */
const LARGE_PAYLOAD_BYTES = 64 * 1024;
const PUBACK = 0x40;
const PUBREC = 0x50;
const PUBCOMP = 0x70;
const NO_PACKET_ID = -1;
const NO_MATCHING_SUBSCRIBERS = 0x10;
/** Reason codes from here on say that the message was not taken. */
const REFUSED = 0x80;
const NOT_FOUND = 0x92;
const PAYLOAD_FORMAT_INVALID = 0x99;
const UNSPECIFIED = 0x80;

/** The connection as its publishing side needs it. */
export interface Publisher {
  readonly context: ServerContext;
  readonly version: Version;
  readonly namespace: Namespace;
  readonly link: Connection;
  readonly session: Session;
  readonly output: Output;
  readonly open: boolean;
  markDirty(): void;
  fail(code: FaultCode, detail: string): void;
  note(code: string, detail: string): void;
  takesReason(text: string): boolean;
  refused(refusal: Refusal): void;
  pauseForCommits(): void;
  resumeAfterCommits(): void;
  pauseForReaders(): void;
  hold(): void;
  release(finish: () => void): void;
}

/**
 * Inbound PUBLISH and PUBREL of one connection. Consecutive publishes of a chunk with the same first byte and topic form
 * one run that is routed once. Whoever hands in packets calls `flush` before any other packet has an effect and at the
 * end of the chunk.
 *
 * Invariant: acknowledgements leave in the order of their packets, each after its commit [MQTT-4.6.0-2].
 */
export class Publishing {
  readonly #publisher: Publisher;
  readonly #run: MqttRun;
  readonly #v5: boolean;
  /** QoS 1 and 2 exchanges the client has open on this connection. */
  #open = 0;
  #lastId = 0;
  #scratchAt = 0;
  #aliases: (Buffer | undefined)[] | null = null;
  #acks: AckQueue | null = null;
  #paused = false;
  /** The body of the run at hand, where it was stored ahead. */
  #prepared: PreparedPublish | null = null;

  constructor(publisher: Publisher) {
    this.#publisher = publisher;
    this.#run = publisher.context.run;
    this.#v5 = publisher.version === 5;
  }

  /** One PUBLISH: the packet is `[at, end)` of `data`, its variable header begins at `body`. */
  take(data: Buffer, at: number, body: number, end: number): void {
    if (end - body < 2) throw new MqttFault('malformed-packet', 'PUBLISH is cut short');
    const first = data[at]!;
    const topicStart = body + 2;
    const topicEnd = topicStart + ((data[body]! << 8) | data[body + 1]!);
    const idAt = (first & 6) === 0 ? NO_PACKET_ID : topicEnd;
    let cursor = idAt === NO_PACKET_ID ? topicEnd : topicEnd + 2;
    if (cursor > end) throw new MqttFault('malformed-packet', 'PUBLISH is cut short');
    let properties: MessageProperties | null = null;
    if (this.#v5) {
      if (cursor === end) throw new MqttFault('malformed-packet', 'PUBLISH is cut short');
      if (data[cursor] === 0) cursor++;
      else {
        const reader = new PacketReader(data, cursor, end);
        const read = reader.properties('publish');
        cursor = reader.at;
        properties = toMessageProperties(read);
        if (properties?.payloadIsText && !isUtf8(data.subarray(cursor, end))) {
          this.#refuseFormat(first, idAt < 0 ? NO_PACKET_ID : (data[idAt]! << 8) | data[idAt + 1]!);
          return;
        }
        if (read.topicAlias !== undefined) {
          const topic = this.#resolveAlias(read.topicAlias, data, topicStart, topicEnd);
          this.#takeWithTopic(first, topic, idAt < 0 ? -1 : (data[idAt]! << 8) | data[idAt + 1]!, {
            properties,
            payload: data.subarray(cursor, end),
          });
          return;
        }
      }
    }
    this.#add(data, at, topicStart, topicEnd, cursor, end, properties);
  }

  /** Offsets one by one instead of an object: this runs once per message. */
  #add(
    data: Buffer,
    at: number,
    topicStart: number,
    topicEnd: number,
    payloadStart: number,
    end: number,
    properties: MessageProperties | null,
  ): void {
    const run = this.#run;
    const first = data[at]!;
    const idAt = (first & 6) === 0 ? NO_PACKET_ID : topicEnd;
    const isLarge = end - payloadStart >= LARGE_PAYLOAD_BYTES;
    if (
      run.count === 0 ||
      isLarge ||
      run.data !== data ||
      run.wireEnd !== at ||
      run.firstByte !== first ||
      run.count === RUN_MESSAGES_MAX ||
      !sameTopic(run, topicStart, topicEnd)
    ) {
      this.flush();
      this.#begin(data, at, topicStart, topicEnd);
    }
    if (idAt !== NO_PACKET_ID && !this.#admitId((data[idAt]! << 8) | data[idAt + 1]!, at)) return;
    const i = run.add();
    run.payloadStart[i] = payloadStart;
    run.payloadEnd[i] = end;
    run.packetStart[i] = at;
    run.packetIdAt[i] = idAt;
    run.wireEnd = end;
    run.contentBytes += topicEnd - topicStart + end - payloadStart;
    if (properties !== null) {
      run.properties ??= new Array<MessageProperties | null>(i).fill(null);
      run.contentBytes += headerBytes(properties);
      if (properties.expirySeconds !== undefined) run.expires = true;
    }
    if (run.properties !== null) run.properties.push(properties);
    if (isLarge) this.#storeAhead(end - payloadStart);
  }

  /**
   * Claim check: the body of a large message goes to object storage, and what comes behind it waits, so that the order of
   * the client's messages stands [MQTT-4.6.0-5]. Where that is not to be done the run goes on as any other.
   */
  #storeAhead(sizeBytes: number): void {
    const publisher = this.#publisher;
    const { namespace, link, context } = publisher;
    if (namespace.takesClaim?.(sizeBytes) !== true) return;
    const preparing = namespace.prepare?.(this.#run, link) ?? null;
    if (preparing === null) return;
    const own = ownCopy(this.#run);
    context.run.reset();
    publisher.hold();
    void preparing.then((prepared) => {
      publisher.release(() => {
        restore(this.#run, own);
        this.#prepared = prepared;
        this.flush();
      });
    });
  }

  /** Starts a run with the packet at `at`; what is the same for all its packets is checked here, once. */
  #begin(data: Buffer, at: number, topicStart: number, topicEnd: number): void {
    const run = this.#run;
    const first = data[at]!;
    const qos = (first >> 1) & 3;
    if (qos === 3) throw new MqttFault('malformed-packet', 'PUBLISH with QoS 3'); // [MQTT-3.3.1-4]
    if (qos === 0 && first & 8) throw new MqttFault('malformed-packet', 'DUP with QoS 0'); // [MQTT-3.3.1-2]
    if (topicStart === topicEnd) throw new MqttFault('protocol-error', 'PUBLISH without a topic'); // [MQTT-4.7.3-1]
    const fault = topicNameFault(data, topicStart, topicEnd);
    if (fault !== null) throw new MqttFault(fault, 'the topic name is not valid');
    run.reset();
    run.data = data;
    run.firstByte = first;
    run.qos = qos as 0 | 1 | 2;
    run.retain = (first & 1) !== 0;
    run.topicStart = topicStart;
    run.topicEnd = topicEnd;
    run.wireFormat = this.#v5 ? WIRE_V5 : WIRE_V3;
    run.wireStart = at;
    run.wireEnd = at;
    this.#lastId = 0;
  }

  /** Counts a QoS 1 or 2 publish; false for one that is stored already and only acknowledged again [MQTT-4.3.3-10]. */
  #admitId(id: number, at: number): boolean {
    if (id === 0) throw new MqttFault('protocol-error', 'the packet identifier is 0'); // [MQTT-2.2.1-3]
    const publisher = this.#publisher;
    if (this.#run.qos === 2) {
      if (id <= this.#lastId) this.#restart(at); // it may repeat an id of this very run
      this.#lastId = id;
      if (publisher.session.holdsPacketId(id)) {
        this.#restart(at);
        // held once more for its commit alone: the message it repeats may not be stable yet
        this.#acknowledge(PUBREC, id, 0, publisher.session.holdPacketId(id), false);
        return false;
      }
    }
    if (++this.#open > publisher.context.limits.receiveMax && this.#v5) {
      throw new MqttFault('receive-maximum-exceeded'); // [MQTT-3.3.4-7]
    }
    return true;
  }

  /** Publishes the run so far and goes on with an empty one of the same topic at `at`. */
  #restart(at: number): void {
    const run = this.#run;
    if (run.count === 0) {
      run.wireStart = run.wireEnd = at;
      return;
    }
    const { data, topicStart, topicEnd } = run;
    this.flush();
    run.data = data;
    run.topicStart = topicStart;
    run.topicEnd = topicEnd;
    run.wireStart = run.wireEnd = at;
  }

  /** The payload is not the text it is said to be (§3.3.2.3.2): refused where QoS allows that, else dropped. */
  #refuseFormat(first: number, packetId: number): void {
    this.flush();
    const publisher = this.#publisher;
    const qos = (first >> 1) & 3;
    if (qos === 3 || packetId === 0) throw new MqttFault('malformed-packet', 'QoS 3 or a packet identifier of 0');
    const isKnown = qos === 2 && publisher.session.holdsPacketId(packetId);
    if (qos === 1) this.#acknowledge(PUBACK, packetId, PAYLOAD_FORMAT_INVALID, null, false);
    else if (qos === 2) this.#acknowledge(PUBREC, packetId, isKnown ? 0 : PAYLOAD_FORMAT_INVALID, null, false);
    else publisher.context.droppedMessages++;
    publisher.note('payload-format-invalid', FAULTS['payload-format-invalid'].text);
  }

  #resolveAlias(alias: number, data: Buffer, topicStart: number, topicEnd: number): Buffer {
    const max = this.#publisher.context.limits.topicAliasMax;
    if (alias === 0 || alias > max) throw new MqttFault('topic-alias-invalid'); // [MQTT-3.3.2-8], [MQTT-3.3.2-9]
    if (topicStart === topicEnd) {
      const topic = this.#aliases?.[alias];
      if (topic === undefined) throw new MqttFault('protocol-error', 'the topic alias was never set'); // [MQTT-3.3.2-7]
      return topic;
    }
    const fault = topicNameFault(data, topicStart, topicEnd);
    if (fault !== null) throw new MqttFault(fault, 'the topic name is not valid');
    const topic = Buffer.from(data.subarray(topicStart, topicEnd));
    (this.#aliases ??= new Array<Buffer | undefined>(max + 1))[alias] = topic;
    return topic;
  }

  /** Writes the packet anew with its topic and without the alias, then goes on as if it had come so. */
  #takeWithTopic(
    first: number,
    topic: Buffer,
    packetId: number,
    rest: { properties: MessageProperties | null; payload: Buffer },
  ): void {
    const encoder = this.#publisher.context.encoder;
    encoder.v5 = true;
    encoder.qos = ((first >> 1) & 3) as 0 | 1 | 2;
    encoder.retain = (first & 1) !== 0;
    encoder.dup = (first & 8) !== 0;
    encoder.packetId = packetId;
    encoder.topic = topic;
    encoder.topicStart = 0;
    encoder.topicEnd = topic.length;
    encoder.payload = rest.payload;
    encoder.payloadStart = 0;
    encoder.payloadEnd = rest.payload.length;
    encoder.setProperties(rest.properties, rest.properties?.expirySeconds ?? -1, null);
    const size = encoder.size();
    const scratch = this.#publisher.context.scratch;
    if (this.#scratchAt + size > scratch.length) this.flush(); // empties the scratch buffer
    const fits = size <= scratch.length;
    const at = fits ? this.#scratchAt : 0;
    const sink = { buffer: fits ? scratch : Buffer.allocUnsafe(size), reserve: () => at };
    encoder.put(sink);
    const end = at + size;
    let topicAt = at + 1;
    while (sink.buffer[topicAt]! >= 0x80) topicAt++;
    topicAt += 3;
    this.#add(sink.buffer, at, topicAt, topicAt + topic.length, end - rest.payload.length, end, rest.properties);
    if (fits) this.#scratchAt = end; // last: starting a run resets it
  }

  /** Publishes the run collected so far, if any, and acknowledges it. */
  flush(): void {
    const run = this.#run;
    this.#scratchAt = 0;
    if (run.count === 0) return;
    const publisher = this.#publisher;
    const { context } = publisher;
    context.slowReader = false;
    try {
      const outcome = publisher.namespace.publish(run, publisher.link, this.#prepared);
      if (context.slowReader) publisher.pauseForReaders();
      const { refusal, commit, takers } = outcome;
      if (refusal !== null) {
        publisher.refused(refusal);
        if (refusal.refused === 'not-authorized') context.refusedMessages += run.count;
      }
      if (run.qos > 0) this.#acknowledgeRun(refusal, commit, takers);
      else if (refusal !== null && REFUSAL_REASONS[refusal.refused].publish === null) {
        throw new MqttFault(REFUSAL_REASONS[refusal.refused].connect, refusal.message, null);
      }
    } finally {
      this.#prepared = null;
      run.reset();
    }
  }

  #acknowledgeRun(refusal: Refusal | null, published: Commit | null, takers: number): void {
    const run = this.#run;
    const { session, output } = this.#publisher;
    const unmatched = takers === 0 && this.#v5 ? NO_MATCHING_SUBSCRIBERS : 0;
    const reason = refusal === null ? unmatched : this.#refusalReason(refusal);
    if (reason >= REFUSED && this.#acks === null && this.#publisher.takesReason(refusal!.message)) {
      this.#refuseInWords(reason, refusal!.message);
      return;
    }
    let commit = published;
    if (run.qos === 2 && reason < REFUSED && refusal === null) {
      // held after the publish: a crash between the two repeats the message and never loses it
      for (let i = 0; i < run.count; i++) commit = later(commit, session.holdPacketId(this.#runId(i)));
    }
    const first = run.qos === 1 ? PUBACK : PUBREC;
    const each = reason === 0 ? 4 : 5;
    const ended = run.qos === 1 || reason >= REFUSED ? run.count : 0;
    const size = each * run.count;
    if (commit?.settled && commit.error === null) commit = null;
    let buffer: Buffer;
    let at: number;
    if (commit === null && (this.#acks === null || this.#acks.empty)) {
      at = output.reserve(size);
      buffer = output.buffer;
      this.#open -= ended;
      this.#publisher.markDirty();
    } else {
      at = this.#queue(commit, size, run.count, ended);
      buffer = this.#acks!.bytes;
    }
    const { data, packetIdAt } = run;
    for (let i = 0; i < run.count; i++) {
      const idAt = packetIdAt[i]!;
      buffer[at] = first;
      buffer[at + 1] = each - 2;
      buffer[at + 2] = data[idAt]!;
      buffer[at + 3] = data[idAt + 1]!;
      if (reason !== 0) buffer[at + 4] = reason;
      at += each;
    }
    if (commit?.settled) this.#settled();
  }

  #runId(index: number): number {
    const at = this.#run.packetIdAt[index]!;
    return (this.#run.data[at]! << 8) | this.#run.data[at + 1]!;
  }

  /** A refused run of a client that wants to know why; nothing waits before it, so the order holds. */
  #refuseInWords(reason: number, text: string): void {
    const run = this.#run;
    const first = run.qos === 1 ? PUBACK : PUBREC;
    for (let i = 0; i < run.count; i++) putAckWithReason(this.#publisher.output, first, this.#runId(i), reason, text);
    this.#open -= run.count;
    this.#publisher.markDirty();
  }

  #refusalReason(refusal: Refusal): number {
    const reason = REFUSAL_REASONS[refusal.refused];
    // 3.1.1 [MQTT-3.3.5-2]: acknowledged all the same, and dropped
    if (!this.#v5 && refusal.refused === 'not-authorized') return 0;
    // MQTT 3 has no other way to say no to a publish: the connection ends
    if (!this.#v5 || reason.publish === null) throw new MqttFault(reason.connect, refusal.message, null);
    return reason.publish;
  }

  /** PUBREL: lets go of the id and completes the exchange [MQTT-4.3.3-11]. */
  release(packetId: number): void {
    const { session } = this.#publisher;
    if (session.holdsPacketId(packetId))
      this.#acknowledge(PUBCOMP, packetId, 0, session.releasePacketId(packetId), true);
    else this.#acknowledge(PUBCOMP, packetId, this.#v5 ? NOT_FOUND : 0, null, false);
  }

  #acknowledge(first: number, packetId: number, reason: number, commit: Commit | null, ends: boolean): void {
    const publisher = this.#publisher;
    const wait = commit !== null && (!commit.settled || commit.error !== null) ? commit : null;
    const ended = ends && this.#open > 0 ? 1 : 0;
    if (wait === null && (this.#acks === null || this.#acks.empty)) {
      this.#open -= ended;
      putAck(publisher.output, first, packetId, reason);
      publisher.markDirty();
      return;
    }
    const at = this.#queue(wait, reason === 0 ? 4 : 5, 1, ended);
    putAck({ buffer: this.#acks!.bytes, reserve: () => at }, first, packetId, reason);
    if (wait?.settled) this.#settled();
  }

  #queue(commit: Commit | null, sizeBytes: number, count: number, ended: number): number {
    const acks = (this.#acks ??= new AckQueue());
    const publishBytes = this.#run.count > 0 ? this.#run.wireEnd - this.#run.wireStart : 0;
    const mustAsk = commit !== null && acks.isNew(commit);
    const at = acks.append({ commit, sizeBytes, count, ended, publishBytes });
    if (mustAsk && !commit.settled) commit.onSettled(this.#settled);
    const { limits } = this.#publisher.context;
    if (!this.#paused && (acks.acks > limits.ackPendingMax || acks.publishBytes > limits.ackPendingBytesMax)) {
      this.#paused = true;
      this.#publisher.pauseForCommits();
    }
    return at;
  }

  /** Shared by all commits this connection waits for. */
  readonly #settled = (): void => {
    const publisher = this.#publisher;
    const acks = this.#acks!;
    let released = publisher.open ? acks.shift() : null;
    while (released !== null) {
      const { start, end } = released;
      this.#open = Math.max(0, this.#open - released.ended);
      if (released.error !== null) this.#refuse(acks.bytes, start, end);
      else this.#emit(acks.bytes, start, end);
      released = publisher.open ? acks.shift() : null;
    }
    publisher.markDirty();
    const { limits } = publisher.context;
    const low = acks.acks <= limits.ackPendingMax / 2 && acks.publishBytes <= limits.ackPendingBytesMax / 2;
    if (this.#paused && low) {
      this.#paused = false;
      publisher.resumeAfterCommits();
    }
  };

  #emit(bytes: Buffer, start: number, end: number): void {
    const { output } = this.#publisher;
    const at = output.reserve(end - start);
    copyBytes(bytes, start, end, output.buffer, at);
  }

  /** The medium failed: what waited is refused with 0x80, or the connection ends where MQTT has no way to say so. */
  #refuse(bytes: Buffer, start: number, end: number): void {
    const { output, session } = this.#publisher;
    for (let at = start; at < end; at += 2 + bytes[at + 1]!) {
      const first = bytes[at]!;
      if (!this.#v5 || first === PUBCOMP) {
        this.#publisher.fail('unspecified', 'what was published could not be stored');
        return;
      }
      const packetId = (bytes[at + 2]! << 8) | bytes[at + 3]!;
      if (first === PUBREC) {
        session.releasePacketId(packetId);
        this.#open = Math.max(0, this.#open - 1);
      }
      putAck(output, first, packetId, UNSPECIFIED);
    }
  }
}

/** A run of one message with bytes of its own: the buffer it came in is used again before it is published. */
function ownCopy(run: MqttRun): MqttRun {
  const own = new MqttRun();
  const from = run.wireStart;
  own.data = Buffer.from(run.data.subarray(from, run.wireEnd));
  own.firstByte = run.firstByte;
  own.topicStart = run.topicStart - from;
  own.topicEnd = run.topicEnd - from;
  own.wireEnd = run.wireEnd - from;
  const i = own.add();
  own.payloadStart[i] = run.payloadStart[i]! - from;
  own.payloadEnd[i] = run.payloadEnd[i]! - from;
  own.packetStart[i] = run.packetStart[i]! - from;
  const idAt = run.packetIdAt[i]!;
  own.packetIdAt[i] = idAt === NO_PACKET_ID ? NO_PACKET_ID : idAt - from;
  take(own, run);
  own.properties = run.properties === null ? null : [ownedProperties(run.properties[i] ?? null)];
  return own;
}
/** Makes the server's run the one that was held. */
function restore(run: MqttRun, own: MqttRun): void {
  run.reset();
  const i = run.add();
  run.data = own.data;
  run.firstByte = own.firstByte;
  run.topicStart = own.topicStart;
  run.topicEnd = own.topicEnd;
  run.wireStart = 0;
  run.wireEnd = own.wireEnd;
  run.payloadStart[i] = own.payloadStart[0]!;
  run.payloadEnd[i] = own.payloadEnd[0]!;
  run.packetStart[i] = own.packetStart[0]!;
  run.packetIdAt[i] = own.packetIdAt[0]!;
  take(run, own);
  run.properties = own.properties;
}
/** What does not depend on where the bytes lie. */
function take(to: MqttRun, from: MqttRun): void {
  to.qos = from.qos;
  to.retain = from.retain;
  to.wireFormat = from.wireFormat;
  to.contentBytes = from.contentBytes;
  to.expires = from.expires;
}

function sameTopic(run: MqttRun, start: number, end: number): boolean {
  const size = end - start;
  const at = run.topicStart;
  if (run.topicEnd - at !== size) return false;
  const { data } = run;
  for (let i = 0; i < size; i++) if (data[at + i] !== data[start + i]) return false;
  return true;
}

/** The commit to wait for of two: they settle in order. */
export function later(a: Commit | null, b: Commit | null): Commit | null {
  if (a === null || b === null) return a ?? b;
  return a.sequence >= b.sequence ? a : b;
}
