import { bodyOf, DRY_RUN } from '@robustmq/client';
import { Option, type Command } from 'commander';
import type { Context } from '../context.ts';
import { showDryRun } from '../dry-run.ts';
import { usageFailure } from '../failure.ts';
import { moneyOf } from '../money.ts';
import { wholeNumber } from '../numbers.ts';
import { fieldsOf, tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

const root = '/v1/tenants/{tenantId}/clusters/{clusterId}/topics/{topicName}' as const;
const COUNT = wholeNumber(0, Number.MAX_SAFE_INTEGER);
const CLEANUPS = ['delete', 'compact', 'compact,delete'] as const;

/** Flags of a topic's policy, the same for `create` and `update`. */
export interface PolicyOptions {
  cluster?: string;
  cleanup?: (typeof CLEANUPS)[number];
  hotBytes?: number;
  coldAfterMs?: number;
  coldAfterBytes?: number;
  coldAfterIdleMs?: number;
  warmAfterReads?: number;
}

/** Adds the flags. */
export const policyFlags = (command: Command): Command =>
  command
    .addOption(new Option('--cleanup <policy>', 'what old records become').choices([...CLEANUPS]))
    .addOption(new Option('--hot-bytes <n>', 'kept in memory for fast reads').argParser(COUNT))
    .addOption(new Option('--cold-after-ms <ms>', 'age at which segments move to object storage').argParser(COUNT))
    .addOption(new Option('--cold-after-bytes <n>', 'size at which segments move').argParser(COUNT))
    .addOption(
      new Option('--cold-after-idle-ms <ms>', 'moved when not read for so long').argParser(
        wholeNumber(1, Number.MAX_SAFE_INTEGER),
      ),
    )
    .addOption(
      new Option('--warm-after-reads <n>', 'moved back after so many reads').argParser(wholeNumber(1, 1_000_000)),
    );

/** The policy in the flags; fields that are not given are left out. */
export function policyOf(options: PolicyOptions) {
  const { hotBytes, coldAfterMs, coldAfterBytes, coldAfterIdleMs, warmAfterReads } = options;
  const given = Object.entries({ hotBytes, coldAfterMs, coldAfterBytes, coldAfterIdleMs, warmAfterReads });
  const tier = Object.fromEntries(given.filter(([, value]) => value !== undefined)) as Record<string, number>;
  return {
    ...(options.cleanup === undefined ? {} : { cleanup: options.cleanup }),
    ...(Object.keys(tier).length === 0 ? {} : { tier }),
  };
}

async function pathOf(context: Context, clusterName: string | undefined, topicName: string) {
  const cluster = await context.cluster(clusterName);
  return { tenantId: cluster.tenantId, clusterId: cluster.id, topicName };
}

async function get(context: Context, name: string, clusterName: string | undefined): Promise<void> {
  const path = await pathOf(context, clusterName, name);
  const topic = await bodyOf(context.client().GET(root, { params: { path } }));
  await context.print(topic, () =>
    fieldsOf(
      Object.entries(topic).map(([key, value]) => [
        key,
        typeof value === 'object' ? JSON.stringify(value) : String(value),
      ]),
    ),
  );
}

interface UpdateOptions extends PolicyOptions {
  dryRun?: boolean;
  partitions?: number;
  retentionMs?: number;
  retentionBytes?: number;
}

async function update(context: Context, name: string, options: UpdateOptions): Promise<void> {
  const { partitions, retentionMs, retentionBytes } = options;
  const body = {
    ...policyOf(options),
    ...(partitions === undefined ? {} : { partitions }),
    ...(retentionMs === undefined ? {} : { retentionMs }),
    ...(retentionBytes === undefined ? {} : { retentionBytes }),
  };
  if (Object.keys(body).length === 0) throw usageFailure('What is to change?', 'See: robust-ctl topic update --help');
  const path = await pathOf(context, options.cluster, name);
  const patch = (query: { dry_run?: 'true' }) => context.client().PATCH(root, { params: { path, query }, body });
  if (options.dryRun) return showDryRun(context, patch(DRY_RUN));
  const topic = await bodyOf(patch({}));
  await context.print(topic, () =>
    fieldsOf([
      ['name', topic.name],
      ['ready', topic.ready ? 'yes' : 'not yet'],
    ]),
  );
}

async function tiers(context: Context, name: string, clusterName: string | undefined): Promise<void> {
  const path = await pathOf(context, clusterName, name);
  const shown = await bodyOf(context.client().GET(`${root}/tiers`, { params: { path } }));
  await context.print(shown, () =>
    tableOf(
      [
        { heading: 'PARTITION', value: (p) => String(p.partition) },
        { heading: 'OFFSETS', value: (p) => `${p.startOffset}–${p.endOffset}` },
        { heading: 'HOT', value: (p) => String(p.hotBytes) },
        { heading: 'WARM', value: (p) => String(p.warmBytes) },
        { heading: 'COLD', value: (p) => String(p.coldBytes) },
        { heading: 'OBJECTS', value: (p) => String(p.objects.length) },
        {
          heading: 'LAST MOVE',
          value: (p) => (p.moves.at(-1) ? `${p.moves.at(-1)!.kind} ${p.moves.at(-1)!.reason}` : ''),
        },
      ],
      shown.partitions,
    ),
  );
}

interface ForecastOptions {
  cluster?: string;
  coldAfterDays: string;
}

/** A time integral of bytes as the level it was on average. */
const averageGib = (byteSeconds: string, days: number): string =>
  `${(Number(BigInt(byteSeconds) / BigInt(days * 86_400)) / 2 ** 30).toFixed(2)} GiB on average`;

const OPTION_WORDS = { present: 'as it is now', disk: 'all on disk', 'cold-after': 'cold after' } as const;

async function forecast(context: Context, name: string, options: ForecastOptions): Promise<void> {
  const path = await pathOf(context, options.cluster, name);
  const query = { cold_after_days: options.coldAfterDays };
  const shown = await bodyOf(context.client().GET(`${root}/tier-forecast`, { params: { path, query } }));
  const { storedBytes, bytesPerDay, since } = shown.observed;
  await context.print(shown, () =>
    [
      since === null
        ? 'The topic has no records yet: nothing can be foreseen.'
        : `${storedBytes} bytes since ${since}, ${bytesPerDay} a day. The next ${shown.days} days:`,
      tableOf(
        [
          {
            heading: 'POLICY',
            value: (one) =>
              one.coldAfterDays === null
                ? OPTION_WORDS[one.kind]
                : `${OPTION_WORDS[one.kind]} ${one.coldAfterDays} ${one.coldAfterDays === 1 ? 'day' : 'days'}`,
          },
          { heading: 'ON DISK', value: (one) => averageGib(one.warmByteSeconds, shown.days) },
          { heading: 'IN OBJECT STORAGE', value: (one) => averageGib(one.coldByteSeconds, shown.days) },
          { heading: 'REQUESTS', value: (one) => one.objectRequests },
          { heading: 'COST', value: (one) => moneyOf(one.amount) },
        ],
        shown.options,
      ),
      ...shown.notes,
      '',
    ].join('\n'),
  );
}

/** topic get | update | tiers | forecast. */
export function addPolicyCommands(kit: CommandKit, topic: Command): void {
  const looks = { get: [get, 'show one topic'], tiers: [tiers, 'where its bytes are: hot, warm, cold'] } as const;
  for (const [verb, [show, words]] of Object.entries(looks))
    topic
      .command(`${verb} <name>`)
      .description(words)
      .option('-c, --cluster <id|name>')
      .action((name: string, options: { cluster?: string }, command: Command) =>
        kit.run(command, (context) => show(context, name, options.cluster)),
      );
  topic
    .command('forecast <name>')
    .description('what its storage would cost in 30 days as it is, all on disk, or cold after so many days')
    .option('-c, --cluster <id|name>')
    .option('--cold-after-days <days>', 'up to five, as in 1,7,30', '1,7,30')
    .action((name: string, options: ForecastOptions, command: Command) =>
      kit.run(command, (context) => forecast(context, name, options)),
    );
  policyFlags(topic.command('update <name>').description('change a topic in place').option('-c, --cluster <id|name>'))
    .option('--dry-run', 'only say what would change, what is left of quotas, and what it costs')
    .addOption(new Option('--partitions <n>', 'only grows').argParser(wholeNumber(1, 256)))
    .addOption(new Option('--retention-ms <ms>', '-1 = for ever').argParser(wholeNumber(-1, Number.MAX_SAFE_INTEGER)))
    .addOption(new Option('--retention-bytes <n>', '-1 = no limit').argParser(wholeNumber(-1, Number.MAX_SAFE_INTEGER)))
    .action((name: string, options: UpdateOptions, command: Command) =>
      kit.run(command, (context) => update(context, name, options)),
    );
}
