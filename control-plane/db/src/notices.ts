import pg from 'pg';

/** What processes tell each other; never tenant data, only ids. */
export type NoticeChannel = 'robustmq_view_asked' | 'robustmq_view_answered' | 'robustmq_cluster_observed';

const CHANNELS: readonly NoticeChannel[] = [
  'robustmq_view_asked',
  'robustmq_view_answered',
  'robustmq_cluster_observed',
];
/** PostgreSQL's limit is 8,000 bytes. */
const NOTICE_BYTES_MAX = 4_000;
/** Pause before a broken connection is dialled again, in milliseconds. */
const REDIAL_MS = 1_000;

/**
 * NOTIFY and LISTEN of one database: how the processes of one control plane wake each other. Notices may be lost while a
 * connection is away, so whoever relies on one also looks by itself.
 */
export class Notices {
  readonly #url: string;
  readonly #listeners = new Map<NoticeChannel, Set<(text: string) => void>>();
  #client: pg.Client | undefined;
  #redial: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(url: string) {
    this.#url = url;
  }

  /** Starts listening; a database that is away is dialled again by itself. */
  async start(): Promise<void> {
    if (this.#closed || this.#client) return;
    const client = new pg.Client({ connectionString: this.#url, keepAlive: true, connectionTimeoutMillis: 5_000 });
    this.#client = client;
    client.on('error', () => this.#lost(client));
    client.on('end', () => this.#lost(client));
    client.on('notification', ({ channel, payload }) => {
      for (const listener of this.#listeners.get(channel as NoticeChannel) ?? []) listener(payload ?? '');
    });
    try {
      await client.connect();
      for (const channel of CHANNELS) await client.query(`LISTEN ${channel}`);
    } catch {
      this.#lost(client);
    }
  }

  /** Calls `listener` for every notice until the answer is called. */
  on(channel: NoticeChannel, listener: (text: string) => void): () => void {
    const set = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, set.add(listener));
    return () => set.delete(listener);
  }

  /** Tells every process, this one included. Nobody waits for it, and a lost one is no error. */
  tell(channel: NoticeChannel, text: string): void {
    if (Buffer.byteLength(text) > NOTICE_BYTES_MAX) throw new RangeError('a notice is too long');
    this.#client?.query('SELECT pg_notify($1, $2)', [channel, text]).catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#redial);
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  #lost(client: pg.Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    client.end().catch(() => undefined);
    if (!this.#closed) this.#redial = setTimeout(() => void this.start(), REDIAL_MS);
  }
}
