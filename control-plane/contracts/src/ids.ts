import { z } from 'zod';

/**
 * Identifiers that cross a process boundary. All are UUID version 7 strings, so they sort by creation time;
 * the brand keeps a tenant id from being passed where a cluster id is wanted.
 */
const uuid = z.uuid();
export const TenantId = uuid.brand('TenantId');
export type TenantId = z.infer<typeof TenantId>;
export const UserId = uuid.brand('UserId');
export type UserId = z.infer<typeof UserId>;
export const ClusterId = uuid.brand('ClusterId');
export type ClusterId = z.infer<typeof ClusterId>;
export const CredentialId = uuid.brand('CredentialId');
export type CredentialId = z.infer<typeof CredentialId>;
export const AgentId = uuid.brand('AgentId');
export type AgentId = z.infer<typeof AgentId>;

/**
 * The globally unique DNS label of a cluster: `<slug>-<6 random base32>`. It is the SNI label, the part after `@` in a
 * client's user name, and the namespace's name in the data plane.
 */
export const ClusterKey = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,50}$/)
  .brand('ClusterKey');
export type ClusterKey = z.infer<typeof ClusterKey>;
