import { z } from 'zod';
import { ClusterId, ClusterKey, CredentialId, TenantId } from '../ids.ts';
import { ClusterName, CredentialName, TopicName } from '../names.ts';
import { TopicPolicy } from '../cluster-settings.ts';
import { Plan, Quotas } from '../plans.ts';
import { pageOf } from './page.ts';

export const ClusterPhase = z.enum([
  'Pending',
  'Provisioning',
  'Ready',
  'Updating',
  'Pausing',
  'Paused',
  'Resuming',
  'Suspended',
  'Deleting',
  'Deleted',
  'Failed',
]);
export type ClusterPhase = z.infer<typeof ClusterPhase>;

/** The tenant's own words about a cluster, for finding and grouping. */
export const Labels = z
  .record(
    z.string().regex(/^[a-z][a-z0-9._-]{0,62}$/, 'use lower-case letters, digits, dots and dashes'),
    z.string().max(255),
  )
  .refine((labels) => Object.keys(labels).length <= 32, 'at most 32 labels');

/** `POST /v1/tenants/{tenantId}/clusters` → 202 Cluster with phase `Pending`. */
export const CreateClusterBody = z.object({
  name: ClusterName,
  plan: z.enum(['serverless', 'dedicated']).default('serverless'),
  region: z.string().min(1).max(63).default('local'),
  labels: Labels.optional(),
  /** Whether it can only be deleted after the protection is taken off. */
  deletionProtection: z.boolean().optional(),
});
export type CreateClusterBody = z.infer<typeof CreateClusterBody>;

/** `scheme://host:port`, absent when the cluster has no such listener (yet). */
export const Endpoints = z.object({
  mqtt: z.string().optional(),
  mqttWs: z.string().optional(),
  mqtts: z.string().optional(),
  mqttWss: z.string().optional(),
  kafka: z.string().optional(),
  kafkaTls: z.string().optional(),
  amqp: z.string().optional(),
  amqps: z.string().optional(),
});
export type Endpoints = z.infer<typeof Endpoints>;

export const Condition = z.object({
  type: z.enum(['Ready', 'AgentConnected', 'SpecApplied', 'EndpointsReachable', 'CredentialsPropagated']),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  message: z.string(),
  since: z.iso.datetime(),
});

/** `GET /v1/tenants/{tenantId}/clusters/{clusterId}` */
export const Cluster = z.object({
  id: ClusterId,
  tenantId: TenantId,
  name: ClusterName,
  key: ClusterKey,
  plan: Plan,
  region: z.string(),
  phase: ClusterPhase,
  generation: z.int(),
  observedGeneration: z.int(),
  conditions: z.array(Condition),
  endpoints: Endpoints,
  quotas: Quotas,
  labels: z.record(z.string(), z.string()),
  deletionProtection: z.boolean(),
  pausedAt: z.iso.datetime().nullable(),
  /** A deleted cluster can be restored until then; null = it is not deleted. */
  restoreUntil: z.iso.datetime().nullable(),
  /** Grows with every change made here; the ETag. */
  version: z.int(),
  lastError: z.string().nullable(),
  createdAt: z.iso.datetime(),
});
export type Cluster = z.infer<typeof Cluster>;
export const ClusterPage = pageOf(Cluster);

/** `PATCH …/clusters/{clusterId}`. Labels are replaced as a whole. */
export const UpdateClusterBody = z
  .object({
    name: ClusterName.optional(),
    labels: Labels.optional(),
    /** Taking it off needs the permission `cluster:delete`. */
    deletionProtection: z.boolean().optional(),
    plan: z.enum(['serverless', 'dedicated']).optional(),
  })
  .strict();
export type UpdateClusterBody = z.infer<typeof UpdateClusterBody>;

/** `DELETE …/clusters/{clusterId}?restore_days`: how long it can be taken back. */
export const DeleteClusterQuery = z.object({
  restore_days: z
    .enum(['0', '7', '30'])
    .optional()
    .describe(
      'How long the deletion can be taken back. Default: 7 for serverless, 30 for dedicated clusters. ' +
        '0 removes the data at once and for good, and needs the permission cluster:purge.',
    ),
});
/** Days of the restore window when a deletion does not name them. */
export const RESTORE_DAYS: Record<Plan, 7 | 30> = { serverless: 7, dedicated: 30, byoc: 30 };

/** What a cluster that is not made yet would be. */
export const ClusterPlan = z.object({
  plan: Plan,
  quotas: Quotas,
  clusters: z.object({ used: z.int(), max: z.int() }),
  /** What the plan costs per unit; empty while billing does not answer. */
  prices: z.array(
    z.object({
      meter: z.string(),
      title: z.string(),
      unit: z.string(),
      included: z.string(),
      unitPrice: z.string(),
      currency: z.string(),
    }),
  ),
});
export type ClusterPlan = z.infer<typeof ClusterPlan>;

/** `POST …/clusters/{clusterId}/credentials` → 201 with the password once. Optional body field `password` is refused: passwords are server-made. */
export const CreateCredentialBody = z.object({ name: CredentialName }).strict();
export const Credential = z.object({
  id: CredentialId,
  name: CredentialName,
  /** What a client sends, as it stands: `<name>@<cluster key>`. */
  username: z.string(),
  /** True once every node that serves the cluster has it. */
  propagated: z.boolean(),
  createdAt: z.iso.datetime(),
});
export type Credential = z.infer<typeof Credential>;
export const CredentialCreated = Credential.extend({ password: z.string() });
export type CredentialCreated = z.infer<typeof CredentialCreated>;
export const CredentialPage = pageOf(Credential);

/** `POST …/clusters/{clusterId}/topics` → 201 Topic. */
export const CreateTopicBody = z.object({
  name: TopicName,
  partitions: z.int().min(1).max(256).default(1),
  bindings: z.array(z.string().min(1).max(1024)).max(100).optional(),
  durability: z.enum(['memory', 'flushed']).default('flushed'),
  retentionMs: z.int().min(-1).default(604_800_000),
  retentionBytes: z.int().min(-1).default(-1),
  ...TopicPolicy.shape,
});
export type CreateTopicBody = z.infer<typeof CreateTopicBody>;
/** Topics made by clients (Kafka CreateTopics) are listed too, with `origin: 'client'`. */
export const Topic = z.object({
  name: TopicName,
  partitions: z.int(),
  origin: z.enum(['api', 'client']),
  /** True once the node serves it. */
  ready: z.boolean(),
  storedBytes: z.number(),
  /** What was asked for; absent for topics that clients made. */
  bindings: z.array(z.string()).optional(),
  durability: z.enum(['memory', 'flushed']).optional(),
  retentionMs: z.number().optional(),
  retentionBytes: z.number().optional(),
  ...TopicPolicy.shape,
});
export type Topic = z.infer<typeof Topic>;
export const TopicPage = pageOf(Topic);

/** `DELETE …/topics/{topicName}?undo_hours`: until then the topic is hidden, and its data and what MQTT captures is kept. */
export const DeleteTopicQuery = z.object({ undo_hours: z.coerce.number().int().min(0).max(168).default(0) });

/** `PATCH …/topics/{topicName}`: partitions only grow; engine and durability are for life. */
export const UpdateTopicBody = z
  .object({
    partitions: z.int().min(1).max(256).optional(),
    retentionMs: z.int().min(-1).optional(),
    retentionBytes: z.int().min(-1).optional(),
    cleanup: TopicPolicy.shape.cleanup,
    compaction: TopicPolicy.shape.compaction,
    tier: TopicPolicy.shape.tier,
  })
  .strict();
export type UpdateTopicBody = z.infer<typeof UpdateTopicBody>;
