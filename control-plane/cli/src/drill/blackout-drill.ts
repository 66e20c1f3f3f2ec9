import { bodyOf, type Cluster } from '@robustmq/client';
import type { Context } from '../context.ts';
import { EXIT, Failure } from '../failure.ts';
import { DENIED_FILTER, DRILL_TOPIC, DrillClients, type Counts } from './drill-clients.ts';
import { Frozen, type Installation } from './installation.ts';

/** One line of the report; `ok` is absent where nothing was checked. */
export interface DrillLine {
  readonly at: string;
  readonly step: string;
  readonly ok?: boolean;
  readonly detail: string;
}

const POLL_MS = 200;
const READY_MS_MAX = 60_000;
/** A restarted agent and node are back by then. */
const RESTART_MS_MAX = 60_000;
/** A usage window is a minute, and one more passes until what would be counted twice has come. */
const USAGE_MS_MAX = 150_000;
/** How long totals must stay as they are before they are believed. */
const USAGE_SETTLED_MS = 3_000;
const API_SILENT_MS = 2_000;
const MINUTE_MS = 60_000;
const ROOT = '/v1/tenants/{tenantId}/clusters' as const;

/**
 * The drill: a throw-away cluster, clients before, during and after a blackout of the control plane, and the usage that is
 * billed for it compared with what the clients counted. Whatever happens, Ctrl-C included, the control plane goes on and
 * the cluster is deleted.
 */
export class BlackoutDrill {
  readonly #context: Context;
  readonly #installation: Installation;
  readonly #tell: (line: DrillLine) => void;
  readonly #lines: DrillLine[] = [];
  readonly #interrupted = Promise.withResolvers<never>();
  #frozen: Frozen | undefined;
  /** To be deleted, whatever happens. */
  #made: Cluster | undefined;

  constructor(context: Context, installation: Installation, tell: (line: DrillLine) => void) {
    this.#context = context;
    this.#installation = installation;
    this.#tell = tell;
    this.#interrupted.promise.catch(() => undefined);
  }

  /** All lines of the report. Rejects with a Failure when it was interrupted or could not begin. */
  async run(restarts: boolean): Promise<readonly DrillLine[]> {
    const { terminal } = this.#context;
    let onceMore = false;
    const release = terminal.onInterrupt(() => {
      if (onceMore) return;
      onceMore = true;
      this.#frozen?.thaw();
      this.#interrupted.reject(new Failure(EXIT.failed, 'Interrupted: everything was let go on.'));
    });
    try {
      const cluster = await this.#orInterrupt(this.#makeCluster());
      await this.#orInterrupt(this.#drill(cluster, restarts));
    } finally {
      this.#frozen?.thaw();
      if (this.#made) await this.#removeCluster(this.#made);
      release();
    }
    return this.#lines;
  }

  async #drill(cluster: Cluster, restarts: boolean): Promise<void> {
    const clients = new DrillClients(cluster, await this.#login(cluster));
    await this.#rounds('before', clients, cluster);
    this.#frozen = new Frozen(this.#installation.controlPlane());
    await this.#check('control plane stopped', () => this.#isSilent());
    await this.#rounds('blackout', clients, cluster);
    if (restarts) {
      await this.#check('agent killed', () => this.#restarted('agent'));
      await this.#rounds('after the agent’s restart', clients, cluster);
      await this.#check('node killed', () => this.#restarted('node'));
      await this.#rounds('after the node’s restart', clients, cluster);
    }
    this.#frozen.thaw();
    await this.#check('control plane goes on', () => this.#isReady());
    await this.#rounds('afterwards', clients, cluster);
    await this.#check('usage', () => this.#usageEquals(cluster, clients.counts));
  }

  async #rounds(when: string, clients: DrillClients, cluster: Cluster): Promise<void> {
    await this.#check(`${when}, MQTT`, () => clients.mqttRound());
    await this.#check(`${when}, Kafka`, () => clients.kafkaRound());
    await this.#check(`${when}, rules`, () => clients.deniedRound());
    await this.#check(`${when}, passwords`, () => clients.strangerRound());
    await this.#check(`${when}, quotas`, () => clients.quotaRound(cluster.quotas.messageSizeBytesMax));
  }

  async #check(step: string, work: () => Promise<string>): Promise<void> {
    try {
      this.#say(step, await this.#orInterrupt(work()), true);
    } catch (error) {
      if (error instanceof Failure) throw error;
      this.#say(step, error instanceof Error ? error.message : String(error), false);
    }
  }

  #say(step: string, detail: string, ok?: boolean): void {
    const at = new Date(this.#context.terminal.now()).toISOString();
    const line = { at, step, ...(ok === undefined ? {} : { ok }), detail };
    this.#lines.push(line);
    this.#tell(line);
  }

  #orInterrupt<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#interrupted.promise]);
  }

  async #makeCluster(): Promise<Cluster> {
    const client = this.#context.client();
    const tenantId = await this.#context.tenantId();
    const name = `drill-${crypto.randomUUID().slice(0, 8)}`;
    const made = await bodyOf(
      client.POST(ROOT, { params: { path: { tenantId } }, body: { name, plan: 'serverless' } }),
    );
    this.#made = made;
    this.#say('cluster', `made "${name}" for the drill alone`);
    const path = { tenantId, clusterId: made.id };
    await bodyOf(client.POST(`${ROOT}/{clusterId}/topics`, { params: { path }, body: { name: DRILL_TOPIC } }));
    const rule = { effect: 'deny' as const, pattern: DENIED_FILTER, patternType: 'filter' as const };
    await bodyOf(
      client.POST(`${ROOT}/{clusterId}/acl-rules`, { params: { path }, body: { ...rule, actions: ['write'] } }),
    );
    return this.#untilReady(path);
  }

  async #untilReady(path: { tenantId: string; clusterId: string }): Promise<Cluster> {
    return this.#eventually('the drill’s cluster is ready', READY_MS_MAX, async () => {
      const cluster = await bodyOf(this.#context.client().GET(`${ROOT}/{clusterId}`, { params: { path } }));
      return cluster.phase === 'Ready' ? cluster : undefined;
    });
  }

  async #login(cluster: Cluster): Promise<{ username: string; password: string }> {
    const path = { tenantId: cluster.tenantId, clusterId: cluster.id };
    const body = { name: 'drill' };
    const { username, password } = await bodyOf(
      this.#context.client().POST(`${ROOT}/{clusterId}/credentials`, { params: { path }, body }),
    );
    await this.#untilReady(path);
    return { username, password };
  }

  async #removeCluster(cluster: Cluster): Promise<void> {
    const path = { tenantId: cluster.tenantId, clusterId: cluster.id };
    const query = { restore_days: '0' as const };
    try {
      // the control plane may need a moment to answer again
      await this.#eventually('deleted', READY_MS_MAX, async () => {
        await bodyOf(this.#context.client().DELETE(`${ROOT}/{clusterId}`, { params: { path, query } }));
        return true;
      });
      this.#say('cluster', `deleted "${cluster.name}"`);
    } catch {
      this.#context.terminal.note(`The cluster "${cluster.name}" could not be deleted: delete it later.`);
    }
  }

  async #isSilent(): Promise<string> {
    const answered = await fetch(`${this.#context.server}/health/live`, { signal: AbortSignal.timeout(API_SILENT_MS) })
      .then(() => true)
      .catch(() => false);
    if (answered) throw new Error(`${this.#context.server} still answers: is it another installation’s?`);
    return 'API, billing and database hold their connections and answer nobody';
  }

  async #isReady(): Promise<string> {
    await this.#eventually('the control plane is ready', READY_MS_MAX, async () => {
      const { ok } = await fetch(`${this.#context.server}/health/ready`, {
        signal: AbortSignal.timeout(API_SILENT_MS),
      });
      return ok ? true : undefined;
    });
    return 'it answers again';
  }

  /** Kills every process of the role and waits until its supervisor has made another that is not one of them. */
  async #restarted(role: 'agent' | 'node'): Promise<string> {
    const before = this.#installation.of(role);
    if (before.length === 0) throw new Error(`this installation runs no ${role} on this machine`);
    for (const one of before) this.#installation.kill(one);
    const old = new Set(before.map(({ pid }) => pid));
    const now = await this.#eventually(`the ${role} runs again`, RESTART_MS_MAX, async () => {
      const running = this.#installation.of(role).filter(({ pid }) => !old.has(pid));
      return running.length >= before.length ? running : undefined;
    });
    const list = (processes: readonly { pid: number }[]): string => processes.map(({ pid }) => pid).join(', ');
    return `${list(before)} killed, ${list(now)} runs`;
  }

  async #usageEquals(cluster: Cluster, counts: Counts): Promise<string> {
    const wanted = JSON.stringify(counts);
    let seen = '';
    await this.#eventually('', USAGE_MS_MAX, async () => {
      seen = JSON.stringify(await this.#usage(cluster));
      return seen === wanted ? true : undefined;
    }).catch(() => undefined);
    await this.#context.terminal.sleep(USAGE_SETTLED_MS);
    if (seen === wanted) seen = JSON.stringify(await this.#usage(cluster));
    if (seen !== wanted) throw new Error(`metered ${seen}, but the clients counted ${wanted}`);
    return `metered exactly what the clients counted: ${wanted}`;
  }

  async #usage(cluster: Cluster): Promise<Counts> {
    const path = { tenantId: cluster.tenantId };
    // its first minute began before it did
    const from = new Date(Date.parse(cluster.createdAt) - MINUTE_MS).toISOString();
    const query = { granularity: 'minute' as const, clusterId: cluster.id, from };
    const { windows } = await bodyOf(
      this.#context.client().GET('/v1/tenants/{tenantId}/usage', { params: { path, query } }),
    );
    const sum = (protocol: string, meter: string): number =>
      windows
        .filter((window) => window.protocol === protocol && window.meter === meter)
        .reduce((total, window) => total + Number(window.quantity), 0);
    return {
      mqttIn: sum('mqtt', 'messages_in'),
      mqttOut: sum('mqtt', 'messages_out'),
      kafkaIn: sum('kafka', 'messages_in'),
      kafkaOut: sum('kafka', 'messages_out'),
    };
  }

  async #eventually<T>(what: string, ms: number, probe: () => Promise<T | undefined>): Promise<T> {
    const { terminal } = this.#context;
    const deadline = terminal.now() + ms;
    for (;;) {
      const value = await probe().catch(() => undefined);
      if (value !== undefined) return value;
      if (terminal.now() > deadline) throw new Error(`${what}: not within ${ms / 1000} s`);
      await terminal.sleep(POLL_MS);
    }
  }
}
