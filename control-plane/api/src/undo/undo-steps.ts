import { ClusterSettings, Role } from '@robustmq/contracts';
import type { TenantTx } from '@robustmq/db';
import { z } from 'zod';
import { keyPermissions } from '../http/access-guard.ts';
import { API_KEYS_MAX, CREDENTIALS_MAX, WEBHOOKS_MAX } from '../dry-run/limits.ts';
import type { Caller } from '../http/caller.ts';
import { ProblemError } from '../http/problem-error.ts';
import { withRevocations } from '../clusters/certificate-revocations.ts';
import { nextGeneration } from '../clusters/cluster-change.ts';
import { restored } from '../clusters/cluster-life-controller.ts';
import { unhide } from '../clusters/topic-window.ts';
import { mustHave } from '../tenants/roles-controller.ts';
import { mayGrant } from '../tenants/tenants-controller.ts';

/** An operation that is being taken back. */
export interface Undoing {
  readonly tx: TenantTx;
  readonly caller: Caller;
  readonly tenantId: string;
  /** Null where the operation belongs to no cluster. */
  readonly clusterId: string | null;
  /** What the write kept: `WriteOutcome.operation.undo.data`. */
  readonly data: unknown;
}

/** The generation the cluster has to reach; undefined = there is nothing to wait for. */
type Step = (undoing: Undoing) => Promise<number | undefined>;

const taken = (what: string): ProblemError =>
  new ProblemError('name-taken', { detail: `In the meantime there is another ${what}: it cannot be taken back.` });

const restoreCluster: Step = async ({ tx, clusterId }) => {
  const { data } = await restored(tx, clusterId!);
  await tx.cluster.update({ where: { id: clusterId! }, data: { ...data, resourceVersion: { increment: 1 } } });
  return (await nextGeneration(tx, clusterId!)).generation;
};

const restoreTopic: Step = async ({ tx, clusterId, data }) => {
  const cluster = await nextGeneration(tx, clusterId!);
  await unhide(tx, cluster, z.object({ name: z.string() }).parse(data).name);
  return cluster.generation;
};

const CredentialData = z.object({ id: z.uuid(), name: z.string(), verifiers: z.json(), createdAt: z.coerce.date() });
const restoreCredential: Step = async ({ tx, tenantId, clusterId, data }) => {
  const { verifiers, ...row } = CredentialData.parse(data);
  const { generation } = await nextGeneration(tx, clusterId!);
  if ((await tx.credential.count({ where: { clusterId: clusterId! } })) >= CREDENTIALS_MAX)
    throw new ProblemError('quota-exceeded', { detail: `A cluster has at most ${CREDENTIALS_MAX} credentials.` });
  const made = await tx.credential.createMany({
    data: [{ ...row, verifiers: verifiers as object, tenantId, clusterId: clusterId!, generation }],
    skipDuplicates: true,
  });
  if (made.count === 0) throw taken(`credential "${row.name}"`);
  return generation;
};

const ApiKeyData = z.object({
  ...{ id: z.uuid(), name: z.string(), role: Role, prefix: z.string(), keyHash: z.string() },
  ...{ createdAt: z.coerce.date(), expiresAt: z.coerce.date().nullable(), lastUsedAt: z.coerce.date().nullable() },
  ...{ scopes: z.array(z.string()), addresses: z.array(z.string()), lastUsedIp: z.string().nullable() },
  ...{ previousHash: z.string().nullable(), previousUntil: z.coerce.date().nullable() },
});
const restoreApiKey: Step = async ({ tx, caller, tenantId, data }) => {
  const row = ApiKeyData.parse(data);
  mustHave(caller, keyPermissions(row.role, row.scopes));
  if ((await tx.apiKey.count()) >= API_KEYS_MAX)
    throw new ProblemError('quota-exceeded', { detail: `A tenant has at most ${API_KEYS_MAX} API keys.` });
  await tx.apiKey.create({ data: { ...row, tenantId } });
  return undefined;
};

const WebhookData = z.object({
  ...{ id: z.uuid(), url: z.string(), events: z.array(z.string()), enabled: z.boolean() },
  ...{ sealedSecret: z.base64(), createdAt: z.coerce.date() },
});
const restoreWebhook: Step = async ({ tx, tenantId, data }) => {
  const { sealedSecret, ...row } = WebhookData.parse(data);
  if ((await tx.webhook.count()) >= WEBHOOKS_MAX)
    throw new ProblemError('quota-exceeded', { detail: `A tenant has at most ${WEBHOOKS_MAX} webhooks.` });
  const secret = new Uint8Array(Buffer.from(sealedSecret, 'base64'));
  await tx.webhook.create({ data: { ...row, tenantId, sealedSecret: secret } });
  return undefined;
};

const MemberData = z.object({ userId: z.uuid(), role: Role, customRoleId: z.uuid().nullable() });
const restoreMember: Step = async ({ tx, caller, tenantId, data }) => {
  const { userId, ...given } = MemberData.parse(data);
  const grant = await mayGrant(tx, caller, given);
  const made = await tx.membership.createMany({ data: [{ tenantId, userId, ...grant }], skipDuplicates: true });
  if (made.count === 0) throw new ProblemError('conflict', { detail: 'This person is a member again already.' });
  await tx.memberRemoval.deleteMany({ where: { userId } });
  return undefined;
};

const RoleData = z.object({ id: z.uuid(), name: z.string(), permissions: z.array(z.string()) });
const restoreRole: Step = async ({ tx, caller, tenantId, data }) => {
  const row = RoleData.parse(data);
  mustHave(caller, keyPermissions('custom', row.permissions));
  const made = await tx.customRole.createMany({ data: [{ ...row, tenantId }], skipDuplicates: true });
  if (made.count === 0) throw taken(`role "${row.name}"`);
  return undefined;
};

const SettingsData = z.object({ from: z.int(), to: z.int() });
/** The settings as they were, as a new revision; only while nothing was changed after. */
const restoreSettings: Step = async ({ tx, caller, tenantId, clusterId, data }) => {
  const { from, to } = SettingsData.parse(data);
  const row = await nextGeneration(tx, clusterId!);
  if (row.settingsRevision !== to)
    throw new ProblemError('conflict', {
      detail: `The settings were changed since, to revision ${row.settingsRevision}: roll back to ${from} if that is wanted.`,
    });
  const at = { tenantId_clusterId_revision: { tenantId, clusterId: clusterId!, revision: from } };
  const before = from === 0 ? { settings: {} } : await tx.settingsRevision.findUnique({ where: at });
  if (!before) throw new ProblemError('conflict', { detail: `Revision ${from} is not kept any more.` });
  const wanted = await withRevocations(tx, clusterId!, ClusterSettings.parse(before.settings));
  const settings = JSON.parse(JSON.stringify(wanted)) as object;
  await tx.cluster.update({ where: { id: clusterId! }, data: { settings, settingsRevision: to + 1 } });
  await tx.settingsRevision.create({
    data: {
      ...{ tenantId, clusterId: clusterId!, revision: to + 1, settings, reason: `undo of ${to}`, changes: [] },
      ...{ authorType: caller.principal!.type, authorId: caller.principal!.id },
    },
  });
  return row.generation;
};

const STEPS: Readonly<Record<string, Step>> = {
  'cluster.delete': restoreCluster,
  'topic.delete': restoreTopic,
  'credential.delete': restoreCredential,
  'api-key.delete': restoreApiKey,
  'webhook.delete': restoreWebhook,
  'member.remove': restoreMember,
  'role.delete': restoreRole,
};
const SETTINGS_KINDS = /^(settings|acl-rule|blacklist)\./;

/** How a kind of operation is taken back; undefined = it is not. */
export const undoStepOf = (kind: string): Step | undefined =>
  STEPS[kind] ?? (SETTINGS_KINDS.test(kind) ? restoreSettings : undefined);
