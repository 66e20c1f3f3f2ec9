import { Group, Paper, SimpleGrid, Stack, Table, Text } from '@mantine/core';
import type { InvoicePreview } from '@robustmq/client';
import { IconReceipt } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { invoicePreviewQuery } from '../../api/queries.ts';
import { useSession } from '../../api/session.ts';
import { PageHeader } from '../../ui/page-header.tsx';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { decimalText, moneyText, priceText, quantityText } from './money.ts';

const UTC_DATE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });
const LAST_INSTANT_MS = 1;

/** A half-open period as its first and last day, in UTC like the period itself. */
const periodText = (from: string, to: string): string =>
  `${UTC_DATE.format(new Date(from))} – ${UTC_DATE.format(new Date(Date.parse(to) - LAST_INSTANT_MS))}`;

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Paper p="md">
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text fw={650} size="lg">
        {children}
      </Text>
    </Paper>
  );
}

function Lines({ invoice }: { invoice: InvoicePreview }) {
  return (
    <Paper>
      <Table.ScrollContainer minWidth={300} type="native">
        <Table aria-label="Bill preview">
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">What</Table.Th>
              <Table.Th scope="col" ta="right" visibleFrom="sm">
                Quantity
              </Table.Th>
              <Table.Th scope="col" ta="right" visibleFrom="sm">
                Unit price
              </Table.Th>
              <Table.Th scope="col" ta="right">
                Amount
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {invoice.lines.map((line) => (
              <Table.Tr key={line.identity}>
                <Table.Td style={{ overflowWrap: 'anywhere' }}>
                  {line.description}
                  <Text size="xs" c="dimmed">
                    {periodText(line.serviceFrom, line.serviceTo)}
                  </Text>
                  <Text size="xs" hiddenFrom="sm">
                    {quantityText(line.quantity)} {line.unit} × {priceText(line.unitPrice, line.amount.currency)}
                  </Text>
                </Table.Td>
                <Table.Td ta="right" visibleFrom="sm" className="amount" title={decimalText(line.quantity)}>
                  {quantityText(line.quantity)} {line.unit}
                </Table.Td>
                <Table.Td ta="right" visibleFrom="sm" className="amount">
                  {priceText(line.unitPrice, line.amount.currency)} / {line.unit}
                </Table.Td>
                <Table.Td ta="right" className="amount">
                  {moneyText(line.amount)}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
          <Table.Tfoot>
            <Table.Tr>
              <Table.Th scope="row">Total</Table.Th>
              <Table.Td visibleFrom="sm" />
              <Table.Td visibleFrom="sm" />
              <Table.Td ta="right" fw={700} className="amount">
                {moneyText(invoice.total)}
              </Table.Td>
            </Table.Tr>
          </Table.Tfoot>
        </Table>
      </Table.ScrollContainer>
    </Paper>
  );
}

/** The bill if the period ended now. */
export function BillingPage() {
  const { tenantId } = useSession();
  const preview = useQuery({ ...invoicePreviewQuery(tenantId), refetchInterval: 60_000 });
  const invoice = preview.data;
  return (
    <>
      <PageHeader
        title="Billing"
        description="The bill if the period ended now, made by the same rules as the real one."
      />
      {preview.isPending && <LoadingState rows={6} />}
      {preview.error && <ErrorState error={preview.error} retry={() => void preview.refetch()} />}
      {invoice && (
        <Stack gap="lg">
          <SimpleGrid cols={{ base: 1, sm: 3 }}>
            <Fact label="So far">{moneyText(invoice.total)}</Fact>
            <Fact label="Period">{periodText(invoice.periodFrom, invoice.periodTo)}</Fact>
            <Fact label="As of">
              <Time iso={invoice.asOf} />
            </Fact>
          </SimpleGrid>
          {invoice.lines.length === 0 ? (
            <EmptyState icon={<IconReceipt size={28} />} title="Nothing to pay so far">
              Lines appear here as soon as something billable was used.
            </EmptyState>
          ) : (
            <Lines invoice={invoice} />
          )}
          <Group>
            <Text size="sm" c="dimmed">
              1 GiB is 2³⁰ bytes. Quantities are what is charged, beyond what is included. Each line is rounded once;
              the total is the sum of the lines. Times are UTC.
            </Text>
          </Group>
        </Stack>
      )}
    </>
  );
}
