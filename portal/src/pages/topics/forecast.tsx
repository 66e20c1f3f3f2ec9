import { Button, Group, List, Stack, Text, TextInput, Title } from '@mantine/core';
import { bodyOf, type Cluster } from '@robustmq/client';
import type { TierForecast } from '@robustmq/contracts';
import { IconCoins } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { clusterPath, liveKey } from '../../api/live.ts';
import { api } from '../../api/session.ts';
import { DataTable, type DataColumn } from '../../ui/data-table.tsx';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { moneyText } from '../billing/money.ts';
import { bytesText, countText } from '../clusters/quantity.ts';
import { averageText, daysOf, policyText } from './forecast-text.ts';

type Option = TierForecast['options'][number];

/** The node is asked for the oldest record of each partition, so it is not asked often. */
const STALE_MS = 60_000;
const DAYS = '1,7,30';

const columnsOf = (days: number): readonly DataColumn<Option>[] => [
  { id: 'policy', header: 'Policy', cell: (option) => <Text fw={600}>{policyText(option)}</Text> },
  {
    id: 'disk',
    header: 'On disk, on average',
    align: 'right',
    cell: (option) => averageText(option.warmByteSeconds, days),
  },
  {
    id: 'cold',
    header: 'In object storage',
    align: 'right',
    cell: (option) => averageText(option.coldByteSeconds, days),
  },
  {
    id: 'requests',
    header: 'Requests',
    align: 'right',
    cell: (option) => countText(BigInt(option.objectRequests)),
  },
  { id: 'cost', header: 'Cost', align: 'right', cell: (option) => moneyText(option.amount) },
];

function Observed({ forecast: { observed, days } }: { forecast: TierForecast }) {
  return (
    <Text size="sm" c="dimmed">
      It holds {bytesText(observed.storedBytes)}
      {observed.since !== null && (
        <>
          {' '}
          since <Time iso={observed.since} />
        </>
      )}
      , and {bytesText(observed.bytesPerDay)} arrive in a day. The next {days} days:
    </Text>
  );
}

function Forecast({ forecast }: { forecast: TierForecast }) {
  if (forecast.observed.since === null)
    return (
      <EmptyState icon={<IconCoins size={28} />} title="Nothing to foresee yet">
        The topic has no records. From the first ones on, the pace at which they arrive tells what keeping them costs.
      </EmptyState>
    );
  return (
    <>
      <Observed forecast={forecast} />
      <DataTable
        label="Storage forecast"
        columns={columnsOf(forecast.days)}
        rows={forecast.options}
        rowId={policyText}
        minWidth={640}
      />
      <List size="sm" c="dimmed" aria-label="What the forecast rests on">
        {forecast.notes.map((note) => (
          <List.Item key={note}>{note}</List.Item>
        ))}
      </List>
    </>
  );
}

/** What keeping the topic would cost: as it is, all on disk, and moved to object storage after so many days. */
export function StorageForecast({ cluster, topicName }: { cluster: Cluster; topicName: string }) {
  const [text, setText] = useState(DAYS);
  const [asked, setAsked] = useState(DAYS);
  const days = daysOf(text);
  const forecast = useQuery({
    queryKey: liveKey(cluster, 'tier-forecast', topicName, asked),
    queryFn: () =>
      bodyOf(
        api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/topics/{topicName}/tier-forecast', {
          params: { path: { ...clusterPath(cluster), topicName }, query: { cold_after_days: asked } },
        }),
      ),
    placeholderData: keepPreviousData,
    staleTime: STALE_MS,
    refetchOnWindowFocus: false,
  });
  return (
    <Stack component="section" aria-label="Storage cost">
      <Title order={3} size="h4">
        Storage cost
      </Title>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (days === undefined) return;
          setAsked(days);
          if (days === asked) void forecast.refetch();
        }}
      >
        <Group align="flex-end">
          <TextInput
            label="Cold after days"
            description="Up to five whole numbers"
            inputWrapperOrder={['label', 'input', 'description', 'error']}
            autoComplete="off"
            value={text}
            error={days === undefined ? 'Write them as in 1, 7, 30' : null}
            onChange={({ currentTarget }) => setText(currentTarget.value)}
            w={240}
          />
          <Button type="submit" variant="default" mb={22} loading={forecast.isFetching} disabled={days === undefined}>
            Foresee
          </Button>
        </Group>
      </form>
      {forecast.isPending && <LoadingState />}
      {forecast.error && <ErrorState error={forecast.error} retry={() => void forecast.refetch()} />}
      {forecast.data && <Forecast forecast={forecast.data} />}
    </Stack>
  );
}
