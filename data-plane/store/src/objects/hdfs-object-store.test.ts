import { describe, expect, it } from 'vitest';
import { RealTimeRuntime } from '../testing/real-time.ts';
import { objectStoreSuite, testObject } from '../testing/object-store-suite.ts';
import { WebHdfsDouble, type HdfsFault } from '../testing/web-hdfs-double.ts';
import { HdfsObjectStore, TEMPORARY_AGE_MS_MAX, type HdfsObjectSettings } from './hdfs-object-store.ts';

let seed = 0;
function open(double: WebHdfsDouble, more: Partial<HdfsObjectSettings> = {}): Promise<HdfsObjectStore> {
  const retry = { triesMax: 4, firstDelayMs: 2, delayMsMax: 5 };
  const settings = { endpoint: double.endpoint, directory: '/user/robustmq', user: 'robustmq', retry, ...more };
  return HdfsObjectStore.open(settings, new RealTimeRuntime({ seed: ++seed }));
}

objectStoreSuite('hdfs (our own WebHDFS double)', async () => {
  const double = await WebHdfsDouble.start();
  return { store: await open(double), reopen: () => open(double), cleanup: () => double.stop() };
});

async function withDouble(run: (double: WebHdfsDouble) => Promise<void>): Promise<void> {
  const double = await WebHdfsDouble.start();
  try {
    await run(double);
  } finally {
    await double.stop();
  }
}
function firstTimes(times: number, match: RegExp, fault: HdfsFault): (request: string) => HdfsFault | undefined {
  let left = times;
  return (request) => (match.test(request) && left-- > 0 ? fault : undefined);
}
/** Files that are neither an object nor a directory. */
function leftOver(double: WebHdfsDouble): string[] {
  return [...double.tree.keys()].filter((path) => path.startsWith('/user/robustmq/tmp/'));
}

describe('HdfsObjectStore', () => {
  it('sends bytes to the data node alone, as its user', async () => {
    await withDouble(async (double) => {
      const store = await open(double);
      await store.put('a/b', testObject(100));
      await store.getRange('a/b', 10, 20);
      expect(double.seen.filter((request) => request.startsWith('data'))).toHaveLength(2);
      expect(double.seen.every((request) => request.includes('user.name=robustmq'))).toBe(true);
      expect(double.tree.has('/user/robustmq/objects/a.d/b.o')).toBe(true);
      await store.close();
    });
  });
  it('sends the delegation token in place of a name', async () => {
    await withDouble(async (double) => {
      const store = await open(double, { delegationToken: 'tok/en' });
      await store.put('a', testObject(1));
      expect(double.seen.every((request) => request.includes('delegation=tok%2Fen'))).toBe(true);
      expect(double.seen.some((request) => request.includes('user.name'))).toBe(false);
      await store.close();
    });
  });
  it('says what is wrong as it opens', async () => {
    await withDouble(async (double) => {
      await expect(open(double, { user: 'nobody' })).rejects.toMatchObject({ code: 'object-denied' });
      await expect(open(double, { endpoint: 'x' })).rejects.toMatchObject({ code: 'bad-config' });
      for (const directory of ['', '/', 'a', '/a/../b', '/a?op=DELETE', '/a b']) {
        await expect(open(double, { directory })).rejects.toMatchObject({ code: 'bad-config' });
      }
      await double.stop();
      await expect(open(double)).rejects.toMatchObject({ code: 'object-unavailable' });
    });
  });
  it('meets trouble with new tries and leaves no files behind', async () => {
    await withDouble(async (double) => {
      const store = await open(double);
      const faults: HdfsFault[] = [
        { kind: 'answer', status: 403, exception: 'StandbyException' },
        { kind: 'answer', status: 403, exception: 'SafeModeException' },
        { kind: 'answer', status: 503, exception: '' },
        { kind: 'drop' },
        { kind: 'lose-answer' },
      ];
      for (const fault of faults) {
        for (const match of [/name PUT .*CREATE/, /data PUT/, /RENAME/, /MKDIRS/]) {
          for (const ifAbsent of [false, true]) {
            double.fault = firstTimes(2, match, fault);
            expect(await store.put('k/l', testObject(1_000, 3), { ifAbsent })).toBe(true);
            double.fault = firstTimes(2, /OPEN/, fault);
            expect((await store.getRange('k/l', 5, 20)).equals(testObject(1_000, 3).subarray(5, 20))).toBe(true);
            double.fault = firstTimes(3, /LISTSTATUS/, fault);
            expect(await store.list('')).toHaveLength(1);
            double.fault = firstTimes(2, /DELETE/, fault);
            await store.delete(['k/l']);
            expect(await store.list('')).toEqual([]);
            expect(leftOver(double)).toEqual([]);
          }
        }
      }
      await store.close();
    });
  });
  it('says so where files cannot be replaced, and leaves the old one', async () => {
    await withDouble(async (double) => {
      double.renameOptions = false;
      const store = await open(double);
      await store.put('a/b', testObject(10));
      await expect(store.put('a/b', testObject(20))).rejects.toMatchObject({ code: 'io' });
      expect(await store.list('')).toEqual([{ key: 'a/b', sizeBytes: 10 }]);
      expect(leftOver(double)).toEqual([]);
      await store.close();
    });
  });
  it('removes what crashes left when it is a day old', async () => {
    await withDouble(async (double) => {
      const nowMs = new RealTimeRuntime().nowMs();
      await (await open(double)).close();
      for (const [ageMs, left] of [
        [TEMPORARY_AGE_MS_MAX - 1, 1],
        [TEMPORARY_AGE_MS_MAX + 1, 0],
      ] as const) {
        double.tree.set('/user/robustmq/tmp/0123', testObject(10));
        double.modificationTimeMs = nowMs - ageMs;
        await (await open(double)).close();
        expect(leftOver(double)).toHaveLength(left);
      }
    });
  });
  it('never gives a read that broke off', async () => {
    await withDouble(async (double) => {
      const store = await open(double);
      await store.put('k', testObject(50_000));
      double.fault = firstTimes(2, /data GET/, { kind: 'cut-body' });
      expect((await store.getRange('k', 0, 50_000)).equals(testObject(50_000))).toBe(true);
      double.fault = (request) => (request.startsWith('data') ? { kind: 'cut-body' } : undefined);
      await expect(store.getRange('k', 0, 50_000)).rejects.toMatchObject({ code: 'object-unavailable' });
      await store.close();
    });
  });
  it('names quotas and refusals, and does not insist', async () => {
    await withDouble(async (double) => {
      const store = await open(double);
      const answers = [
        ['DSQuotaExceededException', 'disk-full'],
        ['AccessControlException', 'object-denied'],
        ['ConnectException', 'io'],
      ] as const;
      for (const [exception, code] of answers) {
        double.fault = (request) => (/data/.test(request) ? { kind: 'answer', status: 403, exception } : undefined);
        const before = double.seen.filter((request) => request.startsWith('data')).length;
        await expect(store.put('k', testObject(10))).rejects.toMatchObject({ code });
        expect(double.seen.filter((request) => request.startsWith('data')).length - before).toBe(1);
      }
      await store.close();
    });
  });
});
