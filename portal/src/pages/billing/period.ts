const UTC_DATE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });
const LAST_INSTANT_MS = 1;

/** A half-open period as its first and last day, in UTC like the period itself. */
export const periodText = (from: string, to: string): string =>
  `${UTC_DATE.format(new Date(from))} – ${UTC_DATE.format(new Date(Date.parse(to) - LAST_INSTANT_MS))}`;

/** A day of billing, in UTC. */
export const dayText = (iso: string): string => UTC_DATE.format(new Date(iso));
