/** Chance from a seed: every choice of a run comes from one of these, so a run can be repeated. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 0;
  }
  /** 0 ≤ x < 1. */
  readonly next = (): number => {
    // mulberry32
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  /** A whole number, `from` ≤ x < `to`. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from));
  }
  /** A number between the two. */
  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }
  /** True in that share of the calls. */
  is(share: number): boolean {
    return this.next() < share;
  }
  pick<T>(choices: readonly T[]): T {
    return choices[this.whole(0, choices.length)]!;
  }
  /** A generator of its own, so that what one part draws does not shift what another one gets. */
  fork(): Chance {
    return new Chance(this.whole(0, 2 ** 31));
  }
}
