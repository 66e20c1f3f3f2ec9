import type { Commit } from '@robustmq/journal';
import { describe, expect, it } from 'vitest';
import type { Connection, Delegated } from './broker-types.ts';
import { DEFAULT_SETTINGS, type AclRule, type NamespaceSettings } from './index.ts';
import { admitRequest, config, credential, TestNode, TestRuntime } from './testing/test-node.ts';

const rule = (id: string, change: Partial<AclRule> = {}): AclRule => ({
  ...{
    id,
    effect: 'allow',
    principal: 'ann',
    resource: 'topic',
    pattern: '*',
    patternType: 'literal',
    actions: ['all'],
  },
  ...change,
});
const MAY_ALTER = rule('owner', { resource: 'cluster', actions: ['alter'] });
const settings = (rules: readonly AclRule[], whenNoRuleMatches: 'allow' | 'deny' = 'deny'): NamespaceSettings => ({
  ...DEFAULT_SETTINGS,
  acl: { whenNoRuleMatches, rules },
});
const VERIFIER = { salt: 'c2FsdA==', iterations: 8192, storedKey: 'c3RvcmVk', serverKey: 'c2VydmVy' };

const stable = async (outcome: Commit | string): Promise<void> => {
  if (typeof outcome === 'string') throw new Error(outcome);
  await outcome.promise();
};

class World {
  node!: TestNode;
  static async of(rules: readonly AclRule[], whenNoRuleMatches: 'allow' | 'deny' = 'deny'): Promise<World> {
    const world = new World();
    world.node = await TestNode.start();
    await world.apply(rules, whenNoRuleMatches);
    return world;
  }
  async restart(): Promise<void> {
    this.node = await TestNode.start(this.node.store, new TestRuntime());
  }
  apply(rules: readonly AclRule[], whenNoRuleMatches: 'allow' | 'deny' = 'deny'): Promise<void> {
    const credentials = [credential('ann', 'pw'), credential('joe', 'pw')];
    const change = { allowAnonymous: false, credentials, settings: settings(rules, whenNoRuleMatches) };
    return this.node.broker.applyNamespace(config(change));
  }
  connect(principal: string, ended: string[] = []): Connection {
    const info = { principal, clientId: principal, remoteAddress: '127.0.0.1' };
    const disconnect = (reason: string): void => void ended.push(reason);
    const connection = this.node.namespace().connect({ protocol: 'kafka', ...info, disconnect });
    if ('refused' in connection) throw new Error(connection.message);
    return connection;
  }
  get delegated(): Delegated {
    return this.node.namespace().delegated!;
  }
}

describe('rules that clients make', () => {
  it('need a rule of the owner: that nothing is refused is not enough', async () => {
    const open = await World.of([], 'allow');
    expect(open.connect('ann').allows('alter', 'cluster', 'kafka-cluster')).toBe(true);
    expect(open.delegated.mayChange(open.connect('ann'))).toBe(false);
    const guarded = await World.of([MAY_ALTER]);
    expect(guarded.delegated.mayChange(guarded.connect('ann'))).toBe(true);
    expect(guarded.delegated.mayChange(guarded.connect('joe'))).toBe(false);
    // nor does a rule that was made this way
    const made = rule('made', { principal: 'joe', resource: 'cluster', actions: ['alter'] });
    guarded.delegated.addRule(made, guarded.connect('ann'));
    expect(guarded.connect('joe').allows('alter', 'cluster', 'kafka-cluster')).toBe(true);
    expect(guarded.delegated.mayChange(guarded.connect('joe'))).toBe(false);
  });

  it('count at once for open connections, on every protocol, and after a restart', async () => {
    const world = await World.of([MAY_ALTER]);
    const joe = world.connect('joe');
    expect(joe.allows('read', 'topic', 'a.b')).toBe(false);
    const made = rule('made', { principal: 'joe', pattern: 'a.', patternType: 'prefix' });
    const stored = world.delegated.addRule(made, world.connect('ann'));
    expect(joe.allows('read', 'topic', 'a.b')).toBe(true);
    const info = {
      protocol: 'mqtt',
      principal: 'joe',
      clientId: 'm',
      remoteAddress: '127.0.0.1',
      disconnect() {},
    } as const;
    const mqtt = world.node.namespace().connect(info) as Connection;
    expect(mqtt.allows('read', 'topic', 'a/b')).toBe(true);
    await stable(stored);
    await world.restart();
    expect(world.connect('joe').allows('read', 'topic', 'a.b')).toBe(true);
    expect(world.delegated.rules().map(({ id }) => id)).toEqual(['made']);
    expect(world.delegated.removeRule('made')).not.toBeNull();
    expect(world.connect('joe').allows('read', 'topic', 'a.b')).toBe(false);
    expect(world.delegated.removeRule('made')).toBeNull();
  });

  it('count no longer when the owner takes from whoever made them the right to', async () => {
    const world = await World.of([MAY_ALTER]);
    world.delegated.addRule(rule('made', { principal: 'joe' }), world.connect('ann'));
    world.delegated.putUser('bob', 'SCRAM-SHA-256', VERIFIER, world.connect('ann'));
    await world.apply([]);
    expect(world.delegated.rules()).toEqual([]);
    expect(world.connect('joe').allows('read', 'topic', 'a')).toBe(false);
    expect(world.delegated.users().map(({ name }) => name)).toEqual(['ann', 'joe']);
    await world.apply([MAY_ALTER]);
    expect(world.connect('joe').allows('read', 'topic', 'a')).toBe(true);
  });

  it('are bounded', async () => {
    const world = await World.of([MAY_ALTER]);
    const ann = world.connect('ann');
    const outcomes = Array.from({ length: 1_001 }, (_, i) => world.delegated.addRule(rule(`r${i}`), ann));
    expect(outcomes.slice(0, -1).every((outcome) => typeof outcome !== 'string')).toBe(true);
    expect(outcomes.at(-1)).toBe('clients may make 1000 rules');
  });
});

describe('users that clients make', () => {
  const scram = (username: string) => admitRequest({ protocol: 'kafka', username });
  it('come in with SCRAM alone; what changes about them ends their connections', async () => {
    const world = await World.of([MAY_ALTER]);
    const ann = world.connect('ann');
    const stored = world.delegated.putUser('bob', 'SCRAM-SHA-256', VERIFIER, ann);
    expect(world.node.broker.scramVerifier(scram('bob'), 'SCRAM-SHA-256')).toEqual(VERIFIER);
    expect(world.node.broker.scramVerifier(scram('bob'), 'SCRAM-SHA-512')).not.toEqual(VERIFIER);
    for (const password of ['', VERIFIER.storedKey, JSON.stringify(VERIFIER)]) {
      const request = admitRequest({ username: 'bob', password: Buffer.from(password) });
      expect(world.node.broker.admit(request)).toMatchObject({ refused: 'bad-credentials' });
    }
    await stable(stored);
    await world.restart();
    expect(world.node.broker.scramVerifier(scram('bob'), 'SCRAM-SHA-256')).toEqual(VERIFIER);
    // the random numbers of tests begin anew with each start
    world.node.runtime.randomBytes(1);
    const ended: string[] = [];
    world.connect('bob', ended);
    world.delegated.putUser('bob', 'SCRAM-SHA-512', VERIFIER, world.connect('ann'));
    expect(ended).toEqual(['credential-revoked']);
    expect(world.delegated.users().find(({ name }) => name === 'bob')).toEqual({
      name: 'bob',
      isOwners: false,
      iterations: { 'SCRAM-SHA-256': 8192, 'SCRAM-SHA-512': 8192 },
    });
    expect(world.delegated.removeUser('bob', 'SCRAM-SHA-256', world.connect('ann'))).not.toBeNull();
    expect(world.delegated.removeUser('bob', 'SCRAM-SHA-512', world.connect('ann'))).not.toBeNull();
    expect(world.delegated.removeUser('bob', 'SCRAM-SHA-512', world.connect('ann'))).toBeNull();
    expect(world.delegated.users().map(({ name }) => name)).toEqual(['ann', 'joe']);
  });
  it('never stand in for a credential of the owner', async () => {
    const world = await World.of([MAY_ALTER]);
    world.delegated.putUser('joe', 'SCRAM-SHA-256', VERIFIER, world.connect('ann'));
    expect(world.node.broker.scramVerifier(scram('joe'), 'SCRAM-SHA-256')).not.toEqual(VERIFIER);
    expect(world.node.broker.admit(admitRequest({ username: 'joe', password: Buffer.from('pw') }))).toMatchObject({
      principal: 'joe',
    });
  });
});
