import { mkdirSync, writeFileSync } from 'node:fs';
import type { Invoice, InvoiceLine } from '@robustmq/contracts';
import { describe, expect, it } from 'vitest';
import { csvField, invoiceCsv } from './invoice-csv.ts';
import { amountText } from './amount-text.ts';
import { written } from './invoice-font.ts';
import { invoicePdf } from './invoice-pdf.ts';
import { SELLER } from './testing/harness.ts';

const PERIOD = { serviceFrom: '2026-11-01T00:00:00.000Z', serviceTo: '2026-12-01T00:00:00.000Z' };
const line = (n: number, more: Partial<InvoiceLine> = {}): InvoiceLine => ({
  ...{
    identity: `l${n}`,
    kind: 'usage',
    meter: 'egress_bytes',
    quantity: '12.500000001',
    unit: 'GiB',
    unitPrice: '0.08',
  },
  description: 'Data out, serverless: 14.5 GiB, of which 2 GiB are included',
  ...{ amount: { amount: '100', currency: 'USD' }, ...PERIOD },
  ...more,
});
const invoiceOf = (lines: InvoiceLine[]): Invoice => ({
  ...{ id: '0193b3a0-0000-7000-8000-000000000000', kind: 'invoice', number: '4F2A91C0-0007', status: 'issued' },
  ...{ currency: 'USD', periodFrom: PERIOD.serviceFrom, periodTo: PERIOD.serviceTo, holdReason: null },
  subtotal: { amount: '123456', currency: 'USD' },
  tax: { amount: '23457', currency: 'USD' },
  total: { amount: '146913', currency: 'USD' },
  ...{ createdAt: '2026-12-01T00:00:00.000Z', issuedAt: '2026-12-03T00:00:00.000Z' },
  ...{ dueAt: '2026-12-17T00:00:00.000Z', settledAt: null, seller: SELLER },
  buyer: {
    name: 'Müller & Söhne GmbH',
    address: ['Hauptstraße 5', '80331 München'],
    taxId: 'DE987654321',
    email: 'ap@mueller.test',
  },
  lines,
});

describe('28: CSV', () => {
  it.each([
    ['=1+1', "'=1+1"],
    ['+49', "'+49"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['-cmd|x', "'-cmd|x"],
    ['\t=1', "'\t=1"],
    [' =1', "' =1"],
    ['-12.50', '-12.50'],
    ['a,b', '"a,b"'],
    ['say "x"', '"say ""x"""'],
    ['plain', 'plain'],
    ['=HYPERLINK("http://x","y")', '"\'=HYPERLINK(""http://x"",""y"")"'],
  ])('field %j is %j', (text, field) => {
    expect(csvField(text)).toBe(field);
  });

  it('has a row per line and per sum', () => {
    const csv = invoiceCsv(invoiceOf([line(1), line(2, { description: '=cmd()' })]));
    const rows = csv.split('\r\n');
    expect(rows).toHaveLength(7);
    expect(rows[2]).toContain("'=cmd()");
    expect(rows[5]).toContain('total,,,,,,1469.13,USD');
  });
});

describe('PDF', () => {
  it.each([
    ['123456789', 'USD', '1,234,567.89'],
    ['-5', 'USD', '-0.05'],
    ['1234', 'JPY', '1,234'],
    ['1234', 'KWD', '1.234'],
    ['0', 'USD', '0.00'],
  ])('shows %s %s as %s', (amount, currency, text) => {
    expect(amountText(amount, currency)).toBe(text);
  });

  it('writes names of all scripts with a font of the machine, and says ? only where there is none', () => {
    expect(written('Ännchen & Söhne – 5 €', '-Bold')).toEqual({
      text: 'Ännchen & Söhne – 5 €',
      font: 'Helvetica-Bold',
    });
    expect(written('turned \u202e around').text).toBe('turned  around');
    const cyrillic = written('Обмін');
    expect(cyrillic).toEqual(
      cyrillic.font === 'Helvetica' ? { text: '?????', font: 'Helvetica' } : { text: 'Обмін', font: cyrillic.font },
    );
    expect(written('Обмін', '', import.meta.filename)).toEqual({ text: 'Обмін', font: import.meta.filename });
  });

  it.each(['a4', 'letter'] as const)('is made on %s, also with many pages and odd text', async (paper) => {
    const odd = line(0, { description: 'Обмін 数据 \u202e ∞ and a very long description '.repeat(4) });
    const more: InvoiceLine[] = [
      line(1),
      line(2, {
        kind: 'flat',
        meter: null,
        description: 'Business support',
        quantity: '1',
        unit: 'period',
        unitPrice: '499',
        amount: { amount: '49900', currency: 'USD' },
      }),
      line(3, {
        kind: 'discount',
        meter: null,
        description: 'Launch offer: 10 % off 500.00',
        quantity: '-10',
        unit: '%',
        unitPrice: '500',
        amount: { amount: '-5000', currency: 'USD' },
      }),
      line(4, {
        kind: 'credit',
        meter: null,
        description: 'Welcome credit',
        amount: { amount: '-1000', currency: 'USD' },
      }),
      line(5, {
        kind: 'tax',
        meter: null,
        description: 'VAT 19 % on 1234.56',
        quantity: '19',
        unit: '%',
        unitPrice: '1234.56',
        amount: { amount: '23457', currency: 'USD' },
      }),
    ];
    const short = await invoicePdf(invoiceOf(more), paper);
    const long = await invoicePdf(invoiceOf([odd, ...Array.from({ length: 60 }, (_, n) => line(n + 10))]), paper);
    for (const pdf of [short, long]) expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
    const pages = (pdf: Buffer) => pdf.toString('latin1').match(/\/Type \/Page\b(?!s)/g)!.length;
    expect(pages(short)).toBe(1);
    expect(pages(long)).toBeGreaterThan(3);
    const keep = process.env['KEEP_PDF'];
    if (keep !== undefined) {
      mkdirSync(keep, { recursive: true });
      writeFileSync(`${keep}/short-${paper}.pdf`, short);
      writeFileSync(`${keep}/long-${paper}.pdf`, long);
    }
  });
});
