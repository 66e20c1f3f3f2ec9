import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { killRounds } from './kill-soak.ts';

const directory = mkdtempSync(join(tmpdir(), 'robustmq-soak-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('kill -9 under mixed load', () => {
  it('loses no acknowledged record and changes none, over 20 rounds', { timeout: 240_000 }, async () => {
    const { violations, acknowledged, compared } = await killRounds(directory, 20, 3, 150);
    expect(violations).toEqual([]);
    expect(acknowledged).toBeGreaterThan(1000);
    expect(compared).toBeGreaterThan(1000);
  });
});
