import type { Meter, Plan } from '@robustmq/contracts';

/** One step of a tiered price. */
export interface PriceTier {
  /** Upper end of the tier in units, an exact decimal; null = no end, on the last tier only. */
  readonly upTo: string | null;
  /** Price of one unit (model `flat`: of the whole tier) in whole currency units, an exact decimal. */
  readonly unitPrice: string;
}

/**
 * What one meter costs on one plan from one moment on. Append only: a new price is a new version, and a period is rated
 * with the version that was valid when it began. `included` units per period are free, once per account however many
 * clusters it has; tiers count what is beyond them.
 */
export type PriceVersion = {
  readonly plan: Plan;
  readonly meter: Meter;
  readonly currency: string;
  /** Units free per period, an exact decimal. */
  readonly included: string;
  /** ISO 8601 in UTC with milliseconds, as `Date.prototype.toISOString` writes it; half-open. */
  readonly validFrom: string;
  readonly validTo: string | null;
} & (
  | { readonly model: 'per_unit'; readonly unitPrice: string }
  /** Each unit costs what its own tier says, as with income tax. */
  | { readonly model: 'graduated'; readonly tiers: readonly PriceTier[] }
  /** All units cost what the tier says that the whole quantity reaches: the total may fall at a tier's edge. */
  | { readonly model: 'volume'; readonly tiers: readonly PriceTier[] }
  /** Whole blocks of `blockSize` units, a begun block counts. */
  | { readonly model: 'package'; readonly unitPrice: string; readonly blockSize: string }
  /** One fee for the tier that the quantity reaches, however much of it is used; nothing used costs nothing. */
  | { readonly model: 'flat'; readonly tiers: readonly PriceTier[] }
);

/** The unit a meter is priced and shown in: its name and how many counted units it holds. */
export interface BillingUnit {
  readonly unit: string;
  readonly size: bigint;
  /** What the meter is called on an invoice. */
  readonly title: string;
}

const MILLION = 1_000_000n;
const GIB = 2n ** 30n;

/**
 * Sizes have no prime factor but 2 and 5, so every quantity has an exact decimal form and what is shown is what is
 * charged. That is why time is priced by the thousand or million seconds: an hour (3600 = 2⁴·3²·5²) has no such form.
 */
export const BILLING_UNITS: Readonly<Record<Meter, BillingUnit>> = {
  messages_in: { unit: 'million messages', size: MILLION, title: 'Messages in' },
  messages_out: { unit: 'million messages', size: MILLION, title: 'Messages out' },
  ingress_bytes: { unit: 'GiB', size: GIB, title: 'Data in' },
  egress_bytes: { unit: 'GiB', size: GIB, title: 'Data out' },
  connection_seconds: { unit: 'million connection-seconds', size: MILLION, title: 'Connections' },
  stored_byte_seconds: { unit: 'million GiB-seconds', size: GIB * MILLION, title: 'Stored data' },
  hot_byte_seconds: { unit: 'million GiB-seconds', size: GIB * MILLION, title: 'Data in memory' },
  warm_byte_seconds: { unit: 'million GiB-seconds', size: GIB * MILLION, title: 'Stored data, warm' },
  cold_byte_seconds: { unit: 'million GiB-seconds', size: GIB * MILLION, title: 'Stored data, cold' },
  object_requests: { unit: 'thousand requests', size: 1_000n, title: 'Object storage requests' },
  partition_seconds: { unit: 'million partition-seconds', size: MILLION, title: 'Partitions' },
  node_seconds: { unit: 'thousand node-seconds', size: 1_000n, title: 'Dedicated node' },
};
