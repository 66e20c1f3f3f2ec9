import { Group, SegmentedControl, Stack, Text, Title } from '@mantine/core';
import { bodyOf } from '@robustmq/client';
import type { UsageDimension } from '@robustmq/contracts';
import { IconListTree } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { METER_LABEL, meterText, PROTOCOL_LABEL } from './meter-text.ts';
import { sharesOf, type NamedShare } from './share-rows.ts';
import type { Meter } from './series.ts';

const HOUR_MS = 3_600_000;
const REFRESH_MS = 60_000;
const WORDS = {
  credential: { label: 'By credential', header: 'Credential', rest: 'Nobody in particular' },
  topic_prefix: { label: 'By topic prefix', header: 'Topic prefix', rest: 'All others' },
} as const;

const columnsOf = (by: UsageDimension, meter: Meter, clusters: ReadonlyMap<string, string>) =>
  [
    {
      id: 'name',
      header: WORDS[by].header,
      sortBy: (row) => row.name ?? '~',
      cell: (row) => row.name ?? <Text c="dimmed">{WORDS[by].rest}</Text>,
    },
    {
      id: 'cluster',
      header: 'Cluster',
      sortBy: (row) => clusters.get(row.clusterId) ?? row.clusterId,
      cell: (row) => clusters.get(row.clusterId) ?? 'deleted',
    },
    { id: 'protocol', header: 'Protocol', sortBy: (row) => row.protocol, cell: (row) => PROTOCOL_LABEL[row.protocol] },
    {
      id: 'quantity',
      header: METER_LABEL[meter],
      align: 'right',
      sortBy: (row) => Number(row.quantity),
      cell: (row) => <span title={row.quantity}>{meterText(meter, Number(row.quantity))}</span>,
    },
    { id: 'share', header: 'Share', align: 'right', sortBy: (row) => row.percent, cell: (row) => `${row.percent} %` },
  ] satisfies readonly DataColumn<NamedShare>[];

interface BreakdownProps {
  readonly tenantId: string;
  readonly clusterId: string | undefined;
  readonly meter: Meter;
  readonly from: string;
  readonly to: string;
  readonly clusters: readonly { readonly id: string; readonly name: string }[];
}

/** Whole hours around a time. */
const hoursOf = (from: string, to: string) => ({
  from: new Date(Math.floor(Date.parse(from) / HOUR_MS) * HOUR_MS).toISOString(),
  to: new Date(Math.ceil(Date.parse(to) / HOUR_MS) * HOUR_MS).toISOString(),
});

/** Who used it: one meter by credential or topic prefix; the rows add up to what is billed. */
export function UsageBreakdownSection({ tenantId, clusterId, meter, from, to, clusters }: BreakdownProps) {
  const [by, setBy] = useState<UsageDimension>('credential');
  const query = { by, meter, ...hoursOf(from, to), ...(clusterId === undefined ? {} : { clusterId }) };
  const breakdown = useQuery({
    queryKey: [tenantId, 'usage', 'breakdown', query],
    queryFn: () => bodyOf(api.GET('/v1/tenants/{tenantId}/usage/breakdown', { params: { path: { tenantId }, query } })),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
  const names = new Map(clusters.map(({ id, name }) => [id, name]));
  return (
    <Stack component="section" aria-label="Breakdown">
      <Group justify="space-between">
        <Title order={2} size="h4">
          Who used it
        </Title>
        <SegmentedControl
          aria-label="Broken down"
          data={Object.entries(WORDS).map(([value, { label }]) => ({ value, label }))}
          value={by}
          onChange={(value) => setBy(value as UsageDimension)}
        />
      </Group>
      <ListPage
        label="Breakdown"
        list={{
          rows: breakdown.data && sharesOf(breakdown.data.items),
          error: breakdown.error,
          refetch: () => void breakdown.refetch(),
        }}
        columns={columnsOf(by, meter, names)}
        rowId={(row) => `${row.clusterId} ${row.protocol} ${row.name ?? ''}`}
        minWidth={640}
        description={`${METER_LABEL[meter]} in whole hours of that time; the rows add up to what is counted.`}
        empty={{
          icon: <IconListTree size={28} />,
          title: 'Nothing to break down',
          words: 'Nothing was counted by this meter in that time, or it belongs to no credential or topic.',
        }}
      />
    </Stack>
  );
}
