import { StoreError, type Chunk, type Log, type LogStore, type ObjectStore } from '@robustmq/store';
import type { Runtime } from '@robustmq/wire';
import { JournalError } from '../journal-error.ts';
import { claimOf, readClaim, settleBody, type Claim } from './claim.ts';
import { HIDDEN_PREFIX } from './manifest.ts';
import { claimKey } from './object-key.ts';
import type { ObjectReader } from './object-reader.ts';

const CLAIMS_PREFIX = `${HIDDEN_PREFIX}claims!`;
/** A body that was stored and not appended for so long counts as given up. */
export const CLAIM_PENDING_MS_MAX = 600_000;
const ID_BYTES = 16;
const READ_BYTES = 256 * 1024;

/** One claim that is in the stream. */
export interface ClaimEntry {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly id: string;
  readonly sizeBytes: number;
}
/** What the log of claims holds: one that came, or ids that went before their offsets did. */
type Line = ClaimEntry | { readonly gone: readonly string[] };

/**
 * A body is missing whose claim was let go since its chunk was read, by a trim or by compaction: who reads the offset
 * again finds what is there now. Still there when looked for once more, it is the damage its code says.
 */
export class BodyGoneError extends JournalError {}

/** What the claims of one stream work with. */
export interface ClaimHost {
  readonly store: LogStore;
  readonly cold: ObjectStore | null;
  readonly reader: ObjectReader;
  readonly runtime: Runtime;
}

export function claimsLogName(stream: string): string {
  return CLAIMS_PREFIX + stream;
}
/** Streams that have a log of claims on the medium. */
export function claimStreams(store: LogStore): string[] {
  const names = store.list().filter((name) => name.startsWith(CLAIMS_PREFIX));
  return names.map((name) => name.slice(CLAIMS_PREFIX.length));
}

/**
 * The large batches of one stream whose bodies are objects. A body is in object storage before its claim is appended;
 * the claim's line in the log of claims is appended with it and so rides on the same flush: both come back from a crash or
 * neither. The lines are the authority: an object under the stream's claims that no line names is an orphan.
 */
export class StreamClaims {
  readonly #stream: string;
  readonly #epoch: string;
  readonly #host: ClaimHost;
  #log: Log | null = null;
  /** Living ones by id, in the order of their offsets, each with the place of its line. */
  readonly #live = new Map<string, ClaimEntry & { readonly line: number }>();
  /** Stored and not appended yet, with the time they began. */
  readonly #pending = new Map<string, number>();
  #sizeBytes = 0;

  constructor(stream: string, epoch: string, host: ClaimHost) {
    this.#stream = stream;
    this.#epoch = epoch;
    this.#host = host;
  }
  /** Bytes of bodies in object storage. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }
  get count(): number {
    return this.#live.size;
  }
  /** Living claims in the order of their offsets. */
  entries(): IterableIterator<ClaimEntry> {
    return this.#live.values();
  }
  keyOf(id: string): string {
    return claimKey(this.#stream, this.#epoch, id);
  }
  /** Whether the object under the key belongs to a claim that is there or on its way. */
  isNamed(key: string): boolean {
    const id = key.slice(key.lastIndexOf('/') + 1);
    const since = this.#pending.get(id);
    if (since !== undefined && this.#host.runtime.nowMs() - since > CLAIM_PENDING_MS_MAX) this.#pending.delete(id);
    return this.#live.has(id) || this.#pending.has(id);
  }

  /** Reads the lines; those below `startOffset` are of the past. */
  async load(startOffset: number): Promise<void> {
    const log = await this.#open();
    for (let at = log.startOffset; at < log.endOffset;) {
      try {
        for (const chunk of await log.read(at, READ_BYTES)) {
          this.#replay(chunk, startOffset);
          at = chunk.nextOffset;
        }
      } catch (error) {
        // Without its line a claim can still be read; its object stays for good, for others must not be taken for orphans.
        if (!(error instanceof StoreError) || error.code !== 'corrupt' || (error.resumeAt ?? 0) <= at) throw error;
        this.#host.runtime.log.error({ stream: this.#stream, at, error }, 'a line of the log of claims is damaged');
        this.isDamaged = true;
        at = error.resumeAt!;
      }
    }
  }
  /** Lines were lost: no object under the claims may be called an orphan any more. */
  isDamaged = false;

  /** Stores the body of a batch. What `put` throws is thrown; the object then may be there and is an orphan. */
  async store(batch: Buffer, signal: AbortSignal): Promise<Claim> {
    await this.#open();
    const { cold, runtime } = this.#host;
    const claim = claimOf(batch, runtime.randomBytes(ID_BYTES).toString('hex'));
    this.#pending.set(claim.id, runtime.nowMs());
    try {
      await cold!.put(this.keyOf(claim.id), batch, { signal });
      return claim;
    } catch (error) {
      this.#pending.delete(claim.id);
      throw error;
    }
  }
  /** Whether the claim can be appended: its body is there and nobody takes it for an orphan. */
  has(claim: Claim): boolean {
    return this.#log !== null && this.#pending.has(claim.id);
  }
  /** The claim was appended at these offsets: its line follows, for the same flush. */
  appended(claim: Claim, chunk: Chunk, body: Buffer): void {
    const { baseOffset, nextOffset } = chunk;
    const { id, sizeBytes } = claim;
    this.#pending.delete(id);
    const line = this.#write({ baseOffset, nextOffset, id, sizeBytes });
    this.#add({ baseOffset, nextOffset, id, sizeBytes, line });
    this.#host.reader.keepBody(this.keyOf(id), body);
  }
  /**
   * The chunk as its writer sent it: itself, or with the body its claim names. Throws JournalError `corrupt` with
   * stream, offset, object and where to go on (BodyGoneError when the claim was let go meanwhile), or `unavailable`.
   */
  async resolve(chunk: Chunk): Promise<Chunk> {
    const claim = readClaim(chunk.bytes);
    if (claim === null) return chunk;
    const key = this.keyOf(claim.id);
    const body = await this.#host.reader.body(this.#stream, key, claim.sizeBytes, (bytes) =>
      settleBody(bytes, chunk.bytes, claim),
    );
    if (body !== null) return { ...chunk, bytes: body };
    const Missing = this.#live.has(claim.id) || this.isDamaged ? JournalError : BodyGoneError;
    throw new Missing('corrupt', `${this.#stream} at ${chunk.baseOffset}, object ${key}`, {
      resumeAt: chunk.nextOffset,
    });
  }

  /** Removes the bodies of claims that lie wholly below `before`, which is stable as the stream's start. */
  async dropBelow(before: number): Promise<void> {
    const gone: ClaimEntry[] = [];
    for (const entry of this.#live.values()) if (entry.nextOffset <= before) gone.push(entry);
    await this.#remove(gone);
  }
  /** Removes the bodies of claims that compaction let go. */
  async drop(ids: readonly string[]): Promise<void> {
    const gone = ids.map((id) => this.#live.get(id)).filter((entry) => entry !== undefined);
    if (gone.length === 0) return;
    this.#write({ gone: gone.map(({ id }) => id) });
    await this.#host.store.flush();
    await this.#remove(gone);
  }

  async #remove(gone: readonly ClaimEntry[]): Promise<void> {
    if (gone.length === 0) return;
    for (const { id, sizeBytes } of gone) {
      this.#host.reader.forgetBody(this.keyOf(id));
      if (this.#live.delete(id)) this.#sizeBytes -= sizeBytes;
    }
    const log = await this.#open();
    const first = this.#live.values().next().value;
    // Lines that name ids of the past go with the lines they speak of.
    const keep = first?.line ?? log.stableOffset;
    if (keep > log.startOffset && keep <= log.stableOffset) await log.trim(keep);
    if (this.#host.cold !== null) await this.#host.cold.delete(gone.map(({ id }) => this.keyOf(id)));
  }
  #replay(chunk: Chunk, startOffset: number): void {
    const line = JSON.parse(chunk.bytes.toString()) as Line;
    if ('gone' in line) {
      for (const id of line.gone) {
        this.#sizeBytes -= this.#live.get(id)?.sizeBytes ?? 0;
        this.#live.delete(id);
      }
    } else if (line.nextOffset > startOffset) this.#add({ ...line, line: chunk.baseOffset });
  }
  #add(entry: ClaimEntry & { readonly line: number }): void {
    this.#live.set(entry.id, entry);
    this.#sizeBytes += entry.sizeBytes;
  }
  /** Appends a line; answers its place. */
  #write(line: Line): number {
    const log = this.#log!;
    const baseOffset = log.endOffset;
    const bytes = Buffer.from(JSON.stringify(line));
    log.append({ baseOffset, nextOffset: baseOffset + 1, timestampMs: 0, bytes });
    return baseOffset;
  }
  async #open(): Promise<Log> {
    return (this.#log ??= await this.#host.store.open(claimsLogName(this.#stream)));
  }
}
