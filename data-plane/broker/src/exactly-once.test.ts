import { BatchBuilder } from '@robustmq/journal';
import { describe, expect, it, vi } from 'vitest';
import { CrashingStore } from './testing/crashing-store.ts';
import { MemoryLogStore } from './testing/failing-stores.ts';
import { config, openSession, runOf, settled, TestNode } from './testing/test-node.ts';

vi.setConfig({ testTimeout: 60_000 });

const KIB = 1024;
const PERSISTENT = { expirySeconds: 3600 };
const TOPICS = { topics: [{ name: 't', partitions: 1 }] };

interface World {
  readonly medium: MemoryLogStore;
  readonly store: CrashingStore;
  readonly node: TestNode;
  /** The medium is flushed for somebody else (a stream that is removed, a log that is trimmed), then the power goes. */
  restartAfterFlushOfOthers(): Promise<TestNode>;
}
async function world(): Promise<World> {
  const medium = new MemoryLogStore();
  const store = new CrashingStore(medium);
  const node = await TestNode.start(store);
  await node.broker.applyNamespace(config(TOPICS));
  openSession(node, 'publisher', PERSISTENT);
  await settled(node);
  const restartAfterFlushOfOthers = async (): Promise<TestNode> => {
    const flushed = medium.flush();
    const next = store.crash(() => 0);
    await flushed;
    return TestNode.start(await next, node.runtime);
  };
  return { medium, store, node, restartAfterFlushOfOthers };
}
/** What MQTT does with a run of QoS 2: stored, then the ids are held, all in one go. */
function publishExactlyOnce({ node }: World, messages: number, sizeBytes: number): void {
  const { session, connection } = openSession(node, 'publisher', PERSISTENT);
  const payloads = Array.from({ length: messages }, (_, i) => String(i).padEnd(sizeBytes, '.'));
  expect(node.namespace().publish(runOf('t', payloads, 2), connection).refusal).toBeNull();
  for (let id = 1; id <= messages; id++) session.holdPacketId(id);
}
/** Messages that are stored although their publisher would send them again as new. */
function storedButNotHeld(node: TestNode, messages: number): number {
  const { session } = openSession(node, 'publisher', PERSISTENT);
  const stored = node.namespace().topics.get('t')!.partitions[0]!.endOffset;
  let held = 0;
  for (let id = 1; id <= messages; id++) if (session.holdsPacketId(id)) held++;
  return stored - held;
}

describe('what is stored of QoS 2 is held, whenever the medium is flushed', () => {
  it('a run larger than a batch', async () => {
    const w = await world();
    publishExactlyOnce(w, 12, 300 * KIB);
    expect(storedButNotHeld(await w.restartAfterFlushOfOthers(), 12)).toBe(0);
  });

  it('another protocol appends to the same partition in the same turn', async () => {
    const w = await world();
    publishExactlyOnce(w, 3, 10);
    const builder = new BatchBuilder();
    builder.add(null, Buffer.from('record'), null, 1_000);
    const partition = w.node.namespace().topics.get('t')!.partitions[0]!;
    partition.append(builder.build(), w.node.connect('k', 'kafka'));
    expect(storedButNotHeld(await w.restartAfterFlushOfOthers(), 3)).toBe(1);
  });

  it('and all of it is there, in order, once the commit has settled', async () => {
    const w = await world();
    publishExactlyOnce(w, 12, 300 * KIB);
    await settled(w.node);
    const node = await w.restartAfterFlushOfOthers();
    expect(storedButNotHeld(node, 12)).toBe(0);
    const partition = node.namespace().topics.get('t')!.partitions[0]!;
    expect(partition.endOffset).toBe(12);
    const batches = await partition.read(0, Infinity);
    expect(batches.length).toBeGreaterThan(3);
    expect(batches.length).toBeLessThan(12);
  });
});
