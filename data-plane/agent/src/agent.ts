import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { AgentEndpoints, AgentObserved } from '@robustmq/contracts/data-plane';
import type { Logger } from 'pino';
import { AgentError, sentenceOf } from './agent-error.ts';
import type { AgentConfig } from './agent-config.ts';
import { z } from 'zod';
import { pause } from './backoff.ts';
import { Certificates } from './certificates.ts';
import { ControlLink, LINK_TIMING, type LinkTiming } from './control-link.ts';
import { DesiredStore, type SignedState } from './desired-store.ts';
import { enroll } from './enrolment.ts';
import { openKeys, readIdentity, writeIdentity, type AgentIdentity, type AgentKeys } from './identity.ts';
import { fingerprintIn } from './link-address.ts';
import { LinkTransport, type ViewRequest } from './link-transport.ts';
import { LinkTrust } from './link-trust.ts';
import { observeMachine } from './machine.ts';
import { NodeReleases } from './node-releases.ts';
import { Reconciler } from './reconciler.ts';
import { UsageCollector } from './usage-collector.ts';
import { UsageDelivery } from './usage-delivery.ts';
import { UsageSpool } from './usage-spool.ts';
import { ViewForwarder } from './view-forwarder.ts';

/** Reported to the control plane. */
export const AGENT_VERSION = '0.1.0';
const STATUS_MS = 10_000;
const COLLECT_MS = 1_000;
/** Between looks at what certificates are due or left over. */
const CERTIFICATES_MS = 3_600_000;
/** Changes that come together are reported together. */
const STATUS_SETTLE_MS = 5;
/** The first Hello waits this long for the shared node, so that its endpoints are true; then it is said without. */
const SHARED_NODE_WAIT_MS = 15_000;
/** Failed starts of the shared node before the agent gives up with a sentence. */
const FAILED_STARTS_MAX = 3;
const POLL_MS = 10;
/** Of the node's program; tests start others. */
const NodePackage = z.object({ version: z.string().default(AGENT_VERSION) });

/**
 * The supervisor of one machine: serves from the last-good desired state, dials the control plane for newer ones, and
 * carries usage to it. Order of a start: disk, nodes, link; the first two never wait for the third.
 */
export class Agent {
  readonly #config: AgentConfig;
  readonly #log: Logger;
  readonly #timing: LinkTiming;
  readonly #stop = new AbortController();
  readonly #timers: NodeJS.Timeout[] = [];
  #keys!: AgentKeys;
  #identity: AgentIdentity | undefined;
  #desired!: DesiredStore;
  #spool!: UsageSpool;
  #reconciler!: Reconciler;
  #releases!: NodeReleases;
  #observed: AgentObserved | undefined;
  #transport: LinkTransport | undefined;
  #link: ControlLink | undefined;
  #delivery: UsageDelivery | undefined;
  #statusTimer: NodeJS.Timeout | undefined;
  #lastStatus = '';
  #appliedVersion = 0;
  /** Identity that the control plane said it does not know. */
  #unknownTo = '';

  constructor(config: AgentConfig, log: Logger, timing: LinkTiming = LINK_TIMING) {
    this.#config = config;
    this.#log = log;
    this.#timing = timing;
  }

  /** The nodes, for tests and diagnosis. */
  get reconciler(): Reconciler {
    return this.#reconciler;
  }
  get identity(): AgentIdentity | undefined {
    return this.#identity;
  }
  get connected(): boolean {
    return this.#link?.connected ?? false;
  }

  /**
   * Resolves once the agent runs: nodes being started, link being opened. Throws `not-enrolled`, `enrolment-refused`,
   * `identity-damaged`, `node-port-in-use` when the shared node cannot have its ports, or `node-start-failed` when it
   * cannot run at the agent's very first start, such as without its bucket.
   */
  async start(): Promise<void> {
    const { dir } = this.#config;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    this.#keys = await openKeys(dir);
    this.#identity = await readIdentity(dir);
    this.#desired = await DesiredStore.open(dir);
    if (this.#identity) await this.#desired.load(this.#identity);
    this.#spool = await UsageSpool.open(join(dir, 'spool'));
    if (this.#spool.damagedLines > 0) {
      this.#log.error(
        { windows: this.#spool.damagedLines },
        'the usage spool has damaged lines: these windows are lost',
      );
    }
    if (!this.#identity && !this.#config.joinToken) {
      throw new AgentError('not-enrolled', 'This agent has no identity yet: set ROBUSTMQ_JOIN_TOKEN to a join token.');
    }
    await this.#startNodes();
    await this.#sharedNodeTried();
    this.#identity ??= await this.#enroll();
    if (this.#identity) this.#startLink(this.#identity);
  }

  /** Closes the link and, with `stopNodes`, all nodes in order. Without it they go on serving. */
  async close(stopNodes: boolean): Promise<void> {
    this.#stop.abort();
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#statusTimer);
    await Promise.all([this.#reconciler?.close(stopNodes), this.#delivery?.close(), this.#link?.close()]);
    this.#transport?.close();
    await this.#spool?.close();
  }

  async #startNodes(): Promise<void> {
    const { dir, bind, publicHost, domain, sharedPorts, nodeMainPath, usageWindowMs, s3 } = this.#config;
    // several agents may share a bucket
    const ownPart = s3 && { ...s3, prefix: `${s3.prefix}${this.#keys.fingerprint}/` };
    // also where the shared node has no listener over TLS: dedicated nodes have theirs
    const { version } = NodePackage.parse(
      JSON.parse(await readFile(join(dirname(nodeMainPath), '../package.json'), 'utf8').catch(() => '{}')),
    );
    const releases = await NodeReleases.open(join(dir, 'releases'), { mainPath: nodeMainPath, version }, this.#log);
    this.#releases = releases;
    const certificates = await Certificates.open(join(dir, 'tls'), publicHost, domain, this.#config.certificate);
    this.#reconciler = new Reconciler({
      nodesDir: join(dir, 'nodes'),
      program: {
        execPath: process.execPath,
        get mainPath() {
          return releases.mainPath;
        },
        settings: { bind, publicHost, domain, tls: certificates.settings, s3: ownPart, usageWindowMs },
      },
      sharedPorts,
      current: () => this.#desired.current,
      usage: await UsageCollector.open(this.#spool),
      certificates,
      log: this.#log,
      onChange: () => this.#scheduleStatus(),
    });
    await this.#reconciler.reconcile();
    this.#every(STATUS_MS, async () => {
      await this.#reconciler.tick();
      await this.#observe();
      await this.#link?.sendStatus();
    });
    this.#every(CERTIFICATES_MS, async () => {
      const { current } = this.#desired;
      // Before a desired state is known nothing may be concluded from what is not in it.
      if (current !== undefined && current.desired.version >= 1)
        await certificates.keep(new Set(current.desired.namespaces.map(({ key }) => key)));
    });
    this.#every(Math.min(COLLECT_MS, this.#config.usageWindowMs ?? COLLECT_MS), async () => {
      await Promise.all(this.#reconciler.lanes.map((lane) => lane.collectUsage()));
    });
  }

  /** Waits until the shared node is ready, or it is clear that it will take longer. */
  async #sharedNodeTried(): Promise<void> {
    const deadline = Date.now() + SHARED_NODE_WAIT_MS;
    let refusals = 0;
    let lastFailure: Error | undefined;
    while (Date.now() < deadline && !this.#stop.signal.aborted) {
      const lane = this.#reconciler.shared;
      if (lane?.node.admin && lane.reachable) return;
      if (lane?.failure && lane.failure !== lastFailure) {
        lastFailure = lane.failure;
        if (this.#isHopeless(lastFailure)) refusals += 1;
        if (refusals >= FAILED_STARTS_MAX) throw lastFailure;
      }
      await pause(POLL_MS, this.#stop.signal);
    }
  }

  /** What somebody has to mend. An agent that has nodes to serve goes on trying where only its first start is in vain. */
  #isHopeless(failure: Error): boolean {
    if (!(failure instanceof AgentError)) return false;
    return failure.code === 'node-port-in-use' || (failure.code === 'node-start-failed' && !this.#identity);
  }

  /** The join token names the certificate it may be said to. */
  async #enroll(): Promise<AgentIdentity | undefined> {
    const { dir, link, joinToken = '' } = this.#config;
    const fingerprint = fingerprintIn(joinToken);
    const pins = fingerprint === undefined ? [] : [fingerprint];
    const transport = new LinkTransport(link, new LinkTrust(pins, undefined));
    const { signal } = this.#stop;
    try {
      return await enroll(dir, transport, this.#keys, joinToken, AGENT_VERSION, this.#log, signal, pins);
    } finally {
      transport.close();
    }
  }

  #startLink(identity: AgentIdentity): void {
    const { dir, link: address } = this.#config;
    const trust = new LinkTrust(identity.linkPins, identity.controlPublicKeyPem, (linkPins) =>
      writeIdentity(dir, { ...identity, linkPins: [...linkPins] }),
    );
    this.#transport = new LinkTransport(address, trust);
    const views = new ViewForwarder(this.#reconciler, this.#log);
    const owner = {
      version: AGENT_VERSION,
      endpointsJson: () => JSON.stringify(this.#endpoints()),
      haveVersion: () => this.#desired.version,
      status: () => ({
        version: this.#desired.version,
        namespaces: this.#reconciler.report(),
        agent: this.#observed,
      }),
      onState: (state: SignedState) => this.#takeState(state, identity),
      onView: (request: ViewRequest) => views.answer(request),
      onUnknown: () => void this.#joinAnew(identity),
    };
    const link = new ControlLink(this.#transport, identity, this.#keys, owner, this.#log, this.#timing);
    this.#link = link;
    link.start();
    void this.#observe();
    this.#delivery = new UsageDelivery(this.#spool, (seq, windows) => link.pushUsage(seq, windows), this.#log);
    this.#delivery.start();
  }

  /**
   * The control plane does not know us. A join token given to this start is the order to join it anew, with the same keys
   * and nodes; without one, somebody must decide that: its first state takes the place of what is served now.
   */
  async #joinAnew(old: AgentIdentity): Promise<void> {
    if (this.#unknownTo === old.agentId) return;
    this.#unknownTo = old.agentId;
    const { agentId } = old;
    if (!this.#config.joinToken) {
      this.#log.error(
        { agentId },
        'the control plane does not know this agent; clients are served as before. To join it, make a join token ' +
          '(POST /v1/operator/join-tokens) and start the agent again with ROBUSTMQ_JOIN_TOKEN set to it',
      );
      return;
    }
    try {
      const identity = await this.#enroll();
      if (!identity || this.#stop.signal.aborted) return;
      await Promise.all([this.#delivery?.close(), this.#link?.close()]);
      this.#log.warn({ from: agentId, to: identity.agentId }, 'joined anew: the control plane did not know this agent');
      this.#identity = identity;
      this.#desired.startOver();
      this.#appliedVersion = 0;
      this.#startLink(identity);
    } catch (error) {
      this.#log.error({ agentId, error: sentenceOf(error) }, 'the control plane does not know this agent');
    }
  }

  async #takeState(state: SignedState, identity: AgentIdentity): Promise<void> {
    if (!(await this.#desired.accept(state, identity))) return;
    this.#log.info({ version: state.version }, 'desired state taken');
    await this.#reconciler.reconcile();
    this.#scheduleStatus();
    this.#wantRelease(identity);
  }

  /** Never waited for: a switch takes as long as its nodes do, and newer states are taken meanwhile. */
  #wantRelease({ controlPublicKeyPem }: AgentIdentity): void {
    const release = this.#desired.current?.desired.release;
    void this.#releases
      .want(release, controlPublicKeyPem, this.#reconciler)
      .then(() => this.#observe())
      .then(() => this.#link?.sendStatus());
  }

  async #observe(): Promise<void> {
    const nodes = await this.#reconciler.observedNodes();
    this.#observed = { ...(await observeMachine(this.#config.dir)), nodes, release: this.#releases.observed };
  }

  #endpoints(): AgentEndpoints {
    const { publicHost, sharedPorts, domain } = this.#config;
    const listening = new Set(this.#reconciler.shared?.node.health?.listeners.map((listener) => listener.port));
    const open = (port: number | undefined): number => (port && listening.has(port) ? port : 0);
    const { mqtt, mqttWs, kafka, amqp, mqtts, mqttWss, kafkaTls, mqttQuic } = sharedPorts;
    const secure = { mqtts: open(mqtts), mqttWss: open(mqttWss), kafkaTls: open(kafkaTls), mqttQuic: open(mqttQuic) };
    return {
      ...{ host: publicHost, mqtt, mqttWs, kafka, amqp: open(amqp) },
      ...Object.fromEntries(Object.entries(secure).filter(([, port]) => port > 0)),
      ...(domain === undefined ? {} : { domain }),
    };
  }

  /** Sends the status soon, if it says anything new; and `Applied` when everything has come to rest. */
  #scheduleStatus(): void {
    if (this.#statusTimer !== undefined || this.#stop.signal.aborted) return;
    this.#statusTimer = setTimeout(() => {
      this.#statusTimer = undefined;
      const { version } = this.#desired;
      const status = JSON.stringify([version, this.#reconciler.report()]);
      if (status !== this.#lastStatus) {
        this.#lastStatus = status;
        void this.#link?.sendStatus();
      }
      if (this.#appliedVersion !== version && this.#reconciler.atRest) {
        this.#appliedVersion = version;
        this.#link?.sendApplied(version, this.#reconciler.error);
      }
    }, STATUS_SETTLE_MS);
  }

  /** Runs `work` every `ms`, never twice at once. A periodic look has nothing to lose: the next one finds it all again. */
  #every(ms: number, work: () => Promise<void>): void {
    let busy = false;
    const timer = setInterval(() => {
      if (busy) return;
      busy = true;
      void work()
        .catch((error: unknown) => this.#log.warn({ error: String(error) }, 'periodic work failed'))
        .finally(() => (busy = false));
    }, ms);
    this.#timers.push(timer);
  }
}
