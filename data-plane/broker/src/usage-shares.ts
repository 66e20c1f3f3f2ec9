import type { Protocol, ProtocolUsage } from './broker-types.ts';

/** Credentials of one namespace and protocol that are told apart while they are connected. */
export const CREDENTIAL_SHARES_MAX = 10_000;
/** Topic prefixes of one namespace and protocol that are told apart. */
export const TOPIC_SHARES_MAX = 1_000;
/** Longest name, in bytes of UTF-8; the contract's `SHARE_NAME_BYTES_MAX`. */
const NAME_BYTES_MAX = 48;

/** What one name caused since it was last asked. */
export interface ShareDelta extends ProtocolUsage {
  readonly name: string;
  readonly connectionMs: number;
}

/**
 * The part of a namespace's counters that one credential, or the topics below one prefix, caused on one protocol. Kept in
 * memory only: the totals are what survives and is billed, and whatever these do not know of belongs to no name.
 */
export class UsageShare implements ProtocolUsage {
  readonly name: string;
  messagesIn = 0;
  messagesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Nobody asks this one any more: whoever holds it should ask for another. */
  isLost = false;
  #connectionMs = 0;
  #openConnections = 0;
  #lastMs = 0;

  constructor(name: string) {
    this.name = name;
  }
  get isIdle(): boolean {
    return this.#openConnections === 0;
  }
  opened(nowMs: number): void {
    this.#advance(nowMs);
    this.#openConnections++;
  }
  closed(nowMs: number): void {
    this.#advance(nowMs);
    this.#openConnections--;
  }
  #advance(nowMs: number): void {
    this.#connectionMs += this.#openConnections * Math.max(0, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }
  /** What was counted since the last call; null = nothing. */
  take(nowMs: number): ShareDelta | null {
    this.#advance(nowMs);
    const { name, messagesIn, messagesOut, bytesIn, bytesOut } = this;
    const connectionMs = this.#connectionMs;
    if (messagesIn + messagesOut + bytesIn + bytesOut + connectionMs === 0) return null;
    this.messagesIn = this.messagesOut = this.bytesIn = this.bytesOut = this.#connectionMs = 0;
    return { name, messagesIn, messagesOut, bytesIn, bytesOut, connectionMs };
  }
}

/** The shares of one kind. Names beyond its size share one that is never told, until idle ones have made room. */
export class ShareTable {
  readonly #byName = new Map<string, UsageShare>();
  readonly #namesMax: number;
  #overflow = new UsageShare('');

  constructor(namesMax: number) {
    this.#namesMax = namesMax;
  }
  of(name: string): UsageShare {
    const found = this.#byName.get(name);
    if (found !== undefined) return found;
    if (this.#byName.size >= this.#namesMax) return this.#overflow;
    const share = new UsageShare(name);
    this.#byName.set(name, share);
    return share;
  }
  /** What was counted since the last call, in no order; forgets names that were idle all the while. */
  take(nowMs: number): ShareDelta[] {
    const deltas: ShareDelta[] = [];
    const isFull = this.#byName.size >= this.#namesMax;
    for (const [name, share] of this.#byName) {
      const delta = share.take(nowMs);
      if (delta !== null) deltas.push(delta);
      else if (share.isIdle) {
        share.isLost = true;
        this.#byName.delete(name);
      }
    }
    if (isFull && this.#byName.size < this.#namesMax) {
      this.#overflow.isLost = true;
      this.#overflow = new UsageShare('');
    }
    return deltas;
  }
}

/** Where a topic's usage is counted: its first level, up to the first `/` or `.`, so that all protocols say the same. */
export function topicPrefix(topic: string): string {
  let end = 0;
  while (end < topic.length && topic.charCodeAt(end) !== 0x2f && topic.charCodeAt(end) !== 0x2e) end++;
  return shareName(topic.slice(0, Math.max(1, end)));
}

/** A name short enough to be told; longer ones are cut, between characters. */
export function shareName(name: string): string {
  if (name === '') return '(none)';
  if (name.length * 3 <= NAME_BYTES_MAX || Buffer.byteLength(name) <= NAME_BYTES_MAX) return name;
  let kept = '';
  let bytes = 0;
  for (const character of name) {
    bytes += Buffer.byteLength(character);
    if (bytes > NAME_BYTES_MAX - 3) break;
    kept += character;
  }
  return `${kept}…`;
}

/** The shares of one namespace. */
export class NamespaceShares {
  readonly #tables: Record<Protocol, { readonly credentials: ShareTable; readonly topics: ShareTable }>;
  /** The topic that was asked for last: messages of one topic come together. */
  #lastTopic = '';
  #lastProtocol: Protocol = 'mqtt';
  #lastShare: UsageShare | null = null;

  constructor() {
    const tables = () => ({
      credentials: new ShareTable(CREDENTIAL_SHARES_MAX),
      topics: new ShareTable(TOPIC_SHARES_MAX),
    });
    this.#tables = { mqtt: tables(), kafka: tables(), amqp: tables() };
  }
  ofCredential(protocol: Protocol, principal: string): UsageShare {
    return this.#tables[protocol].credentials.of(shareName(principal));
  }
  ofTopic(protocol: Protocol, topic: string): UsageShare {
    const last = this.#lastShare;
    if (last !== null && !last.isLost && topic === this.#lastTopic && protocol === this.#lastProtocol) return last;
    const share = this.#tables[protocol].topics.of(topicPrefix(topic));
    this.#lastTopic = topic;
    this.#lastProtocol = protocol;
    this.#lastShare = share;
    return share;
  }
  take(protocol: Protocol, nowMs: number): { readonly credential: ShareDelta[]; readonly topic_prefix: ShareDelta[] } {
    const { credentials, topics } = this.#tables[protocol];
    return { credential: credentials.take(nowMs), topic_prefix: topics.take(nowMs) };
  }
}
