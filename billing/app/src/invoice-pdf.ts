import PDFDocument from 'pdfkit';
import type { Invoice, InvoiceLine, Party } from '@robustmq/contracts';
import { amountText } from './amount-text.ts';
import { written } from './invoice-font.ts';

export type Paper = 'a4' | 'letter';
type Pdf = InstanceType<typeof PDFDocument>;

const MARGIN = 50;
const INK = '#1b2430';
const MUTED = '#66707d';
const RULE = '#d5dae1';
const ACCENT = '#0b6bcb';
/** Space kept at the foot of every page for its number, in points. */
const FOOT = 24;

const dateText = (iso: string): string =>
  new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeZone: 'UTC' }).format(new Date(iso));

/** Columns of the table of lines: where each begins and how wide it is, of the usable width. */
function columnsOf(doc: Pdf) {
  const width = doc.page.width - 2 * MARGIN;
  const at = [0, 0.5, 0.68, 0.84, 1].map((share) => MARGIN + width * share);
  return { left: MARGIN, right: MARGIN + width, width, at: at as [number, number, number, number, number] };
}

function logo(doc: Pdf, name: string): void {
  doc.save();
  doc.roundedRect(MARGIN, MARGIN, 30, 30, 7).fill(ACCENT);
  for (const [index, length] of [18, 12, 18].entries())
    doc.roundedRect(MARGIN + 6, MARGIN + 7 + index * 6, length, 3, 1.5).fill('#ffffff');
  doc.restore();
  const { text, font } = written(name, '-Bold');
  const { at } = columnsOf(doc);
  doc
    .font(font)
    .fontSize(15)
    .fillColor(INK)
    .text(text, MARGIN + 40, MARGIN + 8, { width: at[1] - MARGIN - 52, height: 38, ellipsis: true });
}

function party(doc: Pdf, title: string, who: Party, x: number, y: number, width: number): number {
  doc
    .font('Helvetica-Bold')
    .fontSize(8)
    .fillColor(MUTED)
    .text(title.toUpperCase(), x, y, { width, characterSpacing: 0.6 });
  const lines = [who.name, ...who.address, who.taxId === '' ? '' : `Tax ID: ${who.taxId}`, who.email].filter(
    (one) => one !== '',
  );
  const { text, font } = written(lines.join('\n'));
  doc.font(font).fontSize(9.5).fillColor(INK);
  doc.text(text || '-', x, y + 13, { width, lineGap: 1.5 });
  return doc.y;
}

function facts(doc: Pdf, invoice: Invoice): void {
  const { right, at } = columnsOf(doc);
  const rows: [string, string][] = [
    [invoice.kind === 'credit_note' ? 'Credit note' : 'Invoice', invoice.number ?? 'Draft'],
    ['Date of issue', invoice.issuedAt === null ? 'not issued' : dateText(invoice.issuedAt)],
    ['Due', invoice.dueAt === null || invoice.kind === 'credit_note' ? '-' : dateText(invoice.dueAt)],
    ['Service period', `${dateText(invoice.periodFrom)} - ${lastDay(invoice.periodTo)}`],
    ['Status', invoice.status.replace('_', ' ')],
  ];
  let y = MARGIN;
  for (const [name, value] of rows) {
    doc.font('Helvetica').fontSize(9).fillColor(MUTED).text(name, at[1], y, { width: 90 });
    doc
      .font('Helvetica-Bold')
      .fillColor(INK)
      .text(value, at[1] + 90, y, { width: right - at[1] - 90, align: 'right' });
    y += 14;
  }
}

/** The day a half-open period ends with. */
const lastDay = (iso: string): string => dateText(new Date(Date.parse(iso) - 1).toISOString());

function tableHead(doc: Pdf): void {
  const { left, right, at } = columnsOf(doc);
  const y = doc.y;
  doc.font('Helvetica-Bold').fontSize(8).fillColor(MUTED);
  doc.text('DESCRIPTION', at[0], y, { width: at[1] - at[0], lineBreak: false });
  for (const [index, name] of ['QUANTITY', 'UNIT PRICE', 'AMOUNT'].entries())
    doc.text(name, at[index + 1]!, y, { width: at[index + 2]! - at[index + 1]!, align: 'right', lineBreak: false });
  doc
    .moveTo(left, y + 13)
    .lineTo(right, y + 13)
    .lineWidth(0.8)
    .strokeColor(RULE)
    .stroke();
  doc.y = y + 20;
}

const MONEY_DIGITS_MAX = 14;
/** A quantity for a column: all digits as long as they fit, else the first with an ellipsis; the CSV has them all. */
const quantityText = (text: string): string =>
  text.length > MONEY_DIGITS_MAX ? `${text.slice(0, MONEY_DIGITS_MAX - 1)}...` : text;

function tableRow(doc: Pdf, line: InvoiceLine): void {
  const { left, right, at } = columnsOf(doc);
  const width = at[1] - at[0] - 12;
  const { text: description, font } = written(line.description);
  doc.font(font).fontSize(9.5);
  const height = Math.max(doc.heightOfString(description, { width }) + 14, 28);
  if (doc.y + height > doc.page.height - MARGIN - FOOT) {
    doc.addPage();
    doc.y = MARGIN;
    tableHead(doc);
  }
  const y = doc.y;
  doc.fillColor(INK).text(description, at[0], y, { width });
  doc
    .font('Helvetica')
    .fontSize(8)
    .fillColor(MUTED)
    .text(`${dateText(line.serviceFrom)} - ${lastDay(line.serviceTo)} UTC`, at[0], doc.y + 1, { width });
  const bottom = doc.y;
  const isPlain = line.kind === 'usage' || line.kind === 'flat';
  const quantity = isPlain
    ? `${quantityText(line.quantity)}`
    : line.kind === 'discount' || line.kind === 'tax'
      ? `${line.quantity} %`
      : '';
  const price = isPlain || line.kind === 'discount' || line.kind === 'tax' ? line.unitPrice : '';
  const { currency, amount } = line.amount;
  doc.font('Helvetica').fontSize(9.5).fillColor(INK);
  doc.text(quantity, at[1], y, { width: at[2] - at[1], align: 'right' });
  if (isPlain)
    doc
      .fontSize(7.5)
      .fillColor(MUTED)
      .text(line.unit, at[1], y + 12, { width: at[2] - at[1], align: 'right' });
  const unitBottom = doc.y;
  doc
    .fontSize(9.5)
    .fillColor(INK)
    .text(price, at[2], y, { width: at[3] - at[2], align: 'right' });
  doc.text(amountText(amount, currency), at[3], y, { width: at[4] - at[3], align: 'right' });
  doc.y = Math.max(bottom, unitBottom) + 6;
  doc.moveTo(left, doc.y).lineTo(right, doc.y).lineWidth(0.4).strokeColor(RULE).stroke();
  doc.y += 7;
}

function totals(doc: Pdf, invoice: Invoice): void {
  const { right, at } = columnsOf(doc);
  if (doc.y + 90 > doc.page.height - MARGIN - FOOT) {
    doc.addPage();
    doc.y = MARGIN;
  }
  let y = doc.y + 6;
  const rows = [
    ['Subtotal', invoice.subtotal, false],
    ['Tax', invoice.tax, false],
    ['Total', invoice.total, true],
  ] as const;
  for (const [name, money, isTotal] of rows) {
    if (isTotal) doc.moveTo(at[2], y).lineTo(right, y).lineWidth(0.8).strokeColor(INK).stroke();
    if (isTotal) y += 7;
    const font = isTotal ? 'Helvetica-Bold' : 'Helvetica';
    doc
      .font(font)
      .fontSize(isTotal ? 12 : 9.5)
      .fillColor(INK)
      .text(name, at[2], y, { width: 80, lineBreak: false });
    const text = `${amountText(money.amount, money.currency)} ${money.currency}`;
    doc.text(text, at[2], y, { width: right - at[2], align: 'right' });
    y += isTotal ? 22 : 16;
  }
  doc.y = y;
}

function feet(doc: Pdf, invoice: Invoice): void {
  const { left, width } = columnsOf(doc);
  const { start, count } = doc.bufferedPageRange();
  for (let page = start; page < start + count; page += 1) {
    doc.switchToPage(page);
    // text below the bottom margin would begin a page of its own
    doc.page.margins.bottom = 0;
    const y = doc.page.height - MARGIN - 8;
    doc.fontSize(8).fillColor(MUTED);
    const seller = [invoice.seller.name, invoice.seller.taxId].filter((one) => one !== '').join(' · ');
    const { text, font } = written(seller);
    doc.font(font).text(text, left, y, { width: width * 0.7, height: 10, ellipsis: true });
    doc.font('Helvetica').text(`${invoice.number ?? 'Draft'} - page ${page - start + 1} of ${count}`, left, y, {
      width,
      align: 'right',
      lineBreak: false,
    });
  }
}

/** The invoice as PDF. The same invoice and paper make the same bytes but for what the library stamps itself. */
export async function invoicePdf(invoice: Invoice, paper: Paper): Promise<Buffer> {
  const created = new Date(invoice.issuedAt ?? invoice.createdAt);
  const doc = new PDFDocument({
    ...{ size: paper === 'a4' ? 'A4' : 'LETTER', margin: MARGIN, bufferPages: true },
    info: { Title: `Invoice ${invoice.number ?? 'draft'}`, Author: invoice.seller.name, CreationDate: created },
  });
  const chunks: Buffer[] = [];
  const done = new Promise<Buffer>((resolve, reject) => {
    doc.on('data', (chunk: Buffer) => chunks.push(chunk));
    doc.on('end', () => resolve(Buffer.concat(chunks)));
    doc.on('error', reject);
  });
  logo(doc, invoice.seller.name || 'RobustMQ Cloud');
  facts(doc, invoice);
  const { left, at, width } = columnsOf(doc);
  const bottom = party(doc, 'From', invoice.seller, left, MARGIN + 96, width * 0.45);
  doc.y = Math.max(bottom, party(doc, 'Bill to', invoice.buyer, at[1], MARGIN + 96, width * 0.5)) + 28;
  tableHead(doc);
  for (const line of invoice.lines) tableRow(doc, line);
  totals(doc, invoice);
  const note =
    'Quantities are exact; each line is rounded once, halves away from zero. 1 GiB is 2^30 bytes. Times are UTC.';
  doc
    .font('Helvetica')
    .fontSize(8)
    .fillColor(MUTED)
    .text(note, left, doc.y + 14, { width });
  feet(doc, invoice);
  doc.end();
  return done;
}
