import { describe, expect, it } from 'vitest';
import { RealTimeRuntime } from '../testing/real-time.ts';
import { objectStoreSuite, testObject } from '../testing/object-store-suite.ts';
import { S3Double, type S3DoubleOptions, type S3Fault } from '../testing/s3-double.ts';
import { S3ObjectStore, type S3Settings } from './s3-object-store.ts';

const QUICK = { triesMax: 4, firstDelayMs: 2, delayMsMax: 5 };
let seed = 0;

async function open(double: S3Double, more: Partial<S3Settings> = {}): Promise<S3ObjectStore> {
  const settings = {
    endpoint: double.endpoint,
    bucket: 'bucket',
    region: 'r1',
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    retry: QUICK,
    multipartBytesMin: 100_000,
    partBytes: 40_000,
    ...more,
  };
  return S3ObjectStore.open(settings, new RealTimeRuntime({ seed: ++seed }));
}

for (const [name, options] of [
  ['s3 (double)', {}],
  ['s3 (double without conditions)', { conditions: 'ignored', deletesMany: false }],
  ['s3 (double that refuses conditions)', { conditions: 'refused' }],
] as const satisfies [string, S3DoubleOptions][]) {
  const make = async () => {
    const double = await S3Double.start(options);
    const again = () => open(double, { prefix: 'some/where/' });
    return { store: await again(), reopen: again, cleanup: () => double.stop() };
  };
  objectStoreSuite(name, make, { largeBytes: 250_001 });
}

/** Faults the first `times` requests that match. */
function firstTimes(times: number, match: RegExp, fault: S3Fault): (request: string) => S3Fault | undefined {
  let left = times;
  return (request) => (match.test(request) && left-- > 0 ? fault : undefined);
}
async function withDouble(run: (double: S3Double) => Promise<void>, options: S3DoubleOptions = {}): Promise<void> {
  const double = await S3Double.start(options);
  try {
    await run(double);
  } finally {
    await double.stop();
  }
}

describe('S3ObjectStore: what it finds out as it opens', () => {
  it('whether the server decides conditional puts, leaving nothing behind', async () => {
    for (const [conditions, honoured] of [
      ['honoured', true],
      ['ignored', false],
      ['refused', false],
    ] as const) {
      await withDouble(
        async (double) => {
          const store = await open(double);
          expect(store.conditionalPuts).toBe(honoured);
          expect(double.objects.size).toBe(0);
          await store.close();
        },
        { conditions },
      );
    }
  });
  it('that the bucket is not there, the keys are wrong, nobody listens, the settings are none', async () => {
    await withDouble(async (double) => {
      await expect(open(double, { bucket: 'other' })).rejects.toMatchObject({ code: 'bad-config' });
      await expect(open(double, { prefix: 'x' })).rejects.toMatchObject({ code: 'bad-config' });
      await expect(open(double, { endpoint: '::' })).rejects.toMatchObject({ code: 'bad-config' });
      double.fault = () => ({ kind: 'answer', status: 403, code: 'SignatureDoesNotMatch' });
      await expect(open(double)).rejects.toMatchObject({ code: 'object-denied' });
      await double.stop();
      await expect(open(double)).rejects.toMatchObject({ code: 'object-unavailable' });
    });
  });
});

describe('S3ObjectStore: trouble', () => {
  it('is met with new tries, and counted', async () => {
    await withDouble(async (double) => {
      const store = await open(double);
      const faults: S3Fault[] = [
        { kind: 'answer', status: 503, code: 'SlowDown' },
        { kind: 'answer', status: 429, code: 'TooManyRequests' },
        { kind: 'answer', status: 500, code: 'InternalError' },
        { kind: 'drop' },
        { kind: 'lose-answer' },
      ];
      for (const fault of faults) {
        const before = { ...store.requests };
        double.fault = firstTimes(3, /./, fault);
        await store.put('k', testObject(1_000));
        expect(store.requests.puts - before.puts).toBe(4);
        expect(store.requests.retries - before.retries).toBe(3);
        double.fault = firstTimes(3, /GET/, fault);
        expect((await store.getRange('k', 5, 20)).equals(testObject(1_000).subarray(5, 20))).toBe(true);
        double.fault = firstTimes(3, /GET/, fault);
        expect(await store.list('')).toHaveLength(1);
        double.fault = firstTimes(3, /POST/, fault);
        await store.delete(['k', 'l']);
        expect(double.objects.size).toBe(0);
      }
      await store.close();
    });
  });
  it('that does not pass comes back coded', async () => {
    await withDouble(async (double) => {
      const store = await open(double);
      await store.put('k', testObject(10));
      const answers = [
        [503, 'SlowDown', 'object-throttled'],
        [502, 'BadGateway', 'object-unavailable'],
      ] as const;
      for (const [status, name, code] of answers) {
        double.fault = () => ({ kind: 'answer', status, code: name });
        await expect(store.getRange('k', 0, 5)).rejects.toMatchObject({ code });
      }
      double.fault = () => ({ kind: 'answer', status: 403, code: 'AccessDenied' });
      const before = double.seen.length;
      await expect(store.getRange('k', 0, 5)).rejects.toMatchObject({ code: 'object-denied' });
      await expect(store.delete(['k', 'l'])).rejects.toMatchObject({ code: 'object-denied' });
      expect(double.seen.length - before).toBe(2);
      await store.close();
    });
  });
  it('in the middle of a body is no short read', async () => {
    await withDouble(async (double) => {
      const store = await open(double);
      await store.put('k', testObject(50_000));
      double.fault = firstTimes(2, /GET/, { kind: 'cut-body' });
      expect((await store.getRange('k', 0, 50_000)).equals(testObject(50_000))).toBe(true);
      double.fault = () => ({ kind: 'cut-body' });
      await expect(store.getRange('k', 0, 50_000)).rejects.toMatchObject({ code: 'object-unavailable' });
      await store.close();
    });
  });
  it('does not make a conditional put take its own object for another one', async () => {
    await withDouble(async (double) => {
      const store = await open(double);
      double.fault = firstTimes(1, /PUT/, { kind: 'lose-answer' });
      expect(await store.put('k', testObject(10), { ifAbsent: true })).toBe(true);
      double.fault = firstTimes(1, /PUT/, { kind: 'drop' });
      expect(await store.put('k', testObject(10, 2), { ifAbsent: true })).toBe(false);
      await store.close();
    });
  });
  it('can be waited for no longer', async () => {
    await withDouble(async (double) => {
      const store = await open(double, { retry: { triesMax: 10, firstDelayMs: 60_000, delayMsMax: 60_000 } });
      const gone = new AbortController();
      double.fault = () => {
        setImmediate(() => gone.abort());
        return { kind: 'answer', status: 503, code: 'SlowDown' };
      };
      const put = store.put('k', testObject(10), { signal: gone.signal });
      await expect(put).rejects.toMatchObject({ code: 'aborted' });
      await store.close();
    });
  });
  it('of a server that says nothing ends after the timeout', async () => {
    await withDouble(async (double) => {
      const store = await open(double, { requestTimeoutMs: 50, retry: { ...QUICK, triesMax: 2 } });
      await store.put('k', testObject(10_000));
      for (const inBody of [false, true]) {
        double.fault = () => ({ kind: 'silence', inBody });
        await expect(store.getRange('k', 0, 10_000)).rejects.toMatchObject({ code: 'object-unavailable' });
      }
      await store.close();
    });
  });
});

describe('S3ObjectStore: multipart uploads', () => {
  it('go up in parts, each of which may fail', async () => {
    await withDouble(async (double) => {
      const store = await open(double);
      double.fault = firstTimes(3, /partNumber|uploads/, { kind: 'answer', status: 503, code: 'SlowDown' });
      await store.put('k', testObject(333_333));
      expect(double.objects.get('k')!.bytes.equals(testObject(333_333))).toBe(true);
      expect(new Set(double.seen.filter((request) => request.includes('partNumber'))).size).toBe(9);
      await store.close();
    });
  });
  it('survive a lost answer to their end', async () => {
    await withDouble(async (double) => {
      const store = await open(double);
      double.fault = firstTimes(1, /POST .*uploadId/, { kind: 'lose-answer' });
      await store.put('k', testObject(150_000));
      expect(double.objects.get('k')!.bytes.length).toBe(150_000);
      await store.close();
    });
  });
  it('leave nothing when they cannot be finished', async () => {
    await withDouble(async (double) => {
      const store = await open(double);
      double.fault = (request) =>
        request.includes('partNumber=2') ? { kind: 'answer', status: 400, code: 'EntityTooSmall' } : undefined;
      await expect(store.put('k', testObject(333_333))).rejects.toMatchObject({ code: 'io' });
      expect([double.objects.size, double.uploads.size]).toEqual([0, 0]);
      await store.close();
    });
  });
});
