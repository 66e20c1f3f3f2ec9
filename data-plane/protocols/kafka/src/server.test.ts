import { beforeEach, describe, expect, it } from 'vitest';
import { ROUTES } from './api-table.ts';
import { ERROR } from './errors.ts';
import { MECHANISMS } from './sasl/exchange.ts';
import { ApiVersions, DescribeCluster, Metadata } from './messages/cluster.ts';
import { Produce } from './messages/produce.ts';
import { SaslAuthenticate, SaslHandshake } from './messages/sasl.ts';
import { CreateTopics, DeleteTopics, DescribeConfigs } from './messages/topics.ts';
import { Fixture } from './testing/fixture.ts';

let world: Fixture;
beforeEach(() => {
  world = new Fixture();
});

const SOFTWARE = { clientSoftwareName: 'x', clientSoftwareVersion: '1' };
const FLAGS = { includeTopicAuthorizedOperations: false, includeClusterAuthorizedOperations: false };
const plain = (user: string, password: string) => Buffer.from(`\0${user}\0${password}`);

describe('ApiVersions', () => {
  it('lists exactly the API table, in every version', async () => {
    for (const version of [0, 1, 2, 3, 4]) {
      const response = await world.ask(world.client(), ApiVersions, version, SOFTWARE);
      expect(response.errorCode).toBe(0);
      expect(response.apiKeys).toHaveLength(ROUTES.length);
      expect(response.apiKeys).toContainEqual({ apiKey: 0, minVersion: 0, maxVersion: 12 });
      expect(response.apiKeys).toContainEqual({ apiKey: 17, minVersion: 0, maxVersion: 1 });
    }
  });
  it('answers an unknown version with 35 in the layout of version 0', async () => {
    const client = world.client();
    client.write(Buffer.from('000000100012006300000009ffff0002000000ff', 'hex'));
    await world.settle();
    const size = client.received.readInt32BE(0);
    expect(client.received).toHaveLength(size + 4);
    expect(client.received.readInt32BE(4)).toBe(9);
    expect(client.received.readInt16BE(8)).toBe(35);
    expect(client.received.readInt32BE(10)).toBe(ROUTES.length);
    expect(client.closed).toBe(false);
  });
  it('closes on an unknown api key and on a version that is not listed', () => {
    const unknown = world.client();
    unknown.write(Buffer.from('0000000a03e7000000000009ffff', 'hex'));
    expect(unknown.closed).toBe(true);
    const old = world.client();
    old.write(Buffer.from('0000000a0001000000000009ffff', 'hex'));
    expect(old.closed).toBe(true);
    expect(world.broker.events.map(({ code }) => code)).toContain('unknown-api');
  });
});

describe('authentication', () => {
  it('binds a PLAIN client to its namespace and no other', async () => {
    await world.blue.topics.create({ name: 'secret-blue', partitions: 1 });
    await world.red.topics.create({ name: 'secret-red', partitions: 1 });
    const client = world.client();
    expect((await world.ask(client, SaslHandshake, 1, { mechanism: 'PLAIN' })).errorCode).toBe(0);
    const answer = await world.ask(client, SaslAuthenticate, 2, { authBytes: plain('joe@red', 'secret') });
    expect(answer.errorCode).toBe(0);
    const metadata = await world.ask(client, Metadata, 12, { topics: null, ...FLAGS });
    expect(metadata.topics.map(({ name }) => name)).toEqual(['secret-red']);
    expect(metadata.brokers).toEqual([{ nodeId: 7, host: 'red.example', port: 9092, rack: null }]);
    expect(metadata.clusterId).toBe('test.ns-red');
    expect(world.red.open.size).toBe(1);
    client.handler.onClose(null);
    expect(world.red.open.size).toBe(0);
  });
  it('answers wrong credentials with 58, a message and the end', async () => {
    const client = world.client();
    await world.ask(client, SaslHandshake, 1, { mechanism: 'PLAIN' });
    const answer = await world.ask(client, SaslAuthenticate, 0, { authBytes: plain('joe@red', 'wrong') });
    expect(answer).toMatchObject({ errorCode: 58, errorMessage: 'the user name or the password is wrong' });
    expect(client.ended).toBe(true);
  });
  it('tells a full cluster as 58 with the reason', async () => {
    world.red.full = 'quota-connections';
    const client = world.client();
    await world.ask(client, SaslHandshake, 1, { mechanism: 'PLAIN' });
    const answer = await world.ask(client, SaslAuthenticate, 1, { authBytes: plain('joe@red', 'secret') });
    expect(answer).toMatchObject({ errorCode: 58, errorMessage: expect.stringContaining('quota') });
  });
  it('ends the connection without a word where coming again helps', async () => {
    world.red.full = 'quota-connection-rate';
    const client = world.client();
    await world.ask(client, SaslHandshake, 1, { mechanism: 'PLAIN' });
    client.send(SaslAuthenticate, 1, { authBytes: plain('joe@red', 'secret') });
    await world.settle();
    expect([client.closed, client.received.length]).toEqual([true, 0]);
  });
  it('takes bare tokens after handshake version 0', async () => {
    const client = world.client();
    await world.ask(client, SaslHandshake, 0, { mechanism: 'PLAIN' });
    const token = plain('joe@red', 'secret');
    client.write(Buffer.concat([Buffer.from([0, 0, 0, token.length]), token]));
    await world.settle();
    expect(client.received.toString('hex')).toBe('00000000');
    client.received = Buffer.alloc(0);
    expect((await world.ask(client, Metadata, 0, { topics: [], ...FLAGS })).brokers[0]!.host).toBe('red.example');
    const wrong = world.client();
    await world.ask(wrong, SaslHandshake, 0, { mechanism: 'PLAIN' });
    wrong.write(Buffer.from('00000003006100', 'hex'));
    expect(wrong.closed).toBe(true);
  });
  it('refuses other mechanisms, tokens without handshake, and malformed tokens', async () => {
    const client = world.client();
    const answer = await world.ask(client, SaslHandshake, 1, { mechanism: 'GSSAPI' });
    expect(answer).toEqual({ errorCode: ERROR.UNSUPPORTED_SASL_MECHANISM, mechanisms: MECHANISMS });
    const early = await world.ask(client, SaslAuthenticate, 1, { authBytes: plain('joe@red', 'secret') });
    expect(early.errorCode).toBe(ERROR.ILLEGAL_SASL_STATE);
    const bad = world.client();
    await world.ask(bad, SaslHandshake, 1, { mechanism: 'PLAIN' });
    expect((await world.ask(bad, SaslAuthenticate, 1, { authBytes: Buffer.from('nonsense') })).errorCode).toBe(58);
  });
  it('closes where anonymous clients are not let in, and after the time for authentication', async () => {
    world.broker.anonymous = null;
    const client = world.client();
    client.send(Metadata, 1, { topics: null, ...FLAGS });
    expect(client.closed).toBe(true);
    const idle = world.client();
    world.runtime.advance(world.server.limits.authenticationMsMax + 1);
    expect(idle.closed).toBe(true);
  });
});

describe('bad input ends one connection', () => {
  it('a size beyond the limit, negative or zero', async () => {
    const other = world.client();
    for (const size of ['7fffffff', 'ffffffff', '00000000', '00200000']) {
      const client = world.client();
      client.write(Buffer.from(size, 'hex'));
      expect(client.closed).toBe(true);
    }
    expect((await world.ask(other, ApiVersions, 3, SOFTWARE)).errorCode).toBe(0);
  });
  it('trailing bytes, counts beyond the frame, nulls where none may be', () => {
    const frames = [
      '0000000b0012000000000001ffff00', // ApiVersions 0 with a byte too many
      '0000000e0003000100000001ffff7fffffff', // Metadata 1 with 2^31 topics
      '000000100003000100000001ffff00000001ffff', // Metadata 1 with a null name
      '0000000e0003000000000001ffffffffffff', // Metadata 0 with null topics
    ];
    for (const frame of frames) {
      const client = world.client();
      client.write(Buffer.from(frame, 'hex'));
      expect(client.closed).toBe(true);
    }
    expect(world.broker.events.map(({ code }) => code)).toEqual(frames.map(() => 'malformed-request'));
  });
  it('takes a request byte by byte', async () => {
    const client = world.client();
    const frame = client.frame(ApiVersions, 3, SOFTWARE);
    for (const byte of frame) client.write(Buffer.from([byte]));
    await world.settle();
    expect(client.received.length).toBeGreaterThan(8);
  });
});

describe('flow', () => {
  it('stops reading at the limit of pending answers and goes on after', async () => {
    world = new Fixture({ pendingResponsesMax: 2 });
    const client = world.client();
    const frames = Array.from({ length: 5 }, () => client.frame(ApiVersions, 0, {} as never));
    client.write(Buffer.concat(frames));
    expect(client.paused).toBe(true);
    for (let i = 0; i < 4; i++) await world.settle();
    expect(client.paused).toBe(false);
    let answers = 0;
    for (let at = 0; at < client.received.length; answers++) at += 4 + client.received.readInt32BE(at);
    expect(answers).toBe(5);
  });
  it('answers many requests of one turn in one write', async () => {
    const client = world.client();
    client.write(Buffer.concat(Array.from({ length: 20 }, () => client.frame(ApiVersions, 0, {} as never))));
    await world.settle();
    expect(client.writes).toBe(1);
  });
  it('stops reading while the client does not take its answers', async () => {
    world = new Fixture({ writableBytesMax: 10 });
    const client = world.client();
    client.unsent = 11;
    client.write(client.frame(ApiVersions, 0, {} as never));
    await world.settle();
    expect(client.paused).toBe(true);
    client.unsent = 0;
    client.handler.onDrain();
    expect(client.paused).toBe(false);
  });
});

describe('topics', () => {
  const named = (...names: string[]) => names.map((name) => ({ name, topicId: '0'.repeat(32) }));
  const wanted = (name: string, extra = {}) => ({
    name,
    numPartitions: 2,
    replicationFactor: 1,
    assignments: [],
    configs: [],
    ...extra,
  });

  it('Metadata creates only when asked and allowed', async () => {
    const client = world.client();
    const no = await world.ask(client, Metadata, 9, {
      topics: named('t', 'bad name'),
      allowAutoTopicCreation: false,
      ...FLAGS,
    });
    expect(no.topics.map(({ errorCode }) => errorCode)).toEqual([3, 17]);
    const yes = await world.ask(client, Metadata, 9, {
      topics: named('t', 'bad name'),
      allowAutoTopicCreation: true,
      ...FLAGS,
    });
    expect(yes.topics.map(({ errorCode }) => errorCode)).toEqual([0, 17]);
    expect(yes.topics[0]!.partitions).toHaveLength(1);
    world.blue.autoCreateTopics = false;
    const off = await world.ask(client, Metadata, 0, { topics: named('u'), ...FLAGS });
    expect(off.topics[0]!.errorCode).toBe(3);
    expect((await world.ask(client, Metadata, 0, { topics: [], ...FLAGS })).topics).toHaveLength(1);
    expect((await world.ask(client, Metadata, 1, { topics: [], ...FLAGS })).topics).toHaveLength(0);
    const byId = await world.ask(client, Metadata, 12, {
      topics: [
        { name: null, topicId: yes.topics[0]!.topicId === '0'.repeat(32) ? world.blue.topics.get('t')!.idHex : '' },
        { name: null, topicId: 'ab'.repeat(16) },
      ],
      ...FLAGS,
    });
    expect(byId.topics.map(({ errorCode, name }) => [errorCode, name])).toEqual([
      [0, 't'],
      [100, null],
    ]);
  });
  it('CreateTopics makes, validates and refuses each topic alone', async () => {
    const client = world.client();
    const response = await world.ask(client, CreateTopics, 7, {
      topics: [
        wanted('a', { configs: [{ name: 'retention.ms', value: '5000' }] }),
        wanted('b', { replicationFactor: 3 }),
        wanted('c', { numPartitions: 0 }),
        wanted('d', { configs: [{ name: 'cleanup.policy', value: 'none' }] }),
        wanted('e'),
        wanted('e'),
        wanted('f', { numPartitions: -1, replicationFactor: -1, assignments: [{ partitionIndex: 0, brokerIds: [7] }] }),
        wanted('g', { assignments: [{ partitionIndex: 0, brokerIds: [1] }] }),
      ],
      timeoutMs: 1000,
      validateOnly: false,
    });
    expect(response.topics.map(({ errorCode }) => errorCode)).toEqual([0, 38, 37, 40, 42, 42, 0, 39]);
    expect(response.topics[0]).toMatchObject({ numPartitions: 2, replicationFactor: 1 });
    expect(world.blue.topics.get('a')).toMatchObject({ retentionMs: 5000 });
    const again = await world.ask(client, CreateTopics, 3, {
      topics: [wanted('a'), wanted('z')],
      timeoutMs: 1,
      validateOnly: true,
    });
    expect(again.topics.map(({ errorCode }) => errorCode)).toEqual([36, 0]);
    expect(world.blue.topics.get('z')).toBeUndefined();
    const configs = await world.ask(client, DescribeConfigs, 4, {
      resources: [
        { resourceType: 2, resourceName: 'a', configurationKeys: ['retention.ms'] },
        { resourceType: 4, resourceName: '7', configurationKeys: null },
        { resourceType: 2, resourceName: 'nope', configurationKeys: null },
      ],
      includeSynonyms: false,
      includeDocumentation: false,
    });
    expect(configs.results[0]!.configs).toMatchObject([{ name: 'retention.ms', value: '5000' }]);
    expect(configs.results[2]!.errorCode).toBe(3);
  });
  it('DeleteTopics by name and by id', async () => {
    const client = world.client();
    await world.blue.topics.create({ name: 'a', partitions: 1 });
    await world.blue.topics.create({ name: 'b', partitions: 1 });
    const byName = await world.ask(client, DeleteTopics, 1, { topics: [], topicNames: ['a', 'nope'], timeoutMs: 1 });
    expect(byName.responses.map(({ errorCode }) => errorCode)).toEqual([0, 3]);
    const topics = [
      { name: null, topicId: world.blue.topics.get('b')!.idHex },
      { name: null, topicId: 'cd'.repeat(16) },
    ];
    const byId = await world.ask(client, DeleteTopics, 6, { topics, topicNames: [], timeoutMs: 1 });
    expect(byId.responses.map(({ errorCode, name }) => [errorCode, name])).toEqual([
      [0, 'b'],
      [100, null],
    ]);
  });
  it('DescribeCluster tells this node', async () => {
    const response = await world.ask(world.client(), DescribeCluster, 1, { includeClusterAuthorizedOperations: false });
    expect(response).toMatchObject({ errorCode: 0, controllerId: 7, clusterId: 'test.ns-blue' });
  });
});

describe('the end of a connection', () => {
  it('comes when the broker asks for it, after its turn', async () => {
    const client = world.client();
    await world.ask(client, Metadata, 1, { topics: null, ...FLAGS });
    for (const info of world.blue.open) info.disconnect('kicked');
    expect(client.closed).toBe(false);
    world.runtime.turn();
    expect(client.closed).toBe(true);
    expect(world.blue.open.size).toBe(0);
  });
  it('comes after idleness, but not while something is owed', async () => {
    const client = world.client();
    await world.ask(client, Metadata, 1, { topics: null, ...FLAGS });
    world.runtime.advance(world.server.limits.idleMsMax - 60_000);
    await world.ask(client, Metadata, 1, { topics: null, ...FLAGS });
    world.runtime.advance(world.server.limits.idleMsMax);
    expect(client.closed).toBe(false);
    world.runtime.advance(120_000);
    expect(client.closed).toBe(true);
  });
});

it('close ends connections and forgets the namespaces', async () => {
  const client = world.client();
  await world.ask(client, Metadata, 1, { topics: null, ...FLAGS });
  world.server.close();
  expect(client.closed).toBe(true);
  expect(world.blue.open.size).toBe(0);
  expect(Produce.key).toBe(0);
});
