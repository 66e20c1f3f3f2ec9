import { api, array, arrayOf, bool, int16, int32, int64, string } from '../schema.ts';

const namedPartitions = { name: string(), partitions: arrayOf(int32()) };
const partitionResults = {
  name: string(),
  resultsByPartition: array({ partitionIndex: int32(), partitionErrorCode: int16() }),
};

/** AddPartitionsToTxn (24). Several transactions at once from 4 on (KIP-890). */
export const AddPartitionsToTxn = api({
  key: 24,
  name: 'AddPartitionsToTxn',
  minVersion: 0,
  maxVersion: 5,
  flexibleSince: 3,
  request: {
    transactions: array({
      transactionalId: string(),
      producerId: int64(),
      producerEpoch: int16(),
      verifyOnly: bool(),
      topics: array(namedPartitions),
    }).since(4),
    transactionalId: string().until(3),
    producerId: int64().until(3),
    producerEpoch: int16().until(3),
    topics: array(namedPartitions).until(3),
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16().since(4).or(0),
    resultsByTransaction: array({ transactionalId: string(), topicResults: array(partitionResults) })
      .since(4)
      .or([]),
    resultsByTopic: array(partitionResults).until(3).or([]),
  },
});

/** AddOffsetsToTxn (25). */
export const AddOffsetsToTxn = api({
  key: 25,
  name: 'AddOffsetsToTxn',
  minVersion: 0,
  maxVersion: 4,
  flexibleSince: 3,
  request: { transactionalId: string(), producerId: int64(), producerEpoch: int16(), groupId: string() },
  response: { throttleTimeMs: int32().or(0), errorCode: int16() },
});

/** EndTxn (26). From 5 on the producer gets an epoch for its next transaction (KIP-890). */
export const EndTxn = api({
  key: 26,
  name: 'EndTxn',
  minVersion: 0,
  maxVersion: 5,
  flexibleSince: 3,
  request: { transactionalId: string(), producerId: int64(), producerEpoch: int16(), committed: bool() },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    producerId: int64().since(5).or(-1),
    producerEpoch: int16().since(5).or(-1),
  },
});

/** WriteTxnMarkers (27): ends what a producer has open, outside its transaction. */
export const WriteTxnMarkers = api({
  key: 27,
  name: 'WriteTxnMarkers',
  minVersion: 0,
  maxVersion: 1,
  flexibleSince: 1,
  request: {
    markers: array({
      producerId: int64(),
      producerEpoch: int16(),
      transactionResult: bool(),
      topics: array({ name: string(), partitionIndexes: arrayOf(int32()) }),
      coordinatorEpoch: int32(),
    }),
  },
  response: {
    markers: array({
      producerId: int64(),
      topics: array({ name: string(), partitions: array({ partitionIndex: int32(), errorCode: int16() }) }),
    }),
  },
});

/** TxnOffsetCommit (28). From 5 on it adds its group to the transaction (KIP-890). */
export const TxnOffsetCommit = api({
  key: 28,
  name: 'TxnOffsetCommit',
  minVersion: 0,
  maxVersion: 5,
  flexibleSince: 3,
  request: {
    transactionalId: string(),
    groupId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    generationId: int32().since(3).or(-1),
    memberId: string().since(3).or(''),
    groupInstanceId: string().nullable().since(3),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32().since(2).or(-1),
        committedMetadata: string().nullable(),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32().or(0),
    topics: array({ name: string(), partitions: array({ partitionIndex: int32(), errorCode: int16() }) }),
  },
});

/** DescribeProducers (61), KIP-664. */
export const DescribeProducers = api({
  key: 61,
  name: 'DescribeProducers',
  minVersion: 0,
  maxVersion: 0,
  flexibleSince: 0,
  request: { topics: array({ name: string(), partitionIndexes: arrayOf(int32()) }) },
  response: {
    throttleTimeMs: int32().or(0),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string().nullable().or(null),
        activeProducers: array({
          producerId: int64(),
          producerEpoch: int32(),
          lastSequence: int32().or(-1),
          lastTimestamp: int64().or(-1),
          coordinatorEpoch: int32().or(-1),
          currentTxnStartOffset: int64().or(-1),
        }).or([]),
      }),
    }),
  },
});

/** DescribeTransactions (65), KIP-664. */
export const DescribeTransactions = api({
  key: 65,
  name: 'DescribeTransactions',
  minVersion: 0,
  maxVersion: 0,
  flexibleSince: 0,
  request: { transactionalIds: arrayOf(string()) },
  response: {
    throttleTimeMs: int32().or(0),
    transactionStates: array({
      errorCode: int16(),
      transactionalId: string(),
      transactionState: string().or(''),
      transactionTimeoutMs: int32().or(-1),
      transactionStartTimeMs: int64().or(-1),
      producerId: int64().or(-1),
      producerEpoch: int16().or(-1),
      topics: array({ topic: string(), partitions: arrayOf(int32()) }).or([]),
    }),
  },
});

/** ListTransactions (66), KIP-664; the duration filter is KIP-994. */
export const ListTransactions = api({
  key: 66,
  name: 'ListTransactions',
  minVersion: 0,
  maxVersion: 1,
  flexibleSince: 0,
  request: {
    stateFilters: arrayOf(string()),
    producerIdFilters: arrayOf(int64()),
    durationFilter: int64().since(1).or(-1),
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    unknownStateFilters: arrayOf(string()),
    transactionStates: array({ transactionalId: string(), producerId: int64(), transactionState: string() }),
  },
});
