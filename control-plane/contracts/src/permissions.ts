import { z } from 'zod';
import type { Role } from './rest/auth.ts';

/** Everything a member or key can be allowed, `<noun>:<verb>`, with what it lets one do. */
export const PERMISSIONS = {
  'tenant:read': 'see the tenant and its members and roles',
  'tenant:write': 'rename the tenant, change its security and sign-in rules',
  'tenant:own': 'give and take the role of owner',
  'member:write': 'invite, change and remove members, make roles',
  'sso:read': 'see identity providers and verified domains',
  'sso:write': 'set identity providers, group roles and domains up',
  'api-key:read': 'list API keys',
  'api-key:write': 'make, rotate and revoke API keys',
  'audit:read': 'read and export the audit log',
  'cluster:read': 'see clusters and their state',
  'cluster:create': 'create clusters',
  'cluster:write': 'rename, label, pause, resume and resize clusters',
  'cluster:delete': 'delete clusters, change their deletion protection',
  'cluster:purge': 'delete clusters for good at once, without a restore window',
  'credential:read': 'list credentials',
  'credential:write': 'make and revoke credentials',
  'topic:read': 'see topics, their partitions and tiers',
  'topic:write': 'create, change and delete topics',
  'settings:read': 'see settings, ACL rules and the blacklist',
  'settings:write': 'change settings, ACL rules and the blacklist',
  'live:read': 'see clients, sessions, subscriptions, groups and events',
  'live:write': 'kick clients, end sessions, clear inboxes, reset offsets',
  'record:read': 'read messages: records, retained and owed ones',
  'record:write': 'produce single records for testing',
  'usage:read': 'see usage',
  'billing:read': 'see prices, invoices, credits and budgets',
  'billing:write': 'change the subscription, budgets and payment',
  'webhook:read': 'see webhooks and their deliveries',
  'webhook:write': 'make and change webhooks, deliver again',
} as const;

export const Permission = z.enum(
  Object.keys(PERMISSIONS) as [keyof typeof PERMISSIONS, ...(keyof typeof PERMISSIONS)[]],
);
export type Permission = z.infer<typeof Permission>;

const ALL = Permission.options;
const VIEWER: readonly Permission[] = [
  ...(['tenant:read', 'cluster:read', 'credential:read', 'topic:read', 'settings:read'] as const),
  ...(['live:read', 'usage:read'] as const),
];

/** What each built-in role may do: the published matrix, and the only place it is written down. */
export const ROLE_PERMISSIONS: Record<Exclude<Role, 'custom'>, readonly Permission[]> = {
  owner: ALL,
  admin: ALL.filter((one) => one !== 'tenant:own'),
  developer: [
    ...VIEWER,
    ...(['cluster:create', 'cluster:write', 'credential:write', 'topic:write', 'settings:write'] as const),
    ...(['live:write', 'record:read', 'record:write', 'webhook:read'] as const),
  ],
  operator: [...VIEWER, 'cluster:write', 'settings:write', 'live:write', 'audit:read', 'webhook:read', 'webhook:write'],
  billing: ['tenant:read', 'cluster:read', 'usage:read', 'billing:read', 'billing:write'],
  auditor: ALL.filter((one) => one.endsWith(':read') && one !== 'record:read'),
  viewer: VIEWER,
};

/** The permissions of a role; those of `custom` are given with it. Unknown permissions of a stored role are left out. */
export function permissionsOf(role: Role, custom: readonly string[] = []): ReadonlySet<Permission> {
  if (role !== 'custom') return new Set(ROLE_PERMISSIONS[role]);
  return new Set(custom.flatMap((one) => Permission.safeParse(one).data ?? []));
}

/** Whether `held` has everything of `wanted`: nobody gives, changes or takes away what they lack. */
export const covers = (held: ReadonlySet<Permission>, wanted: Iterable<Permission>): boolean =>
  [...wanted].every((one) => held.has(one));

/** Whether `role` has at least the rights of `needed`. */
export const roleAllows = (role: Role, needed: Role): boolean => covers(permissionsOf(role), permissionsOf(needed));
