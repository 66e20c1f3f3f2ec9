import {
  usageWindowText,
  type AgentObserved,
  type NamespaceObserved,
  type UsageWindow,
} from '@robustmq/contracts/data-plane';
import type { Logger } from 'pino';
import { AgentError, sentenceOf } from './agent-error.ts';
import { backoffMs, jittered, pause } from './backoff.ts';
import type { SignedState } from './desired-store.ts';
import type { AgentIdentity, AgentKeys } from './identity.ts';
import {
  isUnauthenticated,
  isUnknownAgent,
  linkError,
  type AuthenticateReply,
  type ControlFrame,
  type LinkTransport,
  type SessionStream,
  type StateUpdate,
  type UsageAck,
  type ViewReply,
  type ViewRequest,
} from './link-transport.ts';

/** Periods of the link. Tests shorten them. */
export interface LinkTiming {
  /** Between leases on an open session. */
  readonly leaseMs: number;
  /** A session without a lease acknowledgement for this long is dead, whatever TCP thinks. */
  readonly silenceMs: number;
  /** Between polls while there is no session. */
  readonly pollMs: number;
  /** Between whole pulls that check the session's work: the same work on good and bad days. */
  readonly fullPullMs: number;
  readonly reconnectFirstMs: number;
  readonly reconnectMaxMs: number;
}

export const LINK_TIMING: LinkTiming = {
  leaseMs: 10_000,
  silenceMs: 35_000,
  pollMs: 5_000,
  fullPullMs: 240_000,
  reconnectFirstMs: 200,
  reconnectMaxMs: 20_000,
};
/** A token is renewed when this share of its life is over. */
const TOKEN_RENEW_AT = 0.6;
/** After an older epoch of this agent was superseded, or its key refused, the control plane is asked again this rarely. */
const REFUSED_RETRY_MS = 60_000;

/** What the link needs from, and tells to, the agent. */
export interface LinkOwner {
  readonly version: string;
  readonly endpointsJson: () => string;
  readonly haveVersion: () => number;
  readonly status: () => {
    readonly version: number;
    readonly namespaces: readonly NamespaceObserved[];
    /** Undefined until the machine was looked at. */
    readonly agent?: AgentObserved | undefined;
  };
  /** A state arrived, verified or not; throws `state-unverified`. */
  readonly onState: (state: SignedState) => Promise<void>;
  /** Somebody looks into a cluster; never throws. */
  readonly onView?: (request: ViewRequest) => Promise<ViewReply>;
  /** The control plane does not know this agent: another one, or one that lost its database. */
  readonly onUnknown?: () => void;
}

/**
 * The line to the control plane: a session stream as the fast path, and its unary twins whenever there is none. Only
 * dials out. Losing it changes nothing but how fresh the desired state is: no credential, lease or token of the link is
 * ever needed to serve clients.
 */
export class ControlLink {
  readonly #transport: LinkTransport;
  readonly #identity: AgentIdentity;
  readonly #keys: AgentKeys;
  readonly #owner: LinkOwner;
  readonly #timing: LinkTiming;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #session: SessionStream | undefined;
  /** True once the control plane has said anything on the session. */
  #sessionHeard = false;
  #applied: { version: number; error: string } | undefined;
  #leaseSeq = 0;
  #heardAtMs = 0;
  #renewTokenAtMs = 0;
  #authenticating: Promise<void> | undefined;
  #superseded = false;
  #pulling: Promise<void> | undefined;
  #loops: Promise<void>[] = [];
  /** States of the session that are being taken. */
  #taking: Promise<unknown> = Promise.resolve();

  constructor(
    transport: LinkTransport,
    identity: AgentIdentity,
    keys: AgentKeys,
    owner: LinkOwner,
    log: Logger,
    timing: LinkTiming = LINK_TIMING,
  ) {
    this.#transport = transport;
    this.#identity = identity;
    this.#keys = keys;
    this.#owner = owner;
    this.#log = log;
    this.#timing = timing;
  }

  /** True while a session is open and the control plane answers on it. */
  get connected(): boolean {
    return this.#session !== undefined && this.#sessionHeard;
  }

  start(): void {
    this.#loops = [this.#sessionLoop(), this.#pollLoop()];
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#session?.end();
    this.#session?.cancel();
    this.#transport.close();
    await Promise.all([...this.#loops, this.#pulling, this.#taking]);
  }

  /** Sends the status now, on the session if there is one, else by the unary twin. Never throws: the next one is whole. */
  async sendStatus(): Promise<void> {
    const { version, namespaces, agent } = this.#owner.status();
    const agentJson = agent === undefined ? '' : JSON.stringify(agent);
    const message = { version, namespacesJson: JSON.stringify(namespaces), agentJson };
    if (this.connected) {
      this.#session!.write({ status: message });
      return;
    }
    await this.#quietly('PushStatus', () => this.#call('PushStatus', message));
  }

  /** Tells that a version is applied, or why it is not; said again on every new session. */
  sendApplied(version: number, error: string): void {
    this.#applied = { version, error };
    if (this.connected) this.#session!.write({ applied: this.#applied });
  }

  /** Delivers windows; resolves when the control plane has committed them. Throws `link-unavailable` or `link-refused`. */
  pushUsage(seq: number, windows: readonly UsageWindow[]): Promise<UsageAck> {
    // each window by itself as well, so that a tenant can check theirs without seeing anybody else's
    const signed = windows.map((window) => ({ ...window, signature: this.#keys.sign(usageWindowText(window)) }));
    const windowsJson = JSON.stringify(signed);
    return this.#call<UsageAck>('PushUsage', { seq, windowsJson, signature: this.#keys.sign(windowsJson) });
  }

  async #call<Reply>(method: string, request: object): Promise<Reply> {
    if (this.#superseded) throw new AgentError('link-refused', 'a newer enrolment of this agent is in charge');
    await this.#authenticate();
    try {
      return await this.#transport.call<Reply>(method, request);
    } catch (error) {
      // A restarted control plane may not know a token that has not expired yet.
      if (isUnauthenticated(error)) this.#renewTokenAtMs = 0;
      throw error;
    }
  }

  async #authenticate(): Promise<void> {
    if (Date.now() < this.#renewTokenAtMs) return;
    this.#authenticating ??= this.#renewToken().finally(() => (this.#authenticating = undefined));
    await this.#authenticating;
  }

  async #renewToken(): Promise<void> {
    const now = Date.now();
    const { agentId, epoch } = this.#identity;
    const assertion = this.#keys.assertion(this.#identity, now);
    const reply = await this.#transport.call<AuthenticateReply>('Authenticate', { agentId, epoch, ...assertion });
    this.#transport.accessToken = reply.accessToken;
    this.#renewTokenAtMs = now + Math.max(1_000, (reply.expiresAtMs - now) * TOKEN_RENEW_AT);
    void this.#quietly('LinkCertificates', () => this.#transport.learnCertificates());
  }

  async #sessionLoop(): Promise<void> {
    const { signal } = this.#stop;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      let refused = false;
      try {
        await this.#authenticate();
        await this.#runSession();
        this.#log.info('session ended');
      } catch (error) {
        refused = isUnauthenticated(error);
        if (isUnknownAgent(error)) this.#owner.onUnknown?.();
        if (refused) this.#renewTokenAtMs = 0;
        const level = attempt === 0 || attempt % 20 === 0 ? 'warn' : 'debug';
        if (!signal.aborted) this.#log[level]({ error: sentenceOf(error) }, 'no session with the control plane');
      }
      if (this.#sessionHeard) attempt = 0;
      this.#session = undefined;
      this.#sessionHeard = false;
      const { reconnectFirstMs, reconnectMaxMs } = this.#timing;
      // One refusal may be a stale token; the second is about us.
      const slow = this.#superseded || (refused && attempt > 1);
      await pause(slow ? jittered(REFUSED_RETRY_MS) : backoffMs(attempt, reconnectFirstMs, reconnectMaxMs), signal);
    }
  }

  /** One session from Hello to its end. Throws when it ended with an error. */
  async #runSession(): Promise<void> {
    const stream = await this.#transport.openSession();
    this.#session = stream;
    this.#heardAtMs = Date.now();
    const ended = new Promise<void>((resolve, reject) => {
      stream.on('error', (error: Parameters<typeof linkError>[1]) => reject(linkError('Session', error)));
      stream.on('end', resolve);
      stream.on('close', resolve);
    });
    stream.on('data', (frame: ControlFrame) => this.#onFrame(frame));
    const { agentId, epoch } = this.#identity;
    const { version: agentVersion, haveVersion, endpointsJson } = this.#owner;
    stream.write({
      hello: { agentId, epoch, agentVersion, haveVersion: haveVersion(), endpointsJson: endpointsJson() },
    });
    const lease = setInterval(() => this.#lease(stream), this.#timing.leaseMs);
    this.#lease(stream);
    try {
      await ended;
    } finally {
      clearInterval(lease);
      stream.cancel();
    }
  }

  #lease(stream: SessionStream): void {
    if (Date.now() - this.#heardAtMs > this.#timing.silenceMs) {
      stream.cancel();
      return;
    }
    this.#leaseSeq += 1;
    stream.write({ lease: { seq: this.#leaseSeq, agentTimeMs: Date.now() } });
  }

  #onFrame(frame: ControlFrame): void {
    this.#heardAtMs = Date.now();
    if (!this.#sessionHeard) {
      this.#sessionHeard = true;
      this.#log.info('session open');
      void this.sendStatus();
      if (this.#applied) this.#session?.write({ applied: this.#applied });
    }
    if (frame.state) this.#taking = Promise.all([this.#taking, this.#take(frame.state)]);
    if (frame.viewRequest) void this.#view(frame.viewRequest);
    if (frame.leaseAck && frame.leaseAck.latestVersion > this.#owner.haveVersion()) void this.#pull(false);
    if (frame.superseded && frame.superseded.byEpoch > this.#identity.epoch) {
      this.#superseded = true;
      this.#log.error({ byEpoch: frame.superseded.byEpoch }, 'superseded: serving goes on, changes are not taken');
      this.#session?.cancel();
    }
  }

  /** The answer goes on the session that asked; when that has ended nobody waits for it. */
  async #view(request: ViewRequest): Promise<void> {
    const session = this.#session;
    const viewReply = await this.#owner.onView?.(request);
    if (viewReply !== undefined && session !== undefined && session === this.#session) session.write({ viewReply });
  }

  async #pollLoop(): Promise<void> {
    const { signal } = this.#stop;
    let pulledAtMs = Date.now();
    for (;;) {
      await pause(jittered(this.#timing.pollMs), signal);
      if (signal.aborted) return;
      if (this.#superseded) continue;
      const full = Date.now() - pulledAtMs > this.#timing.fullPullMs;
      if (full) pulledAtMs = Date.now();
      if (!this.connected) {
        await this.#pull(full);
        await this.sendStatus();
      } else if (full) await this.#pull(true);
    }
  }

  /** PullState; `full` asks as if nothing were known. At most one at a time. */
  #pull(full: boolean): Promise<void> {
    this.#pulling ??= this.#quietly('PullState', async () => {
      const haveVersion = full ? 0 : this.#owner.haveVersion();
      const request = { haveVersion, endpointsJson: this.#owner.endpointsJson() };
      await this.#take(await this.#call<StateUpdate>('PullState', request));
    }).finally(() => (this.#pulling = undefined));
    return this.#pulling;
  }

  async #take(update: StateUpdate): Promise<void> {
    // An empty body answers "you have the latest".
    if (update.desiredJson === '' || this.#superseded) return;
    try {
      await this.#owner.onState(update);
    } catch (error) {
      this.#log.error({ version: update.version, error: sentenceOf(error) }, 'desired state not taken');
      this.sendApplied(this.#owner.haveVersion(), sentenceOf(error));
    }
  }

  async #quietly(method: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#log.debug({ method, error: sentenceOf(error) }, 'call failed');
    }
  }
}
