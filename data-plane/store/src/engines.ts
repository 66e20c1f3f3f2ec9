import type { Log as TextLog } from '@robustmq/wire';
import { FileLogStore } from './file/file-log-store.ts';
import type { LogStore } from './log.ts';
import { MemoryLogStore } from './memory-log-store.ts';
import { RocksDbLogStore } from './rocksdb/rocksdb-log-store.ts';
import { StoreError } from './store-error.ts';

export interface EngineOptions {
  /** Where an engine that keeps files keeps them; it is made if it is absent. */
  readonly directory: string;
  /** Told of damage found and repaired. */
  readonly log?: TextLog;
}

/** Every hot engine by its name in the configuration. A new engine is one file and one line here. */
export const ENGINES = {
  memory: () => Promise.resolve(new MemoryLogStore()),
  file: (options) => FileLogStore.open(options),
  rocksdb: (options) => RocksDbLogStore.open(options),
} as const satisfies Record<string, (options: EngineOptions) => Promise<LogStore>>;
export type EngineName = keyof typeof ENGINES;

/** Opens a medium. Throws StoreError `engine-unknown`, or what the engine finds. */
export function openLogStore(engine: string, options: EngineOptions): Promise<LogStore> {
  if (!Object.hasOwn(ENGINES, engine)) {
    const known = Object.keys(ENGINES).join(', ');
    return Promise.reject(new StoreError('engine-unknown', `${engine}; there are ${known}`));
  }
  return ENGINES[engine as EngineName](options);
}
