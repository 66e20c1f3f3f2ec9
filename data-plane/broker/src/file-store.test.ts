import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { config, openFileStore, openSession, runOf, subscribeOptions, takeAll, TestNode } from './testing/test-node.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'robustmq broker '));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

it('everything is on disk: topics, retained messages, inboxes, offsets', async () => {
  const persistent = { expirySeconds: 3600 };
  let node = await TestNode.start(await openFileStore(directory));
  await node.broker.applyNamespace(config({ topics: [{ name: 'sensors', partitions: 3 }] }));
  const a = openSession(node, 'a', persistent);
  const outcome = a.session.subscribe('#', subscribeOptions);
  if (outcome.refusal === null) await outcome.commit!.promise();
  for (let i = 0; i < 200; i++) {
    const topic = i % 2 === 0 ? `sensors/${i}` : 'doors/1';
    await node
      .namespace()
      .publish(runOf(topic, [`m${i}`], 1, i === 199), a.connection)
      .commit!.promise();
  }
  const entry = { topic: 'sensors', partition: 0, offset: 9, leaderEpoch: 0, metadata: '' };
  await node.namespace().offsets.commit('g', [entry]).promise();
  for (const one of a.session.inbox!.take(50)) a.session.inbox!.acknowledge(one.sequence);
  await node.broker.stop();
  await node.meta.close();
  await node.journal.close();

  node = await TestNode.start(await openFileStore(directory));
  const again = openSession(node, 'a', persistent);
  const payloads = (await takeAll(again.session)).map((one) => one.message!.payload.toString());
  expect(payloads).toEqual(Array.from({ length: 150 }, (_, i) => `m${i + 50}`));
  expect(node.namespace().offsets.all('g')).toEqual([entry]);
  expect(
    node
      .namespace()
      .topics.get('sensors')!
      .partitions.reduce((sum, p) => sum + p.endOffset, 0),
  ).toBe(100);
  await node.broker.removeNamespace('ns');
  expect(node.journal.list()).toEqual(['meta']);
  await node.broker.stop();
  await node.meta.close();
  await node.journal.close();
});
