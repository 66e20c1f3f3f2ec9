export * from './log.ts';
export * from './store-error.ts';
export { ChunkRun } from './chunk-run.ts';
export { MemoryLogStore } from './memory-log-store.ts';
export { FileLogStore, SEGMENT_BYTES_MAX, WAL_BYTES_MAX, type FileLogStoreOptions } from './file/file-log-store.ts';
export { OPEN_SEGMENTS_MAX } from './file/segment.ts';
export type { Damage } from './file/damage.ts';
export { ENGINES, openLogStore, type EngineName, type EngineOptions } from './engines.ts';
