import { z } from 'zod';
import { TenantId, UserId } from '../ids.ts';
import { Permission } from '../permissions.ts';
import { Role } from './auth.ts';
import { pageOf } from './page.ts';

/** `GET /v1/tenants/{tenantId}` */
export const Tenant = z.object({
  id: TenantId,
  name: z.string(),
  /** Nobody without a second factor may act in the tenant. */
  mfaRequired: z.boolean().optional(),
  /** People enter through the tenant's identity provider alone; owners may use their password still (break-glass). */
  ssoRequired: z.boolean().optional(),
  createdAt: z.iso.datetime(),
});
export type Tenant = z.infer<typeof Tenant>;

/** `GET /v1/tenants/{tenantId}/members` */
export const Member = z.object({
  userId: UserId,
  email: z.string(),
  role: Role,
  customRoleId: z.uuid().nullable().optional(),
  createdAt: z.iso.datetime(),
});
export const MemberPage = pageOf(Member);
/** `POST …/members`: adds somebody who has an account. 404 when nobody has that address. */
export const AddMemberBody = z.object({
  email: z.email().transform((e) => e.toLowerCase()),
  role: Role,
  customRoleId: z.uuid().optional(),
});
/** `PATCH …/members/{userId}` */
export const UpdateMemberBody = z.object({ role: Role, customRoleId: z.uuid().optional() });

/** A role the tenant made. */
export const RoleBody = z.object({
  name: z.string().trim().min(1).max(80),
  permissions: z.array(Permission).min(1).max(100),
});
export const CustomRole = RoleBody.extend({ id: z.uuid() });
export const RoleList = z.object({
  permissions: z.array(z.object({ name: Permission, allows: z.string() })),
  builtIn: z.array(z.object({ name: z.string(), permissions: z.array(Permission) })),
  items: z.array(CustomRole),
});

/** `POST …/api-keys` → 201 with the key once. */
export const CreateApiKeyBody = z.object({
  name: z.string().trim().min(1).max(80),
  /** `custom`: exactly the scopes. */
  role: Role,
  expiresAt: z.iso.datetime().optional(),
  /** Narrows the role to these permissions. */
  scopes: z.array(Permission).max(100).optional(),
  /** Addresses and CIDR blocks it may be used from; absent or empty = any. */
  addresses: z
    .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]))
    .max(100)
    .optional(),
});
export const ApiKey = z.object({
  id: z.uuid(),
  name: z.string(),
  role: Role,
  /** First characters of the key, for people to tell keys apart. */
  prefix: z.string(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable(),
  lastUsedAt: z.iso.datetime().nullable(),
  lastUsedIp: z.string().nullable().optional(),
  scopes: z.array(z.string()).optional(),
  addresses: z.array(z.string()).optional(),
  /** Until then the secret before the last rotation works too. */
  overlapUntil: z.iso.datetime().nullable().optional(),
});
export const ApiKeyCreated = ApiKey.extend({ key: z.string() });
/** `POST …/api-keys/{apiKeyId}/rotate` */
export const RotateApiKeyBody = z.object({
  overlapSeconds: z
    .int()
    .min(0)
    .max(7 * 86_400)
    .default(3_600),
});
export const ApiKeyPage = pageOf(ApiKey);

/** `GET …/audit-events` newest first. */
export const AuditEvent = z.object({
  id: z.uuid(),
  seq: z.int(),
  at: z.iso.datetime(),
  actor: z.object({ type: z.enum(['user', 'api-key', 'system']), id: z.string(), ip: z.string().nullable() }),
  action: z.string(),
  target: z.object({ type: z.string(), id: z.string() }),
  result: z.enum(['ok', 'denied', 'failed']),
  requestId: z.string(),
  detail: z.record(z.string(), z.unknown()),
});
export const AuditEventPage = pageOf(AuditEvent);

/** `GET …/audit-events/export`: rows in order, with the hashes that chain them; see `robust-ctl audit verify`. */
export const AuditExportQuery = z.object({
  afterSeq: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(1_000).default(1_000),
});
export const AuditExport = z.object({
  /** Each row as it is hashed: SHA-256 over its JSON with sorted keys, without `hash`. */
  items: z.array(
    z.object({
      ...{ tenantId: TenantId, seq: z.int(), at: z.iso.datetime(), actorType: z.string(), actorId: z.string() },
      ...{ actorIp: z.string().nullable(), action: z.string(), targetType: z.string(), targetId: z.string() },
      ...{ result: z.string(), requestId: z.string(), detail: z.unknown(), prevHash: z.string(), hash: z.string() },
    }),
  ),
});
