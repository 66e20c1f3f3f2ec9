import { QUOTA_KEYS, type QuotaEntity, type QuotaKey, type QuotaValues } from '../client-quotas.ts';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode } from '../errors.ts';
import type { AlterClientQuotas, DescribeClientQuotas } from '../messages/admin.ts';
import type { Decoded } from '../schema.ts';
import { CLUSTER } from './transactions.ts';

const MATCH = { exact: 0, default: 1, any: 2 } as const;
type Component = Decoded<typeof DescribeClientQuotas.request>['components'][number];
type WireEntity = readonly { readonly entityType: string; readonly entityName: string | null }[];

/** DescribeClientQuotas (KIP-546). */
export function handleDescribeClientQuotas(
  { components, strict }: Decoded<typeof DescribeClientQuotas.request>,
  call: Call<typeof DescribeClientQuotas.response>,
): void {
  const refuse = (errorCode: ErrorCode, errorMessage: string): void =>
    call.reply({ errorCode, errorMessage, entries: null });
  if (!call.allows('describe', 'cluster', CLUSTER)) {
    return refuse(ERROR.CLUSTER_AUTHORIZATION_FAILED, 'the quotas may not be seen');
  }
  const fault = components.find(
    ({ entityType, matchType }) => fieldOf(entityType) === null || matchType < MATCH.exact || matchType > MATCH.any,
  );
  if (fault !== undefined) return refuse(ERROR.INVALID_REQUEST, 'quotas are for user and client-id');
  const entries = call.session.world.quotas
    .list()
    .filter(({ entity }) => components.every((component) => matches(component, entity)))
    .filter(({ entity }) => !strict || Object.keys(entity).length === components.length)
    .map(({ entity, values }) => ({
      entity: wireOf(entity),
      values: QUOTA_KEYS.filter((key) => values[key] !== undefined).map((key) => ({ key, value: values[key]! })),
    }));
  call.reply({ errorCode: ERROR.NONE, entries });
}

function matches({ entityType, matchType, match }: Component, entity: QuotaEntity): boolean {
  const name = entity[fieldOf(entityType)!];
  if (name === undefined) return false;
  if (matchType === MATCH.any) return true;
  return matchType === MATCH.default ? name === null : name === match;
}

function fieldOf(entityType: string): keyof QuotaEntity | null {
  if (entityType === 'user') return 'user';
  return entityType === 'client-id' ? 'clientId' : null;
}

function wireOf({ user, clientId }: QuotaEntity): WireEntity {
  return [
    ...(user === undefined ? [] : [{ entityType: 'user', entityName: user }]),
    ...(clientId === undefined ? [] : [{ entityType: 'client-id', entityName: clientId }]),
  ];
}

/** AlterClientQuotas (KIP-546): what is not enforced is refused. Answered when it is stable. */
export async function handleAlterClientQuotas(
  request: Decoded<typeof AlterClientQuotas.request>,
  call: Call<typeof AlterClientQuotas.response>,
): Promise<void> {
  const allowed = call.allows('alter', 'cluster', CLUSTER);
  const entries = [];
  for (const { entity: wire, ops } of request.entries) {
    const refusal = allowed
      ? await alterOne(wire, ops, request.validateOnly, call)
      : { errorCode: ERROR.CLUSTER_AUTHORIZATION_FAILED, errorMessage: 'the quotas may not be changed' };
    entries.push({ entity: wire, ...refusal });
  }
  call.reply({ entries });
}

type Op = { readonly key: string; readonly value: number; readonly remove: boolean };

async function alterOne(
  wire: WireEntity,
  ops: readonly Op[],
  validateOnly: boolean,
  call: Call,
): Promise<{ errorCode: ErrorCode; errorMessage: string | null }> {
  const { quotas } = call.session.world;
  const invalid = (errorMessage: string) => ({ errorCode: ERROR.INVALID_REQUEST, errorMessage });
  const entity: { user?: string | null; clientId?: string | null } = {};
  for (const { entityType, entityName } of wire) {
    const field = fieldOf(entityType);
    if (field === null) return invalid('quotas are for user and client-id');
    entity[field] = entityName;
  }
  if (wire.length === 0) return invalid('an entity has a user or a client-id');
  const values: QuotaValues = { ...quotas.get(entity) };
  for (const { key, value, remove } of ops) {
    if (!isQuotaKey(key)) return invalid(`${key} is not enforced; ${QUOTA_KEYS.join(' and ')} are`);
    if (remove) delete values[key];
    else if (!(value >= 1) || !Number.isFinite(value)) return invalid(`${key} must be at least 1 byte per second`);
    else values[key] = value;
  }
  if (!quotas.hasRoomFor(entity)) {
    return { errorCode: ERROR.POLICY_VIOLATION, errorMessage: 'the cluster has all the client quotas it may have' };
  }
  if (validateOnly) return { errorCode: ERROR.NONE, errorMessage: null };
  try {
    await quotas.set(entity, values).promise();
    return { errorCode: ERROR.NONE, errorMessage: null };
  } catch {
    return { errorCode: ERROR.KAFKA_STORAGE_ERROR, errorMessage: 'the quota could not be stored' };
  }
}

function isQuotaKey(key: string): key is QuotaKey {
  return (QUOTA_KEYS as readonly string[]).includes(key);
}
