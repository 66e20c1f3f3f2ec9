import type { Cluster } from '@robustmq/client';
import mqtt, { type MqttClient } from 'mqtt';
import { WEBSOCKET_PATH } from '../clusters/endpoint-labels.ts';
import { MessageBuffer, type ShownMessage } from './message-buffer.ts';
import { temporaryCredential, type TemporaryCredential } from './temporary-credential.ts';

export type ConnectionState = 'disconnected' | 'connecting' | 'connected' | 'reconnecting';
export type Qos = 0 | 1 | 2;

/** A login typed in, or undefined for one made for this visit. */
export type TypedLogin = { readonly username: string; readonly password: string } | undefined;

/** What the page shows; replaced whole at every change. */
export interface ConnectionView {
  readonly state: ConnectionState;
  readonly error: unknown;
  readonly username: string;
  readonly subscriptions: readonly { readonly filter: string; readonly qos: Qos }[];
  readonly messages: { readonly list: readonly ShownMessage[]; readonly count: number; readonly dropped: number };
}

const MESSAGES_MAX = 500;
/** The list is drawn at most this often, however fast messages come. */
const DRAW_MS = 150;
const CONNECT_MS_MAX = 10_000;
const RECONNECT_MS = 2_000;

/** A connection of the browser to a cluster, its subscriptions, and the messages that came. */
export class MqttConnection {
  readonly #cluster: Cluster;
  readonly #buffer = new MessageBuffer(MESSAGES_MAX);
  readonly #listeners = new Set<() => void>();
  #client: MqttClient | undefined;
  #credential: TemporaryCredential | undefined;
  /** Grows with every connect and disconnect; a connect that finds it grown was called off. */
  #attempt = 0;
  #drawing: ReturnType<typeof setTimeout> | undefined;
  #view: ConnectionView = {
    state: 'disconnected',
    error: null,
    username: '',
    subscriptions: [],
    messages: { list: [], count: 0, dropped: 0 },
  };

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  readonly view = (): ConnectionView => this.#view;

  readonly onChange = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #change(part: Partial<ConnectionView>): void {
    this.#view = { ...this.#view, ...part };
    for (const listener of this.#listeners) listener();
  }

  #draw(): void {
    this.#drawing ??= setTimeout(() => {
      this.#drawing = undefined;
      const { count } = this.#buffer;
      const list = this.#buffer.newestFirst();
      this.#change({ messages: { list, count, dropped: this.#buffer.dropped } });
    }, DRAW_MS);
  }

  /** Ends the connection and revokes the temporary credential; also for a page that is being closed. */
  readonly release = (): void => {
    this.#attempt++;
    this.#client?.end(true);
    this.#client = undefined;
    void this.#credential?.remove().catch(() => undefined);
    this.#credential = undefined;
    if (this.#view.state !== 'disconnected') this.#change({ state: 'disconnected', subscriptions: [] });
  };

  async connect(typed: TypedLogin): Promise<void> {
    const endpoint = this.#cluster.endpoints.mqttWs;
    if (endpoint === undefined) return;
    this.release();
    const attempt = this.#attempt;
    this.#change({ state: 'connecting', error: null, username: typed?.username ?? '' });
    try {
      let login = typed;
      if (login === undefined) {
        const made = await temporaryCredential(this.#cluster);
        if (attempt !== this.#attempt) return void made.remove().catch(() => undefined);
        this.#credential = made;
        login = made;
      }
      this.#open(endpoint + WEBSOCKET_PATH, login);
    } catch (error) {
      if (attempt === this.#attempt) this.#change({ state: 'disconnected', error });
    }
  }

  #open(url: string, { username, password }: NonNullable<TypedLogin>): void {
    const client = mqtt.connect(url, {
      protocolVersion: 5,
      clientId: `portal-${crypto.getRandomValues(new Uint32Array(2)).join('')}`,
      username,
      password,
      connectTimeout: CONNECT_MS_MAX,
      reconnectPeriod: RECONNECT_MS,
      // The library's own timers live in a worker made of a blob, which our content security policy forbids.
      timerVariant: 'native',
    });
    this.#client = client;
    this.#change({ username });
    const current = (): boolean => this.#client === client;
    client.on('connect', () => {
      if (current()) this.#change({ state: 'connected', error: null });
    });
    client.on('message', (topic, payload, packet) => {
      this.#buffer.add(topic, payload, packet.qos, packet.retain, Date.now());
      this.#draw();
    });
    client.on('close', () => {
      if (current()) this.#change({ state: 'reconnecting' });
    });
    client.on('error', (error) => {
      if (current()) this.#failed(error);
    });
  }

  #failed(error: Error): void {
    // A refused login stays refused; everything else is tried again by the library.
    if (typeof (error as { code?: unknown }).code !== 'number') return this.#change({ error });
    this.release();
    this.#change({ error: new Error(`The cluster refused: ${error.message.replace(/^Connection refused: /, '')}.`) });
  }

  /** Rejects when the cluster refuses the filter. */
  async subscribe(filter: string, qos: Qos): Promise<void> {
    const grants = await this.#client?.subscribeAsync(filter, { qos });
    if (grants?.some((grant) => grant.qos >= 0x80))
      throw new Error(`The cluster refused the subscription to ${filter}.`);
    this.#change({ subscriptions: [...this.#view.subscriptions.filter((s) => s.filter !== filter), { filter, qos }] });
  }

  async unsubscribe(filter: string): Promise<void> {
    await this.#client?.unsubscribeAsync(filter);
    this.#change({ subscriptions: this.#view.subscriptions.filter((s) => s.filter !== filter) });
  }

  async publish(topic: string, payload: string, qos: Qos, retain: boolean): Promise<void> {
    await this.#client?.publishAsync(topic, payload, { qos, retain });
  }

  readonly clear = (): void => {
    this.#buffer.clear();
    this.#draw();
  };
}
