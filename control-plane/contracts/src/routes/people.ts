import { z } from 'zod';
import { PageQuery } from '../rest/page.ts';
import {
  AcceptedInvitation,
  ChangePasswordBody,
  CreateInvitationBody,
  ForgotPasswordBody,
  Invitation,
  InvitationPage,
  MfaCodeBody,
  MfaSetup,
  RecoveryCodes,
  ResetPasswordBody,
  SessionsOfPerson,
  SingleUseTokenBody,
  SteppedUp,
  UpdateTenantBody,
} from '../rest/people.ts';
import { Tenant } from '../rest/tenants.ts';
import { IN_TENANT, tenantParams } from './paths.ts';
import type { Route } from './route.ts';

const nothing = z.void();
const mail = { method: 'post', tag: 'auth', access: 'public', status: 204, response: nothing } as const;
const mine = { method: 'post', tag: 'me', access: 'signed-in', status: 200 } as const;
const invite = { tag: 'members', access: { permission: 'member:write' }, params: tenantParams } as const;

/** People: their address, password, second factor and sessions, and how they come into a tenant. */
export const PEOPLE_ROUTES = {
  verifyEmail: {
    ...{ ...mail, path: '/v1/auth/verify-email', body: SingleUseTokenBody },
    summary: 'Proves an e-mail address by the token of the mail',
    problems: ['unauthenticated'],
  },
  forgotPassword: {
    ...{ ...mail, path: '/v1/auth/forgot-password', body: ForgotPasswordBody },
    summary: 'Mails a token for a new password, if somebody has the address; the answer is always the same',
  },
  resetPassword: {
    ...{ ...mail, path: '/v1/auth/reset-password', body: ResetPasswordBody },
    summary: 'Sets a new password by the token of the mail and ends all sessions',
    problems: ['unauthenticated'],
  },
  resendVerification: {
    ...{ ...mine, path: '/v1/me/verify-email', status: 204, response: nothing },
    summary: 'Mails the verification again',
  },
  changePassword: {
    ...{ ...mine, path: '/v1/me/password', body: ChangePasswordBody, status: 204, response: nothing },
    summary: 'Changes the password and ends all other sessions',
    problems: ['invalid-login'],
  },
  startMfa: {
    ...{ ...mine, path: '/v1/me/mfa', response: MfaSetup },
    summary: 'Begins with a second factor (TOTP): the secret for an authenticator, shown this once',
    problems: ['conflict'],
  },
  confirmMfa: {
    ...{ ...mine, path: '/v1/me/mfa/confirm', body: MfaCodeBody, response: RecoveryCodes },
    summary: 'Turns the second factor on; the recovery codes are shown this once',
    problems: ['conflict', 'invalid-login'],
  },
  disableMfa: {
    ...{ ...mine, path: '/v1/me/mfa/disable', body: MfaCodeBody, status: 204, response: nothing },
    summary: 'Turns the second factor off',
    problems: ['invalid-login'],
  },
  stepUp: {
    ...{ ...mine, path: '/v1/me/step-up', body: MfaCodeBody, response: SteppedUp },
    summary: 'Proves the second factor again, for dangerous actions',
    problems: ['invalid-login'],
  },
  listSessionsOfPerson: {
    ...{ ...mine, method: 'get', path: '/v1/me/sessions', response: SessionsOfPerson },
    summary: 'Where one is logged in',
  },
  endSessionOfPerson: {
    ...{ ...mine, method: 'delete', path: '/v1/me/sessions/{sessionId}', status: 204, response: nothing },
    params: z.object({ sessionId: z.uuid() }),
    summary: 'Logs a session out',
    problems: ['not-found'],
  },
  acceptInvitation: {
    ...{ ...mine, path: '/v1/me/invitations/accept', body: SingleUseTokenBody, response: AcceptedInvitation },
    summary: 'Joins a tenant by the token of the mail; only for the person it was sent to',
    problems: ['conflict', 'not-found'],
  },
  updateTenant: {
    ...{ method: 'patch', path: IN_TENANT, tag: 'tenants', access: { permission: 'tenant:write' } },
    ...{ params: tenantParams, body: UpdateTenantBody, status: 200, response: Tenant },
    dryRun: true,
    summary: 'Renames the tenant, or makes a second factor a must for its members',
    problems: ['conflict'],
  },
  listInvitations: {
    ...{ ...invite, method: 'get', path: `${IN_TENANT}/invitations`, query: PageQuery },
    ...{ access: { permission: 'tenant:read' }, status: 200, response: InvitationPage },
    summary: 'Lists invitations that are open',
  },
  createInvitation: {
    ...{ ...invite, method: 'post', path: `${IN_TENANT}/invitations`, body: CreateInvitationBody },
    ...{ status: 201, response: Invitation },
    dryRun: true,
    summary: 'Invites an address, whether or not it has an account',
    problems: ['quota-exceeded'],
  },
  revokeInvitation: {
    ...{ ...invite, method: 'delete', path: `${IN_TENANT}/invitations/{invitationId}` },
    ...{ params: tenantParams.extend({ invitationId: z.uuid() }), status: 204, response: nothing },
    dryRun: true,
    summary: 'Takes an invitation back',
  },
} as const satisfies Record<string, Route>;
