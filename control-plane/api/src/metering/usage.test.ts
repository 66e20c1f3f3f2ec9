import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import type { Cluster, ClusterId, Usage, UsageWindow } from '@robustmq/contracts';
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
const START = Date.UTC(2026, 2, 1, 10, 0);

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

/** All three granularities answer exactly what was sent, to each tenant their own. */
async function expectExact(sent: readonly UsageWindow[]): Promise<void> {
  for (const [n, who] of [owner, other].entries()) {
    const clusterId = clusters[n]!.id;
    for (const granularity of ['minute', 'hour', 'day']) {
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
  it('is answered by minute, hour and day', async () => {
    const sent = windows(260);
    expect(await agent.pushUsage(sent)).toEqual({ seq: 260, accepted: 260, duplicates: 0, quarantined: 0 });
    await expectExact(sent);
    const hours = await usage(owner, clusters[0]!.id, 'hour');
    expect(hours.windows.map((row) => row.start)).toEqual([
      '2026-03-01T10:00:00.000Z',
      '2026-03-01T11:00:00.000Z',
      '2026-03-01T12:00:00.000Z',
    ]);
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
    await api.call('DELETE', `${owner.at}/clusters/${clusters[0]!.id}`, { token: owner.token });
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
