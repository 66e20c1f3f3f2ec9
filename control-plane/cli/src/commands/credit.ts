import { ApiError, bodyOf } from '@robustmq/client';
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { EXIT, Failure } from '../failure.ts';
import { moneyOf } from '../money.ts';
import { tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

async function list(context: Context): Promise<void> {
  const path = { tenantId: await context.tenantId() };
  const credits = await bodyOf(context.client().GET('/v1/tenants/{tenantId}/credits', { params: { path } }));
  await context.print(credits, () => {
    const rows = tableOf(
      [
        { heading: 'TITLE', value: (one) => one.title },
        { heading: 'LEFT', value: (one) => moneyOf(one.remaining) },
        { heading: 'OF', value: (one) => moneyOf(one.amount) },
        { heading: 'EXPIRES', value: (one) => one.expiresAt?.slice(0, 10) ?? 'never' },
      ],
      credits.items,
    );
    return `${rows}\nBalance: ${moneyOf(credits.balance)}\n`;
  });
}

async function redeem(context: Context, code: string): Promise<void> {
  const path = { tenantId: await context.tenantId() };
  const done = await bodyOf(
    context.client().POST('/v1/tenants/{tenantId}/credits', { params: { path }, body: { code } }),
  ).catch((error: unknown) => {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    throw new Failure(EXIT.notFound, `There is no coupon "${code}", or it can no longer be redeemed.`);
  });
  await context.print(done, () => `Redeemed ${done.code}: ${done.title}\n`);
}

/** credit list | redeem. */
export function creditCommand(kit: CommandKit): Command {
  const credit = new Command('credit').description('credits and coupons');
  credit
    .command('list')
    .description('credits that are left')
    .action((_options: object, command: Command) => kit.run(command, list));
  credit
    .command('redeem <code>')
    .description('redeem a coupon')
    .action((code: string, _options: object, command: Command) => kit.run(command, (context) => redeem(context, code)));
  return credit;
}
