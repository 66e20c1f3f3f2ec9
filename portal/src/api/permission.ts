import { permissionsOf, type Permission } from '@robustmq/contracts';
import { useSession, type SignedIn } from './session.ts';

/** What the person may do in the tenant shown. The API decides; this only hides what it would refuse. */
export function permissionsIn({ tenants, tenantId }: SignedIn): ReadonlySet<string> {
  const tenant = tenants.find(({ id }) => id === tenantId);
  if (!tenant) return new Set();
  return tenant.permissions ? new Set(tenant.permissions) : permissionsOf(tenant.role);
}

/** Whether the person may do this in the tenant shown. */
export const usePermitted = (permission: Permission): boolean => permissionsIn(useSession()).has(permission);
