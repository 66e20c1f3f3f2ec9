import { bodyOf, type Cluster, type RestClient } from '@robustmq/client';
import { Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { EXIT, Failure } from '../failure.ts';
import { wholeNumber } from '../numbers.ts';
import { tableOf, type Column } from '../output.ts';
import type { CommandKit } from '../program.ts';

interface InCluster {
  cluster?: string;
  limit?: number;
}

/** Path parameters and client of one cluster. */
interface Where {
  readonly client: RestClient;
  readonly path: { readonly tenantId: string; readonly clusterId: string };
  readonly cluster: Cluster;
}

async function where(context: Context, name: string | undefined): Promise<Where> {
  const cluster = await context.cluster(name);
  return { client: context.client(), path: { tenantId: cluster.tenantId, clusterId: cluster.id }, cluster };
}

/** Rows of live lists shown without `--limit`, and read per request. */
const ROWS_DEFAULT = 1_000;
const PAGE_ROWS_MAX = 1_000;

type Page<T> = Promise<{ data?: { items: T[]; nextCursor?: string | undefined }; response: Response }>;

/** At most `--limit` rows of a live list. */
async function rows<T>(limit: number, page: (query: { limit: number; cursor?: string }) => Page<T>): Promise<T[]> {
  const found: T[] = [];
  for (let cursor: string | undefined; ;) {
    const query = { limit: Math.min(PAGE_ROWS_MAX, limit - found.length), ...(cursor === undefined ? {} : { cursor }) };
    const next = await bodyOf(page(query));
    found.push(...next.items.slice(0, limit - found.length));
    if (next.nextCursor === undefined || found.length >= limit) return found;
    cursor = next.nextCursor;
  }
}

const inCluster = (command: Command): Command => command.option('-c, --cluster <id|name>');

/** A command that lists something live. */
function lister<T, O extends InCluster>(
  kit: CommandKit,
  command: Command,
  page: (at: Where, options: O, query: { limit: number; cursor?: string }) => Page<T>,
  columns: readonly Column<T>[],
): Command {
  return inCluster(command)
    .addOption(new Option('--limit <n>', 'rows at most').argParser(wholeNumber(1, 1_000_000)))
    .action((...given: unknown[]) => {
      const [options, self] = given.slice(-2) as [O, Command];
      return kit.run(self, async (context) => {
        const at = await where(context, options.cluster);
        const found = await rows(options.limit ?? ROWS_DEFAULT, (query) => page(at, options, query));
        await context.print(found, () => tableOf(columns, found));
      });
    });
}

/** A command that does something to one thing and says so. */
function actor(
  kit: CommandKit,
  command: Command,
  act: (at: Where, name: string) => Promise<unknown>,
  said: (name: string) => string,
): Command {
  return inCluster(command).action((name: string, options: InCluster, self: Command) =>
    kit.run(self, async (context) => {
      await act(await where(context, options.cluster), name);
      context.terminal.note(said(name));
    }),
  );
}

const root = '/v1/tenants/{tenantId}/clusters/{clusterId}' as const;

/** client list | kick. */
export function clientCommand(kit: CommandKit): Command {
  const client = new Command('client').description('clients that are connected now');
  client.addCommand(
    lister(
      kit,
      new Command('list').description('list connected clients').option('--prefix <text>', 'ids that begin so'),
      ({ client: rest, path }, options: InCluster & { prefix?: string }, query) =>
        rest.GET(`${root}/clients`, {
          params: { path, query: { ...query, ...(options.prefix === undefined ? {} : { prefix: options.prefix }) } },
        }),
      [
        { heading: 'CLIENT ID', value: (c) => c.clientId },
        { heading: 'PROTOCOL', value: (c) => c.protocol },
        { heading: 'PRINCIPAL', value: (c) => c.principal },
        { heading: 'ADDRESS', value: (c) => c.remoteAddress },
        { heading: 'SINCE', value: (c) => c.connectedAt },
      ],
    ),
  );
  client.addCommand(
    actor(
      kit,
      new Command('kick').argument('<clientId>').description('cut a client’s connection; it may come back'),
      ({ client: rest, path }, clientId) =>
        rest.DELETE(`${root}/clients/{clientId}`, { params: { path: { ...path, clientId } } }),
      (clientId) => `Cut the connection of "${clientId}".`,
    ),
  );
  return client;
}

/** session list | end | inbox | clear. */
export function mqttSessionCommand(kit: CommandKit): Command {
  const session = new Command('session').description('MQTT sessions and what they are owed');
  session.addCommand(
    lister(
      kit,
      new Command('list').description('list sessions, connected or not'),
      ({ client, path }, _: InCluster, query) => client.GET(`${root}/sessions`, { params: { path, query } }),
      [
        { heading: 'CLIENT ID', value: (s) => s.clientId },
        { heading: 'CONNECTED', value: (s) => (s.connected ? 'yes' : 'no') },
        { heading: 'SUBSCRIPTIONS', value: (s) => String(s.subscriptions) },
        { heading: 'OWED', value: (s) => String(s.inboxMessages) },
        { heading: 'OWED BYTES', value: (s) => String(s.inboxBytes) },
      ],
    ),
  );
  session.addCommand(
    lister(
      kit,
      new Command('inbox').description('messages owed to one session').requiredOption('--client <id>'),
      ({ client, path }, options: InCluster & { client: string }, query) =>
        client.GET(`${root}/sessions/{clientId}/inbox`, {
          params: { path: { ...path, clientId: options.client }, query },
        }),
      [
        { heading: 'TOPIC', value: (m) => m.topic },
        { heading: 'QOS', value: (m) => String(m.qos) },
        { heading: 'BYTES', value: (m) => String(m.sizeBytes) },
        { heading: 'AT', value: (m) => m.timestamp },
      ],
    ),
  );
  session.addCommand(
    actor(
      kit,
      new Command('end').argument('<clientId>').description('end a session and forget what it was owed'),
      ({ client, path }, clientId) =>
        client.DELETE(`${root}/sessions/{clientId}`, { params: { path: { ...path, clientId } } }),
      (clientId) => `Ended the session of "${clientId}".`,
    ),
  );
  session.addCommand(
    actor(
      kit,
      new Command('clear').argument('<clientId>').description('forget the messages owed to a session'),
      ({ client, path }, clientId) =>
        client.DELETE(`${root}/sessions/{clientId}/inbox`, { params: { path: { ...path, clientId } } }),
      (clientId) => `Cleared the inbox of "${clientId}".`,
    ),
  );
  return session;
}

/** retained list | delete. */
export function retainedCommand(kit: CommandKit): Command {
  const retained = new Command('retained').description('retained messages');
  retained.addCommand(
    lister(
      kit,
      new Command('list').description('list retained messages').option('--filter <filter>', 'an MQTT filter', '#'),
      ({ client, path }, { filter }: InCluster & { filter: string }, query) =>
        client.GET(`${root}/retained`, { params: { path, query: { ...query, filter } } }),
      [
        { heading: 'TOPIC', value: (m) => m.topic },
        { heading: 'BYTES', value: (m) => String(m.sizeBytes) },
        { heading: 'AT', value: (m) => m.timestamp },
        { heading: 'VALUE', value: (m) => Buffer.from(m.value, 'base64').toString('utf8').slice(0, 60) },
      ],
    ),
  );
  retained.addCommand(
    actor(
      kit,
      new Command('delete').argument('<topic>').description('remove the retained message of a topic'),
      ({ client, path }, topic) => client.DELETE(`${root}/retained`, { params: { path, query: { topic } } }),
      (topic) => `Removed the retained message of "${topic}".`,
    ),
  );
  return retained;
}

/** events: refused connections and requests. */
export const eventsCommand = (kit: CommandKit): Command =>
  lister(
    kit,
    new Command('events').description('refused connections and requests of a cluster: who, at which stage, why'),
    ({ client, path }, _: InCluster, query) => client.GET(`${root}/events`, { params: { path, query } }),
    [
      { heading: 'AT', value: (e) => e.at },
      { heading: 'PROTOCOL', value: (e) => e.protocol },
      { heading: 'CLIENT ID', value: (e) => e.clientId ?? '' },
      { heading: 'STAGE', value: (e) => e.stage },
      { heading: 'CODE', value: (e) => e.code },
      { heading: 'DETAIL', value: (e) => e.detail },
    ],
  );

type GroupRow = { name: string; state: string; protocolType: string; members: unknown[]; offsets: { lag: number }[] };

const groupPages = ({ client, path }: Where, _: InCluster, query: { limit: number; cursor?: string }) =>
  client.GET(`${root}/groups`, { params: { path, query } });

async function describeGroup(context: Context, name: string, clusterName: string | undefined): Promise<void> {
  const at = await where(context, clusterName);
  const groups = await rows(Number.MAX_SAFE_INTEGER, (query) => groupPages(at, {}, query));
  const group = groups.find((one) => one.name === name);
  if (!group) throw new Failure(EXIT.notFound, `Cluster "${at.cluster.name}" has no group "${name}".`);
  await context.print(group, () =>
    tableOf(
      [
        { heading: 'TOPIC', value: (o) => o.topic },
        { heading: 'PARTITION', value: (o) => String(o.partition) },
        { heading: 'OFFSET', value: (o) => String(o.offset) },
        { heading: 'END', value: (o) => String(o.endOffset) },
        { heading: 'LAG', value: (o) => String(o.lag) },
      ],
      group.offsets,
    ),
  );
}

/** group list | describe | reset-offsets. */
export function groupCommand(kit: CommandKit): Command {
  const group = new Command('group').description('consumer groups: members, offsets, lag');
  group.addCommand(
    lister(kit, new Command('list').description('list consumer groups'), groupPages, [
      { heading: 'GROUP', value: (g: GroupRow) => g.name },
      { heading: 'STATE', value: (g: GroupRow) => g.state },
      { heading: 'TYPE', value: (g: GroupRow) => g.protocolType },
      { heading: 'MEMBERS', value: (g: GroupRow) => String(g.members.length) },
      { heading: 'LAG', value: (g: GroupRow) => String(g.offsets.reduce((sum, one) => sum + one.lag, 0)) },
    ]),
  );
  inCluster(group.command('describe <group>').description('offsets and lag of one group')).action(
    (name: string, options: InCluster, self: Command) =>
      kit.run(self, (context) => describeGroup(context, name, options.cluster)),
  );
  inCluster(group.command('reset-offsets <group>').description('move the offsets of an empty group'))
    .requiredOption('--topic <topic>')
    .requiredOption('--to <place>', 'earliest, latest, an ISO time, or an offset')
    .action((groupName: string, options: InCluster & { topic: string; to: string }, self: Command) =>
      kit.run(self, async (context) => {
        const { client, path } = await where(context, options.cluster);
        const to = /^\d+$/.test(options.to) ? Number(options.to) : options.to;
        const moved = await bodyOf(
          client.PUT(`${root}/groups/{groupName}/offsets`, {
            params: { path: { ...path, groupName } },
            body: { topic: options.topic, to },
          }),
        );
        await context.print(moved, () =>
          tableOf(
            [
              { heading: 'PARTITION', value: (o) => String(o.partition) },
              { heading: 'OFFSET', value: (o) => String(o.offset) },
            ],
            moved.offsets,
          ),
        );
      }),
    );
  return group;
}
