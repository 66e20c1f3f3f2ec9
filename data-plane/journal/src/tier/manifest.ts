import { StoreError, type Log, type LogStore } from '@robustmq/store';
import { JournalError } from '../journal-error.ts';

/** Names of logs the journal keeps for itself; no stream may be called so, and `Journal.list` leaves them out. */
export const HIDDEN_PREFIX = 'tier!';
const MANIFEST_PREFIX = `${HIDDEN_PREFIX}manifest!`;
/** Old generations are trimmed when there are this many. */
const GENERATIONS_KEPT_MAX = 8;
/** Longest stream name that can have a manifest: the log of the manifest carries it. */
export const TIERED_NAME_BYTES_MAX = 512 - MANIFEST_PREFIX.length;

/** One object of a stream: whole chunks covering offsets `[baseOffset, nextOffset)`. */
export interface Part {
  readonly key: string;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly sizeBytes: number;
  /** Bytes of chunks; the rest is the index. */
  readonly dataBytes: number;
  readonly maxTimestampMs: number;
  /** In object storage. */
  readonly cold: boolean;
  /** On the medium, as a log of its own. At least one of the two is true. */
  readonly warm: boolean;
  readonly compacted: boolean;
  /** Of a compacted part with records without value: the earliest time one of them may go. */
  readonly horizonMs: number | null;
}

/**
 * What belongs to a stream beside its log. Parts follow each other without a hole, and the log begins at or below the
 * end of the last one. Immutable: a change is the next generation.
 */
export interface Manifest {
  readonly format: 1;
  readonly stream: string;
  /** Random, in every object key: a stream made anew never meets the objects of the one before it. */
  readonly epoch: string;
  readonly generation: number;
  /** Nothing below it is served. */
  readonly startOffset: number;
  readonly parts: readonly Part[];
  /** Epochs of removed streams of this name whose objects may still be there. */
  readonly staleEpochs: readonly string[];
  /** The stream was removed and its objects are being removed. */
  readonly removed: boolean;
}

/** Where the parts of a manifest end; `startOffset` when there are none. */
export function partsEnd(manifest: Manifest): number {
  return manifest.parts.at(-1)?.nextOffset ?? manifest.startOffset;
}

/** Index of the part that holds `offset`, or of the first one behind it. */
export function partIndexAt(parts: readonly Part[], offset: number): number {
  let low = 0;
  let high = parts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (parts[middle]!.nextOffset > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function manifestLogName(stream: string): string {
  return MANIFEST_PREFIX + stream;
}
/** Streams that have a manifest on the medium. */
export function manifestStreams(store: LogStore): string[] {
  const names = store.list().filter((name) => name.startsWith(MANIFEST_PREFIX));
  return names.map((name) => name.slice(MANIFEST_PREFIX.length));
}

export function encodeManifest(manifest: Manifest): Buffer {
  return Buffer.from(JSON.stringify(manifest));
}
/** null for bytes that are no manifest. */
export function decodeManifest(bytes: Buffer): Manifest | null {
  try {
    const found = JSON.parse(bytes.toString()) as Manifest;
    return found.format === 1 && Array.isArray(found.parts) ? found : null;
  } catch {
    return null;
  }
}

/**
 * The manifest of one stream on the medium, newest generation last. It is the authority: a generation counts when it is
 * stable here, which is also what fences off an old owner where the medium is shared. Reads need nothing else.
 */
export class ManifestLog {
  readonly #store: LogStore;
  readonly #stream: string;
  #log: Log | null = null;

  constructor(store: LogStore, stream: string) {
    this.#store = store;
    this.#stream = stream;
  }
  /**
   * The newest generation; null when there never was one. `damaged` is the newest readable one behind which a later one
   * is damaged: only its epoch can be relied on.
   */
  async load(): Promise<{ manifest: Manifest | null; damaged: boolean }> {
    const log = await this.#open();
    let damaged = false;
    for (let at = log.endOffset - 1; at >= log.startOffset; at--) {
      try {
        const chunk = (await log.read(at, 1))[0];
        const manifest = chunk === undefined ? null : decodeManifest(chunk.bytes);
        if (manifest !== null) return { manifest, damaged };
      } catch (error) {
        if (!(error instanceof StoreError) || error.code !== 'corrupt') throw error;
      }
      damaged = true;
    }
    if (damaged) throw new JournalError('corrupt', `${this.#stream}: no generation of its manifest can be read`);
    return { manifest: null, damaged: false };
  }
  /** Resolves when the manifest is stable. */
  async publish(manifest: Manifest): Promise<void> {
    const log = await this.#open();
    const baseOffset = log.endOffset;
    log.append({ baseOffset, nextOffset: baseOffset + 1, timestampMs: 0, bytes: encodeManifest(manifest) });
    await this.#store.flush();
    if (log.endOffset - log.startOffset > GENERATIONS_KEPT_MAX) await log.trim(log.endOffset - 2);
  }
  async remove(): Promise<void> {
    this.#log = null;
    await this.#store.remove(manifestLogName(this.#stream));
  }
  async #open(): Promise<Log> {
    return (this.#log ??= await this.#store.open(manifestLogName(this.#stream)));
  }
}
