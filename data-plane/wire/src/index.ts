export * from './wire-error.ts';
export * from './reader.ts';
export * from './writer.ts';
export * from './crc32c.ts';
export * from './hash.ts';
export * from './runtime.ts';
export * from './transport.ts';
export { ManualRuntime } from './testing/manual-runtime.ts';
