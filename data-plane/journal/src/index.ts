export * from './commit.ts';
export * from './journal-types.ts';
