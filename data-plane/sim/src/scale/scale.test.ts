import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { measure, SCALES, type ScaleName } from './scale.ts';

const directory = mkdtempSync(join(tmpdir(), 'robustmq-scale-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it.each(Object.keys(SCALES) as ScaleName[])('the measurement %s works, a little', { timeout: 60_000 }, async (name) => {
  const figures = await measure(name, join(directory, name), { messages: 5000, streams: 50, restartBytes: 30e6 });
  for (const [what, figure] of Object.entries(figures)) expect([what, Number.isFinite(figure)]).toEqual([what, true]);
});
