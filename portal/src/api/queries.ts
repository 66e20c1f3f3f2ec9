import { allItems, bodyOf, type Cluster } from '@robustmq/client';
import { queryOptions } from '@tanstack/react-query';
import { api } from './session.ts';

const LIMIT = 200;
const pageQuery = (cursor: string | undefined) => ({ limit: LIMIT, ...(cursor === undefined ? {} : { cursor }) });

/** Polled fast while something is under way, slowly otherwise. */
const pollMs = (settled: boolean): number => (settled ? 10_000 : 1_000);
const settled = (cluster: Cluster | undefined): boolean =>
  cluster === undefined || ['Ready', 'Paused', 'Suspended', 'Deleted', 'Failed'].includes(cluster.phase);

export const clustersQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [tenantId, 'clusters'],
    queryFn: () =>
      allItems((cursor) =>
        bodyOf(
          api.GET('/v1/tenants/{tenantId}/clusters', { params: { path: { tenantId }, query: pageQuery(cursor) } }),
        ),
      ),
    refetchInterval: (query) => pollMs((query.state.data ?? []).every(settled)),
  });

export const clusterQuery = (tenantId: string, clusterId: string) =>
  queryOptions({
    queryKey: [tenantId, 'clusters', clusterId],
    queryFn: () =>
      bodyOf(api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}', { params: { path: { tenantId, clusterId } } })),
    refetchInterval: (query) => (query.state.error ? false : pollMs(settled(query.state.data))),
  });

export const credentialsQuery = (tenantId: string, clusterId: string) =>
  queryOptions({
    queryKey: [tenantId, 'clusters', clusterId, 'credentials'],
    queryFn: () =>
      allItems((cursor) =>
        bodyOf(
          api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/credentials', {
            params: { path: { tenantId, clusterId }, query: pageQuery(cursor) },
          }),
        ),
      ),
    refetchInterval: (query) => pollMs((query.state.data ?? []).every((credential) => credential.propagated)),
  });

export const topicsQuery = (tenantId: string, clusterId: string) =>
  queryOptions({
    queryKey: [tenantId, 'clusters', clusterId, 'topics'],
    queryFn: () =>
      allItems((cursor) =>
        bodyOf(
          api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/topics', {
            params: { path: { tenantId, clusterId }, query: pageQuery(cursor) },
          }),
        ),
      ),
    refetchInterval: (query) => pollMs((query.state.data ?? []).every((topic) => topic.ready)),
  });

export interface UsageFilter {
  readonly clusterId: string | undefined;
  readonly from: string;
  readonly to: string;
  readonly granularity: 'minute' | 'hour' | 'day' | 'month';
}

export const usageQuery = (tenantId: string, { clusterId, ...filter }: UsageFilter) =>
  queryOptions({
    queryKey: [tenantId, 'usage', clusterId, filter],
    queryFn: () =>
      bodyOf(
        api.GET('/v1/tenants/{tenantId}/usage', {
          params: { path: { tenantId }, query: { ...filter, ...(clusterId === undefined ? {} : { clusterId }) } },
        }),
      ),
  });

export const invoicePreviewQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [tenantId, 'invoice-preview'],
    queryFn: () => bodyOf(api.GET('/v1/tenants/{tenantId}/invoices/preview', { params: { path: { tenantId } } })),
  });

/** The public price list: it changes with the month, not by the minute. */
export const pricesQuery = queryOptions({
  queryKey: ['prices'],
  queryFn: () => bodyOf(api.GET('/v1/prices')),
  staleTime: 3_600_000,
});

export const membersQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [tenantId, 'members'],
    queryFn: () =>
      allItems((cursor) =>
        bodyOf(api.GET('/v1/tenants/{tenantId}/members', { params: { path: { tenantId }, query: pageQuery(cursor) } })),
      ),
  });

export const apiKeysQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [tenantId, 'api-keys'],
    queryFn: () =>
      allItems((cursor) =>
        bodyOf(
          api.GET('/v1/tenants/{tenantId}/api-keys', { params: { path: { tenantId }, query: pageQuery(cursor) } }),
        ),
      ),
  });
