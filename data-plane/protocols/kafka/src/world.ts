import type { Namespace, Partition, Topic } from '@robustmq/broker';
import type { Runtime } from '@robustmq/wire';
import { ClientQuotas } from './client-quotas.ts';
import { FetchSessions } from './fetch-sessions.ts';
import { ConsumerGroups } from './groups/consumer-groups.ts';
import { GroupCoordinator } from './groups/coordinator.ts';
import { assignedPartitions, type AssignedPartition } from './groups/stored-group.ts';
import { ERROR, type ErrorCode } from './errors.ts';
import type { KafkaLimits } from './limits.ts';
import { ShareGroups } from './share/share-groups.ts';
import { ProducerStates } from './producer-states.ts';
import { TransactionCoordinator } from './transactions/transaction-coordinator.ts';

/** OffsetCommit carries a member epoch from this version on (KIP-848). */
const MEMBER_EPOCH_SINCE = 9;
const PRODUCER_ID_BITS_HIGH = 0x1f_ffff;

/** A group with members, for people to look at. */
export interface LiveGroup {
  readonly name: string;
  readonly state: string;
  readonly protocolType: string;
  readonly members: readonly {
    readonly memberId: string;
    readonly clientId: string;
    readonly host: string;
    readonly partitions: number;
    readonly assigned: readonly AssignedPartition[];
  }[];
}

/** State that outlives a process and must be taken up by the next without waiting for a client. */
const RESUMED_KINDS = ['kafka-transactions', 'kafka-groups', 'kafka-consumer-groups'];

/** Whether a crash or a stop left anything to take up. */
export function hasStoredState(namespace: Namespace): boolean {
  return RESUMED_KINDS.some((kind) => {
    const [first] = namespace.keyed(kind).entries();
    return first !== undefined;
  });
}

/**
 * What this room keeps for one namespace: its groups, transactions and idempotent producers. Found by namespace id only, so
 * groups of the same name in two clusters never meet.
 */
export class World {
  readonly namespace: Namespace;
  readonly groups: GroupCoordinator;
  readonly consumerGroups: ConsumerGroups;
  readonly shareGroups: ShareGroups;
  readonly transactions: TransactionCoordinator;
  readonly fetchSessions: FetchSessions;
  readonly quotas: ClientQuotas;
  readonly #limits: KafkaLimits;
  readonly #runtime: Runtime;
  /** By topic id and partition index. */
  readonly #producers = new Map<string, ProducerStates[]>();

  constructor(namespace: Namespace, runtime: Runtime, limits: KafkaLimits) {
    this.namespace = namespace;
    this.#limits = limits;
    this.#runtime = runtime;
    this.groups = new GroupCoordinator(namespace, runtime, limits);
    this.consumerGroups = new ConsumerGroups(namespace, runtime, limits);
    this.shareGroups = new ShareGroups(namespace, runtime, limits);
    this.fetchSessions = new FetchSessions(runtime, limits);
    this.quotas = new ClientQuotas(namespace, runtime, limits);
    this.transactions = new TransactionCoordinator(namespace, runtime, limits, () => this.newProducerId());
  }

  producersOf(topic: Topic, partition: Partition): ProducerStates {
    let ofTopic = this.#producers.get(topic.idHex);
    if (ofTopic === undefined) this.#producers.set(topic.idHex, (ofTopic = []));
    let states = ofTopic[partition.index];
    if (states === undefined) {
      states = ofTopic[partition.index] = new ProducerStates(this.#limits.producersPerPartitionMax);
      // what a crash took of a topic in memory is a gap in the sequence that nobody can be blamed for
      if (topic.durability === 'flushed') states.load(partition, (error) => this.#loadFailed(topic, partition, error));
    }
    return states;
  }

  #loadFailed(topic: Topic, { index }: Partition, error: unknown): void {
    this.#runtime.log.warn({ error, topic: topic.name, partition: index }, 'kafka: producers were not all found');
  }

  /** An id nobody else has: random, 53 bits. */
  newProducerId(): number {
    const random = this.#runtime.randomBytes(8);
    return (random.readUInt32BE(0) & PRODUCER_ID_BITS_HIGH) * 2 ** 32 + random.readUInt32BE(4);
  }

  /** Whether a member may commit offsets into its group, of either protocol; `version` is OffsetCommit's. */
  mayCommit(groupId: string, memberId: string, instanceId: string | null, epoch: number, version: number): ErrorCode {
    const group = this.consumerGroups.get(groupId);
    if (group === undefined) return this.groups.mayCommit(groupId, memberId, instanceId, epoch);
    if (version < MEMBER_EPOCH_SINCE && epoch >= 0) return ERROR.UNSUPPORTED_VERSION;
    return this.consumerGroups.mayCommit(group, memberId, epoch);
  }

  /** Whether the group is there at all. */
  mayDeleteOffsets(groupId: string): ErrorCode {
    if (this.groups.hasMembersIn(groupId) || this.consumerGroups.get(groupId) !== undefined) return ERROR.NONE;
    return this.namespace.offsets.groups().includes(groupId) ? ERROR.NONE : ERROR.GROUP_ID_NOT_FOUND;
  }

  /** Groups with members, of either protocol. */
  liveGroups(): LiveGroup[] {
    const classic = this.groups.ids().map((groupId) => {
      const { groupState, protocolType, members } = this.groups.describe(groupId);
      return {
        name: groupId,
        state: groupState as string,
        protocolType,
        members: members.map(({ memberId, clientId, clientHost, memberAssignment }) => {
          const assigned = assignedPartitions(memberAssignment);
          return { memberId, clientId, host: clientHost, partitions: assigned.length, assigned };
        }),
      };
    });
    const newer = this.consumerGroups.list().map(({ groupId, state, members }) => ({
      name: groupId,
      state: state as string,
      protocolType: 'consumer',
      members: [...members.values()].map(({ memberId, clientId, clientHost, assigned }) => ({
        memberId,
        clientId,
        host: clientHost,
        partitions: assigned.size,
        assigned: [...assigned].flatMap((one) => this.#partitionOf(one)),
      })),
    }));
    return [...classic, ...newer];
  }

  /** `topicId/index`, as assignors have it, by its topic's name; nothing when the topic went meanwhile. */
  #partitionOf(assigned: string): AssignedPartition[] {
    const slash = assigned.lastIndexOf('/');
    const topic = this.namespace.topics.byId(assigned.slice(0, slash))?.name;
    return topic === undefined ? [] : [{ topic, partition: Number(assigned.slice(slash + 1)) }];
  }

  /** Whether it must stay although nobody is connected. */
  get isActive(): boolean {
    return (
      this.groups.hasMembers ||
      this.consumerGroups.hasMembers ||
      this.shareGroups.hasMembers ||
      this.transactions.isActive
    );
  }

  /** The topic is gone. */
  forgetTopic(idHex: string): void {
    this.#producers.delete(idHex);
  }

  close(): void {
    this.groups.close();
    this.consumerGroups.close();
    this.shareGroups.close();
    this.transactions.close();
    this.#producers.clear();
  }
}
