import { beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionInfo, Refusal } from './broker-types.ts';
import { UNLIMITED_QUOTAS } from './namespace-config.ts';
import { isRefusal } from './refusal.ts';
import { HeldFlushes } from './testing/failing-stores.ts';
import {
  admitRequest,
  config,
  credential,
  runOf,
  settled,
  subscribeOptions,
  TestNode,
  TestSubscriber,
} from './testing/test-node.ts';

const two = { id: 'ns2', name: 'two', tenantId: 'tenant2', isDefault: false };
let node: TestNode;
beforeEach(async () => {
  node = await TestNode.start();
  const topics = [{ name: 'sensors', partitions: 1 }];
  await node.broker.applyNamespace(config({ topics }));
  await node.broker.applyNamespace(config({ ...two, topics }));
});

function connect(id: string, principal: string, gone: string[]): ReturnType<TestNode['connect']> {
  const info: ConnectionInfo = {
    protocol: 'mqtt',
    principal,
    clientId: principal,
    remoteAddress: '127.0.0.1',
    disconnect: (reason) => void gone.push(`${principal} ${reason}`),
  };
  const connection = node.namespace(id).connect(info);
  if ('refused' in connection) throw new Error(connection.message);
  return connection;
}

describe('two namespaces', () => {
  it('use the same names and see nothing of each other', async () => {
    const receivers = new Map(['ns', 'ns2'].map((id) => [id, new TestSubscriber()]));
    const sessions = [...receivers].map(([id, receiver]) => {
      const connection = connect(id, 'same', []);
      const rest = { clientId: 'same', cleanStart: false, expirySeconds: 60, will: null };
      const opened = node.namespace(id).openSession({ connection, receiver, ...rest });
      if ('refused' in opened) throw new Error(opened.message);
      opened.session.subscribe('#', { ...subscribeOptions, qos: 0 });
      return { ...opened, connection };
    });
    expect(sessions.map((s) => s.present)).toEqual([false, false]);
    const outcome = node.namespace('ns').publish(runOf('sensors', ['secret'], 1, true), sessions[0]!.connection);
    await outcome.commit!.promise();
    const entry = { topic: 'sensors', partition: 0, offset: 1, leaderEpoch: 0, metadata: '' };
    await node.namespace('ns').offsets.commit('g', [entry]).promise();
    sessions[1]!.session.subscribe('sensors', { ...subscribeOptions, qos: 0 });
    await settled(node);
    expect(receivers.get('ns')!.payloads).toEqual(['secret']);
    expect(receivers.get('ns2')!.payloads).toEqual([]);
    expect(node.namespace('ns2').topics.get('sensors')!.partitions[0]!.endOffset).toBe(0);
    expect(node.namespace('ns2').offsets.groups()).toEqual([]);
    expect(node.namespace('ns2').topics.byId(node.namespace('ns').topics.get('sensors')!.idHex)).toBeUndefined();
  });

  it('one is removed with its data and connections, the other stays', async () => {
    const gone: string[] = [];
    connect('ns', 'ann', gone);
    connect('ns2', 'bob', gone);
    await node.broker.removeNamespace('ns');
    await node.broker.removeNamespace('ns');
    expect(gone).toEqual(['ann namespace-deleted']);
    expect(node.journal.list().some((name) => name.startsWith('ns2:ns'))).toBe(false);
    expect(node.broker.admit(admitRequest())).toMatchObject({ refused: 'namespace-unknown' });
    const again = await TestNode.start(node.store);
    expect(again.broker.namespaces().map((n) => n.id)).toEqual(['ns2']);
    expect(again.namespace('ns2').topics.get('sensors')).toBeDefined();
  });
});

describe('applying a config', () => {
  it('is idempotent, keeps what clients made, and says which generation is served', async () => {
    await node.namespace().topics.create({ name: 'made-by-client', partitions: 1 });
    const topics = [{ name: 'sensors', partitions: 1 }];
    const id = node.namespace().topics.get('sensors')!.idHex;
    for (let i = 0; i < 2; i++) await node.broker.applyNamespace(config({ topics, generation: 2 }));
    expect(node.namespace().topics.get('sensors')!.idHex).toBe(id);
    await node.broker.applyNamespace(config({ topicsRemoved: ['sensors', 'never-was'], generation: 3 }));
    const observed = node.broker.namespaces().find((n) => n.id === 'ns')!;
    expect(observed).toMatchObject({ observedGeneration: 3, topics: [{ name: 'made-by-client', partitions: 1 }] });
  });

  it('revokes: connections of credentials that vanished or changed go', async () => {
    const gone: string[] = [];
    const credentials = ['ann', 'bob', 'cid'].map((name) => credential(name, 'secret'));
    await node.broker.applyNamespace(config({ credentials }));
    for (const { name } of credentials) connect('ns', name, gone);
    await node.broker.applyNamespace(config({ credentials: [credentials[0]!, credential('bob', 'other')] }));
    expect(gone.sort()).toEqual(['bob credential-revoked', 'cid credential-revoked']);
  });

  it('a name that is taken and topics over quota are refused, the rest is applied', async () => {
    await expect(
      node.broker.applyNamespace(config({ id: 'ns3', name: 'two', isDefault: false })),
    ).rejects.toMatchObject({
      code: 'namespace-name-taken',
    });
    const topics = ['a', 'b', 'c'].map((name) => ({ name, partitions: 1 }));
    const quotas = { ...UNLIMITED_QUOTAS, topicsMax: 3 };
    await expect(node.broker.applyNamespace(config({ quotas, topics }))).rejects.toThrow('c: ');
    expect(
      node
        .namespace()
        .topics.list()
        .map((t) => t.name),
    ).toEqual(['sensors', 'a', 'b']);
  });

  it('renames', async () => {
    await node.broker.applyNamespace(config({ name: 'renamed' }));
    expect(node.broker.byName('name')).toBeUndefined();
    expect(node.broker.byName('renamed')?.id).toBe('ns');
  });
});

describe('a topic that is being made or removed', () => {
  it('is told of to others when it is stable', async () => {
    const store = new HeldFlushes();
    const held = await TestNode.start(store);
    await held.broker.applyNamespace(config());
    const { topics } = held.namespace();
    const answers: string[] = [];
    let letGo = (): void => undefined;
    const ask = (name: string, outcome: Promise<unknown>): void =>
      void outcome.then((got) =>
        answers.push(`${name} ${got !== null && isRefusal(got as Refusal) ? (got as Refusal).refused : 'done'}`),
      );
    const hold = (): void => void (store.held = new Promise((resolve) => (letGo = resolve)));
    const turns = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    };
    hold();
    ask('create', topics.create({ name: 't', partitions: 2 }));
    ask('again', topics.create({ name: 't', partitions: 2 }));
    await turns();
    ask('later', topics.create({ name: 't', partitions: 2 }));
    await turns();
    expect(answers).toEqual([]);
    letGo();
    await turns();
    expect(answers.splice(0).sort()).toEqual(['again topic-exists', 'create done', 'later topic-exists']);
    expect(topics.get('t')?.partitions).toHaveLength(2);

    hold();
    ask('remove', topics.remove('t'));
    await turns();
    ask('again', topics.remove('t'));
    await turns();
    expect(answers).toEqual([]);
    letGo();
    await turns();
    expect(answers.splice(0).sort()).toEqual(['again topic-unknown', 'remove done']);

    hold();
    ask('create', topics.create({ name: 't', partitions: 1 }));
    ask('remove', topics.remove('t'));
    await turns();
    letGo();
    await turns();
    expect(answers.sort()).toEqual(['create done', 'remove done']);
    expect(topics.list()).toEqual([]);
  });
});

it('usage adds up over connections, time and processes', async () => {
  const connection = connect('ns', 'ann', []);
  connection.usage.messagesOut += 2;
  await node
    .namespace()
    .publish(runOf('sensors', ['1234']), connection)
    .commit!.promise();
  node.runtime.advance(1500);
  connection.close();
  connection.close();
  node.runtime.advance(1000);
  const [totals] = node.broker.usage();
  expect(totals).toMatchObject({
    namespaceId: 'ns',
    protocols: { mqtt: { messagesIn: 1, bytesIn: 11, messagesOut: 2, connectionMs: 1500 }, kafka: { messagesIn: 0 } },
  });
  expect(totals!.storedBytes).toBeGreaterThan(60);
  const again = await TestNode.start(node.store);
  again.broker.restoreUsage([totals!]);
  expect(again.broker.usage()[0]).toMatchObject({ protocols: { mqtt: { messagesIn: 1, connectionMs: 1500 } } });
  await again.broker.removeNamespace('ns');
  expect(again.broker.usage().find((t) => t.namespaceId === 'ns')).toMatchObject({ storedBytes: 0 });
});
