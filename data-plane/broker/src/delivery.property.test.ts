import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { QoS } from './message.ts';
import { config, openSession, runOf, subscribeOptions, TestNode } from './testing/test-node.ts';

/** The rules of MQTT 5 §4.7 word by word. */
function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false;
  const f = filter.split('/');
  const t = topic.split('/');
  for (let i = 0; i < f.length; i++) {
    if (f[i] === '#') return true;
    if (i >= t.length || (f[i] !== '+' && f[i] !== t[i])) return false;
  }
  return f.length === t.length;
}

const SESSIONS = 3;
const FILTERS = ['#', '+', '+/b', 'a/#', 'a/b', 'a/+', 'b', '$s/#', '+/+/c'];
const TOPICS = ['a', 'a/b', 'a/b/c', 'b', 'b/b', '$s/a', 'c/c/c'];

const options = fc.record({
  qos: fc.constantFrom<QoS>(0, 1, 2),
  noLocal: fc.boolean(),
  retainAsPublished: fc.boolean(),
  subscriptionId: fc.option(fc.integer({ min: 1, max: 5 })),
});
const step = fc.oneof(
  fc.record({
    kind: fc.constant('subscribe' as const),
    session: fc.nat(SESSIONS - 1),
    filter: fc.constantFrom(...FILTERS),
    options,
  }),
  fc.record({
    kind: fc.constant('unsubscribe' as const),
    session: fc.nat(SESSIONS - 1),
    filter: fc.constantFrom(...FILTERS),
  }),
  fc.record({
    kind: fc.constant('publish' as const),
    session: fc.nat(SESSIONS - 1),
    topic: fc.constantFrom(...TOPICS),
    qos: fc.constantFrom<QoS>(0, 1, 2),
    retain: fc.boolean(),
    count: fc.integer({ min: 1, max: 3 }),
  }),
);

it('routes as the specification says, whatever is cached and however subscriptions change', async () => {
  const node = await TestNode.start();
  await node.broker.applyNamespace(config({ topics: [{ name: 'stored', partitions: 1, bindings: ['a/#'] }] }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const sessions = Array.from({ length: SESSIONS }, (_, i) => openSession(node, `s${i}`, { cleanStart: true }));
      const held = sessions.map(() => new Map<string, Parameters<(typeof sessions)[0]['session']['subscribe']>[1]>());
      for (const one of steps) {
        if (one.kind === 'subscribe') {
          const full = { ...subscribeOptions, retainHandling: 2 as const, ...one.options };
          sessions[one.session]!.session.subscribe(one.filter, full);
          held[one.session]!.set(one.filter, full);
        } else if (one.kind === 'unsubscribe') {
          const existed = held[one.session]!.delete(one.filter);
          expect(sessions[one.session]!.session.unsubscribe(one.filter).existed).toBe(existed);
        } else {
          const payloads = Array.from({ length: one.count }, (_, i) => String(i));
          const run = runOf(one.topic, payloads, one.qos, one.retain);
          node.namespace().publish(run, sessions[one.session]!.connection);
          for (const [i, { subscriber }] of sessions.entries()) {
            const wanted = [...held[i]!].filter(
              ([filter, o]) => matches(filter, one.topic) && !(o.noLocal && i === one.session),
            );
            const got = subscriber.got.splice(0);
            expect(got.map((d) => d.payload)).toEqual(wanted.length === 0 ? [] : payloads);
            if (wanted.length === 0) continue;
            const qos = Math.min(one.qos, Math.max(...wanted.map(([, o]) => o.qos)));
            const ids = wanted.flatMap(([, o]) => (o.subscriptionId === null ? [] : [o.subscriptionId]));
            expect(got[0]).toMatchObject({ topic: one.topic, qos });
            expect(got[0]!.retain).toBe(one.retain && wanted.some(([, o]) => o.retainAsPublished));
            expect([...(got[0]!.ids ?? [])].sort()).toEqual(ids.sort());
          }
        }
      }
      for (const { session, connection } of sessions) {
        session.detach(false);
        connection.close();
      }
    }),
    { numRuns: 300 },
  );
});
