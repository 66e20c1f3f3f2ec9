import { resolve } from 'node:path';
import { z } from 'zod';
import { ClusterSettings, DEFAULT_QUOTAS, Quotas, TopicName } from '@robustmq/contracts/data-plane';
import { knownKeysOnly } from './known-keys.ts';
import { filePath, Listeners, listenersOf, resolvedFrom, type ListenerConfig } from './listener-config.ts';

/**
 * The two configurations of a node: `StandaloneConfig` is the YAML file people write, `ManagedConfig` the JSON file an
 * agent writes. Both become one `NodeConfig`, which is what the node is built from.
 */

/** Smaller bodies cost more in requests than they save on the medium. */
const CLAIM_BYTES_LEAST = 64 * 1024;
/** Engines that may stand beside the main one. */
export const EXTRA_ENGINES = ['file', 'rocksdb'] as const;
const journal = z.strictObject({
  engine: z.enum(['file', 'memory'], 'write file or memory').default('file'),
  /** What a topic gets that asks for nothing else. */
  durability: z.enum(['flushed', 'memory'], 'write flushed or memory').default('flushed'),
  /** Further engines a topic may ask for; `memory` is always there. One that holds data is opened named or not. */
  engines: z.array(z.enum(EXTRA_ENGINES, 'write file or rocksdb'), 'write a list of engines').default([]),
});
const bytesPerSecond = z.int('write bytes per second').positive('write a number above 0');
/** Limits of the whole node, over all its namespaces; each namespace has its quotas beside them. */
const rates = z.strictObject({
  ingressBytesPerSecondMax: bytesPerSecond.default(Number.MAX_SAFE_INTEGER),
  egressBytesPerSecondMax: bytesPerSecond.default(Number.MAX_SAFE_INTEGER),
});
const milliseconds = z.int('write milliseconds').min(0, 'write 0 or more');
/** When what a topic stores goes to object storage: any limit that is met is enough. */
const tier = z.strictObject({
  /** Newest bytes of one partition kept in memory as well. */
  hotBytes: z.int('write bytes').min(0, 'write 0 or more').optional(),
  coldAfterMs: milliseconds.optional(),
  /** Bytes of one partition kept on the disk. */
  coldAfterBytes: z.int('write bytes').min(0, 'write 0 or more').optional(),
  coldAfterIdleMs: milliseconds.optional(),
  warmAfterReads: z.int('write a whole number').min(1, 'write 1 or more').optional(),
  warmIdleMs: milliseconds.optional(),
});
const compaction = z.strictObject({
  minLagMs: milliseconds.optional(),
  deleteRetentionMs: milliseconds.optional(),
  minDirtyRatio: z.number('write a number from 0 to 1').min(0, 'write 0 to 1').max(1, 'write 0 to 1').optional(),
});
/** What holds for object storage of every kind. */
const storage = {
  /** Default policy of topics. */
  topics: tier.optional(),
  /** A batch of records or messages from this size on is an object of its own; absent = 1 MiB. */
  claimBytesMin: z.int('write bytes').min(CLAIM_BYTES_LEAST, `write ${CLAIM_BYTES_LEAST} or more`).optional(),
};
/** Where cold data goes. Topics without a `tier` of their own get `topics`; with neither nothing moves. */
const tiering = z.discriminatedUnion(
  'engine',
  [
    z.strictObject({ engine: z.literal('file-objects'), directory: filePath, ...storage }),
    z.strictObject({
      engine: z.literal('s3'),
      bucket: z.string('write the name of the bucket').min(1, 'write the name of the bucket'),
      region: z.string('write a region').min(1, 'write a region').default('us-east-1'),
      endpoint: z.url('write an address such as http://127.0.0.1:9000').optional(),
      prefix: z.string('write a key prefix that ends with /').optional(),
      forcePathStyle: z.boolean('write true or false').optional(),
      /** Names of environment variables, so that no secret is in the file. Absent = the SDK's own search. */
      accessKeyIdVariable: z.string('write the name of an environment variable').optional(),
      secretAccessKeyVariable: z.string('write the name of an environment variable').optional(),
      ...storage,
    }),
    z.strictObject({
      engine: z.literal('hdfs'),
      endpoint: z.url('write the address of WebHDFS such as http://namenode:9870'),
      directory: filePath,
      user: z.string('write a user name').min(1, 'write a user name').default('robustmq'),
      ...storage,
    }),
  ],
  'write engine: file-objects, s3 or hdfs',
);
const logLevel = z.enum(['debug', 'info', 'warn', 'error', 'silent'], 'write debug, info, warn, error or silent');

const filter = z.string('write an MQTT topic filter').min(1, 'write an MQTT topic filter such as a/b/#');
const standaloneTopic = z.strictObject({
  name: TopicName,
  partitions: z.int('write a whole number').min(1, 'write 1 or more').max(1_000, 'write 1000 or less').default(1),
  bindings: z.array(filter, 'write a list of MQTT topic filters').optional(),
  durability: z.enum(['memory', 'flushed'], 'write flushed or memory').optional(),
  retentionMs: z.int('write milliseconds, or -1 to keep for ever').min(-1, 'write -1 or more').default(604_800_000),
  retentionBytes: z.int('write bytes, or -1 for no limit').min(-1, 'write -1 or more').default(-1),
  cleanup: z.enum(['delete', 'compact', 'compact,delete'], 'write delete, compact or compact,delete').optional(),
  compaction: compaction.optional(),
  tier: tier.optional(),
  engine: z.enum(['memory', 'file', 'rocksdb'], 'write memory, file or rocksdb').optional(),
});
const namespace = z.strictObject({
  name: z
    .string('write the name clients put after @')
    .regex(/^[a-z][a-z0-9-]{0,50}$/, 'use 1 to 51 lower-case letters, digits and dashes, starting with a letter'),
  default: z.boolean('write true or false').default(false),
  allowAnonymous: z.boolean('write true or false').default(false),
  autoCreateTopics: z.boolean('write true or false').default(true),
  credentials: z
    .array(
      z.strictObject({
        username: z
          .string('write a user name')
          .regex(/^[^@\s]{1,255}$/, 'use 1 to 255 characters without @ and without white space'),
        password: z.string('write a password').min(1, 'write a password'),
      }),
      'write a list of {username, password}',
    )
    .default([]),
  topics: z.array(standaloneTopic, 'write a list of {name, partitions}').default([]),
  quotas: z.strictObject(Quotas.partial().shape, 'write limits by name').default({}),
  /** As a cluster's settings of the control plane; what is left out has its default. */
  settings: knownKeysOnly(ClusterSettings).optional(),
});

/** `robust-server standalone --config file.yaml` (design.md §6). */
export const StandaloneConfig = z
  .strictObject(
    {
      dataDir: filePath.default('./data'),
      listeners: Listeners,
      namespaces: z.array(namespace, 'write a list of namespaces').min(1, 'write at least one namespace'),
      journal: journal.prefault({}),
      tiering: tiering.optional(),
      rates: rates.prefault({}),
      logLevel: logLevel.default('info'),
    },
    'write keys and values: see the annotated example configuration',
  )
  .superRefine((config, context) => {
    refuseRepeats(config.namespaces, 'name', ['namespaces'], context);
    config.namespaces.forEach((space, i) => {
      refuseRepeats(space.credentials, 'username', ['namespaces', i, 'credentials'], context);
      refuseRepeats(space.topics, 'name', ['namespaces', i, 'topics'], context);
      const others = space.settings?.authentication;
      const isOpen = space.allowAnonymous || others?.anonymous || others?.jwt || others?.x509 || others?.http;
      if (!isOpen && space.credentials.length === 0)
        context.addIssue({
          code: 'custom',
          path: ['namespaces', i, 'credentials'],
          message: 'nobody could connect: add a credential or set allowAnonymous: true',
        });
    });
    const defaults = config.namespaces.flatMap((space, i) => (space.default ? [i] : []));
    if (defaults.length > 1)
      context.addIssue({
        code: 'custom',
        path: ['namespaces', defaults[1]!, 'default'],
        message: `only one namespace may be the default, and ${config.namespaces[defaults[0]!]!.name} is`,
      });
  });
export type StandaloneConfig = z.output<typeof StandaloneConfig>;

function refuseRepeats<K extends string>(
  list: readonly Record<K, string>[],
  key: K,
  path: PropertyKey[],
  context: z.RefinementCtx,
): void {
  const seen = new Set<string>();
  list.forEach((entry, i) => {
    if (seen.has(entry[key]))
      context.addIssue({ code: 'custom', path: [...path, i, key], message: 'it stands there twice: use another one' });
    seen.add(entry[key]);
  });
}

/** `main.mjs --config file.json`, written by an agent. The admin token comes beside it, never in it. */
export const ManagedConfig = z.strictObject({
  nodeId: z.string('write the node id').regex(/^[A-Za-z0-9._-]{1,64}$/, 'use 1 to 64 letters, digits, dots and dashes'),
  dataDir: filePath,
  /** Holds node.json and the admin socket. */
  runDir: filePath,
  listeners: Listeners,
  /** A dedicated node: the cluster id its listeners belong to, so that clients need not name it. */
  namespace: z.string('write a cluster id').optional(),
  /** The file that holds the admin token; absent = environment ROBUSTMQ_ADMIN_TOKEN. */
  adminTokenFile: filePath.optional(),
  journal: journal.prefault({}),
  tiering: tiering.optional(),
  rates: rates.prefault({}),
  /** Length of a usage window; only tests change it. */
  usageWindowMs: z.int('write milliseconds').min(100, 'write 100 or more').default(60_000),
  logLevel: logLevel.default('info'),
});
export type ManagedConfig = z.output<typeof ManagedConfig>;

export type TieringConfig = z.output<typeof tiering>;

/** What a node is built from. Paths are absolute. */
export interface NodeConfig {
  readonly nodeId: string;
  readonly dataDir: string;
  /** The one namespace of all listeners; null = clients name theirs. */
  readonly namespace: string | null;
  readonly listeners: readonly ListenerConfig[];
  readonly journal: z.output<typeof journal>;
  readonly rates: z.output<typeof rates>;
  readonly tiering?: TieringConfig | undefined;
  readonly usageWindowMs: number;
  /** Authentication services of clusters may be at private addresses and without TLS. */
  readonly egressPrivate: boolean;
}

/** Paths in a file are relative to the directory the command runs in, as for every other command. */
export function standaloneNode(config: StandaloneConfig, directory: string): NodeConfig {
  return {
    nodeId: 'standalone',
    dataDir: resolve(directory, config.dataDir),
    namespace: null,
    listeners: listenersOf(config.listeners, directory),
    journal: config.journal,
    tiering: withAbsoluteDirectory(config.tiering, directory),
    rates: config.rates,
    usageWindowMs: 60_000,
    // who writes the file runs the node: the address is theirs
    egressPrivate: true,
  };
}

/** Agents write absolute paths; relative ones are taken from the directory the node was started in. */
export function managedNode(config: ManagedConfig): NodeConfig {
  return {
    nodeId: config.nodeId,
    dataDir: resolve(config.dataDir),
    namespace: config.namespace ?? null,
    listeners: listenersOf(config.listeners, '.'),
    journal: config.journal,
    tiering: withAbsoluteDirectory(config.tiering, '.'),
    rates: config.rates,
    usageWindowMs: config.usageWindowMs,
    egressPrivate: process.env['ROBUSTMQ_EGRESS_PRIVATE'] === 'true',
  };
}

function withAbsoluteDirectory(config: TieringConfig | undefined, directory: string): TieringConfig | undefined {
  if (config?.engine !== 'file-objects') return config;
  return { ...config, directory: resolvedFrom(directory, config.directory) };
}
/** The quotas of a namespace of a standalone node: a dedicated cluster's, unless the file says otherwise. */
export function standaloneQuotas(overrides: { [K in keyof Quotas]?: Quotas[K] | undefined }): Quotas {
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  return { ...DEFAULT_QUOTAS.dedicated, ...Object.fromEntries(given) };
}
