import type { QuotaOverridesView } from '@robustmq/contracts';
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { usageFailure } from '../failure.ts';
import { askOperator } from '../operator-link.ts';
import { tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';
import { quotasFrom } from '../quotas.ts';

const pathOf = (tenantId: string, clusterId?: string): string =>
  ['tenants', tenantId, ...(clusterId === undefined ? [] : ['clusters', clusterId]), 'quota-overrides']
    .map(encodeURIComponent)
    .join('/');
const textOf = (quotas: object): string =>
  Object.entries(quotas)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ') || 'none';

const show = (context: Context, view: QuotaOverridesView): Promise<void> =>
  context.print(view, () =>
    tableOf(
      [
        { heading: 'OF', value: (row) => row.of },
        { heading: 'ID', value: (row) => row.id },
        { heading: 'IN PLACE OF THE PLAN', value: (row) => textOf(row.overrides) },
      ],
      [
        { of: 'all clusters', id: '', overrides: view.tenant },
        ...view.clusters.map(({ name, clusterId, overrides }) => ({ of: name, id: clusterId, overrides })),
      ],
    ),
  );

interface SetOptions {
  cluster?: string;
  reason: string;
  clear?: boolean;
}

async function set(context: Context, tenantId: string, pairs: string[], options: SetOptions): Promise<void> {
  if ((pairs.length === 0) !== (options.clear === true))
    throw usageFailure('Which quotas?', 'Name them all: topicsMax=5000 …, or take them all back: --clear');
  const body = { quotas: quotasFrom(pairs), reason: options.reason };
  const path = pathOf(tenantId, options.cluster);
  await show(context, await askOperator<QuotaOverridesView>(context, 'PUT', path, body));
}

/** fleet quota show | set: single quotas in place of a plan's, for whoever runs the platform. */
export function fleetQuotaCommand(kit: CommandKit): Command {
  const quota = new Command('quota').description('quotas of a tenant or cluster in place of its plan’s: show, set');
  quota
    .command('show')
    .argument('<tenant>', 'its id')
    .description('what is overridden')
    .action((tenantId: string, _options: object, self: Command) =>
      kit.run(self, async (context) =>
        show(context, await askOperator<QuotaOverridesView>(context, 'GET', pathOf(tenantId))),
      ),
    );
  quota
    .command('set')
    .argument('<tenant>', 'its id')
    .argument('[name=value...]', 'all that are to hold, as in topicsMax=5000 storageBytesMax=100G')
    .description('replace the overrides of all clusters, or of one; in force at once')
    .option('-c, --cluster <id>', 'of this cluster alone')
    .requiredOption('--reason <text>', 'for the tenant’s audit log')
    .option('--clear', 'take all of them back')
    .action((tenantId: string, pairs: string[], options: SetOptions, self: Command) =>
      kit.run(self, (context) => set(context, tenantId, pairs, options)),
    );
  return quota;
}
