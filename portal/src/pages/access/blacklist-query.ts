import { allItems, bodyOf, type Cluster } from '@robustmq/client';
import { queryOptions } from '@tanstack/react-query';
import { clusterPath } from '../../api/live.ts';
import { api } from '../../api/session.ts';

const LIMIT = 200;

/** Who is on the cluster's blacklist. */
export const blacklistQuery = (cluster: Cluster) =>
  queryOptions({
    queryKey: [cluster.tenantId, 'clusters', cluster.id, 'blacklist'],
    queryFn: () =>
      allItems((cursor) =>
        bodyOf(
          api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/blacklist', {
            params: {
              path: clusterPath(cluster),
              query: { limit: LIMIT, ...(cursor === undefined ? {} : { cursor }) },
            },
          }),
        ),
      ),
  });
