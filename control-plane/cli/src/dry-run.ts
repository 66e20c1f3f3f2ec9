import { dryRunOf, type DryRun } from '@robustmq/client';
import type { Context } from './context.ts';
import { moneyOf } from './money.ts';
import { fieldsOf, tableOf } from './output.ts';

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
const countOf = (value: number | null): string => (value === null ? '' : String(value));

function linesOf({ action, target, changes, quotas, cost, notes }: DryRun): string {
  const signed = cost && !cost.change.amount.startsWith('-') ? '+' : '';
  return [
    fieldsOf([
      ['would do', action],
      [target.type, target.id ?? 'not made yet'],
      ...Object.entries(changes).map(([name, value]) => [name, textOf(value)] as const),
      ...(cost
        ? [
            [`cost in ${cost.days} days`, `${moneyOf(cost.after)} (now ${moneyOf(cost.now)})`] as const,
            ['difference', `${signed}${moneyOf(cost.change)}`] as const,
          ]
        : []),
    ]),
    quotas.length === 0
      ? ''
      : tableOf(
          [
            { heading: 'QUOTA', value: (q) => q.name },
            { heading: 'NOW', value: (q) => countOf(q.used) },
            { heading: 'AFTER', value: (q) => countOf(q.after) },
            {
              heading: 'LIMIT',
              value: (q) => (q.limitNow === q.limit ? String(q.limit) : `${q.limit} (now ${countOf(q.limitNow)})`),
            },
            { heading: 'LEFT', value: (q) => (q.after === null ? '' : String(q.limit - q.after)) },
          ],
          quotas,
        ),
    ...notes.map((note) => `${note}\n`),
  ].join('');
}

/** Prints what a request with the query `DRY_RUN` would do. */
export async function showDryRun(
  context: Context,
  answer: Promise<{ data?: unknown; response: Response }>,
): Promise<void> {
  const dry = await dryRunOf(answer);
  await context.print(dry, () => linesOf(dry));
  context.terminal.note('Nothing was changed.');
}
