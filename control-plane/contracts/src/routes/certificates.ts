import { z } from 'zod';
import {
  CertificateAuthority,
  ClientCertificatePage,
  IssueCertificateBody,
  IssuedCertificate,
} from '../rest/certificates.ts';
import { PageQuery } from '../rest/page.ts';
import { clusterParams, IN_CLUSTER } from './paths.ts';
import type { Route } from './route.ts';

const AUTHORITY = `${IN_CLUSTER}/certificate-authority` as const;
const CERTIFICATES = `${IN_CLUSTER}/certificates` as const;
const read = { method: 'get', tag: 'certificates', access: { permission: 'credential:read' }, status: 200 } as const;
const write = { tag: 'certificates', access: { permission: 'credential:write' }, params: clusterParams } as const;

/** X.509 by the cluster's own authority. An authority of the tenant's own is set in the settings (`authentication.x509`). */
export const CERTIFICATE_ROUTES = {
  getCertificateAuthority: {
    ...{ ...read, path: AUTHORITY, params: clusterParams, response: CertificateAuthority },
    summary: 'Reads the cluster’s certificate authority',
  },
  createCertificateAuthority: {
    ...{ ...write, method: 'post', path: AUTHORITY, status: 201, response: CertificateAuthority },
    dryRun: true,
    summary: 'Makes a certificate authority for the cluster and trusts it, as a new revision of the settings',
    problems: ['conflict'],
  },
  listCertificates: {
    ...{ ...read, path: CERTIFICATES, params: clusterParams, query: PageQuery, response: ClientCertificatePage },
    summary: 'Lists client certificates that were issued',
  },
  issueCertificate: {
    ...{ ...write, method: 'post', path: CERTIFICATES, body: IssueCertificateBody, status: 201 },
    response: IssuedCertificate,
    dryRun: true,
    summary: 'Issues a client certificate, for a CSR or with a key that is shown this once',
    problems: ['conflict', 'quota-exceeded'],
  },
  revokeCertificate: {
    ...{ ...write, method: 'delete', path: `${CERTIFICATES}/{serial}`, status: 204, response: z.void() },
    params: clusterParams.extend({ serial: z.string().regex(/^[0-9A-Fa-f]{2,64}$/) }),
    dryRun: true,
    summary: 'Revokes a client certificate and cuts its connections',
  },
} as const satisfies Record<string, Route>;
