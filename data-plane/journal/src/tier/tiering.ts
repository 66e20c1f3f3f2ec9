import type { Log, LogStore, ObjectStore } from '@robustmq/store';
import type { Runtime } from '@robustmq/wire';
import { Compactor } from '../compaction/compactor.ts';
import type { StreamName, StreamPolicy } from '../journal-types.ts';
import { LogObjects } from './log-objects.ts';
import { decodeManifest, ManifestLog, manifestStreams, TIERED_NAME_BYTES_MAX, type Manifest } from './manifest.ts';
import { ClaimDesk } from './claim-desk.ts';
import type { Claim } from './claim.ts';
import { epochPrefix } from './object-key.ts';
import { ObjectMeter } from './object-meter.ts';
import { ObjectReader } from './object-reader.ts';
import { claimsLogName, claimStreams } from './stream-claims.ts';
import { purgeEpochs, StreamTiers, type TierHost } from './stream-tiers.ts';
import { TierMover } from './tier-mover.ts';

/** Bytes of chunks an object is filled with; that much memory per stream that moves. */
export const OBJECT_BYTES = 16 * 1024 * 1024;
/** Streams that move or compact at a time. */
export const TIERING_STREAMS_MAX = 2;
export const ORPHAN_GRACE_MS = 600_000;

export interface TieringOptions {
  readonly store: LogStore;
  readonly runtime: Runtime;
  readonly objects?: ObjectStore;
  readonly objectBytes?: number;
  readonly coldCacheBytesMax?: number;
  readonly orphanGraceMs?: number;
  readonly claimBytesMin?: number;
}

/** A stream as tiering sees it. */
export interface TieredStream {
  readonly name: StreamName;
  readonly policy: StreamPolicy;
  readonly log: Log;
  readonly isClosed: boolean;
  readonly isVolatile: boolean;
  objects: StreamTiers | null;
  /** Records below `before` were compacted. */
  forgetTail(before: number): void;
}

/** The objects of all streams of a journal: opening, the passes of the timer, removal. */
export class Tiering {
  readonly #host: TierHost;
  /** Requests to object storage by stream; null where there is none. */
  readonly meter: ObjectMeter | null;
  readonly #desk: ClaimDesk;
  /** Streams with claims on the medium when it was opened; null until somebody asks. */
  #claimed: Set<string> | null = null;
  /** Streams with a manifest on the medium; null until somebody asks. */
  #known: Set<string> | null = null;
  /** Removed streams whose objects are not verified to be gone. */
  #removals: Set<string> | null = null;
  #run: Promise<void> | null = null;

  constructor(options: TieringOptions) {
    const { store, runtime, coldCacheBytesMax } = options;
    const warm = new LogObjects(store);
    const cold = options.objects ?? null;
    this.#desk = new ClaimDesk(runtime, options.claimBytesMin);
    this.meter = cold === null ? null : new ObjectMeter(cold);
    this.#host = {
      store,
      runtime,
      cold,
      warm,
      reader: new ObjectReader({
        meter: this.meter,
        warm,
        runtime,
        ...(coldCacheBytesMax === undefined ? {} : { cacheBytesMax: coldCacheBytesMax }),
      }),
      objectBytes: options.objectBytes ?? OBJECT_BYTES,
      orphanGraceMs: options.orphanGraceMs ?? ORPHAN_GRACE_MS,
    };
  }
  /** Bytes of objects kept in memory. */
  get cachedBytes(): number {
    return this.#host.reader.cachedBytes;
  }

  /** Opens a stream's log and, if it has any, what belongs to it beside the log. */
  async open(name: StreamName): Promise<{ log: Log; objects: StreamTiers | null }> {
    const { store } = this.#host;
    const manifest = this.#knownStreams().has(name) ? await this.#load(name) : null;
    if (manifest === null) return { log: await store.open(name), objects: null };
    if (manifest.removed) {
      // The removal was cut short after its word was stable.
      await store.remove(claimsLogName(name));
      await store.remove(name);
      const log = await store.open(name);
      return { log, objects: await this.#begin(name, log, [...manifest.staleEpochs, manifest.epoch]) };
    }
    const log = await store.open(name);
    const objects = new StreamTiers(name, log, this.#hostOf(name), new ManifestLog(store, name), manifest);
    await objects.mend();
    this.#claimed ??= new Set(claimStreams(store));
    if (this.#claimed.delete(name)) await objects.claims.load(objects.startOffset);
    return { log, objects };
  }
  /** Gives a stream its first manifest if its policy needs one. Not while the stream is being opened or removed. */
  async prepare(stream: TieredStream): Promise<void> {
    if (stream.objects !== null || stream.isClosed) return;
    stream.objects = await this.#begin(stream.name, stream.log, []);
  }
  /** Whether the body of a batch of this size is to lie in object storage. */
  claims(stream: TieredStream, sizeBytes: number): boolean {
    if (this.#host.cold === null || stream.isClosed || stream.isVolatile) return false;
    if (stream.policy.durability !== 'flushed' || !this.#desk.takes(sizeBytes)) return false;
    return Buffer.byteLength(stream.name) <= TIERED_NAME_BYTES_MAX;
  }
  /** Stores the body of a batch of a stream that was prepared; null when the batch is to go through the log. */
  async claim(stream: TieredStream, batch: Buffer): Promise<Claim | null> {
    const { objects, name } = stream;
    return objects === null || objects.isClosed ? null : this.#desk.store(name, objects.claims, batch);
  }
  /** Whether a stream without manifest has anything to move or compact. */
  needs(stream: TieredStream): boolean {
    const { policy, log, name } = stream;
    const wants = compacts(policy) || (policy.tier !== undefined && this.#host.cold !== null);
    if (!wants || stream.isClosed || log.stableOffset === log.startOffset) return false;
    return Buffer.byteLength(name) <= TIERED_NAME_BYTES_MAX;
  }

  /** One pass over the streams; a call while one runs waits for that one. Errors are logged by stream. */
  run(streams: Iterable<TieredStream>, nowMs: number): Promise<void> {
    return (this.#run ??= this.#pass([...streams].values(), nowMs).finally(() => (this.#run = null)));
  }
  /** Copies cold objects that hold `[from, to)` back to the medium. */
  async warm(stream: TieredStream, from: number, to: number): Promise<void> {
    const { objects, policy } = stream;
    if (objects === null) return;
    const nowMs = this.#host.runtime.nowMs();
    await objects.work(() => new TierMover(objects, policy, nowMs).warm(from, to, 'asked for'));
  }

  /**
   * Removes a stream's log and objects. When it resolves the stream cannot come back; objects that could not be deleted
   * now are deleted by later passes.
   */
  async remove(name: StreamName, objects: StreamTiers | null): Promise<void> {
    const { store } = this.#host;
    if (!this.#knownStreams().has(name)) return store.remove(name);
    const wasBusy = objects?.isBusy ?? false;
    await objects?.stop();
    const manifest = objects?.manifest ?? (await this.#load(name));
    if (manifest !== null) await new ManifestLog(store, name).publish(asRemoved(manifest));
    await store.remove(claimsLogName(name));
    await store.remove(name);
    this.#removals?.add(name);
    // What was being stored when it was stopped may still arrive: the next pass looks again.
    await this.#finishRemoval(name, manifest, !wasBusy);
  }

  async #pass(streams: Iterator<TieredStream> & Iterable<TieredStream>, nowMs: number): Promise<void> {
    const work = async (): Promise<void> => {
      for (const stream of streams) await this.#one(stream, nowMs);
    };
    await Promise.all(Array.from({ length: TIERING_STREAMS_MAX }, work));
  }
  async #one(stream: TieredStream, nowMs: number): Promise<void> {
    const { objects, policy } = stream;
    if (objects === null || objects.isClosed) return;
    try {
      await objects.work(async () => {
        const mover = new TierMover(objects, policy, nowMs);
        try {
          if (compacts(policy) && (await new Compactor(objects, policy, nowMs).run())) {
            stream.forgetTail(objects.endOffset);
          }
        } finally {
          if (!objects.isClosed) await mover.run();
        }
      });
    } catch (error) {
      if (!objects.isClosed) this.#host.runtime.log.warn({ stream: stream.name, error }, 'tiering failed');
    }
  }

  /** What a stream works with: its requests to object storage are counted for it. */
  #hostOf(name: string): TierHost {
    return this.meter === null ? this.#host : { ...this.#host, cold: this.meter.store(name) };
  }
  #knownStreams(): Set<string> {
    return (this.#known ??= new Set(manifestStreams(this.#host.store)));
  }
  async #begin(name: StreamName, log: Log, staleEpochs: readonly string[]): Promise<StreamTiers> {
    this.#knownStreams().add(name);
    this.#removals?.delete(name);
    return StreamTiers.begin(name, log, this.#hostOf(name), staleEpochs);
  }
  /** The newest manifest; where the medium lost it, what object storage has, or the newest that can be read. */
  async #load(name: StreamName): Promise<Manifest | null> {
    const { manifest, damaged } = await new ManifestLog(this.#host.store, name).load();
    if (manifest === null || !damaged) return manifest;
    const remote = await this.#loadRemote(manifest).catch(() => null);
    const newest = remote !== null && remote.generation > manifest.generation ? remote : manifest;
    const { generation } = newest;
    this.#host.runtime.log.error({ stream: name, generation }, 'the manifest is damaged; an older generation is used');
    return newest;
  }
  async #loadRemote(last: Manifest): Promise<Manifest | null> {
    const { cold } = this.#hostOf(last.stream);
    if (cold === null) return null;
    const entry = (await cold.list(`${epochPrefix(last.stream, last.epoch)}manifest/`)).at(-1);
    return entry === undefined ? null : decodeManifest(await cold.getRange(entry.key, 0, entry.sizeBytes));
  }

  /** Removed streams whose objects are not verified to be gone: for each `finishRemoval` is due. */
  async pendingRemovals(): Promise<readonly StreamName[]> {
    if (this.#removals === null) {
      this.#removals = new Set();
      const there = new Set(this.#host.store.list());
      for (const name of this.#knownStreams()) {
        if (there.has(name)) continue;
        if ((await this.#load(name as StreamName))?.removed !== false) this.#removals.add(name);
      }
    }
    return [...this.#removals] as StreamName[];
  }
  /** Tries again to delete what is left of a removed stream. Not while a stream of the name is opened or removed. */
  async finishRemoval(name: StreamName): Promise<void> {
    if (this.#removals?.has(name) === true) await this.#finishRemoval(name, await this.#load(name), true);
  }
  async #finishRemoval(name: string, manifest: Manifest | null, isFinal: boolean): Promise<void> {
    const { cold, warm, store, runtime } = this.#hostOf(name);
    try {
      if (manifest !== null) {
        const epochs = [...manifest.staleEpochs, manifest.epoch];
        await purgeEpochs(name, epochs, cold === null ? [warm] : [cold, warm]);
        if (cold === null && manifest.parts.some((part) => part.cold)) return;
      }
      if (!isFinal) return;
      await new ManifestLog(store, name).remove();
      this.#known?.delete(name);
      this.#removals?.delete(name);
      this.meter?.forget(name);
    } catch (error) {
      runtime.log.warn({ stream: name, error }, 'objects of a removed stream are left; deleted later');
    }
  }
}

/** Tombstones keep their parts: they say whether object storage is needed to finish. */
function asRemoved(manifest: Manifest): Manifest {
  return { ...manifest, generation: manifest.generation + 1, removed: true };
}
function compacts(policy: StreamPolicy): boolean {
  return policy.cleanup === 'compact' || policy.cleanup === 'compact,delete';
}
