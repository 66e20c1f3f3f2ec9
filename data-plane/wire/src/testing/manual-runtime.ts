import { SILENT_LOG, type Cancel, type Log, type Runtime } from '../runtime.ts';

interface Timer {
  atMs: number;
  readonly order: number;
  readonly periodMs: number | null;
  readonly run: () => void;
}

/**
 * A world that moves only when it is told to: for tests. Time starts at `startMs`; timers run inside `advance`, in the
 * order of their times; `afterPoll` work runs in `turn`, or by itself at the end of the real turn with `autoTurn`.
 * Random bytes come from a seed.
 */
export class ManualRuntime implements Runtime {
  readonly log: Log = SILENT_LOG;
  readonly #autoTurn: boolean;
  #timers: Timer[] = [];
  #polled: (() => void)[] = [];
  #order = 0;
  #nowMs: number;
  #random: number;

  constructor(options: { startMs?: number; seed?: number; autoTurn?: boolean } = {}) {
    this.#nowMs = options.startMs ?? 1_700_000_000_000;
    this.#random = (options.seed ?? 1) | 0;
    this.#autoTurn = options.autoTurn ?? false;
  }
  nowMs(): number {
    return this.#nowMs;
  }
  monotonicMs(): number {
    return this.#nowMs;
  }
  afterPoll(run: () => void): void {
    this.#polled.push(run);
    if (this.#autoTurn && this.#polled.length === 1) setImmediate(() => this.turn());
  }
  after(delayMs: number, run: () => void): Cancel {
    return this.#add(delayMs, null, run);
  }
  every(periodMs: number, run: () => void): Cancel {
    return this.#add(periodMs, periodMs, run);
  }
  randomBytes(size: number): Buffer {
    const bytes = Buffer.allocUnsafe(size);
    for (let i = 0; i < size; i++) {
      // mulberry32
      this.#random = (this.#random + 0x6d2b79f5) | 0;
      let t = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      bytes[i] = (t ^ (t >>> 14)) >>> 0;
    }
    return bytes;
  }

  /** Runs what waits for the end of the turn; what that adds waits for the next one. */
  turn(): void {
    const polled = this.#polled;
    this.#polled = [];
    for (const run of polled) run();
  }
  /** Moves time on, running the timers that come due. */
  advance(byMs: number): void {
    const until = this.#nowMs + byMs;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.atMs <= until);
      const next = due.sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      if (next.periodMs === null) this.#timers = this.#timers.filter((timer) => timer !== next);
      else next.atMs += next.periodMs;
      next.run();
    }
    this.#nowMs = until;
  }

  #add(delayMs: number, periodMs: number | null, run: () => void): Cancel {
    const timer: Timer = { atMs: this.#nowMs + delayMs, order: this.#order++, periodMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
}
