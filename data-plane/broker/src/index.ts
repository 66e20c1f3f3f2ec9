export * from './message.ts';
export * from './publish-run.ts';
export * from './broker-types.ts';
export { type Commit } from '@robustmq/journal';
