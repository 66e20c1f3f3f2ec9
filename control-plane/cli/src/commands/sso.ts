import { bodyOf } from '@robustmq/client';
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { usageFailure } from '../failure.ts';
import { collect } from '../lines.ts';
import { fieldsOf, tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';
import { ssoLoginCommand } from './sso-login.ts';

const PROVIDERS = '/v1/tenants/{tenantId}/sso/providers' as const;
const PROVIDER = '/v1/tenants/{tenantId}/sso/providers/{ssoProviderId}' as const;
const DOMAINS = '/v1/tenants/{tenantId}/sso/domains' as const;
const DOMAIN = '/v1/tenants/{tenantId}/sso/domains/{domain}' as const;
const ROLES = ['owner', 'admin', 'developer', 'operator', 'billing', 'auditor', 'viewer'] as const;
type BuiltIn = (typeof ROLES)[number];

interface ProviderOptions {
  name?: string;
  issuer?: string;
  clientId?: string;
  clientSecret?: string;
  defaultRole?: string;
  group?: string[];
  groupsClaim?: string;
  joins?: boolean;
  enabled?: boolean;
}

function roleOf(text: string): BuiltIn {
  const role = ROLES.find((one) => one === text);
  if (role === undefined) throw usageFailure(`"${text}" is no role.`, `Use one of: ${ROLES.join(', ')}.`);
  return role;
}

/** `--group platform=developer` */
function groupRoles(texts: readonly string[]): { group: string; role: BuiltIn }[] {
  return texts.map((text) => {
    const split = text.lastIndexOf('=');
    if (split < 1) throw usageFailure(`"${text}" maps no group.`, 'Write it as GROUP=ROLE.');
    return { group: text.slice(0, split), role: roleOf(text.slice(split + 1)) };
  });
}

const given = ({
  name,
  issuer,
  clientId,
  clientSecret,
  defaultRole,
  group,
  groupsClaim,
  joins,
  enabled,
}: ProviderOptions) => ({
  ...(name === undefined ? {} : { name }),
  ...(issuer === undefined ? {} : { issuer }),
  ...(clientId === undefined ? {} : { clientId }),
  ...(clientSecret === undefined ? {} : { clientSecret }),
  ...(defaultRole === undefined ? {} : { defaultRole: defaultRole === 'none' ? null : roleOf(defaultRole) }),
  ...(group === undefined ? {} : { groupRoles: groupRoles(group) }),
  ...(groupsClaim === undefined ? {} : { groupsClaim }),
  ...(joins === undefined ? {} : { joins }),
  ...(enabled === undefined ? {} : { enabled }),
});

async function addProvider(context: Context, options: ProviderOptions): Promise<void> {
  const { name, issuer, clientId } = options;
  if (name === undefined || issuer === undefined || clientId === undefined)
    throw usageFailure('--name, --issuer and --client-id are needed.');
  const path = { tenantId: await context.tenantId() };
  const body = { ...given(options), name, issuer, clientId };
  const made = await bodyOf(context.client().POST(PROVIDERS, { params: { path }, body }));
  await context.print(made, () =>
    fieldsOf([
      ['id', made.id],
      ['name', made.name],
      ['issuer', made.issuer],
      ['redirect', made.redirectUri],
    ]),
  );
  context.terminal.note(`Allow the redirect ${made.redirectUri} at the provider.`);
}

async function listProviders(context: Context): Promise<void> {
  const path = { tenantId: await context.tenantId() };
  const { items } = await bodyOf(context.client().GET(PROVIDERS, { params: { path, query: { limit: 200 } } }));
  await context.print(items, () =>
    tableOf(
      [
        { heading: 'NAME', value: (p) => p.name },
        { heading: 'ISSUER', value: (p) => p.issuer },
        { heading: 'ENABLED', value: (p) => (p.enabled ? 'yes' : 'no') },
        { heading: 'FOR OWNERS', value: (p) => (p.forOwners ? 'yes' : 'no') },
        { heading: 'ID', value: (p) => p.id },
      ],
      items,
    ),
  );
}

async function checkProvider(context: Context, ssoProviderId: string): Promise<void> {
  const path = { tenantId: await context.tenantId(), ssoProviderId };
  const found = await bodyOf(context.client().POST(`${PROVIDER}:check`, { params: { path } }));
  await context.print(found, () => (found.problems.length === 0 ? 'It can be used.' : found.problems.join('\n')));
}

async function addDomain(context: Context, domain: string): Promise<void> {
  const path = { tenantId: await context.tenantId() };
  const made = await bodyOf(context.client().POST(DOMAINS, { params: { path }, body: { domain } }));
  await context.print(made, () =>
    fieldsOf([
      ['domain', made.domain],
      ['TXT name', made.record.name],
      ['TXT value', made.record.value],
    ]),
  );
  context.terminal.note(`Set the TXT record, then: robust-ctl sso domain verify ${made.domain}`);
}

async function listDomains(context: Context): Promise<void> {
  const path = { tenantId: await context.tenantId() };
  const { items } = await bodyOf(context.client().GET(DOMAINS, { params: { path, query: { limit: 200 } } }));
  await context.print(items, () =>
    tableOf(
      [
        { heading: 'DOMAIN', value: (d) => d.domain },
        { heading: 'PROVEN', value: (d) => d.verifiedAt ?? 'not yet' },
        { heading: 'TXT NAME', value: (d) => d.record.name },
        { heading: 'TXT VALUE', value: (d) => d.record.value },
      ],
      items,
    ),
  );
}

async function require(context: Context, ssoRequired: boolean): Promise<void> {
  const path = { tenantId: await context.tenantId() };
  await context.client().PATCH('/v1/tenants/{tenantId}', { params: { path }, body: { ssoRequired } });
  context.terminal.note(
    ssoRequired
      ? 'Members enter through the identity provider alone; owners may use their password still.'
      : 'Members may use their password again.',
  );
}

const providerOptions = (command: Command): Command =>
  command
    .option('--name <name>')
    .option('--issuer <url>', 'of OpenID Connect Discovery')
    .option('--client-id <id>')
    .option('--client-secret <secret>', 'left out for a public client')
    .option('--default-role <role>', 'of newcomers whose groups map to nothing; "none" refuses them')
    .option('--group <group=role>', 'maps a group to a role (may be repeated; replaces what was)', collect)
    .option('--groups-claim <claim>', 'the claim that lists groups')
    .option('--no-joins', 'only members sign in')
    .option('--no-enabled', 'switches it off');

function addProviderCommands(kit: CommandKit, sso: Command): void {
  const provider = sso.command('provider').description('identity providers');
  providerOptions(provider.command('add').description('add one')).action((options: ProviderOptions, command: Command) =>
    kit.run(command, (context) => addProvider(context, options)),
  );
  provider
    .command('list')
    .description('list them')
    .action((_options: object, command: Command) => kit.run(command, listProviders));
  providerOptions(provider.command('update <id>').description('change one'))
    .option('--joins', 'whoever signs in becomes a member')
    .option('--enabled', 'switches it on')
    .action((ssoProviderId: string, options: ProviderOptions, command: Command) =>
      kit.run(command, async (context) => {
        const path = { tenantId: await context.tenantId(), ssoProviderId };
        // commander's --no-x has a default; what was not on the command line is left alone
        const said = (name: string) => command.getOptionValueSource(name) === 'cli';
        const { joins, enabled, ...rest } = options;
        const body = given({
          ...rest,
          ...(joins !== undefined && said('joins') ? { joins } : {}),
          ...(enabled !== undefined && said('enabled') ? { enabled } : {}),
        });
        const updated = await bodyOf(context.client().PATCH(PROVIDER, { params: { path }, body }));
        await context.print(updated, () =>
          fieldsOf([
            ['id', updated.id],
            ['name', updated.name],
          ]),
        );
      }),
    );
  provider
    .command('check <id>')
    .description('read its discovery document now')
    .action((id: string, _options: object, command: Command) =>
      kit.run(command, (context) => checkProvider(context, id)),
    );
  provider
    .command('delete <id>')
    .description('remove one and end its sessions')
    .action((ssoProviderId: string, _options: object, command: Command) =>
      kit.run(command, async (context) => {
        await context
          .client()
          .DELETE(PROVIDER, { params: { path: { tenantId: await context.tenantId(), ssoProviderId } } });
        context.terminal.note('Removed the identity provider.');
      }),
    );
}

function addDomainCommands(kit: CommandKit, sso: Command): void {
  const domain = sso.command('domain').description('e-mail domains that are yours');
  domain
    .command('add <domain>')
    .description('claim one')
    .action((name: string, _options: object, command: Command) =>
      kit.run(command, (context) => addDomain(context, name)),
    );
  domain
    .command('list')
    .description('list them')
    .action((_options: object, command: Command) => kit.run(command, listDomains));
  domain
    .command('verify <domain>')
    .description('look its TXT record up')
    .action((name: string, _options: object, command: Command) =>
      kit.run(command, async (context) => {
        const path = { tenantId: await context.tenantId(), domain: name };
        const found = await bodyOf(context.client().POST(`${DOMAIN}:verify`, { params: { path } }));
        await context.print(found, () => `${found.domain} is proven.`);
      }),
    );
  domain
    .command('delete <domain>')
    .description('give one up')
    .action((name: string, _options: object, command: Command) =>
      kit.run(command, async (context) => {
        await context
          .client()
          .DELETE(DOMAIN, { params: { path: { tenantId: await context.tenantId(), domain: name } } });
        context.terminal.note(`Gave ${name} up.`);
      }),
    );
}

/** sso login, sso provider add | list | update | check | delete, sso domain add | list | verify | delete, sso require | optional. */
export function ssoCommand(kit: CommandKit): Command {
  const sso = new Command('sso').description('sign-in through your own identity provider (OpenID Connect)');
  sso.addCommand(ssoLoginCommand(kit));
  addProviderCommands(kit, sso);
  addDomainCommands(kit, sso);
  sso
    .command('require')
    .description('members enter through the provider alone')
    .action((_options: object, command: Command) => kit.run(command, (context) => require(context, true)));
  sso
    .command('optional')
    .description('passwords are good again')
    .action((_options: object, command: Command) => kit.run(command, (context) => require(context, false)));
  return sso;
}
