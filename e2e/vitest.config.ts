import { defineConfig } from 'vitest/config';

/** Black-box tests: real processes, stock clients, one file after the other because they share two cores. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.e2e.ts'],
    fileParallelism: false,
    // a process per file: nothing that a test leaves open can keep the run from ending
    pool: 'forks',
    setupFiles: './support/end-stragglers.ts',
    testTimeout: 120_000,
    hookTimeout: 240_000,
    // real clients over two busy cores: a time-out that does not repeat is the machine's
    retry: 1,
    globalSetup: './support/shared-cloud.ts',
  },
});
