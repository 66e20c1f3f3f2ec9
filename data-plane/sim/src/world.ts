import { createHash } from 'node:crypto';
import { SILENT_LOG, type Cancel, type Runtime } from '@robustmq/wire';
import { Chance } from './chance.ts';

/** Events this close together may share a turn of the node's loop. */
const TURN_MS = 0.3;
const TURN_GOES_ON_SHARE = 0.4;
/** Events of one run; more is an endless loop. */
const EVENTS_MAX = 5_000_000;
const START_MS = 1_700_000_000_000;

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** What a run found wrong; the first one ends it. */
export class Violation extends Error {
  readonly invariant: string;
  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`);
    this.invariant = invariant;
  }
}

/** The time, the queue of what happens next, and the trace of what happened. */
export class World {
  readonly chance: Chance;
  readonly #onTrace: ((line: string) => void) | null;
  readonly #hash = createHash('sha256');
  readonly #heap: Event[] = [];
  #order = 0;
  #nowMs = 0;
  #events = 0;
  #violation: Violation | null = null;
  /** Ends of turns of the process that is alive. */
  #endOfTurn: () => boolean = () => false;

  constructor(seed: number, onTrace: ((line: string) => void) | null) {
    this.chance = new Chance(seed);
    this.#onTrace = onTrace;
  }
  /** Milliseconds since the run began, with a fraction. */
  get nowMs(): number {
    return this.#nowMs;
  }
  get events(): number {
    return this.#events;
  }
  get violation(): Violation | null {
    return this.#violation;
  }
  /** Says what happened: into the hash, and to whoever reads along. */
  trace(text: string): void {
    const line = `${this.#nowMs.toFixed(3).padStart(10)} ${text}`;
    this.#hash.update(line);
    this.#onTrace?.(line);
  }
  traceHash(): string {
    return this.#hash.copy().digest('hex').slice(0, 16);
  }
  /** The run fails with the first violation. */
  violated(invariant: string, detail: string): void {
    this.trace(`VIOLATION ${invariant}: ${detail}`);
    this.#violation ??= new Violation(invariant, detail);
  }

  after(delayMs: number, run: () => void): Cancel {
    const event: Event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run, cancelled: false };
    push(this.#heap, event);
    return () => {
      event.cancelled = true;
    };
  }
  /** `run` says whether it had anything to do. */
  onEndOfTurn(run: () => boolean): void {
    this.#endOfTurn = run;
  }

  /** Lets things happen until `isDone`, `untilMs`, or a violation. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<void> {
    while (this.#violation === null && !isDone()) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) {
        this.#nowMs = untilMs;
        return;
      }
      pop(this.#heap);
      if (next.cancelled) continue;
      if (++this.#events > EVENTS_MAX) throw new Error(`more than ${EVENTS_MAX} events`);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
      await allMicrotasks();
      const following = this.#heap[0];
      const goesOn = following !== undefined && following.atMs < this.#nowMs + TURN_MS;
      if (goesOn && this.chance.is(TURN_GOES_ON_SHARE)) continue;
      while (this.#endOfTurn()) await allMicrotasks();
    }
  }
}

/** Nothing below waits for anything but promises, so after one real turn all that could happen has happened. */
function allMicrotasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The world of one process: gone with it, timers and all. */
export class ProcessRuntime implements Runtime {
  readonly log = SILENT_LOG;
  readonly #world: World;
  readonly #chance: Chance;
  #polled: (() => void)[] = [];
  #isAlive = true;

  constructor(world: World) {
    this.#world = world;
    this.#chance = world.chance.fork();
    world.onEndOfTurn(() => this.#turn());
  }
  get isAlive(): boolean {
    return this.#isAlive;
  }
  die(): void {
    this.#isAlive = false;
    this.#polled = [];
  }
  nowMs(): number {
    return START_MS + Math.floor(this.#world.nowMs);
  }
  monotonicMs(): number {
    return this.#world.nowMs;
  }
  afterPoll(run: () => void): void {
    if (this.#isAlive) this.#polled.push(run);
  }
  after(delayMs: number, run: () => void): Cancel {
    return this.#world.after(delayMs, () => {
      if (this.#isAlive) run();
    });
  }
  every(periodMs: number, run: () => void): Cancel {
    let cancel: Cancel = () => undefined;
    const again = (): void => {
      cancel = this.after(periodMs, () => {
        again();
        run();
      });
    };
    again();
    return () => cancel();
  }
  randomBytes(size: number): Buffer {
    const bytes = Buffer.alloc(size);
    for (let i = 0; i < size; i++) bytes[i] = this.#chance.whole(0, 256);
    return bytes;
  }
  #turn(): boolean {
    if (this.#polled.length === 0) return false;
    const polled = this.#polled;
    this.#polled = [];
    for (const run of polled) run();
    return true;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
function push(heap: Event[], event: Event): void {
  let at = heap.push(event) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(event, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = event;
}
function pop(heap: Event[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
    if (!isBefore(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
}
