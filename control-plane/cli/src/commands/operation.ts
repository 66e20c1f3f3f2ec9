import { bodyOf } from '@robustmq/client';
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { EXIT, Failure } from '../failure.ts';
import { fieldsOf, tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

const ALL = '/v1/tenants/{tenantId}/operations' as const;
const ONE = '/v1/tenants/{tenantId}/operations/{operationId}' as const;
/** Between two looks at an operation that is under way, in milliseconds. */
const LOOK_MS = 500;
const WAIT_MS_MAX = 120_000;

interface ListOptions {
  undoable?: boolean;
}
interface Shown {
  id: string;
  kind: string;
  status: string;
  target: { type: string; id: string };
  undoUntil: string | null;
}

const at = async (context: Context, operationId: string) => ({
  params: { path: { tenantId: await context.tenantId(), operationId } },
});
const shown = (context: Context, operation: Shown): Promise<void> =>
  context.print(operation, () =>
    fieldsOf([
      ['id', operation.id],
      ['kind', operation.kind],
      ['target', `${operation.target.type} ${operation.target.id}`],
      ['status', operation.status],
      ['undo until', operation.undoUntil ?? 'not any more'],
    ]),
  );

async function list(context: Context, { undoable }: ListOptions): Promise<void> {
  const path = { tenantId: await context.tenantId() };
  const query = { limit: 50, ...(undoable ? { undoable: 'true' as const } : {}) };
  const { items } = await bodyOf(context.client().GET(ALL, { params: { path, query } }));
  await context.print(items, () =>
    tableOf(
      [
        { heading: 'STARTED', value: (o) => o.startedAt },
        { heading: 'KIND', value: (o) => o.kind },
        { heading: 'TARGET', value: (o) => `${o.target.type} ${o.target.id}` },
        { heading: 'STATUS', value: (o) => o.status },
        { heading: 'UNDO UNTIL', value: (o) => o.undoUntil ?? '' },
        { heading: 'ID', value: (o) => o.id },
      ],
      items,
    ),
  );
}

async function wait(context: Context, id: string): Promise<void> {
  const where = await at(context, id);
  const deadline = context.terminal.now() + WAIT_MS_MAX;
  for (;;) {
    const operation = await bodyOf(context.client().GET(ONE, where));
    if (operation.status === 'failed')
      throw new Failure(EXIT.failed, `The operation failed: ${operation.error ?? 'for a reason that is not known'}.`);
    if (operation.status !== 'running') return shown(context, operation);
    if (context.terminal.now() > deadline) throw new Failure(EXIT.failed, 'The operation is still running.');
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** operation list | get | wait | undo. */
export function operationCommand(kit: CommandKit): Command {
  const operation = new Command('operation').description('writes that take a while, and writes that can be taken back');
  operation
    .command('list')
    .description('list them, newest first')
    .option('--undoable', 'only what can be undone now')
    .action((options: ListOptions, command: Command) => kit.run(command, (context) => list(context, options)));
  operation
    .command('get <id>')
    .description('show one')
    .action((id: string, _options: object, command: Command) =>
      kit.run(command, async (context) =>
        shown(context, await bodyOf(context.client().GET(ONE, await at(context, id)))),
      ),
    );
  operation
    .command('wait <id>')
    .description('wait until it is done')
    .action((id: string, _options: object, command: Command) => kit.run(command, (context) => wait(context, id)));
  operation
    .command('undo <id>')
    .description('take it back')
    .action((id: string, _options: object, command: Command) =>
      kit.run(command, async (context) =>
        shown(context, await bodyOf(context.client().POST(`${ONE}:undo`, await at(context, id)))),
      ),
    );
  return operation;
}
