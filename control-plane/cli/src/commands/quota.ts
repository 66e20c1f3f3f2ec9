import { bodyOf, type Cluster } from '@robustmq/client';
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { usageFailure } from '../failure.ts';
import { tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';
import { quotasFrom } from '../quotas.ts';

const AT = '/v1/tenants/{tenantId}/clusters/{clusterId}/quotas' as const;
const paramsOf = ({ tenantId, id }: Cluster) => ({ params: { path: { tenantId, clusterId: id } } });
const SOURCES = { plan: 'the plan', tenant: 'the operator, for the tenant', cluster: 'the operator, for the cluster' };

interface InCluster {
  cluster?: string;
}
const quotasOf = (context: Context, cluster: Cluster) => bodyOf(context.client().GET(AT, paramsOf(cluster)));

async function show(context: Context, shown: Awaited<ReturnType<typeof quotasOf>>): Promise<void> {
  await context.print(shown, () =>
    tableOf(
      [
        { heading: 'QUOTA', value: (q) => q.name },
        { heading: 'IN USE', value: (q) => (q.used === null ? '' : String(q.used)) },
        { heading: 'WARNS AT', value: (q) => String(q.softLimit) },
        { heading: 'LIMIT', value: (q) => String(q.limit) },
        { heading: 'SET BY', value: (q) => SOURCES[q.source] },
        { heading: 'STATE', value: (q) => (q.level === 'ok' ? 'ok' : q.level === 'soft' ? 'warning' : `${q.level} %`) },
      ],
      shown.items,
    ),
  );
  for (const { quota, level, value, limit, since } of shown.warnings)
    context.terminal.note(`Since ${since}: ${quota} ${value} of ${limit} (${level === 'soft' ? level : `${level} %`})`);
}

async function soft(context: Context, pairs: string[], options: InCluster & { clear?: boolean }): Promise<void> {
  if ((pairs.length === 0) !== (options.clear === true))
    throw usageFailure('Which soft limits?', 'Name them all: connectionsMax=1000 …, or take them all back: --clear');
  const body = quotasFrom(pairs);
  const cluster = await context.cluster(options.cluster);
  const set = context.client().PUT(`${AT}/soft-limits`, { ...paramsOf(cluster), body });
  await show(context, await bodyOf(set));
}

/** quota list | soft. */
export function quotaCommand(kit: CommandKit): Command {
  const quota = new Command('quota').description('limits of a cluster, and from where on it warns');
  quota
    .command('list')
    .description('limits with where each comes from, what is used, and warnings')
    .option('-c, --cluster <id|name>')
    .action((options: InCluster, command: Command) =>
      kit.run(command, async (context) =>
        show(context, await quotasOf(context, await context.cluster(options.cluster))),
      ),
    );
  quota
    .command('soft [name=value...]')
    .description('replace the soft limits: warnings are given from there on, nothing is refused (default: 80 %)')
    .option('-c, --cluster <id|name>')
    .option('--clear', 'take all of them back')
    .action((pairs: string[], options: InCluster & { clear?: boolean }, command: Command) =>
      kit.run(command, (context) => soft(context, pairs, options)),
    );
  return quota;
}
