import { Command, CommanderError, Option } from 'commander';
import { apiKeyCommand } from './commands/api-key.ts';
import { auditCommand } from './commands/audit.ts';
import { budgetCommand } from './commands/budget.ts';
import { certificateCommand } from './commands/certificate.ts';
import { clusterCommand } from './commands/cluster.ts';
import { completionCommand } from './commands/completion.ts';
import { configCommand } from './commands/config.ts';
import { creditCommand } from './commands/credit.ts';
import { credentialCommand } from './commands/credential.ts';
import { drillCommand } from './commands/drill.ts';
import { fleetCommand } from './commands/fleet.ts';
import { invoiceCommand } from './commands/invoice.ts';
import { kafkaCommands } from './commands/kafka.ts';
import { clientCommand, eventsCommand, groupCommand, mqttSessionCommand, retainedCommand } from './commands/live.ts';
import { mqttCommands } from './commands/mqtt.ts';
import { operationCommand } from './commands/operation.ts';
import { quotaCommand } from './commands/quota.ts';
import { recordCommand } from './commands/record.ts';
import { sessionCommands } from './commands/session.ts';
import { aclCommand, blacklistCommand } from './commands/settings.ts';
import { ssoCommand } from './commands/sso.ts';
import { topicCommand } from './commands/topic.ts';
import { usageCommand } from './commands/usage.ts';
import { webhookCommand } from './commands/webhook.ts';
import { Context, type GlobalOptions } from './context.ts';
import { EXIT, failureOf, type ExitCode } from './failure.ts';
import type { Terminal } from './terminal.ts';

/** What a command's module gets to build on: how to run an action with an open Context. */
export interface CommandKit {
  readonly terminal: Terminal;
  /** Opens the Context from the options on the command line and runs `action` with it. */
  run(command: Command, action: (context: Context) => Promise<void>): Promise<void>;
}

/** All commands. `terminal` is where they read and write. */
export function buildProgram(terminal: Terminal): Command {
  const program = new Command('robust-ctl')
    .description('Tenants, clusters, credentials, topics, messages, usage and bills of RobustMQ Cloud.')
    .version('0.1.0', '--version', 'print the version')
    .addOption(new Option('-o, --output <format>', 'how results are printed').choices(['table', 'json', 'yaml']))
    .option('--server <url>', 'control plane (default: ROBUSTMQ_URL, the profile, http://localhost:8080)')
    .option('--profile <name>', 'settings and session to use (default: ROBUSTMQ_PROFILE, "default")')
    .option('--tenant <id|name>', 'tenant to act on (default: ROBUSTMQ_TENANT, the profile)')
    .showHelpAfterError('(see: robust-ctl --help)')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not logged in or not allowed.',
    );
  const kit: CommandKit = {
    terminal,
    run: async (command, action) => action(await Context.open(terminal, command.optsWithGlobals<GlobalOptions>())),
  };
  const commands = [
    ...sessionCommands(kit),
    clusterCommand(kit),
    credentialCommand(kit),
    topicCommand(kit),
    aclCommand(kit),
    blacklistCommand(kit),
    clientCommand(kit),
    mqttSessionCommand(kit),
    retainedCommand(kit),
    groupCommand(kit),
    eventsCommand(kit),
    ...mqttCommands(kit),
    ...kafkaCommands(kit),
    quotaCommand(kit),
    usageCommand(kit),
    invoiceCommand(kit),
    budgetCommand(kit),
    creditCommand(kit),
    apiKeyCommand(kit),
    ssoCommand(kit),
    webhookCommand(kit),
    operationCommand(kit),
    certificateCommand(kit),
    recordCommand(kit),
    auditCommand(kit),
    drillCommand(kit),
    fleetCommand(kit),
    configCommand(kit),
    completionCommand(kit, program),
  ];
  for (const command of commands) program.addCommand(command);
  prepare(program, terminal);
  return program;
}

/** Gives every command of the tree our streams, and errors instead of process.exit. */
function prepare(command: Command, terminal: Terminal): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => terminal.out(text),
    writeErr: (text) => terminal.note(text.trimEnd()),
  });
  for (const child of command.commands) prepare(child, terminal);
}

/** Runs one command line (without `node` and script) and returns the exit code. Never throws. */
export async function run(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  try {
    await buildProgram(terminal).parseAsync([...args], { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const failure = failureOf(error);
    terminal.note(`robust-ctl: ${failure.message}`);
    if (failure.hint !== undefined) terminal.note(failure.hint);
    return failure.exitCode;
  }
}
