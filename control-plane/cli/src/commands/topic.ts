import { allItems, bodyOf, DRY_RUN, type Cluster } from '@robustmq/client';
import { Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { showDryRun } from '../dry-run.ts';
import { collect } from '../lines.ts';
import { wholeNumber } from '../numbers.ts';
import { fieldsOf, tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';
import { addPolicyCommands, policyFlags, policyOf, type PolicyOptions } from './topic-policy.ts';

interface InCluster {
  cluster?: string;
}
interface CreateOptions extends InCluster, PolicyOptions {
  engine?: 'memory' | 'file' | 'rocksdb';
  partitions: number;
  binding?: string[];
  durability?: 'memory' | 'flushed';
  retentionMs?: number;
  retentionBytes?: number;
  dryRun?: boolean;
}

const pathOf = (cluster: Cluster) => ({ tenantId: cluster.tenantId, clusterId: cluster.id });

async function create(context: Context, name: string, options: CreateOptions): Promise<void> {
  const cluster = await context.cluster(options.cluster);
  const post = (query: { dry_run?: 'true' }) =>
    context.client().POST('/v1/tenants/{tenantId}/clusters/{clusterId}/topics', {
      params: { path: pathOf(cluster), query },
      body: {
        name,
        partitions: options.partitions,
        ...policyOf(options),
        ...(options.engine ? { engine: options.engine } : {}),
        ...(options.binding ? { bindings: options.binding } : {}),
        ...(options.durability ? { durability: options.durability } : {}),
        ...(options.retentionMs === undefined ? {} : { retentionMs: options.retentionMs }),
        ...(options.retentionBytes === undefined ? {} : { retentionBytes: options.retentionBytes }),
      },
    });
  if (options.dryRun) return showDryRun(context, post(DRY_RUN));
  const topic = await bodyOf(post({}));
  await context.print(topic, () =>
    fieldsOf([
      ['name', topic.name],
      ['partitions', String(topic.partitions)],
      ['ready', topic.ready ? 'yes' : 'not yet'],
    ]),
  );
}

async function list(context: Context, clusterName: string | undefined): Promise<void> {
  const cluster = await context.cluster(clusterName);
  const topics = await allItems((cursor) =>
    bodyOf(
      context.client().GET('/v1/tenants/{tenantId}/clusters/{clusterId}/topics', {
        params: { path: pathOf(cluster), query: { limit: 200, ...(cursor === undefined ? {} : { cursor }) } },
      }),
    ),
  );
  await context.print(topics, () =>
    tableOf(
      [
        { heading: 'NAME', value: (t) => t.name },
        { heading: 'PARTITIONS', value: (t) => String(t.partitions) },
        { heading: 'STORED BYTES', value: (t) => String(t.storedBytes) },
        { heading: 'MADE BY', value: (t) => t.origin },
        { heading: 'READY', value: (t) => (t.ready ? 'yes' : 'not yet') },
      ],
      topics,
    ),
  );
}

interface DeleteOptions extends InCluster {
  undoHours?: number;
  dryRun?: boolean;
}

async function remove(context: Context, name: string, options: DeleteOptions): Promise<void> {
  const cluster = await context.cluster(options.cluster);
  const window = options.undoHours === undefined ? {} : { undo_hours: options.undoHours };
  const call = (more: { dry_run?: 'true' }) =>
    context.client().DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/topics/{topicName}', {
      params: { path: { ...pathOf(cluster), topicName: name }, query: { ...window, ...more } },
    });
  if (options.dryRun) return showDryRun(context, call(DRY_RUN));
  await call({});
  context.terminal.note(`Deleted topic "${name}" of cluster "${cluster.name}".`);
}

/** topic create | list | get | update | tiers | forecast | delete. */
export function topicCommand(kit: CommandKit): Command {
  const topic = new Command('topic').description('topics: stored logs, the same for MQTT and Kafka clients');
  policyFlags(topic.command('create <name>'))
    .description('create a topic')
    .addOption(new Option('--engine <engine>', 'what stores it').choices(['memory', 'file', 'rocksdb']))
    .option('-c, --cluster <id|name>')
    .addOption(new Option('--partitions <n>').argParser(wholeNumber(1, 256)).default(1))
    .option('--binding <filter>', 'MQTT filter it captures instead of a/b and a/b/# (may be repeated)', collect)
    .option('--dry-run', 'only say what would be made, what is left of quotas, and what it costs')
    .addOption(new Option('--durability <level>', 'what an acknowledgement means').choices(['memory', 'flushed']))
    .addOption(
      new Option('--retention-ms <ms>', 'age at which messages go').argParser(wholeNumber(0, Number.MAX_SAFE_INTEGER)),
    )
    .addOption(
      new Option('--retention-bytes <bytes>', 'size at which messages go').argParser(
        wholeNumber(0, Number.MAX_SAFE_INTEGER),
      ),
    )
    .action((name: string, options: CreateOptions, command: Command) =>
      kit.run(command, (context) => create(context, name, options)),
    );
  topic
    .command('list')
    .description('list topics, those made by clients included')
    .option('-c, --cluster <id|name>')
    .action((options: InCluster, command: Command) => kit.run(command, (context) => list(context, options.cluster)));
  topic
    .command('delete <name>')
    .description('delete a topic and its data')
    .option('-c, --cluster <id|name>')
    .addOption(
      new Option('--undo-hours <n>', 'until then `operation undo` takes it back').argParser(wholeNumber(0, 168)),
    )
    .option('--dry-run', 'only say what would go')
    .action((name: string, options: DeleteOptions, command: Command) =>
      kit.run(command, (context) => remove(context, name, options)),
    );
  addPolicyCommands(kit, topic);
  return topic;
}
