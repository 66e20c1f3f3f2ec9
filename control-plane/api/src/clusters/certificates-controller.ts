import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { Controller } from '@nestjs/common';
import { makeCertificate } from '@robustmq/contracts/x509';
import { Database, uuidv7, type TenantTx } from '@robustmq/db';
import { KeyRing } from '../auth/key-ring.ts';
import { CERTIFICATES_MAX } from '../dry-run/limits.ts';
import { pageOf, readCursor } from '../http/cursor.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import { existingCluster } from './cluster-change.ts';
import { SettingsWriter } from './settings-writer.ts';
import { keyOfRequest } from './signing-request.ts';

const DAY_MS = 24 * 3600_000;
const AUTHORITY_DAYS = 3_650;
/** A clock that is a little behind takes a new certificate all the same, in milliseconds. */
const EARLIER_MS = 5 * 60_000;

type AuthorityRow = NonNullable<Awaited<ReturnType<TenantTx['clusterAuthority']['findFirst']>>>;
type CertificateRow = NonNullable<Awaited<ReturnType<TenantTx['clientCertificate']['findFirst']>>>;
const contextOf = (id: string): string => `cluster-authority:${id}`;

/** A cluster's own certificate authority: what it issues is a way in, what it revokes is none any more. */
@Controller()
export class CertificatesController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  readonly #keys: KeyRing;
  readonly #settings: SettingsWriter;
  constructor(database: Database, write: TenantWrite, keys: KeyRing, settings: SettingsWriter) {
    this.#database = database;
    this.#write = write;
    this.#keys = keys;
    this.#settings = settings;
  }

  @Route('getCertificateAuthority')
  async authority(
    @Input() { params }: RouteInput<'getCertificateAuthority'>,
  ): Promise<RouteOutput<'getCertificateAuthority'>> {
    return this.#database.withTenant(params.tenantId, async (tx) => {
      await existingCluster(tx, params.clusterId);
      return authorityView(await authorityOf(tx, params.clusterId));
    });
  }

  @Route('createCertificateAuthority')
  async create(
    @Input() input: RouteInput<'createCertificateAuthority'>,
  ): Promise<RouteOutput<'createCertificateAuthority'>> {
    const { tenantId, clusterId } = input.params;
    await this.#settings.change(input, {
      ...{ reason: 'certificate-authority.create', final: true },
      next: async (settings, tx) => {
        if (await tx.clusterAuthority.findFirst({ where: { clusterId } }))
          throw new ProblemError('conflict', { detail: 'The cluster has a certificate authority already.' });
        const cluster = await existingCluster(tx, clusterId);
        const made = this.#newAuthority(`RobustMQ ${cluster.key}`);
        await tx.clusterAuthority.create({ data: { ...made, tenantId, clusterId } });
        const { x509 } = settings.authentication;
        const authoritiesPem = `${x509 ? `${x509.authoritiesPem.trimEnd()}\n` : ''}${made.certificatePem}`;
        const trusted = { principalFrom: 'common-name' as const, revokedSerials: [], ...x509, authoritiesPem };
        return { ...settings, authentication: { ...settings.authentication, x509: trusted } };
      },
    });
    return this.#database.withTenant(tenantId, async (tx) => authorityView(await authorityOf(tx, clusterId)));
  }

  @Route('listCertificates')
  async list(@Input() { params, query }: RouteInput<'listCertificates'>): Promise<RouteOutput<'listCertificates'>> {
    const { clusterId } = params;
    const after = readCursor(query.cursor, 1)?.[0];
    return this.#database.withTenant(params.tenantId, async (tx) => {
      await existingCluster(tx, clusterId);
      const rows = await tx.clientCertificate.findMany({
        where: { clusterId, ...(after === undefined ? {} : { serial: { gt: after } }) },
        orderBy: { serial: 'asc' },
        take: query.limit + 1,
      });
      const page = pageOf(rows, query.limit, (row) => [row.serial]);
      return { ...page, items: page.items.map(certificateView) };
    });
  }

  @Route('issueCertificate')
  async issue(@Input() input: RouteInput<'issueCertificate'>): Promise<RouteOutput<'issueCertificate'>> {
    const { tenantId, clusterId } = input.params;
    const { name, days, csrPem } = input.body;
    const made = csrPem === undefined ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : undefined;
    const publicKey = made?.publicKey ?? keyOfRequest(csrPem!);
    const { answer } = await this.#write.run(input, 'certificate.issue', async (tx) => {
      await existingCluster(tx, clusterId);
      const authority = await authorityOf(tx, clusterId);
      const now = Date.now();
      const live = await tx.clientCertificate.count({ where: { clusterId, notAfter: { gt: new Date(now) } } });
      if (live >= CERTIFICATES_MAX)
        throw new ProblemError('quota-exceeded', { detail: `A cluster has at most ${CERTIFICATES_MAX} certificates.` });
      const issuer = {
        privateKey: createPrivateKey(this.#keys.unseal(authority.sealedKey, contextOf(authority.id))),
        certificate: new X509Certificate(authority.certificatePem),
      };
      const notAfter = new Date(Math.min(now + days * DAY_MS, issuer.certificate.validToDate.getTime()));
      const certificatePem = makeCertificate(
        {
          ...{ commonName: name, publicKey, names: [], use: 'client', notAfter },
          notBefore: new Date(now - EARLIER_MS),
        },
        issuer,
      );
      const serial = new X509Certificate(certificatePem).serialNumber;
      const row = await tx.clientCertificate.create({
        data: { tenantId, clusterId, serial, commonName: name, notAfter },
      });
      const key = made?.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      return {
        answer: {
          ...certificateView(row),
          ...{ certificatePem, authorityPem: authority.certificatePem },
          ...(key === undefined ? {} : { privateKeyPem: key }),
        },
        target: { type: 'certificate', id: `${clusterId}/${serial}` },
        detail: { clusterId, name, serial, notAfter: notAfter.toISOString(), ownKey: made === undefined },
      };
    });
    return answer;
  }

  @Route('revokeCertificate')
  async revoke(@Input() input: RouteInput<'revokeCertificate'>): Promise<void> {
    const { clusterId } = input.params;
    const serial = input.params.serial.toUpperCase();
    await this.#settings.change(input, {
      ...{ reason: 'certificate.revoke', final: true },
      // the settings that follow have it among the revoked: see withRevocations
      next: async (settings, tx) => {
        const revoked = await tx.clientCertificate.updateMany({
          where: { clusterId, serial, revokedAt: null },
          data: { revokedAt: new Date() },
        });
        if (revoked.count === 0) throw notFound();
        return settings;
      },
    });
  }

  #newAuthority(commonName: string): { id: string; certificatePem: string; sealedKey: Uint8Array<ArrayBuffer> } {
    const id = uuidv7();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const now = Date.now();
    const certificatePem = makeCertificate(
      {
        ...{ commonName: commonName.slice(0, 64), publicKey: createPublicKey(privateKey), names: [], use: 'authority' },
        ...{ notBefore: new Date(now - EARLIER_MS), notAfter: new Date(now + AUTHORITY_DAYS * DAY_MS) },
      },
      { privateKey },
    );
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return { id, certificatePem, sealedKey: new Uint8Array(this.#keys.seal(pem, contextOf(id))) };
  }
}

async function authorityOf(tx: TenantTx, clusterId: string): Promise<AuthorityRow> {
  const row = await tx.clusterAuthority.findFirst({ where: { clusterId }, orderBy: { createdAt: 'desc' } });
  if (!row)
    throw new ProblemError('not-found', { detail: 'The cluster has no certificate authority: make one first.' });
  return row;
}

function authorityView(row: AuthorityRow): RouteOutput<'getCertificateAuthority'> {
  const certificate = new X509Certificate(row.certificatePem);
  return {
    ...{ certificatePem: row.certificatePem, fingerprint: certificate.fingerprint256 },
    notAfter: certificate.validToDate.toISOString(),
    createdAt: row.createdAt.toISOString(),
  };
}

const certificateView = (row: CertificateRow) => ({
  ...{ serial: row.serial, name: row.commonName, notAfter: row.notAfter.toISOString() },
  revokedAt: row.revokedAt?.toISOString() ?? null,
  createdAt: row.createdAt.toISOString(),
});
