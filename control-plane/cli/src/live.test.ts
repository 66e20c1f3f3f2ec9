import { startFakeControlPlane, type FakeControlPlane } from '@robustmq/client/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recorder } from './testing/recording-terminal.ts';

let plane: FakeControlPlane;
let ctl: ReturnType<typeof recorder>;

beforeAll(async () => {
  plane = await startFakeControlPlane();
  ctl = recorder(plane.url);
  await ctl.exec(['signup', '--email', 'a@b.test', '--password', 'long enough', '--tenant', 'Acme']);
  await ctl.exec(['cluster', 'create', 'one']);
  const group = {
    ...{ name: 'g', state: 'Empty', protocolType: 'consumer', members: [] },
    offsets: [{ topic: 't', partition: 0, offset: 1, endOffset: 4, lag: 3 }],
  };
  plane.state.tenants[0]!.clusters[0]!.live = {
    listClients: [{ clientId: 'c1', protocol: 'mqtt', principal: 'p', remoteAddress: 'a', connectedAt: 'now' }],
    listSessions: [{ clientId: 'c1', connected: true, subscriptions: 1, inboxMessages: 2, inboxBytes: 3 }],
    listInbox: [{ topic: 'a/b', qos: 1, sizeBytes: 1, timestamp: 'now' }],
    listRetained: [{ topic: 'a/b', sizeBytes: 1, timestamp: 'now', value: 'eA==' }],
    listEvents: [],
    listGroups: [group],
    getTopicTiers: [
      { partition: 0, startOffset: 0, endOffset: 9, hotBytes: 1, warmBytes: 2, coldBytes: 3, objects: [], moves: [] },
    ],
  };
});
afterAll(() => plane.close());

const at = ['-c', 'one'];

describe('live commands', () => {
  it.each([
    [['client', 'list'], 'c1'],
    [['session', 'list'], 'c1'],
    [['session', 'inbox', '--client', 'c1'], 'a/b'],
    [['retained', 'list'], 'a/b'],
    [['group', 'list'], 'g'],
    [['group', 'describe', 'g'], '3'],
    [['topic', 'tiers', 't'], '0–9'],
    [['topic', 'forecast', 't'], 'cold after 7 days'],
    [['topic', 'forecast', 't', '--cold-after-days', '7'], '12.34 USD'],
    [['events'], 'AT'],
  ])('%j shows what there is, as table and as JSON', async (args, text) => {
    expect(await ctl.exec([...args, ...at])).toMatchObject({ code: 0, out: expect.stringContaining(text) });
    expect(await ctl.json(...args, ...at)).toBeDefined();
  });

  it.each([
    [['client', 'kick', 'c1'], 'listClients'],
    [['session', 'end', 'c1'], 'listSessions'],
    [['retained', 'delete', 'a/b'], 'listRetained'],
  ] as const)('%j takes it away, and says so when it is not there', async (args, list) => {
    expect((await ctl.exec([...args, ...at])).code).toBe(0);
    expect(plane.state.tenants[0]!.clusters[0]!.live[list]).toEqual([]);
    expect((await ctl.exec([...args, ...at])).code).toBe(3);
  });

  it('moves offsets', async () => {
    const moved = await ctl.json('group', 'reset-offsets', 'g', '--topic', 't', '--to', 'earliest', ...at);
    expect(moved).toEqual({ offsets: [{ partition: 0, offset: 0 }] });
    expect((await ctl.exec(['group', 'describe', 'nobody', ...at])).code).toBe(3);
  });
});

describe('settings of a cluster', () => {
  it('are read and written by their path', async () => {
    await ctl.exec(['config', 'set', 'mqtt.sharedStrategy', 'sticky', ...at, '--dry-run']);
    expect(await ctl.json('config', 'get', 'mqtt.sharedStrategy', ...at)).toBe('round-robin');
    const set = await ctl.exec(['config', 'set', 'mqtt.sharedStrategy', 'sticky', ...at]);
    expect(set).toMatchObject({ code: 0, notes: expect.stringContaining('Revision 1 is applied') });
    expect(await ctl.json('config', 'get', 'mqtt.sharedStrategy', ...at)).toBe('sticky');
    expect((await ctl.exec(['config', 'get', 'mqtt.nothing', ...at])).code).toBe(2);
    expect((await ctl.exec(['config', 'set', 'kafka.defaultPartitions', '0', ...at])).code).toBe(1);
  });

  it('hold ACL rules and the blacklist', async () => {
    const rule = (await ctl.json('acl', 'deny', 'a/#', '--pattern-type', 'filter', '--action', 'write', ...at)) as {
      id: string;
    };
    expect(await ctl.json('acl', 'list', ...at)).toMatchObject([
      { effect: 'deny', pattern: 'a/#', actions: ['write'] },
    ]);
    const explain = ['acl', 'explain', 'a/#', '--principal', 's', '--action', 'write', ...at];
    expect(await ctl.json(...explain)).toMatchObject({ allowed: false, ruleId: rule.id });
    expect((await ctl.exec(explain)).out).toContain(`denied (rule ${rule.id}: deny`);
    expect((await ctl.exec(['acl', 'explain', 'b', '--principal', 's', '--action', 'read', ...at])).out).toContain(
      'no rule matches',
    );
    expect((await ctl.exec(['acl', 'explain', 'b', '--principal', 's', ...at])).code).toBe(2);
    expect((await ctl.exec(['acl', 'delete', rule.id, ...at])).code).toBe(0);
    expect((await ctl.exec(['acl', 'allow', 'x', '--action', 'fly', ...at])).code).toBe(2);
    const entry = (await ctl.json('blacklist', 'add', 'mallory', '--kind', 'user', ...at)) as { id: string };
    expect(await ctl.json('blacklist', 'list', ...at)).toMatchObject([{ kind: 'user', value: 'mallory' }]);
    expect((await ctl.exec(['blacklist', 'remove', entry.id, ...at])).code).toBe(0);
  });

  it('and a life: names, labels, pause, restore', async () => {
    await ctl.exec(['cluster', 'create', 'lively']);
    const update = ['cluster', 'update', 'lively', '--label', 'team=a', '--label', 'stage=b=c', '--protect'];
    expect(await ctl.json(...update)).toMatchObject({
      ...{ labels: { team: 'a', stage: 'b=c' }, deletionProtection: true },
    });
    expect((await ctl.exec(['cluster', 'delete', 'lively', '--yes'])).code).toBe(1);
    expect(await ctl.json('cluster', 'update', 'lively', '--remove-label', 'team', '--no-protect')).toMatchObject({
      ...{ labels: { stage: 'b=c' }, deletionProtection: false },
    });
    expect((await ctl.exec(['cluster', 'update', 'lively'])).code).toBe(2);
    expect((await ctl.exec(['cluster', 'update', 'lively', '--label', 'x'])).code).toBe(2);
    for (const verb of ['pause', 'resume']) expect((await ctl.exec(['cluster', verb, 'lively'])).code).toBe(0);
    expect((await ctl.exec(['cluster', 'restore', 'lively'])).code).toBe(3);
    expect((await ctl.exec(['cluster', 'delete', 'lively', '--yes'])).notes).toContain('robust-ctl cluster restore');
    expect(await ctl.json('cluster', 'restore', 'lively')).toMatchObject({ name: 'lively' });
    expect((await ctl.exec(['cluster', 'delete', 'lively', '--yes', '--purge'])).notes).not.toContain('restore');
  });

  it('and policies of topics', async () => {
    await ctl.exec(['topic', 'create', 'tiered', '--cleanup', 'compact', '--cold-after-ms', '5', ...at]);
    expect(await ctl.json('topic', 'get', 'tiered', ...at)).toMatchObject({
      cleanup: 'compact',
      tier: { coldAfterMs: 5 },
    });
    expect(await ctl.json('topic', 'update', 'tiered', '--retention-ms', '9', ...at)).toMatchObject({ retentionMs: 9 });
    expect((await ctl.exec(['topic', 'update', 'tiered', ...at])).code).toBe(2);
  });
});
