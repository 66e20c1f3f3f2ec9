import { defineConfig } from 'vitest/config';

/** One test run over every room; Nest's decorators need their metadata. */
export default defineConfig({
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  test: {
    include: ['**/*.test.ts', '**/*.test.tsx'],
    setupFiles: ['./vitest.setup.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', 'e2e/**'],
    // Most files wait for processes, disks and timers of their own: one worker would leave a core idle.
    maxWorkers: 2,
    // nothing here is a promise about speed: a busy machine with a slow disk gets its time
    testTimeout: 90_000,
    hookTimeout: 180_000,
  },
});
