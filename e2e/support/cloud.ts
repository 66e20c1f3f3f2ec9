import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimPorts } from '@robustmq/contracts/testing';
import { descendants, eventually, run, start, type Finished } from './process.ts';

/** Ports of one cloud under test, all free when it was made. */
export interface Ports {
  readonly http: number;
  readonly agent: number;
  readonly mqtt: number;
  readonly mqttWs: number;
  readonly kafka: number;
  readonly mqtts: number;
  readonly mqttWss: number;
  readonly kafkaTls: number;
  readonly range: string;
}

/** `npm start` as a user would run it, in a home and on ports of its own. */
export class CloudUnderTest {
  readonly home: string;
  readonly ports: Ports;
  readonly env: NodeJS.ProcessEnv;
  #process: ChildProcess | null = null;
  output = '';

  private constructor(home: string, ports: Ports, extra: NodeJS.ProcessEnv) {
    this.home = home;
    this.ports = ports;
    this.env = {
      ...process.env,
      ROBUSTMQ_HOME: home,
      ROBUSTMQ_HTTP_PORT: String(ports.http),
      ROBUSTMQ_AGENT_PORT: String(ports.agent),
      ROBUSTMQ_MQTT_PORT: String(ports.mqtt),
      ROBUSTMQ_MQTT_WS_PORT: String(ports.mqttWs),
      ROBUSTMQ_KAFKA_PORT: String(ports.kafka),
      ROBUSTMQ_MQTTS_PORT: String(ports.mqtts),
      ROBUSTMQ_MQTT_WSS_PORT: String(ports.mqttWss),
      ROBUSTMQ_KAFKA_TLS_PORT: String(ports.kafkaTls),
      ROBUSTMQ_PORT_RANGE: ports.range,
      ROBUSTMQ_URL: `http://localhost:${ports.http}`,
      ROBUSTMQ_CONFIG: join(home, 'ctl.json'),
      ...extra,
    };
  }

  static async make(options: { home?: string; env?: NodeJS.ProcessEnv } = {}): Promise<CloudUnderTest> {
    const home = options.home ?? mkdtempSync(join(tmpdir(), 'robustmq-e2e-'));
    return new CloudUnderTest(home, await freePorts(), options.env ?? {});
  }

  /** The shared cloud that the global setup started; this handle neither starts nor stops it. */
  static attach(shared: { home: string; env: Record<string, string> }): CloudUnderTest {
    const port = (name: string): number => Number(shared.env[name]);
    const ports: Ports = {
      http: port('ROBUSTMQ_HTTP_PORT'),
      agent: port('ROBUSTMQ_AGENT_PORT'),
      mqtt: port('ROBUSTMQ_MQTT_PORT'),
      mqttWs: port('ROBUSTMQ_MQTT_WS_PORT'),
      kafka: port('ROBUSTMQ_KAFKA_PORT'),
      mqtts: port('ROBUSTMQ_MQTTS_PORT'),
      mqttWss: port('ROBUSTMQ_MQTT_WSS_PORT'),
      kafkaTls: port('ROBUSTMQ_KAFKA_TLS_PORT'),
      range: shared.env['ROBUSTMQ_PORT_RANGE']!,
    };
    return new CloudUnderTest(shared.home, ports, {});
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }
  get url(): string {
    return this.env['ROBUSTMQ_URL']!;
  }

  /** What clients over TLS are to trust. */
  get authorityFile(): string {
    return join(this.home, 'agent/tls/ca.cert.pem');
  }

  /** Starts it and waits until it says that it is ready. Returns how long that took, in milliseconds. */
  async start(timeoutMs = 240_000): Promise<number> {
    const startedAt = Date.now();
    this.output = '';
    const child = this.launch();
    await eventually('npm start says that it is ready', timeoutMs, () => {
      if (child.exitCode !== null)
        throw new Error(`npm start ended with ${child.exitCode}: ${this.output.slice(-2000)}`);
      return this.output.includes('RobustMQ Cloud is ready');
    });
    return Date.now() - startedAt;
  }

  /** Starts it without waiting for anything. */
  launch(): ChildProcess {
    const child = start('npm', ['start'], { env: this.env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    child.stdout!.on('data', (bytes: Buffer) => (this.output += bytes.toString()));
    child.stderr!.on('data', (bytes: Buffer) => (this.output += bytes.toString()));
    this.#process = child;
    return child;
  }

  /**
   * Asks it to stop and waits. Returns how long that took, in milliseconds. A terminal's Ctrl-C is `group`: it reaches
   * every process of the foreground group; `kill` reaches npm alone.
   */
  async stop(signal: NodeJS.Signals = 'SIGTERM', reach: 'npm' | 'group' = 'npm'): Promise<number> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return 0;
    const startedAt = Date.now();
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    process.kill(reach === 'group' ? -child.pid! : child.pid!, signal);
    await gone;
    return Date.now() - startedAt;
  }

  /** Stops it and deletes its home. */
  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.home, { recursive: true, force: true });
  }

  /** pid of the process of this cloud whose command line contains all of `words`. */
  async pidOf(...words: string[]): Promise<number> {
    const all = await descendants(this.pid!);
    const found = all.find(
      ({ command }) => words.every((word) => command.includes(word)) && !command.startsWith('sh '),
    );
    if (!found)
      throw new Error(`no process with ${words.join(' ')} in:\n${all.map(({ command }) => command).join('\n')}`);
    return found.pid;
  }

  /** `npx robust-ctl …` with JSON output parsed; throws with its message when it fails. */
  async ctl<T = Record<string, unknown>>(...args: string[]): Promise<T> {
    const finished = await this.tryCtl(...args, '-o', 'json');
    if (finished.code !== 0) throw new Error(`robust-ctl ${args.join(' ')}: exit ${finished.code}: ${finished.stderr}`);
    return (finished.stdout.trim() === '' ? {} : JSON.parse(finished.stdout)) as T;
  }

  tryCtl(...args: string[]): Promise<Finished> {
    return run('node_modules/.bin/robust-ctl', args, { env: this.env });
  }
}

/** A cluster with a topic-less namespace and one credential, as users get them from the CLI. */
export interface TestCluster {
  readonly name: string;
  readonly id: string;
  readonly username: string;
  readonly password: string;
  readonly endpoints: Readonly<Record<'mqtt' | 'mqttWs' | 'kafka', string>> &
    Readonly<Partial<Record<'mqtts' | 'mqttWss' | 'kafkaTls', string>>>;
}

let counter = 0;
export const unique = (): string => `${Date.now().toString(36)}${(counter++).toString(36)}`;

/** Signs a new tenant up in its own CLI profile. Later `ctl` calls with `--profile` act for it. */
export async function newTenant(cloud: CloudUnderTest, label = 't'): Promise<string> {
  const profile = `${label}-${unique()}`;
  const email = `${profile}@example.com`;
  await cloud.ctl(
    'signup',
    '--email',
    email,
    '--password',
    `correct-horse-${profile}`,
    '--tenant',
    profile,
    '--profile',
    profile,
  );
  return profile;
}

/** Creates a ready cluster and a credential in it. */
export async function newCluster(cloud: CloudUnderTest, profile: string, plan = 'serverless'): Promise<TestCluster> {
  const name = `c${unique()}`;
  const cluster = await cloud.ctl<TestCluster>(
    'cluster',
    'create',
    name,
    '--plan',
    plan,
    '--wait',
    '--profile',
    profile,
  );
  const { username, password } = await cloud.ctl<TestCluster>(
    'credential',
    'create',
    'app',
    '--cluster',
    name,
    '--profile',
    profile,
  );
  return { name, id: cluster.id, endpoints: cluster.endpoints, username, password };
}

async function freePorts(): Promise<Ports> {
  const [http, agent, mqtt, mqttWs, kafka, mqtts, mqttWss, kafkaTls, ...rest] = (await claimPorts(72)) as [
    ...[number, number, number, number, number, number, number, number],
    ...number[],
  ];
  const range = `${rest[0]!}-${rest.at(-1)!}`;
  return { http, agent, mqtt, mqttWs, kafka, mqtts, mqttWss, kafkaTls, range };
}

export const portOf = (endpoint: string): number => Number(new URL(endpoint).port);
