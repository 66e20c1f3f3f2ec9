import { z } from 'zod';

/**
 * What a tenant may set about one cluster, as the control plane versions it and the data plane applies it without a
 * restart. Every field has a default, so `ClusterSettings.parse({})` is the cluster nobody has touched.
 */

const Qos = z.union([z.literal(0), z.literal(1), z.literal(2)]);
const MqttFilter = z.string().min(1).max(1024);

/** A subscription every MQTT session gets when it connects; `{clientId}` and `{username}` stand for the client's own. */
export const AutoSubscription = z.object({
  filter: MqttFilter,
  qos: Qos.default(0),
  noLocal: z.boolean().default(false),
  retainAsPublished: z.boolean().default(false),
  retainHandling: Qos.default(0),
});
export type AutoSubscription = z.infer<typeof AutoSubscription>;

/**
 * A topic rewrite: names (or filters) that match `from`, an MQTT filter, become `to`, where `{1}`, `{2}` … are what the
 * wildcards of `from` matched in order. The first rule that matches is applied, once. No regular expressions: a tenant's
 * pattern must not be able to stall a shared node.
 */
export const TopicRewrite = z.object({
  on: z.enum(['publish', 'subscribe', 'all']).default('all'),
  from: MqttFilter,
  to: z.string().min(1).max(1024),
});
export type TopicRewrite = z.infer<typeof TopicRewrite>;

export const MqttSettings = z.object({
  /** Which member of a `$share` group gets the next message. */
  sharedStrategy: z.enum(['round-robin', 'random', 'sticky', 'hash-client', 'hash-topic']).default('round-robin'),
  autoSubscribe: z.array(AutoSubscription).max(20).default([]),
  rewrite: z.array(TopicRewrite).max(100).default([]),
  /** Limits of one inbox, and what happens when it is full. */
  inbox: z
    .object({
      messagesMax: z.int().positive().default(1_000_000),
      bytesMax: z.int().positive().default(268_435_456),
      /** Messages older than this are not owed any more; 0 = no limit. */
      ageSecondsMax: z.int().nonnegative().default(0),
      whenFull: z.enum(['drop-oldest', 'drop-newest']).default('drop-oldest'),
    })
    .prefault({}),
  /** 0xFFFFFFFF = no limit. */
  sessionExpirySecondsMax: z.int().nonnegative().max(0xff_ff_ff_ff).default(0xff_ff_ff_ff),
  keepAliveSecondsMax: z.int().min(1).max(65_535).default(65_535),
  delayed: z
    .object({ enabled: z.boolean().default(true), messagesMax: z.int().nonnegative().default(100_000) })
    .prefault({}),
  /** Deliveries that take longer than `thresholdMs` from publish to written are counted and listed. */
  slowSubscriber: z
    .object({
      enabled: z.boolean().default(true),
      thresholdMs: z.int().positive().default(500),
      listed: z.int().min(1).max(1_000).default(10),
    })
    .prefault({}),
  /** A client id that connects more often than `connectsMax` within the window is banned for a while. */
  flapping: z
    .object({
      enabled: z.boolean().default(false),
      connectsMax: z.int().min(2).default(15),
      windowSeconds: z.int().min(1).max(3_600).default(60),
      banSeconds: z.int().min(1).max(2_592_000).default(300),
    })
    .prefault({}),
});
export type MqttSettings = z.infer<typeof MqttSettings>;

export const KafkaSettings = z.object({
  /** Whether naming a topic that does not exist makes it. */
  autoCreateTopics: z.boolean().default(true),
  defaultPartitions: z.int().min(1).max(256).default(1),
});
export type KafkaSettings = z.infer<typeof KafkaSettings>;

/** Who may do what. One list for all protocols: publishing is `write`, subscribing and fetching are `read`. */
export const AclAction = z.enum(['read', 'write', 'create', 'delete', 'alter', 'describe', 'all']);
export type AclAction = z.infer<typeof AclAction>;
export const AclResource = z.enum(['topic', 'group', 'transactional-id', 'cluster']);
export type AclResource = z.infer<typeof AclResource>;

/**
 * One rule. `principal` is a credential's name or `*`. A `filter` pattern is an MQTT filter that is matched against MQTT
 * topic names (and against `a/b` for a topic named `a.b`); `literal` and `prefix` are matched against topic names, and
 * against an MQTT name with `.` for `/`. `*` as a literal is every name. `{principal}` and `{clientId}` stand for the
 * client's own. `addresses` are CIDR blocks the client must come from; absent = any.
 */
export const AclRule = z.object({
  id: z.string().min(1).max(64),
  effect: z.enum(['allow', 'deny']),
  principal: z.string().min(1).max(255).default('*'),
  resource: AclResource.default('topic'),
  pattern: z.string().min(1).max(1024),
  patternType: z.enum(['literal', 'prefix', 'filter']).default('literal'),
  actions: z.array(AclAction).min(1).max(7),
  protocols: z
    .array(z.enum(['mqtt', 'kafka', 'amqp']))
    .min(1)
    .optional(),
  addresses: z.array(z.string().max(64)).max(100).optional(),
});
export type AclRule = z.infer<typeof AclRule>;

/** A matching deny beats every allow; where no rule matches, `whenNoRuleMatches` decides. */
export const Acl = z.object({
  whenNoRuleMatches: z.enum(['allow', 'deny']).default('allow'),
  rules: z.array(AclRule).max(10_000).default([]),
});
export type Acl = z.infer<typeof Acl>;

/** Somebody who is kept out until `until` (ISO time; null = until the entry is removed). */
export const BlacklistEntry = z.object({
  id: z.string().min(1).max(64),
  kind: z.enum(['client-id', 'user', 'address', 'client-id-prefix']),
  /** An id, a credential's name, an address or CIDR block, or the beginning of client ids. */
  value: z.string().min(1).max(1024),
  reason: z.string().max(500).default(''),
  until: z.iso.datetime().nullable().default(null),
});
export type BlacklistEntry = z.infer<typeof BlacklistEntry>;

/** Ways to prove who one is besides the credentials' passwords. */
export const AuthenticationSettings = z.object({
  anonymous: z.boolean().default(false),
  /** Bearer tokens: MQTT password, Kafka OAUTHBEARER. `keys` is a JWK set (RFC 7517), kept fresh by the control plane. */
  jwt: z
    .object({
      issuer: z.string().max(1024).optional(),
      audience: z.string().max(1024).optional(),
      algorithms: z
        .array(z.enum(['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'EdDSA']))
        .min(1),
      keys: z.array(z.record(z.string(), z.unknown())).max(50),
      /** The claim whose text is the principal's name. */
      principalClaim: z.string().min(1).max(100).default('sub'),
      /**
       * The claim that says what the bearer may do with topics; absent = `acl`. Its value: a list of
       * `{permission: allow | deny, action: publish | subscribe | all, topic}`, the first match decides, or
       * `{pub, sub, all}` with lists of topics; a deny rule of the cluster stands against every allow of it.
       */
      aclClaim: z.string().min(1).max(100).optional(),
    })
    .optional(),
  /** Client certificates: a subject below one of these authorities (PEM) is a principal. */
  x509: z
    .object({
      authoritiesPem: z.string().max(262_144),
      principalFrom: z.enum(['common-name', 'dns-name']).default('common-name'),
      /** Serial numbers, hexadecimal. */
      revokedSerials: z.array(z.string().max(64)).max(10_000).default([]),
    })
    .optional(),
  /**
   * A service of the tenant's own that is asked, by POST of JSON, about user names no credential has. It answers 204, or 200
   * with `{"result": "allow" | "deny", "expire_at"?, "acl"?}`; answers are cached by all that was asked.
   */
  http: z
    .object({
      url: z.url({ protocol: /^https?$/ }).max(2048),
      headers: z.record(z.string().regex(/^[A-Za-z0-9-]{1,64}$/), z.string().max(4096)).default({}),
      timeoutMs: z.int().min(100).max(8_000).default(3_000),
      allowCacheSeconds: z.int().min(0).max(86_400).default(60),
      denyCacheSeconds: z.int().min(0).max(3_600).default(10),
      /** While it does not answer: nobody is let in, or whoever it let in last under the same words (at most a day ago). */
      whenUnavailable: z.enum(['deny', 'last-answer']).default('deny'),
    })
    .optional(),
});
export type AuthenticationSettings = z.infer<typeof AuthenticationSettings>;

/** An IPv4 or IPv6 address, or a CIDR block of them. */
export const AddressBlock = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], {
  error: 'an address or a block of them, as in 192.0.2.7, 198.51.100.0/24 or 2001:db8::/32',
});

/** Where clients may come from, on every protocol; an empty list = from anywhere. Nobody else is asked for a password. */
export const NetworkSettings = z.object({ allowedAddresses: z.array(AddressBlock).max(500).default([]) });
export type NetworkSettings = z.infer<typeof NetworkSettings>;

export const ClusterSettings = z.object({
  mqtt: MqttSettings.prefault({}),
  kafka: KafkaSettings.prefault({}),
  acl: Acl.prefault({}),
  blacklist: z.array(BlacklistEntry).max(10_000).default([]),
  authentication: AuthenticationSettings.prefault({}),
  network: NetworkSettings.prefault({}),
});
export type ClusterSettings = z.infer<typeof ClusterSettings>;

/** Where the bytes of a topic live; each absent limit moves nothing. */
export const TierSettings = z.object({
  /** Kept in memory for fast reads besides the log, at most so many bytes. */
  hotBytes: z.int().nonnegative().optional(),
  coldAfterMs: z.int().nonnegative().optional(),
  coldAfterBytes: z.int().nonnegative().optional(),
  coldAfterIdleMs: z.int().positive().optional(),
  warmAfterReads: z.int().positive().optional(),
  warmIdleMs: z.int().positive().optional(),
});
export type TierSettings = z.infer<typeof TierSettings>;

export const CompactionSettings = z.object({
  minLagMs: z.int().nonnegative().optional(),
  deleteRetentionMs: z.int().nonnegative().optional(),
  minDirtyRatio: z.number().min(0).max(1).optional(),
});
export type CompactionSettings = z.infer<typeof CompactionSettings>;

/** What a topic may be given besides its name, partitions and bindings; the same words in REST, agent link and node. */
export const TopicPolicy = z.object({
  engine: z.enum(['memory', 'file', 'rocksdb']).optional(),
  cleanup: z.enum(['delete', 'compact', 'compact,delete']).optional(),
  compaction: CompactionSettings.optional(),
  tier: TierSettings.optional(),
});
export type TopicPolicy = z.infer<typeof TopicPolicy>;
