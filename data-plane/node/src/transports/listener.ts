import type { Server, Socket } from 'node:net';
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import type { Accept, ListenerInfo, Log, Runtime } from '@robustmq/wire';
import { NodeError } from '../node-error.ts';
import type { ProxyGate } from './proxy-gate.ts';

/** Connections the kernel may hold that were not accepted yet (the kernel caps it at net.core.somaxconn). */
export const LISTEN_BACKLOG = 1024;
/** After `end()` a client has this long to take its bytes and close; then the connection is cut. */
export const END_LINGER_MS = 2_000;

/** Where a listener should open, and under which name people know it (`mqtt`, `kafka` …). */
export interface ListenAddress {
  readonly name: string;
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
}

/** What every listener is made of. */
export interface ListenerOptions {
  readonly address: ListenAddress;
  readonly info: ListenerInfo;
  readonly accept: Accept;
  readonly runtime: Runtime;
  /** Connections this listener holds at most; more are closed as they come. */
  readonly connectionsMax: number;
  /** Certificate and key; absent = no TLS. */
  readonly tls?: TlsOptions;
  /** Transport.clientCertificate of a new connection. */
  readonly clientCertificate?: (socket: Socket) => Buffer | null;
  /** Connections come through proxies that say where their clients are. */
  readonly proxy?: ProxyGate;
}

/** One open port that hands its connections to a protocol server. */
export interface Listener {
  readonly address: ListenAddress;
  /** Connections open now. */
  readonly connections: number;
  /** Resolves with the port that is bound. Rejects with NodeError `port-in-use`, `port-denied`, `host-unknown`. */
  open(): Promise<number>;
  /** Shows new connections another certificate. Only for listeners that have one. */
  replaceCertificate(options: SecureContextOptions): void;
  /** Takes no more connections; those that are open go on. */
  stopAccepting(): void;
  /** Cuts every connection that is still open. */
  destroyConnections(): void;
}

/** Binds `server`; resolves with the port once it accepts connections. Later faults of accepting go to `log`. */
export function bind(server: Server, address: ListenAddress, log: Log): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => reject(listenError(error, address));
    server.once('error', failed);
    server.listen({ host: address.host, port: address.port, backlog: LISTEN_BACKLOG }, () => {
      server.off('error', failed);
      // Out of file descriptors: the connection was not taken, the others go on.
      server.on('error', (error) => log.warn({ listener: address.name, error }, 'a connection could not be accepted'));
      const bound = server.address();
      resolve(bound !== null && typeof bound === 'object' ? bound.port : address.port);
    });
  });
}

function listenError(error: NodeJS.ErrnoException, { name, host, port }: ListenAddress): NodeError {
  const cause = { cause: error };
  switch (error.code) {
    case 'EADDRINUSE':
      return new NodeError(
        'port-in-use',
        `port ${port} is in use (${name} listener on ${host}): stop the program that has it or choose ` +
          `another port`,
        cause,
      );
    case 'EACCES':
    case 'EPERM':
      return new NodeError(
        'port-denied',
        `this user may not listen on port ${port} of ${host} (${name} listener): choose a port above 1023`,
        cause,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new NodeError(
        'host-unknown',
        `${host}, wanted by the ${name} listener, is not an address of this machine: use 0.0.0.0 for all of them or ` +
          `127.0.0.1 for this machine alone`,
        cause,
      );
    default:
      return new NodeError(
        'listen-failed',
        `the ${name} listener could not open ${host}:${port}: ${error.message}`,
        cause,
      );
  }
}

/** `::ffff:10.0.0.1` is how a dual-stack socket spells 10.0.0.1; people and rules want the latter. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

/** The TLS server name a client asked for, lower case; null without TLS or where it asked for none. */
export function serverNameOf(socket: Socket): string | null {
  const name = 'servername' in socket ? socket.servername : null;
  return typeof name === 'string' && name !== '' ? name.toLowerCase() : null;
}
