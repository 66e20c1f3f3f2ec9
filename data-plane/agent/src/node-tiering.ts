import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { S3Settings } from '@robustmq/contracts/data-plane';
import { z } from 'zod';

/** In the node's own directory ordinary batches of 1 MiB are as well off in the log. */
const FILE_CLAIM_BYTES_MIN = 16 * 2 ** 20;
/** Where the AWS SDK looks for credentials that are not given by name. */
const SDK_VARIABLES = [
  ...['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE', 'AWS_CONFIG_FILE'],
  ...['AWS_SHARED_CREDENTIALS_FILE', 'AWS_ROLE_ARN', 'AWS_ROLE_SESSION_NAME', 'AWS_WEB_IDENTITY_TOKEN_FILE'],
  ...['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_CONTAINER_CREDENTIALS_FULL_URI'],
  ...['AWS_CONTAINER_AUTHORIZATION_TOKEN', 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'],
];

const SavedTiering = z.object({ tiering: z.object({ engine: z.string() }).optional() });
/** The engine a written configuration of a node names; undefined where it names none. */
export function savedEngine(config: Buffer | undefined): string | undefined {
  const saved = config && SavedTiering.safeParse(JSON.parse(config.toString('utf8')));
  return saved?.success ? saved.data.tiering?.engine : undefined;
}

/**
 * `tiering` of a node's configuration: its own part of the bucket, else files beside its data. A node that has objects in
 * files already stays with them, for that is where its topics look for their records.
 */
export async function tieringOf(
  s3: S3Settings | undefined,
  nodePath: string,
  nodeId: string,
  savedAs: string | undefined,
): Promise<object> {
  const directory = join(nodePath, 'objects');
  const files = { engine: 'file-objects', directory, claimBytesMin: FILE_CLAIM_BYTES_MIN };
  if (s3 === undefined || (savedAs === 'file-objects' && (await hasObjects(directory)))) return files;
  return { engine: 's3', ...s3, prefix: `${s3.prefix}${nodeId}/` };
}

async function hasObjects(directory: string): Promise<boolean> {
  const files = await readdir(join(directory, 'objects.d'), { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    },
  );
  return files.some((file) => file.isFile());
}

/** Variables that a node needs to reach its bucket, and gets from the agent's environment. */
export function storageVariables(s3: S3Settings | undefined): readonly string[] {
  if (s3 === undefined) return [];
  const { accessKeyIdVariable, secretAccessKeyVariable } = s3;
  const named = [accessKeyIdVariable, secretAccessKeyVariable].filter((name) => name !== undefined);
  return named.length > 0 ? named : SDK_VARIABLES;
}
