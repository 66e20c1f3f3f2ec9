import { SILENT_LOG } from '@robustmq/wire';
import type { Cancel, Runtime } from '@robustmq/wire';

/** A runtime whose time and turns a test moves by hand. */
export class FakeRuntime implements Runtime {
  readonly log = SILENT_LOG;
  #ms = 1_700_000_000_000;
  #random = 1;
  #afterPoll: (() => void)[] = [];
  #timers: { at: number; period: number; run: () => void }[] = [];

  nowMs(): number {
    return this.#ms;
  }
  monotonicMs(): number {
    return this.#ms;
  }
  afterPoll(run: () => void): void {
    this.#afterPoll.push(run);
  }
  after(delayMs: number, run: () => void): Cancel {
    return this.#timer(delayMs, 0, run);
  }
  every(periodMs: number, run: () => void): Cancel {
    return this.#timer(periodMs, periodMs, run);
  }
  randomBytes(size: number): Buffer {
    return Buffer.from(Array.from({ length: size }, () => (this.#random = (this.#random * 75) % 65_537) & 0xff));
  }
  #timer(delayMs: number, period: number, run: () => void): Cancel {
    const timer = { at: this.#ms + delayMs, period, run };
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((t) => t !== timer));
  }

  /** Ends the turn: runs what waits for it, and what that asks for. */
  turn(): void {
    while (this.#afterPoll.length > 0) {
      const due = this.#afterPoll;
      this.#afterPoll = [];
      for (const run of due) run();
    }
  }
  /** Moves time on, firing timers in order. */
  advance(ms: number): void {
    const end = this.#ms + ms;
    for (;;) {
      const next = this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#ms = Math.max(this.#ms, next.at);
      if (next.period > 0) next.at += next.period;
      else this.#timers = this.#timers.filter((t) => t !== next);
      next.run();
      this.turn();
    }
    this.#ms = end;
  }
}
