/**
 * The world as parameters. Rooms below `node` take time, chance, timers and logging from here and from nowhere else,
 * so a simulator or a test can own them (docs/adr: the world comes through constructors).
 */
export interface Runtime {
  /** Wall clock, milliseconds since the Unix epoch. May step. */
  nowMs(): number;
  /** Monotonic clock in milliseconds with a fraction; only differences mean anything. */
  monotonicMs(): number;
  /** Runs once, at the end of this turn of the event loop, after all sockets that are ready were read. */
  afterPoll(run: () => void): void;
  /** Calls `run` after `delayMs`; the returned handle cancels it. Never keeps the process alive. */
  after(delayMs: number, run: () => void): Cancel;
  /** Calls `run` every `periodMs` until cancelled. Never keeps the process alive. */
  every(periodMs: number, run: () => void): Cancel;
  /** Fills and returns `size` random bytes (cryptographically strong in a real node, seeded in the simulator). */
  randomBytes(size: number): Buffer;
  readonly log: Log;
}

export type Cancel = () => void;

/** Structured log. Never pass payloads or secrets. */
export interface Log {
  debug(fields: Record<string, unknown>, message: string): void;
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}

/** A log that drops everything: for tests. */
export const SILENT_LOG: Log = { debug() {}, info() {}, warn() {}, error() {} };
