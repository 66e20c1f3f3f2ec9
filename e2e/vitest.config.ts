import { defineConfig } from 'vitest/config';

/** Black-box tests: real processes, stock clients, one file after the other because they share two cores. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.e2e.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 240_000,
    globalSetup: './support/shared-cloud.ts',
  },
});
