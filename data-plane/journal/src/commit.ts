type Settled = (error: Error | null) => void;

/**
 * One group commit: everything appended to one medium between two flushes shares one of these, so a turn of the loop
 * costs one object however many messages it carries. It settles once, with null when the appends are stable.
 */
export class Commit {
  #callbacks: Settled[] | null = [];
  #error: Error | null = null;
  /** Grows by one with every commit of a journal: the larger of two is the one to wait for. */
  readonly sequence: number;

  constructor(sequence: number) {
    this.sequence = sequence;
  }

  get settled(): boolean {
    return this.#callbacks === null;
  }
  get error(): Error | null {
    return this.#error;
  }
  /** Calls back when settled; at once when it already is. Callbacks run in the order they were given. */
  onSettled(callback: Settled): void {
    if (this.#callbacks === null) callback(this.#error);
    else this.#callbacks.push(callback);
  }
  /** Resolves when stable, rejects when the medium failed. For code that is not per message. */
  promise(): Promise<void> {
    return new Promise((resolve, reject) => this.onSettled((error) => (error ? reject(error) : resolve())));
  }
  /** Only the journal settles a commit. With `onCallbackError`, a callback that throws stops no other. */
  settle(error: Error | null, onCallbackError?: (thrown: unknown) => void): void {
    const callbacks = this.#callbacks;
    if (callbacks === null) return;
    this.#callbacks = null;
    this.#error = error;
    for (const callback of callbacks) {
      try {
        callback(error);
      } catch (thrown) {
        if (onCallbackError === undefined) throw thrown;
        onCallbackError(thrown);
      }
    }
  }
}
