/** One message as the page shows it. */
export interface ShownMessage {
  /** 1, 2, 3 … in the order of arrival. */
  readonly number: number;
  readonly atMs: number;
  readonly topic: string;
  /** Text where it is UTF-8, else hexadecimal. */
  readonly text: string;
  readonly binary: boolean;
  readonly sizeBytes: number;
  /** True when `text` is only the beginning. */
  readonly cut: boolean;
  readonly qos: number;
  readonly retain: boolean;
}

const PREVIEW_BYTES_MAX = 4_096;
const HEX_BYTES_MAX = 256;

function textOf(payload: Uint8Array): { text: string; binary: boolean; cut: boolean } {
  const part = payload.subarray(0, PREVIEW_BYTES_MAX);
  const cut = payload.length > part.length;
  try {
    // `stream` forgives a character that the cut went through.
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(part, { stream: cut }), binary: false, cut };
  } catch {
    const hex = Array.from(payload.subarray(0, HEX_BYTES_MAX), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    return { text: hex, binary: true, cut: payload.length > HEX_BYTES_MAX };
  }
}

/** The newest messages of a subscription, newest first: however fast they come, memory stays bounded. */
export class MessageBuffer {
  readonly #messagesMax: number;
  #messages: ShownMessage[] = [];
  #count = 0;

  constructor(messagesMax: number) {
    this.#messagesMax = messagesMax;
  }

  /** Messages ever added. */
  get count(): number {
    return this.#count;
  }

  /** Messages that are no longer kept. */
  get dropped(): number {
    return this.#count - this.#messages.length;
  }

  add(topic: string, payload: Uint8Array, qos: number, retain: boolean, atMs: number): void {
    this.#count++;
    this.#messages.push({
      number: this.#count,
      atMs,
      topic,
      sizeBytes: payload.length,
      qos,
      retain,
      ...textOf(payload),
    });
    // Cut in halves, not one by one: shifting an array for every message would cost its whole length each time.
    if (this.#messages.length > 2 * this.#messagesMax) this.#messages = this.#messages.slice(-this.#messagesMax);
  }

  newestFirst(): ShownMessage[] {
    this.#messages = this.#messages.slice(-this.#messagesMax);
    return this.#messages.toReversed();
  }

  clear(): void {
    this.#messages = [];
    this.#count = 0;
  }
}
