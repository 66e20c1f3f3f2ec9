import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import { oneOrMany } from './one-or-many.ts';

/**
 * The listeners of a node, as the YAML file and the agent's JSON file spell them: one key per kind, each with one
 * listener or a list of them. The rest of the node sees the flat list that `listenersOf` makes.
 */

export const port = z
  .int('write a whole number from 0 to 65535')
  .min(0, 'write a port from 0 to 65535 (0 = any free port)')
  .max(65_535, 'write a port from 0 to 65535');
export const host = z
  .string('write an address such as 127.0.0.1 or 0.0.0.0')
  .min(1, 'write an address such as 0.0.0.0');
export const filePath = z.string('write the path of a file').min(1, 'write the path of a file');

/** An address block, or one address. */
const cidr = z
  .string('write an address block such as 10.0.0.0/8')
  .regex(/^[0-9a-fA-F:.]{2,45}(\/\d{1,3})?$/, 'write an address block such as 10.0.0.0/8 or fd00::/8');

const tls = z.strictObject({
  certFile: filePath,
  keyFile: filePath,
  /**
   * Directory of further certificates: a client that asks for server name `key.example.org` is shown
   * `key.cert.pem` with `key.key.pem`, where `key` is a namespace, if they are there.
   */
  namespacesDir: filePath.optional(),
  /** Whether clients are asked for a certificate (mutual TLS); whose count is each namespace's own to say. */
  clientCertificates: z.enum(['request', 'off'], 'write request or off').optional(),
});
export type TlsConfig = z.output<typeof tls>;

const listener = z.strictObject({
  host: host.default('127.0.0.1'),
  port,
  tls: tls.optional(),
  /** Connections this listener holds at most. */
  connectionsMax: z.int('write a whole number').positive('write a number above 0').default(100_000),
  /** Every connection begins with a PROXY protocol header (v1 or v2) of one of these proxies; others are closed. */
  proxyProtocol: z
    .strictObject({
      trusted: z.array(cidr, 'write a list of address blocks').min(1, 'write at least one address block'),
    })
    .optional(),
});
const kafkaListener = listener.extend({
  /** What clients are told to connect to; default: the address they reached. */
  advertisedHost: host.optional(),
  advertisedPort: port.min(1).optional(),
  /** `example.org`: clients are told to connect to `<namespace>.example.org`. Wins over `advertisedHost`. */
  advertisedDomain: host.optional(),
});
const quicListener = listener.omit({ proxyProtocol: true }).extend({ tls });

const amqpListener = z.undefined({ error: 'this version has no AMQP listener: remove listeners.amqp' });

const LISTENERS_MAX = 16;
const many = <T extends z.ZodObject>(one: T) => oneOrMany(one, LISTENERS_MAX).optional();
const withTls = { tls };
const shape = {
  mqtt: many(listener),
  mqtts: many(listener.extend(withTls)),
  mqttWs: many(listener),
  mqttWss: many(listener.extend(withTls)),
  mqttQuic: many(quicListener),
  kafka: many(kafkaListener),
  kafkaTls: many(kafkaListener.extend(withTls)),
};

/** What carries the bytes, and which protocol they are, per key of `listeners`. */
const KINDS = {
  mqtt: { carrier: 'tcp', protocol: 'mqtt' },
  mqtts: { carrier: 'tcp', protocol: 'mqtt' },
  mqttWs: { carrier: 'websocket', protocol: 'mqtt' },
  mqttWss: { carrier: 'websocket', protocol: 'mqtt' },
  mqttQuic: { carrier: 'quic', protocol: 'mqtt' },
  kafka: { carrier: 'tcp', protocol: 'kafka' },
  kafkaTls: { carrier: 'tcp', protocol: 'kafka' },
} as const satisfies Record<keyof typeof shape, { carrier: string; protocol: string }>;
export type ListenerKey = keyof typeof KINDS;
const KEYS = Object.keys(KINDS) as ListenerKey[];

export const Listeners = z
  .strictObject({ ...shape, amqp: amqpListener.optional() })
  .refine((value) => KEYS.some((key) => value[key] !== undefined), {
    error: 'open at least one of mqtt, mqttWs, kafka (or mqtts, mqttWss, mqttQuic, kafkaTls)',
  });

/** One listener to open. Paths are absolute. */
export interface ListenerConfig {
  readonly key: ListenerKey;
  /** How errors name it: `mqtts`, or `mqtts[1]` of a list. */
  readonly name: string;
  readonly carrier: 'tcp' | 'websocket' | 'quic';
  readonly protocol: 'mqtt' | 'kafka';
  readonly host: string;
  readonly port: number;
  readonly connectionsMax: number;
  readonly tls?: TlsConfig | undefined;
  readonly proxyProtocol?: { readonly trusted: readonly string[] } | undefined;
  readonly advertisedHost?: string | undefined;
  readonly advertisedPort?: number | undefined;
  readonly advertisedDomain?: string | undefined;
}

/** All listeners in the order of the table above; relative paths are taken from `directory`. */
export function listenersOf(all: z.output<typeof Listeners>, directory: string): ListenerConfig[] {
  return KEYS.flatMap((key) =>
    (all[key] ?? []).map((one, i): ListenerConfig => ({
      ...one,
      ...KINDS[key],
      key,
      name: i === 0 ? key : `${key}[${i}]`,
      tls: one.tls === undefined ? undefined : absoluteTls(one.tls, directory),
    })),
  );
}

function absoluteTls(
  { certFile, keyFile, namespacesDir, clientCertificates }: TlsConfig,
  directory: string,
): TlsConfig {
  return {
    certFile: resolvedFrom(directory, certFile),
    keyFile: resolvedFrom(directory, keyFile),
    ...(namespacesDir === undefined ? {} : { namespacesDir: resolvedFrom(directory, namespacesDir) }),
    ...(clientCertificates === undefined ? {} : { clientCertificates }),
  };
}

export function resolvedFrom(directory: string, path: string): string {
  return isAbsolute(path) ? path : resolve(directory, path);
}
