import { createCipheriv, createDecipheriv, createPublicKey, randomBytes, verify } from 'node:crypto';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { DesiredState } from '@robustmq/contracts/data-plane';
import { z } from 'zod';
import { AgentError } from './agent-error.ts';
import { readFileIfAny, replaceFile } from './durable-file.ts';
import type { AgentIdentity } from './identity.ts';

const MAGIC = Buffer.from('RMQS0001');
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Clusters whose deletion is still reported, newest last; older reports have long been heard. */
const REMOVED_CLUSTERS_MAX = 1_000;

/** A desired state as it came over the link: the exact signed bytes, so that it can be checked again after a restart. */
export interface SignedState {
  readonly version: number;
  readonly desiredJson: string;
  /** Ed25519 over the UTF-8 bytes of `desiredJson` by the control plane's key, base64. */
  readonly signature: string;
}

const SnapshotFile = z.object({
  version: z.int().nonnegative(),
  desiredJson: z.string(),
  signature: z.string(),
  removed: z.array(z.string()),
});

/** The verified state the agent works from. */
export interface CurrentState {
  readonly desired: DesiredState;
  /** Clusters that an earlier version had and this one has not. */
  readonly removed: readonly string[];
}

/**
 * Parses and checks a signed state against the pinned key and this agent's id.
 * Throws `state-unverified`: wrong signature, shape, agent, or a version that contradicts the signed body.
 */
export function verifyState(state: SignedState, identity: AgentIdentity): DesiredState {
  const key = createPublicKey(identity.controlPublicKeyPem);
  const signature = Buffer.from(state.signature, 'base64');
  if (!verify(null, Buffer.from(state.desiredJson, 'utf8'), key, signature)) {
    throw new AgentError('state-unverified', `the signature of desired state ${state.version} is wrong`);
  }
  let desired: DesiredState;
  try {
    desired = DesiredState.parse(JSON.parse(state.desiredJson));
  } catch (error) {
    throw new AgentError('state-unverified', `desired state ${state.version} has a wrong shape`, { cause: error });
  }
  if (desired.agentId !== identity.agentId || desired.version !== state.version) {
    throw new AgentError('state-unverified', `desired state ${state.version} is signed for another agent or version`);
  }
  return desired;
}

/**
 * The last-good desired state: in memory, and on disk in two generations under AES-256-GCM with a key that lies beside
 * it (mode 0600), so that a copied snapshot file alone gives nothing away. Owner of "which version counts".
 */
export class DesiredStore {
  readonly #dir: string;
  readonly #key: Buffer;
  #current: CurrentState | undefined;
  /** One state at a time: the session and a pull may bring two at once. */
  #accepting: Promise<unknown> = Promise.resolve();

  private constructor(dir: string, key: Buffer) {
    this.#dir = dir;
    this.#key = key;
  }

  /** Opens the store and makes its key at the first start. Nothing is loaded yet. */
  static async open(dir: string): Promise<DesiredStore> {
    const path = join(dir, 'snapshot.key');
    let key = await readFileIfAny(path);
    if (key?.length !== 32) {
      key = randomBytes(32);
      await replaceFile(path, key);
    }
    return new DesiredStore(dir, key);
  }

  /** What the agent must serve; undefined until a verified state is known. */
  get current(): CurrentState | undefined {
    return this.#current;
  }

  /** Version of the current state, 0 for none. */
  get version(): number {
    return this.#current?.desired.version ?? 0;
  }

  /** Loads the newest generation that decrypts and verifies. Damage is not fatal: the control plane sends it all again. */
  async load(identity: AgentIdentity): Promise<void> {
    for (const name of ['state.bin', 'state.previous.bin']) {
      const bytes = await readFileIfAny(join(this.#dir, name));
      if (!bytes) continue;
      try {
        const file = SnapshotFile.parse(JSON.parse(this.#decrypt(bytes)));
        this.#current = { desired: verifyState(file, identity), removed: file.removed };
        return;
      } catch {
        continue;
      }
    }
  }

  /**
   * The agent joined another control plane, which counts its versions from the beginning: what it says first takes the
   * place of the current state, which is served until then.
   */
  startOver(): void {
    if (this.#current) this.#current = { ...this.#current, desired: { ...this.#current.desired, version: 0 } };
  }

  /**
   * Takes a state that came over the link. Resolves to true when it is newer than the current one and is on disk;
   * false when it is the current one again. Throws `state-unverified`, also for an older version.
   */
  accept(state: SignedState, identity: AgentIdentity): Promise<boolean> {
    const accepted = this.#accepting.then(() => this.#accept(state, identity));
    this.#accepting = accepted.catch(() => undefined);
    return accepted;
  }

  async #accept(state: SignedState, identity: AgentIdentity): Promise<boolean> {
    const desired = verifyState(state, identity);
    const before = this.#current;
    if (before && desired.version < before.desired.version) {
      throw new AgentError(
        'state-unverified',
        `desired state ${desired.version} is older than the applied ${before.desired.version}`,
      );
    }
    if (before && desired.version === before.desired.version) return false;
    const wanted = new Set<string>(desired.namespaces.map((spec) => spec.clusterId));
    const gone = [...(before?.removed ?? []), ...(before?.desired.namespaces.map((spec) => spec.clusterId) ?? [])];
    const removed = [...new Set(gone)].filter((id) => !wanted.has(id)).slice(-REMOVED_CLUSTERS_MAX);
    await this.#persist({ ...state, removed });
    this.#current = { desired, removed };
    return true;
  }

  async #persist(file: z.infer<typeof SnapshotFile>): Promise<void> {
    const newest = join(this.#dir, 'state.bin');
    try {
      await rename(newest, join(this.#dir, 'state.previous.bin'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    await replaceFile(newest, this.#encrypt(JSON.stringify(file)));
  }

  #encrypt(text: string): Buffer {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv);
    cipher.setAAD(MAGIC);
    const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([MAGIC, iv, cipher.getAuthTag(), body]);
  }

  #decrypt(bytes: Buffer): string {
    const header = MAGIC.length;
    if (bytes.length < header + IV_BYTES + TAG_BYTES || !bytes.subarray(0, header).equals(MAGIC)) {
      throw new Error('not a snapshot');
    }
    const iv = bytes.subarray(header, header + IV_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(MAGIC);
    decipher.setAuthTag(bytes.subarray(header + IV_BYTES, header + IV_BYTES + TAG_BYTES));
    const body = bytes.subarray(header + IV_BYTES + TAG_BYTES);
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
  }
}
