import { z } from 'zod';
import { Session } from '../rest/auth.ts';
import { PageQuery } from '../rest/page.ts';
import {
  CreateSsoDomainBody,
  CreateSsoProviderBody,
  SsoCheck,
  SsoDomain,
  SsoDomainPage,
  SsoFinishBody,
  SsoProvider,
  SsoProviderPage,
  SsoStartBody,
  SsoStarted,
  UpdateSsoProviderBody,
} from '../rest/sso.ts';
import { IN_TENANT, tenantParams } from './paths.ts';
import type { Route } from './route.ts';

const PROVIDERS = `${IN_TENANT}/sso/providers` as const;
const PROVIDER = `${IN_TENANT}/sso/providers/{ssoProviderId}` as const;
const DOMAINS = `${IN_TENANT}/sso/domains` as const;
const DOMAIN = `${IN_TENANT}/sso/domains/{domain}` as const;
const provider = tenantParams.extend({ ssoProviderId: z.uuid() });
const domain = tenantParams.extend({ domain: z.string().min(3).max(253) });
const enter = { method: 'post', tag: 'auth', access: 'public', status: 200 } as const;
const read = { method: 'get', tag: 'sso', access: { permission: 'sso:read' }, status: 200 } as const;
const write = { tag: 'sso', access: { permission: 'sso:write' } } as const;

/** Sign-in through a tenant's own identity provider (OpenID Connect). */
export const SSO_ROUTES = {
  ssoStart: {
    ...{ ...enter, path: '/v1/auth/sso/start', body: SsoStartBody, response: SsoStarted },
    summary: 'Begins a sign-in through the identity provider of the address’s domain',
    problems: ['not-found', 'unavailable'],
  },
  ssoFinish: {
    ...{ ...enter, path: '/v1/auth/sso/finish', body: SsoFinishBody, response: Session },
    summary: 'Exchanges what the identity provider answered for a session in its tenant',
    problems: ['sso-refused', 'unavailable'],
  },
  listSsoProviders: {
    ...{ ...read, path: PROVIDERS, params: tenantParams, query: PageQuery, response: SsoProviderPage },
    summary: 'Lists identity providers',
  },
  createSsoProvider: {
    ...{ ...write, method: 'post', path: PROVIDERS, stepUp: true, params: tenantParams },
    ...{ body: CreateSsoProviderBody, status: 201, response: SsoProvider },
    dryRun: true,
    summary: 'Adds an identity provider; nobody gives roles they lack',
    problems: ['conflict', 'quota-exceeded'],
  },
  updateSsoProvider: {
    ...{ ...write, method: 'patch', path: PROVIDER, stepUp: true, params: provider },
    ...{ body: UpdateSsoProviderBody, status: 200, response: SsoProvider },
    dryRun: true,
    summary: 'Changes an identity provider; switched off, its sessions end',
    problems: ['conflict'],
  },
  deleteSsoProvider: {
    ...{ ...write, method: 'delete', path: PROVIDER, stepUp: true, params: provider, status: 204, response: z.void() },
    dryRun: true,
    summary: 'Removes an identity provider and ends its sessions; members stay',
    problems: ['conflict'],
  },
  checkSsoProvider: {
    ...{ ...write, method: 'post', path: `${PROVIDER}:check`, params: provider, status: 200, response: SsoCheck },
    summary: 'Reads the provider’s discovery document now and says what is wrong with it',
  },
  listSsoDomains: {
    ...{ ...read, path: DOMAINS, params: tenantParams, query: PageQuery, response: SsoDomainPage },
    summary: 'Lists e-mail domains, proven or not',
  },
  createSsoDomain: {
    ...{ ...write, method: 'post', path: DOMAINS, params: tenantParams, body: CreateSsoDomainBody },
    ...{ status: 201, response: SsoDomain },
    dryRun: true,
    summary: 'Claims an e-mail domain; the TXT record that proves it is in the answer',
    problems: ['conflict', 'quota-exceeded'],
  },
  verifySsoDomain: {
    ...{ ...write, method: 'post', path: `${DOMAIN}:verify`, params: domain, status: 200, response: SsoDomain },
    summary: 'Looks the TXT record up; a domain belongs to one tenant',
    problems: ['conflict', 'unavailable'],
  },
  deleteSsoDomain: {
    ...{ ...write, method: 'delete', path: DOMAIN, params: domain, status: 204, response: z.void() },
    dryRun: true,
    summary: 'Gives a domain up: nobody new enters by it',
    problems: ['conflict'],
  },
} as const satisfies Record<string, Route>;
