import { z } from 'zod';
import { CredentialName } from '../names.ts';
import { pageOf } from './page.ts';

/** A cluster's own certificate authority; its key never leaves the control plane. */
export const CertificateAuthority = z.object({
  certificatePem: z.string(),
  /** SHA-256, as X.509 tools show it. */
  fingerprint: z.string(),
  notAfter: z.iso.datetime(),
  createdAt: z.iso.datetime(),
});
export type CertificateAuthority = z.output<typeof CertificateAuthority>;

/** `POST …/certificates`: the name becomes the common name, and so the principal. */
export const IssueCertificateBody = z
  .object({
    name: CredentialName,
    days: z.int().min(1).max(825).default(365),
    /** PKCS #10: the key stays where it was made. Absent = one is made here and shown once. */
    csrPem: z.string().max(16_384).optional(),
  })
  .strict();
export const ClientCertificate = z.object({
  /** Hexadecimal. */
  serial: z.string(),
  name: z.string(),
  notAfter: z.iso.datetime(),
  revokedAt: z.iso.datetime().nullable(),
  createdAt: z.iso.datetime(),
});
export type ClientCertificate = z.output<typeof ClientCertificate>;
export const IssuedCertificate = ClientCertificate.extend({
  certificatePem: z.string(),
  authorityPem: z.string(),
  /** PKCS #8; shown this once. Absent where a CSR was sent. */
  privateKeyPem: z.string().optional(),
});
export type IssuedCertificate = z.output<typeof IssuedCertificate>;
export const ClientCertificatePage = pageOf(ClientCertificate);
