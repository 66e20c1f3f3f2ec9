import type { InvoiceSummary } from '@robustmq/client';
import { IconFileInvoice } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { wholeList } from '../../api/live.ts';
import { invoicesQuery, subscriptionQuery } from '../../api/money.ts';
import { useSession } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { AnchorLink } from '../../ui/links.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { BillingHeader } from '../billing/billing-nav.tsx';
import { moneyText } from '../billing/money.ts';
import { dayText, periodText } from '../billing/period.ts';
import { StandingAlert } from '../billing/standing.tsx';
import { invoiceName, InvoiceState } from './invoice-state.tsx';

const COLUMNS: readonly DataColumn<InvoiceSummary>[] = [
  {
    id: 'number',
    header: 'Number',
    sortBy: (invoice) => invoice.number ?? '',
    cell: (invoice) => (
      <AnchorLink to="/billing/invoices/$invoiceId" params={{ invoiceId: invoice.id }} fw={600} size="sm">
        {invoiceName(invoice)}
      </AnchorLink>
    ),
  },
  {
    id: 'period',
    header: 'Period',
    sortBy: (invoice) => invoice.periodFrom,
    cell: (invoice) => periodText(invoice.periodFrom, invoice.periodTo),
  },
  {
    id: 'state',
    header: 'State',
    sortBy: (invoice) => invoice.status,
    cell: (invoice) => <InvoiceState {...invoice} />,
  },
  {
    id: 'due',
    header: 'Due',
    sortBy: (invoice) => invoice.dueAt ?? '',
    cell: (invoice) => (invoice.dueAt === null ? '–' : dayText(invoice.dueAt)),
  },
  {
    id: 'total',
    header: 'Total',
    align: 'right',
    cell: (invoice) => <span className="amount">{moneyText(invoice.total)}</span>,
  },
];

/** Every invoice and credit note, newest first. */
export function InvoicesPage() {
  const { tenantId } = useSession();
  const invoices = useQuery(invoicesQuery(tenantId));
  const subscription = useQuery(subscriptionQuery(tenantId));
  return (
    <>
      <BillingHeader
        title="Invoices"
        description="One for each month, and credit notes. An issued one never changes."
      />
      {subscription.data && <StandingAlert subscription={subscription.data} />}
      <ListPage
        label="Invoices"
        list={wholeList(invoices)}
        columns={COLUMNS}
        rowId={(invoice) => invoice.id}
        minWidth={640}
        description="A draft may still grow for 48 hours after its month, until the last counts are in."
        empty={{
          icon: <IconFileInvoice size={28} />,
          title: 'No invoices yet',
          words: 'The first one is made when the month ends.',
        }}
      />
    </>
  );
}
