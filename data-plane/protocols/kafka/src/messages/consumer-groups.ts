import { api, array, arrayOf, bool, int16, int32, int8, string, struct, uuid } from '../schema.ts';
import { OPERATIONS_OMITTED } from './cluster.ts';

const topicPartitions = { topicId: uuid(), partitions: arrayOf(int32()) };
const assignment = {
  topicPartitions: array({ topicId: uuid(), topicName: string(), partitions: arrayOf(int32()) }),
};

/** ConsumerGroupHeartbeat (68), KIP-848: joins, acknowledges, leaves; null = as said before. */
export const ConsumerGroupHeartbeat = api({
  key: 68,
  name: 'ConsumerGroupHeartbeat',
  minVersion: 0,
  maxVersion: 1,
  flexibleSince: 0,
  request: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    instanceId: string().nullable(),
    rackId: string().nullable(),
    rebalanceTimeoutMs: int32(),
    subscribedTopicNames: arrayOf(string()).nullable(),
    subscribedTopicRegex: string().nullable().since(1),
    serverAssignor: string().nullable(),
    topicPartitions: array(topicPartitions).nullable(),
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

/** ConsumerGroupDescribe (69), KIP-848. */
export const ConsumerGroupDescribe = api({
  key: 69,
  name: 'ConsumerGroupDescribe',
  minVersion: 0,
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
        instanceId: string().nullable(),
        rackId: string().nullable(),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: arrayOf(string()),
        subscribedTopicRegex: string().nullable(),
        assignment: struct(assignment),
        targetAssignment: struct(assignment),
        memberType: int8().since(1).or(-1),
      }),
      authorizedOperations: int32().or(OPERATIONS_OMITTED),
    }),
  },
});
