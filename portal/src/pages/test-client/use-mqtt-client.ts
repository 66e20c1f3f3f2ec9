import type { Cluster } from '@robustmq/client';
import mqtt, { type MqttClient } from 'mqtt';
import { useEffect, useRef, useState } from 'react';
import { WEBSOCKET_PATH } from '../clusters/endpoint-labels.ts';
import { MessageBuffer, type ShownMessage } from './message-buffer.ts';
import { temporaryCredential, type TemporaryCredential } from './temporary-credential.ts';

export type ConnectionState = 'disconnected' | 'connecting' | 'connected' | 'reconnecting';
export type Qos = 0 | 1 | 2;

/** A login typed in, or undefined for one made for this visit. */
export type TypedLogin = { readonly username: string; readonly password: string } | undefined;

const MESSAGES_MAX = 500;
/** The list is drawn at most this often, however fast messages come. */
const DRAW_MS = 150;
const CONNECT_MS_MAX = 10_000;

interface Subscription {
  readonly filter: string;
  readonly qos: Qos;
}

/** A connection of the browser to the cluster, its subscriptions, and the messages that came. */
export function useMqttClient(cluster: Cluster) {
  const [state, setState] = useState<ConnectionState>('disconnected');
  const [error, setError] = useState<unknown>(null);
  const [username, setUsername] = useState('');
  const [subscriptions, setSubscriptions] = useState<readonly Subscription[]>([]);
  const [messages, setMessages] = useState<{ list: ShownMessage[]; count: number; dropped: number }>({
    list: [],
    count: 0,
    dropped: 0,
  });
  const [buffer] = useState(() => new MessageBuffer(MESSAGES_MAX));
  const client = useRef<MqttClient>(undefined);
  const credential = useRef<TemporaryCredential>(undefined);
  /** Grows with every connect and disconnect; a connect that finds it grown was called off. */
  const attempt = useRef(0);
  const drawing = useRef<ReturnType<typeof setTimeout>>(undefined);

  const draw = (): void => {
    drawing.current ??= setTimeout(() => {
      drawing.current = undefined;
      setMessages({ list: buffer.newestFirst(), count: buffer.count, dropped: buffer.dropped });
    }, DRAW_MS);
  };

  const release = (): void => {
    attempt.current++;
    client.current?.end(true);
    client.current = undefined;
    void credential.current?.remove().catch(() => undefined);
    credential.current = undefined;
  };

  const disconnect = (): void => {
    release();
    setState('disconnected');
    setSubscriptions([]);
  };

  useEffect(() => {
    window.addEventListener('pagehide', release);
    return () => {
      window.removeEventListener('pagehide', release);
      clearTimeout(drawing.current);
      release();
    };
    // The page of another cluster is another component instance.
  }, []);

  const open = (url: string, login: NonNullable<TypedLogin>): void => {
    const opened = mqtt.connect(url, {
      protocolVersion: 5,
      clientId: `portal-${crypto.getRandomValues(new Uint32Array(2)).join('')}`,
      username: login.username,
      password: login.password,
      connectTimeout: CONNECT_MS_MAX,
      reconnectPeriod: 2_000,
      // The library's own timers live in a worker made of a blob, which our content security policy forbids.
      timerVariant: 'native',
    });
    client.current = opened;
    setUsername(login.username);
    const current = (): boolean => client.current === opened;
    opened.on('connect', () => {
      if (!current()) return;
      setError(null);
      setState('connected');
    });
    opened.on('message', (topic, payload, packet) => {
      buffer.add(topic, payload, packet.qos, packet.retain, Date.now());
      draw();
    });
    opened.on('close', () => {
      if (current()) setState('reconnecting');
    });
    opened.on('error', (cause) => {
      if (!current()) return;
      // A refused login stays refused; everything else is tried again by the library.
      if (typeof (cause as { code?: unknown }).code === 'number') {
        disconnect();
        setError(
          new Error(`The cluster refused the connection: ${cause.message.replace(/^Connection refused: /, '')}`),
        );
      } else setError(cause);
    });
  };

  const connect = async (typed: TypedLogin): Promise<void> => {
    const endpoint = cluster.endpoints.mqttWs;
    if (endpoint === undefined) return;
    release();
    const own = attempt.current;
    setError(null);
    setState('connecting');
    try {
      let login = typed;
      if (login === undefined) {
        const made = await temporaryCredential(cluster);
        if (own !== attempt.current) return void made.remove().catch(() => undefined);
        credential.current = made;
        login = made;
      }
      open(endpoint + WEBSOCKET_PATH, login);
    } catch (cause) {
      if (own !== attempt.current) return;
      setError(cause);
      setState('disconnected');
    }
  };

  const subscribe = async (filter: string, qos: Qos): Promise<void> => {
    const grants = await client.current?.subscribeAsync(filter, { qos });
    if (grants?.some((grant) => grant.qos >= 0x80))
      throw new Error(`The cluster refused the subscription to ${filter}.`);
    setSubscriptions((all) => [...all.filter((s) => s.filter !== filter), { filter, qos }]);
  };

  const unsubscribe = async (filter: string): Promise<void> => {
    await client.current?.unsubscribeAsync(filter);
    setSubscriptions((all) => all.filter((s) => s.filter !== filter));
  };

  const publish = async (topic: string, payload: string, qos: Qos, retain: boolean): Promise<void> => {
    await client.current?.publishAsync(topic, payload, { qos, retain });
  };

  const clear = (): void => {
    buffer.clear();
    draw();
  };

  return {
    state,
    error,
    username,
    subscriptions,
    messages,
    connect,
    disconnect,
    subscribe,
    unsubscribe,
    publish,
    clear,
  };
}
