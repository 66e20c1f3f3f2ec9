import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { DEFAULT_SETTINGS } from '@robustmq/broker';
import { beforeEach, describe, expect, it } from 'vitest';
import { ERROR } from './errors.ts';
import {
  AlterUserScramCredentials,
  CreateAcls,
  DeleteAcls,
  DescribeAcls,
  DescribeUserScramCredentials,
} from './messages/security.ts';
import type { FakeClient } from './testing/fake-client.ts';
import { Fixture } from './testing/fixture.ts';
import { MemoryDelegated } from './testing/memory-broker.ts';

let world: Fixture;
let client: FakeClient;
let delegated: MemoryDelegated;
beforeEach(() => {
  world = new Fixture();
  delegated = world.blue.delegated = new MemoryDelegated();
  client = world.client();
});

const READ = {
  resourceType: 2,
  resourceName: 'orders.',
  resourcePatternType: 4,
  principal: 'User:joe',
  host: '*',
  operation: 3,
  permissionType: 3,
};
const ANY = {
  resourceTypeFilter: 1,
  resourceNameFilter: null,
  patternTypeFilter: 1,
  principalFilter: null,
  hostFilter: null,
  operation: 1,
  permissionType: 1,
};
const create = async (...creations: (typeof READ)[]) =>
  (await world.ask(client, CreateAcls, 3, { creations })).results.map(({ errorCode }) => errorCode as number);
const described = async () => (await world.ask(client, DescribeAcls, 3, ANY)).resources;

describe('ACLs made by clients', () => {
  it('become rules of the cluster, are described, and a repeat changes nothing', async () => {
    const fromHost = { ...READ, resourceType: 3, resourceName: 'g', resourcePatternType: 3, host: '192.0.2.7' };
    expect(await create(READ, fromHost, READ)).toEqual([0, 0, 0]);
    expect([...delegated.made.values()]).toMatchObject([
      {
        effect: 'allow',
        principal: 'joe',
        resource: 'topic',
        pattern: 'orders.',
        patternType: 'prefix',
        actions: ['read'],
      },
      { resource: 'group', patternType: 'literal', addresses: ['192.0.2.7'] },
    ]);
    const acl = { principal: 'User:joe', operation: 3, permissionType: 3 };
    expect(await described()).toEqual([
      { resourceType: 2, resourceName: 'orders.', patternType: 4, acls: [{ ...acl, host: '*' }] },
      { resourceType: 3, resourceName: 'g', patternType: 3, acls: [{ ...acl, host: '192.0.2.7' }] },
    ]);
  });

  it('are deleted by a filter; those of the owner are told with an error and stay', async () => {
    const owners = { id: 'r', effect: 'allow', principal: 'joe', resource: 'topic', pattern: 'mine' } as const;
    const rule = { ...owners, patternType: 'literal', actions: ['read'] } as const;
    world.blue.settings = { ...DEFAULT_SETTINGS, acl: { whenNoRuleMatches: 'deny', rules: [rule] } };
    await create(READ, { ...READ, operation: 4 });
    const filters = [{ ...ANY, operation: 3 }];
    const [result] = (await world.ask(client, DeleteAcls, 3, { filters })).filterResults;
    expect(result!.errorCode).toBe(0);
    expect(result!.matchingAcls).toMatchObject([
      { resourceName: 'mine', errorCode: ERROR.POLICY_VIOLATION },
      { resourceName: 'orders.', errorCode: 0, operation: 3 },
    ]);
    expect([...delegated.made.values()].map(({ actions }) => actions)).toEqual([['write']]);
  });

  it.each([
    ['a resource nobody knows', { resourceType: 6 }],
    ['a pattern of another kind', { resourcePatternType: 1 }],
    ['an empty name', { resourceName: '' }],
    ['a name with a placeholder', { resourceName: '{principal}.x' }],
    ['another cluster', { resourceType: 4, resourceName: 'mine' }],
    ['an operation nobody asks for', { operation: 12 }],
    ['neither allow nor deny', { permissionType: 1 }],
    ['a principal that is no user', { principal: 'Group:x' }],
    ['a principal without a name', { principal: 'User:' }],
    ['a host that is no address', { host: 'example.com' }],
  ])('%s is refused, and the ones beside it are not', async (_, change) => {
    expect(await create({ ...READ, ...change }, READ)).toEqual([ERROR.INVALID_REQUEST, 0]);
  });

  it('need the right to alter the cluster, room, and a medium', async () => {
    delegated.full = 'no more';
    expect(await create(READ)).toEqual([ERROR.POLICY_VIOLATION]);
    delegated.full = null;
    delegated.fails = new Error('the disk is full');
    expect(await create(READ)).toEqual([ERROR.KAFKA_STORAGE_ERROR]);
    delegated.principals.clear();
    expect(await create(READ)).toEqual([ERROR.CLUSTER_AUTHORIZATION_FAILED]);
    const answer = await world.ask(client, DeleteAcls, 3, { filters: [ANY] });
    expect(answer.filterResults[0]).toMatchObject({ errorCode: ERROR.CLUSTER_AUTHORIZATION_FAILED, matchingAcls: [] });
  });
});

describe('SCRAM users made by clients (KIP-554)', () => {
  const salt = Buffer.from('a salt');
  const saltedPassword = pbkdf2Sync('secret', salt, 4096, 32, 'sha256');
  const bob = { name: 'bob', mechanism: 1, iterations: 4096, salt, saltedPassword };
  const alter = async (upsertions: (typeof bob)[], deletions: { name: string; mechanism: number }[] = []) =>
    (await world.ask(client, AlterUserScramCredentials, 0, { upsertions, deletions })).results.map(
      ({ user, errorCode }) => [user, errorCode as number] as const,
    );
  const describeUsers = (users: { name: string }[] | null) =>
    world.ask(client, DescribeUserScramCredentials, 0, { users });

  it('are kept as verifiers, described without them, and removed', async () => {
    expect(await alter([bob])).toEqual([['bob', 0]]);
    const storedKey = createHash('sha256')
      .update(createHmac('sha256', saltedPassword).update('Client Key').digest())
      .digest('base64');
    expect(delegated.verifiers.get('SCRAM-SHA-256 bob')).toMatchObject({ storedKey, iterations: 4096 });
    delegated.owners.add('ann');
    const all = await describeUsers(null);
    expect(all.results).toMatchObject([
      { user: 'ann', errorCode: 0, credentialInfos: [{ mechanism: 1, iterations: 4096 }] },
      { user: 'bob', errorCode: 0, credentialInfos: [{ mechanism: 1, iterations: 4096 }] },
    ]);
    const some = await describeUsers([{ name: 'nobody' }]);
    expect(some.results).toMatchObject([{ user: 'nobody', errorCode: ERROR.RESOURCE_NOT_FOUND }]);
    expect(await alter([], [{ name: 'bob', mechanism: 1 }])).toEqual([['bob', 0]]);
    expect(delegated.verifiers.size).toBe(0);
  });

  it.each([
    ['few iterations', { iterations: 4095 }, ERROR.UNACCEPTABLE_CREDENTIAL],
    ['so many that logging in takes long', { iterations: 16385 }, ERROR.UNACCEPTABLE_CREDENTIAL],
    ['no salt', { salt: Buffer.alloc(0) }, ERROR.UNACCEPTABLE_CREDENTIAL],
    ['the length of another hash', { saltedPassword: Buffer.alloc(64) }, ERROR.UNACCEPTABLE_CREDENTIAL],
    ['a name that names a cluster', { name: 'bob@other' }, ERROR.UNACCEPTABLE_CREDENTIAL],
    ['a mechanism nobody knows', { mechanism: 3 }, ERROR.UNSUPPORTED_SASL_MECHANISM],
  ])('%s is refused', async (_, change, errorCode) => {
    const user = { ...bob, ...change };
    expect(await alter([user])).toEqual([[user.name, errorCode]]);
    expect(delegated.verifiers.size).toBe(0);
  });

  it('all of a user is changed or nothing; the owner’s users are the owner’s', async () => {
    delegated.owners.add('ann');
    const rows = await alter(
      [bob, bob, { ...bob, name: 'ann' }, { ...bob, name: 'eve' }],
      [{ name: 'eve', mechanism: 2 }],
    );
    expect(rows).toEqual([
      ['eve', ERROR.RESOURCE_NOT_FOUND],
      ['bob', ERROR.DUPLICATE_RESOURCE],
      ['ann', ERROR.POLICY_VIOLATION],
    ]);
    expect(delegated.verifiers.size).toBe(0);
    delegated.principals.clear();
    expect(await alter([bob])).toEqual([['bob', ERROR.CLUSTER_AUTHORIZATION_FAILED]]);
    expect((await describeUsers(null)).errorCode).toBe(ERROR.CLUSTER_AUTHORIZATION_FAILED);
  });
});
