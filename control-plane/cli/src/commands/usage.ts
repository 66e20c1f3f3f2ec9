import { bodyOf } from '@robustmq/client';
import { Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { usageFailure } from '../failure.ts';
import { instant } from '../numbers.ts';
import { tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

type Granularity = 'minute' | 'hour' | 'day' | 'month';
interface UsageOptions {
  cluster?: string;
  from?: string;
  to?: string;
  granularity?: Granularity;
  by?: 'credential' | 'topic-prefix';
  meter?: string;
}

const HOUR_MS = 3_600_000;

/** The finest granularity the server answers for a span: minutes up to a day, hours up to a month and a day. */
export function granularityOf(fromMs: number, toMs: number): Granularity {
  if (toMs - fromMs <= 24 * HOUR_MS) return 'minute';
  return toMs - fromMs <= 32 * 24 * HOUR_MS ? 'hour' : 'day';
}

/** Who or what caused the usage; the rows of a cluster, protocol and meter add up to what is billed. */
async function breakdown(context: Context, options: UsageOptions): Promise<void> {
  const now = context.terminal.now();
  const { Meter } = await import('@robustmq/contracts');
  const meter = options.meter === undefined ? undefined : Meter.safeParse(options.meter).data;
  if (options.meter !== undefined && meter === undefined)
    throw usageFailure(`There is no meter "${options.meter}". Meters: ${Meter.options.join(', ')}.`);
  const cluster = options.cluster === undefined ? undefined : await context.cluster(options.cluster);
  const answer = await bodyOf(
    context.client().GET('/v1/tenants/{tenantId}/usage/breakdown', {
      params: {
        path: { tenantId: cluster?.tenantId ?? (await context.tenantId()) },
        query: {
          by: options.by === 'credential' ? 'credential' : 'topic_prefix',
          ...(cluster ? { clusterId: cluster.id } : {}),
          ...(meter === undefined ? {} : { meter }),
          ...(options.from === undefined ? {} : { from: instant(options.from, now) }),
          ...(options.to === undefined ? {} : { to: instant(options.to, now) }),
        },
      },
    }),
  );
  await context.print(answer, () =>
    tableOf(
      [
        { heading: 'CLUSTER', value: (row) => row.clusterId },
        { heading: 'PROTOCOL', value: (row) => row.protocol },
        { heading: 'METER', value: (row) => row.meter },
        { heading: options.by === 'credential' ? 'CREDENTIAL' : 'TOPICS', value: (row) => row.name ?? '(all others)' },
        { heading: 'QUANTITY', value: (row) => row.quantity },
      ],
      answer.items,
    ),
  );
  context.terminal.note(`${answer.from} to ${answer.to}.`);
}

async function usage(context: Context, options: UsageOptions): Promise<void> {
  if (options.by !== undefined) return breakdown(context, options);
  if (options.meter !== undefined) throw usageFailure('--meter goes with --by.');
  const now = context.terminal.now();
  const from = options.from === undefined ? undefined : instant(options.from, now);
  const to = options.to === undefined ? undefined : instant(options.to, now);
  const month = new Date(now);
  const fromMs = from === undefined ? Date.UTC(month.getUTCFullYear(), month.getUTCMonth()) : Date.parse(from);
  const toMs = to === undefined ? now : Date.parse(to);
  if (fromMs >= toMs) throw usageFailure('--from must be before --to.');
  const cluster = options.cluster === undefined ? undefined : await context.cluster(options.cluster);
  const answer = await bodyOf(
    context.client().GET('/v1/tenants/{tenantId}/usage', {
      params: {
        path: { tenantId: cluster?.tenantId ?? (await context.tenantId()) },
        query: {
          granularity: options.granularity ?? granularityOf(fromMs, toMs),
          ...(cluster ? { clusterId: cluster.id } : {}),
          ...(from === undefined ? {} : { from }),
          ...(to === undefined ? {} : { to }),
        },
      },
    }),
  );
  const { METERS } = await import('@robustmq/contracts');
  const known = answer.totals as Partial<Record<string, string>>;
  const totals = Object.fromEntries(Object.keys(METERS).map((meter) => [meter, known[meter] ?? '0']));
  await context.print({ ...answer, totals }, () =>
    tableOf(
      [
        { heading: 'METER', value: ([meter]) => meter },
        { heading: 'TOTAL', value: ([, total]) => total },
        { heading: 'UNIT', value: ([meter]) => METERS[meter as keyof typeof METERS].unit },
      ],
      Object.entries(totals),
    ),
  );
  context.terminal.note(`${answer.from} to ${answer.to}, per ${answer.granularity}.`);
}

/** usage. */
export const usageCommand = (kit: CommandKit): Command =>
  new Command('usage')
    .description('what was used: windows and totals per meter (default: this month)')
    .option('-c, --cluster <id|name>', 'only this cluster')
    .option('--from <time>', 'ISO time, or 90m, 24h, 7d ago')
    .option('--to <time>', 'ISO time, exclusive')
    .addOption(new Option('--granularity <step>', 'length of a window').choices(['minute', 'hour', 'day', 'month']))
    .addOption(new Option('--by <what>', 'who or what caused it').choices(['credential', 'topic-prefix']))
    .option('--meter <meter>', 'with --by: only this meter, for example egress_bytes')
    .action((options: UsageOptions, command: Command) => kit.run(command, (context) => usage(context, options)));
