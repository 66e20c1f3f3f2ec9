import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { readS3Settings } from '@robustmq/contracts/data-plane';
import { StartError } from './start-error.ts';

/** Everything `robust-server start` takes from its environment (README "Settings"). */
export interface Settings {
  /** Data root. */
  readonly home: string;
  /** Address that all listeners bind to. */
  readonly bind: string;
  readonly publicHost: string;
  readonly httpPort: number;
  readonly agentPort: number;
  readonly mqttPort: number;
  readonly mqttWsPort: number;
  readonly kafkaPort: number;
  /** Over TLS; 0 = not opened. The alias is a second port of MQTT over TLS, QUIC is UDP. */
  readonly mqttsPort: number;
  readonly mqttsAliasPort: number;
  readonly mqttWssPort: number;
  readonly kafkaTlsPort: number;
  readonly mqttQuicPort: number;
  /** Whether the TLS certificates come from elsewhere, so that the agent makes no authority of its own. */
  readonly hasOwnCertificate: boolean;
  /** `npm run dev`: portal and API are rebuilt when their sources change. */
  readonly dev: boolean;
  /** Owner URL of an external PostgreSQL; absent = the embedded one. */
  readonly databaseUrl: string | undefined;
  /** The environment that children inherit. */
  readonly env: NodeJS.ProcessEnv;
}

/** Ports of the shared node's listeners, in the order of the table in README "Settings". */
export const NODE_PORTS = [
  ...(['mqttPort', 'mqttWsPort', 'kafkaPort'] as const),
  ...(['mqttsPort', 'mqttsAliasPort', 'mqttWssPort', 'kafkaTlsPort', 'mqttQuicPort'] as const),
];

/** Reads the settings; throws StartError with the variable's name for a value that makes no sense. */
export function readSettings(env: NodeJS.ProcessEnv, dev = false): Settings {
  const port = (name: string, fallback: number, lowest = 1): number => {
    const text = env[name];
    if (text === undefined || text === '') return fallback;
    const value = Number(text);
    if (!Number.isInteger(value) || value < lowest || value > 65535) {
      const off = lowest === 0 ? ', or 0 for none' : '';
      throw new StartError(`${name} is "${text}": give a port number from 1 to 65535${off}.`);
    }
    return value;
  };
  // Where the plain port was moved, the usual one over TLS may be somebody else's: it is opened only when it is asked for.
  const securePort = (name: string, usual: number, plain: number, usualPlain: number): number =>
    port(name, plain === usualPlain ? usual : 0, 0);
  const mqttPort = port('ROBUSTMQ_MQTT_PORT', 1883);
  const mqttWsPort = port('ROBUSTMQ_MQTT_WS_PORT', 8083);
  const kafkaPort = port('ROBUSTMQ_KAFKA_PORT', 9092);
  const settings = {
    home: resolve(env['ROBUSTMQ_HOME'] || join(homedir(), '.robustmq')),
    bind: env['ROBUSTMQ_BIND'] || '127.0.0.1',
    publicHost: env['ROBUSTMQ_PUBLIC_HOST'] || 'localhost',
    httpPort: port('ROBUSTMQ_HTTP_PORT', 8080),
    agentPort: port('ROBUSTMQ_AGENT_PORT', 8081),
    mqttPort,
    mqttWsPort,
    kafkaPort,
    mqttsPort: securePort('ROBUSTMQ_MQTTS_PORT', 8883, mqttPort, 1883),
    mqttsAliasPort: securePort('ROBUSTMQ_MQTTS_ALIAS_PORT', 1884, mqttPort, 1883),
    mqttWssPort: securePort('ROBUSTMQ_MQTT_WSS_PORT', 8084, mqttWsPort, 8083),
    kafkaTlsPort: securePort('ROBUSTMQ_KAFKA_TLS_PORT', 9093, kafkaPort, 9092),
    mqttQuicPort: port('ROBUSTMQ_MQTT_QUIC_PORT', 0, 0),
    hasOwnCertificate: Boolean(env['ROBUSTMQ_TLS_CERT_FILE']),
    dev,
    databaseUrl: env['DATABASE_URL'] || undefined,
    env,
  };
  checkS3(env);
  const seen = new Map<number, string>();
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value !== 'number' || value === 0) continue;
    const other = seen.get(value);
    if (other) throw new StartError(`${other} and ${name} are both set to port ${value}: give each its own.`);
    seen.set(value, name);
  }
  return settings;
}

/** Secrets of the environment that are the other side's: object storage is the nodes', database, mail and money are not. */
const OTHERS = {
  'control-plane': /^(ROBUSTMQ_S3_|AWS_)/,
  agent: /^(DATABASE_URL|REDIS_URL|SMTP_URL|STRIPE_.*|PG[A-Z]+|ROBUSTMQ_(OPERATOR|INTERNAL)_TOKEN)$/,
} as const;

/** What a child inherits: the environment without the secrets it has no use for. */
export const environmentFor = (child: keyof typeof OTHERS, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !OTHERS[child].test(name)));

/** The agent reads it again from the environment it inherits; here nonsense ends the start before anything runs. */
function checkS3(env: NodeJS.ProcessEnv): void {
  try {
    readS3Settings(env);
  } catch (error) {
    throw new StartError(error instanceof Error ? error.message : String(error));
  }
}
