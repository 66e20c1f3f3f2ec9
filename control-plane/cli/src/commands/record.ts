import { bodyOf, type Cluster } from '@robustmq/client';
import { Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { usageFailure } from '../failure.ts';
import { collect } from '../lines.ts';
import { wholeNumber } from '../numbers.ts';
import { fieldsOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

interface ProduceOptions {
  cluster?: string;
  key?: string;
  value?: string;
  encoding: 'text' | 'hex' | 'base64';
  header?: string[];
  partition?: number;
  as?: string;
}

const pathOf = (cluster: Cluster) => ({ tenantId: cluster.tenantId, clusterId: cluster.id });

function headersOf(texts: readonly string[]): { name: string; value: string }[] {
  return texts.map((text) => {
    const split = text.indexOf('=');
    if (split < 1) throw usageFailure(`"${text}" is no header.`, 'Write it as NAME=VALUE.');
    return { name: text.slice(0, split), value: text.slice(split + 1) };
  });
}

async function produce(context: Context, topicName: string, options: ProduceOptions): Promise<void> {
  const { key, value, encoding, header, partition, as } = options;
  const cluster = await context.cluster(options.cluster);
  const made = await bodyOf(
    context.client().POST('/v1/tenants/{tenantId}/clusters/{clusterId}/topics/{topicName}/records', {
      params: { path: { ...pathOf(cluster), topicName } },
      body: {
        encoding,
        ...(key === undefined ? {} : { key }),
        ...(value === undefined ? {} : { value }),
        ...(header === undefined ? {} : { headers: headersOf(header) }),
        ...(partition === undefined ? {} : { partition }),
        ...(as === undefined ? {} : { asPrincipal: as }),
      },
    }),
  );
  await context.print(made, () =>
    fieldsOf([
      ['topic', made.topic],
      ['partition', String(made.partition)],
      ['offset', String(made.offset)],
    ]),
  );
}

/** record produce: over REST, without a credential; `produce` speaks Kafka. */
export function recordCommand(kit: CommandKit): Command {
  const record = new Command('record').description('single records over REST, for testing');
  record
    .command('produce <topic>')
    .description('produce one record')
    .option('-c, --cluster <id|name>')
    .option('--key <key>')
    .option('--value <value>', 'left out = null, a tombstone')
    .addOption(
      new Option('--encoding <encoding>', 'of key, value and headers here')
        .choices(['text', 'hex', 'base64'])
        .default('text'),
    )
    .option('--header <name=value>', 'may be repeated', collect)
    .addOption(new Option('--partition <n>').argParser(wholeNumber(0, 65_535)))
    .option('--as <credential>', 'ask the ACL as if this credential produced it')
    .action((topic: string, options: ProduceOptions, command: Command) =>
      kit.run(command, (context) => produce(context, topic, options)),
    );
  return record;
}
