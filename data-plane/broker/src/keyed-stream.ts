import {
  decodeRecords,
  JournalError,
  readNextOffset,
  type RecordHeaders,
  type RecordView,
  type Stream,
} from '@robustmq/journal';
import type { Runtime } from '@robustmq/wire';
import { PendingBatch, type BatchSealer } from './batch-sealer.ts';

/** A stream is not rewritten below this size. */
const REWRITE_BYTES_MIN = 1024 * 1024;
/** A stream is rewritten when it holds this many times the bytes of its live records. */
const REWRITE_GARBAGE_RATIO = 4;
const REPLAY_READ_BYTES = 1024 * 1024;
/** A read that fails while a stream is replayed is tried so many times, the first repeat after this long, then twice that … */
const REPLAY_TRIES = 5;
const REPLAY_RETRY_MS = 100;
const EMPTY = Buffer.alloc(0);

/**
 * The last value of each key, as a stream: putting appends, an empty value removes the key. Compacted by appending all
 * live records again and trimming what is before them; a crash in between leaves both, which replays to the same map.
 */
export class KeyedStream {
  readonly #stream: Stream;
  readonly #pending: PendingBatch;
  readonly #sealer: BatchSealer;
  readonly #runtime: Runtime;
  /** Bytes the stream had after the last rewrite, or 0. */
  #rewrittenBytes = 0;
  #trimming = false;

  constructor(stream: Stream, sealer: BatchSealer, runtime: Runtime) {
    this.#stream = stream;
    this.#sealer = sealer;
    this.#runtime = runtime;
    this.#pending = new PendingBatch(stream, 1, sealer);
  }

  get sizeBytes(): number {
    return this.#stream.sizeBytes;
  }
  /** Stable with the journal's current commit. */
  put(key: Buffer, value: Buffer, headers: RecordHeaders | null, timestampMs: number): void {
    this.#pending.add(key, value, 0, value.length, headers, timestampMs);
  }
  remove(key: Buffer, timestampMs: number): void {
    this.put(key, EMPTY, null, timestampMs);
  }

  /** Rewrites the stream when it holds too much garbage; `putAll` puts every live record. */
  compact(putAll: () => void): void {
    const limit = Math.max(REWRITE_BYTES_MIN, REWRITE_GARBAGE_RATIO * this.#rewrittenBytes);
    if (this.#trimming || this.#stream.sizeBytes < limit) return;
    this.#sealer.sealAll();
    const begin = this.#stream.endOffset;
    const before = this.#stream.sizeBytes;
    putAll();
    this.#sealer.sealAll();
    this.#rewrittenBytes = this.#stream.sizeBytes - before;
    this.#trimming = true;
    this.#sealer.journal.current.onSettled((error) => {
      if (error !== null) return;
      this.#stream
        .trim(begin)
        .catch((cause: unknown) => this.#runtime.log.warn({ error: cause }, 'a stream could not be trimmed'))
        .finally(() => (this.#trimming = false));
    });
  }
}

/**
 * Visits all records of a stream of the broker's own. A damaged part is skipped where the journal knows how to go on,
 * and ends the visit where it does not; a batch that cannot be decoded is skipped from its first bad record on. All of it
 * is logged. Returns whether all was read. Rejects when the medium cannot be
 * read now: what it holds must not be taken for lost, since the next rewrite would make that true.
 */
export async function replayRecords(
  stream: Stream,
  runtime: Runtime,
  visit: (record: RecordView) => void,
): Promise<boolean> {
  let whole = true;
  for (let at = stream.startOffset; at < stream.stableOffset;) {
    try {
      const batches = await readPatiently(stream, at, runtime);
      if (batches.length === 0) return whole;
      for (const batch of batches) {
        const next = readNextOffset(batch);
        try {
          decodeRecords(batch, (record) => {
            if (record.offset < at) return;
            at = record.offset + 1;
            visit(record);
          });
        } catch (error) {
          if (!(error instanceof JournalError) || !error.code.startsWith('batch-')) throw error;
          runtime.log.error({ stream: stream.name, offset: at, resumeAt: next, error }, 'a stored batch is damaged');
          whole = false;
        }
        at = Math.max(at, next);
      }
    } catch (error) {
      if (!(error instanceof JournalError) || isPassing(error)) throw error;
      runtime.log.error({ stream: stream.name, offset: at, error }, 'stored records are damaged');
      whole = false;
      if (error.resumeAt === null || error.resumeAt <= at) return whole;
      at = error.resumeAt;
    }
  }
  return whole;
}

/** Whether the same read may succeed later, here or in another process. */
function isPassing({ code }: JournalError): boolean {
  return code === 'failed' || code === 'unavailable' || code === 'closed';
}

async function readPatiently(stream: Stream, at: number, runtime: Runtime): Promise<readonly Buffer[]> {
  for (let tries = 1; ; tries++) {
    try {
      return await stream.read(at, REPLAY_READ_BYTES);
    } catch (error) {
      const isWorthIt = error instanceof JournalError && isPassing(error) && error.code !== 'closed';
      if (!isWorthIt || tries === REPLAY_TRIES) throw error;
      runtime.log.warn({ stream: stream.name, offset: at, error }, 'a stream cannot be read now');
      await new Promise<void>((resolve) => void runtime.after(REPLAY_RETRY_MS * 2 ** (tries - 1), resolve));
    }
  }
}
