import { createHash, randomBytes } from 'node:crypto';
import { copyFile, mkdir, readdir, rename, rm, stat, symlink, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { readFileIfAny, replaceFile, syncDirectory } from './durable-file.ts';
import type { S3Settings } from '@robustmq/contracts/data-plane';
import type { CertificateFiles } from './local-authority.ts';
import { savedEngine, tieringOf } from './node-tiering.ts';
import { SHARED_NODE, type NodePorts } from './plan.ts';

/** `sun_path` holds 108 bytes on Linux and 104 on macOS, with the final zero. */
const SOCKET_PATH_BYTES_MAX = 100;
const LONGEST_RUN_FILE = '/admin.sock';
const LOG_BYTES_MAX = 16 * 2 ** 20;
const REMOVED_SUFFIX = '.removed';

/** What every node of this agent is started with. */
export interface NodeSettings {
  /** Address the listeners bind to. */
  readonly bind: string;
  /** Host name clients are told. */
  readonly publicHost: string;
  /** Clients reach cluster `key` as `<key>.<domain>` too; undefined = by `publicHost` alone. */
  readonly domain?: string | undefined;
  /** What TLS listeners show; without it none is opened. `namespacesDir`: certificates of the clusters. */
  readonly tls?: (CertificateFiles & { readonly namespacesDir?: string }) | undefined;
  /** This agent's part of a bucket for cold data; undefined = files in the node's directory. */
  readonly s3?: S3Settings | undefined;
  /** Length of a usage window; undefined = the node's own default. Tests only. */
  readonly usageWindowMs: number | undefined;
}

const SavedConfig = z.object({ runDir: z.string() });

/**
 * One node's place on disk: `<agentDir>/nodes/<nodeId>/` with `config.json`, `admin-token`, `run/` (node.json, socket),
 * `data/`, `objects/` (cold data, unless it is in S3), `ports.json`, `node.log` and `start-error.log`. Everything in it can
 * be made again but `data/` and `objects/`.
 */
export class NodeDirectory {
  readonly nodeId: string;
  readonly path: string;

  constructor(nodesDir: string, nodeId: string) {
    this.nodeId = nodeId;
    this.path = join(nodesDir, nodeId);
  }

  get configPath(): string {
    return join(this.path, 'config.json');
  }
  get logPath(): string {
    return join(this.path, 'node.log');
  }
  /** Standard error of the last start alone: its last line is the sentence a node leaves when it cannot start. */
  get startErrorPath(): string {
    return join(this.path, 'start-error.log');
  }

  /** True when the node was ever started here. */
  async exists(): Promise<boolean> {
    return (await readFileIfAny(this.configPath)) !== undefined;
  }

  /** Ports of the last start; undefined before the first. */
  async ports(): Promise<NodePorts | undefined> {
    const bytes = await readFileIfAny(join(this.path, 'ports.json'));
    return bytes ? (JSON.parse(bytes.toString('utf8')) as NodePorts) : undefined;
  }

  /** Where the node keeps node.json and its admin socket; a short path even when the agent's own is too long for one. */
  async runDir(): Promise<string> {
    const bytes = await readFileIfAny(this.configPath);
    const saved = bytes && SavedConfig.safeParse(JSON.parse(bytes.toString('utf8')));
    return saved?.success ? saved.data.runDir : this.#wantedRunDir();
  }

  /** True when what the node stores outlives this directory: it was last started with its cold data in S3. */
  async hasObjectsElsewhere(): Promise<boolean> {
    return savedEngine(await readFileIfAny(this.configPath)) === 's3';
  }

  #wantedRunDir(): string {
    const plain = join(this.path, 'run');
    if (Buffer.byteLength(plain) + LONGEST_RUN_FILE.length <= SOCKET_PATH_BYTES_MAX) return plain;
    const name = createHash('sha256').update(plain).digest('hex').slice(0, 16);
    return join(tmpdir(), `robustmq-${process.getuid?.() ?? 0}-${name}`);
  }

  /** The admin token, made at the first start. */
  async adminToken(): Promise<string> {
    const path = join(this.path, 'admin-token');
    const saved = (await readFileIfAny(path))?.toString('utf8').trim();
    if (saved) return saved;
    const token = randomBytes(32).toString('base64url');
    await replaceFile(path, token);
    return token;
  }

  /** Writes everything a start needs. Idempotent. */
  async prepare(settings: NodeSettings, ports: NodePorts): Promise<void> {
    await mkdir(join(this.path, 'data'), { recursive: true, mode: 0o700 });
    await this.adminToken();
    const runDir = this.#wantedRunDir();
    await mkdir(runDir, { recursive: true, mode: 0o700 });
    const plainRunDir = join(this.path, 'run');
    if (runDir !== plainRunDir) {
      await symlink(runDir, plainRunDir).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
    }
    const savedAs = savedEngine(await readFileIfAny(this.configPath));
    const config = {
      nodeId: this.nodeId,
      dataDir: join(this.path, 'data'),
      runDir,
      adminTokenFile: join(this.path, 'admin-token'),
      listeners: listenersOf(settings, ports),
      tiering: await tieringOf(settings.s3, this.path, this.nodeId, savedAs),
      ...(this.nodeId === SHARED_NODE ? {} : { namespace: this.nodeId }),
      ...(settings.usageWindowMs === undefined ? {} : { usageWindowMs: settings.usageWindowMs }),
    };
    await replaceFile(join(this.path, 'ports.json'), JSON.stringify(ports));
    await replaceFile(this.configPath, `${JSON.stringify(config, null, 2)}\n`);
    await rename(this.startErrorPath, `${this.startErrorPath}.1`).catch(() => undefined);
  }

  /** Keeps the log and one older piece of it, each of at most 16 MiB. The node goes on writing at the file's new end. */
  async limitLog(): Promise<void> {
    const log = await stat(this.logPath).catch(() => undefined);
    if (!log || log.size < LOG_BYTES_MAX) return;
    await copyFile(this.logPath, `${this.logPath}.1`);
    await truncate(this.logPath, 0);
  }

  /** Removes everything. The rename comes first, so that a crash half-way leaves no directory that looks like a node. */
  async remove(): Promise<void> {
    const runDir = await this.runDir();
    const removed = `${this.path}${REMOVED_SUFFIX}`;
    await rm(removed, { recursive: true, force: true });
    await rename(this.path, removed).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await rm(removed, { recursive: true, force: true });
    await rm(runDir, { recursive: true, force: true });
    await syncDirectory(join(this.path, '..'));
  }
}

/** The listeners of a node's configuration. */
function listenersOf({ bind, publicHost, domain, tls }: NodeSettings, ports: NodePorts): object {
  const listener = (port: number) => ({ host: bind, port });
  const secure = (...wanted: (number | undefined)[]): object[] =>
    tls === undefined ? [] : wanted.flatMap((port) => (port ? [{ ...listener(port), tls }] : []));
  const kafkaTls = secure(ports.kafkaTls).map((one) => ({
    ...one,
    advertisedHost: publicHost,
    ...(domain === undefined ? {} : { advertisedDomain: domain }),
  }));
  const lists = {
    mqtts: secure(ports.mqtts, ports.mqttsAlias),
    mqttWss: secure(ports.mqttWss),
    kafkaTls,
    mqttQuic: secure(ports.mqttQuic),
  };
  return {
    mqtt: listener(ports.mqtt),
    mqttWs: listener(ports.mqttWs),
    kafka: { ...listener(ports.kafka), advertisedHost: publicHost },
    ...Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)),
  };
}

/** Ids of all nodes that have a directory, and an end to removals that a crash interrupted. */
export async function listNodeDirectories(nodesDir: string): Promise<string[]> {
  await mkdir(nodesDir, { recursive: true, mode: 0o700 });
  const ids: string[] = [];
  for (const entry of await readdir(nodesDir, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    if (entry.name.endsWith(REMOVED_SUFFIX)) await rm(join(nodesDir, entry.name), { recursive: true, force: true });
    else ids.push(entry.name);
  }
  return ids;
}
