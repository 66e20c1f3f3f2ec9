import type { Prisma, PrismaClient } from './generated/prisma/client.ts';

/**
 * What code inside `withTenant` may touch: the tenant's rows (row-level security shows no others), and of the tables
 * without a tenant only those a tenant's write must keep in step in the same transaction.
 */
export type TenantTx = Pick<
  Prisma.TransactionClient,
  | 'tenant'
  | 'membership'
  | 'memberRemoval'
  | 'apiKey'
  | 'customRole'
  | 'operation'
  | 'quotaAlert'
  | 'clusterAuthority'
  | 'clientCertificate'
  | 'ssoProvider'
  | 'ssoDomain'
  | 'ssoIdentity'
  | 'invitation'
  | 'webhook'
  | 'webhookDelivery'
  | 'cluster'
  | 'credential'
  | 'topic'
  | 'topicObservation'
  | 'settingsRevision'
  | 'viewCall'
  | 'usageWindow'
  | 'usageHourly'
  | 'usageShare'
  | 'priceVersion'
  | 'auditEvent'
  | 'idempotencyKey'
  | 'outbox'
  | 'billingAccount'
  | 'invoice'
  | 'invoiceLine'
  | 'ledgerEntry'
  | 'creditGrant'
  | 'creditDraw'
  | 'coupon'
  | 'couponRedemption'
  | 'subscriptionPhase'
  | 'planChange'
  | 'budget'
  | 'budgetAlert'
  | 'meterEvent'
  | 'billingNotice'
  | 'stripeEvent'
  | '$queryRaw'
  | '$executeRaw'
>;

/** Longest transaction, and longest wait for a connection, in milliseconds. */
export const TRANSACTION_TIMEOUT_MS = 15_000;
export const CONNECTION_WAIT_MS = 10_000;

/** The settings the row-level security policies read; see the migration `row_level_security`. */
export type RowScope =
  | { readonly setting: 'app.invitation_hash'; readonly value: string }
  | { readonly setting: 'app.sso_domain'; readonly value: string }
  | { readonly setting: 'app.tenant_id'; readonly value: string }
  | { readonly setting: 'app.user_id'; readonly value: string }
  | { readonly setting: 'app.agent_id'; readonly value: string }
  | { readonly setting: 'app.api_key_prefix'; readonly value: string }
  | { readonly setting: 'app.billing_run'; readonly value: 'on' };

export interface ScopeOptions {
  /** `RepeatableRead` for one consistent picture over several statements. */
  readonly isolation?: 'ReadCommitted' | 'RepeatableRead' | 'Serializable';
}

/** One transaction in which exactly one scope is set, LOCAL: a pooled connection carries nothing over. */
export function inScope<T>(
  client: PrismaClient,
  scope: RowScope,
  work: (tx: Prisma.TransactionClient) => Promise<T>,
  options: ScopeOptions = {},
): Promise<T> {
  return client.$transaction(
    async (tx) => {
      await tx.$queryRaw`SELECT set_config(${scope.setting}, ${scope.value}, true)`;
      return work(tx);
    },
    {
      isolationLevel: options.isolation ?? 'ReadCommitted',
      timeout: TRANSACTION_TIMEOUT_MS,
      maxWait: CONNECTION_WAIT_MS,
    },
  );
}
