import { BatchBuilder, type Commit } from '@robustmq/journal';
import { expect, it, vi } from 'vitest';
import { FaultyLogStore, MemoryLogStore } from './testing/failing-stores.ts';
import { config, openSession, runOf, settled, subscribeOptions, TestNode, TestRuntime } from './testing/test-node.ts';

vi.setConfig({ testTimeout: 60_000 });

const persistent = { expirySeconds: 3600 };
type Outcome = 'stored' | 'refused' | 'failed';
/** How something that waits for the medium ends; it must end. */
async function ended(work: Commit | Promise<unknown> | null): Promise<Outcome> {
  if (work === null) return 'stored';
  const promise = work instanceof Promise ? work : work.promise();
  return promise.then(
    (value) => (typeof value === 'object' && value !== null && 'refused' in value ? 'refused' : 'stored'),
    () => 'failed' as const,
  );
}
function batch(): Buffer {
  const builder = new BatchBuilder();
  builder.add(null, Buffer.from('record'), null, 1_000);
  return builder.build();
}

/*
 * The disk is full, or takes no more writes: a flush fails and with it the medium. Whatever needs it says so from then on;
 * nothing throws into a protocol, nothing is acknowledged, nothing hangs, and what needs no medium goes on.
 */
it('says of everything that needs the medium that it failed, while and after it does', async () => {
  const runtime = new TestRuntime();
  const medium = new MemoryLogStore();
  const store = new FaultyLogStore(medium, runtime);
  const node = await TestNode.start(store, runtime);
  const failures: string[] = [];
  node.journal.onFailed((error) => failures.push(error.message));
  await node.broker.applyNamespace(config({ topics: [{ name: 't', partitions: 1 }] }));
  const { session } = openSession(node, 'sleeper', persistent);
  await ended(subscribed('#'));
  const live = openSession(node, 'live');
  live.session.subscribe('only/live', subscribeOptions);
  const publisher = openSession(node, 'publisher', persistent);
  const storing = node.connect('k', 'kafka');
  await settled(node);
  const namespace = node.namespace();
  const topic = namespace.topics.get('t')!;
  const [partition] = topic.partitions;

  function subscribed(filter: string): Commit | null {
    const outcome = session.subscribe(filter, subscribeOptions);
    return outcome.refusal === null ? outcome.commit : null;
  }
  const appended = (): Commit | null => {
    const outcome = partition!.append(batch(), storing);
    return 'refused' in outcome ? null : outcome.commit;
  };
  const everything: Record<string, () => Commit | Promise<unknown> | null> = {
    'a message that a topic captures': () => namespace.publish(runOf('t', ['x']), publisher.connection).commit,
    'a message that an inbox is owed': () => namespace.publish(runOf('other', ['x']), publisher.connection).commit,
    'a retained message': () => namespace.publish(runOf('r', ['x'], 0, true), publisher.connection).commit,
    'a delayed message': () => namespace.publish(runOf('$delayed/9/r', ['x']), publisher.connection).commit,
    'a packet id': () => publisher.session.holdPacketId(7),
    'a batch of records': appended,
    'the end of a transaction': () => partition!.endTransaction(5, 0, true),
    'a subscription': () => subscribed('more/#'),
    'a position of a group': () =>
      namespace.offsets.commit('g', [{ topic: 't', partition: 0, offset: 1, leaderEpoch: 0, metadata: '' }]),
    'state of a protocol': () => namespace.keyed('kind').set('key', Buffer.from('value')),
    'a new topic': () => namespace.topics.create({ name: `new${runtime.nowMs()}`, partitions: 1 }),
    'a changed topic': () => namespace.topics.alter('t', { retentionMs: runtime.nowMs() }),
    'a new cluster': () =>
      node.broker.applyNamespace(config({ id: `ns${runtime.nowMs()}`, name: `n${runtime.nowMs()}`, isDefault: false })),
  };
  const outcomes = async (): Promise<Record<string, Outcome>> => {
    const found = Object.entries(everything).map(async ([name, run]) => [name, await ended(run())] as const);
    runtime.advance(1);
    return Object.fromEntries(await Promise.all(found)) as Record<string, Outcome>;
  };
  const all = (outcome: Outcome) => Object.fromEntries(Object.keys(everything).map((name) => [name, outcome]));

  expect(await outcomes()).toEqual(all('stored'));
  store.faults = { ...store.faults, flushErrorChance: 1 };
  expect(await outcomes()).toEqual(all('failed'));
  // the medium stays failed, whatever it does from now on
  store.faults = { ...store.faults, flushErrorChance: 0 };
  expect(await outcomes()).toEqual(all('failed'));
  expect(failures).toHaveLength(1);

  expect(namespace.publish(runOf('only/live', ['still'], 0), publisher.connection).refusal).toBeNull();
  expect(live.subscriber.payloads).toEqual(['still']);
  expect(partition!.read(0, 1_000)).not.toHaveLength(0);
  const late = openSession(node, 'late', persistent);
  expect((await ended(late.session.holdPacketId(1))) === 'failed').toBe(true);
  late.session.detach(true);
  publisher.session.detach(true);
  for (let i = 0; i < 3; i++) {
    node.broker.sweep();
    await new Promise(setImmediate);
  }
  await node.broker.stop();
});
