export * from './message.ts';
export * from './publish-run.ts';
export * from './broker-types.ts';
export * from './namespace-config.ts';
export { BrokerNode, type BrokerOptions } from './broker.ts';
export { PROTOCOLS, type ProtocolTotals, type StorageUsage, type UsageTotals } from './usage.ts';
export { type ShareDelta } from './usage-shares.ts';
export { parseStreamName, type StreamIdentity } from './stream-name.ts';
export type { HttpCaller, HttpQuestion, HttpVerdict } from './http-authentication.ts';
export { isRefusal, refuse } from './refusal.ts';
export { isFilter, isStoredTopicName, isTopicName, isTopicNameBytes } from './topic-name.ts';
export { parseFilter, plainTopic, type ParsedFilter } from './special-topic.ts';
export * from './view-words.ts';
export { NamespaceViews } from './views.ts';
export { type Page, type PageQuery } from './page.ts';
export { type AclDecision, type AclSubject } from './acl.ts';
export { fromHeaders, isExpired, ownedProperties, toHeaders } from './message-record.ts';
export {
  DEFAULT_SETTINGS,
  type AclAction,
  type AclResource,
  type AclRule,
  type CredentialRecord,
  type NamespaceQuotas,
  type NamespaceSettings,
  type ScramVerifier,
  type TopicCompression,
} from '@robustmq/meta';
export { CODECS, type Claim, type Codec, type Commit, compressElsewhere, decompress } from '@robustmq/journal';
