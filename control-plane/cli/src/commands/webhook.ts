import { bodyOf } from '@robustmq/client';
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { collect } from '../lines.ts';
import { fieldsOf, tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

const ALL = '/v1/tenants/{tenantId}/webhooks' as const;
const ONE = '/v1/tenants/{tenantId}/webhooks/{webhookId}' as const;

interface WebhookOptions {
  url?: string;
  event?: string[];
  enable?: boolean;
  disable?: boolean;
}

const at = async (context: Context, webhookId: string) => ({
  params: { path: { tenantId: await context.tenantId(), webhookId } },
});

async function withSecret(context: Context, made: { id: string; url: string; secret: string }): Promise<void> {
  await context.print(made, () =>
    fieldsOf([
      ['id', made.id],
      ['url', made.url],
      ['secret', made.secret],
    ]),
  );
  context.terminal.note('The secret is shown this once. Messages are signed with it (Standard Webhooks).');
}

async function create(context: Context, url: string, { event = ['*'] }: WebhookOptions): Promise<void> {
  const path = { tenantId: await context.tenantId() };
  await withSecret(
    context,
    await bodyOf(context.client().POST(ALL, { params: { path }, body: { url, events: event } })),
  );
}

async function list(context: Context): Promise<void> {
  const path = { tenantId: await context.tenantId() };
  const { items } = await bodyOf(context.client().GET(ALL, { params: { path, query: { limit: 200 } } }));
  await context.print(items, () =>
    tableOf(
      [
        { heading: 'URL', value: (w) => w.url },
        { heading: 'EVENTS', value: (w) => w.events.join(' ') },
        {
          heading: 'STATE',
          value: (w) => (!w.enabled ? 'off' : w.failingSince ? `failing since ${w.failingSince}` : 'on'),
        },
        { heading: 'ID', value: (w) => w.id },
      ],
      items,
    ),
  );
}

async function update(context: Context, id: string, { url, event, enable, disable }: WebhookOptions): Promise<void> {
  const body = {
    ...(url === undefined ? {} : { url }),
    ...(event === undefined ? {} : { events: event }),
    ...(enable ? { enabled: true } : disable ? { enabled: false } : {}),
  };
  const changed = await bodyOf(context.client().PATCH(ONE, { ...(await at(context, id)), body }));
  await context.print(changed, () =>
    fieldsOf([
      ['id', changed.id],
      ['url', changed.url],
    ]),
  );
}

async function deliveries(context: Context, id: string): Promise<void> {
  const where = await at(context, id);
  const { items } = await bodyOf(
    context.client().GET(`${ONE}/deliveries`, { params: { ...where.params, query: { limit: 50 } } }),
  );
  await context.print(items, () =>
    tableOf(
      [
        { heading: 'AT', value: (d) => d.createdAt },
        { heading: 'EVENT', value: (d) => d.event },
        { heading: 'STATUS', value: (d) => d.status },
        { heading: 'ATTEMPTS', value: (d) => String(d.attempts) },
        { heading: 'ANSWER', value: (d) => String(d.responseStatus ?? d.error ?? '') },
        { heading: 'ID', value: (d) => d.id },
      ],
      items,
    ),
  );
}

function addDeliveryCommands(kit: CommandKit, webhook: Command): void {
  webhook
    .command('deliveries <id>')
    .description('what was sent, newest first')
    .action((id: string, _options: object, command: Command) => kit.run(command, (context) => deliveries(context, id)));
  webhook
    .command('replay <id> <delivery>')
    .description('send a message again')
    .action((id: string, deliveryId: string, _options: object, command: Command) =>
      kit.run(command, async (context) => {
        const path = { ...(await at(context, id)).params.path, deliveryId };
        const sent = await bodyOf(context.client().POST(`${ONE}/deliveries/{deliveryId}:replay`, { params: { path } }));
        await context.print(sent, () =>
          fieldsOf([
            ['delivery', sent.id],
            ['status', sent.status],
          ]),
        );
      }),
    );
  webhook
    .command('delete <id>')
    .description('remove a webhook')
    .action((id: string, _options: object, command: Command) =>
      kit.run(command, async (context) => {
        await context.client().DELETE(ONE, await at(context, id));
        context.terminal.note(
          'Removed the webhook. For a day, undo brings it back: robust-ctl operation list --undoable',
        );
      }),
    );
}

/** webhook create | list | update | rotate-secret | test | deliveries | replay | delete. */
export function webhookCommand(kit: CommandKit): Command {
  const webhook = new Command('webhook').description('what happens in the tenant, told to your own servers');
  webhook
    .command('create <url>')
    .description('make a webhook; its secret is shown once')
    .option('--event <type>', 'cluster.create, cluster.* or * (may be repeated; default: *)', collect)
    .action((url: string, options: WebhookOptions, command: Command) =>
      kit.run(command, (context) => create(context, url, options)),
    );
  webhook
    .command('list')
    .description('list webhooks')
    .action((_options: object, command: Command) => kit.run(command, list));
  webhook
    .command('update <id>')
    .description('change address or events, switch it off or on again')
    .option('--url <url>')
    .option('--event <type>', 'replaces all (may be repeated)', collect)
    .option('--enable')
    .option('--disable')
    .action((id: string, options: WebhookOptions, command: Command) =>
      kit.run(command, (context) => update(context, id, options)),
    );
  webhook
    .command('rotate-secret <id>')
    .description('a new secret, shown once; the old one signs no more')
    .action((id: string, _options: object, command: Command) =>
      kit.run(command, async (context) =>
        withSecret(context, await bodyOf(context.client().POST(`${ONE}:rotate-secret`, await at(context, id)))),
      ),
    );
  webhook
    .command('test <id>')
    .description('send a message of the type webhook.test')
    .action((id: string, _options: object, command: Command) =>
      kit.run(command, async (context) => {
        const sent = await bodyOf(context.client().POST(`${ONE}:test`, await at(context, id)));
        await context.print(sent, () =>
          fieldsOf([
            ['delivery', sent.id],
            ['status', sent.status],
          ]),
        );
      }),
    );
  addDeliveryCommands(kit, webhook);
  return webhook;
}
