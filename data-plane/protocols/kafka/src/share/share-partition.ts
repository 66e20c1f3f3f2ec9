import { ERROR, type ErrorCode } from '../errors.ts';

/** Records of one partition and group that may be between start and end (KIP-932: group.share.partition.max.record.locks). */
export const IN_FLIGHT_MAX = 2_000;
/** Deliveries after which a record is given up (group.share.delivery.count.limit). */
export const DELIVERIES_MAX = 5;

/** Of KIP-932; 0 is for offsets that hold no record. */
export const ACKNOWLEDGE = { gap: 0, accept: 1, release: 2, reject: 3 } as const;

type RecordState = 'available' | 'acquired' | 'done';
interface InFlight {
  state: RecordState;
  /** Who has it; '' = nobody. */
  member: string;
  deliveries: number;
  /** When its lock ends, monotonic. */
  untilMs: number;
}

export interface AcquiredRange {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly deliveryCount: number;
}
export interface AcknowledgementBatch {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly acknowledgeTypes: readonly number[];
}

/** What is kept of a partition: where it starts, and runs of offsets behind that which were delivered or are done. */
interface Stored {
  readonly s: number;
  readonly r: readonly (readonly [first: number, last: number, isDone: 0 | 1, deliveries: number])[];
}

/**
 * What one share group has made of one partition (KIP-932). Offsets below `startOffset` are done; from `endOffset` on
 * nothing was delivered; between them each is available, with one member until its lock ends, or done.
 */
export class SharePartition {
  #startOffset: number;
  #endOffset: number;
  readonly #inFlight = new Map<number, InFlight>();
  /** Called when something becomes available again. */
  readonly waiters = new Set<() => void>();

  constructor(startOffset: number) {
    this.#startOffset = startOffset;
    this.#endOffset = startOffset;
  }

  get startOffset(): number {
    return this.#startOffset;
  }
  get endOffset(): number {
    return this.#endOffset;
  }
  get isFull(): boolean {
    return this.#endOffset - this.#startOffset >= IN_FLIGHT_MAX;
  }

  /** Where the next delivery begins: a record that came back, else what was never delivered; null = there is no room. */
  nextOffset(): number | null {
    for (let offset = this.#startOffset; offset < this.#endOffset; offset++) {
      if (this.#inFlight.get(offset)?.state === 'available') return offset;
    }
    return this.isFull ? null : this.#endOffset;
  }

  /** Gives what is free of `[first, last]` to a member, at most as much as there is room for. */
  acquire(member: string, first: number, last: number, untilMs: number): AcquiredRange[] {
    const ranges: { firstOffset: number; lastOffset: number; deliveryCount: number }[] = [];
    for (let offset = Math.max(first, this.#startOffset); offset <= last; offset++) {
      let record = this.#inFlight.get(offset);
      if (offset >= this.#endOffset) {
        if (this.isFull) break;
        record = { state: 'available', member: '', deliveries: 0, untilMs: 0 };
        this.#inFlight.set(offset, record);
        this.#endOffset = offset + 1;
      }
      if (record?.state !== 'available') continue;
      record.state = 'acquired';
      record.member = member;
      record.deliveries++;
      record.untilMs = untilMs;
      const range = ranges.at(-1);
      if (range?.lastOffset === offset - 1 && range.deliveryCount === record.deliveries) range.lastOffset = offset;
      else ranges.push({ firstOffset: offset, lastOffset: offset, deliveryCount: record.deliveries });
    }
    return ranges;
  }

  /** All of it or nothing: INVALID_RECORD_STATE when the member does not have one of the records. */
  acknowledge(member: string, batches: readonly AcknowledgementBatch[]): ErrorCode {
    const decided: [InFlight, number][] = [];
    for (const { firstOffset, lastOffset, acknowledgeTypes } of batches) {
      const count = lastOffset - firstOffset + 1;
      if (count < 1 || count > IN_FLIGHT_MAX) return ERROR.INVALID_REQUEST;
      if (acknowledgeTypes.length !== 1 && acknowledgeTypes.length !== count) return ERROR.INVALID_REQUEST;
      for (let i = 0; i < count; i++) {
        const type = acknowledgeTypes.length === 1 ? acknowledgeTypes[0]! : acknowledgeTypes[i]!;
        if (type < ACKNOWLEDGE.gap || type > ACKNOWLEDGE.reject) return ERROR.INVALID_REQUEST;
        const record = this.#inFlight.get(firstOffset + i);
        if (record?.state !== 'acquired' || record.member !== member) return ERROR.INVALID_RECORD_STATE;
        decided.push([record, type]);
      }
    }
    let isReleased = false;
    for (const [record, type] of decided) {
      if (type === ACKNOWLEDGE.release) isReleased = release(record) || isReleased;
      else finish(record);
    }
    this.#advance();
    if (isReleased) this.wake();
    return ERROR.NONE;
  }

  /** Takes back what a member has, or what nobody acknowledged in time; true when that was anything. */
  release(isLost: (member: string, untilMs: number) => boolean): boolean {
    let isChanged = false;
    for (const record of this.#inFlight.values()) {
      if (record.state !== 'acquired' || !isLost(record.member, record.untilMs)) continue;
      release(record);
      isChanged = true;
    }
    if (isChanged) {
      this.#advance();
      this.wake();
    }
    return isChanged;
  }

  /** Records below `offset` are gone (retention, DeleteRecords); true when any of them was not done. */
  trim(offset: number): boolean {
    if (offset <= this.#startOffset) return false;
    for (let at = this.#startOffset; at < Math.min(offset, this.#endOffset); at++) this.#inFlight.delete(at);
    this.#startOffset = offset;
    this.#endOffset = Math.max(this.#endOffset, offset);
    return true;
  }

  wake(): void {
    const waiters = [...this.waiters];
    this.waiters.clear();
    for (const waiter of waiters) waiter();
  }

  #advance(): void {
    while (this.#startOffset < this.#endOffset && this.#inFlight.get(this.#startOffset)?.state === 'done') {
      this.#inFlight.delete(this.#startOffset++);
    }
  }

  /** What is with a member counts as available: whoever takes this up does not know the member. */
  stored(): Buffer {
    const runs: [number, number, 0 | 1, number][] = [];
    for (let offset = this.#startOffset; offset < this.#endOffset; offset++) {
      const { state, deliveries } = this.#inFlight.get(offset)!;
      const isDone = state === 'done' ? 1 : 0;
      const run = runs.at(-1);
      if (run !== undefined && run[2] === isDone && run[3] === deliveries) run[1] = offset;
      else runs.push([offset, offset, isDone, deliveries]);
    }
    const stored: Stored = { s: this.#startOffset, r: runs };
    return Buffer.from(JSON.stringify(stored));
  }
  /** Reads what `stored` wrote; throws SyntaxError or TypeError for anything else. */
  static from(bytes: Buffer): SharePartition {
    const { s, r } = JSON.parse(bytes.toString()) as Stored;
    if (!Number.isSafeInteger(s) || !Array.isArray(r)) throw new TypeError('no state of a share partition');
    const partition = new SharePartition(s);
    for (const [first, last, isDone, deliveries] of r) {
      if (first !== partition.#endOffset || last < first || last - s >= IN_FLIGHT_MAX) throw new TypeError('a gap');
      for (let offset = first; offset <= last; offset++) {
        const state = isDone === 1 || deliveries >= DELIVERIES_MAX ? 'done' : 'available';
        partition.#inFlight.set(offset, { state, member: '', deliveries, untilMs: 0 });
      }
      partition.#endOffset = last + 1;
    }
    partition.#advance();
    return partition;
  }
}

function finish(record: InFlight): void {
  record.state = 'done';
  record.member = '';
}
/** True when it can be delivered again. */
function release(record: InFlight): boolean {
  record.member = '';
  record.state = record.deliveries >= DELIVERIES_MAX ? 'done' : 'available';
  return record.state === 'available';
}
