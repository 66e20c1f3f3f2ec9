import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** Certificates between a client's own and an authority. */
const CHAIN_LENGTH_MAX = 5;
/** RFC 5280 §4.2.1.12 id-kp-clientAuth, and anyExtendedKeyUsage. */
const CLIENT_PURPOSES = ['1.3.6.1.5.5.7.3.2', '2.5.29.37.0'];

/**
 * The certificate the client of `socket` proved to own, DER, if one of `authorities` vouches for it, directly or through
 * certificates the client sent along; else null. Checked here and not by OpenSSL, whose trust store belongs to a
 * listener: one listener serves many clusters with an authority each, and a session that is resumed under another
 * server name must not carry a verdict over.
 */
export function verifiedCertificate(
  socket: Socket,
  authorities: readonly X509Certificate[],
  nowMs: number,
): Buffer | null {
  if (authorities.length === 0 || !('getPeerX509Certificate' in socket)) return null;
  const own = (socket as TLSSocket).getPeerX509Certificate();
  if (own === undefined || !isClientCertificate(own)) return null;
  let certificate: X509Certificate = own;
  for (let depth = 0; depth < CHAIN_LENGTH_MAX; depth++) {
    if (!isCurrent(certificate, nowMs)) return null;
    const below = certificate;
    if (authorities.some((authority) => isCurrent(authority, nowMs) && vouches(authority, below))) return own.raw;
    const issuer: X509Certificate | undefined = certificate.issuerCertificate;
    if (issuer === undefined || !vouches(issuer, certificate)) return null;
    certificate = issuer;
  }
  return null;
}

/** keyUsage is Node's word for the *extended* key usages; none = any purpose. */
function isClientCertificate(certificate: X509Certificate): boolean {
  const purposes = certificate.keyUsage as string[] | undefined;
  return purposes === undefined || purposes.some((purpose) => CLIENT_PURPOSES.includes(purpose));
}
function isCurrent(certificate: X509Certificate, nowMs: number): boolean {
  return Date.parse(certificate.validFrom) <= nowMs && nowMs <= Date.parse(certificate.validTo);
}
function vouches(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
