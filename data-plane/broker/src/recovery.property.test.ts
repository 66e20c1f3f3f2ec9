import { decodeRecords } from '@robustmq/journal';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CrashingStore } from './testing/crashing-store.ts';
import { config, openSession, runOf, settled, subscribeOptions, takeAll, TestNode } from './testing/test-node.ts';

type Step =
  | { readonly kind: 'publish'; readonly topic: string; readonly count: number; readonly qos: 1 | 2 }
  | { readonly kind: 'take'; readonly session: number; readonly acknowledge: number }
  | { readonly kind: 'turn' }
  | { readonly kind: 'settle' }
  | { readonly kind: 'compact' }
  | { readonly kind: 'crash'; readonly kept: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      topic: fc.constantFrom('sensors/1', 'sensors/2', 'doors/1', 'gone'),
      count: fc.integer({ min: 1, max: 3 }),
      qos: fc.constantFrom(1 as const, 2 as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('take' as const),
      session: fc.nat(2),
      acknowledge: fc.integer({ min: 0, max: 9 }),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: 'turn' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'settle' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'compact' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const), kept: fc.nat(3) }) },
);

const FILTERS = ['sensors/#', '#', '+/1'];
const persistent = { expirySeconds: 3600 };

/** What the outside world knows: what was acknowledged to publishers, and what subscribers have acknowledged. */
class World {
  readonly published = new Map<string, string>();
  readonly acknowledged = new Set<string>();
  readonly consumed = FILTERS.map(() => new Set<string>());
  /** Consumed since the process started: not yet known to be stable. */
  consumedNow = FILTERS.map(() => new Set<string>());
  /** Which message a reader was given under a sequence number: packet ids come from it, so it must never name another. */
  readonly given = FILTERS.map(() => new Map<number, string>());
  readonly consumedStable = FILTERS.map(() => new Set<string>());
}

async function check(node: TestNode, world: World): Promise<void> {
  for (const [i, filter] of FILTERS.entries()) {
    const { session, present } = openSession(node, `s${i}`, persistent);
    expect(present).toBe(true);
    const entries = await takeAll(session);
    const payloads = entries.map((entry) => entry.message!.payload.toString());
    expect(new Set(payloads).size).toBe(payloads.length);
    const sequences = entries.map((entry) => entry.sequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    for (const [k, payload] of payloads.entries()) {
      expect(world.published.get(payload)).toBe(entries[k]!.message!.topic);
      expect(world.consumedStable[i]!.has(payload)).toBe(false);
      expect(world.given[i]!.get(sequences[k]!) ?? payload).toBe(payload);
    }
    for (const payload of world.acknowledged) {
      const topic = world.published.get(payload)!;
      const isWanted = filter === '#' || (filter === '+/1' ? topic.endsWith('/1') : topic.startsWith('sensors/'));
      if (isWanted && !world.consumed[i]!.has(payload)) expect(payloads).toContain(payload);
    }
    session.inbox!.rewind();
    session.detach(false);
  }
  const stored: string[] = [];
  for (const batch of await node.namespace().topics.get('sensors')!.partitions[0]!.read(0, Infinity)) {
    decodeRecords(batch, (record) => void stored.push(String(record.value())));
  }
  for (const payload of world.acknowledged) {
    if (world.published.get(payload)!.startsWith('sensors/')) expect(stored).toContain(payload);
  }
}

async function run(steps: readonly Step[]): Promise<void> {
  const world = new World();
  let store = new CrashingStore();
  let node = await TestNode.start(store);
  await node.broker.applyNamespace(config({ topics: [{ name: 'sensors', partitions: 1 }] }));
  for (const [i, filter] of FILTERS.entries()) {
    const { session } = openSession(node, `s${i}`, persistent);
    const outcome = session.subscribe(filter, { ...subscribeOptions, qos: 2 });
    await (outcome.refusal === null ? outcome.commit!.promise() : null);
  }
  let serial = 0;
  for (const one of steps) {
    if (one.kind === 'publish') {
      const payloads = Array.from({ length: one.count }, () => `m${serial++};`);
      for (const payload of payloads) world.published.set(payload, one.topic);
      const outcome = node.namespace().publishMessage(
        {
          topic: one.topic,
          payload: Buffer.from(payloads[0]!),
          qos: one.qos,
          retain: false,
          properties: null,
          timestampMs: 1,
        },
        null,
      );
      outcome.commit!.onSettled((error) => void (error === null && world.acknowledged.add(payloads[0]!)));
      if (payloads.length === 1) continue;
      const rest = node.namespace().publish(runOf(one.topic, payloads.slice(1), one.qos), node.connect('p'));
      rest.commit!.onSettled((error) => {
        if (error === null) for (const payload of payloads.slice(1)) world.acknowledged.add(payload);
      });
    } else if (one.kind === 'take') {
      const { session } = openSession(node, `s${one.session}`, persistent);
      session.inbox!.rewind();
      for (const entry of session.inbox!.take(one.acknowledge)) {
        const payload = entry.message!.payload.toString();
        world.given[one.session]!.set(entry.sequence, payload);
        world.consumed[one.session]!.add(payload);
        world.consumedNow[one.session]!.add(payload);
        session.inbox!.acknowledge(entry.sequence);
      }
    } else if (one.kind === 'turn') await new Promise((resolve) => setImmediate(resolve));
    else if (one.kind === 'compact') node.broker.byId('ns')!.inboxes.compact(true);
    else if (one.kind === 'settle') {
      await settled(node);
      for (const [i, consumed] of world.consumedNow.entries())
        for (const p of consumed) world.consumedStable[i]!.add(p);
    } else if (one.kind === 'crash') {
      world.consumedNow = FILTERS.map(() => new Set<string>());
      store = await store.crash((chunks) => Math.min(one.kept, chunks));
      node = await TestNode.start(store);
      await check(node, world);
    }
  }
  node = await TestNode.start(await store.crash(() => 0));
  await check(node, world);
}

it('whatever is lost in a crash, nothing acknowledged is lost and nothing consumed comes back', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), run), { numRuns: 150 });
}, 60_000);
