import type { OperatorAgents, OperatorRegion, OperatorRollout } from '@robustmq/contracts';
import { Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { wholeNumber } from '../numbers.ts';
import { askOperator as ask } from '../operator-link.ts';
import { tableOf, type Column } from '../output.ts';
import type { CommandKit } from '../program.ts';
import { fleetQuotaCommand } from './fleet-quota.ts';

type Agent = OperatorAgents['items'][number];

const gib = (bytes: number | undefined): string => (bytes === undefined ? '' : `${(bytes / 2 ** 30).toFixed(1)} GiB`);
const AGENT_COLUMNS: readonly Column<Agent>[] = [
  { heading: 'ID', value: (a) => a.id },
  { heading: 'REGION', value: (a) => a.region },
  { heading: 'ALIVE', value: (a) => a.liveness ?? '' },
  { heading: 'CORDONED', value: (a) => a.cordoned?.reason ?? '' },
  { heading: 'NODES', value: (a) => String(a.observed?.nodes.length ?? '') },
  { heading: 'CLUSTERS', value: (a) => String(a.observed?.nodes.reduce((sum, n) => sum + n.namespaces, 0) ?? '') },
  { heading: 'CLIENTS', value: (a) => String(a.observed?.nodes.reduce((sum, n) => sum + n.connections, 0) ?? '') },
  { heading: 'MEMORY FREE', value: (a) => gib(a.observed?.memoryFreeBytes) },
  { heading: 'DISK FREE', value: (a) => gib(a.observed?.diskFreeBytes) },
  { heading: 'RELEASE', value: (a) => a.observed?.release?.version ?? '' },
];

/** Prints a list as it is, or as a table of some columns. */
async function list<T>(context: Context, path: string, columns: readonly Column<T>[]): Promise<void> {
  const { items } = await ask<{ items: T[] }>(context, 'GET', path);
  await context.print(items, () => tableOf(columns, items));
}

function agentCommand(kit: CommandKit): Command {
  const agent = new Command('agent').description('machines: list, cordon, uncordon, drain');
  const act = (verb: string, words: string, options: readonly Option[] = []): void => {
    const command = new Command(verb).argument('<agent>', 'its id').description(words);
    for (const option of options) command.addOption(option);
    agent.addCommand(
      command.action((id: string, body: object, self: Command) =>
        kit.run(self, async (context) => {
          const after = await ask<Agent>(context, 'POST', `agents/${encodeURIComponent(id)}/${verb}`, body);
          await context.print(after, () => tableOf(AGENT_COLUMNS, [after]));
        }),
      ),
    );
  };
  agent
    .command('list')
    .description('all agents')
    .action((_options: object, self: Command) => kit.run(self, (context) => list(context, 'agents', AGENT_COLUMNS)));
  const reason = new Option('--reason <text>', 'for whoever asks later');
  act('cordon', 'give it no new clusters', [reason]);
  act('uncordon', 'let it have new clusters again');
  act('drain', 'cordon it, and have its clusters lead their clients away', [reason]);
  return agent;
}

function releaseCommand(kit: CommandKit): Command {
  const release = new Command('release').description(
    'versions of the node’s program: list, publish, rollout, rollback',
  );
  const columns: readonly Column<OperatorRollout>[] = [
    { heading: 'ID', value: (r) => r.id },
    { heading: 'RELEASE', value: (r) => r.releaseId },
    { heading: 'STATE', value: (r) => r.state },
    { heading: 'WAVE', value: (r) => String(r.wave) },
    { heading: 'REASON', value: (r) => r.reason ?? '' },
  ];
  release
    .command('list')
    .description('published releases')
    .action((_options: object, self: Command) =>
      kit.run(self, (context) =>
        list<{ id: string; version: string; location: string }>(context, 'releases', [
          { heading: 'ID', value: (r) => r.id },
          { heading: 'VERSION', value: (r) => r.version },
          { heading: 'LOCATION', value: (r) => r.location },
        ]),
      ),
    );
  release
    .command('publish')
    .argument('<version>')
    .description('sign and publish a tarball; nothing runs it yet')
    .requiredOption('--location <path|url>', 'absolute path on the agents’ machines, or an https address')
    .requiredOption('--digest <hex>', 'SHA-256 of the file')
    .option('--control-min <version>', 'oldest control plane it works with', '0.1.0')
    .option('--control-max <version>', 'newest control plane it works with', '0.999.0')
    .action((version: string, options: object, self: Command) =>
      kit.run(self, async (context) => {
        const made = await ask<{ id: string }>(context, 'POST', 'releases', { version, ...options });
        await context.print(made, () => `${made.id}\n`);
      }),
    );
  release
    .command('rollout')
    .argument('<release>', 'its id')
    .description('begin the waves: internal, 1, 10, 50, 100 %')
    .addOption(new Option('--soak-seconds <n>', 'how long each wave is watched').argParser(wholeNumber(0, 604_800)))
    .action((id: string, options: object, self: Command) =>
      kit.run(self, async (context) => {
        const begun = await ask<OperatorRollout>(
          context,
          'POST',
          `releases/${encodeURIComponent(id)}/rollout`,
          options,
        );
        await context.print(begun, () => tableOf(columns, [begun]));
      }),
    );
  release
    .command('rollouts')
    .description('rollouts, newest first')
    .action((_options: object, self: Command) => kit.run(self, (context) => list(context, 'rollouts', columns)));
  release
    .command('rollback')
    .argument('<rollout>', 'its id')
    .description('take the running rollout back')
    .action((id: string, _options: object, self: Command) =>
      kit.run(self, async (context) => {
        const back = await ask<OperatorRollout>(context, 'POST', `rollouts/${encodeURIComponent(id)}/rollback`);
        await context.print(back, () => tableOf(columns, [back]));
      }),
    );
  return release;
}

/** fleet agent | regions | nodes | placement | quota | release: for whoever runs the platform. */
export function fleetCommand(kit: CommandKit): Command {
  const fleet = new Command('fleet').description('machines, nodes and releases, for whoever runs the platform');
  fleet.addCommand(agentCommand(kit)).addCommand(releaseCommand(kit)).addCommand(fleetQuotaCommand(kit));
  fleet
    .command('regions')
    .description('what each region has left')
    .action((_options: object, self: Command) =>
      kit.run(self, (context) =>
        list<OperatorRegion>(context, 'regions', [
          { heading: 'REGION', value: (r) => r.region },
          { heading: 'AGENTS', value: (r) => `${r.connected}/${r.agents}` },
          { heading: 'CLUSTERS', value: (r) => String(r.clusters) },
          { heading: 'CLIENTS', value: (r) => String(r.connections) },
          { heading: 'MEMORY FREE', value: (r) => gib(r.memoryFreeBytes) },
          { heading: 'DISK FREE', value: (r) => gib(r.diskFreeBytes) },
        ]),
      ),
    );
  fleet
    .command('placement')
    .description('where a new cluster would go, and why not elsewhere')
    .option('--region <name>', 'region', 'local')
    .addOption(new Option('--plan <plan>').choices(['serverless', 'dedicated']).default('serverless'))
    .action((options: Record<string, string>, self: Command) =>
      kit.run(self, (context) =>
        list<{ agentId: string; eligible: boolean; load: number; reasons: string[] }>(
          context,
          `placement?${new URLSearchParams(options).toString()}`,
          [
            { heading: 'AGENT', value: (c) => c.agentId },
            { heading: 'ELIGIBLE', value: (c) => (c.eligible ? 'yes' : 'no') },
            { heading: 'LOAD', value: (c) => c.load.toFixed(2) },
            { heading: 'WHY', value: (c) => c.reasons.join(' ') },
          ],
        ),
      ),
    );
  return fleet;
}
