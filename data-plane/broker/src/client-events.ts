import type { ClientEvent } from './broker-types.ts';
import type { RecordedClientEvent } from './namespace-config.ts';

/** Client events kept per namespace; older ones make room. */
const EVENTS_MAX = 1_000;
const DETAIL_CHARS_MAX = 500;

/** The last client events of one namespace, in memory. */
export class ClientEventLog {
  readonly #ring: RecordedClientEvent[] = [];
  #next = 0;

  add(event: ClientEvent, timeMs: number): void {
    const recorded = { ...event, detail: event.detail.slice(0, DETAIL_CHARS_MAX), timeMs };
    if (this.#ring.length < EVENTS_MAX) this.#ring.push(recorded);
    else this.#ring[this.#next] = recorded;
    this.#next = (this.#next + 1) % EVENTS_MAX;
  }
  /** Oldest first. */
  list(): readonly RecordedClientEvent[] {
    if (this.#ring.length < EVENTS_MAX) return [...this.#ring];
    return [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
  }
}
