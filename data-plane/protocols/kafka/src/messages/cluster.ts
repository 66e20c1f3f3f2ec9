import { api, array, arrayOf, bool, int16, int32, int64, int8, string, uuid } from '../schema.ts';

/** Authorized-operations field where operations were not asked for or are not told (KIP-430). */
export const OPERATIONS_OMITTED = -2147483648;

/** ApiVersions (18). Its response header is never flexible (KIP-511). */
export const ApiVersions = api({
  key: 18,
  name: 'ApiVersions',
  minVersion: 0,
  maxVersion: 4,
  flexibleSince: 3,
  request: {
    clientSoftwareName: string().since(3),
    clientSoftwareVersion: string().since(3),
  },
  response: {
    errorCode: int16(),
    apiKeys: array({ apiKey: int16(), minVersion: int16(), maxVersion: int16() }),
    throttleTimeMs: int32().since(1).or(0),
    supportedFeatures: array({ name: string(), minVersion: int16(), maxVersion: int16() }).since(3).tagged(0).or([]),
    finalizedFeaturesEpoch: int64().since(3).tagged(1).or(-1),
    finalizedFeatures: array({ name: string(), maxVersionLevel: int16(), minVersionLevel: int16() })
      .since(3)
      .tagged(2)
      .or([]),
  },
});

/** Metadata (3). A null topic list is all topics; in version 0 an empty one is. */
export const Metadata = api({
  key: 3,
  name: 'Metadata',
  minVersion: 0,
  maxVersion: 13,
  flexibleSince: 9,
  request: {
    topics: array({ topicId: uuid().since(10), name: string().nullable(10) }).nullable(1),
    allowAutoTopicCreation: bool().since(4).or(true),
    includeClusterAuthorizedOperations: bool().since(8).until(10),
    includeTopicAuthorizedOperations: bool().since(8),
  },
  response: {
    throttleTimeMs: int32().since(3).or(0),
    brokers: array({ nodeId: int32(), host: string(), port: int32(), rack: string().nullable(1).since(1).or(null) }),
    clusterId: string().nullable(2).since(2).or(null),
    controllerId: int32().since(1).or(-1),
    topics: array({
      errorCode: int16(),
      name: string().nullable(12),
      topicId: uuid().since(10),
      isInternal: bool().since(1).or(false),
      partitions: array({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32().since(7).or(-1),
        replicaNodes: arrayOf(int32()),
        isrNodes: arrayOf(int32()),
        offlineReplicas: arrayOf(int32()).since(5).or([]),
      }),
      topicAuthorizedOperations: int32().since(8).or(OPERATIONS_OMITTED),
    }),
    clusterAuthorizedOperations: int32().since(8).until(10).or(OPERATIONS_OMITTED),
    errorCode: int16().since(13).or(0),
  },
});

/** DescribeCluster (60). */
export const DescribeCluster = api({
  key: 60,
  name: 'DescribeCluster',
  minVersion: 0,
  maxVersion: 2,
  flexibleSince: 0,
  request: {
    includeClusterAuthorizedOperations: bool(),
    endpointType: int8().since(1).or(1),
    includeFencedBrokers: bool().since(2).or(false),
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    errorMessage: string().nullable().or(null),
    endpointType: int8().since(1).or(1),
    clusterId: string(),
    controllerId: int32(),
    brokers: array({
      brokerId: int32(),
      host: string(),
      port: int32(),
      rack: string().nullable().or(null),
      isFenced: bool().since(2).or(false),
    }),
    clusterAuthorizedOperations: int32().or(OPERATIONS_OMITTED),
  },
});
