/** Work one millisecond of a node stands for: a byte taken in or sent is one unit … */
const UNITS_PER_MS = 1_048_576;
/** … and so much more is what a message costs beside its bytes. */
export const MESSAGE_UNITS = 256;
/** Of it, what all namespaces that want more than that may have together while others have work too. */
const GREEDY_SHARE = 0.5;
/** A namespace counts as one with work for at least so long after it had some, and at most twice as long. */
const WINDOW_MS = 100;
/** What a namespace may be ahead: one turn's work is not cut into pieces. */
const BURST_MS = 2;

/**
 * Fairness between the namespaces of one node, as work and not as time: while others have work too, namespaces that do the
 * most of it are slowed to half of what a node can do, in equal parts. Alone, a namespace is never slowed. Whoever does
 * less than its part is not either, so what one of them waits for is bounded by the others' parts of a turn.
 */
export class FairShare {
  #sinceMs = -Infinity;
  #now = new Set<NamespaceShare>();
  #before = new Set<NamespaceShare>();
  #greedyNow = new Set<NamespaceShare>();
  #greedyBefore = new Set<NamespaceShare>();

  /** Somebody had work. */
  note(share: NamespaceShare, nowMs: number): void {
    if (nowMs - this.#sinceMs >= WINDOW_MS) this.#turn(nowMs);
    this.#now.add(share);
  }
  /** Somebody did more than its part. */
  noteGreedy(share: NamespaceShare): void {
    this.#greedyNow.add(share);
  }
  hasOthers(share: NamespaceShare): boolean {
    const own = (set: ReadonlySet<NamespaceShare>): number => (set.has(share) ? 1 : 0);
    return this.#now.size > own(this.#now) || this.#before.size > own(this.#before);
  }
  /** Units a millisecond that one of the greedy may have now. */
  get unitsPerMs(): number {
    const greedy = Math.max(1, this.#greedyNow.size, this.#greedyBefore.size);
    return (UNITS_PER_MS * GREEDY_SHARE) / greedy;
  }
  #turn(nowMs: number): void {
    const isNext = nowMs - this.#sinceMs < 2 * WINDOW_MS;
    this.#before = isNext ? this.#now : new Set();
    this.#greedyBefore = isNext ? this.#greedyNow : new Set();
    this.#now = new Set();
    this.#greedyNow = new Set();
    this.#sinceMs = nowMs;
  }
}

/** One namespace's part in it. */
export class NamespaceShare {
  readonly #node: FairShare;
  #credit = 0;
  #filledMs = 0;

  constructor(node: FairShare) {
    this.#node = node;
  }
  /** Charges work that was done; then the milliseconds its connection waits so that others get their turn. 0 = none. */
  charge(units: number, nowMs: number): number {
    const node = this.#node;
    node.note(this, nowMs);
    const perMs = node.unitsPerMs;
    const burst = perMs * BURST_MS;
    if (!node.hasOthers(this)) {
      this.#credit = burst;
      this.#filledMs = nowMs;
      return 0;
    }
    this.#credit = Math.min(burst, this.#credit + (nowMs - this.#filledMs) * perMs) - units;
    this.#filledMs = nowMs;
    if (this.#credit >= 0) return 0;
    node.noteGreedy(this);
    return -this.#credit / perMs;
  }
}
