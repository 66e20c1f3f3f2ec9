import type { Cluster } from '@robustmq/client';
import { clusterPath, liveKey } from '../../api/live.ts';
import { api } from '../../api/session.ts';
import { useConfirmed } from '../../ui/use-confirmed.tsx';

interface Named {
  readonly clientId: string;
}

/** Ends a session for good. */
export const useEndSession = (cluster: Cluster, afterwards?: () => void) =>
  useConfirmed<Named>({
    title: ({ clientId }) => `End the session of ${clientId}?`,
    action: 'End session',
    words: () => 'Its subscriptions and all messages waiting for it are forgotten, and its client is disconnected.',
    run: ({ clientId }) =>
      api.DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/sessions/{clientId}', {
        params: { path: { ...clusterPath(cluster), clientId } },
      }),
    done: ({ clientId }) => `Ended the session of ${clientId}`,
    queryKey: liveKey(cluster),
    ...(afterwards ? { afterwards } : {}),
  });

/** Forgets what waits for a session; its subscriptions stay. */
export const useClearInbox = (cluster: Cluster) =>
  useConfirmed<Named>({
    title: ({ clientId }) => `Clear the inbox of ${clientId}?`,
    action: 'Clear inbox',
    words: () => 'The messages waiting for it are not delivered any more. Its subscriptions stay.',
    run: ({ clientId }) =>
      api.DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/sessions/{clientId}/inbox', {
        params: { path: { ...clusterPath(cluster), clientId } },
      }),
    done: ({ clientId }) => `Cleared the inbox of ${clientId}`,
    queryKey: liveKey(cluster),
  });
