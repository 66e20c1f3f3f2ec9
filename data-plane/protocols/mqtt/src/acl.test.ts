import { describe, expect, it } from 'vitest';
import { publish, RealWorld, settingsWith, told } from './testing/real-world.ts';

describe('the ACL', () => {
  const rule = { effect: 'allow', principal: '*', resource: 'topic' } as const;
  const rules = [
    { ...rule, id: '1', pattern: 'free/#', patternType: 'filter', actions: ['read', 'write'] },
    { ...rule, id: '2', pattern: 'own/{clientId}', patternType: 'literal', actions: ['all'] },
  ] as const;
  const start = async () => RealWorld.start(await settingsWith({ acl: { whenNoRuleMatches: 'deny', rules } }));
  it.each([4, 5] as const)(
    'level %s: SUBACK has a refusal per filter, publishes are refused or dropped, and the tenant hears of it',
    async (version) => {
      const world = await start();
      const client = await world.join({ version, clientId: 'me' });
      const subscriptions = ['free/a', 'secret', '#', 'own/me'].map((topic) => ({ topic, qos: 1 as const }));
      const no = version === 5 ? 0x87 : 0x80;
      expect(await client.ask({ cmd: 'subscribe', messageId: 1, subscriptions })).toMatchObject([
        { granted: [1, no, no, 1] },
      ]);
      const got = await client.ask(
        publish('free/a', 'yes', 1, { messageId: 1 }),
        publish('secret', 'no', 1, { messageId: 2 }),
        publish('secret', 'no', 0),
      );
      expect(told(got).sort()).toEqual(['puback', 'puback', 'yes']);
      const reasons = got.filter((p) => p.cmd === 'puback').map((p) => (p as { reasonCode?: number }).reasonCode ?? 0);
      expect(reasons).toEqual(version === 5 ? [0, 0x87] : [0, 0]);
      expect(client.closed).toBeNull();
      expect(world.server.refusedMessages).toBe(2);
    },
  );
  it.each([4, 5] as const)('level %s: a will where its client may not publish is refused', async (version) => {
    const world = await start();
    const will = (topic: string) => ({ will: { topic, payload: Buffer.from('x'), qos: 0 as const, retain: false } });
    await world.join({ version, ...will('free/w') });
    const refused = await world.dial(version).ask(world.connectPacket({ version, ...will('secret') }));
    expect(refused).toMatchObject([version === 5 ? { reasonCode: 0x87 } : { returnCode: 5 }]);
  });
});
