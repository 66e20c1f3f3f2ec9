import { bodyOf, type Cluster } from '@robustmq/client';
import type { NodeViewReply } from '@robustmq/contracts';
import { queryOptions } from '@tanstack/react-query';
import { clusterPath, liveKey } from '../../api/live.ts';
import { api } from '../../api/session.ts';

/** A partition with its offsets, its bytes in each tier, its objects and their moves. */
export type Partition = NodeViewReply<'topic-tiers'>['partitions'][number];

const POLL_MS = 10_000;

/** The partitions of a topic, live. */
export const tiersQuery = (cluster: Cluster, topicName: string) =>
  queryOptions({
    queryKey: liveKey(cluster, 'tiers', topicName),
    queryFn: () =>
      bodyOf(
        api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/topics/{topicName}/tiers', {
          params: { path: { ...clusterPath(cluster), topicName } },
        }),
      ),
    refetchInterval: POLL_MS,
  });
