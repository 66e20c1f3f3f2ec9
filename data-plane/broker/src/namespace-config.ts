import type { CredentialRecord, NamespaceQuotas, NamespaceSettings, Relocation } from '@robustmq/meta';
import type { ClientEvent, CreateTopic } from './broker-types.ts';

/** One namespace as it shall be: the whole of it, level-triggered. Applying it twice is harmless. */
export interface NamespaceConfig {
  /** Never changes; 1 to 64 letters, digits, `.`, `_`, `-`. */
  readonly id: string;
  readonly tenantId: string;
  /** What clients name (`user@name`, TLS server name label). */
  readonly name: string;
  readonly generation: number;
  readonly quotas: NamespaceQuotas;
  readonly allowAnonymous: boolean;
  readonly isDefault: boolean;
  readonly autoCreateTopics: boolean;
  readonly credentials: readonly CredentialRecord[];
  /**
   * Made when absent, else altered where what is given differs (durability and engine stay, partitions only grow). Topics
   * not listed stay: clients make topics too.
   */
  readonly topics: readonly CreateTopic[];
  /** Removed when present. */
  readonly topicsRemoved: readonly string[];
  /** Absent = the defaults. Applied live. */
  readonly settings?: NamespaceSettings;
  /**
   * Nobody is let in, and who is in is asked to go; `reason` is what a refused client is told. Data is kept, and its bytes
   * are counted unless `metered` is `none`.
   */
  readonly suspended?: { readonly reason: string; readonly metered?: 'storage' | 'none' | undefined } | null;
  /** Clients are led away, at most so many a second as may connect; absent or null = it stays here. */
  readonly relocation?: Relocation | null;
  /** No topics, partitions, sessions and stored bytes beyond what there are; `reason` is told with the refusal. */
  readonly growthStopped?: { readonly reason: string } | null;
}

/** One namespace as it is. */
export interface NamespaceObservation {
  readonly id: string;
  readonly name: string;
  readonly tenantId: string;
  readonly observedGeneration: number;
  readonly connections: number;
  readonly sessions: number;
  readonly storedBytes: number;
  readonly topics: readonly { readonly name: string; readonly partitions: number; readonly storedBytes: number }[];
}

/** A client event with its time, milliseconds since the epoch. */
export interface RecordedClientEvent extends ClientEvent {
  readonly timeMs: number;
}

/** Quotas that refuse nothing, for a standalone node and for tests. */
export const UNLIMITED_QUOTAS: NamespaceQuotas = {
  connectionsMax: 1_000_000,
  connectionRatePerSecondMax: 1_000_000,
  topicsMax: 100_000,
  partitionsMax: 100_000,
  sessionsMax: 5_000_000,
  messageSizeBytesMax: 64 * 2 ** 20,
  storageBytesMax: Number.MAX_SAFE_INTEGER,
  ingressBytesPerSecondMax: Number.MAX_SAFE_INTEGER,
  egressBytesPerSecondMax: Number.MAX_SAFE_INTEGER,
  inboxBytesMax: Number.MAX_SAFE_INTEGER,
};
