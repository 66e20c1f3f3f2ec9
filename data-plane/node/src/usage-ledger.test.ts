import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageWindow, type UsageProtocol } from '@robustmq/contracts/data-plane';
import { MemoryLogStore, type LogStore } from '@robustmq/store';
import { Writer } from '@robustmq/wire';
import { RecordedStore } from './testing/recorded-store.ts';
import { steppedRuntime, type SteppedRuntime } from './testing/stepped-runtime.ts';
import type { ShareDeltas } from './usage-share-lists.ts';
import {
  UsageLedger,
  USAGE_TOTALS_LOG,
  type LiveCounters,
  type StorageLevels,
  type UsageSource,
} from './usage-ledger.ts';

const CLUSTER = '01975c00-0000-7000-8000-000000000001';
const OTHER = '01975c00-0000-7000-8000-000000000002';

interface Counters extends LiveCounters {
  messagesIn: number;
  messagesOut: number;
  bytesIn: number;
  bytesOut: number;
  connectionMs: number;
}
const NOTHING: StorageLevels = { hotBytes: 0, warmBytes: 0, coldBytes: 0, partitions: 0, objectRequests: 0 };

/** A process's counters: what a broker would expose. */
class Process implements UsageSource {
  readonly counters = new Map<string, Counters>();
  readonly stored = new Map<string, number>();
  readonly levels = new Map<string, Partial<StorageLevels>>();
  readonly dedicated = new Set<string>();
  of(namespaceId: string, protocol: UsageProtocol = 'mqtt'): Counters {
    const key = `${protocol} ${namespaceId}`;
    let found = this.counters.get(key);
    if (found === undefined) {
      found = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0, connectionMs: 0 };
      this.counters.set(key, found);
    }
    return found;
  }
  visitChanged(visit: (namespaceId: string, protocol: UsageProtocol, counters: LiveCounters) => void): void {
    for (const [key, counters] of this.counters) visit(key.slice(key.indexOf(' ') + 1), protocolOf(key), counters);
  }
  visitAll(visit: (id: string, protocol: UsageProtocol, counters: LiveCounters, connectionMs: number) => void): void {
    for (const [key, counters] of this.counters)
      visit(key.slice(key.indexOf(' ') + 1), protocolOf(key), counters, counters.connectionMs);
  }
  visitStorage(visit: (namespaceId: string, stored: StorageLevels) => void): void {
    for (const [id, bytes] of this.stored) visit(id, { ...NOTHING, warmBytes: bytes, ...this.levels.get(id) });
    for (const [id, levels] of this.levels) if (!this.stored.has(id)) visit(id, { ...NOTHING, ...levels });
  }
  visitDedicated(visit: (namespaceId: string) => void): void {
    for (const id of this.dedicated) visit(id);
  }
  readonly shares = new Map<string, ShareDeltas['credential']>();
  takeShares(namespaceId: string, protocol: UsageProtocol): ShareDeltas {
    const credential = this.shares.get(`${protocol} ${namespaceId}`) ?? [];
    this.shares.clear();
    return { credential, topic_prefix: [] };
  }
}
function protocolOf(key: string): UsageProtocol {
  return key.slice(0, key.indexOf(' ')) as UsageProtocol;
}

interface Node {
  readonly ledger: UsageLedger;
  readonly process: Process;
  /** One group commit, as the journal does it. */
  commit(): Promise<void>;
}
async function boot(store: LogStore, runtime: SteppedRuntime, windowMs = 60_000): Promise<Node> {
  const process = new Process();
  let ledger: UsageLedger | null = null;
  // As the journal: a flush that is asked for comes at the end of the turn.
  const commit = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    ledger?.beforeFlush();
    await store.flush();
  };
  ledger = await UsageLedger.open({
    store,
    runtime,
    source: process,
    nodeId: 'n1',
    windowMs,
    flush: commit,
    onFailed: fail,
  });
  return { ledger, process, commit };
}
function fail(error: unknown): void {
  throw error;
}
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
const summary = (windows: readonly UsageWindow[]) =>
  windows.map((w) => [w.seq, w.protocol, w.meter, w.value, w.cumulative, (w.windowStartMs / 60_000) % 10]);

describe('windows', () => {
  it('close at the whole minute with what was counted in it, and again only when something was', async () => {
    const runtime = steppedRuntime();
    const { ledger, process } = await boot(new MemoryLogStore(), runtime);
    ledger.start();
    const mqtt = process.of(CLUSTER);
    mqtt.messagesIn = 3;
    mqtt.bytesIn = 300;
    runtime.advance(59_999);
    expect(await ledger.windows(0, 10)).toEqual([]);
    expect(ledger.openWindow().usage.map((u) => [u.meter, u.value])).toEqual([
      ['messages_in', '3'],
      ['ingress_bytes', '300'],
    ]);
    runtime.advance(1);
    await turns(2);
    mqtt.messagesIn = 10;
    process.of(OTHER, 'kafka').bytesOut = 5;
    runtime.advance(60_000);
    runtime.advance(600_000);
    await turns(2);
    const windows = await ledger.windows(0, 10);
    expect(summary(windows)).toEqual([
      [1, 'mqtt', 'messages_in', '3', '3', 0],
      [2, 'mqtt', 'ingress_bytes', '300', '300', 0],
      [3, 'mqtt', 'messages_in', '7', '10', 1],
      [4, 'kafka', 'egress_bytes', '5', '5', 1],
    ]);
    for (const window of windows) UsageWindow.parse(window);
    expect(windows[0]).toMatchObject({ nodeId: 'n1', nodeEpoch: ledger.epoch, clusterId: CLUSTER });
    expect((await ledger.windows(2, 1)).map((w) => w.seq)).toEqual([3]);
    await ledger.trim(3);
    expect((await ledger.windows(0, 10)).map((w) => w.seq)).toEqual([4]);
    await ledger.trim(99);
    expect(await ledger.windows(0, 10)).toEqual([]);
  });

  it('carry who caused them, over a restart too; what a process took with it is nobody’s', async () => {
    const store = new MemoryLogStore();
    const runtime = steppedRuntime();
    const before = await boot(store, runtime);
    before.ledger.start();
    const ada = { name: 'ada', messagesIn: 3, messagesOut: 0, bytesIn: 30, bytesOut: 0, connectionMs: 0 };
    Object.assign(before.process.of(CLUSTER), { messagesIn: 5, bytesIn: 40 });
    before.process.shares.set(`mqtt ${CLUSTER}`, [ada]);
    runtime.advance(60_000);
    await before.commit();
    const told = (windows: readonly UsageWindow[]) => windows.map((w) => [w.meter, w.value, w.shares?.credential]);
    const first = [
      ['messages_in', '5', [['ada', '3']]],
      ['ingress_bytes', '40', [['ada', '30']]],
    ];
    expect(told(await before.ledger.windows(0, 10))).toEqual(first);
    Object.assign(before.process.of(CLUSTER), { messagesIn: 6, bytesIn: 41 });
    await before.commit();
    // the process goes with the shares of the open window; its totals are on the medium
    await before.ledger.stop();
    const after = await boot(store, runtime);
    after.ledger.start();
    runtime.advance(60_000);
    await after.commit();
    const windows = await after.ledger.windows(0, 10);
    expect(told(windows)).toEqual([...first, ['messages_in', '1', undefined], ['ingress_bytes', '1', undefined]]);
    for (const window of windows) expect(UsageWindow.safeParse(window).success).toBe(true);
  });

  it('are served only once they are stable', async () => {
    const runtime = steppedRuntime();
    const { ledger, process } = await boot(new MemoryLogStore(), runtime);
    ledger.start();
    process.of(CLUSTER).messagesIn = 1;
    runtime.advance(60_000);
    expect(await ledger.windows(0, 10)).toEqual([]);
    await turns(2);
    process.of(CLUSTER).messagesIn = 2;
    runtime.advance(60_000);
    expect((await ledger.windows(0, 10)).map((w) => w.seq)).toEqual([1]);
    await ledger.trim(2);
    await turns(2);
    expect((await ledger.windows(0, 10)).map((w) => w.seq)).toEqual([2]);
  });

  it('keep the milliseconds that make no whole second', async () => {
    const runtime = steppedRuntime();
    const { ledger, process } = await boot(new MemoryLogStore(), runtime);
    ledger.start();
    for (const ms of [1_600, 3_200, 4_000]) {
      process.of(CLUSTER).connectionMs = ms;
      runtime.advance(60_000);
    }
    await turns(2);
    expect(summary(await ledger.windows(0, 10)).map((w) => w.slice(2, 5))).toEqual([
      ['connection_seconds', '1', '1'],
      ['connection_seconds', '2', '3'],
      ['connection_seconds', '1', '4'],
    ]);
  });

  it('integrate stored bytes beyond 2^53 and count the time of dedicated nodes', async () => {
    const runtime = steppedRuntime();
    const { ledger, process } = await boot(new MemoryLogStore(), runtime);
    ledger.start();
    process.stored.set(CLUSTER, 2 ** 50 + 1);
    process.dedicated.add(CLUSTER);
    runtime.advance(60_000);
    process.stored.set(CLUSTER, 10);
    runtime.advance(60_000);
    await new Promise((resolve) => setImmediate(resolve));
    const first = BigInt(2 ** 50 + 1) * 60n;
    expect(summary(await ledger.windows(0, 10)).map((w) => w.slice(1, 5))).toEqual([
      ['storage', 'stored_byte_seconds', String(first), String(first)],
      ['storage', 'node_seconds', '60', '60'],
      ['storage', 'warm_byte_seconds', String(first), String(first)],
      ['storage', 'stored_byte_seconds', '600', String(first + 600n)],
      ['storage', 'node_seconds', '60', '120'],
      ['storage', 'warm_byte_seconds', '600', String(first + 600n)],
    ]);
  });

  it('neither overlap nor go back when the clock steps', async () => {
    const runtime = steppedRuntime();
    const { ledger, process } = await boot(new MemoryLogStore(), runtime);
    ledger.start();
    let count = 0;
    for (const step of [0, -3_600_000, 0, 3_600_000, 7_200_000, -60_000, 0, 0, 0, 86_400_000, -30_000]) {
      runtime.stepWallClock(step);
      process.of(CLUSTER).messagesIn = ++count;
      runtime.advance(60_000);
    }
    runtime.stepWallClock(100_000_000);
    runtime.advance(60_000);
    await turns(2);
    const windows = await ledger.windows(0, 100);
    for (let i = 1; i < windows.length; i++)
      expect(windows[i]!.windowStartMs).toBeGreaterThanOrEqual(windows[i - 1]!.windowStartMs + 60_000);
    expect(windows.reduce((sum, w) => sum + Number(w.value), 0)).toBe(count);
  });
});

it('takes the last counts of a namespace that goes, and counts its next life on top', async () => {
  const runtime = steppedRuntime();
  const { ledger, process, commit } = await boot(new MemoryLogStore(), runtime);
  ledger.start();
  const first = process.of(CLUSTER);
  first.messagesIn = 5;
  await commit();
  first.messagesIn = 7;
  process.counters.clear();
  runtime.advance(1_000);
  process.of(CLUSTER).messagesIn = 1;
  await commit();
  expect(ledger.openWindow().usage).toMatchObject([{ meter: 'messages_in', value: '8' }]);
  process.counters.set(`mqtt ${CLUSTER}`, first);
  first.messagesIn = 9;
  await commit();
  expect(ledger.openWindow().usage).toMatchObject([{ meter: 'messages_in', value: '10' }]);
});

it('cuts nothing twice after a restart, when the windows it was cut into are trimmed', async () => {
  const runtime = steppedRuntime();
  let store = new RecordedStore();
  let node = await boot(store, runtime);
  node.ledger.start();
  node.process.of(CLUSTER).messagesIn = 200;
  await node.commit();
  runtime.advance(60_000);
  await turns(2);
  expect(summary(await node.ledger.windows(0, 10))).toEqual([[1, 'mqtt', 'messages_in', '200', '200', 0]]);
  await node.ledger.trim(1);
  store = await store.survivors(store.steps.length);
  node = await boot(store, runtime);
  expect(node.ledger.openWindow().usage).toEqual([]);
  node.ledger.start();
  node.process.of(CLUSTER).messagesIn = 1;
  runtime.advance(60_000);
  await turns(2);
  expect(summary(await node.ledger.windows(0, 10))).toEqual([[2, 'mqtt', 'messages_in', '1', '201', 1]]);
});

it('keeps the epoch of the medium, and makes another for another medium', async () => {
  const store = new MemoryLogStore();
  const first = await boot(store, steppedRuntime());
  expect(first.ledger.epoch).toMatch(/^[0-9a-f]{32}$/);
  expect((await boot(store, steppedRuntime())).ledger.epoch).toBe(first.ledger.epoch);
  const runtime = steppedRuntime();
  runtime.randomBytes(3);
  expect((await boot(new MemoryLogStore(), runtime)).ledger.epoch).not.toBe(first.ledger.epoch);
});

it('keeps its log short', async () => {
  const store = new MemoryLogStore();
  const runtime = steppedRuntime();
  const { ledger, process, commit } = await boot(store, runtime);
  for (let i = 1; i <= 100_000; i++) {
    process.of(CLUSTER).messagesIn = i;
    ledger.beforeFlush();
    if (i % 100 === 0) await store.flush();
  }
  await commit();
  await turns(2);
  const log = await store.open(USAGE_TOTALS_LOG);
  expect(log.sizeBytes).toBeLessThan(2 * 2 ** 20);
  expect((await boot(store, runtime)).ledger.openWindow().usage).toMatchObject([{ value: '100000' }]);
});

it('reports a medium that takes no more', async () => {
  const store = new MemoryLogStore();
  const runtime = steppedRuntime();
  const source = new Process();
  const failures: unknown[] = [];
  const options = { store, runtime, source, nodeId: 'n1', windowMs: 60_000, flush: () => store.flush() };
  const ledger = await UsageLedger.open({ ...options, onFailed: (error) => failures.push(error) });
  ledger.start();
  await store.close();
  source.of(CLUSTER).messagesIn = 1;
  runtime.advance(1_000);
  expect(failures).toMatchObject([{ code: 'closed' }]);
});

it('refuses logs that cannot be read', async () => {
  const store = new MemoryLogStore();
  const log = await store.open(USAGE_TOTALS_LOG);
  log.append({ baseOffset: 0, nextOffset: 1, timestampMs: 0, bytes: Buffer.from([9, 9, 9]) });
  await expect(boot(store, steppedRuntime())).rejects.toMatchObject({ code: 'data-corrupt' });
});

/** The agent's view: every window it was ever given, by identity. */
class Agent {
  readonly windows = new Map<string, UsageWindow>();
  #afterSeq = 0;
  async pull(ledger: UsageLedger, trim: boolean): Promise<void> {
    for (const window of await ledger.windows(trim ? 0 : this.#afterSeq, 3)) {
      const key = `${window.clusterId} ${window.protocol} ${window.meter} ${window.windowStartMs}`;
      const known = this.windows.get(key);
      if (known === undefined) {
        expect(window.seq).toBe(this.windows.size + 1);
        this.windows.set(key, window);
      } else expect(window).toEqual(known);
      this.#afterSeq = Math.max(this.#afterSeq, window.seq);
    }
    if (trim) await ledger.trim(this.#afterSeq);
  }
  check(): Map<string, bigint> {
    const sums = new Map<string, bigint>();
    let startMs = 0;
    for (const window of this.windows.values()) {
      const key = `${window.clusterId} ${window.protocol} ${window.meter}`;
      const sum = (sums.get(key) ?? 0n) + BigInt(window.value);
      expect(window.cumulative).toBe(String(sum));
      expect(window.windowStartMs).toBeGreaterThanOrEqual(startMs);
      startMs = window.windowStartMs;
      sums.set(key, sum);
    }
    return sums;
  }
}

const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('count' as const), of: fc.nat(1), n: fc.integer({ min: 1, max: 9 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('commit' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 2_500 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('step' as const), ms: fc.integer({ min: -5_000, max: 5_000 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pull' as const), trim: fc.boolean(), turns: fc.nat(2) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('crash' as const), keep: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
);

describe('losing the power anywhere', () => {
  it('loses no acknowledged count, adds none, and never changes a window that was served', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const runtime = steppedRuntime();
        let store = new RecordedStore();
        let node = await boot(store, runtime, 1_000);
        const agent = new Agent();
        const clusters = [CLUSTER, OTHER];
        const counted = [0, 0];
        const acknowledged = [0, 0];
        node.ledger.start();
        for (const a of actions) {
          if (a.do === 'count') {
            counted[a.of]! += a.n;
            node.process.of(clusters[a.of]!).messagesIn += a.n;
          } else if (a.do === 'commit') {
            const now = [...counted];
            await node.commit();
            acknowledged.splice(0, 2, ...now);
          } else if (a.do === 'wait') runtime.advance(a.ms);
          else if (a.do === 'step') runtime.stepWallClock(a.ms);
          else if (a.do === 'pull') {
            await turns(a.turns);
            await agent.pull(node.ledger, a.trim);
          } else {
            const lowest = store.stableSteps;
            const keep = lowest + Math.round(a.keep * (store.steps.length - lowest));
            store = await store.survivors(keep);
            node = await boot(store, runtime, 1_000);
            const open = new Map(
              node.ledger.openWindow().usage.map((u) => [u.clusterId as string, Number(u.cumulative)]),
            );
            const closed = await allWindows(node.ledger, agent);
            clusters.forEach((id, i) => {
              const total = open.get(id) ?? closed.get(id) ?? 0;
              expect(total).toBeGreaterThanOrEqual(acknowledged[i]!);
              expect(total).toBeLessThanOrEqual(counted[i]!);
              counted[i] = total;
              acknowledged[i] = total;
            });
            node.ledger.start();
          }
        }
        await node.commit();
        runtime.stepWallClock(100_000);
        runtime.advance(1_000);
        // a commit of before may still be on its way: the windows are stable behind the next one
        await node.commit();
        for (let before = -1; before !== agent.windows.size;) {
          before = agent.windows.size;
          await agent.pull(node.ledger, true);
        }
        const sums = agent.check();
        clusters.forEach((id, i) => {
          expect(sums.get(`${id} mqtt messages_in`) ?? 0n).toBe(BigInt(counted[i]!));
        });
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});

/** The last cumulative per cluster over what the agent has and what the node still has. */
async function allWindows(ledger: UsageLedger, agent: Agent): Promise<Map<string, number>> {
  const last = new Map<string, number>();
  for (const window of [...agent.windows.values(), ...(await ledger.windows(0, 1_000))]) {
    const value = Number(window.cumulative);
    last.set(window.clusterId, Math.max(last.get(window.clusterId) ?? 0, value));
  }
  return last;
}

describe('what is stored', () => {
  const levels = { hotBytes: 5, warmBytes: 30, coldBytes: 70, partitions: 3, objectRequests: 0 };

  it('is metered by tier, with partitions and requests, each request once over restarts', async () => {
    const runtime = steppedRuntime();
    const store = new MemoryLogStore();
    const first = await boot(store, runtime);
    first.ledger.start();
    first.process.levels.set(CLUSTER, { ...levels, objectRequests: 4 });
    runtime.advance(20_000);
    await first.ledger.stop();
    // Another process counts its requests from nothing.
    const second = await boot(store, runtime);
    second.ledger.start();
    second.process.levels.set(CLUSTER, { ...levels, objectRequests: 2 });
    second.process.levels.set(OTHER, { objectRequests: 1 });
    runtime.advance(20_000);
    second.process.levels.set(CLUSTER, { ...levels, objectRequests: 9 });
    runtime.advance(20_000);
    await turns(3);
    const windows = await second.ledger.windows(0, 100);
    const of = (clusterId: string) =>
      Object.fromEntries(windows.filter((w) => w.clusterId === clusterId).map((w) => [w.meter, Number(w.value)]));
    expect(of(CLUSTER)).toEqual({
      ...{ stored_byte_seconds: 6_000, hot_byte_seconds: 300, warm_byte_seconds: 1_800, cold_byte_seconds: 4_200 },
      ...{ partition_seconds: 180, object_requests: 13 },
    });
    expect(of(OTHER)).toEqual({ object_requests: 1 });
  });

  it('goes on from records that knew two meters only', async () => {
    const runtime = steppedRuntime();
    const store = new MemoryLogStore();
    const log = await store.open(USAGE_TOTALS_LOG);
    const name = Buffer.from(CLUSTER);
    const record = new Writer(128)
      .u8(1)
      .u8(1)
      .varlong(runtime.nowMs() - (runtime.nowMs() % 60_000))
      .bytes(Buffer.alloc(16, 7))
      .varlong(0)
      .uvarint(2);
    // A storage set: 500,000 byte milliseconds, 300 of its seconds closed, no node time; and one of MQTT behind it.
    record.uvarint(0).u8(0x83).u8(3).u8(name.length).bytes(name).varlong(500_000).varlong(0).varlong(300).varlong(0);
    record.uvarint(1).u8(0x9f).u8(0).u8(name.length).bytes(name);
    for (let i = 0; i < 10; i++) record.varlong(i < 5 ? 9 : 0);
    log.append({ baseOffset: 0, nextOffset: 1, timestampMs: 0, bytes: record.toBuffer() });
    await store.flush();
    const { ledger, process } = await boot(store, runtime);
    ledger.start();
    expect(ledger.epoch).toBe(Buffer.alloc(16, 7).toString('hex'));
    process.levels.set(CLUSTER, levels);
    runtime.advance(1_000);
    const open = ledger.openWindow().usage.map(({ protocol, meter, value }) => [protocol, meter, value]);
    expect(open).toContainEqual(['storage', 'stored_byte_seconds', '300']);
    expect(open).toContainEqual(['storage', 'cold_byte_seconds', '70']);
    expect(open).toContainEqual(['mqtt', 'messages_in', '9']);
    await ledger.stop();
    const again = await boot(store, runtime);
    expect(again.ledger.epoch).toBe(ledger.epoch);
  });
});
