/**
 * What a tenant may set about one cluster: structurally the control plane's `ClusterSettings`
 * (contracts/cluster-settings.ts), every field present. Units in the names.
 */
export interface NamespaceSettings {
  readonly mqtt: MqttSettings;
  readonly kafka: { readonly autoCreateTopics: boolean; readonly defaultPartitions: number };
  readonly acl: AclSettings;
  readonly blacklist: readonly BlacklistEntry[];
  readonly authentication: AuthenticationSettings;
  /** Addresses and CIDR blocks clients may come from; none = any. Absent from records of before there was one. */
  readonly network?: { readonly allowedAddresses: readonly string[] };
}

export interface MqttSettings {
  readonly sharedStrategy: SharedStrategy;
  readonly autoSubscribe: readonly AutoSubscription[];
  readonly rewrite: readonly TopicRewrite[];
  readonly inbox: InboxLimits;
  /** 0xFFFFFFFF = no limit. */
  readonly sessionExpirySecondsMax: number;
  readonly keepAliveSecondsMax: number;
  readonly delayed: { readonly enabled: boolean; readonly messagesMax: number };
  readonly slowSubscriber: { readonly enabled: boolean; readonly thresholdMs: number; readonly listed: number };
  readonly flapping: {
    readonly enabled: boolean;
    readonly connectsMax: number;
    readonly windowSeconds: number;
    readonly banSeconds: number;
  };
}
export type SharedStrategy = 'round-robin' | 'random' | 'sticky' | 'hash-client' | 'hash-topic';

/** A subscription every MQTT session gets; `{clientId}` and `{username}` stand for the client's own. */
export interface AutoSubscription {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
}
/** Names that match `from` become `to`; `{1}`, `{2}` … are what its wildcards matched, in order. */
export interface TopicRewrite {
  readonly on: 'publish' | 'subscribe' | 'all';
  readonly from: string;
  readonly to: string;
}
/** Limits of one inbox. */
export interface InboxLimits {
  readonly messagesMax: number;
  readonly bytesMax: number;
  /** Older messages are not owed any more; 0 = no limit. */
  readonly ageSecondsMax: number;
  readonly whenFull: 'drop-oldest' | 'drop-newest';
}

export type AclAction = 'read' | 'write' | 'create' | 'delete' | 'alter' | 'describe' | 'all';
export type AclResource = 'topic' | 'group' | 'transactional-id' | 'cluster';
/** One rule; see the contract for the meaning of each field. */
export interface AclRule {
  readonly id: string;
  readonly effect: 'allow' | 'deny';
  readonly principal: string;
  readonly resource: AclResource;
  readonly pattern: string;
  readonly patternType: 'literal' | 'prefix' | 'filter';
  readonly actions: readonly AclAction[];
  readonly protocols?: readonly ('mqtt' | 'kafka' | 'amqp')[] | undefined;
  /** CIDR blocks. */
  readonly addresses?: readonly string[] | undefined;
}
export interface AclSettings {
  readonly whenNoRuleMatches: 'allow' | 'deny';
  readonly rules: readonly AclRule[];
}

/** Somebody who is kept out. */
export interface BlacklistEntry {
  readonly id: string;
  readonly kind: 'client-id' | 'user' | 'address' | 'client-id-prefix';
  readonly value: string;
  readonly reason: string;
  /** ISO time; null = until it is removed. */
  readonly until: string | null;
}

export type JwtAlgorithm = 'HS256' | 'HS384' | 'HS512' | 'RS256' | 'RS384' | 'RS512' | 'ES256' | 'ES384' | 'EdDSA';
export interface JwtSettings {
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  readonly algorithms: readonly JwtAlgorithm[];
  /** JSON Web Keys (RFC 7517). */
  readonly keys: readonly Readonly<Record<string, unknown>>[];
  /** The claim whose text is the principal's name. */
  readonly principalClaim: string;
  /** The claim that says what the bearer may do with topics; absent = `acl`. */
  readonly aclClaim?: string | undefined;
}
export interface X509Settings {
  readonly authoritiesPem: string;
  readonly principalFrom: 'common-name' | 'dns-name';
  /** Hexadecimal. */
  readonly revokedSerials: readonly string[];
}
/** A service of the tenant's own that is asked about clients nobody else knows. */
export interface HttpAuthenticationSettings {
  readonly url: string;
  /** Sent with every question: a secret the service knows its askers by. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly allowCacheSeconds: number;
  readonly denyCacheSeconds: number;
  /** While it does not answer: nobody is let in, or whoever it let in last under the same words. */
  readonly whenUnavailable: 'deny' | 'last-answer';
}
/** Ways to prove who one is besides the credentials' passwords. */
export interface AuthenticationSettings {
  readonly anonymous: boolean;
  readonly jwt?: JwtSettings | undefined;
  readonly x509?: X509Settings | undefined;
  readonly http?: HttpAuthenticationSettings | undefined;
}

/** The namespace nobody has set anything about; the same values as the contract's defaults. */
export const DEFAULT_SETTINGS: NamespaceSettings = {
  mqtt: {
    sharedStrategy: 'round-robin',
    autoSubscribe: [],
    rewrite: [],
    inbox: { messagesMax: 1_000_000, bytesMax: 268_435_456, ageSecondsMax: 0, whenFull: 'drop-oldest' },
    sessionExpirySecondsMax: 0xffff_ffff,
    keepAliveSecondsMax: 65_535,
    delayed: { enabled: true, messagesMax: 100_000 },
    slowSubscriber: { enabled: true, thresholdMs: 500, listed: 10 },
    flapping: { enabled: false, connectsMax: 15, windowSeconds: 60, banSeconds: 300 },
  },
  kafka: { autoCreateTopics: true, defaultPartitions: 1 },
  acl: { whenNoRuleMatches: 'allow', rules: [] },
  blacklist: [],
  authentication: { anonymous: false },
};
