import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readS3Settings, type S3Settings } from '@robustmq/contracts/data-plane';
import { z } from 'zod';
import { AgentError, sentenceOf } from './agent-error.ts';
import { readLinkAddress } from './link-address.ts';
import type { CertificateFiles } from './local-authority.ts';
import type { NodePorts } from './plan.ts';

/** 0 = not opened; absent = decided by `securePort`. */
const optionalPort = z.coerce.number().int().min(0).max(65_535).optional();
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
  ROBUSTMQ_MQTTS_PORT: optionalPort,
  ROBUSTMQ_MQTTS_ALIAS_PORT: optionalPort,
  ROBUSTMQ_MQTT_WSS_PORT: optionalPort,
  ROBUSTMQ_KAFKA_TLS_PORT: optionalPort,
  ROBUSTMQ_MQTT_QUIC_PORT: optionalPort,
  ROBUSTMQ_DOMAIN: z.string().min(1).optional(),
  ROBUSTMQ_TLS_CERT_FILE: z.string().min(1).optional(),
  ROBUSTMQ_TLS_KEY_FILE: z.string().min(1).optional(),
  ROBUSTMQ_NODE_MAIN: z.string().min(1).optional(),
  ROBUSTMQ_USAGE_WINDOW_MS: z.coerce.number().int().min(100).optional(),
});

/** Everything an agent is told from outside. */
export interface AgentConfig {
  readonly dir: string;
  /** `host:port` (pinned TLS), `https://host:port`, or `http://127.0.0.1:port`; see link-address.ts. */
  readonly link: string;
  readonly joinToken: string | undefined;
  readonly bind: string;
  readonly publicHost: string;
  readonly sharedPorts: NodePorts;
  /** Clients reach cluster `key` as `<key>.<domain>`, where the operator has made such names. */
  readonly domain?: string | undefined;
  /** A certificate from elsewhere, for all listeners over TLS; undefined = the agent's own authority makes them. */
  readonly certificate?: CertificateFiles | undefined;
  /** Where cold data goes; undefined = into the nodes' own directories. */
  readonly s3?: S3Settings | undefined;
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
  const { ROBUSTMQ_TLS_CERT_FILE: certFile, ROBUSTMQ_TLS_KEY_FILE: keyFile } = e;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new AgentError('config-invalid', 'ROBUSTMQ_TLS_CERT_FILE and ROBUSTMQ_TLS_KEY_FILE: set both or neither');
  }
  readLinkAddress(e.ROBUSTMQ_AGENT_LINK);
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
      mqtts: securePort(e.ROBUSTMQ_MQTTS_PORT, 8883, e.ROBUSTMQ_MQTT_PORT === 1883),
      mqttsAlias: securePort(e.ROBUSTMQ_MQTTS_ALIAS_PORT, 1884, e.ROBUSTMQ_MQTT_PORT === 1883),
      mqttWss: securePort(e.ROBUSTMQ_MQTT_WSS_PORT, 8084, e.ROBUSTMQ_MQTT_WS_PORT === 8083),
      kafkaTls: securePort(e.ROBUSTMQ_KAFKA_TLS_PORT, 9093, e.ROBUSTMQ_KAFKA_PORT === 9092),
      mqttQuic: e.ROBUSTMQ_MQTT_QUIC_PORT ?? 0,
    },
    domain: e.ROBUSTMQ_DOMAIN,
    certificate:
      certFile === undefined || keyFile === undefined
        ? undefined
        : { certFile: resolve(certFile), keyFile: resolve(keyFile) },
    s3: s3Settings(env),
    nodeMainPath: e.ROBUSTMQ_NODE_MAIN ?? fileURLToPath(new URL('../../node/src/main.mjs', import.meta.url)),
    usageWindowMs: e.ROBUSTMQ_USAGE_WINDOW_MS,
  };
}

function s3Settings(env: NodeJS.ProcessEnv): S3Settings | undefined {
  try {
    return readS3Settings(env);
  } catch (error) {
    throw new AgentError('config-invalid', sentenceOf(error));
  }
}

/**
 * Where a port over TLS was not chosen: the usual one beside the usual plain port, else none, so that a second agent that
 * was moved to other ports does not get in the way of the first.
 */
function securePort(chosen: number | undefined, usual: number, plainIsUsual: boolean): number {
  return chosen ?? (plainIsUsual ? usual : 0);
}
