import type { Party } from '@robustmq/contracts';
import type { Database } from '@robustmq/db';
import type { FastifyBaseLogger } from 'fastify';
import { buyerOf, lockedAccount, timeOf } from './account.ts';
import { BillingError } from './billing-error.ts';
import { watchBudgets } from './budgets.ts';
import { breakExpired } from './credits.ts';
import { applyDunning } from './dunning.ts';
import { monthsToBill, openDraft, readInvoice, settleDrafts, settleInvoice, type IssueRules } from './invoices.ts';
import type { MeterMirror } from './meter-mirror.ts';
import type { GatewayInvoice, PaymentGateway } from './payment-gateway.ts';
import { grantTrial } from './trial.ts';

/** Days between issue and due date without a card. */
const OFFLINE_NET_DAYS = 14;
/** Tenants read at once. */
const TENANTS_PAGE = 500;
/** Copies thrown away at a provider before a person has to look. */
const GATEWAY_REVISIONS_MAX = 5;

export interface BillingRunOptions {
  readonly database: Database;
  readonly gateway: PaymentGateway;
  readonly seller: Party;
  readonly log: FastifyBaseLogger;
  /** Credit of a new tenant, minor units; 0 = none. */
  readonly trialMinor?: bigint;
  /** Tells the payment provider what was used; absent = nobody is told. */
  readonly mirror?: MeterMirror | undefined;
}

/**
 * Brings one account up to its time: credits expire, ended months become drafts, drafts invoices, invoices reach the
 * payment provider, unpaid ones have their consequences, budgets their thresholds. Idempotent and level-triggered: it may
 * die after any step and be run again, by anybody, at any time.
 */
export class BillingRun {
  readonly #options: BillingRunOptions;
  constructor(options: BillingRunOptions) {
    this.#options = options;
  }

  get gateway(): PaymentGateway {
    return this.#options.gateway;
  }

  #rules(): IssueRules {
    const { gateway, seller } = this.#options;
    return { seller, gateway: gateway.kind, netDays: gateway.kind === 'offline' ? OFFLINE_NET_DAYS : 0 };
  }

  /** Every tenant, one after the other; a tenant that fails is logged and does not stop the others. */
  async all(now: Date, signal?: AbortSignal): Promise<void> {
    const { database, log } = this.#options;
    for (let after: string | undefined; ;) {
      const ids = await database.money.tenantIds(after, TENANTS_PAGE);
      for (const id of ids) {
        if (signal?.aborted) return;
        await this.tenant(id, now).catch((error: unknown) =>
          log.error({ err: error, tenantId: id }, 'billing run failed'),
        );
      }
      after = ids.at(-1);
      if (after === undefined || ids.length < TENANTS_PAGE) return;
    }
  }

  async tenant(tenantId: string, now: Date): Promise<void> {
    const { database } = this.#options;
    await database.withTenant(tenantId, async (tx) => {
      const found = await lockedAccount(tx, tenantId);
      const at = timeOf(found, now);
      const account = await grantTrial(tx, found, this.#options.trialMinor ?? 0n, at);
      await breakExpired(tx, account, at);
      for (const period of await monthsToBill(tx, account, at)) await openDraft(tx, account, period, at);
      await settleDrafts(tx, account, at, this.#rules());
    });
    await this.#deliver(tenantId);
    await this.#mirror(tenantId, now);
    await this.dun(tenantId, now);
    await watchBudgets(database, tenantId, now);
  }

  /** Standing and suspension alone: what a payment or its failure calls for at once. */
  async dun(tenantId: string, now: Date): Promise<void> {
    await this.#options.database.withTenant(tenantId, async (tx) => {
      const account = await lockedAccount(tx, tenantId);
      await applyDunning(tx, account, timeOf(account, now), now);
    });
  }

  /** A copy for people: when it fails, everything else goes on. A sandbox's usage is nobody's. */
  async #mirror(tenantId: string, now: Date): Promise<void> {
    const { mirror, database, log } = this.#options;
    if (!mirror) return;
    const { testClock } = await database.withTenant(tenantId, (tx) => lockedAccount(tx, tenantId));
    if (testClock !== null) return;
    await mirror
      .mirror(tenantId, () => this.#customer(tenantId), now)
      .catch((error: unknown) => log.warn({ err: error, tenantId }, 'usage was not told to the payment provider'));
  }

  /** Sends issued invoices to the provider. Nothing is held while it is asked; what failed is tried at the next run. */
  async #deliver(tenantId: string): Promise<void> {
    const { database, gateway, log } = this.#options;
    const pending = await database.withTenant(tenantId, (tx) =>
      tx.invoice.findMany({
        where: {
          tenantId,
          gateway: gateway.kind,
          gatewayStatus: { in: ['pending', 'failed'] },
          status: { not: 'void' },
        },
        orderBy: { periodFrom: 'asc' },
      }),
    );
    for (const row of pending) {
      if (row.gatewayRevision > GATEWAY_REVISIONS_MAX) continue;
      try {
        await this.#deliverOne(tenantId, row.id);
      } catch (error) {
        const differs = error instanceof BillingError && error.code === 'gateway-differs';
        log.error({ err: error, invoice: row.number }, 'the payment provider did not take an invoice');
        await this.#note(tenantId, row.id, {
          gatewayStatus: 'failed',
          gatewayError: (error instanceof Error ? error.message : String(error)).slice(0, 500),
          ...(differs ? { gatewayRevision: { increment: 1 }, gatewayId: null } : {}),
        });
      }
    }
  }

  async #deliverOne(tenantId: string, invoiceId: string): Promise<void> {
    const { database, gateway } = this.#options;
    const customerId = await this.#customer(tenantId);
    const { row, invoice } = await database.withTenant(tenantId, async (tx) => ({
      row: await tx.invoice.findUniqueOrThrow({ where: { id: invoiceId } }),
      invoice: await readInvoice(tx, tenantId, invoiceId),
    }));
    const revision = row.gatewayRevision;
    const request: GatewayInvoice = { tenantId, customerId, invoice, gatewayId: row.gatewayId, revision };
    const draft = await gateway.upsertInvoice(request);
    await this.#note(tenantId, invoiceId, { gatewayId: draft.gatewayId });
    const state =
      draft.status === 'draft' ? await gateway.finalizeInvoice({ ...request, gatewayId: draft.gatewayId }) : draft;
    await this.#note(tenantId, invoiceId, { gatewayStatus: 'synced', gatewayError: null, gatewayId: state.gatewayId });
    if (state.status === 'paid') await this.paid(tenantId, invoiceId, new Date());
  }

  /** Where the tenant changes cards and tax ids. Throws `conflict` without a payment provider. */
  async portalUrl(tenantId: string): Promise<string> {
    const { gateway } = this.#options;
    if (!gateway.portalUrl)
      throw new BillingError('conflict', 'invoices are paid by bank transfer here: there is no card');
    return gateway.portalUrl(await this.#customer(tenantId));
  }

  /** An invoice was voided here: the provider's copy follows. */
  async voided(tenantId: string, invoiceId: string): Promise<void> {
    const { database, gateway } = this.#options;
    const customerId = await this.#customer(tenantId);
    const { row, invoice } = await database.withTenant(tenantId, async (tx) => ({
      row: await tx.invoice.findUniqueOrThrow({ where: { id: invoiceId } }),
      invoice: await readInvoice(tx, tenantId, invoiceId),
    }));
    if (row.gatewayId === null || row.gateway !== gateway.kind) return;
    const revision = row.gatewayRevision;
    await gateway.voidInvoice({ tenantId, customerId, invoice, gatewayId: row.gatewayId, revision });
    await this.#note(tenantId, invoiceId, { gatewayStatus: 'synced' });
  }

  async #customer(tenantId: string): Promise<string> {
    const { database, gateway } = this.#options;
    const account = await database.withTenant(tenantId, (tx) => lockedAccount(tx, tenantId));
    const own = account.gatewayCustomerId?.startsWith('offline:') === (gateway.kind === 'offline');
    const customerId = own ? account.gatewayCustomerId : null;
    const id = await gateway.upsertCustomer({ tenantId, customerId, buyer: buyerOf(account) });
    if (id !== account.gatewayCustomerId)
      await database.withTenant(tenantId, (tx) =>
        tx.billingAccount.update({ where: { tenantId }, data: { gatewayCustomerId: id } }),
      );
    return id;
  }

  async #note(tenantId: string, id: string, data: object): Promise<void> {
    await this.#options.database.withTenant(tenantId, (tx) => tx.invoice.updateMany({ where: { tenantId, id }, data }));
  }

  /** The money is here: books it and lifts what its lack had brought about. */
  async paid(tenantId: string, invoiceId: string, now: Date): Promise<void> {
    await this.#options.database.withTenant(tenantId, async (tx) => {
      const account = await lockedAccount(tx, tenantId);
      const invoice = await tx.invoice.findUnique({ where: { tenantId_id: { tenantId, id: invoiceId } } });
      if (!invoice) throw new BillingError('not-found', 'there is no such invoice');
      await settleInvoice(tx, account, invoice, timeOf(account, now));
    });
    await this.dun(tenantId, now);
  }

  /** A card was refused: the invoice is due since that moment. */
  async failed(tenantId: string, invoiceId: string, now: Date): Promise<void> {
    await this.#options.database.withTenant(tenantId, async (tx) => {
      const account = await lockedAccount(tx, tenantId);
      const at = timeOf(account, now);
      await tx.invoice.updateMany({
        where: { tenantId, id: invoiceId, status: { in: ['issued', 'past_due'] }, failedAt: null },
        data: { status: 'past_due', failedAt: at },
      });
    });
    await this.dun(tenantId, now);
  }
}
