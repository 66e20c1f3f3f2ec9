import { allItems, bodyOf } from '@robustmq/client';
import type { SsoDomain, SsoProvider } from '@robustmq/contracts';
import { queryOptions } from '@tanstack/react-query';
import { api } from '../../api/session.ts';

const pageOf = (cursor: string | undefined) => ({ limit: 200, ...(cursor === undefined ? {} : { cursor }) });

/** The identity providers of a tenant. */
export const providersQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [tenantId, 'sso', 'providers'],
    queryFn: (): Promise<SsoProvider[]> =>
      allItems((cursor) =>
        bodyOf(
          api.GET('/v1/tenants/{tenantId}/sso/providers', { params: { path: { tenantId }, query: pageOf(cursor) } }),
        ),
      ),
  });

/** The e-mail domains of a tenant, proven or not. */
export const domainsQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [tenantId, 'sso', 'domains'],
    queryFn: (): Promise<SsoDomain[]> =>
      allItems((cursor) =>
        bodyOf(
          api.GET('/v1/tenants/{tenantId}/sso/domains', { params: { path: { tenantId }, query: pageOf(cursor) } }),
        ),
      ),
  });
