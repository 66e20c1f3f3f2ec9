import { Alert, Group, Paper, Select, Stack, Table, Text, Title } from '@mantine/core';
import type { Usage } from '@robustmq/client';
import { IconChartLine } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { clustersQuery, usageQuery, type UsageFilter } from '../../api/queries.ts';
import { usePermitted } from '../../api/permission.ts';
import { useSession } from '../../api/session.ts';
import { PageHeader } from '../../ui/page-header.tsx';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { countText } from '../clusters/quantity.ts';
import { UsageBreakdownSection } from './breakdown.tsx';
import { CostSection } from './costs.tsx';
import { METER_LABEL, meterText, PROTOCOL_LABEL } from './meter-text.ts';
import { seriesOf, totalsOf, type Meter } from './series.ts';
import { UsageChart } from './usage-chart.tsx';
import { UsageDownload } from './usage-download.tsx';

const METERS = Object.keys(METER_LABEL) as Meter[];
const PROTOCOLS = ['mqtt', 'kafka', 'amqp', 'storage'] as const;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** Least widths of the table's columns: with two protocols it fits a phone. */
const METER_WIDTH_PX = 120;
const TOTAL_WIDTH_PX = 76;
const REFRESH_MS = 15_000;

interface Range {
  readonly label: string;
  readonly granularity: UsageFilter['granularity'];
  readonly from: (nowMs: number) => number;
  /** Absent = it ends now. */
  readonly to?: (nowMs: number) => number;
}

/** The first of a month, `months` away from that of `nowMs`, in UTC. */
const monthStart = (nowMs: number, months = 0): number =>
  Date.UTC(new Date(nowMs).getUTCFullYear(), new Date(nowMs).getUTCMonth() + months);

const RANGES: Record<string, Range> = {
  hour: { label: 'Last hour, per minute', granularity: 'minute', from: (now) => now - HOUR_MS },
  day: { label: 'Last 24 hours, per minute', granularity: 'minute', from: (now) => now - 24 * HOUR_MS },
  week: { label: 'Last 7 days, per hour', granularity: 'hour', from: (now) => now - 7 * 24 * HOUR_MS },
  month: { label: 'This month, per day', granularity: 'day', from: (now) => monthStart(now) },
  lastMonth: {
    label: 'Last month, per day',
    granularity: 'day',
    from: (now) => monthStart(now, -1),
    to: (now) => monthStart(now),
  },
  quarter: { label: 'Last 90 days, per day', granularity: 'day', from: (now) => now - 90 * 24 * HOUR_MS },
  year: { label: 'Last 12 months, per month', granularity: 'month', from: (now) => monthStart(now, -11) },
};

/** The range as the API takes it: one that ends now ends with the next whole minute, so that the window being filled is in. */
function filterOf(range: Range, clusterId: string | undefined, nowMs: number): UsageFilter {
  const now = Math.ceil(nowMs / MINUTE_MS) * MINUTE_MS;
  const to = range.to?.(now) ?? now;
  return {
    clusterId,
    from: new Date(range.from(now)).toISOString(),
    to: new Date(to).toISOString(),
    granularity: range.granularity,
  };
}

function Totals({ usage }: { usage: Usage }) {
  const totals = useMemo(() => totalsOf(usage.windows), [usage.windows]);
  const protocols = PROTOCOLS.filter((protocol) => METERS.some((meter) => totals.get(meter)?.has(protocol)));
  return (
    <Paper>
      <Table.ScrollContainer minWidth={METER_WIDTH_PX + TOTAL_WIDTH_PX * (protocols.length + 1)} type="native">
        <Table aria-label="Totals" horizontalSpacing="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">Meter</Table.Th>
              {protocols.map((protocol) => (
                <Table.Th key={protocol} scope="col" ta="right">
                  {PROTOCOL_LABEL[protocol]}
                </Table.Th>
              ))}
              <Table.Th scope="col" ta="right">
                Total
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {METERS.map((meter) => {
              const total = BigInt(usage.totals[meter] ?? '0');
              return (
                <Table.Tr key={meter}>
                  <Table.Th scope="row" fw={500}>
                    {METER_LABEL[meter]}
                  </Table.Th>
                  {protocols.map((protocol) => (
                    <Table.Td key={protocol} ta="right">
                      {meterText(meter, Number(totals.get(meter)?.get(protocol) ?? 0n))}
                    </Table.Td>
                  ))}
                  <Table.Td
                    ta="right"
                    fw={600}
                    title={countText(total)}
                    data-meter={meter}
                    data-total={total.toString()}
                  >
                    {meterText(meter, Number(total))}
                  </Table.Td>
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Paper>
  );
}

/** What was used: a chart by meter and protocol, the totals, and everything as CSV. */
export function UsagePage() {
  const { tenantId } = useSession();
  const seesMoney = usePermitted('billing:read');
  const clusters = useQuery(clustersQuery(tenantId));
  const [clusterId, setClusterId] = useState<string>();
  const [rangeName, setRangeName] = useState('hour');
  const [meter, setMeter] = useState<Meter>('messages_in');
  const [nowMs, setNow] = useState(() => Date.now());
  // The range ends now, and now moves on while one looks.
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  const range = RANGES[rangeName]!;
  const usage = useQuery({
    ...usageQuery(tenantId, filterOf(range, clusterId, nowMs)),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
  const series = useMemo(() => usage.data && seriesOf(usage.data, meter), [usage.data, meter]);
  const format = useCallback((value: number) => meterText(meter, value), [meter]);
  const nothing = usage.data?.windows.length === 0;
  return (
    <>
      <PageHeader
        title="Usage"
        description="Counted in the data plane, per minute. The bill is made of exactly these numbers."
        actions={
          <UsageDownload
            tenantId={tenantId}
            clusterId={clusterId}
            usage={nothing === true ? undefined : usage.data}
            clusters={clusters.data ?? []}
          />
        }
      />
      <Stack gap="lg">
        <Group align="flex-end">
          <Select
            label="Cluster"
            data={[
              { value: '', label: 'All clusters' },
              ...(clusters.data ?? []).map((c) => ({ value: c.id, label: c.name })),
            ]}
            value={clusterId ?? ''}
            onChange={(value) => setClusterId(value || undefined)}
            allowDeselect={false}
            w={{ base: '100%', sm: 220 }}
          />
          <Select
            label="Time"
            data={Object.entries(RANGES).map(([value, { label }]) => ({ value, label }))}
            value={rangeName}
            onChange={(value) => {
              setNow(Date.now());
              setRangeName(value ?? 'hour');
            }}
            allowDeselect={false}
            w={{ base: '100%', sm: 240 }}
          />
          <Select
            label="Meter"
            data={METERS.map((value) => ({ value, label: METER_LABEL[value] }))}
            value={meter}
            onChange={(value) => setMeter((value as Meter | null) ?? 'messages_in')}
            allowDeselect={false}
            w={{ base: '100%', sm: 200 }}
          />
        </Group>
        {usage.isPending && <LoadingState rows={6} />}
        {usage.error && <ErrorState error={usage.error} retry={() => void usage.refetch()} />}
        {usage.data?.complete === false && (
          <Alert color="yellow" title="Some counts have not arrived yet">
            Numbers here may still grow. Nothing is estimated, and nothing is billed before it has arrived.
          </Alert>
        )}
        {nothing && (
          <EmptyState icon={<IconChartLine size={28} />} title="No usage in this time">
            Usage appears about a minute after a client connects or sends something.
          </EmptyState>
        )}
        {usage.data && !nothing && series && (
          <>
            <Paper p="lg" component="section" aria-label={METER_LABEL[meter]}>
              <Title order={2} size="h4" mb="sm">
                {METER_LABEL[meter]}
              </Title>
              {series.lines.length === 0 ? (
                <Text c="dimmed">Nothing was counted by this meter.</Text>
              ) : (
                <UsageChart
                  series={series}
                  label={`${METER_LABEL[meter]}, ${range.label.toLowerCase()}, by protocol`}
                  format={format}
                />
              )}
            </Paper>
            <Totals usage={usage.data} />
            <UsageBreakdownSection
              tenantId={tenantId}
              clusterId={clusterId}
              meter={meter}
              from={usage.data.from}
              to={usage.data.to}
              clusters={clusters.data ?? []}
            />
          </>
        )}
        {seesMoney && <CostSection tenantId={tenantId} />}
      </Stack>
    </>
  );
}
