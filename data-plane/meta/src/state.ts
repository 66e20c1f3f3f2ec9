import type { Command, NamespaceRecord, SessionRecord, SubscriptionRecord, TopicRecord } from './command.ts';
import { MetaError } from './meta-error.ts';

/** A persistent session as meta knows it. */
export interface SessionState {
  readonly record: SessionRecord;
  readonly subscriptions: ReadonlyMap<string, SubscriptionRecord>;
}

/** One namespace as meta knows it. */
export interface NamespaceState {
  readonly record: NamespaceRecord;
  readonly topics: ReadonlyMap<string, TopicRecord>;
  readonly sessions: ReadonlyMap<string, SessionState>;
  /** The smallest session number that was never used. */
  readonly sessionNumberNext: number;
}

interface MutableSession {
  record: SessionRecord;
  readonly subscriptions: Map<string, SubscriptionRecord>;
}
interface MutableNamespace {
  record: NamespaceRecord;
  readonly topics: Map<string, TopicRecord>;
  readonly sessions: Map<string, MutableSession>;
  sessionNumberNext: number;
}

/**
 * What the command log amounts to. Changed by `apply` alone; deterministic: the same commands give the same state on
 * every machine. Holds nothing per message.
 */
export class MetaState {
  readonly #namespaces = new Map<string, MutableNamespace>();

  get namespaces(): ReadonlyMap<string, NamespaceState> {
    return this.#namespaces;
  }

  /** Throws the MetaError with which `apply` would refuse the command; changes nothing. */
  check(command: Command): void {
    switch (command.kind) {
      case 'put-namespace':
        return this.#checkNamespace(command.namespace);
      case 'remove-namespace':
        return;
      case 'create-topic': {
        const namespace = this.#namespace(command.namespaceId);
        if (namespace.topics.has(command.topic.name)) throw new MetaError('topic-exists', command.topic.name);
        return;
      }
      case 'alter-topic': {
        const known = this.#namespace(command.namespaceId).topics.get(command.topic.name);
        if (known === undefined) throw new MetaError('topic-unknown', command.topic.name);
        if (known.id !== command.topic.id || known.partitions > command.topic.partitions) {
          throw new MetaError('topic-exists', command.topic.name);
        }
        return;
      }
      case 'remove-topic':
        if (!this.#namespace(command.namespaceId).topics.has(command.name)) {
          throw new MetaError('topic-unknown', command.name);
        }
        return;
      case 'put-session': {
        const namespace = this.#namespace(command.namespaceId);
        const known = namespace.sessions.get(command.session.clientId);
        const number = command.session.number;
        if (known ? known.record.number !== number : number < namespace.sessionNumberNext) {
          throw new MetaError('session-number-taken', command.session.clientId);
        }
        return;
      }
      case 'put-subscription':
        if (!this.#namespace(command.namespaceId).sessions.has(command.clientId)) {
          throw new MetaError('session-unknown', command.clientId);
        }
        return;
      case 'remove-session':
      case 'remove-subscription':
        this.#namespace(command.namespaceId);
    }
  }

  /** Applies a command or throws the MetaError that refuses it, having changed nothing. */
  apply(command: Command): void {
    this.check(command);
    if (command.kind === 'put-namespace') {
      const known = this.#namespaces.get(command.namespace.id);
      if (known) known.record = command.namespace;
      else {
        this.#namespaces.set(command.namespace.id, {
          record: command.namespace,
          topics: new Map(),
          sessions: new Map(),
          sessionNumberNext: 1,
        });
      }
      return;
    }
    if (command.kind === 'remove-namespace') {
      this.#namespaces.delete(command.namespaceId);
      return;
    }
    this.#applyInside(this.#namespace(command.namespaceId), command);
  }

  /** Commands that make this state out of an empty one: the snapshot. */
  *commands(): Generator<Command> {
    for (const [namespaceId, namespace] of this.#namespaces) {
      yield { kind: 'put-namespace', namespace: namespace.record };
      for (const topic of namespace.topics.values()) yield { kind: 'create-topic', namespaceId, topic };
      // by number, so that none is refused as used before
      const sessions = [...namespace.sessions.values()].sort((a, b) => a.record.number - b.record.number);
      for (const { record, subscriptions } of sessions) {
        yield { kind: 'put-session', namespaceId, session: record };
        for (const subscription of subscriptions.values()) {
          yield { kind: 'put-subscription', namespaceId, clientId: record.clientId, subscription };
        }
      }
      const spare = namespace.sessionNumberNext - 1;
      if (sessions.at(-1)?.record.number !== spare && spare > 0) {
        // keeps the numbers of ended sessions from being given again: a session that comes and goes
        const session = { clientId: SPARE_CLIENT_ID, number: spare, expirySeconds: 0, detachedAtMs: 0 };
        yield { kind: 'put-session', namespaceId, session };
        yield { kind: 'remove-session', namespaceId, clientId: SPARE_CLIENT_ID };
      }
    }
  }

  #applyInside(namespace: MutableNamespace, command: Exclude<Command, { kind: `${string}-namespace` }>): void {
    switch (command.kind) {
      case 'create-topic':
      case 'alter-topic':
        namespace.topics.set(command.topic.name, command.topic);
        return;
      case 'remove-topic':
        namespace.topics.delete(command.name);
        return;
      case 'put-session': {
        const known = namespace.sessions.get(command.session.clientId);
        if (known) known.record = command.session;
        else namespace.sessions.set(command.session.clientId, { record: command.session, subscriptions: new Map() });
        namespace.sessionNumberNext = Math.max(namespace.sessionNumberNext, command.session.number + 1);
        return;
      }
      case 'remove-session':
        namespace.sessions.delete(command.clientId);
        return;
      case 'put-subscription':
        namespace.sessions.get(command.clientId)!.subscriptions.set(command.subscription.filter, command.subscription);
        return;
      case 'remove-subscription':
        namespace.sessions.get(command.clientId)?.subscriptions.delete(command.filter);
    }
  }

  #checkNamespace(record: NamespaceRecord): void {
    for (const other of this.#namespaces.values()) {
      if (other.record.id === record.id) continue;
      if (other.record.name === record.name) throw new MetaError('namespace-name-taken', record.name);
      if (record.isDefault && other.record.isDefault) throw new MetaError('namespace-default-taken', record.name);
    }
  }

  #namespace(id: string): MutableNamespace {
    const namespace = this.#namespaces.get(id);
    if (!namespace) throw new MetaError('namespace-unknown', id);
    return namespace;
  }
}

/** No MQTT client can have it: U+0000 is forbidden in client ids [MQTT-1.5.4-2]. */
const SPARE_CLIENT_ID = '\u0000spare';
