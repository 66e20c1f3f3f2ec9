import type { ClientEvent } from './broker-types.ts';
import type { RecordedClientEvent } from './namespace-config.ts';
import type { Page, PageQuery } from './page.ts';

/** Client events kept per namespace; older ones make room. */
const EVENTS_MAX = 1_000;
const DETAIL_CHARS_MAX = 500;

/** The last client events of one namespace, in memory. */
export class ClientEventLog {
  readonly #ring: RecordedClientEvent[] = [];
  #next = 0;
  /** Events added so far: event `n` lies at `n % EVENTS_MAX`. */
  #count = 0;

  add(event: ClientEvent, timeMs: number): void {
    const recorded = { ...event, detail: event.detail.slice(0, DETAIL_CHARS_MAX), timeMs };
    if (this.#ring.length < EVENTS_MAX) this.#ring.push(recorded);
    else this.#ring[this.#next] = recorded;
    this.#next = (this.#next + 1) % EVENTS_MAX;
    this.#count++;
  }
  /** The newest first; `next` is the number of an event, so that a page is not moved by new ones. */
  page({ after, limit }: PageQuery): Page<RecordedClientEvent> {
    const oldest = this.#count - this.#ring.length;
    const newest = after === undefined ? this.#count : Math.min(this.#count, Number(after));
    const items: RecordedClientEvent[] = [];
    let number = newest;
    while (number > oldest && items.length < limit) items.push(this.#ring[--number % EVENTS_MAX]!);
    return { items, next: number > oldest && items.length > 0 ? String(number) : null };
  }
  /** Oldest first. */
  list(): readonly RecordedClientEvent[] {
    if (this.#ring.length < EVENTS_MAX) return [...this.#ring];
    return [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
  }
}
