import type { MqttSettings } from '@robustmq/meta';

/** Entries kept at a time, listed or not; the fastest makes room. */
const KEPT_MAX = 1_000;
/** An entry that was not seen again for so long is forgotten. */
const FORGOTTEN_AFTER_MS = 300_000;

/** A delivery that took long: publish to written, milliseconds with a fraction; the slowest of this client and topic. */
export interface SlowSubscriber {
  readonly clientId: string;
  readonly topic: string;
  readonly latencyMs: number;
  readonly atMs: number;
}

/** The slowest deliveries of one namespace of the last minutes. */
export class SlowSubscribers {
  readonly #byKey = new Map<string, SlowSubscriber>();

  /** Notes a delivery that was over the threshold; returns whether this client and topic are new on the list. */
  add(one: SlowSubscriber): boolean {
    const key = `${one.clientId}\n${one.topic}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      const latencyMs = Math.max(known.latencyMs, one.latencyMs);
      this.#byKey.set(key, { ...one, latencyMs });
      return false;
    }
    if (this.#byKey.size >= KEPT_MAX && !this.#makeRoom(one.latencyMs)) return false;
    this.#byKey.set(key, one);
    return true;
  }
  /** The slowest first. */
  list({ enabled, listed }: MqttSettings['slowSubscriber']): readonly SlowSubscriber[] {
    if (!enabled) return [];
    return [...this.#byKey.values()].sort((a, b) => b.latencyMs - a.latencyMs).slice(0, listed);
  }
  sweep(nowMs: number): void {
    for (const [key, { atMs }] of this.#byKey) if (atMs + FORGOTTEN_AFTER_MS <= nowMs) this.#byKey.delete(key);
  }

  #makeRoom(latencyMs: number): boolean {
    let fastest: { key: string; latencyMs: number } | null = null;
    for (const [key, one] of this.#byKey) {
      if (fastest === null || one.latencyMs < fastest.latencyMs) fastest = { key, latencyMs: one.latencyMs };
    }
    if (fastest === null || fastest.latencyMs >= latencyMs) return false;
    return this.#byKey.delete(fastest.key);
  }
}
