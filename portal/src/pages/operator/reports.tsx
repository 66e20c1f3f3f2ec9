import { Alert, SimpleGrid, Stack, TextInput, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { DataTable } from '../../ui/data-table.tsx';
import { Fact } from '../../ui/fact.tsx';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { moneyText } from '../billing/money.ts';
import type { OperatorClient, Reconciliation, Revenue } from './operator-client.ts';

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
      ]}
      rows={report.clusters}
      rowId={(row) => row.clusterId}
      minWidth={820}
    />
  );
}

/** Whether everything that was counted became money, and what each cluster brought in. */
export function Reports({ client }: { client: OperatorClient }) {
  const [month, setMonth] = useState(() => new Date().toISOString().slice(0, 7));
  const valid = MONTH.test(month);
  const report = <T,>(name: string) => ({
    queryKey: ['operator', name, month],
    queryFn: () => client.get<T>(`billing/${name}?month=${month}`),
    enabled: valid,
    gcTime: 0,
  });
  const reconciliation = useQuery(report<Reconciliation>('reconciliation'));
  const revenue = useQuery(report<Revenue>('revenue'));
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
          Revenue by cluster
        </Title>
        {revenue.isLoading && <LoadingState rows={3} />}
        {revenue.error && <ErrorState error={revenue.error} retry={() => void revenue.refetch()} />}
        {revenue.data && <RevenueReport report={revenue.data} />}
      </section>
    </Stack>
  );
}
