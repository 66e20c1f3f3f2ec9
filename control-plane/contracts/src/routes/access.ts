import { z } from 'zod';
import { PageQuery } from '../rest/page.ts';
import {
  ApiKeyCreated,
  AuditExport,
  AuditExportQuery,
  CustomRole,
  RoleBody,
  RoleList,
  RotateApiKeyBody,
} from '../rest/tenants.ts';
import { IN_TENANT, tenantParams } from './paths.ts';
import type { Route } from './route.ts';

const role = tenantParams.extend({ roleId: z.uuid() });

/** Roles a tenant makes, and keys that change hands. */
export const ACCESS_ROUTES = {
  listRoles: {
    ...{ method: 'get', path: `${IN_TENANT}/roles`, tag: 'roles', access: { permission: 'tenant:read' } },
    ...{ params: tenantParams, query: PageQuery, status: 200, response: RoleList },
    summary: 'The permission matrix: built-in roles and the tenant’s own, with what each may do',
  },
  createRole: {
    ...{ method: 'post', path: `${IN_TENANT}/roles`, tag: 'roles', access: { permission: 'member:write' } },
    ...{ params: tenantParams, body: RoleBody, status: 201, response: CustomRole },
    dryRun: true,
    summary: 'Makes a role from permissions; nobody gives what they lack',
    problems: ['name-taken', 'quota-exceeded'],
  },
  updateRole: {
    ...{ method: 'put', path: `${IN_TENANT}/roles/{roleId}`, tag: 'roles', access: { permission: 'member:write' } },
    ...{ params: role, body: RoleBody, status: 200, response: CustomRole },
    dryRun: true,
    summary: 'Replaces a role’s name and permissions, for everybody who has it',
    problems: ['name-taken'],
  },
  deleteRole: {
    ...{ method: 'delete', path: `${IN_TENANT}/roles/{roleId}`, tag: 'roles', access: { permission: 'member:write' } },
    ...{ params: role, status: 204, response: z.void() },
    dryRun: true,
    summary: 'Removes a role nobody has',
    problems: ['conflict'],
  },
  exportAuditEvents: {
    ...{ method: 'get', path: `${IN_TENANT}/audit-events/export`, tag: 'audit', access: { permission: 'audit:read' } },
    ...{ params: tenantParams, query: AuditExportQuery, status: 200, response: AuditExport },
    summary: 'The audit log in order, with the hash chain that proves it whole',
  },
  rotateApiKey: {
    ...{ method: 'post', path: `${IN_TENANT}/api-keys/{apiKeyId}/rotate`, tag: 'api-keys' },
    ...{ access: { permission: 'api-key:write' }, params: tenantParams.extend({ apiKeyId: z.uuid() }) },
    ...{ body: RotateApiKeyBody, status: 200, response: ApiKeyCreated },
    dryRun: true,
    summary: 'Gives a key a new secret; the old one works for the overlap',
  },
} as const satisfies Record<string, Route>;
