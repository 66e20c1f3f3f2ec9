import { z } from 'zod';
import { ClusterId, CredentialId, TenantId, UserId } from './ids.ts';
import { TopicName } from './names.ts';
import type { ProblemCode } from './problems.ts';
import { LoginBody, LogoutBody, Me, RefreshBody, Session, SignupBody, type Role } from './rest/auth.ts';
import { InvoicePreview, PriceList } from './rest/billing.ts';
import {
  Cluster,
  ClusterPage,
  CreateClusterBody,
  CreateCredentialBody,
  CreateTopicBody,
  CredentialCreated,
  CredentialPage,
  Topic,
  TopicPage,
} from './rest/clusters.ts';
import { PageQuery } from './rest/page.ts';
import {
  AddMemberBody,
  ApiKeyCreated,
  ApiKeyPage,
  AuditEventPage,
  CreateApiKeyBody,
  Member,
  MemberPage,
  Tenant,
  UpdateMemberBody,
} from './rest/tenants.ts';
import { Usage, UsageQuery } from './rest/usage.ts';

/** Who may call a route: nobody in particular, any signed-in person or key, or a member of the path's tenant with at least `role`. */
export type RouteAccess = 'public' | 'signed-in' | { readonly role: Role };

/**
 * One REST route as data. The API serves exactly these, the OpenAPI document and the typed client are made from them,
 * and the role matrix is read off them.
 */
export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** OpenAPI path template below the server root. */
  readonly path: `/v1/${string}`;
  readonly tag: string;
  readonly summary: string;
  readonly access: RouteAccess;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Success status and body; a `z.void()` body has no content. */
  readonly status: 200 | 201 | 202 | 204;
  readonly response: z.ZodType;
  /** Refusals peculiar to the route; 400, 401, 403, 404, 429 and 500 go without saying where they can happen. */
  readonly problems?: readonly ProblemCode[];
}

const tenant = z.object({ tenantId: TenantId });
const cluster = tenant.extend({ clusterId: ClusterId });
const nothing = z.void();
const at = '/v1/tenants/{tenantId}';
const inCluster = '/v1/tenants/{tenantId}/clusters/{clusterId}';

export const ROUTES = {
  signup: {
    method: 'post',
    path: '/v1/auth/signup',
    tag: 'auth',
    access: 'public',
    body: SignupBody,
    status: 201,
    response: Session,
    summary: 'Makes a person, a tenant and its owner membership',
    problems: ['conflict'],
  },
  login: {
    method: 'post',
    path: '/v1/auth/login',
    tag: 'auth',
    access: 'public',
    body: LoginBody,
    status: 200,
    response: Session,
    summary: 'Exchanges e-mail and password for a session',
    problems: ['invalid-login'],
  },
  refresh: {
    method: 'post',
    path: '/v1/auth/refresh',
    tag: 'auth',
    access: 'public',
    body: RefreshBody,
    status: 200,
    response: Session,
    summary: 'Rotates the refresh token; a token used twice ends all sessions of its family',
  },
  logout: {
    method: 'post',
    path: '/v1/auth/logout',
    tag: 'auth',
    access: 'public',
    body: LogoutBody,
    status: 204,
    response: nothing,
    summary: 'Ends the session',
  },
  me: {
    method: 'get',
    path: '/v1/me',
    tag: 'auth',
    access: 'signed-in',
    status: 200,
    response: Me,
    summary: 'Who is signed in, and the tenants they belong to',
  },
  getTenant: {
    method: 'get',
    path: at,
    tag: 'tenants',
    access: { role: 'viewer' },
    params: tenant,
    status: 200,
    response: Tenant,
    summary: 'Reads a tenant',
  },
  listMembers: {
    method: 'get',
    path: `${at}/members`,
    tag: 'members',
    access: { role: 'viewer' },
    params: tenant,
    query: PageQuery,
    status: 200,
    response: MemberPage,
    summary: 'Lists members',
  },
  addMember: {
    method: 'post',
    path: `${at}/members`,
    tag: 'members',
    access: { role: 'admin' },
    params: tenant,
    body: AddMemberBody,
    status: 201,
    response: Member,
    summary: 'Adds somebody who has an account',
    problems: ['conflict'],
  },
  updateMember: {
    method: 'patch',
    path: `${at}/members/{userId}`,
    tag: 'members',
    access: { role: 'admin' },
    params: tenant.extend({ userId: UserId }),
    body: UpdateMemberBody,
    status: 200,
    response: Member,
    summary: 'Changes a member’s role; the last owner stays',
    problems: ['conflict'],
  },
  removeMember: {
    method: 'delete',
    path: `${at}/members/{userId}`,
    tag: 'members',
    access: { role: 'admin' },
    params: tenant.extend({ userId: UserId }),
    status: 204,
    response: nothing,
    summary: 'Removes a member; the last owner stays',
    problems: ['conflict'],
  },
  listApiKeys: {
    method: 'get',
    path: `${at}/api-keys`,
    tag: 'api-keys',
    access: { role: 'admin' },
    params: tenant,
    query: PageQuery,
    status: 200,
    response: ApiKeyPage,
    summary: 'Lists API keys',
  },
  createApiKey: {
    method: 'post',
    path: `${at}/api-keys`,
    tag: 'api-keys',
    access: { role: 'admin' },
    params: tenant,
    body: CreateApiKeyBody,
    status: 201,
    response: ApiKeyCreated,
    summary: 'Makes an API key; the key is shown this once',
  },
  deleteApiKey: {
    method: 'delete',
    path: `${at}/api-keys/{apiKeyId}`,
    tag: 'api-keys',
    access: { role: 'admin' },
    params: tenant.extend({ apiKeyId: z.uuid() }),
    status: 204,
    response: nothing,
    summary: 'Revokes an API key',
  },
  listAuditEvents: {
    method: 'get',
    path: `${at}/audit-events`,
    tag: 'audit',
    access: { role: 'admin' },
    params: tenant,
    query: PageQuery,
    status: 200,
    response: AuditEventPage,
    summary: 'Lists audit events, newest first',
  },
  listClusters: {
    method: 'get',
    path: `${at}/clusters`,
    tag: 'clusters',
    access: { role: 'viewer' },
    params: tenant,
    query: PageQuery.extend({ name: z.string().optional() }),
    status: 200,
    response: ClusterPage,
    summary: 'Lists clusters',
  },
  createCluster: {
    method: 'post',
    path: `${at}/clusters`,
    tag: 'clusters',
    access: { role: 'developer' },
    params: tenant,
    body: CreateClusterBody,
    status: 202,
    response: Cluster,
    summary: 'Creates a cluster; it is readable at once and ready in seconds',
    problems: ['name-taken', 'quota-exceeded'],
  },
  getCluster: {
    method: 'get',
    path: inCluster,
    tag: 'clusters',
    access: { role: 'viewer' },
    params: cluster,
    status: 200,
    response: Cluster,
    summary: 'Reads a cluster',
  },
  deleteCluster: {
    method: 'delete',
    path: inCluster,
    tag: 'clusters',
    access: { role: 'admin' },
    params: cluster,
    status: 202,
    response: Cluster,
    summary: 'Deletes a cluster and its data',
  },
  listCredentials: {
    method: 'get',
    path: `${inCluster}/credentials`,
    tag: 'credentials',
    access: { role: 'viewer' },
    params: cluster,
    query: PageQuery,
    status: 200,
    response: CredentialPage,
    summary: 'Lists credentials',
  },
  createCredential: {
    method: 'post',
    path: `${inCluster}/credentials`,
    tag: 'credentials',
    access: { role: 'developer' },
    params: cluster,
    body: CreateCredentialBody,
    status: 201,
    response: CredentialCreated,
    summary: 'Makes a credential; the password is shown this once',
    problems: ['name-taken', 'conflict'],
  },
  deleteCredential: {
    method: 'delete',
    path: `${inCluster}/credentials/{credentialId}`,
    tag: 'credentials',
    access: { role: 'developer' },
    params: cluster.extend({ credentialId: CredentialId }),
    status: 204,
    response: nothing,
    summary: 'Revokes a credential and cuts its connections',
  },
  listTopics: {
    method: 'get',
    path: `${inCluster}/topics`,
    tag: 'topics',
    access: { role: 'viewer' },
    params: cluster,
    query: PageQuery,
    status: 200,
    response: TopicPage,
    summary: 'Lists topics, those made by clients included',
  },
  createTopic: {
    method: 'post',
    path: `${inCluster}/topics`,
    tag: 'topics',
    access: { role: 'developer' },
    params: cluster,
    body: CreateTopicBody,
    status: 201,
    response: Topic,
    summary: 'Creates a topic',
    problems: ['name-taken', 'quota-exceeded', 'conflict'],
  },
  deleteTopic: {
    method: 'delete',
    path: `${inCluster}/topics/{topicName}`,
    tag: 'topics',
    access: { role: 'developer' },
    params: cluster.extend({ topicName: TopicName }),
    status: 204,
    response: nothing,
    summary: 'Deletes a topic and its data',
  },
  getUsage: {
    method: 'get',
    path: `${at}/usage`,
    tag: 'usage',
    access: { role: 'viewer' },
    params: tenant,
    query: UsageQuery,
    status: 200,
    response: Usage,
    summary: 'What was used, per cluster, protocol, meter and time',
  },
  previewInvoice: {
    method: 'get',
    path: `${at}/invoices/preview`,
    tag: 'billing',
    access: { role: 'admin' },
    params: tenant,
    status: 200,
    response: InvoicePreview,
    summary: 'The invoice if the period ended now',
    problems: ['unavailable'],
  },
  listPrices: {
    method: 'get',
    path: '/v1/prices',
    tag: 'billing',
    access: 'public',
    status: 200,
    response: PriceList,
    summary: 'What each plan costs: price, unit and free allowance per meter',
    problems: ['unavailable'],
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof ROUTES;

const RANK: Record<Role, number> = { viewer: 0, developer: 1, admin: 2, owner: 3 };
/** Whether `role` has at least the rights of `needed`. */
export const roleAllows = (role: Role, needed: Role): boolean => RANK[role] >= RANK[needed];
