import { bodyOf } from '@robustmq/client';
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { moneyOf } from '../money.ts';
import { tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

async function preview(context: Context): Promise<void> {
  const invoice = await bodyOf(
    context.client().GET('/v1/tenants/{tenantId}/invoices/preview', {
      params: { path: { tenantId: await context.tenantId() } },
    }),
  );
  await context.print(invoice, () => {
    const lines = tableOf(
      [
        { heading: 'DESCRIPTION', value: (line) => line.description },
        { heading: 'QUANTITY', value: (line) => `${line.quantity} ${line.unit}` },
        { heading: 'UNIT PRICE', value: (line) => line.unitPrice },
        { heading: 'AMOUNT', value: (line) => moneyOf(line.amount) },
      ],
      invoice.lines,
    );
    return `${lines}\nTotal from ${invoice.periodFrom} as of ${invoice.asOf}: ${moneyOf(invoice.total)}\n`;
  });
}

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

/** invoice preview | prices. */
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
  return invoice;
}
