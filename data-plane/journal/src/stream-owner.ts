import { StoreError, type Chunk, type Log } from '@robustmq/store';
import type { Commit } from './commit.ts';
import { decodeRecords } from './decode-records.ts';
import { JournalError } from './journal-error.ts';
import { KeyIndex } from './compaction/key-index.ts';
import type { Stream, StreamMeter, StreamName, StreamPolicy, StreamTierReport } from './journal-types.ts';
import { patchBase, readLastOffsetDelta, readMaxTimestampMs } from './record-batch.ts';
import { BodyGoneError, type StreamClaims } from './tier/stream-claims.ts';
import type { StreamTiers } from './tier/stream-tiers.ts';
import { encodeClaim, readClaim, type Claim } from './tier/claim.ts';
import type { ObjectMeter } from './tier/object-meter.ts';
import { StreamTail, type TailCache } from './tail-cache.ts';

/** Bytes read at a time while looking for a record by time. */
const SEEK_READ_BYTES = 256 * 1024;
/** Times a read is planned anew because what it read moved meanwhile. */
const REPLANS_MAX = 16;
const NOTHING: readonly Buffer[] = Object.freeze([]);

/** What a stream asks of the journal it belongs to. */
export interface StreamHost {
  readonly tails: TailCache;
  /** Requests to object storage by stream; null where there is none. */
  readonly objectMeter: ObjectMeter | null;
  /** Told of every append; returns the commit that it rides on. */
  appended(stream: StreamOwner, sizeBytes: number): Commit;
  /** The commit an append gets that the medium refused. */
  refused(stream: StreamOwner, error: unknown): Commit;
  /** Whether a batch of this size is to leave its body in object storage, and how. */
  claims(stream: StreamOwner, sizeBytes: number): boolean;
  claim(stream: StreamOwner, batch: Buffer): Promise<Claim | null>;
  /** Brings cold objects that hold `[from, to)` back to the medium. */
  warm(stream: StreamOwner, from: number, to: number): Promise<void>;
  nowMs(): number;
}

interface Waiter {
  readonly offset: number;
  readonly callback: () => void;
}

/**
 * The single owner of one stream's tail. Invariant: `startOffset ≤ stableOffset ≤ endOffset`, and readers see nothing
 * at or above `stableOffset`.
 */
export class StreamOwner implements Stream {
  readonly name: StreamName;
  #policy: StreamPolicy;
  readonly meter: StreamMeter;
  readonly log: Log;
  readonly #host: StreamHost;
  readonly #tail = new StreamTail();
  readonly #waiters = new Set<Waiter>();
  #endOffset: number;
  #stableOffset: number;
  #closed = false;
  #keys: KeyIndex | null = null;
  #trimming: Promise<void> = Promise.resolve();
  /** What belongs to the stream beside its log; null as long as nothing does. Set by the journal. */
  objects: StreamTiers | null = null;
  /** Its medium keeps nothing: waiting for a flush would promise nothing. Set by the journal. */
  isVolatile = false;
  /** `endOffset` as of the flush that is running; belongs to the journal's flush. */
  flushingOffset = 0;
  /** True while the stream is on the journal's list of streams with appends since the last flush. */
  dirty = false;

  constructor(name: StreamName, policy: StreamPolicy, log: Log, host: StreamHost) {
    this.name = name;
    this.#policy = policy;
    this.log = log;
    this.#host = host;
    this.meter = new OwnerMeter(this, this.#tail, host.objectMeter);
    this.#limitTail();
    this.#endOffset = log.endOffset;
    this.#stableOffset = log.endOffset;
  }

  get policy(): StreamPolicy {
    return this.#policy;
  }
  /** Counts from the next append, retention and tiering pass; a smaller `hotBytes` at once. Only the journal sets it. */
  set policy(policy: StreamPolicy) {
    this.#policy = policy;
    this.#limitTail();
  }
  #limitTail(): void {
    const bytesMax = this.#policy.tier?.hotBytes ?? Infinity;
    if (bytesMax !== this.#tail.bytesMax) this.#host.tails.limit(this.#tail, bytesMax);
  }
  get startOffset(): number {
    return this.objects === null ? this.log.startOffset : this.objects.startOffset;
  }
  get endOffset(): number {
    return this.#endOffset;
  }
  get stableOffset(): number {
    return this.#stableOffset;
  }
  get sizeBytes(): number {
    return this.log.sizeBytes + (this.objects?.dataBytes ?? 0);
  }
  get isClosed(): boolean {
    return this.#closed;
  }

  get hasWaiters(): boolean {
    return this.#waiters.size > 0;
  }

  takesClaim(sizeBytes: number): boolean {
    return this.#host.claims(this, sizeBytes);
  }
  prepare(batch: Buffer): Promise<Claim | null> | null {
    return this.#host.claims(this, batch.length) ? this.#host.claim(this, batch) : null;
  }
  append(batch: Buffer, claim: Claim | null = null): Commit {
    const claims = claim === null ? undefined : this.objects?.claims;
    if (claims?.has(claim!) === true) return this.#appendClaim(batch, claim!, claims);
    const baseOffset = this.#endOffset;
    const nextOffset = baseOffset + readLastOffsetDelta(batch) + 1;
    patchBase(batch, baseOffset, 0);
    const chunk: Chunk = { baseOffset, nextOffset, timestampMs: readMaxTimestampMs(batch), bytes: batch };
    try {
      if (this.#closed) throw new JournalError('closed', this.name);
      this.log.append(chunk);
    } catch (error) {
      return this.#host.refused(this, error);
    }
    this.#endOffset = nextOffset;
    this.#host.tails.add(this.#tail, chunk);
    return this.#host.appended(this, batch.length);
  }

  #appendClaim(batch: Buffer, claim: Claim, claims: StreamClaims): Commit {
    patchBase(batch, this.#endOffset, 0);
    const baseOffset = this.#endOffset;
    const claimed = encodeClaim(batch, claim);
    const commit = this.append(claimed);
    if (this.#endOffset === baseOffset) return commit;
    claims.appended(claim, { baseOffset, nextOffset: this.#endOffset, timestampMs: 0, bytes: claimed }, batch);
    return commit;
  }

  read(from: number, bytesMax: number): readonly Buffer[] | Promise<readonly Buffer[]> {
    if (this.#closed) throw new JournalError('closed', this.name);
    if (from < this.startOffset || from > this.#endOffset) throw this.#outOfRange(from);
    if (from >= this.#stableOffset) return NOTHING;
    const chunks = this.#tail.chunks;
    const first = chunks.first;
    if (first === undefined || first.baseOffset > from) return this.#readBelow(from, bytesMax);
    this.#host.tails.touch(this.#tail);
    const found: Buffer[] = [];
    let bytes = 0;
    const hasClaims = this.objects !== null && this.objects.claims.count > 0;
    for (let i = chunks.indexOf(from); i < chunks.count; i++) {
      const chunk = chunks.at(i)!;
      if (chunk.nextOffset > this.#stableOffset) break;
      if (found.length > 0 && bytes + chunk.bytes.length > bytesMax) break;
      if (hasClaims && readClaim(chunk.bytes) !== null) {
        if (found.length > 0) break;
        return this.#readBelow(from, bytesMax);
      }
      found.push(chunk.bytes);
      bytes += chunk.bytes.length;
    }
    return found;
  }

  async offsetAtTime(timestampMs: number): Promise<{ offset: number; timestampMs: number } | null> {
    let plan = 1;
    for (let at = this.startOffset; at < this.#stableOffset;) {
      try {
        at = Math.max(await this.#seekTime(timestampMs, at), this.startOffset);
        if (at >= this.#stableOffset) return null;
        // From here on the batch may still have no such record: its newest was trimmed or compacted away.
        for (const raw of await this.#readChunks(at, SEEK_READ_BYTES)) {
          if (raw.nextOffset > this.#stableOffset) return null;
          const chunk = await this.#resolved(raw);
          at = chunk.nextOffset;
          const isLater = chunk.bytes.length > 0 && readMaxTimestampMs(chunk.bytes) >= timestampMs;
          const found = isLater ? this.#recordAtTime(chunk.bytes, timestampMs) : null;
          if (found !== null) return found;
        }
      } catch (thrown) {
        if (thrown instanceof BodyGoneError && plan++ < REPLANS_MAX) continue;
        const error = this.#translated(thrown);
        // The good ones behind the damage are looked at as well.
        if (!(error instanceof JournalError) || error.resumeAt === null || error.resumeAt <= at) throw error;
        at = error.resumeAt;
      }
    }
    return null;
  }

  onStableBeyond(offset: number, callback: () => void): () => void {
    if (this.#stableOffset > offset) {
      callback();
      return forgetNothing;
    }
    const waiter: Waiter = { offset, callback };
    this.#waiters.add(waiter);
    return () => this.#waiters.delete(waiter);
  }

  trim(before: number): Promise<void> {
    // One after the other: to a second one the medium would say it is done while the first is not stable yet.
    const done = this.#trimming.then(() => this.#trim(before));
    this.#trimming = done.catch(() => undefined);
    return done;
  }
  async #trim(before: number): Promise<void> {
    if (this.#closed) throw new JournalError('closed', this.name);
    if (before < 0 || before > this.#stableOffset) throw this.#outOfRange(before);
    try {
      if (this.objects === null) await this.log.trim(before);
      else await this.objects.trim(before);
    } catch (error) {
      throw this.#translated(error);
    }
    this.#host.tails.dropBelow(this.#tail, before);
  }

  offsetOfKey(key: Buffer): Promise<number | null> {
    this.#keys ??= new KeyIndex(this);
    return this.#keys.find(key);
  }

  tiers(): StreamTierReport {
    const parts = this.objects?.manifest.parts ?? [];
    const objects = parts.map(({ key, baseOffset, nextOffset, sizeBytes, maxTimestampMs, cold, warm, compacted }) => {
      return { key, baseOffset, nextOffset, sizeBytes, maxTimestampMs, cold, warm, compacted };
    });
    const claims = [...(this.objects?.claims.entries() ?? [])].map(({ id, baseOffset, nextOffset, sizeBytes }) => {
      return { key: this.objects!.claims.keyOf(id), baseOffset, nextOffset, sizeBytes };
    });
    const { hotBytes, warmBytes, coldBytes } = this.meter;
    return { hotBytes, warmBytes, coldBytes, objects, claims, moves: this.objects?.moves ?? [] };
  }

  async warm(from: number, to: number): Promise<void> {
    if (this.#closed) throw new JournalError('closed', this.name);
    await this.#host.warm(this, from, to);
  }

  /** Lets go what the policy no longer keeps. Returns whether anything went. */
  async enforceRetention(nowMs: number): Promise<boolean> {
    const { retentionMs, retentionBytes, cleanup = 'delete' } = this.policy;
    if (cleanup === 'compact') return false;
    const parts = this.objects?.manifest.parts ?? [];
    let before = this.startOffset;
    if (retentionMs >= 0) {
      const kept = parts.find((part) => part.maxTimestampMs >= nowMs - retentionMs);
      before = Math.max(before, kept?.baseOffset ?? (await this.log.seekTime(nowMs - retentionMs)));
    }
    if (retentionBytes >= 0 && this.sizeBytes > retentionBytes) {
      // Whole objects go first; the log is looked into only when all of them have to.
      let excess = this.sizeBytes - retentionBytes;
      const kept = parts.find((part) => (excess -= part.dataBytes) < 0);
      const claimBytes = this.objects?.claims.sizeBytes ?? 0;
      if (claimBytes === 0) before = Math.max(before, kept?.baseOffset ?? this.log.seekSize(retentionBytes));
      else before = Math.max(before, this.#oldestKept(retentionBytes));
    }
    before = Math.min(before, this.#stableOffset);
    if (this.#closed || before <= this.startOffset) return false;
    await this.trim(before);
    return true;
  }

  /** Where a stream with bodies begins that keeps `bytesMax`: objects and bodies by offset, then the log before the next. */
  #oldestKept(bytesMax: number): number {
    const pieces = [...(this.objects?.manifest.parts ?? []), ...(this.objects?.claims.entries() ?? [])];
    pieces.sort((a, b) => a.nextOffset - b.nextOffset);
    let left = this.sizeBytes - bytesMax;
    let before = this.startOffset;
    let behind = this.sizeBytes - this.log.sizeBytes;
    for (const piece of pieces) {
      const sizeBytes = 'dataBytes' in piece ? piece.dataBytes : piece.sizeBytes;
      if (sizeBytes > left)
        return Math.max(before, Math.min(this.log.seekSize(Math.max(0, bytesMax - behind)), piece.baseOffset));
      left -= sizeBytes;
      behind -= sizeBytes;
      before = piece.nextOffset;
    }
    return Math.max(before, this.log.seekSize(bytesMax));
  }

  /** Moves the stable offset; waiters are woken by `wake`, later. Only the journal calls it. */
  makeStable(offset: number): void {
    if (offset > this.#stableOffset) this.#stableOffset = offset;
  }
  /**
   * Calls the waiters whose offset is stable, in the order they came. One that throws stops nobody: `onError` gets it.
   */
  wake(onError: (error: unknown) => void): void {
    if (this.#waiters.size === 0) return;
    for (const waiter of this.#waiters) {
      // One that a callback adds is met here too, and is not due.
      if (waiter.offset >= this.#stableOffset || !this.#waiters.delete(waiter)) continue;
      try {
        waiter.callback();
      } catch (error) {
        onError(error);
      }
    }
  }
  /** What lies below `before` was compacted: the tail cache lets go what it has of before. */
  forgetTail(before: number): void {
    this.#host.tails.dropBelow(this.#tail, before);
  }
  /** The stream is gone or the journal closed: refuses from now on. */
  close(): void {
    this.#closed = true;
    this.#waiters.clear();
    this.#host.tails.clear(this.#tail);
  }

  async #readBelow(from: number, bytesMax: number): Promise<readonly Buffer[]> {
    if (this.objects !== null) this.objects.lastReadMs = this.#host.nowMs();
    const stable = this.#stableOffset;
    let plan = 1;
    for (let at = from; at < stable;) {
      try {
        const chunks = await this.#readChunks(at, bytesMax);
        const last = chunks.at(-1);
        if (last === undefined) break;
        const found = await this.#bodies(
          chunks.filter((chunk) => chunk.nextOffset <= stable && chunk.bytes.length > 0),
          bytesMax,
        );
        if (found.length > 0) return found;
        // Nothing is left of these offsets after compaction.
        at = last.nextOffset;
      } catch (error) {
        // Trimmed while it was read: what is missing is not damaged.
        if (!this.#closed && at < this.startOffset) throw this.#outOfRange(at);
        if (!(error instanceof BodyGoneError) || plan++ === REPLANS_MAX) throw this.#translated(error);
      }
    }
    return NOTHING;
  }
  /** The batches in chunks, bodies fetched, as far as they fit. Good ones in front of one that cannot be had come first. */
  async #bodies(chunks: readonly Chunk[], bytesMax: number): Promise<readonly Buffer[]> {
    const found: Buffer[] = [];
    let bytes = 0;
    for (const chunk of chunks) {
      const sizeBytes = readClaim(chunk.bytes)?.sizeBytes ?? chunk.bytes.length;
      if (found.length > 0 && bytes + sizeBytes > bytesMax) break;
      try {
        found.push((await this.#resolved(chunk)).bytes);
      } catch (error) {
        if (found.length === 0) throw error;
        break;
      }
      bytes += sizeBytes;
    }
    return found;
  }
  async #resolved(chunk: Chunk): Promise<Chunk> {
    return readClaim(chunk.bytes) === null || this.objects === null ? chunk : this.objects.claims.resolve(chunk);
  }
  /** Chunks from the one that holds `from`, of objects or of the log; what moves meanwhile is looked for again. */
  async #readChunks(from: number, bytesMax: number): Promise<readonly Chunk[]> {
    for (let plan = 1; ; plan++) {
      if (this.#closed) throw new JournalError('closed', this.name);
      try {
        if (this.objects === null || from >= this.objects.endOffset) {
          if (this.objects !== null && from < this.log.startOffset) throw this.#hole(from);
          return await this.log.read(from, bytesMax);
        }
        return await this.objects.read(from, bytesMax);
      } catch (error) {
        const moved = error instanceof StoreError && error.code === 'offset-out-of-range';
        if (!moved || plan === REPLANS_MAX || from < this.startOffset || from > this.#endOffset) throw error;
      }
    }
  }
  /** Base of the first chunk at or above `from` whose newest record is not older; `endOffset` when there is none. */
  async #seekTime(timestampMs: number, from: number): Promise<number> {
    const found = (await this.objects?.seekTime(timestampMs, from)) ?? null;
    if (found !== null) return found;
    const at = Math.max(from, this.objects?.endOffset ?? 0);
    return Math.max(await this.log.seekTime(timestampMs), at);
  }
  #recordAtTime(batch: Buffer, timestampMs: number): { offset: number; timestampMs: number } | null {
    let found: { offset: number; timestampMs: number } | null = null;
    decodeRecords(batch, (record) => {
      if (record.timestampMs < timestampMs || record.offset < this.startOffset) return true;
      found = { offset: record.offset, timestampMs: record.timestampMs };
      return false;
    });
    return found;
  }
  /** Neither objects nor log have it: a generation of the manifest was lost with the medium. */
  #hole(from: number): JournalError {
    const resumeAt = this.log.startOffset;
    return new JournalError('corrupt', `${this.name}, offsets ${from} to ${resumeAt - 1} are lost`, { resumeAt });
  }
  #outOfRange(offset: number): JournalError {
    return new JournalError(
      'offset-out-of-range',
      `${this.name} at ${offset}, holds ${this.startOffset} to ${this.#endOffset}`,
    );
  }
  #translated(error: unknown): unknown {
    if (!(error instanceof StoreError)) return error;
    const code =
      error.code === 'offset-out-of-range' || error.code === 'corrupt' || error.code === 'closed'
        ? error.code
        : 'failed';
    return new JournalError(code, error.where, { cause: error, resumeAt: error.resumeAt });
  }
}

/** The live numbers of one stream. */
class OwnerMeter implements StreamMeter {
  readonly #owner: StreamOwner;
  readonly #tail: StreamTail;
  readonly #objects: ObjectMeter | null;

  constructor(owner: StreamOwner, tail: StreamTail, objects: ObjectMeter | null) {
    this.#owner = owner;
    this.#tail = tail;
    this.#objects = objects;
  }
  get hotBytes(): number {
    return this.#tail.chunks.sizeBytes;
  }
  get warmBytes(): number {
    return this.#owner.log.sizeBytes + (this.#owner.objects?.warmBytes ?? 0);
  }
  get coldBytes(): number {
    return this.#owner.objects?.coldBytes ?? 0;
  }
  get objectRequests(): number {
    return this.#objects?.known(this.#owner.name)?.requests ?? 0;
  }
  get objectBytesWritten(): number {
    return this.#objects?.known(this.#owner.name)?.bytesWritten ?? 0;
  }
  get objectBytesRead(): number {
    return this.#objects?.known(this.#owner.name)?.bytesRead ?? 0;
  }
}

function forgetNothing(): void {}
