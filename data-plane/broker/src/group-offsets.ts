import type { Commit, Stream } from '@robustmq/journal';
import { Reader, Writer, WireError, type Runtime } from '@robustmq/wire';
import type { BatchSealer } from './batch-sealer.ts';
import type { CommittedOffset, GroupOffsets } from './broker-types.ts';
import { KeyedStream, replayRecords } from './keyed-stream.ts';

interface Entry extends CommittedOffset {
  readonly topic: string;
  readonly partition: number;
}

/**
 * Positions of consumer groups: a map in memory, and a keyed stream it is rebuilt from. Key: group, topic, partition;
 * value: offset, leader epoch, metadata.
 */
export class StoredGroupOffsets implements GroupOffsets {
  readonly #groups = new Map<string, Map<string, Entry>>();
  readonly #keyed: KeyedStream;
  readonly #sealer: BatchSealer;
  readonly #runtime: Runtime;
  readonly #writer = new Writer();

  constructor(stream: Stream, sealer: BatchSealer, runtime: Runtime) {
    this.#keyed = new KeyedStream(stream, sealer, runtime);
    this.#sealer = sealer;
    this.#runtime = runtime;
  }

  static async recover(stream: Stream, sealer: BatchSealer, runtime: Runtime): Promise<StoredGroupOffsets> {
    const offsets = new StoredGroupOffsets(stream, sealer, runtime);
    await replayRecords(stream, runtime, (record) => offsets.#replay(record.key(), record.value()));
    return offsets;
  }

  groups(): readonly string[] {
    return [...this.#groups.keys()];
  }
  get(group: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#groups.get(group)?.get(entryKey(topic, partition));
  }
  all(group: string): readonly Entry[] {
    return [...(this.#groups.get(group)?.values() ?? [])];
  }
  commit(group: string, offsets: readonly Entry[]): Commit {
    for (const entry of offsets) {
      this.#set(group, entry);
      this.#put(group, entry);
    }
    return this.#sealer.journal.current;
  }
  remove(group: string): Commit {
    for (const entry of this.all(group)) this.#keyed.remove(this.#key(group, entry), this.#runtime.nowMs());
    this.#groups.delete(group);
    return this.#sealer.journal.current;
  }
  /** Forgets the positions in a topic that is gone. */
  removeTopic(topic: string): void {
    for (const [group, entries] of this.#groups) {
      for (const [key, entry] of entries) {
        if (entry.topic !== topic) continue;
        this.#keyed.remove(this.#key(group, entry), this.#runtime.nowMs());
        entries.delete(key);
      }
      if (entries.size === 0) this.#groups.delete(group);
    }
  }
  /** Bytes held on the medium. */
  get sizeBytes(): number {
    return this.#keyed.sizeBytes;
  }
  /** Housekeeping: see KeyedStream. */
  compact(): void {
    this.#keyed.compact(() => {
      for (const [group, entries] of this.#groups) for (const entry of entries.values()) this.#put(group, entry);
    });
  }

  #set(group: string, entry: Entry): void {
    let entries = this.#groups.get(group);
    if (entries === undefined) this.#groups.set(group, (entries = new Map()));
    const { topic, partition, offset, leaderEpoch, metadata } = entry;
    entries.set(entryKey(topic, partition), { topic, partition, offset, leaderEpoch, metadata });
  }
  #put(group: string, entry: Entry): void {
    const key = this.#key(group, entry);
    this.#writer.reset();
    this.#writer.i64(entry.offset).i32(entry.leaderEpoch).text(entry.metadata);
    this.#keyed.put(key, this.#writer.view(), null, this.#runtime.nowMs());
  }
  #key(group: string, entry: Entry): Buffer {
    const w = this.#writer;
    w.reset();
    w.uvarint(Buffer.byteLength(group)).text(group);
    w.uvarint(Buffer.byteLength(entry.topic)).text(entry.topic);
    w.uvarint(entry.partition);
    return w.toBuffer();
  }
  #replay(key: Buffer | null, value: Buffer | null): void {
    try {
      if (key === null) return;
      const k = new Reader(key);
      const group = k.text(k.uvarint());
      const topic = k.text(k.uvarint());
      const partition = k.uvarint();
      if (value === null || value.length === 0) {
        const entries = this.#groups.get(group);
        entries?.delete(entryKey(topic, partition));
        if (entries?.size === 0) this.#groups.delete(group);
        return;
      }
      const v = new Reader(value);
      this.#set(group, { topic, partition, offset: v.i64(), leaderEpoch: v.i32(), metadata: v.text(v.remaining) });
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#runtime.log.error({ error }, 'a stored group offset is unreadable');
    }
  }
}

function entryKey(topic: string, partition: number): string {
  return `${partition} ${topic}`;
}
