import { api, array, int16, int32, int64, records, string, struct } from '../schema.ts';

/**
 * Produce (0). From 12 on it adds its partitions to the transaction (KIP-890). 0–2 carry message formats v0 and v1 (old-formats.ts);
 * librdkafka gates on 0 being listed (KAFKA-18659).
 */
export const Produce = api({
  key: 0,
  name: 'Produce',
  minVersion: 0,
  maxVersion: 12,
  flexibleSince: 9,
  request: {
    transactionalId: string().nullable().since(3),
    acks: int16(),
    timeoutMs: int32(),
    topicData: array({
      name: string(),
      partitionData: array({ index: int32(), records: records() }),
    }),
  },
  response: {
    responses: array({
      name: string(),
      partitionResponses: array({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        logAppendTimeMs: int64().since(2).or(-1),
        logStartOffset: int64().since(5).or(-1),
        recordErrors: array({ batchIndex: int32(), batchIndexErrorMessage: string().nullable() }).since(8).or([]),
        errorMessage: string().nullable().since(8).or(null),
        currentLeader: struct({ leaderId: int32(), leaderEpoch: int32() }).nullable().since(10).tagged(0).or(null),
      }),
    }),
    throttleTimeMs: int32().since(1).or(0),
  },
});

/** InitProducerId (22). */
export const InitProducerId = api({
  key: 22,
  name: 'InitProducerId',
  minVersion: 0,
  maxVersion: 5,
  flexibleSince: 2,
  request: {
    transactionalId: string().nullable(),
    transactionTimeoutMs: int32(),
    producerId: int64().since(3).or(-1),
    producerEpoch: int16().since(3).or(-1),
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16(),
    producerId: int64().or(-1),
    producerEpoch: int16().or(-1),
  },
});
