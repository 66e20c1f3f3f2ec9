/** Packet ids are 1…65535 (§2.2.1). */
const PACKET_IDS = 65_535;
/** Sequence numbers between the oldest open exchange and the newest: less than PACKET_IDS, so ids never clash. */
const SPAN_MAX = 32_768;
const SPAN_INITIAL = 16;
/** Before the first exchange: most connections never have one. */
const NONE = new Uint8Array(0);

/** What an outbound exchange waits for. */
export const FREE = 0;
export const AWAITS_PUBACK = 1;
export const AWAITS_PUBREC = 2;
export const AWAITS_PUBCOMP = 3;
export type ExchangeState = typeof FREE | typeof AWAITS_PUBACK | typeof AWAITS_PUBREC | typeof AWAITS_PUBCOMP;

/**
 * Outbound QoS 1 and 2 exchanges by sequence number; the packet id is `sequence % 65535 + 1`. One byte per sequence in a
 * ring that begins at 16 with the first exchange and grows to 32 KiB only for a client that leaves the oldest open.
 *
 * Invariants: the sequence at `#oldest` is open or the table is empty; `#next - #oldest` ≤ SPAN_MAX.
 */
export class InFlight {
  /** Open exchanges. */
  open = 0;
  #states = NONE;
  #oldest = 0;
  #next = 0;

  /** Sequence of the next exchange of a session that numbers its own. */
  get next(): number {
    return this.#next;
  }

  /** Whether `sequence` may be opened now; if not, an old exchange must end first. */
  fits(sequence: number): boolean {
    return this.open === 0 || sequence - this.#oldest < SPAN_MAX;
  }

  /** Opens an exchange; sequences grow. Returns its packet id. */
  begin(sequence: number, state: ExchangeState): number {
    if (this.open === 0) this.#oldest = sequence;
    const span = sequence - this.#oldest + 1;
    if (span > this.#states.length) this.#grow(span);
    this.#states[sequence & (this.#states.length - 1)] = state;
    this.#next = sequence + 1;
    this.open++;
    return (sequence % PACKET_IDS) + 1;
  }

  /** Sequence of an open exchange by its packet id, −1 when there is none. */
  find(packetId: number): number {
    if (this.open === 0) return -1;
    const ahead = (packetId - 1 - (this.#oldest % PACKET_IDS) + PACKET_IDS) % PACKET_IDS;
    const sequence = this.#oldest + ahead;
    return sequence < this.#next && this.state(sequence) !== FREE ? sequence : -1;
  }

  state(sequence: number): ExchangeState {
    return this.#states[sequence & (this.#states.length - 1)] as ExchangeState;
  }

  setState(sequence: number, state: ExchangeState): void {
    this.#states[sequence & (this.#states.length - 1)] = state;
  }

  /** Ends the open exchange `sequence`. */
  end(sequence: number): void {
    const mask = this.#states.length - 1;
    this.#states[sequence & mask] = FREE;
    this.open--;
    while (this.#oldest < this.#next && this.#states[this.#oldest & mask] === FREE) this.#oldest++;
  }

  #grow(span: number): void {
    let size = Math.max(SPAN_INITIAL, this.#states.length);
    while (size < span) size *= 2;
    const grown = new Uint8Array(size);
    for (let s = this.#oldest; s < this.#next; s++) {
      grown[s & (size - 1)] = this.#states[s & (this.#states.length - 1)]!;
    }
    this.#states = grown;
  }
}
