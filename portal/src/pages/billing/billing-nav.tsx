import type { ReactNode } from 'react';
import { PageHeader } from '../../ui/page-header.tsx';
import { SubPages } from '../../ui/sub-pages.tsx';

const PAGES = [
  { label: 'This month', to: '/billing' },
  { label: 'Invoices', to: '/billing/invoices' },
  { label: 'Budgets', to: '/billing/budgets' },
  { label: 'Plan and credits', to: '/billing/plan' },
] as const;

/** Heading and sub-pages of everything about money. */
export function BillingHeader(props: { title: string; description: ReactNode; actions?: ReactNode }) {
  return (
    <>
      <SubPages label="Billing" pages={PAGES} />
      <PageHeader {...props} />
    </>
  );
}
