import type { Cancel } from '@robustmq/wire';
import { describe, expect, it } from 'vitest';
import { BrokenReads, FaultyLogStore, MemoryLogStore, StoreError, type LogStore } from './testing/failing-stores.ts';
import {
  config,
  openSession,
  runOf,
  settled,
  subscribeOptions,
  takeAll,
  TestNode,
  TestRuntime,
} from './testing/test-node.ts';

const persistent = { expirySeconds: 3600 };

/** Timers run when the clock is moved past them. */
class TimedRuntime extends TestRuntime {
  readonly #timers = new Set<{ readonly atMs: number; readonly run: () => void }>();
  override after(delayMs: number, run: () => void): Cancel {
    const timer = { atMs: this.nowMs() + delayMs, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }
  override advance(ms: number): void {
    super.advance(ms);
    for (const timer of this.#timers) if (timer.atMs <= this.nowMs() && this.#timers.delete(timer)) timer.run();
  }
}
/** Timers are due in the next turn. */
class HastyRuntime extends TestRuntime {
  override after(_delayMs: number, run: () => void): Cancel {
    const timer = setImmediate(run);
    return () => clearImmediate(timer);
  }
}

/** A medium on which the sleeping session `a` is owed `1` and `2`, one of a topic and one of the store. */
async function owing(): Promise<LogStore> {
  const store = new MemoryLogStore();
  const node = await TestNode.start(store);
  await node.broker.applyNamespace(config({ topics: [{ name: 'sensors', partitions: 1 }] }));
  const { session } = openSession(node, 'a', persistent);
  session.subscribe('#', subscribeOptions);
  session.detach(false);
  const { connection } = openSession(node, 'p');
  node.namespace().publish(runOf('sensors/1', ['1']), connection);
  node.namespace().publish(runOf('other', ['2'], 1, true), connection);
  await settled(node);
  return store;
}
async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}
function payloads(entries: Awaited<ReturnType<typeof takeAll>>): (string | undefined)[] {
  return entries.map((entry) => entry.message?.payload.toString());
}

describe('a message that cannot be read', () => {
  it('now is asked for again, ever more rarely, and delivered when it can be', async () => {
    const store = new BrokenReads(await owing());
    const runtime = new TimedRuntime();
    const node = await TestNode.start(store, runtime);
    const { session, subscriber } = openSession(node, 'a', persistent);
    store.error = new StoreError('io', 'test');
    store.reads = 0;
    const perMinute: number[] = [];
    subscriber.inboxReady = () => void session.inbox!.take(9);
    expect(session.inbox!.take(9)).toEqual([]);
    for (let minute = 0; minute < 2; minute++) {
      const before = store.reads;
      for (let i = 0; i < 600; i++) {
        await turns();
        runtime.advance(100);
      }
      perMinute.push(store.reads - before);
    }
    expect(session.inbox!.depth).toBe(2);
    expect(perMinute[0]).toBeLessThan(30);
    expect(perMinute[1]).toBeGreaterThan(2);
    expect(perMinute[1]).toBeLessThan(20);
    store.error = null;
    subscriber.inboxReady = () => undefined;
    runtime.advance(60_000);
    expect(payloads(await takeAll(session))).toEqual(['1', '2']);
  });

  it('holds up nobody who wants another message of the stream', async () => {
    const store = new BrokenReads(await owing());
    const node = await TestNode.start(store, new TimedRuntime());
    const a = openSession(node, 'a', persistent);
    const b = openSession(node, 'b', persistent);
    b.session.subscribe('sensors/#', subscribeOptions);
    store.error = new StoreError('io', 'test');
    expect(payloads(await takeAll(a.session))).toEqual([]);
    await node
      .namespace()
      .publish(runOf('sensors/1', ['3']), b.connection)
      .commit!.promise();
    expect(payloads(b.session.inbox!.take(9) as never)).toEqual(['3']);
    expect(a.session.inbox!.depth).toBe(3);
  });

  it('ever is given up, and the tenant is told', async () => {
    const store = new BrokenReads(await owing());
    const node = await TestNode.start(store, new TimedRuntime());
    const { session } = openSession(node, 'a', persistent);
    store.error = new StoreError('corrupt', 'test', { resumeAt: 1 });
    expect(payloads(await takeAll(session))).toEqual([]);
    expect(session.inbox!.depth).toBe(0);
    const lost = node.broker.clientEvents('ns').filter((event) => event.code === 'message-lost');
    expect(lost).toHaveLength(2);
    expect(lost.some((event) => event.detail.includes('sensors'))).toBe(true);
  });

  it('because its topic was deleted meanwhile is let go', async () => {
    const store = new BrokenReads(await owing());
    const node = await TestNode.start(store, new TimedRuntime());
    const { session } = openSession(node, 'a', persistent);
    store.error = new StoreError('io', 'test');
    expect(payloads(await takeAll(session))).toEqual([]);
    store.error = null;
    await node.namespace().topics.remove('sensors');
    expect(payloads(await takeAll(session))).toEqual(['2']);
  });

  it('while the node starts costs nothing: it is read again, or the start fails', async () => {
    const inner = await owing();
    let starts = 0;
    let failures = 0;
    while (starts < 20) {
      const runtime = new HastyRuntime();
      runtime.randomBytes(failures + starts);
      const faulty = new FaultyLogStore(inner, runtime, { readErrorChance: 0.2 });
      const node = await TestNode.start(faulty, runtime).catch(() => null);
      if (node === null) {
        expect(++failures).toBeLessThan(1_000);
        continue;
      }
      starts++;
      faulty.faults = { ...faulty.faults, readErrorChance: 0 };
      const { session } = openSession(node, 'a', persistent);
      session.inbox!.rewind();
      expect(payloads(await takeAll(session))).toEqual(['1', '2']);
      const retained = openSession(node, `r${starts}`);
      retained.session.subscribe('other', { ...subscribeOptions, qos: 0 });
      await settled(node);
      expect(retained.subscriber.payloads).toEqual(['2']);
      retained.session.detach(false);
    }
  });
});
