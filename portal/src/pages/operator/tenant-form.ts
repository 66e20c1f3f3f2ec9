/** What ids of tenants look like. */
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What is wrong with a tenant's id, for a form; null when nothing is. */
export const tenantFault = (text: string): string | null =>
  UUID.test(text.trim()) ? null : 'Enter the id of a tenant, as its billing page and its audit log have it';

/** A date of a form as its midnight in UTC; undefined when it is none. */
export function midnightOf(date: string): string | undefined {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(date) ? new Date(`${date}T00:00:00Z`) : undefined;
  return time && !Number.isNaN(time.getTime()) ? time.toISOString() : undefined;
}

/** The day some months after another, at most its month's last: 31 January and one month is 28 February. */
export function monthsLater(date: string, months: number): string {
  const [year, month, day] = date.split('-').map(Number) as [number, number, number];
  const last = new Date(Date.UTC(year, month - 1 + months + 1, 0)).getUTCDate();
  return new Date(Date.UTC(year, month - 1 + months, Math.min(day, last))).toISOString().slice(0, 10);
}
