import { api, array, arrayOf, bool, int16, int32, int64, int8, records, string, struct, uuid } from '../schema.ts';
import { OPERATIONS_OMITTED } from './cluster.ts';

const topicPartitions = { topicId: uuid(), partitions: arrayOf(int32()) };
const acknowledgementBatches = array({
  firstOffset: int64(),
  lastOffset: int64(),
  acknowledgeTypes: arrayOf(int8()),
});
const currentLeader = struct({ leaderId: int32(), leaderEpoch: int32() });
const nodeEndpoints = array({ nodeId: int32(), host: string(), port: int32(), rack: string().nullable() });

/** ShareGroupHeartbeat (76), KIP-932; null = as said before. Version 0 was of Apache Kafka 4.0's preview. */
export const ShareGroupHeartbeat = api({
  key: 76,
  name: 'ShareGroupHeartbeat',
  minVersion: 1,
  maxVersion: 1,
  flexibleSince: 0,
  request: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    rackId: string().nullable(),
    subscribedTopicNames: arrayOf(string()).nullable(),
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    errorMessage: string().nullable().or(null),
    memberId: string().nullable().or(null),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    assignment: struct({ topicPartitions: array(topicPartitions) }).nullable(),
  },
});

/** ShareGroupDescribe (77), KIP-932. */
export const ShareGroupDescribe = api({
  key: 77,
  name: 'ShareGroupDescribe',
  minVersion: 1,
  maxVersion: 1,
  flexibleSince: 0,
  request: { groupIds: arrayOf(string()), includeAuthorizedOperations: bool() },
  response: {
    throttleTimeMs: int32().or(0),
    groups: array({
      errorCode: int16(),
      errorMessage: string().nullable().or(null),
      groupId: string(),
      groupState: string(),
      groupEpoch: int32(),
      assignmentEpoch: int32(),
      assignorName: string(),
      members: array({
        memberId: string(),
        rackId: string().nullable(),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: arrayOf(string()),
        assignment: struct({
          topicPartitions: array({ topicId: uuid(), topicName: string(), partitions: arrayOf(int32()) }),
        }),
      }),
      authorizedOperations: int32().or(OPERATIONS_OMITTED),
    }),
  },
});

/** ShareFetch (78), KIP-932: acknowledges what was delivered, then delivers more. */
export const ShareFetch = api({
  key: 78,
  name: 'ShareFetch',
  minVersion: 1,
  maxVersion: 1,
  flexibleSince: 0,
  request: {
    groupId: string().nullable(),
    memberId: string().nullable(),
    shareSessionEpoch: int32(),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32(),
    maxRecords: int32(),
    batchSize: int32(),
    topics: array({ topicId: uuid(), partitions: array({ partitionIndex: int32(), acknowledgementBatches }) }),
    forgottenTopicsData: array(topicPartitions),
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    errorMessage: string().nullable().or(null),
    acquisitionLockTimeoutMs: int32(),
    responses: array({
      topicId: uuid(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string().nullable().or(null),
        acknowledgeErrorCode: int16(),
        acknowledgeErrorMessage: string().nullable().or(null),
        currentLeader,
        records: records(),
        acquiredRecords: array({ firstOffset: int64(), lastOffset: int64(), deliveryCount: int16() }),
      }),
    }),
    nodeEndpoints: nodeEndpoints.or([]),
  },
});

/** ShareAcknowledge (79), KIP-932. */
export const ShareAcknowledge = api({
  key: 79,
  name: 'ShareAcknowledge',
  minVersion: 1,
  maxVersion: 1,
  flexibleSince: 0,
  request: {
    groupId: string().nullable(),
    memberId: string().nullable(),
    shareSessionEpoch: int32(),
    topics: array({ topicId: uuid(), partitions: array({ partitionIndex: int32(), acknowledgementBatches }) }),
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    errorMessage: string().nullable().or(null),
    responses: array({
      topicId: uuid(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string().nullable().or(null),
        currentLeader,
      }),
    }),
    nodeEndpoints: nodeEndpoints.or([]),
  },
});
