import { z } from 'zod';
import { TenantId, UserId } from '../ids.ts';

/** A built-in role, or `custom`: a role the tenant made from permissions. What each may do is in permissions.ts. */
export const Role = z.enum(['owner', 'admin', 'developer', 'operator', 'billing', 'auditor', 'viewer', 'custom']);
export type Role = z.infer<typeof Role>;

const Email = z
  .email()
  .max(254)
  .transform((e) => e.toLowerCase());
/** Length is the only rule (ASVS 5.0 6.2.1, 6.2.5): no composition rules. */
const NewPassword = z.string().min(10, 'use at least 10 characters').max(256);

/** `POST /v1/auth/signup` → 201 Session. Makes the person, the tenant and the owner membership in one transaction. */
export const SignupBody = z.object({
  email: Email,
  password: NewPassword,
  tenantName: z.string().trim().min(1).max(80),
});
export type SignupBody = z.infer<typeof SignupBody>;

/** `POST /v1/auth/login` → 200 Session; a wrong password and an unknown address answer the same 401 `invalid-login`. */
export const LoginBody = z.object({
  email: Email,
  password: z.string().min(1).max(256),
  /** Six digits of the second factor, or a recovery code; asked for by `mfa-code-required`. */
  code: z.string().trim().max(40).optional(),
});
export type LoginBody = z.infer<typeof LoginBody>;

/** `POST /v1/auth/refresh` → 200 Session with a new refresh token; a used token revokes the whole family. */
export const RefreshBody = z.object({ refreshToken: z.string().min(1).max(512) });
/** `POST /v1/auth/logout` → 204. */
export const LogoutBody = RefreshBody;

export const TenantSummary = z.object({
  id: TenantId,
  name: z.string(),
  role: Role,
  /** What the person may do there, for showing and hiding; the server decides by itself. */
  permissions: z.array(z.string()).optional(),
});
export type TenantSummary = z.infer<typeof TenantSummary>;

export const Session = z.object({
  accessToken: z.string(),
  /** Seconds until the access token expires. */
  expiresIn: z.int(),
  refreshToken: z.string(),
  user: z.object({ id: UserId, email: z.string() }),
  tenants: z.array(TenantSummary),
});
export type Session = z.infer<typeof Session>;

/** `GET /v1/me` */
export const Me = z.object({
  user: z.object({
    id: UserId,
    email: z.string(),
    emailVerified: z.boolean().optional(),
    mfa: z.boolean().optional(),
  }),
  tenants: z.array(TenantSummary),
});
export type Me = z.infer<typeof Me>;
