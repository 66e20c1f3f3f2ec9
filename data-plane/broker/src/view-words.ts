import type { Protocol } from './broker-types.ts';

/*
 * What the views of one namespace answer: structurally the replies of the control plane's `NODE_VIEWS`. Times are ISO
 * texts, bytes are base64.
 */
export interface ClientView {
  readonly clientId: string;
  readonly protocol: Protocol;
  readonly principal: string;
  readonly remoteAddress: string;
  readonly connectedAt: string;
}
export interface SessionView {
  readonly clientId: string;
  readonly connected: boolean;
  /** 0xFFFFFFFF = until it is ended. */
  readonly expirySeconds: number;
  readonly subscriptions: number;
  readonly inboxMessages: number;
  readonly inboxBytes: number;
}
export interface SubscriptionView {
  readonly clientId: string;
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
}
export interface MessageView {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly timestamp: string;
  readonly sizeBytes: number;
  readonly value: string;
  readonly properties: Record<string, string>;
}
export interface DelayedView {
  readonly id: string;
  readonly dueAt: string;
  readonly topic: string;
  readonly sizeBytes: number;
}
export interface SlowSubscriberView {
  readonly clientId: string;
  readonly topic: string;
  readonly latencyMs: number;
  readonly at: string;
}
export interface ClientEventView {
  readonly at: string;
  readonly protocol: Protocol;
  readonly clientId: string | null;
  readonly remoteAddress: string;
  readonly stage: string;
  readonly code: string;
  readonly detail: string;
}
export interface BanView {
  readonly kind: string;
  readonly value: string;
  readonly reason: string;
  readonly until: string | null;
}
export interface PartitionView {
  readonly partition: number;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly stableOffset: number;
  readonly sizeBytes: number;
  readonly hotBytes: number;
  readonly warmBytes: number;
  readonly coldBytes: number;
}
export interface TopicView {
  readonly name: string;
  readonly bindings: string[];
  readonly durability: string;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly cleanup: string;
  readonly partitions: PartitionView[];
}
export interface TierObjectView {
  readonly key: string;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly sizeBytes: number;
  readonly cold: boolean;
  readonly warm: boolean;
  readonly compacted: boolean;
}
export interface TierMoveView {
  readonly at: string;
  readonly kind: string;
  readonly reason: string;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly sizeBytes: number;
}
export interface TopicTiersView {
  readonly partitions: (PartitionView & { readonly objects: TierObjectView[]; readonly moves: TierMoveView[] })[];
}
export interface StoredRecordView {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: string;
  readonly key: string | null;
  readonly value: string | null;
  /** Of key and value, whole. */
  readonly sizeBytes: number;
  readonly headers: { readonly name: string; readonly value: string | null }[];
}
export interface RecordsView {
  readonly items: StoredRecordView[];
  readonly nextOffset: number;
}
/** Whether there was such a thing. */
export interface Done {
  readonly done: boolean;
}

/** A time as the views tell it; what is no time that can be told is the epoch. */
export function isoTime(timeMs: number): string {
  return new Date(Math.abs(timeMs) <= 8.64e15 ? timeMs : 0).toISOString();
}
