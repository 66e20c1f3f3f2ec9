import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, inject, it } from 'vitest';
import { consume, kafkaOf } from '../support/clients.ts';
import { CloudUnderTest, newCluster, newTenant, type TestCluster } from '../support/cloud.ts';
import { eventually } from '../support/process.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));
/** The node looks for what is to be moved every 15 s. */
const MOVE_MS = 90_000;
const RECORDS = 40;
const RECORD_BYTES = 64 * 1024;

interface Tiers {
  partitions: { coldBytes: number; warmBytes: number; objects: unknown[]; moves: { kind: string }[] }[];
}

let profile: string;
let cluster: TestCluster;
const at = (): string[] => ['--cluster', cluster.name, '--profile', profile];

/** Object files of the shared node whose key says that they are this cluster's. */
async function objectsOfCluster(): Promise<string[]> {
  const directory = join(cloud.home, 'agent/nodes/shared/objects/objects.d');
  const found = await readdir(directory, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => path.includes(cluster.id));
}

beforeAll(async () => {
  profile = await newTenant(cloud);
  cluster = await newCluster(cloud, profile);
});

it('a topic goes cold by its policy, is read from its first record, and leaves nothing when it is deleted', async () => {
  await cloud.ctl('topic', 'create', 'archive', '--partitions', '2', ...at());
  const producer = kafkaOf(cluster).producer();
  await producer.connect();
  const value = (index: number): string => `${index}:`.padEnd(RECORD_BYTES, String.fromCharCode(97 + (index % 26)));
  for (let first = 0; first < RECORDS; first += 8) {
    const messages = Array.from({ length: 8 }, (_, index) => ({ value: value(first + index) }));
    await producer.send({ topic: 'archive', messages });
  }
  await producer.disconnect();

  // only now, so that one pass moves all of it: small objects are made every ten minutes at most
  await cloud.ctl('topic', 'update', 'archive', '--cold-after-bytes', '0', ...at());
  const tiers = (): Promise<Tiers> => cloud.ctl<Tiers>('topic', 'tiers', 'archive', ...at());
  await eventually('all of it is cold', MOVE_MS, async () => {
    const { partitions } = await tiers();
    return partitions.reduce((sum, { coldBytes }) => sum + coldBytes, 0) >= RECORDS * RECORD_BYTES;
  });
  const { partitions } = await tiers();
  expect(partitions.some(({ objects }) => objects.length > 0)).toBe(true);
  expect(partitions.flatMap(({ moves }) => moves).map(({ kind }) => kind)).toContain('to-cold');
  expect((await objectsOfCluster()).length).toBeGreaterThan(0);

  const read = await consume(cluster, 'archive', RECORDS);
  const numberOf = (text: string): number => Number(text.split(':')[0]);
  expect(read.map((record) => record.value).sort((a, b) => numberOf(a) - numberOf(b))).toEqual(
    Array.from({ length: RECORDS }, (_, index) => value(index)),
  );

  await cloud.ctl('topic', 'delete', 'archive', ...at());
  await eventually('no object is left', MOVE_MS, async () => (await objectsOfCluster()).length === 0);
});
