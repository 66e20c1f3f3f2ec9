import type { Meta, SessionState } from '@robustmq/meta';
import type { Runtime } from '@robustmq/wire';
import type { InboxLog } from './inbox-log.ts';
import type { SessionInbox } from './inbox.ts';
import type { QoS } from './message.ts';
import type { SharedGroup, Subscription } from './subscription.ts';

/** No client can have such an id: U+0000 is forbidden in client ids [MQTT-1.5.4-2]. */
const CLIENT_ID_BEGIN = '\u0000share/';
/** Messages handed to one member at a time while others wait for theirs. */
const HANDED_MAX = 256;

export interface GroupInboxHost {
  readonly namespaceId: string;
  readonly meta: Meta;
  readonly runtime: Runtime;
  readonly inboxes: InboxLog;
}

/** Whether a session of meta stands for a shared group's inbox. */
export function isGroupSession(clientId: string): boolean {
  return clientId.startsWith(CLIENT_ID_BEGIN);
}

/**
 * What shared groups are owed while no member is online: one inbox per group that has a member whose session outlives its
 * connection. In meta it is a session nobody can open. The first members that come back get what is in it, in turn.
 */
export class GroupInboxes {
  readonly #host: GroupInboxHost;
  readonly #byKey = new Map<string, SessionInbox>();
  /** Groups whose inbox is being emptied. */
  readonly #draining = new Set<SharedGroup>();

  constructor(host: GroupInboxHost) {
    this.#host = host;
  }

  /** One group session of meta; its inbox was created. */
  recover({ record }: SessionState): void {
    const inbox = this.#host.inboxes.inboxes.get(record.number);
    if (inbox !== undefined) this.#byKey.set(record.clientId, inbox);
  }
  /** When all subscriptions are back: gives the inboxes to their groups, and drops those of groups that are gone. */
  recovered(groups: Iterable<SharedGroup>): void {
    const present = new Set<string>();
    for (const group of groups) {
      present.add(keyOf(group));
      this.#wire(group);
    }
    for (const key of [...this.#byKey.keys()]) if (!present.has(key)) this.#drop(key);
  }

  /** Where a message for a group without a member online goes; null = nobody of it would ever come back for it. */
  of(group: SharedGroup): SessionInbox | null {
    const known = this.#byKey.get(keyOf(group));
    if (known !== undefined) return known;
    if (!group.members.some(({ session }) => session.inbox !== null)) return null;
    const { meta, namespaceId, inboxes, runtime } = this.#host;
    const number = meta.namespaces.get(namespaceId)?.sessionNumberNext;
    if (number === undefined) return null;
    const inbox = inboxes.create(number);
    this.#byKey.set(keyOf(group), inbox);
    const session = { clientId: keyOf(group), number, expirySeconds: null, detachedAtMs: runtime.nowMs() };
    meta.propose({ kind: 'put-session', namespaceId, session }).catch(this.#failed);
    this.#wire(group);
    return inbox;
  }
  /** A member came online, or more may be handed out: at the end of the turn. */
  drain(group: SharedGroup): void {
    const inbox = this.#byKey.get(keyOf(group));
    if (inbox === undefined || inbox.depth === 0 || this.#draining.has(group)) return;
    this.#draining.add(group);
    this.#host.runtime.afterPoll(() => {
      this.#draining.delete(group);
      if (this.#hand(group, inbox)) this.drain(group);
    });
  }
  /** The last member left. */
  drop(group: SharedGroup): void {
    this.#drop(keyOf(group));
  }

  #wire(group: SharedGroup): void {
    const inbox = this.#byKey.get(keyOf(group));
    if (inbox !== undefined) inbox.onReady = () => this.drain(group);
  }
  /** Hands some of it to the next member; false when nobody is online or nothing is there to be handed now. */
  #hand(group: SharedGroup, inbox: SessionInbox): boolean {
    const member = group.nextMember('round-robin', 0, null);
    if (member === null || inbox.depth === 0) return false;
    const { session, options } = member;
    const to = session.inbox;
    if (to !== null && options.qos > 0) {
      return this.#host.inboxes.transfer(inbox, to, options.qos, idsOf(member), HANDED_MAX) > 0;
    }
    const entries = inbox.take(HANDED_MAX);
    for (const { sequence, message, qos } of entries) {
      if (message !== null) {
        session.receiver?.deliverMessage(message, Math.min(qos, options.qos) as QoS, false, idsOf(member));
      }
      inbox.acknowledge(sequence);
    }
    return entries.length > 0;
  }
  #drop(key: string): void {
    const inbox = this.#byKey.get(key);
    if (inbox === undefined) return;
    this.#byKey.delete(key);
    const { meta, namespaceId, inboxes } = this.#host;
    inboxes.drop(inbox);
    if (!meta.namespaces.has(namespaceId)) return;
    meta.propose({ kind: 'remove-session', namespaceId, clientId: key }).catch(this.#failed);
  }
  readonly #failed = (error: unknown): void => {
    this.#host.runtime.log.warn({ error }, "meta did not take a shared group's inbox");
  };
}

function keyOf({ name, filter }: SharedGroup): string {
  return `${CLIENT_ID_BEGIN}${name}/${filter}`;
}
function idsOf({ options }: Subscription): readonly number[] | null {
  return options.subscriptionId === null ? null : [options.subscriptionId];
}
