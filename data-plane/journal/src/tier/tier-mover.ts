import type { Chunk, ObjectStore } from '@robustmq/store';
import { JournalError } from '../journal-error.ts';
import type { StreamPolicy } from '../journal-types.ts';
import type { Manifest, Part } from './manifest.ts';
import { dataKey, epochPrefix, manifestKey } from './object-key.ts';
import { contentHash, encodeObject, type EncodedObject } from './object-layout.ts';
import { purgeEpochs, type StreamTiers } from './stream-tiers.ts';

/** Bytes read from the log at a time while an object is filled. */
const FILL_READ_BYTES = 1024 * 1024;
/** An object smaller than the target is made at most this often, so that age makes no crowd of small ones. */
export const SMALL_OBJECT_PERIOD_MS = 600_000;
/** Neighbouring small objects that become one: so many, or as many as fill one. */
export const MERGE_OBJECTS_MIN = 8;
const WARM_IDLE_MS = 3_600_000;
/** Object storage is looked through for objects nobody names this often, and after a start and a failure. */
const SCAN_PERIOD_MS = 3_600_000;
/** Objects one pass over a stream moves at most; the next pass goes on. */
const OBJECTS_PER_PASS_MAX = 64;

/**
 * Moves one stream between its tiers as its policy says: sealed chunks to object storage, what is read often back, and
 * removes objects nobody names. Every step can be cut short anywhere and done again: store the object (its key is its
 * content) → publish the manifest → trim the log.
 */
export class TierMover {
  readonly #tiers: StreamTiers;
  readonly #policy: StreamPolicy;
  readonly #nowMs: number;

  constructor(tiers: StreamTiers, policy: StreamPolicy, nowMs: number) {
    this.#tiers = tiers;
    this.#policy = policy;
    this.#nowMs = nowMs;
  }

  /** Moves what is due. A step that fails keeps no later one from its turn; the first error is thrown at the end. */
  async run(): Promise<void> {
    const tiers = this.#tiers;
    const steps = [() => tiers.trimLog()];
    if (tiers.host.cold !== null)
      steps.push(
        () => this.#moveAll(),
        () => this.#mergeSmall(),
        () => this.#warmUp(),
        () => this.#coolDown(),
      );
    steps.push(
      () => this.#removeStale(),
      () => this.#removeOrphans(),
    );
    const errors: unknown[] = [];
    for (const step of steps) {
      try {
        if (!tiers.isClosed) await step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  /** Copies the cold parts that hold `[from, to)` back to the medium. */
  async warm(from: number, to: number, reason: string): Promise<void> {
    for (const part of this.#tiers.manifest.parts) {
      if (part.nextOffset > from && part.baseOffset < to && !part.warm) await this.#copyBack(part, reason);
    }
  }

  /** The offset below which the policy wants chunks cold, and why. */
  async #due(): Promise<{ upTo: number; reason: string }> {
    const { log, lastReadMs } = this.#tiers;
    const { coldAfterMs, coldAfterBytes, coldAfterIdleMs } = this.#policy.tier ?? {};
    let due = { upTo: 0, reason: '' };
    const consider = (upTo: number, reason: string) => {
      if (upTo > due.upTo) due = { upTo, reason };
    };
    if (coldAfterMs !== undefined) {
      consider(await log.seekTime(this.#nowMs - coldAfterMs), `older than ${coldAfterMs} ms`);
    }
    if (coldAfterBytes !== undefined && log.sizeBytes > coldAfterBytes) {
      consider(log.seekSize(coldAfterBytes), `more than ${coldAfterBytes} bytes on the medium`);
    }
    if (coldAfterIdleMs !== undefined && this.#nowMs - lastReadMs >= coldAfterIdleMs) {
      consider(log.endOffset, `not read for ${coldAfterIdleMs} ms`);
    }
    // What a loss of power could still take must not be in an object: its offsets would be given out again.
    return { ...due, upTo: Math.min(due.upTo, log.stableOffset) };
  }
  async #moveAll(): Promise<void> {
    for (let made = 0; made < OBJECTS_PER_PASS_MAX; made++) {
      if (!(await this.#moveOne())) return;
    }
  }
  /** Moves one object's worth; false when nothing is due. */
  async #moveOne(): Promise<boolean> {
    const tiers = this.#tiers;
    const { upTo, reason } = await this.#due();
    const base = Math.max(tiers.endOffset, tiers.startOffset, tiers.log.startOffset);
    if (upTo <= base) return false;
    const chunks = await this.#fill(base, upTo);
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
    if (chunks.length === 0) return false;
    const isSmall = bytes < tiers.host.objectBytes;
    if (isSmall && this.#nowMs - tiers.lastSmallMoveMs < SMALL_OBJECT_PERIOD_MS) return false;
    const object = encodeObject(chunks);
    const part = await storeObject(tiers, object, 'cold', { compacted: false, horizonMs: null });
    const was = await tiers.publish((now) => withPart(now, part, tiers.log.startOffset), true);
    if (was === null) {
      // Trimmed meanwhile: nobody wants it.
      await tiers.dropObjects([part]);
      return true;
    }
    if (isSmall) tiers.lastSmallMoveMs = this.#nowMs;
    tiers.moved('to-cold', reason, part.baseOffset, part.nextOffset, part.sizeBytes);
    await tiers.trimLog();
    return !isSmall;
  }
  async #fill(base: number, upTo: number): Promise<Chunk[]> {
    const { log, host, name } = this.#tiers;
    const chunks: Chunk[] = [];
    let bytes = 0;
    for (let at = base; at < upTo && bytes < host.objectBytes;) {
      for (const chunk of await log.read(at, FILL_READ_BYTES)) {
        if (chunk.nextOffset > upTo || bytes >= host.objectBytes) return chunks;
        const expected = chunks.at(-1)?.nextOffset ?? this.#tiers.manifest.parts.at(-1)?.nextOffset;
        if (expected !== undefined && chunk.baseOffset !== expected) {
          throw new JournalError('corrupt', `${name}: a chunk begins at ${chunk.baseOffset}, not at ${expected}`);
        }
        chunks.push(chunk);
        bytes += chunk.bytes.length;
        at = chunk.nextOffset;
      }
    }
    return chunks;
  }

  /** Cold objects that age made small become one, so that their number, and requests, stay bounded by bytes. */
  async #mergeSmall(): Promise<void> {
    const tiers = this.#tiers;
    for (let made = 0; made < OBJECTS_PER_PASS_MAX; made++) {
      const run = smallRun(tiers.manifest.parts, tiers.host.objectBytes);
      if (run === null) return;
      const chunks: Chunk[] = [];
      for (const part of run) {
        for (let at = part.baseOffset; at < part.nextOffset; at = chunks.at(-1)!.nextOffset) {
          chunks.push(...(await tiers.host.reader.read(tiers.name, part, at, FILL_READ_BYTES)));
        }
      }
      const merged = await storeObject(tiers, encodeObject(chunks), 'cold', { compacted: false, horizonMs: null });
      const was = await tiers.publish((now) => withMerged(now, run, merged), true);
      await tiers.dropObjects(was === null ? [merged] : run);
      // Trimmed meanwhile, or the same bytes again: the next pass looks anew.
      if (was === null) return;
      tiers.moved('merge', `${run.length} small objects`, merged.baseOffset, merged.nextOffset, merged.sizeBytes);
    }
  }

  async #warmUp(): Promise<void> {
    const { warmAfterReads } = this.#policy.tier ?? {};
    if (warmAfterReads === undefined) return;
    for (const part of this.#tiers.manifest.parts) {
      const reads = this.#tiers.accesses.get(part.key)?.reads ?? 0;
      if (part.warm || reads < warmAfterReads) continue;
      await this.#copyBack(part, `${reads} reads`);
    }
  }
  async #copyBack(part: Part, reason: string): Promise<void> {
    const tiers = this.#tiers;
    const bytes = await tiers.host.reader.whole(tiers.name, part);
    if (bytes === null || !part.key.endsWith(`-${contentHash([bytes])}`)) {
      // Not asked for again before it is read as often as now.
      tiers.accesses.delete(part.key);
      throw new JournalError('corrupt', `${tiers.name}, object ${part.key} is not what was stored`);
    }
    await tiers.host.warm.put(part.key, bytes);
    // The time to cool down begins now, whoever asked.
    const access = tiers.accesses.get(part.key);
    if (access === undefined) tiers.accesses.set(part.key, { sinceMs: this.#nowMs, reads: 0, lastMs: this.#nowMs });
    else access.lastMs = this.#nowMs;
    const was = await tiers.publish((now) => withPartAs(now, part.key, { warm: true }), false);
    if (was === null) await tiers.host.warm.delete([part.key]);
    else tiers.moved('to-warm', reason, part.baseOffset, part.nextOffset, part.sizeBytes);
  }
  async #coolDown(): Promise<void> {
    const tiers = this.#tiers;
    const idleMs = this.#policy.tier?.warmIdleMs ?? WARM_IDLE_MS;
    for (const part of tiers.manifest.parts) {
      if (!part.warm || !part.cold) continue;
      const lastMs = tiers.accesses.get(part.key)?.lastMs ?? -Infinity;
      if (this.#nowMs - lastMs < idleMs) continue;
      if ((await tiers.publish((now) => withPartAs(now, part.key, { warm: false }), false)) === null) continue;
      tiers.accesses.delete(part.key);
      await tiers.host.warm.delete([part.key]);
      tiers.moved('drop-warm', `not read for ${idleMs} ms`, part.baseOffset, part.nextOffset, part.sizeBytes);
    }
  }

  /** Objects of removed streams of this name. */
  async #removeStale(): Promise<void> {
    const { name, manifest, host } = this.#tiers;
    if (manifest.staleEpochs.length === 0 || host.cold === null) return;
    await purgeEpochs(name, manifest.staleEpochs, [host.cold, host.warm]);
    await this.#tiers.publish((now) => ({ ...now, staleEpochs: [] }), false);
  }
  /** Objects that a crash or a failed deletion left, when the grace has passed. */
  async #removeOrphans(): Promise<void> {
    const tiers = this.#tiers;
    if (this.#nowMs < tiers.scanAtMs) return;
    const { cold, warm, orphanGraceMs } = tiers.host;
    const prefix = epochPrefix(tiers.name, tiers.manifest.epoch);
    const coldKeys = cold === null ? [] : await listAll(cold, prefix);
    const warmKeys = await listAll(warm, prefix);
    if (cold !== null)
      await this.#removeManifests(
        cold,
        coldKeys.filter((key) => key.startsWith(`${prefix}manifest/`)),
      );
    const { parts } = tiers.manifest;
    const isOrphan = (key: string, tier: 'cold' | 'warm') =>
      key.startsWith(`${prefix}data/`) && !parts.some((part) => part[tier] && part.key === key);
    const { claims } = tiers;
    const isUnclaimed = (key: string) => key.startsWith(`${prefix}claim/`) && !claims.isDamaged && !claims.isNamed(key);
    const found = new Map<string, { store: ObjectStore; key: string }>();
    for (const key of warmKeys) if (isOrphan(key, 'warm')) found.set(`warm ${key}`, { store: warm, key });
    if (cold !== null) {
      for (const key of coldKeys) {
        if (isUnclaimed(key)) found.set(`claim ${key}`, { store: cold, key });
      }
      for (const key of coldKeys) if (isOrphan(key, 'cold')) found.set(`cold ${key}`, { store: cold, key });
    }
    const since = tiers.orphansSinceMs;
    for (const id of since.keys()) if (!found.has(id)) since.delete(id);
    let left = 0;
    for (const [id, { store, key }] of found) {
      if (!since.has(id)) since.set(id, this.#nowMs);
      if (this.#nowMs - since.get(id)! < orphanGraceMs) {
        left++;
        continue;
      }
      // A claim may have been appended since the keys were listed.
      if (id.startsWith('claim ') && !isUnclaimed(key)) continue;
      await store.delete([key]);
      since.delete(id);
      tiers.moved('orphan', id, 0, 0, 0);
    }
    tiers.scanAtMs = this.#nowMs + (left > 0 ? orphanGraceMs : SCAN_PERIOD_MS);
  }
  /** Object storage must have no manifest that names what is about to go. */
  async #removeManifests(cold: ObjectStore, found: readonly string[]): Promise<void> {
    if (found.length === 0 || (found.length === 1 && found[0] === this.#manifestKey())) return;
    await this.#tiers.publish((now) => now, true);
    await cold.delete(found.filter((key) => key !== this.#manifestKey()));
  }
  #manifestKey(): string {
    const { name, manifest } = this.#tiers;
    return manifestKey(name, manifest.epoch, manifest.generation);
  }
}

/** Stores an object where `tier` says; the same content goes to the same key, so doing it again changes nothing. */
export async function storeObject(
  tiers: StreamTiers,
  object: EncodedObject,
  tier: 'cold' | 'warm',
  facts: Pick<Part, 'compacted' | 'horizonMs'>,
): Promise<Part> {
  const { baseOffset, nextOffset, sizeBytes, dataBytes, maxTimestampMs, hash } = object;
  const key = dataKey(tiers.name, tiers.manifest.epoch, baseOffset, hash);
  const known = tiers.manifest.parts.find((part) => part.key === key);
  if (known !== undefined) return { ...known, ...facts };
  const { cold, warm } = tiers.host;
  if (tier === 'cold') await cold!.put(key, object.buffers, { ifAbsent: true, signal: tiers.signal });
  else await warm.put(key, object.buffers);
  return {
    key,
    baseOffset,
    nextOffset,
    sizeBytes,
    dataBytes,
    maxTimestampMs,
    cold: tier === 'cold',
    warm: tier === 'warm',
    ...facts,
  };
}

/** The manifest with a part behind its others; null when it no longer follows them or lies below the start. */
function withPart(now: Manifest, part: Part, logStart: number): Manifest | null {
  const last = now.parts.at(-1);
  const startOffset = last === undefined ? Math.max(now.startOffset, logStart) : now.startOffset;
  if (part.nextOffset <= startOffset || (last !== undefined && last.nextOffset !== part.baseOffset)) return null;
  if (last === undefined && part.baseOffset > startOffset) return null;
  return { ...now, startOffset, parts: [...now.parts, part] };
}
/** Neighbours to be merged, oldest first; null when there are none. Copies on the medium and compacted ones stay apart. */
function smallRun(parts: readonly Part[], objectBytes: number): readonly Part[] | null {
  let run: Part[] = [];
  let bytes = 0;
  for (const part of parts) {
    const isSmall = part.cold && !part.warm && !part.compacted && part.dataBytes * 2 < objectBytes;
    if (run.length > 1 && (bytes + part.dataBytes > objectBytes || !isSmall)) {
      if (run.length >= MERGE_OBJECTS_MIN || bytes * 2 >= objectBytes) return run;
      run = [];
      bytes = 0;
    } else if (!isSmall) {
      run = [];
      bytes = 0;
    }
    if (!isSmall) continue;
    run.push(part);
    bytes += part.dataBytes;
  }
  return run.length >= MERGE_OBJECTS_MIN ? run : null;
}
/** The manifest with one part in place of a run of neighbours; null when one of them is no longer as it was. */
function withMerged(now: Manifest, run: readonly Part[], merged: Part): Manifest | null {
  const at = now.parts.findIndex((part) => part.key === run[0]!.key);
  if (at < 0 || run.some((part, i) => now.parts[at + i] !== part)) return null;
  return { ...now, parts: [...now.parts.slice(0, at), merged, ...now.parts.slice(at + run.length)] };
}
function withPartAs(now: Manifest, key: string, change: Partial<Part>): Manifest | null {
  if (!now.parts.some((part) => part.key === key)) return null;
  return { ...now, parts: now.parts.map((part) => (part.key === key ? { ...part, ...change } : part)) };
}

async function listAll(
  store: { list(prefix: string, after?: string): Promise<readonly { key: string }[]> },
  prefix: string,
): Promise<string[]> {
  const keys: string[] = [];
  for (let page = await store.list(prefix); page.length > 0; page = await store.list(prefix, keys.at(-1))) {
    for (const { key } of page) keys.push(key);
  }
  return keys;
}
