import { api, array, arrayOf, int16, int32, int64, int8, records, string, struct, uuid, ZERO_UUID } from '../schema.ts';

/** Fetch (1). Topics are named by id from 13 on (KIP-516). */
export const Fetch = api({
  key: 1,
  name: 'Fetch',
  minVersion: 4,
  maxVersion: 18,
  flexibleSince: 12,
  request: {
    clusterId: string().nullable().since(12).tagged(0),
    replicaId: int32().until(14).or(-1),
    replicaState: struct({ replicaId: int32(), replicaEpoch: int64() }).nullable().since(15).tagged(1),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32().since(3),
    isolationLevel: int8().since(4),
    sessionId: int32().since(7).or(0),
    sessionEpoch: int32().since(7).or(-1),
    topics: array({
      topic: string().until(12),
      topicId: uuid().since(13),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32().since(9).or(-1),
        fetchOffset: int64(),
        lastFetchedEpoch: int32().since(12).or(-1),
        logStartOffset: int64().since(5).or(-1),
        partitionMaxBytes: int32(),
        replicaDirectoryId: uuid().since(17).tagged(0).or(ZERO_UUID),
        highWatermark: int64().since(18).tagged(1).or(Number.MAX_SAFE_INTEGER),
      }),
    }),
    forgottenTopicsData: array({
      topic: string().since(7).until(12),
      topicId: uuid().since(13),
      partitions: arrayOf(int32()),
    }).since(7),
    rackId: string().since(11).or(''),
  },
  response: {
    throttleTimeMs: int32().since(1).or(0),
    errorCode: int16().since(7).or(0),
    sessionId: int32().since(7).or(0),
    responses: array({
      topic: string().until(12),
      topicId: uuid().since(13),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        highWatermark: int64(),
        lastStableOffset: int64().since(4),
        logStartOffset: int64().since(5),
        divergingEpoch: struct({ epoch: int32(), endOffset: int64() }).nullable().since(12).tagged(0).or(null),
        currentLeader: struct({ leaderId: int32(), leaderEpoch: int32() }).nullable().since(12).tagged(1).or(null),
        abortedTransactions: array({ producerId: int64(), firstOffset: int64() }).nullable().since(4).or(null),
        preferredReadReplica: int32().since(11).or(-1),
        records: records(),
      }),
    }),
    nodeEndpoints: array({ nodeId: int32(), host: string(), port: int32(), rack: string().nullable() })
      .since(16)
      .tagged(0)
      .or([]),
  },
});

/** ListOffsets (2). */
export const ListOffsets = api({
  key: 2,
  name: 'ListOffsets',
  minVersion: 1,
  maxVersion: 10,
  flexibleSince: 6,
  request: {
    replicaId: int32(),
    isolationLevel: int8().since(2),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        currentLeaderEpoch: int32().since(4).or(-1),
        timestamp: int64(),
      }),
    }),
    timeoutMs: int32().since(10).or(0),
  },
  response: {
    throttleTimeMs: int32().since(2).or(0),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        timestamp: int64().or(-1),
        offset: int64().or(-1),
        leaderEpoch: int32().since(4).or(-1),
      }),
    }),
  },
});

/** OffsetForLeaderEpoch (23). */
export const OffsetForLeaderEpoch = api({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  minVersion: 2,
  maxVersion: 4,
  flexibleSince: 4,
  request: {
    replicaId: int32().since(3).or(-2),
    topics: array({
      topic: string(),
      partitions: array({ partition: int32(), currentLeaderEpoch: int32().since(2).or(-1), leaderEpoch: int32() }),
    }),
  },
  response: {
    throttleTimeMs: int32().since(2).or(0),
    topics: array({
      topic: string(),
      partitions: array({
        errorCode: int16(),
        partition: int32(),
        leaderEpoch: int32().since(1).or(-1),
        endOffset: int64().or(-1),
      }),
    }),
  },
});
