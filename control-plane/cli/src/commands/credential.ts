import { allItems, bodyOf, type Cluster, type Credential } from '@robustmq/client';
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { EXIT, Failure } from '../failure.ts';
import { fieldsOf, tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

const pathOf = (cluster: Cluster) => ({ tenantId: cluster.tenantId, clusterId: cluster.id });

export const listCredentials = (context: Context, cluster: Cluster): Promise<Credential[]> =>
  allItems((cursor) =>
    bodyOf(
      context.client().GET('/v1/tenants/{tenantId}/clusters/{clusterId}/credentials', {
        params: { path: pathOf(cluster), query: { limit: 200, ...(cursor === undefined ? {} : { cursor }) } },
      }),
    ),
  );

async function create(context: Context, name: string, clusterName: string | undefined): Promise<void> {
  const cluster = await context.cluster(clusterName);
  const { id, username, password } = await bodyOf(
    context.client().POST('/v1/tenants/{tenantId}/clusters/{clusterId}/credentials', {
      params: { path: pathOf(cluster) },
      body: { name },
    }),
  );
  await context.print({ id, username, password }, () =>
    fieldsOf([
      ['id', id],
      ['username', username],
      ['password', password],
    ]),
  );
  context.terminal.note('The password is shown this once. Keep it in a safe place.');
}

async function list(context: Context, clusterName: string | undefined): Promise<void> {
  const credentials = await listCredentials(context, await context.cluster(clusterName));
  await context.print(credentials, () =>
    tableOf(
      [
        { heading: 'NAME', value: (c) => c.name },
        { heading: 'USERNAME', value: (c) => c.username },
        { heading: 'ID', value: (c) => c.id },
        { heading: 'IN USE', value: (c) => (c.propagated ? 'yes' : 'not yet') },
        { heading: 'CREATED', value: (c) => c.createdAt },
      ],
      credentials,
    ),
  );
}

async function remove(context: Context, name: string, clusterName: string | undefined): Promise<void> {
  const cluster = await context.cluster(clusterName);
  const credentials = await listCredentials(context, cluster);
  const found = credentials.find((c) => c.id === name || c.name === name || c.username === name);
  if (!found) throw new Failure(EXIT.notFound, `Cluster "${cluster.name}" has no credential "${name}".`);
  await context.client().DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/credentials/{credentialId}', {
    params: { path: { ...pathOf(cluster), credentialId: found.id } },
  });
  context.terminal.note(`Revoked ${found.username}.`);
}

interface InCluster {
  cluster?: string;
}

/** credential create | list | delete. */
export function credentialCommand(kit: CommandKit): Command {
  const credential = new Command('credential').description('user names and passwords clients connect with');
  credential
    .command('create <name>')
    .description('make a credential; its password is shown once')
    .option('-c, --cluster <id|name>')
    .action((name: string, options: InCluster, command: Command) =>
      kit.run(command, (context) => create(context, name, options.cluster)),
    );
  credential
    .command('list')
    .description('list credentials')
    .option('-c, --cluster <id|name>')
    .action((options: InCluster, command: Command) => kit.run(command, (context) => list(context, options.cluster)));
  credential
    .command('delete <name>')
    .description('revoke a credential (by name, user name or id) and cut its connections')
    .option('-c, --cluster <id|name>')
    .action((name: string, options: InCluster, command: Command) =>
      kit.run(command, (context) => remove(context, name, options.cluster)),
    );
  return credential;
}
