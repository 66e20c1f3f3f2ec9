import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const port = z.coerce
  .number({ error: 'must be a port number' })
  .int('must be a port number')
  .min(1, 'must be a port number')
  .max(65_535, 'must be a port number');

/** `20000-29999` → both ends included. */
const PortRange = z
  .string()
  .regex(/^\d+-\d+$/, 'must look like 20000-29999')
  .transform((text) => {
    const [first, last] = text.split('-').map(Number) as [number, number];
    return { first, last };
  })
  .refine(({ first, last }) => first >= 1024 && last <= 65_535 && last - first >= 3, 'must hold at least four ports');

const Environment = z.object({
  DATABASE_URL: z.string({ error: 'is needed' }),
  REDIS_URL: z.string().optional(),
  SMTP_URL: z
    .string()
    .regex(/^smtps?:\/\//, 'must begin with smtp:// or smtps://')
    .optional(),
  ROBUSTMQ_MAIL_FROM: z.string().optional(),
  ROBUSTMQ_PUBLIC_URL: z.url('must be an address').optional(),
  ROBUSTMQ_HOME: z.string().default(join(homedir(), '.robustmq')),
  ROBUSTMQ_BIND: z.string().default('127.0.0.1'),
  ROBUSTMQ_HTTP_PORT: port.default(8080),
  ROBUSTMQ_AGENT_PORT: port.default(8081),
  ROBUSTMQ_KEYS_FILE: z.string().optional(),
  ROBUSTMQ_OPERATOR_TOKEN: z.string({ error: 'is needed' }).min(16, 'must have at least 16 characters'),
  ROBUSTMQ_AGENT_LINK_PLAIN: z.enum(['true', 'false'], { error: 'must be true or false' }).default('false'),
  ROBUSTMQ_PORTAL_DIR: z.string().optional(),
  ROBUSTMQ_BILLING_SOCKET: z.string().optional(),
  ROBUSTMQ_INTERNAL_TOKEN: z.string().optional(),
  ROBUSTMQ_PORT_RANGE: PortRange.default({ first: 20_000, last: 29_999 }),
  ROBUSTMQ_EGRESS_PRIVATE: z.enum(['true', 'false'], { error: 'must be true or false' }).default('false'),
  ROBUSTMQ_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  ROBUSTMQ_REQUESTS_PER_MINUTE: z.coerce.number().int().positive().default(6_000),
});

/** Everything the process is told by its environment. */
export interface Settings {
  readonly databaseUrl: string;
  /** BullMQ on Redis instead of PostgreSQL. */
  readonly redisUrl: string | undefined;
  /** Where mails go out; without it they wait in the operator's outbox. */
  readonly smtpUrl?: string | undefined;
  readonly mailFrom?: string | undefined;
  /** The portal's address as people reach it, for links in mails. */
  readonly publicUrl?: string | undefined;
  readonly bind: string;
  readonly httpPort: number;
  readonly agentPort: number;
  readonly keysFile: string;
  /** Where the certificates of the agent link lie; undefined = the link is plain text, on loopback alone. */
  readonly linkCertificatesFile?: string | undefined;
  readonly operatorToken: string;
  readonly portalDir: string | undefined;
  readonly billingSocket: string | undefined;
  readonly internalToken: string | undefined;
  /** Ports of dedicated nodes, both ends included. */
  readonly portRange: { readonly first: number; readonly last: number };
  /** Webhooks and identity providers may be at private addresses and without TLS: one's own network, tests. */
  readonly egressPrivate?: boolean;
  /** Looks TXT records up in place of the system's resolver: tests. Rejects as `node:dns` does. */
  readonly resolveTxt?: (name: string) => Promise<string[][]>;
  /** Pauses before each further attempt of a webhook delivery, in milliseconds. */
  readonly webhookBackoffMs?: readonly number[];
  /** A webhook that failed all the time for so long is switched off, in milliseconds. */
  readonly webhookFailingMsMax?: number;
  readonly logLevel: string;
  /** Requests one caller may make in a minute. */
  readonly requestsPerMinuteMax: number;
}

/** The environment is wrong; `message` is one sentence. */
export class SettingsError extends Error {}

/** Reads the settings. Throws `SettingsError` that names the variable. */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const filled = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const read = Environment.safeParse(filled);
  if (!read.success) {
    const issue = read.error.issues[0]!;
    throw new SettingsError(`The environment variable ${issue.path.join('.')} ${issue.message}.`);
  }
  const env = read.data;
  const plainLink = env.ROBUSTMQ_AGENT_LINK_PLAIN === 'true';
  if (plainLink && !/^(127\.|localhost$|::1$)/.test(env.ROBUSTMQ_BIND))
    throw new SettingsError(
      'The environment variable ROBUSTMQ_AGENT_LINK_PLAIN is for listeners on loopback alone (ROBUSTMQ_BIND).',
    );
  const keysFile = env.ROBUSTMQ_KEYS_FILE ?? join(env.ROBUSTMQ_HOME, 'control-plane-keys.json');
  return {
    databaseUrl: env.DATABASE_URL,
    redisUrl: env.REDIS_URL,
    ...{ smtpUrl: env.SMTP_URL, mailFrom: env.ROBUSTMQ_MAIL_FROM, publicUrl: env.ROBUSTMQ_PUBLIC_URL },
    bind: env.ROBUSTMQ_BIND,
    httpPort: env.ROBUSTMQ_HTTP_PORT,
    agentPort: env.ROBUSTMQ_AGENT_PORT,
    keysFile,
    linkCertificatesFile: plainLink ? undefined : join(dirname(keysFile), 'agent-link-certificates.json'),
    operatorToken: env.ROBUSTMQ_OPERATOR_TOKEN,
    portalDir: env.ROBUSTMQ_PORTAL_DIR,
    billingSocket: env.ROBUSTMQ_BILLING_SOCKET,
    internalToken: env.ROBUSTMQ_INTERNAL_TOKEN,
    portRange: env.ROBUSTMQ_PORT_RANGE,
    egressPrivate: env.ROBUSTMQ_EGRESS_PRIVATE === 'true',
    logLevel: env.ROBUSTMQ_LOG_LEVEL,
    requestsPerMinuteMax: env.ROBUSTMQ_REQUESTS_PER_MINUTE,
  };
}
