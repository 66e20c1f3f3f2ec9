import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** RFC 5280 §4.2.1.12 id-kp-clientAuth, and anyExtendedKeyUsage. */
const CLIENT_PURPOSES = ['1.3.6.1.5.5.7.3.2', '2.5.29.37.0'];

/**
 * The certificate the client of `socket` proved to own, DER; null without one or with one that is not for clients.
 * Whether its issuer counts is not for OpenSSL to say: one listener serves many clusters with authorities of their own,
 * so the broker checks it against those of the cluster the client is let into, also for a session that is resumed.
 */
export function clientCertificateOf(socket: Socket): Buffer | null {
  if (!('getPeerX509Certificate' in socket)) return null;
  const certificate = (socket as TLSSocket).getPeerX509Certificate();
  if (certificate === undefined) return null;
  // Node's word for the *extended* key usages; none = any purpose.
  const purposes = certificate.keyUsage as string[] | undefined;
  const isForClients = purposes === undefined || purposes.some((purpose) => CLIENT_PURPOSES.includes(purpose));
  return isForClients ? certificate.raw : null;
}
