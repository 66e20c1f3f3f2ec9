import { appendFile, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scratchDirectory, usageWindow } from './testing/fixtures.ts';
import { UsageSpool } from './usage-spool.ts';

describe('UsageSpool', () => {
  let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
  beforeEach(async () => {
    scratch = await scratchDirectory();
  });
  afterEach(() => scratch.remove());

  const lastSegment = async (dir: string): Promise<string> =>
    join(
      dir,
      (await readdir(dir))
        .filter((name) => name.endsWith('.spool'))
        .sort()
        .at(-1)!,
    );

  it('delivers every window in order and at least once, whatever the order of appends, acknowledgements and crashes', async () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 0, max: 40 }) }),
      fc.record({ kind: fc.constant('deliver' as const), limit: fc.integer({ min: 1, max: 30 }), lost: fc.boolean() }),
      fc.record({ kind: fc.constant('crash' as const), torn: fc.string({ maxLength: 30 }) }),
    );
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
        run += 1;
        const dir = join(scratch.dir, String(run));
        let spool = await UsageSpool.open(dir);
        let seq = 0;
        const delivered = new Set<number>();
        let acknowledged = 0;
        const deliver = async (limit: number, lost: boolean): Promise<boolean> => {
          const batch = await spool.peek(limit);
          if (!batch) return false;
          const seqs = batch.windows.map((window) => window.seq);
          expect(seqs).toEqual(seqs.map((_, i) => acknowledged + 1 + i));
          for (const one of seqs) delivered.add(one);
          if (lost) return true;
          await spool.acknowledge(batch.throughPosition);
          acknowledged = seqs.at(-1)!;
          return true;
        };
        for (const step of actions) {
          if (step.kind === 'append') {
            await spool.append(Array.from({ length: step.count }, () => usageWindow((seq += 1))));
          } else if (step.kind === 'deliver') await deliver(step.limit, step.lost);
          else {
            await spool.close();
            // What a crash in the middle of an append leaves behind the last good line.
            if (seq > 0) await appendFile(await lastSegment(dir), step.torn);
            spool = await UsageSpool.open(dir);
            expect(spool.pending).toBe(seq - acknowledged);
          }
        }
        while (await deliver(1_000, false));
        expect(delivered.size).toBe(seq);
        expect(spool.pending).toBe(0);
        expect(spool.damagedLines).toBe(0);
        await spool.close();
      }),
      { numRuns: 60 },
    );
  });

  it('keeps a prefix of what it held when its last file is cut anywhere', async () => {
    const dir = join(scratch.dir, 'cut');
    const whole = await UsageSpool.open(dir);
    await whole.append(Array.from({ length: 20 }, (_, i) => usageWindow(i + 1)));
    await whole.close();
    const path = await lastSegment(dir);
    const bytes = await readFile(path);
    for (let size = bytes.length; size >= 0; size -= 97) {
      await writeFile(path, bytes);
      await truncate(path, size);
      const spool = await UsageSpool.open(dir);
      const seqs = (await spool.peek(1_000))?.windows.map((window) => window.seq) ?? [];
      expect(seqs).toEqual(seqs.map((_, i) => i + 1));
      expect(seqs.length).toBe(bytes.subarray(0, size).toString().split('\n').length - 1);
      await spool.append([usageWindow(99)]);
      expect((await spool.peek(1_000))?.windows.at(-1)?.seq).toBe(99);
      await spool.close();
    }
  });

  it('counts lines that the disk damaged, and delivers the others', async () => {
    const dir = join(scratch.dir, 'damaged');
    const whole = await UsageSpool.open(dir);
    await whole.append([usageWindow(1), usageWindow(2), usageWindow(3)]);
    await whole.close();
    const path = await lastSegment(dir);
    const lines = (await readFile(path, 'utf8')).split('\n');
    await writeFile(path, [lines[0], lines[1]!.replace('mqtt', 'mqtx'), lines[2], ''].join('\n'));
    const spool = await UsageSpool.open(dir);
    expect(spool.damagedLines).toBe(1);
    expect((await spool.peek(10))?.windows.map((window) => window.seq)).toEqual([1, 3]);
    await spool.close();
  });

  it('refuses to grow beyond its limit and loses nothing it holds', async () => {
    const dir = join(scratch.dir, 'full');
    const spool = await UsageSpool.open(dir, 2_000);
    await spool.append([usageWindow(1), usageWindow(2)]);
    const many = Array.from({ length: 20 }, (_, i) => usageWindow(i + 3));
    await expect(spool.append(many)).rejects.toMatchObject({ code: 'spool-full' });
    expect((await spool.peek(100))?.windows).toHaveLength(2);
    await spool.close();
  });

  it('drops files once all their windows are acknowledged, and knows where each node was', async () => {
    const dir = join(scratch.dir, 'trim');
    const spool = await UsageSpool.open(dir);
    for (let i = 0; i < 30; i += 1) {
      await spool.append(Array.from({ length: 1_000 }, (_, j) => usageWindow(i * 1_000 + j + 1)));
    }
    const before = (await readdir(dir)).filter((name) => name.endsWith('.spool')).length;
    expect(before).toBeGreaterThan(1);
    for (;;) {
      const batch = await spool.peek(1_000);
      if (!batch) break;
      await spool.acknowledge(batch.throughPosition);
    }
    expect((await readdir(dir)).filter((name) => name.endsWith('.spool'))).toHaveLength(1);
    expect(await spool.lastSeqs()).toEqual(new Map([['shared/e1', 30_000]]));
    expect((await stat(join(dir, 'acknowledged'))).mode & 0o777).toBe(0o600);
    await spool.close();
  });
});
