import { createReadStream } from 'node:fs';
import { bodyOf } from '@robustmq/client';
import { Command } from 'commander';
import { ChainVerifier, type ChainedRow } from '../audit-chain.ts';
import type { Context } from '../context.ts';
import { EXIT, Failure, usageFailure } from '../failure.ts';
import { linesOf } from '../lines.ts';
import { fieldsOf, tableOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

const ROWS_PER_REQUEST = 1_000;

/** The tenant's audit log in order, page after page. */
async function* exported(context: Context): AsyncGenerator<ChainedRow> {
  const tenantId = await context.tenantId();
  for (let afterSeq = 0; ;) {
    const { items } = await bodyOf(
      context.client().GET('/v1/tenants/{tenantId}/audit-events/export', {
        params: { path: { tenantId }, query: { afterSeq, limit: ROWS_PER_REQUEST } },
      }),
    );
    yield* items as unknown as ChainedRow[];
    if (items.length < ROWS_PER_REQUEST) return;
    afterSeq = items.at(-1)!.seq;
  }
}

/** Rows of a file that `audit export` wrote. */
async function* fromFile(path: string): AsyncGenerator<ChainedRow> {
  for await (const line of linesOf(createReadStream(path))) {
    if (line.trim() === '') continue;
    try {
      yield JSON.parse(line) as ChainedRow;
    } catch {
      throw usageFailure(`${path} is not what "audit export" wrote.`);
    }
  }
}

async function verify(context: Context, file: string | undefined): Promise<void> {
  const chain = new ChainVerifier();
  for await (const row of file === undefined ? exported(context) : fromFile(file)) {
    const broken = chain.next(row);
    if (broken)
      throw new Failure(
        EXIT.failed,
        `The audit log is broken at row ${broken.seq}: ${broken.what}.`,
        'Keep this copy of it.',
      );
  }
  const result = { rows: chain.rows, head: chain.head };
  await context.print(result, () =>
    fieldsOf([
      ['rows', String(chain.rows)],
      ['head', chain.head],
    ]),
  );
  context.terminal.note('The audit log is whole.');
}

async function list(context: Context): Promise<void> {
  const path = { tenantId: await context.tenantId() };
  const { items } = await bodyOf(
    context.client().GET('/v1/tenants/{tenantId}/audit-events', { params: { path, query: { limit: 50 } } }),
  );
  await context.print(items, () =>
    tableOf(
      [
        { heading: 'AT', value: (e) => e.at },
        { heading: 'ACTION', value: (e) => e.action },
        { heading: 'RESULT', value: (e) => e.result },
        { heading: 'ACTOR', value: (e) => `${e.actor.type} ${e.actor.id}` },
        { heading: 'TARGET', value: (e) => `${e.target.type} ${e.target.id}` },
      ],
      items,
    ),
  );
}

/** audit list | export | verify. */
export function auditCommand(kit: CommandKit): Command {
  const audit = new Command('audit').description('who did what in the tenant, and the proof that nothing was altered');
  audit
    .command('list')
    .description('the newest events')
    .action((_options: object, command: Command) => kit.run(command, list));
  audit
    .command('export')
    .description('the whole log as lines of JSON, with its hash chain')
    .action((_options: object, command: Command) =>
      kit.run(command, async (context) => {
        for await (const row of exported(context)) context.terminal.out(`${JSON.stringify(row)}\n`);
      }),
    );
  audit
    .command('verify [file]')
    .description('follow the hash chain of the log, or of an exported file')
    .action((file: string | undefined, _options: object, command: Command) =>
      kit.run(command, (context) => verify(context, file)),
    );
  return audit;
}
