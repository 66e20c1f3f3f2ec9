import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext, type SecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls';
import type { Runtime } from '@robustmq/wire';
import type { ListenerConfig, TlsConfig } from './listener-config.ts';
import { NodeError } from './node-error.ts';

/** How often the files of certificates are looked at; a new one is served this much later at most. */
export const CERTIFICATE_CHECK_PERIOD_MS = 10_000;
/** Certificates of namespaces that are kept ready; the one that was used longest ago goes first. */
const CONTEXTS_MAX = 2_000;
const MIN_VERSION = 'TLSv1.2';

/** Whether there is a namespace of this name. Asked once per connection with a server name. */
export type IsNamespace = (name: string) => boolean;

interface NamespaceContext {
  readonly context: SecureContext | null;
  readonly stamp: string;
  checkedAtMs: number;
}

/**
 * Certificates of one TLS listener: its own pair, and one per namespace for clients that ask for `<namespace>.<domain>`.
 * Files are read again when they change; a change that cannot be read leaves the former certificate in place, with an
 * error in the log, for a certificate that still works is better than none.
 */
export class ListenerTls {
  readonly #name: string;
  readonly #files: TlsConfig;
  readonly #runtime: Runtime;
  readonly #isNamespace: IsNamespace;
  readonly #requestCertificates: boolean;
  readonly #contexts = new Map<string, NamespaceContext>();
  #own: SecureContextOptions;
  #stamp: string;

  /** Reads the pair. Throws NodeError `tls-unreadable`. */
  constructor(listener: ListenerConfig & { tls: TlsConfig }, isNamespace: IsNamespace, runtime: Runtime) {
    this.#name = listener.name;
    this.#files = listener.tls;
    this.#runtime = runtime;
    this.#isNamespace = isNamespace;
    // A browser asks its user which certificate to show, so WebSockets ask for none unless told to.
    this.#requestCertificates = (listener.tls.clientCertificates ?? defaultRequest(listener)) === 'request';
    this.#stamp = stampOf(this.#files);
    this.#own = readPair(this.#name, this.#files);
  }

  /** What `tls.createServer` takes. */
  options(): TlsOptions {
    return {
      ...this.#own,
      // Whether a certificate counts is decided per cluster, by the broker.
      requestCert: this.#requestCertificates,
      rejectUnauthorized: false,
      SNICallback: (serverName, done) => done(null, this.#contextFor(serverName.toLowerCase()) ?? undefined),
    };
  }
  /** The pair as PEM, for carriers that are not Node's own TLS. */
  get pem(): { cert: string; key: string } {
    return { cert: String(this.#own.cert), key: String(this.#own.key) };
  }

  /** Reads the listener's own pair again if its files changed; `use` is called with the new one. */
  reload(use: (options: SecureContextOptions) => void): void {
    const stamp = stampOf(this.#files);
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    try {
      this.#own = readPair(this.#name, this.#files);
      use(this.#own);
      this.#runtime.log.info({ listener: this.#name }, 'the certificate was replaced');
    } catch (error) {
      this.#runtime.log.error(
        { listener: this.#name, error },
        'the new certificate cannot be used: the former one stays',
      );
    }
  }

  #contextFor(serverName: string): SecureContext | null {
    const { namespacesDir } = this.#files;
    const namespace = firstLabel(serverName);
    // Only names of clusters touch the disk, so a stranger cannot make the node look for files.
    if (namespacesDir === undefined || !this.#isNamespace(namespace)) return null;
    const nowMs = this.#runtime.monotonicMs();
    const known = this.#contexts.get(namespace);
    this.#contexts.delete(namespace);
    const files = {
      certFile: join(namespacesDir, `${namespace}.cert.pem`),
      keyFile: join(namespacesDir, `${namespace}.key.pem`),
    };
    const isFresh = known !== undefined && nowMs - known.checkedAtMs < CERTIFICATE_CHECK_PERIOD_MS;
    const entry = isFresh ? known : this.#namespaceContext(namespace, files, known, nowMs);
    this.#contexts.set(namespace, entry);
    if (this.#contexts.size > CONTEXTS_MAX) this.#contexts.delete(this.#contexts.keys().next().value!);
    return entry.context;
  }

  #namespaceContext(
    namespace: string,
    files: { certFile: string; keyFile: string },
    known: NamespaceContext | undefined,
    nowMs: number,
  ): NamespaceContext {
    const stamp = stampOf(files);
    if (known?.stamp === stamp) return { ...known, checkedAtMs: nowMs };
    if (stamp === ABSENT) return { context: null, stamp, checkedAtMs: nowMs };
    try {
      return { context: createSecureContext(readPair(namespace, files)), stamp, checkedAtMs: nowMs };
    } catch (error) {
      this.#runtime.log.error({ namespace, error }, 'the certificate of a namespace cannot be used');
      return { context: known?.context ?? null, stamp, checkedAtMs: nowMs };
    }
  }
}

const ABSENT = 'absent';

function firstLabel(serverName: string): string {
  return serverName.split('.', 1)[0]!;
}

function defaultRequest(listener: ListenerConfig): 'request' | 'off' {
  return listener.carrier === 'tcp' ? 'request' : 'off';
}

/** Changes whenever one of the files does; ABSENT while one is missing. */
function stampOf({ certFile, keyFile }: { certFile: string; keyFile: string }): string {
  try {
    return [certFile, keyFile]
      .map((file) => statSync(file))
      .map(({ mtimeMs, size, ino }) => `${mtimeMs}/${size}/${ino}`)
      .join(' ');
  } catch {
    return ABSENT;
  }
}

/** A certificate chain and its key, read and checked. Throws NodeError `tls-unreadable`. */
function readPair(listener: string, files: { certFile: string; keyFile: string }): SecureContextOptions {
  const pair: SecureContextOptions = {
    cert: readPem(listener, 'certFile', files.certFile),
    key: readPem(listener, 'keyFile', files.keyFile),
    minVersion: MIN_VERSION,
    // Nobody is trusted here, and the 150 authorities Node brings are not loaded.
    ca: [],
  };
  try {
    createSecureContext(pair);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new NodeError(
      'tls-unreadable',
      `listeners.${listener}.tls: ${files.certFile} and ${files.keyFile} do not make a certificate with its key (${reason})`,
      { cause },
    );
  }
  return pair;
}

function readPem(listener: string, key: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new NodeError('tls-unreadable', `listeners.${listener}.tls.${key}: ${file} cannot be read (${reason})`, {
      cause,
    });
  }
}
