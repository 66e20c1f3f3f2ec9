import { bodyOf, type Cluster } from '@robustmq/client';
import type { UpdateClusterBody } from '@robustmq/contracts';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { clusterPath } from '../../api/live.ts';
import type { Sent } from '../../api/sent.ts';
import { api } from '../../api/session.ts';
import { notice } from '../../ui/notice.ts';

const AT = '/v1/tenants/{tenantId}/clusters/{clusterId}';

function useClustersChanged(cluster: Pick<Cluster, 'tenantId'>) {
  const queryClient = useQueryClient();
  return () => queryClient.invalidateQueries({ queryKey: [cluster.tenantId, 'clusters'] });
}

/** Changes name, labels, protection or plan; refused when somebody else changed the cluster in between. */
export function useUpdateCluster(cluster: Cluster, done: (cluster: Cluster) => string) {
  const changed = useClustersChanged(cluster);
  return useMutation({
    mutationFn: (body: Sent<UpdateClusterBody>) =>
      bodyOf(
        api.PATCH(AT, {
          params: { path: clusterPath(cluster), header: { 'If-Match': `"${cluster.version}"` } },
          body,
        }),
      ),
    onSuccess: async (updated) => {
      notice(done(updated));
      await changed();
    },
  });
}

/** Refuses clients and keeps everything, or serves them again. */
export function usePauseCluster(cluster: Cluster) {
  const changed = useClustersChanged(cluster);
  return useMutation({
    mutationFn: (pause: boolean) => {
      const params = { path: clusterPath(cluster) };
      return bodyOf(pause ? api.POST(`${AT}:pause`, { params }) : api.POST(`${AT}:resume`, { params }));
    },
    onSuccess: async (_answer, pause) => {
      notice(`${pause ? 'Pausing' : 'Resuming'} ${cluster.name}`);
      await changed();
    },
  });
}

/** Takes a deletion back. */
export function useRestoreCluster(tenantId: string) {
  const changed = useClustersChanged({ tenantId });
  return useMutation({
    mutationFn: (cluster: Cluster) => bodyOf(api.POST(`${AT}:restore`, { params: { path: clusterPath(cluster) } })),
    onSuccess: async (cluster) => {
      notice(`Restored ${cluster.name}`);
      await changed();
    },
  });
}

/** How long a deletion can be taken back, in days; 0 = not at all. */
export type RestoreDays = '0' | '7' | '30';

/** Deletes the cluster; its data goes when the window ends. */
export function useDeleteCluster(cluster: Cluster, onDone: () => Promise<unknown>) {
  const changed = useClustersChanged(cluster);
  return useMutation({
    mutationFn: (days: RestoreDays) =>
      bodyOf(api.DELETE(AT, { params: { path: clusterPath(cluster), query: { restore_days: days } } })),
    onSuccess: async (_answer, days) => {
      notice(days === '0' ? `Deleting cluster ${cluster.name}` : `Deleted ${cluster.name}; it can be restored`);
      await onDone();
      await changed();
    },
  });
}
