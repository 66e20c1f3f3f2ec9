import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryObjectStore, openObjectStore } from '@robustmq/store';
import {
  missingCephProgram,
  RADOSGW_CREDENTIALS,
  RealTimeRuntime,
  startRadosgw,
  WebHdfsDouble,
  type Radosgw,
} from '@robustmq/store/testing';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { coldEngineSuite } from '../testing/cold-engine-suite.ts';

let seed = 0;
const runtime = (): RealTimeRuntime => new RealTimeRuntime({ seed: ++seed });

describe('a journal over object storage in memory', () => {
  const objects = new Map<string, Buffer>();
  coldEngineSuite(async () => new MemoryObjectStore(objects));
});

describe('a journal over file-objects', () => {
  const directory = mkdtempSync(join(tmpdir(), 'robustmq-objects-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  coldEngineSuite(() => openObjectStore('file-objects', { runtime: runtime(), directory }));
});

describe('a journal over hdfs (our double of WebHDFS)', () => {
  let double: WebHdfsDouble;
  beforeAll(async () => {
    double = await WebHdfsDouble.start();
  });
  afterAll(() => double.stop());
  coldEngineSuite(() =>
    openObjectStore('hdfs', {
      runtime: runtime(),
      hdfs: { endpoint: double.endpoint, directory: '/user/robustmq', user: 'robustmq' },
    }),
  );
});

const missing = missingCephProgram();
const name = 'a journal over s3 (a real Ceph object gateway)';
if (missing !== null) it.skip(`${name} (not run: ${missing} is not installed)`, () => undefined);
else
  describe(name, () => {
    let gateway: Radosgw;
    const settings = () => ({
      endpoint: gateway.endpoint,
      bucket: 'robustmq-journal',
      region: 'us-east-1',
      credentials: RADOSGW_CREDENTIALS,
    });
    beforeAll(async () => {
      gateway = await startRadosgw(1);
      await gateway.createBucket('robustmq-journal');
    }, 180_000);
    afterAll(async () => {
      await gateway?.stop();
    }, 60_000);
    coldEngineSuite(() => openObjectStore('s3', { runtime: runtime(), s3: settings() }));
  });
