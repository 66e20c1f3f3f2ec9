/** Everything that bounds a connection or a group, with its unit. */
export interface KafkaLimits {
  /** Largest request after authentication. */
  readonly frameSizeBytesMax: number;
  /** Largest request before authentication. */
  readonly unauthenticatedFrameSizeBytesMax: number;
  /** Requests of one connection that wait for their answer; reading stops at it. */
  readonly pendingResponsesMax: number;
  /** Bytes of Produce requests of one connection whose acknowledgement is owed; reading stops at it. */
  readonly pendingProduceBytesMax: number;
  /** Answers the client has not taken yet; reading stops at it until the transport drains. */
  readonly writableBytesMax: number;
  /** Unpacked records of one batch that is packed anew (`compression.type`); larger ones are refused. */
  readonly repackSizeBytesMax: number;
  /** Record bytes in one Fetch response; the first batch may exceed it. */
  readonly fetchSizeBytesMax: number;
  /** Longest wait of a Fetch. */
  readonly fetchWaitMsMax: number;
  /** Longest `throttle_time_ms`, and longest time a connection is not served because of a byte rate quota. */
  readonly throttleMsMax: number;
  /** A connection that has not authenticated by then is closed. */
  readonly authenticationMsMax: number;
  /** A connection that sends nothing for this long, and is owed nothing, is closed. */
  readonly idleMsMax: number;
  readonly partitionsPerTopicMax: number;
  /** Partitions in one page of DescribeTopicPartitions. */
  readonly partitionsPerResponseMax: number;
  /** Topics one Metadata request may create. */
  readonly autoCreateTopicsMax: number;
  readonly sessionTimeoutMsMin: number;
  readonly sessionTimeoutMsMax: number;
  readonly rebalanceTimeoutMsMax: number;
  readonly groupsPerNamespaceMax: number;
  readonly membersPerGroupMax: number;
  /** Metadata and assignment bytes all members of one group may hold. */
  readonly groupSizeBytesMax: number;
  readonly groupIdLengthMax: number;
  /** Different regular expressions that the groups of a namespace subscribe to (KIP-848). */
  readonly topicPatternsMax: number;
  readonly offsetMetadataSizeBytesMax: number;
  /** Idempotent producers remembered per partition; the longest unused is forgotten. */
  readonly producersPerPartitionMax: number;
  readonly transactionTimeoutMsMax: number;
  /** Transactional ids of a namespace; the longest unused one that is not in a transaction makes room. */
  readonly transactionalIdsMax: number;
  readonly transactionalIdLengthMax: number;
  /** A transactional id that is not used for this long is forgotten. */
  readonly transactionalIdExpiryMs: number;
  /** Fetch sessions of a namespace (KIP-227); beyond, clients fetch without one. */
  readonly fetchSessionsMax: number;
  /** Partitions all fetch sessions of a namespace may remember. */
  readonly fetchSessionPartitionsMax: number;
  /** Entities with a client quota in a namespace. */
  readonly quotaEntitiesMax: number;
}

export const DEFAULT_LIMITS: KafkaLimits = {
  frameSizeBytesMax: 100 * 1024 * 1024,
  unauthenticatedFrameSizeBytesMax: 1024 * 1024,
  pendingResponsesMax: 256,
  pendingProduceBytesMax: 64 * 1024 * 1024,
  writableBytesMax: 16 * 1024 * 1024,
  repackSizeBytesMax: 8 * 1024 * 1024,
  fetchSizeBytesMax: 16 * 1024 * 1024,
  fetchWaitMsMax: 60_000,
  throttleMsMax: 20_000,
  authenticationMsMax: 30_000,
  idleMsMax: 600_000,
  partitionsPerTopicMax: 1_000,
  partitionsPerResponseMax: 2_000,
  autoCreateTopicsMax: 100,
  sessionTimeoutMsMin: 1_000,
  sessionTimeoutMsMax: 1_800_000,
  rebalanceTimeoutMsMax: 3_600_000,
  groupsPerNamespaceMax: 10_000,
  membersPerGroupMax: 1_000,
  groupSizeBytesMax: 16 * 1024 * 1024,
  groupIdLengthMax: 255,
  topicPatternsMax: 100,
  offsetMetadataSizeBytesMax: 4096,
  producersPerPartitionMax: 1_000,
  transactionTimeoutMsMax: 900_000,
  transactionalIdsMax: 100_000,
  transactionalIdLengthMax: 255,
  transactionalIdExpiryMs: 604_800_000,
  fetchSessionsMax: 1_000,
  fetchSessionPartitionsMax: 100_000,
  quotaEntitiesMax: 1_000,
};
