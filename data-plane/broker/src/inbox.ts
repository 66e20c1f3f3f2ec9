import type { Commit } from '@robustmq/journal';
import type { Inbox, InboxEntry } from './broker-types.ts';
import { isExpired } from './message-record.ts';
import type { Message, QoS } from './message.ts';
import type { RecordSource } from './record-source.ts';

const RING_ENTRIES_MIN = 16;
/** Sets of subscription ids one inbox tells apart while it is not empty; more are delivered without ids. */
const ID_SETS_MAX = 65_535;

/** Bits of an entry's `meta`: 0–1 QoS, 2 retain, 3 received, 4 done, 8–23 index of its subscription ids. */
const QOS_MASK = 3;
const RETAIN = 4;
const RECEIVED = 8;
const DONE = 16;
const IDS_SHIFT = 8;

/** Times an inbox remembers for the limit of age; more are thinned out. */
const MARKS_MAX = 64;

/** Everything below `sequence` was owed by then. */
interface Mark {
  readonly sequence: number;
  readonly atMs: number;
}

const NO_FLOATS = new Float64Array(0);
const NO_INTEGERS = new Uint32Array(0);

/** What an inbox tells its log. */
export interface InboxJournal {
  source(index: number): RecordSource | undefined;
  nowMs(): number;
  done(inbox: SessionInbox, sequence: number): void;
  received(inbox: SessionInbox, sequence: number): Commit;
  /** Entries of this inbox take so many bytes more (or fewer). */
  owedBytesChanged(bytes: number): void;
  /** Messages taken over it by the broker before are not owed any more; −Infinity = all are. */
  oldestMs(): number;
  /** A reader that is given an older message is slow; −Infinity = none is. */
  slowBeforeMs(): number;
  /** A reader was given such a message. */
  taken(inbox: SessionInbox, message: Message): void;
}

/** One entry as a snapshot carries it. */
export interface StoredEntry {
  readonly sequence: number;
  readonly source: number;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly received: boolean;
  readonly subscriptionIds: readonly number[] | null;
}

/**
 * The inbox of one session: a ring of references indexed by sequence number, 20 bytes an entry. Entries `[head, tail)`
 * exist; `[head, stableTail)` may be taken, since a sequence number that was given out must survive a crash: protocols
 * derive packet ids from it.
 */
export class SessionInbox implements Inbox {
  /** The session's number in meta. */
  readonly number: number;
  readonly #journal: InboxJournal;
  #offsets = NO_FLOATS;
  #sources = NO_INTEGERS;
  #sizes = NO_INTEGERS;
  #metas = NO_INTEGERS;
  #mask = -1;
  #head = 1;
  #tail = 1;
  #stableTail = 1;
  /** The next entry to take. */
  #cursor = 1;
  #takenHigh = 1;
  #redeliverBelow = 1;
  /** Untaken entries below were dropped already. */
  #dropFrom = 1;
  #live = 0;
  #owedBytes = 0;
  /** Of the inbox store's records: whether a later entry may refer to an earlier record, and the last one's offset. */
  #isUnordered = false;
  #lastStoreOffset = -1;
  /** Sequence numbers below were owed by then: for the limit of age. */
  #marks: Mark[] | null = null;
  /** null = no subscription has an id. */
  #idSets: (readonly number[] | null)[] | null = null;
  #idSetIndex: Map<string, number> | null = null;
  /** Packet ids held for the publisher side; null = none. */
  held: Set<number> | null = null;
  /** Acknowledgements gathered for one event: a run of sequence numbers. Belongs to the log. */
  doneFrom = 0;
  doneCount = 0;
  /** On the log's list of inboxes with new entries in this turn. */
  isTouched = false;
  isFullReported = false;
  isAgeReported = false;
  /** The session it belongs to; null = a shared group's. */
  owner: { readonly clientId: string; readonly attachedAtMs: number } | null = null;
  /** Whether its reader may have messages of a topic; null = of every one. */
  accepts: ((topic: string) => boolean) | null = null;
  /** Entries became takeable. */
  onReady: (() => void) | null = null;

  constructor(number: number, journal: InboxJournal) {
    this.number = number;
    this.#journal = journal;
  }

  get depth(): number {
    return this.#live;
  }
  /** Bytes of the messages owed. */
  get owedBytes(): number {
    return this.#owedBytes;
  }
  get head(): number {
    return this.#head;
  }
  get tail(): number {
    return this.#tail;
  }
  get takenHigh(): number {
    return this.#takenHigh;
  }

  take(max: number): readonly InboxEntry[] {
    const entries: InboxEntry[] = [];
    const nowMs = this.#journal.nowMs();
    const oldestMs = this.#journal.oldestMs();
    const slowBeforeMs = this.#journal.slowBeforeMs();
    while (entries.length < max && this.#cursor < this.#stableTail) {
      const sequence = this.#cursor;
      const at = sequence & this.#mask;
      const meta = this.#metas[at]!;
      if ((meta & DONE) === 0) {
        const received = (meta & RECEIVED) !== 0;
        const source = received ? undefined : this.#journal.source(this.#sources[at]!);
        const message = source === undefined ? null : source.lookup(this.#offsets[at]!);
        if (message === undefined) {
          source!.whenLoaded(this.#offsets[at]!, this.#loaded);
          break;
        }
        if (!received && (message === null || message.timestampMs < oldestMs || !this.#mayBeGiven(message, nowMs))) {
          this.acknowledge(sequence);
        } else {
          entries.push(this.#entry(sequence, meta, message));
          if (message !== null && message.timestampMs < slowBeforeMs) this.#journal.taken(this, message);
        }
      }
      this.#cursor = Math.max(this.#cursor, sequence + 1);
    }
    this.#takenHigh = Math.max(this.#takenHigh, this.#cursor);
    return entries;
  }

  acknowledge(sequence: number): void {
    if (this.markDone(sequence)) this.#journal.done(this, sequence);
  }
  markReceived(sequence: number): Commit | null {
    if (!this.#has(sequence) || (this.#metas[sequence & this.#mask]! & RECEIVED) !== 0) return null;
    this.#metas[sequence & this.#mask]! |= RECEIVED;
    return this.#journal.received(this, sequence);
  }
  rewind(): void {
    this.#cursor = this.#head;
    this.#redeliverBelow = this.#takenHigh;
  }

  /** Adds an entry at the tail. It may be taken once `makeStable` has passed it. */
  owe(source: number, offset: number, sizeBytes: number, qos: QoS, retain: boolean, idSet: number): void {
    if (this.#tail - this.#head > this.#mask) this.#grow();
    const at = this.#tail++ & this.#mask;
    this.#offsets[at] = offset;
    this.#sources[at] = source;
    this.#sizes[at] = sizeBytes;
    this.#metas[at] = qos | (retain ? RETAIN : 0) | (idSet << IDS_SHIFT);
    this.#live++;
    this.#owedBytes += sizeBytes;
    if (source === 0) {
      this.#isUnordered ||= offset < this.#lastStoreOffset;
      this.#lastStoreOffset = offset;
    }
    this.#journal.owedBytesChanged(sizeBytes);
  }
  /** The small number that stands for a set of subscription ids in this inbox. */
  idSetOf(subscriptionIds: readonly number[] | null): number {
    if (subscriptionIds === null) return 0;
    const key = subscriptionIds.join();
    const known = this.#idSetIndex?.get(key);
    if (known !== undefined) return known;
    if (this.#idSets === null || this.#idSetIndex === null || this.#live === 0) {
      this.#idSets = [null];
      this.#idSetIndex = new Map();
    }
    if (this.#idSets.length > ID_SETS_MAX) return 0;
    this.#idSetIndex.set(key, this.#idSets.length);
    return this.#idSets.push(subscriptionIds) - 1;
  }
  /** Everything below `tail` is stable. */
  makeStable(tail: number): void {
    if (tail <= this.#stableTail) return;
    this.#stableTail = tail;
    if (this.#live > 0) this.onReady?.();
  }
  /** Drops the oldest entry that no reader was given; false when there is none. */
  dropOldest(): boolean {
    for (let sequence = Math.max(this.#head, this.#takenHigh, this.#dropFrom); sequence < this.#tail; sequence++) {
      this.#dropFrom = sequence + 1;
      if (!this.#has(sequence)) continue;
      this.acknowledge(sequence);
      return true;
    }
    return false;
  }

  /** Takes an entry out without telling the log; false when it is not there. */
  markDone(sequence: number): boolean {
    if (!this.#has(sequence)) return false;
    const at = sequence & this.#mask;
    this.#metas[at]! |= DONE;
    this.#live--;
    this.#owedBytes -= this.#sizes[at]!;
    this.#journal.owedBytesChanged(-this.#sizes[at]!);
    while (this.#head < this.#tail && (this.#metas[this.#head & this.#mask]! & DONE) !== 0) this.#head++;
    if (this.#cursor < this.#head) this.#cursor = this.#head;
    if (this.#live === 0) {
      this.isFullReported = false;
      this.isAgeReported = false;
      this.#isUnordered = false;
      this.#lastStoreOffset = -1;
    }
    return true;
  }
  /** During recovery: as `markReceived`, untold. */
  restoreReceived(sequence: number): void {
    if (this.#has(sequence)) this.#metas[sequence & this.#mask]! |= RECEIVED;
  }
  /** During recovery: an empty inbox whose next sequence number is `tail`. */
  restart(tail: number): void {
    this.clear();
    this.#head = this.#tail = this.#stableTail = this.#cursor = this.#takenHigh = this.#redeliverBelow = tail;
  }
  /** During recovery: entries below were given to a reader. */
  restoreTaken(takenHigh: number): void {
    this.#takenHigh = Math.max(this.#takenHigh, Math.min(takenHigh, this.#tail));
  }
  /** During recovery: an entry that does not count any more but has its sequence number. */
  skip(): void {
    this.owe(0, 0, 0, 0, false, 0);
    this.markDone(this.#tail - 1);
  }
  /** Forgets all entries. */
  clear(): void {
    for (let sequence = this.#head; sequence < this.#tail; sequence++) this.markDone(sequence);
  }
  /** Entries not done, oldest first. */
  *entries(): Generator<StoredEntry> {
    for (let sequence = this.#head; sequence < this.#tail; sequence++) {
      if (this.#has(sequence)) yield this.#stored(sequence);
    }
  }
  /** The next entries as references, at most `max`; their reader has them now. */
  takeReferences(max: number): readonly StoredEntry[] {
    const found: StoredEntry[] = [];
    while (found.length < max && this.#cursor < this.#stableTail) {
      const sequence = this.#cursor++;
      if (this.#has(sequence)) found.push(this.#stored(sequence));
    }
    this.#takenHigh = Math.max(this.#takenHigh, this.#cursor);
    return found;
  }
  /** Drops what was owed before `beforeMs` and no reader was given. Returns how many; called now and then, with the time. */
  dropOld(nowMs: number, beforeMs: number): number {
    let marks = this.#marks ?? [];
    const last = marks.at(-1);
    if (last === undefined || last.sequence < this.#tail) {
      if (marks.length === MARKS_MAX) marks = marks.filter((_, i) => i % 2 === 1);
      marks.push({ sequence: this.#tail, atMs: nowMs });
    }
    let below = 0;
    while (marks.length > 0 && marks[0]!.atMs <= beforeMs) below = marks.shift()!.sequence;
    this.#marks = marks;
    let dropped = 0;
    for (let sequence = Math.max(this.#head, this.#takenHigh); sequence < below; sequence++) {
      if (!this.#has(sequence)) continue;
      this.acknowledge(sequence);
      dropped++;
    }
    return dropped;
  }
  /** At most `max` entries from a sequence number on that are not completed. */
  entriesFrom(sequence: number, max: number): readonly StoredEntry[] {
    const found: StoredEntry[] = [];
    for (let at = Math.max(sequence, this.#head); at < this.#stableTail && found.length < max; at++) {
      if (this.#has(at)) found.push(this.#stored(at));
    }
    return found;
  }
  /** The oldest record of a source that an entry needs; Infinity when none does. */
  firstOffsetIn(source: number): number {
    if (this.#isUnordered) {
      let first = Infinity;
      for (const entry of this.entries()) {
        if (entry.source === source && !entry.received) first = Math.min(first, entry.offset);
      }
      return first;
    }
    for (let sequence = this.#head; sequence < this.#tail; sequence++) {
      const at = sequence & this.#mask;
      if ((this.#metas[at]! & (DONE | RECEIVED)) === 0 && this.#sources[at] === source) return this.#offsets[at]!;
    }
    return Infinity;
  }

  #mayBeGiven(message: Message, nowMs: number): boolean {
    return !isExpired(message, nowMs) && (this.accepts === null || this.accepts(message.topic));
  }
  readonly #loaded = (): void => this.onReady?.();

  #stored(sequence: number): StoredEntry {
    const at = sequence & this.#mask;
    const meta = this.#metas[at]!;
    return {
      sequence,
      source: this.#sources[at]!,
      offset: this.#offsets[at]!,
      sizeBytes: this.#sizes[at]!,
      qos: (meta & QOS_MASK) as QoS,
      retain: (meta & RETAIN) !== 0,
      received: (meta & RECEIVED) !== 0,
      subscriptionIds: this.#idSets?.[meta >>> IDS_SHIFT] ?? null,
    };
  }
  #has(sequence: number): boolean {
    return sequence >= this.#head && sequence < this.#tail && (this.#metas[sequence & this.#mask]! & DONE) === 0;
  }
  #entry(sequence: number, meta: number, message: InboxEntry['message']): InboxEntry {
    return {
      sequence,
      qos: (meta & QOS_MASK) as QoS,
      retain: (meta & RETAIN) !== 0,
      redelivery: sequence < this.#redeliverBelow,
      received: (meta & RECEIVED) !== 0,
      message,
      subscriptionIds: this.#idSets?.[meta >>> IDS_SHIFT] ?? null,
    };
  }
  #grow(): void {
    const size = Math.max(RING_ENTRIES_MIN, (this.#mask + 1) * 2);
    const mask = size - 1;
    const offsets = new Float64Array(size);
    const sources = new Uint32Array(size);
    const sizes = new Uint32Array(size);
    const metas = new Uint32Array(size);
    for (let sequence = this.#head; sequence < this.#tail; sequence++) {
      const from = sequence & this.#mask;
      const to = sequence & mask;
      offsets[to] = this.#offsets[from]!;
      sources[to] = this.#sources[from]!;
      sizes[to] = this.#sizes[from]!;
      metas[to] = this.#metas[from]!;
    }
    this.#offsets = offsets;
    this.#sources = sources;
    this.#sizes = sizes;
    this.#metas = metas;
    this.#mask = mask;
  }
}
