import { connect } from 'node:net';

const PROBE_TIMEOUT_MS = 1_000;

/** An address that reaches a listener bound to `bind` from this machine. */
export const reachableHost = (bind: string): string =>
  bind === '0.0.0.0' ? '127.0.0.1' : bind === '::' ? '::1' : bind;

/** True when a TCP connection to every port could be opened. Clusters are called ready only after this. */
export async function portsReachable(host: string, ports: readonly number[]): Promise<boolean> {
  const results = await Promise.all(ports.map((port) => portReachable(host, port)));
  return results.length > 0 && results.every(Boolean);
}

function portReachable(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (reachable: boolean): void => {
      socket.destroy();
      resolve(reachable);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => finish(false));
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}
