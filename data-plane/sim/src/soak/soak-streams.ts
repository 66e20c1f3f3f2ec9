import { FileLogStore, openObjectStore, type ObjectStore } from '@robustmq/store';
import { Journal, type BatchBuilder, type StreamName, type StreamPolicy } from '@robustmq/journal';
import type { Cancel, Runtime } from '@robustmq/wire';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

const KEEP: StreamPolicy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1 };
const COMPACT = { cleanup: 'compact', compaction: { minDirtyRatio: 0.3 } } as const;

/** One stream of each kind; a record of any of them is a function of its stream and offset. */
export const SOAK_STREAMS: readonly { readonly name: StreamName; readonly policy: StreamPolicy }[] = [
  { name: 'plain' as StreamName, policy: KEEP },
  { name: 'trimmed' as StreamName, policy: { ...KEEP, tier: { coldAfterBytes: 50_000 } } },
  { name: 'by-size' as StreamName, policy: { ...KEEP, retentionBytes: 400_000, tier: { coldAfterBytes: 20_000 } } },
  { name: 'compacted' as StreamName, policy: { ...KEEP, ...COMPACT } },
  { name: 'compacted-cold' as StreamName, policy: { ...KEEP, ...COMPACT, tier: { coldAfterBytes: 10_000 } } },
  { name: 'elsewhere' as StreamName, policy: { ...KEEP, engine: 'second', retentionBytes: 300_000 } },
];
export const KEYS = 13;
const CLAIM_BYTES_MIN = 32 * 1024;
/** Every so many records one is large enough for a claim. */
const LARGE_EVERY = 97;

/** Time and chance of the machine. */
export const MACHINE: Runtime = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  afterPoll: (run) => void setImmediate(run),
  after: (delayMs, run): Cancel => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  every: (periodMs, run): Cancel => {
    const timer = setInterval(run, periodMs);
    return () => clearInterval(timer);
  },
  randomBytes,
  log: { debug() {}, info() {}, warn() {}, error() {} },
};

export interface Soaked {
  readonly journal: Journal;
  readonly objects: ObjectStore;
  readonly damages: readonly { readonly kind: string; readonly detail: string }[];
}
/** The journal over a directory: two media and objects as files. */
export async function openSoak(directory: string): Promise<Soaked> {
  const damages: { kind: string; detail: string }[] = [];
  const at = (name: string): string => join(directory, name);
  // Logs that are soon full, so that processes die in every step of a checkpoint: of ones that stay, and of sorted ones.
  const shared = { walBytesMax: 1_000_000, keptRunBytesMin: 2000, ownStreamsMax: 1, sharedPartsMax: 40 };
  const store = await FileLogStore.open({ directory: at('main'), ...shared });
  const second = await FileLogStore.open({ directory: at('second'), walBytesMax: 300_000 });
  for (const one of [store, second]) damages.push(...one.damages);
  const objects = await openObjectStore('file-objects', { runtime: MACHINE, directory: at('objects') });
  const sizes = { objectBytes: 64 * 1024, tailCacheBytesMax: 100_000, coldCacheBytesMax: 100_000 };
  const more = { orphanGraceMs: 0, claimBytesMin: CLAIM_BYTES_MIN };
  const journal = new Journal({ store, engines: { second }, runtime: MACHINE, objects, ...sizes, ...more });
  return { journal, objects, damages };
}

export function keyAt(offset: number): string {
  return `k${offset % KEYS}`;
}
/** The only value a record of stream `index` at `offset` can have. */
export function valueAt(index: number, offset: number): Buffer {
  const mixed = (offset * 2_654_435_761 + index * 40_503) >>> 0;
  const sizeBytes = offset % LARGE_EVERY === 5 ? CLAIM_BYTES_MIN + (mixed % 5000) : 12 + (mixed % 1500);
  const value = Buffer.alloc(sizeBytes, mixed & 0xff);
  value.writeDoubleBE(offset, 0);
  value.writeUInt32BE(index, 8);
  return value;
}
/** A batch of `count` records that will get the offsets from `offset` on. */
export function batchAt(builder: BatchBuilder, index: number, offset: number, count: number): Buffer {
  for (let i = 0; i < count; i++) {
    builder.add(Buffer.from(keyAt(offset + i)), valueAt(index, offset + i), null, MACHINE.nowMs() - 1);
  }
  return builder.build();
}
