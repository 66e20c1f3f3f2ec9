import type { Commit } from '@robustmq/broker';

interface Waiting {
  readonly commit: Commit;
  ackBytes: number;
  acks: number;
  ended: number;
  publishBytes: number;
}

/** What is added to the queue at once. */
export interface Acks {
  /** Wait for it; null = for what waits already. */
  readonly commit: Commit | null;
  readonly sizeBytes: number;
  readonly count: number;
  /** Exchanges that end with these packets. */
  readonly ended: number;
  readonly publishBytes: number;
}

/** Acknowledgements whose commit has settled: `[start, end)` of `bytes`, valid until the next `append`. */
export interface Released {
  readonly error: Error | null;
  readonly start: number;
  readonly end: number;
  readonly ended: number;
}

/**
 * Acknowledgements in the order their packets came [MQTT-4.6.0-2], each waiting for the commit of what it acknowledges.
 * One entry per commit, however many packets it carries; the packets are 4 or 5 bytes each.
 */
export class AckQueue {
  /** Acknowledgements that wait. */
  acks = 0;
  /** Bytes of the publishes they acknowledge. */
  publishBytes = 0;
  #entries: Waiting[] = [];
  #bytes: Buffer = Buffer.allocUnsafeSlow(256);
  #start = 0;
  #end = 0;

  get empty(): boolean {
    return this.#entries.length === 0;
  }

  /** Makes room for acknowledgements and returns its offset in `bytes`. */
  append(added: Acks): number {
    const last = this.#entries.at(-1);
    const commit = added.commit ?? last?.commit;
    if (commit === undefined) throw new RangeError('an acknowledgement must wait for something');
    if (last !== undefined && last.commit.sequence >= commit.sequence) {
      last.ackBytes += added.sizeBytes;
      last.acks += added.count;
      last.ended += added.ended;
      last.publishBytes += added.publishBytes;
    } else {
      const { count: acks, sizeBytes: ackBytes, ended, publishBytes } = added;
      this.#entries.push({ commit, ackBytes, acks, ended, publishBytes });
    }
    this.acks += added.count;
    this.publishBytes += added.publishBytes;
    return this.#reserve(added.sizeBytes);
  }

  /** Whether the queue has no entry for `commit` yet, so that the owner must ask to be called back. */
  isNew(commit: Commit): boolean {
    const last = this.#entries.at(-1);
    return last === undefined || last.commit.sequence < commit.sequence;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Takes what the oldest commit held back, null when it has not settled. */
  shift(): Released | null {
    const first = this.#entries[0];
    if (first === undefined || !first.commit.settled) return null;
    this.#entries.shift();
    this.acks -= first.acks;
    this.publishBytes -= first.publishBytes;
    const start = this.#start;
    const end = start + first.ackBytes;
    this.#start = end;
    if (end === this.#end) this.#start = this.#end = 0;
    return { error: first.commit.error, start, end, ended: first.ended };
  }

  #reserve(size: number): number {
    if (this.#end + size > this.#bytes.length) {
      const used = this.#end - this.#start;
      const next = Buffer.allocUnsafeSlow((used + size) * 2);
      this.#bytes.copy(next, 0, this.#start, this.#end);
      this.#bytes = next;
      this.#start = 0;
      this.#end = used;
    }
    const at = this.#end;
    this.#end += size;
    return at;
  }
}
