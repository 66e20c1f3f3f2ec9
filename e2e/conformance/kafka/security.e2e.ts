import { createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { alterUserScramCredentialsV0, Connection } from '@platformatic/kafka';
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka,
  logLevel,
  ResourcePatternTypes,
  type SASLOptions,
} from 'kafkajs';
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
          { id: 'dev-cluster', effect: 'allow', principal: USER, resource: 'cluster', pattern: '*', actions: ['all'] },
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

  it('rules that kafkajs makes hold for whom they name, and no longer when it deletes them', async () => {
    const owner = kafkaAs({ mechanism: 'plain', username: USER, password: PASSWORD }).admin();
    const joe = kafkaAs(bearer('joe'));
    await owner.connect();
    await owner.createTopics({ topics: [{ topic: 'granted' }] });
    const producer = joe.producer();
    await producer.connect();
    const send = () => producer.send({ topic: 'granted', messages: [{ value: 'x' }] });
    await expect(send()).rejects.toThrow(/authorized/i);
    const acl = {
      resourceType: AclResourceTypes.TOPIC,
      resourceName: 'granted',
      resourcePatternType: ResourcePatternTypes.LITERAL,
      principal: 'User:joe',
      host: '*',
      operation: AclOperationTypes.WRITE,
      permissionType: AclPermissionTypes.ALLOW,
    };
    await owner.createAcls({ acl: [acl] });
    await send();
    const { resources } = await owner.describeAcls({ ...acl, permissionType: AclPermissionTypes.ANY });
    expect(resources).toMatchObject([{ resourceName: 'granted', acls: [{ principal: 'User:joe', host: '*' }] }]);
    const { filterResponses } = await owner.deleteAcls({ filters: [acl] });
    expect(filterResponses[0]!.matchingAcls).toHaveLength(1);
    await expect(send()).rejects.toThrow(/authorized/i);
    await owner.disconnect();
    const admin = joe.admin();
    await admin.connect();
    await expect(admin.createAcls({ acl: [acl] })).rejects.toThrow(/authorization failed/i);
    await admin.disconnect();
    await producer.disconnect();
  });

  it('a SCRAM user made with @platformatic/kafka comes in with kafkajs, until it is removed', async () => {
    const salt = randomBytes(16);
    const saltedPassword = pbkdf2Sync('made-secret', salt, 4096, 32, 'sha256');
    const connection = new Connection('e2e', {
      sasl: { mechanism: 'SCRAM-SHA-256', username: USER, password: PASSWORD },
    });
    await connection.connect('127.0.0.1', node.port);
    const { async: alter } = alterUserScramCredentialsV0.api;
    const user = { name: 'made', mechanism: 1, iterations: 4096, salt, saltedPassword };
    expect((await alter(connection, [], [user])).results).toMatchObject([{ user: 'made', errorCode: 0 }]);
    const login: SASLOptions = { mechanism: 'scram-sha-256', username: 'made', password: 'made-secret' };
    const admin = kafkaAs(login).admin();
    await admin.connect();
    expect(await admin.listTopics()).toEqual([]);
    await admin.disconnect();
    const plain = kafkaAs({ mechanism: 'plain', username: 'made', password: 'made-secret' }).admin();
    await expect(plain.connect()).rejects.toThrow(/password/);
    await plain.disconnect();
    await alter(connection, [{ name: 'made', mechanism: 1 }], []);
    await connection.close();
    const gone = kafkaAs(login).admin();
    await expect(gone.connect()).rejects.toThrow(/password/);
    await gone.disconnect();
  });
});
