import type { Commit, Stream } from '@robustmq/journal';
import { Reader, WireError, Writer, type Runtime } from '@robustmq/wire';
import type { BatchSealer } from './batch-sealer.ts';
import type { KeyedStore } from './broker-types.ts';
import { KeyedStream, replayRecords } from './keyed-stream.ts';

/** A kind's name; the broker's own begin with `$`. */
const KIND = /^\$?[a-z-]{1,63}$/;
/** Values are put behind this byte, since an empty record removes its key. */
const PRESENT = 1;

/**
 * The small durable maps of one namespace (`Namespace.keyed`): one stream for all kinds, so that a namespace costs one
 * open stream however many there are. Key: kind (uvarint length) and key; value: a byte and the value.
 */
export class KeyedState {
  readonly #kinds = new Map<string, Kind>();
  readonly #keyed: KeyedStream;
  readonly #sealer: BatchSealer;
  readonly #runtime: Runtime;
  readonly #writer = new Writer();

  private constructor(stream: Stream, sealer: BatchSealer, runtime: Runtime) {
    this.#keyed = new KeyedStream(stream, sealer, runtime);
    this.#sealer = sealer;
    this.#runtime = runtime;
  }

  static async recover(stream: Stream, sealer: BatchSealer, runtime: Runtime): Promise<KeyedState> {
    const state = new KeyedState(stream, sealer, runtime);
    await replayRecords(stream, runtime, (record) => {
      const key = record.key();
      if (key === null) return;
      try {
        const r = new Reader(key);
        const { values } = state.store(r.text(r.uvarint()));
        const name = r.text(r.remaining);
        const value = record.value();
        if (value === null || value.length === 0) values.delete(name);
        else values.set(name, Buffer.from(value.subarray(1)));
      } catch (error) {
        if (!(error instanceof WireError) && !(error instanceof RangeError)) throw error;
        runtime.log.error({ stream: stream.name, offset: record.offset, error }, 'a keyed record is unreadable');
      }
    });
    return state;
  }

  /** The map of one kind. Throws RangeError for a name that is none. */
  store(kind: string): Kind {
    let store = this.#kinds.get(kind);
    if (store === undefined) {
      if (!KIND.test(kind)) throw new RangeError(`${kind} is no kind of keyed state`);
      store = new Kind((key, value) => this.#put(kind, key, value));
      this.#kinds.set(kind, store);
    }
    return store;
  }
  /** Bytes held on the medium. */
  get sizeBytes(): number {
    return this.#keyed.sizeBytes;
  }
  /** Housekeeping: see KeyedStream. */
  compact(): void {
    this.#keyed.compact(() => {
      for (const [kind, { values }] of this.#kinds) for (const [key, value] of values) this.#put(kind, key, value);
    });
  }

  #put(kind: string, key: string, value: Buffer | null): Commit {
    const w = this.#writer;
    w.reset();
    w.uvarint(Buffer.byteLength(kind)).text(kind);
    w.text(key);
    const name = w.toBuffer();
    if (value === null) this.#keyed.remove(name, this.#runtime.nowMs());
    else {
      w.reset();
      w.u8(PRESENT).bytes(value);
      this.#keyed.put(name, w.view(), null, this.#runtime.nowMs());
    }
    return this.#sealer.journal.current;
  }
}

/** One kind's map. */
class Kind implements KeyedStore {
  readonly values = new Map<string, Buffer>();
  readonly #put: (key: string, value: Buffer | null) => Commit;

  constructor(put: (key: string, value: Buffer | null) => Commit) {
    this.#put = put;
  }
  get(key: string): Buffer | undefined {
    return this.values.get(key);
  }
  entries(): Iterable<readonly [string, Buffer]> {
    return [...this.values];
  }
  set(key: string, value: Buffer): Commit {
    this.values.set(key, Buffer.from(value));
    return this.#put(key, value);
  }
  delete(key: string): Commit {
    this.values.delete(key);
    return this.#put(key, null);
  }
}
