import { BatchBuilder, checkBatch, decodeRecords } from '@robustmq/journal';
import { describe, expect, it } from 'vitest';
import { isRefusal, type Partition } from './index.ts';
import { config, settled, TestNode } from './testing/test-node.ts';

const SENT_MS = 1_000;

function batchOf(values: readonly string[]): Buffer {
  const builder = new BatchBuilder();
  for (const value of values) builder.add(null, Buffer.from(value), null, SENT_MS);
  return builder.build();
}
async function timesOf(partition: Partition): Promise<number[]> {
  const times: number[] = [];
  for (const batch of await partition.read(0, 1 << 20)) {
    expect(checkBatch(batch, 0, batch.length).fault).toBe(null);
    decodeRecords(batch, ({ timestampMs }) => void times.push(timestampMs));
  }
  return times;
}
async function start() {
  const node = await TestNode.start();
  await node.broker.applyNamespace(config({ topics: [{ name: 't', partitions: 1 }] }));
  const { topics } = node.namespace();
  return { node, topics, partition: topics.get('t')!.partitions[0]!, kafka: node.connect('k', 'kafka') };
}

describe('topics with rules for their batches', () => {
  it('give every record the time it is appended at, from the change on', async () => {
    const { node, topics, partition, kafka } = await start();
    partition.append(batchOf(['a']), kafka);
    await topics.alter('t', { appendTime: true });
    const nowMs = node.runtime.nowMs();
    partition.append(batchOf(['b', 'c']), kafka);
    await topics.alter('t', { appendTime: false });
    partition.append(batchOf(['d']), kafka);
    await settled(node);
    expect(await timesOf(partition)).toEqual([SENT_MS, nowMs, nowMs, SENT_MS]);
    expect(await partition.offsetAtTime(SENT_MS + 1)).toMatchObject({ offset: 1, timestampMs: nowMs });
  });
  it('never make a damaged batch a good one', async () => {
    const { topics, partition, kafka } = await start();
    await topics.alter('t', { appendTime: true });
    const batch = batchOf(['a']);
    batch[batch.length - 2]! ^= 1;
    expect(partition.append(batch, kafka)).toMatchObject({ refused: 'batch-corrupt' });
  });
  it('refuse batches above their own limit, until it is taken back', async () => {
    const { topics, partition, kafka } = await start();
    await topics.alter('t', { batchSizeBytesMax: 100 });
    expect(partition.append(batchOf(['x'.repeat(100)]), kafka)).toMatchObject({ refused: 'message-too-large' });
    expect(isRefusal(partition.append(batchOf(['x']), kafka))).toBe(false);
    await topics.alter('t', { batchSizeBytesMax: 0 });
    expect(isRefusal(partition.append(batchOf(['x'.repeat(100)]), kafka))).toBe(false);
  });
});
