import { authorizedOperations } from '../authorized-operations.ts';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode } from '../errors.ts';
import { joinFailure } from '../groups/group.ts';
import { NO_ASSIGNMENT } from '../groups/group-member.ts';
import type {
  DeleteGroups,
  DescribeGroups,
  FindCoordinator,
  Heartbeat,
  JoinGroup,
  LeaveGroup,
  ListGroups,
  SyncGroup,
} from '../messages/groups.ts';
import { shareGroupState } from './share-groups.ts';
import type { Decoded } from '../schema.ts';

const KEY_TYPE_GROUP = 0;
const KEY_TYPE_TRANSACTION = 1;

/** FindCoordinator: this node, for groups and transactions. */
export function handleFindCoordinator(
  request: Decoded<typeof FindCoordinator.request>,
  call: Call<typeof FindCoordinator.response>,
): void {
  const { listener, serverName } = call.connection.transport;
  const { host, port } = call.server.advertised(listener, call.session.namespace, serverName);
  const { nodeId } = call.server;
  const { keyType } = request;
  const find = (key: string) => {
    const refused = refuseCoordinator(keyType, key, call);
    return refused === ERROR.NONE
      ? { key, nodeId, host, port, errorCode: ERROR.NONE, errorMessage: null }
      : { key, nodeId: -1, host: '', port: -1, errorCode: refused, errorMessage: COORDINATOR_REFUSALS[refused] };
  };
  if (call.version < 4) return call.reply(find(request.key));
  call.reply({ coordinators: request.coordinatorKeys.map(find) });
}

function refuseCoordinator(keyType: number, key: string, call: Call) {
  if (keyType === KEY_TYPE_GROUP) {
    return call.allows('describe', 'group', key) ? ERROR.NONE : ERROR.GROUP_AUTHORIZATION_FAILED;
  }
  if (keyType !== KEY_TYPE_TRANSACTION) return ERROR.INVALID_REQUEST;
  return call.allows('describe', 'transactional-id', key) ? ERROR.NONE : ERROR.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
}

const COORDINATOR_REFUSALS = {
  [ERROR.INVALID_REQUEST]: 'only consumer groups and transactions have a coordinator',
  [ERROR.GROUP_AUTHORIZATION_FAILED]: 'the group may not be used',
  [ERROR.TRANSACTIONAL_ID_AUTHORIZATION_FAILED]: 'the transactional id may not be used',
};

/** JoinGroup: answered when the group has gathered. */
export function handleJoinGroup(
  request: Decoded<typeof JoinGroup.request>,
  call: Call<typeof JoinGroup.response>,
): void {
  const { groups, consumerGroups } = call.session.world;
  const { groupId, memberId } = request;
  const refuse = (errorCode: ErrorCode): void => {
    const protocolName = call.version >= 7 ? null : '';
    call.reply({ ...joinFailure(errorCode, memberId), protocolName });
  };
  if (!call.allows('read', 'group', groupId)) return refuse(ERROR.GROUP_AUTHORIZATION_FAILED);
  if (consumerGroups.get(groupId) !== undefined) return refuse(ERROR.INCONSISTENT_GROUP_PROTOCOL);
  groups.join(
    {
      ...request,
      clientId: call.clientId,
      clientHost: `/${call.connection.transport.remoteAddress}`,
      memberIdRequired: call.version >= 4 && request.groupInstanceId === null,
      skipsAssignment: call.version >= 9,
    },
    (joined) => {
      const protocolName = call.version >= 7 ? joined.protocolName : (joined.protocolName ?? '');
      call.reply({ ...joined, protocolName });
    },
    call,
  );
}

/** SyncGroup: answered when the leader has spoken. */
export function handleSyncGroup(
  request: Decoded<typeof SyncGroup.request>,
  call: Call<typeof SyncGroup.response>,
): void {
  if (!call.allows('read', 'group', request.groupId)) {
    return call.reply({ errorCode: ERROR.GROUP_AUTHORIZATION_FAILED, assignment: NO_ASSIGNMENT });
  }
  call.session.world.groups.sync(request, (synced) => call.reply(synced), call);
}

export function handleHeartbeat(
  request: Decoded<typeof Heartbeat.request>,
  call: Call<typeof Heartbeat.response>,
): void {
  const allowed = call.allows('read', 'group', request.groupId);
  call.reply({
    errorCode: allowed ? call.session.world.groups.heartbeat(request) : ERROR.GROUP_AUTHORIZATION_FAILED,
  });
}

/** LeaveGroup: one member before version 3, several after. */
export function handleLeaveGroup(
  request: Decoded<typeof LeaveGroup.request>,
  call: Call<typeof LeaveGroup.response>,
): void {
  const { groups } = call.session.world;
  if (!call.allows('read', 'group', request.groupId)) {
    return call.reply({ errorCode: ERROR.GROUP_AUTHORIZATION_FAILED });
  }
  if (call.version < 3) {
    return call.reply({ errorCode: groups.leave(request.groupId, request.memberId, null) });
  }
  const members = request.members.map(({ memberId, groupInstanceId }) => ({
    memberId,
    groupInstanceId,
    errorCode: groups.leave(request.groupId, memberId, groupInstanceId),
  }));
  call.reply({ errorCode: ERROR.NONE, members });
}

/** ListGroups: groups with members and groups with committed offsets of this namespace. */
export function handleListGroups(
  request: Decoded<typeof ListGroups.request>,
  call: Call<typeof ListGroups.response>,
): void {
  const states = request.statesFilter.map((state) => state.toLowerCase());
  const types = request.typesFilter.map((type) => type.toLowerCase());
  const { world } = call.session;
  const newer = new Map(
    world.consumerGroups
      .list()
      .map(({ groupId, state }) => [
        groupId,
        { groupId, protocolType: CONSUMER, groupState: state as string, groupType: CONSUMER },
      ]),
  );
  const classic = world.groups
    .list()
    .filter(({ groupId }) => !newer.has(groupId))
    .map((group) => ({ ...group, groupState: group.groupState as string, groupType: 'classic' }));
  const shared = world.shareGroups.list().map((group) => {
    return { groupId: group.groupId, protocolType: SHARE, groupState: shareGroupState(group), groupType: SHARE };
  });
  const groups = [...classic, ...newer.values(), ...shared]
    .filter(({ groupState }) => states.length === 0 || states.includes(groupState.toLowerCase()))
    .filter(({ groupType }) => types.length === 0 || types.includes(groupType))
    .filter(({ groupId }) => call.allows('describe', 'group', groupId));
  call.reply({ errorCode: ERROR.NONE, groups });
}

const CONSUMER = 'consumer';
const SHARE = 'share';
const NOT_FOUND_SINCE = 6;

/** DescribeGroups: a group that is not there is Dead, not an error. */
export function handleDescribeGroups(
  request: Decoded<typeof DescribeGroups.request>,
  call: Call<typeof DescribeGroups.response>,
): void {
  const { groups } = call.session.world;
  call.reply({
    groups: request.groups.map((groupId) => {
      const described = groups.describe(groupId);
      if (!call.allows('describe', 'group', groupId)) {
        const nothing = { groupState: '', protocolType: '', protocolData: '', members: [] };
        return { groupId, errorCode: ERROR.GROUP_AUTHORIZATION_FAILED, ...nothing };
      }
      const isUnknown = described.groupState === 'Dead' && call.version >= NOT_FOUND_SINCE;
      const errorMessage = isUnknown ? 'there is no such group of the classic protocol' : null;
      const operations = request.includeAuthorizedOperations
        ? { authorizedOperations: authorizedOperations(call, 'group', groupId) }
        : {};
      const errorCode = isUnknown ? ERROR.GROUP_ID_NOT_FOUND : ERROR.NONE;
      return { errorCode, errorMessage, ...described, ...operations };
    }),
  });
}

function mayDelete(groupId: string, call: Call): ErrorCode {
  const { world } = call.session;
  if (!call.allows('delete', 'group', groupId)) return ERROR.GROUP_AUTHORIZATION_FAILED;
  const shared = world.shareGroups.get(groupId);
  if (shared !== undefined) return shared.members.size > 0 ? ERROR.NON_EMPTY_GROUP : ERROR.NONE;
  return world.consumerGroups.get(groupId) === undefined ? world.groups.mayDelete(groupId) : ERROR.NON_EMPTY_GROUP;
}

/** DeleteGroups: forgets the offsets of groups without members. */
export async function handleDeleteGroups(
  request: Decoded<typeof DeleteGroups.request>,
  call: Call<typeof DeleteGroups.response>,
): Promise<void> {
  const { namespace, world } = call.session;
  const results: { groupId: string; errorCode: ErrorCode }[] = [];
  for (const groupId of request.groupsNames) {
    let errorCode: ErrorCode = mayDelete(groupId, call);
    if (errorCode === ERROR.NONE) {
      try {
        const forgotten = world.shareGroups.remove(groupId) ?? [];
        await Promise.all([namespace.offsets.remove(groupId), ...forgotten].map((commit) => commit.promise()));
      } catch {
        errorCode = ERROR.KAFKA_STORAGE_ERROR;
      }
    }
    results.push({ groupId, errorCode });
  }
  call.reply({ results });
}
