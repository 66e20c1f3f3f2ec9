import { allItems, bodyOf } from '@robustmq/client';
import type { Webhook } from '@robustmq/contracts';
import { queryOptions } from '@tanstack/react-query';
import { api } from '../../api/session.ts';

const LIMIT = 200;
/** Whether messages arrive changes without anybody touching the portal. */
const REFRESH_MS = 5_000;

/** All webhooks of a tenant; a cluster or a member has few, a tenant has at most tens. */
export const webhooksQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [tenantId, 'webhooks'],
    queryFn: (): Promise<Webhook[]> =>
      allItems((cursor) =>
        bodyOf(
          api.GET('/v1/tenants/{tenantId}/webhooks', {
            params: { path: { tenantId }, query: { limit: LIMIT, ...(cursor === undefined ? {} : { cursor }) } },
          }),
        ),
      ),
    refetchInterval: REFRESH_MS,
  });
