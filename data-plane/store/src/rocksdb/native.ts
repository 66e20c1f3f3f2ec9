import { createRequire } from 'node:module';
import { StoreError, type StoreErrorCode } from '../store-error.ts';

/** The part of `rocksdb-native` that the engine uses. Keys and values are bytes. */
export interface RocksDb {
  ready(): Promise<void>;
  close(): Promise<void>;
  write(): RocksDbBatch;
  /** In the order of keys; `capacity` entries are fetched at a time. */
  iterator(range: KeyRange, options?: IteratorOptions): AsyncIterable<RocksDbEntry>;
}
/** Changes that happen all or not at all. */
export interface RocksDbBatch {
  tryPut(key: Buffer, value: Buffer): void;
  tryDelete(key: Buffer): void;
  tryDeleteRange(start: Buffer, end: Buffer): void;
  flush(): Promise<void>;
  destroy(): void;
}
export interface KeyRange {
  readonly gte?: Buffer;
  readonly lt?: Buffer;
  readonly lte?: Buffer;
}
export interface IteratorOptions {
  readonly reverse?: boolean;
  readonly limit?: number;
  readonly capacity?: number;
}
export interface RocksDbEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}
export type RocksDbConstructor = new (path: string, options?: { readonly maxOpenFiles?: number }) => RocksDb;

/** What brings the engine in: it weighs 161 MB, so it is not among the dependencies. */
export const ROCKSDB_INSTALL = 'npm install rocksdb-native@3.18.1';

/** Loads `rocksdb-native` (found as any package is, and on NODE_PATH). Throws `engine-unknown`, which says how to get it. */
export function loadRocksDb(packageName = 'rocksdb-native'): RocksDbConstructor {
  try {
    return createRequire(import.meta.url)(packageName) as RocksDbConstructor;
  } catch (error) {
    throw new StoreError('engine-unknown', `rocksdb is not installed: ${ROCKSDB_INSTALL}`, { cause: error });
  }
}

const CODES: readonly (readonly [RegExp, StoreErrorCode])[] = [
  [/no space left/i, 'disk-full'],
  [/lock hold|\/LOCK/i, 'locked'],
  [/read-only file system|permission denied/i, 'read-only'],
  [/corruption|checksum mismatch/i, 'corrupt'],
  [/session is closed/i, 'closed'],
];

/** RocksDB's error as ours; it has codes only in its text. */
export function toRocksDbError(where: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const deepest = (error as { cause?: unknown } | null)?.cause ?? error;
  const text = deepest instanceof Error ? deepest.message : String(deepest);
  const code = CODES.find(([pattern]) => pattern.test(text))?.[1] ?? 'io';
  return new StoreError(code, `${where}: ${text.slice(0, 200)}`, { cause: error });
}
