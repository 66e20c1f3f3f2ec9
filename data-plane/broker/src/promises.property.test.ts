import { BatchBuilder } from '@robustmq/journal';
import { crc32c } from '@robustmq/wire';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Partition } from './index.ts';
import { CrashingStore } from './testing/crashing-store.ts';
import { config, openSession, runOf, settled, subscribeOptions, takeAll, TestNode } from './testing/test-node.ts';

/*
 * Promises that outlive a turn: transactions until they end, delayed messages until they are due, what a shared group is
 * owed until a member comes back. The node is crashed at any point, over a store that loses any part of what was not
 * flushed; coordinators do what Kafka's do: what they had decided is done again, what was open is aborted.
 */
type Step =
  | { readonly kind: 'produce'; readonly producer: number }
  | { readonly kind: 'end'; readonly producer: number; readonly commit: boolean }
  | { readonly kind: 'delay'; readonly seconds: number }
  | { readonly kind: 'share' }
  | { readonly kind: 'turn' }
  | { readonly kind: 'settle' }
  | { readonly kind: 'crash'; readonly kept: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('produce' as const), producer: fc.nat(2) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('end' as const), producer: fc.nat(2), commit: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delay' as const), seconds: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'share' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'turn' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'settle' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const), kept: fc.nat(4) }) },
);

function batchOf(producerId: number, value: string): Buffer {
  const builder = new BatchBuilder();
  builder.add(null, Buffer.from(value), null, 1_000);
  const batch = builder.build();
  batch.writeInt16BE(0x10, 21);
  batch.writeBigInt64BE(BigInt(producerId), 43);
  batch.writeInt16BE(0, 51);
  batch.writeUInt32BE(crc32c(batch, 21, batch.length), 17);
  return batch;
}

class World {
  store = new CrashingStore();
  node!: TestNode;
  serial = 0;
  /** Stable records of each producer's open transaction. */
  open: string[][] = [[], [], []];
  /** What each coordinator decided and has not been told to be stable. */
  decided: ({ commit: boolean; values: string[] } | null)[] = [null, null, null];
  readonly committed = new Set<string>();
  readonly aborted = new Set<string>();
  readonly owed = new Set<string>();

  get partition(): Partition {
    return this.node.namespace().topics.get('t')!.partitions[0]!;
  }
  async end(producer: number): Promise<void> {
    const decision = this.decided[producer]!;
    await this.partition.endTransaction(producer, 0, decision.commit).promise();
    this.decided[producer] = null;
    for (const value of decision.values) (decision.commit ? this.committed : this.aborted).add(value);
  }
}

async function crash(world: World, kept: number): Promise<void> {
  const { runtime } = world.node;
  world.store = await world.store.crash((chunks) => Math.min(kept, chunks));
  world.node = await TestNode.start(world.store, runtime);
  for (let producer = 0; producer < 3; producer++) {
    world.decided[producer] ??= { commit: false, values: world.open[producer]! };
    world.open[producer] = [];
    await world.end(producer);
  }
  expect(world.partition.lastStableOffset).toBe(world.partition.stableOffset);
  expect(world.partition.openTransactions()).toEqual([]);
}

async function apply(world: World, one: Step): Promise<void> {
  const { node } = world;
  const value = `m${world.serial++};`;
  switch (one.kind) {
    case 'produce': {
      if (world.decided[one.producer] !== null) return;
      const outcome = world.partition.append(batchOf(one.producer, value), node.connect('k', 'kafka'));
      if ('refused' in outcome) throw new Error(outcome.message);
      const open = world.open[one.producer]!;
      outcome.commit.onSettled((error) => void (error === null && open.push(value)));
      return;
    }
    case 'end':
      if (world.decided[one.producer] !== null) return;
      await settled(node);
      world.decided[one.producer] = { commit: one.commit, values: world.open[one.producer]! };
      world.open[one.producer] = [];
      world.end(one.producer).catch(() => undefined);
      return;
    case 'delay':
    case 'share': {
      const topic = one.kind === 'share' ? 'q' : `$delayed/${one.seconds}/d`;
      const { commit } = node.namespace().publish(runOf(topic, [value]), node.connect('p'));
      commit!.onSettled((error) => void (error === null && world.owed.add(value)));
      return;
    }
    case 'turn':
      return new Promise((resolve) => setImmediate(resolve));
    case 'settle':
      return settled(node);
    case 'crash':
      return crash(world, one.kept);
  }
}

async function run(steps: readonly Step[]): Promise<void> {
  const world = new World();
  world.node = await TestNode.start(world.store);
  await world.node.broker.applyNamespace(config({ topics: [{ name: 't', partitions: 1 }] }));
  const sleeper = openSession(world.node, 'sleeper', { expirySeconds: 3600 });
  for (const filter of ['t', 'd', '$share/g/q']) {
    const outcome = sleeper.session.subscribe(filter, subscribeOptions);
    await (outcome.refusal === null ? outcome.commit!.promise() : null);
  }
  sleeper.session.detach(false);
  await settled(world.node);
  for (const one of steps) await apply(world, one);
  await crash(world, 1);
  world.node.runtime.advance(60_000);
  world.node.broker.sweep();
  await settled(world.node);
  const { session } = openSession(world.node, 'sleeper', { expirySeconds: 3600 });
  for (let i = 0; i < 4; i++) await settled(world.node);
  const got = new Set((await takeAll(session)).map(({ message }) => message!.payload.toString()));
  for (const value of [...world.committed, ...world.owed]) expect([...got]).toContain(value);
  for (const value of world.aborted) expect([...got]).not.toContain(value);
}

it('what was promised for later is kept through crashes, and what was aborted is never seen', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 30 }), run), { numRuns: 100 });
}, 60_000);
