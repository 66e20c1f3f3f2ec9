import { api, array, arrayOf, bool, bytes, int16, int32, int8, string } from '../schema.ts';
import { OPERATIONS_OMITTED } from './cluster.ts';

/** FindCoordinator (10). Several keys at once from 4 on (KIP-699). */
export const FindCoordinator = api({
  key: 10,
  name: 'FindCoordinator',
  minVersion: 0,
  maxVersion: 6,
  flexibleSince: 3,
  request: {
    key: string().until(3),
    keyType: int8().since(1).or(0),
    coordinatorKeys: arrayOf(string()).since(4),
  },
  response: {
    throttleTimeMs: int32().since(1).or(0),
    errorCode: int16().until(3).or(0),
    errorMessage: string().nullable().since(1).until(3).or(null),
    nodeId: int32().until(3).or(-1),
    host: string().until(3).or(''),
    port: int32().until(3).or(-1),
    coordinators: array({
      key: string(),
      nodeId: int32(),
      host: string(),
      port: int32(),
      errorCode: int16(),
      errorMessage: string().nullable(),
    })
      .since(4)
      .or([]),
  },
});

/** JoinGroup (11). */
export const JoinGroup = api({
  key: 11,
  name: 'JoinGroup',
  minVersion: 0,
  maxVersion: 9,
  flexibleSince: 6,
  request: {
    groupId: string(),
    sessionTimeoutMs: int32(),
    rebalanceTimeoutMs: int32().since(1).or(-1),
    memberId: string(),
    groupInstanceId: string().nullable().since(5),
    protocolType: string(),
    protocols: array({ name: string(), metadata: bytes() }),
    reason: string().nullable().since(8),
  },
  response: {
    throttleTimeMs: int32().since(2).or(0),
    errorCode: int16(),
    generationId: int32(),
    protocolType: string().nullable(7).since(7).or(null),
    protocolName: string().nullable(7),
    leader: string(),
    skipAssignment: bool().since(9).or(false),
    memberId: string(),
    members: array({ memberId: string(), groupInstanceId: string().nullable().since(5).or(null), metadata: bytes() }),
  },
});

/** SyncGroup (14). */
export const SyncGroup = api({
  key: 14,
  name: 'SyncGroup',
  minVersion: 0,
  maxVersion: 5,
  flexibleSince: 4,
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string().nullable().since(3),
    protocolType: string().nullable().since(5),
    protocolName: string().nullable().since(5),
    assignments: array({ memberId: string(), assignment: bytes() }),
  },
  response: {
    throttleTimeMs: int32().since(1).or(0),
    errorCode: int16(),
    protocolType: string().nullable().since(5).or(null),
    protocolName: string().nullable().since(5).or(null),
    assignment: bytes(),
  },
});

/** Heartbeat (12). */
export const Heartbeat = api({
  key: 12,
  name: 'Heartbeat',
  minVersion: 0,
  maxVersion: 4,
  flexibleSince: 4,
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string().nullable().since(3),
  },
  response: { throttleTimeMs: int32().since(1).or(0), errorCode: int16() },
});

/** LeaveGroup (13). Several members at once from 3 on (KIP-345). */
export const LeaveGroup = api({
  key: 13,
  name: 'LeaveGroup',
  minVersion: 0,
  maxVersion: 5,
  flexibleSince: 4,
  request: {
    groupId: string(),
    memberId: string().until(2),
    members: array({
      memberId: string(),
      groupInstanceId: string().nullable(),
      reason: string().nullable().since(5),
    }).since(3),
  },
  response: {
    throttleTimeMs: int32().since(1).or(0),
    errorCode: int16(),
    members: array({ memberId: string(), groupInstanceId: string().nullable(), errorCode: int16() }).since(3).or([]),
  },
});

/** ListGroups (16). */
export const ListGroups = api({
  key: 16,
  name: 'ListGroups',
  minVersion: 0,
  maxVersion: 5,
  flexibleSince: 3,
  request: {
    statesFilter: arrayOf(string()).since(4),
    typesFilter: arrayOf(string()).since(5),
  },
  response: {
    throttleTimeMs: int32().since(1).or(0),
    errorCode: int16(),
    groups: array({
      groupId: string(),
      protocolType: string(),
      groupState: string().since(4).or(''),
      groupType: string().since(5).or('classic'),
    }),
  },
});

/** DescribeGroups (15). */
export const DescribeGroups = api({
  key: 15,
  name: 'DescribeGroups',
  minVersion: 0,
  maxVersion: 6,
  flexibleSince: 5,
  request: {
    groups: arrayOf(string()),
    includeAuthorizedOperations: bool().since(3),
  },
  response: {
    throttleTimeMs: int32().since(1).or(0),
    groups: array({
      errorCode: int16(),
      errorMessage: string().nullable().since(6).or(null),
      groupId: string(),
      groupState: string(),
      protocolType: string(),
      protocolData: string(),
      members: array({
        memberId: string(),
        groupInstanceId: string().nullable().since(4).or(null),
        clientId: string(),
        clientHost: string(),
        memberMetadata: bytes(),
        memberAssignment: bytes(),
      }),
      authorizedOperations: int32().since(3).or(OPERATIONS_OMITTED),
    }),
  },
});

/** DeleteGroups (42). */
export const DeleteGroups = api({
  key: 42,
  name: 'DeleteGroups',
  minVersion: 0,
  maxVersion: 2,
  flexibleSince: 2,
  request: { groupsNames: arrayOf(string()) },
  response: {
    throttleTimeMs: int32().or(0),
    results: array({ groupId: string(), errorCode: int16() }),
  },
});
