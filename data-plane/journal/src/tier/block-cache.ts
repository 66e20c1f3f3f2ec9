/**
 * Values by key, bounded in bytes; the one used longest ago goes first. What is larger than the bound is not kept.
 */
export class BlockCache<V> {
  readonly #bytesMax: number;
  /** In the order of use, oldest first. */
  readonly #entries = new Map<string, { readonly value: V; readonly sizeBytes: number }>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }
  get sizeBytes(): number {
    return this.#bytes;
  }
  has(key: string): boolean {
    return this.#entries.has(key);
  }
  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }
  set(key: string, value: V, sizeBytes: number): void {
    this.delete(key);
    if (sizeBytes > this.#bytesMax) return;
    this.#entries.set(key, { value, sizeBytes });
    this.#bytes += sizeBytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#bytesMax) break;
      this.delete(oldest);
    }
  }
  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.sizeBytes;
  }
}
