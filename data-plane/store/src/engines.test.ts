import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ManualRuntime } from '@robustmq/wire';
import { openLogStore } from './engines.ts';
import { toStoreError } from './file/disk.ts';
import { openObjectStore } from './object-engines.ts';

describe('openLogStore', () => {
  it('opens engines by name and names those it has', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'robustmq-engines-'));
    for (const engine of ['memory', 'file']) {
      const store = await openLogStore(engine, { directory: join(directory, 'not', 'there yet') });
      expect(store.list()).toEqual([]);
      await store.close();
    }
    await expect(openLogStore('tape', { directory })).rejects.toMatchObject({ code: 'engine-unknown' });
    await expect(openLogStore('toString', { directory })).rejects.toMatchObject({ code: 'engine-unknown' });
    await rm(directory, { recursive: true });
  });
  it('says with a code what is wrong with a directory', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'robustmq-engines-'));
    const file = join(directory, 'file');
    await writeFile(file, '');
    await expect(openLogStore('file', { directory: file })).rejects.toMatchObject({ code: 'io' });
    await rm(directory, { recursive: true });
  });
  it('maps what an operating system says', () => {
    const codes = ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EIO', 'EMFILE'];
    const mapped = codes.map((code) => toStoreError('file', Object.assign(new Error(code), { code })).code);
    expect(mapped).toEqual(['disk-full', 'disk-full', 'read-only', 'read-only', 'io', 'io']);
    expect(toStoreError('file', 'odd').message).toContain('odd');
  });
});

describe('openObjectStore', () => {
  it('opens engines by name, says which there are and which settings are missing', async () => {
    const runtime = new ManualRuntime();
    const directory = await mkdtemp(join(tmpdir(), 'robustmq-engines-'));
    for (const engine of ['memory', 'file-objects']) {
      const store = await openObjectStore(engine, { runtime, directory: join(directory, 'not', 'there yet') });
      expect(await store.list('')).toEqual([]);
      await store.close?.();
    }
    await expect(openObjectStore('tape', { runtime })).rejects.toMatchObject({ code: 'engine-unknown' });
    await expect(openObjectStore('toString', { runtime })).rejects.toMatchObject({ code: 'engine-unknown' });
    for (const engine of ['file-objects', 's3', 'hdfs']) {
      await expect(openObjectStore(engine, { runtime })).rejects.toMatchObject({ code: 'bad-config' });
    }
    await rm(directory, { recursive: true });
  });
});
