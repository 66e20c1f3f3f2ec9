import { createSocket } from 'node:dgram';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { createServer, isIPv6 } from 'node:net';
import { join } from 'node:path';
import type { Settings } from './settings.ts';
import { StartError } from './start-error.ts';

const FREE_BYTES_MIN = 512 * 2 ** 20;
/** Children of a launcher that was killed leave within 5 s; a port they hold is waited for a little longer. */
const ORPHAN_WAIT_MS = 8_000;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Makes the data root and checks that there is room in it. */
export function prepareHome(home: string): void {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    for (const folder of ['logs', 'run']) mkdirSync(join(home, folder), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new StartError(
      `The data directory ${home} cannot be made (${messageOf(error)}): set ROBUSTMQ_HOME to one that can.`,
    );
  }
  const { bavail, bsize } = statfsSync(home);
  const minimum = Number(process.env['ROBUSTMQ_FREE_BYTES_MIN'] ?? FREE_BYTES_MIN);
  if (bavail * bsize < minimum) {
    const free = Math.floor((bavail * bsize) / 2 ** 20);
    throw new StartError(
      `Only ${free} MiB are free in ${home}, ${Math.ceil(minimum / 2 ** 20)} MiB are needed: free some space or set ROBUSTMQ_HOME to another disk.`,
    );
  }
}

/** When the process began, in clock ticks since boot (field 22 of /proc/pid/stat): tells a reused pid from the old one. */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

/** Takes the data root for this process. Returns whether an earlier owner died without letting go. */
export function takeLock(home: string): { release: () => void; wasAbandoned: boolean } {
  const file = join(home, 'run/launcher.lock');
  let wasAbandoned = false;
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const fd = openSync(file, 'wx', 0o600);
      writeSync(fd, `${process.pid} ${processStart(process.pid)}`);
      closeSync(fd);
      return { release: () => rmSync(file, { force: true }), wasAbandoned };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new StartError(
          `The data directory ${home} cannot be written (${messageOf(error)}): set ROBUSTMQ_HOME to one that can.`,
        );
      }
      const [pid, started] = existsSync(file) ? readFileSync(file, 'utf8').split(' ') : [];
      if (pid && processStart(Number(pid)) === started) {
        throw new StartError(
          `RobustMQ Cloud already runs on ${home} (process ${pid}): stop it, or set ROBUSTMQ_HOME to another directory.`,
        );
      }
      wasAbandoned = true;
      rmSync(file, { force: true });
    }
  }
  throw new StartError(`The lock ${file} cannot be taken: is another copy starting right now?`);
}

const PORTS: readonly (readonly [keyof Settings, string, string])[] = [
  ['httpPort', 'portal and REST', 'ROBUSTMQ_HTTP_PORT'],
  ['agentPort', 'agent link', 'ROBUSTMQ_AGENT_PORT'],
  ['mqttPort', 'MQTT', 'ROBUSTMQ_MQTT_PORT'],
  ['mqttWsPort', 'MQTT over WebSocket', 'ROBUSTMQ_MQTT_WS_PORT'],
  ['kafkaPort', 'Kafka', 'ROBUSTMQ_KAFKA_PORT'],
  ['mqttsPort', 'MQTT over TLS', 'ROBUSTMQ_MQTTS_PORT'],
  ['mqttsAliasPort', 'MQTT over TLS, second port', 'ROBUSTMQ_MQTTS_ALIAS_PORT'],
  ['mqttWssPort', 'MQTT over WebSocket and TLS', 'ROBUSTMQ_MQTT_WSS_PORT'],
  ['kafkaTlsPort', 'Kafka over TLS', 'ROBUSTMQ_KAFKA_TLS_PORT'],
  ['mqttQuicPort', 'MQTT over QUIC', 'ROBUSTMQ_MQTT_QUIC_PORT'],
];

/** Checks that every listener can have its port. `orphansMayHold`: a killed launcher's children may still be leaving. */
export async function checkPorts(
  settings: Settings,
  orphansMayHold: boolean,
  except: ReadonlySet<number>,
): Promise<void> {
  const deadline = Date.now() + (orphansMayHold ? ORPHAN_WAIT_MS : 0);
  for (const [key, what, variable] of PORTS) {
    const port = settings[key] as number;
    if (port === 0 || except.has(port)) continue;
    const problemOf = key === 'mqttQuicPort' ? udpPortProblem : portProblem;
    for (;;) {
      const problem = await problemOf(settings.bind, port);
      if (problem === null) break;
      if (problem === 'EADDRINUSE' && Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        continue;
      }
      if (problem === 'EADDRINUSE') {
        throw new StartError(
          `Port ${port} (${what}) is in use: stop the program that has it, or set ${variable} to a free port.`,
        );
      }
      throw new StartError(
        `Port ${port} (${what}) cannot be opened on ${settings.bind} (${problem}): set ${variable} or ROBUSTMQ_BIND.`,
      );
    }
  }
}

/** The error code that listening gives, or null. */
export function portProblem(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}

function udpPortProblem(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.bind(port, host, () => socket.close(() => resolve(null)));
  });
}

/** A free port at or above `from`, below the ephemeral range. */
export async function freePort(host: string, from: number): Promise<number> {
  for (let port = from; port < 32_000; port++) if ((await portProblem(host, port)) === null) return port;
  throw new StartError(`No port from ${from} to 32000 is free on ${host}.`);
}
