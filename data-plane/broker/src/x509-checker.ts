import { X509Certificate } from 'node:crypto';
import type { X509Settings } from '@robustmq/meta';
import type { Proven } from './authenticator.ts';

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Checks client certificates of one namespace: issued by one of its authorities, in time, not revoked. */
export class X509Checker {
  readonly #settings: X509Settings;
  readonly #authorities: readonly X509Certificate[];
  readonly #revoked: ReadonlySet<string>;

  constructor(settings: X509Settings) {
    this.#settings = settings;
    this.#authorities = (settings.authoritiesPem.match(PEM_BLOCK) ?? []).flatMap((pem) => parse(pem) ?? []);
    this.#revoked = new Set(settings.revokedSerials.map(plainSerial));
  }

  /** `der`: the client's certificate; null = it is not good here and now. */
  check(der: Buffer, nowMs: number): Proven | null {
    const certificate = parse(der);
    if (certificate === null || certificate.ca) return null;
    const expiresAtMs = certificate.validToDate.getTime();
    if (certificate.validFromDate.getTime() > nowMs || expiresAtMs <= nowMs) return null;
    if (this.#revoked.has(plainSerial(certificate.serialNumber))) return null;
    const isIssued = this.#authorities.some(
      (authority) =>
        authority.validToDate.getTime() > nowMs &&
        certificate.checkIssued(authority) &&
        certificate.verify(authority.publicKey),
    );
    const principal = isIssued ? this.#principalOf(certificate) : undefined;
    return principal === undefined || principal === '' ? null : { principal, method: 'x509', expiresAtMs };
  }

  #principalOf(certificate: X509Certificate): string | undefined {
    if (this.#settings.principalFrom === 'dns-name') {
      return /(?:^|, )DNS:([^,"]+)/.exec(certificate.subjectAltName ?? '')?.[1];
    }
    return /^CN=(.+)$/m.exec(certificate.subject)?.[1];
  }
}

function parse(certificate: Buffer | string): X509Certificate | null {
  try {
    return new X509Certificate(certificate);
  } catch {
    return null;
  }
}
/** Hexadecimal without separators, leading zeros and case. */
function plainSerial(serial: string): string {
  return serial
    .replaceAll(/[^0-9a-fA-F]/g, '')
    .replace(/^0+/, '')
    .toLowerCase();
}
