import { readFileSync, writeFileSync } from 'node:fs';
import { CompressionTypes, ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, ROOT, run } from '../../support/process.ts';
import { API_NAMES, matrixOf } from './matrix-document.ts';
import { PlatformaticClient } from './platformatic-client.ts';
import { RequestTap } from './request-tap.ts';
import { PASSWORD, StandaloneNode, USER } from './standalone-node.ts';

const HEARTBEAT = 12;
const DOCUMENT = `${ROOT}docs/conformance/kafka.md`;

/** Everything stock clients do, through somebody who notes what they sent: the document is made of that. */
describe('the Kafka conformance matrix', () => {
  let node: StandaloneNode;
  let tap: RequestTap;
  let broker: string;
  beforeAll(async () => {
    // rules and users are made only by whom a rule of the cluster lets alter it
    const rule = { id: 'dev', effect: 'allow', principal: USER, resource: 'cluster', pattern: '*', actions: ['alter'] };
    node = await StandaloneNode.make(true, { acl: { whenNoRuleMatches: 'allow', rules: [rule] } });
    await node.start();
    tap = await RequestTap.open(node.advertisedPort, node.port);
    broker = `127.0.0.1:${node.advertisedPort}`;
  });
  afterAll(async () => {
    tap.close();
    await node.dispose();
  });
  const python = async (script: string, mechanism: string): Promise<unknown> => {
    const args = [`e2e/conformance/kafka/${script}`, broker, USER, PASSWORD, mechanism];
    const finished = await run('/usr/bin/python3', args, { timeoutMs: 180_000 });
    expect(finished.code, finished.stderr).toBe(0);
    return JSON.parse(finished.stdout);
  };
  const kcat = async (args: readonly string[], input?: string): Promise<string> => {
    const settings = [
      'client.id=kcat 1.7 (librdkafka 2.0)/e2e',
      'security.protocol=SASL_PLAINTEXT',
      'sasl.mechanism=SCRAM-SHA-512',
      `sasl.username=${USER}`,
      `sasl.password=${PASSWORD}`,
    ];
    const login = ['-b', broker, ...settings.flatMap((setting) => ['-X', setting])];
    const finished = await run('kcat', [...login, ...args], { timeoutMs: 60_000, ...(input ? { input } : {}) });
    expect(finished.code, finished.stderr).toBe(0);
    return finished.stdout;
  };

  it('confluent-kafka: administration, five codecs, transactions, three assignors with static members, SCRAM-SHA-256', async () => {
    const assigned = (strategy: string) => ({
      [strategy]: [1, 2],
      [`${strategy} aborted`]: 0,
      [`${strategy} read`]: 110,
    });
    expect(await python('confluent_client.py', 'SCRAM-SHA-256')).toEqual({
      retention: '12345678',
      refused: 40,
      ...assigned('range'),
      ...assigned('roundrobin'),
      ...assigned('cooperative-sticky'),
      'offset at time': 0,
      low: 0,
      groups: ['cf-cooperative-sticky', 'cf-range', 'cf-roundrobin'],
    });
  });

  it('kafka-python: administration, message format v1, SCRAM-SHA-512 with bare tokens', async () => {
    expect(await python('kafka_python_admin.py', 'SCRAM-SHA-512')).toEqual({
      retention: '7654321',
      topics: ['kp'],
      read: { '(0, 10)': 20, '(0, 11)': 10 },
      end: 30,
      beginning: 0,
      state: 'Stable',
      members: 1,
      groups: ['kp-group'],
      committed: 30,
    });
  });

  it('kcat: metadata, produces, consumes, asks for offsets, in a group too', async () => {
    await kcat(['-P', '-t', 'kc', '-z', 'zstd'], 'a\nb\nc\n');
    expect(await kcat(['-L', '-t', 'kc'])).toContain('topic "kc" with 1 partitions');
    expect(await kcat(['-C', '-t', 'kc', '-o', 'beginning', '-e', '-q'])).toBe('a\nb\nc\n');
    expect(await kcat(['-Q', '-t', 'kc:0:-1'])).toContain('offset 3');
    const group = ['-G', 'kc-group', '-X', 'auto.offset.reset=earliest', '-c', '3', '-q', 'kc'];
    expect(await kcat(group)).toBe('a\nb\nc\n');
  });

  it('kafkajs: administration, transactions, groups, SCRAM-SHA-256', async () => {
    const kafka = new Kafka({
      clientId: 'kafkajs 2.2/e2e',
      brokers: [broker],
      sasl: { mechanism: 'scram-sha-256', username: USER, password: PASSWORD },
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 100, retries: 10 },
    });
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'kj', numPartitions: 1 }, { topic: 'kj-gone' }] });
    await admin.createPartitions({ topicPartitions: [{ topic: 'kj', count: 2 }] });
    const resource = { type: ConfigResourceTypes.TOPIC, name: 'kj' };
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '999999' }] }],
    });
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] });
    const retention = resources[0]!.configEntries.find(({ configName }) => configName === 'retention.ms');
    expect(retention!.configValue).toBe('999999');
    await admin.deleteTopics({ topics: ['kj-gone'] });
    const [only] = (await admin.describeCluster()).brokers;
    const partitionAssignment = [{ partition: 0, replicas: [only!.nodeId] }];
    await admin.alterPartitionReassignments({ topics: [{ topic: 'kj', partitionAssignment }] });
    expect((await admin.listPartitionReassignments({ topics: [{ topic: 'kj', partitions: [0] }] })).topics).toEqual([]);

    const producer = kafka.producer({ transactionalId: 'kj-tx', idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    for (const commits of [true, false]) {
      const transaction = await producer.transaction();
      const messages = Array.from({ length: 10 }, (_, i) => ({ value: `${commits} ${i}`, partition: i % 2 }));
      await transaction.send({ topic: 'kj', messages, compression: CompressionTypes.GZIP });
      const topics = [{ topic: 'kj', partitions: [{ partition: 0, offset: commits ? '3' : '4' }] }];
      await transaction.sendOffsets({ consumerGroupId: 'kj-offsets', topics });
      await (commits ? transaction.commit() : transaction.abort());
    }
    await producer.disconnect();
    const [offsets] = await admin.fetchOffsets({ groupId: 'kj-offsets', topics: ['kj'] });
    expect(offsets!.partitions.find(({ partition }) => partition === 0)!.offset).toBe('3');

    const settings = { maxWaitTimeInMs: 100, heartbeatInterval: 50, readUncommitted: false };
    const consumer = kafka.consumer({ groupId: 'kj-group', ...settings });
    const seen: string[] = [];
    await consumer.connect();
    await consumer.subscribe({ topic: 'kj', fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => void seen.push(message.value!.toString()) });
    await eventually('what was committed arrives', 60_000, () => seen.length >= 10);
    await eventually('a heartbeat', 60_000, () => tap.seen.get('kafkajs 2.2')!.has(HEARTBEAT));
    const described = await admin.describeGroups(['kj-group']);
    expect(described.groups[0]!.state).toBe('Stable');
    await consumer.disconnect();
    expect(seen.every((value) => value.startsWith('true'))).toBe(true);
    await admin.deleteTopicRecords({ topic: 'kj', partitions: [{ partition: 0, offset: '2' }] });
    const [low] = (await admin.fetchTopicOffsets('kj')).filter(({ partition }) => partition === 0);
    expect(low!.low).toBe('2');
    expect((await admin.listGroups()).groups.map(({ groupId }) => groupId)).toContain('kj-group');
    await admin.deleteGroups(['kj-group', 'kj-offsets']);
    const who = { principal: 'User:kj', host: '*', operation: 3, permissionType: 3 };
    const acl = { ...who, resourceType: 2, resourceName: 'kj', resourcePatternType: 3 };
    await admin.createAcls({ acl: [acl] });
    const rules = await admin.describeAcls(acl);
    expect(rules.resources.map(({ resourceName, acls }) => [resourceName, acls.length])).toEqual([['kj', 1]]);
    const { filterResponses } = await admin.deleteAcls({ filters: [acl] });
    expect(filterResponses[0]!.matchingAcls).toHaveLength(1);
    await admin.disconnect();
  });

  it('@platformatic/kafka: administration, five codecs, transactions, groups of both protocols', async () => {
    const client = new PlatformaticClient(broker, USER, PASSWORD);
    expect(await client.administrate()).toEqual({
      configs: ['86400000', 'compact,delete'],
      topics: ['pf'],
      quota: [1_000_000],
      'partitions on disk': 2,
      rules: [1, 1],
      users: [0, 4096, 0],
    });
    await client.produce();
    await client.transact();
    const classic = await client.read('pf-classic', 'classic', 51);
    expect(classic).toContain('committed true');
    expect(classic).not.toContain('committed false');
    expect(new Set(classic).size).toBe(51);
    expect(await client.read('pf-consumer', 'consumer', 51)).toEqual(classic);
    expect(await client.lookBack('pf-classic')).toEqual({
      starts: [3, 0],
      groups: ['pf-classic', 'pf-consumer', 'pf-copies'],
      state: 'Empty',
      reset: 2,
    });
  });

  it('is written down: nobody sent anything that the document does not have', () => {
    const document = readFileSync(DOCUMENT, 'utf8');
    if (process.env['ROBUSTMQ_WRITE_CONFORMANCE'] === '1') writeFileSync(DOCUMENT, matrixOf(document, tap.seen));
    const written = readFileSync(DOCUMENT, 'utf8');
    const names = new Set(API_NAMES.values());
    for (const [client, apis] of tap.seen) {
      const heading = written.split('\n').find((line) => line.startsWith('| API |'))!;
      const column = heading.split('|').findIndex((cell) => cell.trim() === client);
      expect(column, `a column for ${client}`).toBeGreaterThan(0);
      for (const [apiKey, versions] of apis) {
        const name = API_NAMES.get(apiKey)!;
        expect(names.has(name), `a name for API ${apiKey}`).toBe(true);
        const row = written.split('\n').find((line) => line.startsWith(`| ${name} (${apiKey}) |`))!;
        const cell = row
          .split('|')
          [column]!.split(',')
          .map((part) => part.trim());
        for (const version of versions) expect(cell, `${client}: ${name} ${version}`).toContain(String(version));
      }
    }
  });
});
