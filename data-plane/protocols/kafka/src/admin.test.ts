import { DEFAULT_SETTINGS } from '@robustmq/broker';
import { beforeEach, describe, expect, it } from 'vitest';
import { ERROR } from './errors.ts';
import {
  AlterClientQuotas,
  AlterConfigs,
  CreatePartitions,
  DeleteRecords,
  DescribeClientQuotas,
  DescribeLogDirs,
  DescribeTopicPartitions,
  IncrementalAlterConfigs,
} from './messages/admin.ts';
import { Metadata } from './messages/cluster.ts';
import { Fetch, ListOffsets } from './messages/fetch.ts';
import { JoinGroup } from './messages/groups.ts';
import { OffsetCommit, OffsetDelete, OffsetFetch } from './messages/offsets.ts';
import { Produce } from './messages/produce.ts';
import { AlterPartitionReassignments, ListPartitionReassignments } from './messages/reassignments.ts';
import {
  AlterUserScramCredentials,
  CreateAcls,
  DeleteAcls,
  DescribeAcls,
  DescribeUserScramCredentials,
} from './messages/security.ts';
import { CreateTopics, DeleteTopics, DescribeConfigs } from './messages/topics.ts';
import { batchOf } from './testing/batch.ts';
import type { FakeClient } from './testing/fake-client.ts';
import { Fixture } from './testing/fixture.ts';

let world: Fixture;
let client: FakeClient;
beforeEach(async () => {
  world = new Fixture();
  client = world.client();
  await world.blue.topics.create({ name: 't', partitions: 2 });
});
const topic = (name = 't') => world.blue.topics.get(name)!;
function append(count: number): void {
  for (let i = 0; i < count; i++) topic().partitions[0]!.append(batchOf([`v${i}`]), null as never);
}

describe('topics', () => {
  it('CreatePartitions grows, never shrinks, and may only ask', async () => {
    const grow = async (
      name: string,
      count: number,
      validateOnly = false,
      assignments: { brokerIds: number[] }[] | null = null,
    ) =>
      (
        await world.ask(client, CreatePartitions, 3, {
          topics: [{ name, count, assignments }],
          timeoutMs: 0,
          validateOnly,
        })
      ).results[0]!.errorCode;
    expect(await grow('t', 4, true)).toBe(0);
    expect(topic().partitions).toHaveLength(2);
    expect(await grow('t', 4)).toBe(0);
    expect(topic().partitions).toHaveLength(4);
    expect(await grow('t', 4)).toBe(ERROR.INVALID_PARTITIONS);
    expect(await grow('t', 100_000)).toBe(ERROR.INVALID_PARTITIONS);
    expect(await grow('t', 5, false, [])).toBe(0);
    expect(await grow('t', 7, false, [{ brokerIds: [7] }])).toBe(ERROR.INVALID_REPLICA_ASSIGNMENT);
    expect(await grow('t', 6, false, [{ brokerIds: [8] }])).toBe(ERROR.INVALID_REPLICA_ASSIGNMENT);
    expect(await grow('t', 6, false, [{ brokerIds: [7] }])).toBe(0);
    expect(await grow('nope', 4)).toBe(ERROR.UNKNOWN_TOPIC_OR_PARTITION);
  });
  it('partitions are where they stay: none is moved, and none can be', async () => {
    const request = { timeoutMs: 0, topics: [{ name: 't', partitionIndexes: [0] }] };
    expect(await world.ask(client, ListPartitionReassignments, 0, request)).toMatchObject({ errorCode: 0, topics: [] });
    const move = async (partitionIndex: number, replicas: number[] | null) => {
      const topics = [{ name: 't', partitions: [{ partitionIndex, replicas }] }];
      const { responses } = await world.ask(client, AlterPartitionReassignments, 0, { timeoutMs: 0, topics });
      return responses[0]!.partitions[0]!.errorCode;
    };
    expect(await move(0, [7])).toBe(0);
    expect(await move(0, [7, 8])).toBe(ERROR.INVALID_REPLICA_ASSIGNMENT);
    expect(await move(0, null)).toBe(ERROR.NO_REASSIGNMENT_IN_PROGRESS);
    expect(await move(9, [7])).toBe(ERROR.UNKNOWN_TOPIC_OR_PARTITION);
  });
  it('DeleteRecords moves the start, to the end with -1', async () => {
    append(5);
    const trim = async (offset: number) => {
      const topics = [{ name: 't', partitions: [{ partitionIndex: 0, offset }] }];
      const { lowWatermark, errorCode } = (await world.ask(client, DeleteRecords, 2, { topics, timeoutMs: 0 }))
        .topics[0]!.partitions[0]!;
      return [lowWatermark, errorCode];
    };
    expect(await trim(3)).toEqual([3, 0]);
    expect(await trim(6)).toEqual([-1, ERROR.OFFSET_OUT_OF_RANGE]);
    expect(await trim(-1)).toEqual([5, 0]);
    expect(topic().partitions[0]!.startOffset).toBe(5);
  });
  it('DescribeTopicPartitions pages by a cursor', async () => {
    await world.blue.topics.create({ name: 'u', partitions: 3 });
    const page = (cursor: { topicName: string; partitionIndex: number } | null) =>
      world.ask(client, DescribeTopicPartitions, 0, { topics: [], responsePartitionLimit: 3, cursor });
    const first = await page(null);
    expect(first.topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([
      ['t', 2],
      ['u', 1],
    ]);
    const second = await page(first.nextCursor);
    expect(second.topics.map(({ name, partitions }) => [name, partitions.map((p) => p.partitionIndex)])).toEqual([
      ['u', [1, 2]],
    ]);
    expect(second.nextCursor).toBeNull();
  });
  it('DescribeLogDirs tells what partitions take', async () => {
    append(2);
    const { results } = await world.ask(client, DescribeLogDirs, 4, { topics: null });
    expect(results[0]!.totalBytes).toBe(topic().partitions[0]!.sizeBytes);
  });
});

describe('configs', () => {
  const change = async (
    configs: { name: string; configOperation: number; value: string | null }[],
    validateOnly = false,
  ) => {
    const resources = [{ resourceType: 2, resourceName: 't', configs }];
    return (await world.ask(client, IncrementalAlterConfigs, 1, { resources, validateOnly })).responses[0]!;
  };
  const value = async (name: string) => {
    const resources = [{ resourceType: 2, resourceName: 't', configurationKeys: [name] }];
    return (
      await world.ask(client, DescribeConfigs, 4, { resources, includeDocumentation: false, includeSynonyms: false })
    ).results[0]!.configs[0]!;
  };
  it('sets, deletes, appends and subtracts what is enforced', async () => {
    expect((await change([{ name: 'retention.ms', configOperation: 0, value: '60000' }])).errorCode).toBe(0);
    expect(await value('retention.ms')).toMatchObject({ value: '60000', configSource: 1, readOnly: false });
    await change([{ name: 'retention.ms', configOperation: 1, value: null }]);
    expect(await value('retention.ms')).toMatchObject({ value: '604800000', configSource: 5 });
    await change([{ name: 'cleanup.policy', configOperation: 2, value: 'compact' }]);
    expect(topic().cleanup).toBe('compact,delete');
    await change([{ name: 'cleanup.policy', configOperation: 3, value: 'delete' }]);
    expect(topic().cleanup).toBe('compact');
    await change([{ name: 'min.compaction.lag.ms', configOperation: 0, value: '7' }]);
    await change([{ name: 'delete.retention.ms', configOperation: 0, value: '8' }]);
    expect(topic().compaction).toEqual({ minLagMs: 7, deleteRetentionMs: 8 });
    await change([{ name: 'local.retention.ms', configOperation: 0, value: '9' }]);
    expect(topic().tier).toEqual({ coldAfterMs: 9 });
  });
  it('sets what counts for the batches of a topic, and takes it back', async () => {
    await change([{ name: 'message.timestamp.type', configOperation: 0, value: 'LogAppendTime' }]);
    await change([{ name: 'max.message.bytes', configOperation: 0, value: '1000' }]);
    expect(topic()).toMatchObject({ appendTime: true, batchSizeBytesMax: 1000 });
    expect(await value('max.message.bytes')).toMatchObject({ value: '1000', configSource: 1 });
    await change([{ name: 'message.timestamp.type', configOperation: 1, value: null }]);
    await change([{ name: 'max.message.bytes', configOperation: 1, value: null }]);
    expect(topic()).toMatchObject({ appendTime: false, batchSizeBytesMax: 0 });
    expect(await value('message.timestamp.type')).toMatchObject({ value: 'CreateTime', configSource: 5 });
  });
  it.each([
    ['segment.bytes', '1'],
    ['min.insync.replicas', '2'],
    ['compression.type', 'brotli'],
    ['message.timestamp.type', 'Never'],
    ['max.message.bytes', '0'],
    ['max.message.bytes', '99999999999'],
    ['retention.ms', 'soon'],
    ['cleanup.policy', 'never'],
  ])('refuses %s=%s, which would not be so', async (name, text) => {
    const answer = await change([{ name, configOperation: 0, value: text }]);
    expect(answer.errorCode).toBe(ERROR.INVALID_CONFIG);
    expect(answer.errorMessage).toContain(name);
  });
  /** Every config a topic of Apache Kafka 4.1 has, with a value that is not its default. */
  const OF_APACHE_KAFKA: readonly (readonly [name: string, value: string])[] = [
    ['cleanup.policy', 'compact'],
    ['compression.gzip.level', '9'],
    ['compression.lz4.level', '12'],
    ['compression.type', 'zstd'],
    ['compression.zstd.level', '7'],
    ['delete.retention.ms', '1000'],
    ['file.delete.delay.ms', '1000'],
    ['flush.messages', '1'],
    ['flush.ms', '1'],
    ['follower.replication.throttled.replicas', '0:0'],
    ['index.interval.bytes', '1'],
    ['leader.replication.throttled.replicas', '0:0'],
    ['local.retention.bytes', '1000'],
    ['local.retention.ms', '1000'],
    ['max.compaction.lag.ms', '1000'],
    ['max.message.bytes', '1000'],
    ['message.timestamp.after.max.ms', '1000'],
    ['message.timestamp.before.max.ms', '1000'],
    ['message.timestamp.type', 'LogAppendTime'],
    ['min.cleanable.dirty.ratio', '0.1'],
    ['min.compaction.lag.ms', '1000'],
    ['min.insync.replicas', '2'],
    ['preallocate', 'true'],
    ['remote.log.copy.disable', 'true'],
    ['remote.log.delete.on.disable', 'true'],
    ['remote.storage.enable', 'true'],
    ['retention.bytes', '1000'],
    ['retention.ms', '1000'],
    ['segment.bytes', '1000000'],
    ['segment.index.bytes', '1000'],
    ['segment.jitter.ms', '1'],
    ['segment.ms', '1000'],
    ['unclean.leader.election.enable', 'true'],
  ];
  it.each(OF_APACHE_KAFKA)('%s=%s is taken and told, or refused and not', async (name, text) => {
    const before = structuredClone({ ...topic(), partitions: [] });
    const answer = await change([{ name, configOperation: 0, value: text }]);
    const described = await value(name);
    if (answer.errorCode === 0) {
      expect(described).toMatchObject({ value: text, configSource: 1, readOnly: false });
      return;
    }
    expect(answer).toMatchObject({ errorCode: ERROR.INVALID_CONFIG, errorMessage: expect.stringContaining(name) });
    expect({ ...topic(), partitions: [] }).toEqual(before);
    if (described !== undefined) expect(described.value).not.toBe(text);
    const spec = {
      name: 'made',
      numPartitions: 1,
      replicationFactor: 1,
      assignments: [],
      configs: [{ name, value: text }],
    };
    const request = { topics: [spec], timeoutMs: 0, validateOnly: false };
    const made = await world.ask(client, CreateTopics, 7, request);
    expect(made.topics[0]!.errorCode).toBe(ERROR.INVALID_CONFIG);
    expect(world.blue.topics.get('made')).toBeUndefined();
  });
  it('AlterConfigs puts back what it does not name; validateOnly changes nothing', async () => {
    const alter = async (configs: { name: string; value: string | null }[], validateOnly = false) =>
      (
        await world.ask(client, AlterConfigs, 2, {
          resources: [{ resourceType: 2, resourceName: 't', configs }],
          validateOnly,
        })
      ).responses[0]!.errorCode;
    expect(await alter([{ name: 'retention.bytes', value: '5' }])).toBe(0);
    expect(await alter([{ name: 'retention.ms', value: '6' }], true)).toBe(0);
    expect(topic()).toMatchObject({ retentionBytes: 5, retentionMs: 604_800_000 });
    expect(await alter([{ name: 'retention.ms', value: '6' }])).toBe(0);
    expect(topic()).toMatchObject({ retentionBytes: -1, retentionMs: 6 });
  });
});

describe('client quotas', () => {
  const alter = async (
    entity: { entityType: string; entityName: string | null }[],
    key: string,
    rate: number,
    remove = false,
  ) => {
    const entries = [{ entity, ops: [{ key, value: rate, remove }] }];
    return (await world.ask(client, AlterClientQuotas, 1, { entries, validateOnly: false })).entries[0]!.errorCode;
  };
  const produce = async () => {
    const partitionData = [{ index: 0, records: [batchOf(['x'.repeat(900)])] }];
    const topicData = [{ name: 't', partitionData }];
    const request = { transactionalId: null, acks: 1, timeoutMs: 0, topicData };
    return (await world.ask(client, Produce, 9, request)).throttleTimeMs;
  };
  it('are stored, described, and enforced with throttle_time_ms', async () => {
    const tester = [{ entityType: 'client-id', entityName: 'tester' }];
    expect(await alter(tester, 'producer_byte_rate', 1000)).toBe(0);
    world.restart();
    client = world.client();
    const any = [{ entityType: 'client-id', matchType: 2, match: null }];
    const described = await world.ask(client, DescribeClientQuotas, 1, { components: any, strict: true });
    expect(described.entries).toEqual([{ entity: tester, values: [{ key: 'producer_byte_rate', value: 1000 }] }]);
    expect(await produce()).toBe(0);
    expect(await produce()).toBeGreaterThan(900);
    world.runtime.advance(3_000);
    await world.settle();
    expect(await alter(tester, 'producer_byte_rate', 0, true)).toBe(0);
    expect([await produce(), await produce()]).toEqual([0, 0]);
  });
  it('the nearest entity decides, and what is not enforced is refused', async () => {
    const user = [{ entityType: 'user', entityName: null }];
    expect(await alter(user, 'consumer_byte_rate', 10)).toBe(0);
    expect(await alter([...user, { entityType: 'client-id', entityName: 'tester' }], 'consumer_byte_rate', 1e9)).toBe(
      0,
    );
    append(3);
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1e6 }];
    const fetched = await world.ask(client, Fetch, 11, {
      clusterId: null,
      replicaState: null,
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1e6,
      isolationLevel: 0,
      topics: [{ topic: 't', topicId: '', partitions }],
      forgottenTopicsData: [],
    });
    expect(fetched.throttleTimeMs).toBe(0);
    expect(await alter(user, 'request_percentage', 10)).toBe(ERROR.INVALID_REQUEST);
    expect(await alter([{ entityType: 'ip', entityName: null }], 'producer_byte_rate', 10)).toBe(ERROR.INVALID_REQUEST);
    expect(await alter(user, 'producer_byte_rate', 0)).toBe(ERROR.INVALID_REQUEST);
  });
});

describe('what the ACL forbids', () => {
  it('is not shown in Metadata and DescribeTopicPartitions, and refused by name', async () => {
    world.blue.denied.add('describe topic t');
    const all = await world.ask(client, Metadata, 12, {
      topics: null,
      includeTopicAuthorizedOperations: false,
      includeClusterAuthorizedOperations: false,
    });
    expect(all.topics).toEqual([]);
    const named = await world.ask(client, Metadata, 9, {
      topics: [{ topicId: '0'.repeat(32), name: 't' }],
      includeTopicAuthorizedOperations: false,
      includeClusterAuthorizedOperations: false,
    });
    expect(named.topics[0]!.errorCode).toBe(ERROR.TOPIC_AUTHORIZATION_FAILED);
    const listing = {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    };
    expect((await world.ask(client, ListOffsets, 7, listing)).topics[0]!.partitions[0]!.errorCode).toBe(
      ERROR.TOPIC_AUTHORIZATION_FAILED,
    );
  });
  it('what is allowed is told as a bit field where it is asked for (KIP-430)', async () => {
    world.blue.denied.add('delete topic t');
    const topics = [{ topicId: '0'.repeat(32), name: 't' }];
    const asked = { topics, includeTopicAuthorizedOperations: true, includeClusterAuthorizedOperations: true };
    const answer = await world.ask(client, Metadata, 10, asked);
    const bits = (...codes: number[]) => codes.reduce((sum, code) => sum | (1 << code), 0);
    expect(answer.topics[0]!.topicAuthorizedOperations).toBe(bits(3, 4, 5, 7, 8, 10, 11));
    expect(answer.clusterAuthorizedOperations).toBe(bits(5, 7, 8, 10, 11));
    const unasked = { topics, includeTopicAuthorizedOperations: false, includeClusterAuthorizedOperations: false };
    expect((await world.ask(client, Metadata, 10, unasked)).topics[0]!.topicAuthorizedOperations).toBe(-(2 ** 31));
  });
  it('creation, deletion and joining have their errors', async () => {
    for (const rule of ['create topic n', 'delete topic t', 'read group g']) world.blue.denied.add(rule);
    const wanted = { name: 'n', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
    const created = await world.ask(client, CreateTopics, 7, { topics: [wanted], timeoutMs: 0, validateOnly: false });
    expect(created.topics[0]!.errorCode).toBe(ERROR.TOPIC_AUTHORIZATION_FAILED);
    const deleted = await world.ask(client, DeleteTopics, 4, { topics: [], topicNames: ['t'], timeoutMs: 0 });
    expect(deleted.responses[0]!.errorCode).toBe(ERROR.TOPIC_AUTHORIZATION_FAILED);
    const joined = await world.ask(client, JoinGroup, 7, {
      groupId: 'g',
      sessionTimeoutMs: 10_000,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
      reason: null,
    });
    expect(joined.errorCode).toBe(ERROR.GROUP_AUTHORIZATION_FAILED);
  });
  it('DescribeAcls shows the rules of the cluster; they are set elsewhere', async () => {
    const rule = {
      id: 'r',
      effect: 'allow',
      principal: 'joe',
      resource: 'topic',
      pattern: 'orders.',
      patternType: 'prefix',
      actions: ['read', 'write'],
    } as const;
    const filter = { ...rule, id: 'f', pattern: 'a/#', patternType: 'filter' } as const;
    world.blue.settings = { ...DEFAULT_SETTINGS, acl: { whenNoRuleMatches: 'deny', rules: [rule, filter] } };
    const asked = {
      resourceTypeFilter: 1,
      resourceNameFilter: null,
      patternTypeFilter: 1,
      principalFilter: null,
      hostFilter: null,
      operation: 1,
      permissionType: 1,
    };
    const acl = { principal: 'User:joe', host: '*', permissionType: 3 };
    const { resources } = await world.ask(client, DescribeAcls, 3, asked);
    expect(resources).toEqual([
      {
        resourceType: 2,
        resourceName: 'orders.',
        patternType: 4,
        acls: [
          { ...acl, operation: 3 },
          { ...acl, operation: 4 },
        ],
      },
    ]);
    const matching = { ...asked, resourceNameFilter: 'orders.new', patternTypeFilter: 2, operation: 3 };
    expect((await world.ask(client, DescribeAcls, 3, matching)).resources[0]!.acls).toHaveLength(1);
    const creations = [
      { resourceType: 2, resourceName: 't', principal: 'User:x', host: '*', operation: 3, permissionType: 3 },
    ];
    expect((await world.ask(client, CreateAcls, 3, { creations })).results[0]!.errorCode).toBe(
      ERROR.CLUSTER_AUTHORIZATION_FAILED,
    );
    expect((await world.ask(client, DeleteAcls, 3, { filters: [asked] })).filterResults[0]!.errorCode).toBe(
      ERROR.CLUSTER_AUTHORIZATION_FAILED,
    );
  });
  it('SCRAM credentials are neither told nor set over the wire', async () => {
    const described = await world.ask(client, DescribeUserScramCredentials, 0, { users: null });
    expect(described.errorCode).toBe(ERROR.CLUSTER_AUTHORIZATION_FAILED);
    const altered = await world.ask(client, AlterUserScramCredentials, 0, {
      deletions: [{ name: 'joe', mechanism: 1 }],
      upsertions: [],
    });
    expect(altered.results).toMatchObject([{ user: 'joe', errorCode: ERROR.CLUSTER_AUTHORIZATION_FAILED }]);
  });
});

it('OffsetDelete forgets partitions, by name; OffsetCommit and OffsetFetch 10 name topics by id', async () => {
  const rows = [0, 1].map((partitionIndex) => ({ partitionIndex, committedOffset: 5, committedMetadata: null }));
  const claim = { groupId: 'g', memberId: '', generationIdOrMemberEpoch: -1, groupInstanceId: null };
  const topics = [{ name: '', topicId: topic().idHex, partitions: rows }];
  const committed = await world.ask(client, OffsetCommit, 10, { ...claim, topics });
  expect(committed.topics[0]!.partitions.map(({ errorCode }) => errorCode)).toEqual([0, 0]);
  const unknown = [{ name: '', topicId: 'ab'.repeat(16), partitions: rows }];
  const refused = await world.ask(client, OffsetCommit, 10, { ...claim, topics: unknown });
  expect(refused.topics[0]!.partitions[0]!.errorCode).toBe(ERROR.UNKNOWN_TOPIC_ID);
  const gone = [{ name: 't', partitions: [{ partitionIndex: 0 }] }];
  expect((await world.ask(client, OffsetDelete, 0, { groupId: 'g', topics: gone })).errorCode).toBe(0);
  expect((await world.ask(client, OffsetDelete, 0, { groupId: 'x', topics: gone })).errorCode).toBe(
    ERROR.GROUP_ID_NOT_FOUND,
  );
  const groups = [
    { groupId: 'g', memberId: null, topics: [{ name: '', topicId: topic().idHex, partitionIndexes: [0, 1] }] },
  ];
  const fetched = await world.ask(client, OffsetFetch, 10, { groupId: '', topics: null, groups, requireStable: false });
  expect(fetched.groups[0]!.topics[0]!.partitions.map((p) => p.committedOffset)).toEqual([-1, 5]);
});
