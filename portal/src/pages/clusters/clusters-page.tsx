import { Code, Text } from '@mantine/core';
import type { Cluster } from '@robustmq/client';
import { IconPlus, IconServer2 } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { AnchorLink, ButtonLink } from '../../ui/links.tsx';
import { clustersQuery } from '../../api/queries.ts';
import { useMay, useSession } from '../../api/session.ts';
import { DataTable, type DataColumn } from '../../ui/data-table.tsx';
import { PageHeader } from '../../ui/page-header.tsx';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { DeletedClusters } from './deleted-clusters.tsx';
import { StatusBadge } from '../../ui/status-badge.tsx';
import { Time } from '../../ui/time.tsx';

const COLUMNS: readonly DataColumn<Cluster>[] = [
  {
    id: 'name',
    header: 'Name',
    sortBy: (cluster) => cluster.name,
    cell: (cluster) => (
      <AnchorLink to="/clusters/$clusterId" params={{ clusterId: cluster.id }} fw={600}>
        {cluster.name}
      </AnchorLink>
    ),
  },
  {
    id: 'phase',
    header: 'Status',
    sortBy: (cluster) => cluster.phase,
    cell: (cluster) => <StatusBadge phase={cluster.phase} />,
  },
  {
    id: 'plan',
    header: 'Plan',
    sortBy: (cluster) => cluster.plan,
    cell: (cluster) => (
      <Text size="sm" tt="capitalize">
        {cluster.plan}
      </Text>
    ),
  },
  { id: 'region', header: 'Region', sortBy: (cluster) => cluster.region, cell: (cluster) => cluster.region },
  { id: 'key', header: 'Key', cell: (cluster) => <Code>{cluster.key}</Code> },
  {
    id: 'created',
    header: 'Created',
    sortBy: (cluster) => cluster.createdAt,
    cell: (cluster) => <Time iso={cluster.createdAt} />,
  },
];

/** All clusters of the tenant. */
export function ClustersPage() {
  const { tenantId } = useSession();
  const mayCreate = useMay('developer');
  const clusters = useQuery(clustersQuery(tenantId));
  const create = mayCreate && (
    <ButtonLink to="/clusters/new" leftSection={<IconPlus size={16} aria-hidden />}>
      Create cluster
    </ButtonLink>
  );
  const empty = clusters.data?.length === 0;
  return (
    <>
      <PageHeader
        title="Clusters"
        description="Messaging endpoints, each with its own topics, credentials and limits."
        actions={!empty && create}
      />
      {clusters.isPending && <LoadingState />}
      {clusters.error && <ErrorState mb="md" error={clusters.error} retry={() => void clusters.refetch()} />}
      {empty && (
        <EmptyState icon={<IconServer2 size={28} />} title="Create your first cluster" action={create}>
          It is ready in seconds. Then connect any MQTT or Kafka client to it; both see the same messages.
        </EmptyState>
      )}
      {clusters.data && !empty && (
        <DataTable
          label="Clusters"
          columns={COLUMNS}
          rows={clusters.data}
          rowId={(cluster) => cluster.id}
          minWidth={720}
        />
      )}
      <DeletedClusters tenantId={tenantId} />
    </>
  );
}
