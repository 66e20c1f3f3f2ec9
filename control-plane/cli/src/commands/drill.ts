import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { EXIT, Failure, usageFailure } from '../failure.ts';
import { BlackoutDrill, type DrillLine } from '../drill/blackout-drill.ts';
import { Installation } from '../drill/installation.ts';
import type { CommandKit } from '../program.ts';

interface BlackoutOptions {
  home?: string;
  yes?: boolean;
  restarts: boolean;
}

/** One line of the report as people read it. */
const lineOf = ({ at, step, ok, detail }: DrillLine): string =>
  `${at.slice(11, 19)}  ${ok === undefined ? '    ' : ok ? 'ok  ' : 'FAIL'}  ${step}: ${detail}\n`;

async function confirm(context: Context, installation: Installation, restarts: boolean): Promise<void> {
  const { terminal } = context;
  const stopped = installation.controlPlane().map(({ role, pid }) => `${role} ${pid}`);
  const killed = restarts ? [...installation.of('agent'), ...installation.of('node')] : [];
  terminal.note(`Installation: ${installation.home}`);
  terminal.note(`To be stopped for a while (no REST, no portal, no bills): ${stopped.join(', ')}`);
  if (killed.length > 0) {
    const list = killed.map(({ role, pid }) => `${role} ${pid}`).join(', ');
    terminal.note(`To be killed and started again by their supervisor (every client reconnects): ${list}`);
  }
  terminal.note('Redis takes no part: nodes and agents never use it, and without REDIS_URL nobody does.');
  if (!terminal.stdinIsTty || !terminal.stderrIsTty)
    throw usageFailure('Nothing was stopped: nobody is there to confirm it.', 'Say it with --yes.');
  const answer = await terminal.ask('Begin? Type "blackout": ', false);
  if (answer.trim() !== 'blackout') throw usageFailure('Nothing was stopped.');
}

async function blackout(context: Context, options: BlackoutOptions): Promise<void> {
  const { env } = context.terminal;
  const home = resolve(options.home ?? (env['ROBUSTMQ_HOME'] || join(homedir(), '.robustmq')));
  const installation = Installation.at(home);
  if (!options.yes) await confirm(context, installation, options.restarts);
  const drill = new BlackoutDrill(context, installation, (line) => {
    if (context.format === 'table') context.terminal.out(lineOf(line));
  });
  const lines = await drill.run(options.restarts);
  const failed = lines.filter((line) => line.ok === false).length;
  if (context.format !== 'table') await context.print({ passed: failed === 0, lines }, () => '');
  if (failed > 0) throw new Failure(EXIT.failed, `${failed} of the drill’s checks failed.`);
  context.terminal.note('The drill passed: nobody noticed, and nothing was lost or counted twice.');
}

/** drill blackout. */
export function drillCommand(kit: CommandKit): Command {
  return new Command('drill').description('rehearse what you hope never happens').addCommand(
    new Command('blackout')
      .description('stop the control plane of the installation on this machine while clients go on, and report')
      .option('--home <dir>', 'data directory of the installation (default: ROBUSTMQ_HOME, ~/.robustmq)')
      .option('--yes', 'do not ask')
      .option('--no-restarts', 'leave agent and nodes running: no client of anybody has to reconnect')
      .action((options: BlackoutOptions, self: Command) => kit.run(self, (context) => blackout(context, options))),
  );
}
