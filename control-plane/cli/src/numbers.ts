import { InvalidArgumentError } from 'commander';

/** Parser of an option that takes a whole number from `min` to `max`. */
export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`Use a whole number from ${min} to ${max}.`);
    }
    return value;
  };

/** A wait of one second to one day. */
export const seconds = wholeNumber(1, 86_400);

const UNIT_MS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** An instant: an ISO date or time (UTC where it names no zone), or `90m`, `24h`, `7d` before `nowMs`. Returns ISO in UTC. */
export function instant(text: string, nowMs: number): string {
  const ago = /^(\d{1,6})([mhd])$/.exec(text);
  if (ago) return new Date(nowMs - Number(ago[1]) * UNIT_MS[ago[2]!]!).toISOString();
  const zoned = /T.*(Z|[+-]\d\d:?\d\d)$/.test(text) || !text.includes('T') ? text : `${text}Z`;
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(zoned) : Number.NaN;
  if (Number.isNaN(time))
    throw new InvalidArgumentError('Use an ISO time such as 2026-01-31T12:00:00Z, or 90m, 24h, 7d.');
  return new Date(time).toISOString();
}
