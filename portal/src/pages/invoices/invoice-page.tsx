import { Alert, Button, Group, Menu, Paper, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { bodyOf, type Invoice } from '@robustmq/client';
import { IconChevronDown, IconDownload } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { invoiceQuery } from '../../api/money.ts';
import { api, useSession } from '../../api/session.ts';
import { CopyField } from '../../ui/copy-field.tsx';
import { Fact } from '../../ui/fact.tsx';
import { PageHeader } from '../../ui/page-header.tsx';
import { saveAnswer } from '../../ui/save-file.ts';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { AnchorLink } from '../../ui/links.tsx';
import { InvoiceLines } from '../billing/invoice-lines.tsx';
import { moneyText } from '../billing/money.ts';
import { dayText, periodText } from '../billing/period.ts';
import { holdText, invoiceName, InvoiceState } from './invoice-state.tsx';

const route = getRouteApi('/inside/billing/invoices/$invoiceId');

const FILES = [
  { label: 'PDF, A4', format: 'pdf', paper: 'a4' },
  { label: 'PDF, US Letter', format: 'pdf', paper: 'letter' },
  { label: 'CSV', format: 'csv', paper: 'a4' },
  { label: 'JSON', format: 'json', paper: 'a4' },
] as const;
type File = (typeof FILES)[number];

function useDownload(tenantId: string, invoiceId: string) {
  return useMutation({
    mutationFn: ({ format, paper }: File) =>
      bodyOf(
        api.GET('/v1/tenants/{tenantId}/invoices/{invoiceId}/document', {
          params: { path: { tenantId, invoiceId }, query: { format, paper } },
        }),
      ),
    onSuccess: saveAnswer,
  });
}

function Party({ title, party }: { title: string; party: Invoice['seller'] }) {
  return (
    <Paper p="md" component="section" aria-label={title}>
      <Title order={2} size="h5" mb={4}>
        {title}
      </Title>
      <Text size="sm" fw={600}>
        {party.name || '–'}
      </Text>
      {party.address?.map((line) => (
        <Text key={line} size="sm">
          {line}
        </Text>
      ))}
      {party.taxId && <Text size="sm">Tax id {party.taxId}</Text>}
      {party.email && <Text size="sm">{party.email}</Text>}
    </Paper>
  );
}

function Verify({ invoice }: { invoice: Invoice }) {
  return (
    <Paper p="lg" component="section" aria-label="Verify this invoice">
      <Title order={2} size="h4" mb={4}>
        Verify this invoice
      </Title>
      <Text size="sm" mb="md">
        Every line follows from usage windows that the agent signed where your messages went through. This computes the
        invoice again from them, to the last cent, and names the first window that was altered:
      </Text>
      <CopyField label="Command" value={`npx robust-ctl invoice verify ${invoice.number ?? invoice.id}`} />
      <Text size="sm" c="dimmed" mt="sm">
        To check it without us, download the proof first with <code>robust-ctl invoice download --format proof</code>,
        and verify the file offline.
      </Text>
    </Paper>
  );
}

function Body({ invoice }: { invoice: Invoice }) {
  return (
    <Stack gap="lg">
      {invoice.holdReason !== null && (
        <Alert color="orange" variant="light" title="This invoice is on hold">
          {holdText(invoice.holdReason)}
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
        <Fact label="Total">{moneyText(invoice.total)}</Fact>
        <Fact label="Period">{periodText(invoice.periodFrom, invoice.periodTo)}</Fact>
        <Fact label="Issued">{invoice.issuedAt === null ? 'Not yet' : dayText(invoice.issuedAt)}</Fact>
        {invoice.settledAt === null ? (
          <Fact label="Due">{invoice.dueAt === null ? '–' : dayText(invoice.dueAt)}</Fact>
        ) : (
          <Fact label="Settled">{dayText(invoice.settledAt)}</Fact>
        )}
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Party title="From" party={invoice.seller} />
        <Party title="Billed to" party={invoice.buyer} />
      </SimpleGrid>
      <InvoiceLines
        label="Invoice lines"
        lines={invoice.lines}
        sums={[
          { label: 'Subtotal', amount: invoice.subtotal },
          { label: 'Tax', amount: invoice.tax },
          { label: 'Total', amount: invoice.total },
        ]}
      />
      {invoice.kind === 'invoice' && invoice.number !== null && <Verify invoice={invoice} />}
    </Stack>
  );
}

/** One invoice: who, when, line by line, as files, and how to check it. */
export function InvoicePage() {
  const { tenantId } = useSession();
  const { invoiceId } = route.useParams();
  const query = useQuery(invoiceQuery(tenantId, invoiceId));
  const download = useDownload(tenantId, invoiceId);
  const invoice = query.data;
  return (
    <>
      <Group mb="sm">
        <AnchorLink to="/billing/invoices" size="sm">
          All invoices
        </AnchorLink>
      </Group>
      <PageHeader
        title={invoice ? invoiceName(invoice) : 'Invoice'}
        badge={invoice && <InvoiceState status={invoice.status} />}
        actions={
          invoice && (
            <Menu position="bottom-end">
              <Menu.Target>
                <Button
                  data-main-action
                  variant="default"
                  loading={download.isPending}
                  leftSection={<IconDownload size={16} aria-hidden />}
                  rightSection={<IconChevronDown size={14} aria-hidden />}
                >
                  Download
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                {FILES.map((file) => (
                  <Menu.Item key={file.label} onClick={() => download.mutate(file)}>
                    {file.label}
                  </Menu.Item>
                ))}
              </Menu.Dropdown>
            </Menu>
          )
        }
      />
      {download.error && <ErrorState mb="md" error={download.error} title="The file was not made" />}
      {query.isPending && <LoadingState rows={6} />}
      {query.error && <ErrorState error={query.error} retry={() => void query.refetch()} />}
      {invoice && <Body invoice={invoice} />}
    </>
  );
}
