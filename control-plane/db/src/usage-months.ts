import type { PrismaClient } from './generated/prisma/client.ts';

/** Months of usage windows that are made before they begin. */
const MONTHS_AHEAD = 2;
/** Months a process remembers as made. */
const MONTHS_REMEMBERED_MAX = 240;

/** What one run of the job changed: months made ahead (`2026-12`), and months moved to the archive. */
export interface MonthsKept {
  readonly made: readonly string[];
  readonly retired: readonly string[];
}

const monthOf = (atMs: number, plus = 0): Date => {
  const at = new Date(atMs);
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + plus, 1));
};
const nameOf = (month: Date): string => month.toISOString().slice(0, 7);

/**
 * The monthly partitions of `usage_windows`. The application owns no table: it calls the two functions of the database's
 * owner that make and retire months, and may do nothing else to them.
 */
export class UsageMonths {
  readonly #client: PrismaClient;
  readonly #made = new Set<string>();
  constructor(client: PrismaClient) {
    this.#client = client;
  }

  /** Sees to it that windows of these times have a partition; asks the database once per month and process. */
  async ready(timesMs: readonly number[]): Promise<void> {
    for (const name of new Set(timesMs.map((at) => nameOf(monthOf(at))))) {
      if (!this.#made.has(name)) await this.#make(name);
    }
  }

  /** Throws when fewer than 3 months are to be kept: usage is taken in for 35 days. */
  async keep(monthsKept: number, now: Date): Promise<MonthsKept> {
    const made: string[] = [];
    for (let plus = 0; plus <= MONTHS_AHEAD; plus += 1) {
      const name = nameOf(monthOf(now.getTime(), plus));
      if (await this.#make(name)) made.push(name);
    }
    // creating and moving tables of a whole month takes longer than a transaction of the application may
    const rows = await this.#client.$transaction(
      (tx) =>
        tx.$queryRaw<{ month: string }[]>`SELECT * FROM usage_windows_retire(${monthsKept}::int, ${now}) AS month`,
      { timeout: 600_000, maxWait: 10_000 },
    );
    return { made, retired: rows.map(({ month }) => month.replace('_', '-')) };
  }

  async #make(name: string): Promise<boolean> {
    const at = new Date(`${name}-01T00:00:00Z`);
    const [row] = await this.#client.$queryRaw<{ made: boolean }[]>`SELECT usage_windows_month(${at}) AS made`;
    if (this.#made.size >= MONTHS_REMEMBERED_MAX) this.#made.clear();
    this.#made.add(name);
    return row!.made;
  }
}
