import { allItems, bodyOf, type ApiKey } from '@robustmq/client';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Context } from '../context.ts';
import { EXIT, Failure } from '../failure.ts';
import { wholeNumber } from '../numbers.ts';
import { fieldsOf, tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

type Role = 'owner' | 'admin' | 'developer' | 'viewer';
interface CreateOptions {
  role: Role;
  expires?: string;
}

const list = async (context: Context, tenantId: string): Promise<ApiKey[]> =>
  allItems((cursor) =>
    bodyOf(
      context.client().GET('/v1/tenants/{tenantId}/api-keys', {
        params: { path: { tenantId }, query: { limit: 200, ...(cursor === undefined ? {} : { cursor }) } },
      }),
    ),
  );

/** `90d` or an ISO time, in the future. */
function expiryOf(text: string, nowMs: number): string {
  const days = /^(\d{1,5})d$/.exec(text);
  const time = days ? nowMs + Number(days[1]) * 86_400_000 : Date.parse(text);
  if (Number.isNaN(time) || time <= nowMs) throw new InvalidArgumentError('Use 90d, or an ISO time in the future.');
  return new Date(time).toISOString();
}

async function create(context: Context, name: string, options: CreateOptions): Promise<void> {
  const expiresAt = options.expires === undefined ? undefined : expiryOf(options.expires, context.terminal.now());
  const created = await bodyOf(
    context.client().POST('/v1/tenants/{tenantId}/api-keys', {
      params: { path: { tenantId: await context.tenantId() } },
      body: { name, role: options.role, ...(expiresAt === undefined ? {} : { expiresAt }) },
    }),
  );
  await context.print(created, () =>
    fieldsOf([
      ['id', created.id],
      ['name', created.name],
      ['role', created.role],
      ['key', created.key],
    ]),
  );
  context.terminal.note('The key is shown this once. Use it as ROBUSTMQ_API_KEY.');
}

async function show(context: Context): Promise<void> {
  const keys = await list(context, await context.tenantId());
  await context.print(keys, () =>
    tableOf(
      [
        { heading: 'NAME', value: (k) => k.name },
        { heading: 'ROLE', value: (k) => k.role },
        { heading: 'BEGINS', value: (k) => k.prefix },
        { heading: 'ID', value: (k) => k.id },
        { heading: 'EXPIRES', value: (k) => k.expiresAt ?? 'never' },
        {
          heading: 'LAST USED',
          value: (k) => (k.lastUsedAt ? `${k.lastUsedAt} ${k.lastUsedIp ?? ''}`.trim() : 'never'),
        },
        { heading: 'ADDRESSES', value: (k) => k.addresses?.join(' ') || 'any' },
      ],
      keys,
    ),
  );
}

async function remove(context: Context, wanted: string): Promise<void> {
  const tenantId = await context.tenantId();
  const keys = (await list(context, tenantId)).filter((key) => key.id === wanted || key.name === wanted);
  if (keys.length === 0)
    throw new Failure(EXIT.notFound, `There is no API key "${wanted}".`, 'See: robust-ctl api-key list');
  if (keys.length > 1) throw new Failure(EXIT.usage, `${keys.length} API keys are named "${wanted}".`, 'Give its id.');
  await context.client().DELETE('/v1/tenants/{tenantId}/api-keys/{apiKeyId}', {
    params: { path: { tenantId, apiKeyId: keys[0]!.id } },
  });
  context.terminal.note(`Revoked API key "${keys[0]!.name}".`);
}

async function rotate(context: Context, wanted: string, overlapSeconds: number): Promise<void> {
  const tenantId = await context.tenantId();
  const keys = (await list(context, tenantId)).filter((key) => key.id === wanted || key.name === wanted);
  if (keys.length !== 1)
    throw new Failure(EXIT.notFound, `${keys.length} API keys are "${wanted}".`, 'See: robust-ctl api-key list');
  const rotated = await bodyOf(
    context.client().POST('/v1/tenants/{tenantId}/api-keys/{apiKeyId}/rotate', {
      ...{ params: { path: { tenantId, apiKeyId: keys[0]!.id } }, body: { overlapSeconds } },
    }),
  );
  await context.print(rotated, () =>
    fieldsOf([
      ['name', rotated.name],
      ['key', rotated.key],
      ['old until', rotated.overlapUntil ?? 'now'],
    ]),
  );
  context.terminal.note('The key is shown this once; until then the old one works too.');
}

/** api-key create | list | rotate | delete. */
export function apiKeyCommand(kit: CommandKit): Command {
  const apiKey = new Command('api-key').description('keys for scripts and services');
  apiKey
    .command('create <name>')
    .description('make an API key; it is shown once')
    .addOption(
      new Option('--role <role>', 'what it may do')
        .choices(['owner', 'admin', 'developer', 'viewer'])
        .default('developer'),
    )
    .option('--expires <when>', '90d, or an ISO time')
    .action((name: string, options: CreateOptions, command: Command) =>
      kit.run(command, (context) => create(context, name, options)),
    );
  apiKey
    .command('list')
    .description('list API keys')
    .action((_options: object, command: Command) => kit.run(command, show));
  apiKey
    .command('rotate <id|name>')
    .description('a new secret, shown once; the old one works for the overlap')
    .addOption(new Option('--overlap <seconds>').argParser(wholeNumber(0, 604_800)).default(3_600))
    .action((wanted: string, options: { overlap: number }, command: Command) =>
      kit.run(command, (context) => rotate(context, wanted, options.overlap)),
    );
  apiKey
    .command('delete <id|name>')
    .description('revoke an API key')
    .action((wanted: string, _options: object, command: Command) =>
      kit.run(command, (context) => remove(context, wanted)),
    );
  return apiKey;
}
