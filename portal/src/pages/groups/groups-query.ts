import { bodyOf, type Cluster } from '@robustmq/client';
import { clusterPath, useLiveList, type ListState } from '../../api/live.ts';
import { api } from '../../api/session.ts';
import type { Group } from './lag.ts';

/** The cluster's consumer groups, live. */
export const useGroups = (cluster: Cluster): ListState<Group> =>
  useLiveList(cluster, ['groups'], (query) =>
    bodyOf(
      api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/groups', {
        params: { path: clusterPath(cluster), query },
      }),
    ),
  );
