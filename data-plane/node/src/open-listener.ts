import type { Accept, ListenerInfo, Runtime } from '@robustmq/wire';
import { clientCertificateOf } from './client-certificate.ts';
import type { ListenerConfig } from './listener-config.ts';
import { ListenerTls, type IsNamespace } from './listener-tls.ts';
import { NodeError } from './node-error.ts';
import type { Listener, ListenerOptions } from './transports/listener.ts';
import { ProxyGate } from './transports/proxy-gate.ts';
import { TcpListener } from './transports/tcp.ts';

/** A listener that answers. */
export interface OpenListener {
  readonly listener: Listener;
  readonly wanted: ListenerConfig;
  /** What transports of this listener carry. */
  readonly info: ListenerInfo;
  /** The port that is bound. */
  readonly port: number;
  readonly tls: ListenerTls | null;
}

export interface OpenListenerOptions {
  readonly wanted: ListenerConfig;
  /** The one namespace of the node's listeners; null = clients name theirs. */
  readonly namespace: string | null;
  readonly accept: Accept;
  readonly runtime: Runtime;
  readonly isNamespace: IsNamespace;
}

/** Opens one listener of the configuration. Throws NodeError with a sentence that names it. */
export async function openListener(options: OpenListenerOptions): Promise<OpenListener> {
  const { wanted, namespace, accept, runtime, isNamespace } = options;
  const { name, host, port, connectionsMax, tls: files, proxyProtocol } = wanted;
  const info: ListenerInfo = { name: wanted.key, tls: files !== undefined, namespace };
  const tls = files === undefined ? null : new ListenerTls({ ...wanted, tls: files }, isNamespace, runtime);
  const listener = await makeListener(wanted, tls, {
    ...{ address: { name, host, port }, info, accept, runtime, connectionsMax },
    ...(tls === null ? {} : { tls: tls.options(), clientCertificate: clientCertificateOf }),
    ...(proxyProtocol === undefined ? {} : { proxy: proxyGate(name, proxyProtocol.trusted, runtime) }),
  });
  return { listener, wanted, info, tls, port: await listener.open() };
}

async function makeListener(
  wanted: ListenerConfig,
  tls: ListenerTls | null,
  options: ListenerOptions,
): Promise<Listener> {
  switch (wanted.carrier) {
    case 'tcp':
      return new TcpListener(options);
    case 'websocket': {
      const { WebSocketListener } = await import('./transports/websocket.ts');
      return new WebSocketListener(options);
    }
    case 'quic': {
      const { QuicListener } = await import('./transports/quic.ts');
      return QuicListener.make(options, () => tls!.pem);
    }
  }
}

function proxyGate(name: string, trusted: readonly string[], runtime: Runtime): ProxyGate {
  try {
    return new ProxyGate(name, trusted, runtime);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new NodeError('config-invalid', `listeners.${name}.proxyProtocol.trusted: ${reason}`, { cause });
  }
}
