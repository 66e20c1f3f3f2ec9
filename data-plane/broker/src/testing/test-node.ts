import { createHash } from 'node:crypto';
import { Journal, type JournalOptions } from '@robustmq/journal';
import { Meta } from '@robustmq/meta';
import { FileLogStore, MemoryLogStore, type LogStore } from '@robustmq/store';
import { SILENT_LOG, type Runtime } from '@robustmq/wire';
import { BrokerNode } from '../broker.ts';
import type {
  AdmitRequest,
  Connection,
  InboxEntry,
  Namespace,
  OpenSession,
  Receiver,
  Session,
} from '../broker-types.ts';
import type { Message, QoS } from '../message.ts';
import { UNLIMITED_QUOTAS, type NamespaceConfig } from '../namespace-config.ts';
import { PublishRun } from '../publish-run.ts';

/** A runtime for tests: real turns of the loop, a clock that stands still until it is moved, no timers. */
export class TestRuntime implements Runtime {
  #now = 1_700_000_000_000;
  #seed = 1;
  readonly log = SILENT_LOG;
  nowMs(): number {
    return this.#now;
  }
  monotonicMs(): number {
    return this.#now;
  }
  afterPoll(run: () => void): void {
    setImmediate(run);
  }
  after(_delayMs: number, _run: () => void): () => void {
    return () => undefined;
  }
  every(): () => void {
    return () => undefined;
  }
  randomBytes(size: number): Buffer {
    return Buffer.from(Array.from({ length: size }, () => (this.#seed = (this.#seed * 16807) % 2147483647) & 255));
  }
  advance(ms: number): void {
    this.#now += ms;
  }
}

/** A whole node without protocols over a store that outlives it, so that it can be started again. */
export class TestNode {
  readonly runtime: TestRuntime;
  readonly store: LogStore;
  readonly journal: Journal;
  readonly meta: Meta;
  readonly broker: BrokerNode;

  private constructor(store: LogStore, runtime: TestRuntime, journal: Partial<JournalOptions>) {
    this.store = store;
    this.runtime = runtime;
    this.journal = new Journal({ store, runtime, ...journal });
    this.meta = new Meta({ store, runtime });
    this.broker = new BrokerNode({ journal: this.journal, meta: this.meta, runtime, nodeId: 'test' });
  }
  static async start(
    store: LogStore = new MemoryLogStore(),
    runtime = new TestRuntime(),
    journal: Partial<JournalOptions> = {},
  ): Promise<TestNode> {
    const node = new TestNode(store, runtime, journal);
    await node.meta.start();
    await node.broker.start();
    return node;
  }
  /** The namespace as protocols see it. */
  namespace(id = 'ns'): Namespace {
    return this.broker.byId(id)!;
  }
  connect(clientId: string, protocol: 'mqtt' | 'kafka' = 'mqtt', id = 'ns'): Connection {
    const info = { protocol, principal: 'anonymous', clientId, remoteAddress: '127.0.0.1', disconnect() {} };
    const connection = this.namespace(id).connect(info);
    if ('refused' in connection) throw new Error(connection.message);
    return connection;
  }
}

export function config(change: Partial<NamespaceConfig> = {}): NamespaceConfig {
  return {
    id: 'ns',
    tenantId: 'tenant',
    name: 'name',
    generation: 1,
    quotas: UNLIMITED_QUOTAS,
    allowAnonymous: true,
    isDefault: true,
    autoCreateTopics: true,
    credentials: [],
    topics: [],
    topicsRemoved: [],
    ...change,
  };
}

export function credential(name: string, password: string): NamespaceConfig['credentials'][number] {
  const hash = createHash('sha256').update('salt').update(password).digest('base64');
  return { name, sha256: { salt: Buffer.from('salt').toString('base64'), hash } };
}

export function admitRequest(change: Partial<AdmitRequest> = {}): AdmitRequest {
  return {
    protocol: 'mqtt',
    listener: { name: 'mqtt', tls: false, namespace: null },
    serverName: null,
    remoteAddress: '127.0.0.1',
    username: null,
    password: null,
    ...change,
  };
}

/** What a receiver was given. */
export interface Delivered {
  readonly topic: string;
  readonly payload: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly ids: readonly number[] | null;
  readonly message: Message | null;
}

/** A subscriber that writes down what it gets, and takes and acknowledges its inbox. */
export class TestSubscriber implements Receiver {
  readonly got: Delivered[] = [];
  lost: string | null = null;
  readyCount = 0;
  deliver(run: PublishRun, qos: QoS, retain: boolean, ids: readonly number[] | null): void {
    for (let i = 0; i < run.count; i++) {
      const payload = run.payload(i).toString();
      this.got.push({ topic: run.topicText(), payload, qos, retain, ids, message: null });
    }
  }
  deliverMessage(message: Message, qos: QoS, retain: boolean, ids: readonly number[] | null): void {
    this.got.push({ topic: message.topic, payload: message.payload.toString(), qos, retain, ids, message });
  }
  inboxReady(): void {
    this.readyCount++;
  }
  sessionLost(reason: string): void {
    this.lost = reason;
  }
  get payloads(): string[] {
    return this.got.map((one) => one.payload);
  }
}

export interface OpenedSession {
  readonly session: Session;
  readonly present: boolean;
  readonly subscriber: TestSubscriber;
  readonly connection: Connection;
}

export function openSession(node: TestNode, clientId: string, change: Partial<OpenSession> = {}): OpenedSession {
  const subscriber = new TestSubscriber();
  const connection = node.connect(clientId);
  const opened = node.namespace().openSession({
    connection,
    clientId,
    cleanStart: false,
    expirySeconds: 0,
    receiver: subscriber,
    will: null,
    ...change,
  });
  if ('refused' in opened) throw new Error(opened.message);
  return { ...opened, subscriber, connection };
}

export const subscribeOptions = {
  qos: 1,
  noLocal: false,
  retainAsPublished: false,
  retainHandling: 0,
  subscriptionId: null,
} as const;

/** A run of messages with the same topic, as a protocol would find it in a chunk. */
export function runOf(topic: string, payloads: readonly string[], qos: QoS = 1, retain = false): PublishRun {
  const run = new PublishRun();
  run.data = Buffer.from(topic + payloads.join(''));
  run.topicEnd = Buffer.byteLength(topic);
  run.qos = qos;
  run.retain = retain;
  let at = run.topicEnd;
  for (const payload of payloads) {
    const index = run.add();
    run.payloadStart[index] = at;
    run.payloadEnd[index] = at += Buffer.byteLength(payload);
  }
  return run;
}

/** Resolves when the turn is over and what was appended is stable. */
export async function settled(node: TestNode): Promise<void> {
  await node.journal.current.promise();
  await new Promise((resolve) => setImmediate(resolve));
}

/** Everything that can be taken from the session's inbox, waiting for what has to be read from the store. */
export async function takeAll(session: Session): Promise<InboxEntry[]> {
  const entries: InboxEntry[] = [];
  for (let idle = 0; idle < 50; idle++) {
    const some = session.inbox!.take(100);
    if (some.length > 0) idle = 0;
    entries.push(...some);
    if (entries.length >= session.inbox!.depth) break;
    // what is on disk takes longer than a few turns
    await new Promise((resolve) => (idle < 10 ? setImmediate(resolve) : setTimeout(resolve, 5)));
  }
  return entries;
}

/** The directory as a store. */
export function openFileStore(directory: string): Promise<LogStore> {
  return FileLogStore.open({ directory });
}

export { CrashingStore } from './crashing-store.ts';
/** Object storage for other rooms' tests. */
export { FaultyObjectStore, MemoryObjectStore } from '@robustmq/store';
