import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NodeDisk, type DiskFile, type DiskMode } from '../file/disk.ts';
import { StoreError } from '../store-error.ts';
import type { Chunk } from '../log.ts';
import { MemoryLogStore } from '../memory-log-store.ts';
import { fill, logStoreSuite, readAll, testChunk } from '../testing/log-store-suite.ts';
import { chunkKey, encodeChunk } from './layout.ts';
import { loadRocksDb, toRocksDbError } from './native.ts';
import { RocksDbLogStore } from './rocksdb-log-store.ts';

function installed(): boolean {
  try {
    loadRocksDb();
    return true;
  } catch {
    return false;
  }
}
const isThere = installed();
const name = isThere ? 'rocksdb' : 'rocksdb (not run: the optional package rocksdb-native is not installed)';

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'robustmq-rocksdb-'));
  try {
    await run(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

describe('rocksdb-native', () => {
  it('says how to install it', () => {
    const load = () => loadRocksDb('rocksdb-that-is-not-there');
    expect(load).toThrow(expect.objectContaining({ code: 'engine-unknown' }));
    expect(load).toThrow('npm install rocksdb-native@');
  });
  it('has a code for what RocksDB says', () => {
    const texts = [
      'IO error: No space left on device',
      'Corruption: block checksum mismatch',
      'IO error: lock hold by current process',
      'IO error: x',
    ];
    const codes = texts.map((text) => toRocksDbError('w', new Error('Batch', { cause: new Error(text) })).code);
    expect(codes).toEqual(['disk-full', 'corrupt', 'locked', 'io']);
  });
});

/** Keeps what each file held when it was last synced. */
class WatchedDisk extends NodeDisk {
  synced = Buffer.alloc(0);
  fails = false;
  override async open(path: string, mode: DiskMode): Promise<DiskFile> {
    const file = await super.open(path, mode);
    const sync = file.sync.bind(file);
    file.sync = async () => {
      if (this.fails) throw new StoreError('io', 'injected');
      this.synced = await readFile(path);
      await sync();
    };
    return file;
  }
}

const tests = (): void => {
  logStoreSuite('rocksdb', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'robustmq-rocksdb-'));
    const open = () => RocksDbLogStore.open({ directory });
    return { store: await open(), reopen: open, cleanup: () => rm(directory, { recursive: true }) };
  });
  it('keeps a second one out', async () => {
    await withDirectory(async (directory) => {
      const store = await RocksDbLogStore.open({ directory });
      await expect(RocksDbLogStore.open({ directory })).rejects.toMatchObject({ code: 'locked' });
      await store.close();
      await (await RocksDbLogStore.open({ directory })).close();
    });
  });
  it('trims and truncates across blocks, before and after a restart', async () => {
    await withDirectory(async (directory) => {
      let store = await RocksDbLogStore.open({ directory });
      let log = await store.open('s');
      fill(log, 1_000, 100);
      await store.flush();
      const size = log.sizeBytes;
      await log.trim(300);
      await log.truncate(700);
      expect([log.startOffset, log.endOffset, log.sizeBytes]).toEqual([300, 700, (size * 4) / 10]);
      for (let i = 700; i < 1_000; i += 3) log.append(testChunk(i, 3, 100));
      expect(log.seekSize(10_000)).toBeGreaterThan(300);
      const before = [log.startOffset, log.endOffset, log.sizeBytes, log.seekSize(0), await log.seekTime(501)];
      await store.close();
      store = await RocksDbLogStore.open({ directory });
      log = await store.open('s');
      expect([log.startOffset, log.endOffset, log.sizeBytes, log.seekSize(0), await log.seekTime(501)]).toEqual(before);
      expect(await readAll(log, 300, 5_000)).toHaveLength(500);
      await store.close();
    });
  });
  it('is told stable what RocksDB wrote and fdatasync took, and is final when that fails', async () => {
    await withDirectory(async (directory) => {
      const disk = new WatchedDisk();
      const store = await RocksDbLogStore.open({ directory, disk });
      const log = await store.open('s');
      for (let i = 0; i < 3; i++) {
        const bytes = Buffer.from(`chunk number ${i}`);
        log.append({ baseOffset: i, nextOffset: i + 1, timestampMs: i, bytes });
        await store.flush();
        expect(disk.synced.includes(bytes)).toBe(true);
      }
      disk.fails = true;
      fill(log, 1);
      await expect(store.flush()).rejects.toMatchObject({ code: 'io' });
      expect(log.stableOffset).toBe(3);
      await expect(store.flush()).rejects.toMatchObject({ code: 'failed' });
      expect(() => log.append(testChunk(4))).toThrow(expect.objectContaining({ code: 'failed' }));
      expect(await log.read(0, 1)).toHaveLength(1);
      await store.close();
    });
  });
  it('names damage and goes on behind it', async () => {
    await withDirectory(async (directory) => {
      let store = await RocksDbLogStore.open({ directory });
      fill(await store.open('s'), 600, 100);
      await store.close();
      const native = loadRocksDb();
      const db = new native(directory);
      await db.ready();
      const batch = db.write();
      const damaged = encodeChunk(testChunk(100, 1, 100));
      damaged[50]! ^= 1;
      batch.tryPut(chunkKey(1, 100), damaged);
      await batch.flush();
      batch.destroy();
      await db.close();
      store = await RocksDbLogStore.open({ directory });
      const log = await store.open('s');
      expect((await log.read(90, 10_000)).at(-1)!.nextOffset).toBe(100);
      await expect(log.read(100, 10_000)).rejects.toMatchObject({ code: 'corrupt', resumeAt: 101, where: 's at 100' });
      expect(await readAll(log, 101, 10_000)).toHaveLength(499);
      await store.close();
    });
  });
  it('loses nothing it acknowledged when its process is killed', { timeout: 60_000 }, async () => {
    const victim = fileURLToPath(new URL('../testing/append-until-killed.ts', import.meta.url));
    await withDirectory(async (directory) => {
      for (let round = 0; round < 5; round++) {
        const child = spawn(process.execPath, [victim, directory, 'rocksdb'], { stdio: ['ignore', 'pipe', 'inherit'] });
        let said = '';
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          said += text;
          if (said.length > 3_000 + round * 2_000) child.kill('SIGKILL');
        });
        await Promise.all([once(child, 'exit'), once(child.stdout, 'close')]);
        const store = await RocksDbLogStore.open({ directory });
        const acknowledged = said.split('\n').slice(0, -1);
        expect(acknowledged.length).toBeGreaterThan(100);
        for (const line of acknowledged.slice(-5)) {
          const [stream, offset] = line.split(' ');
          const log = await store.open(stream!);
          expect(log.endOffset).toBeGreaterThanOrEqual(Number(offset));
          const chunks = await readAll(log, log.startOffset, 100_000);
          expect(chunks.at(-1)!.nextOffset).toBe(log.endOffset);
        }
        await store.close();
      }
    });
  });
  it('does what the memory engine does', { timeout: 60_000 }, async () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    const step = fc.oneof(
      fc.record({
        what: fc.constant('append' as const),
        chunks: fc.integer({ min: 1, max: 400 }),
        each: fc.integer({ min: 1, max: 3 }),
      }),
      fc.record({ what: fc.constantFrom('trim' as const, 'truncate' as const), share }),
      fc.record({ what: fc.constant('flush' as const) }),
      fc.record({ what: fc.constant('reopen' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        await withDirectory(async (directory) => {
          const model = await new MemoryLogStore().open('s');
          let store = await RocksDbLogStore.open({ directory });
          let log = await store.open('s');
          for (const one of steps) {
            if (one.what === 'append') {
              for (let i = 0; i < one.chunks; i++) {
                const chunk = testChunk(model.endOffset, one.each, 60, (model.endOffset * 7919) % 1000);
                log.append(chunk);
                model.append(chunk);
              }
            } else if (one.what === 'flush') {
              await store.flush();
            } else if (one.what === 'reopen') {
              await store.close();
              store = await RocksDbLogStore.open({ directory });
              log = await store.open('s');
            } else {
              const at = model.startOffset + Math.floor(one.share * (model.endOffset - model.startOffset));
              await log[one.what](at);
              await model[one.what](at);
            }
            expect([log.startOffset, log.endOffset, log.sizeBytes]).toEqual([
              model.startOffset,
              model.endOffset,
              model.sizeBytes,
            ]);
            const all = (chunks: readonly Chunk[]) => chunks.map((chunk) => [chunk.baseOffset, chunk.nextOffset]);
            expect(all(await readAll(log, log.startOffset, 3_000))).toEqual(all(await readAll(model)));
            for (const time of [0, 500, 990]) expect(await log.seekTime(time)).toBe(await model.seekTime(time));
          }
          await store.close();
        });
      }),
      { numRuns: 25 },
    );
  });
};

if (isThere) describe(name, tests);
else it.skip(name, () => undefined);
