import { bodyOf, type Cluster } from '@robustmq/client';
import { api } from '../../api/session.ts';

const POLL_MS = 200;
const PROPAGATION_MS_MAX = 15_000;

/** A credential that lives as long as one visit to the test client. */
export interface TemporaryCredential {
  readonly username: string;
  readonly password: string;
  /** Revokes it, also while the page is being closed. */
  remove(): Promise<void>;
}

/** Makes a credential and waits until the cluster's nodes know it. */
export async function temporaryCredential(cluster: Cluster): Promise<TemporaryCredential> {
  const path = { tenantId: cluster.tenantId, clusterId: cluster.id };
  const suffix = Array.from(crypto.getRandomValues(new Uint8Array(5)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
  const created = await bodyOf(
    api.POST('/v1/tenants/{tenantId}/clusters/{clusterId}/credentials', {
      params: { path },
      body: { name: `portal-${suffix}` },
    }),
  );
  const remove = async (): Promise<void> => {
    await api.DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/credentials/{credentialId}', {
      params: { path: { ...path, credentialId: created.id } },
      keepalive: true,
    });
  };
  const deadline = Date.now() + PROPAGATION_MS_MAX;
  for (let known = created.propagated; !known;) {
    if (Date.now() > deadline) {
      await remove().catch(() => undefined);
      throw new Error('The temporary credential did not reach the cluster in time.');
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const { items } = await bodyOf(
      api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/credentials', { params: { path, query: { limit: 200 } } }),
    );
    known = items.find((credential) => credential.id === created.id)?.propagated ?? true;
  }
  return { username: created.username, password: created.password, remove };
}
