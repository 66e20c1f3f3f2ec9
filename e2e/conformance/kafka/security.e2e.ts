import { createHmac } from 'node:crypto';
import { Kafka, logLevel, type SASLOptions } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, sleep } from '../../support/process.ts';
import { PASSWORD, StandaloneNode, USER } from './standalone-node.ts';

const KEY = Buffer.from('a key of the tests, long enough for HS256');
const TOKEN_SECONDS = 8;

/** A signed token (RFC 7519) for `sub`. */
function tokenFor(sub: string, key = KEY): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, iat: now, exp: now + TOKEN_SECONDS })}`;
  return `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`;
}

describe('who may come in, and what they may do', () => {
  let node: StandaloneNode;
  beforeAll(async () => {
    node = await StandaloneNode.make(false, {
      authentication: {
        jwt: { algorithms: ['HS256'], keys: [{ kty: 'oct', alg: 'HS256', k: KEY.toString('base64url') }] },
      },
      acl: {
        whenNoRuleMatches: 'deny',
        rules: [
          { id: 'dev', effect: 'allow', principal: USER, pattern: '*', actions: ['all'] },
          { id: 'dev-group', effect: 'allow', principal: USER, resource: 'group', pattern: '*', actions: ['all'] },
          { id: 'joe', effect: 'allow', principal: 'joe', pattern: 'open.', patternType: 'prefix', actions: ['all'] },
          { id: 'joe-group', effect: 'allow', principal: 'joe', resource: 'group', pattern: 'joe', actions: ['all'] },
        ],
      },
    });
    await node.start();
  });
  afterAll(() => node.dispose());

  const kafkaAs = (sasl: SASLOptions) =>
    new Kafka({
      brokers: [`127.0.0.1:${node.port}`],
      sasl,
      reauthenticationThreshold: 4_000,
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 50, retries: 1 },
    });
  const bearer = (sub: string, key = KEY): SASLOptions => ({
    mechanism: 'oauthbearer',
    oauthBearerProvider: async () => ({ value: tokenFor(sub, key) }),
  });

  it('SCRAM-SHA-512 lets the password in and nothing else', async () => {
    const admin = kafkaAs({ mechanism: 'scram-sha-512', username: USER, password: PASSWORD }).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'open.one' }, { topic: 'closed' }] });
    expect((await admin.listTopics()).toSorted()).toEqual(['closed', 'open.one']);
    await admin.disconnect();
    const wrong = kafkaAs({ mechanism: 'scram-sha-512', username: USER, password: 'wrong' }).admin();
    await expect(wrong.connect()).rejects.toThrow(/password/);
    await wrong.disconnect();
  });

  it('a bearer token is a principal; what the rules do not allow is refused by name and hidden from lists', async () => {
    const kafka = kafkaAs(bearer('joe'));
    const admin = kafka.admin();
    await admin.connect();
    expect(await admin.listTopics()).toEqual(['open.one']);
    await expect(admin.createTopics({ topics: [{ topic: 'mine' }] })).rejects.toThrow(/creation errors|authorized/i);
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: 'open.one', messages: [{ value: 'yes' }] });
    await expect(producer.send({ topic: 'closed', messages: [{ value: 'no' }] })).rejects.toThrow(/authorized/i);
    await producer.disconnect();
    await expect(admin.fetchOffsets({ groupId: 'else', topics: ['open.one'] })).rejects.toThrow(/coordinator/i);
    await admin.disconnect();
    const forged = kafkaAs(bearer('joe', Buffer.from('another key that nobody gave to the node'))).admin();
    await expect(forged.connect()).rejects.toThrow();
    await forged.disconnect();
  });

  it('a consumer outlives its token by authenticating again on its connections', async () => {
    const kafka = kafkaAs(bearer('joe'));
    const consumer = kafka.consumer({ groupId: 'joe', maxWaitTimeInMs: 100, heartbeatInterval: 500 });
    const seen: string[] = [];
    let crashes = 0;
    consumer.on(consumer.events.CRASH, () => void crashes++);
    await consumer.connect();
    await consumer.subscribe({ topic: 'open.one', fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => void seen.push(message.value!.toString()) });
    await eventually('the first record', 60_000, () => seen.length === 1);
    await sleep((TOKEN_SECONDS + 2) * 1000);
    const producer = kafkaAs({ mechanism: 'plain', username: USER, password: PASSWORD }).producer();
    await producer.connect();
    await producer.send({ topic: 'open.one', messages: [{ value: 'later' }] });
    await producer.disconnect();
    await eventually('a record after the token ran out', 60_000, () => seen.includes('later'));
    expect(crashes).toBe(0);
    await consumer.disconnect();
  });
});
