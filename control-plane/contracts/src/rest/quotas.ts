import { z } from 'zod';
import { Plan, Quotas } from '../plans.ts';
import { ClusterPlan } from './clusters.ts';

/** Single quotas in place of the plan's; what is left out stays as it was below. */
export const QuotaOverrides = Quotas.partial().strict();
export type QuotaOverrides = z.infer<typeof QuotaOverrides>;

/** `PUT /v1/operator/tenants/{tenantId}[/clusters/{clusterId}]/quota-overrides`: replaces them all; `{}` takes them back. */
export const QuotaOverridesBody = z
  .object({ quotas: QuotaOverrides, reason: z.string().trim().min(1).max(500) })
  .strict();
export const QuotaOverridesView = z.object({
  tenant: QuotaOverrides,
  clusters: z.array(
    z.object({ clusterId: z.uuid(), name: z.string(), plan: Plan, overrides: QuotaOverrides, quotas: Quotas }),
  ),
});
export type QuotaOverridesView = z.infer<typeof QuotaOverridesView>;

/** Percent of a limit at which a warning is given where the tenant sets no soft limit. */
export const SOFT_LIMIT_PERCENT = 80;
export const QuotaUse = z.object({
  name: z.keyof(Quotas),
  /** The hard limit: the node refuses above it. */
  limit: z.number(),
  /** Where the limit comes from; the later of them wins. */
  source: z.enum(['plan', 'tenant', 'cluster']),
  /** A warning is given from here on. */
  softLimit: z.number(),
  /** As last observed; null = not counted here. */
  used: z.number().nullable(),
  level: z.enum(['ok', 'soft', '90', '100']),
});
export const ClusterQuotas = z.object({
  items: z.array(QuotaUse),
  /** Warnings that hold, newest first. */
  warnings: z.array(
    z.object({ quota: z.string(), level: z.string(), value: z.number(), limit: z.number(), since: z.iso.datetime() }),
  ),
});
export type ClusterQuotas = z.infer<typeof ClusterQuotas>;
/** `PUT …/quotas/soft-limits`: replaces them all; each below its hard limit. */
export const SoftLimitsBody = QuotaOverrides;

/** `POST …/clusters/{clusterId}:plan`: what a change of plan would do. */
export const PlanChangeBody = z.object({ plan: z.enum(['serverless', 'dedicated']) }).strict();
export const PlanChange = z.object({
  from: Plan,
  to: Plan,
  fits: z.boolean(),
  /** What does not fit, each with what would have to go. */
  misfits: z.array(z.object({ pointer: z.string(), detail: z.string() })),
  quotas: z.object({ now: Quotas, then: Quotas }),
  prices: ClusterPlan.shape.prices,
});
export type PlanChange = z.output<typeof PlanChange>;
