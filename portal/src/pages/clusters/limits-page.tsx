import { Alert, Button, Group, List, Modal, Progress, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { bodyOf, type Cluster } from '@robustmq/client';
import type { ClusterQuotas, Quotas } from '@robustmq/contracts';
import { IconAlertTriangle, IconBell } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { clusterPath } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import { DataTable, type DataColumn } from '../../ui/data-table.tsx';
import { notice } from '../../ui/notice.ts';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { Tag } from '../../ui/tag.tsx';
import { Time } from '../../ui/time.tsx';
import { SettingPages } from '../settings/setting-pages.tsx';
import { useCluster } from './cluster-layout.tsx';
import { QUOTA_LABEL, quotasOf, quotaText } from './quota-text.ts';

type Use = ClusterQuotas['items'][number];

const AT = '/v1/tenants/{tenantId}/clusters/{clusterId}/quotas';
const POLL_MS = 10_000;
const LEVEL = {
  ok: { color: 'teal', text: 'Fine' },
  soft: { color: 'yellow', text: 'Warned' },
  '90': { color: 'orange', text: 'Over 90 %' },
  '100': { color: 'red', text: 'Used up' },
} as const;
const SOURCE = { plan: 'The plan', tenant: 'Agreed for your tenant', cluster: 'Agreed for this cluster' } as const;

const percentOf = ({ used, limit }: Use): number =>
  used === null || limit === 0 ? 0 : Math.min(100, Math.round((used / limit) * 100));

const COLUMNS: readonly DataColumn<Use>[] = [
  { id: 'name', header: 'Limit', sortBy: ({ name }) => QUOTA_LABEL[name], cell: ({ name }) => QUOTA_LABEL[name] },
  {
    id: 'used',
    header: 'Used',
    sortBy: percentOf,
    cell: (use) =>
      use.used === null ? (
        <Text size="sm" c="dimmed">
          Not counted
        </Text>
      ) : (
        <>
          {quotaText(use.name, use.used)}
          <Progress value={percentOf(use)} color={LEVEL[use.level].color} size="sm" mt={4} aria-hidden />
        </>
      ),
  },
  { id: 'limit', header: 'At most', align: 'right', cell: ({ name, limit }) => quotaText(name, limit) },
  { id: 'soft', header: 'Warned from', align: 'right', cell: ({ name, softLimit }) => quotaText(name, softLimit) },
  { id: 'source', header: 'Set by', sortBy: ({ source }) => source, cell: ({ source }) => SOURCE[source] },
  {
    id: 'level',
    header: 'State',
    sortBy: ({ level }) => level,
    cell: ({ level }) => <Tag color={LEVEL[level].color}>{LEVEL[level].text}</Tag>,
  },
];

const quotasKey = (cluster: Cluster) => [cluster.tenantId, 'clusters', cluster.id, 'quotas'];

interface SoftLimitsProps {
  readonly cluster: Cluster;
  readonly items: readonly Use[];
  readonly onClose: () => void;
}

/** From where on one is warned; nothing is refused there. */
function SoftLimits({ cluster, items, onClose }: SoftLimitsProps) {
  const queryClient = useQueryClient();
  const [texts, setTexts] = useState<Partial<Record<keyof Quotas, string>>>({});
  const limits = quotasOf(texts);
  const save = useMutation({
    mutationFn: (body: Partial<Quotas>) =>
      bodyOf(api.PUT(`${AT}/soft-limits`, { params: { path: clusterPath(cluster) }, body })),
    onSuccess: async () => {
      notice('Warnings are given from there on');
      onClose();
      await queryClient.invalidateQueries({ queryKey: quotasKey(cluster) });
    },
  });
  return (
    <Modal opened onClose={onClose} title="When to warn" size="lg">
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (limits) save.mutate(limits);
        }}
      >
        <Stack>
          <Text size="sm" c="dimmed">
            Empty = at 80 % of the limit. Write bytes with a unit: 15 GiB.
          </Text>
          {save.error && <ErrorState error={save.error} />}
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            {items.map(({ name, limit }) => (
              <TextInput
                key={name}
                label={QUOTA_LABEL[name]}
                placeholder={`below ${quotaText(name, limit)}`}
                autoComplete="off"
                value={texts[name] ?? ''}
                onChange={({ currentTarget: { value } }) => setTexts((before) => ({ ...before, [name]: value }))}
              />
            ))}
          </SimpleGrid>
          {!limits && (
            <Text size="sm" c="red" role="alert">
              One of them is no number.
            </Text>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending} disabled={!limits}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function Warnings({ warnings }: { warnings: ClusterQuotas['warnings'] }) {
  if (warnings.length === 0) return null;
  return (
    <Alert color="orange" variant="light" role="status" icon={<IconAlertTriangle aria-hidden />} title="Near the limit">
      <List size="sm">
        {warnings.map(({ quota, value, limit, since }) => (
          <List.Item key={quota}>
            {QUOTA_LABEL[quota as keyof Quotas] ?? quota}: {quotaText(quota as keyof Quotas, value)} of{' '}
            {quotaText(quota as keyof Quotas, limit)}, since <Time iso={since} />
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}

/** How much the cluster may use, and does. */
export function LimitsPage() {
  const cluster = useCluster();
  const mayChange = usePermitted('cluster:write');
  const [changing, setChanging] = useState(false);
  const quotas = useQuery({
    queryKey: quotasKey(cluster),
    queryFn: async () => (await bodyOf(api.GET(AT, { params: { path: clusterPath(cluster) } }))) as ClusterQuotas,
    refetchInterval: POLL_MS,
  });
  return (
    <>
      <SettingPages cluster={cluster} />
      <Stack>
        <Group justify="space-between">
          <Text c="dimmed" style={{ flex: '1 1 16rem' }}>
            The node refuses what goes beyond a limit, and tells the client why.
          </Text>
          {mayChange && quotas.data && (
            <Button
              variant="default"
              leftSection={<IconBell size={16} aria-hidden />}
              onClick={() => setChanging(true)}
            >
              When to warn
            </Button>
          )}
        </Group>
        {quotas.isPending && <LoadingState />}
        {quotas.error && <ErrorState error={quotas.error} retry={() => void quotas.refetch()} />}
        {quotas.data && (
          <>
            <Warnings warnings={quotas.data.warnings} />
            <DataTable
              label="Limits"
              columns={COLUMNS}
              rows={quotas.data.items}
              rowId={({ name }) => name}
              minWidth={820}
            />
          </>
        )}
        {changing && quotas.data && (
          <SoftLimits cluster={cluster} items={quotas.data.items} onClose={() => setChanging(false)} />
        )}
      </Stack>
    </>
  );
}
