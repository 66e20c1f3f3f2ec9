import { allItems, bodyOf } from '@robustmq/client';
import { queryOptions } from '@tanstack/react-query';
import { api } from './session.ts';

const LIMIT = 200;

export const meQuery = queryOptions({ queryKey: ['me'], queryFn: () => bodyOf(api.GET('/v1/me')) });

export const sessionsQuery = queryOptions({
  queryKey: ['me', 'sessions'],
  queryFn: async () => (await bodyOf(api.GET('/v1/me/sessions'))).items,
});

export const tenantQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [tenantId, 'tenant'],
    queryFn: () => bodyOf(api.GET('/v1/tenants/{tenantId}', { params: { path: { tenantId } } })),
  });

export const invitationsQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [tenantId, 'invitations'],
    queryFn: () =>
      allItems((cursor) =>
        bodyOf(
          api.GET('/v1/tenants/{tenantId}/invitations', {
            params: { path: { tenantId }, query: { limit: LIMIT, ...(cursor === undefined ? {} : { cursor }) } },
          }),
        ),
      ),
  });

/** The permission matrix: what there is to be allowed, and what each role allows. */
export const rolesQuery = (tenantId: string) =>
  queryOptions({
    queryKey: [tenantId, 'roles'],
    queryFn: () => bodyOf(api.GET('/v1/tenants/{tenantId}/roles', { params: { path: { tenantId } } })),
  });
