import { List, Paper, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import type { Costs } from '@robustmq/client';
import { useQuery } from '@tanstack/react-query';
import { costsQuery } from '../../api/money.ts';
import { Fact } from '../../ui/fact.tsx';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { moneyText, type Money } from '../billing/money.ts';
import { periodText } from '../billing/period.ts';
import { METER_LABEL, PROTOCOL_LABEL } from './meter-text.ts';

interface Share {
  readonly key: string;
  readonly name: string;
  readonly amount: Money;
}

function Shares({ label, shares }: { label: string; shares: readonly Share[] }) {
  if (shares.length === 0) return null;
  return (
    <Paper p="md" component="section" aria-label={label}>
      <Table aria-label={label} horizontalSpacing={0} verticalSpacing={4}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">{label}</Table.Th>
            <Table.Th scope="col" ta="right">
              Cost
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {shares.map(({ key, name, amount }) => (
            <Table.Tr key={key}>
              <Table.Td style={{ overflowWrap: 'anywhere' }}>{name}</Table.Td>
              <Table.Td ta="right" className="amount">
                {moneyText(amount)}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Paper>
  );
}

function Reasons({ costs }: { costs: Costs }) {
  if (costs.reasons.length === 0) return null;
  return (
    <Paper p="lg" component="section" aria-label="Why the bill moves">
      <Title order={2} size="h4" mb="xs">
        Why the bill moves
      </Title>
      <List size="sm" spacing={4}>
        {costs.reasons.map(({ text, from, to }) => (
          <List.Item key={text}>
            {text}{' '}
            <Text span size="sm" c="dimmed">
              ({moneyText(from)} last month, {moneyText(to)} in this one)
            </Text>
          </List.Item>
        ))}
      </List>
    </Paper>
  );
}

/** This month in money: so far, where it goes, and by what it differs from the month before. */
export function CostSection({ tenantId }: { tenantId: string }) {
  const query = useQuery(costsQuery(tenantId));
  const costs = query.data;
  return (
    <section aria-label="Cost this month">
      <Title order={2} size="h4" mb="sm">
        Cost this month
      </Title>
      {query.isPending && <LoadingState rows={3} />}
      {query.error && <ErrorState error={query.error} retry={() => void query.refetch()} />}
      {costs && (
        <Stack>
          <SimpleGrid cols={{ base: 1, xs: 3 }}>
            <Fact label="So far" hint={periodText(costs.periodFrom, costs.periodTo)}>
              {moneyText(costs.total)}
            </Fact>
            <Fact label="Forecast" hint="If it goes on as in the last seven days">
              {moneyText(costs.forecast)}
            </Fact>
            <Fact label="Last month">{moneyText(costs.previousTotal)}</Fact>
          </SimpleGrid>
          {costs.byMeter.length === 0 ? (
            <Text size="sm" c="dimmed">
              Nothing has cost anything yet: what was used is within what is free.
            </Text>
          ) : (
            <SimpleGrid cols={{ base: 1, sm: 3 }}>
              <Shares
                label="By cluster"
                shares={costs.byCluster.map((one) => ({ ...one, key: `${one.clusterId} ${one.plan}` }))}
              />
              <Shares
                label="By protocol"
                shares={costs.byProtocol.map(({ protocol, amount }) => ({
                  ...{ key: protocol, name: PROTOCOL_LABEL[protocol], amount },
                }))}
              />
              <Shares
                label="By meter"
                shares={costs.byMeter.map(({ meter, amount }) => ({
                  ...{ key: meter ?? '', name: meter === null ? 'Subscriptions' : METER_LABEL[meter], amount },
                }))}
              />
            </SimpleGrid>
          )}
          <Reasons costs={costs} />
        </Stack>
      )}
    </section>
  );
}
