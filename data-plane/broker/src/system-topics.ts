import type { Message } from './message.ts';
import { covers } from './acl.ts';

/** How often values that changed are published. */
const PERIOD_MS = 10_000;
const VERSION = 'RobustMQ Cloud';
/** What would make another level, or a filter, of a client id. */
const ESCAPED = /[/+#%\0]/g;

/** What the `$SYS` topics of one namespace tell. */
export interface SystemFacts {
  readonly uptimeSeconds: number;
  readonly connections: number;
  readonly sessions: number;
  readonly subscriptions: number;
  readonly retained: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly storedBytes: number;
}

export interface SystemTopicsHost {
  nowMs(): number;
  facts(): SystemFacts;
  /** Whether anybody listens below `$SYS`. */
  hasReaders(): boolean;
  publish(message: Message): void;
}

/**
 * `$SYS/…` of one namespace: values (`$SYS/broker/…`, named as mosquitto's; a subscriber gets them at once, then when they
 * change) and what clients do (`$SYS/clients/<client id>/<what>`, JSON; `/`, `+`, `#`, `%` of the id as %-escapes).
 * Nothing is stored, nobody but the broker can publish there, and wildcards do not match them [MQTT-4.7.2-1].
 */
export class SystemTopics {
  readonly #host: SystemTopicsHost;
  readonly #told = new Map<string, string>();
  #dueMs = 0;

  constructor(host: SystemTopicsHost) {
    this.#host = host;
  }

  /** The values a new subscription gets. */
  match(filter: string): readonly Message[] {
    if (!filter.startsWith('$SYS/')) return [];
    return [...this.#values()]
      .filter(([topic]) => covers(filter, topic))
      .map(([topic, text]) => this.#message(topic, text));
  }
  /** Publishes what changed, when it is time. */
  sweep(): void {
    const nowMs = this.#host.nowMs();
    if (nowMs < this.#dueMs) return;
    this.#dueMs = nowMs + PERIOD_MS;
    if (!this.#host.hasReaders()) {
      this.#told.clear();
      return;
    }
    for (const [topic, text] of this.#values()) {
      if (this.#told.get(topic) === text) continue;
      this.#told.set(topic, text);
      this.#host.publish(this.#message(topic, text));
    }
  }
  /** Tells of a client: `connected`, `disconnected`, `subscribed`, `unsubscribed`. */
  client(clientId: string, what: string, facts: Readonly<Record<string, unknown>>): void {
    if (!this.#host.hasReaders()) return;
    const id = clientId.replaceAll(ESCAPED, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
    const body = JSON.stringify({ clientId, ...facts, at: new Date(this.#host.nowMs()).toISOString() });
    this.#host.publish(this.#message(`$SYS/clients/${id}/${what}`, body));
  }

  *#values(): Generator<readonly [string, string]> {
    const facts = this.#host.facts();
    const values: readonly (readonly [string, number | string])[] = [
      ['version', VERSION],
      ['uptime', `${Math.floor(facts.uptimeSeconds)} seconds`],
      ['clients/connected', facts.connections],
      ['clients/total', facts.sessions],
      ['subscriptions/count', facts.subscriptions],
      ['retained messages/count', facts.retained],
      ['messages/received', facts.messagesIn],
      ['messages/sent', facts.messagesOut],
      ['bytes/received', facts.bytesIn],
      ['bytes/sent', facts.bytesOut],
      ['store/bytes', facts.storedBytes],
    ];
    for (const [name, value] of values) yield [`$SYS/broker/${name}`, String(value)];
  }
  #message(topic: string, text: string): Message {
    return {
      topic,
      payload: Buffer.from(text),
      qos: 0,
      retain: false,
      properties: null,
      timestampMs: this.#host.nowMs(),
    };
  }
}
