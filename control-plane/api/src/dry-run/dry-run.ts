import { isDeepStrictEqual } from 'node:util';
import { LevelPrices, type DryRun } from '@robustmq/contracts';
import type { BillingLink } from '../billing/billing-link.ts';
import type { Levels } from './levels.ts';

/** Costs are told for so many days. */
const DAYS = 30;

/** What a write was about, and where the tenant stood before and after it. */
export interface Tried {
  readonly action: string;
  readonly target: { readonly type: string; readonly id: string };
  readonly detail: Readonly<Record<string, unknown>>;
  readonly before: Levels;
  readonly after: Levels;
}

/**
 * Thrown once a write was carried out and its transaction is to be taken back: whatever a handler does after its commit
 * does not happen.
 */
export class TriedOut extends Error {
  readonly tried: Tried;
  constructor(tried: Tried) {
    super('a dry run ended');
    this.tried = tried;
  }
}

/** The end of a dry run: no refusal, but the answer, which the problem filter sends. */
export class DryRunAnswer extends Error {
  readonly body: DryRun;
  constructor(body: DryRun) {
    super('the answer to a dry run');
    this.body = body;
  }
}

/** The answer to `?dry_run=true`. `known` are the values of the path: only what they name has an id already. */
export async function dryRunOf(
  { action, target, detail, before, after }: Tried,
  { tenantId, ...known }: Readonly<Record<string, string>>,
  billing: BillingLink,
): Promise<DryRun> {
  const named = target.id === tenantId || Object.values(known).some((value) => target.id.includes(value));
  const priced = await costOf(tenantId!, before, after, billing);
  return {
    ...{ dryRun: true, action, target: { type: target.type, id: named ? target.id : null } },
    // as JSON: what is absent or a date there is absent or a text here
    changes: JSON.parse(JSON.stringify(detail)) as Record<string, unknown>,
    quotas: quotasBetween(before, after),
    ...priced,
  };
}

function quotasBetween(before: Levels, after: Levels): DryRun['quotas'] {
  return [...after.limits].flatMap(([name, { limit, used }]) => {
    const now = before.limits.get(name);
    if (isDeepStrictEqual(now, { limit, used })) return [];
    return [{ name, limit, limitNow: now?.limit ?? null, used: now?.used ?? null, after: used }];
  });
}

async function costOf(
  tenantId: string,
  before: Levels,
  after: Levels,
  billing: BillingLink,
): Promise<Pick<DryRun, 'cost' | 'notes'>> {
  if (isDeepStrictEqual(before.billed, after.billed))
    return { cost: null, notes: ['It changes nothing that costs by itself: traffic and storage are billed as used.'] };
  const path = `/internal/tenants/${tenantId}/level-prices`;
  try {
    const body = { days: DAYS, now: before.billed, after: after.billed };
    const prices = LevelPrices.parse(await billing.ask({ method: 'POST', path, body }));
    return {
      cost: { days: DAYS, ...prices },
      notes: ['List prices of partitions and nodes, what is included taken off; traffic and storage come on top.'],
    };
  } catch {
    // whoever asks what a write would do is not refused because prices are away
    return { cost: null, notes: ['Prices cannot be had at the moment.'] };
  }
}
