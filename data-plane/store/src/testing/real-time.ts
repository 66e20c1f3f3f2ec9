import { ManualRuntime, type Cancel } from '@robustmq/wire';

/** A runtime with real timers and seeded chance: for tests that talk to a server. */
export class RealTimeRuntime extends ManualRuntime {
  override after(delayMs: number, run: () => void): Cancel {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  }
}
