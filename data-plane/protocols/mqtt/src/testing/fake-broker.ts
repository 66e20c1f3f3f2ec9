import type {
  Admission,
  AdmitRequest,
  Broker,
  ClientEvent,
  Commit,
  Connection,
  Inbox,
  InboxEntry,
  Message,
  MessageProperties,
  Namespace,
  OpenSession,
  PublishOutcome,
  PublishRun,
  QoS,
  Receiver,
  Refusal,
  Session,
  SubscribeOptions,
} from '@robustmq/broker';

/** A commit that a test settles. */
export class FakeCommit {
  settled = false;
  error: Error | null = null;
  registrations = 0;
  readonly sequence: number;
  #callbacks: ((error: Error | null) => void)[] = [];
  constructor(sequence: number) {
    this.sequence = sequence;
  }
  onSettled(callback: (error: Error | null) => void): void {
    this.registrations++;
    if (this.settled) callback(this.error);
    else this.#callbacks.push(callback);
  }
  settle(error: Error | null = null): void {
    this.settled = true;
    this.error = error;
    for (const callback of this.#callbacks) callback(error);
  }
  get commit(): Commit {
    return this as unknown as Commit;
  }
}

export function matches(filter: string, topic: string): boolean {
  const want = filter.replace(/^\$share\/[^/]+\//, '').split('/');
  const have = topic.split('/');
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false;
  for (const [i, level] of want.entries()) {
    if (level === '#') return true;
    if (have[i] === undefined || (level !== '+' && level !== have[i])) return false;
  }
  return want.length === have.length;
}

class FakeInbox implements Inbox {
  entries: (InboxEntry & { taken: boolean })[] = [];
  sequence = 0;
  get depth(): number {
    return this.entries.length;
  }
  add(entry: Omit<InboxEntry, 'sequence' | 'redelivery' | 'received'>): void {
    this.entries.push({ ...entry, sequence: this.sequence++, redelivery: false, received: false, taken: false });
  }
  take(max: number): readonly InboxEntry[] {
    const taken = this.entries.filter((entry) => !entry.taken).slice(0, max);
    for (const entry of taken) entry.taken = true;
    return taken.map((entry) => ({ ...entry }));
  }
  acknowledge(sequence: number): void {
    this.entries = this.entries.filter((entry) => entry.sequence !== sequence);
  }
  /** What `markReceived` gives back next: hand-settled by the test. */
  receivedCommit: Commit | null = null;
  markReceived(sequence: number): Commit | null {
    this.entries = this.entries.map((e) => (e.sequence === sequence ? { ...e, received: true, message: null } : e));
    return this.receivedCommit;
  }
  rewind(): void {
    this.entries = this.entries.map((e) => ({ ...e, redelivery: e.redelivery || e.taken, taken: false }));
  }
}

class FakeSession implements Session {
  readonly clientId: string;
  readonly inbox: FakeInbox | null;
  expirySeconds: number;
  receiver: Receiver | null = null;
  open: OpenSession | null = null;
  readonly subscriptions = new Map<string, SubscribeOptions>();
  readonly held = new Set<number>();
  detached: boolean | null = null;
  readonly #broker: FakeBroker;

  constructor(broker: FakeBroker, clientId: string, expirySeconds: number) {
    this.#broker = broker;
    this.clientId = clientId;
    this.expirySeconds = expirySeconds;
    this.inbox = expirySeconds > 0 ? new FakeInbox() : null;
  }
  subscribe(filter: string, options: SubscribeOptions) {
    const refusal = this.#broker.refuse.subscribe;
    if (refusal !== undefined) return { refusal };
    this.subscriptions.set(filter, options);
    const hand = (): void => {
      for (const message of this.#broker.retained.values()) {
        if (options.retainHandling === 2 || filter.startsWith('$share/') || !matches(filter, message.topic)) continue;
        const qos = Math.min(message.qos, options.qos) as QoS;
        this.receiver?.deliverMessage(message, qos, true, ids([options]));
      }
    };
    const commit = this.#broker.nextCommit();
    if (commit === null) hand();
    else commit.onSettled(hand);
    return { refusal: null, qos: options.qos, commit };
  }
  unsubscribe(filter: string) {
    return { existed: this.subscriptions.delete(filter), commit: this.#broker.nextCommit() };
  }
  holdsPacketId(id: number): boolean {
    return this.held.has(id);
  }
  /** Of an id that is held already only the commit is asked for. */
  holdPacketId(id: number): Commit | null {
    if (this.held.has(id)) return this.#broker.nextCommit();
    this.held.add(id);
    return null;
  }
  releasePacketId(id: number): Commit | null {
    this.held.delete(id);
    return this.#broker.nextCommit();
  }
  detach(publishWill: boolean): void {
    this.detached = publishWill;
    this.receiver = null;
    if (this.expirySeconds === 0) this.#broker.sessions.delete(this.clientId);
    const will = this.open?.will;
    if (publishWill && will) this.#broker.wills.push(will);
  }
}

/** One matching subscription set of a session for a topic, as the seam promises: highest QoS, all identifiers. */
function ids(options: readonly SubscribeOptions[]): readonly number[] | null {
  const list = options.map((o) => o.subscriptionId).filter((id) => id !== null);
  return list.length === 0 ? null : list;
}

/** A published run as values. */
export interface Published {
  topic: string;
  qos: QoS;
  retain: boolean;
  payloads: string[];
  properties: (MessageProperties | null)[] | null;
}

/** The seam of `broker-types.ts` with nothing behind it: one namespace, commits and refusals that a test decides. */
export class FakeBroker implements Broker {
  readonly events: ClientEvent[] = [];
  readonly published: Published[] = [];
  readonly retained = new Map<string, Message>();
  readonly sessions = new Map<string, FakeSession>();
  readonly wills: NonNullable<OpenSession['will']>[] = [];
  readonly admitted: AdmitRequest[] = [];
  readonly links: (Connection & { closed: number })[] = [];
  refuse: { admit?: Refusal; connect?: Refusal; open?: Refusal; publish?: Refusal; subscribe?: Refusal } = {};
  /** While true, everything stored waits for the last of `commits`. */
  manual = false;
  commits: FakeCommit[] = [];
  /** What the byte rate quotas say. */
  readonly delays = { ingressMs: 0, egressMs: 0 };
  readonly usage = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 };
  /** Keeps a copy of every run; off for throughput. */
  recording = true;
  #outcome: PublishOutcome = { refusal: null, commit: null, takers: 0 };

  /** A new commit for what is stored from now on. */
  openCommit(): FakeCommit {
    this.manual = true;
    const commit = new FakeCommit(this.commits.length);
    this.commits.push(commit);
    return commit;
  }
  nextCommit(): Commit | null {
    return this.manual ? this.commits.at(-1)!.commit : null;
  }

  admit(request: AdmitRequest): Admission | Refusal {
    this.admitted.push({ ...request, password: request.password && Buffer.from(request.password) });
    return this.refuse.admit ?? { namespace: this.namespace, principal: request.username ?? 'anonymous' };
  }
  scramVerifier(): never {
    throw new Error('not part of this double');
  }
  clientEvent(event: ClientEvent): void {
    this.events.push(event);
  }

  readonly namespace = {
    id: 'ns1',
    name: 'test',
    messageSizeBytesMax: 1024 * 1024,
    settings: {
      mqtt: {
        ...{ sessionExpirySecondsMax: 0xffff_ffff, keepAliveSecondsMax: 65_535 },
        slowSubscriber: { enabled: false, thresholdMs: 500 },
      },
    },
    connect: (info: Connection['info']) => {
      if (this.refuse.connect) return this.refuse.connect;
      const link = {
        namespace: this.namespace,
        info,
        usage: this.usage,
        closed: 0,
        close: () => void link.closed++,
        allows: () => true,
        ingressDelayMs: () => this.delays.ingressMs,
        egressDelayMs: () => this.delays.egressMs,
      };
      this.links.push(link);
      return link;
    },
    publish: (run: PublishRun) => this.#publish(run),
    openSession: (request: OpenSession) => this.#openSession(request),
  } as unknown as Namespace;

  #openSession(request: OpenSession): { session: Session; present: boolean } | Refusal {
    if (this.refuse.open) return this.refuse.open;
    let session = this.sessions.get(request.clientId);
    session?.receiver?.sessionLost('taken-over');
    const present = session !== undefined && !request.cleanStart;
    if (session === undefined || !present) {
      session = new FakeSession(this, request.clientId, request.expirySeconds);
      this.sessions.set(request.clientId, session);
    }
    session.receiver = request.receiver;
    session.open = request;
    return { session, present };
  }

  #publish(run: PublishRun): PublishOutcome {
    const outcome = this.#outcome;
    outcome.refusal = this.refuse.publish ?? null;
    outcome.commit = null;
    if (outcome.refusal !== null) return outcome;
    if (this.recording) this.#record(run);
    outcome.takers = 0;
    for (const session of this.sessions.values()) this.#toSession(session, run, outcome);
    if (outcome.commit === null && run.qos > 0) outcome.commit = this.nextCommit();
    return outcome;
  }

  #record(run: PublishRun): void {
    const payloads = Array.from({ length: run.count }, (_, i) => run.payload(i).toString());
    const { qos, retain, properties } = run;
    this.published.push({ topic: run.topicText(), qos, retain, payloads, properties: properties && [...properties] });
  }

  #toSession(session: FakeSession, run: PublishRun, outcome: PublishOutcome): void {
    const topic = this.recording ? run.topicText() : null;
    const all = [...session.subscriptions].filter(([f]) => topic === null || matches(f, topic)).map(([, o]) => o);
    if (all.length === 0) return;
    outcome.takers++;
    const qos = Math.min(run.qos, Math.max(...all.map((o) => o.qos))) as QoS;
    const retain = run.retain && all.some((o) => o.retainAsPublished);
    if (qos === 0 || session.inbox === null) {
      session.receiver?.deliver(run, qos, retain, ids(all));
      return;
    }
    for (let i = 0; i < run.count; i++) {
      const payload = Buffer.from(run.payload(i));
      const properties = run.properties?.[i] ?? null;
      const message = { topic: run.topicText(), payload, qos, retain, properties, timestampMs: 0 };
      session.inbox.add({ qos, retain, message, subscriptionIds: ids(all) });
    }
    session.receiver?.inboxReady();
  }
}
