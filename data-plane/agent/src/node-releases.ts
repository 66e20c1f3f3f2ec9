import { spawn } from 'node:child_process';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { releaseText, ReleaseManifest, type AgentObserved } from '@robustmq/contracts/data-plane';
import type { Logger } from 'pino';
import { z } from 'zod';
import { AgentError, sentenceOf } from './agent-error.ts';
import { readFileIfAny, replaceFile } from './durable-file.ts';

/** The largest tarball, in bytes. */
const TARBALL_BYTES_MAX = 1 << 30;
const FETCH_MS_MAX = 10 * 60_000;
const MAIN = 'data-plane/node/src/main.mjs';

const Failed = z.object({ version: z.string(), digest: z.string(), reason: z.string() });
const StateFile = z.object({
  current: ReleaseManifest.nullable(),
  previous: ReleaseManifest.nullable(),
  failed: Failed.nullable(),
});
type State = z.infer<typeof StateFile>;

/** What the switch needs of the nodes. */
export interface Switchable {
  /**
   * Starts every node again with the program that is chosen now and waits until all are ready and call themselves
   * `version` (undefined = whatever they say). Rejects with why one of them does not.
   */
  restartAll(version: string | undefined): Promise<void>;
}

/**
 * Which version of the node's program runs on this machine: fetched, checked against the control plane's signature and the
 * digest in it, unpacked beside the one before, and taken back by itself when a node does not get ready with it. The one
 * before stays on disk. The agent itself is not replaced: its launcher does that.
 */
export class NodeReleases {
  readonly #dir: string;
  readonly #ownMainPath: string;
  readonly #ownVersion: string;
  readonly #log: Logger;
  #state: State;
  #mainPath: string;
  #working: Promise<void> = Promise.resolve();

  private constructor(
    dir: string,
    own: { readonly mainPath: string; readonly version: string },
    log: Logger,
    state: State,
  ) {
    this.#dir = dir;
    this.#ownMainPath = own.mainPath;
    this.#ownVersion = own.version;
    this.#log = log;
    this.#state = state;
    this.#mainPath = state.current ? this.#mainOf(state.current) : own.mainPath;
  }

  /** `own` is the program the agent came with. */
  static async open(
    dir: string,
    own: { readonly mainPath: string; readonly version: string },
    log: Logger,
  ): Promise<NodeReleases> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const bytes = await readFileIfAny(join(dir, 'state.json'));
    const saved = bytes && StateFile.safeParse(JSON.parse(bytes.toString('utf8')));
    return new NodeReleases(
      dir,
      own,
      log,
      saved?.success ? saved.data : { current: null, previous: null, failed: null },
    );
  }

  /** The program nodes are to be started with. */
  get mainPath(): string {
    return this.#mainPath;
  }

  get observed(): NonNullable<AgentObserved['release']> {
    const { current, previous, failed } = this.#state;
    return {
      version: current?.version ?? this.#ownVersion,
      previous: previous?.version ?? null,
      failed: failed && { version: failed.version, reason: failed.reason.slice(0, 500) },
    };
  }

  /**
   * Makes the nodes run the release (undefined = the program the agent came with). One at a time; a version that failed is
   * not tried again until another one was wanted. Never rejects: what went wrong is in `observed`.
   */
  want(manifest: ReleaseManifest | undefined, controlPublicKeyPem: string, nodes: Switchable): Promise<void> {
    this.#working = this.#working
      .then(() => this.#want(manifest, controlPublicKeyPem, nodes))
      .catch((error: unknown) => {
        this.#log.error({ error: sentenceOf(error) }, 'release not switched');
      });
    return this.#working;
  }

  async #want(manifest: ReleaseManifest | undefined, key: string, nodes: Switchable): Promise<void> {
    const { current, previous, failed } = this.#state;
    if ((manifest?.digest ?? null) === (current?.digest ?? null))
      return this.#keep({ current, previous, failed: null });
    if (manifest && failed?.digest === manifest.digest) return;
    const before = this.#mainPath;
    try {
      if (manifest) await this.#fetch(manifest, key);
      this.#mainPath = manifest ? this.#mainOf(manifest) : this.#ownMainPath;
      await nodes.restartAll(manifest?.version);
    } catch (error) {
      const reason = sentenceOf(error);
      this.#log.error({ version: manifest?.version, reason }, 'release failed; the one before goes on');
      const switched = this.#mainPath !== before;
      this.#mainPath = before;
      if (manifest)
        await this.#keep({ current, previous, failed: { version: manifest.version, digest: manifest.digest, reason } });
      if (switched) await nodes.restartAll(undefined);
      return;
    }
    await this.#keep({ current: manifest ?? null, previous: current, failed: null });
    this.#log.info({ version: this.observed.version, previous: this.observed.previous }, 'release runs');
    await this.#prune();
  }

  async #fetch(manifest: ReleaseManifest, key: string): Promise<void> {
    const { version, digest, signature, location } = manifest;
    const signed = Buffer.from(releaseText(manifest), 'utf8');
    if (!verify(null, signed, createPublicKey(key), Buffer.from(signature, 'base64')))
      throw new AgentError('release-refused', `release ${version} is not signed by the control plane`);
    if (
      await access(this.#mainOf(manifest)).then(
        () => true,
        () => false,
      )
    )
      return;
    const tarball = join(this.#dir, `${digest}.tar.gz`);
    const unpacked = join(this.#dir, `${digest}.new`);
    try {
      const found = await copy(location, tarball);
      if (found !== digest)
        throw new AgentError('release-refused', `release ${version} has digest ${found}, not the signed ${digest}`);
      await rm(unpacked, { recursive: true, force: true });
      await mkdir(unpacked, { recursive: true });
      await unpack(tarball, unpacked);
      await access(join(unpacked, MAIN)).catch(() => {
        throw new AgentError('release-refused', `release ${version} holds no ${MAIN}`);
      });
      await rename(unpacked, join(this.#dir, digest));
    } finally {
      await rm(tarball, { force: true });
      await rm(unpacked, { recursive: true, force: true });
    }
  }

  #mainOf({ digest }: ReleaseManifest): string {
    return join(this.#dir, digest, MAIN);
  }

  async #keep(state: State): Promise<void> {
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return;
    await replaceFile(join(this.#dir, 'state.json'), JSON.stringify(state));
    this.#state = state;
  }

  /** Everything but what runs and the one before. */
  async #prune(): Promise<void> {
    const kept = [this.#state.current?.digest, this.#state.previous?.digest, 'state.json'];
    for (const name of await readdir(this.#dir))
      if (!kept.includes(name)) await rm(join(this.#dir, name), { recursive: true, force: true });
  }
}

/** Copies a file or what an https address answers; resolves to its SHA-256, hex. */
async function copy(location: string, to: string): Promise<string> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sizeBytes += chunk.length;
      hash.update(chunk);
      done(sizeBytes > TARBALL_BYTES_MAX ? new Error(`above ${TARBALL_BYTES_MAX} bytes`) : null, chunk);
    },
  });
  try {
    await pipeline(await open(location), counted, createWriteStream(to, { mode: 0o600 }));
  } catch (error) {
    throw new AgentError('release-refused', `${location} cannot be fetched: ${sentenceOf(error)}`, { cause: error });
  }
  return hash.digest('hex');
}

async function open(location: string): Promise<Readable> {
  if (location.startsWith('/')) return createReadStream(location);
  const response = await fetch(location, { redirect: 'error', signal: AbortSignal.timeout(FETCH_MS_MAX) });
  if (!response.ok || !response.body) throw new Error(`it answers ${response.status}`);
  return Readable.fromWeb(response.body);
}

function unpack(tarball: string, to: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('tar', ['-xzf', tarball, '-C', to, '--no-same-owner'], { stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    child.stderr.on('data', (bytes: Buffer) => (text = (text + bytes.toString()).slice(-500)));
    child.once('error', (error) => reject(new AgentError('release-refused', `tar cannot be run: ${error.message}`)));
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new AgentError('release-refused', `tar cannot unpack it: ${text.trim()}`)),
    );
  });
}
