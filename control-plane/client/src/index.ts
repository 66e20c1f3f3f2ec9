import type { components } from './generated/schema.ts';

export { ApiError, ConnectionError, type FieldError } from './api-error.ts';
export { allItems, bodyOf, createClient, DRY_RUN, dryRunOf } from './client.ts';
export type { ClientOptions, DryRun, RestClient } from './client.ts';
export { memoryTokenStore, type Authentication, type SessionTokens, type TokenStore } from './tokens.ts';

type Schemas = components['schemas'];

/** Bodies as they travel (ids are plain strings here; the branded ones are in `@robustmq/contracts`). */
export type Session = Schemas['LoginResponse'];
export type Me = Schemas['MeResponse'];
export type Cluster = Schemas['GetClusterResponse'];
export type Credential = Schemas['ListCredentialsResponse']['items'][number];
export type CredentialCreated = Schemas['CreateCredentialResponse'];
export type Topic = Schemas['CreateTopicResponse'];
export type Member = Schemas['AddMemberResponse'];
export type ApiKey = Schemas['ListApiKeysResponse']['items'][number];
export type ApiKeyCreated = Schemas['CreateApiKeyResponse'];
export type AuditEvent = Schemas['ListAuditEventsResponse']['items'][number];
export type Usage = Schemas['GetUsageResponse'];
export type InvoicePreview = Schemas['PreviewInvoiceResponse'];
export type Price = Schemas['ListPricesResponse']['items'][number];
export type Invoice = Schemas['GetInvoiceResponse'];
export type InvoiceSummary = Schemas['ListInvoicesResponse']['items'][number];
export type Subscription = Schemas['GetSubscriptionResponse'];
export type Credit = Schemas['ListCreditsResponse']['items'][number];
export type Budget = Schemas['ListBudgetsResponse']['items'][number];
export type Costs = Schemas['GetCostsResponse'];
export type FileAnswer = Schemas['DownloadInvoiceResponse'];
export type Invitation = Schemas['ListInvitationsResponse']['items'][number];
export type PersonSession = Schemas['ListSessionsOfPersonResponse']['items'][number];
export type Roles = Schemas['ListRolesResponse'];
