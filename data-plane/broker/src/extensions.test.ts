import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS, type AclRule, type NamespaceSettings } from './index.ts';
import {
  config,
  openSession,
  runOf,
  settled,
  subscribeOptions,
  takeAll,
  TestNode,
  type OpenedSession,
} from './testing/test-node.ts';

type Mqtt = NamespaceSettings['mqtt'];
const withMqtt = (mqtt: Partial<Mqtt>, rest: Partial<NamespaceSettings> = {}): NamespaceSettings => ({
  ...DEFAULT_SETTINGS,
  ...rest,
  mqtt: { ...DEFAULT_SETTINGS.mqtt, ...mqtt },
});
async function nodeWith(settings: NamespaceSettings = DEFAULT_SETTINGS): Promise<TestNode> {
  const node = await TestNode.start();
  await node.broker.applyNamespace(config({ settings, topics: [{ name: 'sensors', partitions: 1 }] }));
  return node;
}
const persistent = { expirySeconds: 3600 };
const publish = (node: TestNode, from: OpenedSession, topic: string, payloads: string[], qos: 0 | 1 | 2 = 1) => {
  const outcome = node.namespace().publish(runOf(topic, payloads, qos), from.connection);
  return { ...outcome };
};
const deny = (change: Partial<AclRule>): NamespaceSettings['acl'] => ({
  whenNoRuleMatches: 'allow',
  rules: [
    {
      id: 'no',
      effect: 'deny',
      principal: '*',
      resource: 'topic',
      pattern: 'secret',
      patternType: 'prefix',
      actions: ['all'],
      ...change,
    },
  ],
});

describe('shared subscriptions', () => {
  const counts = (members: OpenedSession[]): number[] => members.map(({ subscriber }) => subscriber.got.length);
  const group = (node: TestNode, ids: string[]): OpenedSession[] =>
    ids.map((id) => {
      const opened = openSession(node, id);
      opened.session.subscribe('$share/g/s/#', subscribeOptions);
      return opened;
    });

  it('go by the strategy that is set, live', async () => {
    const node = await nodeWith(withMqtt({ sharedStrategy: 'sticky' }));
    const members = group(node, ['a', 'b', 'c']);
    const p = openSession(node, 'p');
    for (let i = 0; i < 6; i++) publish(node, p, `s/${i}`, ['1', '2']);
    expect(counts(members).sort()).toEqual([0, 0, 12]);
    const set = async (sharedStrategy: Mqtt['sharedStrategy']): Promise<void> => {
      await node.broker.applyNamespace(config({ settings: withMqtt({ sharedStrategy }) }));
      for (const { subscriber } of members) subscriber.got.length = 0;
    };
    await set('hash-client');
    for (let i = 0; i < 6; i++) publish(node, p, `s/${i}`, ['1']);
    expect(counts(members).sort()).toEqual([0, 0, 6]);
    await set('hash-topic');
    for (let i = 0; i < 40; i++) publish(node, p, `s/${i}`, ['1']);
    for (let i = 0; i < 40; i++) publish(node, p, `s/${i}`, ['1']);
    for (const { subscriber } of members) {
      const topics = subscriber.got.map(({ topic }) => topic);
      expect(topics.length).toBe(2 * new Set(topics).size);
      expect(topics.length).toBeGreaterThan(0);
    }
    await set('random');
    for (let i = 0; i < 300; i++) publish(node, p, 's/1', ['1']);
    expect(counts(members).reduce((a, b) => a + b)).toBe(300);
    expect(Math.min(...counts(members))).toBeGreaterThan(50);
  });

  it('keep what comes while nobody is online, over a restart, and hand it to who comes back', async () => {
    const node = await nodeWith();
    const p = openSession(node, 'p');
    const a = openSession(node, 'a', persistent);
    a.session.subscribe('$queue/s', subscribeOptions);
    a.session.subscribe('$share/other/s', subscribeOptions);
    a.session.detach(false);
    publish(node, p, 's', ['1', '2']);
    publish(node, p, 's', ['lost'], 0);
    await publish(node, p, 's', ['3']).commit!.promise();
    const again = await TestNode.start(node.store);
    const live = openSession(again, 'live');
    live.session.subscribe('$queue/s', subscribeOptions);
    await settled(again);
    await settled(again);
    expect(live.subscriber.payloads).toEqual(['1', '2', '3']);
    const back = openSession(again, 'a', persistent);
    expect(back.present).toBe(true);
    await settled(again);
    await settled(again);
    expect((await takeAll(back.session)).map(({ message }) => message!.payload.toString())).toEqual(['1', '2', '3']);
    // the last member takes the group's inbox along
    back.session.unsubscribe('$share/other/s');
    await settled(again);
    expect(again.meta.namespaces.get('ns')!.sessions.size).toBe(2);
  });
});

describe('$exclusive', () => {
  it('has one subscriber at a time, online or not', async () => {
    const node = await nodeWith();
    const [a, b] = [openSession(node, 'a', persistent), openSession(node, 'b')];
    expect(a.session.subscribe('$exclusive/x/#', subscribeOptions).refusal).toBeNull();
    expect(a.session.subscribe('$exclusive/x/#', subscribeOptions).refusal).toBeNull();
    a.session.detach(false);
    expect(b.session.subscribe('$exclusive/x/#', subscribeOptions).refusal?.refused).toBe('exclusive-taken');
    expect(b.session.subscribe('x/#', subscribeOptions).refusal).toBeNull();
    const back = openSession(node, 'a', persistent);
    publish(node, b, 'x/1', ['m'], 0);
    expect(back.subscriber.got).toMatchObject([{ topic: 'x/1', payload: 'm' }]);
    expect(back.session.unsubscribe('$exclusive/x/#').existed).toBe(true);
    expect(b.session.subscribe('$exclusive/x/#', subscribeOptions).refusal).toBeNull();
  });
});

describe('$delayed', () => {
  it('publishes when it is time, with everything, over restarts; can be listed and cancelled; has limits', async () => {
    const delayed = { enabled: true, messagesMax: 3 };
    const node = await nodeWith(withMqtt({ delayed }));
    const p = openSession(node, 'p');
    const run = runOf('$delayed/10/sensors/1', ['later'], 1, true);
    run.properties = [
      {
        contentType: 'text/plain',
        headers: [
          ['k', 'v'],
          ['k', 'w'],
        ],
      },
    ];
    const { commit } = node.namespace().publish(run, p.connection);
    await commit!.promise();
    const unix = Math.floor(node.runtime.nowMs() / 1000) + 5;
    await publish(node, p, `$delayed/${unix}/sensors/2`, ['sooner', 'too']).commit!.promise();
    expect(publish(node, p, '$delayed/1/x', ['m']).refusal?.refused).toBe('quota-delayed');
    for (const bad of ['$delayed/x/a', '$delayed/5', '$delayed/5/$delayed/5/a', '$delayed/5/']) {
      expect(publish(node, p, bad, ['m']).refusal?.refused).toBe('topic-invalid');
    }
    const again = await TestNode.start(node.store, node.runtime);
    const s = openSession(again, 's');
    s.session.subscribe('#', subscribeOptions);
    again.runtime.advance(5_000);
    again.broker.sweep();
    expect(s.subscriber.payloads).toEqual(['sooner', 'too']);
    again.runtime.advance(5_000);
    again.broker.sweep();
    const last = s.subscriber.got.at(-1)!;
    expect(last).toMatchObject({ topic: 'sensors/1', payload: 'later', qos: 1 });
    expect(last.message!.properties).toEqual(run.properties[0]);
    await settled(again);
    expect(again.namespace().topics.get('sensors')!.partitions[0]!.stableOffset).toBe(3);
    const third = await TestNode.start(node.store, node.runtime);
    third.broker.sweep();
    expect(third.namespace().topics.get('sensors')!.partitions[0]!.endOffset).toBe(3);
    await third.broker.applyNamespace(config({ settings: withMqtt({ delayed: { ...delayed, enabled: false } }) }));
    expect(publish(third, openSession(third, 'p'), '$delayed/1/x', ['m']).refusal?.refused).toBe('not-authorized');
  });
});

describe('topic rewrite and auto-subscribe', () => {
  it('apply to the first publish, to subscriptions and to removing them', async () => {
    const rewrite = [{ on: 'all' as const, from: 'old/+', to: 'sensors/{1}' }];
    const node = await nodeWith(withMqtt({ rewrite }));
    const a = openSession(node, 'a', persistent);
    a.session.subscribe('old/7', subscribeOptions);
    const p = openSession(node, 'p');
    const { commit } = publish(node, p, 'old/7', ['1', '2']);
    await commit!.promise();
    const entries = await takeAll(a.session);
    expect(entries.map(({ message }) => [message!.topic, message!.payload.toString()])).toEqual([
      ['sensors/7', '1'],
      ['sensors/7', '2'],
    ]);
    expect(node.namespace().topics.get('sensors')!.partitions[0]!.stableOffset).toBe(2);
    expect(a.session.unsubscribe('old/7').existed).toBe(true);
    expect(publish(node, p, 'sensors/7', ['3'], 0).takers).toBe(1);
  });

  it('gives every session its own, and no wildcards through a client id', async () => {
    const auto = (filter: string) => ({
      filter,
      qos: 1 as const,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0 as const,
    });
    const node = await nodeWith(withMqtt({ autoSubscribe: [auto('in/{clientId}'), auto('all')] }));
    const p = openSession(node, 'p');
    publish(node, p, 'in/a', ['x']);
    const a = openSession(node, 'a');
    const bad = openSession(node, '+');
    publish(node, p, 'in/a', ['1'], 0);
    publish(node, p, 'all', ['2'], 0);
    expect(a.subscriber.payloads).toEqual(['1', '2']);
    expect(bad.subscriber.payloads).toEqual(['2']);
  });
});

describe('$SYS', () => {
  it('tells values and what clients do to who asks, and to nobody else', async () => {
    const node = await nodeWith();
    const all = openSession(node, 'all');
    all.session.subscribe('#', subscribeOptions);
    const watcher = openSession(node, 'watcher');
    watcher.session.subscribe('$SYS/broker/clients/+', subscribeOptions);
    watcher.session.subscribe('$SYS/clients/#', subscribeOptions);
    await settled(node);
    const told = watcher.subscriber.got.map(({ topic, payload }) => `${topic}=${payload}`);
    expect(told).toContain('$SYS/broker/clients/connected=2');
    const other = openSession(node, 'x/y');
    other.session.subscribe('q', subscribeOptions);
    other.session.unsubscribe('q');
    other.session.detach(false);
    const last = watcher.subscriber.got.slice(-4).map(({ topic }) => topic);
    expect(last).toEqual(
      ['connected', 'subscribed', 'unsubscribed', 'disconnected'].map((w) => `$SYS/clients/x%2fy/${w}`),
    );
    expect(JSON.parse(watcher.subscriber.got.at(-1)!.payload)).toMatchObject({ clientId: 'x/y', reason: 'closed' });
    expect(all.subscriber.got).toEqual([]);
    expect(publish(node, other, '$SYS/broker/version', ['mine']).refusal?.refused).toBe('not-authorized');
  });
});

describe('the ACL where messages are routed', () => {
  it('one deny rule stops publishing, subscribing, retained messages, wills and Kafka; wide filters lose what is denied', async () => {
    const node = await nodeWith(withMqtt({}, { acl: deny({ pattern: 'secret' }) }));
    const namespace = node.namespace();
    const p = openSession(node, 'p');
    expect(publish(node, p, 'secret/1', ['m']).refusal?.refused).toBe('not-authorized');
    expect(p.session.subscribe('secret/+', subscribeOptions).refusal?.refused).toBe('not-authorized');
    expect(p.session.subscribe('#', subscribeOptions).refusal).toBeNull();
    expect(p.session.subscribe('$share/g/#', subscribeOptions).refusal).toBeNull();
    namespace.publishMessage(
      { topic: 'secret/1', payload: Buffer.from('s'), qos: 1, retain: true, properties: null, timestampMs: 0 },
      null,
    );
    publish(node, p, 'open', ['o'], 0);
    expect(p.subscriber.payloads).toEqual(['o', 'o']);
    p.session.subscribe('+/1', subscribeOptions);
    await settled(node);
    expect(p.subscriber.payloads).toEqual(['o', 'o']);
    expect(p.connection.allows('write', 'topic', 'secret/2')).toBe(false);
    const kafka = node.connect('k', 'kafka');
    expect(kafka.allows('read', 'topic', 'secret.x')).toBe(false);
    expect(kafka.allows('read', 'topic', 'open')).toBe(true);
    const will = {
      message: { topic: 'secret/w', payload: Buffer.alloc(0), qos: 0, retain: false, properties: null, timestampMs: 0 },
      delaySeconds: 0,
    } as const;
    expect(() => openSession(node, 'w', { will })).toThrow(/will/);
  });

  it('a deny of the stored topic holds for the MQTT name it captures; changes count at once, also for who is away', async () => {
    const node = await nodeWith();
    const p = openSession(node, 'p');
    const away = openSession(node, 'away', persistent);
    away.session.subscribe('sensors/#', subscribeOptions);
    away.session.detach(false);
    expect(publish(node, p, 'sensors/1', ['1']).refusal).toBeNull();
    const rules = deny({ pattern: 'sensors', patternType: 'literal', actions: ['write'] });
    await node.broker.applyNamespace(config({ settings: withMqtt({}, { acl: rules }) }));
    expect(publish(node, p, 'sensors/1', ['2']).refusal?.refused).toBe('not-authorized');
    const reads = deny({ pattern: 'sensors/#', patternType: 'filter', actions: ['read'] });
    await node.broker.applyNamespace(config({ settings: withMqtt({}, { acl: reads }) }));
    expect(publish(node, p, 'sensors/1', ['3']).refusal).toBeNull();
    await settled(node);
    const back = openSession(node, 'away', persistent);
    expect((await takeAll(back.session)).map(({ message }) => message!.payload.toString())).toEqual(['1']);
  });
});

describe('limits of an inbox', () => {
  const payloadsOf = async (node: TestNode): Promise<string[]> => {
    await settled(node);
    const back = openSession(node, 'a', persistent);
    return (await takeAll(back.session)).map(({ message }) => message!.payload.toString());
  };
  const inbox = (change: Partial<Mqtt['inbox']>) => withMqtt({ inbox: { ...DEFAULT_SETTINGS.mqtt.inbox, ...change } });
  async function away(settings: NamespaceSettings): Promise<[TestNode, OpenedSession]> {
    const node = await nodeWith(settings);
    const a = openSession(node, 'a', persistent);
    a.session.subscribe('t', subscribeOptions);
    a.session.detach(false);
    return [node, openSession(node, 'p')];
  }
  const codes = (node: TestNode): string[] => node.broker.clientEvents('ns').map(({ code }) => code);

  it('count and bytes, dropping the oldest or the newest, with one event', async () => {
    for (const [change, kept] of [
      [{ messagesMax: 2 }, ['3', '4']],
      [{ messagesMax: 2, whenFull: 'drop-newest' }, ['1', '2']],
      [{ bytesMax: 3 }, ['2', '3', '4']],
    ] as const) {
      const [node, p] = await away(inbox(change));
      for (const payload of ['1', '2', '3', '4']) publish(node, p, 't', [payload]);
      expect(await payloadsOf(node)).toEqual(kept);
      expect(codes(node).filter((code) => code === 'inbox-full')).toHaveLength(1);
    }
  });
  it('age', async () => {
    const [node, p] = await away(inbox({ ageSecondsMax: 60 }));
    publish(node, p, 't', ['old']);
    await settled(node);
    node.broker.sweep();
    node.runtime.advance(61_000);
    publish(node, p, 't', ['new']);
    node.broker.sweep();
    expect(codes(node)).toContain('inbox-expired');
    expect(await payloadsOf(node)).toEqual(['new']);
  });
  it('a reader that gets a message late is listed as slow', async () => {
    const node = await nodeWith();
    const a = openSession(node, 'a', persistent);
    a.session.subscribe('t', subscribeOptions);
    publish(node, openSession(node, 'p'), 't', ['1']);
    await settled(node);
    node.runtime.advance(700);
    expect(await takeAll(a.session)).toHaveLength(1);
    node.namespace().slowDelivery!('b', 't', 1200.5);
    expect(codes(node).filter((code) => code === 'slow-subscriber')).toHaveLength(2);
  });
});
