import type { Commit } from '@robustmq/journal';
import type { AclRule, AclSettings, CredentialRecord, ScramVerifier } from '@robustmq/meta';
import type { Runtime } from '@robustmq/wire';
import { CompiledAcl } from './acl.ts';
import type { Connection, Delegated, DelegatedUser, KeyedStore, ScramMechanism } from './broker-types.ts';

/** Kinds of the namespace's keyed state. */
export const DELEGATED_RULES = '$delegated-rules';
export const DELEGATED_USERS = '$delegated-users';
/** Name of the one cluster resource, as Kafka's ACLs have it. */
const CLUSTER = 'kafka-cluster';
const RULES_MAX = 1_000;
const USERS_MAX = 1_000;
const UNUSABLE_HASH_BYTES = 32;

interface StoredRule {
  readonly rule: AclRule;
  /** Who made it. */
  readonly by: string;
}
interface StoredUser {
  readonly by: string;
  /** No password has this hash; another one with each change, so that open connections end. */
  readonly hash: string;
  readonly scramSha256?: ScramVerifier;
  readonly scramSha512?: ScramVerifier;
}

/** What of a namespace's owner counts here. */
export interface DelegatingOwner {
  readonly acl: AclSettings;
  readonly credentials: readonly CredentialRecord[];
}

/**
 * Rules and SCRAM users that clients made over their protocol, durable in the namespace. They stand beside the owner's and
 * count only while a rule of the owner lets whoever made them alter the cluster: taking that rule away takes back all of it.
 */
export class DelegatedAccess implements Delegated {
  readonly #ruleStore: KeyedStore;
  readonly #userStore: KeyedStore;
  readonly #runtime: Runtime;
  readonly #owner: () => DelegatingOwner;
  readonly #changed: () => void;
  readonly #rules = new Map<string, StoredRule>();
  readonly #users = new Map<string, StoredUser>();

  /** `changed` is called after each change. */
  constructor(
    keyed: (kind: string) => KeyedStore,
    runtime: Runtime,
    owner: () => DelegatingOwner,
    changed: () => void,
  ) {
    this.#ruleStore = keyed(DELEGATED_RULES);
    this.#userStore = keyed(DELEGATED_USERS);
    this.#runtime = runtime;
    this.#owner = owner;
    this.#changed = changed;
    this.#load(this.#ruleStore, this.#rules);
    this.#load(this.#userStore, this.#users);
  }
  #load<T>(store: KeyedStore, into: Map<string, T>): void {
    for (const [key, value] of store.entries()) {
      try {
        into.set(key, JSON.parse(value.toString()) as T);
      } catch (error) {
        this.#runtime.log.error({ error, key }, 'a rule or user made by a client is damaged');
      }
    }
  }

  mayChange(connection: Connection): boolean {
    return connection.allows('alter', 'cluster', CLUSTER) && this.#mayGrant(connection.info.principal);
  }
  /** Whether a rule of the owner says so, and not the lack of one, nor a rule that was made this way. */
  #mayGrant(principal: string): boolean {
    const acl = new CompiledAcl({ whenNoRuleMatches: 'deny', rules: this.#owner().acl.rules });
    const subject = { protocol: 'kafka', principal, clientId: '', remoteAddress: '' } as const;
    return acl.decide(subject, 'alter', 'cluster', CLUSTER).allowed;
  }
  #counts(): (by: string) => boolean {
    const known = new Map<string, boolean>();
    return (by) => {
      let may = known.get(by);
      if (may === undefined) known.set(by, (may = this.#mayGrant(by)));
      return may;
    };
  }

  rules(): readonly AclRule[] {
    if (this.#rules.size === 0) return [];
    const counts = this.#counts();
    return [...this.#rules.values()].filter(({ by }) => counts(by)).map(({ rule }) => rule);
  }
  addRule(rule: AclRule, by: Connection): Commit | string {
    if (!this.#rules.has(rule.id) && this.#rules.size >= RULES_MAX) return `clients may make ${RULES_MAX} rules`;
    const stored: StoredRule = { rule, by: by.info.principal };
    this.#rules.set(rule.id, stored);
    const commit = this.#ruleStore.set(rule.id, Buffer.from(JSON.stringify(stored)));
    this.#changed();
    return commit;
  }
  removeRule(id: string): Commit | null {
    if (!this.#rules.delete(id)) return null;
    const commit = this.#ruleStore.delete(id);
    this.#changed();
    return commit;
  }

  users(): readonly DelegatedUser[] {
    const own = this.#owner().credentials.map((credential) => ({ ...credential, isOwners: true }));
    return [...own, ...this.credentials().map((credential) => ({ ...credential, isOwners: false }))].map(
      ({ name, isOwners, scramSha256, scramSha512 }) => ({
        name,
        isOwners,
        iterations: {
          ...(scramSha256 === undefined ? {} : { 'SCRAM-SHA-256': scramSha256.iterations }),
          ...(scramSha512 === undefined ? {} : { 'SCRAM-SHA-512': scramSha512.iterations }),
        },
      }),
    );
  }
  /** Those that count now, as credentials that no password opens. A name the owner has is the owner's. */
  credentials(): readonly CredentialRecord[] {
    if (this.#users.size === 0) return [];
    const counts = this.#counts();
    const taken = new Set(this.#owner().credentials.map(({ name }) => name));
    return [...this.#users]
      .filter(([name, { by }]) => !taken.has(name) && counts(by))
      .map(([name, { hash, scramSha256, scramSha512 }]) => ({
        name,
        sha256: { salt: '', hash },
        ...(scramSha256 === undefined ? {} : { scramSha256 }),
        ...(scramSha512 === undefined ? {} : { scramSha512 }),
      }));
  }
  putUser(name: string, mechanism: ScramMechanism, verifier: ScramVerifier, by: Connection): Commit | string {
    const known = this.#users.get(name);
    if (known === undefined && this.#users.size >= USERS_MAX) return `clients may make ${USERS_MAX} users`;
    return this.#setUser(name, { ...known, ...this.#signed(by), [fieldOf(mechanism)]: verifier });
  }
  removeUser(name: string, mechanism: ScramMechanism, by: Connection): Commit | null {
    const known = this.#users.get(name);
    if (known?.[fieldOf(mechanism)] === undefined) return null;
    const { scramSha256, scramSha512 } = known;
    if (mechanism === 'SCRAM-SHA-256' && scramSha512 !== undefined) {
      return this.#setUser(name, { ...this.#signed(by), scramSha512 });
    }
    if (mechanism === 'SCRAM-SHA-512' && scramSha256 !== undefined) {
      return this.#setUser(name, { ...this.#signed(by), scramSha256 });
    }
    this.#users.delete(name);
    const commit = this.#userStore.delete(name);
    this.#changed();
    return commit;
  }
  #signed({ info }: Connection): Pick<StoredUser, 'by' | 'hash'> {
    return { by: info.principal, hash: this.#runtime.randomBytes(UNUSABLE_HASH_BYTES).toString('base64') };
  }
  #setUser(name: string, user: StoredUser): Commit {
    this.#users.set(name, user);
    const commit = this.#userStore.set(name, Buffer.from(JSON.stringify(user)));
    this.#changed();
    return commit;
  }
}

function fieldOf(mechanism: ScramMechanism): 'scramSha256' | 'scramSha512' {
  return mechanism === 'SCRAM-SHA-256' ? 'scramSha256' : 'scramSha512';
}
