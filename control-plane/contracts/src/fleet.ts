import { z } from 'zod';

/** One node as its agent sees it. */
export const NodeObserved = z.object({
  id: z.string().max(64),
  pid: z.int().nonnegative().nullable(),
  version: z.string().max(64).nullable(),
  ready: z.boolean(),
  namespaces: z.int().nonnegative(),
  connections: z.int().nonnegative(),
  /** Resident memory in bytes; null where the system does not tell. */
  memoryBytes: z.int().nonnegative().nullable(),
  /** Times it ended without being asked to, since the agent's start. */
  crashes: z.int().nonnegative(),
});
export type NodeObserved = z.infer<typeof NodeObserved>;

/** What an agent says of its machine, its nodes and its release, with every status. */
export const AgentObserved = z.object({
  cpus: z.int().positive(),
  /** Of the last minute. */
  loadAverage: z.number().nonnegative(),
  memoryBytes: z.int().nonnegative(),
  memoryFreeBytes: z.int().nonnegative(),
  diskBytes: z.int().nonnegative(),
  diskFreeBytes: z.int().nonnegative(),
  nodes: z.array(NodeObserved).max(1_000),
  /** `version` runs; `failed` = the wanted one did not get ready, why, and which one runs in its place. */
  release: z
    .object({
      version: z.string().max(64),
      previous: z.string().max(64).nullable().default(null),
      failed: z
        .object({ version: z.string().max(64), reason: z.string().max(500) })
        .nullable()
        .default(null),
    })
    .nullable()
    .default(null),
});
export type AgentObserved = z.infer<typeof AgentObserved>;

/**
 * A version of the node's program: a `.tar.gz` that holds `data-plane/node/src/main.mjs`. `digest` = SHA-256 of the file,
 * hex; `signature` = Ed25519 over `release|version|digest|controlMin|controlMax` by the control plane's key, base64.
 */
export const ReleaseManifest = z.object({
  version: z.string().regex(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]{1,40})?$/),
  /** An absolute path on the agent's machine, or an https address. */
  location: z
    .string()
    .regex(/^(\/|https:\/\/)/)
    .max(1_000),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  /** Versions of the control plane it works with, both ends included. */
  controlMin: z.string().max(64),
  controlMax: z.string().max(64),
  signature: z.string().max(200),
});
export type ReleaseManifest = z.infer<typeof ReleaseManifest>;

/** The text a release's signature covers. */
export const releaseText = ({
  version,
  digest,
  controlMin,
  controlMax,
}: Omit<ReleaseManifest, 'signature' | 'location'>) => `release|${version}|${digest}|${controlMin}|${controlMax}`;
