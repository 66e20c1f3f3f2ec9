import { ApiError, bodyOf, DRY_RUN, type Cluster } from '@robustmq/client';
import { Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { showDryRun } from '../dry-run.ts';
import { EXIT, Failure, usageFailure } from '../failure.ts';
import { seconds } from '../numbers.ts';
import { fieldsOf, tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';
import { showStatus } from '../service-status.ts';
import { lifeCommands } from './cluster-life.ts';

interface WaitOptions {
  wait?: boolean;
  timeout: number;
}

const POLL_MS = 250;
const at = (cluster: Cluster) => ({ params: { path: { tenantId: cluster.tenantId, clusterId: cluster.id } } });

/** One cluster as scripts know it: `id, name, plan, phase, endpoints` first, everything else after. */
export const clusterJson = ({ id, name, plan, phase, endpoints, ...rest }: Cluster): object => ({
  id,
  name,
  plan,
  phase,
  endpoints,
  ...rest,
});

const show = (context: Context, cluster: Cluster): Promise<void> =>
  context.print(clusterJson(cluster), () =>
    fieldsOf([
      ['name', cluster.name],
      ['id', cluster.id],
      ['key', cluster.key],
      ['plan', cluster.plan],
      ['region', cluster.region],
      ['phase', cluster.phase],
      ...Object.entries(cluster.labels).map(([name, value]) => [`label ${name}`, value] as const),
      ...Object.entries(cluster.endpoints).map(([name, url]) => [name, url] as const),
      ['created', cluster.createdAt],
      ...(cluster.lastError === null ? [] : [['error', cluster.lastError] as const]),
    ]),
  );

/** Why a cluster is not ready, in words of its conditions. */
function reasonOf(cluster: Cluster): string {
  const wrong = cluster.conditions.filter((condition) => condition.type !== 'Ready' && condition.status !== 'True');
  return cluster.lastError ?? wrong.map((c) => c.message || c.reason).join('; ') ?? '';
}

async function waitReady(context: Context, first: Cluster, timeoutSeconds: number): Promise<Cluster> {
  const deadline = context.terminal.now() + timeoutSeconds * 1000;
  let cluster = first;
  while (cluster.phase !== 'Ready') {
    if (['Failed', 'Deleting', 'Deleted'].includes(cluster.phase) || context.terminal.now() >= deadline) {
      const reason = reasonOf(cluster);
      const after = cluster.phase === 'Failed' ? '' : ` after ${timeoutSeconds} s`;
      throw new Failure(
        EXIT.failed,
        `Cluster "${cluster.name}" is ${cluster.phase}${after}${reason ? `: ${reason}` : ''}.`,
        `See: robust-ctl cluster status ${cluster.name}`,
      );
    }
    await context.terminal.sleep(POLL_MS);
    cluster = await bodyOf(context.client().GET('/v1/tenants/{tenantId}/clusters/{clusterId}', at(cluster)));
  }
  return cluster;
}

async function waitGone(context: Context, cluster: Cluster, timeoutSeconds: number): Promise<void> {
  const deadline = context.terminal.now() + timeoutSeconds * 1000;
  for (;;) {
    try {
      const now = await bodyOf(context.client().GET('/v1/tenants/{tenantId}/clusters/{clusterId}', at(cluster)));
      if (now.phase === 'Deleted') return;
      if (context.terminal.now() >= deadline) {
        throw new Failure(EXIT.failed, `Cluster "${now.name}" is still ${now.phase} after ${timeoutSeconds} s.`);
      }
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return;
      throw error;
    }
    await context.terminal.sleep(POLL_MS);
  }
}

interface CreateOptions extends WaitOptions {
  plan: 'serverless' | 'dedicated';
  dryRun?: boolean;
}

async function create(context: Context, name: string, options: CreateOptions): Promise<void> {
  const path = { tenantId: await context.tenantId() };
  const post = (query: { dry_run?: 'true' }) =>
    context.client().POST('/v1/tenants/{tenantId}/clusters', {
      params: { path, query },
      body: { name, plan: options.plan },
    });
  if (options.dryRun) return showDryRun(context, post(DRY_RUN));
  const created = await bodyOf(post({}));
  await show(context, options.wait ? await waitReady(context, created, options.timeout) : created);
}

async function list(context: Context): Promise<void> {
  const clusters = await context.clusters(await context.tenantId());
  await context.print(clusters.map(clusterJson), () =>
    tableOf(
      [
        { heading: 'NAME', value: (c) => c.name },
        { heading: 'PLAN', value: (c) => c.plan },
        { heading: 'PHASE', value: (c) => c.phase },
        { heading: 'KEY', value: (c) => c.key },
        { heading: 'CREATED', value: (c) => c.createdAt },
      ],
      clusters,
    ),
  );
  if (clusters.length === 0) context.terminal.note('No clusters yet. Make one: robust-ctl cluster create NAME --wait');
}

interface DeleteOptions extends WaitOptions {
  yes?: boolean;
  purge?: boolean;
  dryRun?: boolean;
}

async function remove(context: Context, name: string, options: DeleteOptions): Promise<void> {
  const cluster = await context.cluster(name);
  const { terminal } = context;
  const { path } = at(cluster).params;
  const purge = options.purge ? { restore_days: '0' as const } : {};
  const call = (more: { dry_run?: 'true' }) =>
    context.client().DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}', {
      params: { path, query: { ...purge, ...more } },
    });
  if (options.dryRun) return showDryRun(context, call(DRY_RUN));
  if (!options.yes && terminal.stdinIsTty && terminal.stderrIsTty) {
    const what = options.purge ? 'and all its data for good' : '(it can be restored for days)';
    const answer = await terminal.ask(`Delete cluster "${cluster.name}" ${what}? Type its name: `, false);
    if (answer.trim() !== cluster.name) throw usageFailure('Nothing was deleted.');
  }
  const deleting = await bodyOf(call({}));
  if (options.wait) await waitGone(context, cluster, options.timeout);
  const phase = options.wait ? 'Deleted' : deleting.phase;
  terminal.note(options.wait ? `Deleted cluster "${cluster.name}".` : `Deleting cluster "${cluster.name}".`);
  if (deleting.restoreUntil) terminal.note(`Until ${deleting.restoreUntil}: robust-ctl cluster restore ${cluster.id}`);
  await context.print(clusterJson({ ...deleting, phase }), () => '');
}

async function wait(
  context: Context,
  name: string,
  options: WaitOptions & { for: 'ready' | 'deleted' },
): Promise<void> {
  if (options.for === 'ready')
    return show(context, await waitReady(context, await context.cluster(name), options.timeout));
  const cluster = await context.cluster(name).catch((error: unknown) => {
    const gone =
      (error instanceof Failure && error.exitCode === EXIT.notFound) ||
      (error instanceof ApiError && error.status === 404);
    if (gone) return undefined;
    throw error;
  });
  if (cluster) await waitGone(context, cluster, options.timeout);
}

const timeoutOption = (): Option =>
  new Option('--timeout <seconds>', 'longest wait').argParser(seconds).default(120, '120');

/** cluster create | list | get | status | wait | delete | update | pause | resume | restore. */
export function clusterCommand(kit: CommandKit): Command {
  const cluster = new Command('cluster').description(
    'clusters: messaging endpoints with their own topics and credentials',
  );
  cluster
    .command('create <name>')
    .description('create a cluster')
    .addOption(
      new Option('--plan <plan>', 'what it runs on').choices(['serverless', 'dedicated']).default('serverless'),
    )
    .option('--wait', 'return when clients can connect')
    .option('--dry-run', 'only say what would be made, what is left of quotas, and what it costs')
    .addOption(timeoutOption())
    .action((name: string, options: CreateOptions, command: Command) =>
      kit.run(command, (context) => create(context, name, options)),
    );
  cluster
    .command('list')
    .description('list clusters')
    .action((_options: object, command: Command) => kit.run(command, list));
  cluster
    .command('get <cluster>')
    .description('show one cluster, by id or name')
    .action((name: string, _options: object, command: Command) =>
      kit.run(command, async (context) => show(context, await context.cluster(name))),
    );
  cluster
    .command('status [cluster]')
    .description('is the service up: control plane, clusters, endpoints')
    .action((name: string | undefined, _options: object, command: Command) =>
      kit.run(command, (context) => showStatus(context, name)),
    );
  cluster
    .command('wait <cluster>')
    .description('wait until a cluster is ready, or gone')
    .addOption(new Option('--for <state>').choices(['ready', 'deleted']).default('ready'))
    .addOption(timeoutOption())
    .action((name: string, options: WaitOptions & { for: 'ready' | 'deleted' }, command: Command) =>
      kit.run(command, (context) => wait(context, name, options)),
    );
  cluster
    .command('delete <cluster>')
    .description('delete a cluster; it can be restored for days, unless it is purged')
    .option('-y, --yes', 'do not ask')
    .option('--purge', 'remove its data at once and for good')
    .option('--wait', 'return when it is gone')
    .option('--dry-run', 'only say what would go')
    .addOption(timeoutOption())
    .action((name: string, options: DeleteOptions, command: Command) =>
      kit.run(command, (context) => remove(context, name, options)),
    );
  for (const command of lifeCommands(kit, show)) cluster.addCommand(command);
  return cluster;
}
