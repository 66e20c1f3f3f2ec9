import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
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
  /** `npm run dev`: portal and API are rebuilt when their sources change. */
  readonly dev: boolean;
  /** Owner URL of an external PostgreSQL; absent = the embedded one. */
  readonly databaseUrl: string | undefined;
  /** The environment that children inherit. */
  readonly env: NodeJS.ProcessEnv;
}

/** Reads the settings; throws StartError with the variable's name for a value that makes no sense. */
export function readSettings(env: NodeJS.ProcessEnv, dev = false): Settings {
  const port = (name: string, fallback: number): number => {
    const text = env[name];
    if (text === undefined || text === '') return fallback;
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1 || value > 65535) {
      throw new StartError(`${name} is "${text}": give a port number from 1 to 65535.`);
    }
    return value;
  };
  const settings = {
    home: resolve(env['ROBUSTMQ_HOME'] || join(homedir(), '.robustmq')),
    bind: env['ROBUSTMQ_BIND'] || '127.0.0.1',
    publicHost: env['ROBUSTMQ_PUBLIC_HOST'] || 'localhost',
    httpPort: port('ROBUSTMQ_HTTP_PORT', 8080),
    agentPort: port('ROBUSTMQ_AGENT_PORT', 8081),
    mqttPort: port('ROBUSTMQ_MQTT_PORT', 1883),
    mqttWsPort: port('ROBUSTMQ_MQTT_WS_PORT', 8083),
    kafkaPort: port('ROBUSTMQ_KAFKA_PORT', 9092),
    dev,
    databaseUrl: env['DATABASE_URL'] || undefined,
    env,
  };
  const seen = new Map<number, string>();
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value !== 'number') continue;
    const other = seen.get(value);
    if (other) throw new StartError(`${other} and ${name} are both set to port ${value}: give each its own.`);
    seen.set(value, name);
  }
  return settings;
}
