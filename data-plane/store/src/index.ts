export * from './log.ts';
export * from './store-error.ts';
export { ChunkRun } from './chunk-run.ts';
export { MemoryLogStore } from './memory-log-store.ts';
