import type { Cancel } from '@robustmq/wire';
import type { ErrorCode } from '../errors.ts';

/** What a member asks for in JoinGroup, with what the connection knows of it. */
export interface JoinRequest {
  readonly groupId: string;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  /** −1 in version 0: the session timeout is meant. */
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  readonly protocols: readonly { readonly name: string; readonly metadata: Buffer }[];
  /** KIP-394: a member without id is given one first and joins with it. */
  readonly memberIdRequired: boolean;
  /** KIP-814: a static leader may come back without assigning anew. */
  readonly skipsAssignment: boolean;
}

export interface JoinOutcome {
  readonly errorCode: ErrorCode;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly memberId: string;
  /** Told to the leader only. */
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly metadata: Buffer;
  }[];
}

export interface SyncOutcome {
  readonly errorCode: ErrorCode;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Buffer;
}

export type OnJoined = (outcome: JoinOutcome) => void;
export type OnSynced = (outcome: SyncOutcome) => void;
/** Where a pending answer can be told that its connection is gone. */
export interface Abandonable {
  onAbandoned: Cancel | null;
}

export const NO_ASSIGNMENT = Buffer.alloc(0);

/** One member of one group: what it can do, what it was given, and what it waits for. */
export class GroupMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  clientId = '';
  clientHost = '';
  sessionTimeoutMs = 0;
  rebalanceTimeoutMs = 0;
  protocols: readonly { readonly name: string; readonly metadata: Buffer }[] = [];
  /** Bytes of all protocol metadata. */
  metadataBytes = 0;
  assignment: Buffer = NO_ASSIGNMENT;
  /** Waits for the group to gather. */
  onJoined: OnJoined | null = null;
  /** Waits for the leader's assignment. */
  onSynced: OnSynced | null = null;
  /** Monotonic time of the last sign of life. */
  seenMs = 0;

  constructor(memberId: string, instanceId: string | null) {
    this.memberId = memberId;
    this.instanceId = instanceId;
  }

  /** Takes over what a JoinGroup says. Metadata is copied: the request's buffer is not ours. */
  update(request: JoinRequest): void {
    this.clientId = request.clientId;
    this.clientHost = request.clientHost;
    this.sessionTimeoutMs = request.sessionTimeoutMs;
    this.rebalanceTimeoutMs = request.rebalanceTimeoutMs < 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs;
    this.protocols = request.protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) }));
    this.metadataBytes = this.protocols.reduce((sum, { metadata }) => sum + metadata.length, 0);
  }
  supports(protocol: string): boolean {
    return this.protocols.some(({ name }) => name === protocol);
  }
  metadataOf(protocol: string | null): Buffer {
    return this.protocols.find(({ name }) => name === protocol)?.metadata ?? NO_ASSIGNMENT;
  }
  /** Whether a repeated JoinGroup says what the member said before. */
  sameProtocols(request: JoinRequest): boolean {
    return (
      this.protocols.length === request.protocols.length &&
      this.protocols.every((mine, i) => {
        const theirs = request.protocols[i]!;
        return mine.name === theirs.name && mine.metadata.equals(theirs.metadata);
      })
    );
  }
  /** Answers a waiting JoinGroup, if there is one. */
  answerJoin(outcome: JoinOutcome): void {
    const answer = this.onJoined;
    this.onJoined = null;
    answer?.(outcome);
  }
  /** Answers a waiting SyncGroup, if there is one. */
  answerSync(outcome: SyncOutcome): void {
    const answer = this.onSynced;
    this.onSynced = null;
    answer?.(outcome);
  }
}
