import { allItems, bodyOf } from '@robustmq/client';
import { Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { usageFailure } from '../failure.ts';
import { collect } from '../lines.ts';
import { tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

interface InCluster {
  cluster?: string;
}

const root = '/v1/tenants/{tenantId}/clusters/{clusterId}' as const;

async function where(context: Context, name: string | undefined) {
  const cluster = await context.cluster(name);
  return { client: context.client(), path: { tenantId: cluster.tenantId, clusterId: cluster.id } };
}

/** `a.b.c` of settings; undefined where there is nothing. */
const valueAt = (settings: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>((at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined), settings);

/** A merge patch that sets `a.b.c` to `text`, read as JSON where it is JSON, else as text. */
function patchOf(path: string, text: string): Record<string, unknown> {
  let value: unknown = text;
  try {
    value = JSON.parse(text);
  } catch {
    // a bare word is a text
  }
  const wrapped = path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
  return wrapped as Record<string, unknown>;
}

/** Prints a cluster's settings, or one of them. */
export async function getSetting(context: Context, cluster: string, path: string | undefined): Promise<void> {
  const { client, path: params } = await where(context, cluster);
  const { settings } = await bodyOf(client.GET(`${root}/settings`, { params: { path: params } }));
  const value = path === undefined ? settings : valueAt(settings, path);
  if (value === undefined)
    throw usageFailure(`There is no setting "${path}".`, 'See: robust-ctl config get --cluster C');
  await context.print(value, () => `${typeof value === 'object' ? JSON.stringify(value, null, 2) : String(value)}\n`);
}

/** Changes one setting of a cluster in a new revision and prints what changed. */
export async function setSetting(
  context: Context,
  cluster: string,
  path: string,
  text: string,
  dryRun: boolean,
): Promise<void> {
  const { client, path: params } = await where(context, cluster);
  const written = await bodyOf(
    client.PATCH(`${root}/settings`, {
      params: { path: params, query: { dry_run: dryRun ? 'true' : 'false' } },
      body: patchOf(path, text),
    }),
  );
  await context.print(written, () =>
    tableOf(
      [
        { heading: 'SETTING', value: (c) => c.path },
        { heading: 'FROM', value: (c) => JSON.stringify(c.from) ?? '' },
        { heading: 'TO', value: (c) => JSON.stringify(c.to) ?? '' },
      ],
      written.changes,
    ),
  );
  const revision = `Revision ${written.revision}`;
  context.terminal.note(
    dryRun ? `${revision} would be made.` : `${revision} ${written.applied ? 'is applied' : 'is on its way'}.`,
  );
}

const ACTIONS = ['read', 'write', 'create', 'delete', 'alter', 'describe', 'all'] as const;
const RESOURCES = ['topic', 'group', 'transactional-id', 'cluster'] as const;
const PATTERNS = ['literal', 'prefix', 'filter'] as const;

interface RuleOptions extends InCluster {
  principal: string;
  resource: (typeof RESOURCES)[number];
  patternType: (typeof PATTERNS)[number];
  action: (typeof ACTIONS)[number][];
}

async function addRule(
  context: Context,
  effect: 'allow' | 'deny',
  pattern: string,
  options: RuleOptions,
): Promise<void> {
  const { client, path } = await where(context, options.cluster);
  const { principal, resource, patternType, action: actions } = options;
  const wrong = actions.find((one) => !ACTIONS.includes(one));
  if (wrong !== undefined) throw usageFailure(`There is no action "${wrong}".`, `Actions are ${ACTIONS.join(', ')}.`);
  const rule = await bodyOf(
    client.POST(`${root}/acl-rules`, {
      params: { path },
      body: { effect, pattern, principal, resource, patternType, actions },
    }),
  );
  await context.print(rule, () => `${rule.id}\n`);
}

interface ExplainOptions extends InCluster {
  principal: string;
  action: (typeof ACTIONS)[number];
  resource: (typeof RESOURCES)[number];
  protocol: 'mqtt' | 'kafka' | 'amqp';
  clientId?: string;
}

async function explain(context: Context, name: string, options: ExplainOptions): Promise<void> {
  const { client, path } = await where(context, options.cluster);
  const { principal, action, resource, protocol, clientId } = options;
  const query = { name, principal, action, resource, protocol, ...(clientId === undefined ? {} : { clientId }) };
  const answer = await bodyOf(client.GET(`${root}/explain`, { params: { path, query } }));
  await context.print(answer, () => {
    const { rule } = answer;
    const by = rule
      ? `rule ${rule.id}: ${rule.effect} ${rule.principal} ${rule.patternType} ${rule.pattern}`
      : undefined;
    const otherwise = answer.ruleId ?? `no rule matches, and then it is ${answer.whenNoRuleMatches}`;
    return `${answer.allowed ? 'allowed' : 'denied'} (${by ?? otherwise})\n`;
  });
}

/** acl list | allow | deny | explain | delete. */
export function aclCommand(kit: CommandKit): Command {
  const acl = new Command('acl').description('who may do what in a cluster; a matching deny beats every allow');
  acl
    .command('list')
    .description('list rules')
    .option('-c, --cluster <id|name>')
    .action((options: InCluster, self: Command) =>
      kit.run(self, async (context) => {
        const { client, path } = await where(context, options.cluster);
        const rules = await allItems((cursor) =>
          bodyOf(
            client.GET(`${root}/acl-rules`, {
              params: { path, query: { limit: 200, ...(cursor === undefined ? {} : { cursor }) } },
            }),
          ),
        );
        await context.print(rules, () =>
          tableOf(
            [
              { heading: 'ID', value: (r) => r.id },
              { heading: 'EFFECT', value: (r) => r.effect },
              { heading: 'PRINCIPAL', value: (r) => r.principal },
              { heading: 'RESOURCE', value: (r) => `${r.resource} ${r.patternType} ${r.pattern}` },
              { heading: 'ACTIONS', value: (r) => r.actions.join(',') },
            ],
            rules,
          ),
        );
      }),
    );
  for (const effect of ['allow', 'deny'] as const)
    acl
      .command(`${effect} <pattern>`)
      .description(`add a rule that ${effect === 'allow' ? 'allows' : 'forbids'}`)
      .option('-c, --cluster <id|name>')
      .option('--principal <name>', 'a credential’s name', '*')
      .addOption(new Option('--resource <kind>').choices([...RESOURCES]).default('topic'))
      .addOption(new Option('--pattern-type <type>').choices([...PATTERNS]).default('literal'))
      .requiredOption('--action <action>', `one of ${ACTIONS.join(', ')} (may be repeated)`, collect)
      .action((pattern: string, options: RuleOptions, self: Command) =>
        kit.run(self, (context) => addRule(context, effect, pattern, options)),
      );
  acl
    .command('explain <name>')
    .description('whether somebody may do something to a topic or another resource, and which rule decides')
    .option('-c, --cluster <id|name>')
    .requiredOption('--principal <name>', 'a credential’s name')
    .addOption(new Option('--action <action>').choices(ACTIONS.filter((one) => one !== 'all')).makeOptionMandatory())
    .addOption(new Option('--resource <kind>').choices([...RESOURCES]).default('topic'))
    .addOption(new Option('--protocol <protocol>').choices(['mqtt', 'kafka', 'amqp']).default('mqtt'))
    .option('--client-id <id>', 'for rules that ask for it')
    .action((name: string, options: ExplainOptions, self: Command) =>
      kit.run(self, (context) => explain(context, name, options)),
    );
  acl
    .command('delete <rule>')
    .description('remove a rule by its id')
    .option('-c, --cluster <id|name>')
    .action((ruleId: string, options: InCluster, self: Command) =>
      kit.run(self, async (context) => {
        const { client, path } = await where(context, options.cluster);
        await client.DELETE(`${root}/acl-rules/{ruleId}`, { params: { path: { ...path, ruleId } } });
        context.terminal.note(`Removed rule ${ruleId}.`);
      }),
    );
  return acl;
}

const KINDS = ['client-id', 'user', 'address', 'client-id-prefix'] as const;

/** blacklist list | add | remove. */
export function blacklistCommand(kit: CommandKit): Command {
  const blacklist = new Command('blacklist').description('who is kept out of a cluster');
  blacklist
    .command('list')
    .description('list entries')
    .option('-c, --cluster <id|name>')
    .action((options: InCluster, self: Command) =>
      kit.run(self, async (context) => {
        const { client, path } = await where(context, options.cluster);
        const entries = await allItems((cursor) =>
          bodyOf(
            client.GET(`${root}/blacklist`, {
              params: { path, query: { limit: 200, ...(cursor === undefined ? {} : { cursor }) } },
            }),
          ),
        );
        await context.print(entries, () =>
          tableOf(
            [
              { heading: 'ID', value: (e) => e.id },
              { heading: 'KIND', value: (e) => e.kind },
              { heading: 'VALUE', value: (e) => e.value },
              { heading: 'UNTIL', value: (e) => e.until ?? 'removed' },
              { heading: 'REASON', value: (e) => e.reason },
            ],
            entries,
          ),
        );
      }),
    );
  blacklist
    .command('add <value>')
    .description('keep somebody out and cut their connections')
    .option('-c, --cluster <id|name>')
    .addOption(new Option('--kind <kind>').choices([...KINDS]).default('client-id'))
    .option('--reason <text>', 'for whoever reads the list', '')
    .option('--until <time>', 'ISO time at which it ends')
    .action(
      (
        value: string,
        options: InCluster & { kind: (typeof KINDS)[number]; reason: string; until?: string },
        self: Command,
      ) =>
        kit.run(self, async (context) => {
          const { client, path } = await where(context, options.cluster);
          const { kind, reason, until } = options;
          const body = { kind, value, reason, ...(until === undefined ? {} : { until }) };
          const entry = await bodyOf(client.POST(`${root}/blacklist`, { params: { path }, body }));
          await context.print(entry, () => `${entry.id}\n`);
        }),
    );
  blacklist
    .command('remove <entry>')
    .description('let them in again, by the entry’s id')
    .option('-c, --cluster <id|name>')
    .action((entryId: string, options: InCluster, self: Command) =>
      kit.run(self, async (context) => {
        const { client, path } = await where(context, options.cluster);
        await client.DELETE(`${root}/blacklist/{entryId}`, { params: { path: { ...path, entryId } } });
        context.terminal.note(`Removed ${entryId}.`);
      }),
    );
  return blacklist;
}
