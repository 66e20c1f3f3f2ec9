import type { TierForecast } from '@robustmq/contracts';

type Option = TierForecast['options'][number];

const DAY_SECONDS = 86_400n;
const GIB = 2n ** 30n;

/** A time integral of bytes as the level it was on average over `days`: `1.25 GiB`. Exact to the last digit shown. */
export function averageText(byteSeconds: string, days: number): string {
  const bytes = BigInt(byteSeconds) / (BigInt(days) * DAY_SECONDS);
  const hundredths = (bytes * 100n + GIB / 2n) / GIB;
  if (hundredths === 0n && bytes > 0n) return 'under 0.01 GiB';
  return `${hundredths / 100n}.${(hundredths % 100n).toString().padStart(2, '0')} GiB`;
}

/** The policy an option stands for. */
export function policyText({ kind, coldAfterDays }: Option): string {
  if (kind === 'present') return 'As it is now';
  if (kind === 'disk') return 'All on disk';
  return `Cold after ${coldAfterDays} ${coldAfterDays === 1 ? 'day' : 'days'}`;
}

/** The days of a form as the API takes them; undefined = they are not up to five whole numbers below 10,000. */
export function daysOf(text: string): string | undefined {
  const days = text.split(/[\s,]+/).filter((part) => part !== '');
  const fits = days.length > 0 && days.length <= 5 && days.every((day) => /^(0|[1-9]\d{0,3})$/.test(day));
  return fits ? days.join(',') : undefined;
}
