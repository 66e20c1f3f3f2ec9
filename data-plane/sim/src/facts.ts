/** A message that a client sent, and what it was told of it. */
export interface SentMessage {
  readonly text: string;
  readonly namespace: string;
  readonly publisher: string;
  readonly topic: string;
  readonly serial: number;
  /** Of an MQTT publish; Kafka records count as 1. */
  readonly qos: 0 | 1 | 2;
  /** Whether what stores it may hold it more than once: a sender without exactly-once had to repeat it. */
  mayRepeat: boolean;
  /** Order among all that happens in the run. */
  readonly sentAt: number;
  /** Set when the server took responsibility: PUBACK, PUBREC, or a Produce response. */
  ackedAt: number | null;
  /** Acknowledged, but in a way that `known-gaps.ts` says may lose it. */
  mayBeLost?: boolean;
  /** A will: it is sent by the server, not by its client. */
  readonly isWill?: boolean;
  /** Number of the process it was sent to first; a repeat may meet another one. */
  readonly sentToStart: number;
}

/** A record at its place. */
export interface StoredRecord {
  readonly namespace: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export function placeOf(record: StoredRecord): string {
  return `${record.namespace}/${record.topic}-${record.partition}@${record.offset}`;
}

/** What all clients together know: what was sent, what was acknowledged, what was read where. */
export class Facts {
  readonly sent = new Map<string, SentMessage>();
  /** What a reader or a Produce response said is stored at a place; never changes while the topic exists. */
  readonly stored = new Map<string, string>();
  /** Highest position a group was told is committed, by namespace/group/topic-partition. */
  readonly committed = new Map<string, number>();
  /** Retained messages by namespace/topic: the last one that was sent. */
  readonly retained = new Map<string, SentMessage>();
  /** Records of a deleted topic are no longer owed. */
  readonly deletedTexts = new Set<string>();
  /** When a fault of the disk was last ordered; 0 = never. */
  diskFaultAt = 0;
  #moments = 0;

  /** A point in the order of everything. */
  moment(): number {
    return ++this.#moments;
  }
  send(message: Omit<SentMessage, 'ackedAt' | 'sentAt'>): SentMessage {
    const sent: SentMessage = { ...message, sentAt: this.moment(), ackedAt: null };
    this.sent.set(message.text, sent);
    return sent;
  }
  acknowledge(message: SentMessage): void {
    message.ackedAt ??= this.moment();
  }
  acknowledged(): readonly SentMessage[] {
    return [...this.sent.values()].filter(({ ackedAt }) => ackedAt !== null);
  }
}

/** Whether an MQTT filter without `$share` matches a topic name; written apart from the broker's own matcher. */
export function matches(filter: string, topic: string): boolean {
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (const [i, level] of wanted.entries()) {
    if (level === '#') return true;
    if (i >= levels.length || (level !== '+' && level !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}
