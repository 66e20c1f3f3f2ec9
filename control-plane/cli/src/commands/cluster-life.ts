import { bodyOf, DRY_RUN, type Cluster } from '@robustmq/client';
import { Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { showDryRun } from '../dry-run.ts';
import { EXIT, Failure, usageFailure } from '../failure.ts';
import { collect } from '../lines.ts';
import type { CommandKit } from '../program.ts';

type Show = (context: Context, cluster: Cluster) => Promise<void>;

const AT = '/v1/tenants/{tenantId}/clusters/{clusterId}' as const;
const at = (cluster: Cluster) => ({ params: { path: { tenantId: cluster.tenantId, clusterId: cluster.id } } });

interface UpdateOptions {
  name?: string;
  plan?: 'serverless' | 'dedicated';
  label?: string[];
  removeLabel?: string[];
  protect?: boolean;
  dryRun?: boolean;
}

/** The cluster's labels with some set (`key=value`) and some taken away. */
function labelsAfter(cluster: Cluster, set: readonly string[], removed: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = { ...cluster.labels };
  for (const one of set) {
    const split = one.indexOf('=');
    if (split < 1) throw usageFailure(`"${one}" is no label.`, 'Write it as KEY=VALUE.');
    labels[one.slice(0, split)] = one.slice(split + 1);
  }
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !removed.includes(key)));
}

async function update(context: Context, name: string, options: UpdateOptions, show: Show): Promise<void> {
  const cluster = await context.cluster(name);
  const { label = [], removeLabel = [], protect, plan } = options;
  const body = {
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(plan === undefined ? {} : { plan }),
    ...(label.length + removeLabel.length === 0 ? {} : { labels: labelsAfter(cluster, label, removeLabel) }),
    ...(protect === undefined ? {} : { deletionProtection: protect }),
  };
  if (Object.keys(body).length === 0)
    throw usageFailure('There is nothing to change.', 'See: robust-ctl cluster update --help');
  const { path } = at(cluster).params;
  const patch = (query: { dry_run?: 'true' }) => context.client().PATCH(AT, { params: { path, query }, body });
  if (options.dryRun) return showDryRun(context, patch(DRY_RUN));
  await show(context, await bodyOf(patch({})));
}

/** A deleted cluster by id or name; one that lives is not among them. */
async function deleted(context: Context, name: string): Promise<Cluster> {
  const tenantId = await context.tenantId();
  const { items } = await bodyOf(
    context.client().GET('/v1/tenants/{tenantId}/clusters', {
      params: { path: { tenantId }, query: { deleted: 'true', limit: 200 } },
    }),
  );
  const found = items.filter((one) => one.id === name || one.name === name);
  if (found.length > 1) throw usageFailure(`Several deleted clusters are named "${name}".`, 'Give its id.');
  if (found[0]) return found[0];
  throw new Failure(EXIT.notFound, `There is no deleted cluster "${name}" that can be restored.`);
}

/** cluster update | pause | resume | restore. */
export function lifeCommands(kit: CommandKit, show: Show): Command[] {
  const act = (verb: 'pause' | 'resume', words: string): Command =>
    new Command(verb)
      .argument('<cluster>')
      .description(words)
      .action((name: string, _options: object, self: Command) =>
        kit.run(self, async (context) => {
          const cluster = await context.cluster(name);
          await show(context, await bodyOf(context.client().POST(`${AT}:${verb}`, at(cluster))));
        }),
      );
  return [
    new Command('update')
      .argument('<cluster>')
      .description('rename, label, protect, or change the plan of a cluster')
      .option('--name <name>', 'its new name')
      .addOption(new Option('--plan <plan>', 'what it runs on').choices(['serverless', 'dedicated']))
      .option('--label <key=value>', 'set a label (may be repeated)', collect)
      .option('--remove-label <key>', 'take a label away (may be repeated)', collect)
      .option('--protect', 'refuse its deletion')
      .option('--no-protect', 'allow its deletion')
      .option('--dry-run', 'only say what would change, what is left of quotas, and what it costs')
      .action((name: string, options: UpdateOptions, self: Command) =>
        kit.run(self, (context) => update(context, name, options, show)),
      ),
    act('pause', 'refuse clients, keep data and addresses'),
    act('resume', 'serve again what was paused'),
    new Command('restore')
      .argument('<cluster>')
      .description('take a deletion back, by id or name')
      .action((name: string, _options: object, self: Command) =>
        kit.run(self, async (context) => {
          const cluster = await deleted(context, name);
          await show(context, await bodyOf(context.client().POST(`${AT}:restore`, at(cluster))));
        }),
      ),
  ];
}
