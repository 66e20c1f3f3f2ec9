import { createHash } from 'node:crypto';

/** One exported row of a tenant's audit log. */
export interface ChainedRow {
  readonly seq: number;
  readonly prevHash: string;
  readonly hash: string;
  readonly [column: string]: unknown;
}

/** What is wrong at one row. */
export interface ChainBreak {
  readonly seq: number;
  readonly what: string;
}

const GENESIS = '0'.repeat(64);

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(',')}}`;
}

/** Follows the chain row by row, without trusting anything but SHA-256. */
export class ChainVerifier {
  #prevHash = GENESIS;
  #seq = 0;

  /** Rows that were found whole so far. */
  get rows(): number {
    return this.#seq;
  }
  /** Hash of the last row: it stands for the whole log before it. */
  get head(): string {
    return this.#prevHash;
  }

  /** The first thing that is wrong with the next row; undefined when it continues the chain. */
  next({ hash, ...row }: ChainedRow): ChainBreak | undefined {
    const seq = row['seq'] as number;
    if (seq !== this.#seq + 1) return { seq, what: `row ${this.#seq + 1} is missing` };
    if (row['prevHash'] !== this.#prevHash) return { seq, what: 'it does not follow the row before it' };
    const digest = createHash('sha256').update(canonical(row)).digest('hex');
    if (digest !== hash) return { seq, what: 'it was altered' };
    this.#prevHash = hash;
    this.#seq = seq;
    return undefined;
  }
}
