import { parseStreamName } from '@robustmq/broker';
import type { TierPolicy } from '@robustmq/journal';
import { openObjectStore, type ObjectEngineConfig, type ObjectStore } from '@robustmq/store';
import type { Runtime } from '@robustmq/wire';
import type { TieringConfig } from './config.ts';
import { NodeError } from './node-error.ts';

/** What a node does with object storage. */
export interface ObjectStorage {
  readonly objects: ObjectStore;
  /** Absent = the journal's own. */
  readonly claimBytesMin?: number;
  /** The policy of topics that have none of their own. A node's own streams stay on the disk. */
  tierOf(streamName: string): TierPolicy | undefined;
}

/** Opens the object storage of the configuration. Throws NodeError or StoreError with a sentence. */
export async function openObjectStorage(config: TieringConfig, runtime: Runtime): Promise<ObjectStorage> {
  const objects = await openObjectStore(config.engine, settings(config, runtime));
  const topics = Object.entries(config.topics ?? {}).filter(([, value]) => value !== undefined);
  const policy: TierPolicy | undefined = config.topics === undefined ? undefined : Object.fromEntries(topics);
  const claims = config.claimBytesMin === undefined ? {} : { claimBytesMin: config.claimBytesMin };
  return { objects, ...claims, tierOf: (name) => (parseStreamName(name)?.kind === 'partition' ? policy : undefined) };
}

function settings(config: TieringConfig, runtime: Runtime): ObjectEngineConfig {
  switch (config.engine) {
    case 'file-objects':
      return { runtime, directory: config.directory };
    case 's3': {
      const { bucket, region, endpoint, prefix, forcePathStyle, accessKeyIdVariable, secretAccessKeyVariable } = config;
      const accessKeyId = variable(accessKeyIdVariable);
      const secretAccessKey = variable(secretAccessKeyVariable);
      const credentials =
        accessKeyId === undefined || secretAccessKey === undefined
          ? {}
          : { credentials: { accessKeyId, secretAccessKey } };
      const given = Object.entries({ endpoint, prefix, forcePathStyle }).filter(([, value]) => value !== undefined);
      return { runtime, s3: { bucket, region, ...credentials, ...Object.fromEntries(given) } };
    }
    case 'hdfs':
      return { runtime, hdfs: { endpoint: config.endpoint, directory: config.directory, user: config.user } };
  }
}

function variable(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const value = process.env[name];
  if (value === undefined || value === '') {
    throw new NodeError('config-invalid', `tiering: the environment variable ${name} is not set`);
  }
  return value;
}
