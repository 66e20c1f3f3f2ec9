import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import pg from 'pg';
import { Agents } from './agents.ts';
import { appendAudit, auditChainBreak } from './audit.ts';
import { Database, isDatabaseAway, isUniqueViolation } from './database.ts';
import { startTestDatabase, type TestDatabase } from './testing/test-database.ts';
import { uuidv7 } from './uuid.ts';
import { WorkQueue } from './work.ts';

let urls: TestDatabase;
let database: Database;
let serial = 0;

beforeAll(async () => {
  urls = await startTestDatabase();
  database = await Database.open({ url: urls.url });
});
afterAll(async () => {
  await database.close();
  await urls.stop();
});

const person = () => {
  serial += 1;
  return { email: `p${serial}@x.test`, passwordHash: 'x', tenantName: `t${serial}`, ip: null, requestId: 'r' };
};
const cluster = async (tenantId: string, agentId: string | null = null) => {
  const id = uuidv7();
  const data = { id, tenantId, name: `c${(serial += 1)}`, key: `c-${id}`, plan: 'dedicated', region: 'r', quotas: {} };
  await database.withTenant(tenantId, (tx) => tx.cluster.create({ data: { ...data, agentId } }));
  return id;
};
const enrolled = async () => {
  await database.agents.mintJoinToken(`hash${(serial += 1)}`, 'r', new Date(Date.now() + 60_000));
  const input = { tokenHash: `hash${serial}`, publicKeyPem: `key${serial}`, agentVersion: '', now: new Date() };
  const result = await database.agents.enrol(input);
  if (result.kind !== 'enrolled') throw new Error(result.kind);
  return result.agentId;
};

describe('the doors across tenants', () => {
  it('show a person their own tenants and nobody else’s', async () => {
    const [a, b] = [await database.identity.signUp(person()), await database.identity.signUp(person())];
    expect((await database.identity.tenantsOf(a.userId)).map((tenant) => tenant.id)).toEqual([a.tenantId]);
    expect((await database.identity.tenantsOf(b.userId)).map((tenant) => tenant.id)).toEqual([b.tenantId]);
    expect(await database.identity.tenantsOf(uuidv7())).toEqual([]);
  });

  it('show an agent what is placed on it and nothing else', async () => {
    const { tenantId } = await database.identity.signUp(person());
    const [mine, other] = [await enrolled(), await enrolled()];
    const [here, there] = [await cluster(tenantId, mine), await cluster(tenantId, other)];
    expect((await database.agents.placements(mine))!.clusters.map((one) => one.id)).toEqual([here]);
    expect(await database.agents.tenantsOfClusters(mine, [here, there])).toEqual(new Map([[here, tenantId]]));
  });

  it('are shut for writing', async () => {
    const { tenantId, userId } = await database.identity.signUp(person());
    const app = new pg.Client({ connectionString: urls.url });
    await app.connect();
    const agentId = await enrolled();
    await cluster(tenantId, agentId);
    for (const [setting, value, sql] of [
      ['app.user_id', userId, "UPDATE memberships SET role = 'owner'"],
      ['app.user_id', userId, 'DELETE FROM memberships'],
      ['app.user_id', userId, "UPDATE tenants SET name = 'x'"],
      ['app.agent_id', agentId, "UPDATE clusters SET name = 'x'"],
      ['app.agent_id', agentId, 'DELETE FROM credentials'],
    ] as const) {
      await app.query('BEGIN');
      await app.query('SELECT set_config($1, $2, true)', [setting, value]);
      expect((await app.query(sql)).rowCount, sql).toBe(0);
      await app.query('ROLLBACK');
    }
    await app.end();
  });
});

describe('the audit chain', () => {
  it('has no gaps and no forks however many write at once, and shows any alteration', async () => {
    const { tenantId } = await database.identity.signUp(person());
    const entry = {
      ...{ actor: { type: 'system' as const, id: 'x', ip: null }, action: 'a.b', target: { type: 't', id: 'x' } },
      ...{ result: 'ok' as const, requestId: 'r', detail: { b: 1, a: { d: [1, null], c: 'ü' } } },
    };
    await Promise.all(
      Array.from({ length: 12 }, () => database.withTenant(tenantId, (tx) => appendAudit(tx, tenantId, entry))),
    );
    await database
      .withTenant(tenantId, async (tx) => {
        await appendAudit(tx, tenantId, entry);
        throw new Error('rolled back');
      })
      .catch(() => undefined);
    const rows = await database.withTenant(tenantId, (tx) => tx.auditEvent.findMany({ orderBy: { seq: 'asc' } }));
    expect(rows.map((row) => row.seq)).toEqual(Array.from({ length: 13 }, (_, n) => n + 1));
    expect(auditChainBreak(rows)).toBeUndefined();
    for (const change of [{ detail: {} }, { at: new Date(0) }, { result: 'denied' }, { hash: '0' }]) {
      const altered = rows.map((row) => (row.seq === 7 ? { ...row, ...change } : row));
      expect(auditChainBreak(altered)?.seq).toBe(7);
    }
  });
});

describe('port blocks', () => {
  it('are given once per machine, kept, refused, freed and used up', async () => {
    const { tenantId } = await database.identity.signUp(person());
    const agentId = await enrolled();
    const ids = await Promise.all([1, 2, 3, 4].map(() => cluster(tenantId, agentId)));
    const allocate = (clusterId: string) =>
      database.withTenant(tenantId, (tx) =>
        Agents.allocatePorts(tx, { agentId, clusterId, first: 20_000, last: 20_024 }),
      );
    const given = (await Promise.all(ids.map(allocate))).map((block) => block?.base);
    expect([...given].sort()).toEqual([20_000, 20_008, 20_016, undefined]);
    const holder = ids[given.indexOf(20_008)]!;
    expect(await allocate(holder)).toEqual({ base: 20_008, count: 8 });
    const refuse = (base: number) =>
      database.withTenant(tenantId, (tx) => Agents.refusePorts(tx, holder, base, 'in use'));
    expect(await refuse(20_000)).toBe(false);
    expect(await refuse(20_008)).toBe(true);
    expect(await allocate(holder)).toBeUndefined();
    await database.withTenant(tenantId, (tx) => Agents.freePorts(tx, ids[given.indexOf(20_016)]!));
    expect(await allocate(holder)).toEqual({ base: 20_016, count: 8 });
  });

  it('of earlier versions keep their four ports, and new ones lie beside them', async () => {
    const { tenantId } = await database.identity.signUp(person());
    const agentId = await enrolled();
    const [old, fresh] = [await cluster(tenantId, agentId), await cluster(tenantId, agentId)];
    await database.withTenant(
      tenantId,
      (tx) => tx.$executeRaw`
        INSERT INTO port_allocations (agent_id, base, cluster_id) VALUES (${agentId}::uuid, 20004, ${old}::uuid)`,
    );
    const allocate = (clusterId: string) =>
      database.withTenant(tenantId, (tx) =>
        Agents.allocatePorts(tx, { agentId, clusterId, first: 20_000, last: 20_024 }),
      );
    expect(await allocate(old)).toEqual({ base: 20_004, count: 4 });
    expect(await allocate(fresh)).toEqual({ base: 20_008, count: 8 });
  });
});

describe('the outbox', () => {
  it('keeps a promise once until it is done, and gives it to one taker at a time', async () => {
    const { tenantId } = await database.identity.signUp(person());
    const key = uuidv7();
    const promise = () =>
      database.withTenant(tenantId, (tx) => WorkQueue.promise(tx, 'reconcile-cluster', key, tenantId));
    await promise();
    await promise();
    const taken = (await Promise.all([1, 2, 3].map(() => database.work.takeDue('reconcile-cluster', 10)))).flat();
    expect(taken).toEqual([{ kind: 'reconcile-cluster', key, tenantId, attempts: 1 }]);
    expect(await database.work.takeDue('reconcile-cluster', 10)).toEqual([]);
    await promise();
    expect((await database.work.takeDue('reconcile-cluster', 10))[0]?.attempts).toBe(1);
    await database.withTenant(tenantId, (tx) => WorkQueue.done(tx, 'reconcile-cluster', key));
    await promise().then(() => database.withTenant(tenantId, (tx) => WorkQueue.done(tx, 'reconcile-cluster', key)));
    expect(await database.work.takeDue('reconcile-cluster', 10)).toEqual([]);
  });
});

describe('errors', () => {
  it('are told apart', async () => {
    const { tenantId } = await database.identity.signUp(person());
    const data = { tenantId, name: 'same', role: 'viewer', prefix: 'same', keyHash: 'x' };
    const make = () => database.withTenant(tenantId, (tx) => tx.apiKey.create({ data }));
    await make();
    const taken = await make().catch((error: unknown) => error);
    expect([isUniqueViolation(taken), isDatabaseAway(taken)]).toEqual([true, false]);
  });

  it('of conflicting transactions are run again', async () => {
    const { tenantId } = await database.identity.signUp(person());
    const [a, b] = [await cluster(tenantId), await cluster(tenantId)];
    const touch = (first: string, second: string) =>
      database.withTenant(tenantId, async (tx) => {
        await tx.cluster.update({ where: { id: first }, data: { connections: { increment: 1 } } });
        await new Promise((resolve) => setTimeout(resolve, 50));
        await tx.cluster.update({ where: { id: second }, data: { connections: { increment: 1 } } });
      });
    // a deadlock: the server gives one of them up, and it is run again
    await Promise.all([touch(a, b), touch(b, a)]);
    const rows = await database.withTenant(tenantId, (tx) => tx.cluster.findMany());
    expect(rows.map((row) => row.connections)).toEqual([2, 2]);
  });
});
