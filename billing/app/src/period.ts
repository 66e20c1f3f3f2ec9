/** A billing period: half-open, borders at midnight UTC. */
export interface BillingPeriod {
  readonly from: Date;
  readonly to: Date;
}

/** The UTC calendar month that `at` lies in. Months of 28 to 31 days; daylight saving does not exist in UTC. */
export function monthOf(at: Date): BillingPeriod {
  const [year, month] = [at.getUTCFullYear(), at.getUTCMonth()];
  return { from: new Date(Date.UTC(year, month, 1)), to: new Date(Date.UTC(year, month + 1, 1)) };
}

/** The month before the one that `at` lies in. */
export const monthBefore = (at: Date): BillingPeriod => monthOf(new Date(monthOf(at).from.getTime() - 1));

const DAY_MS = 86_400_000;
/** `at` plus whole days of 24 hours: in UTC there are no others. */
export const plusDays = (at: Date, days: number): Date => new Date(at.getTime() + days * DAY_MS);
