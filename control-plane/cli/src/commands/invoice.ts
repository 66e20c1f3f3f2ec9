import { existsSync, writeFileSync } from 'node:fs';
import { allItems, bodyOf } from '@robustmq/client';
import { Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { EXIT, Failure } from '../failure.ts';
import { moneyOf } from '../money.ts';
import { fieldsOf, tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

/** Windows asked for at once. */
const WINDOWS_PAGE = 5_000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

interface DownloadOptions {
  readonly format: 'pdf' | 'csv' | 'json' | 'proof';
  readonly paper: 'a4' | 'letter';
  readonly file?: string;
}

async function preview(context: Context): Promise<void> {
  const invoice = await bodyOf(
    context.client().GET('/v1/tenants/{tenantId}/invoices/preview', {
      params: { path: { tenantId: await context.tenantId() } },
    }),
  );
  await context.print(invoice, () => {
    return `${linesTable(invoice.lines)}\nTotal from ${invoice.periodFrom} as of ${invoice.asOf}: ${moneyOf(invoice.total)}\n`;
  });
}

interface ShownLine {
  readonly description: string;
  readonly quantity: string;
  readonly unit: string;
  readonly unitPrice: string;
  readonly amount: { readonly amount: string; readonly currency: string };
}
const linesTable = (lines: readonly ShownLine[]): string =>
  tableOf(
    [
      { heading: 'DESCRIPTION', value: (line) => line.description },
      { heading: 'QUANTITY', value: (line) => `${line.quantity} ${line.unit}` },
      { heading: 'UNIT PRICE', value: (line) => line.unitPrice },
      { heading: 'AMOUNT', value: (line) => moneyOf(line.amount) },
    ],
    lines,
  );

async function prices(context: Context): Promise<void> {
  const list = await bodyOf(context.client().GET('/v1/prices'));
  await context.print(list, () =>
    tableOf(
      [
        { heading: 'PLAN', value: (price) => price.plan },
        { heading: 'WHAT', value: (price) => price.title },
        { heading: 'UNIT', value: (price) => price.unit },
        { heading: 'FREE A MONTH', value: (price) => price.included },
        { heading: 'UNIT PRICE', value: (price) => `${price.unitPrice} ${price.currency}` },
      ],
      list.items,
    ),
  );
}

const invoices = (context: Context, tenantId: string) =>
  allItems((cursor) =>
    bodyOf(
      context.client().GET('/v1/tenants/{tenantId}/invoices', {
        params: { path: { tenantId }, query: { limit: 200, ...(cursor === undefined ? {} : { cursor }) } },
      }),
    ),
  );

async function list(context: Context): Promise<void> {
  const items = await invoices(context, await context.tenantId());
  await context.print(items, () =>
    tableOf(
      [
        { heading: 'NUMBER', value: (one) => one.number ?? 'draft' },
        { heading: 'PERIOD', value: (one) => one.periodFrom.slice(0, 7) },
        { heading: 'STATUS', value: (one) => one.status },
        { heading: 'TOTAL', value: (one) => moneyOf(one.total) },
        { heading: 'DUE', value: (one) => one.dueAt?.slice(0, 10) ?? '' },
        { heading: 'ID', value: (one) => one.id },
      ],
      items,
    ),
  );
}

/** The id of an invoice given by id or number. */
async function idOf(context: Context, tenantId: string, wanted: string): Promise<string> {
  if (UUID.test(wanted)) return wanted;
  const found = (await invoices(context, tenantId)).find((one) => one.number === wanted.toUpperCase());
  if (found) return found.id;
  throw new Failure(EXIT.notFound, `There is no invoice "${wanted}".`, 'See yours with: robust-ctl invoice list');
}

async function get(context: Context, wanted: string): Promise<void> {
  const tenantId = await context.tenantId();
  const path = { tenantId, invoiceId: await idOf(context, tenantId, wanted) };
  const invoice = await bodyOf(
    context.client().GET('/v1/tenants/{tenantId}/invoices/{invoiceId}', { params: { path } }),
  );
  await context.print(invoice, () => {
    const fields = fieldsOf([
      ['number', invoice.number ?? 'draft'],
      ['status', invoice.status],
      ['period', `${invoice.periodFrom} to ${invoice.periodTo}`],
      ['due', invoice.dueAt ?? ''],
      ['subtotal', moneyOf(invoice.subtotal)],
      ['tax', moneyOf(invoice.tax)],
      ['total', moneyOf(invoice.total)],
    ]);
    return `${fields}\n${linesTable(invoice.lines)}`;
  });
}

/** The proof of an invoice and its windows, page after page, as the server lists them. */
async function* proofLines(context: Context, tenantId: string, invoiceId: string): AsyncGenerator<unknown> {
  const path = { tenantId, invoiceId };
  const client = context.client();
  yield await bodyOf(client.GET('/v1/tenants/{tenantId}/invoices/{invoiceId}/proof', { params: { path } }));
  for (let cursor: string | undefined; ;) {
    const query = { limit: WINDOWS_PAGE, ...(cursor === undefined ? {} : { cursor }) };
    const page = await bodyOf(
      client.GET('/v1/tenants/{tenantId}/invoices/{invoiceId}/windows', { params: { path, query } }),
    );
    yield* page.items;
    cursor = page.nextCursor;
    if (cursor === undefined) return;
  }
}

async function download(context: Context, wanted: string, options: DownloadOptions): Promise<void> {
  const tenantId = await context.tenantId();
  const invoiceId = await idOf(context, tenantId, wanted);
  const { format } = options;
  if (format === 'proof') {
    const path = options.file ?? `invoice-${wanted}.proof.ndjson`;
    writeFileSync(path, '');
    let lines: string[] = [];
    for await (const line of proofLines(context, tenantId, invoiceId)) {
      lines.push(`${JSON.stringify(line)}\n`);
      if (lines.length < WINDOWS_PAGE) continue;
      writeFileSync(path, lines.join(''), { flag: 'a' });
      lines = [];
    }
    writeFileSync(path, lines.join(''), { flag: 'a' });
    context.terminal.note(`Wrote ${path}. Check it with: robust-ctl invoice verify ${path}`);
    return;
  }
  const file = await bodyOf(
    context.client().GET('/v1/tenants/{tenantId}/invoices/{invoiceId}/document', {
      params: { path: { tenantId, invoiceId }, query: { format, paper: options.paper } },
    }),
  );
  // the server's name is its own text: only its last part is a file name
  const path = options.file ?? file.fileName.replaceAll(/[^A-Za-z0-9._-]/g, '_');
  writeFileSync(path, Buffer.from(file.contentBase64, 'base64'));
  context.terminal.note(`Wrote ${path}.`);
}

/** The checking itself, with all that money is made of, is loaded by this one command only. */
async function check(context: Context, wanted: string, options: { key?: string[] }): Promise<void> {
  const { linesOf, verifyLines } = await import('../invoice-check.ts');
  if (existsSync(wanted)) return verifyLines(context, wanted, linesOf(wanted), options.key ?? []);
  if (/[/\\]|\.(nd)?json$/.test(wanted)) throw new Failure(EXIT.notFound, `There is no file "${wanted}".`);
  const tenantId = await context.tenantId();
  const invoiceId = await idOf(context, tenantId, wanted);
  return verifyLines(context, wanted, proofLines(context, tenantId, invoiceId), options.key ?? []);
}

/** invoice preview | prices | list | get | download | verify. */
export function invoiceCommand(kit: CommandKit): Command {
  const invoice = new Command('invoice').description('bills');
  invoice
    .command('preview')
    .description('the bill if the period ended now')
    .action((_options: object, command: Command) => kit.run(command, preview));
  invoice
    .command('prices')
    .description('what each plan costs')
    .action((_options: object, command: Command) => kit.run(command, prices));
  invoice
    .command('list')
    .description('invoices and credit notes, newest first')
    .action((_options: object, command: Command) => kit.run(command, list));
  invoice
    .command('get <number|id>')
    .description('one invoice with its lines')
    .action((wanted: string, _options: object, command: Command) =>
      kit.run(command, (context) => get(context, wanted)),
    );
  invoice
    .command('download <number|id>')
    .description('write an invoice to a file')
    .addOption(new Option('--format <format>', 'what to write').choices(['pdf', 'csv', 'json', 'proof']).default('pdf'))
    .addOption(new Option('--paper <size>', 'of a PDF').choices(['a4', 'letter']).default('a4'))
    .option('--file <path>', 'where to write it')
    .action((wanted: string, options: DownloadOptions, command: Command) =>
      kit.run(command, (context) => download(context, wanted, options)),
    );
  invoice
    .command('verify <file|number|id>')
    .description('make an invoice again from its signed usage, here and not on the server')
    .option('--key <pem...>', 'public keys of the agents you trust, instead of those in the file')
    .action((wanted: string, options: { key?: string[] }, command: Command) =>
      kit.run(command, (context) => check(context, wanted, options)),
    );
  return invoice;
}
