import { z } from 'zod';
import { Role, SignupBody } from './auth.ts';
import { pageOf } from './page.ts';

const NewPassword = SignupBody.shape.password;

/** Tokens of mails work once and for a while; a wrong one answers `unauthenticated`, whatever is wrong with it. */
export const SingleUseTokenBody = z.object({ token: z.string().min(1).max(200) });
export const ForgotPasswordBody = z.object({ email: SignupBody.shape.email });
export const ResetPasswordBody = SingleUseTokenBody.extend({ password: NewPassword });
export const ChangePasswordBody = z.object({ password: z.string().min(1).max(256), newPassword: NewPassword });

/** Six digits of an authenticator, or a recovery code. */
export const SecondFactor = z.string().trim().min(6).max(40);
export const MfaSetup = z.object({ secret: z.string(), uri: z.string() });
export const MfaCodeBody = z.object({ code: SecondFactor });
export const RecoveryCodes = z.object({ recoveryCodes: z.array(z.string()) });

/** `POST /v1/me/step-up`: the second factor again; the answer is an access token for dangerous actions. */
export const SteppedUp = z.object({ accessToken: z.string(), expiresIn: z.int() });

export const SessionOfPerson = z.object({
  id: z.uuid(),
  startedAt: z.iso.datetime(),
  lastSeenAt: z.iso.datetime(),
  ip: z.string().nullable(),
  userAgent: z.string().nullable(),
});
export const SessionsOfPerson = z.object({ items: z.array(SessionOfPerson) });

/** `POST …/invitations`: bound to the address; the mail holds a token that works for seven days. */
export const CreateInvitationBody = z.object({
  email: SignupBody.shape.email,
  role: Role,
  customRoleId: z.uuid().optional(),
});
export const Invitation = z.object({
  id: z.uuid(),
  email: z.string(),
  role: Role,
  customRoleId: z.uuid().nullable(),
  expiresAt: z.iso.datetime(),
  createdAt: z.iso.datetime(),
});
export const InvitationPage = pageOf(Invitation);
export const AcceptedInvitation = z.object({ tenantId: z.uuid() });

/** `PATCH /v1/tenants/{tenantId}` */
export const UpdateTenantBody = z
  .object({
    name: z.string().trim().min(1).max(80).optional(),
    mfaRequired: z.boolean().optional(),
    ssoRequired: z.boolean().optional(),
  })
  .strict();
