import { createHash, createPublicKey, verify } from 'node:crypto';
import { connect } from 'node:tls';
import { isIP } from 'node:net';
import { z } from 'zod';
import { AgentError, sentenceOf } from './agent-error.ts';
import type { LinkAddress } from './link-address.ts';

const HANDSHAKE_MS_MAX = 10_000;
/** The certificate in use and the one that follows it, and room for a control plane of several processes. */
const FINGERPRINTS_MAX = 8;
const Fingerprints = z.array(z.string().length(43)).min(1).max(FINGERPRINTS_MAX);

/** A certificate as somebody showed it, before anything about it is believed. */
export interface ShownCertificate {
  readonly pem: string;
  /** SHA-256 of its DER, base64url. */
  readonly fingerprint: string;
}

/** What the control plane says of its certificates, as it came over the wire. */
export interface SignedFingerprints {
  readonly fingerprintsJson: string;
  readonly signature: string;
}

/** Whose certificates an agent believes: pinned ones, and those that the control plane's own key vouches for. */
export class LinkTrust {
  #pins: ReadonlySet<string>;
  /** Of the control plane this agent enrolled with; undefined before that. */
  readonly #controlPublicKeyPem: string | undefined;
  readonly #keep: (pins: readonly string[]) => Promise<void>;

  constructor(
    pins: readonly string[],
    controlPublicKeyPem: string | undefined,
    keep: (pins: readonly string[]) => Promise<void> = async () => undefined,
  ) {
    this.#pins = new Set(pins);
    this.#controlPublicKeyPem = controlPublicKeyPem;
    this.#keep = keep;
  }

  get pins(): readonly string[] {
    return [...this.#pins];
  }
  /** True when a certificate that is not pinned may be vouched for. */
  get canAsk(): boolean {
    return this.#controlPublicKeyPem !== undefined;
  }

  isPinned(fingerprint: string): boolean {
    return this.#pins.has(fingerprint);
  }

  /**
   * Takes a list that answers `nonce` and keeps it. Throws `link-untrusted` when it is not signed by the control plane this
   * agent belongs to, so that nobody else can bring a certificate in.
   */
  async learn(nonce: string, { fingerprintsJson, signature }: SignedFingerprints): Promise<void> {
    const text = Buffer.from(`link-certificates|${nonce}|${fingerprintsJson}`, 'utf8');
    const key = this.#controlPublicKeyPem;
    if (key === undefined || !verify(null, text, createPublicKey(key), Buffer.from(signature, 'base64'))) {
      throw new AgentError('link-untrusted', 'the list of the link’s certificates is not signed by the control plane');
    }
    const pins = Fingerprints.parse(JSON.parse(fingerprintsJson));
    if (pins.length === this.#pins.size && pins.every((pin) => this.#pins.has(pin))) return;
    await this.#keep(pins);
    this.#pins = new Set(pins);
  }
}

/**
 * The certificate that a server shows, after a handshake in which it proved to hold its key; nothing is sent. Throws
 * `link-unavailable` when there is no server, or it speaks no TLS.
 */
export function shownCertificate({ host, port }: LinkAddress): Promise<ShownCertificate> {
  return new Promise((resolve, reject) => {
    // judged by its fingerprint right after, and again by the connection that is used
    const socket = connect({
      ...{ host, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] },
      ...(isIP(host) === 0 ? { servername: host } : {}),
    });
    const fail = (reason: string): void => {
      socket.destroy();
      reject(new AgentError('link-unavailable', `the control plane at ${host}:${port} ${reason}`));
    };
    socket.setTimeout(HANDSHAKE_MS_MAX, () => fail('does not answer'));
    socket.once('error', (error) => fail(`cannot be reached over TLS: ${sentenceOf(error)}`));
    socket.once('close', () => fail('closed the connection'));
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      if (!certificate) return fail('shows no certificate');
      const fingerprint = createHash('sha256').update(certificate.raw).digest('base64url');
      resolve({ pem: certificate.toString(), fingerprint });
      socket.destroy();
    });
  });
}
