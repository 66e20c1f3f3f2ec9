import { SILENT_LOG, type Runtime } from '@robustmq/wire';

/** A world that moves only when a test says so. Wall clock and monotonic clock may be moved apart. */
export interface SteppedRuntime extends Runtime {
  /** Moves both clocks and runs the timers that come due, in order. */
  advance(ms: number): void;
  /** Moves the wall clock alone, either way. */
  stepWallClock(ms: number): void;
}

export function steppedRuntime(startMs = 1_800_000_000_000): SteppedRuntime {
  let wallMs = startMs;
  let monotonicMs = 0;
  let seed = 42;
  const timers = new Map<object, { dueMs: number; run: () => void; periodMs: number | null }>();
  const add = (delayMs: number, run: () => void, periodMs: number | null) => {
    const key = {};
    timers.set(key, { dueMs: monotonicMs + delayMs, run, periodMs });
    return () => void timers.delete(key);
  };
  const moveTo = (dueMs: number) => {
    wallMs += dueMs - monotonicMs;
    monotonicMs = dueMs;
  };
  return {
    nowMs: () => wallMs,
    monotonicMs: () => monotonicMs,
    afterPoll: (run) => void setImmediate(run),
    after: (delayMs, run) => add(delayMs, run, null),
    every: (periodMs, run) => add(periodMs, run, periodMs),
    randomBytes: (size) =>
      Buffer.from(Array.from({ length: size }, () => (seed = (seed * 16_807) % 2_147_483_647) & 255)),
    log: SILENT_LOG,
    advance(ms) {
      const untilMs = monotonicMs + ms;
      for (;;) {
        const next = [...timers].filter(([, t]) => t.dueMs <= untilMs).sort((a, b) => a[1].dueMs - b[1].dueMs)[0];
        if (next === undefined) break;
        const [key, timer] = next;
        moveTo(timer.dueMs);
        if (timer.periodMs === null) timers.delete(key);
        else timer.dueMs += timer.periodMs;
        timer.run();
      }
      moveTo(untilMs);
    },
    stepWallClock(ms) {
      wallMs += ms;
    },
  };
}
