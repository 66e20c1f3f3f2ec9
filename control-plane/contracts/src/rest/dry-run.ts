import { z } from 'zod';
import { Plan } from '../plans.ts';
import { Money } from './billing.ts';

/** The media type of an answer to `?dry_run=true`: a caller tells it from the answer to the write itself. */
export const DRY_RUN_MEDIA = 'application/vnd.robustmq.dry-run+json';

/** A limit the write touches: what is left is `limit - after`. */
export const DryRunQuota = z.object({
  /** `clusters`, `credentials` … or a quota of the cluster, as in `…/quotas`. */
  name: z.string(),
  /** The limit once the write were done. */
  limit: z.number(),
  /** The limit as it is; null = the write would bring it. */
  limitNow: z.number().nullable(),
  /** In use now; null = not counted here. */
  used: z.number().nullable(),
  /** In use once the write were done. */
  after: z.number().nullable(),
});

/** `?dry_run=true`: what a write would do. It was carried out and taken back: whatever refuses the write refused this. */
export const DryRun = z.object({
  dryRun: z.literal(true),
  /** As in the audit log: `cluster.create`, `topic.delete` … */
  action: z.string(),
  /** `id` is null for what the write would make: it has none yet. */
  target: z.object({ type: z.string(), id: z.string().nullable() }),
  /** What the audit log would tell of it; never a secret. */
  changes: z.record(z.string(), z.unknown()),
  quotas: z.array(DryRunQuota),
  /**
   * What partitions and dedicated nodes of the whole tenant cost at list prices over `days`, what is included taken off;
   * null where the write changes neither, or while prices cannot be had (`notes` says which).
   */
  cost: z.object({ days: z.int(), now: Money, after: Money, change: Money }).nullable(),
  notes: z.array(z.string()),
});
export type DryRun = z.infer<typeof DryRun>;

/** Something billed by the time it exists, as it stands: so many partitions, so many nodes. */
export const BilledLevel = z.object({
  plan: Plan,
  meter: z.enum(['partition_seconds', 'node_seconds']),
  level: z.int().nonnegative(),
});
export type BilledLevel = z.infer<typeof BilledLevel>;

/** What the API asks billing: the list price of two sets of levels, each kept for `days`. */
export const PriceLevelsBody = z.object({
  days: z.int().min(1).max(366),
  now: z.array(BilledLevel).max(20),
  after: z.array(BilledLevel).max(20),
});
export const LevelPrices = z.object({ now: Money, after: Money, change: Money });
