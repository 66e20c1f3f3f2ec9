import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DatabaseError, EmbeddedPostgresError } from '@robustmq/db';
import { Cloud } from './cloud.ts';
import { readSettings, type Settings } from './settings.ts';
import { StartError } from './start-error.ts';

const USAGE = `Usage: robust-server <command>

  start                          the whole cloud on this machine: database, control plane, billing, portal, agent, node
  standalone --config FILE.yaml  one node without a control plane
  control-plane                  database, control plane, billing and portal; agents join from anywhere
  agent                          an agent alone (needs ROBUSTMQ_AGENT_LINK and, the first time, ROBUSTMQ_JOIN_TOKEN)
`;

const SCRIPTS: Record<string, string> = {
  standalone: '../../../data-plane/node/src/main.mjs',
  agent: '../../../data-plane/agent/src/main.mjs',
};

async function start(run: (cloud: Cloud) => Promise<void>): Promise<void> {
  const cloud = new Cloud(settingsOrExit(), (line) => process.stdout.write(`  ${line}\n`));
  let stopping = false;
  const stop = (code: number): void => {
    if (stopping) return;
    stopping = true;
    void cloud.stop().then(
      () => process.exit(code),
      () => process.exit(1),
    );
  };
  process.on('SIGINT', () => {
    process.stdout.write('\nStopping…\n');
    stop(0);
  });
  process.on('SIGTERM', () => stop(0));
  if (process.connected) process.on('disconnect', () => stop(1));
  try {
    await run(cloud);
  } catch (error) {
    if (stopping) return;
    const expected =
      error instanceof StartError || error instanceof EmbeddedPostgresError || error instanceof DatabaseError;
    const sentence = expected ? error.message : String(error instanceof Error ? error.stack : error);
    process.stderr.write(`robust-server: ${sentence}\n`);
    stop(1);
  }
}

function settingsOrExit(): Settings {
  try {
    return readSettings(process.env, process.argv.includes('--dev'));
  } catch (error) {
    process.stderr.write(`robust-server: ${error instanceof Error ? error.message : String(error)}\n`);
    return process.exit(1);
  }
}

/** Runs another program of this repository in the foreground, with this process's arguments, signals and exit code. */
function runScript(script: string, args: readonly string[]): void {
  const child = spawn(process.execPath, [fileURLToPath(new URL(script, import.meta.url)), ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  if (process.connected) process.on('disconnect', () => child.kill('SIGTERM'));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}

const [command, ...args] = process.argv.slice(2).filter((word) => word !== '--dev');
if (command === 'start') await start((cloud) => cloud.start());
else if (command === 'control-plane') await start((cloud) => cloud.startControlPlane());
else if (command === 'standalone') runScript(SCRIPTS['standalone']!, ['standalone', ...args]);
else if (command !== undefined && SCRIPTS[command]) runScript(SCRIPTS[command], args);
else {
  (command === '--help' || command === undefined ? process.stdout : process.stderr).write(USAGE);
  process.exit(command === '--help' ? 0 : 2);
}
