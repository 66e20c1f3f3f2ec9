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
    testTimeout: 240_000,
    hookTimeout: 300_000,
    // real clients over two busy cores: a time-out that does not repeat is the machine's. Never hidden: every second try is
    // named at the end of the run
    retry: 1,
    reporters: ['default', './support/second-try-reporter.ts'],
    globalSetup: './support/shared-cloud.ts',
  },
});
