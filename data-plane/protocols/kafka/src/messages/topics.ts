import { api, array, arrayOf, bool, int16, int32, int8, string, uuid } from '../schema.ts';

/** CreateTopics (19). */
export const CreateTopics = api({
  key: 19,
  name: 'CreateTopics',
  minVersion: 0,
  maxVersion: 7,
  flexibleSince: 5,
  request: {
    topics: array({
      name: string(),
      numPartitions: int32(),
      replicationFactor: int16(),
      assignments: array({ partitionIndex: int32(), brokerIds: arrayOf(int32()) }),
      configs: array({ name: string(), value: string().nullable() }),
    }),
    timeoutMs: int32(),
    validateOnly: bool().since(1),
  },
  response: {
    throttleTimeMs: int32().since(2).or(0),
    topics: array({
      name: string(),
      topicId: uuid().since(7),
      errorCode: int16(),
      errorMessage: string().nullable().since(1).or(null),
      topicConfigErrorCode: int16().since(5).tagged(0).or(0),
      numPartitions: int32().since(5).or(-1),
      replicationFactor: int16().since(5).or(-1),
      configs: array({
        name: string(),
        value: string().nullable(),
        readOnly: bool(),
        configSource: int8(),
        isSensitive: bool(),
      })
        .nullable(5)
        .since(5)
        .or(null),
    }),
  },
});

/** DeleteTopics (20). By id from 6 on. */
export const DeleteTopics = api({
  key: 20,
  name: 'DeleteTopics',
  minVersion: 1,
  maxVersion: 6,
  flexibleSince: 4,
  request: {
    topics: array({ name: string().nullable(6), topicId: uuid() }).since(6),
    topicNames: arrayOf(string()).until(5),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32().since(1).or(0),
    responses: array({
      name: string().nullable(6),
      topicId: uuid().since(6),
      errorCode: int16(),
      errorMessage: string().nullable().since(5).or(null),
    }),
  },
});

/** DescribeConfigs (32). */
export const DescribeConfigs = api({
  key: 32,
  name: 'DescribeConfigs',
  minVersion: 1,
  maxVersion: 4,
  flexibleSince: 4,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configurationKeys: arrayOf(string()).nullable(),
    }),
    includeSynonyms: bool().since(1),
    includeDocumentation: bool().since(3),
  },
  response: {
    throttleTimeMs: int32().or(0),
    results: array({
      errorCode: int16(),
      errorMessage: string().nullable(),
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string().nullable(),
        readOnly: bool(),
        configSource: int8().since(1),
        isSensitive: bool(),
        synonyms: array({ name: string(), value: string().nullable(), source: int8() }).since(1).or([]),
        configType: int8().since(3).or(0),
        documentation: string().nullable().since(3).or(null),
      }),
    }),
  },
});
