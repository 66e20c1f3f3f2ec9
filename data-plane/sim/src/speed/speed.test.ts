import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { appendSpeeds, readSpeeds } from './journal-speed.ts';

it('measures appends and reads of every tier beside the limit of the medium', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'robustmq-speed-'));
  try {
    const options = { directory, rounds: 1, measureMs: 1, readBytes: 4 * 1024 * 1024 };
    const speeds = [...(await appendSpeeds(options, ['memory', 'file'])), ...(await readSpeeds(options))];
    expect(speeds).toHaveLength(15);
    for (const { ours, limits } of speeds) {
      expect(ours[0]).toBeGreaterThan(0);
      expect(limits[0]).toBeGreaterThan(0);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}, 60_000);
