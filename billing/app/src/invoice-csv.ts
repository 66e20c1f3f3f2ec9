import type { Invoice } from '@robustmq/contracts';
import { wholeUnits } from '@robustmq/rating';

/**
 * One CSV field (RFC 4180). Text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP ASVS
 * 1.2.10): cluster names and descriptions are other people's text. Plain numbers stay numbers, negative ones too.
 */
export function csvField(text: string): string {
  const isNumber = /^-?\d+(\.\d+)?$/.test(text);
  const safe = !isNumber && /^\s*[=+\-@\t\r\n|%]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Rows as CSV with CRLF, the first one the headings. */
export const csvText = (rows: readonly (readonly string[])[]): string =>
  rows.map((row) => `${row.map(csvField).join(',')}\r\n`).join('');

const HEADINGS = [
  ...['invoice', 'status', 'kind', 'meter', 'description', 'quantity', 'unit', 'unit_price', 'amount', 'currency'],
  ...['service_from', 'service_to', 'corrects'],
];

/** An invoice's lines, one a row, and a row per sum. Amounts in whole currency units. */
export function invoiceCsv(invoice: Invoice): string {
  const { currency } = invoice;
  const head = [invoice.number ?? 'draft', invoice.status];
  const lines = invoice.lines.map((line) => [
    ...[...head, line.kind, line.meter ?? '', line.description, line.quantity, line.unit, line.unitPrice],
    ...[wholeUnits(BigInt(line.amount.amount), currency), currency, line.serviceFrom, line.serviceTo],
    line.corrects ?? '',
  ]);
  const sums = (['subtotal', 'tax', 'total'] as const).map((name) => [
    ...[...head, name, '', '', '', '', '', wholeUnits(BigInt(invoice[name].amount), currency), currency],
    ...[invoice.periodFrom, invoice.periodTo, ''],
  ]);
  return csvText([HEADINGS, ...lines, ...sums]);
}
