import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  EmbeddedPostgresError,
  prepareDatabase,
  startPostgres,
  type EmbeddedPostgresOptions,
  type RunningPostgres,
} from '@robustmq/db';
import { banner, controlPlaneBanner } from './banner.ts';
import { Child, type ChildOptions } from './child.ts';
import { ensureDemo } from './demo-tenant.ts';
import { leftoverNodePorts } from './leftover-nodes.ts';
import { checkPorts, freePort, prepareHome, takeLock } from './preflight.ts';
import { loadSecrets, type Secrets } from './secrets.ts';
import { environmentFor, NODE_PORTS, type Settings } from './settings.ts';
import { StartError } from './start-error.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const DATABASE_PORT_FROM = 15432;
const DATABASE_PORT_TRIES = 5;
const DATABASE_RESTART_DELAY_MS = 500;
const READY_TIMEOUT_MS = 60_000;
/** Children get this long after SIGTERM; with PostgreSQL's own stop the whole stays under 10 s. */
const CHILD_GRACE_MS = 6_000;

/** The whole cloud as one tree of processes: PostgreSQL, billing, API with portal, one agent and its nodes. */
export class Cloud {
  readonly #settings: Settings;
  readonly #say: (line: string) => void;
  #children: Child[] = [];
  #postgres: RunningPostgres | null = null;
  #release: (() => void) | null = null;
  #stopped: Promise<void> | null = null;

  constructor(settings: Settings, say: (line: string) => void) {
    this.#settings = settings;
    this.#say = say;
  }

  /** Starts everything in order and prints the banner. Throws StartError. */
  async start(): Promise<void> {
    const startedAt = Date.now();
    const secrets = await this.#startCore(leftoverNodePorts(this.#settings.home));
    await this.#timed('agent and shared node', () => this.#startAgent(secrets));
    const demo = await this.#timed('demo cluster', () => ensureDemo(this.#url, this.#settings.home));
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
    process.stdout.write(banner({ portalUrl: this.#portal, demo, authorityFile: this.#authorityFile, seconds }));
    // last: the first build of the watcher restarts the API
    if (this.#settings.dev) this.#startDevelopment();
  }

  /** Starts database, control plane and billing, and prints how an agent joins from any machine. Throws StartError. */
  async startControlPlane(): Promise<void> {
    const { publicHost, agentPort } = this.#settings;
    const secrets = await this.#startCore(new Set(NODE_PORTS.map((name) => this.#settings[name])));
    const token = await this.#joinToken({ authorization: `Bearer ${secrets.operatorToken}` });
    process.stdout.write(controlPlaneBanner(this.#portal, `${this.#linkScheme}${publicHost}:${agentPort}`, token));
  }

  /** Checks the machine, then starts database, control plane and billing. */
  async #startCore(portsNotChecked: ReadonlySet<number>): Promise<Secrets> {
    const { home } = this.#settings;
    prepareHome(home);
    const lock = takeLock(home);
    this.#release = lock.release;
    await checkPorts(this.#settings, lock.wasAbandoned, portsNotChecked);
    const secrets = loadSecrets(home);
    const databaseUrl = await this.#timed('database', () => this.#startDatabase(secrets));
    await this.#timed('control plane and billing', () => this.#startControlPlane(databaseUrl, secrets));
    return secrets;
  }

  get #agentDir(): string {
    return join(this.#settings.home, 'agent');
  }

  /** What clients over TLS are to trust; null where the certificates come from elsewhere. */
  get #authorityFile(): string | null {
    return this.#settings.hasOwnCertificate ? null : join(this.#agentDir, 'tls/ca.cert.pem');
  }

  /** Agents take a bare address for TLS with the certificate their join token names. */
  get #linkScheme(): string {
    return this.#settings.env['ROBUSTMQ_AGENT_LINK_PLAIN'] === 'true' ? 'http://' : '';
  }

  get #portal(): string {
    return `http://${this.#settings.publicHost}:${this.#settings.httpPort}`;
  }

  get #url(): string {
    const { bind, httpPort } = this.#settings;
    return `http://${bind === '0.0.0.0' || bind === '::' ? '127.0.0.1' : bind}:${httpPort}`;
  }

  async #timed<T>(what: string, run: () => Promise<T>): Promise<T> {
    const startedAt = Date.now();
    const waiting = setTimeout(() => this.#say(`… ${what}`), 1000);
    try {
      const result = await run();
      this.#say(`✓ ${what} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`);
      return result;
    } finally {
      clearTimeout(waiting);
    }
  }

  async #startDatabase(secrets: Secrets): Promise<string> {
    let ownerUrl = this.#settings.databaseUrl;
    if (ownerUrl === undefined) {
      await this.#startOwnPostgres(secrets.databaseOwnerPassword);
      ownerUrl = this.#postgres!.url('robustmq');
    }
    const { appUrl, applied } = await prepareDatabase({ ownerUrl, appPassword: secrets.databaseAppPassword });
    if (applied.length > 0) this.#say(`  applied ${applied.length} migration${applied.length === 1 ? '' : 's'}`);
    return appUrl;
  }

  /** On the first free port; where another program takes that one between the look and the start, on the next. */
  async #startOwnPostgres(password: string): Promise<void> {
    const { home } = this.#settings;
    const place = { dir: join(home, 'postgres'), password, logFile: join(home, 'logs/postgres.log') };
    let from = DATABASE_PORT_FROM;
    for (let tries = 1; ; tries++) {
      const port = await freePort('127.0.0.1', from);
      try {
        return await this.#startPostgres({ ...place, port });
      } catch (error) {
        const isTaken = error instanceof EmbeddedPostgresError && error.code === 'port-in-use';
        if (!isTaken || tries === DATABASE_PORT_TRIES) throw error;
        from = port + 1;
      }
    }
  }

  /** Starts PostgreSQL, and again on the same port whenever it ends without being asked to. */
  async #startPostgres(options: EmbeddedPostgresOptions): Promise<void> {
    const postgres = await startPostgres(options);
    this.#postgres = postgres;
    void postgres.exited.then(async ({ code, signal }) => {
      while (this.#stopped === null) {
        this.#say(`postgres ended (${signal ?? `code ${code}`}); starting it again`);
        await new Promise((resolve) => setTimeout(resolve, DATABASE_RESTART_DELAY_MS));
        if (this.#stopped !== null) return;
        try {
          return await this.#startPostgres(options);
        } catch (error) {
          this.#say(`postgres: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    });
  }

  async #startControlPlane(databaseUrl: string, secrets: Secrets): Promise<void> {
    const { home, bind, publicHost, httpPort, agentPort } = this.#settings;
    const shared = {
      ...environmentFor('control-plane', this.#settings.env),
      DATABASE_URL: databaseUrl,
      ROBUSTMQ_HOME: home,
      ROBUSTMQ_BIND: bind,
      ROBUSTMQ_PUBLIC_HOST: publicHost,
      ROBUSTMQ_BILLING_SOCKET: join(home, 'run/billing.sock'),
      ROBUSTMQ_INTERNAL_TOKEN: secrets.internalToken,
    };
    const billing = this.#child('billing', 'billing/app/src/main.ts', shared);
    const environment = {
      ...shared,
      ROBUSTMQ_HTTP_PORT: String(httpPort),
      ROBUSTMQ_AGENT_PORT: String(agentPort),
      ROBUSTMQ_KEYS_FILE: join(home, 'control-plane-keys.json'),
      ROBUSTMQ_OPERATOR_TOKEN: secrets.operatorToken,
      ROBUSTMQ_PORTAL_DIR: join(ROOT, 'portal/dist'),
    };
    const watch = this.#settings.dev ? [`--watch-path=${join(ROOT, 'control-plane/api/dist')}`] : [];
    const api = this.#child('api', 'control-plane/api/dist/main.js', environment, { nodeArgs: watch });
    billing.start();
    api.start();
    const ready = async (): Promise<boolean> => (await get(`${this.#url}/health/ready`)) !== null;
    await Promise.all([
      api.waitUntil(ready, READY_TIMEOUT_MS),
      billing.waitUntil(async () => existsSync(shared.ROBUSTMQ_BILLING_SOCKET), READY_TIMEOUT_MS),
    ]);
  }

  /** Vite serves the portal with hot reload (it proxies /v1 to the API) and rebuilds the API, which then restarts. */
  #startDevelopment(): void {
    const vite = 'node_modules/vite/bin/vite.js';
    const env = {
      ...environmentFor('control-plane', this.#settings.env),
      ROBUSTMQ_HTTP_PORT: String(this.#settings.httpPort),
    };
    this.#child('portal-dev', vite, env, { args: ['--port', '5173'], cwd: join(ROOT, 'portal') }).startUnawaited();
    this.#child('api-build', vite, env, {
      args: ['build', '--watch'],
      cwd: join(ROOT, 'control-plane/api'),
    }).startUnawaited();
    this.#say('  portal with hot reload: http://localhost:5173');
  }

  async #startAgent(secrets: Secrets): Promise<void> {
    const { home, bind, publicHost, agentPort, mqttPort, mqttWsPort, kafkaPort } = this.#settings;
    const { mqttsPort, mqttsAliasPort, mqttWssPort, kafkaTlsPort, mqttQuicPort } = this.#settings;
    const agentDir = this.#agentDir;
    const operator = { authorization: `Bearer ${secrets.operatorToken}` };
    const joined = existsSync(join(agentDir, 'agent.json'));
    const agent = this.#child('agent', 'data-plane/agent/src/main.mjs', {
      ...environmentFor('agent', this.#settings.env),
      ROBUSTMQ_HOME: home,
      ROBUSTMQ_BIND: bind,
      ROBUSTMQ_PUBLIC_HOST: publicHost,
      ROBUSTMQ_AGENT_DIR: agentDir,
      ROBUSTMQ_AGENT_LINK: `${this.#linkScheme}127.0.0.1:${agentPort}`,
      ROBUSTMQ_MQTT_PORT: String(mqttPort),
      ROBUSTMQ_MQTT_WS_PORT: String(mqttWsPort),
      ROBUSTMQ_KAFKA_PORT: String(kafkaPort),
      ROBUSTMQ_MQTTS_PORT: String(mqttsPort),
      ROBUSTMQ_MQTTS_ALIAS_PORT: String(mqttsAliasPort),
      ROBUSTMQ_MQTT_WSS_PORT: String(mqttWssPort),
      ROBUSTMQ_KAFKA_TLS_PORT: String(kafkaTlsPort),
      ROBUSTMQ_MQTT_QUIC_PORT: String(mqttQuicPort),
      ...(joined ? {} : { ROBUSTMQ_JOIN_TOKEN: await this.#joinToken(operator) }),
    });
    agent.start();
    await agent.waitUntil(async () => {
      const text = await get(`${this.#url}/v1/operator/agents`, operator);
      const { items } = JSON.parse(text ?? '{"items":[]}') as { items: { connected: boolean; endpoints: unknown }[] };
      return items.some((item) => item.connected && item.endpoints !== null);
    }, READY_TIMEOUT_MS);
  }

  async #joinToken(operator: Record<string, string>): Promise<string> {
    const response = await fetch(`${this.#url}/v1/operator/join-tokens`, {
      method: 'POST',
      headers: { ...operator, 'content-type': 'application/json' },
      body: JSON.stringify({ region: 'local' }),
    });
    if (!response.ok)
      throw new StartError(`The control plane gave no join token (${response.status}); see logs/api.log.`);
    return ((await response.json()) as { token: string }).token;
  }

  #child(
    name: string,
    script: string,
    env: NodeJS.ProcessEnv,
    more: Pick<ChildOptions, 'args' | 'nodeArgs' | 'cwd'> = {},
  ): Child {
    const child = new Child({
      name,
      script: join(ROOT, script),
      env,
      home: this.#settings.home,
      say: this.#say,
      ...more,
    });
    this.#children.push(child);
    return child;
  }

  /** Stops the data plane first (clients are told), then the control plane, then the database. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopped ??= (async () => {
      for (const child of this.#children) child.expectExit();
      const agent = this.#children.filter((child) => child.name === 'agent');
      const rest = this.#children.filter((child) => child.name !== 'agent');
      await Promise.all(agent.map((child) => child.stop(CHILD_GRACE_MS)));
      await Promise.all(rest.map((child) => child.stop(CHILD_GRACE_MS / 3)));
      await this.#postgres?.stop();
      this.#release?.();
    })();
    return this.#stopped;
  }
}

/** Body of a 200 answer, or null for anything else. */
async function get(url: string, headers: Record<string, string> = {}): Promise<string | null> {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(2_000) });
    const text = await response.text();
    return response.status === 200 ? text : null;
  } catch {
    return null;
  }
}
