import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { AdminServer, socketPathIn } from './admin-http.ts';
import { ManagedConfig, managedNode, StandaloneConfig, standaloneNode } from './config.ts';
import { loadConfig } from './config-file.ts';
import { closedNamespace, fromStandalone } from './namespace-translation.ts';
import { Node, NODE_VERSION } from './node.ts';
import { NodeError } from './node-error.ts';
import { nodeLog, systemRuntime } from './runtime.ts';

const USAGE = `usage:
  standalone --config FILE.yaml   one node without a control plane
  --config FILE.json              a node started by an agent
`;
/** Longest a stop may take (an agent kills after 4 s); what hangs then is left to the recovery of the next start. */
const STOP_DEADLINE_MS = 3_800;
const STDOUT = 1;
const STDERR = 2;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** A process that runs until `stop`. */
interface Running {
  stop(): Promise<void>;
}

/** One node from a YAML file, its log on standard error. Resolves when all listeners answer. Throws NodeError. */
export async function standalone(configFile: string): Promise<Running & { readonly node: Node }> {
  const config = loadConfig(configFile, StandaloneConfig);
  const runtime = systemRuntime(nodeLog(config.logLevel, { node: 'standalone' }, STDERR));
  const node = await Node.open(standaloneNode(config, process.cwd()), runtime, endWith);
  try {
    const names = new Set(config.namespaces.map(({ name }) => name));
    for (const observation of node.observations()) {
      if (names.has(observation.name)) continue;
      runtime.log.warn(
        { namespace: observation.name },
        'the namespace is not in the configuration: it is kept, but closed',
      );
      await node.apply(closedNamespace(observation));
    }
    for (const space of config.namespaces) await node.apply(fromStandalone(space, config.journal.durability));
    await node.listen();
  } catch (error) {
    await node.stop().catch(() => undefined);
    throw error;
  }
  return { node, stop: () => node.stop() };
}

/** A node that an agent looks after: `<runDir>/node.json` tells where its admin socket is. */
async function managed(configFile: string): Promise<Running> {
  const config = loadConfig(configFile, ManagedConfig);
  const token = adminToken(config);
  const runtime = systemRuntime(nodeLog(config.logLevel, { node: config.nodeId }, STDOUT));
  const node = await Node.open(managedNode(config), runtime, endWith);
  const adminSocket = socketPathIn(config.runDir);
  const admin = new AdminServer(node, token, runtime);
  const runFile = join(config.runDir, 'node.json');
  try {
    mkdirSync(config.runDir, { recursive: true, mode: 0o700 });
    await node.listen();
    await admin.open(adminSocket);
    const { pid, version, listeners, nodeId } = node.health();
    const startedAt = new Date(runtime.nowMs()).toISOString();
    writeWhole(runFile, JSON.stringify({ pid, startedAt, adminSocket, nodeId, version, listeners }));
    runtime.log.info({ listeners, version }, 'the node is ready');
  } catch (error) {
    await admin.close();
    await node.stop().catch(() => undefined);
    throw error;
  }
  return {
    stop: async () => {
      rmSync(runFile, { force: true });
      await admin.close();
      await node.stop();
    },
  };
}

function adminToken(config: ManagedConfig): string {
  const { adminTokenFile } = config;
  let token = process.env['ROBUSTMQ_ADMIN_TOKEN'] ?? '';
  if (adminTokenFile !== undefined) {
    try {
      token = readFileSync(adminTokenFile, 'utf8').trim();
    } catch (cause) {
      throw new NodeError('config-unreadable', `the admin token file ${adminTokenFile} cannot be read`, { cause });
    }
  }
  if (token !== '') return token;
  throw new NodeError('config-invalid', 'there is no admin token: set adminTokenFile or ROBUSTMQ_ADMIN_TOKEN');
}

/** A reader sees the old file or the new one. */
function writeWhole(file: string, text: string): void {
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, text, { mode: 0o600 });
  renameSync(fresh, file);
}

/** One sentence, last on standard error, and a code that is not 0. Before it, for a fault of ours, where it was. */
function endWith(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof NodeError) && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.stderr.write(
    error instanceof NodeError ? `${message}\n` : `the node failed: ${message.replaceAll('\n', ' ')}\n`,
  );
  process.exit(EXIT_FAILED);
}

function runUntilSignal(running: Running): void {
  let stopping = false;
  const stop = () => {
    if (stopping) process.exit(EXIT_FAILED);
    stopping = true;
    setTimeout(() => endWith(new Error(`not stopped after ${STOP_DEADLINE_MS} ms`)), STOP_DEADLINE_MS).unref();
    running.stop().then(() => process.exit(0), endWith);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** What the program does with its arguments. Ends the process where it cannot go on. */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  process.on('uncaughtException', endWith);
  process.on('unhandledRejection', endWith);
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { config: { type: 'string' }, help: { type: 'boolean' }, version: { type: 'boolean' } },
    });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    process.exit(EXIT_USAGE);
  }
  const { values, positionals } = parsed;
  if (values.version) return void process.stdout.write(`${NODE_VERSION}\n`);
  if (values.help) return void process.stdout.write(USAGE);
  const mode = positionals.join(' ');
  if (values.config === undefined || (mode !== '' && mode !== 'standalone')) {
    process.stderr.write(USAGE);
    process.exit(EXIT_USAGE);
  }
  try {
    if (mode === '') return runUntilSignal(await managed(values.config));
    const running = await standalone(values.config);
    runUntilSignal(running);
    for (const { protocol, host, port } of running.node.health().listeners)
      process.stdout.write(`listening: ${protocol} ${host}:${port}\n`);
    process.stdout.write('ready\n');
  } catch (error) {
    endWith(error);
  }
}
