import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { appendCase, appendCases, appendSpeeds, readSpeeds, type Speed } from './journal-speed.ts';

it('measures appends and reads of every tier beside the limit of the medium', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'robustmq-speed-'));
  try {
    const options = { directory, rounds: 1, measureMs: 1, readBytes: 4 * 1024 * 1024 };
    const speeds: Speed[] = [];
    for (const words of appendCases(['memory', 'file']))
      speeds.push(...(await appendSpeeds(options, appendCase(words))));
    speeds.push(...(await readSpeeds(options)));
    expect(() => appendCase('file/1/1')).toThrow('no case');
    expect(speeds).toHaveLength(15);
    for (const { ours, limits } of speeds) {
      expect(ours[0]).toBeGreaterThan(0);
      expect(limits[0]).toBeGreaterThan(0);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}, 60_000);
