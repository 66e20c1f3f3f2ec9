import {
  type AdmitRequest,
  type Broker,
  type ClientEvent,
  type Commit,
  type CommittedOffset,
  type Connection,
  type ConnectionInfo,
  type CreateTopic,
  type GroupOffsets,
  type Namespace,
  type Partition,
  type ProtocolUsage,
  type Refusal,
  type RefusalCode,
  REFUSALS,
  type Topic,
  type Topics,
} from '@robustmq/broker';
import { crc32c } from '@robustmq/wire';

/**
 * The broker's seam over arrays, for tests of this room alone. Appends become stable at once, or when `settle` is
 * called while `manual` is set.
 */
export class MemoryBroker implements Broker {
  readonly namespaces = new Map<string, MemoryNamespace>();
  readonly events: ClientEvent[] = [];
  /** `user@namespace` → password. */
  readonly passwords = new Map<string, string>();
  /** Namespace of connections without credentials, null = refused. */
  anonymous: string | null = null;

  add(name: string): MemoryNamespace {
    const namespace = new MemoryNamespace(name);
    this.namespaces.set(name, namespace);
    return namespace;
  }

  admit(request: AdmitRequest) {
    const { username, password } = request;
    if (username === null) {
      const namespace = this.anonymous === null ? undefined : this.namespaces.get(this.anonymous);
      return namespace === undefined ? refusal('namespace-unknown') : { namespace, principal: 'anonymous' };
    }
    if (this.passwords.get(username) !== password?.toString()) return refusal('bad-credentials');
    const [principal = '', name = ''] = username.split('@');
    return { namespace: this.namespaces.get(name)!, principal };
  }

  scramVerifier(): never {
    throw new Error('not part of this double');
  }
  clientEvent(event: ClientEvent): void {
    this.events.push(event);
  }
}

export function refusal(refused: RefusalCode): Refusal {
  return { refused, message: REFUSALS[refused] };
}

export class MemoryNamespace implements Namespace {
  readonly id: string;
  readonly name: string;
  readonly messageSizeBytesMax = 1024 * 1024;
  autoCreateTopics = true;
  readonly topics: MemoryTopics;
  readonly offsets = new MemoryOffsets();
  readonly usage: ProtocolUsage = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 };
  /** What the byte rate quotas say. */
  readonly delays = { ingressMs: 0, egressMs: 0, msPerByteOut: 0 };
  readonly open = new Set<ConnectionInfo>();
  /** Refuses further connections. */
  full: RefusalCode | null = null;
  /** True: appends stay unstable until `settle`. */
  manual = false;
  /** What commits settle with. */
  storageFails: Error | null = null;
  readonly #unsettled: (() => void)[] = [];

  constructor(name: string) {
    this.id = `ns-${name}`;
    this.name = name;
    this.topics = new MemoryTopics(this);
  }

  connect(info: ConnectionInfo): Connection | Refusal {
    if (this.full !== null) return refusal(this.full);
    this.open.add(info);
    return {
      namespace: this,
      info,
      usage: this.usage,
      close: () => void this.open.delete(info),
      ingressDelayMs: () => this.delays.ingressMs,
      allows: () => true,
      egressDelayMs: (moreBytes = 0) => this.delays.egressMs + moreBytes * this.delays.msPerByteOut,
    };
  }
  get settings(): never {
    throw new Error('not part of this double');
  }
  keyed(): never {
    throw new Error('not part of this double');
  }
  publish(): never {
    throw new Error('not part of this double');
  }
  publishMessage(): never {
    throw new Error('not part of this double');
  }
  openSession(): never {
    throw new Error('not part of this double');
  }

  /** Makes every append stable that was made so far. */
  settle(): void {
    for (const run of this.#unsettled.splice(0)) run();
  }
  commit(stable: () => void): Commit {
    const commit = new PlainCommit();
    const settle = (): void => {
      stable();
      commit.settle(this.storageFails);
    };
    if (this.manual) this.#unsettled.push(settle);
    else settle();
    return commit as unknown as Commit;
  }
}

class MemoryTopics implements Topics {
  readonly #namespace: MemoryNamespace;
  readonly #byName = new Map<string, Topic>();
  #next = 1;

  constructor(namespace: MemoryNamespace) {
    this.#namespace = namespace;
  }
  get(name: string): Topic | undefined {
    return this.#byName.get(name);
  }
  byId(idHex: string): Topic | undefined {
    return this.list().find((topic) => topic.idHex === idHex);
  }
  list(): readonly Topic[] {
    return [...this.#byName.values()];
  }
  validate({ name }: CreateTopic): Refusal | null {
    if (!/^[\w.-]{1,249}$/.test(name)) return refusal('topic-invalid');
    return this.#byName.has(name) ? refusal('topic-exists') : null;
  }
  create(spec: CreateTopic): Promise<Topic | Refusal> {
    const refused = this.validate(spec);
    if (refused !== null) return Promise.resolve(refused);
    const topic: Topic = {
      idHex: (this.#next++).toString(16).padStart(32, '0'),
      name: spec.name,
      partitions: Array.from({ length: spec.partitions }, (_, index) => new MemoryPartition(index, this.#namespace)),
      durability: 'flushed',
      retentionMs: spec.retentionMs ?? -1,
      retentionBytes: spec.retentionBytes ?? -1,
    };
    this.#byName.set(spec.name, topic);
    return Promise.resolve(topic);
  }
  alter(): never {
    throw new Error('not part of this double');
  }
  remove(name: string): Promise<Refusal | null> {
    return Promise.resolve(this.#byName.delete(name) ? null : refusal('topic-unknown'));
  }
}

export class MemoryPartition implements Partition {
  readonly index: number;
  startOffset = 0;
  stableOffset = 0;
  endOffset = 0;
  sizeBytes = 0;
  /** True: reads go through a promise. */
  slow = false;
  /** True: appends throw, as on a failed medium. */
  broken = false;
  readonly #namespace: MemoryNamespace;
  readonly #batches: { base: number; next: number; bytes: Buffer }[] = [];
  #waiters: { offset: number; callback: () => void }[] = [];

  constructor(index: number, namespace: MemoryNamespace) {
    this.index = index;
    this.#namespace = namespace;
  }
  append(records: Buffer): { baseOffset: number; commit: Commit } | Refusal {
    if (this.broken) throw new Error('the medium failed');
    if (records.length > this.#namespace.messageSizeBytesMax) return refusal('message-too-large');
    if (records.readUInt32BE(17) !== crc32c(records, 21)) return refusal('batch-corrupt');
    const base = this.endOffset;
    records.writeBigInt64BE(BigInt(base), 0);
    records.writeInt32BE(0, 12);
    const next = base + records.readInt32BE(23) + 1;
    this.#batches.push({ base, next, bytes: records });
    this.endOffset = next;
    this.sizeBytes += records.length;
    const { usage } = this.#namespace;
    usage.messagesIn += next - base;
    usage.bytesIn += records.length;
    return { baseOffset: base, commit: this.#namespace.commit(() => this.#stable(next)) };
  }
  read(offset: number, bytesMax: number): readonly Buffer[] | Promise<readonly Buffer[]> {
    const found: Buffer[] = [];
    let size = 0;
    for (const { next, bytes } of this.#batches) {
      if (next <= offset || next > this.stableOffset) continue;
      if (found.length > 0 && size + bytes.length > bytesMax) break;
      found.push(bytes);
      size += bytes.length;
    }
    return this.slow ? Promise.resolve(found) : found;
  }
  offsetAtTime(timestampMs: number): Promise<{ offset: number; timestampMs: number } | null> {
    const found = this.#batches.find(({ bytes }) => Number(bytes.readBigInt64BE(35)) >= timestampMs);
    return Promise.resolve(
      found === undefined ? null : { offset: found.base, timestampMs: Number(found.bytes.readBigInt64BE(27)) },
    );
  }
  onStableBeyond(offset: number, callback: () => void): () => void {
    const waiter = { offset, callback };
    if (this.stableOffset > offset) callback();
    else this.#waiters.push(waiter);
    return () => (this.#waiters = this.#waiters.filter((other) => other !== waiter));
  }
  trim(): never {
    throw new Error('not part of this double');
  }
  tiers(): never {
    throw new Error('not part of this double');
  }
  endTransaction(): never {
    throw new Error('not part of this double');
  }
  get lastStableOffset(): number {
    return this.stableOffset;
  }
  openTransactions(): readonly never[] {
    return [];
  }
  abortedTransactions(): readonly never[] {
    return [];
  }
  get waiting(): number {
    return this.#waiters.length;
  }
  #stable(offset: number): void {
    this.stableOffset = offset;
    const due = this.#waiters.filter((waiter) => waiter.offset < offset);
    this.#waiters = this.#waiters.filter((waiter) => waiter.offset >= offset);
    for (const { callback } of due) callback();
  }
}

type Row = CommittedOffset & { topic: string; partition: number };

class MemoryOffsets implements GroupOffsets {
  readonly #groups = new Map<string, Map<string, Row>>();

  groups(): readonly string[] {
    return [...this.#groups.keys()];
  }
  get(group: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#groups.get(group)?.get(`${topic}/${partition}`);
  }
  all(group: string): readonly Row[] {
    return [...(this.#groups.get(group)?.values() ?? [])];
  }
  commit(group: string, offsets: readonly Row[]): Commit {
    const rows = this.#groups.get(group) ?? new Map<string, Row>();
    this.#groups.set(group, rows);
    for (const row of offsets) rows.set(`${row.topic}/${row.partition}`, row);
    return settled();
  }
  remove(group: string): Commit {
    this.#groups.delete(group);
    return settled();
  }
}

function settled(): Commit {
  const commit = new PlainCommit();
  commit.settle(null);
  return commit as unknown as Commit;
}

/** Behaves as the journal's commit, which this room may not import. */
class PlainCommit {
  readonly sequence = 1;
  error: Error | null = null;
  settled = false;
  #callbacks: ((error: Error | null) => void)[] = [];

  onSettled(callback: (error: Error | null) => void): void {
    if (this.settled) callback(this.error);
    else this.#callbacks.push(callback);
  }
  promise(): Promise<void> {
    return new Promise((resolve, reject) => this.onSettled((error) => (error ? reject(error) : resolve())));
  }
  settle(error: Error | null): void {
    this.settled = true;
    this.error = error;
    for (const callback of this.#callbacks.splice(0)) callback(error);
  }
}
