import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeSettings } from './node-directory.ts';
import { LocalAuthority, type CertificateFiles } from './local-authority.ts';

const LOCAL_NAMES = ['localhost', '127.0.0.1', '::1'];
const FILE = /^([a-z][a-z0-9-]*)\.(?:cert|key)\.pem$/;

/** What the nodes' TLS listeners show: one certificate from elsewhere, or the local authority's, one per cluster. */
export class Certificates {
  readonly #authority: LocalAuthority | null;
  readonly #files: CertificateFiles;
  readonly #publicHost: string;
  readonly #domain: string | undefined;

  private constructor(
    authority: LocalAuthority | null,
    files: CertificateFiles,
    publicHost: string,
    domain: string | undefined,
  ) {
    this.#authority = authority;
    this.#files = files;
    this.#publicHost = publicHost;
    this.#domain = domain;
  }

  /** With `given` nothing is made; else the authority in `dir` is opened or made. Throws `identity-damaged`. */
  static async open(
    dir: string,
    publicHost: string,
    domain: string | undefined,
    given: CertificateFiles | undefined,
  ): Promise<Certificates> {
    if (given !== undefined) return new Certificates(null, given, publicHost, domain);
    const authority = await LocalAuthority.open(dir);
    const made = new Certificates(authority, authority.nodeFiles, publicHost, domain);
    await authority.ensureNode(made.#names());
    return made;
  }

  /** For the nodes' configuration. */
  get settings(): NonNullable<NodeSettings['tls']> {
    const { certFile, keyFile } = this.#files;
    return this.#authority === null
      ? { certFile, keyFile }
      : { certFile, keyFile, namespacesDir: this.#authority.namespacesDir };
  }

  /** Makes the certificate of the cluster whose clients ask for `<key>.<domain>`, or renews it. Idempotent. */
  async ensure(key: string): Promise<void> {
    await this.#authority?.ensureNamespace(key, [
      ...new Set([`${key}.${this.#domain ?? this.#publicHost}`, `${key}.localhost`]),
      ...this.#names(),
    ]);
  }

  /** The periodic look: what is due is renewed, and certificates of clusters not in `keys` go. */
  async keep(keys: ReadonlySet<string>): Promise<void> {
    if (this.#authority === null) return;
    await this.#authority.ensureNode(this.#names());
    for (const key of keys) await this.ensure(key);
    for (const file of await readdir(this.#authority.namespacesDir)) {
      const key = FILE.exec(file)?.[1];
      if (key !== undefined && !keys.has(key)) await rm(join(this.#authority.namespacesDir, file), { force: true });
    }
  }

  #names(): string[] {
    return [...new Set([this.#publicHost, ...LOCAL_NAMES])];
  }
}
