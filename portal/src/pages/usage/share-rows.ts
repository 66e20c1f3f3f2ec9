import type { UsageBreakdown } from '@robustmq/contracts';

type Row = UsageBreakdown['items'][number];

/** A row with its share of all rows, in percent with one digit. */
export interface NamedShare extends Pick<Row, 'protocol' | 'name' | 'quantity'> {
  readonly clusterId: string;
  readonly percent: number;
}

/** The rows, the largest first, each with its share; exact until the one rounding of the share. */
export function sharesOf(rows: readonly Omit<NamedShare, 'percent'>[]): NamedShare[] {
  const total = rows.reduce((sum, { quantity }) => sum + BigInt(quantity), 0n);
  const permille = (quantity: string) => (total === 0n ? 0n : (BigInt(quantity) * 1_000n + total / 2n) / total);
  return rows
    .map((row) => ({ ...row, percent: Number(permille(row.quantity)) / 10 }))
    .sort((a, b) => (BigInt(b.quantity) > BigInt(a.quantity) ? 1 : BigInt(b.quantity) < BigInt(a.quantity) ? -1 : 0));
}
