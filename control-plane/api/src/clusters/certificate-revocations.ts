import type { ClusterSettings } from '@robustmq/contracts';
import type { TenantTx } from '@robustmq/db';

/** The settings with every certificate revoked that was, whatever they say: going back to earlier ones revives none. */
export async function withRevocations(
  tx: TenantTx,
  clusterId: string,
  settings: ClusterSettings,
): Promise<ClusterSettings> {
  const { x509 } = settings.authentication;
  if (!x509) return settings;
  const rows = await tx.clientCertificate.findMany({
    where: { clusterId, revokedAt: { not: null }, notAfter: { gt: new Date() } },
    select: { serial: true },
  });
  const revokedSerials = [...new Set([...x509.revokedSerials, ...rows.map((row) => row.serial)])];
  return { ...settings, authentication: { ...settings.authentication, x509: { ...x509, revokedSerials } } };
}
