import { Reader, WireError } from '@robustmq/wire';
import type { GroupMember } from './group-member.ts';

/** A member of a classic group as it is kept; bytes are base64. */
export interface StoredGroupMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocols: readonly (readonly [string, string])[];
  readonly assignment: string;
}
/** A stable generation of a classic group: what members may go on with after a restart. */
export interface StoredGroup {
  readonly generationId: number;
  readonly protocolType: string;
  readonly protocolName: string;
  readonly leaderId: string;
  readonly members: readonly StoredGroupMember[];
}

export function storedMember(member: GroupMember): StoredGroupMember {
  const { memberId, instanceId, clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs } = member;
  return {
    memberId,
    instanceId,
    clientId,
    clientHost,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    protocols: member.protocols.map(({ name, metadata }) => [name, metadata.toString('base64')] as const),
    assignment: member.assignment.toString('base64'),
  };
}

/**
 * Topics in a consumer's subscription: version int16 · topics ARRAY of STRING · … (ConsumerProtocolSubscription). Empty
 * for bytes that follow another format: groups may carry whatever their members agree on.
 */
export function subscribedTopics(metadata: Buffer): string[] {
  try {
    const r = new Reader(metadata);
    r.i16();
    const topics: string[] = [];
    for (let left = r.i32(); left > 0; left--) topics.push(r.text(r.u16()));
    return topics;
  } catch (error) {
    if (error instanceof WireError) return [];
    throw error;
  }
}

/** One partition a member reads. */
export interface AssignedPartition {
  readonly topic: string;
  readonly partition: number;
}

/**
 * The partitions an assignment holds: version int16 · ARRAY of (topic STRING · partitions ARRAY of int32) · …
 * (ConsumerProtocolAssignment). None for bytes of another format.
 */
export function assignedPartitions(assignment: Buffer): AssignedPartition[] {
  try {
    const r = new Reader(assignment);
    r.i16();
    const assigned: AssignedPartition[] = [];
    for (let left = r.i32(); left > 0; left--) {
      const topic = r.text(r.u16());
      for (let of = r.i32(); of > 0; of--) assigned.push({ topic, partition: r.i32() });
    }
    return assigned;
  } catch (error) {
    if (error instanceof WireError) return [];
    throw error;
  }
}
