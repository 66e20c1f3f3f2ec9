import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode } from '../errors.ts';
import type { AlterPartitionReassignments, ListPartitionReassignments } from '../messages/reassignments.ts';
import type { Decoded } from '../schema.ts';
import { CLUSTER } from './transactions.ts';

/** AlterPartitionReassignments: every partition is where it stays, with the cluster's one broker. */
export function handleAlterPartitionReassignments(
  request: Decoded<typeof AlterPartitionReassignments.request>,
  call: Call<typeof AlterPartitionReassignments.response>,
): void {
  if (!call.allows('alter', 'cluster', CLUSTER)) {
    return call.reply({ errorCode: ERROR.CLUSTER_AUTHORIZATION_FAILED, responses: [] });
  }
  const { namespace } = call.session;
  const responses = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, replicas }) => {
      const isThere = namespace.topics.get(name)?.partitions[partitionIndex] !== undefined;
      return { partitionIndex, ...verdictOn(isThere, replicas, call.server.nodeId) };
    }),
  }));
  call.reply({ responses });
}

function verdictOn(
  isThere: boolean,
  replicas: readonly number[] | null,
  nodeId: number,
): { errorCode: ErrorCode; errorMessage: string | null } {
  if (!isThere) {
    return { errorCode: ERROR.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: 'there is no such topic or partition' };
  }
  // null takes back a reassignment that is under way, and none ever is
  if (replicas === null) return { errorCode: ERROR.NO_REASSIGNMENT_IN_PROGRESS, errorMessage: null };
  if (replicas.length === 1 && replicas[0] === nodeId) return { errorCode: ERROR.NONE, errorMessage: null };
  return { errorCode: ERROR.INVALID_REPLICA_ASSIGNMENT, errorMessage: `broker ${nodeId} is the only one` };
}

/** ListPartitionReassignments: none is ever under way, which tools that describe topics want to hear. */
export function handleListPartitionReassignments(
  _request: Decoded<typeof ListPartitionReassignments.request>,
  call: Call<typeof ListPartitionReassignments.response>,
): void {
  const errorCode = call.allows('describe', 'cluster', CLUSTER) ? ERROR.NONE : ERROR.CLUSTER_AUTHORIZATION_FAILED;
  call.reply({ errorCode, topics: [] });
}
