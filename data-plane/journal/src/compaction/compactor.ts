import type { Chunk } from '@robustmq/store';
import { decodeRecords, type RecordView } from '../decode-records.ts';
import { JournalError } from '../journal-error.ts';
import type { StreamPolicy } from '../journal-types.ts';
import { CONTROL_BIT, readAttributes, readMaxTimestampMs } from '../record-batch.ts';
import { encodeObject } from '../tier/object-layout.ts';
import type { Manifest, Part } from '../tier/manifest.ts';
import type { StreamTiers } from '../tier/stream-tiers.ts';
import { readClaim } from '../tier/claim.ts';
import { storeObject } from '../tier/tier-mover.ts';
import { compactBatch } from './compact-batch.ts';

const READ_BYTES = 1024 * 1024;
/** Keys of one pass kept in memory, with their offsets; the range of the pass ends where they would be more. */
export const COMPACTION_KEYS_BYTES_MAX = 64 * 1024 * 1024;
const KEY_OVERHEAD_BYTES = 80;
const DELETE_RETENTION_MS = 86_400_000;
const MIN_DIRTY_RATIO = 0.5;
const NO_BYTES = Buffer.alloc(0);

/** The range one pass rewrites. */
interface Pass {
  readonly start: number;
  /** Below it everything was compacted before. */
  readonly clean: number;
  readonly end: number;
  /** Newest offset of each key at or above `clean`. */
  readonly newest: ReadonlyMap<string, number>;
}

/**
 * Log compaction of one stream: of records with the same key below a point only the newest is kept, at its offset. A
 * pass reads everything below that point, writes what is left as objects (to object storage when the stream is tiered,
 * else on the medium), publishes them in place of what they replace, and lets the log and the old objects go. Appends
 * go on meanwhile. Cut short anywhere, either the old or the new objects count, and the others are orphans.
 *
 * Where whole batches went, the chunk behind them covers their offsets; at the end of a range an empty chunk does.
 * Records without key, control batches and batches that cannot be decoded are kept as they are.
 */
export class Compactor {
  readonly #tiers: StreamTiers;
  readonly #policy: StreamPolicy;
  readonly #nowMs: number;

  constructor(tiers: StreamTiers, policy: StreamPolicy, nowMs: number) {
    this.#tiers = tiers;
    this.#policy = policy;
    this.#nowMs = nowMs;
  }

  /** Does one pass if it is due. Resolves with whether it did. */
  async run(): Promise<boolean> {
    const range = await this.#range();
    if (range === null) return false;
    const pass = await this.#map(range);
    const claimed: string[] = [];
    const parts = await this.#rewrite(pass, claimed);
    if (parts.length === 0) return false;
    const isCold = parts.some((part) => part.cold);
    const was = await this.#tiers.publish((now) => this.#replaced(now, parts, pass.end), isCold);
    if (was === null) {
      await this.#tiers.dropObjects(parts);
      return false;
    }
    const bytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
    this.#tiers.moved('compact', `${pass.newest.size} keys`, pass.start, pass.end, bytes);
    await this.#tiers.trimLog();
    await this.#tiers.dropObjects(was.parts);
    await this.#tiers.claims.drop(claimed);
    return true;
  }

  /** What a pass would rewrite; null when it is not worth it. */
  async #range(): Promise<Omit<Pass, 'newest'> | null> {
    const { log, manifest } = this.#tiers;
    const { minLagMs = 0, minDirtyRatio = MIN_DIRTY_RATIO } = this.#policy.compaction ?? {};
    const { parts } = manifest;
    const start = parts[0]?.baseOffset ?? Math.max(manifest.startOffset, log.startOffset);
    const tail = Math.min(await log.seekTime(this.#nowMs - minLagMs + 1), log.stableOffset);
    const end = Math.max(tail, this.#tiers.endOffset);
    // Compacted ones always come first.
    const dirtyParts = parts.filter((part) => !part.compacted);
    const clean = dirtyParts[0]?.baseOffset ?? this.#tiers.endOffset;
    const logShare = (end - this.#tiers.endOffset) / Math.max(1, log.endOffset - log.startOffset);
    const dirtyBytes = logShare * log.sizeBytes + sum(dirtyParts);
    const cleanBytes = sum(parts) - sum(dirtyParts);
    const isDirty = end > clean && dirtyBytes > 0 && dirtyBytes / (dirtyBytes + cleanBytes) >= minDirtyRatio;
    const isExpired = parts.some((part) => part.horizonMs !== null && part.horizonMs <= this.#nowMs);
    return (isDirty || isExpired) && end > start ? { start, clean: Math.min(clean, end), end } : null;
  }

  /** The newest offset of each key in the range not compacted yet, which is cut where they become too many. */
  async #map(range: Omit<Pass, 'newest'>): Promise<Pass> {
    const newest = new Map<string, number>();
    const partsEnd = this.#tiers.endOffset;
    let bytes = 0;
    let end = range.clean;
    for await (const chunk of this.#chunks(range.clean, range.end)) {
      visitKeys(await this.#resolved(chunk), (record) => {
        const key = keyOf(record);
        if (!newest.has(key)) bytes += key.length + KEY_OVERHEAD_BYTES;
        newest.set(key, record.offset);
      });
      // A range ends between chunks of the log, or between parts: never inside one.
      const at = chunk.nextOffset;
      if (at < partsEnd && this.#tiers.manifest.parts.every((part) => part.nextOffset !== at)) continue;
      end = at;
      if (bytes > COMPACTION_KEYS_BYTES_MAX) break;
    }
    return { ...range, end, newest };
  }

  /** Writes what is left of the range; adds to `claimed` the claims that are not needed any more. */
  async #rewrite(pass: Pass, claimed: string[]): Promise<Part[]> {
    const { host } = this.#tiers;
    const tier = host.cold !== null && this.#policy.tier !== undefined ? 'cold' : 'warm';
    const parts: Part[] = [];
    let chunks: Chunk[] = [];
    let bytes = 0;
    let horizonMs: number | null = null;
    let covered = pass.start;
    const seal = async (): Promise<void> => {
      if (chunks.length === 0) return;
      parts.push(await storeObject(this.#tiers, encodeObject(chunks), tier, { compacted: true, horizonMs }));
      chunks = [];
      bytes = 0;
      horizonMs = null;
    };
    for await (const chunk of this.#chunks(pass.start, pass.end)) {
      if (chunk.baseOffset < covered && parts.length + chunks.length === 0) covered = chunk.baseOffset;
      const left = await this.#left(chunk, pass, claimed);
      if (left.bytes === null) continue;
      chunks.push({ ...chunk, baseOffset: covered, bytes: left.bytes, timestampMs: readMaxTimestampMs(left.bytes) });
      covered = chunk.nextOffset;
      bytes += left.bytes.length;
      if (left.horizonMs !== null) horizonMs = Math.min(horizonMs ?? Infinity, left.horizonMs);
      if (bytes >= host.objectBytes) await seal();
    }
    if (covered < pass.end) {
      chunks.push({ baseOffset: covered, nextOffset: pass.end, timestampMs: -1, bytes: NO_BYTES });
    }
    await seal();
    return parts;
  }
  /** What is left of a chunk. A claim stays one when nothing of its batch went. */
  async #left(
    chunk: Chunk,
    pass: Pass,
    claimed: string[],
  ): Promise<{ bytes: Buffer | null; horizonMs: number | null }> {
    const claim = chunk.bytes.length === 0 ? null : readClaim(chunk.bytes);
    if (claim === null) return this.#compacted(chunk, pass);
    const resolved = await this.#resolved(chunk);
    // Its body is damaged: reading it says so, and nothing better can be made of it.
    if (resolved.bytes.length === 0) return { bytes: chunk.bytes, horizonMs: null };
    const left = this.#compacted(resolved, pass);
    if (left.bytes === resolved.bytes) return { ...left, bytes: chunk.bytes };
    claimed.push(claim.id);
    return left;
  }
  /** The chunk with the body that a claim names; an empty one where that is damaged. */
  async #resolved(chunk: Chunk): Promise<Chunk> {
    if (chunk.bytes.length === 0) return chunk;
    try {
      return await this.#tiers.claims.resolve(chunk);
    } catch (error) {
      if (!(error instanceof JournalError) || error.code !== 'corrupt') throw error;
      return { ...chunk, bytes: NO_BYTES };
    }
  }
  #compacted(chunk: Chunk, pass: Pass): { bytes: Buffer | null; horizonMs: number | null } {
    if (chunk.bytes.length === 0) return { bytes: null, horizonMs: null };
    if ((readAttributes(chunk.bytes) & CONTROL_BIT) !== 0) return { bytes: chunk.bytes, horizonMs: null };
    const isCompacted = chunk.baseOffset < pass.clean;
    try {
      return compactBatch(chunk.bytes, {
        isSuperseded: (record) => record.keyEnd >= 0 && (pass.newest.get(keyOf(record)) ?? -1) > record.offset,
        isCompacted,
        keptOffset: this.#tiers.log.endOffset - 1,
        nowMs: this.#nowMs,
        deleteRetentionMs: this.#policy.compaction?.deleteRetentionMs ?? DELETE_RETENTION_MS,
      });
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      return { bytes: chunk.bytes, horizonMs: null };
    }
  }

  /** Whole chunks of parts and log, from the one that holds `from` to the last one that ends at or below `end`. */
  async *#chunks(from: number, end: number): AsyncGenerator<Chunk> {
    for (let at = from; at < end;) {
      const { signal, endOffset, name, log, startOffset } = this.#tiers;
      if (signal.aborted) throw new JournalError('closed', name);
      // A trim may have been faster.
      at = Math.max(at, startOffset);
      if (at >= end) return;
      const chunks = at < endOffset ? await this.#tiers.read(at, READ_BYTES) : await log.read(at, READ_BYTES);
      if (chunks.length === 0) return;
      for (const chunk of chunks) {
        if (chunk.nextOffset > end) return;
        yield chunk;
        at = chunk.nextOffset;
      }
    }
  }
  /** The manifest with the new parts in place of all below `end`; null when they are wanted no more. */
  #replaced(now: Manifest, parts: readonly Part[], end: number): Manifest | null {
    const { log } = this.#tiers;
    const startOffset = now.parts.length > 0 ? now.startOffset : Math.max(now.startOffset, log.startOffset);
    if (startOffset >= end) return null;
    const kept = parts.filter((part) => part.nextOffset > startOffset);
    const behind = now.parts.filter((part) => part.baseOffset >= end);
    return { ...now, startOffset, parts: [...kept, ...behind] };
  }
}

/** A key as a string that is equal exactly when the bytes are. */
export function keyOf(record: RecordView): string {
  return record.data.toString('latin1', record.keyStart, record.keyEnd);
}
/** Visits the records with a key of a chunk; a chunk that is empty, control or cannot be decoded has none. */
export function visitKeys(chunk: Pick<Chunk, 'bytes'>, visit: (record: RecordView) => void): void {
  if (chunk.bytes.length === 0 || (readAttributes(chunk.bytes) & CONTROL_BIT) !== 0) return;
  try {
    decodeRecords(chunk.bytes, (record) => {
      if (record.keyEnd >= 0) visit(record);
    });
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
  }
}
function sum(parts: readonly Part[]): number {
  return parts.reduce((bytes, part) => bytes + part.dataBytes, 0);
}
