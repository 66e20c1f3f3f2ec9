import { SimpleGrid, Stack, Text } from '@mantine/core';
import { IconReceipt } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { creditsQuery, subscriptionQuery } from '../../api/money.ts';
import { invoicePreviewQuery } from '../../api/queries.ts';
import { useSession } from '../../api/session.ts';
import { Fact } from '../../ui/fact.tsx';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { BillingHeader } from './billing-nav.tsx';
import { InvoiceLines } from './invoice-lines.tsx';
import { moneyText } from './money.ts';
import { periodText } from './period.ts';
import { StandingAlert } from './standing.tsx';

/** The bill if the period ended now. */
export function BillingPage() {
  const { tenantId } = useSession();
  const preview = useQuery({ ...invoicePreviewQuery(tenantId), refetchInterval: 60_000 });
  const subscription = useQuery(subscriptionQuery(tenantId));
  const credits = useQuery(creditsQuery(tenantId));
  const invoice = preview.data;
  return (
    <>
      <BillingHeader
        title="Billing"
        description="The bill if the period ended now, made by the same rules as the real one."
      />
      {subscription.data && <StandingAlert subscription={subscription.data} />}
      {preview.isPending && <LoadingState rows={6} />}
      {preview.error && <ErrorState error={preview.error} retry={() => void preview.refetch()} />}
      {invoice && (
        <Stack gap="lg">
          <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
            <Fact label="So far">{moneyText(invoice.total)}</Fact>
            <Fact label="Period">{periodText(invoice.periodFrom, invoice.periodTo)}</Fact>
            <Fact label="Credit left">{credits.data ? moneyText(credits.data.balance) : '–'}</Fact>
            <Fact label="As of">
              <Time iso={invoice.asOf} />
            </Fact>
          </SimpleGrid>
          {invoice.lines.length === 0 ? (
            <EmptyState icon={<IconReceipt size={28} />} title="Nothing to pay so far">
              Lines appear here as soon as something billable was used.
            </EmptyState>
          ) : (
            <InvoiceLines
              label="Bill preview"
              lines={invoice.lines}
              sums={[{ label: 'Total', amount: invoice.total }]}
            />
          )}
          <Text size="sm" c="dimmed">
            1 GiB is 2³⁰ bytes. Quantities are what is charged, beyond what is included. Each line is rounded once; the
            total is the sum of the lines. Times are UTC.
          </Text>
        </Stack>
      )}
    </>
  );
}
