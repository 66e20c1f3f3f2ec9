import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { codecOf, MessageReader, MessageWriter } from '../codec.ts';
import type { Api, Schema } from '../schema.ts';
import { ApiVersions, Metadata } from './cluster.ts';
import { Fetch, ListOffsets } from './fetch.ts';
import {
  DeleteGroups,
  DescribeGroups,
  FindCoordinator,
  Heartbeat,
  JoinGroup,
  LeaveGroup,
  ListGroups,
  SyncGroup,
} from './groups.ts';
import { OffsetCommit, OffsetFetch } from './offsets.ts';
import { InitProducerId, Produce } from './produce.ts';
import { SaslAuthenticate, SaslHandshake } from './sasl.ts';
import { CreateTopics, DeleteTopics, DescribeConfigs } from './topics.ts';

/** kafkajs as the second opinion: its encoders write what we read, its decoders read what we write. */
interface Case {
  readonly api: Api;
  /** Folder in kafkajs's protocol. */
  readonly folder: string;
  readonly versions: readonly [number, number];
  readonly sends?: object;
  readonly weRead?: object;
  readonly weWrite?: object;
  readonly theyRead?: object;
}

function oracle<Q extends Schema, R extends Schema>(
  api: Api<Q, R>,
  folder: string,
  versions: readonly [number, number],
  rest: Omit<Case, 'api' | 'folder' | 'versions'>,
): Case {
  return { api: api as unknown as Api, folder, versions, ...rest };
}

const topicPartitions = [{ topic: 't', partitions: [{ partition: 3, offset: '77', metadata: 'm' }] }];

const CASES: readonly Case[] = [
  oracle(ApiVersions, 'apiVersions', [0, 2], {
    weWrite: { errorCode: 0, apiKeys: [{ apiKey: 1, minVersion: 4, maxVersion: 16 }] },
    theyRead: { apiVersions: [{ apiKey: 1, minVersion: 4, maxVersion: 16 }] },
  }),
  oracle(Metadata, 'metadata', [0, 6], {
    sends: { topics: ['a', 'b'] },
    weRead: { topics: [{ name: 'a' }, { name: 'b' }] },
    weWrite: {
      brokers: [{ nodeId: 7, host: 'h', port: 9 }],
      controllerId: 7,
      topics: [
        {
          errorCode: 0,
          name: 'a',
          topicId: '',
          partitions: [{ errorCode: 0, partitionIndex: 2, leaderId: 7, replicaNodes: [7], isrNodes: [7] }],
        },
      ],
    },
    theyRead: {
      brokers: [{ nodeId: 7, host: 'h', port: 9 }],
      topicMetadata: [{ topic: 'a', partitionMetadata: [{ partitionId: 2, leader: 7, replicas: [7], isr: [7] }] }],
    },
  }),
  oracle(Fetch, 'fetch', [4, 11], {
    sends: {
      replicaId: -1,
      maxWaitTime: 5,
      minBytes: 1,
      maxBytes: 99,
      isolationLevel: 1,
      topics: [{ topic: 't', partitions: [{ partition: 1, fetchOffset: '42', maxBytes: 8 }] }],
    },
    weRead: {
      maxWaitMs: 5,
      maxBytes: 99,
      isolationLevel: 1,
      topics: [{ topic: 't', partitions: [{ partition: 1, fetchOffset: 42, partitionMaxBytes: 8 }] }],
    },
    weWrite: {
      responses: [
        {
          topic: 't',
          topicId: '',
          partitions: [
            { partitionIndex: 1, errorCode: 0, highWatermark: 9, lastStableOffset: 9, logStartOffset: 2, records: [] },
          ],
        },
      ],
    },
    theyRead: { responses: [{ topicName: 't', partitions: [{ partition: 1, highWatermark: '9', messages: [] }] }] },
  }),
  oracle(ListOffsets, 'listOffsets', [1, 3], {
    sends: {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ topic: 't', partitions: [{ partition: 1, timestamp: '-2' }] }],
    },
    weRead: { topics: [{ name: 't', partitions: [{ partitionIndex: 1, timestamp: -2 }] }] },
    weWrite: { topics: [{ name: 't', partitions: [{ partitionIndex: 1, errorCode: 0, timestamp: 5, offset: 6 }] }] },
    theyRead: { responses: [{ topic: 't', partitions: [{ partition: 1, timestamp: '5', offset: '6' }] }] },
  }),
  oracle(Produce, 'produce', [3, 7], {
    sends: { acks: -1, timeout: 9, topicData: [{ topic: 't', partitions: [{ partition: 4, messages: [] }] }] },
    weRead: { acks: -1, timeoutMs: 9, topicData: [{ name: 't', partitionData: [{ index: 4 }] }] },
    weWrite: {
      responses: [{ name: 't', partitionResponses: [{ index: 4, errorCode: 0, baseOffset: 12, logStartOffset: 3 }] }],
    },
    theyRead: { topics: [{ topicName: 't', partitions: [{ partition: 4, errorCode: 0, baseOffset: '12' }] }] },
  }),
  oracle(InitProducerId, 'initProducerId', [0, 1], {
    sends: { transactionalId: null, transactionTimeout: 4 },
    weRead: { transactionalId: null, transactionTimeoutMs: 4 },
    weWrite: { errorCode: 0, producerId: 2 ** 50, producerEpoch: 3 },
    theyRead: { producerId: String(2 ** 50), producerEpoch: 3 },
  }),
  oracle(FindCoordinator, 'findCoordinator', [0, 2], {
    sends: { groupId: 'g', coordinatorKey: 'g', coordinatorType: 0 },
    weRead: { key: 'g', keyType: 0 },
    weWrite: { errorCode: 0, nodeId: 7, host: 'h', port: 9 },
    theyRead: { coordinator: { nodeId: 7, host: 'h', port: 9 } },
  }),
  oracle(JoinGroup, 'joinGroup', [0, 5], {
    sends: {
      groupId: 'g',
      sessionTimeout: 5,
      rebalanceTimeout: 6,
      memberId: 'm',
      protocolType: 'consumer',
      groupProtocols: [{ name: 'rr', metadata: Buffer.from('meta') }],
    },
    weRead: { groupId: 'g', sessionTimeoutMs: 5, memberId: 'm', protocols: [{ name: 'rr' }] },
    weWrite: {
      errorCode: 0,
      generationId: 3,
      protocolName: 'rr',
      leader: 'm',
      memberId: 'm',
      members: [{ memberId: 'm', metadata: Buffer.from('meta') }],
    },
    theyRead: {
      generationId: 3,
      groupProtocol: 'rr',
      leaderId: 'm',
      members: [{ memberId: 'm', memberMetadata: Buffer.from('meta') }],
    },
  }),
  oracle(SyncGroup, 'syncGroup', [0, 3], {
    sends: {
      groupId: 'g',
      generationId: 3,
      memberId: 'm',
      groupAssignment: [{ memberId: 'm', memberAssignment: Buffer.from('a') }],
    },
    weRead: { generationId: 3, assignments: [{ memberId: 'm' }] },
    weWrite: { errorCode: 0, assignment: Buffer.from('a') },
    theyRead: { memberAssignment: Buffer.from('a') },
  }),
  oracle(Heartbeat, 'heartbeat', [0, 3], {
    sends: { groupId: 'g', groupGenerationId: 3, memberId: 'm' },
    weRead: { groupId: 'g', generationId: 3, memberId: 'm' },
    weWrite: { errorCode: 0 },
    theyRead: { errorCode: 0 },
  }),
  oracle(LeaveGroup, 'leaveGroup', [0, 2], {
    sends: { groupId: 'g', memberId: 'm' },
    weRead: { groupId: 'g', memberId: 'm' },
    weWrite: { errorCode: 0 },
    theyRead: { errorCode: 0 },
  }),
  oracle(LeaveGroup, 'leaveGroup', [3, 3], {
    sends: { groupId: 'g', members: [{ memberId: 'm', groupInstanceId: null }] },
    weRead: { members: [{ memberId: 'm', groupInstanceId: null }] },
    weWrite: { errorCode: 0, members: [{ memberId: 'm', groupInstanceId: null, errorCode: 0 }] },
    theyRead: { members: [{ memberId: 'm', errorCode: 0 }] },
  }),
  oracle(OffsetCommit, 'offsetCommit', [2, 5], {
    sends: { groupId: 'g', groupGenerationId: 3, memberId: 'm', retentionTime: 1, topics: topicPartitions },
    weRead: {
      generationIdOrMemberEpoch: 3,
      topics: [{ name: 't', partitions: [{ partitionIndex: 3, committedOffset: 77, committedMetadata: 'm' }] }],
    },
    weWrite: { topics: [{ name: 't', partitions: [{ partitionIndex: 3, errorCode: 0 }] }] },
    theyRead: { responses: [{ topic: 't', partitions: [{ partition: 3, errorCode: 0 }] }] },
  }),
  oracle(OffsetFetch, 'offsetFetch', [1, 4], {
    sends: { groupId: 'g', topics: topicPartitions },
    weRead: { groupId: 'g', topics: [{ name: 't', partitionIndexes: [3] }] },
    weWrite: {
      topics: [{ name: 't', partitions: [{ partitionIndex: 3, committedOffset: 77, metadata: 'm', errorCode: 0 }] }],
    },
    theyRead: { responses: [{ topic: 't', partitions: [{ partition: 3, offset: '77', metadata: 'm' }] }] },
  }),
  oracle(DescribeGroups, 'describeGroups', [0, 2], {
    sends: { groupIds: ['g'] },
    weRead: { groups: ['g'] },
    weWrite: {
      groups: [
        { errorCode: 0, groupId: 'g', groupState: 'Stable', protocolType: 'consumer', protocolData: 'rr', members: [] },
      ],
    },
    theyRead: { groups: [{ groupId: 'g', state: 'Stable', protocol: 'rr' }] },
  }),
  oracle(ListGroups, 'listGroups', [0, 2], {
    sends: {},
    weWrite: { errorCode: 0, groups: [{ groupId: 'g', protocolType: 'consumer' }] },
    theyRead: { groups: [{ groupId: 'g', protocolType: 'consumer' }] },
  }),
  oracle(DeleteGroups, 'deleteGroups', [0, 1], {
    sends: ['g'],
    weRead: { groupsNames: ['g'] },
    weWrite: { results: [{ groupId: 'g', errorCode: 0 }] },
    theyRead: { results: [{ groupId: 'g', errorCode: 0 }] },
  }),
  oracle(SaslHandshake, 'saslHandshake', [0, 1], {
    sends: { mechanism: 'PLAIN' },
    weRead: { mechanism: 'PLAIN' },
    weWrite: { errorCode: 0, mechanisms: ['PLAIN'] },
    theyRead: { enabledMechanisms: ['PLAIN'] },
  }),
  oracle(SaslAuthenticate, 'saslAuthenticate', [0, 1], {
    weWrite: { errorCode: 0, errorMessage: null, authBytes: Buffer.from('ok') },
    theyRead: { errorCode: 0 },
  }),
  oracle(CreateTopics, 'createTopics', [0, 3], {
    sends: {
      topics: [{ topic: 't', numPartitions: 3, replicationFactor: 1, configEntries: [{ name: 'a', value: 'b' }] }],
      validateOnly: true,
      timeout: 5,
    },
    weRead: { timeoutMs: 5, topics: [{ name: 't', numPartitions: 3, configs: [{ name: 'a', value: 'b' }] }] },
    weWrite: { topics: [{ name: 't', topicId: '', errorCode: 0 }] },
    theyRead: { topicErrors: [{ topic: 't', errorCode: 0 }] },
  }),
  oracle(DeleteTopics, 'deleteTopics', [1, 1], {
    sends: { topics: ['t'], timeout: 5 },
    weRead: { topicNames: ['t'], timeoutMs: 5 },
    weWrite: { responses: [{ name: 't', topicId: '', errorCode: 0 }] },
    theyRead: { topicErrors: [{ topic: 't', errorCode: 0 }] },
  }),
  oracle(DescribeConfigs, 'describeConfigs', [1, 2], {
    sends: { resources: [{ type: 2, name: 't', configNames: ['a'] }], includeSynonyms: false },
    weRead: { resources: [{ resourceType: 2, resourceName: 't', configurationKeys: ['a'] }] },
    weWrite: {
      results: [
        {
          errorCode: 0,
          errorMessage: null,
          resourceType: 2,
          resourceName: 't',
          configs: [{ name: 'a', value: 'b', readOnly: true, configSource: 1, isSensitive: false }],
        },
      ],
    },
    theyRead: { resources: [{ resourceName: 't', configEntries: [{ configName: 'a', configValue: 'b' }] }] },
  }),
];

const require = createRequire(import.meta.url);
interface Request {
  readonly apiKey: number;
  readonly apiVersion: number;
  encode(): Promise<{ buffer: Buffer }>;
}
const path = (folder: string, version: number, side: string) =>
  `kafkajs/src/protocol/requests/${folder}/v${version}/${side}`;

const ROWS = CASES.flatMap((one) =>
  Array.from({ length: one.versions[1] - one.versions[0] + 1 }, (_, i) => ({
    ...one,
    version: one.versions[0] + i,
    name: `${one.api.name} ${one.versions[0] + i}`,
  })),
);

describe('what kafkajs writes we read, to the last byte', () => {
  it.each(ROWS.filter(({ sends }) => sends !== undefined))('$name', async ({ api, folder, version, sends, weRead }) => {
    const make = require(path(folder, version, 'request')) as (args: unknown) => Request;
    const request = make(sends);
    expect([request.apiKey, request.apiVersion]).toEqual([api.key, version]);
    const r = new MessageReader((await request.encode()).buffer);
    expect(codecOf(api, version).request.decode(r)).toMatchObject(weRead ?? {});
    expect(r.remaining).toBe(0);
  });
});

describe('what we write kafkajs reads', () => {
  it.each(ROWS)('$name', async ({ api, folder, version, weWrite, theyRead }) => {
    const w = new MessageWriter();
    codecOf(api, version).response.encode(w, weWrite as never);
    const { decode } = require(path(folder, version, 'response')) as { decode(raw: Buffer): Promise<unknown> };
    expect(await decode(w.toBuffer())).toMatchObject(theyRead ?? {});
  });
});
