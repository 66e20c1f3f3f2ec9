import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileLogStore } from './file-log-store.ts';

const CHILD = fileURLToPath(new URL('../testing/append-until-killed.ts', import.meta.url));
const ROUNDS = 5;
const SIZES = { walBytesMax: 300_000, segmentBytesMax: 200_000 };

let directory = '';
beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), 'robustmq-kill-'))));
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Runs a real process that appends and flushes, and prints `stream offset` for all that was acknowledged. */
function start(): { child: ChildProcess; acknowledged: Map<string, number>; lines: () => number } {
  const child = spawn(process.execPath, [CHILD, directory, String(SIZES.walBytesMax), String(SIZES.segmentBytesMax)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const acknowledged = new Map<string, number>();
  let lines = 0;
  let rest = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    for (const line of parts) {
      const [stream, offset] = line.split(' ');
      acknowledged.set(stream!, Number(offset));
      lines++;
    }
  });
  return { child, acknowledged, lines: () => lines };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a process that is killed', () => {
  it('loses nothing it acknowledged, and its lock goes with it', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { child, acknowledged, lines } = start();
      await until(() => lines() > 30 + round * 40);
      if (round === 0) {
        await expect(FileLogStore.open({ directory, ...SIZES })).rejects.toMatchObject({ code: 'locked' });
      }
      child.kill('SIGKILL');
      await Promise.all([once(child, 'exit'), once(child.stdout!, 'close')]);
      const store = await FileLogStore.open({ directory, ...SIZES });
      expect(store.damages.filter((damage) => damage.kind === 'hole')).toEqual([]);
      for (const [stream, offset] of acknowledged) {
        const log = await store.open(stream);
        expect(log.endOffset).toBeGreaterThanOrEqual(offset);
        for (let at = log.startOffset; at < log.endOffset;) {
          for (const chunk of await log.read(at, 100_000)) {
            // The first chunk may begin below the start, which a trim put in its middle.
            if (at > log.startOffset) expect(chunk.baseOffset).toBe(at);
            expect(chunk.bytes.readDoubleBE(0)).toBe(chunk.baseOffset);
            at = chunk.nextOffset;
          }
        }
      }
      await store.close();
    }
  }, 60_000);

  it('cannot open a directory that this process holds, and two stores of one process cannot either', async () => {
    const store = await FileLogStore.open({ directory, ...SIZES });
    await expect(FileLogStore.open({ directory, ...SIZES })).rejects.toMatchObject({ code: 'locked' });
    const { child } = start();
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(3);
    await store.close();
  });
});
