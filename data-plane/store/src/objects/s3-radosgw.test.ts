import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingCephProgram, RADOSGW_CREDENTIALS, startRadosgw, type Radosgw } from '../testing/radosgw.ts';
import { RealTimeRuntime } from '../testing/real-time.ts';
import { objectStoreSuite, testObject } from '../testing/object-store-suite.ts';
import { S3ObjectStore, type S3Settings } from './s3-object-store.ts';

const missing = missingCephProgram();
const name = 's3 against a real Ceph object gateway';

const tests = (): void => {
  let gateway: Radosgw;
  let seed = 0;
  const settings = (more: Partial<S3Settings> = {}): S3Settings => ({
    endpoint: gateway.endpoint,
    bucket: 'robustmq',
    region: 'us-east-1',
    credentials: RADOSGW_CREDENTIALS,
    retry: { triesMax: 4, firstDelayMs: 50, delayMsMax: 200 },
    multipartBytesMin: 6 * 1024 * 1024,
    partBytes: 5 * 1024 * 1024,
    ...more,
  });
  const open = (more: Partial<S3Settings> = {}) =>
    S3ObjectStore.open(settings(more), new RealTimeRuntime({ seed: ++seed }));
  const client = () => new S3Client({ ...settings(), forcePathStyle: true });

  beforeAll(async () => {
    gateway = await startRadosgw();
    const admin = client();
    await admin.send(new CreateBucketCommand({ Bucket: 'robustmq' }));
    admin.destroy();
  }, 180_000);
  afterAll(async () => {
    await gateway?.stop();
  }, 60_000);

  let test = 0;
  const make = async () => {
    const prefix = `test-${++test}/`;
    return { store: await open({ prefix }), reopen: () => open({ prefix }) };
  };
  objectStoreSuite('s3 (Ceph)', make, { largeBytes: 12 * 1024 * 1024 + 1, timeoutMs: 60_000 });

  it('decides conditional puts', async () => {
    const store = await open();
    expect(store.conditionalPuts).toBe(true);
    await store.close();
  });
  it('refuses a wrong secret and an absent bucket', async () => {
    const credentials = { ...RADOSGW_CREDENTIALS, secretAccessKey: 'wrong' };
    await expect(open({ credentials })).rejects.toMatchObject({ code: 'object-denied' });
    await expect(open({ bucket: 'absent' })).rejects.toMatchObject({ code: 'bad-config' });
  });
  it('takes multipart uploads, and keeps nothing of one that was given up', { timeout: 60_000 }, async () => {
    const store = await open({ prefix: 'parts/' });
    const bytes = testObject(17 * 1024 * 1024);
    await store.put('k', bytes);
    expect((await store.getRange('k', 0, bytes.length)).equals(bytes)).toBe(true);
    const gone = new AbortController();
    const put = store.put('l', bytes, { signal: gone.signal });
    setTimeout(() => gone.abort(), 30);
    await put.catch((error: unknown) => expect(error).toMatchObject({ code: 'aborted' }));
    const admin = client();
    const left = await admin.send(new ListMultipartUploadsCommand({ Bucket: 'robustmq' }));
    expect(left.Uploads ?? []).toEqual([]);
    admin.destroy();
    await store.close();
  });
  it('lists and deletes more than one page', { timeout: 60_000 }, async () => {
    const store = await open({ prefix: 'many/' });
    const keys = Array.from({ length: 1_100 }, (_, i) => `k/${String(i).padStart(5, '0')}`);
    for (let at = 0; at < keys.length; at += 50) {
      await Promise.all(keys.slice(at, at + 50).map((key) => store.put(key, Buffer.alloc(1))));
    }
    const first = await store.list('k/');
    expect(first.map((entry) => entry.key)).toEqual(keys.slice(0, 1_000));
    expect(await store.list('k/', first.at(-1)!.key)).toHaveLength(100);
    await store.delete(keys);
    expect(await store.list('k/')).toEqual([]);
    await store.close();
  });
};

if (missing === null) describe(name, tests);
else it.skip(`${name} (not run: ${missing} is not installed)`, () => undefined);
