import { api, array, arrayOf, int16, int32, string } from '../schema.ts';

/** AlterPartitionReassignments (45, KIP-455). */
export const AlterPartitionReassignments = api({
  key: 45,
  name: 'AlterPartitionReassignments',
  minVersion: 0,
  maxVersion: 0,
  flexibleSince: 0,
  request: {
    timeoutMs: int32(),
    topics: array({
      name: string(),
      partitions: array({ partitionIndex: int32(), replicas: arrayOf(int32()).nullable() }),
    }),
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16().or(0),
    errorMessage: string().nullable().or(null),
    responses: array({
      name: string(),
      partitions: array({ partitionIndex: int32(), errorCode: int16(), errorMessage: string().nullable() }),
    }),
  },
});

/** ListPartitionReassignments (46, KIP-455). */
export const ListPartitionReassignments = api({
  key: 46,
  name: 'ListPartitionReassignments',
  minVersion: 0,
  maxVersion: 0,
  flexibleSince: 0,
  request: {
    timeoutMs: int32(),
    topics: array({ name: string(), partitionIndexes: arrayOf(int32()) }).nullable(),
  },
  response: {
    throttleTimeMs: int32().or(0),
    errorCode: int16().or(0),
    errorMessage: string().nullable().or(null),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        replicas: arrayOf(int32()),
        addingReplicas: arrayOf(int32()),
        removingReplicas: arrayOf(int32()),
      }),
    }).or([]),
  },
});
