import { createHash } from 'node:crypto';
import { InvoiceInputs, Party, type Invoice, type InvoiceLine, type InvoiceStatus } from '@robustmq/contracts';
import { appendAudit, usageAddsUp, type Database, type TenantTx } from '@robustmq/db';
import type { Statement } from '@robustmq/rating';
import { z } from 'zod';
import { buyerOf, lockedAccount, timeOf, type AccountRow } from './account.ts';
import { BillingError } from './billing-error.ts';
import { grantCredit } from './credits.ts';
import { invoiceInputs, lineOf, statementOf } from './inputs.ts';
import { post } from './ledger.ts';
import { monthBefore, monthOf, plusDays, type BillingPeriod } from './period.ts';

/** Days after a period during which its draft still takes late usage. */
export const DRAFT_DAYS = 2;
/** Days after which missing windows no longer hold an invoice: they are billed as nothing, never estimated. */
export const GAP_GRACE_DAYS = 9;
/** A bill above this many times the mean of the ones before waits for an operator … */
export const ANOMALY_FACTOR = 3n;
/** … when it is above this, in minor units. */
const ANOMALY_MINOR_MIN = 1_000n;
const TRAILING_INVOICES = 6;

export type InvoiceRow = NonNullable<Awaited<ReturnType<TenantTx['invoice']['findUnique']>>>;
/** What is frozen with an invoice. */
const Document = z.object({ seller: Party, buyer: Party, inputs: InvoiceInputs });

export interface IssueRules {
  readonly seller: Party;
  readonly gateway: 'offline' | 'stripe';
  /** Days between issue and due date: none where a card is charged at once. */
  readonly netDays: number;
}

const minorOf = (value: { toFixed(digits: number): string }): bigint => BigInt(value.toFixed(0));
const isOpen = (status: string): boolean => status === 'draft' || status === 'held';

/** Whether the account has a past before `to`: a commitment, too, is owed for no month that ended before it began. */
async function existedBefore(tx: TenantTx, tenantId: string, to: Date): Promise<boolean> {
  const { createdAt } = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId } });
  return createdAt < to || (await tx.usageHourly.count({ where: { tenantId, hour: { lt: to } }, take: 1 })) > 0;
}

/** Ended months that need an invoice and have none: those with usage or fees, and the last one for late corrections. */
export async function monthsToBill(tx: TenantTx, account: AccountRow, now: Date): Promise<BillingPeriod[]> {
  const { tenantId, currency } = account;
  const rows = await tx.$queryRaw<{ month: Date }[]>`
    SELECT DISTINCT date_trunc('month', hour, 'UTC') AS month FROM usage_hourly WHERE tenant_id = ${tenantId}::uuid
    UNION SELECT date_trunc('month', m, 'UTC') FROM subscription_phases p,
      generate_series(date_trunc('month', p.valid_from, 'UTC'), least(coalesce(p.valid_to, ${now}), ${now}), interval '1 month') m
      WHERE p.tenant_id = ${tenantId}::uuid`;
  const months = new Set(rows.map(({ month }) => monthOf(month).from.getTime()));
  const last = monthBefore(now);
  if (await existedBefore(tx, tenantId, last.to)) months.add(last.from.getTime());
  const made = await tx.invoice.findMany({
    where: { tenantId, currency, kind: 'invoice', status: { not: 'void' } },
    select: { periodFrom: true },
  });
  for (const { periodFrom } of made) months.delete(periodFrom.getTime());
  return [...months]
    .sort((a, b) => a - b)
    .map((at) => monthOf(new Date(at)))
    .filter(({ to }) => to <= now);
}

/** Makes the draft of an ended month, unless there would be nothing on it. */
export async function openDraft(tx: TenantTx, account: AccountRow, period: BillingPeriod, now: Date): Promise<void> {
  const inputs = await invoiceInputs(tx, { account, period, now, isFinal: true });
  if (statementOf(inputs).lines.length === 0) return;
  const { tenantId, currency } = account;
  await tx.invoice.create({
    data: { tenantId, status: 'draft', currency, periodFrom: period.from, periodTo: period.to, createdAt: now },
  });
}

/** Calculates a draft anew and writes its lines. An unchanged draft is not written. */
async function calculate(tx: TenantTx, account: AccountRow, invoice: InvoiceRow, now: Date, seller: Party) {
  const period = { from: invoice.periodFrom, to: invoice.periodTo };
  const inputs = await invoiceInputs(tx, { account, period, now, isFinal: true, invoiceId: invoice.id });
  const statement = statementOf(inputs);
  const { tenantId } = account;
  const where = { tenantId, invoiceId: invoice.id };
  const before = await tx.invoiceLine.findMany({ where, orderBy: { position: 'asc' } });
  const same = JSON.stringify(before.map((row) => lineOf(row, invoice.currency))) === JSON.stringify(statement.lines);
  const document = { seller, buyer: buyerOf(account), inputs };
  const data = {
    subtotalMinor: statement.subtotal.amount,
    taxMinor: statement.tax.amount,
    totalMinor: statement.total.amount,
    document: JSON.parse(JSON.stringify(document)) as object,
    ...(same ? {} : { revision: { increment: 1 } }),
  };
  if (!same) {
    await tx.invoiceLine.deleteMany({ where });
    await writeLines(tx, tenantId, invoice.id, statement.lines);
  }
  const row = await tx.invoice.update({ where: { id: invoice.id }, data });
  return { row, statement };
}

async function writeLines(
  tx: TenantTx,
  tenantId: string,
  invoiceId: string,
  lines: readonly InvoiceLine[],
): Promise<void> {
  await tx.invoiceLine.createMany({
    data: lines.map((line, position) => ({
      ...{ tenantId, invoiceId, position, identity: line.identity, kind: line.kind, meter: line.meter },
      ...{ description: line.description, quantity: line.quantity, unit: line.unit, unitPrice: line.unitPrice },
      ...{ amountMinor: line.amount.amount, corrects: line.corrects ?? null },
      ...{ serviceFrom: new Date(line.serviceFrom), serviceTo: new Date(line.serviceTo) },
    })),
  });
}

/** Why a draft whose 48 hours are over is not issued; null = it may be. */
async function holdReason(tx: TenantTx, account: AccountRow, invoice: InvoiceRow, total: bigint, now: Date) {
  const { tenantId, currency } = account;
  const released = invoice.releasedBy?.split(' ')[0];
  if (released !== 'usage-gap' && released !== 'all' && now < plusDays(invoice.periodTo, GAP_GRACE_DAYS)) {
    const [silent] = await tx.$queryRaw<{ agents: number }[]>`
      SELECT count(*)::int AS agents FROM agents a WHERE a.last_seen_at < ${invoice.periodTo} AND EXISTS (
        SELECT FROM clusters c WHERE c.agent_id = a.id AND c.phase <> 'Deleted' AND c.created_at < ${invoice.periodTo})`;
    // a sandbox's agents live in another time than its clock
    const isSilent = account.testClock === null && silent!.agents > 0;
    if (isSilent || !(await usageAddsUp(tx))) return 'usage-gap';
  }
  if (invoice.releasedBy !== null) return null;
  const before = await tx.invoice.findMany({
    where: { tenantId, currency, kind: 'invoice', status: { notIn: ['draft', 'held', 'void'] }, totalMinor: { gt: 0 } },
    orderBy: { periodFrom: 'desc' },
    take: TRAILING_INVOICES,
  });
  if (before.length === 0 || total <= ANOMALY_MINOR_MIN) return null;
  const sum = before.reduce((all, row) => all + minorOf(row.totalMinor), 0n);
  return total * BigInt(before.length) > sum * ANOMALY_FACTOR ? 'anomaly' : null;
}

/** `4F2A91C0-0007`: the account's own sequence, without gaps; its first part tells accounts apart. */
export async function nextNumber(tx: TenantTx, tenantId: string, prefix = ''): Promise<string> {
  const account = await tx.billingAccount.update({ where: { tenantId }, data: { invoiceCount: { increment: 1 } } });
  const own = createHash('sha256').update(tenantId).digest('hex').slice(0, 8).toUpperCase();
  return `${prefix}${own}-${String(account.invoiceCount).padStart(4, '0')}`;
}

/** Draws credits, posts the ledger and freezes the invoice: one transaction. */
async function issue(
  tx: TenantTx,
  account: AccountRow,
  row: InvoiceRow,
  statement: Statement,
  now: Date,
  rules: IssueRules,
) {
  const { tenantId, currency } = account;
  let drawn = 0n;
  for (const { grantId, amountMinor } of statement.draws) {
    const amount = BigInt(amountMinor);
    drawn += amount;
    await tx.creditDraw.create({ data: { tenantId, grantId, invoiceId: row.id, amountMinor } });
    await tx.creditGrant.update({ where: { id: grantId }, data: { remainingMinor: { decrement: amountMinor } } });
  }
  const [total, tax] = [BigInt(statement.total.amount), BigInt(statement.tax.amount)];
  const number = await nextNumber(tx, tenantId);
  const entries = { receivable: total, customer_credit: drawn, tax: -tax, revenue: -(total - tax + drawn) };
  await post(tx, { tenantId, key: `issue:${row.id}`, ref: number, currency, at: now, entries });
  const isFree = total <= 0n;
  if (total < 0n) await carry(tx, account, row, number, -total, now);
  const dueAt = plusDays(now, rules.netDays);
  await tx.invoice.update({
    where: { id: row.id },
    data: {
      ...{ status: isFree ? 'paid' : 'issued', number, issuedAt: now, dueAt, holdReason: null, gateway: rules.gateway },
      ...{ settledAt: isFree ? now : null, gatewayStatus: isFree ? 'none' : 'pending' },
    },
  });
}

/** An invoice below zero is a credit for the next one. */
async function carry(
  tx: TenantTx,
  account: AccountRow,
  row: InvoiceRow,
  number: string,
  amountMinor: bigint,
  now: Date,
) {
  const { tenantId, currency } = account;
  const title = `Carried over from ${number}`;
  const grant = { key: `carry:${row.id}`, title, kind: 'refund' as const, amountMinor, expiresAt: null, priority: -1 };
  await grantCredit(tx, account, grant, now);
  // the grant was booked against revenue; what is owed to the customer is the negative receivable
  const entries = { receivable: amountMinor, revenue: -amountMinor };
  await post(tx, { tenantId, key: `carry:${row.id}`, ref: number, currency, at: now, entries });
}

/** Calculates every open invoice of the account, and holds or issues those whose 48 hours are over. */
export async function settleDrafts(tx: TenantTx, account: AccountRow, now: Date, rules: IssueRules): Promise<void> {
  const { tenantId } = account;
  const open = await tx.invoice.findMany({
    where: { tenantId, kind: 'invoice', status: { in: ['draft', 'held'] } },
    orderBy: { periodFrom: 'asc' },
  });
  for (const invoice of open) {
    const { row, statement } = await calculate(tx, account, invoice, now, rules.seller);
    if (now < plusDays(row.periodTo, DRAFT_DAYS)) continue;
    const reason = await holdReason(tx, account, row, BigInt(statement.total.amount), now);
    if (reason === null) await issue(tx, account, row, statement, now, rules);
    else if (row.holdReason !== reason) {
      await tx.invoice.update({ where: { id: row.id }, data: { status: 'held', holdReason: reason } });
    }
  }
}

/** One invoice as the contract shows it. Throws `not-found`. */
export async function readInvoice(tx: TenantTx, tenantId: string, invoiceId: string): Promise<Invoice> {
  const row = await tx.invoice.findUnique({ where: { tenantId_id: { tenantId, id: invoiceId } } });
  if (!row) throw new BillingError('not-found', 'there is no such invoice');
  const lines = await tx.invoiceLine.findMany({ where: { tenantId, invoiceId }, orderBy: { position: 'asc' } });
  const document = z.object({ seller: Party.prefault({}), buyer: Party.prefault({}) }).parse(row.document);
  return {
    ...summaryOf(row),
    ...{ seller: document.seller, buyer: document.buyer },
    lines: lines.map((line) => lineOf(line, row.currency)),
  };
}

export function summaryOf(row: InvoiceRow): Omit<Invoice, 'lines' | 'seller' | 'buyer'> {
  const { currency } = row;
  const money = (value: InvoiceRow['totalMinor']) => ({ amount: value.toFixed(0), currency });
  return {
    ...{
      id: row.id,
      kind: row.kind as Invoice['kind'],
      number: row.number,
      status: row.status as InvoiceStatus,
      currency,
    },
    ...{ periodFrom: row.periodFrom.toISOString(), periodTo: row.periodTo.toISOString() },
    ...{ subtotal: money(row.subtotalMinor), tax: money(row.taxMinor), total: money(row.totalMinor) },
    ...{ holdReason: row.holdReason, createdAt: row.createdAt.toISOString() },
    ...{ issuedAt: row.issuedAt?.toISOString() ?? null, dueAt: row.dueAt?.toISOString() ?? null },
    settledAt: row.settledAt?.toISOString() ?? null,
  };
}

/** Newest first, at most `limit`, those before `before` (an id). */
export async function listInvoices(tx: TenantTx, tenantId: string, limit: number, before: string | undefined) {
  const rows = await tx.invoice.findMany({
    where: { tenantId, ...(before === undefined ? {} : { id: { lt: before } }) },
    ...{ orderBy: { id: 'desc' }, take: limit + 1 },
  });
  const items = rows.slice(0, limit).map(summaryOf);
  return { items, ...(rows.length > limit ? { nextCursor: items.at(-1)!.id } : {}) };
}

/** The frozen inputs of an issued invoice. Throws `conflict` for a draft. */
export function inputsOf(row: InvoiceRow): InvoiceInputs {
  if (isOpen(row.status) || row.kind !== 'invoice')
    throw new BillingError('conflict', 'only an issued invoice can be verified');
  return Document.parse(row.document).inputs;
}

export interface OperatorCall {
  readonly tenantId: string;
  readonly invoiceId: string;
  readonly actor: string;
  readonly reason?: string | undefined;
}

/** One operator's change of one invoice, locked and audited. */
export function changeInvoice(
  database: Database,
  call: OperatorCall,
  action: string,
  now: Date,
  change: (tx: TenantTx, account: AccountRow, invoice: InvoiceRow, at: Date) => Promise<void>,
): Promise<void> {
  const { tenantId, invoiceId } = call;
  return database.withTenant(tenantId, async (tx) => {
    const account = await lockedAccount(tx, tenantId);
    const invoice = await tx.invoice.findUnique({ where: { tenantId_id: { tenantId, id: invoiceId } } });
    if (!invoice) throw new BillingError('not-found', 'there is no such invoice');
    await change(tx, account, invoice, timeOf(account, now));
    await appendAudit(tx, tenantId, {
      actor: { type: 'system', id: call.actor, ip: null },
      ...{ action, target: { type: 'invoice', id: invoiceId }, result: 'ok', requestId: action },
      detail: { number: invoice.number, reason: call.reason ?? null },
    });
  });
}

/** Lets a held draft be issued at the next run: what held it is waived, by name. */
export const releaseInvoice = (database: Database, call: OperatorCall, now: Date): Promise<void> =>
  changeInvoice(database, call, 'invoice.release', now, async (tx, _account, invoice) => {
    if (invoice.status !== 'held') throw new BillingError('conflict', 'the invoice is not held');
    // a waiver of one reason is none of the other: it is looked at again
    const releasedBy = `${invoice.holdReason === 'anomaly' ? 'all' : invoice.holdReason} ${call.actor}`;
    await tx.invoice.update({ where: { id: invoice.id }, data: { status: 'draft', holdReason: null, releasedBy } });
  });

/** Books a payment. Paid already is no error. */
export async function settleInvoice(tx: TenantTx, account: AccountRow, invoice: InvoiceRow, at: Date): Promise<void> {
  if (invoice.status === 'paid') return;
  if (isOpen(invoice.status) || invoice.status === 'void')
    throw new BillingError('conflict', `an invoice that is ${invoice.status} cannot be paid`);
  const { tenantId, currency } = account;
  const total = minorOf(invoice.totalMinor);
  const written = invoice.status === 'uncollectible';
  const entries = written ? { cash: total, write_off: -total } : { cash: total, receivable: -total };
  await post(tx, { tenantId, key: `paid:${invoice.id}`, ref: invoice.number!, currency, at, entries });
  await tx.invoice.update({ where: { id: invoice.id }, data: { status: 'paid', settledAt: at, failedAt: null } });
}

/** Takes an unpaid invoice back: its ledger is reversed and drawn credits come back as one grant. */
export async function voidInvoice(tx: TenantTx, account: AccountRow, invoice: InvoiceRow, at: Date): Promise<void> {
  if (invoice.status === 'void') return;
  if (invoice.status === 'paid') throw new BillingError('conflict', 'a paid invoice is corrected by a credit note');
  const { tenantId, currency } = account;
  if (isOpen(invoice.status)) throw new BillingError('conflict', 'a draft is calculated anew, not voided');
  const entries = await tx.ledgerEntry.findMany({ where: { tenantId, idempotencyKey: `issue:${invoice.id}` } });
  const reversed = Object.fromEntries(entries.map((entry) => [entry.account, -minorOf(entry.amountMinor)]));
  await post(tx, { tenantId, key: `void:${invoice.id}`, ref: invoice.number!, currency, at, entries: reversed });
  const draws = await tx.creditDraw.findMany({ where: { tenantId, invoiceId: invoice.id } });
  for (const draw of draws) {
    const grant = await tx.creditGrant.findUniqueOrThrow({ where: { id: draw.grantId } });
    // back into the grant it came from; what has expired meanwhile is broken by the next run
    await tx.creditGrant.update({
      where: { id: grant.id },
      data: { remainingMinor: { increment: draw.amountMinor }, brokenAt: null },
    });
  }
  await tx.invoice.update({ where: { id: invoice.id }, data: { status: 'void', settledAt: at } });
}

/** Gives back part or all of a paid invoice: a numbered document of its own, and credit for the next invoices. */
export async function creditNote(
  tx: TenantTx,
  account: AccountRow,
  invoice: InvoiceRow,
  at: Date,
  note: { readonly key: string; readonly amountMinor: bigint; readonly reason: string },
): Promise<void> {
  const { tenantId, currency } = account;
  const notes = await tx.invoice.findMany({ where: { tenantId, correctsId: invoice.id, kind: 'credit_note' } });
  if (notes.some((one) => (one.document as { key?: string }).key === note.key)) return;
  const left = notes.reduce((sum, one) => sum + minorOf(one.totalMinor), minorOf(invoice.totalMinor));
  if (invoice.status !== 'paid' || invoice.kind !== 'invoice')
    throw new BillingError('conflict', 'only a paid invoice has credit notes; void one that is unpaid');
  if (note.amountMinor <= 0n || note.amountMinor > left)
    throw new BillingError('validation-failed', `a credit note of this invoice is between 1 and ${left}`);
  const { seller, buyer } = Document.parse(invoice.document);
  const amount = (-note.amountMinor).toString();
  const draft = await tx.invoice.create({
    data: {
      ...{ tenantId, kind: 'credit_note', status: 'draft', currency, correctsId: invoice.id, createdAt: at },
      ...{ periodFrom: invoice.periodFrom, periodTo: invoice.periodTo, subtotalMinor: amount, totalMinor: amount },
      document: { seller, buyer, key: note.key },
    },
  });
  const service = { serviceFrom: invoice.periodFrom.toISOString(), serviceTo: invoice.periodTo.toISOString() };
  const description = `Credit for invoice ${invoice.number}: ${note.reason}`;
  const line = { identity: 'credit-note', kind: 'adjustment' as const, meter: null, description, ...service };
  const money = { amount, currency };
  await writeLines(tx, tenantId, draft.id, [
    { ...line, quantity: '1', unit: 'credit', unitPrice: `${amount}`, amount: money, corrects: invoice.number! },
  ]);
  const number = await nextNumber(tx, tenantId, 'CN-');
  await tx.invoice.update({
    where: { id: draft.id },
    data: { status: 'paid', number, issuedAt: at, dueAt: at, settledAt: at, gateway: invoice.gateway },
  });
  const title = `Credit note ${number}`;
  await grantCredit(
    tx,
    account,
    { key: `note:${draft.id}`, title, kind: 'refund', amountMinor: note.amountMinor, expiresAt: null },
    at,
  );
}
