import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { AgentError } from './agent-error.ts';
import { readFileIfAny, replaceFile } from './durable-file.ts';
import { makeCertificate } from '@robustmq/contracts/x509';

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_650;
/** The longest that clients take without complaint (CA/Browser Forum baseline 6.3.2). */
const CERTIFICATE_DAYS = 397;
/** A certificate with less than this left is made anew: time enough to notice that it was not. */
const RENEW_DAYS = 130;
/** Clocks of clients may be behind ours. */
const BACKDATED_MS = 3_600_000;

/** Where a certificate and its key lie. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * The certificate authority of one machine: made at the first start, kept in the agent's directory, and trusted by
 * whoever is given `ca.cert.pem`. Issues a server certificate per name and renews it in time; nodes find the new files
 * by themselves. For development and private networks; with certificates of a public authority none of this is used.
 */
export class LocalAuthority {
  readonly #dir: string;
  readonly #privateKey: KeyObject;
  readonly certificate: X509Certificate;

  private constructor(dir: string, privateKey: KeyObject, certificate: X509Certificate) {
    this.#dir = dir;
    this.#privateKey = privateKey;
    this.certificate = certificate;
  }

  /** Reads the authority in `dir`, or makes one there. Throws `identity-damaged`. */
  static async open(dir: string, now: Date = new Date()): Promise<LocalAuthority> {
    await mkdir(join(dir, 'namespaces'), { recursive: true, mode: 0o700 });
    const keyPath = join(dir, 'ca.key.pem');
    const certPath = join(dir, 'ca.cert.pem');
    const [keyPem, certPem] = [await readFileIfAny(keyPath), await readFileIfAny(certPath)];
    if (keyPem && certPem) {
      try {
        return new LocalAuthority(dir, createPrivateKey(keyPem), new X509Certificate(certPem));
      } catch (cause) {
        throw new AgentError('identity-damaged', `the certificate authority in ${dir} cannot be read`, { cause });
      }
    }
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = makeCertificate(
      {
        commonName: 'RobustMQ local authority',
        publicKey,
        names: [],
        notBefore: new Date(now.getTime() - BACKDATED_MS),
        notAfter: new Date(now.getTime() + AUTHORITY_DAYS * DAY_MS),
        use: 'authority',
      },
      { privateKey },
    );
    // The key first: a certificate whose key is lost would be taken for a whole authority.
    await replaceFile(keyPath, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await replaceFile(certPath, pem);
    return new LocalAuthority(dir, privateKey, new X509Certificate(pem));
  }

  /** Directory of the namespaces' certificates. */
  get namespacesDir(): string {
    return join(this.#dir, 'namespaces');
  }
  /** The nodes' own certificate: for clients that ask for no cluster's name. */
  get nodeFiles(): CertificateFiles {
    return { certFile: join(this.#dir, 'node.cert.pem'), keyFile: join(this.#dir, 'node.key.pem') };
  }

  ensureNode(names: readonly string[], now?: Date): Promise<void> {
    return this.#ensure(this.nodeFiles, names, now);
  }
  /** `key` is the namespace's name. */
  ensureNamespace(key: string, names: readonly string[], now?: Date): Promise<void> {
    const at = join(this.namespacesDir, key);
    return this.#ensure({ certFile: `${at}.cert.pem`, keyFile: `${at}.key.pem` }, names, now);
  }

  /** Makes the certificate when there is none for exactly these names that is ours and lasts long enough. Idempotent. */
  async #ensure(files: CertificateFiles, names: readonly string[], now = new Date()): Promise<void> {
    if (await this.#isGood(files, names, now)) return;
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = makeCertificate(
      {
        commonName: names[0]!,
        publicKey,
        names,
        notBefore: new Date(now.getTime() - BACKDATED_MS),
        notAfter: new Date(now.getTime() + CERTIFICATE_DAYS * DAY_MS),
        use: 'server',
      },
      { privateKey: this.#privateKey, certificate: this.certificate },
    );
    // A node that looks between the two finds a pair that does not fit and keeps the former one.
    await replaceFile(files.keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await replaceFile(files.certFile, `${pem}${this.certificate.toString()}`);
  }

  async #isGood(files: CertificateFiles, names: readonly string[], now: Date): Promise<boolean> {
    const [cert, key] = [await readFileIfAny(files.certFile), await readFileIfAny(files.keyFile)];
    if (!cert || !key) return false;
    try {
      const certificate = new X509Certificate(cert);
      const isOurs = certificate.verify(this.certificate.publicKey);
      const fits = certificate.publicKey.equals(createPublicKey(createPrivateKey(key)));
      const lasts = Date.parse(certificate.validTo) - now.getTime() > RENEW_DAYS * DAY_MS;
      return isOurs && fits && lasts && isFor(certificate, names);
    } catch {
      return false;
    }
  }
}

/** Exactly these names, no more and no fewer. */
function isFor(certificate: X509Certificate, names: readonly string[]): boolean {
  const count = (certificate.subjectAltName ?? '').split(', ').length;
  const has = (name: string): boolean =>
    (isIP(name) === 0 ? certificate.checkHost(name, { subject: 'never' }) : certificate.checkIP(name)) !== undefined;
  return count === names.length && names.every(has);
}
