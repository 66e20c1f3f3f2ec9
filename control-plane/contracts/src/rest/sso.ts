import { z } from 'zod';
import { Role, SignupBody } from './auth.ts';
import { pageOf } from './page.ts';

/** `POST /v1/auth/sso/start`: the address's domain names the tenant, the tenant its identity provider. */
export const SsoStartBody = z.object({
  email: SignupBody.shape.email,
  /** One of the tenant's providers; the oldest that is enabled when it is left out. */
  providerId: z.uuid().optional(),
  /** Where the provider sends the browser back to: the portal's `/login/sso` (default), or a loopback address (RFC 8252 §7.3). */
  redirectUri: z.string().max(500).optional(),
});
export const SsoStarted = z.object({
  /** Where the browser goes. It comes back with `code` and `state`, or with `error`. */
  authorizationUrl: z.string(),
  /** To be kept by whoever began, and sent to `finish`: a sign-in that somebody else began cannot be finished without it. */
  binding: z.string(),
  /** Of the answer that comes back: to be compared before `finish`. */
  state: z.string(),
  expiresInSeconds: z.int(),
  provider: z.object({ id: z.uuid(), name: z.string() }),
});
/** `POST /v1/auth/sso/finish` → 200 Session, good in the provider's tenant alone. */
export const SsoFinishBody = z.object({
  binding: z.string().min(1).max(4_000),
  state: z.string().min(1).max(500),
  code: z.string().min(1).max(4_000).optional(),
  /** Of RFC 9207, when it came back. */
  iss: z.string().max(1_000).optional(),
  /** What the provider said in place of a code. */
  error: z.string().max(200).optional(),
});

const Group = z.string().min(1).max(255);
/** Members of the provider's group get the role; the first of the list that fits. */
export const GroupRole = z.object({ group: Group, role: Role, customRoleId: z.uuid().optional() });
const provider = z.object({
  name: z.string().trim().min(1).max(80),
  /** Of OpenID Connect Discovery: `<issuer>/.well-known/openid-configuration` is read. */
  issuer: z.string().max(500),
  clientId: z.string().min(1).max(255),
  /** What newcomers get whose groups map to nothing; null = they are refused. */
  defaultRole: Role.nullable(),
  defaultCustomRoleId: z.uuid().nullable().optional(),
  groupsClaim: z.string().min(1).max(100),
  groupRoles: z.array(GroupRole).max(200),
  /** Whether who is not a member yet becomes one by signing in. */
  joins: z.boolean(),
  enabled: z.boolean(),
});
export const CreateSsoProviderBody = provider
  .extend({
    defaultRole: provider.shape.defaultRole.default('viewer'),
    groupsClaim: provider.shape.groupsClaim.default('groups'),
    groupRoles: provider.shape.groupRoles.default([]),
    joins: provider.shape.joins.default(true),
    enabled: provider.shape.enabled.default(true),
    /** Kept sealed and never shown; absent = a public client, which PKCE alone protects. */
    clientSecret: z.string().min(1).max(1_000).optional(),
  })
  .strict();
export const UpdateSsoProviderBody = provider
  .partial()
  .extend({ clientSecret: z.string().min(1).max(1_000).optional() })
  .strict();
export const SsoProvider = provider.extend({
  id: z.uuid(),
  hasSecret: z.boolean(),
  /** Nobody enters with more than the last author of the provider had: false = owners use their password. */
  forOwners: z.boolean(),
  /** To be allowed at the provider. */
  redirectUri: z.string(),
  createdAt: z.iso.datetime(),
});
export type SsoProvider = z.infer<typeof SsoProvider>;
export const SsoProviderPage = pageOf(SsoProvider);

/** What the provider says of itself, as read now. `problems` empty = it can be used. */
export const SsoCheck = z.object({
  issuer: z.string(),
  authorizationEndpoint: z.string().nullable(),
  problems: z.array(z.string()),
});

export const CreateSsoDomainBody = z.object({ domain: z.string().trim().min(3).max(253) }).strict();
export const SsoDomain = z.object({
  domain: z.string(),
  /** The TXT record that proves the domain. */
  record: z.object({ name: z.string(), value: z.string() }),
  verifiedAt: z.iso.datetime().nullable(),
  verifiedBy: z.enum(['dns', 'operator']).nullable(),
  createdAt: z.iso.datetime(),
});
export type SsoDomain = z.infer<typeof SsoDomain>;
export const SsoDomainPage = pageOf(SsoDomain);
