import type { Commit, KeyedStore, Namespace } from '@robustmq/broker';
import type { Runtime } from '@robustmq/wire';
import type { KafkaLimits } from './limits.ts';

/** What is enforced; everything else is refused when it is set. Bytes per second. */
export const QUOTA_KEYS = ['producer_byte_rate', 'consumer_byte_rate'] as const;
export type QuotaKey = (typeof QUOTA_KEYS)[number];
export type QuotaValues = Partial<Record<QuotaKey, number>>;

/** Whom a quota is for: null = the default of its type, undefined = the type is not named (KIP-546). */
export interface QuotaEntity {
  readonly user?: string | null;
  readonly clientId?: string | null;
}

const KIND = 'kafka-quotas';
/** Clients whose rate is followed at the same time; the longest unused is forgotten. */
const BUCKETS_MAX = 10_000;

interface Bucket {
  tokens: number;
  filledMs: number;
}

/**
 * Byte rates of users and client ids inside one namespace, below its own quota. A bucket of one second's worth that goes
 * into debt: what was sent is charged afterwards, and the client waits until the debt is paid (KIP-13, KIP-219).
 */
export class ClientQuotas {
  readonly #runtime: Runtime;
  readonly #limits: KafkaLimits;
  readonly #store: KeyedStore;
  readonly #entities = new Map<string, { readonly entity: QuotaEntity; readonly values: QuotaValues }>();
  readonly #buckets = new Map<string, Bucket>();

  constructor(namespace: Namespace, runtime: Runtime, limits: KafkaLimits) {
    this.#runtime = runtime;
    this.#limits = limits;
    this.#store = namespace.keyed(KIND);
    for (const [key, value] of this.#store.entries()) {
      try {
        this.#entities.set(key, { entity: entityOf(key), values: storedValues(value) });
      } catch (error) {
        runtime.log.error({ error, namespace: namespace.id, entity: key }, 'kafka: a stored quota is damaged');
      }
    }
  }

  list(): readonly { readonly entity: QuotaEntity; readonly values: QuotaValues }[] {
    return [...this.#entities.values()];
  }
  get(entity: QuotaEntity): QuotaValues {
    return this.#entities.get(keyOf(entity))?.values ?? {};
  }
  /** Whether one more entity may be given a quota. */
  hasRoomFor(entity: QuotaEntity): boolean {
    return this.#entities.has(keyOf(entity)) || this.#entities.size < this.#limits.quotaEntitiesMax;
  }
  /** Replaces the quota of an entity; none left = it is forgotten. */
  set(entity: QuotaEntity, values: QuotaValues): Commit {
    const key = keyOf(entity);
    this.#buckets.clear();
    if (Object.keys(values).length === 0) {
      this.#entities.delete(key);
      return this.#store.delete(key);
    }
    this.#entities.set(key, { entity, values });
    return this.#store.set(key, Buffer.from(JSON.stringify(values)));
  }

  /** Counts `bytes`; then the milliseconds until nothing is owed, 0 = go on. */
  charge(quota: QuotaKey, user: string, clientId: string, bytes: number): number {
    if (this.#entities.size === 0) return 0;
    const found = this.#match(quota, user, clientId);
    if (found === null) return 0;
    const { rate, key } = found;
    const nowMs = this.#runtime.monotonicMs();
    const bucket = this.#buckets.get(key) ?? { tokens: rate, filledMs: nowMs };
    bucket.tokens = Math.min(rate, bucket.tokens + ((nowMs - bucket.filledMs) / 1000) * rate) - bytes;
    bucket.filledMs = nowMs;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > BUCKETS_MAX) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket.tokens >= 0 ? 0 : (-bucket.tokens / rate) * 1000;
  }

  /** The quota that is nearest to the client, in Kafka's order; each client has a bucket of its own. */
  #match(quota: QuotaKey, user: string, clientId: string): { rate: number; key: string } | null {
    const candidates: readonly QuotaEntity[] = [
      { user, clientId },
      { user, clientId: null },
      { user },
      { user: null, clientId },
      { user: null, clientId: null },
      { user: null },
      { clientId },
      { clientId: null },
    ];
    for (const entity of candidates) {
      const rate = this.#entities.get(keyOf(entity))?.values[quota];
      if (rate === undefined) continue;
      const who = { ...('user' in entity ? { user } : {}), ...('clientId' in entity ? { clientId } : {}) };
      return { rate, key: `${quota} ${keyOf(who)}` };
    }
    return null;
  }
}

/** Throws SyntaxError or TypeError for what `set` has not written. */
function storedValues(bytes: Buffer): QuotaValues {
  const values = JSON.parse(bytes.toString()) as QuotaValues;
  for (const rate of Object.values(values)) {
    if (typeof rate !== 'number' || !(rate > 0)) throw new TypeError(`a rate of ${String(rate)}`);
  }
  return values;
}
function keyOf({ user, clientId }: QuotaEntity): string {
  return JSON.stringify({ user, clientId });
}
function entityOf(key: string): QuotaEntity {
  return JSON.parse(key) as QuotaEntity;
}
