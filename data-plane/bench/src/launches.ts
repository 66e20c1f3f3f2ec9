import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BENCH = join(ROOT, 'data-plane/bench/src');
const CERT = join(ROOT, 'data-plane/node/src/testing/localhost.cert.pem');
const KEY = join(ROOT, 'data-plane/node/src/testing/localhost.key.pem');
const RABBITMQ = '/usr/lib/rabbitmq/bin/rabbitmq-server';
/** Waits as long for its acknowledgements as the load may take to send them. */
const NATS_ACK_PENDING_MAX = 65_535;

/** What a server is started with. */
export interface LaunchRequest {
  /** The first of ten ports it may take: MQTT there, Kafka and whatever else it needs on the next ones. */
  readonly port: number;
  /** Its own, empty; removed afterwards. */
  readonly folder: string;
  /** MQTT over TLS instead of TCP. */
  readonly tls: boolean;
}
/** A server's process. */
export interface Launched {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** User name and password; absent = it lets everybody in. */
  readonly login?: readonly [string, string];
  /** A process that must run before it and ends with it. */
  readonly before?: { readonly command: string; readonly args: readonly string[] };
  /** It answers `loop-delay` on its IPC channel (`loop-delay.mjs`). */
  readonly tellsLoopDelay?: boolean;
}
export type Launch = (request: LaunchRequest) => Launched;

/** Our own node as users start it: authentication, ACL, limits, metering and the flushed journal all on. */
const robust =
  (topics: string): Launch =>
  ({ port, folder, tls }) => {
    const file = join(folder, 'standalone.yaml');
    const certificate = tls ? `, tls: { certFile: ${JSON.stringify(CERT)}, keyFile: ${JSON.stringify(KEY)} }` : '';
    writeFileSync(
      file,
      `listeners:
  mqtt: { host: 127.0.0.1, port: ${port}${certificate} }
  kafka: { host: 127.0.0.1, port: ${port + 1} }
dataDir: ${JSON.stringify(join(folder, 'data'))}
namespaces:
  - name: bench
    default: true
    credentials: [{ username: bench, password: bench-password }]
${topics}`,
    );
    const preload = ['--import', join(BENCH, 'loop-delay.mjs')];
    return {
      command: process.execPath,
      args: [...preload, join(ROOT, 'data-plane/node/src/main.mjs'), 'standalone', '--config', file],
      login: ['bench', 'bench-password'],
      tellsLoopDelay: true,
    };
  };

const mosquitto: Launch = ({ port, folder, tls }) => {
  const file = join(folder, 'mosquitto.conf');
  writeFileSync(
    file,
    `listener ${port} 127.0.0.1
${tls ? `certfile ${CERT}\nkeyfile ${KEY}\n` : ''}allow_anonymous true
max_queued_messages 1000000
max_inflight_messages 1000
set_tcp_nodelay true
persistence false
log_type none
user root
`,
  );
  return { command: 'mosquitto', args: ['-c', file] };
};

/** The package's own script, which as root the one in the path would leave for another user; a node, a database and an epmd of its own. */
const rabbitmq: Launch = ({ port, folder, tls }) => {
  const file = join(folder, 'rabbitmq.conf');
  const listener = tls
    ? `mqtt.listeners.tcp = none
mqtt.listeners.ssl.1 = 127.0.0.1:${port}
ssl_options.cacertfile = ${CERT}
ssl_options.certfile = ${CERT}
ssl_options.keyfile = ${KEY}
ssl_options.verify = verify_none`
    : `mqtt.listeners.tcp.1 = 127.0.0.1:${port}`;
  writeFileSync(
    file,
    `${listener}
listeners.tcp.1 = 127.0.0.1:${port + 1}
mqtt.allow_anonymous = true
mqtt.prefetch = 1000
mqtt.tcp_listen_options.nodelay = true
mqtt.tcp_listen_options.backlog = 1024
vm_memory_high_watermark.absolute = 4GB
disk_free_limit.absolute = 50MB
log.console = false
log.file.level = error
`,
  );
  writeFileSync(join(folder, 'plugins'), '[rabbitmq_mqtt].\n');
  mkdirSync(join(folder, 'home'));
  return {
    command: RABBITMQ,
    args: [],
    before: { command: 'epmd', args: ['-port', String(port + 3), '-address', '127.0.0.1'] },
    env: {
      // makes the script become the virtual machine, whose CPU time is then the child's own
      RUNNING_UNDER_SYSTEMD: 'true',
      HOME: join(folder, 'home'),
      ERL_EPMD_PORT: String(port + 3),
      RABBITMQ_NODENAME: `bench${port}@localhost`,
      RABBITMQ_DIST_PORT: String(port + 2),
      RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_CONFIG_FILE: file,
      RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
      RABBITMQ_PID_FILE: join(folder, 'pid'),
    },
  };
};

const nats: Launch = ({ port, folder, tls }) => {
  const file = join(folder, 'nats.conf');
  const certificate = tls ? `\n  tls { cert_file: ${JSON.stringify(CERT)}, key_file: ${JSON.stringify(KEY)} }` : '';
  writeFileSync(
    file,
    `server_name: bench
listen: "127.0.0.1:${port + 1}"
jetstream { store_dir: ${JSON.stringify(join(folder, 'jetstream'))} }
mqtt {
  host: "127.0.0.1"
  port: ${port}
  max_ack_pending: ${NATS_ACK_PENDING_MAX}${certificate}
}
`,
  );
  return { command: 'nats-server', args: ['-c', file] };
};

const script = (name: string, ...args: string[]): Launched => ({
  command: process.execPath,
  args: [join(BENCH, name), ...args],
});

/** How to start each server. */
export const LAUNCHES: Readonly<Record<string, Launch>> = {
  robustmq: robust(''),
  'robustmq captured': robust('    topics: [{ name: bench, partitions: 1 }]\n'),
  mosquitto,
  rabbitmq,
  'nats-server': nats,
  aedes: ({ port, tls }) => script('aedes-server.ts', String(port), ...(tls ? [CERT, KEY] : [])),
  sink: ({ port }) => script('kafka-sink.ts', String(port + 1)),
};
