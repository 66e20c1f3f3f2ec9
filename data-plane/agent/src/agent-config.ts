import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { AgentError } from './agent-error.ts';
import type { NodePorts } from './plan.ts';

const port = (fallback: number) => z.coerce.number().int().min(1).max(65_535).default(fallback);

const Environment = z.object({
  ROBUSTMQ_HOME: z.string().min(1).optional(),
  ROBUSTMQ_AGENT_DIR: z.string().min(1).optional(),
  ROBUSTMQ_AGENT_LINK: z.string().min(1).default('127.0.0.1:8081'),
  ROBUSTMQ_JOIN_TOKEN: z.string().min(1).optional(),
  ROBUSTMQ_BIND: z.string().min(1).default('127.0.0.1'),
  ROBUSTMQ_PUBLIC_HOST: z.string().min(1).default('localhost'),
  ROBUSTMQ_MQTT_PORT: port(1883),
  ROBUSTMQ_MQTT_WS_PORT: port(8083),
  ROBUSTMQ_KAFKA_PORT: port(9092),
  ROBUSTMQ_AMQP_PORT: port(5672),
  ROBUSTMQ_NODE_MAIN: z.string().min(1).optional(),
  ROBUSTMQ_USAGE_WINDOW_MS: z.coerce.number().int().min(100).optional(),
});

/** Everything an agent is told from outside. */
export interface AgentConfig {
  readonly dir: string;
  /** `host:port`, or `https://host:port`. */
  readonly link: string;
  readonly joinToken: string | undefined;
  readonly bind: string;
  readonly publicHost: string;
  readonly sharedPorts: NodePorts;
  /** The node's program. */
  readonly nodeMainPath: string;
  readonly usageWindowMs: number | undefined;
}

/** Reads the configuration from environment variables. Throws `config-invalid` naming the variable. */
export function readAgentConfig(env: NodeJS.ProcessEnv): AgentConfig {
  const parsed = Environment.safeParse(Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')));
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new AgentError('config-invalid', `${issue.path.join('.')}: ${issue.message}`);
  }
  const e = parsed.data;
  return {
    dir: e.ROBUSTMQ_AGENT_DIR ?? join(e.ROBUSTMQ_HOME ?? join(homedir(), '.robustmq'), 'agent'),
    link: e.ROBUSTMQ_AGENT_LINK,
    joinToken: e.ROBUSTMQ_JOIN_TOKEN,
    bind: e.ROBUSTMQ_BIND,
    publicHost: e.ROBUSTMQ_PUBLIC_HOST,
    sharedPorts: {
      mqtt: e.ROBUSTMQ_MQTT_PORT,
      mqttWs: e.ROBUSTMQ_MQTT_WS_PORT,
      kafka: e.ROBUSTMQ_KAFKA_PORT,
      amqp: e.ROBUSTMQ_AMQP_PORT,
    },
    nodeMainPath: e.ROBUSTMQ_NODE_MAIN ?? fileURLToPath(new URL('../../node/src/main.mjs', import.meta.url)),
    usageWindowMs: e.ROBUSTMQ_USAGE_WINDOW_MS,
  };
}
