import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import type { Cluster, ClusterId, Usage, UsageBreakdown, UsageWindow } from '@robustmq/contracts';
import type { z } from 'zod';
import { TestAgent } from '../testing/test-agent.ts';
import { startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';

let api: TestApi;
let agent: TestAgent;
let owner: SignedUp;
let other: SignedUp;
let clusters: Cluster[];
let serial = 0;
const MINUTE = 60_000;
/** 10:00 of the day before yesterday: recent enough to be counted. */
const START = Math.floor(Date.now() / 86_400_000 - 2) * 86_400_000 + 10 * 3600_000;

const create = async (who: SignedUp, name: string): Promise<Cluster> => {
  const made = await api.call<Cluster>('POST', `${who.at}/clusters`, { token: who.token, body: { name } });
  const read = async () =>
    (await api.call<Cluster>('GET', `${who.at}/clusters/${made.body.id}`, { token: who.token })).body;
  return until(read, (cluster) => cluster.phase === 'Ready');
};

beforeAll(async () => {
  api = await startTestApi();
  agent = await TestAgent.joined(api);
  [owner, other] = [await api.signUp(), await api.signUp()];
});
beforeEach(async () => {
  serial += 1;
  clusters = [await create(owner, `usage-${serial}`), await create(other, `usage-${serial}`)];
});
afterAll(async () => {
  agent.close();
  await api.stop();
});

/** `count` windows of a node's log, over both clusters, minute by minute. */
function windows(count: number, nodeEpoch = `epoch-${serial}`): UsageWindow[] {
  const sums = new Map<string, bigint>();
  return Array.from({ length: count }, (_, n) => {
    const cluster = clusters[n % clusters.length]!;
    const value = 2n ** 60n + BigInt(n);
    const cumulative = (sums.get(cluster.id) ?? 0n) + value;
    sums.set(cluster.id, cumulative);
    return {
      ...{
        seq: n + 1,
        nodeId: 'shared',
        nodeEpoch,
        clusterId: cluster.id as ClusterId,
        protocol: 'mqtt',
        meter: 'ingress_bytes',
      },
      ...{
        windowStartMs: START + Math.floor(n / clusters.length) * MINUTE,
        value: value.toString(),
        cumulative: cumulative.toString(),
      },
    };
  });
}

const sum = (list: readonly UsageWindow[], clusterId: string) =>
  list
    .filter((w) => w.clusterId === clusterId)
    .reduce((total, w) => total + BigInt(w.value), 0n)
    .toString();

async function usage(who: SignedUp, clusterId: string, granularity: string): Promise<z.infer<typeof Usage>> {
  const from = new Date(START).toISOString();
  const to = new Date(START + 20 * 3600_000).toISOString();
  const query = `clusterId=${clusterId}&from=${from}&to=${to}&granularity=${granularity}`;
  const answer = await api.call<z.infer<typeof Usage>>('GET', `${who.at}/usage?${query}`, { token: who.token });
  expect(answer.status).toBe(200);
  return answer.body;
}

/** Every granularity answers exactly what was sent, to each tenant their own. */
async function expectExact(sent: readonly UsageWindow[]): Promise<void> {
  for (const [n, who] of [owner, other].entries()) {
    const clusterId = clusters[n]!.id;
    for (const granularity of ['minute', 'hour', 'day', 'month']) {
      const answer = await usage(who, clusterId, granularity);
      expect(answer.totals.ingress_bytes, granularity).toBe(sum(sent, clusterId));
      expect(answer.totals.egress_bytes).toBe('0');
      expect(answer.windows.reduce((total, row) => total + BigInt(row.quantity), 0n).toString()).toBe(
        sum(sent, clusterId),
      );
    }
    const theirs = await usage(who, clusters[1 - n]!.id, 'minute');
    expect(theirs.windows).toEqual([]);
  }
}

describe('usage', () => {
  it('is answered by minute, hour, day and month', async () => {
    const sent = windows(260);
    expect(await agent.pushUsage(sent)).toEqual({ seq: 260, accepted: 260, duplicates: 0, quarantined: 0 });
    await expectExact(sent);
    const hours = await usage(owner, clusters[0]!.id, 'hour');
    expect(hours.windows.map((row) => row.start)).toEqual(
      [0, 1, 2].map((hour) => new Date(START + hour * 3600_000).toISOString()),
    );
    const months = await usage(owner, clusters[0]!.id, 'month');
    expect(months).toMatchObject({ granularity: 'month', from: expect.stringMatching(/-01T00:00:00.000Z$/) });
    expect(new Set(months.windows.map((row) => row.start.slice(8)))).toEqual(new Set(['01T00:00:00.000Z']));
  });

  it('is broken down by credential and topic prefix, and what no name is known of is told as the rest', async () => {
    const [first, second, third] = windows(6).filter((w) => w.clusterId === clusters[0]!.id);
    const said = (w: UsageWindow | undefined, shares: UsageWindow['shares']): UsageWindow => ({
      ...{ ...w!, value: '100', cumulative: String(100 * (1 + [first, second, third].indexOf(w))) },
      ...(shares ? { shares } : {}),
    });
    const sent = [
      said(first, {
        credential: [
          ['ada', '60'],
          ['bob', '30'],
        ],
        topic_prefix: [['sensors', '100']],
      }),
      said(second, { credential: [['bob', '55']] }),
      // shares that say more than was counted are nobody's
      said(third, {
        credential: [
          ['ada', '60'],
          ['eve', '50'],
        ],
      }),
    ];
    for (const batch of [sent, sent.toReversed(), sent]) await agent.pushUsage(batch);
    const breakdown = async (who: SignedUp, query: string) => {
      const from = new Date(START).toISOString();
      return api.call<UsageBreakdown>('GET', `${who.at}/usage/breakdown?${query}&from=${from}`, { token: who.token });
    };
    const names = (answer: UsageBreakdown) => answer.items.map(({ name, quantity }) => [name, quantity]);
    const [id] = clusters.map((cluster) => cluster.id);
    const byCredential = (await breakdown(owner, `by=credential&clusterId=${id}`)).body;
    expect(names(byCredential)).toEqual([
      ['bob', '85'],
      ['ada', '60'],
      [null, '155'],
    ]);
    expect(byCredential.totals).toEqual({ ingress_bytes: '300' });
    expect(names((await breakdown(owner, `by=credential&clusterId=${id}&limit=1`)).body)).toEqual([
      ['bob', '85'],
      [null, '215'],
    ]);
    expect(names((await breakdown(owner, `by=topic_prefix&clusterId=${id}&meter=ingress_bytes`)).body)).toEqual([
      ['sensors', '100'],
      [null, '200'],
    ]);
    expect((await breakdown(owner, `by=credential&clusterId=${id}&meter=egress_bytes`)).body.items).toEqual([]);
    expect((await breakdown(other, `by=credential&clusterId=${id}`)).body.items).toEqual([]);
    expect(await breakdown(owner, 'by=client')).toMatchObject({ status: 400, body: { errors: [{ pointer: '?by' }] } });
    expect((await usage(owner, id!, 'hour')).complete).toBe(true);
  });

  it('is the same however often, in whatever order and batches it is delivered', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 30 }),
        fc.array(fc.tuple(fc.nat(29), fc.nat(29)), { maxLength: 12 }),
        fc.nat(),
        async (count, replays, seed) => {
          const sent = windows(count, `epoch-${serial}-${seed}-${Math.random()}`);
          const before = (await usage(owner, clusters[0]!.id, 'hour')).totals.ingress_bytes!;
          const batches = replays
            .map(([a, b]) => sent.slice(Math.min(a, b), Math.max(a, b) + 1))
            .filter((batch) => batch.length > 0);
          batches.splice(
            seed % (batches.length + 1),
            0,
            [...sent].sort((a, b) => ((a.seq * 7919 + seed) % 31) - ((b.seq * 7919 + seed) % 31)),
          );
          // some at once, as after a lost acknowledgement
          const acks = await Promise.all(batches.map((batch) => agent.pushUsage(batch)));
          expect(acks.reduce((total, ack) => total + ack.accepted, 0)).toBe(count);
          expect(acks.reduce((total, ack) => total + ack.accepted + ack.duplicates, 0)).toBe(
            batches.reduce((total, batch) => total + batch.length, 0),
          );
          const after = (await usage(owner, clusters[0]!.id, 'hour')).totals.ingress_bytes!;
          expect(BigInt(after) - BigInt(before)).toBe(BigInt(sum(sent, clusters[0]!.id)));
        },
      ),
      { numRuns: 12 },
    );
  });

  it('of a contradicting window, or of clusters that are not the agent’s, is put aside and not counted', async () => {
    const sent = windows(4);
    await agent.pushUsage(sent);
    const contradiction = { ...sent[0]!, value: '1', cumulative: '1' };
    const foreign = { ...sent[1]!, seq: 9, clusterId: '01890000-0000-7000-8000-000000000000' as ClusterId };
    expect(await agent.pushUsage([contradiction, foreign, sent[2]!])).toMatchObject({
      accepted: 0,
      duplicates: 1,
      quarantined: 2,
    });
    expect(await agent.pushUsage([contradiction, foreign])).toMatchObject({
      accepted: 0,
      duplicates: 2,
      quarantined: 0,
    });
    const elsewhere = await TestAgent.joined(api, 'elsewhere');
    expect(await elsewhere.pushUsage(windows(2, 'forged'))).toMatchObject({ accepted: 0, quarantined: 2 });
    elsewhere.close();
    await expectExact(sent);
  });

  it('that is missing shows in the metrics until it arrives', async () => {
    const sent = windows(10);
    const missing = async () => /robustmq_usage_windows_missing\{[^}]*epoch="epoch-(\d+)"\} (\d+)/g;
    const gap = async () => {
      const { body } = await api.call<string>('GET', '/metrics');
      return [...body.matchAll(await missing())].find((match) => match[1] === String(serial))?.[2];
    };
    await agent.pushUsage(sent.filter((w) => w.seq !== 3 && w.seq !== 4));
    expect(await gap()).toBe('2');
    await agent.pushUsage(sent.filter((w) => w.seq <= 5));
    expect(await gap()).toBeUndefined();
  });

  it('of a deleted cluster still counts, and asks for too much are refused', async () => {
    await api.call('DELETE', `${owner.at}/clusters/${clusters[0]!.id}?restore_days=0`, { token: owner.token });
    await until(
      async () => (await api.call('GET', `${owner.at}/clusters/${clusters[0]!.id}`, { token: owner.token })).status,
      (code) => code === 404,
    );
    const sent = windows(6);
    expect(await agent.pushUsage(sent)).toMatchObject({ accepted: 6 });
    await expectExact(sent);
    const long = await api.call('GET', `${owner.at}/usage?from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z`, {
      token: owner.token,
    });
    expect(long).toMatchObject({ status: 400, body: { errors: [{ pointer: '?granularity' }] } });
    const reversed = await api.call('GET', `${owner.at}/usage?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z`, {
      token: owner.token,
    });
    expect(reversed.status).toBe(400);
  });
});

describe('the invariants of metering', () => {
  const metric = async (name: string): Promise<string | undefined> => {
    const { body } = await api.call<string>('GET', '/metrics');
    const lines = body.matchAll(new RegExp(`^${name}\\{[^}]*epoch="epoch-(\\d+)"\\} (\\d+)$`, 'gm'));
    return [...lines].find((match) => match[1] === String(serial))?.[2];
  };
  const breaks = () => metric('robustmq_usage_series_breaks');
  const missing = () => metric('robustmq_usage_windows_missing');
  const complete = async (n = 0) => (await usage([owner, other][n]!, clusters[n]!.id, 'hour')).complete;

  it('2: what is lost on the way and sent again leaves totals, sums and flags as if nothing had happened', async () => {
    const sent = windows(40);
    const cut = [sent.slice(20), sent.slice(5, 30), sent.slice(0, 12), sent, [...sent].reverse()];
    for (const batch of cut) await agent.pushUsage(batch);
    await expectExact(sent);
    expect([await breaks(), await missing(), await complete()]).toEqual([undefined, undefined, true]);
  });

  it('3: a batch that was committed but not acknowledged counts once when it comes again, also many times at once', async () => {
    const sent = windows(30);
    const acks = await Promise.all(Array.from({ length: 6 }, () => agent.pushUsage(sent)));
    expect(acks.reduce((total, ack) => total + ack.accepted, 0)).toBe(30);
    await expectExact(sent);
    expect([await breaks(), await missing()]).toEqual([undefined, undefined]);
  });

  it('a window in between that is missing shows as a break and a flag, is not invented, and heals when it comes', async () => {
    const sent = windows(12);
    const lost = sent.filter((w) => w.seq === 5 || w.seq === 8);
    const arrived = sent.filter((w) => !lost.includes(w));
    await agent.pushUsage(arrived);
    await expectExact(arrived);
    expect([await breaks(), await missing()]).toEqual(['2', '2']);
    expect([await complete(0), await complete(1)]).toEqual([false, false]);
    await agent.pushUsage([lost[1]!]);
    expect([await complete(0), await complete(1)]).toEqual([false, true]);
    await agent.pushUsage([lost[0]!]);
    expect([await breaks(), await missing()]).toEqual([undefined, undefined]);
    expect([await complete(0), await complete(1)]).toEqual([true, true]);
    await expectExact(sent);
  });

  it('a value that its running total does not bear out shows as a break', async () => {
    const sent = windows(6);
    const wrong = { ...sent[2]!, value: (BigInt(sent[2]!.value) - 1n).toString() };
    expect(await agent.pushUsage([...sent.slice(0, 2), wrong, ...sent.slice(3)])).toMatchObject({ accepted: 6 });
    expect([await breaks(), await missing()]).toEqual(['1', undefined]);
    expect([await complete(0), await complete(1)]).toEqual([false, true]);
  });

  it('5: of two payloads under one identity the first counts; the second is put aside and hides no missing window', async () => {
    const sent = windows(10);
    const arrived = sent.filter((w) => w.seq !== 4);
    await agent.pushUsage(arrived);
    const second = { ...sent[0]!, value: '7', cumulative: '7' };
    expect(await agent.pushUsage([second])).toMatchObject({ accepted: 0, quarantined: 1 });
    expect(await missing()).toBe('1');
    await expectExact(arrived);
  });

  it('15: usage is the tenant’s whose cluster it is, whatever else a window says', async () => {
    const sent = windows(2).map((w) => ({ ...w, tenantId: other.tenantId, nodeId: other.tenantId }));
    expect(await agent.pushUsage(sent)).toMatchObject({ accepted: 2 });
    await expectExact(sent);
  });

  it('16: a clock up to five minutes ahead is taken, one further ahead is put aside, and windows stay disjoint', async () => {
    const [first] = windows(1);
    const minute = Math.floor(Date.now() / MINUTE) * MINUTE;
    const ahead = { ...first!, windowStartMs: minute + 4 * MINUTE };
    const far = { ...first!, seq: 2, windowStartMs: minute + 7 * MINUTE };
    expect(await agent.pushUsage([ahead, far])).toMatchObject({ accepted: 1, quarantined: 1 });
    const never = { ...far, seq: 3, windowStartMs: Number.MAX_SAFE_INTEGER };
    expect(await agent.pushUsage([never])).toMatchObject({ accepted: 0, quarantined: 1 });
    expect(await missing()).toBeUndefined();
  });

  it('17: a new epoch begins its running totals at 0 and counts beside the old one', async () => {
    const before = windows(8);
    const after = windows(8, `epoch-${serial}-reinstalled`).map((w) => ({
      ...w,
      windowStartMs: w.windowStartMs + 4 * MINUTE,
    }));
    await agent.pushUsage([...after, ...before]);
    await agent.pushUsage(before);
    await expectExact([...before, ...after]);
    expect([await breaks(), await complete()]).toEqual([undefined, true]);
  });

  it('27: usage of one tenant answers nothing of another, also with forged ids', async () => {
    const sent = windows(12);
    await agent.pushUsage(sent.filter((w) => w.seq !== 3));
    const stranger = await api.signUp();
    for (const path of [`${stranger.at}/usage?clusterId=${clusters[0]!.id}`, `${stranger.at}/usage`]) {
      const answer = await api.call<z.infer<typeof Usage>>('GET', path, { token: stranger.token });
      expect(answer.body).toMatchObject({ windows: [], complete: true });
    }
    expect((await api.call('GET', `${owner.at}/usage`, { token: stranger.token })).status).toBe(404);
  });

  it('ids with characters no text can hold are refused, and nothing of their batch is kept', async () => {
    const sent = windows(2);
    await expect(agent.pushUsage([sent[0]!, { ...sent[1]!, nodeId: 'a\u0000b' }])).rejects.toThrow(/nodeId/);
    await expectExact([]);
  });
});
