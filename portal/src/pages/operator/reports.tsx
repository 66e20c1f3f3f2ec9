import { Alert, Button, Group, SimpleGrid, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { DataTable } from '../../ui/data-table.tsx';
import { Fact } from '../../ui/fact.tsx';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { moneyText } from '../billing/money.ts';
import { METER_LABEL } from '../usage/meter-text.ts';
import type { OperatorClient, Reconciliation, Revenue } from './operator-client.ts';

const DECIMAL = /^\d{1,12}(\.\d{1,18})?$/;
/** Meters that cost the platform something, and their billing units. */
const COST_UNITS = {
  ingress_bytes: 'GiB',
  egress_bytes: 'GiB',
  connection_seconds: 'million connection-seconds',
  warm_byte_seconds: 'million GiB-seconds',
  cold_byte_seconds: 'million GiB-seconds',
  node_seconds: 'thousand node-seconds',
} as const;
const COST_METERS = Object.keys(COST_UNITS) as (keyof typeof COST_UNITS)[];
const MONTH = /^\d{4}-(0[1-9]|1[0-2])$/;

function ReconciliationReport({ report }: { report: Reconciliation }) {
  return (
    <Stack>
      <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
        <Fact label="Tenants">{report.tenants}</Fact>
        <Fact label="Invoices">{report.invoices}</Fact>
        <Fact label="Differences">{report.drift.length}</Fact>
        <Fact label="Gaps in the counts">{report.gaps.length}</Fact>
      </SimpleGrid>
      {report.drift.length === 0 ? (
        <Alert color="teal" variant="light" role="status">
          Agents’ windows, hours, lines, ledger and payment provider agree.
        </Alert>
      ) : (
        <DataTable
          label="Differences"
          columns={[
            { id: 'tenant', header: 'Tenant', sortBy: (row) => row.tenantId, cell: (row) => row.tenantId },
            { id: 'what', header: 'Between', sortBy: (row) => row.what, cell: (row) => row.what },
            { id: 'detail', header: 'Detail', cell: (row) => row.detail },
          ]}
          rows={report.drift}
          rowId={(row) => `${row.tenantId} ${row.what} ${row.detail}`}
          minWidth={720}
        />
      )}
    </Stack>
  );
}

function RevenueReport({ report }: { report: Revenue }) {
  const { currency } = report;
  const money = (amount: string) => moneyText({ amount, currency });
  return (
    <DataTable
      label="Revenue"
      columns={[
        { id: 'tenant', header: 'Tenant', sortBy: (row) => row.tenantId, cell: (row) => row.tenantId },
        { id: 'cluster', header: 'Cluster', sortBy: (row) => row.clusterId, cell: (row) => row.clusterId },
        { id: 'revenue', header: 'Revenue', align: 'right', cell: (row) => money(row.revenueMinor) },
        { id: 'cost', header: 'Cost', align: 'right', cell: (row) => money(row.costMinor) },
        { id: 'margin', header: 'Margin', align: 'right', cell: (row) => money(row.marginMinor) },
      ]}
      rows={report.clusters}
      rowId={(row) => row.clusterId}
      minWidth={820}
    />
  );
}

/** What a unit of each meter costs us, as decimals; a meter without one costs nothing. */
function UnitCosts({ onCosts }: { onCosts: (costs: Record<string, string>) => void }) {
  const form = useForm<Record<string, string>>({
    initialValues: Object.fromEntries(COST_METERS.map((meter) => [meter, ''])),
    validate: Object.fromEntries(
      COST_METERS.map((meter) => [
        meter,
        (value: string) => (value === '' || DECIMAL.test(value.trim()) ? null : 'Enter a decimal like 0.02'),
      ]),
    ),
  });
  return (
    <form
      onSubmit={form.onSubmit((values) =>
        onCosts(Object.fromEntries(Object.entries(values).filter(([, value]) => value.trim() !== ''))),
      )}
      noValidate
    >
      <Group align="flex-start" mb="md">
        {COST_METERS.map((meter) => (
          <TextInput
            key={meter}
            label={METER_LABEL[meter]}
            description={`A ${COST_UNITS[meter]}`}
            placeholder="0"
            inputMode="decimal"
            w={{ base: '100%', xs: 210 }}
            {...form.getInputProps(meter)}
          />
        ))}
        <Button type="submit" variant="default" mt={46}>
          Compute margin
        </Button>
      </Group>
    </form>
  );
}

/** Whether everything that was counted became money, and what each cluster brought in. */
export function Reports({ client }: { client: OperatorClient }) {
  const [month, setMonth] = useState(() => new Date().toISOString().slice(0, 7));
  const valid = MONTH.test(month);
  const [costs, setCosts] = useState<Record<string, string>>({});
  const report = <T,>(name: string, more: Record<string, string> = {}) => ({
    queryKey: ['operator', name, month, more],
    queryFn: () => client.get<T>(`billing/${name}?${new URLSearchParams({ month, ...more }).toString()}`),
    enabled: valid,
    gcTime: 0,
  });
  const reconciliation = useQuery(report<Reconciliation>('reconciliation'));
  const revenue = useQuery(report<Revenue>('revenue', costs));
  return (
    <Stack gap="lg">
      <TextInput
        label="Month"
        description="Year and month, in UTC: 2026-11"
        value={month}
        onChange={(event) => setMonth(event.currentTarget.value.trim())}
        error={valid ? null : 'Write it as 2026-11'}
        maw={240}
      />
      <section aria-label="Reconciliation">
        <Title order={2} size="h4" mb="sm">
          Reconciliation
        </Title>
        {reconciliation.isLoading && <LoadingState rows={3} />}
        {reconciliation.error && (
          <ErrorState error={reconciliation.error} retry={() => void reconciliation.refetch()} />
        )}
        {reconciliation.data && <ReconciliationReport report={reconciliation.data} />}
      </section>
      <section aria-label="Revenue">
        <Title order={2} size="h4" mb="sm">
          Revenue and margin by cluster
        </Title>
        <Text size="sm" c="dimmed" mb="sm">
          What one unit of each meter costs you, in USD; a meter left empty costs nothing.
        </Text>
        <UnitCosts onCosts={setCosts} />
        {revenue.isLoading && <LoadingState rows={3} />}
        {revenue.error && <ErrorState error={revenue.error} retry={() => void revenue.refetch()} />}
        {revenue.data && <RevenueReport report={revenue.data} />}
      </section>
    </Stack>
  );
}
