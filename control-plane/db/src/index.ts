export { Database, DatabaseError, DATABASE_CONNECTIONS_MAX, isDatabaseAway, isUniqueViolation } from './database.ts';
export { prepareDatabase, APPLICATION_ROLE, QUEUE_SCHEMA, type PrepareOptions } from './prepare-database.ts';
export {
  startPostgres,
  EmbeddedPostgresError,
  EMBEDDED_OWNER,
  type RunningPostgres,
  type EmbeddedPostgresCode,
  type EmbeddedPostgresOptions,
} from './embedded-postgres.ts';
export type { TenantTx, ScopeOptions } from './tenant-tx.ts';
export { appendAudit, auditChainBreak, auditHash, AUDIT_GENESIS, type AuditEntry, type AuditRow } from './audit.ts';
export {
  AddressTakenError,
  SSO_SESSION_MS,
  type Identity,
  type PresentedApiKey,
  type RefreshResult,
  type TenantOfUser,
  type UserRow,
} from './identity.ts';
export {
  Agents,
  PORT_BLOCK_COUNT,
  PORT_REFUSAL_MS,
  type AgentRow,
  type ClusterRow,
  type CredentialRow,
  type EnrolResult,
  type Placement,
  type PortBlock,
  type TopicRow,
} from './agents.ts';
export { Fleet, type AgentLiveness, type PlacementRow, type Release, type Rollout } from './fleet.ts';
export {
  FUTURE_MS_MAX,
  LATE_MS_MAX,
  usageAddsUp,
  usageWindowHash,
  type IngestResult,
  type Metering,
  type UsageGap,
} from './metering.ts';
export {
  MAIL_ATTEMPTS_MAX,
  type MailRow,
  type People,
  type PersonRow,
  type PresentedInvitation,
  type TokenKind,
} from './people.ts';
export type { Notices, NoticeChannel } from './notices.ts';
export type { SingleSignOn, SsoEntered, SsoEntrance, SsoRefusal } from './single-sign-on.ts';
export { agentKeys, type Money } from './money.ts';
export { WebhookOutbox, type WebhookMessage } from './webhook-outbox.ts';
export { WorkQueue, WORK_BACKOFF_MS_MAX, type DueWork, type WorkKind } from './work.ts';
export { uuidv7 } from './uuid.ts';
export { readShares, type SharesRow } from './usage-shares.ts';
export type { MonthsKept } from './usage-months.ts';
