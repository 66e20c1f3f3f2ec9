import { z } from 'zod';
import { TenantId, UserId } from '../ids.ts';
import { Role } from './auth.ts';
import { pageOf } from './page.ts';

/** `GET /v1/tenants/{tenantId}` */
export const Tenant = z.object({ id: TenantId, name: z.string(), createdAt: z.iso.datetime() });
export type Tenant = z.infer<typeof Tenant>;

/** `GET /v1/tenants/{tenantId}/members` */
export const Member = z.object({ userId: UserId, email: z.string(), role: Role, createdAt: z.iso.datetime() });
export const MemberPage = pageOf(Member);
/** `POST …/members`: adds somebody who has an account. 404 when nobody has that address. */
export const AddMemberBody = z.object({ email: z.email().transform((e) => e.toLowerCase()), role: Role });
/** `PATCH …/members/{userId}` */
export const UpdateMemberBody = z.object({ role: Role });

/** `POST …/api-keys` → 201 with the key once. */
export const CreateApiKeyBody = z.object({
  name: z.string().trim().min(1).max(80),
  role: Role,
  expiresAt: z.iso.datetime().optional(),
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
});
export const ApiKeyCreated = ApiKey.extend({ key: z.string() });
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
