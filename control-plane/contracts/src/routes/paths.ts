import { z } from 'zod';
import { ClusterId, TenantId } from '../ids.ts';

/** Path of a tenant, and of a cluster in it, with the shapes of their parameters. */
export const IN_TENANT = '/v1/tenants/{tenantId}';
export const IN_CLUSTER = '/v1/tenants/{tenantId}/clusters/{clusterId}';
export const tenantParams = z.object({ tenantId: TenantId });
export const clusterParams = tenantParams.extend({ clusterId: ClusterId });
