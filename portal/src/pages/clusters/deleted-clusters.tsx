import { Button, Stack, Title } from '@mantine/core';
import { allItems, bodyOf, type Cluster } from '@robustmq/client';
import { useQuery } from '@tanstack/react-query';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import { DataTable, type DataColumn } from '../../ui/data-table.tsx';
import { ErrorState } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { useRestoreCluster } from './life-mutations.ts';

const LIMIT = 200;

const columnsOf = (
  onRestore: (cluster: Cluster) => void,
  pending: string | undefined,
): readonly DataColumn<Cluster>[] => [
  { id: 'name', header: 'Name', sortBy: (cluster) => cluster.name, cell: (cluster) => cluster.name },
  {
    id: 'until',
    header: 'Can be restored until',
    sortBy: (cluster) => cluster.restoreUntil ?? '',
    cell: ({ restoreUntil }) => restoreUntil !== null && <Time iso={restoreUntil} />,
  },
  {
    id: 'actions',
    header: '',
    align: 'right',
    cell: (cluster) => (
      <Button
        size="xs"
        variant="light"
        loading={pending === cluster.id}
        onClick={() => onRestore(cluster)}
        aria-label={`Restore cluster ${cluster.name}`}
      >
        Restore
      </Button>
    ),
  },
];

/** Clusters that were deleted and can still be taken back; nothing where there are none. */
export function DeletedClusters({ tenantId }: { tenantId: string }) {
  const mayRestore = usePermitted('cluster:delete');
  const restore = useRestoreCluster(tenantId);
  const deleted = useQuery({
    queryKey: [tenantId, 'clusters', 'deleted'],
    enabled: mayRestore,
    queryFn: () =>
      allItems((cursor) =>
        bodyOf(
          api.GET('/v1/tenants/{tenantId}/clusters', {
            params: {
              path: { tenantId },
              query: { deleted: 'true', limit: LIMIT, ...(cursor === undefined ? {} : { cursor }) },
            },
          }),
        ),
      ),
  });
  if (!deleted.data || deleted.data.length === 0) return null;
  const pending = restore.isPending ? restore.variables.id : undefined;
  return (
    <Stack mt="xl">
      <Title order={2} size="h4">
        Deleted clusters
      </Title>
      {restore.error && <ErrorState error={restore.error} />}
      <DataTable
        label="Deleted clusters"
        columns={columnsOf(restore.mutate, pending)}
        rows={deleted.data}
        rowId={({ id }) => id}
      />
    </Stack>
  );
}
