import type { TestProject } from 'vitest/node';
import { CloudUnderTest } from './cloud.ts';

declare module 'vitest' {
  interface ProvidedContext {
    sharedCloud: { home: string; env: Record<string, string>; startedMs: number };
  }
}

/** One cloud for all tests that do not break it: started once, as a user would. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cloud = await CloudUnderTest.make();
  const tookMs = await cloud.start();
  process.stdout.write(`shared cloud ready after ${tookMs} ms\n`);
  project.provide('sharedCloud', { home: cloud.home, env: cloud.env as Record<string, string>, startedMs: tookMs });
  return () => cloud.dispose();
}
