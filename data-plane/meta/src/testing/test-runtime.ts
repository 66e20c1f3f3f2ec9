import { SILENT_LOG, type Runtime } from '@robustmq/wire';

/** A runtime for tests: real turns of the loop, a clock that stands still until it is moved, no timers. */
export function testRuntime(startMs = 1_700_000_000_000): Runtime & { advance(ms: number): void } {
  let now = startMs;
  let seed = 1;
  return {
    nowMs: () => now,
    monotonicMs: () => now,
    afterPoll: (run) => void setImmediate(run),
    after: () => () => undefined,
    every: () => () => undefined,
    randomBytes: (size) => Buffer.from(Array.from({ length: size }, () => (seed = (seed * 16807) % 2147483647) & 255)),
    log: SILENT_LOG,
    advance(ms) {
      now += ms;
    },
  };
}
