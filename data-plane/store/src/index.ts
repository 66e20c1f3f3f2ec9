export * from './log.ts';
export * from './store-error.ts';
