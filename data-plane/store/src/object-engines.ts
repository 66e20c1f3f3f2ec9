import type { Runtime } from '@robustmq/wire';
import type { ObjectStore } from './object-store.ts';
import { FileObjectStore } from './objects/file-object-store.ts';
import { LateObjectStore } from './objects/late-object-store.ts';
import { HdfsObjectStore, type HdfsObjectSettings } from './objects/hdfs-object-store.ts';
import { MemoryObjectStore } from './objects/memory-object-store.ts';
import { S3ObjectStore, type S3Settings } from './objects/s3-object-store.ts';
import { StoreError } from './store-error.ts';

/** What the cold engines are told; each takes its own part and throws `bad-config` when it is not there. */
export interface ObjectEngineConfig {
  readonly runtime: Runtime;
  /** `file-objects`: where the objects are. */
  readonly directory?: string;
  readonly s3?: S3Settings;
  readonly hdfs?: HdfsObjectSettings;
}

/** Every cold engine by its name in the configuration. A new engine is one file and one line here. */
export const OBJECT_ENGINES = {
  memory: () => Promise.resolve(new MemoryObjectStore()),
  'file-objects': (config) => FileObjectStore.open({ ...config, directory: given(config.directory, 'directory') }),
  s3: async (config) => S3ObjectStore.open(given(config.s3, 's3'), config.runtime),
  hdfs: async (config) => HdfsObjectStore.open(given(config.hdfs, 'hdfs'), config.runtime),
} as const satisfies Record<string, (config: ObjectEngineConfig) => Promise<ObjectStore>>;
export type ObjectEngineName = keyof typeof OBJECT_ENGINES;

/**
 * Opens an object store. Throws StoreError `engine-unknown`, `bad-config`, or what the engine finds; but a server that
 * does not answer, or not now, is no reason to refuse: then calls fail with `object-unavailable` until it does.
 */
export async function openObjectStore(engine: string, config: ObjectEngineConfig): Promise<ObjectStore> {
  if (!Object.hasOwn(OBJECT_ENGINES, engine)) {
    const known = Object.keys(OBJECT_ENGINES).join(', ');
    throw new StoreError('engine-unknown', `${engine}; there are ${known}`);
  }
  const open = (): Promise<ObjectStore> => OBJECT_ENGINES[engine as ObjectEngineName](config);
  try {
    return await open();
  } catch (error) {
    const isAway =
      error instanceof StoreError && (error.code === 'object-unavailable' || error.code === 'object-throttled');
    if (!isAway) throw error;
    return new LateObjectStore(engine, open, config.runtime, error);
  }
}

function given<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new StoreError('bad-config', `${name} is missing`);
  return value;
}
