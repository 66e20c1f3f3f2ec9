import type { RefusalCode } from '@robustmq/broker';

/** Error codes of the Kafka protocol that this room answers with. */
export const ERROR = {
  UNKNOWN_SERVER_ERROR: -1,
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  CORRUPT_MESSAGE: 2,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  COORDINATOR_NOT_AVAILABLE: 15,
  MESSAGE_TOO_LARGE: 10,
  OFFSET_METADATA_TOO_LARGE: 12,
  INVALID_TOPIC_EXCEPTION: 17,
  INVALID_REQUIRED_ACKS: 21,
  ILLEGAL_GENERATION: 22,
  INCONSISTENT_GROUP_PROTOCOL: 23,
  INVALID_GROUP_ID: 24,
  UNKNOWN_MEMBER_ID: 25,
  INVALID_SESSION_TIMEOUT: 26,
  REBALANCE_IN_PROGRESS: 27,
  TOPIC_AUTHORIZATION_FAILED: 29,
  UNSUPPORTED_SASL_MECHANISM: 33,
  ILLEGAL_SASL_STATE: 34,
  UNSUPPORTED_VERSION: 35,
  TOPIC_ALREADY_EXISTS: 36,
  INVALID_PARTITIONS: 37,
  INVALID_REPLICATION_FACTOR: 38,
  INVALID_REPLICA_ASSIGNMENT: 39,
  INVALID_CONFIG: 40,
  INVALID_REQUEST: 42,
  UNSUPPORTED_FOR_MESSAGE_FORMAT: 43,
  POLICY_VIOLATION: 44,
  OUT_OF_ORDER_SEQUENCE_NUMBER: 45,
  INVALID_PRODUCER_EPOCH: 47,
  INVALID_TXN_STATE: 48,
  KAFKA_STORAGE_ERROR: 56,
  SASL_AUTHENTICATION_FAILED: 58,
  NON_EMPTY_GROUP: 68,
  GROUP_ID_NOT_FOUND: 69,
  FETCH_SESSION_ID_NOT_FOUND: 70,
  INVALID_FETCH_SESSION_EPOCH: 71,
  FENCED_LEADER_EPOCH: 74,
  UNKNOWN_LEADER_EPOCH: 75,
  MEMBER_ID_REQUIRED: 79,
  GROUP_MAX_SIZE_REACHED: 81,
  FENCED_INSTANCE_ID: 82,
  INVALID_RECORD: 87,
  UNKNOWN_TOPIC_ID: 100,
} as const;
export type ErrorCode = (typeof ERROR)[keyof typeof ERROR];

/** Why the broker refused → what a Kafka client is told. The message travels beside it where the API has room for one. */
export const REFUSAL_ERRORS: Readonly<Record<RefusalCode, ErrorCode>> = {
  'bad-credentials': ERROR.SASL_AUTHENTICATION_FAILED,
  'namespace-unknown': ERROR.SASL_AUTHENTICATION_FAILED,
  'namespace-mismatch': ERROR.SASL_AUTHENTICATION_FAILED,
  'not-authorized': ERROR.TOPIC_AUTHORIZATION_FAILED,
  suspended: ERROR.POLICY_VIOLATION,
  'quota-connections': ERROR.SASL_AUTHENTICATION_FAILED,
  'quota-connection-rate': ERROR.SASL_AUTHENTICATION_FAILED,
  'quota-sessions': ERROR.GROUP_MAX_SIZE_REACHED,
  'quota-topics': ERROR.POLICY_VIOLATION,
  'quota-storage': ERROR.POLICY_VIOLATION,
  'message-too-large': ERROR.MESSAGE_TOO_LARGE,
  'topic-invalid': ERROR.INVALID_TOPIC_EXCEPTION,
  'topic-unknown': ERROR.UNKNOWN_TOPIC_OR_PARTITION,
  'topic-exists': ERROR.TOPIC_ALREADY_EXISTS,
  'partition-unknown': ERROR.UNKNOWN_TOPIC_OR_PARTITION,
  'batch-corrupt': ERROR.CORRUPT_MESSAGE,
  'batch-unsupported': ERROR.UNSUPPORTED_FOR_MESSAGE_FORMAT,
  // retriable in every client, unlike UNKNOWN_SERVER_ERROR
  unavailable: ERROR.COORDINATOR_NOT_AVAILABLE,
};

/** What a failed read or commit of the journal means to a client. */
export function storageError(error: unknown): ErrorCode {
  const code = (error as { code?: unknown } | null)?.code;
  return code === 'offset-out-of-range' ? ERROR.OFFSET_OUT_OF_RANGE : ERROR.KAFKA_STORAGE_ERROR;
}
