import { api, array, arrayOf, bool, int16, int32, int64, string, uuid, ZERO_UUID } from '../schema.ts';

/** OffsetCommit (8). */
export const OffsetCommit = api({
  key: 8,
  name: 'OffsetCommit',
  minVersion: 2,
  maxVersion: 10,
  flexibleSince: 8,
  request: {
    groupId: string(),
    generationIdOrMemberEpoch: int32().or(-1),
    memberId: string(),
    groupInstanceId: string().nullable().since(7),
    retentionTimeMs: int64().until(4).or(-1),
    topics: array({
      name: string().until(9),
      topicId: uuid().since(10).or(ZERO_UUID),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32().since(6).or(-1),
        committedMetadata: string().nullable(),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32().since(3).or(0),
    topics: array({
      name: string().until(9),
      topicId: uuid().since(10).or(ZERO_UUID),
      partitions: array({ partitionIndex: int32(), errorCode: int16() }),
    }),
  },
});

const fetchedTopics = {
  name: string().until(9),
  topicId: uuid().since(10).or(ZERO_UUID),
  partitions: array({
    partitionIndex: int32(),
    committedOffset: int64(),
    committedLeaderEpoch: int32().since(5).or(-1),
    metadata: string().nullable(),
    errorCode: int16(),
  }),
};

/** OffsetFetch (9). Several groups at once from 8 on (KIP-709); null topics are all topics. */
export const OffsetFetch = api({
  key: 9,
  name: 'OffsetFetch',
  minVersion: 1,
  maxVersion: 10,
  flexibleSince: 6,
  request: {
    groupId: string().until(7),
    topics: array({ name: string(), partitionIndexes: arrayOf(int32()) })
      .nullable(2)
      .until(7),
    groups: array({
      groupId: string(),
      memberId: string().nullable().since(9),
      memberEpoch: int32().since(9).or(-1),
      topics: array({
        name: string().until(9),
        topicId: uuid().since(10).or(ZERO_UUID),
        partitionIndexes: arrayOf(int32()),
      }).nullable(),
    }).since(8),
    requireStable: bool().since(7),
  },
  response: {
    throttleTimeMs: int32().since(3).or(0),
    topics: array(fetchedTopics).until(7).or([]),
    errorCode: int16().since(2).until(7).or(0),
    groups: array({ groupId: string(), topics: array(fetchedTopics), errorCode: int16() })
      .since(8)
      .or([]),
  },
});

/** OffsetDelete (47), KIP-496. */
export const OffsetDelete = api({
  key: 47,
  name: 'OffsetDelete',
  minVersion: 0,
  maxVersion: 0,
  flexibleSince: Infinity,
  request: {
    groupId: string(),
    topics: array({ name: string(), partitions: array({ partitionIndex: int32() }) }),
  },
  response: {
    errorCode: int16(),
    throttleTimeMs: int32().or(0),
    topics: array({ name: string(), partitions: array({ partitionIndex: int32(), errorCode: int16() }) }).or([]),
  },
});
