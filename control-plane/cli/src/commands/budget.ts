import { bodyOf } from '@robustmq/client';
import { Command, InvalidArgumentError } from 'commander';
import type { Context } from '../context.ts';
import { EXIT, Failure, usageFailure } from '../failure.ts';
import { exponentOf, moneyOf } from '../money.ts';
import { tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

interface Threshold {
  readonly percent: number;
  readonly action: 'notify' | 'throttle';
}
interface CreateOptions {
  readonly amount: string;
  readonly cluster?: string;
  readonly at: Threshold[];
  readonly sacrifice?: string[];
}

/** `80` or `100:throttle` */
function thresholdOf(text: string, before: Threshold[] | undefined): Threshold[] {
  const match = /^(\d{1,4})(?::(notify|throttle))?$/.exec(text);
  if (!match) throw new InvalidArgumentError('Use a percentage like 80, or 100:throttle.');
  return [...(before ?? []), { percent: Number(match[1]), action: match[2] === 'throttle' ? 'throttle' : 'notify' }];
}

/** `12.50` in whole units as minor units; the digits are moved, never computed with. */
function minorOf(text: string, currency: string): string {
  const exponent = exponentOf(currency);
  const match = /^(\d{1,12})(?:\.(\d+))?$/.exec(text);
  const fraction = match?.[2] ?? '';
  if (!match || fraction.length > exponent)
    throw usageFailure(`--amount is in ${currency} with at most ${exponent} decimals, for example 50; got "${text}".`);
  return (match[1]! + fraction.padEnd(exponent, '0')).replace(/^0+(?=\d)/, '');
}

const read = async (context: Context, tenantId: string) =>
  (await bodyOf(context.client().GET('/v1/tenants/{tenantId}/budgets', { params: { path: { tenantId } } }))).items;

async function list(context: Context): Promise<void> {
  const items = await read(context, await context.tenantId());
  await context.print(items, () =>
    tableOf(
      [
        { heading: 'NAME', value: (one) => one.name },
        { heading: 'AMOUNT', value: (one) => moneyOf(one.amount) },
        { heading: 'SPENT', value: (one) => moneyOf(one.spent) },
        { heading: 'AT', value: (one) => one.thresholds.map((t) => `${t.percent}%:${t.action}`).join(' ') },
        { heading: 'FIRED', value: (one) => one.alerts.map((alert) => `${alert.percent}%`).join(' ') },
        { heading: 'CLUSTER', value: (one) => one.clusterId ?? 'all' },
        { heading: 'ID', value: (one) => one.id },
      ],
      items,
    ),
  );
}

async function create(context: Context, name: string, options: CreateOptions): Promise<void> {
  const cluster = options.cluster === undefined ? undefined : await context.cluster(options.cluster);
  const tenantId = cluster?.tenantId ?? (await context.tenantId());
  const sacrifice: string[] = [];
  for (const one of options.sacrifice ?? []) sacrifice.push((await context.cluster(one)).id);
  const client = context.client();
  const { currency } = await bodyOf(
    client.GET('/v1/tenants/{tenantId}/subscription', { params: { path: { tenantId } } }),
  );
  const budget = await bodyOf(
    client.POST('/v1/tenants/{tenantId}/budgets', {
      params: { path: { tenantId } },
      body: {
        ...{ name, clusterId: cluster?.id ?? null, amountMinor: minorOf(options.amount, currency) },
        sacrifice,
        thresholds: options.at ?? [
          { percent: 80, action: 'notify' },
          { percent: 100, action: 'notify' },
        ],
      },
    }),
  );
  await context.print(
    budget,
    () => `Budget "${budget.name}": ${moneyOf(budget.amount)} a month, ${moneyOf(budget.spent)} spent.\n`,
  );
}

async function remove(context: Context, wanted: string): Promise<void> {
  const tenantId = await context.tenantId();
  const found = (await read(context, tenantId)).filter((one) => one.id === wanted || one.name === wanted);
  if (found.length !== 1)
    throw new Failure(EXIT.notFound, `There is no one budget "${wanted}".`, 'See yours with: robust-ctl budget list');
  const path = { tenantId, budgetId: found[0]!.id };
  await context.client().DELETE('/v1/tenants/{tenantId}/budgets/{budgetId}', { params: { path } });
  context.terminal.note(`Removed budget "${found[0]!.name}".`);
}

async function costs(context: Context): Promise<void> {
  const tenantId = await context.tenantId();
  const view = await bodyOf(context.client().GET('/v1/tenants/{tenantId}/costs', { params: { path: { tenantId } } }));
  await context.print(view, () => {
    const head = `So far: ${moneyOf(view.total)}; expected: ${moneyOf(view.forecast)}; last month: ${moneyOf(view.previousTotal)}\n`;
    const clusters = tableOf(
      [
        { heading: 'CLUSTER', value: (one) => one.name },
        { heading: 'COST', value: (one) => moneyOf(one.amount) },
      ],
      view.byCluster,
    );
    const meters = tableOf(
      [
        { heading: 'METER', value: (one) => one.meter ?? 'fees and discounts' },
        { heading: 'COST', value: (one) => moneyOf(one.amount) },
      ],
      view.byMeter,
    );
    const moved = view.reasons.map((one) => `  ${one.text}: ${moneyOf(one.from)} -> ${moneyOf(one.to)}\n`).join('');
    return `${head}\n${clusters}\n${meters}${moved === '' ? '' : `\nWhy the bill moves (last month -> expected):\n${moved}`}`;
  });
}

/** budget create | list | delete | costs. */
export function budgetCommand(kit: CommandKit): Command {
  const budget = new Command('budget').description('what may be spent, and what was');
  budget
    .command('create <name>')
    .description('watch what is spent a month')
    .requiredOption('--amount <amount>', 'whole currency units, for example 50 or 49.90')
    .option('-c, --cluster <id|name>', 'only this cluster')
    .option('--sacrifice <clusters...>', 'clusters a throttle slows down, the first one first (default: all at once)')
    .option('--at <percent[:action]>', 'threshold: 80, or 100:throttle; may be given often', thresholdOf)
    .action((name: string, options: CreateOptions, command: Command) =>
      kit.run(command, (context) => create(context, name, options)),
    );
  budget
    .command('list')
    .description('budgets and what was spent of them')
    .action((_options: object, command: Command) => kit.run(command, list));
  budget
    .command('delete <id|name>')
    .description('remove a budget')
    .action((wanted: string, _options: object, command: Command) =>
      kit.run(command, (context) => remove(context, wanted)),
    );
  budget
    .command('costs')
    .description('cost so far by cluster, forecast, and why it moved')
    .action((_options: object, command: Command) => kit.run(command, costs));
  return budget;
}
