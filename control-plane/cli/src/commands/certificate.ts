import { readFileSync, writeFileSync } from 'node:fs';
import { bodyOf, type Cluster } from '@robustmq/client';
import { Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { wholeNumber } from '../numbers.ts';
import { fieldsOf, tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

const IN = '/v1/tenants/{tenantId}/clusters/{clusterId}' as const;
interface InCluster {
  cluster?: string;
}
interface IssueOptions extends InCluster {
  days: number;
  csr?: string;
  certOut?: string;
  keyOut?: string;
}

const at = (cluster: Cluster) => ({ params: { path: { tenantId: cluster.tenantId, clusterId: cluster.id } } });

async function authority(context: Context, { cluster: name }: InCluster, make: boolean): Promise<void> {
  const cluster = await context.cluster(name);
  const path = `${IN}/certificate-authority` as const;
  const found = await bodyOf(make ? context.client().POST(path, at(cluster)) : context.client().GET(path, at(cluster)));
  await context.print(found, () => found.certificatePem);
}

async function issue(context: Context, name: string, options: IssueOptions): Promise<void> {
  const { days, csr, certOut, keyOut } = options;
  const cluster = await context.cluster(options.cluster);
  const body = { name, days, ...(csr === undefined ? {} : { csrPem: readFileSync(csr, 'utf8') }) };
  const made = await bodyOf(context.client().POST(`${IN}/certificates`, { ...at(cluster), body }));
  if (certOut !== undefined) writeFileSync(certOut, made.certificatePem);
  if (keyOut !== undefined && made.privateKeyPem !== undefined)
    writeFileSync(keyOut, made.privateKeyPem, { mode: 0o600 });
  await context.print(made, () =>
    [
      fieldsOf([
        ['serial', made.serial],
        ['name', made.name],
        ['until', made.notAfter],
      ]),
      ...(certOut === undefined ? [made.certificatePem] : []),
      ...(keyOut === undefined && made.privateKeyPem !== undefined ? [made.privateKeyPem] : []),
    ].join('\n'),
  );
  if (made.privateKeyPem !== undefined) context.terminal.note('The private key is shown this once.');
}

async function list(context: Context, { cluster: name }: InCluster): Promise<void> {
  const { params } = at(await context.cluster(name));
  const { items } = await bodyOf(
    context.client().GET(`${IN}/certificates`, { params: { ...params, query: { limit: 200 } } }),
  );
  await context.print(items, () =>
    tableOf(
      [
        { heading: 'NAME', value: (c) => c.name },
        { heading: 'UNTIL', value: (c) => c.notAfter },
        { heading: 'REVOKED', value: (c) => c.revokedAt ?? '' },
        { heading: 'SERIAL', value: (c) => c.serial },
      ],
      items,
    ),
  );
}

/** certificate authority | create-authority | issue | list | revoke. */
export function certificateCommand(kit: CommandKit): Command {
  const certificate = new Command('certificate').description('client certificates of a cluster’s own authority');
  const inCluster = (command: Command): Command => command.option('-c, --cluster <id|name>');
  inCluster(certificate.command('authority').description('show the authority’s certificate')).action(
    (options: InCluster, command: Command) => kit.run(command, (context) => authority(context, options, false)),
  );
  inCluster(
    certificate.command('create-authority').description('make an authority for the cluster and trust it'),
  ).action((options: InCluster, command: Command) => kit.run(command, (context) => authority(context, options, true)));
  inCluster(certificate.command('issue <name>').description('issue a certificate; the name is the principal'))
    .addOption(new Option('--days <n>', 'how long it is good').argParser(wholeNumber(1, 825)).default(365))
    .option('--csr <file>', 'for a certificate request; otherwise a key is made and shown once')
    .option('--cert-out <file>')
    .option('--key-out <file>')
    .action((name: string, options: IssueOptions, command: Command) =>
      kit.run(command, (context) => issue(context, name, options)),
    );
  inCluster(certificate.command('list').description('list certificates')).action(
    (options: InCluster, command: Command) => kit.run(command, (context) => list(context, options)),
  );
  inCluster(certificate.command('revoke <serial>').description('revoke a certificate and cut its connections')).action(
    (serial: string, options: InCluster, command: Command) =>
      kit.run(command, async (context) => {
        const { path } = at(await context.cluster(options.cluster)).params;
        await context.client().DELETE(`${IN}/certificates/{serial}`, { params: { path: { ...path, serial } } });
        context.terminal.note(`Revoked certificate ${serial}.`);
      }),
  );
  return certificate;
}
