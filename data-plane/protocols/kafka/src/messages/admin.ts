import { api, array, arrayOf, bool, f64, int16, int32, int64, int8, string, struct, uuid } from '../schema.ts';
import { OPERATIONS_OMITTED } from './cluster.ts';

/** DeleteRecords (21). */
export const DeleteRecords = api({
  key: 21,
  name: 'DeleteRecords',
  minVersion: 0,
  maxVersion: 2,
  flexibleSince: 2,
  request: {
    topics: array({ name: string(), partitions: array({ partitionIndex: int32(), offset: int64() }) }),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32().or(0),
    topics: array({
      name: string(),
      partitions: array({ partitionIndex: int32(), lowWatermark: int64(), errorCode: int16() }),
    }),
  },
});

/** CreatePartitions (37). */
export const CreatePartitions = api({
  key: 37,
  name: 'CreatePartitions',
  minVersion: 0,
  maxVersion: 3,
  flexibleSince: 2,
  request: {
    topics: array({
      name: string(),
      count: int32(),
      assignments: array({ brokerIds: arrayOf(int32()) }).nullable(),
    }),
    timeoutMs: int32(),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32().or(0),
    results: array({ name: string(), errorCode: int16(), errorMessage: string().nullable() }),
  },
});

const alteredResources = {
  errorCode: int16(),
  errorMessage: string().nullable(),
  resourceType: int8(),
  resourceName: string(),
};

/** AlterConfigs (33): what is not named goes back to its default. */
export const AlterConfigs = api({
  key: 33,
  name: 'AlterConfigs',
  minVersion: 0,
  maxVersion: 2,
  flexibleSince: 2,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({ name: string(), value: string().nullable() }),
    }),
    validateOnly: bool(),
  },
  response: { throttleTimeMs: int32().or(0), responses: array(alteredResources) },
});

/** IncrementalAlterConfigs (44), KIP-339. */
export const IncrementalAlterConfigs = api({
  key: 44,
  name: 'IncrementalAlterConfigs',
  minVersion: 0,
  maxVersion: 1,
  flexibleSince: 1,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({ name: string(), configOperation: int8(), value: string().nullable() }),
    }),
    validateOnly: bool(),
  },
  response: { throttleTimeMs: int32().or(0), responses: array(alteredResources) },
});

/** DescribeLogDirs (35): one directory, the cluster's share of the journal. */
export const DescribeLogDirs = api({
  key: 35,
  name: 'DescribeLogDirs',
  minVersion: 1,
  maxVersion: 4,
  flexibleSince: 2,
  request: { topics: array({ topic: string(), partitions: arrayOf(int32()) }).nullable() },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16().since(3).or(0),
    results: array({
      errorCode: int16(),
      logDir: string(),
      topics: array({
        name: string(),
        partitions: array({ partitionIndex: int32(), partitionSize: int64(), offsetLag: int64(), isFutureKey: bool() }),
      }),
      totalBytes: int64().since(4).or(-1),
      usableBytes: int64().since(4).or(-1),
    }),
  },
});

/** DescribeTopicPartitions (75), KIP-966: Metadata in pages. */
export const DescribeTopicPartitions = api({
  key: 75,
  name: 'DescribeTopicPartitions',
  minVersion: 0,
  maxVersion: 0,
  flexibleSince: 0,
  request: {
    topics: array({ name: string() }),
    responsePartitionLimit: int32(),
    cursor: struct({ topicName: string(), partitionIndex: int32() }).nullable(),
  },
  response: {
    throttleTimeMs: int32().or(0),
    topics: array({
      errorCode: int16(),
      name: string().nullable(),
      topicId: uuid(),
      isInternal: bool().or(false),
      partitions: array({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32(),
        replicaNodes: arrayOf(int32()),
        isrNodes: arrayOf(int32()),
        eligibleLeaderReplicas: arrayOf(int32()).nullable().or(null),
        lastKnownElr: arrayOf(int32()).nullable().or(null),
        offlineReplicas: arrayOf(int32()).or([]),
      }),
      topicAuthorizedOperations: int32().or(OPERATIONS_OMITTED),
    }),
    nextCursor: struct({ topicName: string(), partitionIndex: int32() }).nullable().or(null),
  },
});

/** DescribeClientQuotas (48), KIP-546. */
export const DescribeClientQuotas = api({
  key: 48,
  name: 'DescribeClientQuotas',
  minVersion: 0,
  maxVersion: 1,
  flexibleSince: 1,
  request: {
    components: array({ entityType: string(), matchType: int8(), match: string().nullable() }),
    strict: bool(),
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    errorMessage: string().nullable().or(null),
    entries: array({
      entity: array({ entityType: string(), entityName: string().nullable() }),
      values: array({ key: string(), value: f64() }),
    }).nullable(),
  },
});

/** AlterClientQuotas (49), KIP-546. */
export const AlterClientQuotas = api({
  key: 49,
  name: 'AlterClientQuotas',
  minVersion: 0,
  maxVersion: 1,
  flexibleSince: 1,
  request: {
    entries: array({
      entity: array({ entityType: string(), entityName: string().nullable() }),
      ops: array({ key: string(), value: f64(), remove: bool() }),
    }),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32().or(0),
    entries: array({
      errorCode: int16(),
      errorMessage: string().nullable().or(null),
      entity: array({ entityType: string(), entityName: string().nullable() }),
    }),
  },
});
