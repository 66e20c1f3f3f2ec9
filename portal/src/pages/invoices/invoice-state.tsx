import type { InvoiceSummary } from '@robustmq/client';
import { Tag } from '../../ui/tag.tsx';

const STATE: Record<InvoiceSummary['status'], { text: string; color: string }> = {
  draft: { text: 'Draft', color: 'gray' },
  held: { text: 'On hold', color: 'orange' },
  issued: { text: 'Open', color: 'blue' },
  paid: { text: 'Paid', color: 'teal' },
  past_due: { text: 'Past due', color: 'red' },
  void: { text: 'Void', color: 'gray' },
  uncollectible: { text: 'Uncollectible', color: 'gray' },
};

/** Where an invoice stands. */
export const InvoiceState = ({ status }: { status: InvoiceSummary['status'] }) => (
  <Tag color={STATE[status].color}>{STATE[status].text}</Tag>
);

const HOLD: Readonly<Record<string, string>> = {
  'usage-gap': 'Some counts have not arrived. It is issued when they have, or when the operator has looked.',
  anomaly: 'It is far above what you usually pay, so a person looks at it before it is issued.',
};

/** Why a draft is kept back, in words. */
export const holdText = (reason: string): string => HOLD[reason] ?? reason;

/** What people call an invoice. */
export const invoiceName = ({ kind, number }: Pick<InvoiceSummary, 'kind' | 'number'>): string =>
  `${kind === 'credit_note' ? 'Credit note' : 'Invoice'} ${number ?? '(draft)'}`;
