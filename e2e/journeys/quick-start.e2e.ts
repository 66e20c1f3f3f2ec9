import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { CloudUnderTest } from '../support/cloud.ts';
import { ROOT, run } from '../support/process.ts';

/** A promise of the product, and the only speed that a test asserts: from a fresh clone to the first message. */
const PROMISE_MS = 5 * 60_000;

it('README from a fresh clone to the first message takes less than five minutes', async () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  // `npm start` itself: the install and the build that the test run did before it, and the start of the shared cloud
  expect(readme).toContain('npm start ');
  const preparedMs = Number(process.env['ROBUSTMQ_PREPARED_MS'] ?? 0);
  const startedMs = inject('sharedCloud').startedMs;

  const block = /## A first message\n[^`]*```sh\n([^`]*)```/.exec(readme);
  const commands = block![1]!.trim().split('\n');
  expect(commands.length).toBeGreaterThan(4);
  const scratch = mkdtempSync(join(tmpdir(), 'robustmq-quick-start-'));
  const cloud = CloudUnderTest.attach(inject('sharedCloud'));
  const env = {
    ...cloud.env,
    ...inject('sharedCloud').env,
    ROBUSTMQ_CONFIG: join(scratch, 'ctl.json'),
    PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH']}`,
  };
  const startedAt = Date.now();
  const printed: Record<string, string> = {};
  for (const command of commands) {
    const { code, stdout, stderr } = await run('bash', ['-c', command], { env, timeoutMs: 120_000 });
    expect(code, `${command}\n${stderr}`).toBe(0);
    printed[command.split(' ')[2]!] = stdout;
  }
  rmSync(scratch, { recursive: true, force: true });
  expect(printed['consume']).toContain('21.5');
  expect(printed['usage']).toBeDefined();

  const messageMs = Date.now() - startedAt;
  const totalMs = preparedMs + startedMs + messageMs;
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  const prepared = preparedMs > 0 ? `install and build ${seconds(preparedMs)} + ` : 'installed before + ';
  process.stdout.write(
    `quick start: ${prepared}start ${seconds(startedMs)} + first message ${seconds(messageMs)} = ${seconds(totalMs)}\n`,
  );
  expect(totalMs).toBeLessThan(PROMISE_MS);
});
