import { mkdtemp, readdir, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ProfileStore } from './profile-store.ts';

const fresh = async (): Promise<ProfileStore> =>
  new ProfileStore(join(await mkdtemp(join(tmpdir(), 'profiles-')), 'deep', 'config.json'));

describe('ProfileStore', () => {
  it('loses no change of many writers', async () => {
    const { path } = await fresh();
    await Promise.all(
      Array.from({ length: 20 }, (_, n) => new ProfileStore(path).update(`p${n}`, () => ({ email: `${n}@b.test` }))),
    );
    const all = await new ProfileStore(path).readAll();
    expect(Object.keys(all)).toHaveLength(20);
    expect(await readdir(dirname(path))).toEqual(['config.json']);
  });

  it('runs exclusive work one at a time', async () => {
    const store = await fresh();
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside--;
    };
    await Promise.all(Array.from({ length: 6 }, () => new ProfileStore(store.path).exclusive(work)));
    expect(most).toBe(1);
  });

  it('takes over the lock of a process that died', async () => {
    const store = await fresh();
    await store.update('a', () => ({ email: 'a' }));
    const lock = `${store.path}.lock`;
    await writeFile(lock, '1 dead');
    await utimes(lock, new Date(0), new Date(0));
    await store.update('b', () => ({ email: 'b' }));
    expect(Object.keys(await store.readAll())).toEqual(['a', 'b']);
  });

  it('says what to do about a damaged file', async () => {
    const store = await fresh();
    await store.update('a', () => ({}));
    await writeFile(store.path, '{"profiles": 7');
    await expect(store.readAll()).rejects.toMatchObject({
      exitCode: 1,
      hint: expect.stringContaining('log in again') as string,
    });
  });

  it.each([
    ['a list of profiles', '{"profiles": []}'],
    ['a profile that is none', '{"profiles": {"default": 7}}'],
    ['a server that is no text', '{"profiles": {"default": {"server": 8080}}}'],
    ['an output format that does not exist', '{"profiles": {"default": {"output": "xml"}}}'],
    ['no object at all', 'null'],
    ['nothing', ''],
  ])('refuses %s', async (_what, text) => {
    const store = await fresh();
    await store.update('a', () => ({}));
    await writeFile(store.path, text);
    await expect(store.readAll()).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringMatching(/damaged/) as string,
    });
  });

  it.each(['/proc/robustmq/deep/config.json', '/dev/null/config.json'])(
    'says that %s cannot be written',
    async (path) => {
      await expect(new ProfileStore(path).update('a', () => ({}))).rejects.toMatchObject({
        exitCode: 1,
        message: expect.stringContaining(path) as string,
      });
    },
  );

  it('reads only plain files of a sensible size', async () => {
    for (const path of ['/dev/zero', tmpdir()]) {
      await expect(new ProfileStore(path).readAll()).rejects.toMatchObject({
        exitCode: 1,
        message: expect.stringContaining('is not a file') as string,
      });
    }
    const store = await fresh();
    await store.update('a', () => ({}));
    await writeFile(store.path, ' '.repeat(1_100_000));
    await expect(store.readAll()).rejects.toMatchObject({ exitCode: 1 });
  });
});
