import { createHash, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { experimental, type ServerCredentials } from '@grpc/grpc-js';
import { makeCertificate } from '@robustmq/contracts/x509';
import { z } from 'zod';
import { KeysError } from '../auth/key-ring.ts';

const DAY_MS = 86_400_000;
/** The longest that clients take without complaint (CA/Browser Forum baseline 6.3.2). */
const LIFE_DAYS = 397;
/** A certificate with less than this left gives way to the one that was announced beside it all the time. */
const ROTATE_DAYS_LEFT = 60;
/** Clocks of agents may be behind ours. */
const BACKDATED_MS = 3_600_000;
/** How often the file is looked at, in milliseconds: another process, or an operator, may have rotated it. */
const LOOK_MS = 30_000;

const Pair = z.object({ certificatePem: z.string(), privateKeyPem: z.string() });
const CertificatesFile = z.object({ version: z.literal(1), current: Pair, next: Pair });
type Pair = z.infer<typeof Pair>;
type CertificatesFile = z.infer<typeof CertificatesFile>;

type Identity = { readonly certificate: Buffer; readonly privateKey: Buffer };
type IdentityListener = (update: Identity | null) => void;

/** SHA-256 of a certificate's DER, base64url: what join tokens carry and agents pin. */
export const fingerprintOf = (certificatePem: string): string =>
  createHash('sha256').update(new X509Certificate(certificatePem).raw).digest('base64url');

/**
 * The TLS certificates of the agent link: the one in use, and the one that will follow it. Agents are told of both, so a
 * rotation meets agents that know the new one already; streams that are open stay open. Self-signed: agents trust the
 * fingerprint in their join token, and later what the control plane's signing key vouches for, and no authority.
 */
export class LinkCertificates {
  readonly #path: string;
  #file: CertificatesFile;
  #readAtMs: number;
  readonly #listeners = new Set<IdentityListener>();
  #timer: NodeJS.Timeout | undefined;

  private constructor(path: string, file: CertificatesFile) {
    this.#path = path;
    this.#file = file;
    this.#readAtMs = modifiedAtMs(path);
  }

  /** Reads the file, or makes it (mode 0600) at the first start. Throws `KeysError` when it is damaged. */
  static open(path: string, now = new Date()): LinkCertificates {
    try {
      if (!existsSync(path)) write(path, { version: 1, current: makePair(now), next: makePair(now) });
      chmodSync(path, 0o600);
      const certificates = new LinkCertificates(path, read(path));
      certificates.#rotateInTime(now);
      return certificates;
    } catch (error) {
      const reason = error instanceof z.ZodError ? 'it is damaged' : (error as Error).message;
      throw new KeysError(`The certificates of the agent link in ${path} cannot be used: ${reason}.`, { cause: error });
    }
  }

  /** Of the certificate in use, and of the one that follows it. */
  get fingerprints(): readonly [string, string] {
    return [fingerprintOf(this.#file.current.certificatePem), fingerprintOf(this.#file.next.certificatePem)];
  }

  /** Credentials of a server that shows the certificate in use, whichever that is when somebody connects. */
  credentials(): ServerCredentials {
    const provider = {
      addCaCertificateListener: () => undefined,
      removeCaCertificateListener: () => undefined,
      addIdentityCertificateListener: (listener: IdentityListener) => {
        this.#listeners.add(listener);
        // gRPC looks for the first certificate after it has told of its listener
        process.nextTick(() => listener(this.#identity()));
      },
      removeIdentityCertificateListener: (listener: IdentityListener) => void this.#listeners.delete(listener),
    };
    return experimental.createCertificateProviderServerCredentials(provider, null, false);
  }

  /** The announced certificate is the one in use from now on, and a new one is announced. Kept before it is used. */
  rotate(now = new Date()): void {
    write(this.#path, { version: 1, current: this.#file.next, next: makePair(now) });
    this.#reload();
  }

  /** Looks at the file from time to time until `close`. */
  watch(): void {
    this.#timer ??= setInterval(() => {
      if (modifiedAtMs(this.#path) !== this.#readAtMs) this.#reload();
      this.#rotateInTime(new Date());
    }, LOOK_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #rotateInTime(now: Date): void {
    const { validTo } = new X509Certificate(this.#file.current.certificatePem);
    if (Date.parse(validTo) - now.getTime() < ROTATE_DAYS_LEFT * DAY_MS) this.rotate(now);
  }

  /** A damaged file is left alone: what is in use goes on. */
  #reload(): void {
    try {
      this.#file = read(this.#path);
      this.#readAtMs = modifiedAtMs(this.#path);
      for (const listener of this.#listeners) listener(this.#identity());
    } catch {
      return;
    }
  }

  #identity(): Identity {
    const { certificatePem, privateKeyPem } = this.#file.current;
    return { certificate: Buffer.from(certificatePem), privateKey: Buffer.from(privateKeyPem) };
  }
}

function makePair(now: Date): Pair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificatePem = makeCertificate(
    {
      commonName: 'RobustMQ agent link',
      publicKey,
      names: ['robustmq-agent-link'],
      notBefore: new Date(now.getTime() - BACKDATED_MS),
      notAfter: new Date(now.getTime() + LIFE_DAYS * DAY_MS),
      use: 'server',
    },
    { privateKey },
  );
  return { certificatePem, privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

const read = (path: string): CertificatesFile => CertificatesFile.parse(JSON.parse(readFileSync(path, 'utf8')));
const modifiedAtMs = (path: string): number => (existsSync(path) ? statSync(path).mtimeMs : 0);

function write(path: string, file: CertificatesFile): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${randomBytes(4).toString('hex')}`;
  writeFileSync(temporary, JSON.stringify(file, null, 2), { mode: 0o600, flush: true });
  renameSync(temporary, path);
}
