import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode } from '../errors.ts';
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
import type { Decoded } from '../schema.ts';

const KEY_TYPE_GROUP = 0;

/** FindCoordinator: this node, for groups. There are no transactions, so their coordinator is refused for good. */
export function handleFindCoordinator(
  request: Decoded<typeof FindCoordinator.request>,
  call: Call<typeof FindCoordinator.response>,
): void {
  const { host, port } = call.server.advertised(call.connection.transport.listener, call.session.namespace);
  const { nodeId } = call.server;
  const served = request.keyType === KEY_TYPE_GROUP;
  const found = served
    ? { nodeId, host, port, errorCode: ERROR.NONE, errorMessage: null }
    : { nodeId: -1, host: '', port: -1, errorCode: ERROR.UNSUPPORTED_VERSION, errorMessage: NO_OTHER_COORDINATOR };
  if (call.version < 4) return call.reply(found);
  call.reply({ coordinators: request.coordinatorKeys.map((key) => ({ key, ...found })) });
}

const NO_OTHER_COORDINATOR =
  'only consumer groups have a coordinator: transactions are not supported by this cluster yet';

/** JoinGroup: answered when the group has gathered. */
export function handleJoinGroup(
  request: Decoded<typeof JoinGroup.request>,
  call: Call<typeof JoinGroup.response>,
): void {
  const { groups } = call.session.world;
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
  call.session.world.groups.sync(request, (synced) => call.reply(synced), call);
}

export function handleHeartbeat(
  request: Decoded<typeof Heartbeat.request>,
  call: Call<typeof Heartbeat.response>,
): void {
  call.reply({ errorCode: call.session.world.groups.heartbeat(request) });
}

/** LeaveGroup: one member before version 3, several after. */
export function handleLeaveGroup(
  request: Decoded<typeof LeaveGroup.request>,
  call: Call<typeof LeaveGroup.response>,
): void {
  const { groups } = call.session.world;
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
  const groups = call.session.world.groups
    .list()
    .filter(({ groupState }) => states.length === 0 || states.includes(groupState.toLowerCase()))
    .filter(() => types.length === 0 || types.includes('classic'));
  call.reply({ errorCode: ERROR.NONE, groups });
}

/** DescribeGroups: a group that is not there is Dead, not an error. */
export function handleDescribeGroups(
  request: Decoded<typeof DescribeGroups.request>,
  call: Call<typeof DescribeGroups.response>,
): void {
  const { groups } = call.session.world;
  call.reply({ groups: request.groups.map((groupId) => ({ errorCode: ERROR.NONE, ...groups.describe(groupId) })) });
}

/** DeleteGroups: forgets the offsets of groups without members. */
export async function handleDeleteGroups(
  request: Decoded<typeof DeleteGroups.request>,
  call: Call<typeof DeleteGroups.response>,
): Promise<void> {
  const { world, namespace } = call.session;
  const results: { groupId: string; errorCode: ErrorCode }[] = [];
  for (const groupId of request.groupsNames) {
    let errorCode: ErrorCode = world.groups.mayDelete(groupId);
    if (errorCode === ERROR.NONE) {
      try {
        await namespace.offsets.remove(groupId).promise();
      } catch {
        errorCode = ERROR.KAFKA_STORAGE_ERROR;
      }
    }
    results.push({ groupId, errorCode });
  }
  call.reply({ results });
}
