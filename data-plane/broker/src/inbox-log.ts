import type { Commit, Stream } from '@robustmq/journal';
import { Writer, type Cancel, type Runtime } from '@robustmq/wire';
import type { InboxLimits } from '@robustmq/meta';
import type { PreparedPublish } from './broker-types.ts';
import { PendingBatch, type BatchSealer } from './batch-sealer.ts';
import * as event from './inbox-event.ts';
import { SessionInbox, type InboxJournal } from './inbox.ts';
import { toHeaders } from './message-record.ts';
import type { Message, QoS } from './message.ts';
import type { PublishRun } from './publish-run.ts';
import { RecordSource, type SourceParts } from './record-source.ts';
import type { StoredPartition } from './stored-topic.ts';

/** Entries one inbox may hold; the oldest that nobody was given goes first. */
export const INBOX_ENTRIES_MAX = 1_000_000;
/** Acknowledgements ride on the next flush, and cause one when none comes for this long. */
const DONE_DELAY_MS = 20;
/** Times a message is looked up for people. */
const READ_TRIES = 5;
/** The event stream is not rewritten below this size … */
const SNAPSHOT_BYTES_MIN = 1024 * 1024;
/** … nor before it holds this many times its last snapshot. */
const SNAPSHOT_GARBAGE_RATIO = 4;
/** The inbox store is looked over for records nobody needs when it, or what inboxes are owed, grew or shrank by this much. */
const TRIM_BYTES_MIN = 1024 * 1024;

export interface InboxLogOptions extends SourceParts {
  readonly store: Stream;
  readonly events: Stream;
  readonly sealer: BatchSealer;
  readonly runtime: Runtime;
  /** Under which topic name subscribers get a record of a partition. */
  topicOf(partition: StoredPartition, key: Buffer | null): string;
  /** Of all inboxes together. */
  bytesMax(): number;
  /** Of each inbox. */
  limits(): InboxLimits;
  /** An inbox dropped messages because a limit was met; once per cause until it was empty again. */
  onDropped(inbox: SessionInbox, cause: 'full' | 'age'): void;
  /** Readers are slow that are given a message so old; Infinity = nobody is. */
  slowMs(): number;
  /** A reader was given such a message. */
  onTaken(inbox: SessionInbox, message: Message): void;
}

/**
 * The inboxes of one namespace on disk: a store for messages that no topic captured, and a stream of events that says
 * who is owed what and who has acknowledged it. Events refer to messages, so messages are sealed first.
 */
export class InboxLog implements InboxJournal {
  readonly inboxes = new Map<number, SessionInbox>();
  readonly #options: InboxLogOptions;
  readonly #store: PendingBatch;
  readonly #events: PendingBatch;
  readonly #forgetSealer: () => void;
  readonly #sources: RecordSource[] = [];
  readonly #bySource = new Map<StoredPartition, RecordSource>();
  readonly #writer = new Writer(1024);
  /** Done events are written while others are being sealed: they have a writer of their own. */
  readonly #doneWriter = new Writer(64);
  /** The owed event that is being written: same source and messages, one target after the other. */
  readonly #owed = new Writer(1024);
  #owedSource: RecordSource | null = null;
  #owedBase = 0;
  #owedCount = 0;
  #owedSizeBytes = 0;
  #touched: SessionInbox[] = [];
  /** Inboxes that went over a limit while the owed event was written. */
  #overfull: SessionInbox[] = [];
  #doneDirty: SessionInbox[] = [];
  #doneTimer: Cancel | null = null;
  #owedBytes = 0;
  #snapshotBytes = 0;
  #trimmedAtBytes = 0;
  #trimmedAtOwedBytes = 0;
  #isTrimming = false;

  constructor(options: InboxLogOptions) {
    this.#options = options;
    this.#store = new PendingBatch(options.store, 0, options.sealer);
    this.#events = new PendingBatch(options.events, 1, options.sealer);
    this.#events.onSealed = (commit) => this.#sealed(commit);
    this.#forgetSealer = options.sealer.beforeSeal(() => this.#writeDone());
    this.#addSource(null, options.store, (key) => key?.toString('utf8') ?? '');
  }

  /** Bytes held on the medium. */
  get sizeBytes(): number {
    return this.#options.store.sizeBytes + this.#options.events.sizeBytes;
  }
  /** Bytes of messages owed, counted once per inbox. */
  get owedBytes(): number {
    return this.#owedBytes;
  }
  get storeSource(): RecordSource {
    return this.#sources[0]!;
  }

  /** The namespace goes: nothing is written any more. */
  close(): void {
    this.#forgetSealer();
    this.#doneTimer?.();
    this.#doneDirty = [];
  }

  /** A new, empty inbox. */
  create(session: number): SessionInbox {
    const inbox = new SessionInbox(session, this);
    this.inboxes.set(session, inbox);
    return inbox;
  }
  /** The session ended. Its events stay until the next snapshot: its number is never used again. */
  drop(inbox: SessionInbox): void {
    inbox.onReady = null;
    inbox.doneCount = 0;
    this.inboxes.delete(inbox.number);
    inbox.clear();
  }

  /** Stores a run that no topic captured. Returns the offset of its first message. */
  storeRun(run: PublishRun, topicBytes: Buffer, prepared: PreparedPublish | null): number {
    if (prepared !== null && prepared.stream === this.#options.store) return this.#store.addClaimed(prepared);
    const nowMs = this.#options.runtime.nowMs();
    const base = this.#store.nextOffset;
    for (let i = 0; i < run.count; i++) {
      const headers = run.properties === null ? null : toHeaders(run.properties[i] ?? null);
      this.#store.add(topicBytes, run.data, run.payloadStart[i]!, run.payloadEnd[i]!, headers, nowMs);
    }
    return base;
  }
  storeMessage(message: Message): number {
    const { topic, payload, properties, timestampMs } = message;
    return this.#store.add(Buffer.from(topic), payload, 0, payload.length, toHeaders(properties), timestampMs);
  }
  /** The source of a partition that captured a run. */
  sourceOf(partition: StoredPartition): RecordSource {
    let source = this.#bySource.get(partition);
    if (source === undefined) {
      const identity = { topicId: partition.topic.idHex, partition: partition.index };
      source = this.#addSource(identity, partition.stream, (key) => this.#options.topicOf(partition, key));
      this.#bySource.set(partition, source);
    }
    return source;
  }
  /** The partition's records are gone. */
  removeSource(partition: StoredPartition): void {
    this.#bySource.get(partition)?.remove();
    this.#bySource.delete(partition);
  }

  /**
   * What the following calls of `owe` are about: `count` messages from `base` on. Repeated for the same messages it makes
   * one event of them all; `endOwed` must follow in the same turn.
   */
  beginOwed(source: RecordSource, base: number, count: number, sizeBytes: number): void {
    if (this.#owedSource === source && this.#owedBase === base && this.#owedCount === count) return;
    this.endOwed();
    this.#owedSource = source;
    this.#owedBase = base;
    this.#owedCount = count;
    this.#owedSizeBytes = sizeBytes;
    this.#owed.u8(event.OWED);
    event.writeSource(this.#owed, source.identity);
    this.#owed.i64(base).uvarint(count).uvarint(sizeBytes);
  }
  /** Owes them to an inbox. Takeable when the journal's current commit has settled. */
  owe(inbox: SessionInbox, qos: QoS, retain: boolean, subscriptionIds: readonly number[] | null): void {
    const limits = this.#options.limits();
    if (limits.whenFull === 'drop-newest' && this.#isOver(inbox, limits, this.#owedCount)) {
      this.#reportFull(inbox);
      return;
    }
    const w = this.#owed;
    w.uvarint(inbox.number);
    event.writeFlags(w, qos, retain, subscriptionIds);
    event.writeIds(w, subscriptionIds);
    const idSet = inbox.idSetOf(subscriptionIds);
    const source = this.#owedSource!.index;
    const base = this.#owedBase;
    for (let i = 0; i < this.#owedCount; i++) inbox.owe(source, base + i, this.#owedSizeBytes, qos, retain, idSet);
    if (this.#isOver(inbox, limits, 0)) this.#overfull.push(inbox);
    if (!inbox.isTouched) {
      inbox.isTouched = true;
      this.#touched.push(inbox);
    }
  }
  endOwed(): void {
    if (this.#owedSource === null) return;
    this.#owedSource = null;
    this.#write(this.#owed);
    this.#owed.reset();
    if (this.#overfull.length === 0) return;
    for (const inbox of this.#overfull.splice(0)) this.#limit(inbox);
  }

  held(inbox: SessionInbox, packetId: number): Commit {
    this.#writer.u8(event.HELD).uvarint(inbox.number).uvarint(packetId);
    return this.#writeNow();
  }
  released(inbox: SessionInbox, packetId: number): Commit {
    this.#writer.u8(event.RELEASED).uvarint(inbox.number).uvarint(packetId);
    return this.#writeNow();
  }

  /** Owes what one inbox has to another one: at most `max` messages. Returns how many. */
  transfer(
    from: SessionInbox,
    to: SessionInbox,
    qosMax: QoS,
    subscriptionIds: readonly number[] | null,
    max: number,
  ): number {
    const entries = from.takeReferences(max);
    for (const { sequence, source, offset, sizeBytes, qos, retain } of entries) {
      this.beginOwed(this.#sources[source]!, offset, 1, sizeBytes);
      this.owe(to, Math.min(qos, qosMax) as QoS, retain, subscriptionIds);
      from.acknowledge(sequence);
    }
    this.endOwed();
    return entries.length;
  }
  /** Lets go what is older than the limit of age; now and then. */
  dropOld(): void {
    const { ageSecondsMax } = this.#options.limits();
    if (ageSecondsMax === 0) return;
    const nowMs = this.nowMs();
    for (const inbox of this.inboxes.values()) {
      if (inbox.depth === 0 || inbox.dropOld(nowMs, nowMs - ageSecondsMax * 1000) === 0 || inbox.isAgeReported)
        continue;
      inbox.isAgeReported = true;
      this.#options.onDropped(inbox, 'age');
    }
  }

  /** The reader is gone: what it was given and has not acknowledged will be redelivered as such, by another process too. */
  detached(inbox: SessionInbox): void {
    if (inbox.takenHigh <= inbox.head) return;
    this.#writer.u8(event.TAKEN).uvarint(inbox.number).i64(inbox.takenHigh);
    this.#write(this.#writer);
    this.#writer.reset();
  }

  source(index: number): RecordSource | undefined {
    return this.#sources[index];
  }
  /** The message of an entry, for people; null when it is gone. */
  async read(source: number, offset: number): Promise<Message | null> {
    const from = this.#sources[source];
    for (let tries = 0; from !== undefined && tries < READ_TRIES; tries++) {
      const message = from.lookup(offset);
      if (message !== undefined) return message;
      await new Promise<void>((resolve) => from.whenLoaded(offset, resolve));
    }
    return null;
  }
  nowMs(): number {
    return this.#options.runtime.nowMs();
  }
  done(inbox: SessionInbox, sequence: number): void {
    if (inbox.doneCount > 0 && inbox.doneFrom + inbox.doneCount === sequence) {
      inbox.doneCount++;
      return;
    }
    if (inbox.doneCount > 0) this.#writeDoneOf(inbox);
    else this.#doneDirty.push(inbox);
    inbox.doneFrom = sequence;
    inbox.doneCount = 1;
    this.#doneTimer ??= this.#options.runtime.after(DONE_DELAY_MS, () => {
      this.#doneTimer = null;
      this.#writeDone();
    });
  }
  received(inbox: SessionInbox, sequence: number): Commit {
    this.#writer.u8(event.RECEIVED).uvarint(inbox.number).i64(sequence);
    return this.#writeNow();
  }
  oldestMs(): number {
    const { ageSecondsMax } = this.#options.limits();
    return ageSecondsMax === 0 ? -Infinity : this.nowMs() - ageSecondsMax * 1000;
  }
  slowBeforeMs(): number {
    return this.nowMs() - this.#options.slowMs();
  }
  taken(inbox: SessionInbox, message: Message): void {
    this.#options.onTaken(inbox, message);
  }
  owedBytesChanged(bytes: number): void {
    this.#owedBytes += bytes;
  }

  /** Rewrites the event stream when it holds too much of the past, or `always`. */
  compact(always = false): void {
    const { events, runtime, sealer } = this.#options;
    const limit = Math.max(SNAPSHOT_BYTES_MIN, SNAPSHOT_GARBAGE_RATIO * this.#snapshotBytes);
    if (this.#isTrimming || (!always && events.sizeBytes < limit)) return;
    sealer.sealAll();
    const begin = events.endOffset;
    const before = events.sizeBytes;
    this.#writeSnapshot();
    sealer.sealAll();
    this.#snapshotBytes = events.sizeBytes - before;
    this.#isTrimming = true;
    sealer.journal.current.onSettled((error) => {
      if (error !== null) return;
      events
        .trim(begin)
        .catch((cause: unknown) => runtime.log.warn({ error: cause }, 'the inbox log could not be trimmed'))
        .finally(() => (this.#isTrimming = false));
    });
  }

  /** Lets go the stored messages that no inbox needs any more. */
  trimStore(): void {
    const { store, runtime } = this.#options;
    const grown = Math.abs(store.sizeBytes - this.#trimmedAtBytes);
    // what was acknowledged since the last look may have been all that kept a record
    if (grown < TRIM_BYTES_MIN && Math.abs(this.#owedBytes - this.#trimmedAtOwedBytes) < TRIM_BYTES_MIN) return;
    this.#trimmedAtOwedBytes = this.#owedBytes;
    let first = store.stableOffset;
    for (const inbox of this.inboxes.values()) first = Math.min(first, inbox.firstOffsetIn(0));
    this.#trimmedAtBytes = store.sizeBytes;
    if (first <= store.startOffset) return;
    store
      .trim(first)
      .then(() => (this.#trimmedAtBytes = store.sizeBytes))
      .catch((error: unknown) => runtime.log.warn({ error }, 'the inbox store could not be trimmed'));
  }

  #addSource(
    identity: RecordSource['identity'],
    stream: Stream,
    topicOf: (key: Buffer | null) => string,
  ): RecordSource {
    const source = new RecordSource(this.#sources.length, identity, stream, topicOf, this.#options);
    this.#sources.push(source);
    return source;
  }

  /** Drops from an inbox what is over a limit: the oldest entries that no reader was given. */
  #limit(inbox: SessionInbox): void {
    const limits = this.#options.limits();
    let dropped = 0;
    while (this.#isOver(inbox, limits, 0)) {
      if (!inbox.dropOldest()) break;
      dropped++;
    }
    if (dropped > 0) this.#reportFull(inbox);
  }
  /** Whether a limit is exceeded, or would be with so many more messages of the run that is being owed. */
  #isOver(inbox: SessionInbox, { messagesMax, bytesMax }: InboxLimits, more: number): boolean {
    const moreBytes = more * this.#owedSizeBytes;
    return (
      inbox.depth + more > Math.min(messagesMax, INBOX_ENTRIES_MAX) ||
      inbox.owedBytes + moreBytes > bytesMax ||
      this.#owedBytes + moreBytes > this.#options.bytesMax()
    );
  }
  #reportFull(inbox: SessionInbox): void {
    if (inbox.isFullReported) return;
    inbox.isFullReported = true;
    this.#options.onDropped(inbox, 'full');
  }

  /** The events of this turn were appended: what they owe may be taken once they are stable. */
  #sealed(commit: Commit): void {
    if (this.#touched.length === 0) return;
    const inboxes = this.#touched;
    this.#touched = [];
    const tails = new Float64Array(inboxes.length);
    for (let i = 0; i < inboxes.length; i++) {
      inboxes[i]!.isTouched = false;
      tails[i] = inboxes[i]!.tail;
    }
    commit.onSettled((error) => {
      if (error !== null) return;
      for (let i = 0; i < inboxes.length; i++) inboxes[i]!.makeStable(tails[i]!);
    });
  }

  #writeDone(): void {
    if (this.#doneDirty.length === 0) return;
    this.#doneTimer?.();
    this.#doneTimer = null;
    const dirty = this.#doneDirty;
    this.#doneDirty = [];
    for (const inbox of dirty) if (inbox.doneCount > 0) this.#writeDoneOf(inbox);
  }
  #writeDoneOf(inbox: SessionInbox): void {
    const w = this.#doneWriter;
    w.reset();
    w.u8(event.DONE).uvarint(inbox.number).i64(inbox.doneFrom).uvarint(inbox.doneCount);
    inbox.doneCount = 0;
    this.#write(w);
  }
  #writeSnapshot(): void {
    this.#writer.u8(event.BEGIN);
    this.#writeNow();
    const w = this.#writer;
    for (const inbox of this.inboxes.values()) {
      w.u8(event.SESSION).uvarint(inbox.number).i64(inbox.head).i64(inbox.tail).i64(inbox.takenHigh);
      w.uvarint(inbox.held?.size ?? 0);
      for (const id of inbox.held ?? []) w.uvarint(id);
      for (const entry of inbox.entries()) {
        w.i64(entry.sequence);
        event.writeFlags(w, entry.qos, entry.retain, entry.subscriptionIds, entry.received);
        event.writeSource(w, this.#sources[entry.source]!.identity);
        w.i64(entry.offset).uvarint(entry.sizeBytes);
        event.writeIds(w, entry.subscriptionIds);
      }
      this.#write(w);
      w.reset();
    }
    w.u8(event.END);
    this.#writeNow();
  }
  #writeNow(): Commit {
    this.#write(this.#writer);
    this.#writer.reset();
    return this.#options.sealer.journal.current;
  }
  #write(w: Writer): void {
    this.#events.add(null, w.buffer, 0, w.at, null, this.#options.runtime.nowMs());
  }
}
