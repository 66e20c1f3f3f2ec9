import {
  type AbortedTransaction,
  type AclRule,
  type Admission,
  type AdmitRequest,
  type Broker,
  type ClientEvent,
  type Commit,
  type CommittedOffset,
  type Connection,
  type ConnectionInfo,
  type CreateTopic,
  DEFAULT_SETTINGS,
  type Delegated,
  type DelegatedUser,
  type GroupOffsets,
  type KeyedStore,
  type Namespace,
  type NamespaceSettings,
  type OpenTransaction,
  type Partition,
  type ProtocolUsage,
  type Refusal,
  type RefusalCode,
  REFUSALS,
  type ScramMechanism,
  type ScramVerifier,
  type Topic,
  type TopicChange,
  type Topics,
} from '@robustmq/broker';
import { crc32c } from '@robustmq/wire';
import { markerOf } from './batch.ts';
import { scramFits, verifierOf } from './scram-client.ts';

/**
 * The broker's seam over arrays, for tests of this room alone. Appends become stable at once, or when `settle` is
 * called while `manual` is set.
 */
export class MemoryBroker implements Broker {
  readonly namespaces = new Map<string, MemoryNamespace>();
  readonly events: ClientEvent[] = [];
  /** `user@namespace` → password. */
  readonly passwords = new Map<string, string>();
  /** Tokens whose signature is taken as checked. */
  readonly tokens = new Map<string, { who: string; expiresAtMs: number }>();
  /** Namespace of connections without credentials, null = refused. */
  anonymous: string | null = null;

  add(name: string): MemoryNamespace {
    const namespace = new MemoryNamespace(name);
    this.namespaces.set(name, namespace);
    return namespace;
  }

  admit(request: AdmitRequest): Admission | Refusal {
    const { username, password, proof } = request;
    if (proof?.kind === 'jwt') return this.#byToken(proof.token);
    if (proof?.kind === 'x509') return this.#found(proof.certificate.toString());
    if (username === null) {
      const namespace = this.anonymous === null ? undefined : this.namespaces.get(this.anonymous);
      return namespace === undefined ? refusal('namespace-unknown') : { namespace, principal: 'anonymous' };
    }
    const known = this.passwords.get(username);
    if (proof?.kind === 'scram') {
      const fits = known !== undefined && scramFits(known, this.scramVerifier(request, proof.mechanism), proof);
      return fits ? this.#found(username) : refusal('bad-credentials');
    }
    return known === password?.toString() ? this.#found(username) : refusal('bad-credentials');
  }

  scramVerifier({ username }: AdmitRequest, mechanism: ScramMechanism): ScramVerifier {
    return verifierOf(this.passwords.get(username ?? '') ?? 'nobody', mechanism);
  }

  #byToken(token: string): Admission | Refusal {
    const known = this.tokens.get(token);
    if (known === undefined) return refusal('bad-credentials');
    const found = this.#found(known.who);
    return 'refused' in found ? found : { ...found, expiresAtMs: known.expiresAtMs };
  }
  #found(who: string): Admission | Refusal {
    const [principal = '', name = ''] = who.split('@');
    const namespace = this.namespaces.get(name);
    return namespace === undefined ? refusal('bad-credentials') : { namespace, principal };
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
  /** `action resource name` that nobody may do. */
  readonly denied = new Set<string>();
  settings: NamespaceSettings = DEFAULT_SETTINGS;
  delegated?: MemoryDelegated;
  readonly #keyed = new Map<string, MemoryKeyed>();
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
      egressDelayMs: (moreBytes = 0) => this.delays.egressMs + moreBytes * this.delays.msPerByteOut,
      allows: (action, resource, name) => !this.denied.has(`${action} ${resource} ${name}`),
    };
  }
  keyed(kind: string): MemoryKeyed {
    let store = this.#keyed.get(kind);
    if (store === undefined) this.#keyed.set(kind, (store = new MemoryKeyed()));
    return store;
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

/** What clients may make: rules and users in memory, with nobody asked. */
export class MemoryDelegated implements Delegated {
  readonly made = new Map<string, AclRule>();
  readonly verifiers = new Map<string, ScramVerifier>();
  /** Who may. */
  principals = new Set<string>(['anonymous']);
  /** Names the owner has. */
  owners = new Set<string>();
  full: string | null = null;
  /** What commits settle with. */
  fails: Error | null = null;

  mayChange({ info }: Connection): boolean {
    return this.principals.has(info.principal);
  }
  rules(): readonly AclRule[] {
    return [...this.made.values()];
  }
  addRule(rule: AclRule): Commit | string {
    if (this.full !== null) return this.full;
    this.made.set(rule.id, rule);
    return settled(this.fails);
  }
  removeRule(id: string): Commit | null {
    return this.made.delete(id) ? settled(this.fails) : null;
  }
  users(): readonly DelegatedUser[] {
    const names = new Set([...this.verifiers.keys()].map((key) => key.slice(key.indexOf(' ') + 1)));
    const own = [...this.owners].map((name) => ({ name, isOwners: true, iterations: { 'SCRAM-SHA-256': 4096 } }));
    const made = [...names].map((name) => {
      const of = (mechanism: ScramMechanism): Record<string, number> => {
        const verifier = this.verifiers.get(`${mechanism} ${name}`);
        return verifier === undefined ? {} : { [mechanism]: verifier.iterations };
      };
      return { name, isOwners: false, iterations: { ...of('SCRAM-SHA-256'), ...of('SCRAM-SHA-512') } };
    });
    return [...own, ...made];
  }
  putUser(name: string, mechanism: ScramMechanism, verifier: ScramVerifier): Commit | string {
    if (this.full !== null) return this.full;
    this.verifiers.set(`${mechanism} ${name}`, verifier);
    return settled(this.fails);
  }
  removeUser(name: string, mechanism: ScramMechanism): Commit | null {
    return this.verifiers.delete(`${mechanism} ${name}`) ? settled(this.fails) : null;
  }
}

/** Outlives the worlds of a server, as what is stored does. */
export class MemoryKeyed implements KeyedStore {
  readonly #values = new Map<string, Buffer>();
  /** What commits settle with. */
  fails: Error | null = null;

  get(key: string): Buffer | undefined {
    return this.#values.get(key);
  }
  entries(): Iterable<readonly [string, Buffer]> {
    return [...this.#values];
  }
  set(key: string, value: Buffer): Commit {
    if (this.fails === null) this.#values.set(key, Buffer.from(value));
    return settled(this.fails);
  }
  delete(key: string): Commit {
    this.#values.delete(key);
    return settled(this.fails);
  }
}

class MemoryTopics implements Topics {
  readonly #namespace: MemoryNamespace;
  readonly #byName = new Map<string, MemoryTopic>();
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
    const topic: MemoryTopic = {
      idHex: (this.#next++).toString(16).padStart(32, '0'),
      name: spec.name,
      partitions: Array.from({ length: spec.partitions }, (_, index) => new MemoryPartition(index, this.#namespace)),
      durability: 'flushed',
      retentionMs: spec.retentionMs ?? -1,
      retentionBytes: spec.retentionBytes ?? -1,
      ...pick(spec),
    };
    this.#byName.set(spec.name, topic);
    return Promise.resolve(topic);
  }
  alter(name: string, change: TopicChange): Promise<Topic | Refusal> {
    const topic = this.#byName.get(name);
    if (topic === undefined) return Promise.resolve(refusal('topic-unknown'));
    const { partitions = topic.partitions.length, retentionMs, retentionBytes } = change;
    if (partitions < topic.partitions.length) return Promise.resolve(refusal('topic-invalid'));
    const more = Array.from({ length: partitions - topic.partitions.length }, (_, i) => topic.partitions.length + i);
    const altered: MemoryTopic = {
      ...topic,
      ...pick(change),
      retentionMs: retentionMs ?? topic.retentionMs,
      retentionBytes: retentionBytes ?? topic.retentionBytes,
      partitions: [...topic.partitions, ...more.map((index) => new MemoryPartition(index, this.#namespace))],
    };
    this.#byName.set(name, Object.assign(topic, altered));
    return Promise.resolve(topic);
  }
  remove(name: string): Promise<Refusal | null> {
    return Promise.resolve(this.#byName.delete(name) ? null : refusal('topic-unknown'));
  }
}

type MemoryTopic = { -readonly [Name in keyof Topic]: Topic[Name] };

type Picked = Pick<TopicChange, 'cleanup' | 'compaction' | 'tier' | 'appendTime' | 'batchSizeBytesMax' | 'compression'>;
function pick({ cleanup, compaction, tier, appendTime, batchSizeBytesMax, compression }: TopicChange): Picked {
  return {
    ...(compression === undefined ? {} : { compression }),
    ...(appendTime === undefined ? {} : { appendTime }),
    ...(batchSizeBytesMax === undefined ? {} : { batchSizeBytesMax }),
    ...(cleanup === undefined ? {} : { cleanup }),
    ...(compaction === undefined ? {} : { compaction }),
    ...(tier === undefined ? {} : { tier }),
  };
}

export class MemoryPartition implements Partition {
  readonly index: number;
  startOffset = 0;
  stableOffset = 0;
  endOffset = 0;
  sizeBytes = 0;
  /** True: reads go through a promise. */
  slow = false;
  /** True: markers throw, as on a failed medium. */
  markersFail = false;
  /** True: appends throw, as on a failed medium. */
  broken = false;
  readonly #namespace: MemoryNamespace;
  readonly #batches: { base: number; next: number; bytes: Buffer }[] = [];
  #waiters: { offset: number; callback: () => void }[] = [];
  readonly #transactions = new Map<number, OpenTransaction & { marker: number }>();
  readonly #aborted: AbortedTransaction[] = [];

  constructor(index: number, namespace: MemoryNamespace) {
    this.index = index;
    this.#namespace = namespace;
  }
  append(records: Buffer): { baseOffset: number; commit: Commit } | Refusal {
    if (this.broken) throw new Error('the medium failed');
    if (records.length > this.#namespace.messageSizeBytesMax) return refusal('message-too-large');
    if (records.readUInt32BE(17) !== crc32c(records, 21)) return refusal('batch-corrupt');
    const base = this.endOffset;
    const producerId = Number(records.readBigInt64BE(43));
    const producerEpoch = records.readInt16BE(51);
    const isOpen = (this.#transactions.get(producerId)?.marker ?? 0) < 0;
    if ((records.readInt16BE(21) & 0x30) === 0x10 && !isOpen) {
      this.#transactions.set(producerId, { producerId, producerEpoch, firstOffset: base, marker: -1 });
    }
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
  get lastStableOffset(): number {
    let lowest = this.stableOffset;
    for (const { firstOffset, marker } of this.#transactions.values()) {
      if (marker < 0 || marker >= this.stableOffset) lowest = Math.min(lowest, firstOffset);
    }
    return lowest;
  }
  openTransactions(): readonly OpenTransaction[] {
    return [...this.#transactions.values()].filter(({ marker }) => marker < 0);
  }
  abortedTransactions(from: number, to: number): readonly AbortedTransaction[] {
    return this.#aborted.filter(({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < to);
  }
  endTransaction(producerId: number, producerEpoch: number, commit: boolean): Commit {
    if (this.markersFail) throw new Error('the medium failed');
    const open = this.#transactions.get(producerId);
    const appended = this.append(markerOf(producerId, producerEpoch, commit));
    if ('refused' in appended) throw new Error(appended.message);
    if (open !== undefined) open.marker = appended.baseOffset;
    if (open !== undefined && !commit) {
      this.#aborted.push({ producerId, firstOffset: open.firstOffset, lastOffset: appended.baseOffset });
    }
    return appended.commit;
  }
  trim(before: number): Promise<number> {
    this.startOffset = before < 0 ? this.stableOffset : Math.max(this.startOffset, before);
    return Promise.resolve(this.startOffset);
  }
  tiers(): ReturnType<Partition['tiers']> {
    return { hotBytes: 0, warmBytes: this.sizeBytes, coldBytes: 0, objects: [], claims: [], moves: [] };
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

function settled(error: Error | null = null): Commit {
  const commit = new PlainCommit();
  commit.settle(error);
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
