import { allItems, bodyOf } from '@robustmq/client';
import { queryOptions } from '@tanstack/react-query';
import { api } from './session.ts';

const LIMIT = 200;
const at = (tenantId: string) => ({ path: { tenantId } });

/** Cache keys of a tenant's money begin with this, so that one change refreshes all of it. */
export const moneyKey = (tenantId: string): readonly [string, 'money'] => [tenantId, 'money'];

export const subscriptionQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [...moneyKey(tenantId), 'subscription'],
    queryFn: () => bodyOf(api.GET('/v1/tenants/{tenantId}/subscription', { params: at(tenantId) })),
  });

export const creditsQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [...moneyKey(tenantId), 'credits'],
    queryFn: () => bodyOf(api.GET('/v1/tenants/{tenantId}/credits', { params: at(tenantId) })),
  });

export const budgetsQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [...moneyKey(tenantId), 'budgets'],
    queryFn: async () => {
      const { items } = await bodyOf(api.GET('/v1/tenants/{tenantId}/budgets', { params: at(tenantId) }));
      return items;
    },
    refetchInterval: 60_000,
  });

export const costsQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [...moneyKey(tenantId), 'costs'],
    queryFn: () => bodyOf(api.GET('/v1/tenants/{tenantId}/costs', { params: at(tenantId) })),
    refetchInterval: 60_000,
  });

export const invoicesQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [...moneyKey(tenantId), 'invoices'],
    queryFn: () =>
      allItems((cursor) =>
        bodyOf(
          api.GET('/v1/tenants/{tenantId}/invoices', {
            params: { ...at(tenantId), query: { limit: LIMIT, ...(cursor === undefined ? {} : { cursor }) } },
          }),
        ),
      ),
  });

export const invoiceQuery = (tenantId: string, invoiceId: string) =>
  queryOptions({
    queryKey: [...moneyKey(tenantId), 'invoices', invoiceId],
    queryFn: () =>
      bodyOf(api.GET('/v1/tenants/{tenantId}/invoices/{invoiceId}', { params: { path: { tenantId, invoiceId } } })),
  });
